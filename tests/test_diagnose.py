"""What is at fault: the cause, the place and the whole sentence, for points that a numerical analyst would know."""

# ruff: noqa: E501, ARG005 - one row for one point; faults are called alike

from __future__ import annotations

import io
import json
import re
import shlex
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import replace
from typing import Any

import pytest
import torch

from gradcheck import rewrites
from gradcheck.__main__ import run as main
from gradcheck.blame import Blame, Cause
from gradcheck.case import check, mending, search
from gradcheck.case.one import Case
from gradcheck.diagnose.differences import how_wrong
from gradcheck.formats import FORMATS, Ball
from gradcheck.functions import COMPOSITE, ELEMENTWISE, TENSOR, Composite
from gradcheck.outcome import Outcome, Run
from gradcheck.parse import parse
from gradcheck.plan import Plan
from gradcheck.points import Point
from gradcheck.reason import Kind
from gradcheck.repro import command, hexadecimal, script, worst_script
from gradcheck.settings import Settings
from gradcheck.verdict import Verdict
from table import TENSORS, texts

# --- reductions that torch differentiates by what it stored -------------------------------------------

NEAR = [[3, -2, 5], [3.015625, -2.0078125, 5.03125], [3, -2, 5.03125], [3.015625, -2, 5]]
"""Columns whose elements are nearly equal: what is left of them after their mean has few digits."""
REDUCING = [row for row in COMPOSITE.values() if row.stored and row.args == ("x",) and "dim" in row.params]


@pytest.mark.parametrize("row", [pytest.param(row, id=row.name) for row in REDUCING])
def test_what_loses_digits_among_several_results_is_told(row: Composite) -> None:
    """An element of the input has no place among the results, which are fewer."""
    for dtype in ("float32", "bfloat16", "float16"):
        run = check(f"{row.name}(x, dim=0)", x=NEAR, dtype=dtype)
        assert run[0].error is None
        told = [blame.message for one in run[0].gradients for blame in one.blames]
        assert all(told), (dtype, run.verdicts())
        assert run[0].value is not None
        if run[0].value.shape != (4, 3):
            assert not any(re.search(r"stored result -?\d", one) for one in told)


# --- the points that numerical analysts know --------------------------------------------------------

KNOWN: list[tuple[str, str, str, str, str, str, str]] = [
    (
        "log(1+exp(x))",
        "x=100",
        "float32",
        "disagree",
        "overflow",
        "exp(x)",
        "exp(x) is 2.68812e+43, and the largest number of float32 is 3.40282e+38: it becomes inf",
    ),
    (
        "where(x>0, sqrt(x), 0*x)",
        "x=-4",
        "float32",
        "disagree",
        "nan-from-masked-branch",
        "sqrt(x)",
        "`where(x>0, sqrt(x), 0*x)` does not take this branch, but torch differentiates it all the same: its value is nan, and 0 times that is nan",
    ),
    (
        "where(x>0, sqrt(x), 0*x)",
        "x=0",
        "float32",
        "undefined",
        "nan-from-masked-branch",
        "sqrt(x)",
        "`where(x>0, sqrt(x), 0*x)` does not take this branch, but torch differentiates it all the same: the slope of sqrt is infinite here, and 0 times that is nan",
    ),
    (
        "(1-cos(x))/x**2",
        "x=1e-4",
        "float32",
        "lossy",
        "cancellation",
        "1-cos(x)",
        "nearly equal numbers cancel here, and only their rounding errors are left: it is 5e-9, and torch has 0",
    ),
    (
        "sqrt(x**2+1)-x",
        "x=1e6",
        "float64",
        "lossy",
        "cancellation",
        "sqrt(x**2+1)-x",
        "the slope through `sqrt(x**2+1)` is 0.9999999999995, the slope through `x` is -1: they nearly cancel, and only their rounding errors are left",
    ),
    (
        "sqrt(sum(x**2))",
        "x=[0,0,0]",
        "float32",
        "disagree",
        "zero-times-inf",
        "sqrt(sum(x**2))",
        "the slope of sqrt is infinite at 0; where it meets a zero further back, inf*0 is nan",
    ),
    (
        "std(x)",
        "x=[2,2,2]",
        "float32",
        "kink",
        "kink",
        "std(x)",
        "std has a corner here: its slopes from the left and from the right differ",
    ),
    (
        "x/norm(x)",
        "x=[0,0]",
        "float32",
        "undefined",
        "division-by-zero",
        "x/norm(x)",
        "the divisor norm(x) is exactly 0 here",
    ),
    (
        "tanh(x)",
        "x=8",
        "float32",
        "lossy",
        "stored-output",
        "tanh(x)",
        "torch computes the gradient of tanh from its stored result 0.99999976, which no longer has the digits for it",
    ),
    (
        "x**y",
        "x=0,y=0.5",
        "float32",
        "undefined",
        "pole",
        "x**y",
        "the slope of pow by x is infinite at x = 0, y = 0.5",
    ),
    ("x**y", "x=0,y=0", "float32", "undefined", "pole", "x**y", "the slope of pow by y is infinite at x = 0, y = 0"),
    ("x**y", "x=0,y=-1", "float32", "undefined", "pole", "x**y", "the value of pow is infinite at x = 0, y = -1"),
    ("x**y", "x=-2,y=0.5", "float32", "undefined", "outside-domain", "x**y", "pow is not defined at x = -2, y = 0.5"),
    (
        "atan2(y,x)",
        "y=0,x=0",
        "float32",
        "undefined",
        "outside-domain",
        "atan2(y,x)",
        "atan2 is not defined at y = 0, x = 0",
    ),
    (
        "exp(x)/sum(exp(x))",
        "x=[100,0]",
        "float32",
        "disagree",
        "overflow",
        "exp(x)",
        "exp(x) is 2.68812e+43, and the largest number of float32 is 3.40282e+38: it becomes inf",
    ),
    (
        "sigmoid(x)*(1-sigmoid(x))",
        "x=20",
        "float32",
        "lossy",
        "stored-output",
        "sigmoid(x)",
        "torch computes the gradient of sigmoid from its stored result 1, which no longer has the digits for it",
    ),
    ("acos(x)", "x=1", "float32", "undefined", "pole", "acos(x)", "the slope of acos is infinite at 1"),
    ("log(x)", "x=0", "float32", "undefined", "pole", "log(x)", "the value of log is infinite at 0"),
    ("log(x)", "x=-1", "float32", "undefined", "outside-domain", "log(x)", "log is not defined at -1"),
    (
        "amax(x)",
        "x=[1,3,3]",
        "float32",
        "kink",
        "kink",
        "amax(x)",
        "amax has a corner here: its slopes from the left and from the right differ",
    ),
    ("1/(x-x)", "x=2", "float32", "undefined", "division-by-zero", "1/(x-x)", "the divisor x-x is exactly 0 here"),
    (
        "relu(x)-relu(-x)",
        "x=0",
        "float32",
        "disagree",
        "kink",
        "relu(x)",
        "relu has a corner here, but the whole is smooth: the slope that torch takes is not its derivative",
    ),
    (
        "sqrt(x**2)",
        "x=1e-30",
        "float32",
        "disagree",
        "underflow",
        "x**2",
        "x**2 is 1e-60, and float32 has few digits or none below 1.17549e-38: it becomes 0",
    ),
    (
        "sum(atan(x))",
        "x=[-260]",
        "float16",
        "lossy",
        "overflow",
        "atan(x)",
        "a number inside atan becomes too large: the largest number of float16 is 65504",
    ),
    (
        "sin(1e6*x)",
        "x=1.1",
        "float32",
        "unstable",
        "ill-conditioned",
        "sin(1e6*x)",
        "the slope of sin changes so fast here that the rounding of `1e6*x` is magnified",
    ),
    ("floor(x)", "x=2", "float32", "undefined", "jump", "floor(x)", "floor jumps at 2"),
    (
        "sqrt(x**4)",
        "x=0",
        "float32",
        "disagree",
        "zero-times-inf",
        "sqrt(x**4)",
        "the slope of sqrt is infinite at 0; where it meets a zero further back, inf*0 is nan",
    ),
    ("sin(x)/x", "x=0", "float32", "undefined", "division-by-zero", "sin(x)/x", "the divisor x is exactly 0 here"),
    (
        "where(x==0,1,sin(x)/x)",
        "x=0",
        "float32",
        "disagree",
        "nan-from-masked-branch",
        "sin(x)/x",
        "`where(x==0,1,sin(x)/x)` does not take this branch, but torch differentiates it all the same: its value is nan, and 0 times that is nan",
    ),
    (
        "x-sin(x)",
        "x=1e-3",
        "float32",
        "lossy",
        "cancellation",
        "x-sin(x)",
        "the slope through `x` is 1, the slope through `sin(x)` is -0.9999995: they nearly cancel, and only their rounding errors are left",
    ),
    (
        "log(softmax(x,dim=0))",
        "x=[0,200]",
        "float32",
        "disagree",
        "underflow",
        "softmax(x,dim=0)",
        "softmax(x,dim=0) is 1.3839e-87, and float32 has few digits or none below 1.17549e-38: it becomes 0",
    ),
    (
        "sinc(x)",
        "x=1e-6",
        "float32",
        "lossy",
        "inaccurate-operation",
        "sinc(x)",
        "torch's own formula for the gradient of sinc loses digits at this argument",
    ),
    (
        "cos(1e4*x)+x",
        "x=0.7",
        "bfloat16",
        "unstable",
        "ill-conditioned",
        "cos(1e4*x)",
        "the slope of cos changes so fast here that the rounding of `1e4*x` is magnified",
    ),
    (
        "sqrt(x**2 + y**2)",
        "x=3e30,y=4e30",
        "float32",
        "lossy",
        "overflow",
        "x**2",
        "x**2 is 9e+60, and the largest number of float32 is 3.40282e+38: it becomes inf",
    ),
    (
        "where(s == 0, 0, s)",
        "s=0",
        "float32",
        "disagree",
        "kink",
        "where(s == 0, 0, s)",
        "where has a corner here, but the whole is smooth: the slope that torch takes is not its derivative",
    ),
    (
        "where(x > 0, x + 1, x)",
        "x=0",
        "float32",
        "undefined",
        "jump",
        "where(x > 0, x + 1, x)",
        "where jumps here, on the border of `x > 0`",
    ),
    (
        "x**y",
        "x=-2,y=2",
        "float32",
        "undefined",
        "outside-domain",
        "x**y",
        "the slope of pow by y is not defined at x = -2, y = 2",
    ),
    (
        "q = sigmoid(x); log(2*(1 - q))",
        "x=20",
        "float32",
        "disagree",
        "cancellation",
        "1 - q",
        "nearly equal numbers cancel here, and only their rounding errors are left: it is 2.06115e-9, and torch has 0",
    ),
    (
        "x*(pi - 3.14159265)",
        "x=1",
        "float64",
        "lossy",
        "cancellation",
        "pi - 3.14159265",
        "nearly equal numbers cancel here, and only their rounding errors are left: it is 3.58979e-9, and torch has 3.589792907376932e-09",
    ),
    (
        "acosh(1 + d)",
        "d=1e-10",
        "float32",
        "disagree",
        "ill-conditioned",
        "acosh(1 + d)",
        "`1 + d` is 1.0000000001, which float32 rounds to 1: there the slope of acosh is infinite",
    ),
    (
        "atanh(tanh(x))",
        "x=20",
        "float64",
        "disagree",
        "ill-conditioned",
        "atanh(tanh(x))",
        "`tanh(x)` is 0.99999999999999999, which float64 rounds to 1: there the slope of atanh is infinite",
    ),
    (
        "acos(x + y)",
        "x=1,y=3e-8",
        "float32",
        "undefined",
        "outside-domain",
        "acos(x + y)",
        "acos is not defined at 1.00000003, which float32 rounds to 1",
    ),
    (
        "log((1 + d) - 1)",
        "d=-1e-9",
        "float32",
        "undefined",
        "outside-domain",
        "log((1 + d) - 1)",
        "log is not defined at -1e-9, and torch has 0",
    ),
    (
        "hypot(x, y)",
        "x=0,y=0",
        "float32",
        "disagree",
        "division-by-zero",
        "hypot(x, y)",
        "torch's formula for the slope of hypot is 0/0 at x = 0, y = 0",
    ),
    (
        "norm(x)",
        "x=[1e-30,1e-30]",
        "float32",
        "lossy",
        "underflow",
        "norm(x)",
        "a number inside norm becomes too small: float32 has few digits or none below 1.17549e-38",
    ),
    (
        "4/pi**2*(atan(a/b) - atan(w/h))**2",
        "a=2,b=1,w=0,h=0",
        "float64",
        "undefined",
        "division-by-zero",
        "w/h",
        "the divisor h is exactly 0 here",
    ),
]
"""Program, point, dtype, verdict, cause, the place as text, and what is said."""

SMOOTH = [("prod(x)", "x=[2,0,3]"), ("prod(x)", "x=[0,0,3]"), ("prod(x)", "x=[0,0,0]"), ("x**y", "x=0,y=2")]
"""What looks dangerous and is not: nobody is to blame."""


TOO_LARGE = [
    ("exp(x)", "x=100", "float32"), ("exp(x*y)", "x=89,y=1", "float32"),
    ("a=x*x;b=a*a;c=b*b;sum(c)", "x=[300,2]", "float16"),
]  # fmt: skip
"""Where the exact numbers themselves are beyond the format, and torch says so."""


def blames(run: Run) -> list[tuple[Outcome, Verdict, Blame]]:
    return [
        (outcome, gradient.judgements[blame.element].verdict, blame)
        for outcome in run
        for gradient in outcome.gradients
        for blame in gradient.blames
    ]


def place(outcome: Outcome, blame: Blame) -> str | None:
    return None if blame.span is None else outcome.program.source[blame.span.start : blame.span.end]


def alone(blame: Blame) -> str:
    """Return the sentence on a cause, without who loses the digits and whether that matters, which follows it."""
    return re.split(r"; that is (?:the formula|torch)", blame.message)[0]


@pytest.mark.parametrize(("program", "at", "dtype", "verdict", "cause", "where", "said"), KNOWN)
def test_the_cause_the_place_and_what_is_said(
    program: str, at: str, dtype: str, verdict: str, cause: str, where: str, said: str
) -> None:
    run = check(program, at, settings=Settings(dtypes=(dtype,)))
    found = [(one.value, blame.cause.value, place(outcome, blame), alone(blame)) for outcome, one, blame in blames(run)]
    assert (verdict, cause, where, said) in found


@pytest.mark.parametrize(("program", "at"), SMOOTH)
def test_nobody_is_blamed_where_nothing_is_wrong(program: str, at: str) -> None:
    run = check(program, at)
    assert run.verdict is Verdict.AGREE
    assert not blames(run)


@pytest.mark.parametrize(("program", "at", "dtype"), TOO_LARGE)
def test_nobody_is_blamed_for_the_end_of_the_format(program: str, at: str, dtype: str) -> None:
    [outcome] = check(program, at, settings=Settings(dtypes=(dtype,)))
    assert outcome.verdict is Verdict.OVERFLOW
    assert outcome.value is not None
    assert not [*outcome.value.blames, *(blame for gradient in outcome.gradients for blame in gradient.blames)]


# --- faults of single operations ----------------------------------------------------------------------


def function(value: Callable[..., Any], back: Callable[..., Any]) -> Callable[..., Any]:
    """Return an autograd Function of one argument: its value, and what flows back given cotangent and argument."""

    class Planted(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
            ctx.save_for_backward(x)
            made: torch.Tensor = value(x)
            return made

        @staticmethod
        def backward(ctx: Any, *grads: torch.Tensor) -> torch.Tensor:
            made: torch.Tensor = back(grads[0], ctx.saved_tensors[0])
            return made

    return Planted.apply


def sine(back: Callable[..., Any], value: Callable[..., Any] = torch.sin) -> dict[str, Callable[..., Any]]:
    return {"sin": function(value, back)}


PLANTED: list[tuple[str, str, str, dict[str, Callable[..., Any]], str, str]] = [
    (
        "sum(sin(x)**2)",
        "x=[1,2,3]",
        "float32",
        sine(lambda g, x: -g * x.cos()),
        "wrong-gradient",
        "the gradient of sin by x has the wrong sign",
    ),
    (
        "sum(sin(x)**2)",
        "x=[1,2,3]",
        "float32",
        sine(lambda g, x: 2 * g * x.cos()),
        "wrong-gradient",
        "the gradient of sin by x is 2 times the right one",
    ),
    (
        "sum(sin(x)**2)",
        "x=[1,2,3]",
        "float64",
        sine(lambda g, x: g * x.cos() * (1 + 2**-16)),
        "wrong-gradient",
        "the gradient of sin by x is 1 + 1.53e-05 times the right one",
    ),
    (
        "sum(sin(x)**2)",
        "x=[1,2,3]",
        "float32",
        sine(lambda g, x: 0 * g),
        "wrong-gradient",
        "the gradient of sin by x is 0, and must not be",
    ),
    (
        "sum(sin(x)**2)",
        "x=[1,2,3]",
        "float32",
        sine(lambda g, x: (g * x.cos()).flip(0)),
        "wrong-gradient",
        "the gradient of sin by x has its elements in another order",
    ),
    (
        "sum(sin(x)**2)",
        "x=[1,2,3]",
        "float32",
        sine(lambda g, x: (g * x.cos()).roll(1)),
        "wrong-gradient",
        "the gradient of sin by x is shifted by one place",
    ),
    (
        "sum(sin(x)**2)",
        "x=[1,2,3]",
        "float64",
        sine(lambda g, x: g * x.cos() + 1e-3),
        "wrong-gradient",
        "the gradient of sin by x is off by 0.001 everywhere",
    ),
    (
        "sum(sin(x)**2)",
        "x=[[1,2],[3,4]]",
        "float32",
        sine(lambda g, x: (g * x.cos()).T),
        "wrong-gradient",
        "the gradient of sin by x is transposed",
    ),
    (
        "sum(sin(x)*10)",
        "x=[0.5,1,1.5,3]",
        "float32",
        sine(lambda g, x: (g * x.cos()).clamp(-6, 6)),
        "wrong-gradient",
        "the gradient of sin by x is cut off at 6",
    ),
    (
        "sum(sin(x))",
        "x=linspace(1,2,8)",
        "float32",
        sine(lambda g, x: g * x.cos() * torch.tensor([1.0] * 7 + [3.0])),
        "wrong-gradient",
        "the gradient of sin by x is wrong in 1 of 8 elements",
    ),
    (
        "sum(sin(x)**2)",
        "x=[1,2,3]",
        "float32",
        sine(lambda g, x: g * x.exp()),
        "wrong-gradient",
        "the gradient of sin by x is wrong",
    ),
    (
        "sum(sin(x)**2)",
        "x=[1,2,3]",
        "float32",
        sine(lambda g, x: g * torch.nan),
        "wrong-gradient",
        "the gradient of sin by x is nan, and every number on the way is finite",
    ),
    (
        "sin(x)**2",
        "x=1",
        "float32",
        sine(lambda g, x: g * x.cos(), lambda x: x.sin() + 0.5),
        "wrong-value",
        "the value of sin is wrong, whatever the rounding: it is 1.341471, and must be 0.841471",
    ),
    (
        "sin(x)**2",
        "x=1",
        "float64",
        sine(lambda g, x: g * x.cos(), lambda x: x.sin() * (1 + 1e-12)),
        "inaccurate-operation",
        "torch's sin is off by 7.58e+03 ULP here, more than an operation should be",
    ),
    (
        "sin(x)**2",
        "x=1",
        "float64",
        sine(lambda g, x: (g.float() * x.float().cos()).double()),
        "lower-precision",
        "the gradient of sin has only the digits of a smaller dtype: something inside is not computed in float64",
    ),
    (
        "sin(x)**2",
        "x=1",
        "float64",
        sine(lambda g, x: g * x.cos(), lambda x: x.float().sin().double()),
        "lower-precision",
        "the value of sin has only the digits of a smaller dtype: something inside is not computed in float64",
    ),
    (
        "sin(x)**2",
        "x=1",
        "float32",
        {"sin": lambda x: x.sin().detach()},
        "detached",
        "sin returns its result without a graph: autograd sees a constant",
    ),
    (
        "sin(x) + x",
        "x=1",
        "float32",
        {"sin": lambda x: x.sin().detach()},
        "detached",
        "sin returns its result without a graph: autograd sees a constant",
    ),
    (
        "x*y + y",
        "x=3,y=2",
        "float32",
        {"mul": lambda x, y: x.detach() * y},
        "detached",
        "mul sends nothing back to x, although its value depends on it",
    ),
    (
        "relu(x)",
        "x=0",
        "float32",
        {"relu": function(torch.relu, lambda g, x: 2 * g)},
        "wrong-gradient",
        "torch's slope of relu at this corner does not lie between those from the left and from the right",
    ),
    (
        "3*(sin(x) + z)",
        "x=1,z=2",
        "float32",
        sine(lambda g, x: g.mul_(x.cos())),
        "wrong-gradient",
        "the backward pass of sin changes the gradient that it is given in place, and others read the same tensor",
    ),
]
"""Program, point, dtype, what runs in place of torch's own, the cause, and what is said."""


@pytest.mark.parametrize(
    ("program", "at", "dtype", "planted", "cause", "said"), PLANTED, ids=[said for *_, said in PLANTED]
)
def test_planted_faults_are_blamed_on_the_operation_and_described(
    program: str, at: str, dtype: str, planted: dict[str, Callable[..., Any]], cause: str, said: str
) -> None:
    run = check(program, at, settings=Settings(dtypes=(dtype,), under_test=planted))
    assert run.verdict is Verdict.DISAGREE
    [op] = planted
    found = [(blame.cause.value, blame.operation, blame.message) for _, _, blame in blames(run)]
    assert (cause, op, said) in found


@pytest.mark.parametrize("program", ["3*sin(x)", "sin(x)*z", "3*(sin(x) + exp(z))"])
def test_a_gradient_that_is_changed_in_place_where_nobody_else_reads_it_does_no_harm(program: str) -> None:
    planted = sine(lambda g, x: g.mul_(x.cos()))
    point = dict.fromkeys(parse(program).inputs, 0.5)
    assert check(program, point, settings=Settings(under_test=planted)).verdict is Verdict.AGREE


MARKED = [
    ("log(softmax(x, dim=0))[1]", "x=[0,-200,3]", "softmax(x, dim=0)", (1,)),
    ("sum(log(exp(x)*2))", "x=[1,-200,-1]", "exp(x)", (1,)),
    ("sqrt(x**2)[2] + x[0]", "x=[1,3,2e-30]", "x**2", (2,)),
    ("log(1 - sigmoid(x))[0] + sum(x)", "x=[20,1,30]", "1 - sigmoid(x)", (0,)),
]
"""Program, point, the operation at fault, and its element that is."""


@pytest.mark.parametrize(("program", "at", "text", "index"), MARKED)
def test_the_element_that_is_at_fault_is_marked_and_no_number_is_shown_twice(
    program: str, at: str, text: str, index: tuple[int, ...]
) -> None:
    for _, _, blame in blames(check(program, at)):
        [marked] = [one for one in blame.readings if one.culprit]
        assert (marked.text, marked.index) == (text, index)
        shown = [(one.text + (str([*one.index]) if one.index else ""), one.quantity) for one in blame.readings]
        assert len(set(shown)) == len(shown)


def test_every_cause_has_a_point_or_a_fault_above() -> None:
    shown = {Cause(row[4]) for row in KNOWN} | {Cause(row[4]) for row in PLANTED}
    assert shown == {*Cause} - {Cause.ROUNDING, Cause.NONDETERMINISTIC}  # these two have tests of their own


def test_many_roundings_without_one_that_stands_out_are_said_to_add_up() -> None:
    steps = ["y0 = x*1.003", *(f"y{k} = y{k - 1}*1.003" for k in range(1, 60))]
    run = check("\n".join(steps), x=1, settings=Settings(dtypes=("bfloat16",)))
    [(outcome, verdict, blame)] = blames(run)
    assert (verdict, blame.cause, place(outcome, blame)) == (Verdict.LOSSY, Cause.ROUNDING, None)
    assert alone(blame) == "no single operation stands out: the rounding errors of all of them add up"


def test_a_backward_pass_that_is_not_deterministic_is_found_by_running_it_again() -> None:
    calls = iter(range(100))
    noisy = function(torch.sin, lambda g, x: g * x.cos() * (1 + 1e-3 * next(calls)))
    run = check("sin(x)**2", x=1, settings=Settings(under_test={"sin": noisy}, nondet=3))
    [(_, verdict, blame)] = blames(run)
    assert verdict is Verdict.DISAGREE
    assert (blame.cause, blame.operation) == (Cause.NONDETERMINISTIC, "sin")
    assert blame.message == "sin gave another gradient for the very same numbers when it ran again"
    [note] = run[0].notes
    assert note == (
        "torch is not deterministic: 4 runs gave the gradient by x from 0.90929747 to 0.9120254, 45767 ULP apart"
    )


def test_a_value_that_is_not_deterministic_is_said_too() -> None:
    calls = iter(range(100))
    noisy = function(lambda x: x.sin() + next(calls), lambda g, x: g * x.cos())
    run = check("y = sin(x); 3*y", x=1, settings=Settings(under_test={"sin": noisy}, nondet=1))
    assert [one.verdict for one in run[0].gradients] == [Verdict.AGREE]  # the value of sin has no part in its slope
    assert run[0].notes == [
        "torch is not deterministic: the value of y differs in 2 runs",
        "torch is not deterministic: the value of out differs in 2 runs",
    ]


def test_what_is_deterministic_has_no_note() -> None:
    run = check("sum(sin(x) @ x)", x=[[1, 2], [3, 4]], settings=Settings(nondet=2))
    assert run.verdict is Verdict.AGREE
    assert not run[0].notes


HOW: list[tuple[list[float], list[float], tuple[int, ...], str]] = [
    ([-1.0, 2.0], [1.0, -2.0], (2,), "has the wrong sign"),
    ([0.0], [1.0], (), "is 0, and must not be"),
    ([1.5, 3.0], [1.0, 2.0], (2,), "is 1.5 times the right one"),
    ([1.0, 2.0, 3.0, 4.0], [1.0, 3.0, 2.0, 4.0], (2, 2), "is transposed"),
    ([3.0, 1.0, 2.0], [1.0, 2.0, 3.0], (3,), "is shifted by one place"),
    ([2.0, 1.0, 3.0], [1.0, 2.0, 3.0], (3,), "has its elements in another order"),
    ([1.5, 2.5], [1.0, 2.0], (2,), "is off by 0.5 everywhere"),
    ([1.0, 2.0, 2.0], [1.0, 5.0, 7.0], (3,), "is cut off at 2"),
    ([float("inf")], [1.0], (), "is inf, and every number on the way is finite"),
    ([1.0, 7.0], [2.0, 3.0], (2,), "is wrong"),
]


@pytest.mark.parametrize(("torchs", "right", "shape", "said"), HOW, ids=[said for *_, said in HOW])
def test_how_a_gradient_is_wrong(torchs: list[float], right: list[float], shape: tuple[int, ...], said: str) -> None:
    assert how_wrong(torchs, [Ball.around(value) for value in right], shape) == said


# --- what to write instead -------------------------------------------------------------------------------

FIXES: list[tuple[str, str, str, str | None]] = [
    ("sqrt(x**2 + y**2)", "x=3e30,y=4e30", "float32", "hypot(x, y)"),
    ("log(1+exp(x))", "x=100", "float32", "softplus(x)"),
    ("3 + log(sum(exp(x)))", "x=[1000,1]", "float64", "logsumexp(x)"),
    ("exp(x)/sum(exp(x))", "x=[100,0]", "float32", "softmax(x, dim=0)"),
    ("log(softmax(x,dim=0))", "x=[0,200]", "float32", "log_softmax(x, dim=0)"),
    ("sqrt(x**2+1)-x", "x=1e6", "float64", "1/(sqrt(x**2 + 1) + x)"),
    ("sigmoid(x)*(1-sigmoid(x))", "x=20", "float32", "sigmoid(x)*sigmoid(-x)"),
    ("where(x>0, sqrt(x), 0*x)", "x=-4", "float32", "where(x>0, sqrt(where(x>0, x, 1)), 0*x)"),
    ("sin(x)/x", "x=0", "float32", "sinc(x/pi)"),
    ("x/norm(x)", "x=[0,0]", "float32", "x/maximum(norm(x), 1e-12)"),
    ("sqrt(sum(x**2))", "x=[0,0]", "float32", "norm(x)"),
    ("(1-cos(x))/x**2", "x=1e-4", "float32", None),
    ("sin(1e6*x)", "x=1.1", "float32", None),
]
"""Program, point, dtype, and what to write; None where nothing that the table knows is better."""


@pytest.mark.parametrize(("program", "at", "dtype", "after"), FIXES)
def test_a_fix_is_suggested_where_it_came_out_better(program: str, at: str, dtype: str, after: str | None) -> None:
    how = Settings(dtypes=(dtype,))
    run = check(program, at, settings=how)
    fixes = {blame.fix.after if blame.fix else None for _, _, blame in blames(run)}
    assert after in fixes
    for _, verdict, blame in blames(run):
        if blame.fix is not None:
            again = check(blame.fix.program, at, settings=how)
            judgement = again[0].gradients[0].judgements[blame.element]
            assert (verdict.value, judgement.verdict.value) == blame.fix.verdicts
            assert judgement.verdict.severity <= verdict.severity or verdict is Verdict.UNDEFINED


@pytest.mark.parametrize(("program", "at", "dtype", "after"), [one for one in FIXES if "[" not in one[1]])
def test_the_fix_of_one_element_of_a_tensor_is_that_of_the_element_alone(
    program: str, at: str, dtype: str, after: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the element is checked again, with what the rewritten program does there."""
    sizes: set[tuple[int, ...]] = set()

    def seen(plan: Plan, point: Point, *rest: Any) -> Case:
        sizes.update(value.shape for value in point.values())
        return Case(plan, point, *rest)

    monkeypatch.setattr(mending, "Case", seen)
    many = ",".join(f"{name}=[{number},0.75]" for name, number in (one.split("=") for one in at.split(",")))
    run = check(program, many, settings=Settings(dtypes=(dtype,)))
    assert after in {blame.fix.after if blame.fix else None for *_, blame in blames(run) if blame.element == 0}
    assert sizes <= {()}
    assert sizes or after is None


def test_a_rewrite_that_is_no_better_is_not_suggested(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mending, "_better", lambda *_: False)
    assert {blame.fix for _, _, blame in blames(check("log(1+exp(x))", x=100))} == {None}


def test_a_rewrite_with_another_value_is_not_suggested(monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(*given: Any, **options: Any) -> Any:
        return (
            replace(one, program=parse("softplus(x) + 1"), note=None) for one in rewrites.rewrites(*given, **options)
        )

    monkeypatch.setattr(search, "rewrites", wrong)
    assert {blame.fix for _, _, blame in blames(check("log(1+exp(x))", x=100))} == {None}


# --- again ---------------------------------------------------------------------------------------------

AGAIN = [
    ("log(1+exp(x))", ["x=100"], Settings()),
    ("sum(log(x)*y)", ["x=[[-0.1,2],[3,4]]", "y=1/3"], Settings(dtypes=("float64",))),
    ("where(x>0, sqrt(x), 0*x)", ["-4"], Settings(dtypes=("bfloat16",), ulps=2.5)),
    ("log(x*exp(y))", ["x=1,y=1000"], Settings(wrt=("y",))),
    ("sum(exp(200*x))", ["x=randn(40,2)"], Settings(seed=7)),
]


@pytest.mark.parametrize(("program", "at", "how"), AGAIN)
def test_the_command_under_a_failure_gives_the_same_again(
    program: str, at: list[str], how: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    run = check(program, at, settings=how)
    line = command(run, run[0])
    assert main([*shlex.split(line)[1:], "--format", "json"]) == run.exit
    out, _ = capsys.readouterr()
    again = json.loads(out)["results"][0]["run"]["outcomes"][0]
    found = [[one["torch"] and one["torch"]["hex"] for one in each["elements"]] for each in again["gradients"]]
    assert found == [
        [None] if one.torch is None else list(map(hexadecimal, one.torch.ravel().tolist())) for one in run[0].gradients
    ]


SCRIPTS = [
    *(param.values[0] for param in texts()),
    *(f"{row.name}({', '.join(row.args)})" for row in ELEMENTWISE.values()),
    "where((a > 0) & ~(a < 1) | (a == 3), 2*pi*a, a**2/3)", "-a + 1", "2**0.5*a", "y = a; torch = y*2; torch",
    "detach(a)*a", "clamp(a, min=v)", "where(a > 1, 2, 3)*a", "maximum(a, 0.5)", "e**a",
    # Python runs what is among plain numbers, and torch's functions take tensors
    "exp(1 + 2)*a", "where(1 < 2, a, 2*a)", "where(~(1 < 2), a, 2*a)", "where(~(1 < 2) & (a > 0), a, 2*a)",
    "(5 % 3)*a + a % 0.3", "y = 1 + 2; exp(y)*a", "where(1 < 2, 1 + 1, 3)*a", "clamp(a, -1, 1 + 1)",
    "maximum(a, 2**0.5)", "detach(1 + 2)*a", "a**(1/0)*0", "(0.1 + 0.2 - 0.3)*a", "sin(pi)*a", "(-1)**0.5*a",
]  # fmt: skip


@pytest.mark.filterwarnings("ignore:.*is deprecated. Use:UserWarning")  # torch's, of upsample_nearest and its like
@pytest.mark.parametrize("program", SCRIPTS)
def test_the_script_of_torch_alone_shows_the_same_gradient(program: str) -> None:
    """For every row: the number that the script prints is the number of the autograd lane, to the bit."""
    assert len(SCRIPTS) > len(ELEMENTWISE) + len(TENSOR) + len(COMPOSITE) - 5
    inputs = parse(program).inputs
    scalars = {"x": 2.5 if program.startswith("acosh") else 0.7}
    point = {name: TENSORS[name].tolist() if name in TENSORS else scalars.get(name, 1.25) for name in inputs}
    outcome = check(program, point)[0]
    [gradient, *_] = outcome.gradients
    out = io.StringIO()
    with redirect_stdout(out):
        exec(script(outcome, gradient, 0), {})
    expected = "None" if gradient.torch is None else str(gradient.number(0))
    assert out.getvalue().splitlines()[1].split()[-1] == expected


def test_the_script_is_ten_lines_for_the_worst_failure() -> None:
    run = check("where(x>0, sqrt(x), 0*x)", ["-4,4"])
    text = worst_script(run)
    assert text == (
        "# where(x>0, sqrt(x), 0*x)\n"
        "# The gradient by x in float32: torch returns nan, the derivative is 0.\n"
        "import torch\n"
        "\n"
        "x = torch.tensor(-4.0, dtype=torch.float32, requires_grad=True)\n"
        "out = torch.where((x > 0), torch.sqrt(x), (0 * x))\n"
        "out.sum().backward()\n"
        'print("torch   ", torch.__version__)\n'
        'print("autograd", x.grad if x.grad is None else x.grad.item())\n'
        'print("exact   ", "0")\n'
    )


def test_there_is_no_script_where_nothing_fails() -> None:
    assert worst_script(check("x**2", x=1)) is None


# --- what stress found ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "at", "dtype"),
    [
        ("y = tan(a[0])\nerfc(a/a)", "a=[[0.05,-0.02],[0.06,16]]", "float16"),
        ("y0 = exp2(s)\ny1 = gelu(atan(v))\ny1*y0 - y1", "s=0.0072736772190425,v=[-0.29,0.0075,0.08]", "bfloat16"),
    ],
)
def test_layers_that_nothing_reads_and_cotangents_of_one_element_are_no_hindrance(
    text: str, at: str, dtype: str
) -> None:
    assert check(text, at, settings=Settings(dtypes=(dtype,))).verdict in (Verdict.AGREE, Verdict.LOSSY)


# --- the right element, and the right operation --------------------------------------------------------


def changing(g: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    g.mul_(3)
    return g * x.cos()


BACKWARDS: dict[str, Callable[..., Any]] = {
    "changed in place": changing, "a wrong sign": lambda g, x: -g * x.cos(), "nothing": lambda g, x: 0 * g,
}  # fmt: skip
WRONG_VALUES = [
    ("sin(x) + (exp(y) - exp(y))", {"x": 1.0, "y": 1000.0}, "exp"), ("sin(x) + log(1 + exp(y))", {"x": 1.0, "y": 100.0}, "exp"),
    ("sin(x) + exp(y)/exp(y)", {"x": 1.0, "y": 100.0}, "exp"),
]  # fmt: skip


@pytest.mark.parametrize("back", BACKWARDS.values(), ids=[*BACKWARDS])
@pytest.mark.parametrize(("text", "at", "op"), WRONG_VALUES)
def test_no_backward_pass_is_blamed_for_a_value(
    text: str, at: dict[str, float], op: str, back: Callable[..., Any]
) -> None:
    [outcome] = check(text, at, settings=Settings(under_test=sine(back)))
    assert outcome.value is not None
    assert outcome.value.judgements[0].verdict is Verdict.DISAGREE
    assert [(one.cause, one.operation) for one in outcome.value.blames] == [(Cause.OVERFLOW, op)]


def test_a_result_without_a_graph_is_no_fault_of_a_value() -> None:
    own = {"sin": lambda x: x.sin().detach()}
    [outcome] = check("sin(x) + (exp(y) - exp(y))", x=1, y=1000, settings=Settings(under_test=own))
    assert outcome.value is not None
    assert [one.cause for one in outcome.value.blames] == [Cause.OVERFLOW]


STORED = [("tanh(x)", 8.0), ("sigmoid(x)", 12.0), ("expm1(x)", -14.0)]


@pytest.mark.parametrize(("text", "at"), STORED)
@pytest.mark.parametrize("before", [0, 1, 3])
def test_the_stored_result_that_is_shown_is_that_of_the_element(text: str, at: float, before: int) -> None:
    [single] = check(text, x=at)[0].gradients
    [among] = check(text, x=[0.1] * before + [at])[0].gradients
    [first, second] = (next(one for one in each.blames if one.cause is Cause.STORED_OUTPUT) for each in (single, among))
    assert alone(first) == alone(second)
    assert second.element == before


CORNERS = [("abs", torch.abs), ("relu", torch.relu)]
MOVED = ("{}(x)", "{}(flip(x, dims=0))", "{}(x + 0)", "{}(cat([x, x]))", "{}(x[1:])", "{}(x.T)")
"""Programs that have the corner at another place than the input."""


@pytest.mark.parametrize(("op", "own"), CORNERS)
@pytest.mark.parametrize("text", MOVED)
@pytest.mark.parametrize("place", [1, 2])
def test_a_slope_beyond_a_corner_is_wrong_wherever_the_element_goes(
    op: str, own: Callable[..., Any], text: str, place: int
) -> None:
    """A slope on the other side of both is a fault of the operation, not of the corner; one between them is none."""
    at = [3.0, 1.0, 2.0]
    at[place] = 0.0
    for slope, cause in ((2.0, Cause.WRONG_GRADIENT), (0.5, Cause.KINK)):
        back = function(own, lambda g, x, s=slope: g * torch.where(x == 0, s, 1.0))
        [gradient] = check(text.format(op), x=at, settings=Settings(under_test={op: back}))[0].gradients
        assert {one.cause for one in gradient.blames} == {cause}


def test_what_has_no_right_number_is_no_wrong_element() -> None:
    """A reason in the place of a number says nothing of torch's number there, and 0 is none."""
    right = [Ball.around(float(k)) for k in range(1, 8)]
    numbers = [float(k) for k in range(1, 8)]
    for kind in Kind:
        exact: list[Ball | str | None] = [*right, str(kind)]
        assert how_wrong([*numbers[:-1], 70.0, 5.0], exact, (8,)) == "is wrong in 1 of 8 elements"
        assert how_wrong([*(-one for one in numbers), 5.0], exact, (8,)) != "has the wrong sign"


def test_a_chain_of_more_operations_than_python_calls_is_traced_to_its_root() -> None:
    layers = "; ".join(f"a{k} = a{k - 1} + 1" for k in range(1, 1_200))
    [outcome] = check(f"a0 = exp(x); {layers}; log(a1199)", x=100)
    [gradient] = outcome.gradients
    assert [(one.cause, one.operation) for one in gradient.blames] == [(Cause.OVERFLOW, "exp")]


FLAT = [("tanh(x) + exp(90 - 40*x)", 8.0), ("sigmoid(x) + exp(95 - 20*x)", 14.0)]


@pytest.mark.parametrize(("text", "at"), FLAT)
def test_no_error_is_held_against_a_slope_beyond_the_format(text: str, at: float) -> None:
    [gradient] = check(text, x=at)[0].gradients
    assert gradient.verdict is Verdict.LOSSY
    assert "slopes nearby" not in gradient.blames[0].message


@pytest.mark.parametrize(("dtype", "ulps"), [("float16", None), ("float32", 4.0), ("float64", 4.0), ("bfloat16", None)])
def test_an_error_is_followed_as_far_as_it_is_beyond_the_tolerance(dtype: str, ulps: float | None) -> None:
    eps = 2.0 ** (1 - FORMATS[dtype].precision)
    own = {"sin": lambda x: torch.sin(x) * (1 + 6 * eps)}
    [outcome] = check("y = sin(x); z = 3*y; z*z", x=0.7, settings=Settings(dtypes=(dtype,), ulps=ulps, under_test=own))
    assert outcome.value is not None
    [blame] = outcome.value.blames
    assert [one.text for one in blame.readings] == ["sin(x)", "3*y", "z*z"]
