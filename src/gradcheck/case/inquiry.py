"""What is at fault for the bad elements of an outcome."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import isfinite

from gradcheck import exact
from gradcheck.blame import Blame, Cause
from gradcheck.case.alone import graph_alone, placed
from gradcheck.case.elements import Floats, places
from gradcheck.case.lost import told
from gradcheck.case.mending import Mending
from gradcheck.case.one import Case
from gradcheck.case.search import Search
from gradcheck.case.wanted import Wanted
from gradcheck.compare import Judgement
from gradcheck.diagnose import diagnose, unsteady
from gradcheck.diagnose.differences import how_misstated
from gradcheck.diagnose.words import in_words
from gradcheck.errors import Span
from gradcheck.expect import Misstated, compared
from gradcheck.formats import Ball
from gradcheck.gradients import GradientOutcome, Gradients
from gradcheck.judgements import Judgements
from gradcheck.outcome import LayerOutcome, Outcome
from gradcheck.plan import Plan
from gradcheck.verdict import Verdict

MAX_BLAMES = 4
"""Kinds of bad elements of one gradient that are looked into."""
MAX_LOOKED_INTO = 12
"""Elements of one gradient that disagree, beside the worst of each kind, whose cause is looked for."""
MAX_NUMBERS = 100_000
"""Numbers on the way of a program up to which its operations are looked through for the cause of a lost digit."""

_BLAMED = tuple(verdict for verdict in Verdict if verdict.blamed)


class Inquiry:
    """The inquiry into one outcome; the state is what was tried to mend it."""

    def __init__(self, case: Case, outcome: Outcome, search: Search | None = None) -> None:
        self.case = case
        self.outcome = outcome
        self.search = search or Search()
        self.mending = Mending(case, outcome, self.search)

    def run(self) -> Outcome:
        """Return the outcome with what is at fault for its bad elements."""
        outcome = self.outcome
        value = outcome.value
        bad = [gradient.judgements for gradient in outcome.gradients]
        nothing = not any(map(_kinds, [*bad, *([] if value is None else [value.judgements])]))
        if outcome.error is not None or value is None or (nothing and Verdict.DISAGREE not in outcome.stated()):
            return outcome
        layer, gradients = self.layer(value), Gradients(map(self.gradient, outcome.gradients))
        if not any(blame.fix for gradient in gradients for blame in gradient.blames):
            layer = replace(layer, blames=[self.mended(value, one) for one in layer.blames])
        layers = [*outcome.layers[:-1], layer]
        return replace(outcome, layers=layers, gradients=gradients, notes=[*outcome.notes, *self.search.notes()])

    def layer(self, value: LayerOutcome) -> LayerOutcome:
        """Return the output with what is at fault for the worst element of each kind of its bad ones."""
        found = (self.value(value, k) for k in _kinds(value.judgements))
        return replace(value, blames=[one for one in found if one is not None])

    def value(self, value: LayerOutcome, k: int) -> Blame | None:
        """Return what is at fault for one element of the output."""
        number, truth = value.values.item(k), self.case.value
        if truth is None:
            return None
        return self.diagnosed(None, k, value.judgements[k], truth.ball(k), number)

    def mended(self, value: LayerOutcome, blame: Blame) -> Blame:
        """Return what is at fault for an element of the output with what could be written instead."""
        k, truth = blame.element, self.case.value
        if blame.cause.implemented or truth is None:
            return blame
        wanted = Wanted(None, k, value.judgements[k], truth.ball(k), value.values.item(k), blame.span)
        return replace(blame, fix=self.mending.fix(wanted))

    def diagnosed(
        self, name: str | None, k: int, judgement: Judgement, truth: Ball | None, number: float | None
    ) -> Blame | None:
        """Return what is at fault for one element of a gradient or of the output; of a large one, from it alone."""
        case = self.case
        witness = case.witness(name, k, number)
        if case.truth.is_large and case.plan.by_elements:
            plan = self.search.plan(case.plan.program, dict.fromkeys(case.plan.inputs(), ()), case.plan.wrt)
            point = {one: array.ravel()[k].reshape(()) for one, array in case.arrays.items()}
            traced = graph_alone(plan, witness.run, k, point, case.format, case.bits, case.tolerance)
            truth, judgement = self.sharper(plan, point, (name, 0), truth, judgement, number)
            shape = case.plan.shapes[name or case.plan.program.output]
            return placed(diagnose(traced, plan.node, name, 0, judgement, truth, number), k, shape)
        if case.numbers > MAX_NUMBERS:
            return witness.blamed(name, k) if judgement.verdict is Verdict.DISAGREE else None
        if witness.graph is None:
            return None
        truth, judgement = self.sharper(case.plan, case.arrays, (name, k), truth, judgement, number)
        return diagnose(witness.graph, case.plan.node, name, k, judgement, truth, number)

    def sharper(
        self,
        plan: Plan,
        point: Mapping[str, Floats],
        at: tuple[str | None, int],
        truth: Ball | None,
        judgement: Judgement,
        number: float | None,
    ) -> tuple[Ball | None, Judgement]:
        """Return a ball in place of bounds of machine intervals, by which errors of single operations are measured."""
        case, (name, k) = self.case, at
        if truth is None or not case.truth.is_large:
            return truth, judgement
        layer = case.whole.layer(plan.shared, name)
        [found] = case.truths.get(plan.shared.core, point).some({layer: [k]}, case.bits)[layer]
        if not isinstance(found, Ball):
            return truth, judgement
        if number is None or not isfinite(number) or judgement.ulps is None:
            return found, judgement
        return found, replace(judgement, ulps=case.format.distance(number, found.midpoint))

    def gradient(self, gradient: GradientOutcome) -> GradientOutcome:
        """Return a gradient with what is at fault for the worst element of each kind: of each verdict and cause."""
        kinds: dict[tuple[Verdict, str | None, Cause, Span | None], Blame] = {}
        for k in _bad(gradient.judgements):
            if (found := self.blame(gradient, k)) is not None:
                one = gradient.judgements[k]
                kinds.setdefault((one.verdict, one.note, found.cause, found.span), found)
        worst = list(kinds.values())[:MAX_BLAMES]
        return replace(
            gradient, blames=[self.answered(gradient, one) for one in worst], misstated=self.misstated(gradient)
        )

    def misstated(self, gradient: GradientOutcome) -> Misstated | None:
        """Return how the derivative that the user stated is wrong, None where it is right or there is none."""
        wrong = [] if gradient.expectations is None else gradient.expectations.ranked([Verdict.DISAGREE])[:1]
        if not wrong or gradient.expected is None:
            return None
        (k,), plan, name = wrong, self.case.plan, gradient.input
        here = compared(gradient.expected[k], gradient.ball(k), self.case.format)
        rule = self.search.rule(plan, name) or self.pattern(gradient, gradient.expected)
        return Misstated(k, plan.expect[name].program.source, gradient.formula, here, rule)

    def pattern(self, gradient: GradientOutcome, stated: Sequence[float | None]) -> str | None:
        """Return in what one way the numbers of several elements differ from the right ones, None where in no such."""
        numbers = [number for number in stated if number is not None]
        if not 1 < len(numbers) == len(stated) <= MAX_NUMBERS or not any(numbers):
            return None
        how = how_misstated(numbers, gradient.balls(), gradient.shape)
        return None if how is None else f"what you wrote {how}"

    def answered(self, gradient: GradientOutcome, blame: Blame) -> Blame:
        """Return a blame with what could be written instead, unless whoever implemented the operation is at fault."""
        blame = told(self.case, gradient, blame)
        if blame.cause.implemented:
            return blame
        return replace(
            self.beside(gradient, blame), fix=self.mending.fix(Wanted.of(gradient, blame.element, blame.span))
        )

    def blame(self, gradient: GradientOutcome, k: int) -> Blame | None:
        """Return what is at fault for one element, where there is time for it."""
        if not self.search.blames.enough():
            return None
        with self.search.blames.spending():
            return self.fault(gradient, k)

    def fault(self, gradient: GradientOutcome, k: int) -> Blame | None:
        """Return what is at fault for one element."""
        number, found = gradient.number(k), None
        if k in self.case.unsteady.get(gradient.input, ()):
            traced = self.case.witness(gradient.input, k, number).graph
            found = None if traced is None else unsteady(traced, self.case.backward(traced=True).operations, k)
        return found or self.diagnosed(gradient.input, k, gradient.judgements[k], gradient.ball(k), number)

    def beside(self, gradient: GradientOutcome, blame: Blame) -> Blame:
        """Return the blame with what the derivative does beside a point that has none."""
        case = self.case
        if gradient.judgements[blame.element].verdict is not Verdict.UNDEFINED or case.infinite:
            return blame
        forms = case.forms(gradient.input)
        found = exact.beside(forms, case.plan.program.output, case.arrays, gradient.input, blame.element)
        limit = found.limit if isinstance(found.limit, Ball) else None
        if blame.cause is Cause.JUMP and found.continuous and (found.left.infinite or found.right.infinite):
            # Nothing jumps where the function is continuous: its slope does, from one infinity to the other.
            blame = replace(blame, cause=Cause.POLE, message=f"the slope of {blame.operation} is infinite here")
        return replace(blame, beside=in_words(found, blame.cause, case.format), limit=limit)


def _kinds(judgements: Judgements) -> list[int]:
    """Return the worst element of each verdict and note among the bad ones, the worst first."""
    worst: dict[tuple[Verdict, str | None], int] = {}
    for k in judgements.ranked(_BLAMED):
        one = judgements[k]
        worst.setdefault((one.verdict, one.note), k)
    return list(worst.values())[:MAX_BLAMES]


def _bad(judgements: Judgements) -> list[int]:
    """Return the bad elements that are looked into: the worst of each kind, and the first of those that disagree.

    What is wrong for one reason here may be wrong for another there, under the same words.
    """
    kinds = _kinds(judgements)
    wrong = [k for k in places(judgements.is_(Verdict.DISAGREE)) if k not in kinds][:MAX_LOOKED_INTO]
    return [k for k in judgements.ranked(_BLAMED) if k in {*kinds, *wrong}]
