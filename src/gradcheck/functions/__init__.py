"""The table: one row for one function; look-up by name, aliases, and the nearest name for a wrong one."""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from gradcheck.functions import choices, composites, conditions, elementwise, special, tensor
from gradcheck.functions.choices import BEHIND, DETACH, GUARD, MASK, PATCH, WHERE, Choice, Constant
from gradcheck.functions.conditions import COMPARISONS, OPERATORS, OPPOSITE, Condition
from gradcheck.functions.rows import Composite, Elementwise, Row, Tensor
from gradcheck.functions.sums import Accumulation

ELEMENTWISE = {row.name: row for row in (*elementwise.ROWS, *special.ROWS)}
TENSOR = {row.name: row for row in tensor.ROWS}
COMPOSITE = {row.name: row for row in composites.ROWS}
CONDITIONS = {row.name: row for row in conditions.ROWS}
CHOICES = {row.name: row for row in choices.CHOICE_ROWS}
CONSTANTS = {row.name: row for row in choices.CONSTANT_ROWS}

ALIASES = {
    "ln": "log", "Abs": "abs", "absolute": "abs", "fabs": "abs", "arcsin": "asin", "arccos": "acos", "arctan": "atan",
    "arctan2": "atan2", "arcsinh": "asinh", "arccosh": "acosh", "arctanh": "atanh", "negative": "neg", "sgn": "sign",
    "power": "pow", "multiply": "mul", "subtract": "sub", "divide": "div", "true_divide": "div", "clip": "clamp",
    "concat": "cat", "concatenate": "cat", "swapaxes": "transpose",
    "swapdims": "transpose", "view": "reshape", "broadcast_to": "expand", "expit": "sigmoid", "fix": "trunc",
    "vector_norm": "norm", "swish": "silu", "ger": "outer", "multi_dot": "linalg.multi_dot",
    "matrix_power": "linalg.matrix_power", "vecdot": "linalg.vecdot", "greater": "gt", "less": "lt",
    "trapz": "trapezoid", "pinverse": "pinv",
}  # fmt: skip
"""Other names for a row: NumPy's, SymPy's and torch's own synonyms."""

NO_GRAD = "no_grad"
"""Another name of ``detach``: an expression computed inside of ``torch.no_grad()`` has the same value and no graph."""
HIDDEN = frozenset({"add_at", "index", *(row.name for row in choices.CHOICE_ROWS if row.hidden)})
"""Rows that gradient programs use and nobody types by name."""

PARAM_ALIASES = {"axis": "dim", "keepdims": "keepdim", "ddof": "correction", "ord": "p", "rcond": "rtol"}


AnyRow = Row | Condition | Choice | Constant
_TABLES: tuple[dict[str, Any], ...] = (ELEMENTWISE, TENSOR, COMPOSITE, CONDITIONS, CHOICES, CONSTANTS)
TABLE: Mapping[str, AnyRow] = ChainMap(*_TABLES)
"""Every operation that a program may have."""


def lookup(name: str) -> AnyRow | None:
    """Return the row of an operation by its own name; None where there is none.

    >>> lookup("sin").args, lookup("sine")
    (('x',), None)
    """
    return TABLE.get(name)


def family(name: str) -> str:
    """Return the family of a function: the heading that it stands below in the manual.

    >>> family("softmax"), family("sin")
    ('Reductions, and what is made of them', 'Functions of numbers')
    """
    for module in (*composites.FAMILIES, special):
        if any(row.name == name for row in module.ROWS):
            return str(module.__doc__).partition("\n")[0].partition(":")[0].strip().rstrip(".")
    if name in ELEMENTWISE:
        return "Functions of numbers"
    return "Linear functions of tensors" if name in TENSOR else "Choices and conditions"


def families() -> dict[str, tuple[str, ...]]:
    """Return the functions of the table that have derivatives by family, whose name here is one word.

    >>> [*families()][:3], families()["activations"][0]
    (['activations', 'classes', 'contractions'], 'softplus')
    """
    found: dict[str, tuple[str, ...]] = {}
    for module in (*composites.FAMILIES, special, elementwise, tensor):
        name = module.__name__.rpartition(".")[2]
        found[name] = (*found.get(name, ()), *(row.name for row in module.ROWS if row.name not in HIDDEN))
    return found


def known_names() -> list[str]:
    """Return every name that a user can call, sorted.

    >>> known_names()[:4]
    ['Abs', 'H', 'T', 'abs']
    """
    return sorted({*TABLE} - HIDDEN - {*CONSTANTS} | {NO_GRAD, "min", "max"} | set(ALIASES))


def nearest(name: str, among: list[str]) -> str | None:
    """Return the name that the user most likely meant.

    >>> nearest("sofmax", known_names())
    'softmax'
    """
    found = get_close_matches(name, among, n=1, cutoff=0.6) or get_close_matches(name.lower(), among, n=1, cutoff=0.6)
    return found[0] if found else None


__all__ = [
    "ALIASES", "BEHIND", "CHOICES", "COMPARISONS", "COMPOSITE", "CONDITIONS", "CONSTANTS", "DETACH", "ELEMENTWISE",
    "GUARD", "HIDDEN", "MASK", "NO_GRAD", "OPERATORS", "OPPOSITE", "PARAM_ALIASES", "PATCH", "TABLE", "TENSOR", "WHERE",
    "Accumulation", "Choice", "Composite", "Condition", "Constant", "Elementwise", "Row", "Tensor", "family", "known_names", "lookup", "nearest",
]  # fmt: skip
