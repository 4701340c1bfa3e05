"""The exact lane: core programs at a point in ball arithmetic, every result a proven enclosure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any

import flint
import numpy as np
from flint import arb, fmpq

from gradcheck.formats import Ball, Dyadic, Format
from gradcheck.functions import CONDITIONS, DETACH, ELEMENTWISE, GUARD, MASK, PATCH, TENSOR, WHERE
from gradcheck.lower import Core
from gradcheck.program import Call, Name, Node, Number, postorder

START_BITS = 128
"""Working precision of the first attempt, in bits."""
MAX_BITS = 2048
"""Working precision after which an element is left undecided."""

VERSION = flint.__version__

Array = np.ndarray[Any, np.dtype[np.object_]]

Values = dict[str, Array]
"""The value of every input and layer, as arrays of balls."""


class Zero:
    """The zero of a branch that was not taken: nothing behind it, not even a nan, comes through."""

    def __add__(self, other: Any) -> Any:
        return other

    __radd__ = __rsub__ = __add__

    def __sub__(self, other: Any) -> Any:
        return -other

    def __mul__(self, _other: Any) -> Zero:
        return self

    __rmul__ = __truediv__ = __mul__

    def __rtruediv__(self, _other: Any) -> Any:
        return NAN

    def __neg__(self) -> Zero:
        return self


class Undefined:
    """No number, for a stated reason; it stays so through arithmetic, and only a Zero hides it."""

    def __init__(self, reason: str) -> None:
        self.reason = reason

    def _keep(self, _other: Any) -> Any:
        return self

    def _times(self, other: Any) -> Any:
        return other if isinstance(other, Zero) else self

    __add__ = __radd__ = __sub__ = __rsub__ = __truediv__ = _keep
    __mul__ = __rmul__ = __rtruediv__ = _times

    def __neg__(self) -> Undefined:
        return self


ZERO = Zero()
NAN = arb("nan")
UNDECIDED = Undefined("undecided")
"""What a condition gives that the enclosure is too wide to decide."""


def enclose(core: Core, point: Mapping[str, np.ndarray[Any, Any]], bits: int = START_BITS) -> Values:
    """Return an enclosure of every input and layer of a core program, computed with ``bits`` bits.

    ``point`` holds float64 arrays; floats are rational numbers, so they enter exactly.
    """
    with flint.ctx.workprec(bits):
        values: Values = {name: _array(_from_float(point[name])) for name in core.program.inputs}
        for layer in core.program.layers:
            made = _array(_evaluate(layer.expression, values))
            values[layer.name] = (
                made if made.shape == core.shapes[layer.name] else np.broadcast_to(made, core.shapes[layer.name])
            )
    return values


def _evaluate(node: Node, values: Values) -> Any:
    done: list[Any] = []
    for part in postorder(node):
        if isinstance(part, Name):
            done.append(values[part.id])
        elif isinstance(part, Number):
            done.append(arb(fmpq(part.value.numerator, part.value.denominator)))
        else:
            args = done[len(done) - len(part.args) :]
            del done[len(done) - len(part.args) :]
            done.append(_operation(part, args))
    return done[-1]


def _operation(node: Call, args: list[Any]) -> Any:
    if node.op in TENSOR:
        return TENSOR[node.op].exact(np, *map(_array, args), **dict(node.params), zero=ZERO)
    if node.op == DETACH:
        return args[0]
    if node.op in ("pi", "e"):
        return arb.pi() if node.op == "pi" else arb.const_e()
    row = ELEMENTWISE.get(node.op)
    if row is not None and row.native:
        return row.exact(*args)
    if node.op == GUARD:
        return _guard(str(node.param("reason")))(*args)
    return _ufunc(node.op)(*args)


@cache
def _ufunc(op: str) -> Callable[..., Any]:
    """Return the elementwise function of an operation on arrays of balls."""
    if op in _CHOICES:
        return _lifted(_CHOICES[op], 2 if op == MASK else 3)
    row = ELEMENTWISE.get(op) or CONDITIONS[op]
    return _lifted(row.exact if op.startswith("logical") else _on_balls(row.exact), len(row.args))


def _lifted(function: Callable[..., Any], arity: int) -> Callable[..., Any]:
    """Return a function of balls as one of arrays."""
    made: Callable[..., Any] = np.frompyfunc(function, arity, 1)
    return made


def _on_balls(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function with structural zeros and undefined values turned into balls first."""

    def on_balls(*args: Any) -> Any:
        try:
            return function(*args)
        except (AttributeError, TypeError):
            return function(*(_ball(one) for one in args))

    return on_balls


def _ball(value: Any) -> Any:
    return arb(0) if isinstance(value, Zero) else NAN if isinstance(value, Undefined) else value


_CHOICES: dict[str, Callable[..., Any]] = {
    WHERE: lambda c, a, b: a if c is True else b if c is False else UNDECIDED,
    MASK: lambda a, c: a if c is True else ZERO if c is False else UNDECIDED,
    PATCH: lambda a, c, b: b if c is True else a if c is False else UNDECIDED,
}


@cache
def _guard(reason: str) -> Callable[..., Any]:
    nothing = Undefined(reason)
    return _lifted(lambda a, c: a if c is True else nothing if c is False else UNDECIDED, 2)


_from_float: Callable[..., Any] = np.frompyfunc(arb, 1, 1)


def _array(value: Any) -> Array:
    if isinstance(value, np.ndarray):
        return value
    made = np.empty((), dtype=object)
    made[()] = value
    return made


# --- rounding enclosures --------------------------------------------------------------------------


def enclose_rounded(
    core: Core, point: Mapping[str, np.ndarray[Any, Any]], fmt: Format, bits: int = START_BITS
) -> Values:
    """Return balls that contain whatever an honest evaluation in ``fmt`` can return for every layer.

    ``core`` has one operation a layer. After each, the ball is widened by the row's budget: so many unit roundoffs of
    the result, and as many of the smallest number that no kernel flushes to zero. A sum of n terms may lose n roundoffs
    of every term. Where a condition is open between the roundings, either branch may be taken.
    """
    with flint.ctx.workprec(bits):
        loss = _Loss(fmt)
        values: Values = {name: _array(_from_float(point[name])) for name in core.program.inputs}
        for layer in core.program.layers:
            made = _array(loss.evaluate(layer.expression, values))
            values[layer.name] = np.broadcast_to(made, core.shapes[layer.name])
    return values


class _Loss:
    """What floats of one format lose, operation by operation."""

    def __init__(self, fmt: Format) -> None:
        self.fmt = fmt
        self.roundoff = arb(fmt.unit_roundoff)
        # Kernels may flush subnormals to zero; those of float16 compute in float32, where its subnormals are normal.
        self.smallest = arb(fmt.smallest_subnormal if fmt.name == "float16" else fmt.smallest_normal)

    def evaluate(self, node: Node, values: Values) -> Any:
        if isinstance(node, Number):
            made, held = _evaluate(node, values), self.fmt.round(node.value)
            return made if held == node.value else self.widened(made, 1)
        if isinstance(node, Name):
            return values[node.id]
        args = [_array(self.evaluate(one, values)) for one in node.args]
        if node.op in TENSOR:
            return self.tensor(node, args)
        if node.op in _HULLS:
            return _lifted(_HULLS[node.op], len(args))(*args)
        if node.op == GUARD:
            return args[0]
        made = _operation(node, args)
        row = ELEMENTWISE.get(node.op)
        return self.widened(made, row.budget) if row is not None and row.budget else made

    def tensor(self, node: Call, args: list[Array]) -> Any:
        row = TENSOR[node.op]
        terms = row.terms(*(one.shape for one in args), **dict(node.params)) if row.terms is not None else 1
        if terms > 1:
            args = [self.widened(args[0], terms), *args[1:]]
        return row.exact(np, *args, **dict(node.params), zero=ZERO)

    def widened(self, made: Any, budget: float) -> Any:
        return made * arb(1, self.roundoff * budget) + arb(0, self.smallest * budget)


def _hull(a: Any, b: Any) -> Any:
    a, b = _ball(a), _ball(b)
    return a.union(b) if a.is_finite() and b.is_finite() else NAN


_HULLS: dict[str, Callable[..., Any]] = {
    WHERE: lambda c, a, b: a if c is True else b if c is False else _hull(a, b),
    MASK: lambda a, c: a if c is True else ZERO if c is False else _hull(a, ZERO),
    PATCH: lambda a, c, b: b if c is True else a if c is False else _hull(a, b),
}


# --- out of the lane ------------------------------------------------------------------------------


def ball(value: Any) -> Ball | str | None:
    """Return one element as a Ball; as the reason where it is undefined; as None where the enclosure is no number."""
    if isinstance(value, Undefined):
        return value.reason
    if isinstance(value, Zero):
        return Ball(Dyadic(0, 0), Dyadic(0, 0))
    if not value.is_finite():
        return None
    if value.is_exact():
        end = _dyadic(value)
        return Ball(end, end)
    return Ball(_dyadic(value.lower()), _dyadic(value.upper()))


def _dyadic(value: Any) -> Dyadic:
    man, exp = value.man_exp()
    return Dyadic(int(man), int(exp))


def balls(values: Array, bits: int, at: Sequence[int] | None = None) -> list[Ball | str | None]:
    """Return the elements of an array in row-major order, or those ``at`` some indices; ends are rounded outwards."""
    flat = values.ravel()
    with flint.ctx.workprec(bits):
        return [ball(value) for value in (flat if at is None else flat[list(at)])]


def outside(conditions: Sequence[tuple[Node, str]], values: Values, bits: int) -> str | None:
    """Return the reason of the first condition that certainly fails for some element."""
    with flint.ctx.workprec(bits):
        for condition, reason in conditions:
            if any(truth is False for truth in _array(_evaluate(condition, values)).ravel()):
                return reason
    return None


def pole(core: Core, values: Values) -> str | None:
    """Return the operation that first turned exact arguments into no number, such as a division by exactly zero.

    Such a point has no derivative at any precision; None means that a higher precision might still find one.
    """
    for layer in core.program.layers:
        node = layer.expression
        if not isinstance(node, Call) or node.op in CONDITIONS or node.op in (WHERE, MASK, GUARD, PATCH):
            continue
        for made, args in _elements(node, values[layer.name], values):
            if (
                isinstance(made, arb)
                and not made.is_finite()
                and all(isinstance(a, arb) and a.is_exact() for a in args)
            ):
                return node.op
    return None


def _elements(node: Call, made: Array, values: Values) -> Iterator[tuple[Any, list[Any]]]:
    if node.op not in ELEMENTWISE:
        return
    args = [_array(_evaluate(one, values)) for one in node.args]
    spread = np.broadcast_arrays(made, *args) if made.shape else [made, *args]
    for k in np.ndindex(made.shape):
        yield spread[0][k], [one[k] for one in spread[1:]]
