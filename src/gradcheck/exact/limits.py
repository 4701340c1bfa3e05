"""Limits at a point from numbers ever nearer to it: what settles, what vanishes, what grows, and how near is near."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import frexp
from typing import Any

import numpy as np
from flint import arb

from gradcheck.exact.elements import as_ball, ball
from gradcheck.exact.evaluate import enclose
from gradcheck.formats import Ball, Estimate
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
class Side:
    """What a slope does on the way to the point.

    ``slope`` is its limit, a Ball where that is proven; None where it has none or there is no value on the way.
    ``infinite`` is the sign of a slope that grows on and on, else 0. ``nowhere`` says that the function has no value on
    this side.
    """

    slope: Ball | Estimate | None
    infinite: int = 0
    nowhere: bool = False

    @property
    def proven(self) -> bool:
        """Return whether nothing here is a mere estimate."""
        return not isinstance(self.slope, Estimate)

    @property
    def ball(self) -> Ball | None:
        """Return the limit as a ball, whether proven or estimated."""
        return self.slope.ball if isinstance(self.slope, Estimate) else self.slope


@dataclass(frozen=True, slots=True)
class Scale:
    """How far below and above 1 the numbers of some programs and their point reach, as binary exponents."""

    least: int
    most: int

    @staticmethod
    def of(forms: Sequence[Form], point: Point) -> Scale:
        """Return the scale of all numbers that were written, that differentiating made, or that occur at the point."""
        found = [0]
        for array in point.values():
            magnitudes = np.abs(array[np.isfinite(array) & (array != 0)])
            found += [frexp(one)[1] for one in (magnitudes.min(), magnitudes.max())] if magnitudes.size else []
        values = enclose(forms[0][0], point)
        found += [one for array in values.values() for one in map(_exponent, array.ravel()) if one]
        for core, _ in forms:
            for layer in core.program.layers:
                numbers = (part.value for part in postorder(layer.expression) if isinstance(part, Number))
                found += [one.numerator.bit_length() - one.denominator.bit_length() for one in numbers if one]
        return Scale(min(-min(found), MAX_EXPONENT), min(max(found), MAX_EXPONENT))

    @property
    def bits(self) -> int:
        """Return the working precision that shows the thinnest step even where it is raised to the fourth power."""
        return SIDE_BITS + 4 * self.least + self.most

    @property
    def steps(self) -> list[Any]:
        """Return the distances from the point, the last one the nearest."""
        return [arb(2) ** -(step + self.least) for step in STEPS]

    def settles(self, far: Any, near: Any) -> bool:
        """Tell whether a difference shrinks from one step to the next, or is 0 as far as can be told."""
        narrow = arb(2) ** -(NEARLY + self.least)
        return bool(near <= SHRINKING * far) or bool(near.contains(0) and near.abs_upper() <= narrow)

    def meet(self, left: Sequence[Any], right: Sequence[Any]) -> bool:
        """Tell whether the differences of two sequences go to 0."""
        *_, far, near = (abs(a - b) for a, b in zip(left, right, strict=True))
        return self.settles(far, near)

    def approach(self, slopes: Sequence[Any]) -> Side:
        """Return the limit of the slopes at the three steps."""
        if not all(one.is_finite() for one in slopes):
            return Side(None)
        far, near = abs(slopes[1] - slopes[0]), abs(slopes[2] - slopes[1])
        if self.settles(far, near):
            found = ball(slopes[2] + arb(0, near))
            return Side(Estimate(found.lower, found.upper) if isinstance(found, Ball) else None)
        grows = near > GROWING * far and abs(slopes[2]) > abs(slopes[1]) > abs(slopes[0])
        return Side(None, _sign(slopes) if grows else 0)


def _exponent(value: Any) -> int:
    """Return the binary exponent of a number that is certainly not 0, else 0."""
    if not isinstance(value, arb) or not value.is_finite() or value.contains(0):
        return 0
    man, exp = value.mid().man_exp()
    return int(exp) + int(man).bit_length()


def _sign(slopes: Sequence[Any]) -> int:
    """Return the sign that all have, or 0."""
    return 1 if all(one > 0 for one in slopes) else -1 if all(one < 0 for one in slopes) else 0


def held(core: Core, point: Point, bits: int) -> tuple[Core, Point]:
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
