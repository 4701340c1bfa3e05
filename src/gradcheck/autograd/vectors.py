"""Elementwise programs in torch's vectorised kernels, which a point of a few elements never reaches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import zip_longest
from math import prod
from typing import Any

import numpy as np
import torch

from gradcheck.autograd.backward import Passed, Point, passed
from gradcheck.autograd.lane import Lane
from gradcheck.autograd.modes import own_modes
from gradcheck.autograd.record import Backward, TorchValue
from gradcheck.autograd.tensors import DTYPES, function_name, leaf, value
from gradcheck.autograd.trace import Reader
from gradcheck.pointwise import goes_by_elements
from gradcheck.program import Call, Program, postorder

COPIES = 64
"""Copies of each element, the most that torch takes in one turn of a vectorised loop: two vectors of 64 bytes (AVX-512)
of two-byte numbers (aten/src/ATen/native/cpu/Loops.h, vectorized_loop, torch 2.13). What is left runs one by one."""

MAX_NUMBERS = 2**24
"""Numbers of all operations together up to which a program runs in copies, 128 MiB in float64."""


def vectorised(
    program: Program,
    point: Point,
    wrt: Sequence[str],
    *,
    dtype: str = "float32",
    traced: bool = False,
) -> tuple[Backward, ...]:
    """Return what came out of the vectorised kernels of the CPU, as ``backward`` returns what came out of a plain run.

    Every element of the point runs in 64 copies along a new last axis. All copies of one element should give the same:
    a result for each that differs from the others is returned. Shapes are those of the program, one copy of each
    tensor; ``saved`` is empty. torch's own functions run, and nothing that is under test. Nothing is returned for a
    program that is not elementwise, where copies would mix, nor for one of more than MAX_NUMBERS numbers: in a plain
    run of so many, all but the last few of a row are in vectors anyway.

    >>> from gradcheck.parse import parse
    >>> [one.gradients["x"].elements for one in vectorised(parse("x*x"), {"x": np.array([1.0, 2.0])}, ["x"])]
    [[2.0, 4.0]]
    >>> vectorised(parse("sum(x*x)"), {"x": np.array([1.0, 2.0])}, ["x"])
    ()
    """
    if not goes_by_elements(program) or _numbers(program, point) > MAX_NUMBERS:
        return ()
    with own_modes("cpu"):
        leaves = {name: _copies(point[name], dtype, name in wrt) for name in program.inputs}
        lane = Lane(leaves, DTYPES[dtype], "cpu", program.source, traced=traced)
        made = passed(program, lane, {name: leaves[name] for name in wrt})
        return tuple(_without_saved(made.read(_one(k))) for k in _distinct(made))


def _copies(array: np.ndarray[Any, Any], dtype: str, tracked: bool) -> torch.Tensor:
    return leaf(np.repeat(array[..., None], COPIES, axis=-1), dtype, "cpu", tracked)


def _one(k: int) -> Reader:
    """Return a reader of one copy; what has no axes depends on no input, and is not copied."""

    def read(tensor: torch.Tensor, graph: bool) -> TorchValue:
        name = function_name(tensor) if graph else None
        return replace(value(tensor.detach()[..., k] if tensor.dim() else tensor), grad_fn=name)

    return read


def _distinct(made: Passed) -> list[int]:
    """Return the first copy of each kind; nan is the same as nan, and 0 is not the same as -0."""
    results = [*made.layers.values(), *(one for one in made.gradients.values() if one is not None)]
    seen: dict[bytes, int] = {}
    columns = [one.detach().double().reshape(-1, COPIES).numpy() for one in results if one.dim()]
    for k, copy in enumerate(_bits(columns).T if columns else [np.zeros(0)]):
        seen.setdefault(copy.tobytes(), k)
    return list(seen.values())


def _bits(columns: list[np.ndarray[Any, Any]]) -> np.ndarray[Any, Any]:
    together = np.concatenate(columns)
    return np.where(np.isnan(together), np.nan, together).view(np.int64)


def _without_saved(made: Backward) -> Backward:
    return replace(made, operations=tuple(replace(one, saved=()) for one in made.operations))


def _numbers(program: Program, point: Point) -> int:
    """Return how many numbers a run in copies has at most; inputs that never meet need not broadcast."""
    shapes = [point[name].shape[::-1] for name in program.inputs]
    count: int = prod(max(sizes) for sizes in zip_longest(*shapes, fillvalue=1))
    calls = sum(isinstance(node, Call) for layer in program.layers for node in postorder(layer.expression))
    return count * COPIES * calls
