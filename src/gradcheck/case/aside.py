"""Elements without an ordinary derivative: slopes from both sides, and jumps behind a zero."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import isfinite, prod
from typing import TYPE_CHECKING

from gradcheck import exact
from gradcheck.case.elements import Elements
from gradcheck.case.ties import Ties
from gradcheck.compare import Judgement, half_of_the_digits
from gradcheck.exact import Beside, Place
from gradcheck.formats import Ball, Dyadic
from gradcheck.lower import Core
from gradcheck.verdict import Verdict

if TYPE_CHECKING:
    from gradcheck.case.one import Case

MAX_KINKS = 256
"""Elements whose sides are worked out one by one; those whose corners do not meet are all done in one evaluation."""
MAX_WORK = 500_000
"""Numbers of programs that are worked out beside a point, one ray after the other, a second or two for 100,000."""
FEW = 4
"""Elements up to which one by one is cheaper."""


def look_aside(case: Case, gradients: Sequence[Elements]) -> None:
    """Judge the elements where something has no derivative by what the function does beside the point.

    Equal slopes on both sides mean that it is smooth in spite of that, and a slope that exists from inside the domain
    alone is the derivative at its end. Where the formula has no value, as 0/0 at a removable point, there is none,
    whatever the limits. An element along which the function jumps has none either, even where a zero hides the jump.
    """
    aside = Aside(case, {one.name: one for one in gradients})
    hidden = aside.hidden()
    kinks = [(one.name, k) for one in gradients for k in one.kinks if case.is_asked(one.name, k)]
    if not hidden and not kinks:
        return
    aside.judge_jumps(hidden)
    aside.judge_sides(kinks)
    if case.asked is None:
        Ties(aside).judge()
    aside.explain()


@dataclass
class Aside:
    """The look around one point; the state is what was worked out once."""

    case: Case
    gradients: dict[str, Elements]
    slopes: dict[Place, Ball] = field(default_factory=dict)

    @property
    def values(self) -> exact.Values:
        """Return the exact values at the point."""
        return self.case.values

    @cached_property
    def most(self) -> int:
        """Return how many elements are looked at one by one: fewer of a larger program."""
        numbers = sum(prod(self.forward.shapes[layer.name]) for layer in self.forward.program.layers)
        return min(MAX_KINKS, max(FEW, MAX_WORK // max(numbers, 1)))

    @property
    def too_many(self) -> str:
        """Return why an element is not looked at."""
        return f"{self.most} elements were looked at one by one, and this is one more"

    @cached_property
    def forward(self) -> Core:
        """Return the program of the output."""
        return exact.needed(self.case.plan.shared.core, [self.case.plan.program.output])

    @cached_property
    def around(self) -> exact.Surroundings:
        """Return the rays that leave the point."""
        return exact.Surroundings(self.case.plan.shared.core, self.case.plan.program.output, self.case.arrays)

    @cached_property
    def pulled(self) -> exact.Gradients:
        """Return the gradients beside the point."""
        plan = self.case.plan
        outputs = dict(zip(plan.wrt, plan.shared.program.outputs, strict=True))
        return exact.Gradients(plan.shared.core, plan.program.output, outputs, self.case.arrays, self.around.bits)

    @cached_property
    def groups(self) -> list[list[Place]]:
        """Return the elements without an ordinary derivative, together where their corners meet."""
        at = [(one.name, k) for one in self.gradients.values() for k in one.kinks]
        found = exact.groups(self.forward, self.values, at, self.case.bits)
        return [[at[place] for place in group] for group in found]

    # --- jumps ---

    def hidden(self) -> list[Place]:
        """Return the elements with a derivative along which the function may jump all the same."""
        if not self.case.plan.may_jump:
            return []
        masks = exact.jumping(self.forward, self.values, self.case.bits)
        places = [
            (name, k)
            for name, one in self.gradients.items()
            if name in masks
            for k, jumps in enumerate(masks[name].ravel())
            if jumps and one.ball(k) is not None
        ]
        return [place for place in places if self.case.asked in (None, place)]

    def judge_jumps(self, places: Sequence[Place]) -> None:
        """Judge elements with a derivative by the function beside the point, which may take other branches there.

        The value at the point may be on a branch of its own, as that of ``where(x == 1, ...)``: then the derivative
        that the branches at the point have is not the function's, whether it jumps or not.
        """
        for count, place in enumerate(places):
            one, k = self.gradients[place[0]], place[1]
            if count >= self.most:
                one.judgements[k] = Judgement(Verdict.UNDECIDED, note=f"the function may jump here: {self.too_many}")
            elif not self.is_confirmed(one.ball(k), found := self.beside(place)):
                verdict = Verdict.UNDEFINED if found.proven else Verdict.UNDECIDED
                one.known[k], one.judgements[k] = None, Judgement(verdict, note=_NO_SLOPE)
                self.judge(place, found)

    def is_confirmed(self, slope: Ball | None, found: Beside) -> bool:
        """Return whether the function beside the point has the derivative that the branches at the point have."""
        if not found.valued:
            return True
        if found.continuous and (sides := found.sides) is not None and slope is not None:
            return sides.left.overlaps(slope) and sides.right.overlaps(slope)
        return False

    # --- sides ---

    def judge_sides(self, places: Sequence[Place]) -> None:
        """Judge elements by their slopes from both sides, at once where their corners do not meet."""
        left = list(places)
        if len(places) > FEW:
            alone = [group[0] for group in self.groups if len(group) == 1]
            for place, found in zip(alone, self.pulled.beside(alone), strict=True):
                if found is not None:
                    self.judge(place, found)
                    left.remove(place)
        for place in left[: self.most]:
            self.judge(place, self.beside(place))
        for name, k in left[self.most :]:
            self.gradients[name].judgements[k] = Judgement(
                Verdict.UNDECIDED, note=f"a kink may be here: {self.too_many}"
            )

    def judge(self, place: Place, found: Beside) -> None:
        """Judge an element by what the function does beside the point."""
        one, (_, k) = self.gradients[place[0]], place
        if not found.valued and not (found.meets and self.case.has_limit):
            return
        one.aside(k, found, self.case.format, self.case.tolerance)
        if found.sides is not None:
            self.slopes[place] = found.sides.left.hull(found.sides.right)

    # --- rounding ---

    def explain(self) -> None:
        """Take slopes off the sides of a corner as right where rounding on the way explains the difference."""
        for place, slopes in self.slopes.items():
            one, k = self.gradients[place[0]], place[1]
            number = one.number(k)
            if one.truth(k) is not None or number is None or not isfinite(number):
                continue
            if self.found(place).verdict is Verdict.DISAGREE:
                enclosed, _ = self.case.whole.enclosed(*place)
                if enclosed is not None and enclosed.contains(number) and enclosed.overlaps(slopes):
                    one.judgements[k] = self.explained(place, slopes)

    def explained(self, place: Place, slopes: Ball) -> Judgement:
        """Return the judgement on a slope that rounding may have moved off the sides of its corner.

        Beside a side that is 0 nothing is small, so that digits are also counted in ULP of the larger side.
        """
        made, fmt, value = self.found(place), self.case.format, self.torch(place)
        ulps, end = min((fmt.distance(value, end), end) for end in (slopes.lower, slopes.upper))
        note = f"{made.note}, but for what rounding in {fmt.name} explains"
        if ulps <= half_of_the_digits(Ball(end, end), fmt):
            return Judgement(Verdict.KINK, ulps, note)
        larger = max((Ball(one, one) for one in (slopes.lower, slopes.upper)), key=lambda side: abs(side.nearest))
        ulp = 2 * fmt.unit_roundoff * abs(larger.nearest)
        if (off := abs(value - Ball(end, end).nearest)) <= half_of_the_digits(larger, fmt) * ulp:
            return Judgement(Verdict.KINK, off / ulp if ulp else 0.0, note)
        # Half an ULP of the point leads from a corner to either of its slopes: no input determines which.
        return Judgement(Verdict.UNSTABLE, ulps, note) if self.is_rounded() else made

    def is_rounded(self) -> bool:
        """Return whether torch rounds anything on the way: an exact number there is none of the format."""
        numbers = (exact.ball(value) for layer in self.forward.program.layers for value in self.values[layer.name].flat)
        return any(not isinstance(one, Ball) or not self.is_held(one) for one in numbers)

    def is_held(self, number: Ball) -> bool:
        """Return whether the format has an exact number."""
        nearest = self.case.format.round_dyadic(number.lower)
        return number.exact and isfinite(nearest) and Dyadic.of(nearest) == number.lower

    def is_honest(self, group: Sequence[Place]) -> bool:
        """Return whether rounding on the way may have made torch's numbers for a group out of right ones."""
        if not self.is_rounded():
            return False
        found = [(self.case.whole.enclosed(*place)[0], self.torch(place)) for place in group]
        return all(enclosed is None or enclosed.contains(value) for enclosed, value in found)

    def beside(self, place: Place) -> Beside:
        """Return what the function does on both sides of the point, along one element."""
        name, k = place
        return self.around.beside(self.case.forms(name), name, k)

    def found(self, place: Place) -> Judgement:
        """Return the judgement on an element so far."""
        return self.gradients[place[0]].judgements[place[1]]

    def torch(self, place: Place) -> float:
        """Return torch's number for an element."""
        number = self.gradients[place[0]].number(place[1])
        assert number is not None
        return number


_NO_SLOPE = "the function has no slope on both sides of this point, whatever the branches at the point have"
