"""Borders of choices: only a comparison that moves with what is differentiated by has one; in both forms."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from gradcheck import exact
from gradcheck.case import check
from gradcheck.differentiate import differentiate, pull_back
from gradcheck.formats import Ball
from gradcheck.functions import COMPARISONS
from gradcheck.lower import lower
from gradcheck.parse import parse
from gradcheck.program import Name, call, number, to_text
from gradcheck.settings import Settings
from gradcheck.verdict import Verdict

SIGNS = sorted(to_text(call(op, Name("m"), number(1))) for op in COMPARISONS)


def derivatives(text: str, by: str, **point: object) -> list[list[Ball | str | None]]:
    """Return the elements of a gradient from the guarded nodes and from the fused kernels."""
    arrays = {name: np.array(one, dtype=np.float64) for name, one in point.items()}
    shapes = {name: array.shape for name, array in arrays.items()}
    forms = [pull_back(lower(parse(text), shapes, nodes=nodes), [by], guarded=nodes) for nodes in (True, False)]
    return [exact.balls(exact.enclose(one.core, arrays)[one.program.output], 128) for one in forms]


@pytest.mark.parametrize("sign", SIGNS)
@pytest.mark.parametrize("branch", ["x**2", "sin(x)*m", "log(x)"])
def test_a_mask_that_lies_on_its_border_has_a_derivative_by_what_is_masked(sign: str, branch: str) -> None:
    point = {"m": [1.0, 1.0, 0.0, 2.0], "x": [0.3, 0.7, 1.1, 2.0]}
    for form in derivatives(f"sum(where({sign}, {branch}, 3*x))", "x", **point):
        assert all(isinstance(one, Ball) for one in form)


@pytest.mark.parametrize("sign", SIGNS)
@pytest.mark.parametrize("values", [("2", "5"), ("x", "3"), ("x", "x**2 - 2")])
def test_by_what_is_compared_there_is_no_derivative_on_the_border(sign: str, values: tuple[str, str]) -> None:
    left, right = values
    for condition in (sign, f"{sign} & (x > 0)".replace(sign, f"({sign})")):
        for form in derivatives(f"where({condition}, {left}, {right})*x", "m", m=1.0, x=0.5):
            assert form == ["jump where"]


@pytest.mark.parametrize("inner", ["2*x - 2", "sin(x - 1)", "sum(stack([x - 1, 0*x]))"])
@pytest.mark.parametrize("branches", ["x, 0", "1, 2", "x, 2*x"])
def test_a_border_in_an_earlier_layer_is_not_lost(inner: str, branches: str) -> None:
    for form in derivatives(f"y = {inner}; where(y > 0, {branches})", "x", x=1.0):
        assert form == ["jump where"]


@pytest.mark.parametrize(("low", "high"), list(product([-1, 0, 1], [0, 1])))
def test_bounds_that_meet_are_no_kink_of_what_they_bound(low: int, high: int) -> None:
    for form in derivatives(f"clamp(x, {low}, {high})", "x", x=3.0):
        assert all(isinstance(one, Ball) for one in form)


def test_a_border_adds_nothing_to_the_formula() -> None:
    made = str(differentiate(parse("where(x > 0, 1, 2) + 3*x*floor(x) + x"))).splitlines()[-1]
    assert made == "d_x = 3*floor(x) + 1"


def test_a_mask_of_many_elements_is_decided_for_all() -> None:
    point = {"m": [1] * 600, "x": list(range(1, 601))}
    run = check("sum(where(m == 1, x**2, 0))", point, settings=Settings(wrt=("x",)))
    assert {one.verdict for one in run[0].gradients[0].judgements} == {Verdict.AGREE}
