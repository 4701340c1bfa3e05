"""The reverse sweep: kernels are differentiated in closed form, the table transposes the rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from itertools import chain, count

from gradcheck import kernels
from gradcheck.differentiate.rules import Rules, domains, plus, product
from gradcheck.functions import BEHIND, DETACH, TENSOR
from gradcheck.functions.params import broadcast
from gradcheck.functions.sums import FUSED
from gradcheck.kernels import ONE, ZERO
from gradcheck.lower import Core, lower
from gradcheck.program import Call, Layer, Name, Node, Number, Program, Shape, call, live, names, number


@dataclass(frozen=True, slots=True)
class Pullback:
    """A gradient program in core form: the forward layers, then the reverse sweep.

    ``cotangents`` holds the cotangent of each input and forward layer on the way, a layer's name or a constant; it may
    still lack axes along which it is the same. An input without one has no path to the output.
    """

    core: Core
    cotangents: dict[str, Node]

    @property
    def program(self) -> Program:
        """Return the program; its outputs are the gradients in the order asked for."""
        return self.core.program


def differentiate(
    program: Program, shapes: Mapping[str, Shape] | None = None, wrt: Sequence[str] | None = None
) -> Program:
    """Return the program of the gradient: of the sum of the outputs' elements, by each input in ``wrt``.

    The result is a program like any other: it prints, evaluates, and can be differentiated again.

    >>> from gradcheck.parse import parse
    >>> print(differentiate(parse("3*x**2"), wrt=["x"]))
    out = 3*x**2
    d_x = 6*x
    """
    return pull_back(lower(program, shapes), wrt).program


def pull_back(
    core: Core,
    wrt: Sequence[str] | None = None,
    *,
    guarded: bool = False,
    as_torch: bool = False,
    seed: str | None = None,
) -> Pullback:
    """Return the reverse sweep through a core program.

    ``seed`` names an input that holds the cotangent of the output; without one it is 1 everywhere.

    With ``guarded`` every partial holds only inside the domain of its operation, so that a point outside has no number.
    With ``as_torch`` single operations take the formulas that torch evaluates.

    >>> from gradcheck.lower import lower
    >>> from gradcheck.parse import parse
    >>> made = pull_back(lower(parse("y = 3*x; sum(y**2)"), {"x": (2,)}), ["x"])
    >>> made.core.shapes[made.program.output]
    (2,)
    """
    by = tuple(wrt if wrt is not None else core.program.inputs)
    try:
        return _Sweep(core, by, guarded, as_torch, seed).run()
    except kernels.NoClosedForm:
        # Single operations always have a partial; their fused form need not.
        again = lower(core.program, {name: core.shapes[name] for name in core.program.inputs}, nodes=True)
        return _Sweep(again, by, guarded, as_torch, seed, last_resort=True).run()


@dataclass(frozen=True, slots=True)
class _Part:
    """A cotangent; its shape may still lack axes along which it is constant."""

    node: Node
    shape: Shape


class _Sweep:
    """The reverse sweep; the state is the layers so far and what flows into every name."""

    def __init__(
        self,
        core: Core,
        wrt: tuple[str, ...],
        guarded: bool,
        as_torch: bool,
        seed: str | None,
        last_resort: bool = False,
    ) -> None:
        self.core = core
        self.wrt = wrt
        self.guarded = guarded
        self.as_torch = as_torch
        self.seed = _Part(ONE, ()) if seed is None else _Part(Name(seed), core.shapes[seed])
        self.rules = Rules(core.program, wrt, guarded, as_torch, last_resort)
        self.layers = list(core.program.layers)
        self.shapes = dict(core.shapes)
        self.flows: dict[str, list[_Part]] = {}
        self.cotangents: dict[str, Node] = {}
        self.fused = dict(core.fused)
        self.current = ""

    def run(self) -> Pullback:
        for output in self.core.program.outputs:
            self.flows.setdefault(output, []).append(self.seeded(output))
        for layer in reversed(self.core.program.layers):
            if layer.name in self.rules.active and layer.name in self.flows:
                self.current = layer.name
                self.pull(layer, self.cotangent(layer.name))
        outputs = tuple(self.gradient(name) for name in self.wrt)
        program = Program(self.core.program.inputs, tuple(self.layers), outputs, self.core.program.source)
        core = Core(program, self.shapes, self.core.homes, self.core.forward, self.fused)
        return Pullback(core, self.cotangents)

    def seeded(self, output: str) -> _Part:
        """Return the cotangent of an output; an element that may be without a value hands on that it is."""
        if not self.guarded or not any(True for layer in live(self.core.program) for _ in domains(layer.expression)):
            return self.seed
        shape = broadcast(self.seed.shape, self.core.shapes[output])
        return _Part(call(BEHIND, self.seed.node, Name(output)), shape)

    # --- layers ---

    def emit(self, name: str, node: Node, shape: Shape) -> _Part:
        name = next(one for one in chain([name], (f"{name}_{k}" for k in count(1))) if one not in self.shapes)
        self.layers.append(Layer(name, node))
        self.shapes[name] = shape
        if self.current in self.core.pulled:
            self.fused[name] = self.core.pulled[self.current]
        return _Part(Name(name), shape)

    def cotangent(self, name: str) -> _Part:
        """Return the sum of what flows into ``name``, as a name unless it is a constant."""
        parts = self.flows.pop(name)
        total = _Part(reduce(plus, (part.node for part in parts)), broadcast(*(part.shape for part in parts)))
        named = isinstance(total.node, Number | Name)
        made = total if named else self.emit(f"d_{name}", total.node, total.shape)
        self.cotangents[name] = made.node
        return made

    def gradient(self, name: str) -> str:
        """Return the layer of an output, in the full shape of its input; without a path to the output it is 0."""
        self.current = name
        parts = self.flows.pop(name, []) or self.behind(name)
        node = reduce(plus, (part.node for part in parts)) if parts else ZERO
        shape = broadcast(*(part.shape for part in parts))
        if shape != self.shapes[name]:
            held = node if isinstance(node, Name) else self.emit(f"d_{name}_1", node, shape).node
            node = call("expand", held, shape=self.shapes[name])
        made = self.emit(f"d_{name}", node, self.shapes[name]).node
        assert isinstance(made, Name)
        if parts:
            self.cotangents[name] = made
        return made.id

    def behind(self, name: str) -> list[_Part]:
        """Return what flows into an input that the outputs read and do not move with: nothing, if they have a value."""
        read = {one for layer in live(self.core.program) for one in names(layer.expression)}
        if not self.guarded or name not in read:
            return []
        parts = [self.seeded(output) for output in self.core.program.outputs]
        made = [self.emit(f"d_{name}", product(ZERO, one.node), one.shape) for one in parts if one is not self.seed]
        if self.goes_by_elements(name):
            return [self.fold(one, one.shape, self.shapes[name]) for one in made]
        return [self.total(one) for one in made]

    def goes_by_elements(self, name: str) -> bool:
        """Return whether no tensor operation mixes the elements of an input on their way to the outputs."""
        reached = {name}
        for layer in self.core.program.layers:
            if reached.intersection(names(layer.expression)):
                if isinstance(layer.expression, Call) and layer.expression.op in TENSOR:
                    return False
                reached.add(layer.name)
        return True

    def total(self, part: _Part) -> _Part:
        """Return the sum over all axes."""
        if part.shape == ():
            return part
        dim = tuple(range(len(part.shape)))
        return self.emit(f"d_{self.current}", call("sum", part.node, dim=dim, keepdim=False), ())

    def full(self, part: _Part, shape: Shape) -> _Part:
        """Return a cotangent in the full shape."""
        if part.shape == shape:
            return part
        if not isinstance(part.node, Name):
            part = self.emit(f"d_{self.current}", part.node, part.shape)
        return self.emit(f"d_{self.current}", call("expand", part.node, shape=shape), shape)

    def pull(self, layer: Layer, ct: _Part) -> None:
        node = layer.expression
        if isinstance(node, Call) and node.op == DETACH:
            return
        if isinstance(node, Call) and node.op in TENSOR:
            self.pull_tensor(layer.name, node, ct)
        else:
            self.pull_kernel(layer.name, node, ct)

    # --- kernels ---

    def pull_kernel(self, name: str, kernel: Node, ct: _Part) -> None:
        for leaf, part in self.rules.parts(name, kernel, lambda _: ct.node):
            if part is None:
                continue
            pulled = self.in_kernel(kernel, part)
            shape = broadcast(ct.shape, *(self.shapes[one] for one in names(pulled)))
            folded = self.fold(_Part(pulled, shape), self.shapes[name], self.shapes[leaf])
            self.flows.setdefault(leaf, []).append(folded)

    def in_kernel(self, kernel: Node, node: Node) -> Node:
        """Return what torch computes in one kernel as a layer, which is not rounded before it is read."""
        if not self.rules.is_fused(kernel):
            return node
        made = self.emit(f"d_{self.current}", node, broadcast(*(self.shapes[one] for one in names(node))))
        assert isinstance(made.node, Name)
        self.fused[made.node.id] = FUSED
        return made.node

    def fold(self, part: _Part, full: Shape, shape: Shape) -> _Part:
        """Sum a cotangent over the axes along which its leaf was broadcast to the kernel's ``full`` shape."""
        if self.as_torch and full != shape:
            part = self.full(part, full)  # torch adds up what is constant, too, and rounds at every step
        lead = len(full) - len(shape)
        padded = (1,) * (len(full) - len(part.shape)) + part.shape
        skipped = len(full) - len(part.shape)
        over, repeats = [], 1
        for axis, size in enumerate(full):
            if size != 1 and (axis < lead or shape[axis - lead] == 1):
                if padded[axis] == size:
                    over.append(axis - skipped)
                else:
                    repeats *= size
        node = part.node if repeats == 1 else product(number(repeats), part.node)
        if over:
            held = self.emit(f"d_{self.current}", node, part.shape)
            kept = tuple(1 if axis in over else size for axis, size in enumerate(part.shape))
            held = self.emit(f"d_{self.current}", call("sum", held.node, dim=tuple(over), keepdim=True), kept)
            part, node = held, held.node
        else:
            part = _Part(node, part.shape)
        return self.shortened(part, len(shape))

    def shortened(self, part: _Part, rank: int) -> _Part:
        """Drop leading axes of size 1."""
        if len(part.shape) <= rank:
            return part
        held = part if isinstance(part.node, Name) else self.emit(f"d_{self.current}", part.node, part.shape)
        shape = held.shape[len(held.shape) - rank :]
        return self.emit(f"d_{self.current}", call("reshape", held.node, shape=shape), shape)

    # --- tensor operations ---

    def pull_tensor(self, name: str, node: Call, ct: _Part) -> None:
        row = TENSOR[node.op]
        shapes = [self.shapes[one.id] for one in node.args if isinstance(one, Name)]
        if row.keeps_constants and ct.shape == () and isinstance(node.args[0], Name):
            self.flows.setdefault(node.args[0].id, []).append(ct)
            return
        ct = self.full(ct, self.shapes[name])
        ct = ct if isinstance(ct.node, Name) else self.emit(f"d_{name}", ct.node, ct.shape)
        for position, leaf in enumerate(node.args):
            if isinstance(leaf, Name) and leaf.id in self.rules.active:
                pulled = row.transpose(ct.node, node, shapes, self.shapes[name], position)
                self.flows.setdefault(leaf.id, []).append(self.tensor(pulled))

    def tensor(self, node: Node) -> _Part:
        """Return nested tensor operations as layers; an outermost expand waits until the full shape is needed."""
        if isinstance(node, Name):
            return _Part(node, self.shapes[node.id])
        assert isinstance(node, Call)
        args = [self.tensor(one) for one in node.args]
        if node.op == "expand":
            return args[0]
        row, params = TENSOR[node.op], dict(node.params)
        shape = row.shape(*(one.shape for one in args), **params)
        if node.op == "reshape" and shape == args[0].shape:
            return args[0]
        return self.emit(f"d_{self.current}", Call(node.op, tuple(one.node for one in args), node.params), shape)
