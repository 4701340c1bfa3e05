"""How an operation of the language is called in torch: its own callable, and the params as torch takes them."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import torch

from gradcheck.functions import lookup
from gradcheck.functions.tensor import numpy_key
from gradcheck.program import Param

MAX_INT = 2**63 - 1
"""Whole numbers beyond this are floats to torch: people write 1e30."""


def function(op: str) -> Callable[..., Any]:
    """Return torch's own callable of an operation, as its row names it."""
    row = lookup(op)
    assert row is not None
    if row.torch is None:
        return getattr(torch, op)  # type: ignore[no-any-return]
    run = row.torch
    return lambda *args, **params: run(torch, *args, **params)


def param(name: str, value: Param) -> Any:
    """Return a static argument as torch takes it."""
    if name == "key":
        return numpy_key(value)
    if isinstance(value, Fraction) or (isinstance(value, int) and abs(value) > MAX_INT):
        return float(value)
    if value == "inf":
        return math.inf
    if name in ("shape", "dims") and not isinstance(value, tuple):
        return (value,)
    return value
