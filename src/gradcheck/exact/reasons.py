"""Why a point has no derivative: outside a domain, or exactly at a pole."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from flint import arb

from gradcheck.exact.elements import Array, Values
from gradcheck.exact.evaluate import as_array, evaluate
from gradcheck.exact.precision import working_precision
from gradcheck.functions import CONDITIONS, ELEMENTWISE, GUARD, MASK, PATCH, WHERE
from gradcheck.lower import Core
from gradcheck.program import Call, Node


def outside(conditions: Sequence[tuple[Node, str]], values: Values, bits: int) -> str | None:
    """Return the reason of the first condition that certainly fails for some element."""
    with working_precision(bits):
        for condition, reason in conditions:
            if any(truth is False for truth in as_array(evaluate(condition, values)).ravel()):
                return reason
    return None


def pole(core: Core, values: Values) -> str | None:
    """Return the operation that first turned exact arguments into no number, such as a division by exactly zero.

    Such a point has no derivative at any precision; None means that a higher precision might still find one.
    """
    for layer in core.program.layers:
        node = layer.expression
        if not isinstance(node, Call) or node.op in CONDITIONS or node.op in (WHERE, MASK, GUARD, PATCH):
            continue
        for made, args in _elements(node, values[layer.name], values):
            if (
                isinstance(made, arb)
                and not made.is_finite()
                and all(isinstance(a, arb) and a.is_exact() for a in args)
            ):
                return node.op
    return None


def _elements(node: Call, made: Array, values: Values) -> Iterator[tuple[Any, list[Any]]]:
    if node.op not in ELEMENTWISE:
        return
    args = [as_array(evaluate(one, values)) for one in node.args]
    spread = np.broadcast_arrays(made, *args) if made.shape else [made, *args]
    for k in np.ndindex(made.shape):
        yield spread[0][k], [one[k] for one in spread[1:]]
