"""Operators and comparisons, of tensors, of conditions and of numbers that are known before anything is computed."""

from __future__ import annotations

import ast
import re
from fractions import Fraction
from math import floor
from typing import TYPE_CHECKING

from gradcheck.constants import constant_value
from gradcheck.errors import Span, SyntaxProblem
from gradcheck.functions import CONDITIONS
from gradcheck.parse.refusals import REFUSED
from gradcheck.parse.shapes import numbers_in
from gradcheck.program import QUOTIENT, Call, Node, Number
from gradcheck.source import MAX_NESTING, too_deep

if TYPE_CHECKING:
    from gradcheck.parse.reader import Reader

_OPERATORS: dict[type[ast.AST], str] = {
    ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul", ast.Div: "div", ast.Mod: "remainder",
    ast.MatMult: "matmul", ast.Pow: "pow", ast.BitAnd: "logical_and", ast.BitOr: "logical_or",
    ast.Lt: "lt", ast.LtE: "le", ast.Gt: "gt", ast.GtE: "ge", ast.Eq: "eq", ast.NotEq: "ne",
}  # fmt: skip


def is_condition(node: Node) -> bool:
    """Tell whether an expression is a condition, and no number."""
    return isinstance(node, Call) and node.op in CONDITIONS


def binary(reader: Reader, node: ast.BinOp, depth: int) -> Node:
    """Return an operator; a long sum leans to the left, and is walked without recursion."""
    spine = [node]
    while isinstance(spine[-1].left, ast.BinOp):
        spine.append(spine[-1].left)
        reader.nodes += 1
    made = reader.expression(spine[-1].left, depth + 1)
    for one in reversed(spine):
        made = _operator(reader, one, made, depth)
    return made


def _operator(reader: Reader, node: ast.BinOp, left: Node, depth: int) -> Node:
    op = _OPERATORS.get(type(node.op))
    if isinstance(node.op, ast.FloorDiv) and numbers_in(reader, left):
        return _quotient(reader, node, left, depth)
    if op is None:
        message, hint = REFUSED.get(type(node.op), ("this operator is not part of the language", None))
        raise reader.fail(message, _operator_span(reader, node), hint)
    right = reader.expression(node.right, depth + 1)
    for side, made in ((node.left, left), (node.right, right)):
        if is_condition(made) != op.startswith("logical"):
            raise _wrong_kind(reader, side, op)
    return Call(op, (left, right), (), reader.span(node))


def _quotient(reader: Reader, node: ast.BinOp, left: Node, depth: int) -> Node:
    """Return the whole quotient of two numbers that are known before anything is computed."""
    right = reader.expression(node.right, depth + 1)
    if not numbers_in(reader, right):
        message, hint = REFUSED[ast.FloorDiv]
        raise reader.fail(message, _operator_span(reader, node), hint)
    a, b = constant_value(left), constant_value(right)
    if a is None or b is None:
        return Call(QUOTIENT, (left, right), (), reader.span(node))
    if not b:
        raise reader.fail("a division by zero", node)
    return Number(Fraction(floor(a / b)), reader.span(node))


def _wrong_kind(reader: Reader, side: ast.expr, op: str) -> SyntaxProblem:
    if op.startswith("logical"):
        return reader.fail(
            "& and | join comparisons, not numbers", side, "put brackets around each comparison: (x > 0) & (x < 1)"
        )
    return reader.fail("a comparison is no number", side, "write where(condition, a, b)")


def _operator_span(reader: Reader, node: ast.BinOp) -> Span:
    start, end = reader.span(node.left).end, reader.span(node.right).start
    between = reader.source[start:end]
    sign = re.search(r"[^\s()]+", between)
    return Span(start + sign.start(), start + sign.end()) if sign else reader.span(node)


def unary(reader: Reader, node: ast.UnaryOp, depth: int) -> Node:
    """Return a sign, or the other way around of a condition."""
    if isinstance(node.op, ast.USub):
        return Call("neg", (reader.real(node.operand, depth + 1),), (), reader.span(node))
    if isinstance(node.op, ast.UAdd):
        return reader.real(node.operand, depth + 1)
    if isinstance(node.op, ast.Invert):
        return Call("logical_not", (reader.condition(node.operand, depth + 1),), (), reader.span(node))
    message, hint = REFUSED[ast.Not]
    raise reader.fail(message, node, hint)


def comparison(reader: Reader, node: ast.Compare, depth: int) -> Node:
    """Return a comparison; of a chain each part is read for every comparison that it stands in."""
    if len(node.ops) > MAX_NESTING:
        raise too_deep(reader.source, reader.span(node))
    sides = [node.left, *node.comparators]
    joined: Node | None = None
    for sign, left, right in zip(node.ops, sides, sides[1:], strict=False):
        op = _OPERATORS.get(type(sign))
        if op is None:
            raise reader.fail("this comparison is not part of the language", node, "write <, <=, >, >=, == or !=")
        one = Call(op, (reader.real(left, depth + 1), reader.real(right, depth + 1)), (), reader.span(node))
        joined = one if joined is None else Call("logical_and", (joined, one), (), reader.span(node))
    assert joined is not None
    return joined
