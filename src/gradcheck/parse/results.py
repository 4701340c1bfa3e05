"""Functions of several results: which these are, and what they are called."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import TYPE_CHECKING

from gradcheck import functions
from gradcheck.functions import COMPOSITE, PARAM_ALIASES, TABLE, Composite
from gradcheck.parse.prefixes import is_prefix
from gradcheck.parse.scopes import Held, Static, Tensor
from gradcheck.program import Number, Sized

if TYPE_CHECKING:
    from gradcheck.parse.reader import Reader

SORTED = ("values", "indices")
"""Results of torch's own ``sort``; that of the language, which has no module in front of it, returns the values."""
WHOLE = frozenset({"indices"})
"""Results that hold whole numbers."""


def results(reader: Reader, node: ast.Call) -> tuple[str, ...]:
    """Return the names of the results of a call, none where it has one."""
    if isinstance(node.func, ast.Name) and reader.scope.find(node.func.id) is not None:
        return ()
    name = attribute(reader, node.func) if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    if name == "sort":
        module = reader.imported.get(name, ("",))[0]
        if isinstance(node.func, ast.Attribute):
            module = reader.prefix(node.func.value) or "torch"
        return SORTED if module.startswith("torch") else ()
    row = COMPOSITE.get(functions.ALIASES.get(name, name))
    if row is None or (name in ("max", "min") and not over_dim(reader, name, node)):
        return ()
    return row.results if not row.single or row.single in _given(reader, node, row) else ()


def returns_several(name: str, names: Sequence[str], node: ast.expr) -> tuple[str, ast.expr, str]:
    """Return what is said of a call of which one result must be chosen."""
    shown = f"{name}(...)[0]"
    hint = f"write {shown}" if "*" in names[0] else f"{shown} is {names[0]}"
    return f"{name} returns several tensors", node, f"{hint}; or a, b = {name}(...)"


def _given(reader: Reader, node: ast.Call, row: Composite) -> set[str]:
    """Return the names of what a call gives."""
    method = isinstance(node.func, ast.Attribute) and not is_prefix(reader, node.func.value)
    slots = row.order or (*row.args, *row.params)
    return {
        *slots[: len(node.args) + method],
        *(PARAM_ALIASES.get(str(one.arg), str(one.arg)) for one in node.keywords),
    }


def over_dim(reader: Reader, name: str, node: ast.Call) -> bool:
    """Tell whether ``max`` or ``min`` is that over a dim, as torch's own is with a whole number beside a tensor."""
    if name not in ("max", "min"):
        return False
    named = {PARAM_ALIASES.get(str(one.arg), one.arg) for one in node.keywords}
    pasted = isinstance(node.func, ast.Attribute)
    place = 1 if not pasted or is_prefix(reader, node.func.value) else 0  # type: ignore[attr-defined]
    second = node.args[place] if pasted and len(node.args) > place else None
    return bool(named & {"dim", "keepdim"}) or (second is not None and _is_whole(reader, second))


def _is_whole(reader: Reader, node: ast.expr) -> bool:
    """Tell whether a node is a whole number of Python's own: it is written, or stands for one."""
    match node:
        case ast.UnaryOp(op=ast.USub(), operand=inner):
            return _is_whole(reader, inner)
        case ast.BinOp(left=left, right=right):
            return _is_whole(reader, left) and _is_whole(reader, right)
        case ast.Constant(value=value):
            return type(value) is int
        case (
            ast.Attribute(attr="ndim")
            | ast.Call(func=ast.Attribute(attr="dim" | "ndimension" | "size") | ast.Name(id="len"))
            | ast.Subscript(value=ast.Attribute(attr="shape"))
        ):
            return True
    held = (
        node.binding if isinstance(node, Held) else reader.scope.find(node.id) if isinstance(node, ast.Name) else None
    )
    if isinstance(held, Static):
        return isinstance(held.value, int | Sized) and not isinstance(held.value, bool)
    known = reader.with_numbers(held.node) if isinstance(held, Tensor) else None
    return isinstance(known, Number) and known.value.denominator == 1


def attribute(reader: Reader, node: ast.Attribute) -> str:
    """Return the name of a function behind a dot: a row may bear a part of torch, as linalg.diagonal does."""
    if is_prefix(reader, node.value):
        of = node.value.attr if isinstance(node.value, ast.Attribute) else getattr(node.value, "id", "")
        of = "functional" if of == "F" else of
        if f"{of}.{node.attr}" in TABLE:
            return f"{of}.{node.attr}"
    return node.attr
