"""Derivatives along directions: a gradient program, or one with tangents, as a program of one number.

What is differentiated again is this number: its gradient is the second derivative along the direction, and so on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import reduce

from gradcheck.differentiate.reverse import Pullback
from gradcheck.differentiate.rules import plus
from gradcheck.functions import MASK
from gradcheck.kernels import ZERO
from gradcheck.program import Layer, Name, Node, Program, Shape, call


def direction(name: str, order: int, taken: Sequence[str] = ()) -> str:
    """Return the input that holds the direction by one input, of the first derivative where ``order`` is 1."""
    made = f"v{order}_{name}"
    while made in taken:
        made += "_"
    return made


def along(pullback: Pullback, directions: Mapping[str, str]) -> tuple[Program, dict[str, Shape]]:
    """Return the program of the derivative along a direction, with the shapes of its inputs.

    ``directions`` names for each input, in the order of the gradients, the input that holds its part of the direction.

    >>> from gradcheck.differentiate import pull_back
    >>> from gradcheck.lower import lower
    >>> from gradcheck.parse import parse
    >>> print(along(pull_back(lower(parse("x**3"))), {"x": "v"})[0])
    out = x**3
    d_x = 3*x**2
    d_along = where(v != 0, v*d_x, 0)
    """
    program, shapes = pullback.program, pullback.core.shapes
    terms: list[Node] = []
    for (name, held), output in zip(directions.items(), program.outputs, strict=True):
        # What the direction leaves out need not have a derivative.
        term = call(MASK, call("mul", Name(held), Name(output)), call("ne", Name(held), ZERO))
        terms.append(call("sum", term) if shapes[name] else term)
    last = next(one for one in _names("d_along") if one not in shapes)
    layers = (*program.layers, Layer(last, reduce(plus, terms) if terms else ZERO))
    given = {name: shapes[name] for name in program.inputs}
    given |= {held: shapes[name] for name, held in directions.items()}
    return Program(tuple(given), layers, (last,), program.source), given


def _names(name: str) -> Iterator[str]:
    while True:
        yield name
        name += "_"
