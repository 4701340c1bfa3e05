"""Several lanes side by side: names of elements, tables, what contradicts what, JSON, scripts, the line again."""

from __future__ import annotations

import io
import json
import pickle
import re
import shlex
from contextlib import redirect_stdout
from dataclasses import replace
from itertools import product
from math import isnan, prod
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from jsonschema import Draft202012Validator

from gradcheck import Settings, check
from gradcheck.__main__ import run as main
from gradcheck.batch.baseline import Known, compare_baseline, write_baseline
from gradcheck.errors import GradcheckError, LimitProblem, UsageProblem
from gradcheck.formats import FORMATS
from gradcheck.notation import element, own_place, own_shape, steps
from gradcheck.outcome import Run
from gradcheck.parse import parse
from gradcheck.peers import EXPLAINED, peers
from gradcheck.program import unravel
from gradcheck.report import View
from gradcheck.report.contradictions import contradictions
from gradcheck.report.json import document
from gradcheck.report.lanes import SHOWN_POINTS
from gradcheck.report.places import place, point_text
from gradcheck.report.table import write
from gradcheck.repro import command, script
from gradcheck.suite import Check, Result, single
from gradcheck.verdict import Verdict
from gradcheck.ways import nestings, ways
from test_report_json import SCHEMA

PROGRAMS: list[tuple[str, dict[str, object]]] = [
    ("x**3*y", {"x": 2.0, "y": 0.5}),
    ("sinc(t)", {"t": 0.0}),
    ("t**p", {"t": 2.0, "p": 0.0}),
    ("sum(x**2*y)", {"x": [1.0, 2.0], "y": 3.0}),
    ("y = exp(x); sum(y*y)", {"x": [[0.5, 1.0]]}),
    ("x/sum(x)", {"x": [1.0, 2.0]}),
]
"""Programs of numbers and of tensors, right ones and such as torch has wrong, with a point for each."""
WAYS = [way for order in (1, 2) for way in nestings(order)]


@pytest.fixture(scope="module")
def runs() -> list[Run]:
    """Return each program in all ways of the first two orders."""
    return [check(program, point, settings=Settings(ways=tuple(WAYS))) for program, point in PROGRAMS]


def test_every_element_has_a_name_of_its_own_that_says_its_place(runs: list[Run]) -> None:
    for outcome in (one for run in runs for one in run):
        for gradient in outcome.gradients:
            names = [element(gradient, k) for k in range(len(gradient.exact))]
            assert len({*names}) == len(names) == prod(gradient.shape)
            for k, name in enumerate(names):
                *before, (last, index) = steps(gradient, k)
                assert last == gradient.input
                assert own_place(gradient, k) == np.ravel_multi_index(index, own_shape(gradient)) if index else True
                assert unravel(gradient.shape, k) == sum((at for _, at in (*before, (last, index))), ())
                assert all(str(i) in name for i in unravel(gradient.shape, k))
                assert name.startswith(f"d{gradient.order} f/d {last}" if before else last)


def test_random_directions_are_called_so_and_have_no_formula() -> None:
    [gradient] = check("sum(x**2)", x="linspace(0,1,80)", way="rev-rev", dtype="float64").gradients
    assert gradient.is_sampled
    assert element(gradient, 81) == "d2 f/d x[1] d v1"
    assert gradient.formula is None


def test_the_closed_form_of_higher_order_is_the_derivative_of_the_one_before() -> None:
    """At random points the text, read back, has the exact lane's numbers."""
    for program in ("x**3*y", "exp(x*y) + sin(x)", "x**y", "log(1 + x*x)"):
        inputs = parse(program).inputs
        point = dict(zip(inputs, (1.25, 0.75), strict=False))
        for order in (2, 3):
            run = check(program, point, order=order, dtype="float64")
            for one in run[0].gradients:
                assert one.formula is not None, (program, one.along)
                assert not any(name not in inputs for name in parse(one.formula).inputs)
                if parse(one.formula).inputs:
                    value = check(
                        one.formula, {name: point[name] for name in parse(one.formula).inputs}, dtype="float64"
                    )
                    assert value[0].layers[-1].values.item() == pytest.approx(one.lower.item(), rel=1e-12)


def test_lanes_contradict_each_other_where_numbers_differ_beyond_what_rounding_explains(runs: list[Run]) -> None:
    said = 0
    for group in (one for run in runs for one in peers(run.outcomes)):
        fmt = FORMATS[group.first.dtype]
        for found in group.contradictions:
            said += 1
            assert {lane for lanes, _ in found.sides for lane in lanes} == {*group.lanes}
            assert len({fmt.text(number) for _, number in found.sides if number is not None}) == len(found.sides)
            verdicts = {one.judgements[found.k].verdict for one in group.columns(found.g)}
            assert verdicts - EXPLAINED
    assert said
    for run in runs:
        lines = [line.plain for line in contradictions(run)]
        some = {(each.peers.order, each.sides) for one in peers(run.outcomes) for each in one.contradictions}
        assert bool(lines) == bool(some)
        assert all("contradict" in line and " and " in line for line in lines)


@pytest.mark.parametrize("width", [60, 80, 120])
def test_a_table_has_every_lane_and_fits_the_window(runs: list[Run], width: int) -> None:
    for run in runs:
        file = io.StringIO()
        write(run, file, View(color=False, width=width))
        *lines, _ = file.getvalue().splitlines()  # the last line of a file stays one line, as those to be pasted do
        assert all(len(line) <= width for line in lines if not line.lstrip().startswith("again:"))
        for way in WAYS:
            assert str(way) in file.getvalue() or "all 5" in file.getvalue(), (run, way)


def test_json_says_the_lane_and_fits_the_schema(runs: list[Run]) -> None:
    validator = Draft202012Validator(SCHEMA)
    for run in runs:
        made = json.loads(json.dumps(document(run, everything=True)))
        validator.validate(made)
        assert [one["way"] for one in made["lanes"]] == [lane.way.name for lane in run.lanes]
        for outcome, told in zip(run, made["outcomes"], strict=True):
            assert (told["way"], told["order"]) == (outcome.in_lane.way.name, outcome.in_lane.way.order)
            for gradient, one in zip(outcome.gradients, told["gradients"], strict=True):
                assert [(each["name"], tuple(each["shape"])) for each in one["along"]] == [*gradient.along]
                assert len(one["elements"][0]["index"]) == len(gradient.shape)


def test_the_script_of_any_way_prints_the_number_of_the_lane(runs: list[Run]) -> None:
    for outcome in (one for run in runs for one in run):
        gradient = outcome.gradients[-1]
        k = len(gradient.exact) - 1
        out = io.StringIO()
        with redirect_stdout(out):
            exec(script(outcome, gradient, k), {})
        printed, number = float(out.getvalue().splitlines()[1].split()[-1]), gradient.number(k)
        assert number is not None
        assert printed == pytest.approx(number, rel=1e-6) or (isnan(printed) and isnan(number)), script(
            outcome, gradient, k
        )


def test_the_line_of_a_lane_gives_its_outcome_again(capsys: pytest.CaptureFixture[str], runs: list[Run]) -> None:
    for run, k in product(runs[:3], (1, 4, 6)):
        line = command(run, run[k])
        assert line is not None
        main([*shlex.split(line)[1:], "--format", "json", "--all"])
        [again] = json.loads(capsys.readouterr().out)["results"][0]["run"]["outcomes"]
        known = document(run, everything=True)["outcomes"][k]
        assert {**again, "point": None, "notes": None} == {**known, "point": None, "notes": None}


def test_a_run_of_several_lanes_is_asked_which(runs: list[Run]) -> None:
    for run in runs:
        with pytest.raises(UsageProblem, match="rev and fwd"):
            _ = run.gradients
        for lane in run.lanes:
            [one] = run.of(lane.way.name)
            assert one.in_lane == lane
            assert run.of(lane.dtype, lane.way.name).gradients is one.gradients
        with pytest.raises(UsageProblem):
            run.of("fwd-fwd-fwd")


def test_lanes_of_very_many_points_are_chosen_too() -> None:
    run = check("x**2", "0:1:600", way="rev,fwd")
    assert len(run.of("fwd")) == 600
    assert run.of("fwd").gradients["x"].shape == (600,)


def test_a_run_of_lanes_travels_between_processes(runs: list[Run]) -> None:
    for run in runs:
        again = pickle.loads(pickle.dumps(run))
        assert [len(one.outcomes) for one in peers(again.outcomes)] == [
            len(one.outcomes) for one in peers(run.outcomes)
        ]
        assert again.lanes == run.lanes


def test_a_jacobian_of_too_many_elements_is_refused() -> None:
    at = np.linspace(-1, 1, 65)
    with pytest.raises(LimitProblem, match=r"the Jacobian has 4,225 elements; the limit \(MAX_ELEMENTS\) is 4,096"):
        check("softmax(x, dim=0)", x=at, jacobian=True)
    assert check("softmax(x, dim=0)", x=at[:3], jacobian=True)[0].gradients["x"].shape == (3, 3)


def test_a_jacobian_is_of_the_first_order() -> None:
    run = check("x/sum(x)", x=[1, 2], jacobian=True, way="rev,fwd")
    assert {one.verdict for one in run} == {Verdict.AGREE}
    assert [element(run[0].gradients[0], k) for k in (0, 3)] == ["out[0] by x[0]", "out[1] by x[1]"]
    with pytest.raises(GradcheckError, match="first derivatives"):
        check("x/sum(x)", x=[1, 2], jacobian=True, order=2)


def test_a_baseline_knows_every_lane_by_itself(tmp_path: Path) -> None:
    """What got worse in one way is told, also where another way was as bad before."""
    known = Known.of(Result(Check("a", "sinc(t)", ("0",), Settings()), check("sinc(t)", 0, order=2)))
    assert {*known.lanes} == {f"float32 {way} eager" for way in nestings(2)}
    assert Known.read(json.loads(json.dumps(known.fields()))) == known
    before = check("sinc(t)", 0, way="rev-rev,fwd-rev")
    better = replace(before, outcomes=(before[0], check("sinc(t)", 0.5, way="fwd-rev")[0]))
    written = tmp_path / "baseline.json"
    checked = Check("a", "sinc(t)", ("0",), Settings())
    write_baseline(single(checked, better), written)
    [seen] = compare_baseline(single(checked, before), written)
    assert seen.unmet == ("in float32 fwd-rev eager the baseline has verdict agree, now it is disagree",)
    [same] = compare_baseline(single(checked, better), written)
    assert same.known


IN_LANES = [{"dtype": "float64"}, {"way": "fwd"}, {"engine": "vmap"}]
"""Lanes beside the plain one of float32."""


@pytest.mark.parametrize("other", IN_LANES, ids=str)
def test_a_lane_that_fails_and_that_the_baseline_does_not_know_is_worse(other: dict[str, Any], tmp_path: Path) -> None:
    """What is known of one lane is not known of another, whichever of the two was checked before."""
    bad = "log(1 + exp(x))", 1000
    plain, alone = check(*bad), check(*bad, **other)
    both = replace(plain, outcomes=(*plain.outcomes, *alone.outcomes))
    good = check("x**2", 1, **other)
    checked, written = Check("a", bad[0], ("1000",), Settings()), tmp_path / "baseline.json"
    for before, now, new in ((plain, both, alone), (alone, both, plain), (plain, alone, alone), (alone, plain, plain)):
        write_baseline(single(checked, before), written)
        [seen] = compare_baseline(single(checked, now), written)
        assert seen.unmet == (f"in {new[0].in_lane.title} the baseline has nothing, now it is disagree",)
        assert not seen.passed
    write_baseline(single(checked, plain), written)
    [seen] = compare_baseline(single(checked, replace(plain, outcomes=(*plain.outcomes, *good.outcomes))), written)
    assert seen.known


STATED = [
    ("x**3*y", {"x": 4.0, "y": 2.0}, {"x": "3*x**2*y", "y": "x**3"}, {"x": "3*x**2", "y": "x**3 + x"}),
    ("sum(x**2*y)", {"x": [1.0, 2.0], "y": 3.0}, {"x": "2*x*y", "y": "sum(x**2)"}, {"x": "2*x*y**2", "y": "sum(x**3)"}),
    ("sum(exp(x)*2)", {"x": [0.5, -1.0]}, {"x": "2*exp(x)"}, {"x": "exp(x)"}),
    ("softplus(x)", {"x": 5.0}, {"x": "1/(1 + exp(-x))"}, {"x": "1 - exp(-x)"}),
    # Torch's softplus is the identity from 20 on, which somebody who believes in log(1 + exp(x)) is told.
    ("softplus(x)", {"x": 25.0}, {"x": "1"}, {"x": "1/(1 + exp(-x))"}),
    ("3*x", {"x": 2.0}, {"x": "3"}, {"x": "x**3"}),
]
"""Programs at a point, with the first derivatives, and with such as are wrong in every order up to the third."""


@pytest.mark.parametrize("order", [1, 2, 3])
@pytest.mark.parametrize(("program", "at", "right", "wrong"), STATED)
def test_what_is_expected_is_held_against_every_order(
    program: str, at: dict[str, object], right: dict[str, str], wrong: dict[str, str], order: int
) -> None:
    """A stated derivative is differentiated on; an order of which none is checked would turn what is wrong green."""
    for stated, verdict in ((right, Verdict.AGREE), (wrong, Verdict.DISAGREE)):
        run = check(program, at, order=order, expect=stated, dtype="float64")
        for outcome in run:
            found = set[Verdict]().union(*(one.stated() for one in outcome.gradients))
            assert verdict in found, outcome.in_lane
            assert found == {verdict} or verdict is Verdict.DISAGREE


@pytest.mark.parametrize("other", [{"jacobian": True}, {"cotangent": "random"}])
def test_an_expectation_is_of_the_gradient_of_the_sum_alone(other: dict[str, Any]) -> None:
    with pytest.raises(UsageProblem, match="the gradient of the output's sum"):
        check("x**3", [4.0, 5.0], expect="x", **other)


COLUMNS: list[dict[str, Any]] = [
    {"way": "rev,fwd"}, {"order": 2}, {"engine": "eager,vmap"}, {"device": "cpu,cpu:0"}, {"jacobian": True},
]  # fmt: skip
"""What gives the tables of lanes, each in its own way."""


@pytest.mark.parametrize("several", COLUMNS, ids=str)
@pytest.mark.parametrize("dtypes", ["float32", "float32,float64", "float16,float32,float64"])
def test_points_of_tensors_are_shown_in_every_dtype(several: dict[str, Any], dtypes: str) -> None:
    for count in (1, 7):
        at = "x=" + ",".join(f"[{k}, 2]" for k in range(count))
        run = check("sin(x)" if "jacobian" in several else "sum(sin(x))", at, dtype=dtypes, **several)
        points = count * len(dtypes.split(","))
        for view, shown in ((View(), min(points, SHOWN_POINTS)), (View(everything=True), points)):
            file = io.StringIO()
            write(run, file, view)
            titles = [line for line in file.getvalue().splitlines() if line.startswith("at x in ")]
            assert len(titles) == (shown if points > 1 else 0)


@pytest.mark.parametrize("program", ["sin(x)", "x*sum(x)"])
def test_a_jacobian_is_one_however_many_points_there_are(program: str) -> None:
    points = ["[0, 2]", "[1, 2]", "[3, 4]"]
    for count in range(1, len(points) + 1):
        run = check(program, f"x={','.join(points[:count])}", jacobian=True)
        assert [one.shape for outcome in run for one in outcome.gradients if one.jacobian] == [(2, 2)] * count


# --- devices ------------------------------------------------------------------------------------------------------

DEVICES = "cpu,cpu:0"


@pytest.mark.parametrize("points", [1, 3, 2000])
@pytest.mark.parametrize("ways", ["rev", "rev,fwd"])
def test_devices_are_lanes_that_nothing_mixes(points: int, ways: str) -> None:
    run = check("x**2", f"1:2:{points}" if points > 1 else "1", device=DEVICES, way=ways, dtype="float64")
    assert len(run) == points * len(run.lanes)
    with pytest.raises(UsageProblem, match=r"^the run has gradients"):
        _ = run.gradients
    for lane in run.lanes:
        one = run.of(*lane.names)
        assert one.lanes == (lane,)
        assert one.gradients["x"].lower.size == points
    assert len({lane.title for lane in run.lanes}) == len(run.lanes)
    for device in DEVICES.split(","):
        assert {lane.device for lane in run.of(device).lanes} == {device}


def test_every_lane_has_another_name_wherever_it_is_named() -> None:
    run = check("log(1 + exp(x))", 100, device=DEVICES, way="rev,fwd", engine="eager,vmap")
    outcomes = [*run]
    for said in (repr, point_text, lambda one: place(one, one.gradients[0], 0)):
        assert len({said(one) for one in outcomes}) == len(outcomes)
    assert len(Known.of(Result(Check("a", "x", ("100",), Settings()), run)).lanes) == len(outcomes)
    assert all(device in repr(run) for device in DEVICES.split(","))


# --- columns ------------------------------------------------------------------------------------------------------

NAMES = ["exact", "value", "dtype", "by", "at", "boundary", "radius", "element", "derivative", "autograd", "ULP", "x"]
"""What columns are called, and what an input may be called as well."""


@pytest.mark.parametrize("name", NAMES)
def test_an_input_may_be_called_like_a_column(name: str) -> None:
    def shown(called: str) -> list[list[str]]:
        file, settings = io.StringIO(), Settings(ways=ways(["rev", "fwd"]), dtypes=("float32", "float64"))
        write(check(f"{called}**2*z", f"{called}=3,z=5", settings=settings), file, View(verbose=1))
        rows = [line for line in file.getvalue().splitlines() if " agree  " in line]
        return [re.sub(rf"\b{called}\b", "?", row).split() for row in rows]

    assert shown(name) == shown("something")


@pytest.mark.parametrize("several", [{}, {"way": "rev,fwd"}, {"jacobian": True}], ids=str)
def test_what_could_not_run_in_one_dtype_takes_no_column_of_the_others(several: dict[str, Any]) -> None:
    def half_less(x: torch.Tensor) -> torch.Tensor:
        if x.dtype is torch.float16:
            raise RuntimeError("not implemented for Half")
        return torch.sin(x)

    for program, at in (("sin(x)*y", "x=1,y=2"), ("sin(x)*y", "x=[1,2],y=[3,4]")):

        def shown(dtypes: str, program: str = program, at: str = at) -> str:
            file = io.StringIO()
            write(check(program, at, dtype=dtypes, under_test={"sin": half_less}, **several), file, View())
            return file.getvalue()

        alone, beside = shown("float32"), shown("float16,float32")
        wanted = [line.split() for line in alone.splitlines() if line.startswith(("derivative", "formula"))]
        assert [line.split() for line in beside.splitlines() if line.startswith(("derivative", "formula"))] == wanted
        head = next(line.split() for line in alone.splitlines() if "exact" in line)
        assert {*head} <= {word for line in beside.splitlines() if "exact" in line for word in line.split()}


SEVERAL: dict[str, dict[str, Any]] = {
    "way": {"way": "rev,fwd"}, "lane": {"way": "rev,fwd", "engine": "eager,vmap"}, "lane ": {"device": DEVICES},
}  # fmt: skip


@pytest.mark.parametrize("word", SEVERAL)
def test_lanes_are_called_ways_where_only_ways_differ(word: str) -> None:
    programs = {"log(1 + exp(x))": "100", "sum(log(1 + exp(x)))": "x=[100, 1]", "sum(x**2)": "x=[1, 2]"}
    for program, point in programs.items():
        file = io.StringIO()
        write(check(program, point, **SEVERAL[word]), file, View())
        shown = re.sub(r"in the way [a-z-]+", "", file.getvalue())  # which names one
        other = {"way": "lanes?", "lane": "ways?"}[word.strip()]
        assert not re.search(rf"\b{other}\b", shown), shown


@pytest.mark.parametrize("dtypes", ["float32", "float32,float64", "float16,float32,float64"])
@pytest.mark.parametrize("points", [1, 2])
def test_a_point_in_several_dtypes_is_one_point(dtypes: str, points: int) -> None:
    run = check("log(1 + exp(x))", ",".join(["800", "900"][:points]), dtype=dtypes)
    names, text = dtypes.split(","), str(run)
    for said in re.findall(r"\(and at (\d+) more points?\)", text):
        assert (int(said), len(names)) == (points - 1, 1)
    if len(names) > 1:
        [others] = re.findall(r"\(and (?:\d+ more, )?(?:at \d+ points, )?in ([^)]*)\)", text)
        assert {*re.findall(r"float\d+", others)} >= {*names[:-1]} or len({*re.findall(r"float\d+", others)}) == len(
            names
        ) - 1
