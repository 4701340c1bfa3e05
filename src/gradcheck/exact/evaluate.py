"""Core programs at a point in ball arithmetic: every result is a proven enclosure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from fractions import Fraction
from functools import cache, lru_cache
from itertools import chain
from operator import methodcaller
from typing import Any

import numpy as np
from flint import arb, fmpq

from gradcheck.exact.elements import SOFT_ZERO, UNDECIDED, ZERO, Array, Undefined, Values, Zero, as_ball
from gradcheck.exact.matrices import BALLS
from gradcheck.exact.precision import working_precision
from gradcheck.exact.structure import Book, Known, forget
from gradcheck.functions import (
    BEHIND,
    CHOICES,
    COMPARISONS,
    CONDITIONS,
    CONSTANTS,
    ELEMENTWISE,
    TENSOR,
)
from gradcheck.lower import Core, domain
from gradcheck.program import Call, Name, Node, Number, Shape, fold
from gradcheck.reason import Kind, Reason

START_BITS = 128
"""Working precision of the first attempt, in bits."""
MAX_STRUCTURED = 10_000
"""Numbers of a program up to which structure is kept where balls leave a result open; it takes ten times as long."""
ROUGH = 30
"""Bits of a result that show that nothing cancelled on the way to it."""


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

    >>> from gradcheck.exact.elements import ball
    >>> from gradcheck.lower import lower
    >>> from gradcheck.parse import parse
    >>> values = enclose(lower(parse("exp(x)"), {"x": ()}), {"x": np.array(1.0)})
    >>> ball(values["out"].item()).nearest
    2.7182818284590455
    """
    with working_precision(bits):
        given = {name: as_array(from_float(point[name])) for name in core.program.inputs}
        if shift is not None:
            name, k, distance = shift
            moved = given[name].copy()
            moved.reshape(-1)[k] += distance
            given[name] = moved
        held = {name: as_array(from_float(array)) for name, array in (instead or {}).items()}
        values = _layers(core, given, held, None)
        return _layers(core, given, held, Book()) if _is_open(core, values) else values


def _layers(core: Core, given: Values, held: Values, book: Book | None) -> Values:
    """Return the values of all layers, computed with balls alone, or with structure where there is a ``book``."""
    lift = np.frompyfunc(book.lift, 1, 1) if book is not None else _same
    values: Values = {name: as_array(lift(array)) for name, array in given.items()}
    for layer in core.program.layers:
        if layer.name in held:
            values[layer.name] = as_array(lift(held[layer.name]))
            continue
        made = as_array(evaluate(layer.expression, values, forward=layer.name in core.forward, book=book))
        shape = core.shapes[layer.name]
        values[layer.name] = made if made.shape == shape else np.broadcast_to(made, shape)
    return values if book is None else {name: as_array(forgotten(array)) for name, array in values.items()}


def _is_open(core: Core, values: Values) -> bool:
    """Tell whether a result is so wide that structure may help: what is exactly 0, or decided by what cancels."""
    if sum(array.size for array in values.values()) > MAX_STRUCTURED:
        return False
    written = [layer.name for layer in core.program.layers if layer.name in core.forward][-1:]
    return any(map(is_wide, chain.from_iterable(values[name].flat for name in {*core.program.outputs, *written})))


def is_wide(element: Any) -> bool:
    """Tell whether an element is enclosed so widely, or so openly, that structure may help.

    >>> from gradcheck.exact.elements import Zero
    >>> is_wide(from_number(Fraction(1, 3))), is_wide(Zero())
    (False, False)
    """
    if not isinstance(element, arb):
        return element is UNDECIDED
    return not element.is_exact() and element.rel_accuracy_bits() < ROUGH


def evaluate(node: Node, values: Values, *, forward: bool = False, book: Book | None = None) -> Any:
    """Return the value of one expression at the current working precision.

    In a ``forward`` one, which computes what the user wrote, an element outside the domain of an operation is
    undefined, and so is all that depends on it. With a ``book`` all numbers have their structure.
    """

    def number(part: Number) -> Any:
        return from_number(part.value) if book is None else book.number(part.value)

    def made_of(part: Call, args: list[Any]) -> Any:
        made = operation(part, args) if book is None or args else book.atom(part.op, operation(part, args))
        return _within_domain(part, args, made) if forward else made

    return fold(node, lambda one: values[one.id], number, made_of)


def from_number(value: Fraction) -> Any:
    """Return a rational number as a ball.

    >>> print(from_number(Fraction(1, 3)))
    [0.333333333333333 +/- 3.71e-16]
    """
    return arb(fmpq(value.numerator, value.denominator))


def _within_domain(node: Call, args: list[Any], made: Any) -> Any:
    """Return the elements of an operation, undefined where its arguments are certainly outside its domain."""
    inside = domain_of(node)
    if inside is None or not _has_lost(made):
        return made
    truth = evaluate(inside, {str(k): as_array(one) for k, one in enumerate(args)})
    nothing = Undefined(Reason(Kind.DOMAIN, node.op))
    return over_arrays(lambda one, c: nothing if c is False else one, 2)(made, truth)


@lru_cache(maxsize=16_384)
def domain_of(node: Call) -> Node | None:
    """Return the domain of an operation as a condition on the places of its arguments."""
    args = (one if isinstance(one, Number) else Name(str(k)) for k, one in enumerate(node.args))
    return domain(replace(node, args=tuple(args)))


def _has_lost(made: Any) -> bool:
    """Tell whether an element has no number."""
    elements = as_array(made)
    try:
        return not all(map(_is_finite, elements.flat))
    except AttributeError:  # not balls alone
        return not all(map(_is_number, elements.flat))


_is_finite = methodcaller("is_finite")


def _is_number(element: Any) -> bool:
    return isinstance(element, Zero) or (not isinstance(element, Undefined) and bool(element.is_finite()))


def operation(node: Call, args: list[Any]) -> Any:
    """Return the value of one operation on evaluated arguments."""
    if node.op in TENSOR:
        return TENSOR[node.op].exact(BALLS, *map(as_array, args), **dict(node.params), zero=ZERO)
    if node.op in CONSTANTS:
        return CONSTANTS[node.op].exact(arb)
    row = ELEMENTWISE.get(node.op)
    if row is not None and row.native:
        return row.exact(*args)
    if node.op in CHOICES:
        return _chosen(node, args)
    with np.errstate(all="ignore"):  # Arb estimates in float64, and NumPy sees what the processor notes of that
        return _ufunc(node.op)(*args)


def _chosen(node: Call, args: list[Any]) -> Any:
    if node.op == BEHIND:
        return _behind(*args)
    if CHOICES[node.op].condition is None:
        return args[0]
    return _choice(node.op, str(node.param("reason", "")), bool(node.param("soft")))(*args)


@cache
def _choice(op: str, reason: str, soft: bool) -> Callable[..., Any]:
    """Return the elementwise function of a choice; what is chosen where its condition is open is open too."""
    row = CHOICES[op]
    instead = {"zero": SOFT_ZERO if soft else ZERO, "nothing": Undefined(Reason.parse(reason)) if reason else None}
    condition, taken, otherwise = row.condition, row.taken, row.otherwise
    assert condition is not None

    def choose(*args: Any) -> Any:
        truth = args[condition]
        if truth is True:
            return args[taken]
        if truth is False:
            return args[otherwise] if isinstance(otherwise, int) else instead[str(otherwise)]
        return _open(truth)

    return over_arrays(choose, len(row.args))


@cache
def _ufunc(op: str) -> Callable[..., Any]:
    """Return the elementwise function of an operation on arrays of balls."""
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
        if type(a) in _NUMBERS and type(b) in _NUMBERS:
            return function(a, b)
        return _after_conversion(function, (a, b))

    return compared


_NUMBERS = (arb, Known)


def _after_conversion(function: Callable[..., Any], args: tuple[Any, ...]) -> Any:
    lost = next((one for one in args if isinstance(one, Undefined)), None)
    if lost is not None:
        return lost
    balls = [as_ball(one) for one in args]
    book = next((one.book for one in balls if isinstance(one, Known)), None)
    return function(*(balls if book is None else map(book.lift, balls)))


def _open(truth: Any) -> Undefined:
    """Return what a choice is whose condition is open: undecided, or without a value like what is compared."""
    return truth if isinstance(truth, Undefined) else UNDECIDED


def _without(a: Any, b: Any) -> Any:
    return Undefined(b.reason, everywhere=True) if isinstance(b, Undefined) and b.outside else a


_behind = over_arrays(_without, 2)
_same: Callable[..., Any] = np.frompyfunc(lambda one: one, 1, 1)
forgotten: Callable[..., Any] = np.frompyfunc(forget, 1, 1)
_of_floats: Callable[..., Any] = np.frompyfunc(arb, 1, 1)
_of_balls: Callable[..., Any] = np.frompyfunc(lambda value: arb(as_ball(value)), 1, 1)


def from_float(values: Any) -> Any:
    """Return a float or an array of them as balls, or what the exact lane holds as balls alone.

    >>> print(from_float(0.5))
    0.500000000000000
    """
    return _of_floats(values) if getattr(values, "dtype", None) == np.float64 else _of_balls(values)


def constant(value: Fraction, shape: Shape) -> Array:
    """Return a rational number as an array of one ball, at the precision of the first attempt.

    >>> constant(Fraction(1, 2), (2,)).shape
    (2,)
    """
    with working_precision(START_BITS):
        return np.broadcast_to(as_array(from_number(value)), shape)


def as_array(value: Any) -> Array:
    """Return a single element as an array without axes, and an array as it is.

    >>> as_array(from_number(Fraction(2))).shape
    ()
    """
    if isinstance(value, np.ndarray):
        return value
    made = np.empty((), dtype=object)
    made[()] = value
    return made
