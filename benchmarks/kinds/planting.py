"""Errors planted in random programs: one far beyond what rounding explains is found, wherever it is planted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from math import isfinite
from typing import Any

import torch

from gradcheck import exact
from gradcheck.autograd import function
from gradcheck.compare import Rounding, explain, judge
from gradcheck.differentiate import pull_back
from gradcheck.formats import FORMATS, Ball, Format
from gradcheck.gradients import GradientOutcome
from gradcheck.lower import lower
from gradcheck.outcome import Outcome
from gradcheck.program import Call, Node
from gradcheck.settings import DEFAULT_ULPS
from gradcheck.verdict import Verdict
from kinds.pair import Pair, Tally, looked_at, rounded, shapes_of

PLANTED = {"float32": 2.0**-17, "float64": 2.0**-45}
"""Relative errors: 64 to 128 ULP, and 128 to 256."""
WELL_CONDITIONED = 64.0
"""ULP of the exact value that the rounding enclosure may reach."""
EACH = 3
"""Errors are planted in the gradients at one point of so many."""
PUBLIC = 12
"""One point of so many is checked once more with the error planted in torch itself."""


def plant(one: Pair, outcome: Outcome, total: Tally, *, public: bool) -> None:
    """Change torch's gradients by the planted error, and ask for the verdict on what comes out."""
    fmt = FORMATS[one.dtype]
    point = rounded(one, outcome)
    core = lower(one.program, shapes_of(point), nodes=True, as_torch=True)
    pullback = pull_back(core, one.program.tracked, as_torch=True)
    enclosed, overflow = exact.enclose_rounded(pullback.core, point, fmt, outcome.bits)
    safest = 0.0
    for gradient, output in zip(outcome.gradients, pullback.program.outputs, strict=True):
        for k, rounding in enumerate(exact.balls(enclosed[output], outcome.bits)):
            reach = distance(gradient, k, rounding, fmt)
            total.reach["nothing to plant in" if reach is None else within(reach)] += 1
            if reach is None or reach >= WELL_CONDITIONED or not isinstance(rounding, Ball):
                safest = WELL_CONDITIONED
                continue
            safest = max(safest, reach)
            judge_planted(one, gradient, k, rounding, reach, overflow, total)
    if public and outcome.gradients and safest < WELL_CONDITIONED / 2:
        plant_in_torch(one, total)


def within(reach: float) -> str:
    bound = next((one for one in (4, 16, 64, 1024, 2**20) if reach < one), None)
    return "more" if bound is None else f"less than {bound:,} ULP"


def distance(gradient: GradientOutcome, k: int, rounding: Any, fmt: Format) -> float | None:
    """Return how far the rounding enclosure reaches from the exact value, in ULP; None where nothing can be planted."""
    truth, judgement, number = gradient.ball(k), gradient.judgements[k], gradient.number(k)
    if not isinstance(rounding, Ball) or truth is None or number is None:
        return None
    if (
        judgement.verdict not in (Verdict.AGREE, Verdict.UNSTABLE, Verdict.LOSSY)
        or not fmt.smallest_normal < abs(number) < fmt.largest / 2
    ):
        return None
    nearest = fmt.round_dyadic(truth.midpoint)
    return max(fmt.distance(nearest, end) for end in (rounding.lower, rounding.upper)) if isfinite(nearest) else None


def judge_planted(
    one: Pair, gradient: GradientOutcome, k: int, rounding: Ball, reach: float, overflow: str | None, total: Tally
) -> None:
    """Judge the gradient with an error away from the exact value, and one towards it that leads beyond rounding."""
    truth, value, fmt = gradient.ball(k), gradient.number(k), FORMATS[one.dtype]
    assert truth is not None
    assert value is not None
    own = fmt.distance(value, truth.midpoint)
    for sign in (-1, 1):
        wrong = fmt.round(Fraction(value) * (1 + sign * Fraction(PLANTED[one.dtype])))
        if fmt.distance(wrong, truth.midpoint) < WELL_CONDITIONED and reach + own >= WELL_CONDITIONED:
            total.reach["an error planted towards the exact value stays within"] += 1
            continue
        total.planted[one.dtype] += 1
        final = judge(truth, wrong, fmt, DEFAULT_ULPS[one.dtype])
        if final is not None and final.verdict is Verdict.DISAGREE:
            final = explain(final, truth, wrong, fmt, Rounding(rounding.contains(wrong), overflow=overflow))
        if final is not None and final.verdict is Verdict.DISAGREE:
            total.found[one.dtype] += 1
        else:
            total.broken.append(
                f"missed: {one}: {gradient.input}[{k}] = {value!r} changed to {wrong!r}, reach {reach}: {final}"
            )


def plant_in_torch(one: Pair, total: Tally) -> None:
    """Check once more with the error in the backward pass of the program's last operation."""
    last = one.program.layers[-1].expression
    ops = [part.op for layer in one.program.layers for part in calls(layer.expression)]
    if not isinstance(last, Call) or ops.count(last.op) != 1:
        return
    for sign in (-1, 1):
        faulty = {last.op: scaled(last.op, 1 + sign * PLANTED[one.dtype])}
        outcome = looked_at(one, under_test=faulty)
        for gradient in outcome.gradients:
            for k, judgement in enumerate(gradient.judgements):
                if not gradient.number(k):
                    continue
                total.planted[f"{one.dtype}, in torch"] += 1
                total.found[f"{one.dtype}, in torch"] += judgement.verdict is Verdict.DISAGREE
                if judgement.verdict is not Verdict.DISAGREE:
                    total.broken.append(f"missed in torch: {one}: {gradient.input}[{k}]: {judgement}")


def calls(node: Node) -> Iterator[Call]:
    if isinstance(node, Call):
        yield node
        for arg in node.args:
            yield from calls(arg)


def scaled(op: str, factor: float) -> Callable[..., Any]:
    """Return torch's own function with a gradient that is wrong by a factor."""
    run = function(op)

    def faulty(*args: Any, **params: Any) -> Any:
        made = run(*args, **params)
        if not isinstance(made, torch.Tensor) or not made.requires_grad:
            return made
        copy = made.clone()
        copy.register_hook(lambda gradient: gradient * factor)  # type: ignore[no-untyped-call]
        return copy

    return faulty
