"""What changes the dtype or the place of a tensor and not its numbers, and what takes these out of torch."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING

from gradcheck.functions import CONDITIONS, WHERE
from gradcheck.program import Call, Node, Number

if TYPE_CHECKING:
    from gradcheck.parse.reader import Reader

FLOATS = {
    "float64": (53, 1023), "double": (53, 1023), "float32": (24, 127), "float": (24, 127), "float16": (11, 15),
    "half": (11, 15), "bfloat16": (8, 127), "float_": (53, 1023), "single": (24, 127),
}  # fmt: skip
"""Bits of precision and largest exponent of every dtype of real numbers, by its name."""
WHOLE = frozenset({
    "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "int", "long", "short", "char",
    "byte", "bool",
})  # fmt: skip
COMPLEX = frozenset({"complex32", "complex64", "complex128", "cfloat", "cdouble", "chalf"})

SAME = frozenset({
    "requires_grad_", "cpu", "cuda", "float", "double", "half", "bfloat16", "to", "type",
    "type_as", "astype", "retain_grad", "pin_memory", "copy", "numpy_", "alias",
    "share_memory_", "block_until_ready",
})  # fmt: skip
"""Methods that return the numbers they get."""
TAKEN_OUT = frozenset({"item", "tolist", "numpy"})
"""Methods that take numbers out of torch: nothing flows back through them."""
IGNORED = frozenset({
    "dtype", "device", "inplace", "memory_format", "layout", "non_blocking", "copy", "requires_grad", "pin_memory",
    "_stacklevel",
})  # fmt: skip
"""Keyword arguments that change no number, of whatever function they are none."""


def dtype(node: ast.expr) -> str | None:
    """Return the name of a dtype that is written somewhere, None where a node is none.

    >>> dtype(ast.parse("torch.float32", mode="eval").body), dtype(ast.parse("x.dtype", mode="eval").body)
    ('float32', None)
    """
    name = node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", None)
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        name = node.value.removeprefix("torch.")
    return name if name in FLOATS or name in WHOLE or name in COMPLEX else None


def check_dtype(reader: Reader, node: ast.expr) -> None:
    """Refuse a dtype whose numbers are not real."""
    name = dtype(node)
    if name in WHOLE:
        raise reader.fail("whole numbers have no derivative", node, "write trunc(x) for the whole part; it is flat")
    if name in COMPLEX:
        raise reader.fail("complex numbers are not part of the language", node)


def cast(reader: Reader, node: ast.Call, depth: int) -> Node | None:
    """Return what a method that changes no number returns; None for anything else."""
    if not isinstance(node.func, ast.Attribute):
        return None
    name, of, args = node.func.attr, node.func.value, list(node.args)
    if reader.prefix(of) is not None:
        if name not in ("clone", "contiguous", "alias", "resolve_conj", "resolve_neg", "copy", *_ARRAYS) or not args:
            return None
        if name in _ARRAYS and (isinstance(args[0], ast.List | ast.Tuple | ast.Constant) or not _keeps(reader, node)):
            return None
        of, *args = args
    elif name in TAKEN_OUT:
        hint = "write detach(x) for a number that nothing flows back through"
        raise reader.fail(f".{name}() takes the numbers out of torch", node, hint)
    elif name not in SAME | WHOLE or (name == "float" and args):
        return None
    if name == "requires_grad_" and (args or node.keywords) and not flagged(reader, node):
        raise reader.fail("what is not differentiated by is no matter of the text", node, "write detach(x)")
    return _converted(reader, node, of, [name, *map(dtype, (*args, *(one.value for one in node.keywords)))], depth)


def _converted(reader: Reader, node: ast.Call, of: ast.expr, names: Sequence[str | None], depth: int) -> Node:
    """Return a tensor in a dtype of one of these names: a condition as 1 and 0, and as bool where a number is not 0."""
    made = reader.expression(of, depth + 1)
    condition = isinstance(made, Call) and made.op in CONDITIONS
    if "bool" in names:
        return made if condition else reader.truthy(made)
    if condition:
        numbers = (Number(Fraction(1), made.span), Number(Fraction(0), made.span))
        return Call(WHERE, (made, *numbers), (), reader.span(node))
    if not WHOLE.isdisjoint(names):
        raise reader.fail("whole numbers have no derivative", node, "write trunc(x) for the whole part; it is flat")
    if not COMPLEX.isdisjoint(names):
        raise reader.fail("complex numbers are not part of the language", node)
    return made


def _keeps(reader: Reader, node: ast.Call) -> bool:
    """Tell whether a function that makes a tensor of one keeps its gradient; ``torch.tensor`` takes the numbers out."""
    module = reader.prefix(node.func.value) if isinstance(node.func, ast.Attribute) else None
    return name_of(node) != "tensor" or not (module or "").startswith("torch")


def name_of(node: ast.Call) -> str:
    """Return the last part of the name of what is called."""
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def flagged(reader: Reader, node: ast.Call) -> bool:
    """Tell whether the first argument of a call is True."""
    given = [*node.args, *(one.value for one in node.keywords)]
    return bool(given) and reader.param(given[0]) is True


_ARRAYS = ("asarray", "array", "as_tensor", "tensor", "Tensor", "ascontiguousarray", "from_numpy")
"""Functions that make a tensor of what may be one already."""
