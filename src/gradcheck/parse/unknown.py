"""Names that the table has not: what torch calls so, what it is in the language, or what was meant."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from gradcheck import functions
from gradcheck.errors import NameProblem, Span
from gradcheck.parse.torch_names import FORMULAS, TORCH

if TYPE_CHECKING:
    from gradcheck.parse.reader import Reader


def unknown_function(reader: Reader, name: str, place: Span, node: ast.Call) -> NameProblem:
    """Return the error about a function that the table has not."""
    if name in FORMULAS:
        return reader.unknown(f"`{name}` is not in the table", place, f"write {FORMULAS[name]}")
    if name in TORCH:
        return reader.unknown(f"torch's `{name}` is not in the table", place, _instead(name))
    closest = functions.nearest(name, functions.known_names())
    hint = f"did you mean `{closest}`?" if closest else None
    if hint is None and len(name) <= 2 and isinstance(node.func, ast.Name):
        hint = f"write {name}*(...) for a product"
    return reader.unknown(f"unknown function `{name}`", place, hint or "`gradcheck functions` lists them all")


def _instead(name: str) -> str:
    return f'write its formula, or define it: "{name}(x)" = "..." in a file of checks'
