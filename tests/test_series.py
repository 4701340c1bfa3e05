"""Series beside a point: every elementwise row against its mpmath oracle, at kinks, ends of domains and in between."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import mpmath
import numpy as np
import pytest

from gradcheck.exact.course import Course, course
from gradcheck.exact.evaluate import enclose
from gradcheck.exact.ray import needed
from gradcheck.functions import ELEMENTWISE, Elementwise
from gradcheck.lower import lower
from gradcheck.program import Program
from oracles import shapes
from table import inside, program_of

BITS = 300
DIGITS = 400
STEP = mpmath.mpf(10) ** -100
"""How far beside the point the oracle looks; roots of it are still small."""
PLACES = (-3.0, -1.0, -0.5, 0.0, 0.5, 1.0, 2.0, 6.25)
"""Ties, ends of domains, whole numbers, halves, and points that are none of them."""


def found(program: Program, point: dict[str, Any], name: str, step: float, k: int = 0) -> Course:
    """Return the course of a program along one element of an input."""
    at = {one: np.array(value, dtype=np.float64) for one, value in point.items()}
    core = needed(lower(program, shapes(at), nodes=True), [program.output])
    direction = np.zeros(at[name].shape)
    direction.reshape(-1)[k] = step
    return course(core, enclose(core, at, BITS), {name: direction}, BITS)


def real(row: Elementwise, args: list[Any]) -> Any:
    """Return the oracle's number, None where it has none."""
    if not inside(row, args):
        return None
    try:
        made = row.oracle(mpmath, *args)
    except (ZeroDivisionError, ValueError):
        return None
    made = mpmath.mpmathify(made)
    return None if isinstance(made, mpmath.mpc) or not mpmath.isfinite(made) else made


def near(ball: Any, number: Any, slack: Any) -> bool:
    middle, radius = mpmath.mpf(ball.mid().str(120, radius=False)), mpmath.mpf(ball.rad().str(30, radius=False))
    return bool(abs(middle - number) <= slack * (1 + abs(number)) + radius)


def beside(row: Elementwise) -> Iterator[tuple[tuple[float, ...], int, float]]:
    """Yield points, each with an argument that moves and whether up or down."""
    samples = [tuple(float(eval_number(text)) for text in sample) for sample in (*row.samples, *row.outside)]
    grid = product(PLACES, repeat=len(row.args)) if len(row.args) < 3 else product((-1.0, 0.0, 2.0), repeat=3)
    for point in (*samples, *grid):
        yield from ((point, row.args.index(name), step) for name in row.moving for step in (-1.0, 1.0))


def eval_number(text: str) -> float:
    return float(mpmath.mpf(text))


@pytest.mark.parametrize("row", ELEMENTWISE.values(), ids=lambda row: row.name)
def test_the_limit_and_the_slope_on_each_side_are_those_of_the_oracle(row: Elementwise) -> None:
    proven = asked = 0
    with mpmath.workdps(DIGITS):
        for point, place, step in beside(row):
            made = found(program_of(row), dict(zip(row.args, point, strict=True)), row.args[place], step)
            what = f"{row.name} at {point} along {row.args[place]} by {step}: {made}"
            values = [real(row, shifted(point, place, step * STEP * k)) for k in (1, 2)]
            if None in values:
                assert made.slope is None, what
                continue
            assert not made.nowhere, what
            proven, asked = proven + made.proven, asked + 1
            slope = (values[1] - values[0]) / STEP
            if made.slope is not None:
                assert near(made.value, values[0], mpmath.mpf(10) ** -60), what
                assert near(made.slope, slope, mpmath.mpf(10) ** -60), what
                here = real(row, list(map(mpmath.mpf, point)))
                if made.meets is not None:
                    assert here is not None, what
                    assert made.meets == (abs(here - values[0]) < mpmath.mpf(10) ** -60), what
            if made.infinite:
                assert made.infinite * slope > 10**5, what
    assert proven > min(10, asked * 2 / 3)


def shifted(point: tuple[float, ...], place: int, distance: Any) -> list[Any]:
    return [mpmath.mpf(one) + (distance if k == place else 0) for k, one in enumerate(point)]
