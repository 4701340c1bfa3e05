"""What is changed in a node: operators, comparisons, numbers, conditions, returns, statements, keywords, neighbours."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.Pow: ast.Mult, ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult, ast.LShift: ast.RShift, ast.RShift: ast.LShift, ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd,
    ast.BitXor: ast.BitAnd,
}  # fmt: skip

COMPARISON: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE), ast.LtE: (ast.Lt, ast.Gt), ast.Gt: (ast.GtE, ast.LtE), ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,), ast.NotEq: (ast.Eq,), ast.Is: (ast.IsNot,), ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,), ast.NotIn: (ast.In,),
}  # fmt: skip
"""The neighbour, where a comparison has one, and the opposite."""

OPPOSITE = {
    one: other
    for pair in (
        ("min", "max"), ("any", "all"), ("floor", "ceil"), ("minimum", "maximum"), ("lower", "upper"),
        ("union", "intersection"), ("left", "right"), ("zeros", "ones"), ("isnan", "isinf"),
    )
    for one, other in (pair, pair[::-1])
}  # fmt: skip
"""Names with a counterpart that fits in their place."""

EITHER_WAY = {
    "max",
    "min",
    "maximum",
    "minimum",
    "gcd",
    "product",
    "plus",
    "times",
    "logical_or",
    "logical_and",
    "hypot",
}
"""Functions of two arguments that may change places."""

LARGE = 16
"""Whole numbers above are doubled and halved, as floats are; others are moved to their neighbours."""

SAFE = {"strict", "maxsize", "slots", "frozen"}
"""Keywords that guard against mistakes, or hold what is faster and nothing else."""


@dataclass(frozen=True)
class Replacement:
    """A node, and the text that comes into its place."""

    node: Any
    text: str


def replacements(node: ast.AST) -> Iterator[Replacement]:
    """Yield what may come into the place of a node, or of a part that has no place of its own."""
    for kind, made in KINDS:
        if isinstance(node, kind):
            for old, new in made(node):
                yield Replacement(old, new if isinstance(new, str) else f"({ast.unparse(new)})")


Made = Iterator[tuple[ast.AST, "ast.AST | str"]]


def _constant(node: ast.Constant) -> Made:
    value = node.value
    if isinstance(value, bool):
        yield node, str(not value)
    elif isinstance(value, int):
        large = value > LARGE
        yield node, str(2 * value if large else value + 1)
        yield node, str(value // 2 if large else value - 1)
    elif isinstance(value, float):
        yield node, repr(value * 2)
        yield node, repr(value / 2)
    elif isinstance(value, str):
        yield node, repr(f"XX{value}")


def _operation(node: ast.BinOp) -> Made:
    if type(node.op) in ARITHMETIC:
        yield node, ast.BinOp(node.left, ARITHMETIC[type(node.op)](), node.right)


def _augmented(node: ast.AugAssign) -> Made:
    if type(node.op) in ARITHMETIC:
        yield node, ast.unparse(ast.AugAssign(node.target, ARITHMETIC[type(node.op)](), node.value))
    yield node, ast.unparse(ast.Assign([node.target], node.value, lineno=0))


def _comparison(node: ast.Compare) -> Made:
    for k, op in enumerate(node.ops):
        for other in COMPARISON[type(op)]:
            yield node, ast.Compare(node.left, [*node.ops[:k], other(), *node.ops[k + 1 :]], node.comparators)


def _condition(node: ast.BoolOp) -> Made:
    yield node, ast.BoolOp(ast.Or() if isinstance(node.op, ast.And) else ast.And(), node.values)
    for k in range(len(node.values)):
        rest = [*node.values[:k], *node.values[k + 1 :]]
        yield node, rest[0] if len(rest) == 1 else ast.BoolOp(node.op, rest)


def _sign(node: ast.UnaryOp) -> Made:
    yield node, node.operand


def _branch(node: ast.If | ast.While) -> Made:
    if not isinstance(node.test, ast.Compare):
        yield node.test, ast.UnaryOp(ast.Not(), node.test)
    yield node.test, "False"
    if isinstance(node, ast.If):
        yield node.test, "True"


def _choice(node: ast.IfExp) -> Made:
    yield node, node.body
    yield node, node.orelse


def _filter(node: ast.comprehension) -> Made:
    for one in node.ifs:
        yield one, "True"


def _return(node: ast.Return) -> Made:
    if node.value is not None and not isinstance(node.value, ast.Constant):
        yield node.value, "None"


def _dropped(node: ast.Expr | ast.Raise) -> Made:
    yield node, "pass"


def _stored(node: ast.Assign) -> Made:
    if not isinstance(node.targets[0], ast.Name | ast.Tuple):
        yield node, "pass"


def _loop(node: ast.Break | ast.Continue) -> Made:
    yield node, "continue" if isinstance(node, ast.Break) else "break"


def _call(node: ast.Call) -> Made:
    for k, keyword in enumerate(node.keywords):
        if keyword.arg not in SAFE:
            yield node, ast.Call(node.func, node.args, [*node.keywords[:k], *node.keywords[k + 1 :]])
    starred = any(isinstance(one, ast.Starred) for one in node.args)
    name = getattr(node.func, "attr", getattr(node.func, "id", ""))
    if len(node.args) < 2 or starred or name in EITHER_WAY:
        return
    if ast.dump(node.args[0]) != ast.dump(node.args[1]):
        yield node, ast.Call(node.func, [node.args[1], node.args[0], *node.args[2:]], node.keywords)


def _name(node: ast.Name) -> Made:
    if node.id in OPPOSITE and isinstance(node.ctx, ast.Load):
        yield node, OPPOSITE[node.id]


def _attribute(node: ast.Attribute) -> Made:
    if node.attr in OPPOSITE and isinstance(node.ctx, ast.Load):
        yield node, ast.Attribute(node.value, OPPOSITE[node.attr], node.ctx)


KINDS: tuple[tuple[Any, Any], ...] = (
    (ast.Constant, _constant), (ast.BinOp, _operation), (ast.AugAssign, _augmented), (ast.Compare, _comparison),
    (ast.BoolOp, _condition), (ast.UnaryOp, _sign), (ast.If | ast.While, _branch), (ast.IfExp, _choice),
    (ast.comprehension, _filter), (ast.Return, _return), (ast.Expr | ast.Raise, _dropped), (ast.Assign, _stored),
    (ast.Break | ast.Continue, _loop), (ast.Call, _call), (ast.Name, _name), (ast.Attribute, _attribute),
)  # fmt: skip
