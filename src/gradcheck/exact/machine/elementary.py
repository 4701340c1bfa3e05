"""Elementary functions of intervals, each as its row of the table describes it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from gradcheck.exact.machine import arithmetic
from gradcheck.exact.machine.arithmetic import (
    EXTENDED,
    EXTENDED_UNIT,
    TINY,
    UNIT,
    UP,
    Interval,
    Reals,
    between,
    choose,
    compare,
    ends,
    exactly,
    unit,
)
from gradcheck.functions.machine import Direct, Exponential, Monotone, Wave

NARROW = 2.0**-10
"""Radius of an exponent up to which a power moves by little more than in proportion."""
MAX_SQUARINGS = 64
"""Whole exponents up to which a power is made of products, which lose fewer digits than a logarithm's budget."""


def apply(how: Direct | Monotone | Exponential | Wave, args: list[Interval]) -> Interval:
    """Return the value of a function that is described."""
    if isinstance(how, Direct):
        return DIRECT[how.function](*args)
    [a] = args
    if isinstance(how, Monotone):
        return monotone(how, a)
    return wave(how, a) if isinstance(how, Wave) else exponential(how, a)


# --- described functions ---------------------------------------------------------------------------


def monotone(how: Monotone, a: Interval) -> Interval:
    """Return a monotone function by its values at the ends."""
    if how.float64 and unit(a.mid) != UNIT:
        a = _shortened(a)
    if how.even:
        a = _size(a)
    if a.is_exact:
        return _off(how.function(np, a.mid), a, how.budget)
    first, last = ends(a)
    first = np.maximum(first, 0.0) if how.even else first
    low, high = how.function(np, first), how.function(np, last)
    low, high = (high, low) if how.falls else (low, high)
    if how.budget:
        low, high = _below(low, how.budget), _above(high, how.budget)
    low = low if how.least is None else np.maximum(low, how.least)
    high = high if how.most is None else np.minimum(high, how.most)
    nothing = (a.mid == 0) & (a.rad == 0)
    if np.any(nothing) and how.function(np, np.zeros(())) == 0:
        low, high = (np.where(nothing, 0.0, one) for one in (low, high))
    return between(low, high)


def wave(how: Wave, a: Interval) -> Interval:
    """Return a function between -1 and 1 whose slope ``s`` is that too, with ``s**2 = 1 - value**2``, as its own slope.

    So it moves by ``|s|*r + r**2/2`` at most, by ``r``, and by 2.
    """
    made = _off(how.function(np, a.mid), a, how.budget)
    if a.is_exact:
        return made
    slope = np.sqrt(np.maximum(1 - made.mid * made.mid, 0.0) + SLOPE_LOST)
    moved = np.minimum(np.minimum(a.rad, 2.0), (slope + a.rad / 2) * a.rad * UP)
    return Interval(made.mid, (made.rad + moved) * UP)


SLOPE_LOST = 2.0**-48
"""What the square of a slope may be off by: twice the error of a value of 8 roundoffs, and roundings."""


def exponential(how: Exponential, a: Interval) -> Interval:
    """Return a power of a constant: ``exp(m + d)`` is off from ``exp(m)`` by a part ``d + d**2`` at most."""
    made = _off(how.function(np, a.mid), a, how.budget)
    if a.is_exact:
        return made
    by = a.rad * (how.rate * UP)
    near = Interval(made.mid, (made.rad + (made.mid + made.rad) * (by + by * by)) * UP)
    narrow = by <= NARROW
    if np.all(narrow):
        return near
    wide = monotone(Monotone(how.function, how.budget, least=0.0), a)
    return _beyond(
        Interval(np.where(narrow, near.mid, wide.mid), np.where(narrow, near.rad, wide.rad)),
        lambda: how.function(np, ends(a)[0]),
    )


def _beyond(made: Interval, least: Callable[[], Reals]) -> Interval:
    """Return results with an infinite midpoint where even the least is beyond float64, and so too large for sure."""
    if np.isfinite(np.max(made.mid)):
        return made
    return Interval(np.where(least() == np.inf, np.inf, made.mid), made.rad)


EXTENDED_LOST = 4
"""Times as many unit roundoffs are granted in the extended format: glibc states up to 5 ULP for its functions."""


def _shortened(a: Interval) -> Interval:
    """Return intervals of the extended format as such of float64."""
    mid = np.asarray(a.mid).astype(np.float64)
    return Interval(mid, (np.abs(a.mid - mid) + a.rad).astype(np.float64) * UP)


def _error(values: Reals, budget: float) -> Reals:
    """Return what results of a budget may be off by."""
    lost = UNIT if unit(values) == UNIT else EXTENDED_LOST * unit(values)
    return np.abs(values) * (budget * lost * UP * UP) + TINY


def _below(values: Reals, budget: float) -> Reals:
    """Return lower bounds of what has these values; the difference is itself rounded."""
    return values - _error(values, budget + 1)


def _above(values: Reals, budget: float) -> Reals:
    return values + _error(values, budget + 1)


def _off(mid: Reals, a: Interval, budget: float) -> Interval:
    """Return results at the midpoints; one that is 0 at an exact 0 is exact, whatever function it is."""
    if not budget and a.is_exact:
        return Interval(mid)
    rad = _error(mid, budget)
    return Interval(mid, np.where((mid == 0) & (a.mid == 0) & (a.rad == 0), 0.0, rad))


def _size(a: Interval) -> Interval:
    """Return the absolute values, none of them below 0."""
    if a.is_exact:
        return Interval(np.abs(a.mid))
    low, high = ends(a)
    return between(np.maximum(np.maximum(low, -high), 0.0), np.maximum(np.abs(low), np.abs(high)))


# --- functions of two numbers ----------------------------------------------------------------------


def absolute(a: Interval) -> Interval:
    """Return the absolute values."""
    return Interval(np.abs(a.mid), a.rad)


def maximum(a: Interval, b: Interval) -> Interval:
    """Return the greater of two, and the greatest of both where neither is certain."""
    truth = compare("ge", a, b)
    open_ = ~(truth.yes | truth.no)
    made = choose(truth, a, b)
    if not np.any(open_):
        return made
    (a_low, a_high), (b_low, b_high) = ends(a), ends(b)
    other = between(np.maximum(a_low, b_low), np.maximum(a_high, b_high))
    return Interval(np.where(open_, other.mid, made.mid), np.where(open_, other.rad, made.rad))


def minimum(a: Interval, b: Interval) -> Interval:
    """Return the lesser of two."""
    return arithmetic.neg(maximum(arithmetic.neg(a), arithmetic.neg(b)))


def raised(a: Interval, b: Interval) -> Interval:
    """Return powers with real exponents.

    Above 0 a power is monotone in the base and in the exponent, so that its least and greatest values lie at corners.
    Below 0, whole exponents give it a sign.
    """
    n = _whole(b)
    if n is not None and abs(n) <= MAX_SQUARINGS:
        return arithmetic.power(a, n)
    low, high = ends(a)
    is_whole = (b.rad == 0) & (b.mid == np.floor(b.mid))
    below = (high < 0) & is_whole
    is_odd = below & (np.abs(np.fmod(b.mid, 2.0)) == 1)
    size = _powers(np.where(below, -high, low), np.where(below, -low, high), b)
    inside = ((low > 0) | below) & np.isfinite(b.mid) & np.isfinite(b.rad)
    made = Interval(np.where(is_odd, -size.mid, size.mid), np.where(inside, size.rad, np.nan))
    nothing = (a.mid == 0) & (a.rad == 0) & (ends(b)[0] > 0)
    return Interval(np.where(nothing, 0.0, made.mid), np.where(nothing, 0.0, made.rad))


POWER_BUDGET = 8
"""Unit roundoffs that NumPy's power may be off by: 4 ULP of SVML; glibc states 1."""


def _powers(low: Reals, high: Reals, b: Interval) -> Interval:
    """Return the powers of positive numbers between two ends."""
    exponents = ends(b)[:1] if b.is_exact else ends(b)
    corners = [np.power(base, one) for base in (low, high) for one in exponents]
    least, most = corners[0], corners[0]
    for one in corners[1:]:
        least, most = np.minimum(least, one), np.maximum(most, one)
    made = between(np.maximum(_below(least, POWER_BUDGET), 0.0), _above(most, POWER_BUDGET))
    return _beyond(made, lambda: least)


def _whole(b: Interval) -> int | None:
    """Return the exponent that all have, if it is a whole number."""
    if not b.is_exact or np.size(b.mid) != 1:
        return None
    value = float(np.reshape(b.mid, ()))
    return int(value) if value.is_integer() else None


def angle(y: Interval, x: Interval) -> Interval:
    """Return atan2; nothing is proven where both may be 0, and on the cut, but for a ``y`` that is certainly not below.

    Its slopes are ``x/(x**2 + y**2)`` and ``-y/(x**2 + y**2)``.
    """
    mid = np.arctan2(y.mid + 0.0, x.mid + 0.0)  # a sum with 0 has no negative 0
    made = Interval(mid, np.where((y.mid == 0) & (y.rad == 0) & (x.mid > x.rad), 0.0, _error(mid, ANGLE_BUDGET)))
    inside = (y.mid > y.rad) | (-y.mid > y.rad) | (x.mid > x.rad) | ((y.mid == 0) & (y.rad == 0) & (-x.mid > x.rad))
    if y.is_exact and x.is_exact:
        return Interval(mid, np.where(inside, made.rad, np.nan))
    (tall, wide), (near_y, near_x) = map(arithmetic.magnitude, (y, x)), map(arithmetic.mignitude, (y, x))
    reach = np.maximum(near_y, 0.0) ** 2 + np.maximum(near_x, 0.0) ** 2
    moved = (tall * x.rad + wide * y.rad) * UP + TINY
    known = (reach > NOT_TINY) & np.isfinite(reach)
    rad = (made.rad + moved / np.where(known, reach * (1 - 16 * UNIT), np.nan) * UP) * UP
    return Interval(mid, np.where(inside, rad, np.nan))


def fmod(a: Interval, b: Interval) -> Interval:
    """Return remainders with the sign of ``a``; of exact numbers they are exact, and so NumPy's."""
    return _remainder(a, b, lambda x, y: Interval(np.fmod(x, y)), np.trunc)


def remainder(a: Interval, b: Interval) -> Interval:
    """Return remainders with the sign of ``b``: those with the sign of ``a``, and a sum where that is another."""

    def exactly_of(x: Reals, y: Reals) -> Interval:
        made = np.fmod(x, y)
        return arithmetic.add(Interval(made), Interval(np.where((made != 0) & ((made < 0) != (y < 0)), y, 0.0)))

    return _remainder(a, b, exactly_of, np.floor)


def _remainder(
    a: Interval, b: Interval, of_exact: Callable[[Reals, Reals], Interval], whole: Callable[[Reals], Reals]
) -> Interval:
    """Return what is left of a division; nothing is proven where the whole part of the quotient is open."""
    known = (a.rad == 0) & (b.rad == 0)
    if np.all(known):
        return of_exact(a.mid, b.mid)
    low, high = map(whole, ends(arithmetic.div(a, b)))
    made = arithmetic.sub(a, arithmetic.mul(Interval(np.where(low == high, low, np.nan)), b))
    nothing = (low == 0) & (high == 0)  # so that all of it is left
    made = Interval(np.where(nothing, a.mid, made.mid), np.where(nothing, a.rad, made.rad))
    if not np.any(known):
        return made
    found = of_exact(a.mid, b.mid)
    return Interval(np.where(known, found.mid, made.mid), np.where(known, found.rad, made.rad))


ANGLE_BUDGET = 8
"""Unit roundoffs that NumPy's arctan2 may be off by: 4 ULP of SVML; glibc states 1."""
NOT_TINY = 2.0**-900
"""What a square must exceed to be known to many digits."""

DIRECT: Mapping[str, Callable[..., Interval]] = {
    "neg": arithmetic.neg,
    "add": arithmetic.add,
    "sub": arithmetic.sub,
    "mul": arithmetic.mul,
    "div": arithmetic.div,
    "square": arithmetic.square,
    "reciprocal": arithmetic.reciprocal,
    "absolute": absolute,
    "maximum": maximum,
    "minimum": minimum,
    "raised": raised,
    "angle": angle,
    "fmod": fmod,
    "remainder": remainder,
}
"""The operations that rows name."""

CONSTANTS = {"pi": "3.14159265358979323846264338327950288", "e": "2.71828182845904523536028747135266250"}


def constant(name: str, *, extended: bool = False) -> Interval:
    """Return pi or e, each the nearest number of a format or one beside it; infinity is no number."""
    if name not in CONSTANTS:
        return exactly(np.inf)
    kind = EXTENDED if extended else np.float64
    return Interval(kind(CONSTANTS[name]), np.float64(8 * (EXTENDED_UNIT if extended else UNIT)))
