"""Diagonals and triangles."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from gradcheck.functions.composites.indexing import countable, moved
from gradcheck.functions.params import axis, numbers
from gradcheck.functions.rows import Composite
from gradcheck.program import Param, Shape


def planes(x: Shape, dim1: Param, dim2: Param) -> tuple[int, int]:
    """Return the two dims that a diagonal goes through."""
    if len(x) < 2:
        raise ValueError(f"a diagonal needs two dims, and this tensor has {len(x)}")
    first, second = axis(dim1, len(x)), axis(dim2, len(x))
    if first == second:
        raise ValueError("a diagonal needs two different dims")
    return first, second


def offset_of(offset: Param) -> int:
    """Return how far a diagonal is above the main one."""
    [found] = numbers("the diagonal", (offset,))
    return found


def _diagonal(x: Shape, offset: Param = 0, dim1: Param = 0, dim2: Param = 1) -> str:
    first, second = planes(x, dim1, dim2)
    return moved(x, lambda np, places: np.diagonal(places, offset_of(offset), first, second))


def _linalg_diagonal(x: Shape, offset: Param = 0, dim1: Param = -2, dim2: Param = -1) -> str:
    first, second = planes(x, dim1, dim2)
    return moved(x, lambda np, places: np.diagonal(places, offset_of(offset), first, second))


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
    return moved(x, lambda np, places: _embedded(np, places, offset_of(offset), first, second))


def _diagflat(x: Shape, offset: Param = 0) -> str:
    return moved(x, lambda np, places: _embedded(np, places.reshape(-1), offset_of(offset), 0, 1))


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
            inside = column - row <= offset_of(diagonal) if lower else column - row >= offset_of(diagonal)
            return np.where(inside, places, -1)

        return moved(x, kept)

    return definition


def _trace(x: Shape) -> str:
    if len(x) != 2:
        raise ValueError(f"trace takes a matrix, and this tensor has {len(x)} dimensions")
    return f"sum({_diagonal(x)})"


# fmt: off
ROWS: tuple[Composite, ...] = (
    Composite("diag", ("x",), ("diagonal",), _diag, ("diag(v)", "diag(a, 1)"), summary="a matrix with a vector on its diagonal, or the diagonal of a matrix"),
    Composite("diagonal", ("x",), ("offset", "dim1", "dim2"), _diagonal, ("diagonal(a)", "diagonal(c, 1, 0, 2)"), summary="a diagonal of two dims, in a last dim of its own"),
    Composite("linalg.diagonal", ("x",), ("offset", "dim1", "dim2"), _linalg_diagonal, ("linalg.diagonal(c, offset=1)",), torch=lambda m, x, offset=0, dim1=-2, dim2=-1: m.linalg.diagonal(x, offset=offset, dim1=dim1, dim2=dim2), summary="a diagonal of the last two dims, in a last dim of its own"),
    Composite("diag_embed", ("x",), ("offset", "dim1", "dim2"), _diag_embed, ("diag_embed(a)", "diag_embed(u, 1)"), summary="matrices with the last dim on a diagonal"),
    Composite("diagflat", ("x",), ("offset",), _diagflat, ("diagflat(a, -1)",), summary="a matrix with all elements on a diagonal"),
    Composite("tril", ("x",), ("diagonal",), _triangle(True), ("tril(a)", "tril(c, 1)"), summary="the lower triangle of a matrix, and 0 above"),
    Composite("triu", ("x",), ("diagonal",), _triangle(False), ("triu(a)", "triu(b, -1)"), summary="the upper triangle of a matrix, and 0 below"),
    Composite("trace", ("x",), (), _trace, ("trace(a[:, :2])", "trace(b)"), adds=True, summary="the sum of the diagonal"),
)
# fmt: on
