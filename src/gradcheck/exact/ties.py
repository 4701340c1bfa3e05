"""Differences of what a program compares, as layers of their own: what is exactly equal at the point is known to be."""

from __future__ import annotations

from dataclasses import replace

from gradcheck.functions import COMPARISONS, ELEMENTWISE
from gradcheck.functions.params import broadcast
from gradcheck.lower import Core
from gradcheck.program import Call, Layer, Name, Node, Number, call, rebuild

Pairs = tuple[tuple[int, int], ...]


def _compared(op: str) -> Pairs:
    """Return the places of the arguments that an operation compares."""
    return ((0, 1),) if op in COMPARISONS else ELEMENTWISE[op].compares if op in ELEMENTWISE else ()


def with_differences(core: Core) -> tuple[Core, Core]:
    """Return the program with a layer for every difference that decides a choice, and one whose choices read them.

    In the first these layers are outputs, so that they are worked out as sharply as results are. In the second a
    comparison, or a maximum, has the name of the difference as its third argument, and ``clamp(x, a, b)`` those of
    ``x - a``, ``x - b`` and ``a - b``.
    """
    split = _Split(core)
    return split.plain(), split.read()


class _Split:
    """One pass over a program; the state is the layers made so far."""

    def __init__(self, core: Core) -> None:
        self.core = core
        self.shapes = dict(core.shapes)
        self.known: dict[tuple[str, str], str] = {}
        self.differences: list[Layer] = []
        self.layers: list[Layer] = []
        self.original: list[Layer] = []
        for layer in core.program.layers:
            self.differences = []
            expression = rebuild(layer.expression, self.changed)
            self.layers += [*self.differences, replace(layer, expression=expression)]
            self.original += [*self.differences, layer]

    def plain(self) -> Core:
        outputs = (*self.core.program.outputs, *self.known.values())
        program = replace(self.core.program, layers=tuple(self.original), outputs=outputs)
        return replace(self.core, program=program, shapes=self.shapes)

    def read(self) -> Core:
        return replace(self.core, program=replace(self.core.program, layers=tuple(self.layers)), shapes=self.shapes)

    def changed(self, node: Node) -> Node:
        if not isinstance(node, Call) or not all(isinstance(one, Name | Number) for one in node.args):
            return node
        pairs = _compared(node.op)
        return self.extended(node, pairs) if pairs else node

    def extended(self, node: Call, pairs: Pairs) -> Node:
        made = [self.difference(node.args[a], node.args[b]) for a, b in pairs]
        return replace(node, args=(*node.args, *made))

    def difference(self, a: Node, b: Node) -> Node:
        """Return the name of a difference, the difference itself where both are constants."""
        key = _text(a), _text(b)
        if isinstance(a, Number) and isinstance(b, Number):
            return Number(a.value - b.value)
        if key not in self.known:
            name = f"{key[0]} - {key[1]}"
            self.known[key] = name
            self.shapes[name] = broadcast(*(self.shapes[one.id] for one in (a, b) if isinstance(one, Name)))
            self.differences.append(Layer(name, call("sub", a, b)))
        return Name(self.known[key])


def _text(node: Node) -> str:
    return node.id if isinstance(node, Name) else str(node.value) if isinstance(node, Number) else ""
