"""Conditions, and what they choose: where one is open between the roundings, either branch may be taken."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from gradcheck.exact.evaluate import domain_of
from gradcheck.exact.machine import arithmetic as machine
from gradcheck.exact.machine.arithmetic import Flags, Interval, Truth
from gradcheck.exact.machine.evaluate import value_of
from gradcheck.exact.machine.stored import NOBODY, Stored, settled
from gradcheck.functions import COMPARISONS, CONDITIONS, MASK, PATCH, WHERE
from gradcheck.program import Call, fold


def is_same(a: Stored, b: Stored) -> Flags:
    """Tell which elements are one stored number, whatever it is: True where all are."""
    if a is b and a.bounded:
        return True
    if a is b:
        return np.isfinite(a.rad)
    if a.same is None or b.same is None:
        return False
    return (a.same == b.same) & (a.same != NOBODY) & np.isfinite(a.rad)


def condition(op: str, *args: Any) -> Truth:
    """Return a comparison of stored numbers, or a connective of conditions."""
    if op not in COMPARISONS:
        return _CONNECTIVES[op](*args)
    a, b = args
    truth, same = machine.compare(op, a.ball, b.ball), is_same(a, b)
    if not np.any(same):
        return truth
    if op in ("le", "ge", "eq"):
        return Truth(truth.yes | same, truth.no & ~same, truth.unknown)
    return Truth(truth.yes & ~same, truth.no | same, truth.unknown)


_CONNECTIVES: dict[str, Callable[..., Truth]] = {
    "logical_and": machine.both, "logical_or": machine.either, "logical_not": machine.invert,
}  # fmt: skip


def choose(truth: Truth, a: Stored, b: Stored) -> Stored:
    """Return ``a`` where a condition holds, ``b`` where it does not, and either where it is open.

    What is chosen by an unknown condition is unknown, too, unless it is the same on both sides.
    """
    if np.all(truth.yes) or np.all(truth.no):
        one = a if np.all(truth.yes) else b
        one = replace(
            one, nothing=a.nothing and b.nothing, partly=a.partly and b.partly
        )  # whatever is chosen elsewhere
        return one.sized(np.broadcast_shapes(np.shape(truth.yes), a.shape, b.shape))
    yes, is_open = truth.yes, ~(truth.yes | truth.no)
    mid = np.where(yes, a.mid, b.mid)
    rad = 0.0 if a.ball.is_exact and b.ball.is_exact else np.where(yes, a.rad, b.rad)
    same = None
    if a.same is not None or b.same is not None:
        left, right = (NOBODY if one.same is None else one.same for one in (a, b))
        same = np.where(yes, left, right)
    if not np.any(is_open) and a.bounded and b.bounded:
        return Stored(Interval(mid, rad), same)
    found = _either(a, b, truth.unknown)
    made = settled(Interval(np.where(is_open, found.mid, mid), np.where(is_open, found.rad, rad)))
    return made if same is None else replace(made, same=np.where(is_open, NOBODY, same))


def _either(a: Stored, b: Stored, undecided: Flags = False) -> Interval:
    """Return the hull of two numbers: the number itself where they are one, lost where one of them is."""
    made = machine.hull(a.ball, b.ball)
    equal = (a.mid == b.mid) & (a.rad == b.rad)
    mid, rad = np.where(equal, a.mid, made.mid), np.where(equal, a.rad, made.rad)
    if a.bounded and b.bounded and not np.any(undecided):
        return Interval(mid, rad)
    unknown = a.unknown | b.unknown | (undecided & ~equal)
    lost = unknown | a.endless | b.endless
    return Interval(np.where(lost, 0.0, mid), np.where(lost, np.where(unknown, np.nan, np.inf), rad))


def _chosen(op: str, a: Stored, b: Stored) -> Stored:
    """Return the greater or lesser of two: where it is certain which, that very element."""
    truth = machine.compare(op, a.ball, b.ball)
    made = choose(truth, a, b)
    is_open = ~(truth.yes | truth.no)
    if not np.any(is_open):
        return made
    end = np.maximum if op == "ge" else np.minimum
    low, high = map(end, machine.ends(a.ball), machine.ends(b.ball))
    finite = is_open & np.isfinite(low) & np.isfinite(high)
    hull = machine.between(np.where(finite, low, 0.0), np.where(finite, high, 0.0))
    ball = Interval(np.where(finite, hull.mid, made.mid), np.where(finite, hull.rad, made.rad))
    return Stored(ball, made.same, bounded=made.bounded)


def _masked(a: Stored, truth: Truth) -> Stored:
    return choose(truth, a, Stored(Interval(np.float64(0.0))))


CHOICES: dict[str, Callable[..., Stored]] = {
    WHERE: choose,
    MASK: _masked,
    PATCH: lambda a, truth, b: choose(machine.invert(truth), a, b),
    "maximum": partial(_chosen, "ge"),
    "minimum": partial(_chosen, "le"),
}
"""Operations that return whole elements of their arguments."""


def ended(node: Call, made: Interval, args: Sequence[Stored], *, strictly: bool) -> Interval:
    """Return what an operation makes of its arguments: anything, where it has no number and they may leave its domain.

    With ``strictly`` it has none where they may, though an exact 0 divided by what may be 0 was taken for one.
    """
    inside = domain_of(node)
    if inside is None or (not strictly and np.isfinite(np.max(np.abs(made.mid) + made.rad))):
        return made

    def call(part: Call, of: list[Any]) -> Any:
        if part.op in CONDITIONS:
            return condition(part.op, *of)
        return Stored(value_of(part.op, [one.ball for one in of]))

    truth = fold(inside, lambda one: args[int(one.id)], lambda one: Stored(machine.rational(one.value)), call)
    lost = ~truth.yes & (strictly | ~(np.isfinite(made.mid) & np.isfinite(made.rad)))
    return Interval(np.where(lost, 0.0, made.mid), np.where(lost, np.inf, made.rad))
