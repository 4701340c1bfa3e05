"""Functions that move elements and compute nothing."""

from __future__ import annotations

from math import prod

from gradcheck.functions.params import axes, axis
from gradcheck.functions.rows import Composite
from gradcheck.program import Param, Shape


def _swap(x: Shape, dim0: Param, dim1: Param) -> str:
    if not x:
        return "x"
    dims = list(range(len(x)))
    a, b = axis(dim0, len(x)), axis(dim1, len(x))
    dims[a], dims[b] = b, a
    return f"permute(x, {tuple(dims)})"


def _all_reversed(x: Shape) -> str:
    return f"permute(x, {tuple(reversed(range(len(x))))})" if x else "x"


def _last_two_swapped(x: Shape) -> str:
    if len(x) < 2:
        raise ValueError("mT needs a matrix; a vector has no last two dimensions")
    return _swap(x, -2, -1)


def _transposed(x: Shape) -> str:
    if len(x) > 2:
        raise ValueError(f"t takes at most 2 dimensions, and this tensor has {len(x)}; write transpose(x, dim0, dim1)")
    return _all_reversed(x)


def _flatten(x: Shape, start_dim: Param = 0, end_dim: Param = -1) -> str:
    first, last = axis(start_dim, len(x)), axis(end_dim, len(x))
    if first > last:
        raise ValueError("start_dim comes after end_dim")
    return f"reshape(x, {(*x[:first], prod(x[first : last + 1]), *x[last + 1 :])})"


def _squeeze(x: Shape, dim: Param = None) -> str:
    over = axes(dim, len(x))
    return f"reshape(x, {tuple(size for one, size in enumerate(x) if size != 1 or one not in over)})"


def _unsqueeze(x: Shape, dim: Param) -> str:
    at = axis(dim, len(x) + 1)
    return f"reshape(x, {(*x[:at], 1, *x[at:])})"


def _stack(*x: Shape, dim: Param = 0) -> str:
    if any(shape != x[0] for shape in x):
        raise ValueError("stack needs tensors of one shape")
    at = axis(dim, len(x[0]) + 1)
    shape = (*x[0][:at], 1, *x[0][at:])
    return f"cat([{', '.join(f'reshape(x_{k}, {shape})' for k in range(len(x)))}], dim={at})"


def _chunk(x: Shape, chunks: Param, dim: Param = 0, result: Param = 0) -> str:
    assert isinstance(result, int)
    if not isinstance(chunks, int) or chunks < 1:
        raise ValueError("chunks is a whole number from 1")
    if not x:
        raise ValueError("a scalar cannot be cut into chunks")
    at = axis(dim, len(x))
    size = -(-x[at] // chunks)
    count = -(-x[at] // size)
    if not -count <= result < count:
        raise ValueError(f"there are {count} chunks of {x[at]} elements, and no number {result}")
    start = result % count * size
    return f"x[{':, ' * at}{start}:{min(start + size, x[at])}]"


# fmt: off
ROWS: tuple[Composite, ...] = (
    Composite("transpose", ("x",), ("dim0", "dim1"), _swap, ("transpose(a, 0, 1)", "transpose(c, 0, -1)"), summary="two axes swapped"),
    Composite("T",  ("x",), (), _all_reversed, ("a.T", "a.T @ a"), torch=lambda m, x: x.T, summary="the axes in reverse order"),
    Composite("mT", ("x",), (), _last_two_swapped, ("a.mT", "c.mT"), torch=lambda m, x: x.mT, summary="the last two axes swapped"),
    Composite("t",  ("x",), (), _transposed, ("t(a)", "v.t()"), summary="the transpose of a matrix"),
    Composite("flatten", ("x",), ("start_dim", "end_dim"), _flatten, ("flatten(a)", "flatten(c, 1)"), summary="dims joined into one"),
    Composite("squeeze", ("x",), ("dim",), _squeeze, ("squeeze(a[:, :1])", "squeeze(a[:1], 0)"), summary="without the axes of size 1"),
    Composite("unsqueeze", ("x",), ("dim",), _unsqueeze, ("unsqueeze(v, 0)", "unsqueeze(a, -1)"), summary="with a new axis of size 1"),
    Composite("chunk", ("x",), ("chunks", "dim"), _chunk, ("chunk(v, 2)[0]", "chunk(a, 3, dim=1)[-1]", "c.chunk(2, 1)[1]"), results=("chunks*",), summary="the tensor cut into so many chunks along dim"),
    Composite("stack", ("x",), ("dim",), _stack, ("stack([v, v])", "stack([a, a], dim=1)"), torch=lambda m, *x, dim=0: m.stack(x, dim=dim), summary="tensors joined along a new dim"),
)
# fmt: on
