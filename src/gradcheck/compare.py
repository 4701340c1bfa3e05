"""The verdict on one element of one gradient, from a proven enclosure and torch's value."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from math import isfinite, isnan, log2

from gradcheck.errors import UsageProblem
from gradcheck.formats import Ball, Dyadic, Format


class Verdict(StrEnum):
    """What is known about one element of one gradient, mildest first."""

    AGREE = "agree"
    UNTRACKED = "untracked"
    KINK = "kink"
    UNDEFINED = "undefined"
    UNDECIDED = "undecided"
    UNSTABLE = "unstable"
    DISAGREE = "disagree"
    ERROR = "error"

    @property
    def severity(self) -> int:
        """Return the place in the order from ``agree``, 0, to ``error``."""
        return _SEVERITIES[self]

    @property
    def fails(self) -> bool:
        """Return whether this verdict makes a run fail unless it is allowed."""
        return self in (Verdict.DISAGREE, Verdict.ERROR)


UNPROVEN = frozenset({Verdict.UNDEFINED, Verdict.UNDECIDED, Verdict.UNSTABLE})
"""What fails an assertion: nobody has shown that these are right."""


def failing(assertion: bool, allow: Iterable[str]) -> frozenset[Verdict]:
    """Return the verdicts that make a run fail; ``allow`` names some that pass all the same.

    Raises UsageProblem for a word that is no verdict.

    >>> print(*sorted(failing(True, ["undefined"])))
    disagree error undecided unstable
    """
    words = set(allow)
    strange = sorted(words - {*Verdict})
    if strange:
        raise UsageProblem(f"{strange[0]!r} is no verdict", hint=f"choose from {', '.join(Verdict)}")
    always = {verdict for verdict in Verdict if verdict.fails}
    return frozenset(always | (UNPROVEN if assertion else set())) - {Verdict(word) for word in words}


_SEVERITIES = {verdict: place for place, verdict in enumerate(Verdict)}

SLACK = 2.0**-20
"""ULP that may be added to a tolerance as the last resort: a derivative of exactly 0, which no inexact ball can equal,
could not be decided at any precision against a value that is off by just the tolerance."""


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """Return the most severe of one or more verdicts.

    >>> worst([Verdict.KINK, Verdict.UNSTABLE, Verdict.AGREE])
    <Verdict.UNSTABLE: 'unstable'>
    """
    return max(verdicts, key=lambda verdict: verdict.severity)


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict, an upper bound of the error in ULP where there is one to measure, and what to say about it."""

    verdict: Verdict
    ulps: float | None = None
    note: str | None = None


def right_bits(found: Judgement, fmt: Format) -> int:
    """Return how many bits of the significand are right; all where a verdict passes without an error to measure.

    >>> from gradcheck.formats import FORMATS
    >>> [right_bits(Judgement(Verdict.UNSTABLE, ulps), FORMATS["float32"]) for ulps in (0.5, 1024.0, 2.0**30, None)]
    [24, 14, 0, 0]
    """
    if found.ulps is None:
        return fmt.precision if found.verdict in (Verdict.AGREE, Verdict.KINK, Verdict.UNTRACKED) else 0
    return max(0, int(fmt.precision - log2(max(found.ulps, 1.0)))) if isfinite(found.ulps) else 0


def judge(ball: Ball, value: float, fmt: Format, tolerance: float) -> Judgement | None:
    """Return the judgement on ``value``, a number of ``fmt``, or None where the ball is too wide to decide.

    It agrees when it lies within ``tolerance`` ULP of every point of the ball, and disagrees when it lies within
    ``tolerance`` of none. The ULP are those of ``Format.distance``.

    >>> from gradcheck.formats import FORMATS, Dyadic
    >>> one = Ball(Dyadic(1, 0), Dyadic(1, 0))
    >>> judge(one, 1.0000001192092896, FORMATS["float32"], tolerance=4)
    Judgement(verdict=<Verdict.AGREE: 'agree'>, ulps=1.0, note=None)
    >>> judge(Ball(Dyadic(1, 0), Dyadic(2, 0)), 1.0, FORMATS["float32"], tolerance=4) is None
    True
    """
    if not isfinite(value):
        return Judgement(Verdict.DISAGREE, note=_non_finite(ball, value, fmt))
    ends = fmt.distance(value, ball.lower), fmt.distance(value, ball.upper)
    if max(ends) <= tolerance:
        return Judgement(Verdict.AGREE, max(ends))
    if min(ends) > tolerance and not ball.contains(value):
        return Judgement(Verdict.DISAGREE, max(ends))
    return None


def _non_finite(ball: Ball, value: float, fmt: Format) -> str:
    largest = Dyadic.of(fmt.largest)
    beyond = ball.lower > largest if value > 0 else ball.upper < Dyadic.of(-fmt.largest)
    if beyond and not isnan(value):
        return f"the derivative is too large for {fmt.name}, whose largest number is {fmt.largest:.6g}"
    return f"the value is {value}, the derivative is finite"


def between(left: Ball, right: Ball, value: float, fmt: Format, tolerance: float) -> Judgement:
    """Return the judgement on a value at a kink: it must lie between the one-sided derivatives, or at one of them."""
    low, high = (fmt.text(fmt.round_dyadic(side.midpoint)) for side in (left, right))
    slopes = f"the left derivative is {low}, the right derivative {high}"
    if not isfinite(value):
        return Judgement(Verdict.DISAGREE, note=f"{slopes}, and the value is {value}")
    at_one = any((one := judge(side, value, fmt, tolerance)) and one.verdict is Verdict.AGREE for side in (left, right))
    inside = left.hull(right).contains(value)
    if at_one or inside:
        return Judgement(Verdict.KINK, note=f"{slopes}; torch chose {fmt.text(value)}")
    return Judgement(Verdict.DISAGREE, note=f"{slopes}; torch's {fmt.text(value)} is not between them")


def explain(found: Judgement, rounding: Ball | None, value: float, fmt: Format, overflow: str | None) -> Judgement:
    """Return the judgement on a value beyond the tolerance, given its rounding enclosure (None: unbounded).

    ``overflow`` is an operation on the way whose value the format cannot hold.

    Outside the enclosure it is wrong, whatever the rounding. Inside, at least half of the significand is right, or
    the formula is unstable: it cannot be evaluated this way in this dtype. Behind an overflow any number may come out,
    but nan or infinity where the derivative is finite is wrong all the same.
    """
    largest = f"{fmt.name}, whose largest number is {fmt.largest:.6g}"
    if not isfinite(value):
        told = overflow is None or "too large" in str(found.note)
        cause = "" if told else f"; {overflow} on the way is too large for {largest}"
        return Judgement(found.verdict, found.ulps, f"{found.note}{cause}")
    if rounding is not None and not rounding.contains(value):
        return Judgement(found.verdict, found.ulps, f"outside what rounding in {fmt.name} can explain")
    if found.ulps is not None and found.ulps <= 2 ** (fmt.precision / 2):
        return Judgement(Verdict.AGREE, found.ulps, f"rounding in {fmt.name} explains the difference")
    lost = "more than half of the digits are lost to rounding"
    if rounding is None and overflow is not None:
        lost = f"{overflow} on the way leaves the range of {largest}"
    return Judgement(Verdict.UNSTABLE, found.ulps, f"{lost}: this formula cannot be evaluated in {fmt.name} here")
