"""Verdicts: planted faults at every magnitude, wide balls, values that are not finite."""

# ruff: noqa: E501 - one row for one verdict

import math
from collections.abc import Callable, Iterator
from math import inf, isfinite, nan

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gradcheck.compare import Judgement, Verdict, between, explain, judge, worst
from gradcheck.formats import FORMATS, Ball, Dyadic, Format

ALL = pytest.mark.parametrize("fmt", FORMATS.values(), ids=FORMATS)
TOLERANCE = 4
AS_INTEGER = {2: torch.int16, 4: torch.int32, 8: torch.int64}


def number(fmt: Format, ordinal: int) -> float:
    """Return the number with this ordinal, from its bits."""
    dtype = getattr(torch, fmt.name)
    bits = torch.tensor([abs(ordinal)], dtype=AS_INTEGER[dtype.itemsize])
    return float(bits.view(dtype).item()) * (-1 if ordinal < 0 else 1)


def borders(fmt: Format) -> Iterator[int]:
    """Yield ordinals around zero, among and above the subnormals, at borders of binades, below the largest."""
    binade = 1 << (fmt.precision - 1)
    for middle in (0, binade // 2, binade, 2 * binade, fmt.ordinal(1.0), fmt.ordinal(1.0) + binade):
        yield from range(middle - 2, middle + 3)
    yield from range(fmt.ordinal(inf) - 10, fmt.ordinal(inf))


def point(value: float) -> Ball:
    return Ball(Dyadic.of(value), Dyadic.of(value))


def thin(value: float) -> Ball:
    """Return a ball of radius ``2**-100 * abs(value)`` around ``value``."""
    man, exp = Dyadic.of(value)
    return Ball(Dyadic((man << 100) - abs(man), exp - 100), Dyadic((man << 100) + abs(man), exp - 100))


def verdict(judgement: Judgement | None) -> Verdict | None:
    return None if judgement is None else judgement.verdict


# --- verdicts -----------------------------------------------------------------------------------


def test_verdicts_are_listed_from_mildest_to_worst() -> None:
    order = ["agree", "untracked", "kink", "undefined", "undecided", "unstable", "disagree", "error"]
    assert list(Verdict) == order
    assert [v.severity for v in Verdict] == list(range(len(order)))
    for n, v in enumerate(Verdict):
        assert worst([*Verdict][: n + 1]) is worst([*Verdict][n::-1]) is v


def test_what_fails_always_does_not_wait_for_assert() -> None:
    assert {v for v in Verdict if v.fails} == {"disagree", "error"}


def test_the_worst_of_nothing_is_an_error() -> None:
    with pytest.raises(ValueError, match="empty"):
        worst([])


# --- planted faults -----------------------------------------------------------------------------


@ALL
@pytest.mark.parametrize("enclosure", [point, thin])
def test_a_fault_beyond_the_tolerance_is_found_at_every_magnitude(
    fmt: Format, enclosure: Callable[[float], Ball]
) -> None:
    for ordinal in borders(fmt):
        ball = enclosure(number(fmt, ordinal))
        for steps in range(-TOLERANCE - 2, TOLERANCE + 3):
            value = number(fmt, ordinal + steps)
            if not isfinite(value):
                continue
            judgement = judge(ball, value, fmt, TOLERANCE)
            if abs(steps) == TOLERANCE and not ball.exact:
                assert judgement is None  # exactly on the border: some points of the ball are within, some are not
                continue
            assert judgement is not None
            assert judgement.verdict == ("agree" if abs(steps) <= TOLERANCE else "disagree")
            assert judgement.note is None
            assert judgement.ulps is not None
            assert abs(steps) <= judgement.ulps <= abs(steps) + 2**-20 * (not ball.exact)


@ALL
def test_a_hair_beyond_the_tolerance_is_a_disagreement(fmt: Format) -> None:
    beyond = Dyadic((1 << 300) + (TOLERANCE << (301 - fmt.precision)) + 1, -300)
    within = beyond._replace(man=beyond.man - 1)
    assert verdict(judge(Ball(beyond, beyond), 1.0, fmt, TOLERANCE)) == "disagree"
    assert verdict(judge(Ball(within, within), 1.0, fmt, TOLERANCE)) == "agree"
    assert judge(Ball(within, beyond), 1.0, fmt, TOLERANCE) is None


@ALL
def test_a_tolerance_of_zero_accepts_equality_only(fmt: Format) -> None:
    assert judge(point(1.0), 1.0, fmt, 0) == Judgement(Verdict.AGREE, 0.0)
    hair = Dyadic(1, -(10**9))
    assert verdict(judge(Ball(hair, hair), 0.0, fmt, 0)) == "disagree"
    assert judge(Ball(Dyadic(0, 0), hair), 0.0, fmt, 0) is None


@ALL
@given(data=st.data())
def test_decisions_hold_for_every_point_of_the_ball(fmt: Format, data: st.DataObject) -> None:
    least = 1 - fmt.ordinal(inf)
    ordinals = st.one_of(st.integers(-40, 40), st.integers(least, -least))
    value = data.draw(ordinals)
    near = st.integers(-9, 9).map(lambda n: min(max(value + n, least), -least))
    low, high = sorted(data.draw(st.tuples(near, near)))
    ball = Ball(Dyadic.of(number(fmt, low)), Dyadic.of(number(fmt, high)))
    within = [abs(value - place) <= TOLERANCE for place in range(low, high + 1)]
    expected = "agree" if all(within) else None if any(within) else "disagree"
    judgement = judge(ball, number(fmt, value), fmt, TOLERANCE)
    assert verdict(judgement) == expected
    if judgement is not None:
        assert judgement.ulps is not None
        assert max(abs(value - low), abs(value - high)) <= judgement.ulps


# --- zero, wide balls, values that are not finite -----------------------------------------------


@ALL
@pytest.mark.parametrize("zero", [0.0, -0.0])
def test_zero(fmt: Format, zero: float) -> None:
    least = Dyadic.of(fmt.smallest_subnormal)
    assert judge(point(0.0), zero, fmt, TOLERANCE) == Judgement(Verdict.AGREE, 0.0)
    assert judge(Ball(Dyadic(-1, -(10**9)), Dyadic(1, -(10**9))), zero, fmt, TOLERANCE) is not None
    assert judge(Ball(Dyadic(-3, least.exp), Dyadic(1, least.exp - 1)), zero, fmt, TOLERANCE) == Judgement(
        Verdict.AGREE, 3
    )
    assert judge(Ball(Dyadic(-1, 0), Dyadic(1, 0)), zero, fmt, TOLERANCE) is None
    assert verdict(judge(point(0.0), fmt.smallest_normal, fmt, TOLERANCE)) == "disagree"
    assert verdict(judge(point(fmt.smallest_normal), zero, fmt, TOLERANCE)) == "disagree"


@ALL
def test_the_wrong_sign_is_a_disagreement(fmt: Format) -> None:
    for ordinal in borders(fmt):
        if abs(ordinal) > TOLERANCE:
            assert verdict(judge(thin(number(fmt, ordinal)), number(fmt, -ordinal), fmt, TOLERANCE)) == "disagree"


@ALL
def test_a_ball_too_wide_is_not_decided(fmt: Format) -> None:
    everything = Ball(Dyadic(-1, 10**9), Dyadic(1, 10**9))
    for ordinal in borders(fmt):
        assert judge(everything, number(fmt, ordinal), fmt, TOLERANCE) is None


@ALL
def test_a_finite_value_is_far_from_an_astronomic_derivative(fmt: Format) -> None:
    huge = Dyadic(1, 10**9)
    assert verdict(judge(Ball(huge, huge), fmt.largest, fmt, TOLERANCE)) == "disagree"


TOO_LARGE = {
    "float64": "the derivative is too large for float64, whose largest number is 1.79769e+308",
    "float32": "the derivative is too large for float32, whose largest number is 3.40282e+38",
    "bfloat16": "the derivative is too large for bfloat16, whose largest number is 3.38953e+38",
    "float16": "the derivative is too large for float16, whose largest number is 65504",
}


@ALL
@pytest.mark.parametrize("sign", [1, -1])
def test_infinity_where_the_derivative_is_too_large_is_explained(fmt: Format, sign: int) -> None:
    for exp in (fmt.emax + 1, 10**9):
        huge = Dyadic(sign, exp)
        assert judge(Ball(huge, huge), sign * inf, fmt, TOLERANCE) == Judgement(
            Verdict.DISAGREE, None, TOO_LARGE[fmt.name]
        )
        assert judge(Ball(huge, huge), -sign * inf, fmt, TOLERANCE) == Judgement(
            Verdict.DISAGREE, None, f"the value is {-sign * inf}, the derivative is finite"
        )


@ALL
@pytest.mark.parametrize("value", [nan, inf, -inf])
def test_a_value_that_is_not_finite_disagrees(fmt: Format, value: float) -> None:
    expected = Judgement(Verdict.DISAGREE, None, f"the value is {value}, the derivative is finite")
    for ball in (point(0.0), point(fmt.largest), point(-fmt.largest), Ball(Dyadic(-1, 5000), Dyadic(1, 5000))):
        assert judge(ball, value, fmt, TOLERANCE) == expected


@ALL
def test_nan_is_never_explained_by_size(fmt: Format) -> None:
    huge = Dyadic(-1, 10**9)
    judgement = judge(Ball(huge, huge), nan, fmt, TOLERANCE)
    assert judgement == Judgement(Verdict.DISAGREE, None, "the value is nan, the derivative is finite")


@pytest.mark.parametrize(
    ("value", "verdict", "said"),
    [
        (0.0, Verdict.KINK, "torch chose 0"),
        (0.5, Verdict.KINK, "torch chose 0.5"),
        (1.0, Verdict.KINK, "torch chose 1"),
        (2.0, Verdict.DISAGREE, "torch's 2 is not between them"),
        (-0.5, Verdict.DISAGREE, "torch's -0.5 is not between them"),
        (math.nan, Verdict.DISAGREE, "and the value is nan"),
        (math.inf, Verdict.DISAGREE, "and the value is inf"),
    ],
)
def test_at_a_kink_any_value_between_the_sides_is_right(value: float, verdict: Verdict, said: str) -> None:
    left, right = (Ball(Dyadic(man, 0), Dyadic(man, 0)) for man in (0, 1))
    for sides in ((left, right), (right, left)):
        found = between(*sides, value, FORMATS["float32"], 4)
        assert found.verdict is verdict
        assert found.note is not None
        assert found.note.endswith(said)


# --- what rounding explains -----------------------------------------------------------------------

NEAR = Ball(Dyadic(1, 0), Dyadic(3, 0))
"""A rounding enclosure from 1 to 3, around a derivative of 2."""
EXPLAINED: list[tuple[Ball | None, float, str | None, Verdict, str]] = [
    (NEAR, 1.9999, None, Verdict.AGREE, "rounding in float32 explains the difference"),
    (NEAR, 1.5, None, Verdict.UNSTABLE, "more than half of the digits are lost to rounding: this formula cannot be evaluated in float32 here"),
    (NEAR, 3.5, None, Verdict.DISAGREE, "outside what rounding in float32 can explain"),
    (NEAR, 3.5, "exp", Verdict.DISAGREE, "outside what rounding in float32 can explain"),
    (None, 0.0, "exp", Verdict.UNSTABLE, "exp on the way leaves the range of float32, whose largest number is 3.40282e+38:"
     " this formula cannot be evaluated in float32 here"),
    (None, 0.0, None, Verdict.UNSTABLE, "more than half of the digits are lost to rounding: this formula cannot be evaluated in float32 here"),
    (None, 1.9999, "exp", Verdict.AGREE, "rounding in float32 explains the difference"),
    (None, nan, None, Verdict.DISAGREE, "the value is nan, the derivative is finite"),
    (None, nan, "exp", Verdict.DISAGREE, "the value is nan, the derivative is finite; exp on the way is too large for float32,"
     " whose largest number is 3.40282e+38"),
    (NEAR, inf, "exp", Verdict.DISAGREE, "the value is inf, the derivative is finite; exp on the way is too large for float32,"
     " whose largest number is 3.40282e+38"),
]  # fmt: skip


@pytest.mark.parametrize(("rounding", "value", "overflow", "verdict", "note"), EXPLAINED)
def test_what_rounding_makes_of_a_disagreement(
    rounding: Ball | None, value: float, overflow: str | None, verdict: Verdict, note: str
) -> None:
    fmt = FORMATS["float32"]
    stored = float(torch.tensor(value, dtype=torch.float32))
    found = judge(point(2.0), stored, fmt, TOLERANCE)
    assert found is not None
    assert found.verdict is Verdict.DISAGREE
    explained = explain(found, rounding, stored, fmt, overflow)
    assert (explained.verdict, explained.note, explained.ulps) == (verdict, note, found.ulps)


@ALL
def test_an_error_beyond_the_enclosure_is_wrong_by_however_little(fmt: Format) -> None:
    """One number of the format outside is outside, and half of the digits right is not enough for more."""
    one, steps = fmt.ordinal(1.0), 40
    low, high = (number(fmt, one + sign * steps) for sign in (-1, 1))
    rounding = Ball(Dyadic.of(low), Dyadic.of(high))
    for value, inside in (
        (low, True),
        (high, True),
        (number(fmt, one - steps - 1), False),
        (number(fmt, one + steps + 1), False),
    ):
        found = judge(point(1.0), value, fmt, TOLERANCE)
        assert found is not None
        assert found.verdict is Verdict.DISAGREE
        lost = steps > 2 ** (fmt.precision / 2)
        within = Verdict.UNSTABLE if lost else Verdict.AGREE
        assert explain(found, rounding, value, fmt, None).verdict is (within if inside else Verdict.DISAGREE)


def test_too_large_a_derivative_needs_no_further_cause() -> None:
    huge = Dyadic(1, 1000)
    found = judge(Ball(huge, huge), inf, FORMATS["float32"], TOLERANCE)
    assert found is not None
    assert explain(found, None, inf, FORMATS["float32"], "exp") == found
