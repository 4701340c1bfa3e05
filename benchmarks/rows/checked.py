"""The seconds of one check: through the Python function, as a first one, and by torch's own checker."""

from __future__ import annotations

import time
from collections.abc import Mapping
from math import inf
from typing import Any

import torch
from sympy.core.cache import clear_cache

from gradcheck import kernels
from gradcheck.case import check
from gradcheck.settings import Settings
from gradcheck.verdict import Verdict
from rows.programs import Point, Program
from rows.row import LIMIT


def forget() -> None:
    """Drop every derivative that SymPy has worked out, so that each measurement is a first one."""
    kernels.forget()
    clear_cache()


def checked(program: str, point: Mapping[str, object], dtype: str = "float64", **settings: Any) -> float:
    """Return the seconds of a check that decides every element, and calls none wrong."""
    return timed(program, point, dtype, (Verdict.DISAGREE, Verdict.ERROR, Verdict.UNDECIDED), **settings)


def timed(
    program: str, point: Mapping[str, object], dtype: str, never: tuple[Verdict, ...] = (), **settings: Any
) -> float:
    """Return the seconds of a check that does not come to a verdict that must ``never`` be."""
    forget()
    start = time.perf_counter()
    run = check(program, point, settings=Settings(dtypes=(dtype,), **settings))
    seconds = time.perf_counter() - start
    if run.verdict in never:
        raise SystemExit(f"{program} is {run.verdict}")
    return seconds


def torch_checked(program: Program, point: Point, **options: Any) -> float:
    """Check the same function by ``torch.autograd.gradcheck`` in float64; inf where it was stopped after LIMIT."""
    names = [*program.wrt, *(name for name in point if name not in program.wrt)]
    leaves = [torch.from_numpy(point[name]).clone().requires_grad_(name in program.wrt) for name in names]

    def function(*args: torch.Tensor) -> torch.Tensor:
        if time.perf_counter() - start > LIMIT:
            raise TimeoutError
        return program.run(*args)

    start = time.perf_counter()
    try:
        torch.autograd.gradcheck(function, tuple(leaves), **options)
    except TimeoutError:
        return inf
    return time.perf_counter() - start
