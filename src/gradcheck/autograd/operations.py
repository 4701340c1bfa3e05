"""How an operation of the language is called in torch: its own callable."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from gradcheck import dispatch


def function(op: str) -> Callable[..., Any]:
    """Return torch's own callable of an operation, as its row names it."""
    return dispatch.function(op, torch)
