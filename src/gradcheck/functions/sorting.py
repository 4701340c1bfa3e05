"""Sorting as a definition in the language: a network of minima and maxima, differentiable wherever no elements tie."""

from __future__ import annotations

from collections.abc import Iterator

from gradcheck.functions.params import axis
from gradcheck.program import Param, Shape

MAX_SORTED = 1_024
"""Elements along the dim that is sorted; the network has O(log(n)**2) stages, each over all of them."""


EITHER = "(exp(0) < 0.99999999999999995)"
"""A condition that is false, and that rounding leaves open in every format: either branch may be taken."""


def sort(x: Shape, dim: Param = -1, descending: Param = False) -> str:
    """Return the definition of ``sort(x, dim, descending)``, the values alone.

    Raises ValueError beyond MAX_SORTED elements.
    """
    return _sorted(x, dim, descending, ("minimum({0}, {1})", "maximum({0}, {1})"))


def sort_stored(x: Shape, dim: Param = -1, descending: Param = False) -> str:
    """Return sort as torch has it: whole elements change places, and of two that tie either may come first.

    aten/src/ATen/native/cpu/SortingKernel.cpp sorts with indices, which need not be stable; the gradient goes back to
    where they point (value_selecting_reduction_backward), and is not shared as those of maximum and minimum are.
    """
    less = f"({{0}} < {{1}}) | ({{0}} == {{1}}) & {EITHER}"
    return _sorted(x, dim, descending, (f"where({less}, {{0}}, {{1}})", f"where({less}, {{1}}, {{0}})"))


def _sorted(x: Shape, dim: Param, descending: Param, pair: tuple[str, str]) -> str:
    if not x:
        return "x"
    at = axis(dim, len(x))
    if x[at] > MAX_SORTED:
        raise ValueError(f"{x[at]:,} elements to sort along dim {at}; the limit (MAX_SORTED) is {MAX_SORTED:,}")
    front = (at, *(one for one in range(len(x)) if one != at))
    back = tuple(front.index(one) for one in range(len(x)))
    *lines, last = _lines(x[at], bool(descending), pair)
    return "\n".join([f"y = permute(x, {front})", *lines, f"permute({last}, {back})"])


def _lines(size: int, descending: bool, pair: tuple[str, str]) -> Iterator[str]:
    """Yield a line for each stage, which sorts pairs of the rows of ``y``, and last the rows in their order.

    A stage leaves the rows where it put them; ``rows`` tells which one belongs to each place.
    """
    rows, last = list(range(size)), "y"
    for k, pairs in enumerate(_exchanges(size)):
        places = [*(a for a, _ in pairs), *(b for _, b in pairs)]
        places += sorted(set(range(size)).difference(places))
        n = len(pairs)
        yield f"s_{k} = {last}[{[rows[place] for place in places]}]"
        low, high, rest = f"s_{k}[:{n}]", f"s_{k}[{n}:{2 * n}]", f", s_{k}[{2 * n}:]" if 2 * n < size else ""
        lesser, greater = (one.format(low, high) for one in pair)
        yield f"y_{k} = cat([{lesser}, {greater}{rest}], dim=0)"
        rows, last = sorted(range(size), key=places.__getitem__), f"y_{k}"
    yield f"{last}[{rows[::-1] if descending else rows}]"


def _exchanges(size: int) -> Iterator[list[tuple[int, int]]]:
    """Yield the stages of Batcher's merge exchange for any number of places, each as pairs without a common place.

    Knuth, The Art of Computer Programming 3, 5.2.2, algorithm M.
    """
    top = 1 << (size - 1).bit_length() >> 1
    p = top
    while p:
        q, r, d = top, 0, p
        while d:
            pairs = [(i, i + d) for i in range(size - d) if i & p == r]
            if pairs:
                yield pairs
            d, q, r = q - p, q >> 1, p
        p >>= 1
