"""One syntax tree as a program: statements and expressions, node by node, each from the whitelist or refused."""

from __future__ import annotations

import ast
import re
from fractions import Fraction
from itertools import chain, count
from typing import TypeGuard

from gradcheck.constants import check_growth
from gradcheck.errors import LimitProblem, NameProblem, Option, Span, SyntaxProblem, Words
from gradcheck.functions import CONDITIONS, CONSTANTS
from gradcheck.functions.signatures import resolve
from gradcheck.parse.calls import chosen_result, function, named_result
from gradcheck.parse.params import PREFIXES, key
from gradcheck.parse.places import Places
from gradcheck.program import ATTRIBUTES, Call, Layer, Name, Node, Number, Program, given, postorder
from gradcheck.source import MAX_NESTING, too_deep

MAX_NODES = 100_000
"""Operations, names and numbers of a program."""
MAX_LITERAL_EXPONENT = 5_000
"""Decimal exponent of one number; float64 ends at 308."""

_OPERATORS: dict[type[ast.AST], str] = {
    ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul", ast.Div: "div", ast.Mod: "remainder",
    ast.MatMult: "matmul", ast.Pow: "pow", ast.BitAnd: "logical_and", ast.BitOr: "logical_or",
    ast.Lt: "lt", ast.LtE: "le", ast.Gt: "gt", ast.GtE: "ge", ast.Eq: "eq", ast.NotEq: "ne",
}  # fmt: skip

_REFUSED: dict[type[ast.AST], tuple[str, Words | None]] = {
    ast.BitXor: ("^ is no operator here", "write ** for a power, as in x**2"),
    ast.FloorDiv: ("// is no operator here", "write floor(a/b)"),
    ast.BoolOp: ("`and` and `or` do not work on tensors", "write & and |, with brackets around each comparison"),
    ast.Not: ("`not` does not work on tensors", "write ~ with brackets around the comparison"),
    ast.IfExp: ("`if` does not work on tensors", "write where(condition, a, b)"),
    ast.Lambda: ("a lambda is not part of the language", "write the expression itself; an input may be called lambda_"),
    ast.NamedExpr: (":= is not part of the language", "write the layer as its own statement: y = ...; z = ..."),
    ast.ListComp: ("a comprehension is not part of the language", None),
    ast.SetComp: ("a comprehension is not part of the language", None),
    ast.DictComp: ("a comprehension is not part of the language", None),
    ast.GeneratorExp: ("a comprehension is not part of the language", None),
    ast.JoinedStr: ("a string is not part of the language", None),
    ast.Starred: ("* for unpacking is not part of the language", None),
    ast.Dict: ("a dict is not part of the language", None),
    ast.Set: ("a set is not part of the language", None),
    ast.List: (
        "a list stands for tensors only in cat and stack",
        ("give tensors as inputs: ", Option("at", "x=[[1,2],[3,4]]")),
    ),
    ast.Tuple: ("a program has one output", "write one expression, or use stack or cat"),
    ast.Await: ("await is not part of the language", None),
    ast.Yield: ("yield is not part of the language", None),
    ast.AugAssign: ("an assignment with an operator is not part of the language", "write y2 = y + ..."),
    ast.AnnAssign: ("an annotation is not part of the language", "write name = expression"),
}  # fmt: skip

_READ_AS_CALLS = ATTRIBUTES | {"real"}
"""What torch has as an attribute of a tensor."""


class Reader:
    """Turns one syntax tree into a program; the state is the text, and the names that were assigned so far."""

    def __init__(self, source: str, bound: frozenset[str], hidden: bool) -> None:
        self.source = source
        self.bound = bound
        self.hidden = hidden
        self.assigned: dict[str, Span] = {}
        self.fixed: dict[Span, str] = {}
        self.nodes = 0
        self.span = Places(source).span

    def fail(self, message: str, node: ast.AST | Span, hint: Words | None = None) -> SyntaxProblem:
        """Return the error about a node, with what to write instead."""
        span = node if isinstance(node, Span) else self.span(node)
        return SyntaxProblem(message, source=self.source, span=span, hint=hint)

    def unknown(self, message: str, node: ast.AST | Span, hint: str | None = None) -> NameProblem:
        """Return the error about a name that is none."""
        span = node if isinstance(node, Span) else self.span(node)
        return NameProblem(message, source=self.source, span=span, hint=hint)

    # --- statements ---

    def program(self, tree: ast.Module) -> Program:
        """Return the program of a whole text."""
        layers = [self._statement(one, last=one is tree.body[-1]) for one in tree.body]
        inputs = self._inputs(layers)
        for layer in layers:
            check_growth(layer.expression, self.source)
        reads = {node.id for layer in layers for node in postorder(layer.expression)
                 if isinstance(node, Name) and node.span not in self.fixed}  # fmt: skip
        fixed = tuple(name for name in dict.fromkeys(self.fixed.values()) if name not in reads)
        return Program(inputs, tuple(layers), (layers[-1].name,), self.source, fixed)

    def _inputs(self, layers: list[Layer]) -> tuple[str, ...]:
        found: dict[str, None] = {}
        seen: set[str] = set()
        for layer in layers:
            for node in postorder(layer.expression):
                reads = [node.id] if isinstance(node, Name) else _given(node)
                for name in reads:
                    if name in seen:
                        continue
                    found.setdefault(name)
                    if name in self.assigned:
                        raise self.fail(f"{name} is used before it is assigned", node.span)
            seen.add(layer.name)
        return tuple(found)

    def _statement(self, node: ast.stmt, last: bool) -> Layer:
        if isinstance(node, ast.Expr):
            if not last:
                raise self.fail(
                    "this value goes nowhere", node, "give it a name: y = ..., or make it the last statement"
                )
            return Layer(self._fresh_output(), self.real(node.value, 0), self.span(node))
        if not isinstance(node, ast.Assign):
            message, hint = _REFUSED.get(type(node), ("this statement is not part of the language", None))
            raise self.fail(message, node, hint or "a statement is name = expression")
        target = node.targets[0]
        if len(node.targets) > 1 or not isinstance(target, ast.Name):
            raise self.fail("one statement assigns one name", target, "write y = ...; z = ...")
        if target.id in self.assigned:
            raise self.fail(
                f"{target.id} is assigned twice", target, f"give the second value a name of its own, {target.id}2 = ..."
            )
        expression = self.real(node.value, 0)
        self.assigned[target.id] = self.span(target)
        return Layer(target.id, expression, self.span(node))

    def _fresh_output(self) -> str:
        taken = set(self.assigned) | set(re.findall(r"\w+", self.source))
        return next(name for name in chain(["out"], (f"out_{k}" for k in count(1))) if name not in taken)

    # --- expressions ---

    def real(self, node: ast.expr, depth: int) -> Node:
        """Return an expression that is a number, not a condition."""
        made = self.expression(node, depth)
        if _is_condition(made):
            raise self.fail("a comparison is no number", node, "write where(condition, a, b)")
        return made

    def condition(self, node: ast.expr, depth: int) -> Node:
        """Read an expression that is a condition."""
        made = self.expression(node, depth)
        if isinstance(made, Name) and made.id not in self.assigned:
            self.fixed[made.span] = made.id
            return Call("ne", (made, Number(Fraction(0), made.span)), (), made.span)
        if not _is_condition(made):
            raise self.fail("a condition is needed here", node, "write a comparison, as in x > 0")
        return made

    def expression(self, node: ast.expr, depth: int) -> Node:  # noqa: C901 - one case a kind of node
        """Read any expression; ``depth`` counts the nodes around it."""
        self.nodes += 1
        if depth > MAX_NESTING:
            raise too_deep(self.source, self.span(node))
        if self.nodes > MAX_NODES:
            raise LimitProblem(f"more than {MAX_NODES:,} operations (the limit MAX_NODES)")
        match node:
            case ast.Constant():
                return self._constant(node)
            case ast.Name():
                return self._name(node)
            case ast.BinOp():
                return self._binary(node, depth)
            case ast.UnaryOp():
                return self._unary(node, depth)
            case ast.Compare():
                return self._comparison(node, depth)
            case ast.Call():
                return function(self, node, depth)
            case ast.Subscript():
                return self._subscript(node, depth)
            case ast.Attribute():
                return self._attribute(node, depth)
        message, hint = _REFUSED.get(type(node), ("this is not part of the language", None))
        raise self.fail(message, node, hint)

    def _constant(self, node: ast.Constant) -> Number:
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
        if self.is_constant(node):
            return Call(node.id, (), (), span)
        if node.id in ("nan", "infinity", "NaN"):
            raise self.fail(f"{node.id} is no number of the language", node, "infinity is written inf")
        if node.id.startswith("__"):
            raise self.fail(f"{node.id} is not part of the language", node)
        return Name(node.id, span)

    def is_constant(self, node: ast.Name) -> bool:
        """Tell whether a name is that of a constant here, and of no input or layer."""
        return node.id in CONSTANTS and node.id not in self.assigned and node.id not in self.bound

    def _binary(self, node: ast.BinOp, depth: int) -> Node:
        """Return an operator; a long sum leans to the left, and is walked without recursion."""
        spine = [node]
        while isinstance(spine[-1].left, ast.BinOp):
            spine.append(spine[-1].left)
            self.nodes += 1
        made = self.expression(spine[-1].left, depth + 1)
        for one in reversed(spine):
            made = self._operator(one, made, depth)
        return made

    def _operator(self, node: ast.BinOp, left: Node, depth: int) -> Call:
        op = _OPERATORS.get(type(node.op))
        if op is None:
            message, hint = _REFUSED.get(type(node.op), ("this operator is not part of the language", None))
            raise self.fail(message, self._operator_span(node), hint)
        right = self.expression(node.right, depth + 1)
        for side, made in ((node.left, left), (node.right, right)):
            if _is_condition(made) != op.startswith("logical"):
                raise self._wrong_kind(side, op)
        return Call(op, (left, right), (), self.span(node))

    def _wrong_kind(self, side: ast.expr, op: str) -> SyntaxProblem:
        if op.startswith("logical"):
            return self.fail(
                "& and | join comparisons, not numbers", side, "put brackets around each comparison: (x > 0) & (x < 1)"
            )
        return self.fail("a comparison is no number", side, "write where(condition, a, b)")

    def _operator_span(self, node: ast.BinOp) -> Span:
        start, end = self.span(node.left).end, self.span(node.right).start
        between = self.source[start:end]
        sign = re.search(r"[^\s()]+", between)
        return Span(start + sign.start(), start + sign.end()) if sign else self.span(node)

    def _unary(self, node: ast.UnaryOp, depth: int) -> Node:
        if isinstance(node.op, ast.USub):
            return Call("neg", (self.real(node.operand, depth + 1),), (), self.span(node))
        if isinstance(node.op, ast.UAdd):
            return self.real(node.operand, depth + 1)
        if isinstance(node.op, ast.Invert):
            return Call("logical_not", (self.condition(node.operand, depth + 1),), (), self.span(node))
        message, hint = _REFUSED[ast.Not]
        raise self.fail(message, node, hint)

    def _comparison(self, node: ast.Compare, depth: int) -> Node:
        if len(node.ops) > 1:
            raise self.fail("a chain of comparisons does not work on tensors", node, "write (a < b) & (b < c)")
        op = _OPERATORS.get(type(node.ops[0]))
        if op is None:
            raise self.fail("this comparison is not part of the language", node, "write <, <=, >, >=, == or !=")
        sides = (self.real(node.left, depth + 1), self.real(node.comparators[0], depth + 1))
        return Call(op, sides, (), self.span(node))

    def _subscript(self, node: ast.Subscript, depth: int) -> Node:
        pasted = _is_sort(node.value) and isinstance(node.value.func, ast.Attribute)
        if pasted:
            hint = "write .values[...] for the sorted elements"
            raise self.fail("torch's sort returns two tensors", node, hint)
        if (chosen := chosen_result(self, node, depth)) is not None:
            return chosen
        place = key(self, node.slice)
        return Call("index", (self.real(node.value, depth + 1),), (("key", place),), self.span(node))

    def _attribute(self, node: ast.Attribute, depth: int) -> Node:
        if node.attr in CONSTANTS and isinstance(node.value, ast.Name) and node.value.id in PREFIXES:
            return Call(node.attr, (), (), self.span(node))
        if node.attr == "values" and _is_sort(node.value):
            return self.expression(node.value, depth + 1)
        if (chosen := named_result(self, node, depth)) is not None:
            return chosen
        if node.attr not in _READ_AS_CALLS:
            raise self.fail(f".{node.attr} is not part of the language", node, _attribute_hint(node.attr))
        return Call(node.attr, (self.real(node.value, depth + 1),), (), self.span(node))


def _given(node: Node) -> list[str]:
    """Return the inputs that hold static arguments of an operation."""
    return [name for _, value in node.params for name in given(value)] if isinstance(node, Call) else []


def _is_condition(node: Node) -> bool:
    return isinstance(node, Call) and node.op in CONDITIONS


def _is_sort(node: ast.expr) -> TypeGuard[ast.Call]:
    if not isinstance(node, ast.Call):
        return False
    return getattr(node.func, "attr", None) == "sort" or getattr(node.func, "id", None) == "sort"


def _attribute_hint(name: str) -> str | None:
    op = resolve(name, 1, False)
    return f"write .{name}() to call it" if op else "`.T`, `.mT`, `.H` and `.mH` are the only attributes"


def _kind(value: object) -> str:
    return {str: "a string", bytes: "a string", bool: "a truth value", type(None): "None"}.get(type(value), "this")
