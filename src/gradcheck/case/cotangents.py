"""Cotangents beside the ones: these are blind to errors that cancel in the sum of the output's elements."""

from __future__ import annotations

from dataclasses import replace
from math import prod
from typing import TYPE_CHECKING

import numpy as np

from gradcheck.blame import Blame, Cause
from gradcheck.case.one import Case, Floats, of_sum
from gradcheck.case.single import at_fault
from gradcheck.case.ways import Ways
from gradcheck.compare import Judgement
from gradcheck.errors import LimitProblem
from gradcheck.formats import FORMATS, exact_text
from gradcheck.gradients import GradientOutcome, Gradients
from gradcheck.nested import Nested
from gradcheck.notation import element, indexed
from gradcheck.outcome import Fault, Outcome
from gradcheck.points.value import Value, frozen
from gradcheck.program import Shape, unravel
from gradcheck.verdict import Verdict
from gradcheck.weighing import random_cotangent

if TYPE_CHECKING:
    from gradcheck.plan import Plan
    from gradcheck.points import Point

MAX_ELEMENTS = 4_096
"""Elements of a Jacobian up to which it is worked out, a gradient for each row of it."""


def beside_ones(case: Case | Ways, outcome: Outcome) -> Outcome:
    """Return an outcome with what a random cotangent shows that ones do not.

    A softmax whose backward is three times too large agrees under ones, since its sum is constant. Where each element
    of the output stands on one of the input alone, nothing can cancel, and nothing is tried. What torch, or a callable
    under test, refuses under another cotangent than ones is an error.
    """
    plan = case.plan if isinstance(case, Case) else case.nested.first
    shape = plan.shapes[plan.program.output]
    if outcome.error is not None or prod(shape) == 1 or plan.by_elements or outcome.verdict is Verdict.DISAGREE:
        return outcome
    beside = weighed(case, random_cotangent(shape, case.settings.seed))
    found = beside.run()
    if found.error is not None:  # a backward that takes nothing but ones has no gradient to speak of
        return _refused(outcome, f"{_UNDER_RANDOM}: {found.error}")
    wrong = [gradient for gradient in found.gradients if _wrong(gradient) is not None]
    if wrong and isinstance(beside, Ways):
        wrong = [one for one in at_fault(beside, found).gradients if _wrong(one) is not None]
    faults = [_under(one) for one in found.faults] or [_fault(one, outcome) for one in wrong]
    return replace(outcome, faults=[*outcome.faults, *faults]) if faults else outcome


def weighed(case: Case | Ways, cotangent: Floats) -> Case | Ways:
    """Return a case under a cotangent of the output, which is an input that nothing is differentiated by."""
    if isinstance(case, Case):
        plan, point = under(case.plan, case.point, cotangent)
        return Case(plan, point, case.dtype, case.settings, truths=case.truths)
    plan, point = under(case.nested.first, case.point, cotangent)
    return Ways(Nested(plan, case.nested.order), case.lane, point, case.settings, case.truths)


def under(plan: Plan, point: Point, cotangent: Floats) -> tuple[Plan, Point]:
    """Return the plan and the point of the output under a cotangent."""
    made, name = plan.weighed
    return made, {**point, name: Value(cotangent.shape, frozen(cotangent.ravel()), "...")}


class Rows:
    """The Jacobian of one point: the gradient of every element of the output by itself."""

    seconds = 0.0

    def __init__(self, case: Case | Ways) -> None:
        self.case = case

    def run(self) -> Outcome:
        """Return what came out of both lanes, an axis for every axis of the output before those of the inputs.

        Raises LimitProblem for a Jacobian of more than MAX_ELEMENTS.
        """
        plan = self.case.plan if isinstance(self.case, Case) else self.case.nested.first
        shape = plan.shapes[plan.program.output]
        count = prod(shape) * sum(prod(plan.shapes[name]) for name in plan.wrt)
        if shape and count > MAX_ELEMENTS:
            raise LimitProblem(
                f"the Jacobian has {count:,} elements; the limit (MAX_ELEMENTS) is {MAX_ELEMENTS:,}",
                hint="without it the gradient of the sum is checked, and what a random cotangent shows",
            )
        whole = self.case.run()
        if whole.error is not None or not shape:
            return whole
        found = [self.row(shape, k) for k in range(prod(shape))]
        refused = next((k for k, one in enumerate(found) if one.error is not None), None)
        if refused is not None:
            where = indexed(plan.program.output, unravel(shape, refused))
            return _refused(whole, f"in the row of {where}: {found[refused].error}")
        faults = [fault for one in found for fault in one.faults]
        rows = Gradients.stacked([one.gradients for one in found])
        gradients = Gradients(_shaped(one, plan.program.output, shape) for one in rows)
        notes = [note for note in whole.notes if note not in of_sum(whole.layers)]
        return replace(whole, gradients=gradients, faults=[*whole.faults, *faults], notes=notes)

    def row(self, shape: Shape, k: int) -> Outcome:
        """Return the outcome under the cotangent of one element."""
        unit = np.zeros(shape)
        unit.flat[k] = 1.0
        return weighed(self.case, unit).run()


def _refused(outcome: Outcome, error: str) -> Outcome:
    """Return an outcome as one that could not be run: it has no layers and no gradients."""
    return replace(outcome, layers=[], gradients=Gradients(), faults=[], error=error)


def _shaped(one: GradientOutcome, output: str, shape: Shape) -> GradientOutcome:
    whole = (*shape, *one.shape[1:])
    torch = None if one.torch is None else one.torch.reshape(whole)
    return replace(one, shape=whole, torch=torch, along=((output, shape),), jacobian=True)


def _wrong(gradient: GradientOutcome) -> int | None:
    """Return the worst element that is proven wrong."""
    found = gradient.judgements.ranked((Verdict.DISAGREE,))
    return found[0] if found else None


def _under(fault: Fault) -> Fault:
    note = f"{fault.judgement.note}; {_WHERE}" if fault.judgement.note else _WHERE
    message = f"{fault.blame.message}; {_WHERE}"
    return replace(fault, judgement=replace(fault.judgement, note=note), blame=replace(fault.blame, message=message))


_UNDER_RANDOM = "under a random cotangent (--cotangent random)"
_WHERE = f"it shows {_UNDER_RANDOM}, while under ones the errors cancel"


def _fault(gradient: GradientOutcome, outcome: Outcome) -> Fault:
    """Return what is wrong of the worst element, by the operation at fault where one stands out."""
    k = _wrong(gradient)
    assert k is not None
    if gradient.blames:
        [blame] = gradient.blames
        return _under(Fault(replace(gradient.judgements[k], note=blame.message), blame))
    fmt, number = FORMATS[outcome.dtype], gradient.number(k)
    exact, torch = exact_text(gradient.exact[k], fmt), "none" if number is None else fmt.text(number)
    message = f"the gradient by {element(gradient, k)} is {exact}, torch has {torch}; {_WHERE}"
    span = outcome.program.layers[-1].span
    blame = Blame(k, Cause.WRONG_GRADIENT, None, span, message)
    return Fault(Judgement(Verdict.DISAGREE, gradient.judgements[k].ulps, message), blame)
