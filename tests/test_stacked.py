"""Many points as one case: what every point shows is what it shows alone."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from math import isclose, isnan
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gradcheck import autograd, case
from gradcheck.case import check_program, many
from gradcheck.errors import LaneProblem
from gradcheck.formats import FORMATS, Ball, Estimate
from gradcheck.functions import COMPOSITE, ELEMENTWISE
from gradcheck.outcome import Outcomes, Run, Tally
from gradcheck.parse import parse
from gradcheck.points import Point, to_value
from gradcheck.pointwise import goes_by_elements
from gradcheck.program import Layer, Node, Program
from gradcheck.settings import Settings
from strategies import choices, elementwise, leaves
from table import program_of

DTYPES = tuple(FORMATS)
CORNERS = (0.0, 1.0, -1.0, 0.5, -0.5, 2.0, -2.0, 3.0, 1e-3, 1e-30, -1e-30, 20.0, -20.0, 88.7, 710.0, 1e4, -1e4, 1e30)
"""Kinks, poles, ends of domains, and what overflows or underflows in a dtype."""

TEXTS = ("formula", "derivatives", "gradient_program")
"""What an outcome has of its program alone, and makes when it is read."""


def alike(one: Any, other: Any, at: str = "") -> None:
    """Check that two outcomes show the same: all fields are equal, but that enclosures of one number may differ."""
    if isinstance(one, Ball | Estimate) and type(one) is type(other):
        assert one.lower <= other.upper, at
        assert other.lower <= one.upper, at
    elif is_dataclass(one) and type(one) is type(other) and not isinstance(one, Program):
        for name in [*(field.name for field in fields(one) if field.name != "display"), *TEXTS]:
            alike(getattr(one, name, None), getattr(other, name, None), f"{at}.{name}")
    elif isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
        assert one.shape == other.shape, at
        np.testing.assert_array_equal(one, other, at)
    elif isinstance(one, Sequence) and not isinstance(one, str) and type(one) is type(other):
        assert len(one) == len(other), at
        for k, (a, b) in enumerate(zip(one, other, strict=True)):
            alike(a, b, f"{at}[{k}]")
    elif isinstance(one, float) and isinstance(other, float):
        assert (isnan(one) and isnan(other)) or isclose(one, other, rel_tol=1e-6, abs_tol=1e-6), (at, one, other)
    elif isinstance(one, dict):
        assert one.keys() == other.keys(), at
        for key in one:
            alike(one[key], other[key], f"{at}[{key!r}]")
    else:
        assert one == other, (at, one, other)


def both(program: Program, points: list[Point], settings: Settings) -> tuple[Run, Run]:
    """Return what is said of many points together, and of each alone."""
    together = check_program(program, points, settings)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(many, "MIN_POINTS", len(points) + 1)
        return together, check_program(program, points, settings)


def assert_alike(program: Program, points: list[Point], settings: Settings) -> None:
    together, alone = both(program, points, settings)
    assert together.counts() == alone.counts()
    assert together.value_counts() == alone.value_counts()
    assert together.verdicts() == alone.verdicts()
    for k, (one, other) in enumerate(zip(together, alone, strict=True)):
        alike(one, other, f"{program.source!r} at {one.rounded} in {one.dtype} ({k})")


def points_of(program: Program, columns: dict[str, list[float]]) -> list[Point]:
    count = len(next(iter(columns.values())))
    return [{name: to_value(columns[name][k], name) for name in program.inputs} for k in range(count)]


# --- torch ------------------------------------------------------------------------------------------


def numbers(dtype: str, count: int, seed: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return numbers that a dtype has: corners, and others of all sizes."""
    draw = np.random.default_rng(seed)
    spread = np.ldexp(draw.standard_normal(count), draw.integers(-12, 12, count))
    found = np.concatenate([CORNERS, draw.standard_normal(count), draw.uniform(0, 1, count), spread])
    made = torch.from_numpy(draw.permutation(found)).to(autograd.DTYPES[dtype]).double().numpy()
    return np.where(np.isfinite(made), made, 1.0)


def texts() -> list[str]:
    """Return programs of one operation each, of inputs alone and with plain numbers in their place."""
    found = [str(program_of(row)) for row in ELEMENTWISE.values()]
    for row in ELEMENTWISE.values():
        for place in range(len(row.args)) if len(row.args) > 1 else ():
            found += [f"{row.name}({', '.join('0.7' if k == place else arg for k, arg in enumerate(row.args))})"]
            found += [f"w = 0.7; {row.name}({', '.join('w' if k == place else arg for k, arg in enumerate(row.args))})"]
    found += [text for row in COMPOSITE.values() for text in row.samples if goes_by_elements(parse(text))]
    return found


@pytest.mark.parametrize("text", texts())
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_elementwise_row_gives_each_point_its_own_numbers(text: str, dtype: str) -> None:
    """Bit by bit, forward and backward."""
    program = parse(text)
    if not autograd.stacks(program, dtype):
        return
    point = {name: numbers(dtype, 4, k) for k, name in enumerate(program.inputs)}
    try:
        scalar, _ = autograd.stacked(program, point, program.inputs, dtype=dtype)
    except LaneProblem:
        return
    for k in range(len(point[program.inputs[0]])):
        alone = autograd.backward(
            program, {name: np.array(one[k]) for name, one in point.items()}, program.inputs, dtype=dtype
        )
        for name, value in alone.layers.items():
            found = scalar.layers[name]
            np.testing.assert_array_equal(found.elements[k] if found.shape else found.elements[0], value.elements[0])
        for name, gradient in alone.gradients.items():
            stacked = scalar.gradients[name]
            assert (stacked is None) == (gradient is None)
            if stacked is not None and gradient is not None:
                np.testing.assert_array_equal(stacked.elements[k], gradient.elements[0])


# --- outcomes ---------------------------------------------------------------------------------------


@st.composite
def programs(draw: st.DrawFn) -> Program:
    """Draw a program of one or two layers in which all goes by elements."""
    known, layers = ["x", "y"], []
    for k in range(draw(st.integers(1, 2))):
        node: Node = draw(leaves(known))
        for _ in range(draw(st.integers(1, 3))):
            node = draw(choices(node) if draw(st.integers(0, 3)) == 0 else elementwise(node, False))
        layers.append(Layer(f"w{k}", node))
        known.append(f"w{k}")
    return parse("\n".join(str(Program((), (layer,), ())) for layer in layers))


COORDINATES = st.one_of(st.sampled_from(CORNERS), st.floats(-4, 4).map(lambda x: round(x, 3)))


@settings(max_examples=20)
@given(program=programs(), data=st.data(), dtype=st.sampled_from(DTYPES))
def test_each_point_of_many_shows_what_it_shows_alone(program: Program, data: st.DataObject, dtype: str) -> None:
    columns = {name: data.draw(st.lists(COORDINATES, min_size=5, max_size=5)) for name in program.inputs}
    if program.inputs:
        assert_alike(program, points_of(program, columns), Settings(dtypes=(dtype,)))


def test_many_points_load_no_compiler() -> None:
    """It takes as long to load as torch itself."""
    code = (
        "import sys; from gradcheck.case import check; check('sin(x)', 'x=1,2,3');print('torch._dynamo' in sys.modules)"
    )
    made = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert made.stdout == "False\n"


@pytest.mark.parametrize("text", ["relu(x)*y", "exp(x*y)", "log(x) + y", "gelu(x)/y"])
def test_what_is_counted_of_many_is_what_each_shows(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Points come twice, lie on corners and outside of domains; none is made before somebody looks at it."""
    monkeypatch.setattr(case, "MAX_MADE", 0)
    settings = Settings(dtypes=("float32", "bfloat16"))
    points = points_of(parse(text), {"x": [*CORNERS, 0.0, 1.0], "y": [1.0, *CORNERS, 2.0]})
    run = check_program(parse(text), points, settings)
    assert isinstance(run.outcomes, Outcomes)
    total = Tally()
    for outcome in run:
        total.add(Tally.of(outcome))
    assert (run.tally.counts, run.tally.values, run.tally.verdicts) == (total.counts, total.values, total.verdicts)
    assert list(run.tally.dtypes) == ["float32", "bfloat16"]
    worst = max(outcome.verdict.severity for outcome in run)
    assert {outcome.verdict.severity for outcome in run.outcomes.worst(1)} == {worst}
    assert len(run.outcomes.worst(7)) == 7
