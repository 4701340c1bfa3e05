"""Outside a domain: what depends on the operation has no derivative, for its reason, and nothing else is touched."""

from __future__ import annotations

import numpy as np
import pytest

from gradcheck import exact
from gradcheck.case import check
from gradcheck.formats import Ball
from gradcheck.functions import Elementwise
from gradcheck.functions.rows import Sample
from gradcheck.lower import lower
from gradcheck.parse import parse
from gradcheck.settings import Settings
from gradcheck.verdict import Verdict
from oracles import enclosures
from table import point_of, program_of, samples

AGREE, UNDEFINED = Verdict.AGREE, Verdict.UNDEFINED

BAD = ["log(z)", "sqrt(z)", "1/(z + 1)", "acosh(z)", "z**0.5", "exp(log(z))", "sin(3*log(z)) - 1", "detach(log(z))*z"]
"""Texts that have no value at z = -1."""


def verdicts(text: str, by: str, **point: object) -> list[Verdict]:
    [gradient] = check(text, point, settings=Settings(wrt=(by,)))[0].gradients
    return [one.verdict for one in gradient.judgements]


@pytest.mark.parametrize(("row", "sample"), samples("outside"))
def test_the_value_of_a_row_outside_its_domain_is_its_reason(row: Elementwise, sample: Sample) -> None:
    assert enclosures(lower(program_of(row)), "out", point_of(row, sample)) == [f"domain {row.name}"]


@pytest.mark.parametrize(("row", "sample"), samples())
def test_inside_there_is_a_value(row: Elementwise, sample: Sample) -> None:
    [found] = enclosures(lower(program_of(row)), "out", point_of(row, sample))
    assert isinstance(found, Ball)


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("rest", ["norm(x)**2", "sum(x*x)", "x[0]/(1 + x[1]**2)"])
def test_a_layer_that_nobody_reads_decides_nothing(bad: str, rest: str) -> None:
    assert verdicts(f"y = {bad}; w = 2*y; {rest}", "x", x=[0.0, 0.0], z=-1.0) == [AGREE, AGREE]


@pytest.mark.parametrize("bad", BAD)
def test_an_element_of_the_output_without_a_value_speaks_for_what_it_depends_on(bad: str) -> None:
    text = f"stack([x*x, x*y + {bad}, y*w, v])"
    point = {"x": 2.0, "y": 3.0, "w": 5.0, "v": 1.0, "z": -1.0}
    found = {name: verdicts(text, name, **point) for name in point}
    assert found == {"x": [UNDEFINED], "y": [UNDEFINED], "z": [UNDEFINED], "w": [AGREE], "v": [AGREE]}


@pytest.mark.parametrize("bad", BAD)
def test_by_elements_of_one_input(bad: str) -> None:
    text = f"z = x[1]; stack([sin(x[0]), {bad}])"
    assert verdicts(text, "x", x=[0.5, -1.0, 2.0]) == [AGREE, UNDEFINED, AGREE]


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("taken", ["x", "x*x", "sin(x)"])
def test_a_branch_that_is_not_taken_has_no_say(bad: str, taken: str) -> None:
    text = f"where(m > 0, {taken}, {bad})"
    assert verdicts(text, "x", x=0.5, z=-1.0, m=1.0) == [AGREE]
    assert verdicts(text, "x", x=0.5, z=-1.0, m=-1.0) == [UNDEFINED]


@pytest.mark.parametrize("condition", ["{} > 0", "({} > 0) & (x > 0)", "~({} > 0)"])
@pytest.mark.parametrize("bad", BAD)
def test_a_condition_without_a_value_makes_no_choice(condition: str, bad: str) -> None:
    assert verdicts(f"where({condition.format(bad)}, x, 2*x)", "x", x=0.5, z=-1.0) == [UNDEFINED]


def test_a_condition_that_is_decided_without_it_is_decided() -> None:
    assert verdicts("where((x > 1) & (log(z) > 0), x, 2*x)", "x", x=0.5, z=-1.0) == [AGREE]
    assert verdicts("where((x < 1) | (log(z) > 0), x, 2*x)", "x", x=0.5, z=-1.0) == [AGREE]


@pytest.mark.parametrize("outer", ["log(relu({}))", "sqrt(relu({}) - 1)", "log(where({} > 0, x, 0))"])
def test_no_zero_on_the_way_hides_that_the_output_has_no_value(outer: str) -> None:
    assert verdicts(outer.format("x"), "x", x=-3.0) == [UNDEFINED]


def test_a_pole_in_a_layer_that_nobody_reads_is_not_named() -> None:
    core = lower(parse("y = log(x); z = y + 1; w = 1/(x*m)"), nodes=True)
    assert exact.pole(core, exact.enclose(core, {"x": np.array(0.0), "m": np.array(1.0)})) == "div"


def test_what_cancels_by_structure_is_undefined_only_where_it_has_no_value() -> None:
    [found] = check("rsqrt(b) - rsqrt(b)", b=[-1.0, 2.0])
    assert [one.verdict for one in found.gradients[0].judgements] == [Verdict.UNDEFINED, Verdict.AGREE]


@pytest.mark.parametrize(
    ("text", "untracked"), [("detach(log(x))*y", "untracked"), ("sum(detach(log(x))*y)", "undefined")]
)
def test_what_is_read_and_not_moved_with_hides_no_missing_value_and_spreads_none(text: str, untracked: str) -> None:
    """Element by element, where nothing mixes them."""
    [outcome] = check(text, x=[-1.0, 2.0], y=[1.0, 1.0])
    by_x, _ = outcome.gradients
    assert [str(one.verdict) for one in by_x.judgements if one is not None] == ["undefined", untracked]
