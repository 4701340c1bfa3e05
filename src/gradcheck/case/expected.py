"""What the user expects of a gradient, held against what is proven of it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from gradcheck import exact
from gradcheck.case.elements import Elements
from gradcheck.compare import SLACK, Judgement, between, judge
from gradcheck.exact import MAX_BITS
from gradcheck.formats import EXACT_DIGITS, Ball
from gradcheck.judgements import Judgements, judged
from gradcheck.lower import Core
from gradcheck.ordinals import rounded
from gradcheck.verdict import Verdict

if TYPE_CHECKING:
    from gradcheck.case.one import Case


def expectation(case: Case, one: Elements) -> tuple[list[float | None] | None, Judgements | None]:
    """Return what the user expects, rounded to the dtype, and the verdicts on it."""
    core = case.plan.expect.get(one.name)
    if core is None:
        return None, None
    whole = core.shapes[core.program.output] == one.shape and case.format.precision < 53
    if case.truth.is_large and whole and not one.corners:
        return _of_arrays(case, core, one)
    values = exact.enclose(core, case.arrays, case.bits)[core.program.output]
    balls = exact.balls(np.broadcast_to(values, one.shape), case.bits)
    stated = [ball if isinstance(ball, Ball) else None for ball in balls]
    exact.Truth(core, case.arrays).sharpen(stated, EXACT_DIGITS[case.dtype])
    numbers = [None if ball is None else case.format.round_dyadic(ball.midpoint) for ball in stated]
    truths = [one.truth(k) for k in range(len(one.known))]
    found = [expected(case, *three) for three in zip(stated, truths, one.judgements, strict=True)]
    for k, sides in one.corners.items():
        if (number := numbers[k]) is not None and truths[k] is None:
            found[k] = replace(between(*sides, number, case.format, case.tolerance), note=None)
    open_ones = [k for k, judgement in enumerate(found) if judgement.verdict is Verdict.UNDECIDED and one.ball(k)]
    if open_ones:  # torch's number was decided sooner: what is exactly 0 needs all the bits there are
        sharp = exact.enclose(case.plan.shared.core, case.arrays, MAX_BITS)
        output = sharp[case.forms(one.name)[0][1]]
        for k, ball in zip(open_ones, exact.balls(output, MAX_BITS, open_ones), strict=True):
            found[k] = expected(case, stated[k], ball if isinstance(ball, Ball) else one.ball(k), found[k])
    return numbers, Judgements.of(found)


def _of_arrays(case: Case, core: Core, one: Elements) -> tuple[list[float | None], Judgements]:
    """Return the same for a large tensor, in whole arrays as far as machine intervals decide."""
    output = core.program.output
    truth = case.truths.get(core, case.arrays)
    bounds = truth.bounds([output])[output]
    lower, upper = bounds.lower.ravel(), bounds.upper.ravel()
    numbers = rounded(lower / 2 + upper / 2, case.format)
    # Where the middle of the bounds may round to another number than what they enclose, balls tell.
    known = np.isfinite(numbers) & (rounded(lower, case.format) == numbers) & (rounded(upper, case.format) == numbers)
    found = judged(*one.known.ends, np.where(known, numbers, 0.0), case.format, case.tolerance)
    sure = known & found.is_(Verdict.AGREE, Verdict.DISAGREE)
    stated: list[float | None] = numbers.tolist()
    left = np.flatnonzero(~sure).tolist()
    balls = [ball if isinstance(ball, Ball) else None for ball in truth.some({output: left})[output]] if left else []
    truth.sharpen(balls, EXACT_DIGITS[case.dtype], left)
    for k, exactly in zip(left, balls, strict=True):
        stated[k] = None if exactly is None else case.format.round_dyadic(exactly.midpoint)
        found[k] = expected(case, exactly, one.truth(k), one.judgements[k])
    return stated, found


def expected(case: Case, stated: Ball | None, truth: Ball | None, found: Judgement) -> Judgement:
    """Return the judgement on a stated number; where there is no derivative, none can be right or wrong."""
    if truth is None:
        return Judgement(found.verdict, note=found.note)
    if stated is None:
        return Judgement(Verdict.DISAGREE, note="the expected derivative has no value here")
    ulps, number = case.tolerance, case.format.round_dyadic(stated.midpoint)
    sure = judge(truth, number, case.format, ulps) or judge(truth, number, case.format, ulps, SLACK)
    if sure is not None and sure.verdict is Verdict.OVERFLOW:  # both are out of range: then the numbers themselves
        same = stated.overlaps(truth) and stated.is_sharp(EXACT_DIGITS[case.dtype])
        return Judgement(Verdict.AGREE if same else Verdict.DISAGREE)
    return sure or Judgement(Verdict.UNDECIDED)
