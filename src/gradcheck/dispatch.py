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
from gradcheck.program import Call, Param

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


def function(op: str, m: Any) -> Callable[..., Any]:
    """Return the callable of an operation in ``m``, torch itself or what stands for it, as its row names it."""
    run = TABLE[op].torch
    if run is None:
        return getattr(m, op)  # type: ignore[no-any-return]
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
    return list(map(host.tensor, args))


def keywords(node: Call, host: Host) -> dict[str, Any]:
    """Return the params of a call as torch takes them."""
    row, params = TABLE[node.op], {name: param(name, value) for name, value in node.params}
    if isinstance(row, Composite) and row.bounds:
        return {name: host.bound(value) for name, value in params.items()}
    return params


def param(name: str, value: Param) -> Any:
    """Return a static argument as torch takes it.

    >>> param("dim", (0,)), param("keepdim", True)
    ((0,), True)
    """
    if name == "key":
        return numpy_key(value)
    if isinstance(value, Fraction) or (isinstance(value, int) and abs(value) > MAX_INT):
        return float(value)
    if value == "inf":
        return math.inf
    if name in ("shape", "dims") and not isinstance(value, tuple):
        return (value,)
    return value
