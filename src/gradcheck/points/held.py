"""Inputs that hold whole numbers: what a point has for them is part of the program that is checked there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction

from gradcheck.errors import PointProblem
from gradcheck.functions import COMPOSITE
from gradcheck.points.value import Point, Value
from gradcheck.program import Call, Given, Layer, Name, Node, Param, Program, Shape, rebuild

Group = tuple[Program, dict[str, Shape], list[int]]
"""A program, the shapes of its inputs, and the places of the points that have these."""


def grouped(program: Program, points: Sequence[Point]) -> Iterator[Group]:
    """Yield what is one program of one shape for some of the points: whole numbers that an input holds are part of it.

    Raises PointProblem for such an input that holds other numbers.

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
            found[key] = with_numbers(held, numbers), shapes, []
        found[key][2].append(k)
    yield from found.values()


def softened(program: Program, point: Point) -> Program:
    """Return a program in which inputs that hold no whole numbers are tensors, where a function takes either.

    >>> from gradcheck.parse import parse
    >>> from gradcheck.points import parse_points
    >>> [point] = parse_points(["x=[1,2]", "t=[0.25,0.75]"], ("x", "t"))
    >>> str(softened(parse("cross_entropy(x, t)"), point))
    'out = cross_entropy_of_probabilities(x, t, 1)'
    """

    def changed(node: Node) -> Node:
        row = COMPOSITE.get(node.op) if isinstance(node, Call) else None
        if not isinstance(node, Call) or row is None or not row.soft:
            return node
        [slot] = row.indices
        target = node.param(slot)
        if not isinstance(target, Given) or _is_whole(point[target.name]):
            return node
        at = COMPOSITE[row.soft].args.index(slot)
        args = (*node.args[:at], Name(target.name, node.span), *node.args[at:])
        return Call(row.soft, args, tuple(one for one in node.params if one[0] != slot), node.span)

    layers = tuple(Layer(one.name, rebuild(one.expression, changed), one.span) for one in program.layers)
    return program if all(map(_same, layers, program.layers)) else replace(program, layers=layers)


def _same(one: Layer, other: Layer) -> bool:
    return one.expression is other.expression


def _is_whole(value: Value) -> bool:
    return all(abs(one) < 2**53 and Fraction(one).denominator == 1 for one in value.numbers)


def whole(name: str, value: Value) -> Param:
    """Return the whole numbers of a value, nested as its shape says.

    >>> whole("t", Value((2, 1), (Fraction(0), Fraction(2))))
    ((0,), (2,))
    """
    numbers: list[Param] = []
    for number in value.numbers:
        exact = Fraction(number) if abs(number) < 2**53 else None
        if exact is None or exact.denominator != 1:
            raise PointProblem(
                f"{name} holds {float(number):g}, and it is used as an index: an index is a whole number"
            )
        numbers.append(int(exact))
    for size in reversed(value.shape):
        numbers = [tuple(numbers[k : k + size]) for k in range(0, len(numbers), size)]
    return numbers[0]


def with_numbers(program: Program, numbers: Mapping[str, Param]) -> Program:
    """Return a program with whole numbers in the place of the inputs that hold them.

    >>> from gradcheck.parse import parse
    >>> str(with_numbers(parse("x[t, 0]"), {"t": 2}))
    'out = x[2, 0]'
    """
    if not numbers:
        return program

    def filled(value: Param) -> Param:
        if isinstance(value, Given):
            return numbers[value.name]
        return tuple(map(filled, value)) if isinstance(value, tuple) else value

    def changed(node: Node) -> Node:
        if not isinstance(node, Call) or not node.params:
            return node
        return replace(node, params=tuple((name, filled(value)) for name, value in node.params))

    layers = tuple(Layer(one.name, rebuild(one.expression, changed), one.span) for one in program.layers)
    return replace(program, inputs=tuple(one for one in program.inputs if one not in numbers), layers=layers)
