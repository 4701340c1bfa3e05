"""Many points of an elementwise program in one run of torch, which gives each the numbers that it has alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map

from gradcheck.autograd.backward import Point, passed
from gradcheck.autograd.lane import Lane
from gradcheck.autograd.modes import own_modes
from gradcheck.autograd.record import Backward, Operation, TorchValue
from gradcheck.autograd.tensors import DTYPES, leaf, value
from gradcheck.autograd.vectors import COPIES
from gradcheck.pointwise import goes_by_elements, operations
from gradcheck.program import Program

BLOCK = 16_384
"""Numbers of an input that run at once: a multiple of COPIES, and fewer than what torch shares out among threads
(at::internal::GRAIN_SIZE, 32,768), so that no thread's last few numbers fall out of the vectors."""

_ALONE_IN_HALF_TYPES = frozenset({"remainder", "fmod"})
"""Operations whose backward pass divides with a rounding mode. In the half types that is done in float32 where the
divisor is a tensor of one element, and else not (aten/src/ATen/native/cpu/BinaryOpsKernel.cpp, div_trunc_kernel and
div_floor_kernel, ``iter.is_scalar(2)``, torch 2.13)."""
_HALF_TYPES = frozenset({"bfloat16", "float16"})


def stacks(program: Program, dtype: str) -> bool:
    """Return whether points of a program may run as one: each has the numbers then that it has alone.

    >>> from gradcheck.parse import parse
    >>> [stacks(parse(text), "float16") for text in ("exp(x)", "fmod(x, 3)", "sum(x)")]
    [True, False, False]
    """
    alike = dtype not in _HALF_TYPES or not _ALONE_IN_HALF_TYPES & operations(program)
    return alike and goes_by_elements(program)


def stacked(
    program: Program, point: Point, wrt: Sequence[str], *, dtype: str = "float32", traced: bool = False
) -> tuple[Backward, Backward]:
    """Return what came out of the scalar kernels and out of the vectorised kernels of the CPU, as ``backward`` does.

    ``point`` holds arrays of one shape, the points along the first axis. torch takes the scalar loop of a kernel
    wherever a tensor is not contiguous (aten/src/ATen/native/cpu/Loops.h, VectorizedLoop2d, torch 2.13), as it does for
    a tensor of one element; so every tensor on the way is laid out in steps of two for the first of both runs. In the
    second all numbers fill vectors: the last of them are repeated up to a multiple of 64. ``traced`` keeps every
    operation, of at most BLOCK numbers of an input; ``saved`` is empty.
    Raises LaneProblem as ``backward`` does.

    >>> from gradcheck.parse import parse
    >>> [one.gradients["x"].elements for one in stacked(parse("x*x"), {"x": np.array([1.0, 2.0])}, ["x"])]
    [[2.0, 4.0], [2.0, 4.0]]
    """
    with own_modes("cpu"):
        blocks = list(_blocks(point))
        assert not traced or len(blocks) == 1
        scalar = [_run(program, block, wrt, dtype, _apart, _Apart, traced) for block in blocks]
        vector = [_run(program, _padded(block), wrt, dtype, _same, nullcontext, traced) for block in blocks]
    shape = next(iter(point.values())).shape
    return _joined(scalar, shape), _joined(vector, shape)


def _blocks(point: Point) -> Iterator[Mapping[str, np.ndarray[Any, Any]]]:
    flat = {name: array.reshape(-1) for name, array in point.items()}
    count = max(len(array) for array in flat.values())
    for start in range(0, count, BLOCK):
        yield {name: array[start : start + BLOCK] for name, array in flat.items()}


def _padded(block: Mapping[str, np.ndarray[Any, Any]]) -> dict[str, np.ndarray[Any, Any]]:
    return {name: np.resize(array, -(-len(array) // COPIES) * COPIES) for name, array in block.items()}


def _run(
    program: Program,
    block: Mapping[str, np.ndarray[Any, Any]],
    wrt: Sequence[str],
    dtype: str,
    laid_out: Callable[[torch.Tensor], torch.Tensor],
    mode: Callable[[], Any],
    traced: bool,
) -> Backward:
    leaves = {
        name: laid_out(leaf(array, dtype, "cpu", False)).requires_grad_(name in wrt) for name, array in block.items()
    }
    lane = Lane(leaves, DTYPES[dtype], "cpu", program.source, traced=traced)
    with mode():
        made = passed(program, lane, {name: leaves[name] for name in wrt})
    return made.read(value)


def _joined(parts: Sequence[Backward], shape: tuple[int, ...]) -> Backward:
    """Return the runs of all blocks as one; what has no axes depends on no input."""
    count = int(np.prod(shape))

    def join(values: Sequence[TorchValue | None]) -> TorchValue | None:
        found = [one for one in values if one is not None]
        if not found or not found[0].shape:
            return found[0] if found else None
        array = np.concatenate([one.array for one in found])[:count]
        return TorchValue(array.reshape(shape), found[0].grad_fn)

    first = parts[0]
    layers = {name: join([one.layers[name] for one in parts]) for name in first.layers}
    gradients = {name: join([one.gradients[name] for one in parts]) for name in first.gradients}
    operations = tuple(_cut(one, lambda each: join([each])) for one in first.operations)
    return Backward({name: one for name, one in layers.items() if one is not None}, gradients, operations, first.plain)


def _cut(one: Operation, cut: Callable[[TorchValue | None], TorchValue | None]) -> Operation:
    """Return an operation of a single block without what was repeated."""
    made = cut(one.value)
    assert made is not None
    args, pulled = tuple(map(cut, one.args)), tuple(map(cut, one.pulled))
    return replace(one, args=args, value=made, cotangent=cut(one.cotangent), pulled=pulled, saved=())


def _same(tensor: torch.Tensor) -> torch.Tensor:
    return tensor


def _apart(tensor: torch.Tensor) -> torch.Tensor:
    """Return the tensor with its elements in steps of two."""
    room = torch.empty((*tensor.shape, 2), dtype=tensor.dtype)
    room[..., 0] = tensor
    return room[..., 0]


class _Apart(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch has no types there
    """Lays out in steps of two whatever an operation returns in a row, on the way back, too."""

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Return that no compiler needs to be kept off: that would load it, which takes as long as torch itself."""
        return False

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.ops.aten._local_scalar_dense.default and not isinstance(args[0], torch.Tensor):
            return args[0]  # what autograd saved of a plain number comes as one
        made = func(*args, **(kwargs or {}))
        return made if func._schema.is_mutable else tree_map(_unless_apart, made)


def _unless_apart(one: Any) -> Any:
    return _apart(one) if isinstance(one, torch.Tensor) and one.numel() > 1 and one.is_contiguous() else one
