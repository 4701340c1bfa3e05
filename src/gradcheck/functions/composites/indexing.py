"""Functions that pick and place elements by index.

The language's own index takes one list. What picks along several axes is written through the flat tensor: its elements
in a row, one list of places, and the shape of the result.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import TYPE_CHECKING, Any

from gradcheck.functions.params import axis, broadcast, shape_text
from gradcheck.functions.rows import Composite
from gradcheck.program import Param, Shape

if TYPE_CHECKING:
    import numpy as np

    Places = np.ndarray[Any, np.dtype[np.int64]]
    """Where elements come from, counted in row-major order; -1 is no element, and stands for 0."""

Move = Callable[..., Any]

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
    size, flat = prod(shape), f"reshape({name}, ({prod(shape)},))"
    found = places.ravel().tolist()
    if any(one < 0 for one in found):
        flat, found = f"cat([{flat}, expand(0, (1,))])", [one if one >= 0 else size for one in found]
    return f"reshape({flat}[{found}], {places.shape})"


def counted(shape: Shape) -> Places:
    """Return the place of every element of a tensor.

    >>> counted((2, 2)).tolist()
    [[0, 1], [2, 3]]
    """
    import numpy as np

    return np.arange(prod(shape)).reshape(shape)


def moved(shape: Shape, move: Move, name: str = "x") -> str:
    """Return the text of what only moves elements, from what it does with NumPy and the place of each.

    >>> moved((3,), lambda np, x: np.roll(x, 1))
    'reshape(reshape(x, (3,))[[2, 0, 1]], (3,))'
    """
    import numpy as np

    return picked(name, shape, move(np, counted(shape)))


def whole(name: str, value: Param) -> Places:
    """Return whole numbers, nested in tuples as they are, as an array.

    Raises ValueError where they are none, or the rows differ in length.

    >>> whole("index", ((0, 2), (1, 1))).shape, whole("index", 3).shape
    ((2, 2), ())
    """
    import numpy as np

    def size(one: Param) -> Shape:
        if isinstance(one, bool) or isinstance(one, int):
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


def _vector(name: str, index: Param, size: int) -> Places:
    """Return a list of indices, or a single one, along an axis of a size."""
    found = whole(name, index)
    if found.ndim > 1:
        raise ValueError(f"{name} is a list of whole numbers")
    return within(name, found.reshape(-1), size)


def _along(x: Shape, dim: int, index: Places, *, negative: bool = False) -> Places:
    """Return the place of each element that an index of the same number of dims chooses along a dim."""
    import numpy as np

    if index.ndim != max(len(x), 1) and index.ndim != len(x):
        raise ValueError(f"index has {index.ndim} dimensions, and the tensor has {len(x)}")
    wide = x or (1,)
    index = within("index", index.reshape(index.shape or (1,)), wide[dim], negative=negative)
    for k, (some, all_of) in enumerate(zip(index.shape, wide, strict=True)):
        if k != dim and some > all_of:
            raise ValueError(f"index is larger than the tensor along dim {k}: {some} against {all_of}")
    at = list(np.indices(index.shape))
    at[dim] = index
    return np.ravel_multi_index(tuple(at), wide)


def _gather(x: Shape, dim: Param, index: Param) -> str:
    given = whole("index", index)
    return picked("x", x, _along(x, axis(dim, len(x)), given).reshape(given.shape))


def _take_along(x: Shape, indices: Param, dim: Param = None) -> str:
    given = whole("indices", indices)
    if dim is None:
        return picked("x", x, within("indices", given.reshape(-1), prod(x), negative=True))
    at = axis(dim, len(x))
    if given.ndim != len(x):
        raise ValueError(f"indices has {given.ndim} dimensions, and the tensor has {len(x)}")
    import numpy as np

    rest = broadcast(*((*shape[:at], 1, *shape[at + 1 :]) for shape in (x, given.shape)))
    given = np.broadcast_to(given, (*rest[:at], given.shape[at], *rest[at + 1 :]))
    full = np.broadcast_to(counted(x), (*rest[:at], x[at], *rest[at + 1 :]))
    return picked("x", x, np.take_along_axis(full, within("indices", given, x[at], negative=True), at))


def _take(x: Shape, index: Param) -> str:
    return picked("x", x, within("index", whole("index", index), prod(x), negative=True))


def _index_select(x: Shape, dim: Param, index: Param) -> str:
    at = axis(dim, len(x))
    found = _vector("index", index, (x or (1,))[at]).tolist()
    return f"x[{':, ' * at}{found}]" if x else "x"


def _masked_select(x: Shape, mask: Param) -> str:
    import numpy as np

    truths = whole("mask", mask) != 0
    full = broadcast(x, truths.shape)
    places = np.broadcast_to(counted(x), full)[np.broadcast_to(truths, full)]
    if not places.size:
        raise ValueError("the mask selects nothing")
    return picked("x", x, places)


# --- places ---------------------------------------------------------------------------------------


def _one(shape: Shape, name: str) -> None:
    if shape:
        raise ValueError(f"{name} is one number, and this has the shape {shape_text(shape)}")


def _masked_fill(x: Shape, mask: Shape, value: Shape) -> str:
    _one(value, "value")
    return f"expand(where(mask, value, x), {broadcast(x, mask)})"


def _masked_scatter(x: Shape, source: Shape, mask: Param) -> str:
    import numpy as np

    truths = whole("mask", mask) != 0
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
    import numpy as np

    given = whole("index", index)
    targets = _along(x, axis(dim, len(x)), given)
    if given.ndim and len(src) != given.ndim:
        raise ValueError(f"index has {given.ndim} dimensions, and src has {len(src)}")
    if any(some > all_of for some, all_of in zip(given.shape, src, strict=False)):
        raise ValueError(f"index is larger than src: {shape_text(given.shape)} against {shape_text(src)}")
    sources = counted(src)[tuple(slice(one) for one in given.shape)] if given.ndim else np.array([0])
    return targets, sources


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
    places[(slice(None),) * at + (np.unique(_vector("index", index, wide[at])),)] = prod(x)
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

    if not isinstance(indices, tuple) or not all(isinstance(one, tuple) for one in indices):
        raise ValueError("indices are a list of indices for each dim, as in ([0, 1], [2, 0])")
    if len(indices) > len(x):
        raise ValueError(f"there are {len(indices)} indices, and {len(x)} dimensions")
    found = [within("indices", whole("indices", one), x[k], negative=True) for k, one in enumerate(indices)]
    targets = counted(x)[np.broadcast_arrays(*found) if len(found) > 1 else found[0]] if False else counted(x)[tuple(found)]
    sources = np.broadcast_to(counted(values), targets.shape)
    if accumulate:
        return _added(x, values, "values", targets, sources)
    return _replaced(x, values, "values", _put_in(x, targets, sources))
