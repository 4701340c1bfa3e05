"""The ladder of precision: machine intervals over whole arrays say what balls say, element by element.

The lane of arrays of balls, which a large program left behind, is the oracle of what took its place: MANY says which.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings

from gradcheck.case import check, check_program, inquiry
from gradcheck.corpus import load
from gradcheck.exact import ladder
from gradcheck.formats import FORMATS
from gradcheck.functions import ELEMENTWISE, Composite, Elementwise, Tensor
from gradcheck.outcome import Outcome, Run
from gradcheck.parse import parse
from gradcheck.points import parse_points, to_value
from gradcheck.program import Program
from gradcheck.selftest.faults import FAULTS
from gradcheck.selftest.planting import Fault, distorted
from gradcheck.settings import Settings
from gradcheck.verdict import Verdict
from oracles import Point
from strategies import Case, cases
from table import ON_TENSORS, each, program_of, weighted

DTYPES = tuple(FORMATS)
IN_BALLS, IN_INTERVALS = 10**12, 1
"""Numbers of a program from which machine intervals come first: never, and always."""
CORNERS = (
    0.0,
    -0.0,
    1.0,
    -1.0,
    0.5,
    -0.5,
    2.0,
    1e-3,
    1e-20,
    -1e-30,
    1e-310,
    20.0,
    -20.0,
    88.7,
    -104.0,
    710.0,
    1e19,
    1e154,
)
"""Kinks, poles, ends of domains, and what overflows or underflows in a dtype."""
NUMBER = re.compile(r"-?(\d[\d.,]*(e[+-]?\d+)?|\binf\b|\bnan\b)")
POLE = re.compile(r"here: \w+ meets a pole")
OVERFLOW = re.compile(r"; \w+ on the way is too large for .*")

Said = tuple[str, str | None]
"""A verdict and what is said about it, without the numbers in it."""


def said(run: Run) -> dict[tuple[object, ...], Said]:
    """Return what is said of every element of every outcome."""
    found: dict[tuple[object, ...], Said] = {}
    for place, outcome in enumerate(run):
        for name, judgements in judged(outcome):
            for k, one in enumerate(judgements):
                found[place, outcome.dtype, name, k] = one.verdict.value, kind(one.note)
        faults = sorted(f"{one.blame.cause} in {one.blame.operation}" for one in outcome.faults)
        notes = [kind(note) or "" for note in outcome.notes if not note.startswith("the search for")]  # a clock's word
        found[place, outcome.dtype] = str(outcome.error), "; ".join([*faults, *notes])
    return found


def numbers(run: Run) -> dict[tuple[object, ...], float | None]:
    """Return torch's gradients: some of LAPACK's kernels give others in another run, with other roundings."""
    places = ((place, outcome, one) for place, outcome in enumerate(run) for one in outcome.gradients)
    return {
        (place, outcome.dtype, one.input, k): one.number(k)
        for place, outcome, one in places
        for k in range(len(one.judgements))
    }


def judged(outcome: Outcome) -> Iterator[tuple[str, Any]]:
    for gradient in outcome.gradients:
        yield gradient.input, gradient.judgements
        yield f"what is stated of {gradient.input}", gradient.expectations or ()
    if outcome.layers:
        yield "the value", outcome.layers[-1].judgements


def kind(note: str | None) -> str | None:
    """Return a note without its numbers, and without what stands for an element alone or for all of them together.

    That is which operation has a pole, at one of several, and which one overflows on the way, somewhere in a tensor.
    """
    if note is None:
        return None
    return POLE.sub("here: a pole", OVERFLOW.sub("", NUMBER.sub("#", note)))


def assert_alike(run: Callable[[], Run], program: object) -> None:
    """Check that balls and intervals say the same, but that intervals may decide what balls left open."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ladder, "MANY", IN_BALLS)
        first = run()
        old = said(first)
        patch.setattr(ladder, "MANY", IN_INTERVALS)
        patch.setattr(ladder, "WIDE", 0)
        second = run()
        new = said(second)
    assert old.keys() == new.keys(), program
    before, after = numbers(first), numbers(second)
    same = {key for key in old if repr(before.get(key)) == repr(after.get(key))}
    differ = {key: (old[key], new[key]) for key in same if old[key] != new[key]}
    assert {key: pair for key, pair in differ.items() if pair[0][0] != Verdict.UNDECIDED.value} == {}, program


def at_points(program: Program, points: list[Point], how: Settings) -> Callable[[], Run]:
    given_ = [{name: to_value(array, name) for name, array in point.items()} for point in points]
    return lambda: check_program(program, given_, how)


# --- elements ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("row", each(ELEMENTWISE.values()))
def test_an_elementwise_function_of_all_kinds_of_numbers(row: Elementwise) -> None:
    draw = np.random.default_rng(len(row.name))
    spread = draw.standard_normal(8) * 2.0 ** draw.integers(-9, 9, 8)
    columns = {name: draw.permutation([*CORNERS, *spread]) for name in row.args}
    assert_alike(at_points(program_of(row), [columns], Settings(dtypes=("float32", "float16"))), row.name)


@pytest.mark.parametrize("row", each(ON_TENSORS))
def test_a_function_of_tensors(row: Tensor | Composite) -> None:
    for k, text in enumerate(row.samples):
        program, point = weighted(text, power=2)
        dtypes = (DTYPES[k % len(DTYPES)],) if k else DTYPES
        assert_alike(at_points(program, [point], Settings(dtypes=dtypes)), text)
        broken = {
            name: np.where(np.arange(array.size).reshape(array.shape) % 3, array, 0.0) for name, array in point.items()
        }
        assert_alike(at_points(program, [broken], Settings(dtypes=("float32",))), text)


@settings(max_examples=20)
@given(cases())
def test_a_random_program(case: Case) -> None:
    assert_alike(at_points(case.program, [case.point], Settings(dtypes=("float32", "bfloat16"))), case)


CANCELLING = ("tanh(x)**2 + 1/cosh(x)**2", "sin(x)**2 + cos(x)**2", "log(exp(x)) - x", "exp(x)*exp(-x)*x - x")
"""Formulas whose rounding errors are all that is left of their gradient, so that every kernel has another one."""


@pytest.mark.parametrize("text", CANCELLING)
@pytest.mark.parametrize("nondet", [0, 1])
def test_what_was_judged_alone_is_asked_again_where_another_run_gave_another_number(text: str, nondet: int) -> None:
    draw = np.random.default_rng(3)
    how = Settings(dtypes=("float32", "float64"), nondet=nondet)
    for _ in range(2):
        assert_alike(at_points(parse(text), [{"x": draw.choice([-1.0, 0.0, 1.0, 2.0], 14)}], how), text)


EXPRESSIONS = sorted((Path(__file__).parent.parent / "expressions").glob("*.toml"))


@pytest.mark.parametrize("path", [pytest.param(path, id=path.stem) for path in EXPRESSIONS])
def test_a_sample_of_the_shipped_expressions(path: Path) -> None:
    for one in load([path]).checks[::9]:
        program = parse(one.program)
        points = parse_points(one.at, program.inputs, seed=one.settings.seed)[:2]

        def run(program: Program = program, points: Any = points, how: Settings = one.settings) -> Run:
            return check_program(program, points, how)

        assert_alike(run, one.name)


@pytest.mark.parametrize("fault", [pytest.param(one, id=one.name) for one in FAULTS[::7] if not one.nondet])
def test_a_planted_fault(fault: Fault) -> None:
    how = Settings(dtypes=(fault.dtype,), under_test={fault.op: fault.operation})
    assert_alike(lambda: check(fault.program, fault.at, settings=how), fault.name)


# --- one wrong element among many --------------------------------------------------------------------

COUNT = 3_000
CHAINS = {
    "tanh": "y = tanh(x); z = y*exp(-y**2); mean(z)", "exp": "sum(exp(-x**2)*x)", "sigmoid": "softplus(x)*sigmoid(x)",
    "sin": "y = x/(1 + x**2); sum(log(2 + sin(y)))", "sub": "sum((x - 0.3)**2)", "mul": "logsumexp(x*1.5, dim=0)",
}  # fmt: skip
CHANGES: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "a thousandth": lambda one: one * 1.001, "a sign": lambda one: -one, "missing": lambda one: one * 0,
    "not a number": lambda one: one * torch.nan, "infinite": lambda one: one + torch.inf,
}  # fmt: skip


def at_one(k: int, change: Callable[[torch.Tensor], torch.Tensor]) -> Callable[[torch.Tensor], torch.Tensor]:
    """Return a change of a single element, which a smaller tensor may not have."""

    def changed(gradient: torch.Tensor) -> torch.Tensor:
        made = gradient.clone()
        if made.numel() > k:
            made.view(-1)[k] = change(made.view(-1)[k])
        return made

    return changed


def function(op: str) -> Callable[..., Any]:
    return getattr(torch, op)  # type: ignore[no-any-return]


@pytest.mark.parametrize("op", CHAINS)
@pytest.mark.parametrize("change", CHANGES)
def test_one_wrong_element_is_found_and_no_other(op: str, change: str) -> None:
    k = [0, 617, COUNT - 1][(len(op) + len(change)) % 3]
    x = np.random.default_rng(1).uniform(0.1, 2, COUNT)
    operation = distorted(function(op), at_one(k, CHANGES[change]))
    [outcome] = check(CHAINS[op], x=x, settings=Settings(under_test={op: operation}))
    [gradient] = outcome.gradients
    assert gradient.judgements.where(gradient.judgements.is_(Verdict.DISAGREE)) == [k]
    assert [(one.blame.operation, one.blame.element) for one in outcome.faults] == [(op, k)]
    assert gradient.blame is not None
    assert (gradient.blame.operation, gradient.blame.element) == (op, k)


def test_a_callable_is_run_as_a_whole_whatever_stands_alone() -> None:
    """Elements at a kink are looked at by themselves; the callable under test has no tensor of that size."""

    def at_its_size(gradient: torch.Tensor) -> torch.Tensor:
        assert gradient.numel() == COUNT
        return at_one(600, lambda one: one + 2)(gradient)

    x = np.random.default_rng(2).standard_normal(COUNT)
    x[::100] = 0
    [outcome] = check(
        "relu(x)*tanh(x)", x=x, settings=Settings(under_test={"relu": distorted(torch.relu, at_its_size)})
    )
    [gradient] = outcome.gradients
    assert gradient.judgements.where(gradient.judgements.is_(Verdict.DISAGREE)) == [600]
    assert gradient.judgements.counts() == {Verdict.AGREE: COUNT - 1, Verdict.DISAGREE: 1}


@pytest.mark.parametrize("op", CHAINS)
def test_the_operation_at_fault_is_named_where_there_are_too_many_numbers_to_follow_each(
    op: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inquiry, "MAX_NUMBERS", COUNT)
    x = np.random.default_rng(1).uniform(0.1, 2, COUNT)
    operation = distorted(function(op), at_one(617, CHANGES["a thousandth"]))
    [outcome] = check(CHAINS[op], x=x, settings=Settings(under_test={op: operation}))
    blame = outcome.gradients[0].blame
    assert blame is not None
    assert (blame.operation, blame.element) == (op, 617)
