"""Rounding enclosures: whatever an honest evaluation in floats of one format can return."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache, reduce
from math import prod
from typing import Any

import numpy as np
from flint import arb

from gradcheck.exact.elements import NAN, ZERO, Array, Values, Zero, as_ball
from gradcheck.exact.evaluate import START_BITS, as_array, evaluate, from_float, operation, over_arrays
from gradcheck.exact.precision import working_precision
from gradcheck.formats import FORMATS, Format
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
from gradcheck.functions.sums import FUSED, Depth
from gradcheck.lower import Core
from gradcheck.parse import parse
from gradcheck.program import Call, Node, Number, Shape, fold, names


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


STORE = "rounding"
"""What overflows where a wider number is rounded to the format at the end of a kernel."""


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
        self.fmt = fmt if accumulation is None else _wide(fmt, accumulation)
        self.cascade = accumulation is None or accumulation.cascade
        wide = _wide(self.fmt, FUSED)
        self.inside = None if wide == self.fmt else _Loss(wide, None, overflow, surely)
        # Short polynomials are good enough for what is rounded to a half type, and within a fused kernel of float32.
        self.coarse = self.inside is not None or (accumulation is not None and self.fmt.name != "float64")
        self.overflow = overflow
        self.surely = surely
        self.zero = arb(0) if surely else ZERO
        self.settled = over_arrays(self.settle, 1)
        self.largest = arb(self.fmt.largest)
        # One rounding to nearest loses u/(1 + u) of the exact value at most (Jeannerod and Rump, 2018), and u leaves
        # u**2/(1 + u) to spare: 2**-22 in float16, 2**-16 in bfloat16. That covers the rounding to float32 that comes
        # first in the kernels of the half types, 2**-24.
        self.roundoff = arb(self.fmt.unit_roundoff)
        # What may be flushed to 0. Kernels of special functions return 0 where the result, or what it is made of, is
        # subnormal: sigmoid does in float32 and float64 below -87.3 and -708.4, erf in bfloat16. float16 computes in
        # float32, where its subnormals are normal. Arithmetic keeps subnormals; 0.5 ULP of them was measured for every
        # one of square, reciprocal, sums and products. But bfloat16 has the exponents of float32, and processors that
        # convert or multiply it (VCVTNEPS2BF16, VDPBF16PS, AMX) take subnormals of float32 as 0.
        least = self.fmt.smallest_subnormal
        self.flushed = arb(least if self.fmt.name == "float16" else self.fmt.smallest_normal)
        self.least = arb(self.fmt.smallest_normal if self.fmt.name == "bfloat16" else least)

    def evaluate(self, node: Node, values: Mapping[str, Any]) -> Any:
        terms = _terms(node)
        if len(terms) > 2:
            return self.total([self.evaluate(one, values) for one in terms])

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
        power = _power(node.args[1], args[1]) if node.op == "pow" else None
        if power is not None:
            return self.evaluate(_expression(power), {"x": args[0]})
        if row.forward is not None:
            return self.evaluate(_expression(row.forward), dict(zip(row.args, args, strict=True)))
        return self.elementwise(row, node, args)

    def condition(self, node: Call, args: list[Array]) -> Any:
        made = operation(node, [as_array(_as_balls(one)) for one in args])
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
        if row.name in _SPARED:
            return over_arrays(lambda one, a, b: self.arithmetic(row.name, one, a, b), 3)(made, *args)
        return over_arrays(lambda one: self.stored(row.name, one, row.budget, row), 1)(made)

    def arithmetic(self, op: str, made: Any, a: Any, b: Any) -> Any:
        """Return what is stored of a sum or product: what is the same number on both sides leaves nothing."""
        if op == "sub" and _is_same(a, b):
            return ZERO
        return self.stored(op, made, 0 if _SPARED[op](a, b) else 1)

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
        widened = made * arb(1, inside.roundoff * row.budget) + arb(0, inside.flushed * row.budget + coarse)
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
        made = row.exact(np, *args, **params, zero=self.zero)
        if row.depth is None:
            return made
        shapes = [one.shape for one in args]
        depth = row.depth(*shapes, **params)
        if not self.cascade:
            depth = replace(depth, added=max(_terms_of(*shapes, result=made.shape) - 1, depth.added))
        sizes = row.exact(np, *(as_array(_magnitudes(one)) for one in args), **params, zero=self.zero)
        adding = _Loss(_wide(self.fmt, row.accumulation), None, self.overflow, self.surely)
        return over_arrays(lambda one, size: self.reduced(node.op, one, size, depth, adding), 2)(made, sizes)

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


def _wide(fmt: Format, accumulation: Accumulation) -> Format:
    return FORMATS[dict(accumulation.formats).get(fmt.name, fmt.name)]


def _terms_of(shape: Shape, *_others: Shape, result: Shape) -> int:
    """Return how many elements of an argument become one of the result."""
    return prod(shape) // max(prod(result), 1)


def _terms(node: Node) -> list[Node]:
    """Return the terms of a sum that is one expression: only what flows into one cotangent is ever that long."""
    terms: list[Node] = []
    while isinstance(node, Call) and node.op == "add":
        terms.append(node.args[1])
        node = node.args[0]
    return [*terms, node]


@lru_cache(maxsize=256)
def _expression(text: str) -> Node:
    return parse(text).layers[0].expression


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
    return isinstance(element, Zero)


def _is_power_of_two(element: Any) -> bool:
    if not (isinstance(element, arb) and element.is_exact() and element.is_finite()):
        return False
    return abs(int(element.man_exp()[0])) == 1


_SPARED: dict[str, Callable[[Any, Any], bool]] = {
    "add": lambda a, b: _is_zero(a) or _is_zero(b),
    "sub": lambda a, b: _is_zero(a) or _is_zero(b),
    "mul": lambda a, b: _is_power_of_two(a) or _is_power_of_two(b),
    "div": lambda _a, b: _is_power_of_two(b),
}
"""Arithmetic with a number on one side that leaves all the digits of the other: only its exponent may end."""


_POWERS = {
    0: "1", 1: "x", 2: "x*x", 3: "x*x*x", -1: "reciprocal(x)", -2: "reciprocal(x*x)", 0.5: "sqrt(x)", -0.5: "rsqrt(x)",
}  # fmt: skip
"""Powers with a plain number that torch computes in another way: aten/src/ATen/native/cpu/PowKernel.cpp,
pow_tensor_scalar_optimized_kernel, and ATen/native/Pow.cpp for 0 and 1. The square of a small number on the way to its
reciprocal may be subnormal, and have lost digits; 4.16 unit roundoffs were measured for x**-2 at 5.5e-20."""


def _power(exponent: Node, value: Array) -> str | None:
    """Return the formula of a power, where torch has one for it."""
    number = as_ball(value[()]) if not names(exponent) else NAN
    return next((text for power, text in _POWERS.items() if number == power), None)


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
