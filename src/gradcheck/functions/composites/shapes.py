"""Functions that move elements and compute nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import combinations, combinations_with_replacement, pairwise
from math import comb, prod
from typing import Any

from gradcheck.functions.composites.indexing import MAX_PICKED, countable, counted, moved, picked, whole
from gradcheck.functions.params import axes, axis, broadcast, expanded, order, reshaped, shape_text
from gradcheck.functions.rows import Composite
from gradcheck.program import Param, Shape


def _swap(x: Shape, dim0: Param, dim1: Param) -> str:
    a, b = axis(dim0, len(x)), axis(dim1, len(x))
    if not x:
        return "x"
    dims = list(range(len(x)))
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


# --- the same elements in another shape -----------------------------------------------------------


def _as(x: Shape, other: Shape) -> str:
    return f"reshape(x, {reshaped(other, x)})"


def _movedim(x: Shape, source: Param, destination: Param) -> str:
    first, last = ((one if isinstance(one, tuple) else (one,)) for one in (source, destination))
    if len(first) != len(last) or isinstance(source, tuple) != isinstance(destination, tuple):
        raise ValueError("source and destination name as many dims, in lists or not")
    places = dict(zip(axes(last, len(x)) if last else (), axes(first, len(x)) if first else (), strict=True))
    rest = iter(one for one in range(len(x)) if one not in places.values())
    return f"permute(x, {tuple(places[k] if k in places else next(rest) for k in range(len(x)))})" if x else "x"


def _unflatten(x: Shape, dim: Param, sizes: Param) -> str:
    if not x:
        raise ValueError("a scalar has no dim to unflatten")
    at = axis(dim, len(x))
    return f"reshape(x, {(*x[:at], *reshaped(sizes, (x[at],)), *x[at + 1 :])})"


def _at_least(rank: int) -> Callable[[Shape], str]:
    def definition(x: Shape) -> str:
        return f"reshape(x, {_wide(x, rank)})"

    return definition


def _wide(x: Shape, rank: int) -> Shape:
    """Return a shape of so many dims, as atleast_1d to atleast_3d fill it up."""
    if len(x) >= rank:
        return x
    return (1,) * rank if not x else (1, *x) if rank == 2 else (*((1, *x) if len(x) == 1 else x), 1)


def _last_two_swapped_and_conjugated(x: Shape) -> str:
    if len(x) < 2:
        raise ValueError("mH needs a matrix; a vector has no last two dimensions")
    return _swap(x, -2, -1)


def _adjoint(x: Shape) -> str:
    if len(x) not in (0, 2):
        raise ValueError(f"H needs a matrix, and this tensor has {len(x)} dimensions; write .mH for a batch")
    return _all_reversed(x)


# --- parts ----------------------------------------------------------------------------------------


def _count_of(name: str, value: Param, low: int = 0) -> int:
    [found] = _numbers(name, (value,))
    if found < low:
        raise ValueError(f"{name} is a whole number from {low}")
    return found


def _numbers(name: str, value: Param) -> tuple[int, ...]:
    items = value if isinstance(value, tuple) else (value,)
    found = tuple(one for one in items if isinstance(one, int) and not isinstance(one, bool))
    if len(found) < len(items):
        raise ValueError(f"{name} is a whole number" if len(items) == 1 else f"{name} are whole numbers")
    if any(abs(one) >= 2**31 for one in found):
        raise ValueError(f"{name} is out of range")
    return found


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
    return _part(x, at, _pieces(x[at], -(-x[at] // _count_of("chunks", chunks, 1))), result)


def _sections(x: Shape, sizes: Param, dim: Param = 0, result: Param = 0) -> str:
    at, found = _dim_of(x, dim), _numbers("split_sizes", sizes)
    if sum(found) != x[at] or any(one < 0 for one in found):
        raise ValueError(f"the sizes {found} do not add up to {x[at]}")
    return _part(x, at, [sum(found[:k]) for k in range(len(found) + 1)], result)


def _split_with_sizes(x: Shape, split_sizes: Param, dim: Param = 0, result: Param = 0) -> str:
    return _sections(x, split_sizes, dim, result)


def _split(x: Shape, split_size_or_sections: Param, dim: Param = 0, result: Param = 0) -> str:
    if isinstance(split_size_or_sections, tuple):
        return _sections(x, split_size_or_sections, dim, result)
    at = _dim_of(x, dim)
    return _part(x, at, _pieces(x[at], _count_of("a split size", split_size_or_sections, 1)), result)


def _unsafe_split(x: Shape, split_size: Param, dim: Param = 0, result: Param = 0) -> str:
    return _split(x, _count_of("split_size", split_size, 1), dim, result)


def _tensor_split(x: Shape, indices_or_sections: Param, dim: Param = 0, result: Param = 0) -> str:
    at = _dim_of(x, dim)
    if isinstance(indices_or_sections, tuple):
        at_each = [slice(one).indices(x[at])[1] for one in _numbers("indices_or_sections", indices_or_sections)]
        ends = [0, *at_each, x[at]]
        return _part(x, at, ends, result)
    count = _count_of("indices_or_sections", indices_or_sections, 1)
    small, more = divmod(x[at], count)
    first = _chosen(count, result)
    start, end = (k * small + min(k, more) for k in (first, first + 1))
    return _slice(at, start, end)


def _split_along(dim: int, name: str) -> Callable[..., str]:
    """Return hsplit, vsplit or dsplit: equal parts along a dim, or parts between indices."""

    def definition(x: Shape, indices_or_sections: Param, result: Param = 0) -> str:
        if len(x) < (least := {"hsplit": 1, "vsplit": 2, "dsplit": 3}[name]):
            raise ValueError(f"{name} needs at least {least} dimensions, and this tensor has {len(x)}")
        at = 0 if len(x) == 1 else dim
        if not isinstance(indices_or_sections, tuple) and x[at] % _count_of("sections", indices_or_sections, 1):
            raise ValueError(f"{name} needs equal parts, and {x[at]} elements do not make {indices_or_sections}")
        return _tensor_split(x, indices_or_sections, at, result)

    return definition


def _unbind(x: Shape, dim: Param = 0, result: Param = 0) -> str:
    at = _dim_of(x, dim)
    if not isinstance(result, int) or not -x[at] <= result < x[at]:
        raise ValueError(f"there are {x[at]} slices along this dim, and no number {result}")
    return f"x[{':, ' * at}{result}]"


def _narrow(x: Shape, dim: Param, start: Param, length: Param) -> str:
    at, size = _dim_of(x, dim), _count_of("length", length)
    [first] = _numbers("start", (start,))
    begin = first + x[at] if first < 0 else first
    if begin < 0 or begin + size > x[at]:
        raise ValueError(f"start {first} and length {size} leave the {x[at]} elements along this dim")
    return _slice(at, begin, begin + size)


def _select(x: Shape, dim: Param, index: Param) -> str:
    at = _dim_of(x, dim)
    [found] = _numbers("index", (index,))
    return f"x[{':, ' * at}{found}]"


def _unfold(x: Shape, dimension: Param, size: Param, step: Param) -> str:
    at, length, apart = axis(dimension, len(x)), _count_of("size", size), _count_of("step", step, 1)
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

    sizes, strides = _numbers("size", size), _numbers("stride", stride)
    if len(sizes) != len(strides) or any(one < 0 for one in (*sizes, *strides)):
        raise ValueError("size and stride have one number for each dim, and none is negative")
    start = _count_of("storage_offset", storage_offset or 0)
    countable(sizes)
    places = start + sum((k * step for k, step in zip(np.indices(sizes), strides, strict=True)), np.zeros(sizes, int))
    if places.size and places.max() >= prod(x):
        raise ValueError(f"these strides reach element {places.max()} of {prod(x)}")
    return picked("x", x, places)


# --- diagonals and triangles ----------------------------------------------------------------------


def _planes(x: Shape, dim1: Param, dim2: Param) -> tuple[int, int]:
    if len(x) < 2:
        raise ValueError(f"a diagonal needs two dims, and this tensor has {len(x)}")
    first, second = axis(dim1, len(x)), axis(dim2, len(x))
    if first == second:
        raise ValueError("a diagonal needs two different dims")
    return first, second


def _offset(offset: Param) -> int:
    [found] = _numbers("the diagonal", (offset,))
    return found


def _diagonal(x: Shape, offset: Param = 0, dim1: Param = 0, dim2: Param = 1) -> str:
    first, second = _planes(x, dim1, dim2)
    return moved(x, lambda np, places: np.diagonal(places, _offset(offset), first, second))


def _linalg_diagonal(x: Shape, offset: Param = 0, dim1: Param = -2, dim2: Param = -1) -> str:
    first, second = _planes(x, dim1, dim2)
    return moved(x, lambda np, places: np.diagonal(places, _offset(offset), first, second))


def _embedded(np: Any, places: Any, offset: int, dim1: int, dim2: int) -> Any:
    """Return a last dim on a diagonal of two dims, with nothing around it."""
    size = places.shape[-1] + abs(offset)
    countable((*places.shape[:-1], size, size))
    made = np.full((*places.shape[:-1], size, size), -1)
    along = np.arange(places.shape[-1])
    made[..., along + max(-offset, 0), along + max(offset, 0)] = places
    return np.moveaxis(made, (-2, -1), (dim1, dim2))


def _diag_embed(x: Shape, offset: Param = 0, dim1: Param = -2, dim2: Param = -1) -> str:
    if not x:
        raise ValueError("a scalar has no dim to lie on a diagonal")
    first, second = axis(dim1, len(x) + 1), axis(dim2, len(x) + 1)
    if first == second:
        raise ValueError("a diagonal needs two different dims")
    return moved(x, lambda np, places: _embedded(np, places, _offset(offset), first, second))


def _diagflat(x: Shape, offset: Param = 0) -> str:
    return moved(x, lambda np, places: _embedded(np, places.reshape(-1), _offset(offset), 0, 1))


def _diag(x: Shape, diagonal: Param = 0) -> str:
    if len(x) not in (1, 2):
        raise ValueError(f"diag takes a vector or a matrix, and this tensor has {len(x)} dimensions")
    return _diagflat(x, diagonal) if len(x) == 1 else _diagonal(x, diagonal)


def _triangle(lower: bool) -> Callable[..., str]:
    def definition(x: Shape, diagonal: Param = 0) -> str:
        if len(x) < 2:
            raise ValueError(f"a triangle needs a matrix, and this tensor has {len(x)} dimensions")

        def kept(np: Any, places: Any) -> Any:
            row, column = np.indices(x[-2:])
            inside = column - row <= _offset(diagonal) if lower else column - row >= _offset(diagonal)
            return np.where(inside, places, -1)

        return moved(x, kept)

    return definition


def _trace(x: Shape) -> str:
    if len(x) != 2:
        raise ValueError(f"trace takes a matrix, and this tensor has {len(x)} dimensions")
    return f"sum({_diagonal(x)})"


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

    first, second = _planes(x, dim1, dim2)
    return _in_its_place(x, src, "src", np.diagonal(counted(x), _offset(offset), first, second))


def _select_scatter(x: Shape, src: Shape, dim: Param, index: Param) -> str:
    at = _dim_of(x, dim)
    [found] = _numbers("index", (index,))
    if not -x[at] <= found < x[at]:
        raise ValueError(f"index {found} leaves the {x[at]} elements along this dim")
    return _in_its_place(x, src, "src", counted(x).take(found, axis=at))


def _slice_scatter(
    x: Shape, src: Shape, dim: Param = 0, start: Param = None, end: Param = None, step: Param = 1
) -> str:
    at, apart = _dim_of(x, dim), _count_of("step", step, 1)
    first, last = (None if one is None else _offset(one) for one in (start, end))
    taken = range(x[at])[slice(first, last, apart)]
    return _in_its_place(x, src, "src", counted(x).take(taken, axis=at))


def _as_strided_scatter(x: Shape, src: Shape, size: Param, stride: Param, storage_offset: Param = 0) -> str:
    import numpy as np

    _as_strided(x, size, stride, storage_offset)
    sizes, strides = _numbers("size", size), _numbers("stride", stride)
    start = _count_of("storage_offset", storage_offset or 0)
    countable(sizes)
    places = start + sum((k * step for k, step in zip(np.indices(sizes), strides, strict=True)), np.zeros(sizes, int))
    if len(np.unique(places)) < places.size:
        raise ValueError("these strides meet an element twice")
    return _in_its_place(x, src, "src", places)


# --- copies ---------------------------------------------------------------------------------------


def _roll(x: Shape, shifts: Param, dims: Param = None) -> str:
    steps = _numbers("shifts", shifts)
    if dims is None or dims == ():
        if len(steps) != 1:
            raise ValueError("shifts needs as many dims")
        return moved(x, lambda np, places: np.roll(places, steps[0]))
    over = tuple(axis(one, len(x)) for one in _numbers("dims", dims))
    if len(over) != len(steps):
        raise ValueError("shifts needs as many dims")
    return moved(x, lambda np, places: np.roll(places, steps, over)) if x else "x"


def _rot90(x: Shape, k: Param = 1, dims: Param = (0, 1)) -> str:
    turns, over = _offset(k), axes(_numbers("dims", dims), len(x))
    if len(x) < 2 or len(over) != 2:
        raise ValueError("rot90 turns a plane of two dims")
    swapped = _swap(x, *over)
    turned = {0: "x", 1: f"flip({swapped}, ({over[0]},))", 2: f"flip(x, {over})", 3: f"flip({swapped}, ({over[1]},))"}
    return turned[turns % 4]


def _repeat(x: Shape, repeats: Param) -> str:
    times = _numbers("repeats", repeats)
    if len(times) < len(x):
        raise ValueError(f"repeats has {len(times)} numbers, and the tensor {len(x)} dimensions")
    if any(one < 0 for one in times):
        raise ValueError("repeats are whole numbers from 0")
    wide = (1,) * (len(times) - len(x)) + x
    apart = tuple(size for one in wide for size in (1, one))
    full = tuple(size for pair in zip(times, wide, strict=True) for size in pair)
    shape = tuple(some * size for some, size in zip(times, wide, strict=True))
    return f"reshape(expand(reshape(x, {apart}), {full}), {shape})"


def _tile(x: Shape, dims: Param) -> str:
    times = _numbers("dims", dims)
    return _repeat(x, (1,) * (len(x) - len(times)) + times)


def _repeat_interleave(x: Shape, repeats: Param, dim: Param = None) -> str:
    flat, at = (f"reshape(x, ({prod(x)},))", 0) if dim is None or not x else ("x", axis(dim, len(x)))
    size = prod(x) if dim is None or not x else x[at]
    times = _numbers("repeats", repeats)
    if len(times) not in (1, size) or any(one < 0 for one in times):
        raise ValueError(f"repeats is one whole number, or one for each of the {size} elements along this dim")
    times = times * (size if len(times) == 1 else 1)
    countable((sum(times),))
    return f"{flat}[{':, ' * at}{[k for k, some in enumerate(times) for _ in range(some)]}]"


def _flipped(dim: int, name: str) -> Callable[[Shape], str]:
    def definition(x: Shape) -> str:
        if len(x) <= dim:
            raise ValueError(f"{name} needs at least {dim + 1} dimensions, and this tensor has {len(x)}")
        return f"flip(x, ({dim},))"

    return definition


def _expand_as(x: Shape, other: Shape) -> str:
    return f"expand(x, {expanded(other, x)})"


def _sum_to_size(x: Shape, size: Param) -> str:
    sizes = _numbers("size", size)
    lead = len(x) - len(sizes)
    if lead < 0 or any(want not in (1, have) for have, want in zip(x[lead:], sizes, strict=True)):
        raise ValueError(f"cannot sum {shape_text(x)} to {shape_text(sizes)}")
    over = tuple(k for k in range(len(x)) if k < lead or sizes[k - lead] != x[k])
    return f"reshape(sum(x, dim={over}), {sizes})" if over else "x"


def _fill(x: Shape, value: Shape) -> str:
    if value:
        raise ValueError(f"value is one number, and this has the shape {shape_text(value)}")
    return f"expand(value, {x})"


def _nan_to_num(x: Shape, nan: Param = 0, posinf: Param = None, neginf: Param = None) -> str:  # noqa: ARG001
    """Return x itself but at infinities, which have no slope; where no number is given it is the largest of the dtype.

    Infinity stands for that one here: it is no further from it than the format can tell.
    """
    if any(isinstance(one, tuple | str) for one in (nan, posinf, neginf)):
        raise ValueError("nan_to_num puts numbers in the place of what is none")
    high, low = ("detach(x)" if one is None else f"({one})" for one in (posinf, neginf))
    return f"where(x == inf, {high}, where(x == -inf, {low}, x))"


# --- several tensors ------------------------------------------------------------------------------


def _joined(dim: int, rank: int, name: str) -> Callable[..., str]:
    """Return hstack and its like: tensors of so many dims at least, joined along a dim."""

    def definition(*x: Shape) -> str:
        wide = [_column(one) if name == "column_stack" else _wide(one, rank) for one in x]
        at = 0 if name == "hstack" and len(wide[0]) == 1 else dim
        parts = ", ".join(f"reshape(x_{k}, {shape})" for k, shape in enumerate(wide))
        return f"cat([{parts}], dim={at})"

    return definition


def _column(x: Shape) -> Shape:
    return (prod(x), 1) if len(x) < 2 else x


def _block_diag(*x: Shape) -> str:
    if any(len(one) > 2 for one in x):
        raise ValueError("block_diag takes matrices, vectors and scalars")
    wide = [_wide(one, 2) for one in x]
    columns = sum(one[1] for one in wide)
    rows, start = [], 0
    for k, (height, width) in enumerate(wide):
        zeros = (f"expand(0, {(height, size)})" if size else "" for size in (start, columns - start - width))
        before, after = zeros
        rows.append(f"cat([{', '.join(filter(None, (before, f'reshape(x_{k}, {(height, width)})', after)))}], dim=1)")
        start += width
    return f"cat([{', '.join(rows)}])"


def _chosen(count: int, result: Param) -> int:
    if not isinstance(result, int) or not -count <= result < count:
        raise ValueError(f"there are {count} results, and no number {result}")
    return result % count


def _broadcast_tensors(*x: Shape, result: Param = 0) -> str:
    return f"expand(x_{_chosen(len(x), result)}, {broadcast(*x)})"


def _vectors(name: str, x: tuple[Shape, ...]) -> tuple[int, ...]:
    if any(len(one) > 1 for one in x):
        raise ValueError(f"{name} takes vectors")
    return tuple(map(prod, x))


def _meshgrid(*x: Shape, indexing: Param = "ij", result: Param = 0) -> str:
    sizes, at = _vectors("meshgrid", x), _chosen(len(x), result)
    made = f"expand(reshape(x_{at}, {tuple(size if k == at else 1 for k, size in enumerate(sizes))}), {sizes})"
    return f"permute({made}, {(1, 0, *range(2, len(x)))})" if indexing == "xy" and len(x) > 1 else made


def _cartesian_prod(*x: Shape) -> str:
    sizes = _vectors("cartesian_prod", x)
    if any(len(one) != 1 for one in x):
        raise ValueError("cartesian_prod takes vectors")
    if len(x) == 1:
        return "x_0"
    parts = [f"reshape({_meshgrid(*x, result=k)}, {(prod(sizes), 1)})" for k in range(len(x))]
    return f"cat([{', '.join(parts)}], dim=1)"


def _combinations(x: Shape, r: Param = 2, with_replacement: Param = False) -> str:
    if len(x) != 1:
        raise ValueError(f"combinations takes a vector, and this tensor has {len(x)} dimensions")
    choose = combinations_with_replacement if with_replacement else combinations
    count = _count_of("r", r, 1)
    countable((comb(x[0] + count - 1 if with_replacement else x[0], count), count) if count < MAX_PICKED else (count,))
    found = whole("places", tuple(choose(range(x[0]), count)))
    if not found.size:
        raise ValueError(f"the choice of {r} among {x[0]} elements is empty")
    return picked("x", x, found)


def _copy(name: str, of: str, **changes: Any) -> Composite:
    """Return the row of a function that copies what another one only views: it is one of torch's own."""
    row = next(one for one in _MOVING if one.name == of)
    samples = tuple(text.replace(f"{of}(", f"{name}(") for text in row.samples[:1])
    new = {"samples": samples, "torch": None, "summary": f"a copy of what {of} returns", **changes}
    return replace(row, name=name, **new)


# fmt: off
_MOVING: tuple[Composite, ...] = (
    Composite("transpose", ("x",), ("dim0", "dim1"), _swap, ("transpose(a, 0, 1)", "transpose(c, 0, -1)"), summary="two axes swapped"),
    Composite("T",  ("x",), (), _all_reversed, ("a.T", "a.T @ a"), torch=lambda m, x: x.T, summary="the axes in reverse order"),
    Composite("mT", ("x",), (), _last_two_swapped, ("a.mT", "c.mT"), torch=lambda m, x: x.mT, summary="the last two axes swapped"),
    Composite("t",  ("x",), (), _transposed, ("t(a)", "v.t()"), summary="the transpose of a matrix"),
    Composite("flatten", ("x",), ("start_dim", "end_dim"), _flatten, ("flatten(a)", "flatten(c, 1)"), summary="dims joined into one"),
    Composite("squeeze", ("x",), ("dim",), _squeeze, ("squeeze(a[:, :1])", "squeeze(a[:1], 0)"), summary="without the axes of size 1"),
    Composite("unsqueeze", ("x",), ("dim",), _unsqueeze, ("unsqueeze(v, 0)", "unsqueeze(a, -1)"), summary="with a new axis of size 1"),
    Composite("chunk", ("x",), ("chunks", "dim"), _chunk, ("chunk(v, 2)[0]", "chunk(a, 3, dim=1)[-1]", "c.chunk(2, 1)[1]"), results=("chunks*",), summary="the tensor cut into so many chunks along dim"),
    Composite("stack", ("x",), ("dim",), _stack, ("stack([v, v])", "stack([a, a], dim=1)"), torch=lambda m, *x, dim=0: m.stack(x, dim=dim), summary="tensors joined along a new dim"),

    # --- the same elements ---
    Composite("clone", ("x",), (), "x", ("clone(v)*v",), summary="a copy of x"),
    Composite("contiguous", ("x",), (), "x", ("a.T.contiguous()*b[:, :2]",), torch=lambda m, x: x.contiguous(), summary="x as it lies in memory in row-major order"),
    Composite("positive", ("x",), (), "x", ("positive(v)*v",), summary="x itself"),
    Composite("real", ("x",), (), "x", ("real(v)*v",), summary="the real part of x, which is x"),
    Composite("conj", ("x",), (), "x", ("conj(v)*v",), summary="the complex conjugate of x, which is x"),
    Composite("conj_physical", ("x",), (), "x", ("conj_physical(v)*v",), summary="the complex conjugate of x, computed at once"),
    Composite("resolve_conj", ("x",), (), "x", ("resolve_conj(v)*v",), summary="x with a pending conjugation carried out"),
    Composite("resolve_neg", ("x",), (), "x", ("resolve_neg(v)*v",), summary="x with a pending change of sign carried out"),
    Composite("fill", ("x", "value"), (), _fill, ("fill(a, s)",), summary="one value in the shape of x"),
    Composite("nan_to_num", ("x",), ("nan", "posinf", "neginf"), _nan_to_num, ("nan_to_num(v)", "nan_to_num(v, 0, 10, -10)"), summary="x with numbers in the place of infinities"),

    # --- shapes ---
    Composite("H",  ("x",), (), _adjoint, ("a.H", "a.H @ a"), torch=lambda m, x: x.H, summary="the conjugate transpose of a matrix"),
    Composite("mH", ("x",), (), _last_two_swapped_and_conjugated, ("c.mH",), torch=lambda m, x: x.mH, summary="the last two axes swapped, conjugated"),
    Composite("ravel", ("x",), (), lambda x: f"reshape(x, ({prod(x)},))", ("ravel(a)",), summary="all elements in a row"),
    Composite("reshape_as", ("x", "other"), (), _as, ("reshape_as(a, a.T)",), fixed=("other",), torch=lambda m, x, other: x.reshape_as(other), summary="the same elements in the shape of another tensor"),
    Composite("view_as", ("x", "other"), (), _as, ("view_as(a, a.T)",), fixed=("other",), torch=lambda m, x, other: x.view_as(other), summary="the same elements in the shape of another tensor, without a copy"),
    Composite("expand_as", ("x", "other"), (), _expand_as, ("expand_as(v, a)",), fixed=("other",), torch=lambda m, x, other: x.expand_as(other), summary="x broadcast to the shape of another tensor"),
    Composite("movedim", ("x",), ("source", "destination"), _movedim, ("movedim(c, 0, -1)", "movedim(c, (0, 1), (2, 0))"), summary="axes in other places"),
    Composite("unflatten", ("x",), ("dim", "sizes"), _unflatten, ("unflatten(b, 1, (2, -1))",), summary="a dim cut into several"),
    Composite("atleast_1d", ("x",), (), _at_least(1), ("atleast_1d(s)",), summary="with one dim at least"),
    Composite("atleast_2d", ("x",), (), _at_least(2), ("atleast_2d(v)",), summary="with two dims at least, the new ones in front"),
    Composite("atleast_3d", ("x",), (), _at_least(3), ("atleast_3d(v)", "atleast_3d(a)"), summary="with three dims at least"),
    Composite("fliplr", ("x",), (), _flipped(1, "fliplr"), ("fliplr(a)",), summary="columns in reverse order"),
    Composite("flipud", ("x",), (), _flipped(0, "flipud"), ("flipud(a)",), summary="rows in reverse order"),
    Composite("roll", ("x",), ("shifts", "dims"), _roll, ("roll(a, 1)", "roll(a, (1, -2), (0, 1))"), summary="elements moved along dims, and from the end to the front"),
    Composite("rot90", ("x",), ("k", "dims"), _rot90, ("rot90(a)", "rot90(c, -1, (1, 2))"), summary="a plane turned by 90 degrees, k times"),

    # --- parts ---
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
    Composite("as_strided_scatter", ("x", "src"), ("size", "stride", "storage_offset"), _as_strided_scatter, ("as_strided_scatter(expand(0.5, (3, 4)), v, (3,), (4,), 1)",), torch=lambda m, x, src, size, stride, storage_offset=0: m.as_strided_scatter(x.contiguous().clone(), src, size, stride, storage_offset), summary="x with src at the places that strides count off in row-major order"),
    Composite("diagonal_scatter", ("x", "src"), ("offset", "dim1", "dim2"), _diagonal_scatter, ("diagonal_scatter(a, v[:2])",), summary="x with src on a diagonal"),
    Composite("select_scatter", ("x", "src"), ("dim", "index"), _select_scatter, ("select_scatter(a, u, 1, -1)",), summary="x with src in one slice along dim"),
    Composite("slice_scatter", ("x", "src"), ("dim", "start", "end", "step"), _slice_scatter, ("slice_scatter(b, b[:, :1], 1, 0, None, 4)",), summary="x with src in the slices of a range along dim"),

    # --- diagonals and triangles ---
    Composite("diag", ("x",), ("diagonal",), _diag, ("diag(v)", "diag(a, 1)"), summary="a matrix with a vector on its diagonal, or the diagonal of a matrix"),
    Composite("diagonal", ("x",), ("offset", "dim1", "dim2"), _diagonal, ("diagonal(a)", "diagonal(c, 1, 0, 2)"), summary="a diagonal of two dims, in a last dim of its own"),
    Composite("linalg.diagonal", ("x",), ("offset", "dim1", "dim2"), _linalg_diagonal, ("linalg.diagonal(c, offset=1)",), torch=lambda m, x, offset=0, dim1=-2, dim2=-1: m.linalg.diagonal(x, offset=offset, dim1=dim1, dim2=dim2), summary="a diagonal of the last two dims, in a last dim of its own"),
    Composite("diag_embed", ("x",), ("offset", "dim1", "dim2"), _diag_embed, ("diag_embed(a)", "diag_embed(u, 1)"), summary="matrices with the last dim on a diagonal"),
    Composite("diagflat", ("x",), ("offset",), _diagflat, ("diagflat(a, -1)",), summary="a matrix with all elements on a diagonal"),
    Composite("tril", ("x",), ("diagonal",), _triangle(True), ("tril(a)", "tril(c, 1)"), summary="the lower triangle of a matrix, and 0 above"),
    Composite("triu", ("x",), ("diagonal",), _triangle(False), ("triu(a)", "triu(b, -1)"), summary="the upper triangle of a matrix, and 0 below"),
    Composite("trace", ("x",), (), _trace, ("trace(a[:, :2])", "trace(b)"), adds=True, summary="the sum of the diagonal"),

    # --- copies ---
    Composite("repeat", ("x",), ("repeats",), _repeat, ("v.repeat(2, 2)",), torch=lambda m, x, repeats: x.repeat(repeats), summary="copies side by side along every dim"),
    Composite("tile", ("x",), ("dims",), _tile, ("tile(a, (2,))", "tile(v, (2, 1))"), summary="copies side by side along the last dims"),
    Composite("repeat_interleave", ("x",), ("repeats", "dim"), _repeat_interleave, ("repeat_interleave(a, 2)", "repeat_interleave(a, [1, 0, 2], 1)"), indices=("repeats",), summary="every element several times in a row"),
    Composite("sum_to_size", ("x",), ("size",), _sum_to_size, ("sum_to_size(c, (2, 1))",), torch=lambda m, x, size: x.sum_to_size(size), adds=True, summary="sums that undo a broadcast"),

    # --- several tensors ---
    Composite("hstack", ("x",), (), _joined(1, 1, "hstack"), ("hstack([v, u])", "hstack([a, a])"), torch=lambda m, *x: m.hstack(x), summary="tensors joined along their columns"),
    Composite("vstack", ("x",), (), _joined(0, 2, "vstack"), ("vstack([v, a])",), torch=lambda m, *x: m.vstack(x), summary="tensors joined along their rows"),
    Composite("dstack", ("x",), (), _joined(2, 3, "dstack"), ("dstack([a, a])",), torch=lambda m, *x: m.dstack(x), summary="tensors joined along a third dim"),
    Composite("column_stack", ("x",), (), _joined(1, 1, "column_stack"), ("column_stack([u, a])",), torch=lambda m, *x: m.column_stack(x), summary="vectors as columns, and matrices, joined along the columns"),
    Composite("block_diag", ("x",), (), _block_diag, ("block_diag(a, v, s)",), many=True, torch=lambda m, *x: m.block_diag(*x), summary="matrices along the diagonal of one, and 0 elsewhere"),
    Composite("broadcast_tensors", ("x",), (), _broadcast_tensors, ("broadcast_tensors(v, reshape(v, (3, 1)))[0]",), many=True, results=("tensors*",), torch=lambda m, *x: m.broadcast_tensors(*x), summary="tensors broadcast to one shape"),
    Composite("meshgrid", ("x",), ("indexing",), _meshgrid, ("meshgrid(v, v[:2], indexing='ij')[1]", "meshgrid(v, v[:2], indexing='xy')[0]"), many=True, words={"indexing": ("ij", "xy")}, results=("grids*",), torch=lambda m, *x, indexing="ij": m.meshgrid(*x, indexing=indexing), summary="the coordinates of a grid"),
    Composite("cartesian_prod", ("x",), (), _cartesian_prod, ("cartesian_prod(v, u)",), many=True, torch=lambda m, *x: m.cartesian_prod(*x), summary="every choice of one element from each vector"),
    Composite("combinations", ("x",), ("r", "with_replacement"), _combinations, ("combinations(v)", "combinations(u, 3, with_replacement=True)"), summary="every choice of r elements of a vector"),
)
_COPIES: tuple[Composite, ...] = (
    Composite("alias_copy", ("x",), (), "x", ("alias_copy(v)*v",), summary="a copy of x"),
    _copy("as_strided_copy", "as_strided", torch=lambda m, x, size, stride, storage_offset=0: m.as_strided_copy(x.contiguous().clone(), size, stride, storage_offset)),
    _copy("diagonal_copy", "diagonal"),
    _copy("narrow_copy", "narrow"),
    _copy("squeeze_copy", "squeeze", samples=("squeeze_copy(a[:, :1])",)),
    _copy("t_copy", "t"),
    _copy("transpose_copy", "transpose"),
    _copy("unbind_copy", "unbind"),
    _copy("unsqueeze_copy", "unsqueeze"),
    _copy("split_with_sizes_copy", "split_with_sizes"),
    _copy("unfold_copy", "unfold", samples=("unfold_copy(b, 1, 2, 1)",)),
    Composite("expand_copy", ("x",), ("size",), lambda x, size: f"expand(x, {expanded(size, x)})", ("expand_copy(v, (2, 3))",), summary="a copy of what expand returns"),
    Composite("permute_copy", ("x",), ("dims",), lambda x, dims: f"permute(x, {order(dims, len(x))})", ("permute_copy(a, (1, 0))",), summary="a copy of what permute returns"),
    Composite("view_copy", ("x",), ("size",), lambda x, size: f"reshape(x, {reshaped(size, x)})", ("view_copy(a, (-1, 1))",), summary="a copy of what view returns"),
)
ROWS: tuple[Composite, ...] = (*_MOVING, *_COPIES)
# fmt: on
