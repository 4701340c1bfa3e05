"""Rational powers of series, by J. C. P. Miller's recurrence: Knuth, The Art of Computer Programming 2, 4.7."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from flint import arb, fmpq

from gradcheck.exact.series import ENDLESS, NOWHERE, UNKNOWN, NeedsRoot, Series, constant, remainder, series, times


def power(base: Series, exponent: Fraction) -> Any:
    """Return a rational power of a series.

    Raises NeedsRoot where the result has powers of a root of ``t``.
    """
    whole = exponent.denominator == 1
    if exponent == 0:
        return constant(arb(1), base)
    if not base.terms:
        return _power_of_nothing(base, exponent)
    if base.sign is None:
        return _repeated(base, exponent) if whole and exponent > 0 else UNKNOWN
    if base.sign < 0 and not whole:
        return NOWHERE
    low = base.low * exponent
    if low.denominator > 1:
        raise NeedsRoot(low.denominator)
    size = _size(base)
    terms = _miller(base.terms, exponent, size)
    exact = whole and exponent > 0 and (len(base.terms) - 1) * exponent < size and base.order == ENDLESS
    order = ENDLESS if exact or (len(base.terms) == 1 and base.order == ENDLESS) else int(low) + size
    meets = base.meets and (exponent > 0 or base.low == 0)
    return series(int(low), terms, order, base.met(meets))


def _size(base: Series) -> int:
    """Return how many terms of a power are known and wanted."""
    known = min(base.order - base.low, base.frame.width + 1)
    if len(base.terms) == 1 and base.order == ENDLESS:
        return 1
    return int(known)


def _power_of_nothing(base: Series, exponent: Fraction) -> Any:
    if base.order == ENDLESS:
        return base if exponent > 0 else NOWHERE
    if exponent < 0 or exponent.denominator > 1:
        return UNKNOWN
    return remainder(base.order * exponent.numerator, base)


def _repeated(base: Series, exponent: Fraction) -> Any:
    made = base
    for _ in range(min(exponent.numerator, 64) - 1):
        made = times(made, base)
    return made if exponent <= 64 else UNKNOWN


def _miller(terms: Sequence[Any], exponent: Fraction, size: int) -> list[Any]:
    """Return the coefficients of ``(terms[0] + terms[1]*t + ...)**exponent``."""
    first, ratio = terms[0], arb(fmpq(exponent.numerator, exponent.denominator))
    made = [_number_power(first, exponent)]
    for k in range(1, size):
        total = arb(0)
        for j in range(1, min(k, len(terms) - 1) + 1):
            if not terms[j].is_zero():
                total += (j * (ratio + 1) - k) * terms[j] * made[k - j]
        made.append(total / (k * first))
    return made


def _number_power(value: Any, exponent: Fraction) -> Any:
    if exponent.denominator == 1:
        return value**exponent.numerator
    if not (value.is_finite() or value.is_exact()):  # a power of FLINT's root of this ends the process
        return arb("nan")
    root = value.sqrt() if exponent.denominator == 2 else value.root(exponent.denominator)
    return root**exponent.numerator
