"""The verdict on one number of torch, an element of a gradient or of the value, from a proven enclosure."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import inf, isfinite, isinf, log2
from typing import NamedTuple

from gradcheck.formats import Ball, Dyadic, Format, order
from gradcheck.verdict import Verdict

SLACK = 2.0**-20
"""ULP that may be added to a tolerance as the last resort: a derivative of exactly 0, which no inexact ball can equal,
could not be decided at any precision against a value that is off by just the tolerance."""


class Rank(NamedTuple):
    """How bad something is: the severity of its verdict, whether torch's own number has it, and the error to order by.

    A number of torch is worse than one that the user stated; a wrong nan or infinity, whose error no ULP measure, is
    worse than every number. Of two ranks the larger is the worse.
    """

    severity: int
    own: bool
    size: float


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict, an upper bound of the error in ULP where there is one to measure, and what to say about it.

    >>> Judgement(Verdict.AGREE, 0.5).verdict, Judgement(Verdict.UNDEFINED, note="a pole").ulps
    (<Verdict.AGREE: 'agree'>, None)
    """

    verdict: Verdict
    ulps: float | None = None
    note: str | None = None

    def rank(self, *, stated: bool = False) -> Rank:
        """Return how bad this is, on a number of torch or on one that the user stated.

        >>> Judgement(Verdict.DISAGREE).rank() > Judgement(Verdict.DISAGREE, 1e300).rank()
        True
        """
        unmeasured = inf if self.verdict.measured else 0.0
        return Rank(self.verdict.severity, not stated, unmeasured if self.ulps is None else self.ulps)


def right_bits(found: Judgement, fmt: Format, truth: Ball | None = None) -> int:
    """Return how many bits of the significand are right; all where a verdict passes without an error to measure.

    Below the normal range the format has fewer for the ``truth``; of one that rounds to 0, a 0 has them all.

    >>> from gradcheck.formats import FORMATS
    >>> [right_bits(Judgement(Verdict.LOSSY, ulps), FORMATS["float32"]) for ulps in (0.5, 1024.0, 2.0**30, None)]
    [24, 14, 0, 0]
    """
    if found.ulps is None:
        return fmt.precision if found.verdict.right else 0
    held = fmt.precision if truth is None or not found.ulps else digits(truth, fmt)
    if not held and found.ulps <= 1 / 2:
        return fmt.precision
    return max(0, int(held - log2(max(found.ulps, 1.0)))) if isfinite(found.ulps) else 0


def digits(truth: Ball, fmt: Format) -> int:
    """Return how many binary digits the format has for a number: its precision, and fewer below the normal range.

    >>> from gradcheck.formats import FORMATS
    >>> [digits(Ball.around(value), FORMATS["float32"]) for value in (1.0, 2.0**-140, 0.0)]
    [24, 10, 0]
    """
    middle = truth.midpoint
    top = middle.man.bit_length() + middle.exp - 1
    least = fmt.emin - fmt.precision + 1
    return max(0, min(fmt.precision, top - least + 1)) if middle.man else 0


def half_of_the_digits(truth: Ball, fmt: Format) -> float:
    """Return the error in ULP at which half of the digits are lost that the format has there; one ULP at least.

    Half is where a result stops being worth its format: float32 is then worse than bfloat16. It is a convention, as
    every line between exact and useless must be one; what is proven is on which side of it a number lies. One ULP is
    what a correctly rounded operation may be off by below the normal range, where it has no digit to lose.

    >>> from gradcheck.formats import FORMATS, Ball
    >>> [half_of_the_digits(Ball.around(one), FORMATS["float32"]) for one in (1.0, 1e-40, 0.0)]
    [4096.0, 362.03867196751236, 1.0]
    """
    return max(1.0, float(2.0 ** (digits(truth, fmt) / 2)))


def exceeds(truth: Ball, fmt: Format, sign: int) -> bool:
    """Return whether every number of an enclosure rounds to the infinity of this sign.

    >>> from gradcheck.formats import FORMATS, Ball
    >>> exceeds(Ball.around(1e39), FORMATS["float32"], 1), exceeds(Ball.around(1e38), FORMATS["float32"], 1)
    (True, False)
    """
    return fmt.round_dyadic(truth.lower if sign > 0 else truth.upper) == sign * inf


def judge(ball: Ball, value: float, fmt: Format, tolerance: float, slack: float = 0.0) -> Judgement | None:
    """Return the judgement on ``value``, a number of ``fmt``, or None where the ball is too wide to decide.

    It agrees when it lies within ``tolerance`` ULP of every point of the ball, and disagrees when it lies within
    ``tolerance`` of none. The ULP are those of ``Format.distance``. Below the normal range, where fewer digits are
    left, the tolerance leaves half of them. ``slack`` is added to either. Infinity, or the largest number, for what
    the format cannot hold is an overflow, and so is infinity for what lies within the tolerance of that.

    >>> from gradcheck.formats import FORMATS, Dyadic
    >>> one = Ball(Dyadic(1, 0), Dyadic(1, 0))
    >>> judge(one, 1.0000001192092896, FORMATS["float32"], tolerance=4)
    Judgement(verdict=<Verdict.AGREE: 'agree'>, ulps=1.0, note=None)
    >>> judge(Ball(Dyadic(1, 0), Dyadic(2, 0)), 1.0, FORMATS["float32"], tolerance=4) is None
    True
    """
    if abs(value) >= fmt.largest and exceeds(ball, fmt, 1 if value > 0 else -1):
        return Judgement(Verdict.OVERFLOW, note=too_large(fmt))
    if isinf(value):
        near, far = (ball.lower, ball.upper) if value > 0 else (ball.upper, ball.lower)
        if _leaves_the_range(near, value, fmt, tolerance):
            return Judgement(Verdict.OVERFLOW, note=all_but_too_large(fmt))
        if _leaves_the_range(far, value, fmt, tolerance):
            return None
    if not isfinite(value):
        return Judgement(Verdict.DISAGREE, note=not_finite(value))
    within = _within(ball, fmt, tolerance) + slack
    ends = fmt.distance(value, ball.lower), fmt.distance(value, ball.upper)
    if max(ends) <= within:
        return Judgement(Verdict.AGREE, max(ends))
    if min(ends) > within and not ball.contains(value):
        return Judgement(Verdict.DISAGREE, max(ends))
    return None


def _leaves_the_range(real: Dyadic, infinity: float, fmt: Format, tolerance: float) -> bool:
    """Return whether a number rounds to an infinity, or lies within the tolerance of it: that is the next number."""
    return fmt.round_dyadic(real) == infinity or fmt.distance(infinity, real) <= tolerance


def _within(ball: Ball, fmt: Format, tolerance: float) -> float:
    """Return the tolerance in ULP; below the normal range it leaves half of the digits."""
    return tolerance if digits(ball, fmt) == fmt.precision else min(tolerance, half_of_the_digits(ball, fmt))


def too_large(fmt: Format) -> str:
    """Return in words that the format cannot hold a number.

    >>> from gradcheck.formats import FORMATS
    >>> too_large(FORMATS["float16"])
    'the exact number is too large for float16, whose largest number is 65504'
    """
    return f"the exact number is too large for {_range(fmt)}"


def all_but_too_large(fmt: Format) -> str:
    """Return in words that a number is within the tolerance of what the format cannot hold.

    >>> from gradcheck.formats import FORMATS
    >>> all_but_too_large(FORMATS["float16"])
    'the exact number is all but too large for float16, whose largest number is 65504'
    """
    return f"the exact number is all but too large for {_range(fmt)}"


def not_finite(value: float) -> str:
    """Return in words that torch has no number where there is one.

    >>> not_finite(float("nan"))
    'torch has nan, the exact number is finite'
    """
    return f"torch has {value}, the exact number is finite"


def _range(fmt: Format) -> str:
    return f"{fmt.name}, whose largest number is {fmt.largest:.6g}"


def between(left: Ball, right: Ball, value: float, fmt: Format, tolerance: float) -> Judgement:
    """Return the judgement on a value at a kink: it must lie between the one-sided derivatives, or at one of them.

    >>> from gradcheck.formats import FORMATS, Ball
    >>> sides = Ball.around(-1.0), Ball.around(1.0)
    >>> [str(between(*sides, one, FORMATS["float32"], 16).verdict) for one in (0.0, 1.0, 2.0)]
    ['kink', 'kink', 'disagree']
    """
    low, high = (fmt.text(fmt.round_dyadic(side.midpoint)) for side in (left, right))
    slopes = f"the left derivative is {low}, the right derivative {high}"
    if not isfinite(value):
        return Judgement(Verdict.DISAGREE, note=f"{slopes}, and autograd's is {value}")
    at_one = any((one := judge(side, value, fmt, tolerance)) and one.verdict is Verdict.AGREE for side in (left, right))
    inside = left.hull(right).contains(value)
    if at_one or inside:
        return Judgement(Verdict.KINK, note=f"{slopes}; torch chose {fmt.text(value)}")
    return Judgement(Verdict.DISAGREE, note=f"{slopes}; torch's {fmt.text(value)} is not between them")


def overlaps(ball: Ball, low: Fraction, high: Fraction) -> bool:
    """Return whether a ball and the numbers from ``low`` to ``high`` have a point in common.

    >>> overlaps(Ball.around(1.0), Fraction(1, 2), Fraction(2)), overlaps(Ball.around(1.0), Fraction(2), Fraction(3))
    (True, False)
    """
    (m, s), (n, t) = ball.lower, ball.upper
    below = order((m * high.denominator, s), (high.numerator, 0)) <= 0
    return below and order((low.numerator, 0), (n * low.denominator, t)) <= 0


@dataclass(frozen=True, slots=True)
class Rounding:
    """What is known of the roundings behind a number that is beyond the tolerance.

    ``explains`` says that they can give it: every operation on the way returned what a rounding of its own inputs can
    be, or the number lies in the rounding enclosure of the whole. ``wrong`` names the operation that did not.
    ``overflow`` is one on the way whose value the format cannot hold; ``sensitive`` says that the exact number moves
    by half of its digits or more where the point moves by half an ULP.
    """

    explains: bool
    wrong: str | None = None
    overflow: str | None = None
    sensitive: bool = False


def explain(found: Judgement, truth: Ball, value: float, fmt: Format, rounding: Rounding) -> Judgement:
    """Return the judgement on a value beyond the tolerance, given what is known of the roundings behind it.

    What they do not explain is wrong. What they explain has at least half of the digits that the format has there, or
    it is lost: ``unstable`` where the point itself does not determine the digits, ``lossy`` where it does. Nan and
    infinity where the exact number is finite are wrong all the same.
    """
    if not isfinite(value):
        return infinite(found, fmt, rounding)
    (wrong, outside), (good, within) = outcomes(rounding, fmt)
    if not rounding.explains:
        return Judgement(wrong, found.ulps, outside)
    if found.ulps is not None and found.ulps <= half_of_the_digits(truth, fmt):
        return Judgement(good, found.ulps, within)
    return lossy(found, fmt, rounding)


def infinite(found: Judgement, fmt: Format, rounding: Rounding) -> Judgement:
    """Return the judgement on nan or infinity, with what left the range on the way."""
    over = rounding.overflow
    cause = "" if over is None else f"; {over} on the way is too large for {_range(fmt)}"
    return Judgement(found.verdict, found.ulps, f"{found.note}{cause}")


def outcomes(rounding: Rounding, fmt: Format) -> tuple[tuple[Verdict, str], tuple[Verdict, str]]:
    """Return the verdict and the note where rounding does not explain a difference, and where it does."""
    whose = "rounding" if rounding.wrong is None else f"a rounding of what {rounding.wrong} was given"
    outside = f"outside what {whose} in {fmt.name} can explain"
    return (Verdict.DISAGREE, outside), (Verdict.AGREE, f"rounding in {fmt.name} explains the difference")


def lossy(found: Judgement, fmt: Format, rounding: Rounding) -> Judgement:
    """Return the judgement on a number of which rounding took more than half of the digits."""
    if rounding.sensitive:
        note = "half an ULP of the input moves more than half of the digits: a rounded input does not determine them"
        return Judgement(Verdict.UNSTABLE, found.ulps, note)
    lost = f"more than half of the digits are lost in {fmt.name}, though the input determines them"
    if rounding.overflow is not None:
        lost = f"{rounding.overflow} on the way leaves the range of {_range(fmt)}"
    return Judgement(Verdict.LOSSY, found.ulps, lost)
