"""Elementwise work block by block: what is made on the way to a result stays in the processor's cache."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from math import prod

import numpy as np

from gradcheck.exact.machine.arithmetic import Interval
from gradcheck.exact.machine.stored import NOBODY, Stored, map_radii
from gradcheck.functions import TENSOR
from gradcheck.program import Call, Node, Shape, postorder

BLOCK = 32_768
"""Elements of a block: with 8,192 a layered program of a million took 0.58 s, then 0.48, 0.43 and, with 65,536,
0.41 (AMD EPYC with 1 MiB of cache, one thread, NumPy 2.4). Below, NumPy's calls cost more than their work."""


def is_elementwise(node: Node) -> bool:
    """Tell whether every element of an expression comes from the same element of what it reads."""
    return not any(isinstance(part, Call) and part.op in TENSOR for part in postorder(node))


def blockwise(evaluate: Callable[[Mapping[str, Stored]], Stored], values: Mapping[str, Stored], shape: Shape) -> Stored:
    """Return an elementwise result of this shape, evaluated along its first axis."""
    if prod(shape) < 2 * BLOCK or shape[0] < 2:
        return evaluate(values).sized(shape)
    made: _Result | None = None
    for rows in _rows(shape):
        part = evaluate(_part(values, shape, rows)).sized((rows.stop - rows.start, *shape[1:]))
        made = _Result(shape) if made is None else made
        made.add(rows, part)
    assert made is not None
    return made.stored


def _rows(shape: Shape) -> Iterator[slice]:
    step = max(BLOCK // prod(shape[1:]), 1)
    for start in range(0, shape[0], step):
        yield slice(start, min(start + step, shape[0]))


def _part(values: Mapping[str, Stored], shape: Shape, rows: slice) -> dict[str, Stored]:
    """Return a part of what is read; what is one value stays one value."""
    parts: dict[int, Stored] = {}
    for one in values.values():
        if one.shape[:1] == shape[:1] and len(one.shape) == len(shape):
            same = None if one.same is None else one.same[rows]
            parts[id(one)] = replace(one, ball=map_radii(lambda array: array[rows], one.ball), same=same)
    return {name: parts.get(id(one), one) for name, one in values.items()}


class _Result:
    """A result that is put together; the state is what was added so far."""

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        self.mid, self.rad = np.empty(shape), np.empty(shape)
        self.same: np.ndarray[tuple[int, ...], np.dtype[np.int64]] | None = None
        self.exact = self.bounded = self.nothing = True

    def add(self, rows: slice, part: Stored) -> None:
        self.mid[rows], self.rad[rows] = part.mid, part.rad
        self.exact &= part.ball.is_exact
        self.bounded &= part.bounded
        self.nothing &= part.nothing
        if part.same is not None:
            self.same = np.full(self.shape, NOBODY) if self.same is None else self.same
            self.same[rows] = part.same

    @property
    def stored(self) -> Stored:
        ball = Interval(self.mid) if self.exact else Interval(self.mid, self.rad)
        return Stored(ball, self.same, self.nothing, self.bounded)
