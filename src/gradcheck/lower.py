"""Lowering: a program at known shapes becomes core layers, each a fused elementwise kernel or a tensor operation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import count
from math import prod

from gradcheck.constants import by_python, in_fractions, in_python
from gradcheck.definitions import lines, opened
from gradcheck.errors import GradcheckError, LimitProblem, ShapeProblem, Span
from gradcheck.functions import (
    COMPOSITE,
    CONDITIONS,
    DETACH,
    ELEMENTWISE,
    TENSOR,
    Accumulation,
    Composite,
    Tensor,
)
from gradcheck.functions.params import broadcast, shape_text
from gradcheck.parse import parse
from gradcheck.program import (
    NOWHERE,
    Call,
    Layer,
    Name,
    Node,
    Number,
    Program,
    Shape,
    fold,
    infinity,
    postorder,
    structure,
    substitute,
)
from gradcheck.sizes import filled

MAX_ELEMENTS = 2_000_000
"""Elements of one tensor."""
MAX_KERNEL_NODES = 120
"""Nodes of one fused kernel; larger expressions are cut, so that symbolic work stays linear."""
MAX_INLINE_NODES = 12
"""Nodes of an argument that a definition may repeat; a larger one becomes a layer."""


@dataclass(frozen=True, slots=True)
class Core:
    """A lowered program with the shape of every name.

    ``homes`` says what became of each operation that the user wrote: the layer that holds its value, or a constant.
    ``forward`` are the layers that compute what the user wrote: where one is outside its domain, it has no value.
    ``fused`` names the layers whose values torch does not round to the format, with how it computes them, and
    ``pulled`` those whose cotangents it does not round.

    >>> from gradcheck.parse import parse
    >>> core = lower(parse("y = softplus(x); y*2"), {"x": (3,)})
    >>> core.shapes["y"], core.shapes["out"]
    ((3,), (3,))
    """

    program: Program
    shapes: dict[str, Shape]
    homes: Mapping[Call, Name | Number] = field(default_factory=dict)
    forward: frozenset[str] = frozenset()
    fused: Mapping[str, Accumulation] = field(default_factory=dict)
    pulled: Mapping[str, Accumulation] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Piece:
    """An expression under construction: its shape and its number of nodes."""

    node: Node
    shape: Shape
    size: int = 1


def lower(
    program: Program,
    shapes: Mapping[str, Shape] | None = None,
    *,
    nodes: bool = False,
    as_torch: bool = False,
    shared: bool = False,
    again: int = 0,
) -> Core:
    """Return the core form of ``program`` for inputs of these ``shapes`` (scalars where none is given).

    With ``nodes`` every operation is a layer of its own; else elementwise operations are fused. With ``as_torch``
    definitions take the form whose rounding errors are torch's. With ``shared`` what is made twice in the same way is
    one layer, with the sum of the cotangents that torch has at each place. What is differentiated ``again``, so many
    times, takes no definition whose slope stands beside its value and has none.
    Raises ShapeProblem with the span of the operation whose shapes do not fit, or LimitProblem.

    >>> print(lower(parse("mean((x - 1)**2)"), {"x": (2, 3)}).program)
    out_1 = (x - 1)**2
    out_2 = sum(out_1, dim=(0, 1))
    out = out_2/6
    """
    given = {name: tuple((shapes or {}).get(name, ())) for name in program.inputs}
    return _Lowering(program, given, nodes, as_torch, shared, again).run()


class _Lowering:
    """One pass over a program; the state is the layers made so far and the shape of every name."""

    def __init__(
        self, program: Program, shapes: dict[str, Shape], nodes: bool, as_torch: bool, shared: bool, again: int
    ) -> None:
        self.program = program
        self.shapes = shapes
        self.nodes = nodes
        self.as_torch = as_torch
        self.shared = shared
        self.again = again
        self.layers: list[Layer] = []
        self.taken = {*program.inputs, *(layer.name for layer in program.layers)}
        self.current = ""
        self.numbers = count(1)
        self.temporary: set[str] = set()
        self.known: dict[str, str] = {}
        self.plain: set[str] = set()
        self.homes: dict[Call, Name | Number] = {}
        self.renamed: dict[str, str] = {}
        self.fusing: Accumulation | None = None
        self.pulling: Accumulation | None = None
        self.fused: dict[str, Accumulation] = {}
        self.pulled: dict[str, Accumulation] = {}

    def run(self) -> Core:
        for layer in self.program.layers:
            self.current, self.numbers = layer.name, count(1)
            written = filled(layer.expression, self.shapes, self.program.source)
            self.emit(layer.name, self.expression(written, {}, None), layer.span)
        program = replace(self.program, layers=tuple(self.layers))
        homes = {call: self.home(made) for call, made in self.homes.items()}
        forward = frozenset(layer.name for layer in self.layers)
        return Core(program, self.shapes, homes, forward, self.fused, self.pulled)

    def home(self, made: Name | Number) -> Name | Number:
        """Return a name as it is called in the end."""
        return Name(self.renamed[made.id], made.span) if isinstance(made, Name) and made.id in self.renamed else made

    def emit(self, name: str, piece: _Piece, span: Span) -> _Piece:
        """Add a layer and return its name as a piece."""
        last = self.layers[-1].name if self.layers else None
        if isinstance(piece.node, Name) and piece.node.id == last and last in self.temporary:
            # The value was made for this very layer: it takes the layer's name instead of a copy.
            self.layers[-1] = replace(self.layers[-1], name=name)
            self.renamed[last] = name
            del self.shapes[last]
            for marks in (self.fused, self.pulled):
                if last in marks:
                    marks[name] = marks.pop(last)
        else:
            self.layers.append(Layer(name, self.alike(piece.node) or piece.node, span))
            if self.fusing is not None:
                self.fused[name] = self.fusing
            if self.pulling is not None:
                self.pulled[name] = self.pulling
        self.shapes[name] = piece.shape
        self.note(name, self.layers[-1].expression)
        return _Piece(Name(name, span), piece.shape)

    def alike(self, node: Node) -> Name | None:
        """Return the layer that is made in the same way already, where these are shared."""
        found = self.known.get(structure(node)) if self.shared and isinstance(node, Call) else None
        return None if found is None else Name(found, node.span)

    def note(self, name: str, node: Node) -> None:
        if self.shared and isinstance(node, Call):
            self.known[structure(node)] = name

    def layer(self, piece: _Piece) -> _Piece:
        """Return a piece that is a name, made a layer where it is not."""
        if isinstance(piece.node, Name):
            return piece
        if (found := self.alike(piece.node)) is not None:
            return _Piece(found, piece.shape)
        name = next(name for name in (f"{self.current}_{k}" for k in self.numbers) if name not in self.taken)
        self.temporary.add(name)
        return self.emit(name, piece, piece.node.span)

    # --- expressions ---

    def expression(self, node: Node, env: Mapping[str, _Piece], span: Span | None) -> _Piece:
        """Lower one expression; ``env`` binds a definition's names, and its operations all bear the call's ``span``."""

        def name(part: Name) -> _Piece:
            return env[part.id] if part.id in env else _Piece(part, self.shapes[part.id])

        def operation(part: Call, args: list[_Piece]) -> _Piece:
            made = self._located(part if span is None else replace(part, span=span), args)
            if span is None and isinstance(made.node, Name | Number):
                self.homes[part] = made.node
            return made

        return fold(node, name, lambda part: _Piece(part, ()), operation)

    def _located(self, node: Call, args: list[_Piece]) -> _Piece:
        try:
            piece = self.operation(node, args)
        except GradcheckError as problem:
            raise problem.located(self.program.source, node.span) if node.span != NOWHERE else problem from None
        except ValueError as problem:
            raise ShapeProblem(str(problem), source=self.program.source, span=node.span) from None
        if 0 in piece.shape:
            raise ShapeProblem(
                f"this tensor is empty ({shape_text(piece.shape)}): there is nothing in it to differentiate by",
                source=self.program.source, span=node.span,
            )  # fmt: skip
        if prod(piece.shape) > MAX_ELEMENTS:
            raise LimitProblem(
                f"a tensor of {shape_text(piece.shape)} has {prod(piece.shape):,} elements; "
                f"the limit (MAX_ELEMENTS) is {MAX_ELEMENTS:,}",
                source=self.program.source, span=node.span,
            )  # fmt: skip
        return piece

    def operation(self, node: Call, args: list[_Piece]) -> _Piece:
        if node.op in TENSOR:
            return self.tensor(TENSOR[node.op], node, args)
        if node.op in COMPOSITE:
            return self.composite(COMPOSITE[node.op], node, args)
        if node.op == DETACH:
            return self.layer(_Piece(replace(node, args=(self.layer(args[0]).node,)), args[0].shape))
        return self.elementwise(node, args)

    def elementwise(self, node: Call, args: list[_Piece]) -> _Piece:
        evaluated = in_python if self.as_torch else in_fractions  # what torch gets has been rounded by Python
        constant = evaluated(node.op, [piece.node.value if isinstance(piece.node, Number) else None for piece in args])
        if constant is not None:
            return _Piece(Number(constant, node.span), ())
        row = ELEMENTWISE.get(node.op)
        if self.as_torch and row is not None and row.of_number and [*map(self.is_plain, args)] == [True, False]:
            return self.define(lines(row.of_number), row.args, node, args)
        shape = _broadcast([piece.shape for piece in args])
        if sum(piece.size for piece in args) >= MAX_KERNEL_NODES:
            args = [self.layer(piece) if piece.size > 1 and not _is_condition(piece) else piece for piece in args]
        made = _Piece(
            replace(node, args=tuple(piece.node for piece in args)), shape, 1 + sum(piece.size for piece in args)
        )
        # A condition stays inside the choice that it makes, so that the choice knows its own border.
        if not (self.nodes and args) or _is_condition(made) or infinity(made.node) is not None:
            return made
        held = self.layer(made)
        if isinstance(held.node, Name) and by_python(node.op, map(self.is_plain, args)):
            self.plain.add(held.node.id)
        return held

    def is_plain(self, piece: _Piece) -> bool:
        """Tell whether a piece is a plain number in torch, and no tensor."""
        node = piece.node
        return (
            node.id in self.plain
            if isinstance(node, Name)
            else isinstance(node, Number) or not node.args or infinity(node) is not None
        )

    def tensor(self, row: Tensor, node: Call, args: list[_Piece]) -> _Piece:
        shapes = [piece.shape for piece in args]
        params = row.canonical(*shapes, **dict(node.params))
        if isinstance(params, str):
            return self.define(lines(params), row.args, node, args)
        shape = row.shape(*shapes, **params)
        if shape == shapes[0] and (row.identity == "shape" or (row.identity == "scalars" and not shape)):
            return args[0]
        tensors = tuple(self.layer(piece).node for piece in args)
        return self.layer(_Piece(Call(row.name, tensors, tuple(params.items()), node.span), shape))

    # --- definitions ---

    def composite(self, row: Composite, node: Call, args: list[_Piece]) -> _Piece:
        _check_scalars(row, args)
        made = opened(row, node, [piece.shape for piece in args], as_torch=self.as_torch, again=self.again)
        constants = [_Piece(one, ()) for one in made.constants.values()]
        return self.define(made.program, (*made.slots, *made.constants), node, [*args, *constants], row)

    def define(
        self, definition: Program, args: Sequence[str], node: Call, pieces: list[_Piece], row: Composite | None = None
    ) -> _Piece:
        """Return a definition's value for these arguments; every operation in it bears the span of the call."""
        reads = [
            part.id for layer in definition.layers for part in postorder(layer.expression) if isinstance(part, Name)
        ]
        env = {
            name: piece if reads.count(name) < 2 or self.stays_inside(piece) else self.layer(piece)
            for name, piece in zip(args, pieces, strict=True)
        }
        outside = self.fusing, self.pulling
        for layer in definition.layers:
            self.fusing, self.pulling = outside if row is None else self.kernel(row, layer.name, outside)
            env[layer.name] = self.expression(layer.expression, env, node.span)
            if layer is not definition.layers[-1]:
                env[layer.name] = self.layer(env[layer.name])
        self.fusing, self.pulling = outside
        return env[definition.output]

    def stays_inside(self, piece: _Piece) -> bool:
        """Tell whether an argument is written wherever a definition reads it: it is small, or a condition."""
        return piece.size <= MAX_INLINE_NODES or _is_condition(piece)

    def kernel(self, row: Composite, line: str, outside: tuple[Accumulation | None, ...]) -> list[Accumulation | None]:
        """Return how torch computes the value and the cotangent of a line, where it does not round them."""
        if not self.as_torch:
            return [None, None]
        lines = (row.fused.split(), row.pulled.split())
        return [found or (row.accumulation if line in one else None) for found, one in zip(outside, lines, strict=True)]


@lru_cache(maxsize=1024)
def condition(text: str) -> Node:
    """Return the condition of a row's text."""
    choice = parse(f"where({text}, 1, 0)").layers[0].expression
    assert isinstance(choice, Call)
    return choice.args[0]


def domain(node: Call) -> Node | None:
    """Return where an elementwise operation has a value, as a condition on its arguments; None where it has everywhere.

    >>> from gradcheck.program import to_text
    >>> to_text(domain(parse("sqrt(3*x)").layers[0].expression))
    '3*x >= 0'
    """
    row = ELEMENTWISE.get(node.op)
    text = row.domain(node) if row is not None and callable(row.domain) else row.domain if row is not None else None
    if row is None or text is None:
        return None
    return substitute(condition(text), dict(zip(row.args, node.args, strict=True)))


def _is_condition(piece: _Piece) -> bool:
    return isinstance(piece.node, Call) and piece.node.op in CONDITIONS


def _check_scalars(row: Composite, args: Sequence[_Piece]) -> None:
    """Demand that what need not be given has dims where it is given, if torch wants so."""
    for name, piece in zip(row.args, args, strict=False):
        if piece.shape or not args[0].shape or name not in row.optional or name in row.scalars:
            continue
        if not isinstance(piece.node, Number) or piece.node.value != row.optional[name]:
            raise ValueError(f"{name} of {row.name} is a tensor with dimensions, and no single number")


def _broadcast(shapes: Sequence[Shape]) -> Shape:
    try:
        return broadcast(*shapes)
    except ValueError:
        shown = " and ".join(shape_text(shape) for shape in dict.fromkeys(shapes) if shape)
        raise ValueError(f"these shapes do not broadcast: {shown}") from None
