"""The program as it is told: every tensor operation is a layer of its own, and so is every formula between two."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import count

from gradcheck.errors import Span
from gradcheck.explanation.definitions import is_elementwise
from gradcheck.lower import lower
from gradcheck.program import NOWHERE, Call, Layer, Name, Node, Program, Shape, fold, to_text


@dataclass(frozen=True, slots=True)
class Told:
    """A program cut at its tensor operations, with the shape of every name.

    ``origins`` says which expression of the user each layer holds the value of; ``elementwise`` names the layers that
    are formulas of one element; ``texts`` are the expressions as the user wrote them.
    """

    program: Program
    shapes: Mapping[str, Shape]
    origins: Mapping[str, Node]
    elementwise: frozenset[str]
    texts: Mapping[str, str]

    @property
    def output(self) -> str:
        """Return what the output is called: ``f`` where the program is one expression without a name."""
        return self.program.output


def tell(program: Program, shapes: Mapping[str, Shape]) -> Told:
    """Return ``program`` as it is told, for inputs of these shapes.

    >>> from gradcheck.parse import parse
    >>> print(tell(parse("mean((x - 1)**2)"), {"x": (3,)}).program)
    out_1 = (x - 1)**2
    out = mean(out_1)
    """
    cutting = _Cutting(program)
    for layer in program.layers:
        cutting.layer(layer)
    told = replace(program, layers=tuple(cutting.layers))
    plain = frozenset(layer.name for layer in told.layers if is_elementwise(layer.expression))
    texts = {layer.name: cutting.text(layer) for layer in told.layers}
    return Told(told, lower(told, shapes).shapes, cutting.origins, plain, texts)


class _Cutting:
    """The layers so far."""

    def __init__(self, program: Program) -> None:
        self.source = program.source
        self.called: dict[Node, str] = {}
        self.taken = {*program.inputs, *(layer.name for layer in program.layers)}
        self.layers: list[Layer] = []
        self.origins: dict[str, Node] = {}

    def layer(self, layer: Layer) -> None:
        self.current, self.numbers = layer.name, count(1)
        made = self.cut(layer.expression)
        self.layers.append(replace(layer, expression=made))
        self.origins[layer.name] = layer.expression

    def cut(self, root: Node) -> Node:
        """Return an expression with every tensor operation inside of it, and each of its arguments, as a name."""

        def leaf(part: Node) -> tuple[Node, Node]:
            return part, part

        def operation(part: Call, args: list[tuple[Node, Node]]) -> tuple[Node, Node]:
            if not args:
                return leaf(part)
            whole = not is_elementwise(Call(part.op, tuple(Name("x") for _ in part.args), part.params))
            made = [self.named(*one) if whole else one[1] for one in args]
            rebuilt = replace(part, args=tuple(made))
            return part, self.named(part, rebuilt) if whole and part is not root else rebuilt

        return fold(root, leaf, leaf, operation)[1]

    def named(self, origin: Node, made: Node) -> Node:
        """Return a name for a value, made a layer where it has none; numbers stay."""
        if not isinstance(made, Call) or not made.args:
            return made
        name = next(name for name in (f"{self.current}_{k}" for k in self.numbers) if name not in self.taken)
        self.taken.add(name)
        self.layers.append(Layer(name, made, made.span))
        self.origins[name], self.called[origin] = origin, name
        return Name(name, made.span)

    def text(self, layer: Layer) -> str:
        """Return what the user wrote for a layer, with the name of every part that is a layer of its own."""
        origin = self.origins[layer.name]
        if origin.span == NOWHERE:
            return to_text(layer.expression)
        made, end = "", origin.span.start
        for part in self.parts(origin):
            start, stop = _with_brackets(self.source, part.span, origin.span)
            made, end = made + self.source[end:start] + self.called[part], stop
        return " ".join((made + self.source[end : origin.span.end]).split())

    def parts(self, origin: Node) -> list[Node]:
        """Return the parts of an expression that are layers, none inside of another, in the order of the text."""
        found, todo = [], [*getattr(origin, "args", ())]
        while todo:
            part = todo.pop()
            if part in self.called and part.span != NOWHERE:
                found.append(part)
            else:
                todo += getattr(part, "args", ())
        return sorted(found, key=lambda part: part.span.start)


def _with_brackets(source: str, span: Span, within: Span) -> tuple[int, int]:
    """Return where a part stands with the brackets around it, unless they are those of a call."""
    start, end = span.start, span.end
    while start > within.start and end < within.end and source[start - 1] + source[end] == "()":
        if start >= 2 and (source[start - 2].isalnum() or source[start - 2] in "_)]"):
            break
        start, end = start - 1, end + 1
    return start, end
