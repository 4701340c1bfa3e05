"""One-sided derivatives: what the value does beside a point where the formula has no derivative, along one element."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from gradcheck.exact.approach import approach
from gradcheck.exact.course import Course, course
from gradcheck.exact.elements import ball
from gradcheck.exact.evaluate import enclose
from gradcheck.exact.limits import Form, Point, Scale, Side
from gradcheck.exact.precision import working_precision
from gradcheck.exact.ray import Direction, needed
from gradcheck.exact.ties import with_differences
from gradcheck.formats import Ball, Estimate

__all__ = ["Beside", "Form", "Side", "Sides", "Surroundings", "beside"]


@dataclass(frozen=True, slots=True)
class Sides:
    """The derivatives from both sides; ``jump`` where the function itself is not continuous."""

    left: Ball
    right: Ball
    smooth: bool
    jump: bool
    proven: bool = True

    @property
    def common(self) -> Ball | Estimate:
        """Return the derivative where both sides have the same."""
        both = self.left.hull(self.right)
        return both if self.proven else Estimate(both.lower, both.upper)


@dataclass(frozen=True, slots=True)
class Beside:
    """Both sides of a point: ``smooth`` where the slopes have one limit, ``meets`` where the values have.

    ``continuous`` adds that the value at the point, where the formula has one, is that limit too. A side on which the
    function has no value has no say. ``proven`` says that none of this is an estimate, ``valued`` that the formula
    has a value at the point: where it has none, as 0/0, nothing can be a derivative there, whatever the limits.
    """

    left: Side
    right: Side
    smooth: bool
    meets: bool
    continuous: bool
    proven: bool = False
    valued: bool = True

    @property
    def sides(self) -> Sides | None:
        """Return the one-sided derivatives where both exist."""
        left, right = self.left.ball, self.right.ball
        if left is None or right is None:
            return None
        return Sides(left, right, self.smooth, not self.continuous, self.proven)

    @property
    def inner(self) -> Ball | Estimate | None:
        """Return the derivative from inside the domain, where the point is an end of that and the slope has a limit."""
        if self.left.nowhere is self.right.nowhere or not self.continuous:
            return None
        return self.left.slope if self.right.nowhere else self.right.slope

    @property
    def limit(self) -> Ball | Estimate | None:
        """Return the limit of the derivative where both sides have the same, and the values meet.

        So ``sin(x)/x``, which is 0/0 at 0, has the limit 0 there, and so has every other formula that is 0/0 at a
        point where its values have a limit: such a point is removable.
        """
        sides = self.sides
        return sides.common if sides is not None and self.smooth and self.meets else None


def beside(
    forms: Sequence[Form], value: str, point: Point, name: str, k: int, weights: np.ndarray[Any, Any] | None = None
) -> Beside:
    """Return what the function does on both sides of the point, along element ``k`` of input ``name``.

    ``value`` is the layer of the output in the first form, whose elements count by their ``weights``. Series prove the
    slopes; where they prove nothing, gradients and differences ever nearer to the point give an estimate.
    """
    return Surroundings(forms[0][0], value, point, weights).beside(forms, name, k)


class Surroundings:
    """The rays that leave a point; the state is what a program is at the point itself, worked out once."""

    def __init__(self, core: Any, value: str, point: Point, weights: np.ndarray[Any, Any] | None = None) -> None:
        self.value = value
        plain, self.core = with_differences(needed(core, [value]))
        self.point = point
        self.weights = weights
        self.bits = Scale.of([(plain, value)], point).bits
        self.still = enclose(plain, point, self.bits)

    def ray(self, direction: Direction) -> Course:
        """Return what the output does along a ray."""
        return course(self.core, self.still, direction, self.bits, self.weights)

    def between(self, behind: Course, ahead: Course) -> tuple[Ball, Ball] | None:
        """Return the slopes on both sides of the point from the courses that lead away, where both are proven."""
        if behind.slope is None or ahead.slope is None or behind.meets is False or ahead.meets is False:
            return None
        with working_precision(self.bits):
            found = ball(-behind.slope), ball(ahead.slope)
        return (found[0], found[1]) if isinstance(found[0], Ball) and isinstance(found[1], Ball) else None

    def axis(self, name: str, k: int, sign: int) -> Course:
        """Return what the output does along one element."""
        steps = np.zeros(np.shape(self.point[name]))
        steps.reshape(-1)[k] = sign
        return self.ray({name: steps})

    def beside(self, forms: Sequence[Form], name: str, k: int) -> Beside:
        """Return both sides along one element; ``forms`` give estimates where nothing is proven."""
        both = _Both(self.axis(name, k, -1), self.axis(name, k, 1), self.bits)
        if both.proven:
            return both.beside
        guess = approach(forms, self.core.program.output, self.point, name, k, self.weights)
        left, right = (a if a is not None else b for a, b in zip(both.sides, (guess.left, guess.right), strict=True))
        return Beside(left, right, guess.smooth, guess.meets, guess.continuous, valued=both.valued)


@dataclass(frozen=True)
class _Both:
    """The courses of both sides; each runs away from the point."""

    left: Course
    right: Course
    bits: int

    @property
    def proven(self) -> bool:
        return self.left.proven and self.right.proven

    @property
    def valued(self) -> bool:
        return self.left.valued and self.right.valued

    @property
    def there(self) -> list[Course]:
        """Return the sides on which the function has values."""
        return [one for one in (self.left, self.right) if not one.nowhere]

    @cached_property
    def sides(self) -> list[Side | None]:
        """Return what is proven of each side."""
        with working_precision(self.bits):
            return [_side(self.left, -1), _side(self.right, 1)]

    @property
    def beside(self) -> Beside:
        values = [one.value for one in self.there]
        slopes = [one.ball for one in self.sides if one is not None]
        meets = all(one is not None for one in values) and all(one.overlaps(values[0]) for one in values)
        jumps = any(one.meets is False for one in self.there)
        smooth = len(slopes) == 2 and slopes[0] is not None and slopes[1] is not None and slopes[0].overlaps(slopes[1])
        left, right = (one or Side(None) for one in self.sides)
        known = all(one.meets is not None or not one.valued for one in self.there)
        return Beside(left, right, smooth, meets, meets and not jumps, proven=known, valued=self.valued)


def _side(found: Course, sign: int) -> Side | None:
    if not found.proven:
        return None
    slope = None if found.slope is None else ball(sign * found.slope)
    return Side(slope if isinstance(slope, Ball) else None, sign * found.infinite, found.nowhere)
