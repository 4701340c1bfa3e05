"""Functions of numbers that a point may be written with, in decimal arithmetic of any number of digits."""

from __future__ import annotations

from collections.abc import Callable
from decimal import (
    ROUND_HALF_EVEN,
    Context,
    Decimal,
    DivisionByZero,
    InvalidOperation,
    Overflow,
    getcontext,
    localcontext,
)
from fractions import Fraction
from functools import lru_cache
from math import isqrt

from gradcheck.points.limits import MAX_EXPONENT

GUARD = 40
"""Digits beyond those asked for, for what is lost on the way."""
MAX_ANGLE = 500
"""Decimal exponent of an argument; the digits of pi that an angle needs are as many."""
ONE, TWO = Decimal(1), Decimal(2)


def apply(name: str, x: Fraction, digits: int) -> Fraction:
    """Return a function of a number, right to about so many ``digits``; a root of squares is exact.

    Raises ValueError where it has no value, and OverflowError where a number is beyond what a point may be.

    >>> apply("sqrt", Fraction(4, 9), 50), float(apply("sin", Fraction(1), 50))
    (Fraction(2, 3), 0.8414709848078965)
    """
    if name == "sqrt" and x >= 0 and (root := _root(x)) is not None:
        return root
    with localcontext(_context(digits + GUARD)):
        try:
            argument = Decimal(x.numerator) / x.denominator
            if argument.adjusted() > MAX_ANGLE:
                raise OverflowError
            return Fraction(FUNCTIONS[name](argument))
        except Overflow:
            raise OverflowError from None
        except (InvalidOperation, DivisionByZero):
            raise ValueError from None


@lru_cache(maxsize=16)
def constant(name: str, digits: int) -> Fraction:
    """Return pi or e, right to so many digits.

    >>> float(constant("pi", 50)), float(constant("e", 50))
    (3.141592653589793, 2.718281828459045)
    """
    with localcontext(_context(digits + GUARD)) as context:
        return Fraction(_pi(context.prec) if name == "pi" else ONE.exp())


def _context(digits: int) -> Context:
    traps = [Overflow, InvalidOperation, DivisionByZero]
    return Context(prec=digits, rounding=ROUND_HALF_EVEN, Emax=MAX_EXPONENT, Emin=-2 * MAX_EXPONENT, traps=traps)


def _root(x: Fraction) -> Fraction | None:
    above, below = isqrt(x.numerator), isqrt(x.denominator)
    return Fraction(above, below) if (above**2, below**2) == (x.numerator, x.denominator) else None


def _log(x: Decimal) -> Decimal:
    if not x:
        raise InvalidOperation
    return x.ln()


def _series(first: Decimal, factor: Decimal, divisor: Callable[[int], int]) -> Decimal:
    """Return the sum of terms, each ``factor/divisor(k)`` times the one before, until they no longer count."""
    total, term, k = first, first, 1
    while total + term != total:
        term = term * factor / divisor(k)
        total, k = total + term, k + 1
    return total


def _arctangent(x: Decimal) -> Decimal:
    """Return the arctangent of a small number by its series."""
    total, power, k = x, x, 1
    while total + power != total:
        power, k = -power * x * x, k + 2
        total += power / k
    return total


@lru_cache(maxsize=16)
def _pi(_digits: int) -> Decimal:
    """Return pi to the digits of the context, by Machin's formula."""
    return 16 * _arctangent(ONE / 5) - 4 * _arctangent(ONE / 239)


def _atan(x: Decimal) -> Decimal:
    """Return the arctangent; an eighth of the angle is small."""
    for _ in range(3):
        x = x / (1 + (1 + x * x).sqrt())
    return 8 * _arctangent(x)


def _turned(x: Decimal, quarters: int) -> Decimal:
    """Return ``sin(x + quarters*pi/2)``, from the series of an angle of an eighth of a turn at most."""
    with localcontext() as context:
        context.prec += max(0, x.adjusted())
        quarter = _pi(context.prec) / 2
        n = int((x / quarter).to_integral_value(ROUND_HALF_EVEN))
        rest = x - n * quarter
    turn, factor = (n + quarters) % 4, -rest * rest
    if turn % 2:
        made = _series(ONE, factor, lambda k: (2 * k - 1) * 2 * k)
    else:
        made = _series(rest, factor, lambda k: 2 * k * (2 * k + 1))
    return -made if turn > 1 else made


def _asin(x: Decimal) -> Decimal:
    return x * _pi(getcontext().prec) / 2 if abs(x) == 1 else _atan(x / (1 - x * x).sqrt())


def _acos(x: Decimal) -> Decimal:
    return _pi(getcontext().prec) / 2 - _asin(x) if x != 1 else Decimal(0)


def _sinh(x: Decimal) -> Decimal:
    return (x.exp() - (-x).exp()) / 2


def _cosh(x: Decimal) -> Decimal:
    return (x.exp() + (-x).exp()) / 2


FUNCTIONS: dict[str, Callable[[Decimal], Decimal]] = {
    "sqrt": Decimal.sqrt,
    "exp": Decimal.exp, "exp2": lambda x: TWO**x, "expm1": lambda x: x.exp() - 1,
    "log": _log, "log2": lambda x: _log(x) / TWO.ln(), "log10": lambda x: _log(x) / Decimal(10).ln(),
    "log1p": lambda x: _log(1 + x),
    "sin": lambda x: _turned(x, 0), "cos": lambda x: _turned(x, 1), "tan": lambda x: _turned(x, 0) / _turned(x, 1),
    "asin": _asin, "acos": _acos, "atan": _atan,
    "sinh": _sinh, "cosh": _cosh, "tanh": lambda x: _sinh(x) / _cosh(x),
}  # fmt: skip
"""The rows of the table that a number may be written with."""
