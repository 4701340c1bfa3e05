"""Rounding enclosures: whatever an honest evaluation in floats of one format can return."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache, reduce
from typing import Any

import flint
import numpy as np
from flint import arb

from gradcheck.exact.elements import NAN, ZERO, Array, Values, Zero, as_ball
from gradcheck.exact.evaluate import START_BITS, as_array, evaluate, from_float, operation, over_arrays
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
    Elementwise,
)
from gradcheck.lower import Core
from gradcheck.parse import parse
from gradcheck.program import Call, Name, Node, Number, names, postorder


def enclose_rounded(
    core: Core, point: Mapping[str, np.ndarray[Any, Any]], fmt: Format, bits: int = START_BITS
) -> tuple[Values, str | None]:
    """Return balls that contain every finite number that an honest evaluation in ``fmt`` can return for every layer.

    ``core`` has one operation a layer. After each, the ball is widened by the row's budget: so many unit roundoffs of
    the result, and as many of the smallest number that no kernel flushes to zero. A sum of n terms may lose n - 1
    roundoffs of every term. Where a condition is open between the roundings, either branch may be taken.

    An element that may exceed the largest number of ``fmt`` on the way is unbounded: no number, in every element that
    depends on it, since behind an infinity a float may be anything. A factor that is exactly 0 ends that, because what
    comes out is 0, or nan. The second result names the first operation whose value is certainly too large, else the
    first whose value may be.
    """
    with flint.ctx.workprec(bits):
        loss = _Loss(fmt)
        values: Values = {name: as_array(_settled(as_array(from_float(point[name])))) for name in core.program.inputs}
        for layer in core.program.layers:
            made = as_array(loss.evaluate(layer.expression, values))
            values[layer.name] = np.broadcast_to(made, core.shapes[layer.name])
    return values, loss.too_large or loss.maybe_too_large


class _Loss:
    """What floats of one format lose, operation by operation; the state is the first that they cannot hold."""

    def __init__(self, fmt: Format) -> None:
        self.fmt = fmt
        self.largest = arb(fmt.largest)
        self.too_large: str | None = None
        self.maybe_too_large: str | None = None
        # One rounding loses roundoff/(1 + roundoff) at most: the rest covers a second, from float32 to a half format.
        self.roundoff = arb(fmt.unit_roundoff)
        # Kernels may flush subnormals to zero; those of float16 compute in float32, where its subnormals are normal.
        self.smallest = arb(fmt.smallest_subnormal if fmt.name == "float16" else fmt.smallest_normal)

    def evaluate(self, node: Node, values: Mapping[str, Any]) -> Any:
        terms = _terms(node)
        if len(terms) > 2:
            return self.total([self.evaluate(one, values) for one in terms])
        done: list[Any] = []
        for part in postorder(node):
            if isinstance(part, Name):
                done.append(values[part.id])
            elif isinstance(part, Number):
                done.append(as_array(self.stored("constant", evaluate(part, {}), 1)))
            else:
                args = done[len(done) - len(part.args) :]
                del done[len(done) - len(part.args) :]
                done.append(as_array(self.operation(part, args)))
        return done[-1]

    def operation(self, node: Call, args: list[Array]) -> Any:
        if node.op in TENSOR:
            return self.tensor(node, args)
        if node.op in _HULLS:
            return over_arrays(_HULLS[node.op], len(args))(*args)
        if node.op in (GUARD, DETACH):
            return args[0]
        if node.op == "inf":
            return NAN  # behind an infinity a float may be anything, and no operation is too large
        if node.op in CONSTANTS:
            return self.stored(node.op, operation(node, args), 1)
        row = ELEMENTWISE.get(node.op)
        if row is None:
            return self.condition(node, args)
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
        made = operation(node, args if row.native else [as_array(_as_balls(one)) for one in args])
        if row.budget == 0:
            return _settled(made)
        if row.name in _SPARED:
            return over_arrays(lambda one, a, b: self.arithmetic(row.name, one, a, b), 3)(made, *args)
        budget = _power_budget(node.args[1], args[1], row.budget) if row.name == "pow" else row.budget
        return over_arrays(lambda one: self.stored(row.name, one, budget, row.coarse), 1)(made)

    def arithmetic(self, op: str, made: Any, a: Any, b: Any) -> Any:
        """Return what is stored of a sum or product: what is the same number on both sides leaves nothing."""
        if op == "sub" and _is_same(a, b):
            return ZERO
        return self.stored(op, made, 0 if _SPARED[op](a, b) else 1)

    def stored(self, op: str, made: Any, budget: float, coarse: float = 0.0) -> Any:
        """Return the ball of the floats that may be stored; what is rounded correctly and fits stays as it is."""
        if isinstance(made, Zero) or (budget <= 1 and self.fits(made)):
            return _settle(made)
        made = as_ball(made)
        rough = coarse if self.fmt.precision < FORMATS["float64"].precision else 0.0
        widened = made * arb(1, self.roundoff * budget) + arb(0, self.smallest * max(budget, 1) + rough)
        return self.bounded(op, made, widened, abs(widened))

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
            self.too_large = self.too_large or op
        elif not made.is_nan():
            self.maybe_too_large = self.maybe_too_large or op
        return NAN

    # --- tensors ---

    def tensor(self, node: Call, args: list[Array]) -> Any:
        row, params = TENSOR[node.op], dict(node.params)
        made = row.exact(np, *args, **params, zero=ZERO)
        if row.terms is None:
            return made
        # n terms are added in n - 1 steps; where they are products, these are rounded too
        roundings = row.terms(*(one.shape for one in args), **params) - (len(args) == 1)
        sizes = row.exact(np, *(as_array(_magnitudes(one)) for one in args), **params, zero=ZERO)
        return over_arrays(lambda one, size: self.summed(node.op, one, size, roundings), 2)(made, sizes)

    def total(self, parts: list[Array]) -> Any:
        """Return the sum of what flows into one cotangent, in whatever order torch adds it up."""
        made = reduce(np.add, parts)
        sizes = reduce(np.add, map(_magnitudes, parts))
        return over_arrays(lambda one, size: self.summed("add", one, size, len(parts) - 1), 2)(made, sizes)

    def summed(self, op: str, made: Any, size: Any, roundings: int) -> Any:
        """Return the ball of a sum, in any order, of terms whose magnitudes add up to ``size``."""
        if isinstance(made, Zero) or not roundings:
            return made
        made, size = as_ball(made), as_ball(size)
        lost = ((1 + self.roundoff) ** roundings - 1) * size + self.smallest * roundings
        return self.bounded(op, made, made + arb(0, lost), size + lost)


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


def _settle(element: Any) -> Any:
    """Return an exact 0 as the zero that hides what is multiplied by it, and what is not finite as no number."""
    if isinstance(element, arb) and not element.is_finite():
        return NAN
    return ZERO if isinstance(element, arb) and element == 0 else element


_settled = over_arrays(_settle, 1)
_as_balls = over_arrays(as_ball, 1)
_magnitudes = over_arrays(lambda element: element if isinstance(element, Zero) else abs(as_ball(element)), 1)


def _is_same(a: Any, b: Any) -> bool:
    """Tell whether two elements are one stored number, whatever it is."""
    return a is b and isinstance(a, arb) and a.is_finite()


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


_PRODUCTS = {0: 0.0, 1: 0.0, 2: 1.0, 3: 2.0, -1: 1.0}
"""Powers that torch multiplies out where the exponent is a plain number, with the roundings that takes."""


def _power_budget(exponent: Node, value: Array, budget: float) -> float:
    number = as_ball(value[()]) if not names(exponent) else NAN
    return next((roundings for power, roundings in _PRODUCTS.items() if number == power), budget)


def _hull(a: Any, b: Any) -> Any:
    a, b = as_ball(a), as_ball(b)
    return a.union(b) if a.is_finite() and b.is_finite() else NAN


_HULLS: dict[str, Callable[..., Any]] = {
    WHERE: lambda c, a, b: a if c is True else b if c is False else _hull(a, b),
    MASK: lambda a, c: a if c is True else ZERO if c is False else _hull(a, ZERO),
    PATCH: lambda a, c, b: b if c is True else a if c is False else _hull(a, b),
}
