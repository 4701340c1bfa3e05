"""Pairs of spellings of one function: the same kind of verdict, and the same number, whatever is written."""

# ruff: noqa: E501 - rows of programs

from __future__ import annotations

from random import Random

from gradcheck.formats import Ball
from gradcheck.gradients import GradientOutcome
from gradcheck.outcome import Outcome
from gradcheck.verdict import Verdict
from kinds.held import Outcomes
from kinds.pair import Drawn, Pair, Tally, count, drawn, on_grid

SAME = (
    ("{x}*sqrt({x})", "{x}**1.5"), ("sqrt({x}**3)", "{x}**1.5"), ("{x}*{x}", "{x}**2"), ("square({x})", "{x}**2"),
    ("abs({x})", "sqrt({x}**2)"), ("abs({x})", "maximum({x}, -({x}))"), ("abs({x})", "hypot({x}, 0)"),
    ("abs({x})", "where({x} < 0, -({x}), {x})"), ("relu({x})", "maximum({x}, 0)"), ("relu({x})", "({x} + abs({x}))/2"),
    ("relu({x})", "clamp({x}, min=0)"), ("relu({x})", "where({x} > 0, {x}, 0)"), ("relu({x})*{x}", "where({x} > 0, {x}**2, 0)"),
    ("1/(1 + exp(-({x})))", "sigmoid({x})"), ("log(1 + exp({x}))", "softplus({x}, 1, 1000)"), ("{x}*sigmoid({x})", "silu({x})"),
    ("{x}**3", "{x}*{x}*{x}"), ("{x}**-1", "1/({x})"), ("{x}**-2", "1/({x})**2"), ("rsqrt({x})", "1/sqrt({x})"),
    ("sqrt({x})", "{x}**0.5"), ("exp(log({x}))", "{x} + 0*log({x})"), ("sin({x})/{x}", "sin({x})*{x}**-1"),
    ("{x}**2/{x}", "{x}*({x}/{x})"), ("({x}**2 - 1)/({x} - 1)", "({x} + 1)*({x} - 1)/({x} - 1)"),
    ("acos({x})**2", "acos({x})*acos({x})"), ("expm1({x})", "exp({x}) - 1"), ("log1p({x})", "log(1 + {x})"),
    ("tanh({x})", "2*sigmoid(2*({x})) - 1"), ("{x} - floor({x})", "{x} % 1"), ("maximum({x}, y)", "maximum(y, {x})"),
    ("maximum({x}, y)", "-minimum(-({x}), -y)"), ("maximum({x}, y)", "amax(stack([{x}, y]))"),
    ("maximum({x}, y)", "where({x} > y, {x}, y)"), ("maximum({x}, y)", "relu({x} - y) + y"), ("maximum({x}, y)", "sort(stack([y, {x}]))[1]"),
    ("abs({x} - y)", "maximum({x}, y) - minimum({x}, y)"), ("minimum({x}, y)", "amin(stack([y, {x}]))"),
    ("amax(stack([{x}, y, 1]))", "maximum({x}, maximum(1, y))"), ("maximum(floor({x}), y)", "maximum(y, floor({x}))"),
    ("clamp({x}, -1, 1)", "maximum(-1, minimum({x}, 1))"), ("clamp({x}, -1, 1)", "hardtanh({x})"),
    ("sign({x})*{x}", "abs({x})"), ("floor({x})", "{x} - {x} % 1"), ("ceil({x})", "-floor(-({x}))"),
    ("logaddexp({x}, y)", "log(exp({x}) + exp(y))"), ("logsumexp(stack([{x}, y]), 0)", "logaddexp({x}, y)"),
    ("norm(stack([{x}, y]))", "sqrt({x}**2 + y**2)"), ("norm(stack([{x}, y]))", "hypot({x}, y)"), ("norm(stack([{x}, y]), p=inf)", "maximum(abs({x}), abs(y))"),
    ("norm(stack([{x}, y]), p=1)", "abs({x}) + abs(y)"), ("prod(stack([{x}, y, 2]))", "2*{x}*y"), ("mean(stack([{x}, y]))", "({x} + y)/2"),
    ("{x}*y", "y*{x}"), ("{x} - y", "-(y - {x})"), ("{x}/y", "{x}*y**-1"), ("softmax(stack([{x}, y]), 0)[0]", "sigmoid({x} - y)"),
    ("std(stack([{x}, y]))", "sqrt(var(stack([{x}, y])))"), ("std(stack([{x}, y]))", "abs({x} - y)/sqrt(2)"), ("leaky_relu({x}, 0.5)", "maximum({x}, {x}/2)"),
    ("0*{x}", "{x} - {x}"), ("{x}**0", "1 + 0*{x}"), ("where({x} > y, 1, 2)*{x}", "where({x} <= y, 2, 1)*{x}"), ("log({x}**2)", "2*log(abs({x}))"),
    ("log({x}*{x})", "2*log(abs({x}))"), ("mse_loss(stack([{x}, y]), stack([y, 1 + 0*y]))", "(({x} - y)**2 + (y - 1)**2)/2"),
)  # fmt: skip
INSIDE = ("x", "x", "x", "(x - 1)", "(2*x)", "(x + y)", "(x*x)", "(1 - x)", "exp(x - 1)", "(x*y)")
AROUND = (
    "{f}",
    "{f}",
    "({f})**2",
    "sin({f})",
    "({f})*x",
    "x + ({f})",
    "exp({f})",
    "y*({f})",
    "({f})*0 + y*x",
    "relu({f})",
)
GRID = (-2.0, -1.0, -0.5, 0.0, 0.0, 0.5, 1.0, 1.0, 2.0, 0.7, 40.0)


def draw(random: Random) -> Drawn:
    """Return one function in two spellings, at points where kinks, poles and ends of domains lie."""
    around, inside = random.choice(AROUND), random.choice(INSIDE)
    one, other = (around.format(f=text.format(x=inside)) + " + 0*y" for text in random.choice(SAME))
    return drawn(one, {"x": on_grid((), GRID), "y": on_grid((), GRID)}, other)


def judge(one: Pair, outcomes: Outcomes, _k: int, total: Tally) -> None:
    """Compare what is said of every element in both spellings."""
    outcome, again = outcomes
    assert one.other is not None
    for each in (outcome, again):
        count(each, total)
    if outcome.error or again.error:
        total.broken.append(f"torch raised: {one}: {outcome.error or again.error}")
        return
    for name in one.point:
        first, second = _of(outcome, name), _of(again, name)
        if first is None or second is None:
            continue
        total.oracle["one word for both" if _class(first) == _class(second) else "two words"] += 1
        if broken := _differ(first, second):
            total.broken.append(f"{broken}: {one} and {one.other.source!r} by {name}: {_text(first)}; {_text(second)}")


def _of(outcome: Outcome, name: str) -> GradientOutcome | None:
    return next((gradient for gradient in outcome.gradients if gradient.input == name), None)


def _differ(one: GradientOutcome, other: GradientOutcome) -> str | None:
    """Return in words how two gradients by one number differ where they must not."""
    classes = {_class(one), _class(other)}
    if "undecided" in classes or classes == {"kink", "wrong at a kink"}:
        return None
    if len(classes) > 1:
        return "two spellings are judged as two functions"
    a, b = one.exact[0], other.exact[0]
    if isinstance(a, Ball) and isinstance(b, Ball) and not a.overlaps(b):
        return "two spellings have two derivatives"
    numbers = one.number(0), other.number(0)
    same = None not in numbers and len({number.hex() for number in numbers if number is not None}) == 1
    lost = {Verdict.UNSTABLE, Verdict.LOSSY}
    if same and one.verdict is not other.verdict and not {one.verdict, other.verdict} & lost:
        return "two spellings with one number have two verdicts"
    return None


def _class(one: GradientOutcome) -> str:
    """Return what is said of the function: a slope, a kink, nothing, or that it is open."""
    found = one.judgements[0]
    if found.verdict in (Verdict.UNDEFINED, Verdict.UNDECIDED, Verdict.KINK):
        return found.verdict.value
    return "slope" if one.exact[0] is not None else "wrong at a kink"


def _text(one: GradientOutcome) -> str:
    exact = one.exact[0]
    shown = "" if exact is None else f", exact {(exact if isinstance(exact, Ball) else exact.ball).decimals(12)[0]}"
    return f"{one.judgements[0].verdict}{shown}, torch {one.number(0)}, {one.judgements[0].note}"
