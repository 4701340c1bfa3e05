"""Verdicts: planted faults at every magnitude, wide balls, values that are not finite, what rounding explains."""

# ruff: noqa: E501 - one row for one verdict

import math
from collections.abc import Callable, Iterator
from fractions import Fraction
from math import inf, isfinite, nan

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gradcheck.compare import (
    SLACK,
    Judgement,
    Rounding,
    between,
    digits,
    exceeds,
    explain,
    half_of_the_digits,
    judge,
    right_bits,
)
from gradcheck.errors import UsageProblem
from gradcheck.formats import FORMATS, Ball, Dyadic, Format
from gradcheck.verdict import Verdict, failing, worst

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


def digits_of(fmt: Format, ordinal: int) -> int:
    """Return the binary digits of a number from its bits: those set in the significand, all in the normal range."""
    return min(fmt.precision, abs(ordinal).bit_length())


def tolerated(fmt: Format, ordinal: int) -> float:
    """Return the ULP within which a value agrees with a number: half of its digits, where it has few."""
    return min(TOLERANCE, max(1.0, math.sqrt(2 ** digits_of(fmt, ordinal))))


def verdict(judgement: Judgement | None) -> Verdict | None:
    return None if judgement is None else judgement.verdict


# --- verdicts -----------------------------------------------------------------------------------


def test_verdicts_are_listed_from_mildest_to_worst() -> None:
    order = [
        "agree", "untracked", "kink", "overflow", "undefined", "undecided", "unstable", "lossy", "disagree", "error",
    ]  # fmt: skip
    assert list(Verdict) == order
    assert [v.severity for v in Verdict] == list(range(len(order)))
    for n, v in enumerate(Verdict):
        assert worst([*Verdict][: n + 1]) is worst([*Verdict][n::-1]) is v


def test_what_fails_always_does_not_wait_for_assert() -> None:
    assert {v for v in Verdict if v.fails} == {"disagree", "error"}


def test_what_nobody_has_proven_fails_an_assertion_and_only_there() -> None:
    proven = {"agree", "untracked", "kink"}
    assert {v for v in Verdict if not v.fails} - {v for v in Verdict if v.unproven} == proven
    for v in Verdict:
        assert (v in failing(False, [])) == v.fails
        assert (v in failing(True, [])) == (v not in proven)
        assert failing(True, [v]) == failing(True, []) - {v}


def test_a_word_that_is_no_verdict_cannot_be_allowed() -> None:
    with pytest.raises(UsageProblem, match="'loss' is no verdict"):
        failing(True, ["loss"])


def test_bits_are_right_by_the_error_or_by_the_verdict() -> None:
    fmt = FORMATS["float32"]
    for v in Verdict:
        assert right_bits(Judgement(v, 2.0**10), fmt) == 14
        assert right_bits(Judgement(v), fmt) == (24 if v in {"agree", "untracked", "kink", "overflow"} else 0)


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
            within = tolerated(fmt, ordinal)
            if abs(steps) == within and not ball.exact:
                assert judgement is None  # exactly on the border: some points of the ball are within, some are not
                continue
            assert judgement is not None
            assert judgement.verdict == ("agree" if abs(steps) <= within else "disagree")
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
    allowed = tolerated(fmt, abs(low + high) // 2)  # the digits are those of the midpoint
    within = [abs(value - place) <= allowed for place in range(low, high + 1)]
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
    assert judge(point(0.0), fmt.smallest_subnormal, fmt, TOLERANCE) == Judgement(Verdict.AGREE, 1.0)
    assert verdict(judge(point(0.0), 2 * fmt.smallest_subnormal, fmt, TOLERANCE)) == "disagree"
    assert judge(Ball(Dyadic(-3, least.exp - 2), Dyadic(1, least.exp - 1)), zero, fmt, TOLERANCE) == Judgement(
        Verdict.AGREE, 0.75
    )
    assert judge(Ball(Dyadic(-3, least.exp), Dyadic(1, least.exp - 1)), zero, fmt, TOLERANCE) is None
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


TOO_LARGE = {
    "float64": "the exact number is too large for float64, whose largest number is 1.79769e+308",
    "float32": "the exact number is too large for float32, whose largest number is 3.40282e+38",
    "bfloat16": "the exact number is too large for bfloat16, whose largest number is 3.38953e+38",
    "float16": "the exact number is too large for float16, whose largest number is 65504",
}


@ALL
@pytest.mark.parametrize("sign", [1, -1])
def test_the_infinity_or_the_largest_number_of_its_sign_is_an_overflow(fmt: Format, sign: int) -> None:
    for exp in (fmt.emax + 1, 10**9):
        huge = Dyadic(sign, exp)
        for value in (inf, fmt.largest):
            found = judge(Ball(huge, huge), sign * value, fmt, TOLERANCE)
            assert found == Judgement(Verdict.OVERFLOW, None, TOO_LARGE[fmt.name])
        found = judge(Ball(huge, huge), nan, fmt, TOLERANCE)
        assert found == Judgement(Verdict.DISAGREE, None, "torch has nan, the exact number is finite")
        for value in (-sign * fmt.largest, sign * number(fmt, fmt.ordinal(fmt.largest) - 20), 0.0):
            assert verdict(judge(Ball(huge, huge), value, fmt, TOLERANCE)) == "disagree"


@ALL
@pytest.mark.parametrize("sign", [1, -1])
def test_the_infinity_of_the_other_sign_is_wrong(fmt: Format, sign: int) -> None:
    huge = Dyadic(sign, fmt.emax + 1)
    found = judge(Ball(huge, huge), -sign * inf, fmt, TOLERANCE)
    assert found == Judgement(Verdict.DISAGREE, None, f"torch has {-sign * inf}, the exact number is finite")


@ALL
def test_what_rounds_to_the_largest_number_is_no_overflow(fmt: Format) -> None:
    """The format ends half an ULP beyond its largest number, and infinity comes next: it is within an ULP of more."""
    below_it = Fraction(number(fmt, fmt.ordinal(fmt.largest) - 1))
    last = Fraction(fmt.largest)
    border = Dyadic(int(last + (last - below_it) / 2), 0)
    hair = [Dyadic((border.man << 100) + sign, border.exp - 100) for sign in (-1, 1)]
    below, above = (Ball(one, one) for one in hair)
    assert [exceeds(one, fmt, 1) for one in (point(fmt.largest), below, above)] == [False, False, True]
    assert not any(exceeds(one, fmt, -1) for one in (below, above))
    assert verdict(judge(below, inf, fmt, 1 / 4)) == "disagree"
    assert verdict(judge(below, inf, fmt, 1)) == verdict(judge(point(fmt.largest), inf, fmt, 1)) == "overflow"
    assert verdict(judge(point(float(below_it)), inf, fmt, 1)) == verdict(judge(below, -inf, fmt, 1)) == "disagree"
    assert verdict(judge(below, fmt.largest, fmt, TOLERANCE)) == "agree"
    assert verdict(judge(above, inf, fmt, TOLERANCE)) == "overflow"
    assert judge(Ball(*hair), inf, fmt, 1 / 4) is None  # some points of it round to infinity, some do not
    assert not exceeds(Ball(*hair), fmt, 1)


@ALL
@pytest.mark.parametrize("value", [nan, inf, -inf])
def test_a_value_that_is_not_finite_disagrees(fmt: Format, value: float) -> None:
    expected = Judgement(Verdict.DISAGREE, None, f"torch has {value}, the exact number is finite")
    for ball in (point(0.0), point(fmt.largest / 2), point(-fmt.largest / 2)):
        assert judge(ball, value, fmt, TOLERANCE) == expected
    wide = judge(Ball(Dyadic(-1, 5000), Dyadic(1, 5000)), value, fmt, TOLERANCE)
    assert wide == (expected if math.isnan(value) else None)  # what may be too large may be infinity


@ALL
def test_the_last_resort_decides_what_is_off_by_just_the_tolerance(fmt: Format) -> None:
    """A derivative of 0 that no precision encloses exactly, and a value that is one step off."""
    hair = Ball(Dyadic(-1, -(10**9)), Dyadic(1, -(10**9)))
    assert verdict(judge(hair, fmt.smallest_subnormal, fmt, TOLERANCE, SLACK)) == "agree"


@ALL
@pytest.mark.parametrize(("millionths", "expected"), [(0.6, "agree"), (1.2, "disagree")])
def test_the_last_resort_admits_a_millionth_of_an_ulp_and_no_more(
    fmt: Format, millionths: float, expected: str
) -> None:
    beyond = Fraction(1) + (TOLERANCE + Fraction(millionths) / 10**6) * Fraction(2) ** (1 - fmt.precision)
    truth = Ball(*[Dyadic(round(beyond * 2**200), -200)] * 2)
    assert verdict(judge(truth, 1.0, fmt, TOLERANCE)) == "disagree"
    assert verdict(judge(truth, 1.0, fmt, TOLERANCE, SLACK)) == expected


@ALL
def test_in_the_normal_range_the_tolerance_is_what_the_user_says(fmt: Format) -> None:
    tolerance = 2.0**fmt.precision
    for ordinal in borders(fmt):
        value = number(fmt, ordinal)
        if fmt.smallest_normal <= abs(value) < fmt.largest / 2:
            assert verdict(judge(point(value), 2 * value, fmt, tolerance)) == "agree"


# --- digits -------------------------------------------------------------------------------------


@ALL
def test_below_the_normal_range_there_are_as_many_digits_as_the_significand_has(fmt: Format) -> None:
    for ordinal in borders(fmt):
        ball = point(number(fmt, ordinal))
        assert digits(ball, fmt) == digits_of(fmt, ordinal)
        assert half_of_the_digits(ball, fmt) == max(1.0, 2.0 ** (digits_of(fmt, ordinal) / 2))
    for tiny in (Dyadic(1, -(10**9)), Dyadic(-1, fmt.emin - fmt.precision)):
        assert digits(Ball(tiny, tiny), fmt) == 0
        assert half_of_the_digits(Ball(tiny, tiny), fmt) == 1.0
    assert digits(Ball(Dyadic(1, 10**9), Dyadic(1, 10**9)), fmt) == fmt.precision


@ALL
def test_where_no_digit_is_left_one_step_is_right_and_two_are_wrong(fmt: Format) -> None:
    """What a correctly rounded operation may be off by below the normal range is tolerated, and no more."""
    least, exp = fmt.smallest_subnormal, Dyadic.of(fmt.smallest_subnormal).exp
    tiny = Ball(Dyadic(1, exp - 9), Dyadic(1, exp - 8))
    for value, expected in ((0.0, "agree"), (least, "agree"), (2 * least, "disagree"), (-2 * least, "disagree")):
        assert verdict(judge(tiny, value, fmt, TOLERANCE)) == expected


@pytest.mark.parametrize(
    ("value", "verdict", "said"),
    [
        (0.0, Verdict.KINK, "torch chose 0"),
        (0.5, Verdict.KINK, "torch chose 0.5"),
        (1.0, Verdict.KINK, "torch chose 1"),
        (2.0, Verdict.DISAGREE, "torch's 2 is not between them"),
        (-0.5, Verdict.DISAGREE, "torch's -0.5 is not between them"),
        (math.nan, Verdict.DISAGREE, "and autograd's is nan"),
        (math.inf, Verdict.DISAGREE, "and autograd's is inf"),
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

RANGE = "float32, whose largest number is 3.40282e+38"
UNSTABLE = "half an ULP of the input moves more than half of the digits: a rounded input does not determine them"
LOSSY = "more than half of the digits are lost in float32, though the input determines them"
EXPLAINS = "rounding in float32 explains the difference"
EXPLAINED: list[tuple[Rounding, float, Verdict, str]] = [
    (Rounding(True), 1.9999, Verdict.AGREE, EXPLAINS),
    (Rounding(True, overflow="exp"), 1.9999, Verdict.AGREE, EXPLAINS),
    (Rounding(True, sensitive=True), 1.9999, Verdict.AGREE, EXPLAINS),
    (Rounding(True), 1.5, Verdict.LOSSY, LOSSY),
    (Rounding(True), 0.0, Verdict.LOSSY, LOSSY),
    (Rounding(True, sensitive=True), 1.5, Verdict.UNSTABLE, UNSTABLE),
    (Rounding(True, overflow="exp"), 0.0, Verdict.LOSSY, f"exp on the way leaves the range of {RANGE}"),
    (Rounding(True, overflow="exp", sensitive=True), 0.0, Verdict.UNSTABLE, UNSTABLE),
    (Rounding(False), 3.5, Verdict.DISAGREE, "outside what rounding in float32 can explain"),
    (Rounding(False), 1.9999, Verdict.DISAGREE, "outside what rounding in float32 can explain"),
    (Rounding(False, overflow="exp"), 3.5, Verdict.DISAGREE, "outside what rounding in float32 can explain"),
    (Rounding(False, sensitive=True), 3.5, Verdict.DISAGREE, "outside what rounding in float32 can explain"),
    (Rounding(False, "sin"), 1.9999, Verdict.DISAGREE, "outside what a rounding of what sin was given in float32 can explain"),
    (Rounding(True), nan, Verdict.DISAGREE, "torch has nan, the exact number is finite"),
    (Rounding(False), nan, Verdict.DISAGREE, "torch has nan, the exact number is finite"),
    (Rounding(True, sensitive=True), -inf, Verdict.DISAGREE, "torch has -inf, the exact number is finite"),
    (Rounding(True, overflow="exp"), nan, Verdict.DISAGREE, f"torch has nan, the exact number is finite; exp on the way is too large for {RANGE}"),
    (Rounding(True, overflow="exp"), inf, Verdict.DISAGREE, f"torch has inf, the exact number is finite; exp on the way is too large for {RANGE}"),
]  # fmt: skip


@pytest.mark.parametrize(("rounding", "value", "verdict", "note"), EXPLAINED)
def test_what_rounding_makes_of_a_disagreement(rounding: Rounding, value: float, verdict: Verdict, note: str) -> None:
    fmt, truth = FORMATS["float32"], point(2.0)
    stored = float(torch.tensor(value, dtype=torch.float32))
    found = judge(truth, stored, fmt, TOLERANCE)
    assert found is not None
    assert found.verdict is Verdict.DISAGREE
    assert explain(found, truth, stored, fmt, rounding) == Judgement(verdict, found.ulps, note)


@ALL
def test_half_of_the_digits_is_the_border_of_what_is_lost(fmt: Format) -> None:
    """By the digits that the format has there: half of 24, and half of the few that are left below the normal range."""
    for ordinal in (fmt.ordinal(1.0), 1 << (fmt.precision - 1), 1 << (fmt.precision - 2), 5, 4, 1, 0):
        truth, half = point(number(fmt, ordinal)), max(1.0, math.sqrt(2 ** digits_of(fmt, ordinal)))
        for steps in {math.floor(half), math.floor(half) + 1}:
            value, found = number(fmt, ordinal + steps), Judgement(Verdict.DISAGREE, float(steps))
            expected = "agree" if steps <= half else "lossy"
            assert explain(found, truth, value, fmt, Rounding(True)).verdict == expected
            assert explain(found, truth, value, fmt, Rounding(False)).verdict == "disagree"
