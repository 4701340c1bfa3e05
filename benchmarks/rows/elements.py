"""Many elements: the layered program of the README beside torch's own checker on the same function."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial
from math import inf

import numpy as np
import torch

from gradcheck import kernels
from rows.checked import checked
from rows.row import LIMIT, PAIRS, Row, by_turns

LAYERS = "y = 3*x + 2; z = 2*y**2; out = mean(z)"
SIZES = (100, 1_000, 10_000, 100_000)
TARGETS = {10_000: 0.01}


def rows() -> Iterator[Row]:
    for count in SIZES:
        x = elements(count)
        yield by_turns(
            f"layered program, {count:,} elements", partial(checked, LAYERS, x),
            "torch.autograd.gradcheck", partial(torch_checked, x), target=TARGETS.get(count),
            pairs=PAIRS if count < SIZES[-1] else 1,
        )  # fmt: skip


def torch_checked(x: np.ndarray[tuple[int], np.dtype[np.float64]]) -> float:
    """Check the layered program with torch's own checker at its default settings; inf where it was stopped."""

    def layers(x: torch.Tensor) -> torch.Tensor:
        if time.perf_counter() - start > LIMIT:
            raise TimeoutError
        y = 3 * x + 2
        z = 2 * y**2
        return torch.mean(z)

    point = torch.from_numpy(x).requires_grad_()
    start = time.perf_counter()
    try:
        torch.autograd.gradcheck(layers, (point,))
    except TimeoutError:
        return inf
    return time.perf_counter() - start


def elements(count: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.random.default_rng(0).normal(size=count)


def differentiations(count: int) -> int:
    """Return how many kernels SymPy differentiates for the layered program with so many elements."""
    checked(LAYERS, elements(count))
    return kernels._partial.cache_info().misses
