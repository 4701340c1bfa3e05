"""What an element is that is no number, or a zero that hides all behind it: its code, and how operations hand it on.

These are the rules of ``exact/elements.py`` for whole arrays. A code is certain of what the element is in the exact
lane; where it is not, the element has no number and the code OPEN.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gradcheck.exact.machine.arithmetic import Flags, Interval
from gradcheck.reason import Kind, Reason

Codes = np.ndarray[Any, np.dtype[np.uint8]]
States = Codes | None
"""The code of every element; None where all are NUMBER."""

NUMBER, OPEN, HARD, SOFT, FIRST = 0, 1, 2, 3, 4
"""NUMBER is a number, or one of which nothing is proven and that any zero hides. OPEN is what may be undefined so that
it shows through a zero. HARD and SOFT are zeros that hide what is behind them. From FIRST on each reason has two codes:
undefined, and undefined everywhere, whatever hides it."""


class Reasons:
    """The reasons met in one evaluation, with their codes."""

    def __init__(self) -> None:
        self.met: list[Reason] = []

    def code(self, reason: Reason) -> int:
        """Return the code of what is undefined for a reason."""
        if reason not in self.met:
            self.met.append(reason)
        return FIRST + 2 * self.met.index(reason)

    def of(self, kind: Kind) -> list[int]:
        """Return the codes of the reasons of a kind, not those of what is undefined everywhere."""
        return [FIRST + 2 * k for k, reason in enumerate(self.met) if reason.kind is kind]


def is_lost(states: Codes) -> Flags:
    """Tell what has no number for a known reason, or may have none that shows through a zero."""
    return (states == OPEN) | (states >= FIRST)


def is_zero(states: Codes) -> Flags:
    """Tell the zeros that hide."""
    return (states == HARD) | (states == SOFT)


def proven(a: Interval) -> Flags:
    """Tell where something is proven of the number."""
    return np.isfinite(a.mid) & np.isfinite(a.rad)


def every(states: States) -> Any:
    """Return the codes, also where all are numbers."""
    return np.uint8(NUMBER) if states is None else states


def simplified(states: Any) -> States:
    """Return codes as bytes, and None where all are numbers."""
    return np.asarray(states, dtype=np.uint8) if np.any(states) else None


def after(args: Sequence[tuple[Interval, States]]) -> States:
    """Return what a function makes of its arguments: the first that is undefined, and of zeros a number."""
    if all(states is None for _, states in args):
        return None
    made: Any = np.uint8(NUMBER)
    unsure: Any = False
    for numbers, states in args:
        codes = every(states)
        mine = np.where(is_lost(codes), np.where(unsure, OPEN, codes), NUMBER)
        made = np.where(made == NUMBER, mine, made)
        # Of what is not proven to be a number nothing is known: it may be undefined for another reason.
        unsure = unsure | ~proven(numbers)
    return simplified(made)


def added(a: tuple[Interval, States], b: tuple[Interval, States]) -> States:
    """Return what a sum is: two zeros make the second, and a zero and another what that is."""
    made = after((a, b))
    left, right = every(a[1]), every(b[1])
    zeros = is_zero(left) & is_zero(right)
    return simplified(np.where(zeros, right, every(made))) if np.any(zeros) else made


def times(reasons: Reasons, a: tuple[Interval, States], b: tuple[Interval, States]) -> States:
    """Return what a product is: a zero hides the other factor, unless that shows through."""
    made = after((a, b))
    left, right = every(a[1]), every(b[1])
    if np.any(is_zero(left) | is_zero(right)):
        made = _hidden(left, right, every(made), reasons)
        made = _hidden(right, left, made, reasons)
        made = np.where(is_zero(left) & is_zero(right), _product(left, right), made)
    return simplified(made)


def divided(reasons: Reasons, a: tuple[Interval, States], b: tuple[Interval, States]) -> States:
    """Return what a quotient is: a zero hides the divisor, but is none itself."""
    made = after((a, b))
    left, right = every(a[1]), every(b[1])
    if not np.any(is_zero(left)):
        return made
    both = is_zero(left) & is_zero(right)
    return simplified(np.where(both, _product(left, right), _hidden(left, right, every(made), reasons)))


def _product(left: Any, right: Any) -> Any:
    """Return the zero that two zeros make: less shows through it."""
    return np.where((left == SOFT) & (right == SOFT), SOFT, HARD)


def _hidden(zero: Any, other: Any, made: Any, reasons: Reasons) -> Any:
    """Return the codes of a product wherever the one factor is a zero and the other is none."""
    everywhere = (other >= FIRST) & (other % 2 == 1)
    jump = (zero == SOFT) & np.isin(other, reasons.of(Kind.JUMP))
    through = everywhere | jump | (other == OPEN)
    return np.where(is_zero(zero) & ~is_zero(other), np.where(through, other, zero), made)


def settled(numbers: Interval, states: States) -> Interval:
    """Return the numbers with an exact 0 at every zero, and nothing where the code says that there is none."""
    if states is None:
        return numbers
    zeros, lost = is_zero(states), is_lost(states)
    mid = np.where(zeros, 0.0, np.where(lost, np.nan, numbers.mid))
    return Interval(mid, numbers.rad if numbers.is_exact else np.where(zeros, 0.0, numbers.rad))
