"""What a program asks of shapes, such as ``x.shape[0]``, as numbers: they are known once the shapes are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from math import prod

from gradcheck.constants import check_growth, in_fractions
from gradcheck.errors import ShapeProblem
from gradcheck.program import (  # fmt: skip
    COUNT,
    QUOTIENT,
    RANK,
    SIZE,
    Call,
    Name,
    Node,
    Number,
    Param,
    Program,
    Shape,
    Sized,
    fold,
    postorder,
    rebuild,
)

ASKED = frozenset({SIZE, COUNT, RANK})
"""What is asked of a shape and is one number."""


def asks(program: Program) -> bool:
    """Tell whether a program asks anything of a shape.

    >>> from gradcheck.parse import parse
    >>> asks(parse("x.sum()/len(x)")), asks(parse("x.reshape(x.shape[0], -1)")), asks(parse("x[0]"))
    (True, True, False)
    """
    return any(_asks(layer.expression) for layer in program.layers)


def _asks(node: Node) -> bool:
    return any(isinstance(part, Call) and (part.op in ASKED or any(_sized(value) for _, value in part.params))
               for part in postorder(node))  # fmt: skip


def _sized(value: Param) -> bool:
    if isinstance(value, slice):
        return any(map(_sized, (value.start, value.stop, value.step)))
    return isinstance(value, Sized) or (isinstance(value, tuple) and any(map(_sized, value)))


def filled(node: Node, shapes: Mapping[str, Shape], source: str = "") -> Node:
    """Return an expression with numbers for all that it asks of ``shapes``.

    Raises ShapeProblem where there is no such size, or none that is a whole number.

    >>> from gradcheck.parse import parse
    >>> from gradcheck.program import to_text
    >>> to_text(filled(parse("x.reshape(len(x), -1)/x.shape[1]").layers[0].expression, {"x": (2, 6)}))
    'reshape(x, shape=(2, -1))/6'
    """
    if not _asks(node):
        return node

    def change(part: Node) -> Node:
        if not isinstance(part, Call):
            return part
        try:
            if part.op in (*ASKED, QUOTIENT):
                return Number(_number(part, shapes), part.span)
            return replace(part, params=tuple((key, _settled(value, shapes)) for key, value in part.params))
        except ValueError as problem:
            raise ShapeProblem(str(problem), source=source, span=part.span) from None

    made = rebuild(node, change)
    check_growth(made, source)
    return made


def _settled(value: Param, shapes: Mapping[str, Shape]) -> Param:
    if isinstance(value, Sized):
        number = _number(value.node, shapes)
        return int(number) if number.denominator == 1 else number
    if isinstance(value, slice):
        return slice(*(_settled(one, shapes) for one in (value.start, value.stop, value.step)))
    return tuple(_spread(value, shapes)) if isinstance(value, tuple) else value


def _spread(values: Sequence[Param], shapes: Mapping[str, Shape]) -> Iterator[Param]:
    for one in values:
        if isinstance(one, Sized) and one.spreads and isinstance(one.node, Call):
            key = one.node.param("key")
            yield from _shape(one.node, shapes)[key if isinstance(key, slice) else slice(None)]
        else:
            yield _settled(one, shapes)


def _shape(node: Call, shapes: Mapping[str, Shape]) -> Shape:
    of = node.args[0]
    assert isinstance(of, Name)
    return shapes[of.id]


def _number(node: Node, shapes: Mapping[str, Shape]) -> Fraction:
    """Return the number that an expression of sizes is."""

    def operation(part: Call, args: list[Fraction | None]) -> Fraction | None:
        if part.op in ASKED:
            return Fraction(_asked(part, _shape(part, shapes)))
        if part.op == QUOTIENT:
            return None if None in args or not args[1] else Fraction(args[0] // args[1])  # type: ignore[operator]
        return in_fractions(part.op, args)

    made = fold(node, lambda _: None, lambda one: one.value, operation)
    if made is None:
        raise ValueError("this is no number that the shapes give")
    return made


def _asked(node: Call, shape: Shape) -> int:
    if node.op == RANK:
        return len(shape)
    if node.op == COUNT:
        return prod(shape)
    key = node.param("key")
    if not isinstance(key, int) or not -len(shape) <= key < len(shape):
        raise ValueError(f"there is no size {key}: the tensor has {len(shape)} dimension{'s' * (len(shape) != 1)}")
    return shape[key]
