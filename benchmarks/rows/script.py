"""Many small programs, and the plain script of one page that people write to check them.

The script differentiates each program in SymPy, evaluates value and derivative at each point by ``evalf``, runs torch
forward and backward there, and compares with a relative tolerance: it proves nothing, and names no cause.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

import sympy
import torch

SHAPES = (
    "{a}*x**{n} + {b}*x", "sin({a}*x)*exp(-x**2/{b})", "log(1 + {a}*x**2)/(x + {b})", "tanh({a}*x) - x/{b}",
    "sqrt(x**2 + {a})*cos({b}*x)", "exp({a}*x/10)/(1 + exp(-x/{b}))", "atan({a}*x)*x**{n}", "(x - {a})/(x**2 + {b})",
    "x*log(x + {a}) - {b}*x", "sin(x)**{n} + cos({a}*x)/{b}", "exp(-{a}*x)*(x**{n} + {b})", "erf(x/{a})*x + {b}",
    "y = sin({a}*x); z = y**2 + x; z*exp(-z/{b})", "y = {a}*x + {b}; tanh(y)/y", "1/(1 + exp(-{a}*x)) + x**{n}/{b}",
)  # fmt: skip
"""Programs, with numbers to fill in."""
RTOL = 1e-4


def programs(count: int, seed: int) -> list[str]:
    """Return as many different programs."""
    draw = random.Random(seed)
    found: dict[str, None] = {}
    while len(found) < count:
        numbers = {"a": draw.randint(2, 40), "b": draw.randint(2, 40), "n": draw.randint(2, 5)}
        found[draw.choice(SHAPES).format(**numbers)] = None
    return list(found)


def points(count: int, seed: int) -> list[float]:
    """Return as many numbers from 0.1 to 3."""
    draw = random.Random(seed)
    return [draw.randint(7, 192) / 64 for _ in range(count)]


def plain(texts: Sequence[str], at: Sequence[float]) -> int:
    """Return how many gradients of torch are not those of SymPy, as a script of one page finds it."""
    return sum(_off(text, at) for text in texts)


def _off(text: str, at: Sequence[float]) -> int:
    x = sympy.Symbol("x")
    names = {"x": x}
    *layers, last = text.split(";")
    for layer in layers:
        name, _, expression = layer.partition("=")
        names[name.strip()] = sympy.sympify(expression, names)
    value = sympy.sympify(last, names)
    slope = sympy.diff(value, x)
    off = 0
    for number in at:
        leaf = torch.tensor(number, requires_grad=True)
        given = {"x": leaf}
        for layer in layers:
            name, _, expression = layer.partition("=")
            given[name.strip()] = eval(expression, vars(torch), given)
        made = eval(last, vars(torch), given)
        made.backward()
        assert leaf.grad is not None
        pairs = (value, made.item()), (slope, leaf.grad.item())
        exact = [(float(one.evalf(20, subs={x: number})), got) for one, got in pairs]
        off += any(abs(got - want) > RTOL * abs(want) for want, got in exact)
    return off
