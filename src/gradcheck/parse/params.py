"""Static arguments: numbers, flags and shapes that are known before anything is run, and the keys of subscripts."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING

from gradcheck.errors import LimitProblem, SyntaxProblem
from gradcheck.functions import ALIASES, CONDITIONS, nearest
from gradcheck.parse.casts import name_of
from gradcheck.parse.prefixes import is_prefix
from gradcheck.parse.scopes import Held, Static, Tensor, Truth
from gradcheck.parse.shapes import constant, shape
from gradcheck.program import Given, Name, Param, Sized

if TYPE_CHECKING:
    from gradcheck.parse.reader import Reader

SAME_NUMBERS = frozenset({"long", "int", "detach", "to", "type", "cpu", "cuda", "contiguous", "clone"})
"""Methods after which whole numbers are what they were."""
MAX_WRITTEN = 10_000
"""Numbers of one tensor that a text makes of a few words."""
MAX_PARAM_BITS = 1_100
"""Bits of a static argument such as a dim or a beta; every float64 has fewer."""
LITERALS = frozenset({"tensor", "as_tensor", "LongTensor", "IntTensor", "array", "asarray", "Size", "tuple", "list"})
"""Functions that make a tensor or a tuple of the numbers that are written in their brackets."""


def indices(reader: Reader, node: ast.expr) -> Param:
    """Return whole numbers: those that are written, or an input that holds them."""
    match node:
        case ast.Name() if not reader.is_constant(node):
            return _named(reader, node)
        case ast.Tuple() | ast.List():
            return tuple(indices(reader, one) for one in node.elts)
        case ast.Call(func=ast.Attribute(value=ast.Name() as inner, attr=name)) if name in SAME_NUMBERS:
            if reader.prefix(inner) is None:
                return indices(reader, inner)
    if isinstance(node, ast.Call) and (numbers := whole_numbers(reader, node)) is not None:
        return numbers
    if isinstance(node, ast.Call | ast.Subscript) and not is_written(node) and shape(reader, node, 0) is None:
        value = constant(reader, reader.expression(node, 0))
        if value is None:
            raise _computed(reader, node)
        return value
    return param(reader, node)


def _named(reader: Reader, node: ast.Name) -> Param:
    """Return whole numbers that have a name: those of an input, or of a layer that is written."""
    held = reader.scope.find(node.id)
    if held is None:
        return Given(reader.input(node.id, node).id)
    if not isinstance(held, Tensor):
        return param(reader, node)
    name = held.node.id if isinstance(held.node, Name) else ""
    if name and name not in reader.assigned:
        return Given(name)
    if (numbers := reader.whole.get(name)) is not None:
        return numbers
    value = constant(reader, held.node)
    if value is None:
        raise _computed(reader, node)
    return value


def _computed(reader: Reader, node: ast.expr) -> SyntaxProblem:
    hint = "give them as an input of the shape that is meant, or write a list"
    return reader.fail("indices are known before anything is computed", node, hint)


def whole_numbers(reader: Reader, node: ast.Call) -> Param:
    """Return the whole numbers that a call makes a tensor of, as ``torch.tensor([0, 2])``, None for any other call."""
    name = name_of(node)
    if isinstance(node.func, ast.Name) and reader.scope.find(name) is not None:
        return None
    if name == "arange" and node.args and all(map(is_written, node.args)):
        ends = [param(reader, one) for one in node.args]
        if len(ends) < 4 and all(type(one) is int for one in ends) and 0 not in ends[2:]:
            numbers = range(*ends)  # type: ignore[arg-type]
            return None if numbers[MAX_WRITTEN:] else tuple(numbers)
    decimal = any(isinstance(one, ast.Constant) and type(one.value) is not int for one in ast.walk(node))
    return None if decimal else written_numbers(reader, node)


def written_numbers(reader: Reader, node: ast.Call) -> Param:
    """Return the numbers that a call makes a tensor of, as ``torch.tensor([0.25, 0.75])``, None for any other call."""
    name = name_of(node)
    written = _is_literal(node) and is_written(node.args[0]) and name not in ("tuple", "list", "Size")
    return param(reader, node.args[0]) if written else None


def word(reader: Reader, node: ast.expr, name: str, choices: Sequence[str | int]) -> Param:
    """Return a static argument that is one of some words; with a number among these numbers are taken as well.

    Without any choices it may be any word.
    """
    words = [one for one in choices if isinstance(one, str)]
    held = (
        reader.scope.find(node.id) if isinstance(node, ast.Name) else node.binding if isinstance(node, Held) else None
    )
    if isinstance(held, Static) and isinstance(held.value, str):
        node = ast.copy_location(ast.Constant(held.value), node)
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
    """Return a static argument: a number, a flag, a word, a size that the shapes give, or a tuple of these."""
    if (sizes := shape(reader, node, 0)) is not None:
        return sizes
    held = reader.scope.find(node.id) if isinstance(node, ast.Name) else None
    if isinstance(node, Held):
        held = node.binding
    if isinstance(held, Static):
        return held.value
    if isinstance(held, Tensor) and isinstance(held.node, Name) and held.node.id in reader.written:
        return reader.written[held.node.id]
    match node:
        case ast.Tuple() | ast.List():
            return tuple(part for one in node.elts for part in _spread(reader, one))
        case ast.Call() if _is_literal(node):
            return param(reader, node.args[0])
        case ast.Constant(value=None | bool()):
            return node.value  # type: ignore[return-value]
    if (infinity := _infinity(reader, node)) is not None:
        return infinity
    return _number(reader, node)


def _number(reader: Reader, node: ast.expr) -> Param:
    value = constant(reader, reader.expression(node, 0))
    if value is None:
        hint = f"write the number itself, or {node.id} = 2 in a line before" if isinstance(node, ast.Name) else None
        raise reader.fail("this argument must be a constant", node, hint)
    exact = Fraction(value) if isinstance(value, int | Fraction) else Fraction(0)
    if max(abs(exact.numerator), exact.denominator).bit_length() > MAX_PARAM_BITS:
        message = f"an argument of more than {MAX_PARAM_BITS} bits (the limit MAX_PARAM_BITS)"
        raise LimitProblem(message, source=reader.source, span=reader.span(node))
    return value


def _spread(reader: Reader, node: ast.expr) -> Sequence[Param]:
    """Return what an item of a tuple adds to it: a shape with a star adds its sizes."""
    if not isinstance(node, ast.Starred):
        return [param(reader, node)]
    sizes = param(reader, node.value)
    if not isinstance(sizes, tuple):
        raise reader.fail("* spreads a shape or a tuple", node)
    return sizes


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


def _infinity(reader: Reader, node: ast.expr) -> str | None:
    """Return an infinity by its name, however people write it in Python."""
    match node:
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return {"inf": "-inf", "-inf": "inf"}.get(_infinity(reader, operand) or "")
        case ast.Name(id="inf") if reader.is_constant(node):
            return "inf"
        case ast.Attribute(attr="inf", value=value) if is_prefix(reader, value):
            return "inf"
        case ast.Call(func=ast.Name(id="float"), args=[ast.Constant(value="inf" | "-inf" as text)], keywords=[]):
            return text
    return None


def _is_literal(node: ast.Call) -> bool:
    """Tell whether a call only makes a tensor of what is written: ``torch.tensor([0, 2])``."""
    return name_of(node) in LITERALS and len(node.args) == 1


def key(reader: Reader, node: ast.expr) -> Param:
    """Return the key of a subscript, one item for each dimension."""
    if isinstance(node, ast.Tuple):
        return tuple(_key_item(reader, one) for one in node.elts)
    return (_key_item(reader, node),)


def _key_item(reader: Reader, node: ast.expr) -> Param:
    if _is_mask(reader, node):
        hint = "write where(condition, x, 0), which keeps the shape"
        raise reader.fail("how many elements a condition picks depends on the point", node, hint)
    if isinstance(node, ast.Slice):
        ends = [None if one is None else _integer(reader, one) for one in (node.lower, node.upper, node.step)]
        return slice(*ends)
    if isinstance(node, ast.Constant) and (node.value is None or node.value is ...):
        return "..." if node.value is ... else None
    if isinstance(node, ast.Attribute) and node.attr == "newaxis":
        return None
    if isinstance(node, ast.List):
        return tuple(_integer(reader, one) for one in node.elts)
    if isinstance(node, ast.Name | ast.Call):
        numbers = indices(reader, node)
        if isinstance(numbers, Given) or (isinstance(numbers, tuple) and all(type(one) is int for one in numbers)):
            return numbers
    return _integer(reader, node)


def _is_mask(reader: Reader, node: ast.expr) -> bool:
    """Tell whether a node says which elements are meant by a condition on each."""
    match node:
        case ast.Compare() | ast.UnaryOp(op=ast.Invert()) | ast.BinOp(op=ast.BitAnd() | ast.BitOr()):
            return True
        case ast.Name(id=name):
            return isinstance(reader.scope.find(name), Truth)
        case ast.Call(func=ast.Attribute(attr=name) | ast.Name(id=name)):
            return name == "bool" or ALIASES.get(name, name) in CONDITIONS
    return False


def _integer(reader: Reader, node: ast.expr) -> Param:
    value = param(reader, node)
    if isinstance(value, Sized) and not value.spreads:
        return value
    if not isinstance(value, int) or isinstance(value, bool):
        raise reader.fail("an index is made of integers", node)
    return value
