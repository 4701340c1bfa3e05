"""Formulas for people: the gradient composed into one closed form, and the derivative of every layer by itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from functools import cached_property, partial
from itertools import chain, count
from math import prod
from typing import Any

from gradcheck import kernels
from gradcheck.differentiate import Pullback, pull_back
from gradcheck.functions import DETACH, GUARD, PATCH, TENSOR
from gradcheck.lower import Core, lower
from gradcheck.program import (
    Call,
    Layer,
    Name,
    Node,
    Number,
    Program,
    Shape,
    call,
    names,
    postorder,
    rebuild,
    substitute,
    to_text,
)

MAX_CLOSED_FORM = 200
"""Characters of a composed closed form that is still shown."""
MAX_LOCAL = 60
"""Characters of a layer's local derivative that is still shown."""
MAX_INLINED = 40
"""Characters of a value that is shown where it is used instead of on a line of its own."""
MAX_COMPOSED_NODES = 300
"""Nodes of an expression that composing may build."""
SHOWN_LAYERS = 40
"""Layers of a program up to which the derivative of each is worked out for a report."""


class Display:
    """What a report shows of a program at known shapes; each text is made once, when it is asked for.

    It travels between processes as the program, with the texts that were made.
    """

    def __init__(
        self, program: Program, shapes: Mapping[str, Shape], wrt: tuple[str, ...], forms: Callable[[], Pullback]
    ) -> None:
        """``shapes`` are those of the inputs, ``forms`` returns the gradient program of fused kernels."""
        self.program = program
        self.shapes = shapes
        self.wrt = wrt
        self._forms = forms
        self._formulas: dict[tuple[str, ...], str | None] = {}
        self._lines: list[str] | None = None
        self._derivatives: dict[str, dict[str, str]] = {}

    @cached_property
    def forms(self) -> Pullback:
        """Return the gradient program of fused kernels."""
        return self._forms()

    @cached_property
    def closed(self) -> dict[str, Node | None]:
        """Return the gradient by each input as one elementwise expression of the inputs, where there is a short one."""
        outputs = self.forms.program.outputs
        return {name: closed_form(self.forms, one, name) for name, one in zip(self.wrt, outputs, strict=True)}

    def formula(self, name: str, along: tuple[str, ...] = ()) -> str | None:
        """Return the closed form of the gradient by one input, None where there is no short one.

        What was differentiated ``along`` others before gives a derivative of higher order.
        """
        key = (*along, name)
        if key not in self._formulas:
            found = (one for one in map(partial(self._higher, key), dict.fromkeys(key)) if one is not None)
            self._formulas[key] = next(found, None)
        return self._formulas[key]

    def _higher(self, by: tuple[str, ...], base: str) -> str | None:
        """Return a derivative by several inputs in turn, from the gradient by one of them.

        A gradient that is an elementwise expression is differentiated element by element, and it does not matter which
        input comes first.
        """
        node, rest = self.closed[base], [*by]
        rest.remove(base)
        try:
            for name in rest:
                if node is not None:
                    node = kernels.tidy(kernels.partial(node, name)) if name in names(node) else kernels.ZERO
        except kernels.NoClosedForm:
            return None
        if node is not None and rest:
            node = rebuild(node, _leftwards)
        text = "" if node is None else indexed(node, self.shapes, base)
        return text if 0 < len(text) <= MAX_CLOSED_FORM else None

    def lines(self) -> list[str]:
        """Return the gradient program."""
        if self._lines is None:
            self._lines = readable(self.forms.core, {layer.name for layer in self.program.layers})
        return self._lines

    def derivatives(self, name: str) -> dict[str, str]:
        """Return the derivative of one layer by each name it reads; there are none in a program of many layers."""
        if name not in self._derivatives:
            layers = self.program.layers
            shown = [layer for layer in layers if layer.name == name] if len(layers) <= SHOWN_LAYERS else []
            self._derivatives[name] = local_derivatives(shown[-1], self.forms.core.shapes) if shown else {}
        return self._derivatives[name]

    def make(self) -> None:
        """Make all texts, so that whoever gets them has no more work with them."""
        self.lines()
        for name in self.wrt:
            self.formula(name)
        for layer in self.program.layers:
            self.derivatives(layer.name)

    def __getstate__(self) -> tuple[Any, ...]:
        return self.program, self.shapes, self.wrt, self._formulas, self._lines, self._derivatives

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.program, self.shapes, self.wrt, self._formulas, self._lines, self._derivatives = state
        self._forms = lambda: pull_back(lower(self.program, self.shapes), self.wrt)


def _leftwards(node: Node) -> Node:
    """Return a product of a product without brackets: for reading it does not matter which comes first."""
    if isinstance(node, Call) and node.op == PATCH:
        return node.args[0]  # what is written of it, too
    if isinstance(node, Call) and node.op == "mul" and isinstance(last := node.args[1], Call) and last.op == "mul":
        return call("mul", _leftwards(call("mul", node.args[0], last.args[0])), last.args[1])
    return node


def closed_form(pullback: Pullback, output: str, like: str) -> Node | None:
    """Return a gradient as one elementwise expression of the inputs, or None where it is none, or no short one.

    ``like`` is the input that the gradient is by; the expression broadcasts to its shape.
    """
    composed = compose(pullback.core, output)
    if composed is None:
        return None
    try:
        made = kernels.tidy(composed)
    except kernels.NoClosedForm:
        return None
    shapes = pullback.core.shapes
    narrow = all(len(shapes[name]) <= len(shapes[like]) for name in names(made))
    return made if narrow and len(indexed(made, shapes, like)) <= MAX_CLOSED_FORM else None


def indexed(formula: Node, shapes: Mapping[str, Shape], like: str) -> str:
    """Return a closed form in index notation, such as ``6*x[i, j] + 4``; the indices count the axes of ``like``.

    >>> from gradcheck.parse import parse
    >>> indexed(parse("6*x + 4").layers[0].expression, {"x": (2, 3)}, "x")
    '6*x[i, j] + 4'
    """
    return to_text(formula, lambda name: name + _indices(shapes[name], len(shapes[like])))


def _indices(shape: Shape, rank: int) -> str:
    return f"[{', '.join(letters(shape, rank))}]" if shape else ""


def letters(shape: Shape, rank: int) -> tuple[str, ...]:
    """Return the indices of a tensor that broadcasts to ``rank`` axes: a letter for each axis, 0 along one of size 1.

    >>> letters((3, 1), 3)
    ('j', '0')
    """
    named = "ijklmnopqrstuvw"[rank - len(shape) : rank]
    return tuple("0" if size == 1 else one for one, size in zip(named, shape, strict=True))


def local_derivatives(layer: Layer, shapes: Mapping[str, Shape]) -> dict[str, str]:
    """Return the derivative of one layer by each name it reads, as text.

    An elementwise layer and a full reduction have a partial (``4*y``, ``1/6``). Any other layer has a pullback,
    written for a cotangent ``ct`` of the layer: ``ct @ w.T``. What has no short text is left out.

    >>> from gradcheck.parse import parse
    >>> local_derivatives(parse("z = 2*y**2").layers[0], {"y": (), "z": ()})
    {'y': '4*y'}
    """
    texts = {name: to_text(node) for name, node in local_formulas(layer, shapes).items()}
    return {name: text for name, text in texts.items() if len(text) <= MAX_LOCAL}


def local_formulas(layer: Layer, shapes: Mapping[str, Shape]) -> dict[str, Node]:
    """Return the derivative of one layer by each name it reads, where it has one in closed form."""
    reads = tuple(names(layer.expression))
    single = Program(reads, (layer,), (layer.name,))
    core = lower(single, shapes)
    made = {name: _local(single, core, name) for name in reads}
    return {name: node for name, node in made.items() if node is not None}


def _local(program: Program, core: Core, name: str) -> Node | None:
    try:
        if not any(_is_tensor(one.expression) for one in core.program.layers):
            whole = compose(core, program.output)
            return kernels.tidy(kernels.partial(whole, name)) if whole is not None else None
        if core.shapes[program.output] == ():
            pulled = pull_back(core, [name])
            made = compose(pulled.core, pulled.program.output, tensors=True)
            return kernels.tidy(made) if made is not None and not any(map(_is_tensor, postorder(made))) else made
        return _pullback(program, core, name)
    except kernels.NoClosedForm:
        return None


def _pullback(program: Program, core: Core, name: str) -> Node | None:
    """Return the cotangent of ``name`` for a cotangent ``ct`` of the layer."""
    ct = next(one for one in chain(["ct"], (f"ct_{k}" for k in count(1))) if one not in core.shapes)
    seeded = Layer(f"{program.output}_seeded", call("mul", Name(program.output), Name(ct)))
    weighted = Program((*program.inputs, ct), (*program.layers, seeded), (seeded.name,))
    shapes = {**{one: core.shapes[one] for one in program.inputs}, ct: core.shapes[program.output]}
    pulled = pull_back(lower(weighted, shapes), [name])
    return compose(pulled.core, pulled.program.output, tensors=True)


def _is_tensor(node: Node) -> bool:
    return isinstance(node, Call) and (node.op in TENSOR or node.op == DETACH)


def compose(core: Core, output: str, *, tensors: bool = False) -> Node | None:
    """Return a layer with all the layers behind it written into it, or None where that grows too large.

    ``tensors`` lets tensor operations stay in the expression; without it they are a reason for None.
    """
    needed = {output}
    for layer in reversed(core.program.layers):
        if layer.name in needed:
            needed.update(names(layer.expression))
    done: dict[str, Node] = {}
    for layer in core.program.layers:
        if layer.name in needed:
            node = _without_repeats(layer.expression, core.shapes, done)
            made = substitute(node, done)
            if (_is_tensor(node) and not tensors) or sum(1 for _ in postorder(made)) > MAX_COMPOSED_NODES:
                return None
            done[layer.name] = made
    return done[output]


def _without_repeats(node: Node, shapes: Mapping[str, Shape], done: Mapping[str, Node]) -> Node:
    """Return a layer's expression without a tensor operation that only repeats or moves one number."""
    if not isinstance(node, Call) or node.op not in ("expand", "reshape", "permute"):
        return node
    inner = node.args[0]
    assert isinstance(inner, Name)
    constant = inner.id in done and not names(done[inner.id])
    return inner if constant or node.op == "expand" or prod(shapes[inner.id]) == 1 else node


def _without_borders(node: Node) -> Node:
    """Return a sum without the terms that are 0 wherever they are numbers: the borders of choices."""
    return rebuild(node, _unbordered)


def _unbordered(node: Node) -> Node:
    if isinstance(node, Call) and node.op == "mul" and any(map(_is_border, node.args)):
        return kernels.ZERO
    if isinstance(node, Call) and node.op == "add" and any(map(_is_nothing, node.args)):
        return next((one for one in node.args if not _is_nothing(one)), kernels.ZERO)
    return node


def _is_border(node: Node) -> bool:
    return isinstance(node, Call) and node.op == GUARD and _is_nothing(node.args[0])


def _is_nothing(node: Node) -> bool:
    return _is_border(node) or (isinstance(node, Number) and node.value == 0)


def readable(core: Core, keep: Collection[str]) -> list[str]:
    """Return the lines of a core program for people: a short value that is used once stands where it is used.

    Layers to ``keep`` stay names, and have no line of their own unless they are outputs.
    """
    uses = Counter(
        one.id for layer in core.program.layers for one in postorder(layer.expression) if isinstance(one, Name)
    )
    inlined: dict[str, Node] = {}
    lines = []
    for layer in core.program.layers:
        node = _without_borders(substitute(_without_repeats(layer.expression, core.shapes, inlined), inlined))
        text = to_text(node)
        once = isinstance(node, Name | Number) or (uses[layer.name] == 1 and len(text) <= MAX_INLINED)
        if layer.name in core.program.outputs:
            lines.append(f"{layer.name} = {text}")
        elif layer.name not in keep and once:
            inlined[layer.name] = node
        elif layer.name not in keep:
            lines.append(f"{layer.name} = {text}")
    return lines
