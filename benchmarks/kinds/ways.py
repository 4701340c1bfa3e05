"""Random programs in every way of differentiating: torch is called wrong only where another precision shows it, too."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from math import isfinite, prod
from random import Random
from typing import Any

import torch

from gradcheck import exact
from gradcheck.autograd import function
from gradcheck.errors import UsageProblem
from gradcheck.formats import FORMATS, Ball
from gradcheck.functions import ELEMENTWISE
from gradcheck.gradients import GradientOutcome
from gradcheck.nested import Nested
from gradcheck.outcome import Outcome
from gradcheck.plan import Plan
from gradcheck.program import Call, postorder
from gradcheck.verdict import Verdict
from gradcheck.ways import FORWARD, PLAIN, Way
from kinds import random_programs
from kinds.held import REFUSALS, Outcomes
from kinds.pair import Drawn, Pair, Tally, count, looked_at, shapes_of

MAX_ELEMENTS = 7
"""Elements of the inputs of a program: so many times a second derivative is worked out."""
OTHER = {"float64": "float32", "float32": "float64", "bfloat16": "float64", "float16": "float64"}
"""The precision that tells a wrong rule, whose error stays, from roundings, whose errors change with it."""
STAYS = 8.0
"""Factor up to which the error of a wrong rule differs in another precision."""
EACH = 4
"""An error is planted in one program of so many."""
PLANTED = 1.01
"""The factor of a planted error."""
MIN_PRECISION = 24
"""Digits of the dtypes in which it is far beyond roundings."""


def draw(random: Random) -> Drawn:
    """Return a random program of few numbers, with two of the dtypes that hold them."""
    while True:
        drawn = random_programs.draw(random)
        if sum(prod(random_programs.SHAPES[name]) for name in drawn.program.inputs) <= MAX_ELEMENTS:
            dtypes = tuple(sorted(random.sample(drawn.dtypes, min(2, len(drawn.dtypes)))))
            return replace(drawn, dtypes=dtypes)


def judge(one: Pair, outcomes: Outcomes, k: int, total: Tally) -> None:
    """Hold what came out in every way to the promise that nobody is called wrong for roundings."""
    for outcome in outcomes:
        count(outcome, total)
        if outcome.error is not None:
            told = any(
                words in outcome.error for words in (*REFUSALS, "torch has no derivative", "not implemented for")
            )
            total.elements["torch has no such derivative"] += 1
            total.broken += [] if told else [f"torch raised: {one} {outcome.lane}: {outcome.error}"]
        for gradient in outcome.gradients:
            for place, judgement in enumerate(gradient.judgements):
                if judgement.verdict is Verdict.ERROR:
                    total.broken.append(f"error: {one} {outcome.lane}: {gradient.input}[{place}]: {judgement}")
                if judgement.verdict is Verdict.DISAGREE:
                    disagrees(one, outcome, gradient, place, total)
        if k % EACH == 0 and outcome.error is None:
            plant(one, outcome, total)


def disagrees(one: Pair, outcome: Outcome, gradient: GradientOutcome, k: int, total: Tally) -> None:
    """Count a disagreement: nan and infinity by design, at a kink, and a rule of torch that is wrong."""
    if not isfinite(gradient.number(k) or 0.0):
        total.overflows[random_programs.cause(gradient.judgements[k])] += 1
    elif at_a_kink(one, outcome, gradient, k):
        total.elements["disagree, at a kink"] += 1
    elif is_a_rule(one, outcome, gradient, k):
        total.elements["disagree, a rule that is wrong in other precision, too"] += 1
    else:
        found = f"{gradient.along} {gradient.input}[{k}]: torch {gradient.number(k)}, {gradient.judgements[k]}"
        total.broken.append(f"called wrong: {one} {outcome.lane}: {found}")


def way_of(outcome: Outcome) -> Way:
    """Return the way that an outcome is of."""
    return PLAIN if outcome.lane is None else outcome.lane.way


def at_a_kink(one: Pair, outcome: Outcome, gradient: GradientOutcome, k: int) -> bool:
    """Tell whether the gradient of some order up to this has no number by its operations."""
    point = {name: outcome.rounded[name] for name in one.program.inputs}
    plan = Plan.make(one.program, shapes_of(point), one.program.inputs)
    order = way_of(outcome).order
    if any(isinstance(ball, str) for layer in plan.shared.program.outputs for ball in _balls(plan, point, layer)):
        return True
    if order == 1:
        return False
    nested, place = Nested(plan, 2), k // prod(plan.shapes[gradient.input])
    [(held, shape)] = gradient.along
    given = {name: torch.zeros(plan.shapes[name], dtype=torch.float64).numpy() for name in plan.wrt}
    given[held].flat[place if shape else 0] = 1.0
    at = {**point, **{nested.directions[0][name]: array for name, array in given.items()}}
    layer = nested.plan.shared.program.outputs[plan.wrt.index(gradient.input)]
    return isinstance(_balls(nested.plan, at, layer)[k % prod(plan.shapes[gradient.input])], str)


def _balls(plan: Plan, point: Any, layer: str) -> list[Any]:
    core = plan.shared.core
    return list(exact.balls(exact.enclose(core, point, 256)[layer], 256))


def is_a_rule(one: Pair, outcome: Outcome, gradient: GradientOutcome, k: int) -> bool:
    """Tell whether torch's error stays in another precision, which roundings do not."""
    other = Pair(one.program, dict(outcome.rounded), OTHER[one.dtype])
    again = looked_at(other, ways=(way_of(outcome),), cotangent="ones")
    same = [each for each in again.gradients if (each.along, each.input) == (gradient.along, gradient.input)]
    errors = [error(gradient, k, one.dtype), *(error(each, k, other.dtype) for each in same)]
    if len(errors) < 2 or None in errors:
        return again.error is None and bool(same) and same[0].judgements[k].verdict is Verdict.DISAGREE
    here, there = (value or 0.0 for value in errors)
    return 0 < here <= STAYS * there and there <= STAYS * here


def error(gradient: GradientOutcome, k: int, dtype: str) -> float | None:
    """Return how far torch's number is from the exact one; None where that is not known."""
    ball, number = gradient.ball(k), gradient.number(k)
    if ball is None or number is None or not isfinite(number):
        return None
    return abs(FORMATS[dtype].round_dyadic(ball.midpoint) - number)


# --- planted errors -----------------------------------------------------------------------------------


class _Pushed(torch.autograd.Function):
    """The same number with the same gradient, whose tangent is wrong by a factor."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x: torch.Tensor) -> torch.Tensor:
        return x.clone()

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        del ctx, inputs, output

    @staticmethod
    def backward(ctx: Any, cotangent: torch.Tensor) -> torch.Tensor:
        del ctx
        return cotangent

    @staticmethod
    def jvp(ctx: Any, tangent: torch.Tensor) -> torch.Tensor:
        del ctx
        return tangent * PLANTED


def _pulled(x: torch.Tensor) -> torch.Tensor:
    """The same number with the same gradient, whose second derivative by ``x`` has one more term."""
    off = x - x.detach()
    return x + (PLANTED - 1) * off * off


def plant(one: Pair, outcome: Outcome, total: Tally) -> None:
    """Plant an error in an operation on the way, and demand that what it changes for good is found."""
    op, way = next(_operations(one), None), way_of(outcome)
    if op is None:
        return
    plain = function(op)
    wrong: Callable[..., torch.Tensor] = _Pushed.apply if FORWARD in way.steps else _pulled
    if (FORWARD not in way.steps and way.order == 1) or FORMATS[one.dtype].precision < MIN_PRECISION:
        return
    try:
        changed = looked_at(one, ways=(way,), cotangent="ones", under_test={op: lambda *args: wrong(plain(*args))})
    except UsageProblem:  # it is a part of a number, which Python works out
        return
    for before, after in zip(outcome.gradients, changed.gradients, strict=False):
        for k, judgement in enumerate(before.judgements):
            if judgement.verdict is Verdict.AGREE and _is_far(before, after, k):
                said = after.judgements[k].verdict
                total.planted[str(way)] += 1
                total.found[f"{way}: {said}"] += 1
                if said is Verdict.AGREE:
                    total.broken.append(
                        f"missed: {one} {way} with {op} wrong: {after.input}[{k}] {after.judgements[k]}"
                    )


def _is_far(before: GradientOutcome, after: GradientOutcome, k: int) -> bool:
    number, ball, ulps = after.number(k), before.ball(k), before.judgements[k].ulps
    if number is None or not isinstance(ball, Ball) or ulps is None or ulps > 1:
        return False
    right = before.number(k) or 0.0
    return isfinite(number) and abs(number - right) > abs(right) / 256 > 0


def _operations(one: Pair) -> Iterator[str]:
    """Yield the operations with one argument that the program is made of, the last first."""
    for layer in reversed(one.program.layers):
        for node in postorder(layer.expression):
            if isinstance(node, Call) and node.op in ELEMENTWISE and len(node.args) == 1:
                yield node.op
