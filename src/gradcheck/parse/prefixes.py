"""What people paste in front of a function's name: the modules of torch, and of the libraries beside it."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gradcheck.parse.reader import Reader

MODULES = {
    "torch": "torch", "F": "torch.nn.functional", "nn": "torch.nn", "functional": "torch.nn.functional",
    "special": "torch.special", "linalg": "torch.linalg", "math": "math", "np": "numpy", "numpy": "numpy",
    "jnp": "jax.numpy", "jax": "jax", "lax": "jax.lax", "scipy": "scipy", "tf": "tensorflow",
    "tensorflow": "tensorflow",
    "sympy": "sympy", "sp": "sympy",
}  # fmt: skip
"""The modules that people mean by a name, unless an import says something else."""
PARTS = frozenset({
    "nn", "functional", "special", "linalg", "numpy", "math", "scipy", "lax", "Tensor", "modules", "ops", "aten", "fft",
    "autograd", "signal", "stats", "experimental", "keras", "backend", "func", "utils",
    "distributions",
})  # fmt: skip
"""Modules inside of modules."""
KNOWN = frozenset(one.partition(".")[0] for one in MODULES.values()) | {"typing", "__future__", "collections"}
"""Libraries whose import is skipped."""


def prefix(reader: Reader, node: ast.expr) -> str | None:
    """Return the module that a node names, None where it names none.

    >>> from gradcheck.parse.reader import Reader
    >>> reader = Reader("", frozenset(), hidden=False)
    >>> [prefix(reader, ast.parse(one, mode="eval").body) for one in ("F", "x", "jnp.fft")]
    ['torch.nn.functional', None, 'jax.numpy.fft']
    """
    parts: list[str] = []
    while isinstance(node, ast.Attribute) and node.attr in PARTS:
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name) or node.id in reader.bound or reader.scope.find(node.id) is not None:
        return None
    first = reader.modules.get(node.id) or MODULES.get(node.id)
    return None if first is None else ".".join((first, *reversed(parts)))


def is_prefix(reader: Reader, node: ast.expr) -> bool:
    """Tell whether a node is what people paste in front of a function's name, such as ``torch.nn.functional``."""
    return prefix(reader, node) is not None
