"""Rounding enclosures: whatever an honest evaluation in floats of one format can return."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import flint
import numpy as np
from flint import arb

from gradcheck.exact.elements import NAN, ZERO, Array, Values, as_ball
from gradcheck.exact.evaluate import START_BITS, as_array, evaluate, from_float, operation, over_arrays
from gradcheck.formats import Format
from gradcheck.functions import ELEMENTWISE, GUARD, MASK, PATCH, TENSOR, WHERE
from gradcheck.lower import Core
from gradcheck.program import Call, Name, Node, Number, postorder


def enclose_rounded(
    core: Core, point: Mapping[str, np.ndarray[Any, Any]], fmt: Format, bits: int = START_BITS
) -> tuple[Values, str | None]:
    """Return balls that contain whatever an honest evaluation in ``fmt`` can return for every layer.

    The second result names the first operation whose value is certainly larger than ``fmt`` can hold: balls do not
    overflow, floats do.

    ``core`` has one operation a layer. After each, the ball is widened by the row's budget: so many unit roundoffs of
    the result, and as many of the smallest number that no kernel flushes to zero. A sum of n terms may lose n roundoffs
    of every term. Where a condition is open between the roundings, either branch may be taken.
    """
    with flint.ctx.workprec(bits):
        loss = _Loss(fmt)
        values: Values = {name: as_array(from_float(point[name])) for name in core.program.inputs}
        for layer in core.program.layers:
            made = as_array(loss.evaluate(layer.expression, values))
            values[layer.name] = np.broadcast_to(made, core.shapes[layer.name])
    return values, loss.overflow


class _Loss:
    """What floats of one format lose, operation by operation; ``overflow`` is the first that they cannot hold."""

    def __init__(self, fmt: Format) -> None:
        self.fmt = fmt
        self.largest = arb(fmt.largest)
        self.overflow: str | None = None
        self.roundoff = arb(fmt.unit_roundoff)
        # Kernels may flush subnormals to zero; those of float16 compute in float32, where its subnormals are normal.
        self.smallest = arb(fmt.smallest_subnormal if fmt.name == "float16" else fmt.smallest_normal)

    def evaluate(self, node: Node, values: Values) -> Any:
        done: list[Any] = []
        for part in postorder(node):
            if isinstance(part, Name):
                done.append(values[part.id])
            elif isinstance(part, Number):
                made = evaluate(part, values)
                done.append(made if self.fmt.round(part.value) == part.value else self.widened(made, 1))
            else:
                args = [as_array(one) for one in done[len(done) - len(part.args) :]]
                del done[len(done) - len(part.args) :]
                done.append(self.operation(part, args))
        return done[-1]

    def operation(self, node: Call, args: list[Array]) -> Any:
        if node.op in TENSOR:
            return self.tensor(node, args)
        if node.op in _HULLS:
            return over_arrays(_HULLS[node.op], len(args))(*args)
        if node.op == GUARD:
            return args[0]
        made = operation(node, args)
        row = ELEMENTWISE.get(node.op)
        if self.overflow is None and row is not None and any(self.too_large(one) for one in as_array(made).ravel()):
            self.overflow = node.op
        return self.widened(made, row.budget) if row is not None and row.budget else made

    def too_large(self, element: Any) -> bool:
        return bool(abs(as_ball(element)) > self.largest)

    def tensor(self, node: Call, args: list[Array]) -> Any:
        row = TENSOR[node.op]
        terms = row.terms(*(one.shape for one in args), **dict(node.params)) if row.terms is not None else 1
        if terms > 1:
            args = [self.widened(args[0], terms), *args[1:]]
        return row.exact(np, *args, **dict(node.params), zero=ZERO)

    def widened(self, made: Any, budget: float) -> Any:
        return made * arb(1, self.roundoff * budget) + arb(0, self.smallest * budget)


def _hull(a: Any, b: Any) -> Any:
    a, b = as_ball(a), as_ball(b)
    return a.union(b) if a.is_finite() and b.is_finite() else NAN


_HULLS: dict[str, Callable[..., Any]] = {
    WHERE: lambda c, a, b: a if c is True else b if c is False else _hull(a, b),
    MASK: lambda a, c: a if c is True else ZERO if c is False else _hull(a, ZERO),
    PATCH: lambda a, c, b: b if c is True else a if c is False else _hull(a, b),
}
