"""What is at fault for the bad elements of an outcome, and what could be written instead."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from math import isfinite

from gradcheck import exact
from gradcheck.blame import Blame, Cause, Fix
from gradcheck.case.alone import graph_alone, placed
from gradcheck.case.elements import Floats, places
from gradcheck.case.one import Case
from gradcheck.compare import Judgement, right_bits
from gradcheck.diagnose import diagnose, unsteady
from gradcheck.diagnose.words import in_words
from gradcheck.errors import GradcheckError, Span
from gradcheck.formats import Ball, Format
from gradcheck.gradients import GradientOutcome, Gradients
from gradcheck.judgements import Judgements
from gradcheck.outcome import LayerOutcome, Outcome
from gradcheck.plan import Plan
from gradcheck.points import Point
from gradcheck.pointwise import goes_by_elements
from gradcheck.program import Program, Shape
from gradcheck.rewrites import Rewrite, rewrites
from gradcheck.verdict import Verdict
from gradcheck.work import SECONDS, Budget

MAX_BLAMES = 4
"""Kinds of bad elements of one gradient that are looked into."""
MAX_LOOKED_INTO = 12
"""Elements of one gradient that disagree, beside the worst of each kind, whose cause is looked for."""
MAX_NUMBERS = 100_000
"""Numbers on the way of a program up to which its operations are looked through for the cause of a lost digit."""
MAX_REWRITES = 12
"""Rewritten programs that are tried for one bad element."""
MAX_FOUND = 200
"""Rewrites that are looked for in one program."""

_BLAMED = tuple(verdict for verdict in Verdict if verdict.row.blamed)


@dataclass(slots=True)
class Search:
    """What the inquiries of one run share: how much work is left, rewrites and their plans, each made once."""

    blames: Budget = field(default_factory=Budget)
    fixes: Budget = field(default_factory=Budget)
    rewritten: dict[tuple[str, str], list[Rewrite]] = field(default_factory=dict)
    plans: dict[tuple[str, str, tuple[str, ...]], Plan] = field(default_factory=dict)

    def rewrites(self, plan: Plan) -> list[Rewrite]:
        """Return the rewrites of a program at these shapes."""
        key = plan.program.source, repr(plan.inputs())
        if key not in self.rewritten:
            with self.fixes.spending():
                found = rewrites(plan.program, plan.inputs(), self.fixes.enough)
                self.rewritten[key] = list(islice(found, MAX_FOUND))
        return self.rewritten[key]

    def plan(self, program: Program, shapes: dict[str, Shape], wrt: tuple[str, ...]) -> Plan:
        """Return the plan of a rewritten program."""
        key = program.source, repr(shapes), wrt
        if key not in self.plans:
            self.plans[key] = Plan.make(program, shapes, wrt)
        return self.plans[key]

    def notes(self) -> list[str]:
        """Return what was not looked for, because there was no more time for it."""
        left = {"what is at fault": self.blames.refused, "what to write instead": self.fixes.refused}
        what = " and ".join(words for words, refused in left.items() if refused)
        return [f"the search for {what} stopped after {SECONDS:g} s; the verdicts are whole"] if what else []


class Inquiry:
    """The inquiry into one outcome; the state is what was tried."""

    def __init__(self, case: Case, outcome: Outcome, search: Search | None = None) -> None:
        self.case = case
        self.outcome = outcome
        self.search = search or Search()
        self.tried: dict[tuple[str, tuple[str, int]], Outcome | None] = {}

    def run(self) -> Outcome:
        """Return the outcome with what is at fault for its bad elements."""
        outcome = self.outcome
        value = outcome.value
        bad = [gradient.judgements for gradient in outcome.gradients]
        if outcome.error is not None or value is None or not any(map(_kinds, [*bad, value.judgements])):
            return outcome
        layers = [*outcome.layers[:-1], self.layer(value)]
        gradients = Gradients(map(self.gradient, outcome.gradients))
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
        return replace(gradient, blames=[self.answered(gradient, one) for one in worst])

    def answered(self, gradient: GradientOutcome, blame: Blame) -> Blame:
        """Return a blame with what could be written instead, unless whoever implemented the operation is at fault."""
        if blame.cause.implemented:
            return blame
        return replace(self.beside(gradient, blame), fix=self.fix(gradient, blame.element, blame.span))

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
        return replace(blame, beside=in_words(found, blame.cause, case.format), limit=limit)

    # --- what could be written instead ---

    def fix(self, gradient: GradientOutcome, k: int, place: Span | None) -> Fix | None:
        """Return the rewritten program whose gradient came out best in both lanes, where one did come out better.

        Rewrites at the ``place`` of the fault are tried first; among equals the first one stands.
        """
        if not gradient.judgements[k].verdict.row.mended:
            return None
        if not self.search.fixes.enough():
            return None
        known = sorted(
            self.search.rewrites(self.case.plan), key=lambda one: place is None or not one.span.overlaps(place)
        )
        best = None
        for one in self.attempts(known[:MAX_REWRITES], gradient, k):
            if one is not None and (best is None or one[0] > best[0]):
                best = one
                if self.is_perfect(best[0]):
                    break
        return None if best is None else best[1]

    def is_perfect(self, rank: tuple[int, int, int]) -> bool:
        """Return whether nothing comes out better: all agree, and all bits of the element are right."""
        return rank >= (-Verdict.AGREE.severity, -Verdict.AGREE.severity, self.case.format.precision)

    def attempts(
        self, known: Sequence[Rewrite], gradient: GradientOutcome, k: int
    ) -> Iterator[tuple[tuple[int, int, int], Fix] | None]:
        """Yield what becomes of each rewrite, while there is time."""
        # What is rewritten takes about as long as what it replaces.
        alone = self.case.truth.is_large and self.stands_alone(self.case.plan.program)
        cost = self.case.seconds if self.case.truth.is_large and not alone else 0.0
        for tried, each in enumerate(known):
            if not self.search.fixes.enough(len(known) - tried, cost):
                return
            with self.search.fixes.spending():
                made = self.attempt(each, gradient, k)
            yield made

    def attempt(self, one: Rewrite, gradient: GradientOutcome, k: int) -> tuple[tuple[int, int, int], Fix] | None:
        """Return a rewrite as a fix where it is better for one element of the gradient, and how good it is in all."""
        alone = self.stands_alone(one.program)
        outcome = self.checked(one.program, (gradient.input, k), alone)
        again = [] if outcome is None else [each for each in outcome.gradients if each.input == gradient.input]
        element = k if alone else None
        if outcome is None or not again or (one.note is None and not _same_value(self.outcome, outcome, element)):
            return None
        before, after = gradient.judgements[k], again[0].judgements[0 if alone else k]
        if not _better(after, before, self.case.format):
            return None
        fmt, truth = self.case.format, gradient.ball(k)
        bits = right_bits(before, fmt, truth), right_bits(after, fmt, truth)
        verdicts = before.verdict.value, after.verdict.value
        rank = -outcome.verdict.severity, -after.verdict.severity, bits[1]
        return rank, Fix(one.name, one.before, one.after, one.program.source, verdicts, bits, one.note)

    def stands_alone(self, program: Program) -> bool:
        """Return whether each element of a tensor can be checked without the others, in this program and in another."""
        return self.case.plan.by_elements and not self.case.settings.under_test and goes_by_elements(program)

    def checked(self, program: Program, asked: tuple[str, int], alone: bool) -> Outcome | None:
        """Return the outcome of another program at the same point, None where it cannot be checked there.

        Of a tensor whose elements stand ``alone`` only the one that is asked for is looked at.
        """
        key = program.source, asked
        if key not in self.tried:
            point = self.case.point
            if alone:
                point = {name: value.element(asked[1]) for name, value in point.items()}
            self.tried[key] = self.check(program, point, (asked[0], 0) if alone else asked)
        return self.tried[key]

    def check(self, program: Program, at: Point, asked: tuple[str, int]) -> Outcome | None:
        """Return the outcome of another program, run as torch runs it."""
        case = self.case
        point = {name: value for name, value in at.items() if name in program.inputs}
        wrt = tuple(name for name in case.plan.wrt if name in point)
        try:
            plan = self.search.plan(program, {name: value.shape for name, value in point.items()}, wrt)
            outcome = Case(plan, point, case.dtype, replace(case.settings, nondet=0), asked).run()
        except GradcheckError:
            return None
        return outcome if outcome.error is None else None


def _same_value(one: Outcome, other: Outcome, element: int | None) -> bool:
    """Return whether two programs enclose the same value, as far as both have one; ``other`` may have an element."""
    before, after = ([*(outcome.layers[-1].exact or [])] for outcome in (one, other))
    before = before if element is None else before[element : element + 1]
    return all(a is None or b is None or a.overlaps(b) for a, b in zip(before, after, strict=False))


def _better(after: Judgement, before: Judgement, fmt: Format) -> bool:
    """Return whether a judgement is worth a rewrite: a milder verdict, or at least two bits more."""
    if not after.verdict.row.answer:
        return False
    if after.verdict in (before.verdict, Verdict.UNSTABLE, Verdict.LOSSY, Verdict.DISAGREE):
        return right_bits(after, fmt) >= right_bits(before, fmt) + 2
    return after.verdict.severity < before.verdict.severity or before.verdict is Verdict.UNDEFINED


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
