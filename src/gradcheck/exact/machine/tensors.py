"""Tensor operations on intervals: what moves elements moves midpoints and radii, and sums have their own errors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from gradcheck.exact.machine.arithmetic import Interval, full_rad
from gradcheck.exact.machine.states import HARD, NUMBER, OPEN, SOFT, Codes, States, is_lost, is_zero, proven, simplified
from gradcheck.exact.machine.sums import matmul, running, total
from gradcheck.functions import TENSOR
from gradcheck.functions.tensor import numpy_key
from gradcheck.program import Param

Element = tuple[Interval, States]


def tensor(op: str, args: Sequence[Element], **params: Param) -> Element:
    """Return a tensor operation of intervals, with what each element is."""
    if op in ADDING:
        numbers = ADDING[op][0](*(one for one, _ in args), **params)
        states = ADDING[op][1](args, **params) if any(codes is not None for _, codes in args) else None
        return numbers, states
    if op == "add_at":
        return _add_at(args[0], **params)

    def moved(*arrays: Any) -> Any:
        return TENSOR[op].exact(np, *arrays, **params, zero=0)

    mid = moved(*(one.mid for one, _ in args))
    rad = 0.0 if all(one.is_exact for one, _ in args) else moved(*(full_rad(one) for one, _ in args))
    if all(codes is None for _, codes in args):
        return Interval(mid, rad), None
    return Interval(mid, rad), simplified(moved(*(_codes(one) for one in args)))


def _codes(element: Element) -> Codes:
    numbers, states = element
    return np.zeros(np.shape(numbers.mid), np.uint8) if states is None else states


# --- sums ------------------------------------------------------------------------------------------


def _sum(a: Interval, *, dim: Any, keepdim: bool) -> Interval:
    return total(a, dim, keepdims=keepdim)


def _sum_states(args: Sequence[Element], *, dim: Any, keepdim: bool) -> States:
    """Return what sums are: undefined for a reason if that is the only one, and a zero if all terms are of one kind."""
    codes, numbers = _codes(args[0]), args[0][0]
    over: dict[str, Any] = {"axis": tuple(dim), "keepdims": keepdim}
    lost = is_lost(codes)
    least = np.min(codes, where=lost, initial=255, **over)
    most = np.max(codes, where=lost, initial=0, **over)
    unknown = np.any(~proven(numbers) & (codes == NUMBER), **over)
    made = np.where(most > 0, np.where((least == most) & ~unknown, most, OPEN), NUMBER)
    return _zeros(made, *(np.all(one, **over) for one in (is_zero(codes), codes == HARD, codes == SOFT)))


def _zeros(made: Any, all_zero: Any, all_hard: Any, all_soft: Any) -> States:
    return simplified(np.where(all_zero, np.where(all_hard, HARD, np.where(all_soft, SOFT, OPEN)), made))


def _running_states(args: Sequence[Element], *, dim: int) -> States:
    codes = _codes(args[0])

    def so_far(flags: Any) -> Any:
        return np.logical_and.accumulate(flags, axis=dim)

    made = np.where(so_far(~is_lost(codes)), NUMBER, OPEN)
    return _zeros(made, so_far(is_zero(codes)), so_far(codes == HARD), so_far(codes == SOFT))


def _matmul_states(args: Sequence[Element]) -> States:
    """Return what products of matrices are: an element is a zero if every product that it adds up is one."""
    left, right = map(_codes, args)
    lost = np.any(is_lost(left), axis=-1)[..., :, None] | np.any(is_lost(right), axis=-2)[..., None, :]
    others = np.matmul((~is_zero(left)).astype(np.float32), (~is_zero(right)).astype(np.float32))
    kinds = {code for codes in (left, right) for code in (HARD, SOFT) if np.any(codes == code)}
    zero = others == 0  # sums of ones that are not 0 do not round to it
    kind = kinds.pop() if len(kinds) == 1 else OPEN
    return simplified(np.where(lost, OPEN, np.where(zero, kind, NUMBER)))


ADDING: dict[str, tuple[Callable[..., Interval], Callable[..., States]]] = {
    "sum": (_sum, _sum_states),
    "cumsum": (lambda a, *, dim: running(a, dim), _running_states),
    "matmul": (matmul, _matmul_states),
}
"""The operations that add up, each with what its elements are."""


def _add_at(element: Element, *, key: Param, shape: Any) -> Element:
    """Return hard zeros of a shape with numbers added where the key points, one after the other."""
    numbers, states = element
    at = numpy_key(key)
    times = np.zeros(shape, np.int64)
    np.add.at(times, at, 1)

    def put(values: Any) -> Any:
        made = np.zeros(shape, values.dtype)
        np.add.at(made, at, values)
        return made

    depth = max(int(times.max()) - 1, 0)
    size = Interval(np.abs(numbers.mid), numbers.rad)
    spread = put(size.mid) * (depth * 2.0**-53) if depth else 0.0
    rad = 0.0 if numbers.is_exact and not depth else (put(full_rad(numbers)) + spread) * (1 + 2.0**-40 * (depth + 1))
    codes = _codes(element)
    kept = put(codes.astype(np.int64))
    repeated = times > 1
    clear = states is None or not np.any(codes)
    made = np.where(times == 0, HARD, np.where(repeated & (kept > 0), OPEN, 0 if clear else kept))
    return Interval(put(numbers.mid), rad), simplified(made)
