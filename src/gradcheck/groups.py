"""The points of a check in groups, each with the program that is checked there: one of known shapes and indices."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from gradcheck.errors import GradcheckError
from gradcheck.lower import lower
from gradcheck.points import Point
from gradcheck.points.held import softened, whole, with_numbers
from gradcheck.program import Program, Shape
from gradcheck.sizes import asks, filled

Group = tuple[Program, dict[str, Shape], list[int]]
"""A program, the shapes of its inputs, and the places of the points that have these."""


def grouped(program: Program, points: Sequence[Point]) -> Iterator[Group]:
    """Yield what is one program of one shape for some of the points: whole numbers that an input holds are part of it.

    So are the numbers that the program asks of these shapes. Raises PointProblem for such an input that holds other
    numbers.

    >>> from gradcheck.parse import parse
    >>> from gradcheck.points import parse_points
    >>> points = parse_points(["x=[1,2,3]", "t=1"], ("x", "t"))
    >>> [(str(one), shapes, places) for one, shapes, places in grouped(parse("x[t]"), points)]
    [('out = x[1]', {'x': (3,)}, [0])]
    """
    found: dict[object, Group] = {}
    for k, point in enumerate(points):
        held = softened(program, point)
        numbers = {name: whole(name, point[name]) for name in held.indices}
        shapes = {name: value.shape for name, value in point.items() if name not in numbers}
        key = tuple(shapes.items()), tuple(numbers.values())
        if key not in found:
            found[key] = at_shapes(with_numbers(held, numbers), shapes), shapes, []
        found[key][2].append(k)
    yield from found.values()


def at_shapes(program: Program, shapes: dict[str, Shape]) -> Program:
    """Return a program with numbers for all that it asks of shapes; one that does not fit them is left as it is.

    >>> from gradcheck.parse import parse
    >>> str(at_shapes(parse("sum(x)/len(x)"), {"x": (3,)}))
    'out = sum(x)/3'
    """
    if not asks(program):
        return program
    try:
        known = lower(program, shapes).shapes
    except GradcheckError:
        return program  # whoever lowers it next says what does not fit
    layers = (replace(one, expression=filled(one.expression, known, program.source)) for one in program.layers)
    return replace(program, layers=tuple(layers))
