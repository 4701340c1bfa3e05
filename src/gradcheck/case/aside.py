"""Elements without an ordinary derivative: slopes from both sides, jumps behind a zero, kinks of many inputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from math import isfinite
from typing import TYPE_CHECKING

from gradcheck import exact
from gradcheck.case.elements import Element, Elements
from gradcheck.compare import Judgement, Verdict, half_of_the_digits, overlaps
from gradcheck.exact import Beside, Place
from gradcheck.formats import Ball, Dyadic
from gradcheck.lower import Core

if TYPE_CHECKING:
    from gradcheck.case.one import Case

MAX_KINKS = 256
"""Elements whose sides are worked out one by one; those whose corners do not meet are all done in one evaluation."""
FEW = 4
"""Elements up to which one by one is cheaper."""
MAX_GROUPS = 64
"""Groups of elements whose corners meet that are tried in several directions."""
SHOWN = 8
"""Steps of a direction that are written out."""
MAX_ORDERS = 48
"""Orders of a group's elements beside the point in which the gradient is taken there."""


def look_aside(case: Case, gradients: Sequence[Elements], values: exact.Values) -> None:
    """Judge the elements where something has no derivative by what the function does beside the point.

    Equal slopes on both sides mean that it is smooth in spite of that, and a slope that exists from inside the domain
    alone is the derivative at its end. Where the formula has no value, as 0/0 at a removable point, there is none,
    whatever the limits. An element along which the function jumps has none either, even where a zero hides the jump.
    """
    aside = _Aside(case, {one.name: one for one in gradients}, values)
    hidden = aside.hidden()
    kinks = [(one.name, k) for one in gradients for k in one.kinks if case.is_asked(one.name, k)]
    if not hidden and not kinks:
        return
    aside.judge_jumps(hidden)
    aside.judge_sides(kinks)
    if case.asked is None:
        aside.judge_groups()
    aside.explain()


@dataclass
class _Aside:
    """The look around one point; the state is what was worked out once."""

    case: Case
    gradients: dict[str, Elements]
    values: exact.Values
    slopes: dict[Place, Ball] = field(default_factory=dict)

    @cached_property
    def forward(self) -> Core:
        return exact.needed(self.case.plan.node.core, [self.case.plan.program.output])

    @cached_property
    def around(self) -> exact.Surroundings:
        return exact.Surroundings(self.case.plan.node.core, self.case.plan.program.output, self.case.arrays)

    @cached_property
    def pulled(self) -> exact.Gradients:
        plan = self.case.plan
        outputs = dict(zip(plan.wrt, plan.node.program.outputs, strict=True))
        return exact.Gradients(plan.node.core, plan.program.output, outputs, self.case.arrays, self.around.bits)

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
            if jumps and one.balls[k] is not None
        ]
        return [place for place in places if self.case.asked in (None, place)]

    def judge_jumps(self, places: Sequence[Place]) -> None:
        """Judge elements with a derivative by the function beside the point, which may take other branches there.

        The value at the point may be on a branch of its own, as that of ``where(x == 1, ...)``: then the derivative
        that the branches at the point have is not the function's, whether it jumps or not.
        """
        for count, place in enumerate(places):
            one, k = self.gradients[place[0]], place[1]
            if count >= MAX_KINKS:
                one.judgements[k] = Judgement(Verdict.UNDECIDED, note=f"the function may jump here: {_TOO_MANY}")
            elif not self.is_confirmed(one.balls[k], found := self.beside(place)):
                verdict = Verdict.UNDEFINED if found.proven else Verdict.UNDECIDED
                one.balls[k], one.judgements[k] = None, Judgement(verdict, note=_NO_SLOPE)
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
        left = list(places)
        if len(places) > FEW:
            alone = [group[0] for group in self.groups if len(group) == 1]
            for place, found in zip(alone, self.pulled.beside(alone), strict=True):
                if found is not None:
                    self.judge(place, found)
                    left.remove(place)
        for place in left[:MAX_KINKS]:
            self.judge(place, self.beside(place))
        for name, k in left[MAX_KINKS:]:
            self.gradients[name].judgements[k] = Judgement(Verdict.UNDECIDED, note=f"a kink may be here: {_TOO_MANY}")

    def judge(self, place: Place, found: Beside) -> None:
        one, (_, k) = self.gradients[place[0]], place
        if not found.valued:
            return
        one.aside(k, found, self.case.format, self.case.tolerance)
        if found.sides is not None:
            self.slopes[place] = found.sides.left.hull(found.sides.right)

    # --- rounding ---

    @cached_property
    def rounded(self) -> dict[str, list[Element]]:
        """Return all that an honest evaluation in floats may return, None for anything, by input."""
        case, pullback = self.case, self.case.plan.rounding()
        values, _ = exact.enclose_rounded(pullback.core, case.arrays, case.format, case.bits)
        outputs = zip(case.plan.wrt, pullback.program.outputs, strict=True)
        return {name: list(exact.balls(values[output], case.bits)) for name, output in outputs}

    def explain(self) -> None:
        """Take slopes off the sides of a corner as right where rounding on the way explains the difference."""
        for place, slopes in self.slopes.items():
            one, k = self.gradients[place[0]], place[1]
            if one.truth(k) is not None or one.torch is None or not isfinite(one.torch[k]):
                continue
            if self.found(place).verdict is Verdict.DISAGREE:
                enclosed = self.rounded[place[0]][k]
                if isinstance(enclosed, Ball) and enclosed.contains(one.torch[k]) and enclosed.overlaps(slopes):
                    one.judgements[k] = self.explained(place, slopes)

    def explained(self, place: Place, slopes: Ball) -> Judgement:
        """Return the judgement on a slope that rounding may have moved off the sides of its corner."""
        made, fmt = self.found(place), self.case.format
        ulps, end = min((fmt.distance(self.torch(place), end), end) for end in (slopes.lower, slopes.upper))
        note = f"{made.note}, but for what rounding in {fmt.name} explains"
        if ulps <= half_of_the_digits(Ball(end, end), fmt):
            return Judgement(Verdict.KINK, ulps, note)
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
        found = [(self.rounded[name][k], self.torch((name, k))) for name, k in group] if self.is_rounded() else []
        return bool(found) and all(not isinstance(ball, Ball) or ball.contains(value) for ball, value in found)

    def beside(self, place: Place) -> Beside:
        name, k = place
        return self.around.beside(self.case.forms(name), name, k)

    # --- many inputs ---

    def judge_groups(self) -> None:
        """Hold torch's gradient against the function along directions in which several elements move at once."""
        if not any(one.kinks for one in self.gradients.values()):
            return
        groups = [group for group in self.groups if len(group) > 1 and self.comparable(group)]
        for group in groups[:MAX_GROUPS]:
            self.judge_group(group)

    def comparable(self, group: Sequence[Place]) -> bool:
        """Return whether torch has a number for each element, and none is judged undefined or undecided."""
        for name, k in group:
            one = self.gradients[name]
            found = one.judgements[k]
            if one.torch is None or not isfinite(one.torch[k]) or found is None:
                return False
            if found.verdict in (Verdict.UNDEFINED, Verdict.UNDECIDED):
                return False
        return True

    def judge_group(self, group: list[Place]) -> None:
        """Take torch's gradient as one of the subgradients, or as none.

        Along every direction it lies between the slopes just behind and just ahead of the point. Where the function is
        neither convex nor concave these are not all that gradients beside the point can be: the median of three equal
        numbers does not move with one of them, and its gradient is 1 for one. So what lies outside is tried against the
        gradients beside the point, in one order of the elements after the other.
        """
        off = [place for place in group if self.found(place).verdict is Verdict.DISAGREE]
        if still := self.beyond(group, [tuple(int(one == place) for one in group) for place in off]):
            wrong = {group[steps.index(1)] for steps, _ in still}
        elif still := self.beyond(group, exact.directions(len(group))):
            self.reject(group, *still[0])
            return
        else:
            wrong = set()
        for place in off:
            if place not in wrong:
                self.accept(place)

    def found(self, place: Place) -> Judgement:
        made = self.gradients[place[0]].judgements[place[1]]
        assert made is not None
        return made

    def span(self, group: Sequence[Place], steps: tuple[int, ...]) -> Ball | None:
        """Return the slopes behind and ahead of the point along a direction, None where they are not proven."""
        if sum(map(abs, steps)) == 1 and (known := self.slopes.get(group[steps.index(1)])) is not None:
            return known
        ahead = self.around.ray(exact.toward(self.case.arrays, group, steps))
        behind = self.around.ray(exact.toward(self.case.arrays, group, [-one for one in steps]))
        return self.around.between(behind, ahead)

    def fits(self, group: Sequence[Place], steps: Sequence[int], span: Ball) -> bool:
        """Return whether torch's slope along a direction lies in a span, but for rounding."""
        parts = self.parts(group, steps)
        fmt = self.case.format
        ulps = Fraction(self.case.tolerance)
        slack = sum(map(abs, parts)) * ulps * Fraction(2 * fmt.unit_roundoff)
        slack += ulps * Fraction(fmt.smallest_subnormal) * sum(map(abs, steps))
        return overlaps(span, sum(parts) - slack, sum(parts) + slack)

    def parts(self, group: Sequence[Place], steps: Sequence[int]) -> list[Fraction]:
        """Return what each element's slope of torch adds along a direction."""
        return [step * Fraction(self.torch(place)) for step, place in zip(steps, group, strict=True)]

    def torch(self, place: Place) -> float:
        numbers = self.gradients[place[0]].torch
        assert numbers is not None
        return numbers[place[1]]

    def beyond(self, group: list[Place], tried: Sequence[tuple[int, ...]]) -> list[tuple[tuple[int, ...], Ball]]:
        """Return the directions along which torch's slope is nothing that the function has, with the slopes it has."""
        spans = [(steps, self.span(group, steps)) for steps in tried]
        wrong = [(steps, span) for steps, span in spans if span is not None and not self.fits(group, steps, span)]
        for order in exact.orders(len(group), MAX_ORDERS) if wrong else ():
            gradient = [one for one in self.pulled.limits(group, order) if one is not None]
            if len(gradient) == len(group):
                wider = [(steps, span.hull(exact.combined(steps, gradient))) for steps, span in wrong]
                wrong = [(steps, span) for steps, span in wider if not self.fits(group, steps, span)]
            if not wrong:
                break
        return wrong

    def reject(self, group: Sequence[Place], steps: tuple[int, ...], span: Ball) -> None:
        """Judge the elements of a group wrong: together they are no gradient of the function."""
        fmt = self.case.format
        low, high = (fmt.text(fmt.round_dyadic(end)) for end in (span.lower, span.upper))
        slope = fmt.text(fmt.round(sum(self.parts(group, steps), Fraction(0))))
        goes = f"is {low}" if low == high else f"goes from {low} to {high}"
        more = ", ..." if len(steps) > SHOWN else ""
        how = "together" if set(steps) == {1} else f"by {', '.join(map(str, steps[:SHOWN]))}{more}"
        note = f"where the {len(group)} elements that tie move {how}, the slope {goes}; torch's gradient gives {slope}"
        verdict = Verdict.UNSTABLE if self.is_honest(group) else Verdict.DISAGREE
        for name, k in group:
            one = self.gradients[name]
            one.balls[k], one.judgements[k] = None, Judgement(verdict, note=note)

    def accept(self, place: Place) -> None:
        """Take a slope that is none of the sides along its own element, but a gradient beside the point has."""
        one, k = self.gradients[place[0]], place[1]
        torch = self.case.format.text(self.torch(place))
        note = f"beside the point, where the elements that tie differ, gradients go as far as torch's {torch}"
        one.balls[k], one.judgements[k] = None, Judgement(Verdict.KINK, note=note)


_NO_SLOPE = "the function has no slope on both sides of this point, whatever the branches at the point have"
_TOO_MANY = f"{MAX_KINKS} elements (MAX_KINKS) were looked at one by one, and this is one more"

