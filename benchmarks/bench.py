"""How long a check takes, each time beside a measure taken in the same run: `python benchmarks/bench.py`."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from math import inf
from statistics import median

import numpy as np
import torch
from sympy.core.cache import clear_cache

from gradcheck import kernels
from gradcheck.case import check
from gradcheck.compare import Verdict
from gradcheck.settings import Settings

POLYNOMIAL = "2*x**4+x**3+3*x**2+5*x+1"
LAYERS = "y = 3*x + 2; z = 2*y**2; out = mean(z)"
SIZES = (100, 1_000, 10_000, 100_000)
LIMIT = 60.0
"""Seconds after which torch's checker is stopped: its time grows with the square of the elements."""
FLOAT64 = Settings(dtypes=("float64",))

Timed = Callable[[], float]
"""A measurement, which returns its seconds."""


@dataclass(frozen=True, slots=True)
class Row:
    """Two things measured by turns, and the medians of their seconds."""

    name: str
    ours: float
    other: str
    theirs: float
    pairs: int

    def __str__(self) -> str:
        if self.theirs == inf:
            theirs, ratio = f"stopped at {LIMIT:.0f} s", f"< {self.ours / LIMIT:.3f}"
        else:
            theirs, ratio = f"{self.theirs:.3f} s", f"{self.ours / self.theirs:.3f}"
        return f"| {self.name} | {self.ours:.3f} s | {self.other} | {theirs} | {ratio} | {self.pairs} |"


def by_turns(name: str, ours: Timed, other: str, theirs: Timed, pairs: int = 5) -> Row:
    times = [(ours(), theirs()) for _ in range(pairs)]
    return Row(name, median(a for a, _ in times), other, median(b for _, b in times), pairs)


# --- what is measured -----------------------------------------------------------------------------


def command(*arguments: str) -> float:
    start = time.perf_counter()
    done = subprocess.run([sys.executable, *arguments], capture_output=True, check=False, text=True)
    seconds = time.perf_counter() - start
    if done.returncode:
        raise SystemExit(f"python {' '.join(arguments)} failed:\n{done.stderr}")
    return seconds


def forget() -> None:
    """Drop every derivative that SymPy has worked out, so that each measurement is a first one."""
    kernels.forget()
    clear_cache()


def checked(program: str, x: object) -> float:
    forget()
    start = time.perf_counter()
    run = check(program, x=x, settings=FLOAT64)
    seconds = time.perf_counter() - start
    if run.verdict is not Verdict.AGREE:
        raise SystemExit(f"{program} is {run.verdict}")
    return seconds


def torch_checked(x: np.ndarray[tuple[int], np.dtype[np.float64]]) -> float:
    """Check the layered program with torch's own checker at its default settings; inf where it was stopped."""

    def layers(x: torch.Tensor) -> torch.Tensor:
        if time.perf_counter() - start > LIMIT:
            raise TimeoutError
        y = 3 * x + 2
        z = 2 * y**2
        return torch.mean(z)

    point = torch.from_numpy(x).requires_grad_()
    start = time.perf_counter()
    try:
        torch.autograd.gradcheck(layers, (point,))
    except TimeoutError:
        return inf
    return time.perf_counter() - start


def elements(count: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.random.default_rng(0).normal(size=count)


def sines(count: int) -> str:
    """Return a program of so many layers, each the sine of the one before."""
    return "; ".join(f"y{k} = sin({f'y{k - 1}' if k > 1 else 'x'})" for k in range(1, count + 1))


def differentiations(count: int) -> int:
    """Return how many kernels SymPy differentiates for the layered program with so many elements."""
    checked(LAYERS, elements(count))
    return kernels._partial.cache_info().misses


# --- the report -----------------------------------------------------------------------------------


def rows() -> Iterator[Row]:
    yield by_turns(
        "the whole command, polynomial", lambda: command("-m", "gradcheck", POLYNOMIAL, "--at", "2"),
        'python -c "import torch"', lambda: command("-c", "import torch"),
    )  # fmt: skip
    yield by_turns(
        "gradcheck --help", lambda: command("-m", "gradcheck", "--help"),
        'python -c "import typer"', lambda: command("-c", "import typer"),
    )  # fmt: skip
    for count in SIZES:
        x = elements(count)
        yield by_turns(
            f"layered program, {count:,} elements", partial(checked, LAYERS, x),
            "torch.autograd.gradcheck", partial(torch_checked, x), pairs=5 if count < SIZES[-1] else 1,
        )  # fmt: skip
    yield by_turns(
        "1,000 layers of sin", lambda: checked(sines(1_000), 1.5),
        "100 layers of sin", lambda: checked(sines(100), 1.5), pairs=3,
    )  # fmt: skip


def machine() -> str:
    libraries = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in ("torch", "sympy", "python-flint"))
    load = f", load {os.getloadavg()[0]:.1f} at the start" if hasattr(os, "getloadavg") else ""
    python = f"{platform.system()} {platform.machine()}, Python {platform.python_version()}"
    return f"{os.cpu_count()} cores, {python}, {libraries}{load}"


def main() -> None:
    print(machine(), end="\n\n")
    print("| gradcheck | median | beside | median | ratio | pairs |")
    print("|---|--:|---|--:|--:|--:|")
    for row in rows():
        print(row, flush=True)
    print("\n| elements of the layered program | kernels differentiated |\n|--:|--:|")
    for count in SIZES:
        print(f"| {count:,} | {differentiations(count)} |", flush=True)


if __name__ == "__main__":
    main()
