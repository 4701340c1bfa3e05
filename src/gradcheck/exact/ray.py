"""A core program along a ray from a point: every element that moves is a series, all others keep their value."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
from flint import arb

from gradcheck.exact.elements import Array, Undefined, Values, Zero
from gradcheck.exact.evaluate import as_array, from_number, over_arrays
from gradcheck.exact.evaluate import operation as operation_of_balls
from gradcheck.exact.expansions import EXPANSIONS, raised
from gradcheck.exact.series import UNKNOWN, Frame, Gap, Series, constant, cut, remainder, series
from gradcheck.functions import BEHIND, COMPARISONS, CONDITIONS, CONSTANTS, DETACH, GUARD, MASK, PATCH, TENSOR, WHERE
from gradcheck.lower import Core
from gradcheck.program import Call, Name, Node, Number, fold, live, names

Direction = Mapping[str, np.ndarray[Any, Any]]
"""How far each element of some inputs moves, as floats; 0 for what stays."""
Moved = np.ndarray[Any, np.dtype[np.bool_]]


@lru_cache(maxsize=1 << 16)
def _read(node: Node) -> tuple[str, ...]:
    """Return the names that an expression reads; a program is walked along many rays."""
    return tuple(names(node))


_moves: Callable[[Any], Any] = np.frompyfunc(lambda one: isinstance(one, Series | Gap | Zero), 1, 1)


@dataclass(frozen=True, slots=True)
class Truth:
    """A condition for every small ``t``, and at the point itself; None where that is not told."""

    beside: bool | None
    here: bool | None


def needed(core: Core, outputs: Sequence[str]) -> Core:
    """Return the program without the layers that none of the outputs reads."""
    program = replace(core.program, outputs=tuple(outputs))
    return replace(core, program=replace(program, layers=tuple(reversed([*live(program)]))))


def along(core: Core, still: Values, direction: Direction, frame: Frame) -> Values:
    """Return every name's elements at ``p + t**root * direction``, as series where they move.

    ``still`` holds the values at the point. What is detached does not move.
    Raises NeedsRoot where the series need a greater root.
    """
    values = dict(still)
    moved: dict[str, Moved] = {}
    for name, steps in direction.items():
        moved[name] = np.asarray(steps) != 0
        values[name] = _started(still[name], steps, frame)
    for layer in core.program.layers:
        expression = layer.expression
        detached = isinstance(expression, Call) and expression.op == DETACH
        if detached or not any(moved[one].any() for one in _read(expression) if one in moved):
            continue
        made, mask = _layer(expression, values, moved, core.shapes[layer.name], frame, still.get(layer.name))
        values[layer.name], moved[layer.name] = made, mask
    return values


def _started(value: Array, steps: np.ndarray[Any, Any], frame: Frame) -> Array:
    started = value.copy()
    like = Series(0, (), 0, frame)
    for k in np.ndindex(value.shape):
        if not steps[k]:
            continue
        terms = [value[k], *[arb(0)] * (frame.root - 1), arb(float(steps[k]))]
        started[k] = series(0, terms, float("inf"), like)
    return started


def _layer(
    node: Node, values: Values, moved: Mapping[str, Moved], shape: tuple[int, ...], frame: Frame, still: Array | None
) -> tuple[Array, Moved]:
    """Return the elements of one layer, and which of them move; those that do not are those at the point."""
    if isinstance(node, Call) and node.op in TENSOR:
        made = as_array(operation_of_balls(node, [_operand(one, values) for one in node.args]))
        return made, np.asarray(_moves(made), dtype=bool)
    read = [one for one in _read(node) if one in moved]
    mask = np.broadcast_to(np.logical_or.reduce(np.broadcast_arrays(*(moved[one] for one in read))), shape)
    gathered = {one: np.broadcast_to(values[one], shape)[mask] for one in _read(node)}
    made = np.empty(shape, dtype=object) if still is None else still.copy()
    found = evaluate(node, gathered, frame)
    made[mask] = found if still is None else _anchored(found, still[mask])
    return made, mask


def _start(one: Any, here: Any) -> Any:
    """Return a series that goes to the value at the point with that value, where it is known exactly."""
    if not isinstance(one, Series) or not one.meets or one.low != 0 or not one.terms or one.terms[0].is_exact():
        return one
    if not isinstance(here, arb) or not here.is_finite() or not here.is_exact():
        return one
    return series(0, (here, *one.terms[1:]), one.order, one)


_anchored: Callable[..., Any] = np.frompyfunc(_start, 2, 1)


def _operand(node: Node, values: Values) -> Any:
    return values[node.id] if isinstance(node, Name) else node


def evaluate(node: Node, values: Mapping[str, Array], frame: Frame) -> Array:
    """Return an elementwise expression of arrays that hold series."""
    like = Series(0, (), 0, frame)
    made = fold(node, lambda one: values[one.id], lambda one: one, lambda part, args: _operation(part, args, like))
    return made if not isinstance(made, Number) else as_array(_number(made))


def _number(node: Any) -> Any:
    return from_number(node.value) if isinstance(node, Number) else node


def _operation(node: Call, args: list[Any], like: Series) -> Any:
    if node.op == "pow" and isinstance(args[1], Number):
        exponent = args[1].value
        return _over([args[0]], _row(lambda x: raised(x, exponent), like))
    args = [_number(one) for one in args]
    if node.op in CONSTANTS:
        return operation_of_balls(node, args)
    if node.op in CONDITIONS:
        return _over(args, _condition(node.op, like))
    if node.op in _CHOICES:
        return _over(args, lambda *each: _CHOICES[node.op](like, *each))
    return _over(args, _row(EXPANSIONS[node.op], like, node.op in _LINEAR))


def _over(args: Sequence[Any], function: Callable[..., Any]) -> Any:
    return as_array(over_arrays(function, len(args))(*args))


_LINEAR = frozenset({"neg", "add", "sub", "mul", "div"})
"""Operations that know zeros which hide what is behind them."""


def _row(expansion: Callable[..., Any], like: Series, hides: bool = False) -> Callable[..., Any]:
    def apply(*args: Any) -> Any:
        if hides and any(isinstance(one, Zero) for one in args):
            return expansion(*args)  # what a mask hides stays hidden
        lifted = [_as_series(one, like) for one in args]
        gaps = [one for one in lifted if isinstance(one, Gap)]
        return max(gaps, key=lambda gap: gap.nowhere) if gaps else expansion(*lifted)

    return apply


def _as_series(one: Any, like: Series) -> Any:
    if isinstance(one, Series | Gap):
        return one
    return constant(arb(0) if isinstance(one, Zero) else one, like)


# --- conditions and choices -----------------------------------------------------------------------------


def _condition(op: str, like: Series) -> Callable[..., Truth]:
    if op not in COMPARISONS:
        row = CONDITIONS[op]
        return lambda *args: Truth(
            row.exact(*(one.beside for one in args)), row.exact(*(one.here for one in args))
        )  # fmt: skip
    return lambda *args: _compared(op, *(_as_series(one, like) for one in args))


_HOLDS: dict[str, tuple[int, ...]] = {
    "lt": (-1,), "le": (-1, 0), "gt": (1,), "ge": (0, 1), "eq": (0,), "ne": (-1, 1),
}  # fmt: skip
"""The signs of a difference for which a comparison holds."""


def _compared(op: str, a: Any, b: Any, apart: Any = None) -> Truth:
    difference = a - b if apart is None else apart
    if isinstance(difference, Gap):
        return Truth(None, None)
    sign = difference.sign
    here = None
    if difference.meets and difference.low >= 0 and difference.order > 0:
        here = sign if difference.low == 0 else 0
    return Truth(None if sign is None else sign in _HOLDS[op], None if here is None else here in _HOLDS[op])


def _truth(one: Any) -> Truth:
    return one if isinstance(one, Truth) else Truth(one, one)


def _where(like: Series, condition: Any, a: Any, b: Any) -> Any:
    truth = _truth(condition)
    if truth.beside is None:
        pair = _as_series(a, like), _as_series(b, like)
        return UNKNOWN if any(isinstance(one, Gap) for one in pair) else cut(*pair).met(False)
    taken, other = (_as_series(one, like) for one in ((a, b) if truth.beside else (b, a)))
    return taken if truth.here is truth.beside or _same_start(taken, other) else taken.met(False)


def _same_start(a: Any, b: Any) -> bool:
    """Return whether two branches are known to have the same value at the point."""
    if isinstance(a, Gap) or isinstance(b, Gap) or not (a.meets and b.meets):
        return False
    one, other = a.start, b.start
    return bool(one is not None and other is not None and one.is_exact() and one == other)


def _mask(like: Series, value: Any, condition: Any) -> Any:
    truth = _truth(condition)
    return UNKNOWN if truth.beside is None else _kept(value, like) if truth.beside else Zero()


def _guard(like: Series, value: Any, condition: Any) -> Any:
    """Return a partial where it holds; on a corner that goes on, where its argument does not move, any will do."""
    truth = _truth(condition)
    return _kept(value, like) if truth.beside else UNKNOWN if truth.beside is None else remainder(0, like)


def _patch(like: Series, value: Any, condition: Any, other: Any) -> Any:
    truth = _truth(condition)
    return UNKNOWN if truth.beside is None else _kept(other if truth.beside else value, like)


def _behind(like: Series, value: Any, other: Any) -> Any:
    """Return a value where another has one, too, and else why that has none."""
    return _as_series(other, like) if isinstance(_as_series(other, like), Gap) else _kept(value, like)


def _kept(value: Any, like: Series) -> Any:
    """Return a value as a series, but for a zero that hides what is behind it."""
    if isinstance(value, Undefined):
        return UNKNOWN
    return value if isinstance(value, Zero) else _as_series(value, like)


_CHOICES: dict[str, Callable[..., Any]] = {WHERE: _where, MASK: _mask, GUARD: _guard, PATCH: _patch, BEHIND: _behind}
