"""What is measured with many elements: programs as gradcheck reads them, the same in torch, and points of any size."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import isqrt
from typing import Any

import numpy as np
import torch

Point = Mapping[str, np.ndarray[Any, np.dtype[np.float64]]]
CLASSES = 100
"""Columns of a table of logits."""
ROWS = 32
"""Rows that go through the MLP at once."""


@dataclass(frozen=True)
class Program:
    """A program whose gradient by ``wrt`` is measured; ``point`` takes the number of elements of that gradient."""

    name: str
    text: str
    wrt: tuple[str, ...]
    point: Callable[[int], Point]
    run: Callable[..., torch.Tensor]

    def elements(self, count: int) -> int:
        """Return how many elements the gradient has at the point of so many; an MLP is square."""
        point = self.point(count)
        return sum(point[name].size for name in self.wrt)


def _layers(x: torch.Tensor) -> torch.Tensor:
    y = 3 * x + 2
    z = 2 * y**2
    return torch.mean(z)


def _cross_entropy(x: torch.Tensor, p: torch.Tensor) -> torch.Tensor:
    return -torch.mean(torch.sum(p * torch.log_softmax(x, 1), 1))


def _mlp(w: torch.Tensor, b: torch.Tensor, v: torch.Tensor, x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
    return torch.mean((torch.tanh(x @ w + b) @ v - t) ** 2)


def _numbers(count: int) -> Point:
    return {"x": np.random.default_rng(0).normal(size=count)}


def _logits(count: int) -> Point:
    draw = np.random.default_rng(0)
    rows = max(1, count // CLASSES)
    labels = np.eye(CLASSES)[draw.integers(0, CLASSES, rows)]
    return {"x": draw.normal(size=(rows, CLASSES)), "p": labels}


def _weights(count: int) -> Point:
    draw, side = np.random.default_rng(0), isqrt(count)
    small = 1 / np.sqrt(side)
    return {
        "w": small * draw.normal(size=(side, side)), "b": draw.normal(size=side),
        "v": small * draw.normal(size=(side, 1)), "x": draw.normal(size=(ROWS, side)),
        "t": draw.normal(size=(ROWS, 1)),
    }  # fmt: skip


LAYERED = Program("layered program", "y = 3*x + 2; z = 2*y**2; out = mean(z)", ("x",), _numbers, _layers)
CROSS_ENTROPY = Program("softmax cross-entropy", "-mean(sum(p*log_softmax(x, 1), 1))", ("x",), _logits, _cross_entropy)
MLP = Program("MLP loss", "h = tanh(x @ w + b); mean((h @ v - t)**2)", ("w", "b", "v"), _weights, _mlp)
PROGRAMS = (LAYERED, CROSS_ENTROPY, MLP)
