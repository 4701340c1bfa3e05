"""Tensors of numbers that are written in the text: ``torch.tensor([1, 2])``, ``zeros(3)``, ``arange(4)``."""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from fractions import Fraction
from math import ceil
from typing import TYPE_CHECKING

from gradcheck.errors import Option
from gradcheck.functions import DETACH
from gradcheck.parse.casts import check_dtype, dtype, name_of
from gradcheck.parse.params import MAX_WRITTEN
from gradcheck.parse.scopes import Held, Several
from gradcheck.parse.shapes import SIZES, named
from gradcheck.program import SHAPE, Call, Node, Number, Param, Sized, fold

if TYPE_CHECKING:
    from gradcheck.parse.reader import Reader

_TENSORS = frozenset(
    {"tensor", "as_tensor", "asarray", "array", "Tensor", "FloatTensor", "DoubleTensor", "constant", "scalar_tensor"}
)
_FILLED = {"zeros": 0, "ones": 1}


def literal(reader: Reader, node: ast.Call, depth: int) -> Node | None:
    """Return a tensor of numbers, None for a call of anything else."""
    func = node.func
    name = name_of(node)
    if isinstance(func, ast.Attribute) and (reader.prefix(func.value) is None or name not in _MADE):
        return _like(reader, node, name, depth)
    if name not in _MADE or (isinstance(func, ast.Name) and reader.scope.find(name) is not None):
        return _like(reader, node, name, depth)
    _check(reader, node)
    made = _MADE[name](reader, node, depth)
    truths = any(one.arg == "dtype" and dtype(one.value) == "bool" for one in node.keywords)
    return reader.truthy(made) if made is not None and truths else made


def _check(reader: Reader, node: ast.Call) -> None:
    for one in node.keywords:
        if one.arg == "dtype" and not isinstance(one.value, ast.Attribute | ast.Name):
            continue
        if one.arg == "requires_grad" and reader.param(one.value) is True:
            name = name_of(node)
            shown = "".join(reader.text(node.args[0]).split()) if node.args else "[1,2]"
            shown = shown if name in _TENSORS else f"{name}({shown})"
            hint = ("leave this line out, and give the point: ", Option("at", f"{reader.target}={shown}"))
            raise reader.fail("what is differentiated by is an input", node, hint)


def _like(reader: Reader, node: ast.Call, name: str, depth: int) -> Node | None:
    """Return ``zeros_like(x)`` and ``x.new_zeros(2)``, None for anything else."""
    func, args = node.func, list(node.args)
    if name.endswith("_like") and name.removesuffix("_like") in (*_FILLED, "full"):
        if isinstance(func, ast.Attribute) and reader.prefix(func.value) is None:
            return None
        if not args:
            return None
        of = named(reader, args[0], depth)
        value = _value(reader, node, name.removesuffix("_like"), args[1:], depth)
        shape: Param = (Sized(Call(SHAPE, (of,), (), reader.span(node))),)
        return Call("expand", (value,), (("shape", shape),), reader.span(node))
    if name in ("new_zeros", "new_ones", "new_full", "new_tensor") and isinstance(func, ast.Attribute):
        return _MADE[name.removeprefix("new_")](reader, node, depth)
    return None


def _value(reader: Reader, node: ast.Call, name: str, args: Sequence[ast.expr], depth: int) -> Node:
    if name in _FILLED:
        return Number(Fraction(_FILLED[name]), reader.span(node))
    given = [*args, *(one.value for one in node.keywords if one.arg in ("fill_value", "value"))]
    if len(given) != 1:
        raise reader.fail("full needs a shape and a value", node, "write full((2, 3), 0.5)")
    made = reader.real(given[0], depth + 1)
    if not _is_number(reader, made):
        raise reader.fail("torch's full takes a number, and no tensor", given[0], "write value.expand(2, 3)")
    return made


# --- one kind each ----------------------------------------------------------------------------------


def _tensor(reader: Reader, node: ast.Call, depth: int) -> Node | None:
    """Return the numbers of a nested list; a tensor in the place of one keeps its gradient in no library but jax."""
    if len(node.args) != 1 or isinstance(node.args[0], ast.Starred):
        return None
    if name_of(node).endswith("Tensor") and not isinstance(node.args[0], ast.List | ast.Tuple):
        shown = f"write torch.tensor({reader.text(node.args[0])}) for the number, zeros(...) for so many of them"
        raise reader.fail("this is a tensor of that size, and nothing is in it", node, shown)
    func = node.func
    module = reader.prefix(func.value) if isinstance(func, ast.Attribute) else None
    for one in node.keywords:
        if one.arg == "dtype":
            check_dtype(reader, one.value)
    return _nested(reader, node.args[0], module or "torch", depth + 1)


def _nested(reader: Reader, node: ast.expr, module: str, depth: int) -> Node:
    held = reader.scope.find(node.id) if isinstance(node, ast.Name) else getattr(node, "binding", None)
    if isinstance(node, ast.ListComp | ast.GeneratorExp):
        held = reader.binding(node, depth + 1)
    if isinstance(held, Several):
        node = ast.copy_location(ast.List([Held(one, node) for one in held.parts], ast.Load()), node)
    if isinstance(node, ast.List | ast.Tuple):
        if not node.elts:
            raise reader.fail("this tensor is empty", node)
        return Call("stack", tuple(_nested(reader, one, module, depth + 1) for one in node.elts), (), reader.span(node))
    made = reader.real(node, depth)
    if module.startswith("torch") and not _is_number(reader, made):
        if isinstance(node, ast.Name):
            return Call(DETACH, (made,), (), reader.span(node))
        raise reader.fail("torch.tensor takes the numbers out, and nothing flows back", node, "write stack([a, b])")
    return made


def _is_number(reader: Reader, node: Node) -> bool:
    """Tell whether an expression is made of plain numbers and sizes, which no gradient flows to."""
    return fold(
        node, lambda one: one.id in reader.numbers, lambda _: True, lambda one, args: one.op in SIZES or all(args)
    )


def _filled(reader: Reader, node: ast.Call, depth: int) -> Node | None:
    name = name_of(node).removeprefix("new_")
    sizes, rest = _shape(reader, node, name)
    value = _value(reader, node, name, rest, depth)
    return Call("expand", (value,), (("shape", sizes),), reader.span(node)) if sizes else value


def _shape(reader: Reader, node: ast.Call, name: str) -> tuple[tuple[Param, ...], list[ast.expr]]:
    args = [*node.args, *(one.value for one in node.keywords if one.arg in ("size", "shape"))]
    own = args[:1] if name == "full" else args
    listed = len(own) == 1
    if not own:
        raise reader.fail(f"{name} needs a shape", node, f"write {name}(2, 3)")
    made = reader.param(own[0]) if listed else tuple(map(reader.param, own))
    sizes = made if isinstance(made, tuple) else (made,)
    if not all(isinstance(one, Sized) or (isinstance(one, int) and not isinstance(one, bool)) for one in sizes):
        raise reader.fail("a shape is made of integers", node)
    return sizes, args[len(own) :]


def _eye(reader: Reader, node: ast.Call, _depth: int) -> Node | None:
    sizes = [reader.param(one) for one in node.args]
    if not 1 <= len(sizes) <= 2 or not all(isinstance(one, int) and one > 0 for one in sizes):
        raise reader.fail("the sizes of eye are whole numbers that are written", node, "write eye(3)")
    rows, columns = sizes[0], sizes[-1]
    assert isinstance(rows, int)
    assert isinstance(columns, int)
    _limit(reader, node, rows * columns)
    lines = (_vector(reader, node, [Fraction(i == k) for k in range(columns)]) for i in range(rows))
    return Call("stack", tuple(lines), (), reader.span(node))


def _arange(reader: Reader, node: ast.Call, _depth: int) -> Node | None:
    ends = [reader.param(one) for one in node.args]
    if len(ends) == 1 and isinstance(ends[0], Sized) and not ends[0].spreads:
        one = Number(Fraction(1), reader.span(node))
        ones = Call("expand", (one,), (("shape", (ends[0],)),), reader.span(node))
        return Call("sub", (Call("cumsum", (ones,), (("dim", 0),), reader.span(node)), one), (), reader.span(node))
    numbers = _numbers(reader, node, ends)
    if not 1 <= len(numbers) <= 3 or (len(numbers) == 3 and not numbers[2]):
        raise reader.fail("arange takes a start, an end and a step", node, "write arange(3)")
    start, end = (numbers[0], numbers[1]) if len(numbers) > 1 else (Fraction(0), numbers[0])
    step = numbers[2] if len(numbers) > 2 else Fraction(1)
    count = max(ceil((end - start) / step), 0)
    _limit(reader, node, count)
    return _vector(reader, node, [start + k * step for k in range(count)])


def _linspace(reader: Reader, node: ast.Call, _depth: int) -> Node | None:
    given = [*node.args, *(one.value for one in node.keywords if one.arg in ("steps", "num"))]
    numbers = _numbers(reader, node, [reader.param(one) for one in given])
    if len(numbers) != 3 or numbers[2].denominator != 1 or numbers[2] < 1:
        raise reader.fail("linspace takes a start, an end and a number of steps", node, "write linspace(0, 1, 5)")
    start, end, count = numbers[0], numbers[1], int(numbers[2])
    _limit(reader, node, count)
    return _vector(reader, node, [start + (end - start) * k / max(count - 1, 1) for k in range(count)])


def _numbers(reader: Reader, node: ast.Call, values: Sequence[Param]) -> list[Fraction]:
    if not all(isinstance(one, int | Fraction) and not isinstance(one, bool) for one in values):
        hint = "write the numbers: arange(3)"
        raise reader.fail("the ends of a range are numbers, known before anything is computed", node, hint)
    return [Fraction(one) for one in values if isinstance(one, int | Fraction)]


def _limit(reader: Reader, node: ast.Call, count: int) -> None:
    if count > MAX_WRITTEN:
        hint = "give it as an input"
        raise reader.fail(f"a tensor of more than {MAX_WRITTEN:,} numbers (the limit MAX_WRITTEN)", node, hint)
    reader.count(count, node)


def _vector(reader: Reader, node: ast.Call, numbers: Sequence[Fraction]) -> Node:
    if not numbers:
        raise reader.fail("this tensor is empty", node)
    return Call("stack", tuple(Number(one, reader.span(node)) for one in numbers), (), reader.span(node))


_MADE: dict[str, Callable[[Reader, ast.Call, int], Node | None]] = {
    **dict.fromkeys(_TENSORS, _tensor), **dict.fromkeys((*_FILLED, "full"), _filled), "eye": _eye, "arange": _arange,
    "linspace": _linspace,
}  # fmt: skip
