"""Static arguments: numbers, flags and shapes that are known before anything is run, and the keys of subscripts."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import TYPE_CHECKING

from gradcheck.constants import constant_value
from gradcheck.errors import LimitProblem
from gradcheck.functions import nearest
from gradcheck.program import Given, Param

if TYPE_CHECKING:
    from gradcheck.parse.reader import Reader

MAX_PARAM_BITS = 1_100
"""Bits of a static argument such as a dim or a beta; every float64 has fewer."""
LITERALS = frozenset({"tensor", "as_tensor", "LongTensor", "IntTensor", "array", "asarray"})
"""Functions that make a tensor of the numbers that are written in their brackets."""
PREFIXES = frozenset({"torch", "math", "np", "numpy", "F", "nn", "functional", "special", "linalg", "sympy", "sp"})
"""What people paste in front of a function's name."""


def indices(reader: Reader, node: ast.expr) -> Param:
    """Return whole numbers: those that are written, or an input that holds them."""
    if isinstance(node, ast.Name) and not reader.is_constant(node):
        if node.id in reader.assigned:
            hint = "give them as an input, or write a list"
            raise reader.fail("indices are known before anything is computed", node, hint)
        return Given(node.id)
    if isinstance(node, ast.Tuple | ast.List):
        return tuple(indices(reader, one) for one in node.elts)
    return param(reader, node)


def word(reader: Reader, node: ast.expr, name: str, choices: Sequence[str | int]) -> Param:
    """Return a static argument that is one of some words; with a number among these numbers are taken as well.

    Without any choices it may be any word.
    """
    words = [one for one in choices if isinstance(one, str)]
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        if not choices:
            return node.value
        if node.value in words:
            return node.value
        closest = nearest(node.value, words)
        hint = f'did you mean "{closest}"?' if closest else _one_of(words)
        raise reader.fail(f'there is no {name} "{node.value}"', node, hint)
    if len(words) < len(choices):
        return param(reader, node)
    if not choices:
        raise reader.fail(f"{name} is a text", node, "write it in quotes")
    closest = nearest(node.id, words) if isinstance(node, ast.Name) else None
    raise reader.fail(f"{name} is a word", node, f'write "{closest}"' if closest else _one_of(words))


def _one_of(words: Sequence[str]) -> str:
    quoted = [f'"{one}"' for one in words]
    return f"it is {' or '.join(part for part in (', '.join(quoted[:-1]), quoted[-1]) if part)}"


def param(reader: Reader, node: ast.expr) -> Param:
    """Return a static argument: a number, a flag, or a tuple of these."""
    if isinstance(node, ast.Tuple | ast.List):
        return tuple(param(reader, one) for one in node.elts)
    if isinstance(node, ast.Call) and _is_literal(node):
        return param(reader, node.args[0])
    if isinstance(node, ast.Constant) and (node.value is None or isinstance(node.value, bool)):
        return node.value
    if (infinity := _infinity(node)) is not None:
        return infinity
    value = constant_value(reader.expression(node, 0))
    if value is None:
        raise reader.fail("this argument must be a constant", node)
    if max(abs(value.numerator), value.denominator).bit_length() > MAX_PARAM_BITS:
        message = f"an argument of more than {MAX_PARAM_BITS} bits (the limit MAX_PARAM_BITS)"
        raise LimitProblem(message, source=reader.source, span=reader.span(node))
    return int(value) if value.denominator == 1 else value


def is_written(node: ast.expr) -> bool:
    """Tell whether a node writes numbers down: a number, a list of such, a tensor of a list.

    >>> [is_written(ast.parse(text, mode="eval").body) for text in ("[0, -1]", "torch.tensor([2])", "softmax(x, 0)")]
    [True, True, False]
    """
    if isinstance(node, ast.Tuple | ast.List):
        return all(map(is_written, node.elts))
    if isinstance(node, ast.Call):
        return _is_literal(node) and is_written(node.args[0])
    return isinstance(node, ast.Constant) or (isinstance(node, ast.UnaryOp) and is_written(node.operand))


def _infinity(node: ast.expr) -> str | None:
    """Return an infinity by its name, however people write it in Python."""
    match node:
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return {"inf": "-inf", "-inf": "inf"}.get(_infinity(operand) or "")
        case ast.Name(id="inf"):
            return "inf"
        case ast.Attribute(attr="inf", value=value) if is_prefix(value):
            return "inf"
        case ast.Call(func=ast.Name(id="float"), args=[ast.Constant(value="inf" | "-inf" as text)], keywords=[]):
            return text
    return None


def _is_literal(node: ast.Call) -> bool:
    """Tell whether a call only makes a tensor of what is written: ``torch.tensor([0, 2])``."""
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", None)
    return name in LITERALS and len(node.args) == 1


def key(reader: Reader, node: ast.expr) -> Param:
    """Return the key of a subscript, one item for each dimension."""
    if isinstance(node, ast.Tuple):
        return tuple(_key_item(reader, one) for one in node.elts)
    return (_key_item(reader, node),)


def _key_item(reader: Reader, node: ast.expr) -> Param:
    if isinstance(node, ast.Slice):
        ends = [None if one is None else _integer(reader, one) for one in (node.lower, node.upper, node.step)]
        return slice(*ends)
    if isinstance(node, ast.Constant) and (node.value is None or node.value is ...):
        return "..." if node.value is ... else None
    if isinstance(node, ast.List):
        return tuple(_integer(reader, one) for one in node.elts)
    if isinstance(node, ast.Name) and isinstance(held := indices(reader, node), Given):
        return held
    return _integer(reader, node)


def _integer(reader: Reader, node: ast.expr) -> int:
    value = param(reader, node)
    if not isinstance(value, int) or isinstance(value, bool):
        raise reader.fail("an index is made of integers", node)
    return value


def is_prefix(node: ast.expr) -> bool:
    """Tell whether a node is what people paste in front of a function's name, such as ``torch.nn.functional``.

    >>> is_prefix(ast.parse("torch.nn.functional", mode="eval").body), is_prefix(ast.parse("x", mode="eval").body)
    (True, False)
    """
    while isinstance(node, ast.Attribute) and node.attr in PREFIXES:
        node = node.value
    return isinstance(node, ast.Name) and node.id in PREFIXES
