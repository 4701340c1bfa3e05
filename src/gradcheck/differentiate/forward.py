"""The forward sweep: every layer with its tangent, by the same rules as the reverse sweep."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import reduce
from itertools import chain, count

from gradcheck import kernels
from gradcheck.differentiate.rules import Rules, plus
from gradcheck.functions import DETACH, TENSOR
from gradcheck.functions.params import broadcast
from gradcheck.functions.sums import FUSED
from gradcheck.kernels import ZERO
from gradcheck.lower import Core, lower
from gradcheck.program import Call, Layer, Name, Node, Number, Program, Shape, call, names


@dataclass(frozen=True, slots=True)
class Pushforward:
    """A program in core form with a tangent for each layer that moves.

    ``tangents`` holds the tangent of each input and layer on the way, a layer's name or a constant; it may still lack
    axes along which it is the same. The output is the tangent of the sum of the program's output.
    """

    core: Core
    tangents: dict[str, Node]

    @property
    def program(self) -> Program:
        """Return the program; its output is one number."""
        return self.core.program


def push_forward(
    core: Core, tangents: Mapping[str, str], *, guarded: bool = False, as_torch: bool = False
) -> Pushforward:
    """Return the forward sweep through a core program.

    ``tangents`` names for each input that moves the new input that holds its tangent, of its shape. With ``guarded``
    and ``as_torch`` the partials are those of ``pull_back``.

    >>> from gradcheck.parse import parse
    >>> print(push_forward(lower(parse("3*x**2")), {"x": "v"}).program)
    out = 3*x**2
    t_out = v*(6*x)
    """
    wrt = tuple(tangents)
    try:
        return _Sweep(core, Rules(core.program, wrt, guarded, as_torch), tangents).run()
    except kernels.NoClosedForm:
        again = lower(core.program, {name: core.shapes[name] for name in core.program.inputs}, nodes=True)
        return _Sweep(again, Rules(again.program, wrt, guarded, as_torch, last_resort=True), tangents).run()


class _Sweep:
    """The forward sweep; the state is the layers so far and the tangent of every name that moves."""

    def __init__(self, core: Core, rules: Rules, tangents: Mapping[str, str]) -> None:
        self.core, self.rules = core, rules
        self.layers: list[Layer] = []
        self.shapes = core.shapes | {tangent: core.shapes[name] for name, tangent in tangents.items()}
        self.fused = dict(core.fused)
        self.tangents: dict[str, Node] = {name: Name(tangent) for name, tangent in tangents.items()}
        self.given = tuple(tangents.values())
        self.current = ""

    def run(self) -> Pushforward:
        for layer in self.core.program.layers:
            self.layers.append(layer)
            self.current = layer.name
            if layer.name in self.rules.active:
                self.tangents[layer.name] = self.tangent(layer.name, layer.expression)
        output = self.output(self.core.program.output)
        inputs = (*self.core.program.inputs, *self.given)
        program = Program(inputs, tuple(self.layers), (output,), self.core.program.source)
        core = Core(program, self.shapes, self.core.homes, self.core.forward, self.fused)
        return Pushforward(core, self.tangents)

    def emit(self, node: Node, shape: Shape) -> Name:
        """Add a layer for the tangent of the current one, or for a part of it."""
        made = f"t_{self.current}"
        name = next(one for one in chain([made], (f"{made}_{k}" for k in count(1))) if one not in self.shapes)
        self.layers.append(Layer(name, node))
        self.shapes[name] = shape
        if self.current in self.core.fused:
            self.fused[name] = self.core.fused[self.current]
        return Name(name)

    def named(self, node: Node, shape: Shape) -> Node:
        """Return an expression as a name or a number."""
        return node if isinstance(node, Name | Number) else self.emit(node, shape)

    def output(self, name: str) -> str:
        """Return the layer that holds the tangent of the sum of the output."""
        tangent, shape = self.full(self.tangents.get(name, ZERO), self.shapes[name]), self.shapes[name]
        if shape:
            tangent = call("sum", tangent, dim=tuple(range(len(shape))), keepdim=False)
        self.current = name
        made = tangent if isinstance(tangent, Name) else self.emit(tangent, ())
        return made.id

    def full(self, node: Node, shape: Shape) -> Node:
        """Return a tangent in the full shape of what it belongs to."""
        held = self.shapes[node.id] if isinstance(node, Name) else ()
        if held == shape:
            return node
        if not isinstance(node, Name):
            node = self.emit(node, ())
        return self.emit(call("expand", node, shape=shape), shape)

    def tangent(self, name: str, node: Node) -> Node:
        """Return the tangent of a layer."""
        if isinstance(node, Call) and node.op == DETACH:
            return ZERO
        parts = self.tensor(name, node) if isinstance(node, Call) and node.op in TENSOR else self.kernel(name, node)
        made = reduce(plus, parts) if parts else ZERO
        return self.named(made, broadcast(*(self.shapes[one] for one in names(made))))

    def kernel(self, name: str, kernel: Node) -> list[Node]:
        """Return what each argument of an elementwise layer adds."""
        found = [part for _, part in self.rules.parts(name, kernel, self.tangents.__getitem__) if part is not None]
        if not self.rules.is_fused(kernel):
            return found
        made: list[Node] = []
        for part in found:
            held = self.emit(part, broadcast(*(self.shapes[one] for one in names(part))))
            self.fused[held.id] = FUSED
            made.append(held)
        return made

    def tensor(self, name: str, node: Call) -> list[Node]:
        """Return what the arguments of a tensor operation add: it is linear in each, or in all of them together."""
        row, shape = TENSOR[node.op], self.shapes[name]
        given = [arg.id for arg in node.args if isinstance(arg, Name)]
        moved = {one: self.full(self.tangents[one], self.shapes[one]) for one in given if one in self.rules.active}
        held = {one: self.held(tangent, self.shapes[one]) for one, tangent in moved.items()}
        if not row.multilinear:
            parts = [tuple(held[one] if one in held else self.still(one) for one in given)]
        else:
            parts = [
                tuple(held[one] if k == at else Name(other) for k, other in enumerate(given))
                for at, one in enumerate(given) if one in held
            ]  # fmt: skip
        return [self.emit(Call(node.op, args, node.params), shape) for args in parts]

    def held(self, node: Node, shape: Shape) -> Name:
        """Return a tangent as a name, which tensor operations take."""
        return node if isinstance(node, Name) else self.emit(node, shape)

    def still(self, name: str) -> Name:
        """Return the tangent of an argument that does not move."""
        return self.held(self.full(ZERO, self.shapes[name]), self.shapes[name])
