"""Estimates of one-sided derivatives, from gradients and differences ever nearer to a point: nothing here is proven."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
from flint import arb

from gradcheck.exact.elements import NAN, Values, as_ball
from gradcheck.exact.evaluate import enclose
from gradcheck.exact.limits import Form, Point, Scale, Side, held
from gradcheck.exact.precision import working_precision


@dataclass(frozen=True, slots=True)
class Approach:
    """What both sides do as far as can be told; the words are those of ``Beside``."""

    left: Side
    right: Side
    smooth: bool
    meets: bool
    continuous: bool


def approach(
    forms: Sequence[Form], value: str, point: Point, name: str, k: int, weights: np.ndarray[Any, Any] | None
) -> Approach:
    """Return what the derivative by element ``k`` of input ``name`` seems to do on both sides of the point.

    A slope comes from the first form that has a number there; ``value`` is the layer of the output in the first form.
    Where none has one, as on a kink that goes on beside the point, it is the difference quotient of the values. What is
    detached does not move.
    """
    scale = Scale.of(forms, point)
    with working_precision(scale.bits):
        return _Walk(forms, value, point, (name, k), scale, weights).approach()


class _Walk:
    """Steps towards a point from either side; the state is the forms with what is detached held still."""

    def __init__(
        self, forms: Sequence[Form], value: str, point: Point, at: tuple[str, int], scale: Scale, weights: Any
    ) -> None:
        self.value = value
        self.at = at
        self.scale = scale
        self.weights = weights
        self.forms = [(*held(core, point, scale.bits), output) for core, output in forms]
        core, point, _ = self.forms[0]
        self.here = self.height(enclose(core, point, scale.bits))

    def approach(self) -> Approach:
        (left, low), (right, high) = (self.side(sign) for sign in (-1, 1))
        meets, slopes = self.scale.meet(low, high), self.scale.meet(left, right)
        continuous = meets and (not self.here.is_finite() or self.scale.meet(low, [self.here] * len(low)))
        return Approach(self.scale.approach(left), self.scale.approach(right), slopes, meets, continuous)

    def side(self, sign: int) -> tuple[list[Any], list[Any]]:
        """Return the slopes and the values at every step on one side."""
        slopes, heights = zip(*(self.step(sign * distance) for distance in self.scale.steps), strict=True)
        return list(slopes), list(heights)

    def step(self, distance: Any) -> tuple[Any, Any]:
        """Return slope and value at one distance; nan where the value, or every form of the slope, has no number."""
        values = self.values(0, distance)
        height = self.height(values)
        others = (self.slope(k, self.values(k, distance)) for k in range(1, len(self.forms)))
        slopes = chain([self.slope(0, values)], others, [(height - self.here) / distance])
        return next((one for one in slopes if one.is_finite() and height.is_finite()), NAN), height

    def values(self, k: int, distance: Any) -> Values:
        core, point, _ = self.forms[k]
        return enclose(core, point, self.scale.bits, (*self.at, distance))

    def slope(self, k: int, values: Values) -> Any:
        return as_ball(values[self.forms[k][2]].ravel()[self.at[1]])

    def height(self, values: Values) -> Any:
        """Return the weighted sum of the output's elements: the number whose gradient it is."""
        elements = [as_ball(one) for one in values[self.value].ravel()]
        if self.weights is not None:
            elements = [one * arb(float(weight)) for one, weight in zip(elements, self.weights.ravel(), strict=True)]
        return sum(elements, arb(0))
