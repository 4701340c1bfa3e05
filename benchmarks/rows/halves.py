"""All finite numbers of a half type, through functions of one number: a second each."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np
import torch

from rows.checked import timed
from rows.row import Row, by_turns

FUNCTIONS = ("gelu(x)", "tanh(x)", "exp(-x**2)", "sigmoid(x)")
SECONDS = 1.0


def rows() -> Iterator[Row]:
    for dtype in ("bfloat16", "float16"):
        numbers = finite(dtype)
        for text in FUNCTIONS:
            yield by_turns(
                f"{text}, all {len(numbers):,} of {dtype}", partial(timed, text, {"x": numbers}, dtype),
                "the limit", lambda: SECONDS, target=1.0,
            )  # fmt: skip


def finite(dtype: str) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Return all finite numbers of a half type, both zeros among them."""
    patterns = torch.arange(2**16, dtype=torch.int32).to(torch.int16).view(getattr(torch, dtype))
    numbers: np.ndarray[tuple[int], np.dtype[np.float64]] = patterns[patterns.isfinite()].double().numpy()
    return numbers
