"""Names that the table has not: what torch calls so, what it is in the language, or what was meant."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from gradcheck import functions
from gradcheck.errors import NameProblem, Span
from gradcheck.parse.casts import name_of
from gradcheck.parse.torch_names import TORCH

if TYPE_CHECKING:
    from gradcheck.parse.reader import Reader

FORMULAS = {
    "float_power": "x**y", "angle": "where(x < 0, pi, 0)", "heaviside": "where(x > 0, 1, where(x < 0, 0, y))",
}  # fmt: skip
"""What torch's functions are in the language, of those that the table has not."""


NORMAL = "write its formula: -((x - mu)**2)/(2*sigma**2) - log(sigma) - log(2*pi)/2 for the log_prob of a Normal"


def unknown_function(reader: Reader, name: str, place: Span, node: ast.Call) -> NameProblem:
    """Return the error about a function that the table has not."""
    if _is_distribution(reader, node):
        return reader.unknown("a distribution is not part of the language", node, NORMAL)
    match node.func:
        case ast.Attribute(value=ast.Name(id="self")):
            written = "write its formula, with its weights as inputs"
            return reader.unknown(f"what self.{name} computes is not in the text", node.func, written)
    if name in FORMULAS or name in TORCH:
        whose = f"torch's `{name}`" if name in TORCH else f"`{name}`"
        formula = FORMULAS.get(name, "its formula; `gradcheck functions` lists what there is")
        return reader.unknown(f"{whose} is not in the table", place, f"write {formula}")
    closest = functions.nearest(name, functions.known_names())
    hint = f"did you mean `{closest}`?" if closest else None
    if hint is None and len(name) <= 2 and isinstance(node.func, ast.Name):
        hint = f"write {name}*(...) for a product"
    return reader.unknown(f"unknown function `{name}`", place, hint or "`gradcheck functions` lists them all")


def _is_distribution(reader: Reader, node: ast.expr) -> bool:
    """Tell whether a call makes one of torch.distributions, or asks one for something."""
    while isinstance(node, ast.Call):
        func = node.func
        module = reader.prefix(func.value) if isinstance(func, ast.Attribute) else reader.modules.get(name_of(node))
        if (module or "").startswith("torch.distributions"):
            return True
        node = func.value if isinstance(func, ast.Attribute) else func
    return False
