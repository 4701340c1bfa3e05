"""Points at boundaries: they are found where operations are special, and planted faults are seen there alone."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from math import isfinite
from typing import Any

import numpy as np
import pytest
import torch

from gradcheck.boundaries import MOST, boundary_points, edges, ordinary_points, special
from gradcheck.boundaries.solve import at_ordinal
from gradcheck.case import check
from gradcheck.errors import PointProblem
from gradcheck.formats import FORMATS
from gradcheck.functions import COMPOSITE, ELEMENTWISE, TENSOR
from gradcheck.lower import lower
from gradcheck.outcome import Run
from gradcheck.parse import parse
from gradcheck.points import parse_points
from gradcheck.program import Call
from gradcheck.selftest.planting import planted
from gradcheck.settings import Settings
from gradcheck.suite import Check
from gradcheck.verdict import Verdict
from oracles import differences
from shipped import everything

Operation = Callable[..., Any]


def found(program: str, at: str, dtype: str = "float64") -> dict[tuple[float, ...], str]:
    """Return the points of a program with what is special about them."""
    parsed = parse(program)
    points = boundary_points(parsed, parse_points([at], parsed.inputs), [dtype])
    return {
        tuple(float(one) for value in point.values() for one in value.array(float).ravel()):
        next(value.why for value in point.values() if value.why) for point in points
    }  # fmt: skip


# --- where they are -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("program", "at", "wanted"),
    [
        ("where(x > 2, x**2, 4*x - 4)", "3", (2.0,)),
        ("relu(2*x - 3)", "1", (1.5,)),
        ("maximum(x, y)", "x=1,y=2", (2.0, 2.0)),
        ("maximum(x**2, 9)", "1", (3.0,)),
        ("x**y", "x=2,y=3.5", (2.0, 0.0)),
        ("x**y", "x=2,y=3.5", (0.0, 0.0)),
        ("x**y", "x=2,y=3.5", (2.0, 2.0)),
        ("sin(x)/x", "1", (0.0,)),
        ("x*y", "x=1,y=2", (0.0, 0.0)),
        ("y = 3*x + 6; sqrt(y)", "1", (-2.0,)),
        ("clamp(x, min=-1, max=1)", "0.3", (-1.0,)),
        ("softplus(x)", "1", (20.0,)),
        ("amax(x)", "x=[1,2,3]", (2.0, 2.0, 3.0)),
        ("norm(x)", "x=[1,2]", (0.0, 0.0)),
        ("prod(x)", "x=[1,2,3]", (0.0, 0.0, 3.0)),
        ("sum(x @ x)", "x=[[1,2],[3,4]]", (1.0, 0.0, 0.0, 1.0)),
        ("logsumexp(x, 0)", "x=[1,2]", (1.0, 1.0)),
    ],
)  # fmt: skip
def test_inputs_are_solved_for(program: str, at: str, wanted: tuple[float, ...]) -> None:
    assert wanted in found(program, at)


@pytest.mark.parametrize("dtype", list(FORMATS))
def test_a_sign_changes_between_neighbours(dtype: str) -> None:
    """A place that the dtype does not hold is enclosed by its two neighbours, on the exact value."""
    fmt = FORMATS[dtype]
    points = [one for (one,), why in found("relu(3*x - 1)", "1", dtype).items() if why == "next to relu at 0"]
    below = [one for one in points if Fraction(one) < Fraction(1, 3)]
    above = [one for one in points if Fraction(one) > Fraction(1, 3)]
    assert fmt.ordinal(min(above)) - fmt.ordinal(max(below)) == 1


@pytest.mark.parametrize("dtype", list(FORMATS))
def test_what_overflows_is_found_to_the_last_bit(dtype: str) -> None:
    fmt = FORMATS[dtype]
    last, first = sorted(one for (one,), why in found("exp(x)", "1", dtype).items() if why == "where exp overflows")
    assert fmt.ordinal(first) - fmt.ordinal(last) == 1
    assert np.exp(np.longdouble(last)) <= np.longdouble(fmt.largest) <= np.exp(np.longdouble(first))


@pytest.mark.parametrize("dtype", list(FORMATS))
def test_ordinals_lead_back(dtype: str) -> None:
    fmt = FORMATS[dtype]
    for value in (0.0, fmt.largest, -fmt.smallest_subnormal, fmt.smallest_normal, 1.5, -2.0):
        assert at_ordinal(fmt.ordinal(value), fmt) == value


def test_points_are_few_and_none_twice() -> None:
    for program in ("x**y*tanh(x - y)/log(x)", "sum(softmax(x, 0)*log(x))"):
        parsed = parse(program)
        given = ordinary_points(parsed)
        points = [*given, *boundary_points(parsed, given, ["float32"])]
        keys = [tuple(value.array(float).tobytes() for value in point.values()) for point in points]
        assert 10 < len(keys) <= MOST + 1
        assert len(set(keys)) == len(keys)


def samples() -> Iterator[str]:
    for row in ELEMENTWISE.values():
        yield f"{row.name}({', '.join(row.args)})"
    yield from (str(text) for rows in (TENSOR, COMPOSITE) for row in rows.values() for text in row.samples[:1])


@pytest.mark.parametrize("program", list(samples()))
def test_every_row_has_an_ordinary_point(program: str) -> None:
    parsed = parse(program)
    [point] = ordinary_points(parsed)
    lower(parsed, {name: value.shape for name, value in point.items()})
    assert all(value.why is None for value in point.values())


@pytest.mark.parametrize("name", list(ELEMENTWISE))
def test_conditions_of_rows_are_special(name: str) -> None:
    row = ELEMENTWISE[name]
    node = parse(f"{name}({', '.join(row.args)})").layers[0].expression
    assert isinstance(node, Call)
    told = [one.why for one in special(node)]
    assert all(told)
    assert bool(told) or name in {"neg", "add", "sub"}


def test_a_program_that_no_small_tensor_fits_needs_a_point() -> None:
    with pytest.raises(PointProblem, match="give a point"):
        ordinary_points(parse("reshape(x, (7, 11))"))


def test_edges_are_numbers_of_the_dtype() -> None:
    for fmt in FORMATS.values():
        for value, _ in edges(fmt):
            fmt.ordinal(value)


# --- faults that show there alone ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Hidden:
    """A rule that is wrong in one place; ``why`` is what the point must say."""

    program: str
    at: str
    op: str
    operation: Operation
    why: str


def _square(g: torch.Tensor, _y: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    return torch.where(x == 0, g, 2 * x * g)


def _tie(g: torch.Tensor, _z: torch.Tensor, x: torch.Tensor, y: torch.Tensor) -> tuple[torch.Tensor, ...]:
    return g * (x >= y), g * (y >= x)


def _power(g: torch.Tensor, z: torch.Tensor, x: torch.Tensor, y: torch.Tensor) -> tuple[torch.Tensor, ...]:
    return torch.where(y == 0, torch.ones_like(x), y * x ** (y - 1)) * g, g * z * torch.log(x)


def _product(g: torch.Tensor, z: torch.Tensor, x: torch.Tensor, _y: torch.Tensor) -> tuple[torch.Tensor, ...]:
    return torch.where(x == 0, 0, g * z / x), g * x


def _saturated(g: torch.Tensor, y: torch.Tensor, _x: torch.Tensor) -> torch.Tensor:
    return torch.where(y.abs() == 1, g, g * (1 - y * y))


def _large(g: torch.Tensor, y: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    return torch.where(x > 500, 2, 1) * g * y


def _norm(g: torch.Tensor, y: torch.Tensor, x: torch.Tensor, **_: Any) -> torch.Tensor:
    return g * torch.where((x == 0).sum() == 2, 3, 1) * x / torch.where(y == 0, 1, y)


HIDDEN = (
    Hidden("square(x)", "1.5", "square", planted(torch.square, _square), "square at 0"),
    Hidden("square(3*x - 6)", "1.5", "square", planted(torch.square, _square), "square at 0"),
    Hidden("y = maximum(x, 2*x - 3); y**2", "1.5", "maximum", planted(torch.maximum, _tie), "maximum at a tie"),
    Hidden("x**y", "x=1.5,y=0.75", "pow", planted(torch.pow, _power), "a power at y = 0"),
    Hidden("x*y", "x=1.5,y=0.75", "mul", planted(torch.mul, _product), "a product at a zero factor"),
    Hidden("tanh(2*x)", "0.5", "tanh", planted(torch.tanh, _saturated), "tanh at a saturating argument"),
    Hidden("exp(x)", "0.5", "exp", planted(torch.exp, _large), "where exp overflows"),
    Hidden("norm(x)", "x=[0.5,1,2]", "norm", planted(torch.linalg.vector_norm, _norm), "two zeros in x"),
)  # fmt: skip


def told(run: Run) -> set[str]:
    """Return what is special about the points where a run fails."""
    bad = [one for one in run if one.verdict in run.failing]
    return {value.why or "given" for one in bad for value in one.point.values() if value.why or len(one.point) == 1}


@pytest.mark.parametrize("hidden", HIDDEN, ids=lambda one: f"{one.program}, {one.why}")
def test_a_fault_at_a_boundary_is_found_there_alone(hidden: Hidden) -> None:
    settings = Settings(dtypes=("float64",), under_test={hidden.op: hidden.operation})
    assert check(hidden.program, hidden.at, settings=settings).passed
    run = check(hidden.program, hidden.at, settings=settings, boundaries=True)
    assert run.verdict is Verdict.DISAGREE
    assert hidden.why in told(run)
    assert "given" not in told(run)


@pytest.mark.parametrize("hidden", HIDDEN, ids=lambda one: f"{one.program}, {one.why}")
def test_the_fault_alone_is_seen(hidden: Hidden) -> None:
    """Torch itself is right there."""
    assert hidden.why not in told(check(hidden.program, hidden.at, dtype="float64", boundaries=True))


# --- no false alarm -----------------------------------------------------------------------------------------------

SAMPLED = 6
"""Checks of the corpus that are tried."""
FAR = Fraction(1, 1000)
"""How far from differences of exact values, of their size, a number must be that is called wrong."""


def sampled() -> list[Check]:
    small = [one for one in everything() if one.expect.verdict is None and "rand" not in " ".join(one.at)]
    return random.Random(13).sample(small, SAMPLED)


@pytest.mark.parametrize("checked", sampled(), ids=lambda one: one.name)
def test_what_is_called_wrong_at_a_boundary_is_wrong(checked: Check) -> None:
    """Differences of exact values know nothing of derivatives, nor of what torch does."""
    run = check(checked.program, checked.at, settings=replace(checked.settings, boundaries=True, expect=()))
    assert not any(outcome.error for outcome in run)
    assert Verdict.ERROR not in run.verdicts()
    for outcome, gradient in ((one, each) for one in run for each in one.gradients):
        for k in gradient.judgements.ranked((Verdict.DISAGREE,))[:2]:
            try:
                slope = differences(outcome.program, gradient.input, outcome.rounded)[k]  # which no float may hold
            except AssertionError:  # too steep for differences
                continue
            number = gradient.number(k)
            assert number is None or not isfinite(number) or abs(Fraction(number) - slope) > FAR * abs(slope), (
                outcome, number, slope,
            )  # fmt: skip


def test_no_point_need_be_given() -> None:
    run = check("sum(tanh(x)*w)", boundaries=True)
    assert run.passed
    assert len(run) > 10
    assert run[0].point["x"].why is None
