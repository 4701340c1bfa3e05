"""The seconds of one check through the Python function, as a first one."""

from __future__ import annotations

import time

from sympy.core.cache import clear_cache

from gradcheck import kernels
from gradcheck.case import check
from gradcheck.settings import Settings
from gradcheck.verdict import Verdict

FLOAT64 = Settings(dtypes=("float64",))


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
