"""Long reductions: torch's own sums are never wrong, whatever their length, order and format of accumulation."""

# ruff: noqa: E501 - rows of programs

from __future__ import annotations

from functools import partial
from random import Random

import numpy as np

from kinds.held import Outcomes, never_wrong
from kinds.pair import Drawn, Floats, Pair, Tally, count, drawn

LENGTHS = (60, 60, 300, 300, 1_000, 1_000, 3_000, 20_000)
PROGRAMS = (
    "mean(tanh(x))**2", "sum(x*x)", "sum(x)**2", "exp(-mean(x*x))", "sum(softmax(x, 0)*x)", "norm(x)*2", "logsumexp(x, 0)**2",
    "var(x)*x[0]", "std(x)", "x @ x", "sin(x @ sin(x))", "log(sum(exp(x)))", "sum(x)/norm(x)", "mean(relu(x))*mean(x)", "norm(x, p=1)",
    "sum((x - mean(x))**2)/std(x)", "mean((x - x[0])**2)", "sum(log_softmax(x, 0)[:5])", "sqrt(mean(x**2) + 1)", "cumsum(x, 0)[-1]**2",
    "sum(sigmoid(x))/sum(1 + x*x)", "norm(x, p=3)", "softmax(x, 0)[1]", "tanh(sum(x)/10)", "mse_loss(x, x*x)",
)  # fmt: skip
MATRICES = (
    "sum((reshape(x, ({a}, {b})) @ tanh(x[:{b}]))**2)", "sum(reshape(x, ({a}, {b})).T @ x[:{a}])", "mean(softmax(reshape(x, ({a}, {b})), 1)**2)",
    "y = reshape(x, ({a}, {b})); sum((y - mean(y, dim=1, keepdim=True))**2/(var(y, dim=1, keepdim=True) + 1e-3))",
    "sum(logsumexp(reshape(x, ({a}, {b})), 0)**2)", "norm(mean(reshape(x, ({a}, {b})), dim=0))",
)  # fmt: skip
SLOW = ("cumsum", "softmax", "p=3")
"""What is tried with few terms alone: each costs seconds at 20,000."""


def draw(random: Random) -> Drawn:
    """Return a program of a long reduction, at numbers of one sign, of both, or of many sizes."""
    size = random.choice(LENGTHS)
    text = random.choice(PROGRAMS)
    if size < 20_000 and random.random() < 0.3:
        rows = random.choice((3, 10, 20))
        text = random.choice(MATRICES).format(a=rows, b=size // rows)
    if any(word in text for word in SLOW):
        size = min(size, 1_000)
    if "({}, " in text or "reshape" in text:
        size = size if "reshape" not in text else _fits(text)
    return drawn(text, {"x": partial(terms, size=size)})


def terms(random: Random, size: int) -> Floats:
    """Return numbers of both signs or of one, of one size or of many."""
    generator = np.random.default_rng(random.randrange(2**32))
    numbers = generator.standard_normal(size) if random.random() < 0.6 else generator.random(size)
    return numbers * 10 ** generator.uniform(-2, 1, size) if random.random() < 0.2 else numbers


def _fits(text: str) -> int:
    rows, columns = text.partition("reshape(x, (")[2].partition(")")[0].split(", ")
    return int(rows) * int(columns)


def judge(one: Pair, outcomes: Outcomes, _k: int, total: Tally) -> None:
    """Torch is right."""
    outcome = outcomes[0]
    count(outcome, total)
    total.broken += never_wrong(one, outcome)
