"""A wrong expectation is told as such: what was written, what is right, how far it is off, and the rule it breaks."""

from __future__ import annotations

import json
from io import StringIO
from random import Random

import pytest

from gradcheck import Settings, check
from gradcheck.expect import Misstated
from gradcheck.outcome import Run
from gradcheck.report import View
from gradcheck.report.diagnostic import diagnostic
from gradcheck.report.json import document
from gradcheck.report.table import write
from gradcheck.suite import Check, Result

INNER, TWICE = "the inner derivative is missing, {}", "the inner derivative is there twice, {}"

WRONG: list[tuple[str, str, str, str | None]] = [
    ("x**3", "3*x", "x=4", "the factor x is missing"),
    ("x**3", "x**2", "x=4", "the factor 3 is missing"),
    ("x**3", "3*x**3", "x=2", "the factor x is too much"),
    ("x**4", "12*x**2", "x=2", "that is the second derivative"),
    ("sqrt(x)", "1/sqrt(x)", "x=4", "the factor 2 is too much"),
    ("cos(x)", "sin(x)", "x=1", "its sign is wrong"),
    ("1/x", "1/x**2", "x=3", "its sign is wrong"),
    ("exp(-x**2)", "exp(-x**2)", "x=1", "that is the function itself"),
    ("x*y**2", "x=2*x*y", "x=3,y=5", "that is the derivative by y"),
    ("sin(3*x)", "cos(3*x)", "x=1", INNER.format("3 for 3*x")),
    ("sin(x**2)", "cos(x**2)", "x=1", INNER.format("2*x for x**2")),
    ("u = x**2 + 1; v = log(u); v", "1/(x**2 + 1)", "x=3", INNER.format("2*x for x**2 + 1")),
    ("exp(sin(x))", "exp(sin(x))*cos(x)**2", "x=1", TWICE.format("cos(x) for sin(x)")),
    ("x*sin(x)", "x*cos(x)", "x=1", "the term sin(x) is missing"),
    ("x**3 - x", "3*x**2 + 1", "x=1", "the term 1 has the wrong sign"),
    ("x**2", "2*x + 1/8", "x=1", "the constant 1/8 is too much"),
    ("sum(x**2)", "x", "x=[1,2,3]", "the factor 2 is missing"),
    ("mean(x**2)", "2*x", "x=[1,2,3]", "the factor 3 is too much"),
    ("sum(sum(x, dim=0)**2)", "0*x + 1", "x=[[1,2],[3,4]]", None),
    ("sum((x @ w)*v)", "x=w @ v.T", "x=[[1,2],[3,4]];w=[[1,2],[5,4]];v=[[2,0],[1,7]]", "what you wrote is transposed"),
    ("tanh(x)", "1 - tanh(x)", "x=1", None),
    ("x**2", "1", "x=3", None),
    ("exp(softplus(-x))", "1", "x=3", None),
    ("sum(softmax(gelu(x), dim=0)*x)", "1", "x=[1,2]", None),
]


def stated(program: str, expected: str, at: str) -> Run:
    return check(program, at.split(";"), settings=Settings(expect=(expected,), wrt=("x",)))


def told(run: Run) -> Misstated:
    found = run[0].gradients["x"].misstated
    assert found is not None
    return found


@pytest.mark.parametrize(("program", "expected", "at", "rule"), WRONG, ids=[f"{a}: {b}" for a, b, *_ in WRONG])
def test_the_broken_rule_is_named(program: str, expected: str, at: str, rule: str | None) -> None:
    assert told(stated(program, expected, at)).rule == rule


def test_the_sentence_has_what_was_written_what_it_is_and_how_far_it_is_off() -> None:
    assert told(stated("x**3", "3*x", "x=4")).sentence == (
        "you wrote 3*x; the derivative is 3*x**2, 4 times larger here: the factor x is missing"
    )


@pytest.mark.parametrize(
    ("program", "expected", "at", "here"),
    [
        ("x**2", "x=4*x", "x=1", "2 times smaller here"), ("x**2", "x=-2*x", "x=1", "of the other sign here"),
        ("x**2", "x=-x", "x=1", "of the other sign and 2 times larger here"),
        ("x**2", "x=0*x", "x=3", "here 6 and not 0"),
        ("x**2", "x=x - 3", "x=0", "here 0 and not -3"),
        ("x**2", "x=log(x)", "x=-1", "here -2, where yours has no value"),
        ("abs(x)", "x=3", "x=0", "here between the slopes of both sides, and 3 is not"),
        ("x**2", "x=2*x*1.001", "x=1", "0.1 % smaller here"),
    ],
)  # fmt: skip
def test_the_numbers_here_are_compared(program: str, expected: str, at: str, here: str) -> None:
    assert told(stated(program, expected, at)).here == here


@pytest.mark.parametrize("seed", range(12))
def test_a_rule_is_never_told_of_a_difference_that_has_none(seed: int) -> None:
    """A derivative plus a term of another kind is no constant factor, no missing rule and no other derivative."""
    random = Random(seed)
    program, right = random.choice([("x**3", "3*x**2"), ("sin(x)*x", "sin(x) + x*cos(x)"), ("exp(2*x)", "2*exp(2*x)")])
    strange = random.choice(["tanh(x)/7", "log(3 + x**2)/5", "atan(x)*exp(x)"])
    found = told(stated(program, f"{right} + {strange}", "x=1.25"))
    assert found.rule is None or "term" in found.rule


@pytest.mark.parametrize(("program", "expected", "at", "rule"), WRONG[:4])
def test_every_report_tells_it(program: str, expected: str, at: str, rule: str) -> None:
    run = stated(program, expected, at)
    text, sentence = StringIO(), told(run).sentence
    write(run, text, View(width=400))
    assert f": {sentence}\n" in text.getvalue()
    assert document(run)["outcomes"][0]["gradients"][0]["misstated"]["sentence"] == sentence
    result = Result(Check("one", program, (at,), Settings(expect=(expected,))), run)
    assert diagnostic(result).message.endswith(sentence)
    assert rule in json.dumps(document(run))


def test_many_points_are_told_once() -> None:
    run = stated("x**3", "3*x", "x=2:9:8")
    text = StringIO()
    write(run, text, View(width=400))
    (line,) = [one for one in text.getvalue().splitlines() if "you wrote" in one]
    assert "(and at 7 more points)" in line


def test_what_is_right_is_not_told_to_be_wrong() -> None:
    for program, expected in (("x**3", "3*x**2"), ("abs(x)", "sign(x)"), ("sin(3*x)", "3*cos(3*x)")):
        assert check(program, x=1.5, settings=Settings(expect=(expected,)))[0].gradients[0].misstated is None
