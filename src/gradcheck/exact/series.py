"""Truncated Puiseux series in ball arithmetic: what a function does as ``t`` falls to 0, one term after the other.

A function of a point moved to ``p + t**root * d`` is, for small ``t > 0``, a sum of powers of ``t`` and a remainder.
Coefficients that are 0 are known to be: so 0/0 divides, and the first other coefficient proves a sign.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from typing import Any

from flint import arb

ENDLESS = inf
"""The order of the remainder of a polynomial: there is none."""
FLAT = 1_000_000
"""The order of what vanishes faster than any power, as ``exp(-1/t)`` does; any order would be right."""


class NeedsRoot(Exception):
    """The series has powers of a root of ``t``: the point must move by a higher power of it."""

    def __init__(self, index: int) -> None:
        super().__init__(index)
        self.index = index


@dataclass(frozen=True, slots=True)
class Gap:
    """No series: ``nowhere`` where the function has no value on this side, else because none was found."""

    nowhere: bool

    def _with(self, other: Any) -> Any:
        return other if isinstance(other, Gap) and other.nowhere else self

    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __rtruediv__ = _with

    def __neg__(self) -> Gap:
        return self

    def met(self, _meets: bool) -> Gap:
        """Return the gap: it has no limit that could be the value at the point."""
        return self


NOWHERE = Gap(nowhere=True)
UNKNOWN = Gap(nowhere=False)


@dataclass(frozen=True, slots=True)
class Frame:
    """The power of ``t`` by which the point moves, and how many terms of a series are kept."""

    root: int
    width: int


@dataclass(frozen=True, slots=True)
class Series:
    """The function ``sum(terms[k]*t**(low + k)) + O(t**order)``; its first coefficient, if any, is not exactly 0.

    ``meets`` says that the limit at ``t = 0`` is proven to be the value at the point itself.
    """

    low: int
    terms: tuple[Any, ...]
    order: float
    frame: Frame
    meets: bool = True

    def __add__(self, other: Any) -> Any:
        return _lifted(self, other, plus)

    __radd__ = __add__

    def __sub__(self, other: Any) -> Any:
        return _lifted(self, other, lambda a, b: plus(a, -b))

    def __rsub__(self, other: Any) -> Any:
        return _lifted(self, other, lambda a, b: plus(b, -a))

    def __mul__(self, other: Any) -> Any:
        return _lifted(self, other, times)

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> Any:
        return _lifted(self, other, over)

    def __rtruediv__(self, other: Any) -> Any:
        return _lifted(self, other, lambda a, b: over(b, a))

    def __neg__(self) -> Series:
        return Series(self.low, tuple(-one for one in self.terms), self.order, self.frame, self.meets)

    @property
    def sign(self) -> int | None:
        """Return the sign for every small ``t``: that of the first coefficient; None where that is not told."""
        if not self.terms:
            return 0 if self.order == ENDLESS else None
        return 1 if self.terms[0] > 0 else -1 if self.terms[0] < 0 else None

    @property
    def start(self) -> Any:
        """Return the coefficient of ``t**0``, None where the remainder hides it or the function has a pole."""
        return self.at(0) if self.low >= 0 else None

    @property
    def bounded(self) -> bool:
        """Return whether the function is known to stay finite."""
        return (self.low >= 0 or not self.terms) and self.order >= 0

    def at(self, power: int) -> Any:
        """Return the coefficient of a power, None where the remainder hides it."""
        if power >= self.order:
            return None
        k = power - self.low
        return self.terms[k] if 0 <= k < len(self.terms) else arb(0)

    def moved(self) -> Series:
        """Return the series without its constant term."""
        return series(self.low, (arb(0), *self.terms[1:]), self.order, self) if self.low == 0 and self.terms else self

    def met(self, meets: bool) -> Series:
        """Return the series of a function that is, or may not be, known to have the limit as its value at the point."""
        return self if self.meets is meets else Series(self.low, self.terms, self.order, self.frame, meets)


def series(low: int, terms: Sequence[Any], order: float, like: Series) -> Series:
    """Return a series cut to the width of another, which says too whether it meets its value at the point."""
    first = next((k for k, one in enumerate(terms) if not one.is_zero()), len(terms))
    if first == len(terms):
        return Series(0 if order == ENDLESS else int(order), (), order, like.frame, like.meets)
    last = next(k for k in range(len(terms), 0, -1) if not terms[k - 1].is_zero())
    kept = terms[first : min(last, first + like.frame.width)]
    if first + len(kept) < last:
        order = min(order, low + first + len(kept))
    return Series(low + first, tuple(kept), order, like.frame, like.meets)


def constant(value: Any, like: Series) -> Any:
    """Return a number that does not move as a series; what is no number is a gap."""
    if not isinstance(value, arb) or not value.is_finite():
        return UNKNOWN
    return series(0, (value,), ENDLESS, like.met(True))


def remainder(order: float, like: Series) -> Series:
    """Return a function of which nothing is known but how fast it vanishes, or that it is bounded."""
    return series(0, (), order, like)


def _lifted(one: Series, other: Any, make: Any) -> Any:
    if isinstance(other, Series):
        return make(one, other)
    if isinstance(other, arb):
        held = constant(other, one)
        return held if isinstance(held, Gap) else make(one, held)
    if isinstance(other, int):
        return make(one, constant(arb(other), one))
    return NotImplemented


def _like(a: Series, b: Series) -> Series:
    return a if b.meets else b


def plus(a: Series, b: Series) -> Series:
    """Return the sum."""
    low, order = min(a.low, b.low), min(a.order, b.order)
    high = int(min(order, max(a.low + len(a.terms), b.low + len(b.terms))))
    return series(low, [a.at(k) + b.at(k) for k in range(low, high)], order, _like(a, b))


def times(a: Series, b: Series) -> Series:
    """Return the product."""
    order = min(
        ENDLESS if not a.terms and a.order == ENDLESS else a.low + b.order,
        ENDLESS if not b.terms and b.order == ENDLESS else b.low + a.order,
    )
    if not a.terms or not b.terms:
        zero = any(not one.terms and one.order == ENDLESS for one in (a, b))
        return remainder(ENDLESS if zero else order, _like(a, b))
    low = a.low + b.low
    size = int(min(order - low, len(a.terms) + len(b.terms) - 1))
    like = _like(a, b)
    size, whole = min(size, like.frame.width + 1), size
    made = _convolved(a.terms, b.terms, size)
    return series(low, made, order if size == whole else min(order, low + size), like)


def _convolved(a: Sequence[Any], b: Sequence[Any], size: int) -> list[Any]:
    made = [arb(0)] * size
    for j, one in enumerate(a[:size]):
        if not one.is_zero():
            for k, other in enumerate(b[: size - j]):
                made[j + k] = made[j + k] + one * other
    return made


def over(a: Series, b: Series) -> Any:
    """Return the quotient; where the divisor goes to 0, the value at the point is none that it could meet."""
    if not b.terms or b.sign is None:
        return NOWHERE if b.sign == 0 else UNKNOWN
    like = _like(a, b).met(a.meets and b.meets and b.low == 0)
    plain = len(b.terms) == 1 and b.order == ENDLESS
    size = len(a.terms) if plain else int(min(a.order - a.low, b.order - b.low, like.frame.width + 1))
    if not a.terms:
        return remainder(a.order - b.low, like)
    made = _divided(a.terms, b.terms, size)
    return series(a.low - b.low, made, a.order - b.low if plain else a.low - b.low + size, like)


def _divided(a: Sequence[Any], b: Sequence[Any], size: int) -> list[Any]:
    """Return the long division: where a quotient of numbers is exact, it stays so."""
    made: list[Any] = []
    for k in range(size):
        rest = a[k] if k < len(a) else arb(0)
        for j in range(1, min(k, len(b) - 1) + 1):
            if not b[j].is_zero():
                rest = rest - b[j] * made[k - j]
        made.append(rest / b[0])
    return made


def compose(coefficients: Sequence[Any], inner: Series) -> Series:
    """Return a function of a series from the function's Taylor coefficients at the inner constant term."""
    s = inner.moved()
    made = constant(coefficients[-1], inner)
    order = (len(coefficients)) * max(s.low, 1) if s.terms or s.order < ENDLESS else ENDLESS
    for one in reversed(coefficients[:-1]):
        made = plus(times(made, s), constant(one, inner))
    return plus(made, remainder(order, inner))


def cut(a: Series, b: Series) -> Series:
    """Return what two series are sure to have in common: whichever of the two a function takes, it is this."""
    order = min(a.order, b.order)
    like = a.met(a.meets and b.meets)
    low, high = min(a.low, b.low), max(a.low + len(a.terms), b.low + len(b.terms))
    for k in range(low, int(min(order, high))):
        one, other = a.at(k), b.at(k)
        if not (one.is_exact() and one == other):
            return series(low, [a.at(j) for j in range(low, k)], k, like)
    return series(low, [a.at(j) for j in range(low, int(min(order, high)))], order, like)


def either(a: Series, b: Series) -> Series:
    """Return a series that holds the greater and the lesser of two: their first different coefficients are joined.

    The two have limits, and so has the greater one: where the limits differ it is one of them from some ``t`` on.
    """
    common = cut(a, b)
    k = int(common.order) if common.order < ENDLESS else None
    if k is None or a.at(k) is None or b.at(k) is None:
        return common
    joined = a.at(k).union(b.at(k))
    terms = [common.at(j) for j in range(common.low, k)] if common.terms else []
    return series(common.low if terms else k, [*terms, joined], k + 1, common)
