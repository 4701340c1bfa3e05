"""Many elements beside a point in one evaluation, and gradients off the axes: the gradient program itself on series."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from flint import arb

from gradcheck.exact.course import attempts
from gradcheck.exact.elements import Values, Zero, ball, from_ball
from gradcheck.exact.evaluate import enclose
from gradcheck.exact.limits import Point, Side
from gradcheck.exact.precision import working_precision
from gradcheck.exact.ray import Direction, needed
from gradcheck.exact.series import Frame, Gap, Series
from gradcheck.exact.sides import Beside
from gradcheck.exact.ties import with_differences
from gradcheck.formats import Ball
from gradcheck.lower import Core

Place = tuple[str, int]
"""An element of an input: the input's name and the index in row-major order."""


class Gradients:
    """The gradient program around a point; the state is what it is at the point itself, worked out once."""

    def __init__(self, core: Core, value: str, outputs: Mapping[str, str], point: Point, bits: int) -> None:
        plain, self.core = with_differences(needed(core, [*outputs.values(), value]))
        self.value = value
        self.outputs = outputs
        self.point = point
        self.bits = bits
        self.still = enclose(plain, point, bits)

    def beside(self, at: Sequence[Place]) -> list[Beside | None]:
        """Return both sides along every one of some elements, all of which move at once.

        No two of them may meet at a corner: then the branches taken are those that each takes alone. None where that
        proves nothing.
        """
        left, right = (self.limits(at, [sign] * len(at)) for sign in (-1, 1))
        return [_both(*pair) for pair in zip(left, right, strict=True)]

    def limits(self, at: Sequence[Place], steps: Sequence[int]) -> list[Ball | None]:
        """Return the limit of the gradient by some elements on the ray along which they move.

        None where there is none, or the function may jump on the way.
        """
        direction = toward(self.point, at, steps)
        read = _reader(self.value, self.outputs, at)
        found = attempts(self.core, self.still, direction, self.bits, read, lambda one: None not in one)
        with working_precision(self.bits):
            made = [None if one is None else ball(one) for one in found or [None] * len(at)]
        return [one if isinstance(one, Ball) else None for one in made]


def toward(point: Point, at: Sequence[Place], steps: Sequence[int]) -> Direction:
    """Return a direction along some elements."""
    direction = {name: np.zeros(np.shape(point[name])) for name, _ in at}
    for (name, k), step in zip(at, steps, strict=True):
        direction[name].reshape(-1)[k] = step
    return direction


def _reader(value: str, outputs: Mapping[str, str], at: Sequence[Place]) -> Callable[[Values, Frame], list[Any]]:
    def read(values: Values, _frame: Frame) -> list[Any]:
        moving = [one for one in values[value].ravel() if isinstance(one, Series | Gap)]
        if not all(isinstance(one, Series) and one.meets and one.start is not None for one in moving):
            return [None] * len(at)
        return [_limit(values[outputs[name]].ravel()[k]) for name, k in at]

    return read


def _limit(element: Any) -> Any:
    if isinstance(element, Series):
        return element.start
    if isinstance(element, Zero):
        return arb(0)
    return element if isinstance(element, arb) and element.is_finite() else None


def _both(left: Ball | None, right: Ball | None) -> Beside | None:
    if left is None or right is None:
        return None
    return Beside(Side(left), Side(right), left.overlaps(right), meets=True, continuous=True, proven=True)


# --- a gradient of many inputs ----------------------------------------------------------------------------

SEED = 20
"""What the directions are drawn with that a gradient is tried along, beside the axes and all-ones."""
COMBINED_BITS = 256
"""Working precision, in bits, in which slopes are added up."""
TRIED = 3
"""Directions that are drawn."""


def directions(count: int) -> list[tuple[int, ...]]:
    """Return all-ones and a few seeded directions of small whole numbers, none of them 0."""
    draw = np.random.default_rng(SEED)
    signs = draw.choice([-3, -2, -1, 1, 2, 3], size=(TRIED, count))
    return [(1,) * count, *(tuple(map(int, row)) for row in signs)]


def orders(count: int, most: int) -> list[tuple[int, ...]]:
    """Return directions in which no two elements are equal, in many orders, with equal and with different signs.

    >>> orders(2, 9)
    [(-1, 3), (3, -1), (1, 2), (2, 1), (-1, -2), (-2, -1), (3, -1)]
    """
    up, ahead = tuple(range(3 - 2 * count, 2 * count, 4)), tuple(range(1, count + 1))
    behind = tuple(-one for one in ahead)
    turned = (up[k:] + up[:k] for k in range(1, count))
    return [up, up[::-1], ahead, ahead[::-1], behind, behind[::-1], *turned][:most]


def combined(steps: Sequence[int], slopes: Sequence[Ball]) -> Ball:
    """Return a gradient along a direction."""
    with working_precision(COMBINED_BITS):
        total = sum((step * from_ball(one) for step, one in zip(steps, slopes, strict=True)), arb(0))
        made = ball(total)
    assert isinstance(made, Ball)
    return made
