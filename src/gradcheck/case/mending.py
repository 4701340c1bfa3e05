"""What could be written instead where an element of a gradient is bad, so that both lanes find it better."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from gradcheck.blame import Fix
from gradcheck.case.one import Case
from gradcheck.case.search import Search
from gradcheck.compare import Judgement, right_bits
from gradcheck.errors import GradcheckError, Span
from gradcheck.formats import Format
from gradcheck.gradients import GradientOutcome
from gradcheck.outcome import Outcome
from gradcheck.points import Point
from gradcheck.pointwise import goes_by_elements
from gradcheck.program import Program
from gradcheck.rewrites import Rewrite
from gradcheck.verdict import Verdict

MAX_REWRITES = 12
"""Rewritten programs that are tried for one bad element."""


class Mending:
    """The search for another way to write one program; the state is what was tried."""

    def __init__(self, case: Case, outcome: Outcome, search: Search) -> None:
        self.case = case
        self.outcome = outcome
        self.search = search
        self.tried: dict[tuple[str, tuple[str, int]], Outcome | None] = {}

    def fix(self, gradient: GradientOutcome, k: int, place: Span | None) -> Fix | None:
        """Return the rewritten program whose gradient came out best in both lanes, where one did come out better.

        Rewrites at the ``place`` of the fault are tried first; among equals the first one stands.
        """
        if not gradient.judgements[k].verdict.mended:
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
    if not after.verdict.answer:
        return False
    if after.verdict in (before.verdict, Verdict.UNSTABLE, Verdict.LOSSY, Verdict.DISAGREE):
        return right_bits(after, fmt) >= right_bits(before, fmt) + 2
    return after.verdict.severity < before.verdict.severity or before.verdict is Verdict.UNDEFINED
