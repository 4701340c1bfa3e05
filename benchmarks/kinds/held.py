"""Verdicts held against an oracle: what every verdict promises of the function and of torch's number."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from math import isfinite
from random import Random
from typing import Any

import numpy as np

from gradcheck.compare import Judgement, half_of_the_digits
from gradcheck.formats import FORMATS, Ball, Dyadic, Format
from gradcheck.gradients import GradientOutcome
from gradcheck.outcome import Outcome
from gradcheck.program import Program, Shape
from gradcheck.settings import DEFAULT_ULPS
from gradcheck.verdict import Verdict
from kinds.evaluation import BeyondError
from kinds.oracle import Along, M, along, tensor
from kinds.pair import Pair, Tally, count, rounded

MAX_HELD = 4
"""Elements of one pair that are held against the oracle."""
UNKNOWN = 2.0**-60
"""Relative error of the oracle's slopes."""
REFUSALS = ("overflow", "derivative for aten::remainder is not implemented", "doesn't match the broadcast shape")
"""What torch may say: of a plain number that no tensor of the dtype takes, of a number's remainder by a tensor, and of
a clamp whose bounds have more dims than what is clamped."""
OPEN = frozenset({Verdict.UNDEFINED, Verdict.UNDECIDED})
Oracle = Callable[..., Along]
Outcomes = Sequence[Outcome]
"""What came of a pair, and of the same function in other words."""
Numbers = tuple[tuple[str, Shape, bytes], ...]
"""A point: names, shapes, and the bytes of float64 numbers."""


def hold(
    one: Pair, outcomes: Outcomes, k: int, total: Tally, oracle: Oracle = along, most: int = MAX_HELD,
    program: Program | None = None,
) -> Outcome | None:  # fmt: skip
    """Hold the verdicts on some elements against the oracle, which may read the ``program`` in other words."""
    outcome = hold_gradients(one, outcomes, k, total, oracle, most, program)
    if outcome is not None and outcome.error is None:
        total.broken += never_wrong_beside(one, outcome)
    return outcome


def hold_gradients(
    one: Pair, outcomes: Outcomes, k: int, total: Tally, oracle: Oracle = along, most: int = MAX_HELD,
    program: Program | None = None,
) -> Outcome | None:  # fmt: skip
    """Hold the verdicts on the gradients alone."""
    outcome = outcomes[0]
    count(outcome, total)
    if outcome.error is not None and any(words in outcome.error for words in REFUSALS):
        return None
    if outcome.error is not None:
        total.broken.append(f"torch raised: {one}: {outcome.error}")
        return outcome
    total.broken += held(one, outcome, total, Random(k), oracle, most, program)
    return outcome


def held(
    one: Pair, outcome: Outcome, total: Tally, random: Random, oracle: Oracle = along, most: int = MAX_HELD,
    program: Program | None = None,
) -> Iterator[str]:  # fmt: skip
    """Yield the promises that verdicts of an outcome break."""
    point = numbers_of(one, outcome)
    places = [(gradient, k) for gradient in outcome.gradients for k in range(len(gradient.judgements))]
    for gradient, k in random.sample(places, min(most, len(places))):
        truth = told(oracle, program or one.program, point, gradient.input, k)
        for broken in promises(gradient, k, truth, FORMATS[one.dtype], DEFAULT_ULPS[one.dtype]):
            place = f"{gradient.input}[{k}] is a {truth}, torch {_torch(gradient, k)}"
            yield f"{broken}: {one}: {place}: {_said(gradient, k)}"
        total.oracle[f"{truth.kind}: {gradient.judgements[k].verdict}"] += 1


def numbers_of(one: Pair, outcome: Outcome) -> Numbers:
    """Return the point as the oracle takes it."""
    return tuple((name, array.shape, array.tobytes()) for name, array in rounded(one, outcome).items())


@lru_cache(maxsize=256)
def told(oracle: Oracle, program: Program, point: Numbers, name: str, k: int) -> Along:
    """Return what the oracle says of one element; what is the same point in several dtypes is asked once."""
    arrays = {each: tensor(np.frombuffer(held).reshape(shape)) for each, shape, held in point}
    try:
        return oracle(program, arrays, name, k)
    except BeyondError:
        return Along("unknown")


def _torch(gradient: GradientOutcome, k: int) -> float | None:
    return gradient.number(k)


def _said(gradient: GradientOutcome, k: int) -> str:
    exact, found = gradient.exact[k], gradient.judgements[k]
    ends = None if exact is None else (exact if isinstance(exact, Ball) else exact.ball).decimals(12)
    shown = "" if ends is None else f", exact {' to '.join(ends)}"
    return f"{found.verdict}{shown}, {found.note}"


def promises(gradient: GradientOutcome, k: int, truth: Along, fmt: Format, tolerance: float) -> Iterator[str]:
    """Yield in words what the verdict on one element breaks."""
    found = gradient.judgements[k]
    if found.verdict is Verdict.ERROR:
        yield "an error"
    if truth.kind in ("jump", "none"):
        if found.verdict not in OPEN:
            yield f"{found.verdict} where there is no derivative"
    elif truth.kind == "kink":
        yield from _at_a_kink(gradient, k, truth, fmt, tolerance)
    elif truth.kind in ("slope", "end") or (truth.kind == "limit" and found.verdict not in OPEN):
        yield from _at_a_slope(gradient, k, truth.right, fmt, tolerance)


def _at_a_slope(gradient: GradientOutcome, k: int, slope: Any, fmt: Format, tolerance: float) -> Iterator[str]:
    found, torch = gradient.judgements[k], gradient.number(k) or 0.0
    exact = gradient.exact[k]
    beside = "elements that tie" in (found.note or "")  # of several, one may take all, and they are judged together
    if found.verdict is Verdict.UNDEFINED or (found.verdict is Verdict.KINK and not beside):
        yield f"{found.verdict} where there is a derivative"
    if isinstance(exact, Ball) and not _holds(exact, slope, fmt):
        yield "what is shown as exact is not"
    if found.verdict in (Verdict.AGREE, Verdict.UNTRACKED, Verdict.DISAGREE):
        yield from _measured(found, torch, slope, fmt, tolerance)


def _measured(found: Judgement, torch: float, slope: Any, fmt: Format, tolerance: float) -> Iterator[str]:
    """Yield what is wrong with ``agree`` or ``disagree``, where torch's number is as far from the slope as it is."""
    truth = ball(slope)
    if not isfinite(torch):
        if found.verdict is not Verdict.DISAGREE and fmt.round_dyadic(truth.midpoint) not in (torch, -torch):
            yield f"{found.verdict} where torch has {torch}"
        return
    off, half = fmt.distance(torch, truth.midpoint), half_of_the_digits(truth, fmt)
    if found.verdict is Verdict.DISAGREE and off <= tolerance / 2:
        yield f"called wrong at {off:.3g} ULP"
    if found.verdict is not Verdict.DISAGREE and off > 1.01 * max(half, min(tolerance, half)):
        yield f"{found.verdict} at {off:.3g} ULP"


def _at_a_kink(gradient: GradientOutcome, k: int, truth: Along, fmt: Format, tolerance: float) -> Iterator[str]:
    found, torch = gradient.judgements[k], gradient.number(k) or 0.0
    if found.verdict is Verdict.UNDECIDED:
        return
    if not isfinite(torch):
        if found.verdict is not Verdict.DISAGREE:
            yield f"{found.verdict} at a kink where torch has {torch}"
        return
    low, high = sorted((truth.left, truth.right))
    ends = [fmt.distance(torch, ball(end).midpoint) for end in (low, high)]
    inside = low <= torch <= high or min(ends) <= tolerance
    if found.verdict not in (Verdict.KINK, Verdict.DISAGREE):
        yield f"{found.verdict} at a kink"
    if inside and found.verdict is Verdict.DISAGREE and "elements that tie" not in (found.note or ""):
        yield "called wrong between the slopes"
    if not inside and found.verdict is Verdict.KINK and "elements that tie" not in (found.note or ""):
        yield "passes as a kink, and is not between the slopes"


def ball(number: Any) -> Ball:
    """Return a ball around a number of mpmath, as wide as the oracle's error may be."""
    radius = abs(number) * UNKNOWN
    return Ball(_dyadic(number - radius), _dyadic(number + radius))


def _dyadic(number: Any) -> Dyadic:
    sign, man, exp, _ = M.mpf(number)._mpf_
    return Dyadic(-int(man) if sign else int(man), int(exp))


def _holds(exact: Ball, slope: Any, fmt: Format) -> bool:
    """Tell whether an enclosure holds the oracle's slope; where that is 0, nothing but 0 in the format will do."""
    if exact.overlaps(ball(slope)):
        return True
    return not slope and all(abs(float(fmt.round_dyadic(end))) == 0 for end in (exact.lower, exact.upper))


def never_wrong(one: Pair, outcome: Outcome) -> Iterator[str]:
    """Yield what is called wrong: elements of the gradients and of the value that are numbers, and operations."""
    for gradient in outcome.gradients:
        for k, found in enumerate(gradient.judgements):
            torch = _torch(gradient, k)
            if found.verdict is Verdict.DISAGREE and (torch is None or isfinite(torch)):
                yield f"called wrong: {one}: {gradient.input}[{k}], torch {torch}: {_said(gradient, k)}"
    yield from never_wrong_beside(one, outcome)


FAULTS = frozenset({"sinh", "cosh", "fmod", "remainder"})
"""Rows whose vectors torch gets wrong, see benchmarks/budgets.py."""


def never_wrong_beside(one: Pair, outcome: Outcome) -> Iterator[str]:
    """Yield the numbers of the output that are called wrong, and the operations at fault."""
    for k, found in enumerate(outcome.value.judgements if outcome.value is not None else ()):
        assert outcome.value is not None
        value = outcome.value.values.item(k)
        if found.verdict is Verdict.ERROR or (found.verdict is Verdict.DISAGREE and isfinite(value)):
            yield f"value called wrong: {one}: [{k}] = {value}: {found.verdict}, {found.note}"
    for fault in outcome.faults:
        if fault.blame.operation not in FAULTS:
            yield f"operation called wrong: {one}: {fault.blame.operation}, {fault.judgement.note}"
