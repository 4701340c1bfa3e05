"""Plain numbers: Python rounds them in double precision, then torch to the dtype, and nobody is wrong for that."""

# ruff: noqa: E501 - rows of programs

from __future__ import annotations

from fractions import Fraction
from random import Random

from kinds.held import Outcomes, hold, never_wrong
from kinds.pair import Drawn, Pair, Tally, drawn, on_grid

DECIMALS = (
    "0.1",
    "0.2",
    "0.3",
    "0.7",
    "1.1",
    "1e-3",
    "3",
    "2",
    "10",
    "0.5",
    "7",
    "(1/3)",
    "2.5",
    "1e5",
    "0.9",
    "pi",
    "e",
)
"""Numbers that people write, most of which no float is."""
AROUND = (
    "({c})*x", "x + {c}", "x**2*({c})", "sin(({c})*x)", "x/({c})", "where({c} == 0, x, 2*x)", "where({c} < {d}, x, 3*x)",
    "exp(x*({c}))", "x**({c})", "clamp(x, -abs({c}), 2)", "maximum(x, {c})", "({c})*x + ({d})", "tanh(x)*({c})**2", "x*({c}) - x*({d})",
)  # fmt: skip


def draw(random: Random) -> Drawn:
    """Return a program with two expressions of plain numbers, and the same with these worked out as fractions."""
    around = random.choice(AROUND)
    (c, exact_c), (d, exact_d) = constant(random, random.randint(1, 3)), constant(random, 1)
    numbers = {"x": on_grid((), (0.3, 1.0, 1.5, 2.0, 7.0))}
    return drawn(around.format(c=c, d=d), numbers, around.format(c=exact_c, d=exact_d))


def judge(one: Pair, outcomes: Outcomes, k: int, total: Tally) -> None:
    """Hold a pair against the oracle; besides, no number of torch is wrong."""
    if (outcome := hold(one, outcomes, k, total, program=one.other)) is not None:
        total.broken += never_wrong(one, outcome)


def constant(random: Random, depth: int) -> tuple[str, str]:
    """Return an expression of plain numbers, which often cancels, and the same as a fraction where it is one."""
    if depth == 0:
        text = random.choice(DECIMALS)
        return text, text
    left, right = constant(random, depth - 1), constant(random, 0)
    op = random.choice(("+", "-", "-", "*", "/", "+", "-", "%", "**"))
    power = random.choice(("2", "0.5", "-1", "3"))
    right = (power, power) if op == "**" else right
    return f"({left[0]} {op} {right[0]})", _folded(left[1], op, right[1])


def _folded(left: str, op: str, right: str) -> str:
    try:
        a, b = (Fraction(one.strip("()")) for one in (left, right))
        made = {"+": lambda: a + b, "-": lambda: a - b, "*": lambda: a * b, "/": lambda: a / b, "%": lambda: a % b}[
            op
        ]()
    except (ValueError, KeyError, ZeroDivisionError):
        return f"({left} {op} {right})"
    return f"({made})"
