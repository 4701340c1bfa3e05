"""Which layers hold whole elements of which others: what is the same number on both sides leaves nothing."""

from __future__ import annotations

from collections.abc import Mapping

from gradcheck.functions import COMPARISONS, DETACH, GUARD, MASK, PATCH, TENSOR, WHERE
from gradcheck.program import Call, Name, Node, Program, postorder

CHOOSING = {WHERE: (1, 2), MASK: (0,), PATCH: (0, 2), GUARD: (0,), DETACH: (0,), "maximum": (0, 1), "minimum": (0, 1)}
"""Operations that return whole elements of some of their arguments."""


def met(program: Program) -> frozenset[str]:
    """Return the layers whose elements may meet themselves in a difference or a comparison.

    >>> from gradcheck.parse import parse
    >>> sorted(met(parse("a = exp(x); b = maximum(a, 1); c = a*b; c - where(a == b, 1, b)")))
    ['a']
    """
    origins: dict[str, frozenset[str]] = {name: frozenset() for name in program.inputs}  # those are exact
    aliases: dict[str, str] = {}
    found: set[str] = set()
    for layer in program.layers:
        for part in postorder(layer.expression):
            if isinstance(part, Call) and (part.op in COMPARISONS or part.op == "sub"):
                a, b = part.args
                if not (isinstance(a, Name) and isinstance(b, Name) and _alias(a, aliases) == _alias(b, aliases)):
                    found |= _origins(a, origins) & _origins(b, origins)
        if isinstance(layer.expression, Name) or (isinstance(layer.expression, Call) and layer.expression.op == DETACH):
            source = layer.expression if isinstance(layer.expression, Name) else layer.expression.args[0]
            if isinstance(source, Name):
                aliases[layer.name] = _alias(source, aliases)
        chosen = _origins(layer.expression, origins)
        origins[layer.name] = chosen or frozenset({layer.name})
    return frozenset(found)


def _alias(name: Name, aliases: Mapping[str, str]) -> str:
    return aliases.get(name.id, name.id)


def _origins(node: Node, origins: Mapping[str, frozenset[str]]) -> frozenset[str]:
    """Return the layers of which an expression may hold whole elements; those of inputs are exact, and need no name."""
    if isinstance(node, Name):
        return origins[node.id]
    if not isinstance(node, Call):
        return frozenset()
    row = TENSOR.get(node.op)
    places = range(len(node.args)) if row is not None and row.depth is None else CHOOSING.get(node.op, ())
    return frozenset().union(*(_origins(node.args[k], origins) for k in places))
