"""Core programs at a point in ball arithmetic: every result is a proven enclosure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from fractions import Fraction
from functools import cache
from typing import Any

import flint
import numpy as np
from flint import arb, fmpq

from gradcheck.exact.elements import SOFT_ZERO, UNDECIDED, ZERO, Array, Undefined, Values, Zero, as_ball
from gradcheck.functions import BEHIND, COMPARISONS, CONDITIONS, DETACH, ELEMENTWISE, GUARD, MASK, PATCH, TENSOR, WHERE
from gradcheck.lower import Core, domain
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
    with flint.ctx.workprec(bits):
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
            made = as_array(evaluate(layer.expression, values, forward=layer.name in core.forward))
            values[layer.name] = (
                made if made.shape == core.shapes[layer.name] else np.broadcast_to(made, core.shapes[layer.name])
            )
    return values


def evaluate(node: Node, values: Values, *, forward: bool = False) -> Any:
    """Return the value of one expression at the current working precision.

    In a ``forward`` one, which computes what the user wrote, an element outside the domain of an operation is
    undefined, and so is all that depends on it.
    """
    done: list[Any] = []
    for part in postorder(node):
        if isinstance(part, Name):
            done.append(values[part.id])
        elif isinstance(part, Number):
            done.append(arb(fmpq(part.value.numerator, part.value.denominator)))
        else:
            args = done[len(done) - len(part.args) :]
            del done[len(done) - len(part.args) :]
            made = operation(part, args)
            done.append(_within_domain(part, args, made) if forward else made)
    return done[-1]


def _within_domain(node: Call, args: list[Any], made: Any) -> Any:
    """Return the elements of an operation, undefined where its arguments are certainly outside its domain."""
    row = ELEMENTWISE.get(node.op)
    if row is None or row.domain is None or not _is_lost(made).any():
        return made
    places = tuple(Name(str(k)) for k in range(len(args)))
    given = tuple(one if isinstance(one, Number) else place for one, place in zip(node.args, places, strict=True))
    inside = domain(replace(node, args=given))
    if inside is None:
        return made
    truth = evaluate(inside, {place.id: as_array(one) for place, one in zip(places, args, strict=True)})
    nothing = Undefined(f"domain {node.op}")
    return over_arrays(lambda one, c: nothing if c is False else one, 2)(made, truth)


def _is_lost(made: Any) -> Any:
    """Tell which elements have no number."""
    return np.asarray(_finite(made) == False)  # noqa: E712 - an array of truths


_finite: Callable[..., Any] = np.frompyfunc(
    lambda one: isinstance(one, Zero) or (not isinstance(one, Undefined) and one.is_finite()), 1, 1
)


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
        return over_arrays(_CHOICES[op], 2 if op == BEHIND else 3)
    row = ELEMENTWISE.get(op) or CONDITIONS[op]
    if op.startswith("logical"):
        return over_arrays(row.exact, len(row.args))
    return over_arrays((_compared if op in COMPARISONS else _on_balls)(row.exact), len(row.args))


def over_arrays(function: Callable[..., Any], arity: int) -> Callable[..., Any]:
    """Return a function of balls as one of arrays."""
    made: Callable[..., Any] = np.frompyfunc(function, arity, 1)
    return made


def _on_balls(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function with structural zeros turned into balls first; what is undefined stays so."""

    def on_balls(*args: Any) -> Any:
        try:
            return function(*args)
        except (AttributeError, TypeError):
            return _after_conversion(function, args)

    return on_balls


def _compared(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a comparison of balls as one of elements: Python compares any two objects by == without complaint."""

    def compared(a: Any, b: Any) -> Any:
        return function(a, b) if type(a) is arb and type(b) is arb else _after_conversion(function, (a, b))

    return compared


def _after_conversion(function: Callable[..., Any], args: tuple[Any, ...]) -> Any:
    lost = next((one for one in args if isinstance(one, Undefined)), None)
    return function(*map(as_ball, args)) if lost is None else lost


def _open(truth: Any) -> Undefined:
    """Return what a choice is whose condition is open: undecided, or without a value like what is compared."""
    return truth if isinstance(truth, Undefined) else UNDECIDED


_CHOICES: dict[str, Callable[..., Any]] = {
    WHERE: lambda c, a, b: a if c is True else b if c is False else _open(c),
    PATCH: lambda a, c, b: b if c is True else a if c is False else _open(c),
    BEHIND: lambda a, b: Undefined(b.reason, everywhere=True) if isinstance(b, Undefined) and b.outside else a,
}


@cache
def _mask(soft: bool) -> Callable[..., Any]:
    zero = SOFT_ZERO if soft else ZERO
    return over_arrays(lambda a, c: a if c is True else zero if c is False else _open(c), 2)


@cache
def _guard(reason: str) -> Callable[..., Any]:
    nothing = Undefined(reason)
    return over_arrays(lambda a, c: a if c is True else nothing if c is False else _open(c), 2)


_of_floats: Callable[..., Any] = np.frompyfunc(arb, 1, 1)
_of_balls: Callable[..., Any] = np.frompyfunc(lambda value: arb(as_ball(value)), 1, 1)


def from_float(values: Any) -> Any:
    """Return a float or an array of them as balls, or what the exact lane holds as balls alone."""
    return _of_floats(values) if getattr(values, "dtype", None) == np.float64 else _of_balls(values)


def constant(value: Fraction, shape: Shape) -> Array:
    """Return a rational number as an array of one ball, at the precision of the first attempt."""
    with flint.ctx.workprec(START_BITS):
        return np.broadcast_to(as_array(arb(fmpq(value.numerator, value.denominator))), shape)


def as_array(value: Any) -> Array:
    """Return a single element as an array without axes, and an array as it is."""
    if isinstance(value, np.ndarray):
        return value
    made = np.empty((), dtype=object)
    made[()] = value
    return made
