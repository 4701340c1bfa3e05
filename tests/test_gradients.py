"""The gradients of a run as arrays: by name, of one point, of many that nobody looked at, of several dtypes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from gradcheck import GradcheckError, Settings, case, check
from gradcheck.few import Few
from gradcheck.gradients import Gradients
from gradcheck.outcome import Outcomes, Run
from gradcheck.verdict import Verdict

RUNS: dict[str, Callable[[], Run]] = {
    "smooth": lambda: check("x*exp(-x**2)", "x=-3:3:31"),
    "float64": lambda: check("sin(x)/x", "x=-9:9:40", settings=Settings(dtypes=("float64",))),
    "points that are one number": lambda: check("gelu(x)", "x=1:1.01:40", settings=Settings(dtypes=("bfloat16",))),
    "a kink": lambda: check("abs(x)", "x=-1:1:11"),
    "outside of the domain": lambda: check("log(x)", "x=-2:2:9"),
    "what overflows": lambda: check("log(1 + exp(x))", "x=80:100:21"),
    "infinite": lambda: check("atan(x)", "x=1,2,inf,3"),
    "tensors": lambda: check("x**2*y", ["x=[1,2,3],y=[4,5,6]", "x=[3,2,1],y=[0,1,-1]"]),
    "not elementwise": lambda: check("sum(x)*y", ["x=[1,2,3],y=4", "x=[3,2,1],y=5"]),
    "stated": lambda: check("x**2", "x=-1:1:9", settings=Settings(expect=("where(x > 0, 2*x, x)",))),
    "untracked": lambda: check("detach(x)*2", "x=1,2,3"),
}


@pytest.fixture(params=RUNS)
def runs(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> tuple[Run, Run]:
    """Return a run whose outcomes are made, and the same with outcomes that are made when somebody looks."""
    made = RUNS[request.param]()
    monkeypatch.setattr(case, "MAX_MADE", 0)
    return made, RUNS[request.param]()


def test_the_arrays_of_many_points_are_those_of_each(runs: tuple[Run, Run]) -> None:
    for run in runs:
        for found in run.gradients:
            each = [outcome.gradients[found.input] for outcome in run]
            same(found.verdicts, [one.verdicts for one in each])
            np.testing.assert_allclose(found.ulps, [one.ulps for one in each], rtol=1e-6, atol=1e-6)
            assert all(lower <= other or np.isnan(other) for lower, other in pairs(found.lower, each, "lower"))
            assert all(upper >= other or np.isnan(other) for upper, other in pairs(found.upper, each, "upper"))
            if found.torch is None:
                assert [one.torch for one in each] == [None] * len(run)
            else:
                same(found.torch, [one.torch for one in each])
            expected = [number for one in each for number in one.expected or ()]
            assert found.expected == (None if each[0].expected is None else expected)
            assert found.formula == each[0].formula


def same(found: Any, each: Any) -> None:
    np.testing.assert_array_equal(found, np.stack(each))


def pairs(found: Any, each: Any, end: str) -> Any:
    return zip(found.ravel(), np.stack([getattr(one, end) for one in each]).ravel(), strict=True)


def test_what_is_made_later_says_the_same(runs: tuple[Run, Run]) -> None:
    made, later = runs
    assert not isinstance(made.outcomes, Outcomes)
    assert isinstance(later.outcomes, Outcomes)
    assert (made.verdict, made.counts(), len(made)) == (later.verdict, later.counts(), len(later))
    for one, other in zip(made.gradients, later.gradients, strict=True):
        assert one.input == other.input
        same(one.verdicts, [*other.verdicts])


def test_bounds_hold_the_exact_number_and_arrays_have_the_shape_of_the_input() -> None:
    found = check("y = 3*x + 2; z = 2*y**2; out = mean(z)", x=[[1, 2, 3], [3, 2, 1]]).gradients["x"]
    for array in (found.torch, found.lower, found.upper, found.ulps, found.verdicts):
        assert array is not None
        assert array.shape == found.shape == (2, 3)
    assert (found.lower <= [[10, 16, 22], [22, 16, 10]]).all()
    assert (found.upper >= [[10, 16, 22], [22, 16, 10]]).all()


DTYPES = Settings(dtypes=("float32", "float16"))


@pytest.mark.parametrize("most", [0, 1_000])
def test_one_of_several_dtypes_is_chosen_and_the_others_are_named(most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(case, "MAX_MADE", most)
    run = check("x**2", "x=0.1:0.9:5", settings=DTYPES)
    with pytest.raises(GradcheckError, match="gradients in float32 and float16") as problem:
        _ = run.gradients
    assert 'run.of("float32").gradients' in str(problem.value)
    for dtype in DTYPES.in_dtypes:
        part = run.of(dtype)
        assert [one.dtype for one in part] == [dtype] * 5
        same(part.gradients["x"].torch, [one.gradients["x"].torch for one in run if one.dtype == dtype])
    with pytest.raises(GradcheckError, match="nothing in bfloat16"):
        run.of("bfloat16")


@pytest.mark.parametrize("most", [0, 1_000])
def test_points_of_several_shapes_have_no_common_array(most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(case, "MAX_MADE", most)
    run = check("sum(x)", ["x=[1,2]", "x=[1,2,3]"])
    with pytest.raises(GradcheckError, match="different shapes"):
        _ = run.gradients
    assert run[1].gradients["x"].shape == (3,)


def test_a_name_without_a_gradient_is_told_from_those_that_have_one() -> None:
    found = check("x**2*y", x=[1, 2], y=3).gradients
    names: list[object] = ["x", "z", found[0]]
    assert [one in found for one in names] == [True, False, True]
    assert (found["y"], found[-1], found[:1]) == (found[1], found[1], (found[0],))
    with pytest.raises(KeyError, match="no gradient by z\nthere are those by x and y"):
        found["z"]
    with pytest.raises(KeyError, match=r"no gradient by z$"):
        Gradients()["z"]


def test_a_point_that_torch_refused_is_named() -> None:
    run = check("x**2", "x=1,2")
    refused = replace(run[1], error="no such kernel", layers=[], gradients=Gradients())
    with pytest.raises(GradcheckError, match="a point without a gradient: no such kernel"):
        _ = replace(run, outcomes=(run[0], refused)).gradients
    assert replace(run, outcomes=(refused,)).gradients == ()


# --- what another process takes -------------------------------------------------------------------


def test_of_very_many_outcomes_the_worst_are_taken_along_with_what_is_known_of_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(case, "MAX_MADE", 0)
    run = check("log(1 + exp(x))", "x=80:100:21")
    assert isinstance(run.outcomes, Outcomes)
    few = replace(run, outcomes=run.outcomes.few(5, run.failing))
    assert isinstance(few.outcomes, Few)
    assert (len(few), few.verdict, few.tally, few.exit) == (len(run), run.verdict, run.tally, run.exit)
    assert [one.point for one in few.leading(3)] == [one.point for one in run.leading(3)]
    assert {one.verdict for one in few.leading()} == {Verdict.DISAGREE}
    assert len(few.leading()) == 5
    for ask in (lambda: few[0], lambda: few.gradients, lambda: few.of("float32").gradients):
        with pytest.raises(GradcheckError, match="the worst 5 are at hand"):
            ask()
