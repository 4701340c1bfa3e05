"""Oracles that several test files share: exact values as fractions, and central finite differences of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np

from gradcheck import exact
from gradcheck.formats import Ball
from gradcheck.lower import Core, lower
from gradcheck.program import Layer, Name, Program, Shape, call

Point = Mapping[str, np.ndarray[Any, np.dtype[np.float64]]]

BITS = 400
"""Working precision of a finite difference."""
STEP = 2.0**-100
"""Its step: the truncation error is near the square of it, the rounding error near ``2**-BITS / STEP``."""
CLOSE = Fraction(1, 2**150)
"""Largest relative difference between a derivative and its finite difference."""


LARGE = 2**20
"""Exponent, of either sign, beyond which a number is not written out."""


class NoNumber(AssertionError):
    """An exact value that was needed does not exist."""


class TooWide(AssertionError):
    """An enclosure is too wide to say what its number is: a root of what cancels to 0 has half of the bits."""


def fraction(ball: Ball) -> Fraction:
    """Return the middle of an enclosure. Raises NoNumber for one that no memory holds."""
    man, exp = ball.midpoint
    if abs(exp) > LARGE:
        raise NoNumber(f"2**{exp}")
    return Fraction(man) * Fraction(2) ** exp


def enclosures(core: Core, name: str, point: Point, bits: int = BITS) -> list[Ball | str | None]:
    """Return the elements of one layer."""
    return list(exact.balls(exact.enclose(core, point, bits)[name], bits))


def numbers(core: Core, name: str, point: Point, bits: int = BITS) -> list[Fraction]:
    """Return the elements of one layer, every one a narrow enclosure of a number. Raises NoNumber, and TooWide."""
    found = []
    for ball in enclosures(core, name, point, bits):
        if not isinstance(ball, Ball):
            raise NoNumber(f"{name} has no number: {ball}")
        middle = fraction(ball)
        man, exp = ball.upper
        if Fraction(man) * Fraction(2) ** exp - middle > max(abs(middle), 1) / 2 ** (bits // 2):
            raise TooWide(name)
        found.append(middle)
    return found


def shapes(point: Point) -> dict[str, Shape]:
    """Return the shape of every input."""
    return {name: array.shape for name, array in point.items()}


def shifted(program: Program, name: str) -> Program:
    """Return the program at ``name + shift`` for one more input ``shift``; a step far below any float stays exact."""
    start = f"{name}_start"
    inputs = tuple(start if one == name else one for one in program.inputs)
    layer = Layer(name, call("add", Name(start), Name("shift")))
    return replace(program, inputs=(*inputs, "shift"), layers=(layer, *program.layers))


def differences(program: Program, name: str, point: Point) -> list[Fraction]:
    """Return the gradient by one input of the sum of all outputs' elements, from differences of exact values.

    Raises NoNumber where the program has no value beside the point.
    """
    moved = shifted(program, name)
    at = {(f"{name}_start" if one == name else one): array for one, array in point.items()}
    core = lower(moved, {**shapes(at), "shift": point[name].shape})
    found = []
    for k in np.ndindex(point[name].shape):
        both = []
        for sign in (1, -1):
            shift = np.zeros(point[name].shape)
            shift[k] = sign * STEP
            both.append(sum((sum(numbers(core, one, {**at, "shift": shift})) for one in program.outputs), Fraction(0)))
        found.append((both[0] - both[1]) / (2 * Fraction(STEP)))
    return found


def assert_close(found: Sequence[Fraction], wanted: Sequence[Fraction], what: str) -> None:
    """Demand that two gradients agree to far more digits than any wrong formula could."""
    assert len(found) == len(wanted) > 0, what
    for k, (one, other) in enumerate(zip(found, wanted, strict=True)):
        near = abs(one - other) <= CLOSE * max(Fraction(1), abs(other))
        assert near, f"{what}, element {k}: {float(one)} and {float(other)}"
