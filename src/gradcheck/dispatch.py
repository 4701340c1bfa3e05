"""The one way an operation is called in torch: its function, and the arguments and params as torch takes them.

A host says what its values are: tensors and plain numbers, or the code of a script that will have them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any, Protocol

from gradcheck.functions import OPERATORS, TABLE, WHERE, Composite, Elementwise
from gradcheck.functions.tensor import numpy_key
from gradcheck.program import RESULT, Call, Param

MAX_INT = 2**63 - 1
"""Whole numbers beyond this are floats to torch: people write 1e30."""


class Host(Protocol):
    """What holds the values of a program while it is run, or written."""

    def is_tensor(self, value: Any) -> bool:
        """Tell whether a value is a tensor, and no plain number."""

    def tensor(self, value: Any) -> Any:
        """Return a value as a tensor: a plain number is rounded to the dtype."""

    def truth(self, value: Any) -> Any:
        """Return a condition as a tensor."""

    def bound(self, value: Any) -> Any:
        """Return a plain number as it is, or infinite where torch would refuse it: it is beyond the dtype."""

    def whole(self, value: Any) -> Any:
        """Return whole numbers, one or nested in tuples, as a tensor of int64."""


def function(op: str, m: Any) -> Callable[..., Any]:
    """Return the callable of an operation in ``m``, torch itself or what stands for it, as its row names it."""
    row = TABLE[op]
    run = row.torch
    if run is None:
        return getattr(m, op)  # type: ignore[no-any-return]
    if isinstance(row, Composite) and row.optional:
        # Tensors that need not be given may be left out at the end, as whoever calls torch's own function does.
        return lambda *args, **params: run(m, *args, *[None] * (len(row.args) - len(args)), **params)
    return lambda *args, **params: run(m, *args, **params)


def arguments(op: str, args: list[Any], host: Host) -> list[Any]:
    """Return the arguments as torch takes them: tensors, and numbers where the user's own code would leave them."""
    if op in OPERATORS:
        return args
    if op == WHERE:
        condition, *branches = args
        numbers = not any(map(host.is_tensor, branches))
        return [host.truth(condition), *(map(host.tensor, branches) if numbers else branches)]
    row = TABLE[op]
    if isinstance(row, Elementwise) and row.bounds and not any(map(host.is_tensor, args[1:])):
        return [host.tensor(args[0]), *map(host.bound, args[1:])]  # torch.clamp does not mix numbers and tensors
    if isinstance(row, Composite):
        return [_argument(row, name, value, host) for name, value in zip(_names(row, args), args, strict=True)]
    return list(map(host.tensor, args))


def _names(row: Composite, args: list[Any]) -> tuple[str, ...]:
    return row.args if len(row.args) == len(args) else row.args * len(args)


def _argument(row: Composite, name: str, value: Any, host: Host) -> Any:
    if name in row.masks:
        return host.truth(value)
    if name in row.optional and not host.is_tensor(value) and value == row.optional[name]:
        return None
    return value if name in row.numbers else host.tensor(value)


def keywords(node: Call, host: Host) -> dict[str, Any]:
    """Return the params of a call as torch takes them."""
    row, params = TABLE[node.op], {name: param(name, value) for name, value in node.params if name != RESULT}
    if isinstance(row, Composite) and row.bounds:
        return {name: host.bound(value) for name, value in params.items()}
    if isinstance(row, Composite) and row.indices:
        whole = {name for name in row.indices if params.get(name) is not None}
        return {name: host.whole(value) if name in whole else value for name, value in params.items()}
    return params


def picked(node: Call, made: Any) -> Any:
    """Return the result that a call means, of a function that returns several.

    >>> from gradcheck.program import call
    >>> picked(call("chunk", result=1), (0.5, 2.0)), picked(call("sin"), 2.0)
    (2.0, 2.0)
    """
    result = node.param(RESULT)
    return made if result is None else made[result]


def param(name: str, value: Param) -> Any:
    """Return a static argument as torch takes it.

    >>> param("dim", (0,)), param("keepdim", True), param("spacing", (Fraction(1, 2), 3))
    ((0,), True, (0.5, 3))
    """
    if name == "key":
        return numpy_key(value)
    if isinstance(value, Fraction) or (isinstance(value, int) and abs(value) > MAX_INT):
        return float(value)
    if value in ("inf", "-inf"):
        return math.inf if value == "inf" else -math.inf
    if name in ("shape", "dims", "normalized_shape") and not isinstance(value, tuple):
        return (value,)
    if isinstance(value, tuple):
        return tuple(param("", one) for one in value)
    return value
