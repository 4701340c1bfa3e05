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


def truth(reader: Reader, node: ast.expr, depth: int, place: ast.AST) -> bool:
    """Return whether a condition holds that is known before anything is computed; raise for any other."""
    match node:
        case ast.BoolOp(op=op, values=values):
            return (all if isinstance(op, ast.And) else any)(truth(reader, one, depth + 1, place) for one in values)
        case ast.UnaryOp(op=ast.Not(), operand=operand):
            return not truth(reader, operand, depth + 1, place)
        case ast.Compare(left=left, ops=[ast.Is() | ast.IsNot() as sign], comparators=[ast.Constant(value=None)]):
            return _is_none(reader, left) != isinstance(sign, ast.IsNot)
        case ast.Compare(left=left, ops=[sign], comparators=[right]):
            a, b = (_value(reader, one, depth, place) for one in (left, right))
            ordered = not isinstance(sign, _ORDERED) or all(isinstance(one, int | Fraction) for one in (a, b))
            if not ordered or (isinstance(sign, ast.In | ast.NotIn) and not isinstance(b, tuple)):
                raise _unknown(reader, place)
            return _COMPARED[type(sign)](a, b)
    return bool(_value(reader, node, depth, place))


def _is_none(reader: Reader, node: ast.expr) -> bool:
    """Tell whether a name stands for None; a tensor does not."""
    held = reader.scope.find(node.id) if isinstance(node, ast.Name) else None
    return isinstance(held, Static) and held.value is None


def _value(reader: Reader, node: ast.expr, depth: int, place: ast.AST) -> Any:
    """Return a value that is known beforehand."""
    if isinstance(node, ast.Name) and isinstance(held := reader.scope.find(node.id), Static):
        value = held.value
    elif isinstance(node, ast.Constant) and isinstance(node.value, bool | str | None):
        return node.value
    elif isinstance(node, ast.Tuple | ast.List):
        value = reader.param(node)
    else:
        value = reader.static(node, depth)
        if value is None:
            raise _unknown(reader, place)
    if isinstance(value, Sized | Given):
        raise _unknown(reader, place, "its shapes are not known yet: write the branch that you mean alone")
    return value


def _unknown(reader: Reader, place: ast.AST, hint: str | None = None) -> SyntaxProblem:
    message, usual = REFUSED[ast.IfExp]
    return reader.fail(message, place, hint or usual)
