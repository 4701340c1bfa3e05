"""What is to be said of lost digits that the input determines: who loses them, and whether that matters."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from gradcheck.blame import Blame, Cause
from gradcheck.formats import Ball, Dyadic, Format
from gradcheck.gradients import GradientOutcome
from gradcheck.verdict import Verdict

if TYPE_CHECKING:
    from gradcheck.case.one import Case

MAX_NUMBERS = 10_000
"""Numbers of a program up to which its slopes nearby are looked at."""
NEARBY = (*(2.0**-k for k in range(8)), 0.0)
"""What an input is multiplied by to come to the points nearby, from itself down to 0: tails lie far out."""
OF_TORCH = (Cause.STORED_OUTPUT, Cause.INACCURATE_OPERATION)
"""Causes that are of a single operation of torch; any other is of the formula that is made of operations."""


def told(case: Case, gradient: GradientOutcome, blame: Blame) -> Blame:
    """Return a blame that says of lost digits who loses them, and whether the loss is large beside slopes nearby."""
    if gradient.judgements[blame.element].verdict is not Verdict.LOSSY:
        return blame
    parts = [blame.message, whose(blame), *([] if (how := matters(case, gradient, blame.element)) is None else [how])]
    return replace(blame, message="; ".join(parts))


def whose(blame: Blame) -> str:
    """Return in words who loses the digits.

    >>> whose(Blame(0, Cause.CANCELLATION, "sub", None, ""))
    'that is the formula, not a single operation of torch'
    >>> whose(Blame(0, Cause.STORED_OUTPUT, "tanh", None, ""))
    "that is torch's own tanh, not your formula"
    """
    if blame.operation is not None and (blame.cause in OF_TORCH or _is_inside(blame)):
        return f"that is torch's own {blame.operation}, not your formula"
    return "that is the formula, not a single operation of torch"


def _is_inside(blame: Blame) -> bool:
    """Return whether a number is too large inside an operation whose own value is not."""
    own = next((one for one in blame.readings if one.culprit), None)
    return blame.cause is Cause.OVERFLOW and own is not None and own.torch is not None and np.isfinite(own.torch)


def matters(case: Case, gradient: GradientOutcome, k: int) -> str | None:
    """Return in words whether an error is large beside the rounding of the largest slope nearby; None if not known."""
    ball, number, fmt = gradient.ball(k), gradient.number(k), case.format
    place = k % max(1, case.arrays[gradient.input].size)
    if ball is None or number is None or not np.isfinite(number) or case.numbers > MAX_NUMBERS:
        return None
    largest = max((abs(one) for one in slopes(case, gradient.input, place)), default=0.0)
    if not largest or not np.isfinite(largest):  # 0 all around, or beyond the format: nothing to compare an error with
        return None
    error = abs(_float(ball.midpoint, fmt) - number)
    if error <= largest * 2.0**-fmt.precision:
        return f"the error of {error:.2g} is below the rounding of the slopes nearby, up to {largest:.2g}: a flat tail"
    return f"the error of {error:.2g} matters beside the slopes nearby, up to {largest:.2g}"


def slopes(case: Case, name: str, k: int) -> list[float]:
    """Return the slopes by one element at points between it and 0, where there are such."""
    core = case.plan.shared.core
    output = case.plan.shared.program.outputs[case.plan.wrt.index(name)]
    found = []
    for factor in NEARBY:
        moved = case.arrays[name].copy()
        moved.flat[k] *= factor
        [one] = case.truths.get(core, {**case.arrays, name: moved}).some({output: [k]}, case.bits)[output]
        found += [_float(one.midpoint, case.format)] if isinstance(one, Ball) else []
    return found


def _float(middle: Dyadic, fmt: Format) -> float:
    return fmt.round_dyadic(middle)
