"""A rewritten program at other points: what helps by luck, or is another function, does so at one point alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from gradcheck import exact
from gradcheck.formats import Ball, Format
from gradcheck.lower import Core, lower
from gradcheck.ordinals import rounded
from gradcheck.points import Point, Value
from gradcheck.program import Program

Floats = np.ndarray[Any, np.dtype[np.float64]]

TRIES, ENOUGH = 12, 4
"""Random points that are tried, and those with a value that are enough."""
BITS = 192
STEPS = 1024
"""Random numbers are multiples of one in this many: floats that every format holds."""
NEAR, FURTHEST = 3, 2**-6
"""Neighbours of a point, and how far off they are: a sum that happens to round well does so for many ULP around."""


def is_equal_elsewhere(one: Program, other: Program, point: Mapping[str, Floats]) -> bool:
    """Return whether two programs enclose the same value wherever the first has one, at random points around a point.

    >>> from gradcheck.parse import parse
    >>> programs = [parse(text) for text in ("log(x**2)", "2*log(x)", "2*log(abs(x))")]
    >>> [is_equal_elsewhere(programs[0], each, {"x": np.array(3.0)}) for each in programs]
    [True, False, True]
    """
    shapes = {name: array.shape for name, array in point.items()}
    cores = [lower(program, {name: shapes[name] for name in program.inputs}) for program in (one, other)]
    compared = 0
    for seed in range(TRIES):
        at = _around(point, np.random.default_rng(seed), own=seed % 2 == 0)
        before = _value(cores[0], at)
        if before is None:
            continue
        after = _value(cores[1], at)
        if after is None or not all(a.overlaps(b) for a, b in zip(before, after, strict=True)):
            return False
        compared += 1
        if compared == ENOUGH:
            break
    return True


def _around(point: Mapping[str, Floats], draw: np.random.Generator, *, own: bool) -> dict[str, Floats]:
    """Return random numbers, of the signs and magnitudes of a point or of any sign."""
    found = {}
    for name, array in point.items():
        parts = draw.integers(STEPS // 2, 2 * STEPS, array.shape) / STEPS
        signs = draw.choice([-1.0, 1.0], array.shape)
        with np.errstate(over="ignore"):  # of the largest numbers
            found[name] = np.where(array != 0, array, signs) * parts if own else signs * parts
    return found


def _value(core: Core, point: Mapping[str, Floats]) -> list[Ball] | None:
    """Return the enclosures of the output, None where one of its elements has no value."""
    with np.errstate(all="ignore"):
        found = list(exact.balls(exact.enclose(core, point, BITS)[core.program.output], BITS))
    balls = [one for one in found if isinstance(one, Ball)]
    return balls if len(balls) == len(found) else None


def neighbours(point: Mapping[str, Floats], fmt: Format) -> Iterator[Point]:
    """Yield points beside a point, at most one part in 64 off."""
    for seed in range(NEAR):
        draw = np.random.default_rng(seed)
        by = {name: 1 + FURTHEST * draw.uniform(-1, 1, array.shape) for name, array in point.items()}
        with np.errstate(over="ignore"):
            moved = {name: rounded(np.asarray(one * by[name]), fmt) for name, one in point.items()}
        if all(np.isfinite(moved[name])[np.isfinite(one)].all() for name, one in point.items()):
            yield {name: Value(one.shape, moved[name]) for name, one in point.items()}
