"""No element agrees along which the function jumps: random choices over jumping branches, against exact fractions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import floor, isfinite
from random import Random

import pytest
from flint import arb

from gradcheck.case import check
from gradcheck.compare import Judgement
from gradcheck.exact.limits import Scale
from gradcheck.outcome import Outcome
from gradcheck.settings import Settings
from gradcheck.verdict import Verdict

Vector = list[Fraction]
PROGRAMS = 300
STEP = Fraction(1, 10**40)
"""How far beside the point the oracle looks: nearer than any two borders of these programs are to each other."""
HALF, ONE = Fraction(1, 2), Fraction(1)


def each(function: Callable[[Fraction], Fraction]) -> Callable[[Vector], Vector]:
    return lambda v: [function(one) for one in v]


def sign(x: Fraction) -> Fraction:
    return Fraction((x > 0) - (x < 0))


def mod3(x: Fraction) -> Fraction:
    return x - 3 * floor(x / 3)


def total(v: Vector) -> Fraction:
    return sum(v, Fraction(0))


def whole(x: Fraction) -> Fraction:
    return Fraction(floor(x))


BRANCHES: dict[str, Callable[[Vector], Vector]] = {
    "{} % 3": each(mod3), "floor({})": each(whole), "2*sign({})": each(lambda x: 2 * sign(x)),
    "where({} < 1, 5, {})": each(lambda x: Fraction(5) if x < 1 else x),
    "where({} >= 0, {}, -3)": each(lambda x: x if x >= 0 else Fraction(-3)),
    "where({} == 1, 4, {})": each(lambda x: Fraction(4) if x == 1 else x),
    "where(({} > 0) & ({} < 2), 3*{}, 6)": each(lambda x: 3 * x if 0 < x < 2 else Fraction(6)),
    "round({})": each(lambda x: Fraction(round(x))), "{} - floor({})": each(lambda x: x - floor(x)),
    "{}*floor({})": each(lambda x: x * floor(x)), "{}*sign({})": each(lambda x: x * sign(x)),
    "ceil({}) - {}": each(lambda x: -floor(-x) - x),
    "fmod({}, 2)": each(lambda x: sign(x) * (abs(x) - 2 * floor(abs(x) / 2))),
    "relu({})": each(lambda x: max(x, Fraction(0))), "abs({}) - 1": each(lambda x: abs(x) - 1),
    "clamp({}, 0, 1)": each(lambda x: min(max(x, Fraction(0)), ONE)), "2*{} + 1": each(lambda x: 2 * x + 1),
    "sort({})": sorted, "flip({}, (0,))": lambda v: v[::-1],
    "cumsum({}, 0)": lambda v: [total(v[: k + 1]) for k in range(len(v))],
}  # fmt: skip
"""Functions of a vector, most with jumps, beside what they do to fractions."""

CHOICES: dict[str, Callable[[Vector], Fraction]] = {
    "amax({})": max, "amin({})": min, "maximum({}[0], {}[1])": lambda v: max(v[0], v[1]),
    "minimum({}[1], {}[0])": lambda v: min(v[0], v[1]), "sort({})[0]": min, "sort({})[-1]": max,
    "sort({})[1]": lambda v: sorted(v)[1], "norm({}, p=inf)": lambda v: max(map(abs, v)),
    "clamp({}, 1/2, 1)[0]": lambda v: min(max(v[0], HALF), ONE),
    "sum(clamp({}, -1, 2))": lambda v: total([min(max(x, -ONE), 2 * ONE) for x in v]),
    "where({}[0] > {}[1], {}[1], {}[0])": lambda v: v[1] if v[0] > v[1] else v[0],
    "where({}[0] >= 1, {}[0], {}[1])": lambda v: v[0] if v[0] >= 1 else v[1],
    "sum(relu({} - 1))": lambda v: total([max(x - 1, 0 * ONE) for x in v]), "{}[0]*{}[1]": lambda v: v[0] * v[1],
    "relu({}[0])*{}[1]": lambda v: max(v[0], 0 * ONE) * v[1], "amax({}) - amin({})": lambda v: max(v) - min(v),
    "minimum(amax({}), 2)": lambda v: min(max(v), 2 * ONE), "maximum(amin({}), 1)": lambda v: max(min(v), ONE),
    "sum({})": total, "amax(abs({}))": lambda v: max(map(abs, v)),
}  # fmt: skip
NUMBERS = (-2.0, -1.0, -0.5, 0.0, 0.0, 0.5, 1.0, 1.0, 1.5, 2.0, 2.5, 3.0)


@dataclass(frozen=True)
class Drawn:
    """A program over a vector ``v``, its point, and the same function of fractions."""

    text: str
    point: list[float]
    function: Callable[[Vector], Fraction]

    def sides(self, k: int) -> tuple[Fraction, Fraction, bool]:
        """Return the slopes from the left and from the right by an element, and whether the function jumps there."""
        here = self.function(list(map(Fraction, self.point)))
        near, far = ([self.moved(k, sign * step) for sign in (-1, 1)] for step in (STEP, 2 * STEP))
        jumps = any(abs(one - here) > STEP * 10**6 for one in near)
        return (near[0] - far[0]) / STEP, (far[1] - near[1]) / STEP, jumps

    def moved(self, k: int, step: Fraction) -> Fraction:
        return self.function([Fraction(one) + (step if j == k else 0) for j, one in enumerate(self.point)])


def draw(seed: int) -> Drawn:
    """Return a random program: one to three layers of branches under a choice."""
    random = Random(seed)
    lines, functions = [], []
    name = "v"
    for k in range(random.choice([1, 1, 2, 2, 3])):
        text = random.choice(list(BRANCHES))
        lines.append(f"y{k} = {text.replace('{}', name)}")
        functions.append(BRANCHES[text])
        name = f"y{k}"
    choice = random.choice(list(CHOICES))
    lines.append(choice.replace("{}", name))

    def function(v: Vector) -> Fraction:
        for one in functions:
            v = list(one(v))
        return Fraction(CHOICES[choice](v))

    return Drawn("; ".join(lines), [random.choice(NUMBERS) for _ in range(random.choice([2, 2, 3]))], function)


def looked_at(drawn: Drawn) -> Outcome:
    [outcome] = check(drawn.text, {"v": drawn.point}, settings=Settings(dtypes=("float64",)))
    return outcome


def wrong(drawn: Drawn, k: int, found: Judgement, torch: float) -> str | None:
    """Return what is wrong with a verdict, by the oracle; None where nothing is."""
    left, right, jumps = drawn.sides(k)
    slopes = f"left {float(left)}, right {float(right)}"
    what = f"{drawn.text} at {drawn.point}, v[{k}]: {found.verdict} ({found.note}); {slopes}"
    if jumps:
        return None if found.verdict is Verdict.UNDEFINED else f"{what}: it jumps"
    if found.verdict in (Verdict.UNDEFINED, Verdict.UNDECIDED):
        return f"{what}: it does not jump"
    low, high = sorted((float(left), float(right)))
    slack = 1e-6
    inside = isfinite(torch) and low - slack <= torch <= high + slack
    if found.verdict is Verdict.AGREE:
        return None if high - low < slack and inside else f"{what}: torch has {torch}"
    if found.verdict is Verdict.DISAGREE and inside and "move" not in str(found.note):
        return f"{what}: torch has {torch}"
    return None


def problems(seeds: Sequence[int]) -> list[str]:
    found = []
    for seed in seeds:
        drawn = draw(seed)
        outcome = looked_at(drawn)
        assert outcome.error is None, f"{drawn.text}: {outcome.error}"
        [gradient] = outcome.gradients
        torch = [0.0] * len(drawn.point) if gradient.torch is None else gradient.torch.ravel().tolist()
        made = [wrong(drawn, k, one, torch[k]) for k, one in enumerate(gradient.judgements)]
        found += [f"seed {seed}: {one}" for one in made if one is not None]
    return found


@pytest.mark.parametrize("part", range(6))
def test_an_element_along_which_the_function_jumps_is_undefined_and_no_other(part: int) -> None:
    assert problems(range(part * PROGRAMS // 6, (part + 1) * PROGRAMS // 6)) == []


HIDDEN = [
    ("amax(where(v < 0, 5, v))", [1.0, 0.0], 1), ("y = v%3; maximum(y[0], y[1])", [1.0, 0.0], 1),
    ("y = v%3; maximum(y[1], y[0])", [1.0, 0.0], 1), ("amin(where(v < 0, -5, v + 2))", [1.0, 0.0], 1),
    ("sort(v%3)[1]", [1.0, 0.0], 1), ("norm(v%3, p=inf)", [1.0, 0.0], 1), ("amax(v%3)", [1.0, 0.0, 0.5], 1),
    ("clamp(floor(v), 1, 2)[1]", [1.0, 2.0], 1), ("where(v%3 > 1, 1, 2)[1]", [1.0, 0.0], 1),
    ("amax(relu(amax(v%3) - v))", [1.0, 0.0], 1), ("minimum(x**y, 0.5)", [0.0, 0.0], 1),
]  # fmt: skip


@pytest.mark.parametrize(("text", "point", "element"), HIDDEN)
def test_a_jump_behind_an_element_that_is_not_taken_is_seen(text: str, point: list[float], element: int) -> None:
    given = {"v": point} if "v" in text else dict(zip("xy", point, strict=True))
    gradients = check(text, given, settings=Settings(dtypes=("float64",)))[0].gradients
    judgements = [one for gradient in gradients for one in gradient.judgements]
    assert judgements[element].verdict is Verdict.UNDEFINED


def test_a_value_on_a_branch_of_its_own_has_the_slopes_of_the_branches_beside_it() -> None:
    """At 1 the second element is the lesser; beside 1 it is another branch's, ties with the first, and is a corner."""
    text = "y = where(v == 1, 0, v); amax(stack([y[0], y[1] + 1]))"
    found = check(text, {"v": [2.0, 1.0]}, settings=Settings(dtypes=("float64",)))[0].gradients[0].judgements
    assert [one.verdict for one in found] == [Verdict.AGREE, Verdict.KINK]


@pytest.mark.parametrize(
    ("text", "point"),
    [
        ("amax(where(v < 0, 5, v))", [5.5, 0.0]),
        ("sum(where(v > 0, floor(v), 2*v))", [1.5, -1.0]),
        ("amax(detach(v%3) + 0*v)", [1.0, 0.0]),
        ("where(v[0] > 0, v[0], floor(v[1]))", [1.0, 0.0]),
    ],
)
def test_a_jump_that_no_value_shows_hides_no_derivative(text: str, point: list[float]) -> None:
    found = check(text, {"v": point}, settings=Settings(dtypes=("float64",)))[0].gradients[0]
    assert {one.verdict for one in found.judgements} == {Verdict.AGREE}


# --- what counts as a limit ------------------------------------------------------------------------


@pytest.mark.parametrize("least", [0, 20, 1_000])
def test_what_is_0_as_far_as_can_be_told_is_judged_by_the_smallest_number_that_the_program_meets(least: int) -> None:
    """A ball around 0 counts as 0 where it is 60 bits below that number; else a difference has to shrink."""
    scale = Scale(least, 0)
    for bits, settled in ((61, True), (59, False)):
        assert scale.settles(arb(0), arb(0, arb(2) ** -(bits + least))) is settled
    for shrunk, settled in ((2.0**-9, True), (2.0**-7, False)):
        assert scale.settles(arb(1), arb(shrunk)) is settled
    assert [float(-one.log() / arb(2).log()) for one in scale.steps[:1]] == [pytest.approx(140 + least)]
    assert scale.bits == 1_024 + 4 * least


def test_slopes_have_a_limit_they_settle_at_or_grow_or_neither_is_told() -> None:
    scale = Scale(0, 0)
    near = scale.approach([arb(1) + arb(2) ** -20, arb(1) + arb(2) ** -40, arb(1) + arb(2) ** -80])
    assert near.ball is not None
    assert near.ball.contains(1.0)
    assert not near.infinite
    for sign in (1, -1):
        assert scale.approach([arb(sign * 10), arb(sign * 20), arb(sign * 30)]).infinite == sign
    for slopes in ([arb(1), arb(2), arb(1)], [arb(3), arb(2), arb(1)], [arb(1), arb("nan"), arb(1)]):
        found = scale.approach(slopes)
        assert (found.slope, found.infinite) == (None, 0)
