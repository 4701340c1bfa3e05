"""The check: a verdict for every kind of point, wrong gradients planted under every row, and the Python interface."""

# ruff: noqa: E501 - one row for one verdict

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings

from gradcheck import autograd, kernels
from gradcheck.autograd import Backward
from gradcheck.case import check, check_program
from gradcheck.errors import GradcheckError
from gradcheck.exits import Exit
from gradcheck.functions import COMPOSITE, ELEMENTWISE, TENSOR, Elementwise
from gradcheck.functions.rows import Row
from gradcheck.outcome import Run
from gradcheck.points import to_value
from gradcheck.program import Call, Name, Node, Number, Program, call, number, postorder
from gradcheck.report.json import render
from gradcheck.settings import Settings
from gradcheck.verdict import Verdict
from oracles import Point, differences, shapes
from strategies import Case, cases
from table import ON_TENSORS, each, point_of, program_of, program_of_node, weighted

SINGLE = Settings(dtypes=("float32",))
DOUBLE = Settings(dtypes=("float64",))


def notes(run: Run) -> set[str | None]:
    return {judgement.note for outcome in run for one in outcome.gradients for judgement in one.judgements}


def check_at(program: Program, point: Point, how: Settings = DOUBLE) -> Run:
    """Return the run of a program that need not be written as text."""
    return check_program(program, [{name: to_value(array, name) for name, array in point.items()}], how)


# --- verdicts ------------------------------------------------------------------------------------------

POLE = "the derivative is infinite or 0/0 here: {} meets a pole"
NOT_SMOOTH = "{} is not differentiable at this point"
SIDES = "the left derivative is {}, the right derivative {}; torch chose {}"
JUMP = "the function jumps at this point"
OUTSIDE = "the point is outside the domain of {}"
NO_GRADIENT = "torch tracks no gradient here, and the derivative is 0"
LOST = "more than half of the digits are lost in {}, though the input determines them"

VERDICTS: list[tuple[str, str, str, Verdict, str | None]] = [
    ("2*x**4+x**3+3*x**2+5*x+1", "x=2", "float32", Verdict.AGREE, None),
    ("2*x**4+x**3+3*x**2+5*x+1", "x=2", "float16", Verdict.AGREE, None),
    ("y = 3*x + 2; z = 2*y**2; out = mean(z)", "x=[[1,2,3],[4,5,6]]", "float32", Verdict.AGREE, None),
    ("exp(x)", "x=100", "float64", Verdict.AGREE, None),
    ("tan(x)", "x=1e10", "float32", Verdict.AGREE, None),
    ("log(1 + exp(x))", "x=-20", "float32", Verdict.LOSSY, None),
    ("prod(x)", "x=[0,2,3]", "float64", Verdict.AGREE, None),
    ("x**y", "x=0,y=2", "float32", Verdict.AGREE, None),
    ("x - x", "x=1", "float64", Verdict.AGREE, None),
    ("exp(x)/exp(x)", "x=1", "float64", Verdict.AGREE, None),
    ("detach(x)*x", "x=3", "float32", Verdict.AGREE, None),
    ("detach(x)", "x=3", "float32", Verdict.UNTRACKED, NO_GRADIENT),
    ("sum(detach(x)) + 0*y", "x=3,y=1", "float32", Verdict.UNTRACKED, NO_GRADIENT),
    ("relu(x)", "x=0", "float32", Verdict.KINK, SIDES.format(0, 1, 0)),
    ("abs(x)", "x=0", "float32", Verdict.KINK, SIDES.format(-1, 1, 0)),
    ("amax(x)", "x=[1,1]", "float64", Verdict.KINK, SIDES.format(0, 1, 0.5)),
    ("where(x > 0, x, 2*x)", "x=0", "float32", Verdict.KINK, SIDES.format(2, 1, 2)),
    ("clamp(x, min=-1, max=1)", "x=-1", "float32", Verdict.KINK, SIDES.format(0, 1, 1)),
    ("norm(x, p=inf)", "x=[2,-2]", "float32", Verdict.KINK, SIDES.format(0, 1, 0.5)),
    ("sum(maximum(x, y))", "x=[1,2],y=[1,3]", "bfloat16", Verdict.KINK, SIDES.format(0, 1, 0.5)),
    ("relu(x) - relu(-x)", "x=0", "float32", Verdict.DISAGREE, None),
    ("\n".join(["y0 = x*1.003", *(f"y{k} = y{k - 1}*1.003" for k in range(1, 60))]), "x=1", "bfloat16", Verdict.LOSSY, None),
    ("cos(y/4) - atan2(maximum(x, x), x/0.63)", "x=0.4836174081,y=0.92337397", "bfloat16", Verdict.LOSSY, None),
    ("abs(x)**3", "x=0", "float32", Verdict.AGREE, None),
    ("x*abs(x)", "x=0", "float32", Verdict.AGREE, None),
    ("where(x > 0, x**2, 0)", "x=0", "float32", Verdict.AGREE, None),
    ("maximum(x, x)", "x=1", "float32", Verdict.AGREE, None),
    ("where(x == 0, 1, sin(x)/x)", "x=0", "float32", Verdict.DISAGREE, "torch has nan, the exact number is finite"),
    ("floor(x)", "x=2", "float32", Verdict.UNDEFINED, JUMP),
    ("sign(x)", "x=0", "float32", Verdict.UNDEFINED, JUMP),
    ("where(x > 0, x + 1, x)", "x=0", "float32", Verdict.UNDEFINED, JUMP),
    ("abs(x)**0.5", "x=0", "float32", Verdict.UNDEFINED, NOT_SMOOTH.format("abs")),
    ("abs(sqrt(x))", "x=0", "float32", Verdict.UNDEFINED, NOT_SMOOTH.format("abs")),
    ("where(x > 0, 1, 2) + x", "x=0", "float32", Verdict.UNDEFINED, JUMP),
    ("y + where(y > x, 1, 2)", "x=3,y=3", "float32", Verdict.UNDEFINED, JUMP),
    ("relu(x - where(x >= 1, 0, 2))", "x=1", "float32", Verdict.UNDEFINED, JUMP),
    ("relu(sign(x) - 0.5) + x", "x=0", "float32", Verdict.UNDEFINED, JUMP),
    ("minimum(atan2(y, x), 1)", "x=-1,y=0", "float32", Verdict.UNDEFINED, JUMP),
    ("maximum(sign(x), 0.5)*x + x", "x=0", "float32", Verdict.KINK, SIDES.format(1.5, 2, 1.5)),
    ("where(x < -1, floor(x), 0)", "x=0", "float32", Verdict.AGREE, None),
    ("amax(x)", "x=[1,1,5]", "float32", Verdict.AGREE, None),
    ("log(relu(x))", "x=-3", "float32", Verdict.UNDEFINED, OUTSIDE.format("log")),
    ("y - log(x)", "x=-1,y=2", "float32", Verdict.UNDEFINED, OUTSIDE.format("log")),
    ("exp(x - log(y))", "x=1,y=-1", "float32", Verdict.UNDEFINED, OUTSIDE.format("log")),
    ("x*1", "x=1e39", "float32", Verdict.AGREE, None),
    ("x*x", "x=1e39", "float32", Verdict.UNDEFINED, "the point is infinite in this dtype, and the derivative has no value there"),
    ("atan(log(log2(x)))", "x=2", "float32", Verdict.AGREE, None),
    ("log(x)", "x=-1", "float32", Verdict.UNDEFINED, OUTSIDE.format("log")),
    ("log(x) + sin(x)", "x=0", "float32", Verdict.UNDEFINED, OUTSIDE.format("log")),
    ("1/x", "x=0", "float32", Verdict.UNDEFINED, OUTSIDE.format("div")),
    ("sqrt(x)", "x=0", "float32", Verdict.UNDEFINED, POLE.format("div")),
    ("norm(x)", "x=[0,0]", "float64", Verdict.KINK, SIDES.format(-1, 1, 0)),
    ("std(x)", "x=[1,1]", "float32", Verdict.KINK, SIDES.format("-0.70710677", "0.70710677", 0)),
    ("sqrt(sum(x**2))", "x=[0,0]", "float32", Verdict.DISAGREE, "the left derivative is -1, the right derivative 1, and autograd's is nan"),
    ("sqrt(x**4)", "x=0", "float32", Verdict.DISAGREE, "torch has nan, the exact number is finite"),
    ("(x - 1)**0.5*(x - 1)**0.5", "x=1", "float32", Verdict.DISAGREE, "torch has nan, the exact number is finite"),
    ("acos(x)", "x=1", "float32", Verdict.UNDEFINED, POLE.format("div")),
    ("x**3", "x=inf", "float64", Verdict.UNDEFINED, "the point is infinite in this dtype, and the derivative has no value there"),
    ("(1 - cos(x))/x**2", "x=1e-4", "float32", Verdict.LOSSY, LOST.format("float32")),
    ("where(x > 0, sqrt(x), 0*x)", "x=-4", "float32", Verdict.DISAGREE, "torch has nan, the exact number is finite"),
    ("log(exp(x))", "x=200", "float32", Verdict.DISAGREE, "torch has nan, the exact number is finite; exp on the way is too large"
     " for float32, whose largest number is 3.40282e+38"),
    ("sum(atan(x))", "x=[-260]", "float16", Verdict.LOSSY, LOST.format("float16")),
    ("sin(1e6*x)", "x=1.1", "float32", Verdict.UNSTABLE,
     "half an ULP of the input moves more than half of the digits: a rounded input does not determine them"),
    ("exp(x)", "x=100", "float32", Verdict.OVERFLOW, "the exact number is too large for float32, whose largest number is 3.40282e+38"),
    ("sqrt(x**2)", "x=1e-30", "float32", Verdict.DISAGREE, "torch has inf, the exact number is finite"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "at", "dtype", "verdict", "note"), VERDICTS)
def test_verdicts_with_what_is_said(text: str, at: str, dtype: str, verdict: Verdict, note: str | None) -> None:
    run = check(text, at, settings=Settings(dtypes=(dtype,)))
    assert run.verdict is verdict
    assert run.exit is (Exit.FAIL if verdict.fails else Exit.PASS)
    assert note is None or note in notes(run)


def test_every_verdict_that_a_check_gives_is_in_the_table_above() -> None:
    assert {verdict for *_, verdict, _ in VERDICTS} >= {
        Verdict.AGREE, Verdict.UNTRACKED, Verdict.OVERFLOW, Verdict.UNDEFINED, Verdict.UNSTABLE, Verdict.LOSSY,
        Verdict.DISAGREE,
    }  # fmt: skip


def test_the_value_and_the_formula_of_the_first_example() -> None:
    [outcome] = check("2*x**4+x**3+3*x**2+5*x+1", x=2)
    [gradient] = outcome.gradients
    assert outcome.value is not None
    assert outcome.value.values == 63.0
    assert (gradient.formula, gradient.number(0), gradient.worst_ulps) == ("8*x**3 + 3*x**2 + 6*x + 5", 93.0, 0.0)


def test_the_layers_of_the_second_example() -> None:
    [outcome] = check("y = 3*x + 2; z = 2*y**2; out = mean(z)", "x=[[1,2,3],[4,5,6]]")
    assert [(layer.name, layer.text, layer.shape) for layer in outcome.layers] == [
        ("y", "3*x + 2", (2, 3)),
        ("z", "2*y**2", (2, 3)),
        ("out", "mean(z)", ()),
    ]
    assert outcome.gradients[0].formula == "6*x[i, j] + 4"
    assert [layer.derivatives for layer in outcome.layers] == [{"x": "3"}, {"y": "4*y"}, {"z": "1/6"}]


@settings(max_examples=40)
@given(cases(smooth=True))
def test_torch_is_never_proven_wrong_on_a_smooth_program(case: Case) -> None:
    """But where differences of exact values say so as well, as within hardsigmoid in float64."""
    run = check_at(case.program, case.point)
    assume(has_a_backward(run))
    assert run.verdict is not Verdict.ERROR, run[0]
    [outcome] = run
    for one in outcome.gradients:
        for k in one.judgements.ranked((Verdict.DISAGREE,)):
            number, right = one.number(k), differences(case.program, one.input, outcome.rounded)[k]
            assert number is None or abs(Fraction(number) - right) > abs(right) / 2**49, outcome


def has_a_backward(run: Run) -> bool:
    """Return whether torch has a derivative of all operations: of ``2 % x`` it has none."""
    return "is not implemented" not in (run[0].error or "")


@settings(max_examples=60)
@given(cases())
def test_the_two_granularities_never_conflict(case: Case) -> None:
    run = check_at(case.program, case.point, SINGLE)
    assert not any(note and note.startswith("oracle conflict") for note in notes(run))


# --- planted faults --------------------------------------------------------------------------------------


Fault = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""What to do to the result of a torch function and its first argument."""


def hooked(change: Callable[[torch.Tensor], torch.Tensor]) -> Fault:
    """Return a fault that leaves the value and changes the gradient on its way through."""

    def plant(made: torch.Tensor, _given: torch.Tensor) -> torch.Tensor:
        if not made.requires_grad:
            return made
        copy = made.clone()
        copy.register_hook(change)  # type: ignore[no-untyped-call]
        return copy

    return plant


def last_missing(gradient: torch.Tensor) -> torch.Tensor:
    changed = gradient.clone()
    changed.view(-1)[-1] = 0
    return changed


FAULTS: dict[str, Fault] = {
    "a wrong factor": hooked(lambda gradient: gradient * 1.01),
    "a factor that is barely wrong": hooked(lambda gradient: gradient * (1 + 1e-9)),
    "a wrong sign": hooked(lambda gradient: -gradient),
    "a term too much": hooked(lambda gradient: gradient + 0.001),
    "an element that is missing": hooked(last_missing),
    "another order": hooked(lambda gradient: gradient.flip(tuple(range(gradient.dim())))),
    "single precision inside": hooked(lambda gradient: gradient.float().double()),
    "not a number": hooked(lambda gradient: gradient * math.nan),
    "infinity": hooked(lambda gradient: gradient * 0 + math.inf),
    "no gradient at all": lambda made, _given: made.detach(),
    "a path that is not there": lambda made, given: made + (given - given.detach()).sum(),
}
TABLES: tuple[dict[str, Any], ...] = (ELEMENTWISE, TENSOR, COMPOSITE)


def sampled(row: Row) -> Iterator[tuple[Program, Point]]:
    """Yield a program and a point for every sample of a row."""
    if isinstance(row, Elementwise):
        yield from ((program_of(row), point_of(row, sample)) for sample in row.samples)
    else:
        yield from (weighted(text) for text in row.samples)


def planted(row: Row, fault: Fault) -> Row:
    """Return a row whose torch function has a fault in its backward pass."""
    run = autograd.function(row.name)

    def faulty(_torch: object, *args: Any, **params: Any) -> Any:
        made = run(*args, **params)
        given = next((one for one in args if isinstance(one, torch.Tensor) and one.requires_grad), args[0])
        if isinstance(made, torch.Tensor):
            return fault(made, given)
        results = [fault(one, given) if one.is_floating_point() else one for one in made]
        return type(made)(results)  # a tuple, a list, or one of torch's own with names

    return replace(row, torch=faulty)


def differs(one: Backward, other: Backward) -> bool:
    """Return whether two backward passes gave gradients that rounding cannot explain."""
    for name, right in one.gradients.items():
        wrong = other.gradients[name]
        if right is None or wrong is None:
            if right is not None and any(right.elements):
                return True
        elif not np.allclose(wrong.elements, right.elements, rtol=1e-10, atol=0, equal_nan=True):
            return True
    return False


@pytest.mark.parametrize("row", each(row for row in (*ELEMENTWISE.values(), *ON_TENSORS) if row.samples))
def test_every_wrong_gradient_of_torch_is_found(row: Row, monkeypatch: pytest.MonkeyPatch) -> None:
    """Under every row: wherever a fault changes the gradient at a sample, the verdict is that torch is wrong."""
    [table] = [table for table in TABLES if row.name in table]
    faulty = {kind: planted(row, fault) for kind, fault in FAULTS.items()}
    found = set()
    for program, point in sampled(row):
        right = autograd.backward(program, point, program.tracked, dtype="float64")
        for kind, wrong in faulty.items():
            if kind in found:
                continue
            with monkeypatch.context() as context:
                context.setitem(table, row.name, wrong)
                made = autograd.backward(program, point, program.tracked, dtype="float64")
                if differs(right, made):
                    run = check_at(program, point)
                    assert run.verdict is Verdict.DISAGREE, f"{kind}: {run[0]}"
                    assert run.exit is Exit.FAIL
                    found.add(kind)
    assert "a path that is not there" in found
    if any(has_slope(*sample) for sample in sampled(row)):
        assert found >= {
            "a wrong factor",
            "a factor that is barely wrong",
            "a wrong sign",
            "no gradient at all",
            "not a number",
        }


def has_slope(program: Program, point: Point) -> bool:
    """Return whether a row's own input has a gradient that is not zero."""
    wrt = [name for name in program.tracked if name != "weights"]
    found = autograd.backward(program, point, wrt, dtype="float64").gradients
    return any(one is not None and any(one.elements) for one in found.values())


@pytest.mark.parametrize("row", each(row for row in (*ELEMENTWISE.values(), *ON_TENSORS) if row.samples))
def test_a_torch_function_that_raises_is_an_error_and_no_disagreement(
    row: Row, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(*_args: object, **_params: object) -> None:
        raise RuntimeError("not today\nnor tomorrow")

    [table] = [table for table in TABLES if row.name in table]
    program, point = next(sampled(row))
    monkeypatch.setitem(table, row.name, replace(row, torch=refuses))
    [outcome] = check_at(program, point)
    assert outcome.verdict is Verdict.ERROR
    assert outcome.error is not None
    assert outcome.error.splitlines()[0] == f"torch could not run {row.name}: not today"


# --- an oracle that contradicts itself --------------------------------------------------------------------

CONFLICT = "oracle conflict: the closed form and the node-level program enclose different numbers"


@pytest.fixture
def fresh_kernels() -> Iterator[None]:
    kernels.forget()
    yield
    kernels.forget()


@pytest.mark.usefixtures("fresh_kernels")
@pytest.mark.parametrize("row", each(row for row in ELEMENTWISE.values() if row.sympy is not None))
def test_a_row_that_sympy_builds_wrongly_is_our_error_and_not_torchs(
    row: Elementwise, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The closed form of a square takes the wrong function twice, the node-level program once."""
    build = row.sympy
    assert build is not None

    built = []

    def wrong(m: Any, *args: Any) -> Any:
        made = build(m, *args)
        built.append(made is not None)
        return None if made is None else made * 3 / 2

    first = row.args[0]
    monkeypatch.setitem(ELEMENTWISE, row.name, replace(row, sympy=wrong))
    verdicts = set()
    for sample in row.samples:
        rest = [number(Fraction(text)) for text in sample[1:]]
        node = call(row.name, Name(first), *rest)
        run = check_at(
            program_of_node(call("mul", node, node), (first,)), {first: np.array(float(Fraction(sample[0])))}
        )
        verdicts.add(run.verdict)
        assert run.verdict is not Verdict.ERROR or notes(run) == {CONFLICT}
    # what stays opaque to SymPy at every sample cannot be built wrongly there
    assert Verdict.ERROR in verdicts or not any(built)


@pytest.mark.parametrize("text", ["sin(x)*x", "exp(x)**2 + x", "x/(1 + x**2)"])
def test_a_closed_form_that_differs_from_the_nodes_is_an_error(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = kernels.partial

    def wrong(kernel: Node, name: str) -> Node:
        operations = sum(isinstance(part, Call) for part in postorder(kernel))
        made = plain(kernel, name)
        return call("mul", made, number(Fraction(1000001, 1000000))) if operations > 1 else made

    monkeypatch.setattr(kernels, "partial", wrong)
    run = check(text, x=2, settings=DOUBLE)
    assert run.verdict is Verdict.ERROR
    assert notes(run) == {CONFLICT}
    assert run.exit is Exit.FAIL


# --- what a point may be --------------------------------------------------------------------------------

SAME: list[object] = [
    [1, 2.5, -3], (1, 2.5, -3), [Fraction(1), Fraction(5, 2), -3], np.array([1, 2.5, -3]), np.array([1, 2.5, -3], dtype=np.float32),
    torch.tensor([1, 2.5, -3]), torch.tensor([1, 2.5, -3], dtype=torch.bfloat16, requires_grad=True), "[1, 5/2, -3]",
]  # fmt: skip


@pytest.mark.parametrize("value", SAME, ids=lambda value: type(value).__name__)
def test_a_point_may_be_given_in_many_forms(value: object) -> None:
    for run in (check("x**2", x=value, settings=DOUBLE), check("x**2", {"x": value}, settings=DOUBLE)):
        assert run.verdict is Verdict.AGREE
        np.testing.assert_array_equal(run[0].gradients[0].torch, [2.0, 5.0, -6.0])


def test_numbers_and_texts_may_stand_beside_each_other() -> None:
    run = check("x*y + z", x=2, y="1,3", z=torch.tensor(0.5), settings=DOUBLE)
    assert [outcome.gradients[0].torch for outcome in run] == [[1.0], [3.0]]
    assert run.verdict is Verdict.AGREE


def test_several_texts_are_several_points() -> None:
    assert len(check("x**2", ["x=1", "x=2,3"])) == 3
    assert len(check("x*y", "x=1,2,y=1,2")) == 4


def test_a_point_is_rounded_to_the_dtype_for_both_lanes() -> None:
    """0.1 is no float: the exact lane gets the very number that torch gets."""
    for dtype in autograd.DTYPES:
        run = check("x**2", x="0.1", settings=Settings(dtypes=(dtype,)))
        assert run.verdict is Verdict.AGREE
        assert run[0].rounded == {"x": float(torch.tensor(0.1, dtype=torch.float64).to(autograd.DTYPES[dtype]))}
        assert run[0].gradients[0].worst_ulps == 0


def test_a_constant_with_a_point_is_an_input() -> None:
    assert check("e*x", "e=2,x=3")[0].gradients[1].torch == 2.0
    assert check("e*x", e=2, x=3)[0].gradients[1].torch == 2.0


def test_an_input_may_bear_any_name() -> None:
    for name in ("I", "E", "S", "beta", "lambda_", "θ", "shift"):
        assert check(f"{name}**2", {name: 3})[0].gradients[0].torch == 6.0


@pytest.mark.parametrize(
    ("program", "at", "points", "message"),
    [
        ("x", None, {"y": 1}, "the program has no input y"),
        ("x*y", None, {"x": 1}, "the program needs a point for x and y; missing: y"),
        ("x", "x=1", {"x": 1}, "give the points either as texts or by name, not both"),
        ("x", None, {}, "at which point? the program needs x"),
        ("2x", "x=1", {}, "a * is missing between 2 and x"),
        ("x + y", "x=[1,2],y=[1,2,3]", {}, "these shapes do not broadcast: 2 and 3"),
    ],
)
def test_what_cannot_be_checked_is_said(program: str, at: str | None, points: dict[str, Any], message: str) -> None:
    with pytest.raises(GradcheckError) as problem:
        check(program, at, **points)
    assert problem.value.message == message


# --- settings ---------------------------------------------------------------------------------------------


def test_every_dtype_has_an_outcome_of_its_own() -> None:
    dtypes = tuple(autograd.DTYPES)
    run = check("sin(x)*exp(x)", x=1.25, settings=Settings(dtypes=dtypes))
    assert [outcome.dtype for outcome in run] == list(dtypes)
    assert run.verdict is Verdict.AGREE
    assert len({outcome.gradients[0].number(0) for outcome in run}) == len(dtypes)


@pytest.mark.parametrize("wrt", [("x",), ("y",), ("y", "x"), None])
def test_gradients_are_by_the_inputs_asked_for(wrt: tuple[str, ...] | None) -> None:
    run = check("x*y**2", x=2, y=3, settings=Settings(wrt=wrt))
    wanted = {"x": 9.0, "y": 12.0}
    found = [(one.input, one.number(0)) for one in run[0].gradients]
    assert found == [(name, wanted[name]) for name in wrt or ("x", "y")]


@pytest.mark.parametrize(
    ("expect", "verdict"),
    [
        (("8*x**3 + 3*x**2 + 6*x + 5",), Verdict.AGREE),
        (("x = 8*x**3 + 3*x**2 + 6*x + 5",), Verdict.AGREE),
        (("93",), Verdict.AGREE),
        (("8*x**3 + 3*x**2 + 6*x + 4",), Verdict.DISAGREE),
        (("93.01",), Verdict.DISAGREE),
        (("-93",), Verdict.DISAGREE),
    ],
)
def test_what_the_user_believes_is_judged_too(expect: tuple[str, ...], verdict: Verdict) -> None:
    run = check("2*x**4+x**3+3*x**2+5*x+1", x=2, settings=Settings(expect=expect))
    [gradient] = run[0].gradients
    assert {one.verdict for one in gradient.judgements} == {Verdict.AGREE}
    assert gradient.expectations is not None
    assert {one.verdict for one in gradient.expectations} == {verdict}
    assert run.verdict is verdict


def test_a_tolerance_of_nothing_takes_only_the_nearest_number() -> None:
    for ulps, verdict in ((0.0, None), (16.0, Verdict.AGREE)):
        run = check("sin(x)/3", x="0.1,0.2,0.3,0.4,0.5,0.6", settings=Settings(ulps=ulps))
        assert run.ulps == ulps
        assert verdict is None or run.verdict is verdict


def test_a_seed_gives_the_same_run_twice_and_another_seed_another() -> None:
    runs = [check("sum(exp(x)*x)", "x=randn(5)", settings=Settings(seed=seed)) for seed in (7, 7, 8)]
    assert render(runs[0]) == render(runs[1])
    first, again, other = (one[0].rounded["x"].tolist() for one in runs)
    assert first == again != other


def test_nothing_checked_is_never_green() -> None:
    run = check("3")
    assert not run.passed
    assert run.exit is Exit.NOTHING


@pytest.mark.parametrize("shape", [(), (1,), (2, 3), (2, 1, 3)])
def test_a_gradient_has_the_shape_of_its_input(shape: tuple[int, ...]) -> None:
    point = {"x": np.full(shape, 0.5), "y": np.array([1.0, 2.0, 3.0])}
    run = check("x*y", point, settings=DOUBLE)
    assert {one.input: one.shape for one in run[0].gradients} == shapes(point)
    assert run.verdict is Verdict.AGREE


def test_a_program_of_a_thousand_layers_is_checked() -> None:
    lines = [f"y{k} = sin({f'y{k - 1}' if k else 'x'}) + x/{k + 2}" for k in range(1_000)]
    assert check("\n".join(lines), x=0.5, settings=DOUBLE).verdict is Verdict.AGREE


def test_a_folded_constant_is_a_number_of_no_gradient() -> None:
    run = check("0*x + 1", x=2)
    assert run.verdict is Verdict.AGREE
    assert isinstance(run[0].program.layers[0].expression, Call | Number)


def test_an_expected_derivative_of_exactly_zero_is_decided() -> None:
    at = "x=1,t=0.5"
    for expected, verdict in (("t=0", Verdict.AGREE), ("t=1e-300", Verdict.DISAGREE)):
        how = Settings(dtypes=("float64",), wrt=("t",), expect=(expected,))
        [gradient] = check("exp(-x**2/(4*t))/sqrt(4*pi*t)", at, settings=how)[0].gradients
        assert gradient.expectations is not None
        assert [one.verdict for one in gradient.expectations] == [verdict]


@pytest.mark.parametrize("at", ["100", "90:110:50", "[100,95,-100,200,300]", "linspace(90,110,3000)"])
def test_an_expected_derivative_whose_terms_cancel_is_known_to_its_digits(at: str) -> None:
    """The middle of a ball that is wider than the number in it is no number that anybody stated."""
    for expected, verdict in (("1 - sigmoid(x)", Verdict.AGREE), ("1 - sigmoid(x) + 1e-43", Verdict.DISAGREE)):
        how = Settings(dtypes=("float64",), expect=(expected,))
        run = check("-softplus(-x)", f"x={at}", settings=how)
        found = [one.verdict for outcome in run for one in outcome.gradients[0].expectations or ()]
        assert verdict in found
        assert set(found) <= {verdict, Verdict.AGREE}


def test_an_expected_derivative_may_be_a_program_of_layers() -> None:
    how = Settings(expect=("p = softmax(x, dim=0); stack([p[0]*(1 - p[0]), -p[0]*p[1]])",))
    assert check("softmax(x, dim=0)[0]", x=[1, 2], settings=how).verdict is Verdict.AGREE
