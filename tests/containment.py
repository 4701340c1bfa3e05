"""What the tests of machine intervals share: numbers from the whole range, and whether balls lie inside bounds."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from flint import arb

from gradcheck import exact
from gradcheck.bounds import Bounds
from gradcheck.exact.elements import Undefined, Values, Zero
from gradcheck.exact.machine.arithmetic import EXTENDED, Interval
from gradcheck.exact.machine.evaluate import enclose, enclose_all
from gradcheck.exact.precision import working_precision
from gradcheck.functions import ELEMENTWISE, Elementwise
from gradcheck.lower import Core, lower
from table import program_of

Floats = np.ndarray[Any, np.dtype[np.float64]]

BITS, MORE_BITS = 128, 3000
"""Working precision of the balls, and where these find no number."""
MANY = int(os.environ.get("GRADCHECK_MACHINE_NUMBERS", "20000"))
"""Numbers drawn for each row; a run of millions is one variable away."""
SPECIAL = np.array([
    0.0, 0.5, 1.0, 2.0, 3.0, 6.0, 20.0, 26.5, 27.2, 37.5, 88.7, 104.0, 354.9, 709.78, 710.4, 744.4, 745.2, 1022.0,
    1074.0, 2.0**26, 2.0**53, 1e22, 1e154, 1.3e154, 1.7e308, 2.2250738585072014e-308, 5e-324, 1.5e-154, 1e-8,
    1e-17, np.pi, np.e,
])  # fmt: skip
"""Where functions overflow, underflow, turn, or change how they are computed."""


def numbers(rng: np.random.Generator, count: int) -> Floats:
    """Return numbers from the whole range: any bits, common sizes, near what is special, near 1, and integers."""
    kinds = [
        rng.integers(0, 2**64, count, dtype=np.uint64).view(np.float64),
        rng.normal(size=count) * 10.0 ** rng.integers(-3, 3, count),
        _near(rng, rng.choice(SPECIAL, count)),
        _near(rng, rng.integers(-40, 40, count) * (np.pi / 2)),
        1 + rng.choice([-1, 1], count) * 2.0 ** -rng.integers(0, 54, count),
        rng.integers(-20, 21, count) / rng.choice([1, 2, 3], count),
    ]
    found = np.choose(rng.integers(0, len(kinds), count), kinds)
    found = np.where(np.isfinite(found), found, 1.5)
    return np.where(rng.random(count) < 0.5, found, -found)


def _near(rng: np.random.Generator, values: Any) -> Floats:
    """Return numbers at most some units in the last place away, or some millionths."""
    steps = rng.integers(-3, 4, values.shape)
    near = values + steps * np.spacing(values)
    mixed: Floats = np.where(rng.random(values.shape) < 0.7, near, values * (1 + 1e-6 * rng.normal(size=values.shape)))
    return mixed


def points(rng: np.random.Generator, row: Elementwise, count: int) -> dict[str, Floats]:
    """Return arguments of a row; some of them are equal, or whole multiples."""
    found = {name: numbers(rng, count) for name in row.args}
    first = found[row.args[0]]
    for name in row.args[1:]:
        ties = rng.random(count)
        found[name] = np.where(ties < 0.1, first, np.where(ties < 0.2, first / rng.integers(1, 9, count), found[name]))
    return found


def around(rng: np.random.Generator, point: Mapping[str, Floats]) -> dict[str, Interval]:
    """Return intervals that hold the point, from some units in the last place wide to very wide."""
    return {name: _around(rng, x) for name, x in point.items()}


def _around(rng: np.random.Generator, x: Floats) -> Interval:
    with np.errstate(over="ignore"):
        size = np.abs(x) * 2.0 ** -rng.integers(-2, 56, x.shape).astype(np.float64) + 2.0**-1060
        mid = x + size * rng.uniform(-1, 1, x.shape)
        mid = np.where(np.isfinite(mid), mid, x)
        rad = np.abs(mid - x) * (1 + 2.0**-50)  # the difference is rounded
        return Interval(mid, rad + np.where(rng.random(x.shape) < 0.5, 0.0, size))


def balls(core: Core, point: Mapping[str, Floats]) -> Values:
    return exact.enclose(core, point, BITS)


def misses(found: Bounds, wanted: Any) -> Iterator[tuple[int, str]]:
    """Yield each element whose ball lies outside its bounds, or that has bounds or a reason and should have none."""
    with working_precision(BITS):
        each = zip(found.lower.ravel(), found.upper.ravel(), wanted.ravel(), strict=True)
        for k, (low, high, ball) in enumerate(each):
            reason = found.reason(k)
            if reason is not None and not (isinstance(ball, Undefined) and str(ball.reason) == reason):
                yield k, f"{reason}, and not {_said(ball)}"
            elif not np.isnan(low) and _is_missed(low, high, ball):
                yield k, f"{low!r} to {high!r}, and not {_said(ball)}"


def _is_missed(low: float, high: float, ball: Any) -> bool:
    """Tell whether bounds certainly miss; a ball that is no number is one that they may not have."""
    if isinstance(ball, Undefined):
        return True
    ball = arb(0) if isinstance(ball, Zero) else ball
    return not ball.is_finite() or bool(ball < low) or bool(ball > high)


def _said(ball: Any) -> str:
    return str(ball.reason) if isinstance(ball, Undefined) else str(ball)


def failures(row: Elementwise, count: int, seed: int, *, extended: bool = False) -> list[str]:
    """Return where bounds of a row miss balls, at points and around them."""
    rng = np.random.default_rng(seed)
    core = lower(program_of(row), dict.fromkeys(row.args, (count,)), nodes=True)
    point = points(rng, row, count)
    wanted = balls(core, point)["out"]
    told = []
    for found in _both(rng, core, point, extended):
        for k, text in misses(found, wanted):
            at = {name: one[k : k + 1] for name, one in point.items()}
            if "nan" in text and not list(misses(_one(found, k), exact.enclose(_alone(row), at, MORE_BITS)["out"])):
                continue  # the balls were too wide
            told.append(f"{row.name} at {', '.join(repr(float(one[0])) for one in at.values())}: {text}")
    return told


def _both(rng: np.random.Generator, core: Core, point: Mapping[str, Floats], extended: bool) -> list[Bounds]:
    """Return the bounds at points and around them."""
    given = around(rng, point)
    if extended:
        given = {name: Interval(one.mid.astype(EXTENDED), one.rad) for name, one in given.items()}
    return [enclose(core, point, ["out"], extended=extended)["out"], enclose_all(core, given, ["out"])["out"]]


def _one(found: Bounds, k: int) -> Bounds:
    return Bounds(found.lower.ravel()[k : k + 1], found.upper.ravel()[k : k + 1])


def _alone(row: Elementwise) -> Core:
    return lower(program_of(row), dict.fromkeys(row.args, (1,)), nodes=True)


if __name__ == "__main__":
    many, start = map(int, sys.argv[1:])
    for one in ELEMENTWISE.values():
        if one.machine is not None:
            for long in (False, True):
                print(*failures(one, many, start, extended=long), sep="\n", end="")
