"""Vectors of 1 to 1,000 numbers: whole vector registers run other code than the rest, and both are judged."""

from __future__ import annotations

from random import Random

from gradcheck.functions import ELEMENTWISE
from kinds.held import Outcomes, hold
from kinds.pair import Drawn, Pair, Tally, between, drawn

LENGTHS = (1, 3, 8, 64, 64, 1_000)
SMOOTH = ("sum({f})", "sum({f}*x)", "mean(({f})**2)", "sum(sin({f}))", "{f}", "({f})*t", "sum({f})/norm(x)")
SCALES = (0.01, 1.0, 1.0, 3.0, 10.0, 80.0)


def draw(random: Random) -> Drawn:
    """Return a function of the table of a whole vector."""
    row = random.choice(list(ELEMENTWISE.values()))
    args = ["x", *random.sample(("w", "t", "2", "0.5", "flip(x, 0)"), len(row.args) - 1)]
    random.shuffle(args)
    text = random.choice(SMOOTH).format(f=f"{row.name}({', '.join(args)})")
    size, scale = (random.choice(LENGTHS),), random.choice(SCALES)
    low = 0.0 if random.random() < 0.5 else -scale
    return drawn(text, {"x": between(size, low, scale), "w": between(size, -3, 3), "t": between((), -2, 2)})


def judge(one: Pair, outcomes: Outcomes, k: int, total: Tally) -> None:
    """Hold some elements of a pair against the oracle."""
    hold(one, outcomes, k, total, most=8 if one.point["x"].size < 64 else 2)
