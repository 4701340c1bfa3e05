"""Ties of many inputs: torch's own gradient is among the subgradients, and one that counts a tie several times is not."""

# ruff: noqa: E501 - rows of programs

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import torch

from gradcheck.verdict import Verdict
from kinds.held import Outcomes, hold, never_wrong
from kinds.pair import Drawn, Pair, Tally, drawn, looked_at, on_grid, written

HONEST = (
    "amax(x)", "amin(x)", "sum(sort(x)*w)", "sort(x)[0]", "sort(x)[-1]", "norm(x, p=inf)", "sum(relu(x))", "sum(abs(x))",
    "amax(x)**2", "exp(amin(x))", "amax(x*w)", "amax(x) + sum(x*w)", "sum(maximum(x, flip(x, 0)))", "norm(x)", "norm(x, p=1)",
    "amax(abs(x))", "sum(clamp(x, -1, 1))", "sum(relu(x)*w)", "amax(relu(x))", "logsumexp(x, 0) + amax(x)", "relu(amax(x))",
    "sum(sort(x, descending=True)*w)", "sum(sort(x)[:2])", "sum(leaky_relu(x))", "mean(maximum(x, 0))", "amax(x) - amin(x)",
    "sum(maximum(x, amax(x)))", "sum(hardtanh(x))", "maximum(x[0], x[-1])", "sum(minimum(x, w))", "sum(where(x > 0, x, 0))",
)  # fmt: skip
COUNTED = (
    ("amax", "amax(x)"),
    ("amin", "amin(x)"),
    ("amax", "exp(amax(x))"),
    ("amax", "amax(x)*3"),
    ("amin", "amin(x)**2 - x[0]"),
)
"""Reductions that a wrong backward pass gives the whole gradient to every element that ties."""

FEW = 3


def draw(random: Random) -> Drawn:
    """Return a choice among numbers most of which are equal."""
    size = random.choice((2, 3, 3, 5, 8, 17, 40))
    few = tuple(random.sample((-2.0, -1.0, 0.0, 0.0, 0.5, 1.0, 1.0), random.choice((1, 1, 2))))
    weights = (-1.0, 0.5, 1.0, 2.0, 3.0, 0.0)
    return drawn(random.choice(HONEST), {"x": on_grid((size,), few), "w": on_grid((size,), weights)})


def judge(one: Pair, outcomes: Outcomes, k: int, total: Tally) -> None:
    """Hold a pair against the oracle; besides, torch is never wrong, and a planted tie that is counted twice is found."""
    outcome = hold(one, outcomes, k, total)
    if outcome is not None:
        total.broken += never_wrong(one, outcome)
    op, text = COUNTED[k % len(COUNTED)]
    numbers = one.point["x"]
    extreme = numbers.max() if op == "amax" else numbers.min()
    tied = int((numbers == extreme).sum())
    if tied < 2 or (extreme == 0 and "**" in text):
        return
    planted = written(text, {"x": numbers}, one.dtype)
    found = looked_at(planted, under_test={op: counted(getattr(torch, op))})
    key = f"a tie counted {'often' if tied > FEW else 'twice or thrice'}"
    total.planted[key] += 1
    if found.verdict is Verdict.DISAGREE:
        total.found[key] += 1
    else:
        total.broken.append(
            f"missed: every element that ties has the whole gradient of {op}: {planted}: {found.verdict}"
        )


def counted(run: Callable[..., Any]) -> Callable[..., Any]:
    """Return an extreme whose backward pass gives every element that ties the whole gradient."""

    class Counted(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: torch.Tensor) -> Any:
            made = run(x)
            ctx.save_for_backward(x, made)
            return made

        @staticmethod
        def backward(ctx: Any, g: torch.Tensor) -> Any:
            x, made = ctx.saved_tensors
            return g * (x == made)

    return lambda x, *_, **__: Counted.apply(x)  # type: ignore[no-untyped-call]
