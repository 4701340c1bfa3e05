"""Core programs at a point in ball arithmetic: every result is a proven enclosure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from functools import cache
from typing import Any

import numpy as np
from flint import arb, fmpq

from gradcheck.exact.elements import SOFT_ZERO, UNDECIDED, ZERO, Array, Undefined, Values, as_ball
from gradcheck.exact.precision import working_precision
from gradcheck.functions import CONDITIONS, DETACH, ELEMENTWISE, GUARD, MASK, PATCH, TENSOR, WHERE
from gradcheck.lower import Core
from gradcheck.program import Call, Name, Node, Number, Shape, postorder

START_BITS = 128
"""Working precision of the first attempt, in bits."""


def enclose(
    core: Core,
    point: Mapping[str, np.ndarray[Any, Any]],
    bits: int = START_BITS,
    shift: tuple[str, int, Any] | None = None,
    instead: Mapping[str, np.ndarray[Any, Any]] | None = None,
) -> Values:
    """Return an enclosure of every input and layer of a core program, computed with ``bits`` bits.

    ``point`` holds float64 arrays; floats are rational numbers, so they enter exactly. So do arrays of balls. ``shift``
    moves one element of one input by a ball: the input's name, the element's index in row-major order, and how far.
    ``instead`` gives values to layers in place of those that they would have.
    """
    instead = instead or {}
    with working_precision(bits):
        values: Values = {name: as_array(from_float(point[name])) for name in core.program.inputs}
        if shift is not None:
            name, k, distance = shift
            moved = values[name].copy()
            moved.reshape(-1)[k] += distance
            values[name] = moved
        for layer in core.program.layers:
            if layer.name in instead:
                values[layer.name] = as_array(from_float(instead[layer.name]))
                continue
            made = as_array(evaluate(layer.expression, values))
            values[layer.name] = (
                made if made.shape == core.shapes[layer.name] else np.broadcast_to(made, core.shapes[layer.name])
            )
    return values


def evaluate(node: Node, values: Values) -> Any:
    """Return the value of one expression at the current working precision."""
    done: list[Any] = []
    for part in postorder(node):
        if isinstance(part, Name):
            done.append(values[part.id])
        elif isinstance(part, Number):
            done.append(arb(fmpq(part.value.numerator, part.value.denominator)))
        else:
            args = done[len(done) - len(part.args) :]
            del done[len(done) - len(part.args) :]
            done.append(operation(part, args))
    return done[-1]


def operation(node: Call, args: list[Any]) -> Any:
    """Return the value of one operation on evaluated arguments."""
    if node.op in TENSOR:
        return TENSOR[node.op].exact(np, *map(as_array, args), **dict(node.params), zero=ZERO)
    if node.op == DETACH:
        return args[0]
    if node.op in ("pi", "e"):
        return arb.pi() if node.op == "pi" else arb.const_e()
    row = ELEMENTWISE.get(node.op)
    if row is not None and row.native:
        return row.exact(*args)
    if node.op == GUARD:
        return _guard(str(node.param("reason")))(*args)
    if node.op == MASK:
        return _mask(bool(node.param("soft")))(*args)
    return _ufunc(node.op)(*args)


@cache
def _ufunc(op: str) -> Callable[..., Any]:
    """Return the elementwise function of an operation on arrays of balls."""
    if op in _CHOICES:
        return over_arrays(_CHOICES[op], 3)
    row = ELEMENTWISE.get(op) or CONDITIONS[op]
    return over_arrays(row.exact if op.startswith("logical") else _on_balls(row.exact), len(row.args))


def over_arrays(function: Callable[..., Any], arity: int) -> Callable[..., Any]:
    """Return a function of balls as one of arrays."""
    made: Callable[..., Any] = np.frompyfunc(function, arity, 1)
    return made


def _on_balls(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function with structural zeros and undefined values turned into balls first."""

    def on_balls(*args: Any) -> Any:
        try:
            return function(*args)
        except (AttributeError, TypeError):
            return function(*(as_ball(one) for one in args))

    return on_balls


_CHOICES: dict[str, Callable[..., Any]] = {
    WHERE: lambda c, a, b: a if c is True else b if c is False else UNDECIDED,
    PATCH: lambda a, c, b: b if c is True else a if c is False else UNDECIDED,
}


@cache
def _mask(soft: bool) -> Callable[..., Any]:
    zero = SOFT_ZERO if soft else ZERO
    return over_arrays(lambda a, c: a if c is True else zero if c is False else UNDECIDED, 2)


@cache
def _guard(reason: str) -> Callable[..., Any]:
    nothing = Undefined(reason)
    return over_arrays(lambda a, c: a if c is True else nothing if c is False else UNDECIDED, 2)


_of_floats: Callable[..., Any] = np.frompyfunc(arb, 1, 1)
_of_balls: Callable[..., Any] = np.frompyfunc(lambda value: arb(as_ball(value)), 1, 1)


def from_float(values: Any) -> Any:
    """Return a float or an array of them as balls, or what the exact lane holds as balls alone."""
    return _of_floats(values) if getattr(values, "dtype", None) == np.float64 else _of_balls(values)


def constant(value: Fraction, shape: Shape) -> Array:
    """Return a rational number as an array of one ball, at the precision of the first attempt."""
    with working_precision(START_BITS):
        return np.broadcast_to(as_array(arb(fmpq(value.numerator, value.denominator))), shape)


def as_array(value: Any) -> Array:
    """Return a single element as an array without axes, and an array as it is."""
    if isinstance(value, np.ndarray):
        return value
    made = np.empty((), dtype=object)
    made[()] = value
    return made
