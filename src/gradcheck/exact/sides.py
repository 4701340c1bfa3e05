"""One-sided derivatives: the gradient, or the value, beside a point where the formula has none, along one element."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from math import frexp
from typing import Any

import flint
import numpy as np
from flint import arb

from gradcheck.exact.elements import NAN, Values, as_ball, ball
from gradcheck.exact.evaluate import enclose
from gradcheck.formats import Ball, Dyadic
from gradcheck.functions import DETACH
from gradcheck.lower import Core
from gradcheck.program import Call, Number, postorder

STEPS = (140, 200, 260)
"""Distances from the point, as negative powers of two below the smallest number that the program meets."""
SIDE_BITS = 1024
"""Working precision beside a point, in bits; numbers far from 1 add to it."""
MAX_EXPONENT = 2_000
"""Binary exponent up to which numbers add to the precision; float64 ends at 1074."""
NEARLY = 60
"""Bits to which a ball around 0 must be narrow to count as 0 here, below that same smallest number."""
SHRINKING = arb(2) ** -8
"""What settles comes so much closer to its limit from one distance to the next; a logarithm hardly does."""
GROWING = arb(3) / 4
"""What grows without bound moves on by nearly as much from one distance to the next; so does a logarithm."""

Form = tuple[Core, str]
"""A core program and the layer that holds the gradient."""
Point = Mapping[str, np.ndarray[Any, Any]]


@dataclass(frozen=True, slots=True)
class Sides:
    """The derivatives from both sides; ``jump`` where the function itself is not continuous."""

    left: Ball
    right: Ball
    smooth: bool
    jump: bool

    @property
    def common(self) -> Ball:
        """Return the derivative where both sides have the same: 0, where that is possible."""
        both = self.left.hull(self.right)
        return Ball(Dyadic(0, 0), Dyadic(0, 0)) if both.contains(0.0) else both


@dataclass(frozen=True, slots=True)
class Side:
    """What the derivative does on the way to the point from one side.

    ``slope`` is its limit, or None where it has none or the side is outside the domain. ``infinite`` is the sign of a
    slope that was seen to grow on and on, else 0.
    """

    slope: Ball | None
    infinite: int = 0


@dataclass(frozen=True, slots=True)
class Beside:
    """Both sides of a point: ``smooth`` where the slopes have one limit, ``meets`` where the values have.

    ``continuous`` adds that the value at the point, where the formula has one, is that limit too.
    """

    left: Side
    right: Side
    smooth: bool
    meets: bool
    continuous: bool

    @property
    def sides(self) -> Sides | None:
        """Return the one-sided derivatives where both exist."""
        if self.left.slope is None or self.right.slope is None:
            return None
        return Sides(self.left.slope, self.right.slope, self.smooth, not self.continuous)

    @property
    def limit(self) -> Ball | None:
        """Return the limit of the derivative where both sides have the same, and the values meet."""
        sides = self.sides
        return sides.common if sides is not None and self.smooth and self.meets else None


def sides(forms: Sequence[Form], value: str, point: Point, name: str, k: int) -> Sides | None:
    """Return the one-sided derivatives by element ``k`` of input ``name``; None where a side has none."""
    return beside(forms, value, point, name, k).sides


def limit(forms: Sequence[Form], value: str, point: Point, name: str, k: int) -> Ball | None:
    """Return the limit of the derivative by element ``k`` of input ``name``, also where the formula has no value.

    So ``sin(x)/x``, which is 0/0 at 0, has the limit 0 there. None means that the sides differ, that one of them has no
    limit, or that the values from both sides do not meet.
    """
    return beside(forms, value, point, name, k).limit


def beside(forms: Sequence[Form], value: str, point: Point, name: str, k: int) -> Beside:
    """Return what the derivative by element ``k`` of input ``name`` does on both sides of the point.

    A slope comes from the first form that has a number there; ``value`` is the layer of the output in the first form.
    Where none has one, as on a kink that goes on beside the point, it is the difference quotient of the values. The
    enclosures hold the limit wherever the gradient is smooth beside the point. What is detached does not move.
    """
    least, most = _exponents([core for core, _ in forms], point)
    with flint.ctx.workprec(SIDE_BITS + 4 * least + most):
        walk = _Walk(forms, value, point, (name, k), least)
        return walk.beside()


def _exponents(cores: Sequence[Core], point: Point) -> tuple[int, int]:
    """Return how far below and above 1 the numbers of a program and its point reach, as binary exponents."""
    found = [0]
    for array in point.values():
        magnitudes = np.abs(array[np.isfinite(array) & (array != 0)])
        found += [frexp(one)[1] for one in (magnitudes.min(), magnitudes.max())] if magnitudes.size else []
    for core in cores:
        for layer in core.program.layers:
            numbers = (part.value for part in postorder(layer.expression) if isinstance(part, Number))
            found += [one.numerator.bit_length() - one.denominator.bit_length() for one in numbers if one]
    return min(-min(found), MAX_EXPONENT), min(max(found), MAX_EXPONENT)


class _Walk:
    """Steps towards a point from either side; the state is the forms with what is detached held still."""

    def __init__(self, forms: Sequence[Form], value: str, point: Point, at: tuple[str, int], least: int) -> None:
        self.bits = flint.ctx.prec
        self.value = value
        self.at = at
        self.steps = [arb(2) ** -(step + least) for step in STEPS]
        self.narrow = arb(2) ** -(NEARLY + least)
        self.forms = [(*_held(core, point, self.bits), output) for core, output in forms]
        self.here = self.height(enclose(self.forms[0][0], self.forms[0][1], self.bits))

    def beside(self) -> Beside:
        (left, low), (right, high) = ([list(one) for one in zip(*self.side(sign), strict=True)] for sign in (-1, 1))
        meets = self.vanishes(low, high)
        here = [self.here] * len(STEPS)
        continuous = meets and (not self.here.is_finite() or (self.vanishes(low, here) and self.vanishes(high, here)))
        return Beside(self.approach(left), self.approach(right), self.vanishes(left, right), meets, continuous)

    def side(self, sign: int) -> list[tuple[Any, Any]]:
        """Return slope and value at every step on one side."""
        return [self.step(sign * step) for step in self.steps]

    def step(self, distance: Any) -> tuple[Any, Any]:
        """Return slope and value at one distance; nan where the value, or every form of the slope, has no number."""
        values = self.values(0, distance)
        height = self.height(values)
        others = (self.slope(k, self.values(k, distance)) for k in range(1, len(self.forms)))
        slopes = chain([self.slope(0, values)], others, [(height - self.here) / distance])
        return next((one for one in slopes if one.is_finite() and height.is_finite()), NAN), height

    def values(self, k: int, distance: Any) -> Values:
        core, point, _ = self.forms[k]
        return enclose(core, point, self.bits, (*self.at, distance))

    def slope(self, k: int, values: Values) -> Any:
        return as_ball(values[self.forms[k][2]].ravel()[self.at[1]])

    def height(self, values: Values) -> Any:
        """Return the sum of the output's elements: the number whose gradient it is."""
        return sum(map(as_ball, values[self.value].ravel()), arb(0))

    def approach(self, slopes: list[Any]) -> Side:
        """Return the limit of the slopes at the three distances."""
        if not all(one.is_finite() for one in slopes):
            return Side(None)
        far, near = abs(slopes[1] - slopes[0]), abs(slopes[2] - slopes[1])
        if self.settles(far, near):
            found = ball(slopes[2] + arb(0, near))
            return Side(found if isinstance(found, Ball) else None)
        grows = near > GROWING * far and abs(slopes[2]) > abs(slopes[1]) > abs(slopes[0])
        return Side(None, _sign(slopes) if grows else 0)

    def vanishes(self, left: list[Any], right: list[Any]) -> bool:
        """Tell whether the differences of two sequences go to 0."""
        *_, far, near = (abs(a - b) for a, b in zip(left, right, strict=True))
        return self.settles(far, near)

    def settles(self, far: Any, near: Any) -> bool:
        """Tell whether a distance shrinks from one step to the next, or is 0 as far as can be told."""
        return bool(near <= SHRINKING * far) or bool(near.contains(0) and near.abs_upper() <= self.narrow)


def _sign(slopes: list[Any]) -> int:
    """Return the sign that all have, or 0."""
    return 1 if all(one > 0 for one in slopes) else -1 if all(one < 0 for one in slopes) else 0


def _held(core: Core, point: Point, bits: int) -> tuple[Core, Point]:
    """Return the program with its detached layers as inputs, at the values that they have at the point."""
    layers = core.program.layers
    still = [one.name for one in layers if isinstance(one.expression, Call) and one.expression.op == DETACH]
    if not still:
        return core, point
    values = enclose(core, point, bits)
    moving = tuple(one for one in layers if one.name not in still)
    program = replace(core.program, inputs=(*core.program.inputs, *still), layers=moving)
    as_balls = np.frompyfunc(as_ball, 1, 1)
    return replace(core, program=program), {**point, **{one: as_balls(values[one]) for one in still}}
