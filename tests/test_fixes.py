"""Fixes of formulas that people trip over: each is verified in both lanes, pastes, and helps by more than luck."""

# ruff: noqa: E501 - one row for one formula
from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import pytest

from gradcheck import case
from gradcheck.blame import Fix
from gradcheck.case import mending, search
from gradcheck.case.elsewhere import is_equal_elsewhere
from gradcheck.errors import Span
from gradcheck.outcome import Outcome
from gradcheck.parse import parse
from gradcheck.program import Program
from gradcheck.rewrites import Rewrite
from gradcheck.settings import Settings


class Trap(NamedTuple):
    """A formula, a point at which its gradient is nan, inf, 0 or has lost its digits, and the fix in words."""

    text: str
    at: str
    fix: str
    dtype: str = "float32"


# fmt: off
TRAPS = (
    # --- losses by the logits, in one expression and in layers ---
    Trap("p = sigmoid(x); -(y*log(p) + (1 - y)*log(1 - p))", "x=40, y=0", "y*logsigmoid(x) + (1 - y)*logsigmoid(-x)"),
    Trap("-(y*log(sigmoid(x)) + (1 - y)*log(1 - sigmoid(x)))", "x=-120, y=1", "y*logsigmoid(x) + (1 - y)*logsigmoid(-x)"),
    Trap("p = sigmoid(x); mean(-(y*log(p) + (1 - y)*log(1 - p)))", "x=[40,-120,1], y=[0,1,1]", "y*logsigmoid(x) + (1 - y)*logsigmoid(-x)"),
    Trap("p = 1/(1 + exp(-x)); -(y*log(p) + (1 - y)*log(1 - p))", "x=-100, y=1", "logsigmoid(x)"),
    Trap("p = sigmoid(x); -(1 - p)**2*log(p)", "x=-110", "logsigmoid(x)"),
    Trap("p = sigmoid(x); -(1 - p)**2*log(p)", "x=20", "sigmoid(-x)**2*logsigmoid(x)"),
    Trap("p = sigmoid(x); -(p*log(p) + (1 - p)*log(1 - p))", "x=40", "p*logsigmoid(x) + sigmoid(-x)*logsigmoid(-x)"),
    Trap("p = sigmoid(x); log(p/(1 - p))", "x=30", "x"),
    Trap("p = softmax(x, dim=0); log(p)[1]", "x=[0,-200,3]", "log_softmax(x, dim=0)"),
    Trap("p = softmax(x, dim=0); -sum(y*log(p))", "x=[200,0,-10], y=[0,1,0]", "log_softmax(x, dim=0)"),
    Trap("e = exp(x); p = e/sum(e); log(p)[0]", "x=[-50,100,99]", "log_softmax(x, dim=0)"),
    Trap("e = exp(x/t); e/sum(e)", "x=[1,2,3], t=0.01", "softmax(x/t, dim=0)"),
    Trap("p = softmax(x, dim=0); -sum(p*log(p))", "x=[0,200,-10]", "log_softmax(x, dim=0)"),
    Trap("p = softmax(x, dim=0); q = softmax(y, dim=0); sum(p*log(p/q))", "x=[0,200], y=[0,-200]", "(log_softmax(x, dim=0) - log_softmax(y, dim=0))"),
    Trap("p = softmax(x, dim=0); q = softmax(y, dim=0); sum(p*(log(p) - log(q)))", "x=[0,200], y=[0,-200]", "log_softmax(x, dim=0) - log_softmax(y, dim=0)"),
    Trap("s = x/t; -log(exp(s[0])/sum(exp(s)))", "x=[0.1,0.9,0.5], t=0.005", "(s[0] - logsumexp(s))"),
    Trap("-log(exp(p/t)/(exp(p/t) + exp(n/t)))", "p=0.9, n=0.1, t=0.005", "logsigmoid(p/t - n/t)"),
    Trap("e = exp(s/t); num = e[0]; den = sum(e); -log(num/den)", "s=[0.9,0.1,0.2], t=0.005", "((s/t)[0] - logsumexp(s/t))"),
    Trap("p = exp(l)/(1 + exp(l)); y*log(p) + (1 - y)*log(1 - p)", "l=100, y=1", "y*logsigmoid(l) + (1 - y)*logsigmoid(-l)"),
    Trap("p = log(softmax(x, dim=0)); q = log(softmax(y, dim=0)); sum(exp(p)*(p - q))", "x=[0,200], y=[0,-200]", "p = log_softmax(x, dim=0); q = log_softmax(y, dim=0)"),
    Trap("w = exp(-x/t); sum(w*x)/sum(w)", "x=[100,200], t=0.5", "sum(softmax(-x/t, dim=0)*x, dim=0)"),
    # --- logarithms and exponentials ---
    Trap("log(1 + exp(x))", "x=100", "softplus(x)"),
    Trap("e = exp(x); z = 1 + e; log(z)", "x=100", "softplus(x)"),
    Trap("log(exp(x) - 1)", "x=100", "x + log(-expm1(-x))"),
    Trap("log(1 - exp(-x))", "x=1e-9", "log(-expm1(-x))"),
    Trap("p = exp(-x); q = 1 - p; log(q)", "x=1e-9", "-expm1(-x)"),
    Trap("e = exp(x); s = sum(e); log(s)", "x=[100,99,98]", "logsumexp(x)"),
    Trap("log(mean(exp(x)))", "x=[100,99,98]", "logsumexp(x) - log(3)"),
    Trap("log(exp(a) - exp(b))", "a=100, b=99", "a + log(-expm1(b - a))"),
    Trap("log(w*exp(a) + (1 - w)*exp(b))", "w=0.5, a=-200, b=-201", "logaddexp(log(w) + a, log1p(-w) + b)"),
    Trap("log(sum(w*exp(l)))", "w=[0.5,0.3,0.2], l=[-200,-201,-202]", "logsumexp(log(w) + l)"),
    Trap("log(cosh(x))", "x=100", "logaddexp(x, -x) - log(2)"),
    Trap("log(prod(p))", "p=[1e-20,1e-20,1e-20]", "sum(log(p))"),
    Trap("prod(x)**(1/3)", "x=[1e-20,1e-20,1e-20]", "exp(1/3*sum(log(x)))"),
    Trap("a = tanh(x); log(1 - a**2)", "x=10", "log(4) + logsigmoid(2*x) + logsigmoid(-2*x)"),
    Trap("a = tanh(x); -log(1 - a**2 + 1e-6)", "x=9", "1/cosh(x)**2"),
    Trap("log((1 + erf(x/sqrt(2)))/2)", "x=-8", "erfc(-x/sqrt(2))"),
    Trap("x/(1 + exp(-x))", "x=-12", "silu(x)", "float16"),
    Trap("x*tanh(log(1 + exp(x)))", "x=100", "softplus(x)"),
    Trap("log(exp(-((x - m)/s)**2/2)/(s*sqrt(2*pi)))", "x=1, m=0, s=0.01", "-((x - m)/s)**2/2 - log(s) - log(2*pi)/2"),
    Trap("z = (x - m)/s; d = exp(-z**2/2)/(s*sqrt(2*pi)); log(d)", "x=1, m=0, s=0.01", "-z**2/2 - log(s) - log(2*pi)/2"),
    Trap("log(s**2)/2 + (x - m)**2/(2*s**2)", "x=1e-30, m=0, s=1e-30", "((x - m)/s)**2/2"),
    Trap("log(1 - exp(-x)) - log(exp(y) - 1)", "x=1e-9, y=100", "log(-expm1(-x)) - (y + log(-expm1(-y)))"),
    Trap("log(prod(1/(sqrt(2*pi)*s)*exp(-x**2/(2*s**2))))", "x=[1,2], s=0.01", "sum(-log(2*pi)/2 - log(s) - x**2/(2*s**2))"),
    Trap("exp(a)*exp(-b)", "a=100, b=100.5", "exp(a - b)"),
    # --- norms, distances, angles ---
    Trap("sqrt(sum(x**2))", "x=[1e30,1e29]", "amax(abs(x))*norm(x/amax(abs(x)))"),
    Trap("sqrt(sum(x**2))", "x=[1e-30,2e-30]", "amax(abs(x))*norm(x/amax(abs(x)))"),
    Trap("n = sum(x**2); sqrt(n)", "x=[300,400]", "norm(x)", "float16"),
    Trap("sqrt(x**2 + y**2)", "x=1e-30, y=1e-30", "hypot(x, y)"),
    Trap("sqrt(x**2 + y**2 + z**2)", "x=1e30, y=1e29, z=1e28", "hypot(hypot(x, y), z)"),
    Trap("1/sqrt(x**2 + y**2)", "x=300, y=400", "hypot(x, y)", "float16"),
    Trap("n = sqrt(sum(x**2)); x/n", "x=[1e30,2e30]", "amax(abs(x))*norm(x/amax(abs(x)))"),
    Trap("x/norm(x)", "x=[0,0]", "x/maximum(norm(x), 1e-12)"),
    Trap("sqrt(a**2 + b**2 - 2*a*b)", "a=1000, b=1000.1", "abs(a - b)"),
    Trap("sqrt(sum(x**2) + sum(y**2) - 2*sum(x*y))", "x=[1000,2000], y=[1000.1,2000.1]", "sum((x - y)**2)"),
    Trap("sum(x*y)/(sqrt(sum(x**2))*sqrt(sum(y**2)))", "x=[1e-30,2e-30], y=[1,2.5]", "norm(x/amax(abs(x)))"),
    Trap("sum(x*y)/(norm(x)*norm(y))", "x=[300,400], y=[400,200]", "sum(x/norm(x)*(y/norm(y)))", "float16"),
    Trap("acos(clamp(sum(x*y)/(norm(x)*norm(y)), -1, 1))", "x=[1,0], y=[1,0.0001]", "2*atan2(norm(x*norm(y) - y*norm(x)), norm(x*norm(y) + y*norm(x)))"),
    Trap("acosh(1 + 2*d/((1 - u)*(1 - v)))", "d=1e-9, u=0.1, v=0.2", "2*asinh(sqrt("),
    Trap("sqrt(x**2)", "x=0", "abs(x)"),
    Trap("sqrt((x - u)**2 + (y - v)**2)", "x=1, u=1, y=2, v=2", "sqrt((x - u)**2 + (y - v)**2 + 1e-12)"),
    Trap("sum(x**2)**0.5", "x=[0,0]", "norm(x)"),
    # --- branches not taken, quotients, statistics ---
    Trap("where(x > 0, sqrt(x), 0)", "x=-1", "sqrt(where(x > 0, x, 1))"),
    Trap("where(x > 0, x**0.5, 0)", "x=-1", "where(x > 0, x, 1)**0.5"),
    Trap("where(x != 0, sin(x)/x, 1)", "x=0", "where(x != 0, x, 1)"),
    Trap("y = 1/x; z = y*sin(x); where(x == 0, 1, z)", "x=0", "1/where(x == 0, 1, x)"),
    Trap("where(x > 0, x, exp(x) - 1)", "x=100", "exp(where(x > 0, 0, x))"),
    Trap("1/(1/x + 1/y)", "x=0, y=1", "x*y/(x + y)"),
    Trap("2*sum(x*y)/(sum(x) + sum(y))", "x=[0,0], y=[0,0]", "2*sum(x*y)/(sum(x) + sum(y) + 1e-12)"),
    Trap("-sum(p*log(p))", "p=[0,0.5,0.5]", "p*log(p + 1e-12)"),
    Trap("(x - mean(x))/std(x)", "x=[2,2,2]", "sqrt(var(x) + 1e-12)"),
    Trap("mean(x**2) - mean(x)**2", "x=[1000,1000.1,1000.2]", "mean((x - mean(x))**2)"),
    Trap("m = mean(x); v = mean(x**2) - m**2; sum(((x - m)/sqrt(v + 1e-5))**3)", "x=[1000,1000.1,1000.3]", "var(x, correction=0)"),
    Trap("(-b + sqrt(b**2 - 4*a*c))/(2*a)", "a=1, b=1e4, c=1", "-2*c/(b + sqrt(b**2 - 4*a*c))"),
    Trap("x*sqrt(x)", "x=0", "x**1.5"),
)
"""Formulas of public reports, by the kind: the words of the fix stand in one of those that are shown."""

VALUES = (
    ("1 - cos(x)", "x=1e-4", "2*sin(x/2)**2"),
    ("log(1 + x)", "x=1e-10", "log1p(x)"),
    ("y = exp(x); y - 1", "x=1e-8", "expm1(x)"),
    ("log(1 + exp(x))", "x=-20", "softplus(x)"),
)
"""Formulas whose gradient is right and whose value has lost its digits."""

HOPELESS = (
    ("-log(-log(u))", "u=1"),
    ("where(x > 0, sqrt(x), 0)", "x=0"),
    ("0*sqrt(x)", "x=0"),
    ("sqrt(0*x)", "x=1"),
    ("std(x)", "x=[1,1,1]"),
    ("1/x", "x=0"),
)
"""Formulas that no other form of the same function mends: there is no derivative, or no simpler way to it."""
# fmt: on


@cache
def outcome(text: str, at: str, dtype: str = "float32") -> Outcome:
    [one] = case.check(text, at, settings=Settings(dtypes=(dtype,)))
    return one


def fixes(one: Outcome) -> list[Fix]:
    """Return the fixes of all gradients."""
    return [blame.fix for gradient in one.gradients for blame in gradient.blames if blame.fix is not None]


@pytest.mark.parametrize(("text", "at", "fix"), VALUES)
def test_a_value_that_is_lost_has_a_fix_as_well(text: str, at: str, fix: str) -> None:
    one = outcome(text, at)
    assert one.value is not None
    assert fixes(one) == []
    [found] = [blame.fix for blame in one.value.blames]
    assert found is not None
    assert (fix in found.after, found.verdicts[1]) == (True, "agree")


EVERY_TRAP = pytest.mark.parametrize("trap", TRAPS, ids=lambda trap: f"{trap.text} at {trap.at}")


@EVERY_TRAP
def test_a_trap_has_a_fix(trap: Trap) -> None:
    found = fixes(outcome(trap.text, trap.at, trap.dtype))
    assert any(trap.fix in one.after for one in found), [one.after for one in found]


@EVERY_TRAP
def test_a_fix_pastes(trap: Trap) -> None:
    """What is to be written, put in the place of what it is to be written for, makes the program that was checked."""
    for one in fixes(outcome(trap.text, trap.at, trap.dtype)):
        places = [k for k in range(len(trap.text)) if trap.text.startswith(one.before, k)]
        made = [trap.text[:k] + one.after + trap.text[k + len(one.before) :] for k in places]
        assert one.program in made


@EVERY_TRAP
def test_a_fix_is_better_when_it_is_checked_by_itself(trap: Trap) -> None:
    one = outcome(trap.text, trap.at, trap.dtype)
    for gradient in one.gradients:
        for blame in gradient.blames:
            if blame.fix is not None:
                again = outcome(blame.fix.program, trap.at, trap.dtype).gradients[gradient.input]
                after, before = again.judgements[blame.element], gradient.judgements[blame.element]
                assert after.verdict.value == blame.fix.verdicts[1]
                assert after.verdict.severity < before.verdict.severity


@EVERY_TRAP
def test_a_fix_that_does_not_say_so_is_the_same_function(trap: Trap) -> None:
    one = outcome(trap.text, trap.at, trap.dtype)
    for fix in fixes(one):
        equal = is_equal_elsewhere(parse(trap.text), parse(fix.program), one.rounded)
        assert equal or fix.unlike is not None


@pytest.mark.parametrize(("text", "at"), HOPELESS)
def test_what_cannot_be_mended_has_no_fix(text: str, at: str) -> None:
    assert fixes(outcome(text, at)) == []


LUCKY = "((1 + x) - 1)**2", "((0.9 + x) - 0.9)**2", "x=3.03983e-06"
"""A sum that loses digits, one that does so too but rounds well just there, and the point."""
UNLIKE = "log(1 + exp(x))", "x + 0*x**2", "x=100"
"""A function, another one that no digit of the format tells from it at the point, and the point."""


@pytest.mark.parametrize(("text", "other", "at"), [LUCKY, UNLIKE])
def test_what_helps_at_one_point_alone_is_no_fix(
    text: str, other: str, at: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def planted(program: Program, *_: Any, **__: Any) -> list[Rewrite]:
        return [Rewrite("planted", Span(0, len(text)), text, other, parse(other))] if program.source == text else []

    monkeypatch.setattr(search, "rewrites", planted)
    assert fixes(case.check(text, at)[0]) == []
    monkeypatch.setattr(mending, "is_equal_elsewhere", lambda *_: True)
    monkeypatch.setattr(mending, "neighbours", lambda *_: iter(()))
    assert [one.name for one in fixes(case.check(text, at)[0])] == ["planted"]


def test_rewrites_that_follow_each_other_are_told_as_one() -> None:
    [one] = fixes(outcome("y = log(1 + exp(x)); z = log(1 + exp(w)); y*z", "x=100, w=100"))[:1]
    assert one.before == "y = log(1 + exp(x)); z = log(1 + exp(w))"
    assert one.after == "y = softplus(x); z = softplus(w)"
    assert one.name == "softplus+softplus"
    assert one.unlike is not None
    assert one.unlike.count("not the same function") == 1
