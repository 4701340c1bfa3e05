"""Parts of tensors, and tensors with another one in some of their places."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from math import prod
from typing import Any

from gradcheck.functions.composites.diagonals import offset_of, planes
from gradcheck.functions.composites.indexing import countable, counted, picked
from gradcheck.functions.params import axis, chosen, count_of, numbers, shape_text
from gradcheck.functions.rows import Composite
from gradcheck.program import Param, Shape

# --- parts -------------------------------------------------------------------------------------------


def _dim_of(x: Shape, dim: Param) -> int:
    if not x:
        raise ValueError("a scalar cannot be cut into parts")
    return axis(dim, len(x))


def _slice(at: int, start: int, stop: int, name: str = "x") -> str:
    return f"{name}[{':, ' * at}{start}:{stop}]"


def _part(x: Shape, at: int, ends: list[int], result: Param) -> str:
    """Return the text of one of the parts between ends."""
    parts = list(pairwise(ends))
    if not isinstance(result, int) or not -len(parts) <= result < len(parts):
        raise ValueError(f"there are {len(parts)} parts of {x[at]} elements, and no number {result}")
    return _slice(at, *parts[result])


def _pieces(size: int, each: int) -> list[int]:
    return [*range(0, size, each), size]


def _chunk(x: Shape, chunks: Param, dim: Param = 0, result: Param = 0) -> str:
    at = _dim_of(x, dim)
    return _part(x, at, _pieces(x[at], -(-x[at] // count_of("chunks", chunks, 1))), result)


def _sections(x: Shape, sizes: Param, dim: Param = 0, result: Param = 0) -> str:
    at, found = _dim_of(x, dim), numbers("split_sizes", sizes)
    if sum(found) != x[at] or any(one < 0 for one in found):
        raise ValueError(f"the sizes {found} do not add up to {x[at]}")
    return _part(x, at, [sum(found[:k]) for k in range(len(found) + 1)], result)


def _split_with_sizes(x: Shape, split_sizes: Param, dim: Param = 0, result: Param = 0) -> str:
    return _sections(x, split_sizes, dim, result)


def _split(x: Shape, split_size_or_sections: Param, dim: Param = 0, result: Param = 0) -> str:
    if isinstance(split_size_or_sections, tuple):
        return _sections(x, split_size_or_sections, dim, result)
    at = _dim_of(x, dim)
    return _part(x, at, _pieces(x[at], count_of("a split size", split_size_or_sections, 1)), result)


def _unsafe_split(x: Shape, split_size: Param, dim: Param = 0, result: Param = 0) -> str:
    return _split(x, count_of("split_size", split_size, 1), dim, result)


def _tensor_split(x: Shape, indices_or_sections: Param, dim: Param = 0, result: Param = 0) -> str:
    at = _dim_of(x, dim)
    if isinstance(indices_or_sections, tuple):
        at_each = [slice(one).indices(x[at])[1] for one in numbers("indices_or_sections", indices_or_sections)]
        ends = [0, *at_each, x[at]]
        return _part(x, at, ends, result)
    count = count_of("indices_or_sections", indices_or_sections, 1)
    small, more = divmod(x[at], count)
    first = chosen(count, result)
    start, end = (k * small + min(k, more) for k in (first, first + 1))
    return _slice(at, start, end)


def _split_along(dim: int, name: str) -> Callable[..., str]:
    """Return hsplit, vsplit or dsplit: equal parts along a dim, or parts between indices."""

    def definition(x: Shape, indices_or_sections: Param, result: Param = 0) -> str:
        if len(x) < (least := {"hsplit": 1, "vsplit": 2, "dsplit": 3}[name]):
            raise ValueError(f"{name} needs at least {least} dimensions, and this tensor has {len(x)}")
        at = 0 if len(x) == 1 else dim
        if not isinstance(indices_or_sections, tuple) and x[at] % count_of("sections", indices_or_sections, 1):
            raise ValueError(f"{name} needs equal parts, and {x[at]} elements do not make {indices_or_sections}")
        return _tensor_split(x, indices_or_sections, at, result)

    return definition


def _unbind(x: Shape, dim: Param = 0, result: Param = 0) -> str:
    at = _dim_of(x, dim)
    if not isinstance(result, int) or not -x[at] <= result < x[at]:
        raise ValueError(f"there are {x[at]} slices along this dim, and no number {result}")
    return f"x[{':, ' * at}{result}]"


def _narrow(x: Shape, dim: Param, start: Param, length: Param) -> str:
    at, size = _dim_of(x, dim), count_of("length", length)
    [first] = numbers("start", (start,))
    begin = first + x[at] if first < 0 else first
    if begin < 0 or begin + size > x[at]:
        raise ValueError(f"start {first} and length {size} leave the {x[at]} elements along this dim")
    return _slice(at, begin, begin + size)


def _select(x: Shape, dim: Param, index: Param) -> str:
    at = _dim_of(x, dim)
    [found] = numbers("index", (index,))
    return f"x[{':, ' * at}{found}]"


def _unfold(x: Shape, dimension: Param, size: Param, step: Param) -> str:
    at, length, apart = axis(dimension, len(x)), count_of("size", size), count_of("step", step, 1)
    wide = x or (1,)
    if not 0 < length <= wide[at]:
        raise ValueError(f"windows of {length} do not fit into {wide[at]} elements")
    starts = range(0, wide[at] - length + 1, apart)
    countable((len(starts), length))
    places = [start + k for start in starts for k in range(length)]
    dims = (*range(at + 1), *range(at + 2, len(wide) + 1), at + 1) if x else (1,)
    taken = f"{'x' if x else 'reshape(x, (1,))'}[{':, ' * at}{places}]"
    split = (*wide[:at], len(starts), length, *wide[at + 1 :]) if x else (1, length)
    return f"permute(reshape({taken}, {split}), {dims})" if x else f"reshape({taken}, {(length,)})"


def _as_strided(x: Shape, size: Param, stride: Param, storage_offset: Param = 0) -> str:
    """Return a view on the elements in row-major order: torch gets a copy that lies so."""
    import numpy as np

    sizes, strides = numbers("size", size), numbers("stride", stride)
    if len(sizes) != len(strides) or any(one < 0 for one in (*sizes, *strides)):
        raise ValueError("size and stride have one number for each dim, and none is negative")
    start = count_of("storage_offset", storage_offset or 0)
    countable(sizes)
    places = start + sum((k * step for k, step in zip(np.indices(sizes), strides, strict=True)), np.zeros(sizes, int))
    if places.size and places.max() >= prod(x):
        raise ValueError(f"these strides reach element {places.max()} of {prod(x)}")
    return picked("x", x, places)


# --- another tensor in some places -------------------------------------------------------------------


def _in_its_place(x: Shape, source: Shape, name: str, places: Any) -> str:
    """Return the text of x with another tensor in some of its places."""
    if source != places.shape:
        raise ValueError(f"{name} has the shape {shape_text(source)}, and {shape_text(places.shape)} is needed")
    made = counted(x).ravel()
    made[places.ravel()] = prod(x) + counted(source).ravel()
    both = f"cat([reshape(x, ({prod(x)},)), reshape({name}, ({prod(source)},))])"
    return f"reshape({both}[{made.tolist()}], {x})"


def _diagonal_scatter(x: Shape, src: Shape, offset: Param = 0, dim1: Param = 0, dim2: Param = 1) -> str:
    import numpy as np

    first, second = planes(x, dim1, dim2)
    return _in_its_place(x, src, "src", np.diagonal(counted(x), offset_of(offset), first, second))


def _select_scatter(x: Shape, src: Shape, dim: Param, index: Param) -> str:
    at = _dim_of(x, dim)
    [found] = numbers("index", (index,))
    if not -x[at] <= found < x[at]:
        raise ValueError(f"index {found} leaves the {x[at]} elements along this dim")
    return _in_its_place(x, src, "src", counted(x).take(found, axis=at))


def _slice_scatter(
    x: Shape, src: Shape, dim: Param = 0, start: Param = None, end: Param = None, step: Param = 1
) -> str:
    at, apart = _dim_of(x, dim), count_of("step", step, 1)
    first, last = (None if one is None else numbers(name, (one,))[0] for name, one in (("start", start), ("end", end)))
    taken = range(x[at])[slice(first, last, apart)]
    return _in_its_place(x, src, "src", counted(x).take(taken, axis=at))


def _as_strided_scatter(x: Shape, src: Shape, size: Param, stride: Param, storage_offset: Param = 0) -> str:
    import numpy as np

    _as_strided(x, size, stride, storage_offset)
    sizes, strides = numbers("size", size), numbers("stride", stride)
    start = count_of("storage_offset", storage_offset or 0)
    countable(sizes)
    places = start + sum((k * step for k, step in zip(np.indices(sizes), strides, strict=True)), np.zeros(sizes, int))
    if len(np.unique(places)) < places.size:
        raise ValueError("these strides meet an element twice")
    return _in_its_place(x, src, "src", places)


# fmt: off
ROWS: tuple[Composite, ...] = (
    # --- parts ---
    Composite("chunk", ("x",), ("chunks", "dim"), _chunk, ("chunk(v, 2)[0]", "chunk(a, 3, dim=1)[-1]", "c.chunk(2, 1)[1]"), results=("chunks*",), summary="the tensor cut into so many chunks along dim"),
    Composite("split", ("x",), ("split_size_or_sections", "dim"), _split, ("split(v, 2)[1]", "a.split([1, 2], dim=1)[1]"), results=("parts*",), summary="parts of one size along dim, or of the sizes given"),
    Composite("split_with_sizes", ("x",), ("split_sizes", "dim"), _split_with_sizes, ("split_with_sizes(a, (2, 1), 1)[0]",), results=("parts*",), torch=lambda m, x, split_sizes, dim=0: m.split_with_sizes(x, split_sizes, dim), summary="parts of the sizes given along dim"),
    Composite("unsafe_chunk", ("x",), ("chunks", "dim"), _chunk, ("unsafe_chunk(a, 2, 1)[1]",), results=("chunks*",), summary="the tensor cut into so many chunks along dim, which may be written to"),
    Composite("unsafe_split", ("x",), ("split_size", "dim"), _unsafe_split, ("unsafe_split(a, 2, 1)[0]",), results=("parts*",), summary="parts of one size along dim, which may be written to"),
    Composite("tensor_split", ("x",), ("indices_or_sections", "dim"), _tensor_split, ("tensor_split(b, 3, dim=1)[0]", "tensor_split(v, (1, 2))[1]"), results=("parts*",), torch=lambda m, x, indices_or_sections, dim=0: m.tensor_split(x, indices_or_sections, dim=dim), summary="so many parts along dim, or parts between indices"),
    Composite("hsplit", ("x",), ("indices_or_sections",), _split_along(1, "hsplit"), ("hsplit(b, 2)[1]",), results=("parts*",), torch=lambda m, x, indices_or_sections: m.hsplit(x, indices_or_sections), summary="parts along the columns"),
    Composite("vsplit", ("x",), ("indices_or_sections",), _split_along(0, "vsplit"), ("vsplit(b, (1, 2))[1]",), results=("parts*",), torch=lambda m, x, indices_or_sections: m.vsplit(x, indices_or_sections), summary="parts along the rows"),
    Composite("dsplit", ("x",), ("indices_or_sections",), _split_along(2, "dsplit"), ("dsplit(unsqueeze(a, 0), (2,))[0]",), results=("parts*",), torch=lambda m, x, indices_or_sections: m.dsplit(x, indices_or_sections), summary="parts along the third dim"),
    Composite("unbind", ("x",), ("dim",), _unbind, ("unbind(a)[1]", "unbind(c, -1)[0]"), results=("slices*",), summary="the slices along dim"),
    Composite("narrow", ("x",), ("dim", "start", "length"), _narrow, ("narrow(b, 1, 1, 1)",), summary="so many slices along dim from a start on"),
    Composite("select", ("x",), ("dim", "index"), _select, ("select(a, 1, -1)",), summary="one slice along dim"),
    Composite("unfold", ("x",), ("dimension", "size", "step"), _unfold, ("b.unfold(1, 2, 1)", "v.unfold(0, 2, 1)"), torch=lambda m, x, dimension, size, step: x.unfold(dimension, size, step), summary="windows along a dim, each in a last dim of its own"),
    Composite("as_strided", ("x",), ("size", "stride", "storage_offset"), _as_strided, ("as_strided(b, (2, 2), (1, 1), 1)",), torch=lambda m, x, size, stride, storage_offset=0: m.as_strided(x.contiguous().clone(), size, stride, storage_offset), summary="the elements in row-major order at places that strides count off"),

    # --- another tensor in some places ---
    Composite("as_strided_scatter", ("x", "src"), ("size", "stride", "storage_offset"), _as_strided_scatter, ("as_strided_scatter(expand(0.5, (3, 4)), v, (3,), (4,), 1)",), torch=lambda m, x, src, size, stride, storage_offset=0: m.as_strided_scatter(x.contiguous().clone(), src, size, stride, storage_offset), summary="x with src at the places that strides count off in row-major order"),
    Composite("diagonal_scatter", ("x", "src"), ("offset", "dim1", "dim2"), _diagonal_scatter, ("diagonal_scatter(a, v[:2])",), summary="x with src on a diagonal"),
    Composite("select_scatter", ("x", "src"), ("dim", "index"), _select_scatter, ("select_scatter(a, u, 1, -1)",), summary="x with src in one slice along dim"),
    Composite("slice_scatter", ("x", "src"), ("dim", "start", "end", "step"), _slice_scatter, ("slice_scatter(b, b[:, :1], 1, 0, None, 4)",), summary="x with src in the slices of a range along dim"),
)
# fmt: on
