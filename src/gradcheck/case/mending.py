"""What could be written instead where a gradient or the output is bad, so that both lanes find it better."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import isfinite

from gradcheck import autograd
from gradcheck.autograd import Backward
from gradcheck.blame import Fix
from gradcheck.bounds import Enclosures
from gradcheck.case.elsewhere import is_equal_elsewhere, neighbours
from gradcheck.case.one import Case
from gradcheck.case.screened import LOST, Known, Score, countable, score
from gradcheck.case.search import Search
from gradcheck.case.wanted import Wanted
from gradcheck.compare import Judgement, right_bits
from gradcheck.errors import GradcheckError
from gradcheck.formats import Format
from gradcheck.outcome import Outcome
from gradcheck.points import Point
from gradcheck.pointwise import goes_by_elements
from gradcheck.program import Program
from gradcheck.rewrites import Rewrite, joined
from gradcheck.verdict import Verdict

MAX_REWRITES = 16
"""Rewrites of one program that torch runs."""
MAX_CHECKED = 6
"""Of those after which torch's gradient looks better, the ones that go through both lanes."""
MAX_STEPS = 3
"""Rewrites that follow each other."""
MAX_FRONT = 4
"""Rewritten programs in which further rewrites are looked for."""
MAX_TRIALS = 64
"""Rewritten programs that torch runs for one element; beside it there is the budget of seconds of the whole run."""
MAX_WORDS = 200
"""Characters up to which several rewrites are told as one."""
LUCK = 4
"""Last bits that are luck: programs that agree and differ in no more are equally good."""

Rank = tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Way:
    """A program after some rewrites, and how good torch's gradients of it look."""

    program: Program
    steps: tuple[Rewrite, ...] = ()
    score: Score = LOST


class Mending:
    """The search for another way to write one program; the state is what was tried."""

    def __init__(self, case: Case, outcome: Outcome, search: Search) -> None:
        self.case = case
        self.outcome = outcome
        self.search = search
        self.tried: dict[tuple[str, str | None, int], Outcome | None] = {}
        self.ran: dict[str, Backward | None] = {}
        self.equal: dict[str, bool] = {}

    def fix(self, wanted: Wanted) -> Fix | None:
        """Return the rewritten program that came out best in both lanes, where one did come out better.

        Rewrites at the place of the fault are tried first, then several after each other; among equals the first one
        stands. None is shown that helps by luck, or is another function and does not say so.
        """
        if not wanted.judgement.verdict.mended or not self.search.fixes.enough():
            return None
        best = self.best(wanted)
        if best is None and wanted.truth is None:
            best = self.best(replace(wanted, floors=True))
        return best

    def best(self, wanted: Wanted) -> Fix | None:
        """Return the best of what is worth a look."""
        best: tuple[Rank, Fix] | None = None
        for way in self.ways(wanted):
            with self.search.fixes.spending():
                made = self.attempt(joined(self.case.plan.program, way.steps), wanted, best and best[0])
            best = made or best
            if best is not None and self.is_perfect(best[0]):
                break
        return None if best is None else best[1]

    def is_perfect(self, rank: Rank) -> bool:
        """Return whether nothing comes out better: all agree, and all bits of the element are right but for luck."""
        return rank >= (-Verdict.AGREE.severity, -Verdict.AGREE.severity, self.many_bits)

    @property
    def many_bits(self) -> int:
        """Return the bits from which on a gradient is as good as one with all of them."""
        return self.case.format.precision - LUCK

    # --- what to try ---

    def ways(self, wanted: Wanted) -> Iterator[Way]:
        """Yield rewritten programs that are worth a look in both lanes: after one rewrite, then after several."""
        if self.case.truth.is_large:
            yield from self.unscreened(wanted)
            return
        front = [self.run(Way(self.case.plan.program), wanted)]
        seen, before = {front[0].program.source}, front[0].score
        most = countable(self.known)
        for _ in range(MAX_STEPS if wanted.truth is not None else 1):  # what is not known leads nowhere
            made = list(self.further(front, wanted, seen))
            made.sort(key=lambda way: (-min(way.score.bits, self.many_bits), -way.score.right))
            yield from [way for way in made if self.is_hopeful(way, before, wanted)][:MAX_CHECKED]
            front = made[:MAX_FRONT]
            if not front or (front[0].score.bits >= self.many_bits and front[0].score.right == most):
                return

    def further(self, front: Sequence[Way], wanted: Wanted, seen: set[str]) -> Iterator[Way]:
        """Yield the programs that are one rewrite away, each once, with torch's gradients."""
        for way in front:
            for one in self.rewrites(way.program, wanted) if len(seen) <= MAX_TRIALS else ():
                if one.program.source not in seen and self.search.fixes.enough():
                    seen.add(one.program.source)
                    yield self.run(Way(one.program, (*way.steps, one)), wanted)

    def rewrites(self, program: Program, wanted: Wanted) -> list[Rewrite]:
        """Return the first rewrites of a program, those at the place of the fault before the others."""
        found = self.search.rewrites(program, self.case.plan.inputs(), floors=wanted.floors)
        place = wanted.place if program is self.case.plan.program else None
        return sorted(found, key=lambda one: place is None or not one.span.overlaps(place))[:MAX_REWRITES]

    def unscreened(self, wanted: Wanted) -> Iterator[Way]:
        """Yield the rewrites of a large case, where torch takes as long as both lanes, while there is time."""
        # What is rewritten takes about as long as what it replaces.
        cost = 0.0 if self.stands_alone(self.case.plan.program) else self.case.seconds
        known = self.rewrites(self.case.plan.program, wanted)
        for tried, each in enumerate(known):
            if not self.search.fixes.enough(len(known) - tried, cost):
                return
            yield Way(each.program, (each,))

    def run(self, way: Way, wanted: Wanted) -> Way:
        """Return a rewritten program with how good torch's gradients of it look."""
        source = way.program.source
        if source not in self.ran:
            with self.search.fixes.spending():
                self.ran[source] = self.backward(way.program)
        found = self.ran[source]
        if found is None:
            return way
        made = score(found, way.program.output, self.known, wanted.name, wanted.k, self.case.format)
        return replace(way, score=made)

    @cached_property
    def known(self) -> Known:
        """Return what is known of all gradients and of the output."""
        found: dict[str | None, Enclosures] = {one.input: one.exact for one in self.outcome.gradients}
        return found if self.case.value is None else {**found, None: self.case.value.known}

    def backward(self, program: Program) -> Backward | None:
        """Return what torch makes of another program here, None where it refuses it."""
        case, settings = self.case, self.case.settings
        wrt = tuple(name for name in case.plan.wrt if name in program.inputs)
        try:
            return autograd.backward(program, case.arrays, wrt, dtype=case.dtype, device=settings.on_device,
                                     under_test=settings.under_test)  # fmt: skip
        except GradcheckError:
            return None

    def is_hopeful(self, way: Way, before: Score, wanted: Wanted) -> bool:
        """Return whether torch's gradient looks better, and what was rewritten can be told in few words."""
        if len(way.steps) > 1 and len(joined(self.case.plan.program, way.steps).before) > MAX_WORDS:
            return False
        return way.score > before or (way.score.bits >= 0 and wanted.truth is None)

    # --- in both lanes ---

    def attempt(self, one: Rewrite, wanted: Wanted, best: Rank | None) -> tuple[Rank, Fix] | None:
        """Return a rewrite as a fix where it is better than what there is, for one element and in all."""
        alone = self.stands_alone(one.program)
        outcome = self.checked(one.program, wanted, alone)
        before, after = wanted.judgement, wanted.found(outcome, 0 if alone else wanted.k)
        element = wanted.k if alone else None
        if outcome is None or after is None or (one.note is None and not _same_value(self.outcome, outcome, element)):
            return None
        fmt, truth = self.case.format, wanted.truth
        bits = right_bits(before, fmt, truth), right_bits(after, fmt, truth)
        rank = -outcome.verdict.severity, -after.verdict.severity, min(bits[1], self.many_bits)
        if not _better(after, before, fmt) or (best is not None and rank <= best):
            return None
        if not self.holds(one, wanted):
            return None
        verdicts = before.verdict.value, after.verdict.value
        return rank, Fix(one.name, one.before, one.after, one.program.source, verdicts, bits, one.note)

    def holds(self, one: Rewrite, wanted: Wanted) -> bool:
        """Return whether a rewrite is what it says elsewhere too, and is better at the next points as well."""
        if self.case.truth.is_large:
            return True
        source = one.program.source
        if one.note is None and source not in self.equal:
            self.equal[source] = is_equal_elsewhere(self.case.plan.program, one.program, self.case.arrays)
        return (one.note is not None or self.equal[source]) and not self.is_lucky(one.program, wanted)

    def is_lucky(self, program: Program, wanted: Wanted) -> bool:
        """Return whether beside the point a program is no better than the first one is at the point."""
        if not wanted.judgement.verdict.answer or wanted.number is None or not isfinite(wanted.number):
            return False
        alone = self.stands_alone(program)
        arrays = {name: one.ravel()[wanted.k].reshape(()) if alone else one for name, one in self.case.arrays.items()}
        k = 0 if alone else wanted.k
        for point in neighbours(arrays, self.case.format):
            after = wanted.found(self.check(program, point, self.asked(wanted, k)), k)
            if after is not None and after.verdict.answer and not _better(after, wanted.judgement, self.case.format):
                return True
        return False

    def stands_alone(self, program: Program) -> bool:
        """Return whether each element of a tensor can be checked without the others, in this program and in another."""
        return self.case.plan.by_elements and not self.case.settings.under_test and goes_by_elements(program)

    def asked(self, wanted: Wanted, k: int) -> tuple[str, int]:
        """Return the element of a gradient whose sides are of interest: none is, where the output is to be mended."""
        return (self.case.plan.wrt[0], 0) if wanted.name is None else (wanted.name, k)

    def checked(self, program: Program, wanted: Wanted, alone: bool) -> Outcome | None:
        """Return the outcome of another program at the same point, None where it cannot be checked there.

        Of a tensor whose elements stand ``alone`` only the one that is asked for is looked at.
        """
        key = program.source, wanted.name, wanted.k
        if key not in self.tried:
            point = self.case.point
            if alone:
                point = {name: value.element(wanted.k) for name, value in point.items()}
            self.tried[key] = self.check(program, point, self.asked(wanted, 0 if alone else wanted.k))
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
    """Return whether a judgement is worth a rewrite: it is right, and milder or by two bits better."""
    if not after.verdict.right or not after.verdict.answer:
        return False
    if after.verdict is before.verdict:
        return right_bits(after, fmt) >= right_bits(before, fmt) + 2
    return after.verdict.severity < before.verdict.severity or before.verdict is Verdict.UNDEFINED
