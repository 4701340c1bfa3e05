"""Rounding enclosures: whatever an honest evaluation in floats of one format can return."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
from flint import arb

from gradcheck.exact.elements import NAN, ZERO, Array, Values, Zero, as_ball
from gradcheck.exact.evaluate import START_BITS, as_array, evaluate, from_float, operation, over_arrays
from gradcheck.exact.losses import STORE, depth, expression, losses, power, terms
from gradcheck.exact.precision import working_precision
from gradcheck.formats import Format
from gradcheck.functions import (
    COMPARISONS,
    CONSTANTS,
    DETACH,
    ELEMENTWISE,
    GUARD,
    MASK,
    PATCH,
    TENSOR,
    WHERE,
    Accumulation,
    Elementwise,
)
from gradcheck.functions.sums import Depth
from gradcheck.lower import Core
from gradcheck.program import Call, Node, Number, fold, infinity, names


def enclose_rounded(
    core: Core,
    point: Mapping[str, np.ndarray[Any, Any]],
    fmt: Format,
    bits: int = START_BITS,
    *,
    surely: bool = False,
) -> tuple[Values, str | None]:
    """Return balls that contain every finite number that an honest evaluation in ``fmt`` can return for every layer.

    ``core`` has one operation a layer. After each, the ball is widened by the row's budget: so many unit roundoffs of
    the result, and as many of the smallest number that no kernel flushes to zero. A sum of n terms may lose n - 1
    roundoffs of every term. Where a condition is open between the roundings, either branch may be taken.

    An element that may exceed the largest number of ``fmt`` on the way is unbounded: no number, in every element that
    depends on it, since behind an infinity a float may be anything. A factor that is exactly 0 ends that, because what
    comes out is 0, or nan. With ``surely`` it ends nothing, as in floats, where 0 times infinity is nan: what is
    bounded then is a number of the format for sure, and torch's nan or infinity there is wrong. The second result names
    the first operation whose value is certainly too large, else the first whose value may be.
    """
    with working_precision(bits):
        return _Rounded(core, fmt, surely).run(point)


class _Rounded:
    """One pass over a program; the state is every layer as the kernel has it that computes it."""

    def __init__(self, core: Core, fmt: Format, surely: bool) -> None:
        self.core, self.fmt, self.overflow = core, fmt, _Overflow()
        self.surely = surely
        self.losses: dict[Accumulation | None, _Loss] = {}
        self.values: Values = {}
        self.rounded: dict[tuple[str, str], Array] = {}

    def run(self, point: Mapping[str, np.ndarray[Any, Any]]) -> tuple[Values, str | None]:
        program, plain = self.core.program, self.loss(None)
        for one in program.inputs:
            self.values[one] = as_array(plain.settled(as_array(from_float(point[one]))))
        for layer in program.layers:
            loss = self.loss(layer.name)
            read = {one: self.read(one, loss.fmt) for one in names(layer.expression)}
            made = as_array(loss.evaluate(layer.expression, read))
            self.values[layer.name] = np.broadcast_to(made, self.core.shapes[layer.name])
        return {name: self.read(name, self.fmt) for name in self.values}, self.overflow.name

    def loss(self, name: str | None) -> _Loss:
        """Return what floats lose in a layer: those of the format, or of the one that torch's kernel computes in."""
        accumulation = self.core.fused.get(name or "")
        if accumulation not in self.losses:
            self.losses[accumulation] = _Loss(self.fmt, accumulation, self.overflow, self.surely)
        return self.losses[accumulation]

    def read(self, name: str, fmt: Format) -> Array:
        """Return a layer as a kernel that computes in ``fmt`` reads it: rounded, where it was not stored so far."""
        home = self.loss(name).fmt
        if home.precision <= fmt.precision:
            return self.values[name]
        key = name, fmt.name
        if key not in self.rounded:
            loss = _Loss(fmt, None, self.overflow, self.surely)
            stored = over_arrays(lambda one: loss.stored(STORE, one, 1), 1)(self.values[name])
            self.rounded[key] = as_array(stored)
        return self.rounded[key]


@dataclass
class _Overflow:
    """The first operation whose value floats cannot hold: for sure, or perhaps."""

    sure: str | None = None
    perhaps: str | None = None

    @property
    def name(self) -> str | None:
        return self.sure or self.perhaps


class _Loss:
    """What floats of one format lose, operation by operation; the state is the first that they cannot hold."""

    def __init__(self, fmt: Format, accumulation: Accumulation | None, overflow: _Overflow, surely: bool) -> None:
        of = losses(fmt, accumulation)
        self.of, self.fmt, self.cascade, self.coarse = of, of.fmt, of.cascade, of.coarse
        self.inside = None if of.inside is None else _Loss(of.inside.fmt, None, overflow, surely)
        self.overflow = overflow
        self.within: str | None = None
        self.surely = surely
        self.zero = arb(0) if surely else ZERO
        self.settled = over_arrays(self.settle, 1)
        self.largest, self.roundoff = arb(self.fmt.largest), arb(of.roundoff)
        self.flushed, self.least = arb(of.flushed), arb(of.least)

    def evaluate(self, node: Node, values: Mapping[str, Any]) -> Any:
        parts = terms(node)
        if len(parts) > 2:
            return self.total([self.evaluate(one, values) for one in parts])

        def number(part: Number) -> Array:
            return as_array(self.stored("constant", evaluate(part, {}), 1))

        def operation(part: Call, args: list[Array]) -> Array:
            return as_array(self.operation(part, args))

        return fold(node, lambda one: values[one.id], number, operation)

    def operation(self, node: Call, args: list[Array]) -> Any:
        if node.op in TENSOR:
            return self.tensor(node, args)
        if node.op in _HULLS:
            made = over_arrays(_HULLS[node.op], len(args))(*args)
            return self.settled(over_arrays(as_ball, 1)(made)) if node.op == MASK else made
        if node.op in (GUARD, DETACH):
            return args[0]
        if node.op == "inf":
            return NAN  # behind an infinity a float may be anything, and no operation is too large
        if node.op in CONSTANTS:
            return self.stored(node.op, operation(node, args), 1)
        row = ELEMENTWISE.get(node.op)
        if row is None:
            return self.condition(node, args)
        formula = power(row, node, _number(args[-1])) or (row.forward if row.name != self.within else None)
        if formula is not None:
            return self.formula(row, formula, args)
        return self.elementwise(row, node, args)

    def formula(self, row: Elementwise, formula: str, args: list[Array]) -> Any:
        """Return what a row's formula loses; where the row itself stands in it, that is the kernel's own part."""
        if row.one_kernel and self.inside is not None:
            made = as_array(self.inside.formula(row, formula, args))
            return over_arrays(lambda one: self.stored(row.name, one, 1), 1)(made)
        before, self.within = self.within, row.name
        try:
            return self.evaluate(expression(formula), dict(zip(row.args, args, strict=True)))
        finally:
            self.within = before

    def condition(self, node: Call, args: list[Array]) -> Any:
        ends = map(infinity, node.args)  # a float that is none is no infinity
        beside = (one if end is None else as_array(arb(end)) for one, end in zip(args, ends, strict=True))
        made = operation(node, [as_array(_as_balls(one)) for one in beside])
        if node.op not in COMPARISONS:
            return made
        reflexive = node.op in ("le", "ge", "eq")
        return over_arrays(lambda one, a, b: reflexive if _is_same(a, b) else one, 3)(made, *args)

    # --- elementwise ---

    def elementwise(self, row: Elementwise, node: Call, args: list[Array]) -> Any:
        if row.name in _CHOSEN:
            return over_arrays(_CHOSEN[row.name], 2)(*args)
        balls = [as_array(_as_balls(one)) for one in args]
        if row.signed_zeros:
            balls = [as_array(_of_any_sign(one)) for one in balls]
        made = operation(node, args if row.native else balls)
        if row.budget == 0:
            return self.settled(made)
        if row.spares:
            return over_arrays(lambda one, a, b: self.arithmetic(row, one, a, b), 3)(made, *args)
        return over_arrays(lambda one: self.stored(row.name, one, row.budget, row), 1)(made)

    def arithmetic(self, row: Elementwise, made: Any, a: Any, b: Any) -> Any:
        """Return what is stored of a sum or product: what is the same number on both sides leaves nothing."""
        if row.name == "sub" and _is_same(a, b):
            return ZERO
        spared = any(kind and _KINDS[kind](one) for kind, one in zip(row.spares, (a, b), strict=True))
        return self.stored(row.name, made, 0 if spared else 1)

    def stored(self, op: str, made: Any, budget: float, row: Elementwise | None = None) -> Any:
        """Return the ball of the floats that may be stored; what is rounded correctly and fits stays as it is."""
        if isinstance(made, Zero) or (budget <= 1 and self.fits(made)):
            return self.settle(made)
        made = as_ball(made)
        if row is not None and budget > 1:
            return self.bounded(op, made, *self.computed(made, row))
        widened = made * arb(1, self.roundoff * budget) + arb(0, self.least * max(budget, 1))
        return self.bounded(op, made, widened, abs(widened))

    def computed(self, made: Any, row: Elementwise) -> tuple[Any, Any]:
        """Return what a kernel with a budget makes of a value, and its size: half types compute in float32."""
        inside = self if self.inside is None else self.inside
        coarse = row.coarse if self.coarse else 0.0
        least = inside.flushed * row.budget + coarse + inside.roundoff * row.absolute
        widened = made * arb(1, inside.roundoff * row.budget) + arb(0, least)
        if self.inside is not None:
            widened = widened * arb(1, self.roundoff * row.halves) + arb(0, self.flushed * row.halves)
        return widened, abs(widened)

    def settle(self, element: Any) -> Any:
        """Return an exact 0 as the zero that hides what is multiplied by it, and what is not finite as no number."""
        if isinstance(element, arb) and not element.is_finite():
            return NAN
        return self.zero if isinstance(element, arb) and element == 0 else element

    def fits(self, made: Any) -> bool:
        """Tell whether a ball is one number of the format, and no subnormal, which may be flushed."""
        if not (isinstance(made, arb) and made.is_exact() and made.is_finite()):
            return False
        short = int(made.man_exp()[0]).bit_length() <= self.fmt.precision
        return short and bool(made == 0 or self.fmt.smallest_normal <= abs(made) <= self.largest)

    def bounded(self, op: str, made: Any, widened: Any, size: Any) -> Any:
        """Return an element as it is widened, or no number where a ``size`` on its way may not fit the format."""
        if widened.is_finite() and size <= self.largest:
            return widened
        if abs(made) > self.largest * (1 + self.roundoff):  # no rounding leads back
            self.overflow.sure = self.overflow.sure or op
        elif not made.is_nan():
            self.overflow.perhaps = self.overflow.perhaps or op
        return NAN

    # --- tensors ---

    def tensor(self, node: Call, args: list[Array]) -> Any:
        row, params = TENSOR[node.op], dict(node.params)
        made = as_array(row.exact(np, *args, **params, zero=self.zero))
        deep = depth(row, [one.shape for one in args], params, made.shape, cascade=self.cascade)
        if deep is None:
            return made
        sizes = row.exact(np, *(as_array(_magnitudes(one)) for one in args), **params, zero=self.zero)
        adding = _Loss(self.of.adding(row), None, self.overflow, self.surely)
        return over_arrays(lambda one, size: self.reduced(node.op, one, size, deep, adding), 2)(made, sizes)

    def reduced(self, op: str, made: Any, size: Any, depth: Depth, adding: _Loss) -> Any:
        """Return the ball of a sum that is added up in one format, and then rounded to another where that is wider."""
        summed = adding.summed(op, made, size, depth.added)
        if adding.fmt == self.fmt or not depth.added:
            return summed
        if depth.stored > 1:  # partial sums are rounded, and then added up
            size = as_ball(size)
            summed = as_ball(summed) + arb(0, self.roundoff * size + self.least * depth.added)
            summed = self.bounded(op, as_ball(made), summed, size)
        return self.stored(op, summed, 1)

    def total(self, parts: list[Array]) -> Any:
        """Return the sum of what flows into one cotangent, in whatever order torch adds it up."""
        made = reduce(np.add, parts)
        sizes = reduce(np.add, map(_magnitudes, parts))
        return over_arrays(lambda one, size: self.summed("add", one, size, len(parts) - 1), 2)(made, sizes)

    def summed(self, op: str, made: Any, size: Any, roundings: int) -> Any:
        """Return the ball of a sum, in any order, of terms whose magnitudes add up to ``size``.

        A term that goes through k roundings is off by (1 + u)**k - 1 of itself at most, whatever the order of the sum
        (Higham, Accuracy and Stability of Numerical Algorithms, 4.2); among n terms k is n - 1 at most, and less where
        the row knows the order (functions/sums.py). A sum of subnormals is exact; a product is not.
        """
        if isinstance(made, Zero) or not roundings:
            return made
        made, size = as_ball(made), as_ball(size)
        lost = ((1 + self.roundoff) ** roundings - 1) * size + self.least * roundings
        return self.bounded(op, made, made + arb(0, lost), size + lost)


_as_balls = over_arrays(as_ball, 1)
_magnitudes = over_arrays(lambda element: element if isinstance(element, Zero) else abs(as_ball(element)), 1)


def _is_same(a: Any, b: Any) -> bool:
    """Tell whether two elements are one stored number, whatever it is."""
    return a is b and isinstance(a, arb) and a.is_finite()


def _greater(a: Any, b: Any) -> Any:
    x, y = as_ball(a), as_ball(b)
    return a if x >= y else b if x < y else x.max(y)


def _lesser(a: Any, b: Any) -> Any:
    x, y = as_ball(a), as_ball(b)
    return a if x <= y else b if x > y else x.min(y)


_CHOSEN: dict[str, Callable[..., Any]] = {"maximum": _greater, "minimum": _lesser}
"""Functions that return one of their arguments: where it is certain which, that very element."""

_of_any_sign = over_arrays(lambda element: arb(0, arb(2) ** -100_000) if element == 0 else element, 1)
"""An exact 0 as a ball around it: what is known of a number does not tell 0.0 from -0.0."""


def _is_zero(element: Any) -> bool:
    return isinstance(element, Zero) or (isinstance(element, arb) and bool(element == 0))


def _is_power_of_two(element: Any) -> bool:
    if not (isinstance(element, arb) and element.is_exact() and element.is_finite()):
        return False
    return abs(int(element.man_exp()[0])) == 1


_KINDS: dict[str, Callable[[Any], bool]] = {"zero": _is_zero, "power of two": _is_power_of_two}
"""Numbers that leave all the digits of what they are added to or multiplied with: only its exponent may end."""


def _number(value: Array) -> float | None:
    """Return the one number that an argument is, None where it is none."""
    one = as_ball(value[()]) if not value.ndim else NAN
    return float(one) if one.is_exact() and one.is_finite() else None


def _hull(a: Any, b: Any) -> Any:
    a, b = as_ball(a), as_ball(b)
    if a == b:
        return a
    return a.union(b) if a.is_finite() and b.is_finite() else NAN


_HULLS: dict[str, Callable[..., Any]] = {
    WHERE: lambda c, a, b: a if c is True else b if c is False else _hull(a, b),
    MASK: lambda a, c: a if c is True else ZERO if c is False else _hull(a, ZERO),
    PATCH: lambda a, c, b: b if c is True else a if c is False else _hull(a, b),
}
