"""What an array of the exact lane holds: balls, zeros that hide all behind them, and places without a number."""

from __future__ import annotations

from collections.abc import Sequence
from math import nan
from typing import Any

import numpy as np
from flint import arb

from gradcheck.exact.precision import working_precision
from gradcheck.formats import Ball, Dyadic
from gradcheck.functions.elementwise import is_infinite
from gradcheck.reason import Kind, Reason

Floats = np.ndarray[Any, np.dtype[np.float64]]
Array = np.ndarray[Any, np.dtype[np.object_]]

Values = dict[str, Array]
"""The value of every input and layer, as arrays of balls."""


# Arithmetic of what an element may be; "nan" is the ball of no number, U an Undefined. Zero is where() on the way back:
# torch selects there and does not multiply (where and masked_fill in derivatives.yaml), and nothing behind it counts,
# whereas a number that happens to be 0 is a ball, and 0 times nan is nan as in floats (IEEE 754, 6.2.3).
#
#     left, right    + -: ball  nan   Zero  U  |  *: ball  nan   Zero  U    |  /: ball  nan   Zero  U
#     ball                ball  nan   ball  U  |     ball  nan   Zero  U    |     ball  nan   nan   U
#     nan                 nan   nan   nan   U  |     nan   nan   Zero  U    |     nan   nan   nan   U
#     Zero                ball  nan   Zero  U  |     Zero  Zero  Zero  Zero |     Zero  Zero  Zero  Zero
#     U                   U     U     U     U  |     U     U     Zero  U    |     U     U     U     U
#
# The first of two U stays. Where Zero is multiplied with a U that shows through it (a jump behind a soft zero, an
# output without a value), or divided by it, that is U. A soft Zero times another is the other: less shows through it.


class Zero:
    """The zero of a branch that was not taken: nothing behind it, not even a nan, comes through.

    A ``soft`` one comes from a condition on the very argument behind it (relu, maximum, ...): where that jumps, the
    condition may be another on the other side, so that a jump does come through.

    >>> as_ball(Zero()), ball(Zero()).exact
    (0, True)
    """

    def __init__(self, soft: bool = False) -> None:
        self.soft = soft

    def __add__(self, other: Any) -> Any:
        return other

    __radd__ = __rsub__ = __add__

    def __sub__(self, other: Any) -> Any:
        return -other

    def __mul__(self, other: Any) -> Any:
        if isinstance(other, Undefined) and other.through(self):
            return other
        return self if not isinstance(other, Zero) or other.soft else other

    __rmul__ = __truediv__ = __mul__

    def __rtruediv__(self, _other: Any) -> Any:
        return NAN

    def __neg__(self) -> Zero:
        return self


class Undefined:
    """No number, for a stated reason; it stays so through arithmetic, and only a Zero hides it.

    Nothing hides one that is ``everywhere``: where the output itself has no value, no branch that was not taken helps.
    """

    def __init__(self, reason: Reason, everywhere: bool = False) -> None:
        self.reason = reason
        self.everywhere = everywhere

    @property
    def outside(self) -> bool:
        """Whether this is what an operation has outside its domain."""
        return self.reason.kind is Kind.DOMAIN

    def _keep(self, _other: Any) -> Any:
        return self

    def through(self, zero: Zero) -> bool:
        """Tell whether this shows in spite of a zero in front of it."""
        return self.everywhere or (zero.soft and self.reason.kind is Kind.JUMP)

    def _times(self, other: Any) -> Any:
        return other if isinstance(other, Zero) and not self.through(other) else self

    __add__ = __radd__ = __sub__ = __rsub__ = __truediv__ = _keep
    __mul__ = __rmul__ = __rtruediv__ = _times

    def __neg__(self) -> Undefined:
        return self


ZERO = Zero()
SOFT_ZERO = Zero(soft=True)
NAN = arb("nan")
UNDECIDED = Undefined(Reason(Kind.UNDECIDED))
"""What a condition gives that the enclosure is too wide to decide."""
INFINITE = Reason(Kind.INFINITE)


def as_ball(value: Any) -> Any:
    """Return a structural zero as the ball 0, and what is undefined as no number.

    >>> as_ball(Zero())
    0
    """
    return arb(0) if isinstance(value, Zero) else NAN if isinstance(value, Undefined) else value


def ball(value: Any) -> Ball | str | None:
    """Return one element as a Ball; as the reason where it is undefined; as None where the enclosure is no number.

    >>> from gradcheck.exact.evaluate import from_float
    >>> ball(from_float(0.5)).nearest, ball(Zero()).exact
    (0.5, True)
    """
    if isinstance(value, Undefined):
        return str(value.reason)
    if isinstance(value, Zero):
        return Ball(Dyadic(0, 0), Dyadic(0, 0))
    if not value.is_finite():
        return str(INFINITE) if is_infinite(value) else None
    if value.is_exact():
        end = _dyadic(value)
        return Ball(end, end)
    return Ball(_dyadic(value.lower()), _dyadic(value.upper()))


def ends(values: Array) -> tuple[Floats, Floats]:
    """Return the ends of each element in float64, rounded outwards; nan where it is no finite number."""
    low, high = (np.asarray(one, dtype=object).astype(np.float64) for one in _ends_of(values))
    return np.nextafter(low, -np.inf), np.nextafter(high, np.inf)


def _end_of(value: Any) -> tuple[float, float]:
    if isinstance(value, arb):
        return (float(value.lower()), float(value.upper())) if value.is_finite() else (nan, nan)
    return (0.0, 0.0) if isinstance(value, Zero) else (nan, nan)


_ends_of = np.frompyfunc(_end_of, 1, 2)


def middles(values: Array) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return the float64 next to the middle of each element, nan where it is no finite number."""
    made: np.ndarray[Any, np.dtype[np.float64]] = _middle(values).astype(np.float64)
    return made


def _near(value: Any) -> float:
    if isinstance(value, arb):
        return float(value.mid()) if value.is_finite() else nan
    return 0.0 if isinstance(value, Zero) else nan


_middle = np.frompyfunc(_near, 1, 1)


def sign_at_infinity(value: Any) -> int:
    """Return the sign of an element that is infinite, and 0 for all others.

    >>> from gradcheck.exact.evaluate import from_float
    >>> sign_at_infinity(from_float(float("-inf"))), sign_at_infinity(from_float(1.0))
    (-1, 0)
    """
    if isinstance(value, Zero | Undefined) or value.is_finite() or not is_infinite(value):
        return 0
    return 1 if value > 0 else -1


def _dyadic(value: Any) -> Dyadic:
    man, exp = value.man_exp()
    return Dyadic(int(man), int(exp))


def from_ball(found: Ball) -> Any:
    """Return an enclosure as Arb has it, at the current working precision."""
    low, high = (arb(one.man) * arb(2) ** one.exp for one in (found.lower, found.upper))
    return low.union(high)


def balls(values: Array, bits: int, at: Sequence[int] | None = None) -> list[Ball | str | None]:
    """Return the elements of an array in row-major order, or those ``at`` some indices; ends are rounded outwards."""
    flat = values.ravel()
    with working_precision(bits):
        return [ball(value) for value in (flat if at is None else flat[list(at)])]
