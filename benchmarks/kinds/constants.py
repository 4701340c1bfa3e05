"""Plain numbers: Python rounds them in double precision, then torch to the dtype, and nobody is wrong for that."""

# ruff: noqa: E501 - rows of programs

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from random import Random

from gradcheck.parse import parse
from kinds.held import hold, never_wrong
from kinds.oracle import along
from kinds.pair import Pair, Tally, on_grid, written

DECIMALS = ("0.1", "0.2", "0.3", "0.7", "1.1", "1e-3", "3", "2", "10", "0.5", "7", "(1/3)", "2.5", "1e5", "0.9", "pi", "e")
"""Numbers that people write, most of which no float is."""
AROUND = (
    "({c})*x", "x + {c}", "x**2*({c})", "sin(({c})*x)", "x/({c})", "where({c} == 0, x, 2*x)", "where({c} < {d}, x, 3*x)",
    "exp(x*({c}))", "x**({c})", "clamp(x, -abs({c}), 2)", "maximum(x, {c})", "({c})*x + ({d})", "tanh(x)*({c})**2", "x*({c}) - x*({d})",
)  # fmt: skip


@dataclass(frozen=True)
class Constants(Pair):
    """A pair with the same program whose plain numbers are worked out as fractions."""

    exact: str = ""


def draw(random: Random, dtype: str) -> Pair:
    """Return a program with two expressions of plain numbers."""
    around = random.choice(AROUND)
    (c, exact_c), (d, exact_d) = constant(random, random.randint(1, 3)), constant(random, 1)
    made = written(around.format(c=c, d=d), {"x": on_grid(random, (), (0.3, 1.0, 1.5, 2.0, 7.0))}, dtype)
    return Constants(made.program, made.point, dtype, around.format(c=exact_c, d=exact_d))


def judge(one: Pair, k: int, total: Tally) -> None:
    """Hold a pair against the oracle; besides, no number of torch is wrong."""
    assert isinstance(one, Constants)
    exact = parse(one.exact)
    outcome = hold(one, k, total, lambda _program, *place: along(exact, *place))
    if outcome is not None:
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
        made = {"+": lambda: a + b, "-": lambda: a - b, "*": lambda: a * b, "/": lambda: a / b, "%": lambda: a % b}[op]()
    except (ValueError, KeyError, ZeroDivisionError):
        return f"({left} {op} {right})"
    return f"({made})"
