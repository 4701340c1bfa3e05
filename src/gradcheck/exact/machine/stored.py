"""What floats may hold, element by element: an interval, and which stored number it is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any

import numpy as np

from gradcheck.bounds import Bounds
from gradcheck.exact.machine.arithmetic import Flags, Interval, Reals, ends
from gradcheck.formats import Format
from gradcheck.functions import Tensor
from gradcheck.program import Shape

Ids = np.ndarray[Any, np.dtype[np.int64]]

NOBODY = -1
"""The number of an element that may be the same as no other."""


@dataclass(frozen=True, slots=True, eq=False)
class Stored:
    """All floats that a kernel may have stored, element by element.

    A radius of infinity says that anything may be stored, nan that nothing is known; the midpoint is 0 there. ``same``
    has a number for each element, equal for those that are one stored number, whatever it is. ``nothing`` is a zero
    that stands for what torch does not compute at all, so that nothing behind it counts, and ``partly`` such a zero
    where an element is 0, among others that are lost. ``bounded`` says that no radius is infinite or nan.
    """

    ball: Interval
    same: Ids | None = None
    nothing: bool = False
    bounded: bool = True
    partly: bool = False

    @property
    def mid(self) -> Reals:
        """Return the midpoints."""
        return self.ball.mid

    @property
    def rad(self) -> Reals:
        """Return the radii, the number 0.0 where all elements are exact."""
        return self.ball.rad

    @property
    def shape(self) -> Shape:
        """Return the shape of the elements."""
        return np.shape(self.ball.mid)

    @property
    def zeros(self) -> Flags:
        """Return which elements are exactly 0."""
        return (self.mid == 0) & (self.rad == 0)

    @property
    def hidden(self) -> Flags:
        """Return which elements stand for what torch does not compute."""
        return self.nothing | (self.partly & self.zeros)

    @property
    def endless(self) -> Flags:
        """Return which elements may be anything."""
        return np.False_ if self.bounded else np.isinf(self.rad)

    @property
    def unknown(self) -> Flags:
        """Return of which elements nothing is known."""
        return np.False_ if self.bounded else np.isnan(self.rad)

    def sized(self, shape: Shape) -> Stored:
        """Return this in full shape."""
        if self.shape == shape:
            return self
        same = None if self.same is None else np.broadcast_to(self.same, shape)
        return replace(self, ball=map_radii(lambda one: np.broadcast_to(one, shape), self.ball), same=same)

    def bounds(self) -> Bounds:
        """Return the bounds of all elements, infinite where anything may come out, nan where nothing is known."""
        low, high = ends(self.ball)
        return Bounds(np.asarray(low), np.asarray(high))


def map_radii(function: Any, ball: Interval) -> Interval:
    """Return an interval whose elements are moved about, with midpoints and radii side by side."""
    if ball.is_exact:
        return Interval(function(ball.mid))
    return Interval(function(ball.mid), function(np.broadcast_to(ball.rad, np.shape(ball.mid))))


def filled(shape: Shape, rad: float) -> Stored:
    """Return elements of which nothing is known (``rad`` is nan), or that may be anything (infinite)."""
    return Stored(Interval(np.zeros(shape), np.full(shape, rad)), bounded=False)


def fits(values: Reals, fmt: Format) -> Flags:
    """Tell which float64 numbers the format has, apart from subnormals, which may be flushed.

    >>> from gradcheck.formats import FORMATS
    >>> fits(np.array([0.0, 0.5, 0.1, 1e5]), FORMATS["float16"]).tolist()
    [True, True, False, False]
    """
    size = np.abs(values)
    short = np.asarray(values).view(np.int64) & ((1 << (53 - fmt.precision)) - 1) == 0
    return short & ((size >= fmt.smallest_normal) & (size <= fmt.largest) | (size == 0))


def is_power_of_two(values: Reals) -> Flags:
    """Tell which float64 numbers are powers of two, apart from subnormals."""
    size = np.abs(values)
    return (np.asarray(values).view(np.int64) & ((1 << 52) - 1) == 0) & (size >= 2.0**-1022) & (size < np.inf)


def nothing(shape: Shape) -> Stored:
    """Return the zero of what torch does not compute at all."""
    return Stored(Interval(np.zeros(shape)), nothing=True)


def settled(made: Interval) -> Stored:
    """Return elements as they are, those that are not finite without a midpoint."""
    if np.isfinite(np.max(np.abs(made.mid) + made.rad)):
        return Stored(made)
    finite = np.isfinite(made.mid) & np.isfinite(made.rad)
    rad = np.where(np.isnan(made.mid) | np.isnan(made.rad), np.nan, np.inf)
    return Stored(Interval(np.where(finite, made.mid, 0.0), np.where(finite, made.rad, rad)), bounded=False)


def spread(made: Interval, args: Sequence[Stored]) -> Interval:
    """Return what is made of elements, lost where one of them is: unknown, or else anything."""
    if all(one.bounded for one in args):
        return made
    unknown = reduce(np.logical_or, (one.unknown for one in args))
    lost = unknown | reduce(np.logical_or, (one.endless for one in args))
    gone = np.where(unknown, np.nan, np.inf)
    return Interval(np.where(lost, 0.0, made.mid), np.where(lost, gone, made.rad))


def tamed(one: Stored) -> Stored:
    """Return elements with an exact 0 for each that is lost."""
    return Stored(Interval(one.mid, np.where(np.isfinite(one.rad), one.rad, 0.0)))


def moved(row: Tensor, args: Sequence[Stored], params: Mapping[str, Any]) -> Stored:
    """Return what an operation that moves elements makes of them; each is still the same number."""

    def of(arrays: Iterable[Any]) -> Any:
        full = (np.broadcast_to(array, one.shape) for array, one in zip(arrays, args, strict=True))
        return row.exact(np, *full, **params, zero=0.0)

    rad = 0.0 if all(one.ball.is_exact for one in args) else of(one.rad for one in args)
    same = None
    if any(one.same is not None for one in args):
        same = of(NOBODY if one.same is None else one.same for one in args)
    hidden, bounded = all(one.nothing for one in args), all(one.bounded for one in args)
    return Stored(Interval(of(one.mid for one in args), rad), same, hidden, bounded)
