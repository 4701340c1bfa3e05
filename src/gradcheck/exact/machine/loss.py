"""What floats of one format lose, operation by operation, in whole arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from math import expm1, inf, log1p, nan
from typing import Any

import numpy as np

from gradcheck.exact.losses import Losses, depth, expression, losses, power, terms
from gradcheck.exact.machine import arithmetic as machine
from gradcheck.exact.machine.arithmetic import UNIT, UP, Flags, Interval, Reals, full_rad
from gradcheck.exact.machine.choices import CHOICES, condition, ended, is_same
from gradcheck.exact.machine.elementary import constant
from gradcheck.exact.machine.evaluate import value_of
from gradcheck.exact.machine.stored import Stored, filled, fits, is_power_of_two, moved, nothing, settled, spread, tamed
from gradcheck.exact.machine.tensors import tensor
from gradcheck.formats import Format
from gradcheck.functions import CONSTANTS, DETACH, ELEMENTWISE, GUARD, TENSOR, Accumulation, Elementwise, Tensor
from gradcheck.functions.sums import Depth
from gradcheck.program import Call, Node, Number, fold, infinity

Value = Any
"""What a kernel stores, or a condition."""
SPECK = 2.0**-1074
"""How far a zero whose sign is open may be from 0: what is known of a number does not tell 0.0 from -0.0."""

SHORT = 24
"""Bits of numbers whose products are exact in float64."""


@dataclass
class Overflow:
    """The first operation whose value floats cannot hold: for sure, or perhaps."""

    sure: str | None = None
    perhaps: str | None = None

    @property
    def name(self) -> str | None:
        """Return the operation, the certain one first."""
        return self.sure or self.perhaps


class Loss:
    """What floats of one format lose, operation by operation; the state is the first that they cannot hold."""

    def __init__(self, fmt: Format, accumulation: Accumulation | None, overflow: Overflow, *, surely: bool) -> None:
        self.of: Losses = losses(fmt, accumulation)
        self.overflow = overflow
        self.within: str | None = None
        self.surely = surely

    def evaluate(self, node: Node, values: Mapping[str, Value]) -> Value:
        """Return what may be stored of an expression."""
        parts = terms(node)
        if len(parts) > 2:
            return self.total([self.evaluate(one, values) for one in parts])

        def number(part: Number) -> Stored:
            return self.stored("constant", machine.rational(part.value), 1)

        return fold(node, lambda one: values[one.id], number, self.operation)

    def operation(self, node: Call, args: list[Value]) -> Value:
        """Return what may be stored of one operation."""
        if node.op in TENSOR:
            return self.tensor(TENSOR[node.op], node, args)
        if node.op in CHOICES:
            return CHOICES[node.op](*args)
        if node.op in (GUARD, DETACH):
            return args[0]
        if node.op == "inf":
            return filled((), inf)  # behind an infinity a float may be anything, and no operation is too large
        if node.op in CONSTANTS:
            return self.stored(node.op, constant(node.op), 1)
        row = ELEMENTWISE.get(node.op)
        if row is None:
            ends = map(infinity, node.args)  # a float that is none is no infinity
            beside = (
                one if end is None else Stored(Interval(np.float64(end))) for one, end in zip(args, ends, strict=True)
            )
            return condition(node.op, *beside)
        formula = power(row, node, _number(args[-1])) or (row.forward if row.name != self.within else None)
        if formula is not None:
            return self.formula(row, formula, args)
        return self.elementwise(row, node, args)

    def formula(self, row: Elementwise, formula: str, args: list[Value]) -> Value:
        """Return what a row's formula loses; where the row itself stands in it, that is the kernel's own part."""
        if row.one_kernel and self.of.inside is not None:
            inside = Loss(self.of.inside.fmt, None, self.overflow, surely=self.surely)
            made = inside.formula(row, formula, args)
            return made if not isinstance(made, Stored) else self.stored(row.name, made.ball, 1)
        before, self.within = self.within, row.name
        try:
            return self.evaluate(expression(formula), dict(zip(row.args, args, strict=True)))
        finally:
            self.within = before

    # --- elementwise ---

    def elementwise(self, row: Elementwise, node: Call, args: list[Stored]) -> Stored:
        """Return what may be stored of a row that is evaluated as such."""
        if any(args[k].nothing for k in row.absorbing) or (row.spares and all(one.nothing for one in args)):
            return nothing(np.broadcast_shapes(*(one.shape for one in args)))
        balls = [_of_any_sign(one) if row.signed_zeros else one.ball for one in args]
        made = value_of(row.name, balls)
        if row.budget == 1:
            made = _sharpened(row, balls, made)
        if row.domain is None:
            self.beyond(row.name, made, args)
        made = spread(ended(node, made, args, strictly=self.surely), args)
        if row.absorbing:
            made = self.absorbed(row, made, args)
        if row.spares:
            found = self.arithmetic(row, made, args)
            return replace(found, partly=True) if any(args[k].partly for k in row.absorbing) else found
        return self.stored(row.name, made, row.budget, row)

    def absorbed(self, row: Elementwise, made: Interval, args: Sequence[Stored]) -> Interval:
        """Return a product with an exact 0 wherever a factor is one, whatever the other is."""
        hiding = [args[k].hidden if self.surely else args[k].zeros for k in row.absorbing]
        if not np.any(hiding[0] | hiding[-1]) or (all(one.bounded for one in args) and np.isfinite(np.max(made.rad))):
            return made
        zeros = reduce(np.logical_or, hiding)
        return Interval(np.where(zeros, 0.0, made.mid), np.where(zeros, 0.0, made.rad))

    def arithmetic(self, row: Elementwise, made: Interval, args: list[Stored]) -> Stored:
        """Return what is stored of a sum or product: what is the same number on both sides leaves nothing."""
        if row.name == "sub":
            same = is_same(*args)
            if same is True:
                return nothing(np.shape(made.mid))
            if np.all(same | ~np.isfinite(args[0].rad)) and np.any(same):
                rad = np.where(same, 0.0, np.where(np.isnan(made.rad), np.nan, inf))
                return Stored(Interval(np.zeros(np.shape(rad)), rad), bounded=False, partly=True)
            if np.any(same):
                made = Interval(np.where(same, 0.0, made.mid), np.where(same, 0.0, made.rad))
        if made.is_exact and np.all(fits(made.mid, self.of.fmt)):
            return Stored(made)
        budget = self.spared(row, args)
        if "power of two" in row.spares and self.of.fmt.precision > SHORT and not made.is_exact:
            made = _scaled(made, args, budget)
        return self.stored(row.name, made, budget)

    def beyond(self, op: str, made: Interval, args: Sequence[Stored]) -> None:
        """Name an operation without a domain whose own bounds are beyond float64, though nothing in it was lost."""
        if made.is_exact or np.all(np.isfinite(made.rad)):
            return
        lost = reduce(np.logical_or, (one.endless | one.unknown for one in args))
        if np.any(np.isinf(made.rad) & ~lost):
            self.overflow.perhaps = self.overflow.perhaps or op

    def spared(self, row: Elementwise, args: Sequence[Stored]) -> Any:
        """Return how many roundings each element goes through: none beside a number that leaves the other's digits."""
        spared: Flags = False
        for kind, one in zip(row.spares, args, strict=True):
            if kind == "zero":
                spared = spared | one.zeros
            elif kind == "power of two" and (one.ball.is_exact or not np.all(one.rad)):
                spared = spared | ((one.rad == 0) & is_power_of_two(one.mid))
        return 1.0 if not np.any(spared) else 0.0 if np.all(spared) else np.where(spared, 0.0, 1.0)

    def stored(self, op: str, made: Interval, budget: Any, row: Elementwise | None = None) -> Stored:
        """Return the floats that may be stored; what is rounded correctly and fits stays as it is."""
        if row is not None and row.budget == 0:
            return settled(made)
        size = np.abs(made.mid) if made.is_exact else np.abs(made.mid) + made.rad
        if row is not None and row.budget > 1:
            rad = self.computed(made, size, row)
        else:
            rad = (size * (self.of.roundoff * budget) + made.rad + self.of.least) * UP
            if made.is_exact or not np.all(made.rad):
                kept = (made.rad == 0) & fits(made.mid, self.of.fmt)
                rad = 0.0 if np.all(kept) else np.where(kept, 0.0, rad) if np.any(kept) else rad
        return self.bounded(op, made, rad, np.abs(made.mid) + rad)

    def computed(self, made: Interval, size: Reals, row: Elementwise) -> Reals:
        """Return the radii of what a kernel with a budget makes of a value: half types compute in float32."""
        inside = self.of.inside or self.of
        coarse = row.coarse if self.of.coarse else 0.0
        least = inside.flushed * row.budget + coarse + inside.roundoff * row.absolute
        off = size * (inside.roundoff * row.budget) + least
        if self.of.inside is not None:
            off = off + (size + off) * (self.of.roundoff * row.halves) + self.of.flushed * row.halves
        return (off + made.rad) * UP

    def bounded(self, op: str, made: Interval, rad: Reals, size: Reals) -> Stored:
        """Return elements as they are widened, and anything where a ``size`` on their way may not fit the format."""
        largest = self.of.fmt.largest
        if np.max(size) * UP <= largest:
            return Stored(Interval(made.mid, rad))
        rad = np.broadcast_to(rad, np.shape(made.mid))
        good = np.where(rad == 0, size, size * UP) <= largest
        known = np.isfinite(made.rad)
        far = np.isinf(made.mid) | known & (np.abs(made.mid) - made.rad > largest * (1 + self.of.roundoff))
        if np.any(far):  # no rounding leads back
            self.overflow.sure = self.overflow.sure or op
        elif np.any(~good & known & ~np.isnan(made.mid)):
            self.overflow.perhaps = self.overflow.perhaps or op
        good = good & (rad < inf)
        unknown = ~far & (np.isnan(made.mid) | np.isnan(made.rad))
        rad = np.where(good, rad, np.where(unknown, nan, inf))
        return Stored(Interval(np.where(good, made.mid, 0.0), rad), bounded=bool(np.all(good)))

    # --- tensors ---

    def tensor(self, row: Tensor, node: Call, args: list[Stored]) -> Stored:
        """Return what may be stored of a tensor operation."""
        params = dict(node.params)
        shapes = [one.shape for one in args]
        deep = depth(row, shapes, params, row.shape(*shapes, **params), cascade=self.of.cascade)
        if deep is None:
            return moved(row, args, params)
        if all(one.nothing for one in args) or (len(args) > 1 and any(one.nothing for one in args)):
            return nothing(row.shape(*shapes, **params))
        tame = [one if one.bounded else tamed(one) for one in args]
        made, _ = tensor(node.op, [(one.ball, None) for one in tame], **params)
        self.beyond(node.op, made, tame)
        size = row.exact(np, *(machine.magnitude(one.ball) for one in tame), **params, zero=0.0)
        size = size * (1 + 2 * UNIT * max(one.mid.size for one in tame))
        if not all(one.bounded for one in args):
            made, size = self.lost(row, args, params, made, size)
        zeros = self.nothing_added(row, args, params, size)
        adding = Loss(self.of.adding(row), None, self.overflow, surely=self.surely)
        found = self.reduced(node.op, made, size, deep, adding)
        if np.any(zeros):
            rad = np.where(zeros, 0.0, found.rad)
            partly = row.name == "sum" and args[0].partly
            return replace(found, partly=partly, ball=Interval(np.where(zeros, 0.0, found.mid), rad))
        return found

    def lost(
        self, row: Tensor, args: Sequence[Stored], params: Mapping[str, Any], made: Interval, size: Reals
    ) -> tuple[Interval, Reals]:
        """Return a sum that is lost wherever a term is: anything, or unknown; a factor of 0 hides a lost one."""
        present = [np.where(one.hidden if self.surely else one.zeros, 0.0, np.ones(one.shape)) for one in args]

        def behind(flags: Sequence[Flags]) -> Flags:
            made: Flags = False
            for k, flag in enumerate(flags):
                full = np.broadcast_to(np.where(flag, 1.0, 0.0), args[k].shape)
                made = made | (row.exact(np, *present[:k], full, *present[k + 1 :], **params, zero=0.0) > 0)
            return made

        endless, unknown = behind([one.endless for one in args]), behind([one.unknown for one in args])
        gone = np.where(unknown, nan, np.where(endless, inf, 0.0))
        mid = np.where(endless | unknown, 0.0, made.mid)
        return Interval(mid, made.rad + gone), size + gone

    def nothing_added(self, row: Tensor, args: Sequence[Stored], params: Mapping[str, Any], size: Reals) -> Flags:
        """Return where every term of a sum is an exact 0."""
        if np.all(size) or (self.surely and row.name != "sum"):  # others put zeros of their own beside what they add
            return False
        present = (np.where(one.hidden if self.surely else one.zeros, 0.0, np.ones(one.shape)) for one in args)
        return row.exact(np, *present, **params, zero=0.0) == 0

    def reduced(self, op: str, made: Interval, size: Reals, deep: Depth, adding: Loss) -> Stored:
        """Return a sum that is added up in one format, and then rounded to another where that is wider."""
        summed = adding.summed(op, made, size, deep.added)
        if adding.of.fmt == self.of.fmt or not deep.added:
            return summed
        if deep.stored > 1:  # partial sums are rounded, and then added up
            rad = (summed.rad + (self.of.roundoff * size + self.of.least * deep.added)) * UP
            summed = self.bounded(op, Interval(summed.mid, made.rad), rad, size)
        return self.stored(op, summed.ball, 1.0)

    def total(self, parts: list[Stored]) -> Stored:
        """Return the sum of what flows into one cotangent, in whatever order torch adds it up."""
        shape = np.broadcast_shapes(*(one.shape for one in parts))
        if all(one.nothing for one in parts):
            return nothing(shape)
        made = spread(reduce(machine.add, (one.ball for one in parts)), parts)
        size = reduce(np.add, (machine.magnitude(one.ball) for one in parts)) * UP
        found = self.summed("add", made, size, len(parts) - 1)
        if self.surely or np.all(size):
            return found
        return replace(found, ball=Interval(found.mid, np.where(size == 0, 0.0, found.rad)))

    def summed(self, op: str, made: Interval, size: Reals, roundings: int) -> Stored:
        """Return a sum, in any order, of terms whose magnitudes add up to ``size``.

        A term that goes through k roundings is off by (1 + u)**k - 1 of itself at most, whatever the order of the sum
        (Higham, Accuracy and Stability of Numerical Algorithms, 4.2); among n terms k is n - 1 at most, and less where
        the row knows the order (functions/sums.py). A sum of subnormals is exact; a product is not.
        """
        if not roundings:
            return settled(made)
        factor = expm1(roundings * log1p(self.of.roundoff)) * UP
        off = size * factor + self.of.least * roundings
        return self.bounded(op, made, (made.rad + off) * UP, size + off)


def _of_any_sign(one: Stored) -> Interval:
    return Interval(one.mid, np.where(one.zeros, SPECK, one.rad)) if np.any(one.zeros) else one.ball


def _sharpened(row: Elementwise, balls: Sequence[Interval], made: Interval) -> Interval:
    """Return what is made of intervals, evaluated once more by itself where all of them are exact."""
    if made.is_exact or all(one.is_exact for one in balls) or any(np.all(one.rad) for one in balls if not one.is_exact):
        return made
    shape = np.shape(made.mid)
    at = reduce(np.logical_and, (np.broadcast_to(one.rad == 0, shape) for one in balls))
    if not np.any(at):
        return made
    again = value_of(row.name, [Interval(np.broadcast_to(one.mid, shape)[at]) for one in balls])
    mid, rad = np.array(made.mid), np.array(full_rad(made))
    mid[at], rad[at] = again.mid, again.rad
    return Interval(mid, rad)


def _number(one: Stored) -> float | None:
    """Return the one number that an argument is, None where it is none."""
    return float(one.mid) if not one.shape and one.rad == 0 else None


def _scaled(made: Interval, args: Sequence[Stored], budget: Any) -> Interval:
    """Return products, exact where one exact factor is a power of two and neither end of the range is near."""
    size = np.abs(made.mid)
    kept = (budget == 0) & (size > 2.0**-1000) & (size < inf)
    for one in args:
        kept = kept & (one.rad == 0)
    return Interval(made.mid, np.where(kept, 0.0, made.rad)) if np.any(kept) else made
