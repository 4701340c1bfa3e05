"""Why a point has no derivative: exactly at a pole."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from flint import arb

from gradcheck.exact.elements import Array, Undefined, Values
from gradcheck.exact.evaluate import as_array, evaluate
from gradcheck.functions import BEHIND, CONDITIONS, ELEMENTWISE, GUARD, MASK, PATCH, WHERE
from gradcheck.lower import Core
from gradcheck.program import Call, live


def pole(core: Core, values: Values) -> str | None:
    """Return the operation that first turned exact arguments into no number, such as a division by exactly zero.

    Such a point has no derivative at any precision; None means that a higher precision might still find one. What no
    output reads decides nothing.
    """
    needed = {layer.name for layer in live(core.program)}
    for layer in core.program.layers:
        if layer.name not in needed:
            continue
        node = layer.expression
        if not isinstance(node, Call) or node.op in CONDITIONS or node.op in (WHERE, MASK, GUARD, PATCH, BEHIND):
            continue
        for made, args in _elements(node, values[layer.name], values):
            if _is_no_number(made) and all(isinstance(one, arb) and one.is_exact() for one in args):
                return node.op
    return None


def _is_no_number(made: Any) -> bool:
    return isinstance(made, Undefined) or (isinstance(made, arb) and not made.is_finite())


def _elements(node: Call, made: Array, values: Values) -> Iterator[tuple[Any, list[Any]]]:
    if node.op not in ELEMENTWISE:
        return
    args = [as_array(evaluate(one, values)) for one in node.args]
    spread = np.broadcast_arrays(made, *args) if made.shape else [made, *args]
    for k in np.ndindex(made.shape):
        yield spread[0][k], [one[k] for one in spread[1:]]
