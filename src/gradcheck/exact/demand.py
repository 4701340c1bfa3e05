"""Some elements of a program's layers, and of what they depend on nothing more than they need."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from math import prod
from typing import Any

import numpy as np

from gradcheck.exact.elements import Array, Values
from gradcheck.exact.evaluate import (
    MAX_STRUCTURED,
    START_BITS,
    as_array,
    evaluate,
    forgotten,
    from_float,
    is_wide,
    operation,
)
from gradcheck.exact.precision import working_precision
from gradcheck.exact.structure import Book
from gradcheck.functions import TENSOR
from gradcheck.lower import Core
from gradcheck.program import Call, Name, Node, Shape, names

Places = np.ndarray[Any, np.dtype[np.intp]]
"""Elements of an array by their places in row-major order, ascending."""

Truths = np.ndarray[Any, np.dtype[np.bool_]]

Wanted = dict[str, "Places | None"]
"""The elements of each layer that are needed, None for all of them; a layer that is not needed is not in it."""

FEW = 0.5
"""Part of an array's elements beyond which all of them are taken."""

_NOTHING: Places = np.empty(0, np.intp)


def enclose_some(
    core: Core,
    point: Mapping[str, np.ndarray[Any, Any]],
    wanted: Mapping[str, Sequence[int]],
    bits: int = START_BITS,
) -> dict[str, Array]:
    """Return enclosures of some elements of some layers, each in the order asked for, computed with ``bits`` bits.

    They are those of ``enclose``. An elementwise layer is evaluated only where it is needed, a sum over all that is
    added up for it, a matrix product along the rows and columns that meet.

    >>> from gradcheck.lower import lower
    >>> from gradcheck.parse import parse
    >>> core = lower(parse("y = x*x; sum(y) + y"), {"x": (4,)})
    >>> enclose_some(core, {"x": np.array([1.0, 2.0, 3.0, 4.0])}, {"out": [3]})["out"]
    array([46.0000000000000], dtype=object)
    """
    asked = {name: _distinct(np.asarray(at, dtype=np.intp), core.shapes[name]) for name, at in wanted.items()}
    needs = _needs(core, asked)
    with working_precision(bits):
        values = _Demand(core, point, needs, None).run()
        if _is_open(core, needs, [values[name] for name in asked]):
            values = _Demand(core, point, needs, Book()).run()
    return {
        name: values[name].ravel()[_found(needs[name], np.asarray(at, dtype=np.intp))] for name, at in wanted.items()
    }


def demanded(core: Core, wanted: Mapping[str, Sequence[int]]) -> int:
    """Return how many numbers of a program some elements of some layers depend on.

    >>> from gradcheck.lower import lower
    >>> from gradcheck.parse import parse
    >>> demanded(lower(parse("y = x*x; sum(y) + y"), {"x": (4,)}), {"y": [3]})
    2
    """
    asked = {name: _distinct(np.asarray(at, dtype=np.intp), core.shapes[name]) for name, at in wanted.items()}
    needs = _needs(core, asked)
    return sum(prod(core.shapes[name]) if at is None else at.size for name, at in needs.items())


def _is_open(core: Core, needs: Wanted, results: Sequence[Array]) -> bool:
    """Tell whether a result is so wide that structure may help, and there are few enough numbers for it."""
    count = sum(prod(core.shapes[name]) if at is None else at.size for name, at in needs.items())
    return count <= MAX_STRUCTURED and any(is_wide(one) for array in results for one in array.flat)


# --- backwards: what is needed -----------------------------------------------------------------------


def _needs(core: Core, asked: Mapping[str, Places]) -> Wanted:
    """Return the elements of every name that those asked for depend on."""
    needs: Wanted = {}
    for name, at in asked.items():
        _add(needs, name, at, core.shapes)
    for layer in reversed(core.program.layers):
        if layer.name in needs:
            some, shape = needs[layer.name], core.shapes[layer.name]
            for leaf in names(layer.expression):
                read = None if some is None else _read(layer.expression, leaf, some, core.shapes, shape)
                _add(needs, leaf, read, core.shapes)
    return needs


def _add(needs: Wanted, name: str, at: Places | None, shapes: Mapping[str, Shape]) -> None:
    """Need some more elements of a name."""
    before = needs.get(name, _NOTHING)
    both = None if before is None or at is None else _distinct(np.concatenate([before, at]), shapes[name])
    needs[name] = None if both is None or both.size > FEW * prod(shapes[name]) else both


def _read(node: Node, leaf: str, at: Places, shapes: Mapping[str, Shape], result: Shape) -> Places | None:
    """Return the elements of a leaf that some elements of an expression read, None for all of them."""
    if not (isinstance(node, Call) and node.op in TENSOR):
        return _distinct(_broadcast(at, result, shapes[leaf]), shapes[leaf])
    if (taken := _taken(node, shapes)) is not None:
        sources = taken.ravel()[at]
        inside = [_inside(sources, start, shapes[leaf]) for name, start in _starts(node, shapes) if name == leaf]
        return _distinct(np.concatenate([sources[one] - start for one, start in inside]), shapes[leaf])
    groups = _terms(node, at, shapes, result)
    if groups is None:
        return None
    found = [group for one, group in zip(node.args, groups, strict=True) if isinstance(one, Name) and one.id == leaf]
    return _distinct(np.concatenate([group.ravel() for group in found]), shapes[leaf])


def _distinct(places: Places, shape: Shape) -> Places:
    """Return the places in an array that occur, each once and in order."""
    marked = np.zeros(prod(shape), np.bool_)
    marked[places] = True
    return np.flatnonzero(marked)


def _broadcast(at: Places, result: Shape, shape: Shape) -> Places:
    """Return the places in an array of ``shape`` that are broadcast to some places of the result."""
    if shape == result:
        return at
    indices = np.unravel_index(at, result)[len(result) - len(shape) :] if result else ()
    held = [index if size > 1 else np.zeros_like(index) for index, size in zip(indices, shape, strict=True)]
    return np.ravel_multi_index(held, shape) if shape else np.zeros_like(at)


# --- tensor operations as places -----------------------------------------------------------------------


def _places(shape: Shape, start: int = 0) -> Places:
    return np.arange(start, start + prod(shape), dtype=np.intp).reshape(shape)


def _taken(node: Call, shapes: Mapping[str, Shape]) -> Places | None:
    """Return where each element of an operation that only moves elements comes from; its arguments count on."""
    row = TENSOR[node.op]
    if row.depth is not None:
        return None
    given, start = [], 0
    for arg in node.args:
        assert isinstance(arg, Name)
        given.append(_places(shapes[arg.id], start))
        start += given[-1].size
    return row.exact(np, *given, **dict(node.params), zero=-1)  # type: ignore[no-any-return]


def _starts(node: Call, shapes: Mapping[str, Shape]) -> Iterator[tuple[str, int]]:
    """Yield every argument with the place from which its elements count."""
    start = 0
    for arg in node.args:
        assert isinstance(arg, Name)
        yield arg.id, start
        start += prod(shapes[arg.id])


def _inside(sources: Places, start: int, shape: Shape) -> tuple[Truths, int]:
    """Return which places lie in the argument that counts from ``start``."""
    return (sources >= start) & (sources < start + prod(shape)), start


def _terms(node: Call, at: Places, shapes: Mapping[str, Shape], result: Shape) -> list[Places] | None:
    """Return the places of the terms of each element, a row for one, by argument; None where that is not known."""
    given = [_places(shapes[arg.id]) for arg in node.args if isinstance(arg, Name)]
    if node.op == "sum":
        dims = node.param("dim")
        assert isinstance(dims, tuple)
        kept = tuple(axis for axis in range(given[0].ndim) if axis not in dims)
        rows = given[0].transpose(*kept, *dims).reshape(prod(result), -1)
        return [rows[at]]
    if node.op == "matmul":
        *batch, row, column = np.unravel_index(at, result)
        left = np.broadcast_to(given[0], (*result[:-2], *given[0].shape[-2:]))
        right = np.broadcast_to(given[1], (*result[:-2], *given[1].shape[-2:]))
        return [left[(*batch, row)], np.swapaxes(right, -1, -2)[(*batch, column)]]
    return None


# --- forwards: the values of what is needed --------------------------------------------------------------


def _found(at: Places | None, places: Places) -> Places:
    """Return where some elements stand among those that were evaluated."""
    return places if at is None else np.searchsorted(at, places)


class _Demand:
    """One evaluation; the state is what is needed of each layer: in full shape, or its elements in one row."""

    def __init__(self, core: Core, point: Mapping[str, np.ndarray[Any, Any]], needs: Wanted, book: Book | None) -> None:
        self.core = core
        self.needs = needs
        self.book = book
        lift = np.frompyfunc(book.lift, 1, 1) if book is not None else lambda array: array
        self.values: Values = {}
        for name in core.program.inputs:
            if name in needs:
                at = needs[name]
                given = point[name] if at is None else point[name].ravel()[at]
                self.values[name] = as_array(lift(as_array(from_float(given))))

    def run(self) -> Values:
        """Return the values of all layers that are needed."""
        for layer in self.core.program.layers:
            if layer.name in self.needs:
                at, shape = self.needs[layer.name], self.core.shapes[layer.name]
                forward = layer.name in self.core.forward
                made = self.whole(layer.expression, forward) if at is None else self.some(
                    layer.expression, at, shape, forward
                )  # fmt: skip
                self.values[layer.name] = np.broadcast_to(made, shape if at is None else at.shape)
        return self.values if self.book is None else {k: as_array(forgotten(one)) for k, one in self.values.items()}

    def whole(self, node: Node, forward: bool) -> Array:
        """Return all elements of an expression."""
        return as_array(evaluate(node, self.values, forward=forward, book=self.book))

    def some(self, node: Node, at: Places, result: Shape, forward: bool) -> Array:
        """Return some elements of an expression, in one row."""
        if not (isinstance(node, Call) and node.op in TENSOR):
            read = {one: self.read(one, _broadcast(at, result, self.core.shapes[one])) for one in names(node)}
            return as_array(evaluate(node, read, forward=forward, book=self.book))
        shapes = self.core.shapes
        if (taken := _taken(node, shapes)) is not None:
            return self.moved(node, taken.ravel()[at])
        groups = _terms(node, at, shapes, result)
        if groups is None:
            return as_array(
                operation(node, [self.values[one.id] for one in node.args if isinstance(one, Name)])
            ).ravel()[at]
        parts = [
            self.read(one.id, group) for one, group in zip(node.args, groups, strict=True) if isinstance(one, Name)
        ]
        terms = parts[0] if len(parts) == 1 else parts[0] * parts[1]
        return as_array(np.add.reduce(terms, axis=-1))

    def read(self, name: str, places: Places) -> Array:
        """Return the elements of a name at some places."""
        return as_array(self.values[name].ravel()[_found(self.needs[name], places)])

    def moved(self, node: Call, places: Places) -> Array:
        """Return elements that come from places in the arguments, which count on from one to the next."""
        made = np.empty(places.shape, dtype=object)
        for name, start in _starts(node, self.core.shapes):
            inside, _ = _inside(places, start, self.core.shapes[name])
            if inside.any():
                made[inside] = self.read(name, places[inside] - start)
        return made
