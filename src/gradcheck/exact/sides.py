"""One-sided derivatives at a kink: the gradient a hair to the left and to the right, along one element of one input."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import flint
import numpy as np
from flint import arb

from gradcheck.exact.elements import as_ball, ball
from gradcheck.exact.evaluate import enclose
from gradcheck.formats import Ball, Dyadic
from gradcheck.lower import Core

HAIRS = (200, 260)
"""Two distances from the point, as negative powers of two: what converges is nearly equal at both."""
SIDE_BITS = 1024
"""Working precision beside a kink, in bits: enough to see a hair of the thinner kind."""
NEARLY = 60
"""Bits to which two numbers must agree to count as equal here."""

Form = tuple[Core, str]
"""A core program and the layer that holds the gradient."""


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


def sides(
    forms: Sequence[Form], value: str, point: Mapping[str, np.ndarray[Any, Any]], name: str, k: int
) -> Sides | None:
    """Return the one-sided derivatives by element ``k`` of input ``name``, from the first form that has a number there.

    ``value`` is the layer of the output in the first form. None means that one of the sides has no derivative:
    it is outside the domain, or the slope grows without bound. The enclosures hold the limit wherever the gradient is
    smooth beside the point.
    """
    with flint.ctx.workprec(SIDE_BITS):
        left, right = (_side(forms, value, point, (name, k, sign)) for sign in (-1, 1))
        if left is None or right is None:
            return None
        jump = not all(_near(a, b) for a, b in zip(left[1], right[1], strict=True))
        ends = ball(left[0]), ball(right[0])
        if not isinstance(ends[0], Ball) or not isinstance(ends[1], Ball):
            return None
        return Sides(ends[0], ends[1], _near(left[0], right[0]), jump)


def _side(forms: Sequence[Form], value: str, point: Mapping[str, Any], shift: tuple[str, int, int]) -> Any:
    """Return the slope and the output's elements beside the point, or None where the slope does not settle."""
    far, near = (_slope(forms, value, point, shift, hair) for hair in HAIRS)
    if far is None or near is None or not _near(far[0], near[0]):
        return None
    return near[0] + arb(0, abs(far[0] - near[0])), near[1]


def _slope(forms: Sequence[Form], value: str, point: Mapping[str, Any], shift: tuple[str, int, int], hair: int) -> Any:
    name, k, sign = shift
    found = [enclose(core, point, SIDE_BITS, (name, k, sign * arb(2) ** -hair)) for core, _ in forms]
    heights = [as_ball(one) for one in found[0][value].ravel()]
    slopes = [as_ball(values[output].ravel()[k]) for values, (_, output) in zip(found, forms, strict=True)]
    slope = next((one for one in slopes if one.is_finite()), None)
    return None if slope is None or not all(one.is_finite() for one in heights) else (slope, heights)


def _near(a: Any, b: Any) -> bool:
    """Tell whether two finite balls are equal to NEARLY bits of the larger, or of 1."""
    return bool(abs(a - b) <= arb(2) ** -NEARLY * (1 + abs(a)))
