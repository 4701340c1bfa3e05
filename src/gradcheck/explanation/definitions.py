"""What functions are defined as: an elementwise composite written out as one expression."""

from __future__ import annotations

from gradcheck.definitions import Opened, opened
from gradcheck.errors import GradcheckError
from gradcheck.functions import COMPOSITE, CONDITIONS, CONSTANTS, ELEMENTWISE, WHERE, Composite
from gradcheck.program import Call, Node, Shape, postorder, substitute

_PROBES: tuple[Shape, ...] = ((2, 3), ())
"""Shapes for which an elementwise definition is the same text."""


def is_elementwise(node: Node) -> bool:
    """Return whether an expression works element by element, so that it is a formula of one element."""
    return all(not isinstance(part, Call) or _known(part) for part in postorder(node))


def _known(part: Call) -> bool:
    plain = part.op in ELEMENTWISE or part.op in CONDITIONS or part.op == WHERE or part.op in CONSTANTS
    return plain or definition(part) is not None


def definition(node: Call) -> Node | None:
    """Return an elementwise composite, such as gelu, as its definition has it for these arguments; else None."""
    row = COMPOSITE.get(node.op)
    made = None if row is None or len(node.args) != len(row.args) else _opened(row, node)
    if made is None:
        return None
    by = {**dict(zip(made.slots, node.args, strict=True)), **made.constants}
    for layer in made.program.layers:
        by[layer.name] = substitute(layer.expression, by)
    expanded = by[made.program.output]
    return expanded if is_elementwise(expanded) else None


def _opened(row: Composite, node: Call) -> Opened | None:
    """Return the definition where it is the same for arguments of any shape."""
    try:
        first, *others = (opened(row, node, [shape] * len(node.args)) for shape in _PROBES)
    except (GradcheckError, ValueError, TypeError, IndexError):
        return None
    return first if all(one.program.source == first.program.source for one in others) else None
