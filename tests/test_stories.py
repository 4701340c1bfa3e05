"""What is said of failures: no sentence contradicts another, at any width, and what is to be pasted is whole."""

from __future__ import annotations

import re
import shlex
from decimal import Decimal, InvalidOperation
from functools import cache
from io import StringIO
from itertools import pairwise

import numpy as np
import pytest

from gradcheck import Settings, check
from gradcheck.outcome import Run
from gradcheck.report import View
from gradcheck.report.elements import told
from gradcheck.report.table import write
from gradcheck.repro import command
from test_diagnose import KNOWN

WIDTHS = (60, 80, 120)

OTHERS: list[tuple[str, str, str]] = [
    ("log(softmax(x, dim=0))[1]", "x=[0,-200,3]", "float32"), ("log(exp(x)*2)", "x=-200", "float32"),
    ("sum(log(softmax(x @ w, dim=1)))", "x=[[100,2,3],[4,5,600]],w=[[1,0.5],[2,1],[3,0.25]]", "float32"),
    ("-(y*log(sigmoid(x)) + (1-y)*log(1-sigmoid(x)))", "x=20,y=0.3", "float32"),
    ("x**2/y*sqrt(x**2 + y**2)", "x=1e-30:1e-28:9,y=1e-30", "float32"), ("x**p", "x=0,p=0", "float32"),
    ("norm(x, 0.5)", "x=[0,1]", "float32"), ("norm(x, 0.3)", "x=[0,2]", "float64"),
    ("where(x > 1, x, 2*x)", "x=1", "float32"), ("hypot(x, y)", "x=0,y=0", "float32"),
    ("x*(pi - 3.14159265)", "x=2", "float64"), ("x*((2**0.5)**2 - 2)", "x=2", "float64"),
    ("(2**0.5)*x**2 - x**2*1.41421356", "x=1e3", "float64"), ("acosh(1 + d)", "d=1e-10", "float32"),
    ("atanh(tanh(x))", "x=20", "float64"), ("exp(x)*exp(-x)", "x=88.8", "float32"), ("exp(x)", "x=89", "float32"),
    ("exp(x)*exp(-x)", "x=709.7827128933841", "float64"), ("exp(x) - exp(x)", "x=11.09", "float16"),
    ("exp(x)*2", "x=88.723", "float32"), ("exp(log(x)*1.0000001)", "x=3.4e38", "float32"),
    ("x**3/(x**3 + y)", "x=1e15,y=1", "float32"), ("softmax(x, dim=0)[0]", "x=[inf,1]", "float32"),
    ("exp(x) - exp(y)", "x=1,y=1.0000001", "float32"), ("log(1 - tanh(x)**2)", "x=25", "float64"),
    ("sum(sqrt(x)*0 + x*w)", "x=[[0,1.23456789,2],[1e-20,7,8]],w=[[1,2.3456789e-12,3],[4,5.4321e20,6]]", "float64"),
    ("1/x", "x=1e-310", "float64"), ("asin(x)", "x=1", "float64"), ("x**3", "x=2:9:20", "float32"),
]  # fmt: skip
CASES = [*dict.fromkeys([(program, at, dtype) for program, at, dtype, *_ in KNOWN] + OTHERS)]
EVERY_CASE = pytest.mark.parametrize("case", CASES, ids=[f"{program} @ {at}" for program, at, _ in CASES])

Case = tuple[str, str, str]


@cache
def run(case: Case) -> Run:
    program, at, dtype = case
    expect = ("3*x",) if program == "x**3" else ()
    return check(program, at, settings=Settings(dtypes=(dtype,), expect=expect))


def text(case: Case, width: int) -> str:
    made = StringIO()
    write(run(case), made, View(width=width))
    return made.getvalue()


def number(written: str) -> Decimal | None:
    try:
        return Decimal(written)
    except InvalidOperation:
        return None


DIFFERENT = [
    r"it is ({0}), and torch has ({0})", r"is ({0}), and the largest number of \w+ is ({0}):",
    r"is ({0}), which \w+ rounds to ({0})", r"it is ({0}), and must be ({0})", r"autograd ({0}), exact ({0})",
    r"gradient is ({0}); the true one is ({0})", r"here ({0}) and not ({0})",
]  # fmt: skip
"""Sentences about two numbers that are not the same."""


@EVERY_CASE
def test_numbers_that_are_called_different_are_not_written_alike(case: Case) -> None:
    said = " ".join(text(case, 400).split())
    for sentence in DIFFERENT:
        for a, b in re.findall(sentence.format(r"[-+.\dna-finy]+[\d)nf]"), said):
            assert number(a) is None or number(a) != number(b), (a, b, sentence)


@EVERY_CASE
@pytest.mark.parametrize("width", WIDTHS)
def test_a_row_that_is_wrong_shows_two_numbers(case: Case, width: int) -> None:
    for line in text(case, width).splitlines():
        found = re.fullmatch(r".* (\S+) +(\S+) +\S+ +[✗·] (?:disagree|lossy|unstable)(?: .*)?", line)
        if found and number(found[1]) is not None and number(found[2]) is not None and "nan" not in line:
            assert number(found[1]) != number(found[2]), line


@EVERY_CASE
def test_no_error_of_nothing_is_the_worst_beside_a_number_that_is_none(case: Case) -> None:
    made = text(case, 120)
    rows = [line for line in made.splitlines() if re.search(r" (nan|-?inf) +- +[✗·]", line)]
    assert not (rows and re.search(r"worst [\d.]+ ULP", made)), made


@EVERY_CASE
def test_nothing_is_said_of_the_value_where_the_gradient_is_meant(case: Case) -> None:
    for outcome in run(case):
        for one in told(outcome):
            assert "the value is" not in one.note
            if one.gradient is not None:
                assert "torch has nan" not in one.note or one.gradient.ball(one.k) is None


@EVERY_CASE
def test_what_a_fix_makes_right_is_not_said_to_be_beyond_the_dtype(case: Case) -> None:
    for outcome in run(case):
        for one in told(outcome):
            if one.blame is not None and one.blame.fix is not None and one.blame.fix.verdicts[1] == "agree":
                assert not re.search(r"cannot be|no \w+ input", f"{one.note} {one.blame.message}")


@EVERY_CASE
def test_a_pole_is_not_said_to_have_a_finite_slope_alone(case: Case) -> None:
    for outcome in run(case):
        for one in told(outcome):
            if one.blame is not None and "is infinite" in one.blame.message and one.blame.beside:
                assert "inf" in one.blame.beside or "limit" in one.blame.beside


def test_some_are_said_to_jump() -> None:
    assert any(map(jumps, CASES))


def jumps(case: Case) -> bool:
    return "jump" in text(case, 400)


@EVERY_CASE
def test_what_is_said_to_jump_has_values_that_do_not_meet(case: Case) -> None:
    """Far closer to the point than the square root of a distance, a value beside it is still another one."""
    if not jumps(case):
        return
    program, _, _ = case
    (outcome,) = run(case)
    k, gradient = next((one.k, one.gradient) for one in told(outcome) if one.gradient is not None)
    at = {name: array.astype(float) for name, array in outcome.rounded.items()}
    beside = []
    for step in (-1e-12, 0.0, 1e-12):
        moved = {name: array.copy() for name, array in at.items()}
        moved[gradient.input].reshape(-1)[k] += step
        value = check(program, moved, settings=Settings(dtypes=("float64",)))[0].value
        assert value is not None
        beside.append(np.nan_to_num(value.values, nan=1e3, posinf=1e6))
    assert max(np.abs(a - b).max() for a, b in pairwise(beside)) > 1e-3


@EVERY_CASE
@pytest.mark.parametrize("width", WIDTHS)
def test_no_line_is_wider_than_the_window_but_those_that_are_pasted(case: Case, width: int) -> None:
    lines = text(case, width).splitlines()
    pasted = re.compile(r"  (fix: write |     for   |again: )|\d+ \w+(, \d+ \w+)* · ")
    wide = [line for line in lines if len(line) > width and not pasted.match(line)]
    assert not wide


@EVERY_CASE
@pytest.mark.parametrize("width", WIDTHS)
def test_commands_and_fixes_stand_whole_in_one_line(case: Case, width: int) -> None:
    made, failing = text(case, width), run(case).failing
    lines = [line.strip() for line in made.splitlines()]
    again = [line.removeprefix("again: ") for line in lines if line.startswith("again: ")]
    commands = {command(run(case), outcome) for outcome in run(case)}
    assert set(again) <= commands
    assert bool(again) == bool(run(case).verdicts() & failing)
    assert all(shlex.split(one)[0] == "gradcheck" for one in again)
    for outcome in run(case):
        for one in told(outcome):
            if one.blame is not None and one.blame.fix is not None and f"{one.blame.cause}: " in made:
                assert any(one.blame.fix.after in line for line in lines if line.startswith("fix: write ")), made


@EVERY_CASE
@pytest.mark.parametrize("width", WIDTHS)
def test_the_place_is_marked_and_a_matrix_stands_row_by_row_at_every_width(case: Case, width: int) -> None:
    made = text(case, width)
    if "← here" in text(case, 400):
        assert "←" in made
    for line in made.splitlines():
        if re.search(r"\[\[|^ +\[[-\d]", line) and "again" not in line and "@" not in line:
            assert line.count("[") - line.count("]") in (0, 1, -1), line
    for name in re.findall(r"no room for ([\w ]+)\)", made):
        assert set(re.split(" and ", name)) <= {"grad_fn", "local derivative", "value"}


@EVERY_CASE
def test_no_row_stands_twice_in_the_numbers_of_a_fault(case: Case) -> None:
    lines = text(case, 120).splitlines()
    rows = [line for line in lines if re.search(r" (value|cotangent|gradient) ", line)]
    assert all(a != b for a, b in pairwise(rows))


@EVERY_CASE
def test_each_fault_of_a_point_is_explained_once(case: Case) -> None:
    made = text(case, 400)
    explained = re.findall(r"\n    [^\n]+\n( +\^+)\n +([\w-]+): ", made)
    kinds = {
        (len(run(case)), one.verdict, one.blame.cause, one.blame.span)
        for outcome in run(case)
        for one in told(outcome)
        if one.blame
    }
    assert len(explained) <= len(kinds)
    assert len(run(case)) > 1 or len({*explained}) == len(explained)


def test_two_gradients_of_one_fault_are_one_story() -> None:
    said = text(("-(y*log(sigmoid(x)) + (1-y)*log(1-sigmoid(x)))", "x=20,y=0.3", "float32"), 120)
    assert said.count("cancellation: ") == 1
    assert ", by y (and by x): autograd's gradient is -inf; the true one is -20" in said


def test_many_points_of_one_fault_are_one_story() -> None:
    said = text(("x**2/y*sqrt(x**2 + y**2)", "x=1e-30:1e-28:9,y=1e-30", "float32"), 120)
    assert said.count("underflow: ") == 1
    assert "(and 17 more, at 9 points in all)" in said


def test_a_value_that_is_wrong_for_the_same_reason_is_told_in_one_line() -> None:
    said = text(("sqrt(x**2 + y**2)", "x=3e30,y=4e30", "float32"), 400)
    assert said.count("overflow: ") == 1
    assert "torch's value is inf; the true one is 4.999999985e+30, for the same reason\n  again: " in said
