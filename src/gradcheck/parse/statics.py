"""Conditions that are known before anything is computed: which branch of an ``if`` is read."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from gradcheck.parse.refusals import REFUSED
from gradcheck.parse.scopes import Static
from gradcheck.program import Given, Sized

if TYPE_CHECKING:
    from gradcheck.errors import SyntaxProblem
    from gradcheck.parse.reader import Reader

_COMPARED: dict[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt, ast.GtE: operator.ge, ast.Eq: operator.eq,
    ast.NotEq: operator.ne, ast.Is: operator.eq, ast.IsNot: operator.ne, ast.In: lambda a, b: a in b,
    ast.NotIn: lambda a, b: a not in b,
}  # fmt: skip
_ORDERED = (ast.Lt, ast.LtE, ast.Gt, ast.GtE)


def truth(reader: Reader, node: ast.expr, depth: int) -> bool:
    """Return whether a condition holds that is known before anything is computed; raise for any other."""
    match node:
        case ast.BoolOp(op=op, values=values):
            return (all if isinstance(op, ast.And) else any)(truth(reader, one, depth + 1) for one in values)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return not truth(reader, operand, depth + 1)
        case ast.Compare(left=left, ops=[sign], comparators=[right]):
            a, b = (_value(reader, one, depth, node) for one in (left, right))
            ordered = not isinstance(sign, _ORDERED) or all(isinstance(one, int | Fraction) for one in (a, b))
            if not ordered or (isinstance(sign, ast.In | ast.NotIn) and not isinstance(b, tuple)):
                raise _unknown(reader, node)
            return _COMPARED[type(sign)](a, b)
    return bool(_value(reader, node, depth, node))


class _Thing:
    """A tensor or a function: it is not None, and nothing else is known of it."""


def _value(reader: Reader, node: ast.expr, depth: int, whole: ast.expr) -> Any:
    """Return a value that is known beforehand; a tensor is only known not to be None."""
    if isinstance(node, ast.Name) and isinstance(held := reader.scope.find(node.id), Static):
        value = held.value
    elif isinstance(node, ast.Constant) and isinstance(node.value, bool | str | None):
        value = node.value
    elif isinstance(node, ast.Name) and node.id not in reader.numbers and _asks_for_none(whole):
        return _Thing()
    else:
        value = reader.static(node, depth)
    if value is None and not (isinstance(node, ast.Constant | ast.Name)):
        raise _unknown(reader, whole)
    if isinstance(value, Sized | Given):
        raise _unknown(reader, whole)
    return value


def _asks_for_none(node: ast.expr) -> bool:
    match node:
        case ast.Compare(ops=[ast.Is() | ast.IsNot()], comparators=[ast.Constant(value=None)]):
            return True
    return False


def _unknown(reader: Reader, node: ast.expr) -> SyntaxProblem:
    message, hint = REFUSED[ast.IfExp]
    return reader.fail(message, node, hint)
