"""The tensor rows: linear operations, each with its shape rule and its transpose; params are in canonical form here.

Canonical means: ``dim`` is a tuple of non-negative ints, ``keepdim`` a bool, ``shape`` the full result shape.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import TYPE_CHECKING, Any

from gradcheck.functions import params
from gradcheck.functions.params import reduced, shape_text
from gradcheck.functions.rows import Tensor
from gradcheck.functions.sums import DOUBLE, Accumulation, add_at_depth, cumsum_depth, matmul_depth, sum_depth
from gradcheck.program import Call, Node, Param, Shape, call

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, np.dtype[np.object_]]


# --- shapes ---------------------------------------------------------------------------------------


def _matmul_canonical(a: Shape, b: Shape) -> dict[str, Param] | str:
    """Return a definition with both sides as matrices where one is a vector, as torch reads it."""
    if not a or not b:
        raise ValueError(
            f"cannot multiply {shape_text(a)} by {shape_text(b)}: a matrix product needs no scalars; write *"
        )
    if len(a) > 1 and len(b) > 1:
        return {}
    left = "a" if len(a) > 1 else f"reshape(a, {(1, *a)})"
    right = "b" if len(b) > 1 else f"reshape(b, {(*b, 1)})"
    if a[-1] != b[-2 if len(b) > 1 else -1]:
        raise ValueError(
            f"cannot multiply {shape_text(a)} by {shape_text(b)}: {a[-1]} against {b[-2 if len(b) > 1 else -1]}"
        )
    result = (
        (*a[:-1], *((*b[:-2], b[-1]) if len(b) > 1 else ())) if len(a) > 1 else (*b[:-2], b[-1]) if len(b) > 1 else ()
    )
    return f"reshape(matmul({left}, {right}), {result})"


def _matmul_shape(a: Shape, b: Shape) -> Shape:
    if a[-1] != b[-2]:
        raise ValueError(
            f"cannot multiply {shape_text(a)} by {shape_text(b)}: {a[-1]} columns on the left, {b[-2]} rows on the right"
        )
    return (*params.broadcast(a[:-2], b[:-2]), a[-2], b[-1])


def _cat_shape(*shapes: Shape, dim: int) -> Shape:
    first = shapes[0]
    if not all(shapes):
        raise ValueError("a scalar cannot be joined: stack makes a vector of scalars")
    for shape in shapes[1:]:
        if len(shape) != len(first) or any(
            size != other for axis, (size, other) in enumerate(zip(shape, first, strict=True)) if axis != dim
        ):
            raise ValueError(f"cannot join {shape_text(first)} and {shape_text(shape)} along dim {dim}")
    return (*first[:dim], sum(shape[dim] for shape in shapes), *first[dim + 1 :])


def numpy_key(key: Param) -> Any:
    """Return an index as NumPy takes it."""
    items = key if isinstance(key, tuple) else (key,)
    return tuple(... if item == "..." else list(item) if isinstance(item, tuple) else item for item in items)


def _index_shape(shape: Shape, key: Param) -> Shape:
    import numpy as np

    # A broadcast view of one element has any shape without taking its memory.
    probe = np.broadcast_to(np.zeros((), dtype=np.int8), shape)
    try:
        return tuple(probe[numpy_key(key)].shape)
    except IndexError as problem:
        raise ValueError(_index_message(shape, str(problem))) from None


def _index_message(shape: Shape, problem: str) -> str:
    if problem.startswith("too many indices"):
        return f"too many indices for a tensor of {len(shape)} dimensions"
    return f"{problem} (the shape is {shape_text(shape)})"


# --- evaluation in balls --------------------------------------------------------------------------


def add_at(np: Any, values: Array, key: Param, shape: Shape, zero: object) -> Array:
    """Return zeros of ``shape`` with ``values`` added where ``key`` points; ``zero`` is the structural zero."""
    out: Array = np.empty(shape, dtype=values.dtype)
    out.fill(zero)
    np.add.at(out, numpy_key(key), values)
    return out


# --- transposes -----------------------------------------------------------------------------------
# Each returns, for a cotangent `ct` of the result, the cotangent of the argument at `position`.


def _sum_transpose(ct: Node, node: Call, shapes: Sequence[Shape], _result: Shape, _position: int) -> Node:
    dim = node.param("dim")
    assert isinstance(dim, tuple)
    kept = reduced(shapes[0], [axis for axis in dim if isinstance(axis, int)], True)
    return call("expand", call("reshape", ct, shape=kept), shape=shapes[0])


def _expand_transpose(ct: Node, _node: Call, shapes: Sequence[Shape], result: Shape, _position: int) -> Node:
    return sum_to(ct, result, shapes[0])


def sum_to(ct: Node, full: Shape, shape: Shape) -> Node:
    """Return ``ct`` of shape ``full`` summed over the axes along which ``shape`` was broadcast to it.

    >>> from gradcheck.program import Name, to_text
    >>> to_text(sum_to(Name("ct"), (2, 3), (3,))), to_text(sum_to(Name("ct"), (2, 3), (2, 3)))
    ('reshape(sum(ct, dim=0, keepdim=True), shape=(3,))', 'ct')
    """
    lead = len(full) - len(shape)
    dim = tuple(axis for axis in range(len(full)) if axis < lead or (shape[axis - lead] == 1 and full[axis] != 1))
    summed = call("sum", ct, dim=dim, keepdim=True) if dim else ct
    return call("reshape", summed, shape=shape) if lead else summed


def _reshape_transpose(ct: Node, _node: Call, shapes: Sequence[Shape], _result: Shape, _position: int) -> Node:
    return call("reshape", ct, shape=shapes[0])


def _permute_transpose(ct: Node, node: Call, _shapes: Sequence[Shape], _result: Shape, _position: int) -> Node:
    dims = node.param("dims")
    assert isinstance(dims, tuple)
    inverse = tuple(dims.index(axis) for axis in range(len(dims)))
    return call("permute", ct, dims=inverse)


def _swapped(node: Node, shape: Shape) -> Node:
    axes = tuple(range(len(shape)))
    return call("permute", node, dims=(*axes[:-2], axes[-1], axes[-2]))


def _matmul_transpose(ct: Node, node: Call, shapes: Sequence[Shape], result: Shape, position: int) -> Node:
    left, right = node.args
    if len(shapes[position]) == 2 < len(result):
        return _matrix_transpose(ct, left if position else right, shapes[1 - position], result, position)
    if position == 0:
        pulled = call("matmul", ct, _swapped(right, shapes[1]))
        full = (*result[:-2], *shapes[0][-2:])
    else:
        pulled = call("matmul", _swapped(left, shapes[0]), ct)
        full = (*result[:-2], *shapes[1][-2:])
    return sum_to(pulled, full, shapes[position])


def _matrix_transpose(ct: Node, other: Node, shape: Shape, result: Shape, position: int) -> Node:
    """Return the cotangent of a matrix that meets a batch: one product over all of it, as torch has it."""
    rank = len(result)
    if position == 1:
        rows = prod(shape[:-1])
        folded = call("reshape", other, shape=(rows, shape[-1]))
        return call("matmul", _swapped(folded, (rows, shape[-1])), call("reshape", ct, shape=(rows, result[-1])))
    columns = prod(shape[:-2]) * shape[-1]
    first = call("permute", ct, dims=(rank - 2, *range(rank - 2), rank - 1))
    rows_of = call("reshape", _swapped(other, shape), shape=(columns, shape[-2]))
    return call("matmul", call("reshape", first, shape=(result[-2], columns)), rows_of)


def _index_transpose(ct: Node, node: Call, shapes: Sequence[Shape], _result: Shape, _position: int) -> Node:
    return call("add_at", ct, key=node.param("key"), shape=shapes[0])


def _add_at_transpose(ct: Node, node: Call, _shapes: Sequence[Shape], _result: Shape, _position: int) -> Node:
    return call("index", ct, key=node.param("key"))


def _cat_transpose(ct: Node, node: Call, shapes: Sequence[Shape], _result: Shape, position: int) -> Node:
    dim = node.param("dim")
    assert isinstance(dim, int)
    start = sum(shape[dim] for shape in shapes[:position])
    everything = (slice(None),) * dim
    return call("index", ct, key=(*everything, slice(start, start + shapes[position][dim])))


def _flip_transpose(ct: Node, node: Call, _shapes: Sequence[Shape], _result: Shape, _position: int) -> Node:
    return call("flip", ct, dims=node.param("dims"))


def _cumsum_transpose(ct: Node, node: Call, _shapes: Sequence[Shape], _result: Shape, _position: int) -> Node:
    dim = node.param("dim")
    return call("flip", call("cumsum", call("flip", ct, dims=(dim,)), dim=dim), dims=(dim,))


def _torch_sum(m: Any, x: Any, **params: Any) -> Any:
    # torch takes keepdim only beside dim
    return m.sum(x, **({"dim": None, **params} if params else {}))


# fmt: off
ROWS: tuple[Tensor, ...] = (
    Tensor("sum", ("x",), ("dim", "keepdim"),
           identity="shape",
           canonical=lambda x, dim=None, keepdim=False: {"dim": params.axes(dim, len(x)), "keepdim": bool(keepdim)},
           shape=lambda x, dim, keepdim: reduced(x, dim, keepdim),
           exact=lambda m, x, dim, keepdim, zero: m.sum(x, axis=dim, keepdims=keepdim),
           keeps_constants=True, transpose=_sum_transpose, samples=("sum(a)", "sum(a, dim=0)", "sum(a, dim=1, keepdim=True)", "sum(c, dim=(0, 2))"),
           torch=_torch_sum, depth=sum_depth, summary="the sum of the elements, over all or over dim"),
    Tensor("expand", ("x",), ("shape",),
           identity="shape",
           canonical=lambda x, shape: {"shape": params.expanded(shape, x)},
           shape=lambda x, shape: params.broadcast(x, shape),
           exact=lambda m, x, shape, zero: m.broadcast_to(x, shape),
           transpose=_expand_transpose, samples=("expand(v, (2, 3))", "expand(s, (4,))", "expand(a[:, :1], (2, 5))"),
           torch=lambda m, x, shape: x.expand(shape), summary="x broadcast to a shape"),
    Tensor("reshape", ("x",), ("shape",),
           identity="shape",
           canonical=lambda x, shape: {"shape": params.reshaped(shape, x)},
           shape=lambda x, shape: tuple(shape),
           exact=lambda m, x, shape, zero: m.reshape(x, shape),
           keeps_constants=True, transpose=_reshape_transpose, samples=("reshape(a, (3, 2))", "reshape(a, (-1,))", "a.reshape(6)"),
           summary="the same elements in another shape"),
    Tensor("permute", ("x",), ("dims",),
           canonical=lambda x, dims: {"dims": params.order(dims, len(x))},
           shape=lambda x, dims: tuple(x[axis] for axis in dims),
           exact=lambda m, x, dims, zero: m.transpose(x, dims),
           keeps_constants=True, transpose=_permute_transpose, samples=("permute(c, (2, 0, 1))", "permute(a, (1, 0))"),
           summary="the axes in another order"),
    Tensor("matmul", ("a", "b"), (),
           canonical=_matmul_canonical,
           shape=_matmul_shape,
           exact=lambda m, a, b, zero: m.matmul(a, b),
           multilinear=True, transpose=_matmul_transpose, samples=("a @ b", "v @ v", "a @ v", "u @ a", "c @ b", "a @ c.mT", "matmul(c, c.mT)"),
           torch=lambda m, a, b: a @ b, depth=matmul_depth, summary="the matrix product, batched as in torch"),
    Tensor("index", ("x",), ("key",),
           canonical=lambda x, key: {"key": params.key(key, len(x))},
           shape=lambda x, key: _index_shape(x, key),
           exact=lambda m, x, key, zero: x[numpy_key(key)],
           transpose=_index_transpose, samples=("a[0]", "a[:, 1]", "a[0, -1]", "c[..., 1:]", "v[None]", "v[::2]", "v[[0, 2, 2]]"),
           torch=lambda m, x, key: x[numpy_key(key)], summary="x[...], with ints, slices, None, ... and lists of ints"),
    Tensor("add_at", ("x",), ("key", "shape"),
           canonical=lambda x, key, shape: {"key": key, "shape": shape},
           shape=lambda x, key, shape: tuple(shape),
           exact=lambda m, x, key, shape, zero: add_at(m, x, key, shape, zero),
           transpose=_add_at_transpose, samples=(), depth=add_at_depth, accumulation=Accumulation(()), summary="zeros of a shape with x added at an index: the transpose of indexing"),
    Tensor("cat", ("x",), ("dim",),
           canonical=lambda *x, dim=0: {"dim": params.axis(dim, len(x[0]))},
           shape=_cat_shape,
           exact=lambda m, *x, dim, zero: m.concatenate(x, axis=dim),
           transpose=_cat_transpose, samples=("cat([a, a], dim=0)", "cat([a, exp(a), a[:, :1]], dim=1)", "cat([v, u])"),
           torch=lambda m, *x, dim=0: m.cat(x, dim=dim), summary="tensors joined along dim"),
    Tensor("flip", ("x",), ("dims",),
           canonical=lambda x, dims: {"dims": params.axes(dims, len(x)) if dims != () else ()},  # () is all of them elsewhere
           shape=lambda x, dims: x,
           exact=lambda m, x, dims, zero: m.flip(x, dims),
           keeps_constants=True, transpose=_flip_transpose, samples=("flip(v, (0,))", "flip(a, (0, 1))"), summary="the elements in reverse order along dims"),
    Tensor("cumsum", ("x",), ("dim",),
           identity="scalars",
           canonical=lambda x, dim: {"dim": params.axis(dim, len(x))},
           shape=lambda x, dim: x,
           exact=lambda m, x, dim, zero: m.cumsum(x, axis=dim),
           transpose=_cumsum_transpose, samples=("cumsum(v, 0)", "cumsum(a, dim=1)"), depth=cumsum_depth, accumulation=Accumulation(DOUBLE), summary="running sums along dim"),
)
# fmt: on
