"""Attributes: constants of modules, what is asked of a dtype, parts of a tensor; all others are refused."""

from __future__ import annotations

import ast
from fractions import Fraction
from typing import TYPE_CHECKING

from gradcheck.functions import CONSTANTS, DETACH
from gradcheck.functions.signatures import resolve
from gradcheck.parse.calls import named_result
from gradcheck.parse.casts import FLOATS, dtype
from gradcheck.parse.shapes import shape, size
from gradcheck.program import ATTRIBUTES, Call, Node, Number

if TYPE_CHECKING:
    from gradcheck.parse.reader import Reader

_READ_AS_CALLS = ATTRIBUTES | {"real"}
"""What torch has as an attribute of a tensor."""
_ASKED_OF_DTYPES = frozenset({"eps", "tiny", "smallest_normal", "smallest_subnormal", "max", "min", "epsilon"})
_HINTS = {
    "grad": "the gradient is what the check gives: leave this out",
    "dtype": "the dtype is an option of the check: leave this out",
    "device": "the device is an option of the check: leave this out",
    "grad_fn": "leave this out",
    "is_leaf": "leave this out",
    "requires_grad": "leave this out: the check differentiates by every input",
}


def attribute(reader: Reader, node: ast.Attribute, depth: int) -> Node:
    """Read an attribute."""
    if reader.prefix(node.value) is not None:
        return _of_module(reader, node)
    if node.attr in _ASKED_OF_DTYPES and (number := _of_dtype(reader, node)) is not None:
        return number
    if (asked := size(reader, node, depth)) is not None:
        return asked
    if (chosen := named_result(reader, node, depth)) is not None:
        return chosen
    if node.attr == "data":
        return Call(DETACH, (reader.real(node.value, depth + 1),), (), reader.span(node))
    if shape(reader, node, depth) is not None:
        raise reader.fail("a shape is no number", node, f"write {reader.text(node)}[0] for one size")
    if node.attr not in _READ_AS_CALLS:
        raise reader.fail(f".{node.attr} is not part of the language", node, _hint(node))
    return Call(node.attr, (reader.real(node.value, depth + 1),), (), reader.span(node))


def _of_module(reader: Reader, node: ast.Attribute) -> Node:
    if node.attr in CONSTANTS:
        return Call(node.attr, (), (), reader.span(node))
    if node.attr in ("nan", "NaN"):
        raise reader.fail("nan is no number of the language", node, "leave out what it stands for")
    if node.attr in FLOATS:
        raise reader.fail("a dtype is no number", node)
    hint = f"call it: {reader.text(node)}(...)" if resolve(node.attr, 1, False) else None
    raise reader.unknown(f"unknown constant `{node.attr}`", node, hint)


def _of_dtype(reader: Reader, node: ast.Attribute) -> Node | None:
    """Return what ``torch.finfo(torch.float32).eps`` is; None for anything else."""
    match node.value:
        case ast.Call(func=ast.Attribute(attr="finfo") | ast.Name(id="finfo"), args=args, keywords=[]):
            form = dtype(args[0]) if args else None
            if form not in FLOATS:
                hint = "write the dtype: torch.finfo(torch.float32)"
                raise reader.fail("which dtype this is depends on the check", node, hint)
            return Number(_limit(FLOATS[form], node.attr), reader.span(node))
        case ast.Attribute(value=ast.Name(id="sys"), attr="float_info"):
            return Number(_limit(FLOATS["float64"], node.attr), reader.span(node))
    return None


def _limit(form: tuple[int, int], name: str) -> Fraction:
    """Return a limit of a format of so many bits of precision and this largest exponent."""
    bits, most = form
    eps = Fraction(1, 1 << (bits - 1))
    tiny = Fraction(1, 1 << (most - 1))
    largest = (2 - eps) * (1 << most)
    others = {"max": largest, "min": -largest, "eps": eps, "epsilon": eps, "smallest_subnormal": tiny * eps}
    return others.get(name, tiny)


def _hint(node: ast.Attribute) -> str:
    if node.attr in _HINTS:
        return _HINTS[node.attr]
    if isinstance(node.value, ast.Name) and node.value.id == "self":
        return f"write {node.attr}: what a module holds is an input"
    return (
        f"write .{node.attr}() to call it"
        if resolve(node.attr, 1, False)
        else "`.T`, `.mT`, `.H` and `.mH` are the only attributes"
    )
