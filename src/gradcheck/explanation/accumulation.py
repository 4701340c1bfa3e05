"""Accumulation: ``.grad`` after several backward passes without zeroing, beside the sum of the exact derivatives."""

from __future__ import annotations

from collections.abc import Sequence

from gradcheck import autograd
from gradcheck.autograd import TorchValue
from gradcheck.case.one import Case
from gradcheck.diagnose.graph import gap
from gradcheck.errors import UsageProblem
from gradcheck.explanation.model import Accumulation, Numbers, Pass
from gradcheck.formats import FORMATS, Ball, Dyadic, Format
from gradcheck.gradients import GradientOutcome
from gradcheck.outcome import Outcome

MAX_SHIFT = 8192
"""Bits by which the exponents of two numbers may differ and their sum still be told exactly."""


def accumulation(cases: Sequence[Case], outcomes: Sequence[Outcome]) -> tuple[Accumulation, ...]:
    """Return what ``.grad`` of every input holds after each point in turn; the points have the same shapes."""
    first = cases[0]
    shapes = [{name: array.shape for name, array in case.arrays.items()} for case in cases]
    if any(one != shapes[0] for one in shapes):
        raise UsageProblem("gradients accumulate in one tensor: --accumulate needs points of one shape")
    held = autograd.accumulate(
        first.plan.program, [case.arrays for case in cases], first.plan.wrt, dtype=first.dtype,
        device=first.settings.on_device, under_test=first.settings.under_test,
    )  # fmt: skip
    return tuple(
        Accumulation(name, tuple(_passes(name, cases, outcomes, [one[name] for one in held])))
        for name in first.plan.wrt
    )


def _passes(
    name: str, cases: Sequence[Case], outcomes: Sequence[Outcome], held: Sequence[TorchValue | None]
) -> list[Pass]:
    total: tuple[Ball | None, ...] | None = None
    passes = []
    for case, outcome, after in zip(cases, outcomes, held, strict=True):
        fmt = FORMATS[case.dtype]
        gradient = next(one for one in outcome.gradients if one.input == name)
        exact = gradient.balls()
        total = exact if total is None else tuple(_plus(a, b) for a, b in zip(total, exact, strict=True))
        point = {one: _at(array.shape, array.ravel().tolist()) for one, array in case.arrays.items()}
        passes.append(Pass(point, _gradient(gradient), _both(gradient, total, after, fmt)))
    return passes


def _at(shape: tuple[int, ...], values: list[float]) -> Numbers:
    return Numbers(shape, tuple(Ball.around(value) for value in values), tuple(values), (0.0,) * len(values))


def _gradient(gradient: GradientOutcome) -> Numbers:
    torch = None if gradient.torch is None else tuple(gradient.torch.ravel().tolist())
    return Numbers(gradient.shape, gradient.balls(), torch, tuple(one.ulps for one in gradient.judgements))


def _both(gradient: GradientOutcome, total: tuple[Ball | None, ...], after: TorchValue | None, fmt: Format) -> Numbers:
    if after is None:
        return Numbers(gradient.shape, total, None, (None,) * len(total))
    gaps = tuple(gap(ball, value, fmt) for ball, value in zip(total, after.elements, strict=True))
    return Numbers(gradient.shape, total, tuple(after.elements), gaps)


def _plus(a: Ball | None, b: Ball | None) -> Ball | None:
    """Return the sum of two enclosures, exactly."""
    if a is None or b is None:
        return None
    lower, upper = _sum(a.lower, b.lower), _sum(a.upper, b.upper)
    return None if lower is None or upper is None else Ball(lower, upper)


def _sum(a: Dyadic, b: Dyadic) -> Dyadic | None:
    if a.man == 0 or b.man == 0:
        return b if a.man == 0 else a
    if abs(a.exp - b.exp) > MAX_SHIFT:
        return None
    exp = min(a.exp, b.exp)
    return Dyadic((a.man << (a.exp - exp)) + (b.man << (b.exp - exp)), exp)
