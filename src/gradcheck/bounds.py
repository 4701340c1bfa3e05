"""Bounds: for every element of an array the least and the greatest number that it may be, or why it has none."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import inf, isfinite, nextafter
from typing import Any, overload

import numpy as np

from gradcheck.formats import FORMATS, Ball, Dyadic, Estimate

Floats = np.ndarray[Any, np.dtype[np.float64]]
Codes = np.ndarray[Any, np.dtype[np.uint8]]
Places = np.ndarray[Any, np.dtype[np.intp]]

Known = Ball | Estimate | None
"""What is known of a number: a proven enclosure, an estimate, or nothing."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """Proven bounds of real numbers, in float64 and rounded outwards: ``lower <= number <= upper``, element by element.

    Both are nan where nothing was proven. ``why`` holds 0 there, or one more than the place in ``reasons`` of what is
    known of an element that has no number: "domain sqrt", "kink abs", "jump where", as in the exact lane's balls.

    >>> one = Bounds(np.array([1.0, np.nan]), np.array([2.0, np.nan]), np.array([0, 1], np.uint8), ("domain log",))
    >>> one.reason(0), one.reason(1)
    (None, 'domain log')
    """

    lower: Floats
    upper: Floats
    why: Codes | None = None
    reasons: tuple[str, ...] = ()

    def reason(self, k: int) -> str | None:
        """Return why an element, by its place in row-major order, has no number; None where none is known."""
        code = 0 if self.why is None else int(self.why.ravel()[k])
        return self.reasons[code - 1] if code else None

    def meet(self, other: Bounds) -> Bounds:
        """Return what both together prove of the same numbers.

        >>> one, other = (Bounds(np.array([low]), np.array([high])) for low, high in ((1.0, 4.0), (np.nan, np.nan)))
        >>> one.meet(other).lower
        array([1.])
        """
        lower, upper = np.fmax(self.lower, other.lower), np.fmin(self.upper, other.upper)
        return Bounds(lower, upper, self.why, self.reasons)


class Enclosures(Sequence[Known]):
    """What is proven of each element of an array, in row-major order: bounds in float64, or a ball where it needed one.

    A Ball is made of the bounds when it is read. An Estimate stands for what is not proven, None for nothing at all.

    >>> held = Enclosures(2)
    >>> held[1] = Ball.around(0.5)
    >>> held[0], held[1].nearest, held.lower
    (None, 0.5, array([nan, 0.5]))
    """

    def __init__(self, count: int, bounds: Bounds | None = None) -> None:
        self.bounds = Bounds(*np.full((2, count), np.nan)) if bounds is None else bounds
        self.balls: dict[int, Known] = {}
        self._ends: tuple[Floats, Floats] | None = None

    @classmethod
    def bounded(cls, bounds: Bounds) -> Enclosures:
        """Return proven bounds as enclosures."""
        return cls(bounds.lower.size, Bounds(bounds.lower.ravel(), bounds.upper.ravel()))

    @classmethod
    def of(cls, known: Iterable[Known]) -> Enclosures:
        """Return what is known of single elements as that of an array."""
        given = dict(enumerate(known))
        made = cls(len(given))
        made.balls = given
        return made

    def __len__(self) -> int:
        return len(self.bounds.lower)

    def __eq__(self, other: object) -> bool:
        """Return whether the same is known of all elements."""
        return isinstance(other, Enclosures) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Enclosures({', '.join(map(repr, self))})"

    @overload
    def __getitem__(self, k: int) -> Known: ...
    @overload
    def __getitem__(self, k: slice) -> Enclosures: ...
    def __getitem__(self, k: int | slice) -> Known | Enclosures:
        """Return what is known of one element, or of a part of them."""
        if isinstance(k, slice):
            return self.part(range(*k.indices(len(self))))
        if k in self.balls:
            return self.balls[k]
        lower, upper = float(self.bounds.lower[k]), float(self.bounds.upper[k])
        return Ball(Dyadic.of(lower), Dyadic.of(upper)) if isfinite(lower) and isfinite(upper) else None

    def __setitem__(self, k: int, known: Known) -> None:
        """Hold what is known of one element in place of what was known so far."""
        self.balls[k] = known
        self._ends = None

    def narrow(self, at: Sequence[int], lower: Floats, upper: Floats) -> None:
        """Take other bounds for some elements, where these are numbers."""
        places = np.asarray(at)[np.isfinite(lower) & np.isfinite(upper)]
        known = np.isfinite(lower) & np.isfinite(upper)
        low, high = self.bounds.lower.copy(), self.bounds.upper.copy()
        low[places], high[places] = lower[known], upper[known]
        self.bounds = Bounds(low, high, self.bounds.why, self.bounds.reasons)
        self._ends = None

    def part(self, places: Sequence[int] | Places) -> Enclosures:
        """Return what is known of some elements; those of a range share the arrays."""
        at = slice(places.start, places.stop, places.step) if isinstance(places, range) else places
        made = Enclosures(len(places), Bounds(self.bounds.lower[at], self.bounds.upper[at]))
        if self.balls:
            listed = places.tolist() if isinstance(places, np.ndarray) else places
            made.balls = {j: self.balls[k] for j, k in enumerate(listed) if k in self.balls}
        return made

    @classmethod
    def joined(cls, parts: Iterable[Enclosures]) -> Enclosures:
        """Return what is known of the elements of several arrays, one after the other."""
        given = list(parts)
        lower = np.concatenate([one.bounds.lower for one in given])
        upper = np.concatenate([one.bounds.upper for one in given])
        made = cls(len(lower), Bounds(lower, upper))
        start = 0
        for one in given:
            made.balls |= {start + k: known for k, known in one.balls.items()}
            start += len(one)
        return made

    @property
    def missing(self) -> list[int]:
        """Return the elements of which nothing is known."""
        unknown = ~(np.isfinite(self.bounds.lower) & np.isfinite(self.bounds.upper))
        for k, known in self.balls.items():
            unknown[k] = known is None
        found: list[int] = np.flatnonzero(unknown).tolist()
        return found

    @property
    def lower(self) -> Floats:
        """Return the greatest float64 that is known to be at most each number, nan where nothing is proven."""
        return self.ends[0]

    @property
    def upper(self) -> Floats:
        """Return the least float64 that is known to be at least each number, nan where nothing is proven."""
        return self.ends[1]

    @property
    def ends(self) -> tuple[Floats, Floats]:
        """Return both, worked out once."""
        if self._ends is None:
            lower, upper = self.bounds.lower.copy(), self.bounds.upper.copy()
            for k, known in self.balls.items():
                lower[k], upper[k] = outward(known) if isinstance(known, Ball) else (np.nan, np.nan)
            self._ends = lower, upper
        return self._ends


def outward(ball: Ball) -> tuple[float, float]:
    """Return the ends of a ball as float64, rounded outwards; infinite where float64 has no number beyond.

    >>> third = Ball(Dyadic(6004799503160661, -54), Dyadic(1, 9999))
    >>> outward(third)
    (0.3333333333333333, inf)
    """
    low, high = (FORMATS["float64"].round_dyadic(end) for end in (ball.lower, ball.upper))
    lower = low if isfinite(low) and Dyadic.of(low) <= ball.lower else nextafter(low, -inf)
    upper = high if isfinite(high) and Dyadic.of(high) >= ball.upper else nextafter(high, inf)
    return lower, upper
