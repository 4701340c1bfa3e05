"""How derivatives of any order are written, and their elements: `x[0]`, `out[1] by x[0]`, `d2 f/d x[0] d y[1]`."""

from __future__ import annotations

from math import prod

from gradcheck.gradients import DIRECTIONS, GradientOutcome
from gradcheck.program import Shape, unravel

Index = tuple[int, ...]

_DIRECTIONS = "vwu"
"""The letters of directions, the first one that of the innermost derivative."""


def own_shape(gradient: GradientOutcome) -> Shape:
    """Return the shape of the input that a gradient is by, without the axes before it."""
    return gradient.shape[sum(len(shape) for _, shape in gradient.along) :]


def own_place(gradient: GradientOutcome, k: int) -> int:
    """Return which element of the input an element of a gradient is by, in row-major order.

    >>> from gradcheck import check
    >>> found = check("sum(x**3)", x=[1, 2, 3], way="fwd-rev").gradients["x"]
    >>> found.shape, own_place(found, 5)
    ((3, 3), 2)
    """
    return k % prod(own_shape(gradient))


def steps(gradient: GradientOutcome, k: int) -> tuple[tuple[str, Index], ...]:
    """Return what an element is by, the innermost step first, each with its index: inputs, directions, an output."""
    index = unravel(gradient.shape, k)
    found = []
    for name, shape in (*gradient.along, (gradient.input, own_shape(gradient))):
        found.append((name, index[: len(shape)]))
        index = index[len(shape) :]
    return tuple(found)


def element(gradient: GradientOutcome, k: int, output: str = "f") -> str:
    """Return the name of one element of a gradient, of a Jacobian, or of a derivative of higher order.

    What is differentiated last stands first, as in d/dx (d f/d y); ``v0`` is the first of a few directions.

    >>> from gradcheck import check
    >>> element(check("sum(x**2)", x=[1, 2]).gradients["x"], 1)
    'x[1]'
    >>> element(check("x/sum(x)", x=[1, 2], jacobian=True).gradients["x"], 1)
    'out[0] by x[1]'
    >>> run = check("sum(x*y)", x=[1, 2], y=3, way="rev-rev")
    >>> [element(one, 1 % len(one.exact)) for one in run.gradients]
    ['d2 f/d x[1] d x[0]', 'd2 f/d y d x[1]', 'd2 f/d x[1] d y', 'd2 f/d y d y']
    """
    *before, (name, index) = steps(gradient, k)
    own = indexed(name, index)
    if not before:
        return own
    if gradient.jacobian:
        return f"{indexed(*before[0])} by {own}"
    inner = [_inner(step, n, before[0][1]) for n, step in enumerate(before)]
    return f"d{gradient.order} {output}/{' '.join(f'd {one}' for one in (own, *reversed(inner)))}"


def _inner(step: tuple[str, Index], n: int, first: Index) -> str:
    name, index = step
    return f"{_DIRECTIONS[n]}{first[0]}" if name == DIRECTIONS else indexed(name, index)


def indexed(name: str, index: Index) -> str:
    """Return the name of one element of a tensor, of a number its own.

    >>> indexed("x", (1, 0)), indexed("x", ())
    ('x[1, 0]', 'x')
    """
    return f"{name}[{', '.join(map(str, index))}]" if index else name


def symbol(gradient: GradientOutcome, output: str = "f") -> str:
    """Return a derivative in index notation, which is one for all orders in which mixed ones are taken.

    >>> from gradcheck import check
    >>> [symbol(one) for one in check("sum(x**2*y)", x=[1, 2], y=3, way="rev-rev").gradients]
    ['d2 f/d x[i] d x[i]', 'd2 f/d y d x[i]', 'd2 f/d y d x[i]', 'd2 f/d y d y']
    """
    held = [*gradient.along, (gradient.input, own_shape(gradient))]
    rank = max(len(shape) for _, shape in held)
    if not gradient.along:
        return f"d {output}/d {gradient.input}{_letters(held[0][1], rank, named=True)}"
    named = sorted((f"{name}{_letters(shape, rank)}" for name, shape in held), reverse=True)
    return f"d{gradient.order} {output}/{' '.join(f'd {one}' for one in named)}"


def _letters(shape: Shape, rank: int, *, named: bool = False) -> str:
    """Return the indices of a tensor that broadcasts to so many axes, each with a letter of its own where ``named``."""
    letters = "ijklmnopqrstuvw"[rank - len(shape) : rank]
    found = [one if named or size != 1 else "0" for one, size in zip(letters, shape, strict=True)]
    return f"[{', '.join(found)}]" if found else ""
