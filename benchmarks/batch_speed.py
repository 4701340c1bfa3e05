"""A batch of many different programs against the plain script that people write for it, by turns in one run.

The script differentiates each program in SymPy, evaluates value and derivative at each point by ``evalf``, runs torch
forward and backward there, and compares with a relative tolerance: it proves nothing, and names no cause. Only work
after imports counts: the server that workers are forked from has loaded all before.

    python benchmarks/batch_speed.py [--programs 1000] [--points 10] [--seed 0] [--workers 1 2] [--repeats 3]
"""

from __future__ import annotations

import argparse
import random
import statistics
from collections.abc import Callable, Sequence
from functools import partial
from time import perf_counter

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


# --- the script -------------------------------------------------------------------------------------


def plain(texts: Sequence[str], at: Sequence[float]) -> int:
    """Return how many gradients of torch are not those of SymPy, as a script of one page finds it."""
    return sum(_off(text, at) for text in texts)


def _off(text: str, at: Sequence[float]) -> int:
    import sympy
    import torch

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


# --- the batch --------------------------------------------------------------------------------------


def batch(texts: Sequence[str], at: Sequence[float], workers: int) -> int:
    """Return how many checks of a batch failed."""
    from gradcheck.batch import BatchOptions, run_batch
    from gradcheck.settings import Settings
    from gradcheck.suite import Check

    written = ",".join(map(repr, at))
    checks = [Check(f"p{k}", text, (f"x={written}",), Settings()) for k, text in enumerate(texts)]
    return len(run_batch(checks, BatchOptions(workers=workers)).failures)


def seconds(work: Callable[[], int]) -> float:
    """Return how long some work takes."""
    start = perf_counter()
    work()
    return perf_counter() - start


def main() -> None:
    """Print how long both take, and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--programs", type=int, default=1000)
    parser.add_argument("--points", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    at = points(given.points, given.seed)
    import torch

    torch.set_num_threads(1)
    batch(["x"], at, 1)  # the server is there from now on
    plain(["x"], at)
    found: dict[str, list[float]] = {"script": [], **{f"batch, {n}": [] for n in given.workers}}
    for turn in range(given.repeats):
        texts = programs(given.programs, given.seed + turn)  # others each time: SymPy remembers what it has seen
        found["script"].append(seconds(partial(plain, texts, at)))
        for n in given.workers:
            found[f"batch, {n}"].append(seconds(partial(batch, texts, at, n)))
    script = statistics.median(found["script"])
    print(f"{given.programs:,} programs of {given.points} points, medians of {given.repeats}")
    for name, times in found.items():
        median = statistics.median(times)
        print(f"{name:10s} {median:8.3f} s   {script / median:6.2f} times the script's speed")


if __name__ == "__main__":
    main()
