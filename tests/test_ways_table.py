"""Every way of differentiating, over the whole table: nobody is called wrong, and every truth is an oracle's."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from functools import reduce
from math import prod
from typing import Any

import numpy as np
import pytest

from gradcheck.case import check_program
from gradcheck.case.ways import Along, Ways
from gradcheck.differentiate import differentiate, pull_back, push_forward
from gradcheck.errors import LaneProblem
from gradcheck.formats import Ball
from gradcheck.functions import COMPOSITE, ELEMENTWISE, Composite, Elementwise
from gradcheck.gradients import DIRECTIONS, GradientOutcome
from gradcheck.lane import Lane
from gradcheck.lower import lower
from gradcheck.nested import Nested
from gradcheck.outcome import Run
from gradcheck.parse import parse
from gradcheck.plan import Plan
from gradcheck.points import Point as Values
from gradcheck.points import to_value
from gradcheck.pointwise import operations
from gradcheck.program import Call, Layer, Name, Program, call, postorder
from gradcheck.settings import Settings
from gradcheck.settings.readers import ONES
from gradcheck.verdict import Verdict
from gradcheck.ways import Way, nestings
from oracles import NoNumber, Point, assert_close, differences, enclosures, fraction, numbers, shapes
from table import each, formats_of, inputs_of, point_of, program_of, samples, texts, weighted

WAYS = tuple(way for order in (1, 2) for way in nestings(order))
FEW = tuple(map(Way.parse, ("fwd", "fwd-rev", "rev-fwd")))
DTYPES = {"float64": WAYS, "float32": WAYS, "bfloat16": FEW, "float16": FEW}
NEVER = (Verdict.ERROR, Verdict.UNDECIDED)
REFUSED = "torch has no derivative"
"""What is said where torch itself raises, as mse_loss does in forward over reverse mode."""
CLOSE = Fraction(1, 2**50)
"""Largest relative difference between the truth of an outcome and a finite difference."""
FAR = Fraction(1, 2**12)
"""Relative error from which the derivative of one operation is wrong in any dtype, whatever its roundings were."""


def checked(program: Program, points: list[Point], dtype: str, ways: tuple[Way, ...]) -> Run:
    settings = Settings(dtypes=(dtype,), ways=ways, cotangent=ONES)
    return check_program(program, [values(one) for one in points], settings)


def values(point: Point) -> Values:
    return {name: to_value(array, name) for name, array in point.items()}


def judged(run: Run) -> Iterator[tuple[str, Lane | None, Point, GradientOutcome, int, Verdict]]:
    """Yield every element of a run with a text that names it."""
    for outcome in run:
        assert outcome.error is None or REFUSED in outcome.error, f"{outcome.lane}: {outcome.error}"
        for one in outcome.gradients:
            for k, judgement in enumerate(one.judgements):
                what = (
                    f"{outcome.program} {outcome.dtype} {outcome.lane} {outcome.rounded} {one.along} {one.input}[{k}]"
                )
                yield f"{what}: {judgement}", outcome.lane, outcome.rounded, one, k, judgement.verdict


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("row", each(ELEMENTWISE.values()))
def test_nobody_is_called_wrong_at_a_sample_but_by_an_oracle(row: Elementwise, dtype: str) -> None:
    """What torch does get wrong there, a finite difference of the exact gradient says as well."""
    if dtype not in {fmt.name for fmt in formats_of(row)}:
        pytest.skip("torch has no kernel")
    program, found = program_of(row), 0
    for what, _, point, one, k, verdict in judged(
        checked(program, [point_of(row, sample) for sample in row.samples], dtype, DTYPES[dtype])
    ):
        found += 1
        assert verdict not in NEVER, what
        if verdict is Verdict.DISAGREE:
            assert is_wrong(program, point, one, k), what
    assert found or dtype not in (row.dtypes or DTYPES), "torch has no kernel of it in this dtype"


@pytest.mark.parametrize("text", texts(1))
def test_nobody_is_called_wrong_at_a_tensor(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """But where a finite difference of the exact gradient says so as well; what a row says to be wrong is found.

    The first sample of each row, along a few directions where it has many elements; `benchmarks/verdicts.py` goes
    through all of them.
    """
    monkeypatch.setattr("gradcheck.case.ways.MAX_ELEMENTS", 36)
    program, found = parse(f"mean(sin({text}))"), set[Verdict]()
    point = inputs_of(program)
    wanted = Hessian(program, point)
    for what, lane, _, one, k, verdict in judged(checked(program, [point], "float64", WAYS)):
        found.add(verdict)
        assert verdict not in NEVER, what
        if verdict is Verdict.DISAGREE:
            number, right = one.number(k), wanted.at(one, k)
            assert number is not None
            far = 16 * CLOSE if any(is_known(row, lane, one) for row in rows_of(text)) else FAR
            assert not np.isfinite(number) or abs(Fraction(number) - right) > far * abs(right), what
    assert found
    assert Verdict.DISAGREE in found or not any(row.wrong for row in rows_of(text))


def is_known(row: Composite, lane: Lane | None, one: GradientOutcome) -> bool:
    """Tell whether a row says that torch is wrong by less than any eye sees: in a step, or in order two."""
    stepwise = any(step in str(lane) for step in row.wrong)
    return stepwise or ("second" in row.wrong and bool(one.along))


class Hessian:
    """Derivatives by finite differences, each row of order two once; the state is those rows."""

    def __init__(self, program: Program, point: Point) -> None:
        self.program, self.point = program, point
        nested = Nested(Plan.make(program, shapes(point), program.tracked), 2)
        self.drawn = Ways(nested, Lane("float64", WAYS[-1]), values(point), Settings()).units()
        self.rows: dict[tuple[str, str, int], list[Fraction]] = {}

    def at(self, one: GradientOutcome, k: int) -> Fraction:
        """Return what an element of a derivative of order one or two is."""
        if not one.along:
            return differences(self.program, one.input, self.point)[k]
        [(held, shape)], (row, column) = one.along, divmod(k, self.point[one.input].size)
        if (held, one.input, row) not in self.rows:
            unit = (np.arange(prod(shape)) == row).astype(np.float64).reshape(shape)
            [along] = self.drawn[row] if held == DIRECTIONS else [{held: unit}]
            at = {**self.point, **{f"w_{name}": array for name, array in along.items()}}
            program = dotted(self.program, self.point, *along)
            self.rows[held, one.input, row] = differences(program, one.input, at)
        return self.rows[held, one.input, row][column]


def rows_of(text: str) -> list[Composite]:
    """Return the composite rows that a text calls."""
    calls = (node for layer in parse(text).layers for node in postorder(layer.expression) if isinstance(node, Call))
    return [COMPOSITE[node.op] for node in calls if node.op in COMPOSITE]


def is_wrong(program: Program, point: Point, one: GradientOutcome, k: int) -> bool:
    """Tell whether torch's number is far from a difference of exact values, or of the exact gradient."""
    number = one.number(k)
    assert number is not None
    far = 16 * CLOSE if any(row.faults for row in elementwise_of(program)) else FAR
    return is_far(number, difference(program, point, tuple(name for name, _ in one.along), one.input), far)


def elementwise_of(program: Program) -> list[Elementwise]:
    """Return the elementwise rows of a program; some say where torch's own gradient has few digits."""
    return [ELEMENTWISE[op] for op in operations(program) if op in ELEMENTWISE]


def is_far(number: float | None, wanted: Fraction, far: Fraction = FAR) -> bool:
    assert number is not None
    return not np.isfinite(number) or abs(Fraction(number) - wanted) > far * abs(wanted)


def difference(program: Program, point: Point, along: tuple[str, ...], name: str) -> Fraction:
    """Return a derivative of numbers by finite differences of one of an order less."""
    for held in along:
        once = differentiate(program, shapes(point), wrt=(held,))
        program = replace(once, outputs=once.outputs)
    [found] = differences(program, name, point)
    return found


# --- the truth ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("row", "sample"), samples())
def test_the_truth_of_order_two_is_a_finite_difference_of_the_exact_gradient(
    row: Elementwise, sample: tuple[str, ...]
) -> None:
    program, point = program_of(row), point_of(row, sample)
    for what, _, at, one, k, _ in judged(checked(program, [point], "float64", (Way.parse("rev-rev"),))):
        ball = one.ball(k)
        if ball is not None:
            try:
                wanted = difference(program, at, tuple(name for name, _ in one.along), one.input)
            except NoNumber:  # an end of the domain has one side alone
                continue
            assert is_near(ball, wanted, abs(wanted)), what


@pytest.mark.parametrize("text", texts())
def test_the_truth_of_order_two_at_a_tensor_is_a_finite_difference(text: str) -> None:
    """Every row of the Hessian under weights of its own, which tell each element from every other."""
    program, point = weighted(text, power=2)
    wrt = tuple(inputs_of(parse(text)))
    settings = Settings(dtypes=("float64",), ways=(Way.parse("rev-rev"),), wrt=wrt)
    for one in check_program(program, [values(point)], settings)[0].gradients:
        [(held, shape)] = one.along
        weights = (np.arange(int(np.prod(shape, dtype=np.int64))) * 0.25 - 0.625).reshape(shape)
        wanted = differences(
            dotted(program, point, held), one.input, {**point, f"w_{held}": weights.astype(np.float64)}
        )
        balls = [ball for ball in one.balls() if ball is not None]
        assert len(balls) == len(one.exact), f"{text}: {one} has no number"
        rows = np.array([fraction(ball) for ball in balls], dtype=object).reshape(weights.size, -1)
        for k, right in enumerate(wanted):
            parts = [Fraction(w) * rows[j, k] for j, w in enumerate(weights.ravel().tolist())]
            assert abs(sum(parts, -right)) <= CLOSE * max(1, sum(map(abs, parts))), f"{text}: {held}, {one.input}[{k}]"


def is_near(ball: Ball, wanted: Fraction, size: Fraction) -> bool:
    """Tell whether a number lies in a ball but for the error of a finite difference, and the ball is narrow."""
    low, high = (Fraction(man) * Fraction(2) ** exp for man, exp in (ball.lower, ball.upper))
    near = CLOSE * max(Fraction(1), size)
    return high - low <= near and low - near <= wanted <= high + near


def dotted(program: Program, point: Point, *names: str) -> Program:
    """Return the program of the gradient by some inputs, times weights whose names begin with ``w_``."""
    once = differentiate(program, shapes(point), wrt=names)
    weights = tuple(f"w_{name}" for name in names)
    parts = [call("sum", call("mul", Name(w), Name(g))) for w, g in zip(weights, once.outputs, strict=True)]
    last = Layer("dotted", reduce(lambda a, b: call("add", a, b), parts))
    return Program((*once.inputs, *weights), (*once.layers, last), ("dotted",), fixed=once.fixed)


# --- forward and reverse -----------------------------------------------------------------------------


@pytest.mark.parametrize("as_torch", [False, True])
@pytest.mark.parametrize("row", each(ELEMENTWISE.values()))
def test_the_forward_sweep_of_a_row_is_its_reverse_sweep(row: Elementwise, as_torch: bool) -> None:
    for sample in row.samples:
        assert_same_sweeps(program_of(row), point_of(row, sample), as_torch)


@pytest.mark.parametrize("as_torch", [False, True])
@pytest.mark.parametrize("text", texts())
def test_the_forward_sweep_at_a_tensor_is_its_reverse_sweep(text: str, as_torch: bool) -> None:
    program, point = weighted(text)
    assert_same_sweeps(program, point, as_torch)


def assert_same_sweeps(program: Program, point: Point, as_torch: bool) -> None:
    """Demand that the derivative along a tangent is the gradient times that tangent."""
    core = lower(program, shapes(point), nodes=True, as_torch=as_torch)
    tangents = {name: f"t_{name}_given" for name in program.tracked}
    moving = {
        tangents[name]: (np.arange(array.size) * 0.375 - 0.5).reshape(array.shape)
        for name, array in point.items()
        if name in tangents
    }
    pushed = push_forward(core, tangents, as_torch=as_torch)
    pulled = pull_back(core, program.tracked, as_torch=as_torch)
    at: dict[str, Any] = {**point, **moving}
    try:
        gradients = [numbers(pulled.core, output, point) for output in pulled.program.outputs]
    except NoNumber:
        return  # torch's formula has 0/0 there, or the sample is on a kink
    [found] = numbers(pushed.core, pushed.program.output, at)
    wanted = Fraction(0)
    for name, gradient in zip(program.tracked, gradients, strict=True):
        wanted += sum(Fraction(t) * g for t, g in zip(moving[tangents[name]].ravel().tolist(), gradient, strict=True))
    assert_close([found], [wanted], f"{program} at {point}")


AGAIN = [row for row in COMPOSITE.values() if row.again is not None]


@pytest.mark.parametrize("order", [2, 3])
@pytest.mark.parametrize("row", each(AGAIN))
def test_a_definition_that_is_differentiated_again_has_the_derivatives_of_its_function(
    row: Composite, order: int
) -> None:
    """The program whose roundings are torch's, evaluated without any, meets the truth."""
    program = parse(f"sum(sin({row.samples[0]})**2)")
    point = inputs_of(program)
    nested = Nested(Plan.make(program, shapes(point), program.tracked), order)
    for k, (held, name) in enumerate(
        held for inner in nested.directions for held in zip(inner.values(), inner, strict=True)
    ):
        point = {**point, held: np.cos(np.arange(point[name].size) + k).reshape(point[name].shape)}
    truth = nested.plan.shared
    wanted = [enclosures(truth.core, output, point) for output in truth.program.outputs]
    for steps in (("rev",) * order, ("rev", *("fwd",) * (order - 1))):
        for found, balls in zip(nested.roundings(Way(steps)).values(), wanted, strict=True):
            pairs = zip(enclosures(*found, point), balls, strict=True)
            assert all(isinstance(a, Ball) and isinstance(b, Ball) and a.overlaps(b) for a, b in pairs), (
                row.name,
                steps,
            )


# --- what roundings may make of a derivative -----------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float64", "bfloat16"])
@pytest.mark.parametrize("row", each(ELEMENTWISE.values()))
def test_torch_is_inside_the_rounding_enclosure_of_every_way(row: Elementwise, dtype: str) -> None:
    """But for what is known to be wrong: there torch has a rule that its own formula is not.

    Where torch has no kernel for a dtype, of the row or of its derivative, there is nothing to hold.
    """
    if row.dtypes and dtype not in row.dtypes:
        return
    plan = Plan.make(program_of(row), dict.fromkeys(row.args, ()), row.moving)
    for way in WAYS:
        lane = Lane(dtype, way)
        ways = Ways(Nested(plan, way.order), lane, values(point_of(row, row.samples[0])), Settings(dtypes=(dtype,)))
        for directions in ways.units() if way.order > 1 else [()]:
            try:
                found = list(enclosed(ways.along(directions)))
            except LaneProblem as problem:
                assert "implemented" in str(problem)  # noqa: PT017
                continue
            for what, inside in found:
                assert inside, f"{row.name}{row.samples[0]} {dtype} {way} {directions}: {what}"


def enclosed(along: Along) -> Iterator[tuple[str, bool]]:
    """Yield each derivative that is tracked and not called wrong, with whether torch's number is in its enclosure."""
    found, *_ = along.gradients()
    for one in found:
        number = one.number(0)
        if number is not None and one.judgements[0].verdict in (Verdict.AGREE, Verdict.LOSSY, Verdict.UNSTABLE):
            ball, _ = along.whole.enclosed(one.input, 0)
            yield f"{number} by {one.input}, in {ball}", ball is None or ball.contains(number)
