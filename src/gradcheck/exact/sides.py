"""One-sided derivatives: the gradient, or the value, beside a point where the formula has none, along one element."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from flint import arb

from gradcheck.exact.elements import NAN, Values, as_ball
from gradcheck.exact.evaluate import enclose
from gradcheck.exact.limits import Form, Point, Scale, Side, held
from gradcheck.exact.precision import working_precision
from gradcheck.formats import Ball, Dyadic

__all__ = ["Beside", "Form", "Side", "Sides", "beside", "limit", "sides"]


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
    scale = Scale.of(forms, point)
    with working_precision(scale.bits):
        return _Walk(forms, value, point, (name, k), scale).beside()


class _Walk:
    """Steps towards a point from either side; the state is the forms with what is detached held still."""

    def __init__(self, forms: Sequence[Form], value: str, point: Point, at: tuple[str, int], scale: Scale) -> None:
        self.value = value
        self.at = at
        self.scale = scale
        self.forms = [(*held(core, point, scale.bits), output) for core, output in forms]
        core, point, _ = self.forms[0]
        self.here = self.height(enclose(core, point, scale.bits))

    def beside(self) -> Beside:
        (left, low), (right, high) = (self.side(sign) for sign in (-1, 1))
        meets, slopes = self.scale.meet(low, high), self.scale.meet(left, right)
        continuous = meets and (not self.here.is_finite() or self.scale.meet(low, [self.here] * len(low)))
        return Beside(self.scale.approach(left), self.scale.approach(right), slopes, meets, continuous)

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
        """Return the sum of the output's elements: the number whose gradient it is."""
        return sum(map(as_ball, values[self.value].ravel()), arb(0))
