"""Masks: comparisons with labels, and choices whose branch that is not taken has no number."""

from __future__ import annotations

from random import Random

from kinds.held import Outcomes, hold
from kinds.oracle import along, at_infinity
from kinds.pair import Drawn, Pair, Tally, between, drawn, on_grid

TESTS = (
    "m == 1", "m != 1", "m > 0.5", "m >= 1", "m < 1", "m <= 0", "(m == 0) | (m == 2)", "~(m == 1)", "(m > 0) & (m < 2)",
    "x > 0", "x >= 0", "x != 0", "(m == 1) & (x > 0)", "x > m", "abs(x) > 0.75", "m == k", "x*x > 1",
)  # fmt: skip
BRANCHES = (
    "x", "x**2", "0", "1", "-inf", "log(x)", "sqrt(x)", "1/x", "x**1.5", "exp(x)", "log(abs(x))", "sin(x)/x", "x*t",
    "asin(x)", "log1p(x)", "rsqrt(x)", "sqrt(abs(x))", "1/(x - t)", "x/m", "atanh(x)", "x**-2",
)  # fmt: skip
OUTPUTS = (
    "sum({w})", "mean({w})", "sum({w}*x)", "sum(({w})**2)", "amax({w})", "logsumexp({w}, 0)", "softmax({w}, 0)[0]",
    "sum(where(m == 1, {w}, 0))", "sum(exp({w}))", "sum({w})/sum(where(m == 1, 1, 0.5))", "({w})[0]", "norm({w})",
)  # fmt: skip
GRID = (-2.0, -1.0, -0.5, 0.0, 0.25, 0.75, 1.0, 1.5, 2.0)


def draw(random: Random) -> Drawn:
    """Return a masked program; its labels are small whole numbers, and its other numbers often lie on a border."""
    choice = f"where({random.choice(TESTS)}, {random.choice(BRANCHES)}, {random.choice(BRANCHES)})"
    text = random.choice(OUTPUTS).format(w=choice)
    size = (random.choice((1, 3, 8)),)
    numbers = on_grid(size, GRID) if random.random() < 0.5 else between(size, -2, 2)
    return drawn(text, {
        "x": numbers, "m": on_grid(size, (0.0, 1.0, 2.0)), "t": on_grid((), (0.1, 0.5, 3.0)),
        "k": on_grid((), (0.0, 1.0)),
    })  # fmt: skip


def judge(one: Pair, outcomes: Outcomes, k: int, total: Tally) -> None:
    """Hold a pair against the oracle."""
    hold(one, outcomes, k, total, at_infinity if "inf" in one.program.source else along)
