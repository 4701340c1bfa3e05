"""Machine intervals: every bound holds the ball, a reason is the exact lane's, and what a point leads to is decided."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

from containment import MANY, MORE_BITS, balls, failures, misses, numbers
from gradcheck import exact
from gradcheck.bounds import Bounds
from gradcheck.exact.elements import NAN, SOFT_ZERO, ZERO, Undefined, Values, Zero
from gradcheck.exact.evaluate import operation as exact_operation
from gradcheck.exact.machine import arithmetic, states
from gradcheck.exact.machine.arithmetic import Interval
from gradcheck.exact.machine.elements import Element
from gradcheck.exact.machine.evaluate import Run, enclose
from gradcheck.exact.machine.sharper import FORMS, sharpened
from gradcheck.exact.machine.steady import unsteady
from gradcheck.formats import FORMATS
from gradcheck.functions import ELEMENTWISE, Elementwise
from gradcheck.functions.machine import Exponential, Monotone, Wave
from gradcheck.lower import Core, lower
from gradcheck.parse import parse
from gradcheck.plan import Plan
from gradcheck.program import Name, Program, call
from gradcheck.reason import Reason
from oracles import Point, shapes
from strategies import Case, cases
from table import each, inputs_of, left_to_balls, point_of, program_of, samples, texts

SEED = int(os.environ.get("GRADCHECK_MACHINE_SEED", "20261126"))
DESCRIBED = [row for row in ELEMENTWISE.values() if row.machine is not None]
WITH_BUDGET = [row for row in DESCRIBED if getattr(row.machine, "budget", 0) > 1]
assert WITH_BUDGET
_PARTS: Any = import_module("numpy._core._multiarray_umath")
SIMD = [name for name in _PARTS.__cpu_dispatch__ if _PARTS.__cpu_features__.get(name)]
"""The SIMD code that NumPy has for this processor, the oldest first."""


# --- rows ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("row", each(DESCRIBED))
def test_bounds_of_a_row_hold_the_balls_at_points_and_around_them(row: Elementwise) -> None:
    print(f"seed {SEED}, {MANY} numbers")
    assert not failures(row, MANY, SEED)
    assert not failures(row, MANY // 4, SEED, extended=True)


@pytest.mark.parametrize("kept", range(len(SIMD)), ids=lambda kept: f"without-{'-'.join(SIMD[kept:])}")
def test_bounds_hold_without_the_simd_code_of_a_processor(kept: int) -> None:
    """The scalar code, and that of older processors, round in other ways."""
    print(f"seed {SEED}")
    environment = {**os.environ, "NPY_DISABLE_CPU_FEATURES": " ".join(SIMD[kept:])}
    made = subprocess.run(
        [sys.executable, "containment.py", str(MANY // 20), str(SEED)],
        cwd=Path(__file__).parent, env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert made.stdout.strip() == ""


@pytest.mark.parametrize("row", each(WITH_BUDGET))
def test_a_budget_that_is_too_small_is_found(row: Elementwise, monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(row.machine, Monotone | Exponential | Wave)
    small = replace(row, machine=replace(row.machine, budget=0.0))
    monkeypatch.setitem(ELEMENTWISE, row.name, small)
    assert failures(small, 2_000, SEED)


@pytest.mark.parametrize(("row", "sample"), samples())
def test_a_sample_of_a_row_is_decided_to_a_few_units(row: Elementwise, sample: tuple[str, ...]) -> None:
    if row.machine is None or row.jumps:
        pytest.skip("left to balls, here or beside a jump")
    found = enclose(lower(program_of(row)), point_of(row, sample), ["out"])["out"]
    assert found.upper - found.lower <= 64 * arithmetic.UNIT * max(abs(float(found.upper)), 1.0)


@pytest.mark.parametrize(("row", "sample"), samples("outside"))
def test_a_point_outside_a_domain_has_no_bounds_and_its_reason(row: Elementwise, sample: tuple[str, ...]) -> None:
    found = enclose(lower(program_of(row)), point_of(row, sample), ["out"])["out"]
    assert np.isnan(found.lower)
    assert np.isnan(found.upper)
    assert found.reason(0) == f"domain {row.name}"


@pytest.mark.parametrize("row", each(DESCRIBED))
@pytest.mark.parametrize("infinite", [np.inf, -np.inf, np.nan])
def test_nothing_is_proven_at_infinity(row: Elementwise, infinite: float) -> None:
    point = dict.fromkeys(row.args, np.array(infinite))
    assert np.isnan(enclose(lower(program_of(row)), point, ["out"])["out"].lower)


# --- whole programs --------------------------------------------------------------------------------

PROGRAMS = (
    "y = 3*x + 2; z = 2*y**2; mean(z)", "mean(-sum(y*log_softmax(x, dim=-1), dim=-1))", "h = relu(a @ x.T); mean(h**2)",
    "tanh(x)*exp(-x**2)", "sin(x)*log(2 + x**2)/(1 + x**2)", "sqrt(1 + x**2) - x", "log1p(x**2)**3",
    "x*sigmoid(3*x) + relu(x - 1)*expm1(x)", "where(x > 0, log(x), 0)", "where(x > 0, sqrt(x), x)*y", "x**3.5", "x**y",
    "relu(x)*log(y)", "sum(where(x > 0, sqrt(x), 0))*y", "floor(x)*x", "relu(floor(x))", "relu(sqrt(x))",
    "abs(x)*log(x)", "where(x > 1, floor(y), sqrt(x))", "detach(relu(x))*sqrt(y)", "maximum(x, y)/relu(y)",
    "x[[0, 0, 1]]*log(y[[1, 0, 2]])", "log(1 - tanh(x)**2)", "sort(x)", "where(x == 0, 1, sin(x)/x)",
    "x - y*floor(x/y)", "cumsum(relu(x), 1)",
)  # fmt: skip
ACTIVATIONS = ("gelu(x)", "tanh(x)", "silu(x)", "sigmoid(x)", "softplus(x)", "elu(x)", "logsigmoid(x)", "exp(-x**2)")


def forms(text: str, point: Point) -> list[Core]:
    """Return the gradient program of a text, and its closed forms."""
    program = parse(text)
    plan = Plan.make(program, shapes(point), tuple(program.inputs), ())
    return [plan.node.core, *(core for core, _ in plan.closed.values())]


def assert_held(core: Core, point: Point) -> None:
    """Demand that every layer's balls lie inside its bounds, and that reasons are the exact lane's."""
    wanted = balls(core, point)
    for extended in (False, True):
        found = enclose(core, point, [layer.name for layer in core.program.layers], extended=extended)
        _assert_held(core, point, found, wanted)


def _assert_held(core: Core, point: Point, found: dict[str, Bounds], wanted: Values) -> None:
    finer: dict[str, Any] = {}
    for name, bounds in found.items():
        assert bounds.lower.shape == bounds.upper.shape == core.shapes[name]
        for k, text in misses(bounds, wanted[name]):
            if text.endswith(("nan", "undecided")):  # the balls were too wide
                finer = finer or exact.enclose(_sharp(core), point, MORE_BITS)
                assert k not in dict(misses(bounds, finer[name])), f"{name}, element {k}: {text}"
            else:
                pytest.fail(f"{name}, element {k}: {text}")


def _sharp(core: Core) -> Core:
    """Return the program in the forms that machine intervals take, since some cancel in balls of any precision."""
    layers = sharpened(core.program, [layer.name for layer in core.program.layers])
    return replace(core, program=replace(core.program, layers=tuple(layers)))


@pytest.mark.parametrize("dtype", list(FORMATS))
@pytest.mark.parametrize("text", [*PROGRAMS, *ACTIVATIONS])
def test_every_layer_of_a_gradient_holds_its_balls(text: str, dtype: str) -> None:
    rng = np.random.default_rng(SEED)
    program = parse(text)
    point = {name: _rounded(rng, dtype, (4, 25)) for name in program.inputs}
    for core in forms(text, point):
        assert_held(core, point)


def _rounded(rng: np.random.Generator, dtype: str, shape: tuple[int, ...]) -> Any:
    """Return common numbers, zeros, integers and far ones, rounded to a format."""
    common = rng.normal(size=shape)
    kinds = [common, 30 * common, rng.integers(-4, 5, shape), numbers(rng, common.size).reshape(shape)]
    found = np.choose(rng.integers(0, len(kinds), shape), kinds)
    largest = FORMATS[dtype].largest
    return np.vectorize(lambda one: float(FORMATS[dtype].round(Fraction(min(max(one, -largest), largest)))))(found)


@settings(max_examples=100)
@given(cases())
def test_every_layer_of_a_random_gradient_holds_its_balls(case: Case) -> None:
    core = lower(case.program, shapes(case.point), nodes=True)
    assert_held(core, case.point)


@settings(max_examples=60)
@given(cases())
def test_every_layer_of_a_random_pullback_holds_its_balls(case: Case) -> None:
    plan = Plan.make(case.program, shapes(case.point), tuple(case.program.inputs), ())
    assert_held(plan.node.core, case.point)


@pytest.mark.parametrize("text", texts())
def test_samples_of_tensor_rows_and_definitions_are_decided(text: str) -> None:
    program = parse(text)
    point = inputs_of(program)
    for core in forms(text, point):
        assert_held(core, point)
    core = lower(program, shapes(point))
    found = enclose(core, point, [program.output])[program.output]
    assert left_to_balls(core.program) or not np.isnan(found.lower).any()


@pytest.mark.skipif(not arithmetic.HAS_EXTENDED, reason="longdouble is float64 here")
@pytest.mark.parametrize(
    "text", ["tanh(x)", "sigmoid(x)", "exp(-x**2)", "mean(2*(3*x + 2)**2)", "log1p(x**2)**3", "softmax(x, 0)[0]"]
)
def test_extended_bounds_are_neighbours_in_float64(text: str) -> None:
    point = {"x": np.random.default_rng(SEED).normal(size=2_000)}
    [core, *_] = forms(text, point)
    [output] = core.program.outputs
    found = enclose(core, point, [output], extended=True)[output]
    assert np.mean(found.upper - found.lower <= 2 * np.spacing(np.abs(found.upper))) > 0.95


@pytest.mark.parametrize("text", ACTIVATIONS)
def test_nearly_all_numbers_of_a_half_type_are_decided(text: str) -> None:
    """Bounds of the whole line are narrower than a quarter of a unit of the format, where the slope is normal there."""
    x = (np.arange(2**16, dtype=np.uint32) << 16).view(np.float32)
    point = {"x": x[np.isfinite(x)].astype(np.float64)}
    [core, *_] = forms(text, point)
    [output] = core.program.outputs
    found = enclose(core, point, [output])[output]
    size = np.maximum(np.abs(found.upper), 2.0**-126)
    assert np.mean(found.upper - found.lower <= size * 2.0**-10) > 0.99


# --- sharper forms ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("pattern", "form"), FORMS)
def test_a_sharper_form_is_equal_recognised_and_not_wider(pattern: str, form: str) -> None:
    rng = np.random.default_rng(SEED)
    x = np.concatenate([rng.normal(size=300) * 2, 10.0 ** -rng.integers(0, 12, 300), rng.uniform(-9, 9, 400)])
    point = {"x": x, "y": rng.normal(size=x.shape)}
    cores = [lower(parse(f"{text} + 0*y"), shapes(point)) for text in (pattern, form)]
    plain, sharp = (exact.enclose(core, point, 300)["out"] for core in cores)
    assert all(one.overlaps(other) and one.is_finite() for one, other in zip(plain, sharp, strict=True))
    found = enclose(cores[0], point, ["out"])["out"]
    assert np.mean(found.upper - found.lower <= 1e-13 * np.abs(found.upper)) > 0.9


@pytest.mark.parametrize(("pattern", "form"), FORMS)
def test_a_sharper_form_is_recognised_across_layers(pattern: str, form: str) -> None:
    nodes = lower(parse(f"w = 3*z; {pattern.replace('x', '(w)').replace('e(w)p', 'exp')}"), nodes=True).program
    direct = parse(f"w = 3*z; {form.replace('x', '(w)').replace('e(w)p', 'exp').replace('ma(w)', 'max')}")
    assert sharpened(nodes, ["out"])[-1].expression != nodes.layers[-1].expression
    assert str(Program((), tuple(sharpened(nodes, ["out"])[-1:]), ())).replace("out = ", "") == direct.text("out")


# --- zeros and what is undefined -------------------------------------------------------------------

REASONS = tuple(map(Reason.parse, ("domain log", "kink abs", "jump where")))


def _lost(reason: Reason, everywhere: int, reasons: states.Reasons) -> tuple[float, int]:
    return np.nan, reasons.code(reason) + everywhere


KINDS: dict[str, tuple[Any, Callable[[states.Reasons], tuple[float, int]]]] = {
    "number": (exact.from_float(3.0), lambda _: (3.0, states.NUMBER)),
    "nan": (NAN, lambda _: (np.nan, states.NUMBER)),
    "zero": (ZERO, lambda _: (0.0, states.HARD)),
    "soft zero": (SOFT_ZERO, lambda _: (0.0, states.SOFT)),
    **{str(one): (Undefined(one), partial(_lost, one, 0)) for one in REASONS},
    **{f"{one} everywhere": (Undefined(one, True), partial(_lost, one, 1)) for one in REASONS},
}
BINARY = [row for row in DESCRIBED if len(row.args) == 2]
UNARY = [row for row in DESCRIBED if len(row.args) == 1]


def handed_on(row: Elementwise, kinds: tuple[str, ...]) -> tuple[Any, Element, states.Reasons]:
    """Return what the exact lane and machine intervals make of arguments of some kinds."""
    run = Run({})
    for reason in REASONS:
        run.reasons.code(reason)
    node = call(row.name, *map(Name, row.args))
    args = []
    for kind in kinds:
        number, code = KINDS[kind][1](run.reasons)
        args.append(Element(Interval(np.array(number)), np.array(code, np.uint8) if code else None))
    with np.errstate(all="ignore"):
        found = run.operation(node, args)
    wanted = exact_operation(node, [KINDS[kind][0] for kind in kinds])
    assert isinstance(found, Element)
    return wanted, found, run.reasons


def assert_same_kind(wanted: Any, found: Element, reasons: states.Reasons) -> None:
    code = 0 if found.states is None else int(found.states)
    with np.errstate(all="ignore"):
        low, high = arithmetic.tight(found.numbers)
    if code >= states.FIRST:
        assert isinstance(wanted, Undefined)
        assert (reasons.met[(code - states.FIRST) // 2], bool(code % 2)) == (wanted.reason, wanted.everywhere)
        assert np.isnan(low)
    elif code in (states.HARD, states.SOFT):
        assert isinstance(wanted, Zero)
        assert wanted.soft == (code == states.SOFT)
        assert low == high == 0
    elif np.isfinite(low):
        assert not isinstance(wanted, Undefined | Zero)
        assert not wanted < low
        assert not wanted > high
    else:
        assert code == states.OPEN or not isinstance(wanted, Undefined | Zero)


@pytest.mark.parametrize("row", each(BINARY))
@pytest.mark.parametrize("right", KINDS)
@pytest.mark.parametrize("left", KINDS)
def test_what_is_no_number_is_handed_on_as_in_the_exact_lane(row: Elementwise, left: str, right: str) -> None:
    assert_same_kind(*handed_on(row, (left, right)))


@pytest.mark.parametrize("row", each(UNARY))
@pytest.mark.parametrize("kind", KINDS)
def test_functions_hand_on_what_is_no_number_as_in_the_exact_lane(row: Elementwise, kind: str) -> None:
    assert_same_kind(*handed_on(row, (kind,)))


# --- what is kept ----------------------------------------------------------------------------------


def test_only_what_is_asked_for_is_returned() -> None:
    core = lower(parse("y = exp(x); z = y*y; log(z)"), {"x": (3,)}, nodes=True)
    point = {"x": np.array([0.1, 0.2, 0.3])}
    assert set(enclose(core, point, ["y", "x"])) == {"x", "y"}
    found = enclose(core, point, ["x"])["x"]
    assert isinstance(found, Bounds)
    np.testing.assert_array_equal(found.lower, point["x"])
    np.testing.assert_array_equal(found.upper, point["x"])


def test_an_exact_number_stays_exact() -> None:
    """So that what ties or lies on a kink is seen."""
    core = lower(parse("(3*x - 6)/4 + x*x"), {"x": (2,)}, nodes=True)
    found = enclose(core, {"x": np.array([2.0, 0.5])}, ["out"])["out"]
    np.testing.assert_array_equal(found.lower, [4.0, -0.875])
    np.testing.assert_array_equal(found.upper, [4.0, -0.875])


@pytest.mark.parametrize("row", each(row for row in ELEMENTWISE.values() if row.jumps and len(row.args) == 1))
def test_a_step_may_be_at_the_steps_and_nowhere_else(row: Elementwise) -> None:
    """Also where an input of the step is not exact."""
    for text in (f"{row.name}(x)", f"{row.name}(x) + y", f"{row.name}(x*1.0)*y"):
        core = lower(parse(text), {"x": (5,), "y": (5,)}, nodes=True)
        point = {"x": np.array([-0.5, 0.0, 0.25, 1.0, 1.5])} | ({"y": np.ones(5)} if "y" in text else {})
        steps = [False, True, False, row.name in ("floor", "ceil"), False]
        assert unsteady(core, point, (5,)).tolist() == steps
    core = lower(parse(f"{row.name}(exp(x))"), {"x": (3,)}, nodes=True)
    assert unsteady(core, {"x": np.array([-0.5, 0.5, 0.0])}, (3,)).tolist() == [False, False, row.name != "sign"]
