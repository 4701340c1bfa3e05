"""The gradients beside a point in generic directions: what a choice of branches at a tie may give."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import reduce
from itertools import product
from math import sqrt
from typing import Any

import numpy as np

from gradcheck.exact.elements import as_ball
from gradcheck.exact.evaluate import enclose, from_float
from gradcheck.exact.limits import Form, Point, Scale, held
from gradcheck.exact.precision import working_precision
from gradcheck.formats import Ball

PLACES = 16
"""Distances between which the elements change about: of so many that tie, each comes to every place."""
GOLDEN = (sqrt(5) - 1) / 2
"""Its multiples are spread evenly over the fractions, and no two are equal."""


def nearby(forms: Sequence[Form], point: Point, names: Sequence[str]) -> list[Ball | None]:
    """Return, for each element of a gradient, the hull of its limits at the point from generic directions.

    All elements of the inputs ``names`` move at once. Off the axes a function may have gradients that the sides along
    one element do not show: the median of three equal numbers does not move with any one of them, and beside the point
    its gradient is 1 for one of them. None means that no direction gives a limit.
    """
    scale = Scale.of(forms, point)
    with working_precision(scale.bits):
        still = [(*held(core, point, scale.bits), output) for core, output in forms]
        found = [_limits(still, direction, scale) for direction in _directions(point, names)]
    return [reduce(_hull, elements) for elements in zip(*found, strict=True)]


def _directions(point: Point, names: Sequence[str]) -> Iterator[dict[str, np.ndarray[Any, Any]]]:
    """Yield directions: a number between -1/2 and 1/2 for every element, no two equal, and none 0."""
    sizes = [point[name].size for name in names]
    elements = np.arange(sum(sizes))
    for j, sign in product(range(PLACES), (1, -1)):
        places = (elements * 7 + j) % PLACES + 0.25 + elements * GOLDEN % 1 / 8
        parts = np.split(sign * (places / PLACES - 0.5), np.cumsum(sizes)[:-1])
        yield {name: part.reshape(point[name].shape) for name, part in zip(names, parts, strict=True)}


def _limits(
    forms: Sequence[tuple[Any, Point, str]], direction: dict[str, np.ndarray[Any, Any]], scale: Scale
) -> list[Ball | None]:
    """Return the limit of every element of the gradient from one direction, by the first form that has one."""
    found: list[Ball | None] = []
    for core, point, output in forms:
        rows = [_gradient(core, _moved(point, direction, step), output, scale.bits) for step in scale.steps]
        made = [scale.approach(slopes).slope for slopes in zip(*rows, strict=True)]
        found = [a or b for a, b in zip(found, made, strict=True)] if found else made
        if None not in found:
            break
    return found


def _moved(point: Point, direction: dict[str, np.ndarray[Any, Any]], step: Any) -> Point:
    return {**point, **{name: from_float(point[name]) + step * from_float(part) for name, part in direction.items()}}


def _gradient(core: Any, point: Point, output: str, bits: int) -> list[Any]:
    return [as_ball(one) for one in enclose(core, point, bits)[output].ravel()]


def _hull(a: Ball | None, b: Ball | None) -> Ball | None:
    return a.hull(b) if a is not None and b is not None else a or b
