"""One syntax tree as a program: expressions, node by node, each from the whitelist or refused."""

from __future__ import annotations

import ast
import re
from collections import Counter
from fractions import Fraction
from itertools import chain, count

from gradcheck.constants import check_growth, constant_value
from gradcheck.errors import LimitProblem, NameProblem, Span, SyntaxProblem, Words
from gradcheck.functions import CONSTANTS, DETACH
from gradcheck.parse import statements
from gradcheck.parse.attributes import attribute
from gradcheck.parse.calls import chosen_result, function
from gradcheck.parse.inlining import untracked
from gradcheck.parse.memory import Memory
from gradcheck.parse.operators import binary, comparison, is_condition, unary
from gradcheck.parse.params import key, param
from gradcheck.parse.places import Places
from gradcheck.parse.prefixes import prefix
from gradcheck.parse.refusals import REFUSED
from gradcheck.parse.scopes import Binding, Held, Scope, regions
from gradcheck.parse.shapes import constant, size
from gradcheck.parse.statics import truth
from gradcheck.parse.values import bound, kept, node_of, opened, part_of
from gradcheck.program import (
    Call,
    Layer,
    Name,
    Node,
    Number,
    Param,
    Program,
    Sized,
    given,
    names,
    postorder,
    substitute,
)
from gradcheck.source import MAX_NESTING, too_deep

MAX_NODES = 100_000
"""Operations, names and numbers of a program."""
MAX_LITERAL_EXPONENT = 5_000
"""Decimal exponent of one number; float64 ends at 308."""


class Reader:
    """Turns one syntax tree into a program; the state is the layers so far, and what every name stands for now."""

    def __init__(self, source: str, bound: frozenset[str], hidden: bool) -> None:
        self.source = source
        self.bound = bound
        self.hidden = hidden
        self.layers: list[Layer] = []
        self.assigned: dict[str, Span] = {}
        self.numbers: dict[str, Fraction] = {}
        self.inputs: set[str] = set()
        self.fixed: dict[tuple[Span, str], None] = {}
        self.top = self.scope = Scope()
        self.modules: dict[str, str] = {}
        self.imported: dict[str, tuple[str, str]] = {}
        self.regions: dict[str, int] = {}
        self.words = set(re.findall(r"\w+", source))
        self.copies: dict[str, int] = {}
        self.reads: dict[ast.AST, Counter[str]] = {}
        self.tracked = True
        self.target = "n"
        self.whole: dict[str, Param] = {}
        self.written: dict[str, Param] = {}
        self.memory = Memory()
        self.closed: set[str] = set()
        self.nodes = 0
        self.turns = 0
        self.span = Places(source).span

    def fail(self, message: str, node: ast.AST | Span, hint: Words | None = None) -> SyntaxProblem:
        """Return the error about a node, with what to write instead."""
        span = node if isinstance(node, Span) else self.span(node)
        return SyntaxProblem(message, source=self.source, span=span, hint=hint)

    def unknown(self, message: str, node: ast.AST | Span, hint: str | None = None) -> NameProblem:
        """Return the error about a name that is none."""
        span = node if isinstance(node, Span) else self.span(node)
        return NameProblem(message, source=self.source, span=span, hint=hint)

    def text(self, node: ast.AST) -> str:
        """Return what the user typed for a node."""
        span = self.span(node)
        return self.source[span.start : span.end]

    # --- what the other files read with ---

    def prefix(self, node: ast.expr) -> str | None:
        """Return the module that a node names, such as ``torch.nn.functional``; None where it names none."""
        return prefix(self, node)

    def node(self, binding: Binding, place: ast.expr) -> Node:
        """Return what stands for a name at a place, as an expression."""
        return node_of(self, binding, place)

    def binding(self, node: ast.expr, depth: int) -> Binding:
        """Return what an expression makes of a name that it is assigned to."""
        return bound(self, node, depth)

    def kept(self, name: str, binding: Binding, place: ast.AST) -> Binding:
        """Return what may be read more than once; an expression becomes a layer."""
        return kept(self, name, binding, place)

    def truth(self, node: ast.expr, depth: int, place: ast.AST | None = None) -> bool:
        """Return whether a condition holds that is known before anything is computed; ``place`` is where it decides."""
        return truth(self, node, depth, place or node)

    def param(self, node: ast.expr) -> Param:
        """Return a static argument."""
        return param(self, node)

    def static(self, node: ast.expr, depth: int) -> Param:
        """Return a value that is known beforehand, None where it is not."""
        return constant(self, self.expression(node, depth + 1))

    def body(self, lines: list[ast.stmt], depth: int) -> Binding | None:
        """Return what the body of a function returns."""
        return statements.body(self, lines, depth)

    def input(self, name: str, place: ast.AST) -> Name:
        """Return an input."""
        self.inputs.add(name)
        return Name(name, self.span(place))

    def read(self, name: str, place: ast.AST) -> Name:
        """Return a layer or an input that is read; raise where it is no longer what it was."""
        if name in self.memory.changed:
            raise self.fail("this was changed in place before", place, self.memory.changed[name])
        return Name(name, self.span(place))

    def change(self, owner: str, place: ast.AST, hint: Words) -> None:
        """Note that a layer or an input is changed in place."""
        if not self.tracked and owner not in self.closed:
            written = "change it outside of the block, with detach(...) around what is no part of the gradient"
            raise self.fail("where nothing is tracked this changes the numbers, and no gradient", place, written)
        self.memory.change(owner, hint)

    def with_numbers(self, node: Node) -> Node:
        """Return an expression with the numbers that layers hold in the place of their names."""
        held = {name: Number(self.numbers[name]) for name in names(node) if name in self.numbers}
        return substitute(node, dict(held)) if held else node

    # --- the program ---

    def program(self, tree: ast.Module) -> Program:
        """Return the program of a whole text."""
        self.regions = regions(tree)
        output = statements.whole(self, tree)
        for layer in self.layers:
            check_growth(layer.expression, self.source)
        reads = {node.id for layer in self.layers for node in postorder(layer.expression)
                 if isinstance(node, Name) and (node.span, node.id) not in self.fixed}  # fmt: skip
        fixed = tuple(name for name in dict.fromkeys(name for _, name in self.fixed) if name not in reads)
        made = Program(self._inputs(), tuple(self.layers), (output,), self.source, fixed)
        self._check_indices(made)
        return made

    def _check_indices(self, made: Program) -> None:
        """Refuse an input that holds indices and is read as a number, too: it is a part of the program alone."""
        held = frozenset(made.indices)
        for layer in made.layers if held else ():
            for node in postorder(layer.expression):
                for name in [node.id] if isinstance(node, Name) else sized(node):
                    if name in held:
                        hint = "give the numbers as an input of another name"
                        raise self.fail(f"{name} holds indices, and is no number here", node.span, hint)

    def _inputs(self) -> tuple[str, ...]:
        """Return the names that are read and never made, in order of appearance."""
        found: dict[str, None] = {}
        for layer in self.layers:
            for node in postorder(layer.expression):
                for name in [node.id] if isinstance(node, Name) else _read(node):
                    if name not in self.assigned:
                        found.setdefault(name)
        return tuple(found)

    def emit(self, name: str, node: Node, span: Span) -> Name:
        """Add a layer under this name, or under the next one that is free, and return its name."""
        name, node = self.fresh(name), node if self.tracked else untracked(node)
        self.layers.append(Layer(name, node, span))
        self.assigned[name] = span
        self.memory.note(name, node)
        if isinstance(node, Call) and node.op == DETACH:
            self.closed.add(name)
        if (value := constant_value(self.with_numbers(node))) is not None:
            self.numbers[name] = value
        return Name(name, span)

    def fresh(self, name: str) -> str:
        """Return a name for a layer: ``y``, and where that is taken ``y_2``, ``y_3``, and so on."""
        elsewhere = self.scope is not self.top and (self.regions.get(name, 0) > 1 or name in self.bound)
        if not elsewhere and name not in self.assigned and name not in self.inputs:
            return name
        for k in count(self.copies.get(name, 2)):
            if (made := f"{name}_{k}") not in self.words and made not in self.assigned:
                self.copies[name] = k + 1
                return made
        raise AssertionError

    def output_name(self) -> str:
        """Return the name of an output that the text gives none."""
        taken = set(self.assigned) | self.words
        return next(name for name in chain(["out"], (f"out_{k}" for k in count(1))) if name not in taken)

    def count(self, nodes: int, place: ast.AST) -> None:
        """Count so many nodes of the program."""
        self.nodes += nodes
        if self.nodes > MAX_NODES:
            message = f"more than {MAX_NODES:,} operations (the limit MAX_NODES)"
            raise LimitProblem(message, source=self.source, span=self.span(place))

    # --- expressions ---

    def real(self, node: ast.expr, depth: int) -> Node:
        """Return an expression that is a number, not a condition."""
        made = self.expression(node, depth)
        if is_condition(made):
            raise self.fail("a comparison is no number", node, "write where(condition, a, b)")
        return made

    def condition(self, node: ast.expr, depth: int) -> Node:
        """Read an expression that is a condition."""
        made = self.expression(node, depth)
        if isinstance(made, Name) and made.id not in self.assigned:
            return self.truthy(made)
        if not is_condition(made):
            raise self.fail("a condition is needed here", node, "write a comparison, as in x > 0")
        return made

    def truthy(self, node: Node) -> Call:
        """Return where a number is not 0; an input that stands for a condition is differentiated by nowhere."""
        if isinstance(node, Name) and node.id not in self.assigned:
            self.fixed[node.span, node.id] = None
        return Call("ne", (node, Number(Fraction(0), node.span)), (), node.span)

    def expression(self, node: ast.expr, depth: int) -> Node:  # noqa: C901 - one case a kind of node
        """Read any expression; ``depth`` counts the nodes around it."""
        if depth > MAX_NESTING:
            raise too_deep(self.source, self.span(node))
        self.count(1, node)
        match node:
            case ast.Constant():
                return self._constant(node)
            case ast.Name():
                return self._name(node)
            case ast.BinOp():
                return binary(self, node, depth)
            case ast.UnaryOp():
                return unary(self, node, depth)
            case ast.Compare():
                return comparison(self, node, depth)
            case ast.Call():
                return function(self, node, depth)
            case ast.Subscript():
                return self._subscript(opened(self, node, depth), depth)
            case ast.Attribute():
                return attribute(self, opened(self, node, depth), depth)
            case ast.IfExp():
                return self.expression(node.body if self.truth(node.test, depth, node) else node.orelse, depth + 1)
            case Held():
                return node_of(self, node.binding, node)
        message, hint = REFUSED.get(type(node), ("this is not part of the language", None))
        raise self.fail(message, node, hint)

    def _constant(self, node: ast.Constant) -> Node:
        span = self.span(node)
        text = self.source[span.start : span.end].replace("_", "").lower()
        if isinstance(node.value, complex):
            raise self.fail("complex numbers are not part of the language", node)
        if isinstance(node.value, bool) or not isinstance(node.value, int | float):
            raise self.fail(f"{_kind(node.value)} is no number", node)
        if isinstance(node.value, int):
            return Number(Fraction(node.value), span)
        exponent = re.search(r"e([+-]?\d+)$", text)
        if exponent and abs(int(exponent[1])) > MAX_LITERAL_EXPONENT:
            raise LimitProblem(
                f"an exponent beyond {MAX_LITERAL_EXPONENT:,} (the limit MAX_LITERAL_EXPONENT)",
                source=self.source, span=span,
            )  # fmt: skip
        return Number(Fraction(text), span)

    def _name(self, node: ast.Name) -> Node:
        span = self.span(node)
        if (binding := self.scope.find(node.id)) is not None:
            return node_of(self, binding, node)
        if self.is_constant(node):
            return Call(node.id, (), (), span)
        if node.id in ("nan", "infinity", "NaN"):
            raise self.fail(f"{node.id} is no number of the language", node, "infinity is written inf")
        if node.id.startswith("__"):
            hint = "leave the line out, with what stands in its block" if node.id == "__name__" else None
            raise self.fail(f"{node.id} is not part of the language", node, hint)
        if node.id in self.assigned:
            hint = f"call one of them {node.id}2"
            raise self.fail(f"{node.id} is an input here, and something else inside a function", node, hint)
        self.inputs.add(node.id)
        return self.read(node.id, node)

    def is_constant(self, node: ast.Name) -> bool:
        """Tell whether a name is that of a constant here, and of no input or layer."""
        return node.id in CONSTANTS and self.scope.find(node.id) is None and node.id not in self.bound

    def _subscript(self, node: ast.Subscript, depth: int) -> Node:
        if isinstance(node.slice, ast.Constant) and isinstance(node.slice.value, str):
            message, _ = REFUSED[ast.Dict]
            raise self.fail(message, node, f"write {node.slice.value}: what it holds is an input")
        if (asked := size(self, node, depth)) is not None:
            return asked
        if (chosen := chosen_result(self, node, depth)) is not None:
            return chosen
        if (part := part_of(self, node)) is not None:
            return node_of(self, part, node)
        place = key(self, node.slice)
        return Call("index", (self.real(node.value, depth + 1),), (("key", place),), self.span(node))


def _read(node: Node) -> list[str]:
    """Return the inputs that hold static arguments of an operation, or whose shapes these ask for."""
    return [name for _, value in node.params for name in _named(value)] if isinstance(node, Call) else []


def sized(node: Node) -> list[str]:
    """Return the inputs and layers whose shapes the static arguments of an operation ask for."""
    held = {name for _, value in node.params for name in given(value)} if isinstance(node, Call) else set()
    return [name for name in _read(node) if name not in held]


def _named(value: Param) -> list[str]:
    if isinstance(value, Sized):
        return [part.id for part in postorder(value.node) if isinstance(part, Name)]
    if isinstance(value, slice):
        return [name for one in (value.start, value.stop, value.step) for name in _named(one)]
    if isinstance(value, tuple):
        return [name for one in value for name in _named(one)]
    return list(given(value))


def _kind(value: object) -> str:
    return {str: "a string", bytes: "a string", bool: "a truth value", type(None): "None"}.get(type(value), "this")
