"""Where faults are planted: one operation behind long reductions, in unstable, overflowing and deep programs, alone."""

# ruff: noqa: E501 - rows of programs

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any

import numpy as np
import torch

from gradcheck.autograd import function
from gradcheck.formats import FORMATS
from gradcheck.functions import ELEMENTWISE
from kinds.pair import Pair, written

FACTORS = {
    "float64": {"factor 2": 2.0, "sign": -1.0, "1e-9": 1 + 1e-9},
    "float32": {"factor 2": 2.0, "sign": -1.0, "1.0002": 1.0002},
    "bfloat16": {"factor 2": 2.0, "sign": -1.0, "10 %": 1.1},
    "float16": {"factor 2": 2.0, "sign": -1.0, "10 %": 1.1},
}
"""What a number is multiplied by."""


@dataclass(frozen=True)
class Plant:
    """A fault of one operation in a program at a point: its value, or what it pulls, times a factor."""

    kind: str
    op: str
    pair: Pair
    fault: str
    factor: float
    value: bool = False

    def __str__(self) -> str:
        return f"{'value' if self.value else 'gradient'} of {self.op} times {self.factor:g} in {self.pair}"


def operation(plant: Plant) -> Callable[..., Any]:
    """Return torch's own function with a value, or a gradient, that is wrong by a factor."""
    run = function(plant.op)

    def changed(made: Any) -> Any:
        if isinstance(made, tuple | list):
            return [changed(one) for one in made]  # a function of several results
        if not isinstance(made, torch.Tensor) or not made.is_floating_point():
            return made
        if plant.value:
            return _Passed.apply(made, plant.factor)  # type: ignore[no-untyped-call]
        if made.requires_grad:
            made = made.clone()
            made.register_hook(lambda gradient: gradient * plant.factor)
        return made

    return lambda *args, **params: changed(run(*several(args), **params))


def several(args: Sequence[Any]) -> Sequence[Any]:
    """Return the arguments of torch's own function, which has a list of tensors one by one here."""
    return args[0] if args and isinstance(args[0], list) else args


class _Passed(torch.autograd.Function):
    """A value times a factor, whose gradient forgets the factor."""

    @staticmethod
    def forward(_ctx: Any, x: torch.Tensor, factor: float) -> torch.Tensor:
        return x * factor

    @staticmethod
    def backward(_ctx: Any, g: torch.Tensor) -> Any:
        return g, None


# --- where faults are planted -----------------------------------------------------------------------


BEHIND = {
    "sum": "sin(sum({f})/{n})", "mean": "mean({f})**2", "softmax": "sum(softmax({f}, 0)*w)", "norm": "norm({f})", "logsumexp": "logsumexp({f}, 0)",
    "var": "var({f})", "matmul": "({f}) @ w", "std": "std({f})**2", "log_softmax": "log_softmax({f}, 0)[0]", "mse_loss": "mse_loss({f}, w)",
}  # fmt: skip
INNER = ("tanh", "sin", "exp", "sigmoid", "atan", "expm1", "square", "erf", "softplus", "silu", "gelu", "asinh")
LENGTHS = (60, 300, 1_000, 3_000, 20_000)
SLOW = {"softmax": 1_000, "log_softmax": 1_000}
"""Terms up to which a reduction is tried: more of them take seconds."""


def behind(random: Random, dtype: str) -> Plant:
    """Return a fault in what a long reduction reads."""
    name = random.choice(list(BEHIND))
    n = min(random.choice(LENGTHS), SLOW.get(name, 20_000))
    op = random.choice(INNER)
    pair = _vector(random, BEHIND[name].format(f=f"{op}(x)", n=n), n, dtype)
    return _gradient(random, f"behind {name} of {n:,}", op, pair)


def within(random: Random, dtype: str) -> Plant:
    """Return a fault in a long reduction itself."""
    name = random.choice([one for one in BEHIND if one != "matmul"])
    n = min(random.choice(LENGTHS), SLOW.get(name, 20_000))
    pair = _vector(random, BEHIND[name].format(f="x", n=n), n, dtype)
    return _gradient(random, f"in {name} of {n:,}", name, pair)


def products(random: Random, dtype: str) -> Plant:
    """Return a fault behind, or in, the product with a matrix of many columns."""
    n = random.choice((100, 1_000, 10_000))
    text = random.choice(
        ("sum((reshape(tanh(x), (2, {n})) @ w)**2)", "sum(tanh(reshape(x, (2, {n})) @ w/{n}))")
    ).format(n=n)
    generator = np.random.default_rng(random.randrange(2**32))
    pair = written(text, {"x": generator.standard_normal(2 * n), "w": generator.random(n)}, dtype)
    made = _gradient(random, f"matmul of {n:,} columns", random.choice(("matmul", "tanh")), pair)
    small = dtype == "float32" and random.random() < 0.5
    return Plant(made.kind, made.op, pair, "1e-4", 1 + 1e-4) if small else made


UNSTABLE = (
    ("a = (x + {big}) - {big}; {op}(a)", "{op}"), ("a = (x*{big} + y) - x*{big}; {op}(a)*2", "{op}"), ("{op}((1 - cos(x/{big}))*{big}) + x", "{op}"),
    ("(log({big} + exp(x)) - log({big}))*{op}(y)", "{op}"), ("sqrt(x*x + {big}) - sqrt({big}) + {op}(y)*x", "{op}"),
    ("a = exp(x) - expm1(x); {op}(a*x/y)", "{op}"),
)  # fmt: skip


def unstable(random: Random, dtype: str) -> Plant:
    """Return a fault in an operation of a program that loses its digits."""
    text, op = random.choice(UNSTABLE)[0], random.choice(INNER)
    big = random.choice(
        {"float64": ("1e16", "1e12")}.get(dtype, ("1e8", "1e4") if dtype == "float32" else ("1e4", "300"))
    )
    point = {"x": random.uniform(0.5, 4), "y": random.uniform(0.5, 2)}
    return _gradient(random, "unstable", op, written(text.format(big=big, op=op), point, dtype))


OVERFLOWING = ("s = sum(x)*{big}*{big}; {op}(s/{big}/{big}) + {op2}(t)", "s = sum(x); {op}(s)", "{op}(t)*exp(-x[0]**2*{big})", "z = exp({big}*t); {op}(t)/(1 + z)",
               "{op}(t) + 1/(x[0]*{big}*{big})", "{op2}({op}(t))*tanh(x[0]**2*{big}**2)")  # fmt: skip


def overflowing(random: Random, dtype: str) -> Plant:
    """Return a fault in an operation beside, before or behind one whose result the format cannot hold."""
    largest = FORMATS[dtype].largest
    op, op2 = random.sample(INNER, 2)
    text = random.choice(OVERFLOWING).format(op=op, op2=op2, big=f"{largest**0.75:.3g}")
    far = float(f"{largest * 0.9:.3g}")
    point = {"x": [far, -far, 0.5] if "s = sum(x); " in text else [1.5, -1.0, 0.5], "t": random.uniform(0.3, 1.5)}
    return _gradient(random, "overflowing", op, written(text, point, dtype))


def deep(random: Random, dtype: str) -> Plant:
    """Return a fault in one operation of a program of many layers."""
    depth, op = random.choice((20, 60, 200)), random.choice(("cos", "atan", "sigmoid", "tanh"))
    at = random.randrange(1, depth)
    lines = ["y0 = x"] + [f"y{k} = sin(y{k - 1}) + x/{depth}" for k in range(1, depth + 1)]
    lines[at] = f"y{at} = {op}(y{at - 1}) + x"
    point = {"x": [random.uniform(0.2, 1.2) for _ in range(random.choice((1, 3)))]}
    return _gradient(random, f"deep, {depth} layers", op, written("; ".join([*lines, f"sum(y{depth})"]), point, dtype))


ROWS = [(row, sample) for row in ELEMENTWISE.values() if not row.fixed for sample in row.samples]


def row(random: Random, dtype: str) -> Plant:
    """Return a fault in one function of the table, at a sample."""
    one, sample = random.choice([one for one in ROWS if dtype in (one[0].dtypes or (dtype,))])
    text = f"{one.name}({', '.join(one.args)})"
    point = {name: float(number) for name, number in zip(one.args, sample, strict=True)}
    return _gradient(random, "a row of the table", one.name, written(text, point, dtype))


def valued(random: Random, dtype: str) -> Plant:
    """Return a fault in the value of one operation of a program of any of the other kinds."""
    made = random.choice((behind, unstable, deep, row, within))(random, dtype)
    while made.fault == "sign" and random.random() < 0.7:
        made = row(random, dtype)
    return Plant(
        f"value, {made.kind.split(',')[0].split(' of ')[0]}", made.op, made.pair, made.fault, made.factor, value=True
    )


def _vector(random: Random, text: str, n: int, dtype: str) -> Pair:
    generator = np.random.default_rng(random.randrange(2**32))
    return written(text, {"x": generator.standard_normal(n), "w": generator.standard_normal(n)}, dtype)


def _gradient(random: Random, kind: str, op: str, pair: Pair) -> Plant:
    fault, factor = random.choice(list(FACTORS[pair.dtype].items()))
    return Plant(kind, op, pair, fault, factor)


KINDS = {
    "row": row, "behind": behind, "within": within, "products": products, "unstable": unstable, "overflowing": overflowing,
    "deep": deep, "valued": valued,
}  # fmt: skip
