"""Functions that pick and place elements by index.

The language's own index takes one list. What picks along several axes is written through the flat tensor: its elements
in a row, one list of places, and the shape of the result.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from math import prod
from typing import TYPE_CHECKING, Any

from gradcheck.errors import LimitProblem
from gradcheck.functions.params import axis, broadcast, shape_text
from gradcheck.functions.rows import Composite
from gradcheck.program import Param, Shape

if TYPE_CHECKING:
    import numpy as np

    Places = np.ndarray[Any, np.dtype[np.int64]]
    """Where elements come from, counted in row-major order; -1 is no element, and stands for 0."""

Move = Callable[..., Any]

MAX_PICKED = 50_000
"""Elements that are picked one by one; their places are written out."""


def countable(shape: Shape) -> Shape:
    """Return a shape whose elements may be picked one by one.

    Raises LimitProblem where there are too many.
    """
    if prod(shape) > MAX_PICKED:
        raise LimitProblem(
            f"a tensor of {shape_text(shape)} has {prod(shape):,} elements to pick; the limit (MAX_PICKED) is {MAX_PICKED:,}"
        )
    return shape


# --- picks ----------------------------------------------------------------------------------------


def picked(name: str, shape: Shape, places: Places) -> str:
    """Return the text of a tensor that has at each place the element of ``name`` that is counted there.

    Elements are counted in row-major order; -1 stands for 0, which no element is.

    >>> import numpy as np
    >>> picked("x", (2, 3), np.array([0, 4]))
    'reshape(reshape(x, (6,))[[0, 4]], (2,))'
    >>> picked("x", (2,), np.array([[1, -1]]))
    'reshape(cat([reshape(x, (2,)), expand(0, (1,))])[[1, 2]], (1, 2))'
    """
    countable(places.shape)
    size, flat = prod(shape), f"reshape({name}, ({prod(shape)},))"
    found = places.ravel().tolist()
    if missing := sum(one < 0 for one in found):
        # each has a place of its own, so that nothing repeats, and nothing is added up on the way back, that does not
        spare = iter(range(size, size + missing))
        flat, found = f"cat([{flat}, expand(0, ({missing},))])", [one if one >= 0 else next(spare) for one in found]
    return f"reshape({flat}[{found}], {places.shape})"


def counted(shape: Shape) -> Places:
    """Return the place of every element of a tensor.

    >>> counted((2, 2)).tolist()
    [[0, 1], [2, 3]]
    """
    import numpy as np

    return np.arange(prod(countable(shape))).reshape(shape)


def moved(shape: Shape, move: Move, name: str = "x") -> str:
    """Return the text of what only moves elements, from what it does with NumPy and the place of each.

    >>> moved((3,), lambda np, x: np.roll(x, 1))
    'reshape(reshape(x, (3,))[[2, 0, 1]], (3,))'
    """
    import numpy as np

    return picked(name, shape, move(np, counted(shape)))


def whole(name: str, value: Param, *, truths: bool = False) -> Places:
    """Return whole numbers, or ``truths``, nested in tuples as they are, as an array.

    Raises ValueError where they are none, or the rows differ in length.

    >>> whole("index", ((0, 2), (1, 1))).shape, whole("index", 3).shape
    ((2, 2), ())
    """
    import numpy as np

    def size(one: Param) -> Shape:
        if isinstance(one, int) and (truths or not isinstance(one, bool)):
            return ()
        if not isinstance(one, tuple):
            raise ValueError(f"{name} is made of whole numbers")
        inner = {size(each) for each in one}
        if len(inner) > 1:
            raise ValueError(f"the rows of {name} differ in length")
        return (len(one), *(inner.pop() if inner else ()))

    shape = size(value)
    flat = np.array(value, dtype=object).ravel().tolist()
    if any(abs(one) >= 2**31 for one in flat):
        raise ValueError(f"{name} is out of range")
    return np.array(flat, dtype=np.int64).reshape(shape)


def within(name: str, places: Places, size: int, *, negative: bool = False) -> Places:
    """Return indices from 0, where all of them lie within a size; ``negative`` ones count from the back.

    >>> import numpy as np
    >>> within("index", np.array([0, -1]), 3, negative=True).tolist()
    [0, 2]
    """
    low = -size if negative else 0
    for one in places.ravel().tolist():
        if not low <= one < size:
            raise ValueError(f"{name} holds {one}, and there are {size} elements to choose from")
    return places % size if size else places


def _vector(name: str, index: Param, size: int, *, negative: bool = False) -> Places:
    """Return a list of indices, or a single one, along an axis of a size."""
    found = whole(name, index)
    if found.ndim > 1:
        raise ValueError(f"{name} is a list of whole numbers")
    return within(name, found.reshape(-1), size, negative=negative)


def _along(x: Shape, dim: int, index: Places) -> Places:
    """Return the place of each element that an index of the same number of dims chooses along a dim."""
    import numpy as np

    if max(index.ndim, 1) != max(len(x), 1):
        raise ValueError(f"index has {index.ndim} dimensions, and the tensor has {len(x)}")
    wide = x or (1,)
    index = within("index", index.reshape(index.shape or (1,)), wide[dim])
    for k, (some, all_of) in enumerate(zip(index.shape, wide, strict=True)):
        if k != dim and some > all_of:
            raise ValueError(f"index is larger than the tensor along dim {k}: {some} against {all_of}")
    at = np.indices(index.shape)
    at[dim] = index
    strides = [prod(wide[k + 1 :]) for k in range(len(wide))]
    places: Places = np.tensordot(strides, at, 1)
    return places


def _gather(x: Shape, dim: Param, index: Param) -> str:
    given = whole("index", index)
    return picked("x", x, _along(x, axis(dim, len(x)), given).reshape(given.shape))


def _take_along(x: Shape, indices: Param, dim: Param = None) -> str:
    given = whole("indices", indices)
    if dim is None:
        return picked("x", x, within("indices", given.reshape(-1), prod(x)))
    at = axis(dim, len(x))
    if given.ndim != len(x):
        raise ValueError(f"indices has {given.ndim} dimensions, and the tensor has {len(x)}")
    if not x:
        return "x"
    import numpy as np

    rest = broadcast(*((*shape[:at], 1, *shape[at + 1 :]) for shape in (x, given.shape)))
    given = np.broadcast_to(given, (*rest[:at], given.shape[at], *rest[at + 1 :]))
    full = np.broadcast_to(counted(x), (*rest[:at], x[at], *rest[at + 1 :]))
    # aten/src/ATen/native/TensorAdvancedIndexing.cpp, _take_along_dim_helper: what lies outside comes round again
    return picked("x", x, np.take_along_axis(full, given % x[at], at))


def _take(x: Shape, index: Param) -> str:
    return picked("x", x, within("index", whole("index", index), prod(x), negative=True))


def _index_select(x: Shape, dim: Param, index: Param) -> str:
    at = axis(dim, len(x))
    found = _vector("index", index, (x or (1,))[at]).tolist()
    return f"x[{':, ' * at}{found}]" if x else "x"


def _masked_select(x: Shape, mask: Param) -> str:
    import numpy as np

    truths = whole("mask", mask, truths=True) != 0
    full = broadcast(x, truths.shape)
    places = np.broadcast_to(counted(x), full)[np.broadcast_to(truths, full)]
    if not places.size:
        raise ValueError("the mask selects nothing")
    return picked("x", x, places)


# --- places ---------------------------------------------------------------------------------------


def _one(shape: Shape, name: str) -> None:
    if shape:
        raise ValueError(f"{name} is one number, and this has the shape {shape_text(shape)}")


def _masked_fill(x: Shape, mask: Shape, value: Shape) -> str:  # noqa: ARG001 - torch itself refuses shapes
    """Return a choice: not as plain text, since torch takes one value alone, and no stack of them."""
    return "where(mask, value, x)"


def _masked_scatter(x: Shape, source: Shape, mask: Param) -> str:
    import numpy as np

    truths = whole("mask", mask, truths=True) != 0
    full = broadcast(x, truths.shape)
    truths = np.broadcast_to(truths, full)
    if int(truths.sum()) > prod(source):
        raise ValueError(f"the mask takes {int(truths.sum())} elements, and source has {prod(source)}")
    places = np.broadcast_to(counted(x), full).copy()
    places[truths] = prod(x) + np.arange(int(truths.sum()))
    return _replaced(x, source, "source", places)


def _replaced(x: Shape, source: Shape, name: str, places: Places) -> str:
    """Return the text of x with elements of another tensor in some places: these are counted behind those of x."""
    both = f"cat([reshape(x, ({prod(x)},)), reshape({name}, ({prod(source)},))])"
    return f"reshape({both}[{places.ravel().tolist()}], {places.shape})"


def _put_in(x: Shape, targets: Places, sources: Places) -> Places:
    """Return the places of x with those of sources put in; torch leaves open which of several that meet one is taken."""
    import numpy as np

    flat = targets.ravel()
    if len(np.unique(flat)) < flat.size:
        raise ValueError("an index appears twice: torch leaves open which of the values is taken")
    places = counted(x).ravel()
    places[flat] = prod(x) + sources.ravel()
    return places.reshape(x)


def _added(x: Shape, source: Shape, name: str, targets: Places, sources: Places) -> str:
    """Return the text of x with elements of another tensor added: one after the other, wherever they meet."""
    given = f"reshape({name}, ({prod(source)},))"
    if sources.ravel().tolist() != list(range(prod(source))):
        given += f"[{sources.ravel().tolist()}]"
    key = (tuple(range(prod(x))) + tuple(targets.ravel().tolist()),)
    return f"reshape(add_at(cat([reshape(x, ({prod(x)},)), {given}]), key={key}, shape=({prod(x)},)), {x})"


def _scattered(x: Shape, src: Shape, dim: Param, index: Param) -> tuple[Places, Places]:
    """Return which places of x and of a source meet, in scatter and its like."""
    given = whole("index", index)
    targets, wide = _along(x, axis(dim, len(x)), given), src or (1,)
    if len(wide) != targets.ndim:
        raise ValueError(f"index has {given.ndim} dimensions, and src has {len(src)}")
    if any(some > all_of for some, all_of in zip(targets.shape, wide, strict=True)):
        raise ValueError(f"index is larger than src: {shape_text(given.shape)} against {shape_text(src)}")
    return targets, counted(wide)[tuple(map(slice, targets.shape))]


def _scatter(x: Shape, src: Shape, dim: Param, index: Param) -> str:
    import numpy as np

    if not src and x:  # one number for all places, which may meet
        targets = _along(x, axis(dim, len(x)), whole("index", index))
        return _replaced(x, src, "src", _put_in(x, np.unique(targets), np.zeros_like(np.unique(targets))))
    return _replaced(x, src, "src", _put_in(x, *_scattered(x, src, dim, index)))


def _scatter_add(x: Shape, src: Shape, dim: Param, index: Param) -> str:
    return _added(x, src, "src", *_scattered(x, src, dim, index))


def _crossed(x: Shape, source: Shape, dim: Param, index: Param) -> tuple[Places, Places]:
    """Return which places of x and of a source meet, in index_add and its like: slices along a dim."""
    import numpy as np

    at, wide = axis(dim, len(x)), x or (1,)
    found = _vector("index", index, wide[at])
    if (source or (1,)) != (*wide[:at], len(found), *wide[at + 1 :]):
        shown = shape_text((*wide[:at], len(found), *wide[at + 1 :]))
        raise ValueError(f"source has the shape {shape_text(source)}, and with this index {shown} is needed")
    return np.take(counted(wide), found, axis=at), counted(source)


def _index_add(x: Shape, source: Shape, dim: Param, index: Param, alpha: Param = 1) -> str:
    scaled = "source" if alpha == 1 else f"({alpha})*source"
    return _added(x, source, scaled, *_crossed(x, source, dim, index))


def _index_copy(x: Shape, source: Shape, dim: Param, index: Param) -> str:
    return _replaced(x, source, "source", _put_in(x, *_crossed(x, source, dim, index)))


def _index_fill(x: Shape, value: Shape, dim: Param, index: Param) -> str:
    import numpy as np

    _one(value, "value")
    at, wide = axis(dim, len(x)), x or (1,)
    places = counted(wide).copy()
    places[(slice(None),) * at + (np.unique(_vector("index", index, wide[at], negative=True)),)] = prod(x)
    return _replaced(x, (), "value", places.reshape(x))


def _put(x: Shape, source: Shape, index: Param, accumulate: Param = False) -> str:
    targets = within("index", whole("index", index), prod(x), negative=True)
    if targets.size != prod(source):
        raise ValueError(f"index has {targets.size} elements, and source has {prod(source)}")
    if accumulate:
        return _added(x, source, "source", targets, counted(source))
    return _replaced(x, source, "source", _put_in(x, targets, counted(source)))


def _index_put(x: Shape, values: Shape, indices: Param, accumulate: Param = False) -> str:
    import numpy as np

    given = whole("indices", indices)
    if given.ndim < 2:
        raise ValueError("indices are a list for each dim, as in ([0, 1], [2, 0])")
    if len(given) > len(x):
        raise ValueError(f"there are {len(given)} lists of indices, and {len(x)} dimensions")
    found = [within("indices", one, x[k], negative=True) for k, one in enumerate(given)]
    targets = counted(x)[tuple(found)]
    try:
        sources = np.broadcast_to(counted(values), targets.shape)
    except ValueError:
        wanted = shape_text(targets.shape)
        raise ValueError(f"values have the shape {shape_text(values)}, and {wanted} is needed") from None
    if accumulate:
        return _added(x, values, "values", targets, sources)
    return _replaced(x, values, "values", _put_in(x, targets, sources))


_ACROSS = ("sum", "prod", "mean", "amax", "amin")
"""The reductions that torch has for what meets in one place, under their own names in the language."""


def _met(
    x: Shape, source: Shape, name: str, targets: Places, sources: Places, reduce: Param, include_self: Param
) -> str:
    """Return the text of x with each element reduced with all those of another tensor that meet it.

    Places that as many elements meet are reduced together, along a first dim.
    """
    meeting: dict[int, list[int]] = defaultdict(list)
    for target, one in zip(targets.ravel().tolist(), sources.ravel().tolist(), strict=True):
        meeting[target].append(prod(x) + one)
    alike: dict[int, list[tuple[int, list[int]]]] = defaultdict(list)
    for place in range(prod(x)):
        found = [place, *meeting[place]] if include_self or not meeting[place] else meeting[place]
        alike[len(found)].append((place, found))
    lines = [f"both = cat([reshape(x, ({prod(x)},)), reshape({name}, ({prod(source)},))])"]
    for count, group in alike.items():
        rows = [found[k] for k in range(count) for _, found in group]
        taken = f"both[{rows}]"
        reduced = f"{reduce}(reshape({taken}, ({count}, {len(group)})), dim=(0,))" if count > 1 else taken
        lines.append(f"met_{count} = {reduced}")
    order = [place for group in alike.values() for place, _ in group]
    back = [order.index(place) for place in range(prod(x))]
    return "\n".join([*lines, f"reshape(cat([{', '.join(f'met_{count}' for count in alike)}])[{back}], {x})"])


def _scatter_reduce(x: Shape, src: Shape, dim: Param, index: Param, reduce: Param, include_self: Param = True) -> str:
    return _met(x, src, "src", *_scattered(x, src, dim, index), reduce, include_self)


def _index_reduce(x: Shape, source: Shape, dim: Param, index: Param, reduce: Param, include_self: Param = True) -> str:
    return _met(x, source, "source", *_crossed(x, source, dim, index), reduce, include_self)


# torch's own forward mode has 0 for the product of scatter_reduce, so that no sample has it (torch 2.13). A backward pass
# of scatter and its like needs a source of the index's shape, as torch's documentation says.
# fmt: off
ROWS: tuple[Composite, ...] = (
    # --- picks ---
    Composite("gather", ("x",), ("dim", "index"), _gather, ("gather(a, 1, [[0, 2], [1, 1]])", "gather(v, 0, [2, 0])"), indices=("index",), summary="along dim the elements at an index of the tensor's dimensions"),
    Composite("take", ("x",), ("index",), _take, ("take(a, [[0, 5], [-2, 0]])",), indices=("index",), summary="the elements at an index that counts them in row-major order"),
    Composite("take_along_dim", ("x",), ("indices", "dim"), _take_along, ("take_along_dim(a, [[1], [0]], 1)", "take_along_dim(a, [3, 0])"), indices=("indices",), summary="along dim the elements at an index that is broadcast to the tensor"),
    Composite("index_select", ("x",), ("dim", "index"), _index_select, ("index_select(a, 1, [2, 0, 2])",), indices=("index",), summary="the slices along dim at a list of indices"),
    Composite("masked_select", ("x",), ("mask",), _masked_select, ("masked_select(a, [[True, False, True], [False, False, True]])",), indices=("mask",), torch=lambda m, x, mask: m.masked_select(x, mask != 0), summary="the elements where a mask, known before anything is computed, holds"),

    # --- places ---
    Composite("masked_fill", ("x", "mask", "value"), (), _masked_fill, ("masked_fill(a, a > 1, s)", "masked_fill(v, v < 0, -2)"), masks=("mask",), summary="one value where a mask holds, and x elsewhere"),
    Composite("masked_scatter", ("x", "source"), ("mask",), _masked_scatter, ("masked_scatter(v, [1, 0, 1], u)",), order=("x", "mask", "source"), indices=("mask",), torch=lambda m, x, source, mask: m.masked_scatter(x, mask != 0, source), summary="the elements of source, one after the other, where a mask holds, and x elsewhere"),
    Composite("scatter", ("x", "src"), ("dim", "index"), _scatter, ("scatter(a, 1, [[0, 2], [1, 0]], c[0, :, :2])", "scatter(v, 0, [2, 0], 0.5)"), order=("x", "dim", "index", "src"), indices=("index",), numbers=("src",), torch=lambda m, x, src, dim, index: m.scatter(x, dim, index, src), summary="x with the elements of src in the places along dim that an index names"),
    Composite("scatter_add", ("x", "src"), ("dim", "index"), _scatter_add, ("scatter_add(v, 0, [2, 0, 2], a[0])", "scatter_add(a, 1, [[0, 2], [1, 1]], c[0, :, 1:])"), order=("x", "dim", "index", "src"), indices=("index",), adds=True, torch=lambda m, x, src, dim, index: m.scatter_add(x, dim, index, src), summary="x with the elements of src added in the places along dim that an index names"),
    Composite("scatter_reduce", ("x", "src"), ("dim", "index", "reduce", "include_self"), _scatter_reduce, (*(f"scatter_reduce(v, 0, [2, 0, 2], a[0], '{one}')" for one in _ACROSS if one != "prod"), "scatter_reduce(v, 0, [2, 0, 2], a[0], 'mean', include_self=False)"), order=("x", "dim", "index", "src", "reduce", "include_self"), indices=("index",), words={"reduce": tuple(_ACROSS)}, torch=lambda m, x, src, dim, index, reduce, include_self=True: m.scatter_reduce(x, dim, index, src, reduce, include_self=include_self), summary="x reduced with the elements of src in the places along dim that an index names"),
    Composite("index_add", ("x", "source"), ("dim", "index", "alpha"), _index_add, ("index_add(a, 1, [1, 0, 1], a*a)", "index_add(v, 0, [1, 1], u, alpha=0.5)"), order=("x", "dim", "index", "source", "alpha"), indices=("index",), adds=True, torch=lambda m, x, source, dim, index, alpha=1: m.index_add(x, dim, index, source, alpha=alpha), summary="x with slices of source, times alpha, added at the indices along dim"),
    Composite("index_copy", ("x", "source"), ("dim", "index"), _index_copy, ("index_copy(a, 1, [2, 0], c[0, :, :2])",), order=("x", "dim", "index", "source"), indices=("index",), torch=lambda m, x, source, dim, index: m.index_copy(x, dim, index, source), summary="x with slices of source at the indices along dim"),
    Composite("index_fill", ("x", "value"), ("dim", "index"), _index_fill, ("index_fill(a, 1, [2, 0], s)",), order=("x", "dim", "index", "value"), indices=("index",), torch=lambda m, x, value, dim, index: m.index_fill(x, dim, index, value), summary="x with one value in the slices at the indices along dim"),
    Composite("index_reduce", ("x", "source"), ("dim", "index", "reduce", "include_self"), _index_reduce, tuple(f"index_reduce(v, 0, [2, 0, 2], a[0], '{one}')" for one in _ACROSS if one != "sum"), order=("x", "dim", "index", "source", "reduce", "include_self"), indices=("index",), words={"reduce": tuple(one for one in _ACROSS if one != "sum")}, torch=lambda m, x, source, dim, index, reduce, include_self=True: m.index_reduce(x, dim, index, source, reduce, include_self=include_self), lacks=("fwd",), summary="x reduced with slices of source at the indices along dim"),
    Composite("index_put", ("x", "values"), ("indices", "accumulate"), _index_put, ("index_put(a, ([0, 1], [2, 0]), u)", "index_put(a, ([0, 0, 1], [2, 2, 0]), v, accumulate=True)"), order=("x", "indices", "values", "accumulate"), indices=("indices",), torch=lambda m, x, values, indices, accumulate=False: m.index_put(x, indices.unbind(0), values, accumulate), summary="x with values at the places that a list for each dim names, in their place or added"),
    Composite("put", ("x", "source"), ("index", "accumulate"), _put, ("put(a, [3, 0], v[:2])", "put(a, [4, 4], u, accumulate=True)"), order=("x", "index", "source", "accumulate"), indices=("index",), torch=lambda m, x, source, index, accumulate=False: x.put(index, source, accumulate), summary="x with the elements of source at indices in row-major order, in their place or added"),
)
# fmt: on
