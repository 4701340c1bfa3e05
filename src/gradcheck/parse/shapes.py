"""What a text asks of shapes: ``x.shape``, ``x.size(0)``, ``len(x)``; the numbers come once the shapes are known."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import TYPE_CHECKING

from gradcheck.constants import constant_value
from gradcheck.parse.scopes import Held, Several, Static
from gradcheck.program import COUNT, QUOTIENT, RANK, SHAPE, SIZE, Call, Name, Node, Param, Sized, fold, postorder

if TYPE_CHECKING:
    from gradcheck.parse.reader import Reader

_ARITHMETIC = frozenset({"add", "sub", "mul", "div", "neg", "pow", "remainder", QUOTIENT})
MAX_JOINED = 8
"""Shapes and tuples in one sum."""
SIZES = frozenset({SIZE, COUNT, RANK})


def numbers_in(reader: Reader, node: Node) -> bool:
    """Tell whether an expression is made of numbers and sizes alone."""

    def operation(part: Call, args: list[bool]) -> bool:
        return part.op in SIZES or (part.op in _ARITHMETIC and all(args))

    return fold(node, lambda one: one.id in reader.numbers, lambda _: True, operation)


def asks(reader: Reader, node: Node) -> bool:
    """Tell whether an expression is a number that the shapes give."""
    return numbers_in(reader, node) and any(isinstance(one, Call) and one.op in SIZES for one in postorder(node))


def shape(reader: Reader, node: ast.expr, depth: int) -> tuple[Param, ...] | None:
    """Return the sizes of a shape, or of a part or sum of shapes; None for anything else."""
    match node:
        case Held(binding=Static(value=tuple() as sizes)):
            return sizes
        case ast.Name() if isinstance(held := reader.scope.find(node.id), Static | Several):
            return _held(held)
        case ast.Attribute(value=value, attr="shape") if reader.prefix(value) is None:
            return (_spread(reader, value, None, depth),)
        case ast.Call(func=ast.Attribute(value=value, attr="size"), args=[], keywords=[]):
            return (_spread(reader, value, None, depth),)
        case ast.Call(func=ast.Attribute(attr="Size") | ast.Name(id="tuple" | "list"), args=[inner], keywords=[]):
            return shape(reader, inner, depth + 1)
        case ast.Subscript(value=value, slice=ast.Slice() as key) if whole := shape(reader, value, depth + 1):
            return _cut(reader, whole, key)
        case ast.BinOp(op=ast.Add()):
            return _joined(reader, node, depth)
    return None


def _held(held: Static | Several) -> tuple[Param, ...] | None:
    if isinstance(held, Static):
        return held.value if isinstance(held.value, tuple) else None
    values = [one.value for one in held.parts if isinstance(one, Static)]
    return tuple(values) if values and len(values) == len(held.parts) else None


def _joined(reader: Reader, node: ast.BinOp, depth: int) -> tuple[Param, ...] | None:
    """Return a sum of shapes and tuples, such as ``x.shape[:-1] + (2, 3)``."""
    left, sides = node, [node.right]
    while isinstance(left.left, ast.BinOp) and isinstance(left.left.op, ast.Add) and len(sides) < MAX_JOINED:
        left = left.left
        sides.append(left.right)
    sides.append(left.left)
    if not any(_is_shape(reader, side) for side in sides):
        return None
    parts: list[Param] = []
    for side in reversed(sides):
        written = isinstance(side, ast.Tuple | ast.List)
        sizes = reader.param(side) if written else shape(reader, side, depth + 1)
        if not isinstance(sizes, tuple):
            return None
        reader.count(len(sizes), side)
        parts += sizes
    return tuple(parts)


def _is_shape(reader: Reader, node: ast.expr) -> bool:
    """Tell whether one side of a sum is a shape."""
    while isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Slice):
        node = node.value
    if isinstance(node, ast.Name):
        held = reader.scope.find(node.id)
        return isinstance(held, Static) and isinstance(held.value, tuple)
    if isinstance(node, ast.Call) and (node.args or node.keywords):
        return False
    return getattr(node.func if isinstance(node, ast.Call) else node, "attr", "") in ("shape", "size")


def _spread(reader: Reader, of: ast.expr, key: slice | None, depth: int) -> Sized:
    tensor = named(reader, of, depth)
    return Sized(Call(SHAPE, (tensor,), () if key is None else (("key", key),), reader.span(of)))


def named(reader: Reader, node: ast.expr, depth: int) -> Name:
    """Return the name of a tensor whose shape is asked for; what has none is a layer from now on."""
    made = reader.real(node, depth + 1)
    if numbers_in(reader, made):
        raise reader.fail("a plain number has no shape", node)
    return made if isinstance(made, Name) else reader.emit("part", made, reader.span(node))


def _cut(reader: Reader, sizes: Sequence[Param], key: ast.Slice) -> tuple[Param, ...]:
    ends = [None if one is None else reader.param(one) for one in (key.lower, key.upper, key.step)]
    numbers = [one for one in ends if one is None or isinstance(one, int)]
    if len(numbers) < len(ends):
        raise reader.fail("a shape is cut at numbers", key)
    cut = slice(*numbers)
    if not any(isinstance(one, Sized) and one.spreads for one in sizes):
        return tuple(sizes[cut])
    [only, *more] = sizes
    whole = only.node if isinstance(only, Sized) and isinstance(only.node, Call) and not more else None
    again = None if whole is None else _cut_again(whole.param("key"), cut)
    if whole is None or again is None:
        raise reader.fail("where this cuts a shape cannot be told", key, "write the sizes: (x.shape[0], x.shape[1])")
    return (Sized(Call(SHAPE, whole.args, (("key", again),), whole.span)),)


def _cut_again(key: Param, cut: slice) -> slice | None:
    """Return the one slice that two of a shape of unknown length are, None where there is none.

    >>> _cut_again(slice(1, None), slice(None, -1)), _cut_again(slice(1, -1), slice(-1, None))
    (slice(1, -1, None), None)
    """
    if not isinstance(key, slice):
        return cut
    first, last, start, stop = key.start or 0, key.stop, cut.start or 0, cut.stop
    if key.step or cut.step or first < 0 or start < 0:
        return None
    if stop is None or (stop < 0 and (last is None or last < 0)):
        return slice(first + start, last if stop is None else stop + (last or 0))
    return slice(first + start, first + stop) if stop >= 0 and last is None else None


def picked(reader: Reader, sizes: Sequence[Param], at: int, place: ast.AST) -> Param:
    """Return one size of a shape."""
    first = sizes[0] if sizes else None
    if len(sizes) == 1 and isinstance(first, Sized) and first.spreads and isinstance(first.node, Call):
        key = first.node.param("key")
        start, stop = (key.start or 0, key.stop) if isinstance(key, slice) else (0, None)
        if not (isinstance(key, slice) and key.step) and start >= 0 and (at >= 0 or stop is None or stop < 0):
            index = start + at if at >= 0 else at + (stop or 0)
            return Sized(Call(SIZE, first.node.args, (("key", index),), reader.span(place)))
    before = sizes[: at + 1] if at >= 0 else sizes[at:]
    if not -len(sizes) <= at < len(sizes) or any(isinstance(one, Sized) and one.spreads for one in before):
        raise reader.fail("this size cannot be told", place, "write x.shape[0] of a tensor")
    return sizes[at]


def size(reader: Reader, node: ast.expr, depth: int) -> Node | None:
    """Return a single number that is asked of a shape, None for anything else."""
    match node:
        case ast.Subscript(value=value, slice=key) if (sizes := _subscripted(reader, value, key, depth)) is not None:
            at = reader.param(key)
            if not isinstance(at, int) or isinstance(at, bool):
                raise reader.fail("a size is asked for by its number", key, "write x.shape[0]")
            return _node(reader, picked(reader, sizes, at, node), node)
        case ast.Attribute(value=value, attr="ndim") if reader.prefix(value) is None:
            return _asked(reader, RANK, value, node, depth)
        case ast.Call(func=ast.Name(id="len"), args=[value], keywords=[]):
            return _length(reader, value, node, depth)
        case ast.Call(func=ast.Attribute(value=value, attr=name), args=[], keywords=[]):
            return _without_arguments(reader, value, name, node, depth)
        case ast.Call(func=ast.Attribute(value=value, attr="size"), args=args, keywords=keywords):
            given = [*args, *(one.value for one in keywords if one.arg == "dim")]
            at = reader.param(given[0]) if len(given) == 1 else None
            if not isinstance(at, int) or reader.prefix(value) is not None:
                raise reader.fail("a size is asked for by its number", node, "write x.size(0)")
            return Call(SIZE, (named(reader, value, depth),), (("key", at),), reader.span(node))
        case ast.Call(func=ast.Attribute(value=module, attr="numel" | "size" as name), args=[value], keywords=[]):
            return _asked(reader, COUNT, value, node, depth) if reader.prefix(module) is not None else None
    return None


def _without_arguments(reader: Reader, value: ast.expr, name: str, node: ast.expr, depth: int) -> Node | None:
    if reader.prefix(value) is not None or name not in ("numel", "nelement", "dim", "ndimension"):
        return None
    if name == "numel" and isinstance(value, ast.Attribute) and value.attr == "shape":
        value = value.value
    return _asked(reader, COUNT if name in ("numel", "nelement") else RANK, value, node, depth)


def _subscripted(reader: Reader, value: ast.expr, key: ast.expr, depth: int) -> tuple[Param, ...] | None:
    """Return the sizes that a subscript picks one of; None where it is no subscript of a shape."""
    if isinstance(key, ast.Slice | ast.Tuple):
        return None
    return shape(reader, value, depth + 1)


def _length(reader: Reader, value: ast.expr, node: ast.expr, depth: int) -> Node:
    held = reader.scope.find(value.id) if isinstance(value, ast.Name) else None
    if isinstance(held, Several):
        return _node(reader, len(held.parts), node)
    if (sizes := shape(reader, value, depth + 1)) is not None:
        first = sizes[0] if len(sizes) == 1 else None
        if isinstance(first, Sized) and isinstance(first.node, Call) and not first.node.params:
            return Call(RANK, first.node.args, (), reader.span(node))
        return _node(reader, len(sizes), node)
    return Call(SIZE, (named(reader, value, depth),), (("key", 0),), reader.span(node))


def _asked(reader: Reader, op: str, of: ast.expr, node: ast.expr, depth: int) -> Node:
    return Call(op, (named(reader, of, depth),), (), reader.span(node))


def _node(reader: Reader, value: Param, place: ast.expr) -> Node:
    return reader.node(Static(value), place)


def constant(reader: Reader, node: Node) -> Param | None:
    """Return an expression as a static argument, None where it is no number that is known beforehand."""
    held = reader.with_numbers(node)
    if (value := constant_value(held)) is not None:
        return int(value) if value.denominator == 1 else value
    return Sized(held) if asks(reader, held) else None
