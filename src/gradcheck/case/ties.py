"""Kinks of many inputs: torch's gradient held against the function where elements that tie move together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from math import isfinite
from typing import TYPE_CHECKING

from gradcheck import exact
from gradcheck.compare import Judgement, overlaps
from gradcheck.exact import Place
from gradcheck.formats import Ball
from gradcheck.verdict import Verdict

if TYPE_CHECKING:
    from gradcheck.case.aside import Aside

MAX_GROUPS = 64
"""Groups of elements whose corners meet that are tried in several directions."""
MAX_TIES = 64
"""Elements of one group that are tried together; a larger one is judged along each element alone."""
MAX_PAIRS = 6
"""Pairs of directions, and as many turned around, that tell whether a function bends one way."""
SHOWN = 8
"""Steps of a direction that are written out."""
MAX_ORDERS = 48
"""Orders of a group's elements beside the point in which the gradient is taken there."""


class Ties:
    """The elements of one point whose corners meet."""

    def __init__(self, aside: Aside) -> None:
        self.aside = aside

    def judge(self) -> None:
        """Hold torch's gradient against the function along directions in which several elements move at once."""
        if not any(one.kinks for one in self.aside.gradients.values()):
            return
        groups = [group for group in self.aside.groups if len(group) > 1 and self.comparable(group)]
        for group in groups[:MAX_GROUPS]:
            if len(group) <= min(MAX_TIES, self.aside.most):
                self.judge_group(group)
            else:
                for place in self.off(group):
                    self.leave_open(place)

    def comparable(self, group: Sequence[Place]) -> bool:
        """Return whether torch has a number for each element, and none is judged undefined or undecided."""
        for name, k in group:
            one = self.aside.gradients[name]
            number = one.number(k)
            if number is None or not isfinite(number):
                return False
            if one.judgements[k].verdict in (Verdict.UNDEFINED, Verdict.UNDECIDED):
                return False
        return True

    def judge_group(self, group: list[Place]) -> None:
        """Take torch's gradient as one of the subgradients, or as none.

        Along every direction it lies between the slopes just behind and just ahead of the point. Where the function is
        neither convex nor concave these are not all that gradients beside the point can be: the median of three equal
        numbers does not move with one of them, and its gradient is 1 for one. So what lies outside is tried against the
        gradients beside the point, in one order of the elements after the other. There may be more orders than can be
        tried: what was in none of them is wrong only where the function is convex or concave in all that was tried.
        """
        off = self.off(group)
        still = self.beyond(group, [tuple(int(one == place) for one in group) for place in off])
        wrong = {group[steps.index(1)] for steps, _ in still}
        together = [] if wrong else self.beyond(group, exact.directions(len(group)))
        known = bool(wrong or together) and self.bends_one_way(group)
        if (wrong or together) and not known and (fixed := self.fixed(group)) is not None:
            self.reject(group, *fixed)
            return
        if together and known:
            self.reject(group, *together[0])
            return
        for place in off:
            if place not in wrong:
                self.accept(place)
            elif not known:
                self.leave_open(place)

    def off(self, group: Sequence[Place]) -> list[Place]:
        """Return the elements whose slope lies between none of the sides along them alone."""
        return [place for place in group if self.aside.found(place).verdict is Verdict.DISAGREE]

    def bends_one_way(self, group: Sequence[Place]) -> bool:
        """Return whether the function is convex in all that is tried here, or concave in all of it.

        The slope along a sum of two directions is at most the sum of their slopes where it is convex, and at least
        that where it is concave. Two numbers always have all their orders tried.
        """
        if len(group) == 2:
            return True
        signs = set()
        for one, other in _pairs(len(group)):
            both = tuple(a + b for a, b in zip(one, other, strict=True))
            found = [self.slope(group, steps) for steps in (one, other, both)]
            known = [ball for ball in found if ball is not None]
            if len(known) == 3:
                signs.add(bend(known[2], exact.combined((1, 1), known[:2])))
        return not signs >= {1, -1}

    def fixed(self, group: Sequence[Place]) -> tuple[tuple[int, ...], Ball] | None:
        """Return the direction in which all move alike with its slope, where that is one and torch has another.

        One means that the function has it on both sides of the point, and so has every gradient found beside it: that
        of a sum of sorted numbers is the sum of its weights, in whatever order they tie.
        """
        steps = (1,) * len(group)
        span = self.span(group, steps)
        if span is None or self.fits(group, steps, span):
            return None
        found = [self.aside.pulled.limits(group, order) for order in exact.orders(len(group), MAX_ORDERS)]
        known = [[one for one in gradient if one is not None] for gradient in found]
        slopes = [exact.combined(steps, one) for one in known if len(one) == len(group)]
        return (
            (steps, span) if slopes and all(one.is_sharp(6) and one.overlaps(span) for one in (*slopes, span)) else None
        )

    def slope(self, group: Sequence[Place], steps: tuple[int, ...]) -> Ball | None:
        """Return the slope ahead of the point along a direction, None where it is not proven."""
        course = self.aside.around.ray(exact.toward(self.aside.case.arrays, group, steps))
        found = self.aside.around.between(course, course)
        return None if found is None else found[1]

    def span(self, group: Sequence[Place], steps: tuple[int, ...]) -> Ball | None:
        """Return the slopes behind and ahead of the point along a direction, None where they are not proven."""
        if sum(map(abs, steps)) == 1 and (known := self.aside.slopes.get(group[steps.index(1)])) is not None:
            return known
        ahead = self.aside.around.ray(exact.toward(self.aside.case.arrays, group, steps))
        behind = self.aside.around.ray(exact.toward(self.aside.case.arrays, group, [-one for one in steps]))
        found = self.aside.around.between(behind, ahead)
        if found is None:
            return None
        return found[0].hull(found[1])

    def fits(self, group: Sequence[Place], steps: Sequence[int], span: Ball) -> bool:
        """Return whether torch's slope along a direction lies in a span, but for rounding."""
        parts = self.parts(group, steps)
        fmt = self.aside.case.format
        ulps = Fraction(self.aside.case.tolerance)
        slack = sum(map(abs, parts)) * ulps * Fraction(2 * fmt.unit_roundoff)
        slack += ulps * Fraction(fmt.smallest_subnormal) * sum(map(abs, steps))
        return overlaps(span, sum(parts) - slack, sum(parts) + slack)

    def parts(self, group: Sequence[Place], steps: Sequence[int]) -> list[Fraction]:
        """Return what each element's slope of torch adds along a direction."""
        return [step * Fraction(self.aside.torch(place)) for step, place in zip(steps, group, strict=True)]

    def beyond(self, group: list[Place], tried: Sequence[tuple[int, ...]]) -> list[tuple[tuple[int, ...], Ball]]:
        """Return the directions along which torch's slope is nothing that the function has, with the slopes it has."""
        spans = [(steps, self.span(group, steps)) for steps in tried]
        wrong = [(steps, span) for steps, span in spans if span is not None and not self.fits(group, steps, span)]
        for order in exact.orders(len(group), MAX_ORDERS) if wrong else ():
            gradient = [one for one in self.aside.pulled.limits(group, order) if one is not None]
            if len(gradient) == len(group):
                wider = [(steps, span.hull(exact.combined(steps, gradient))) for steps, span in wrong]
                wrong = [(steps, span) for steps, span in wider if not self.fits(group, steps, span)]
            if not wrong:
                break
        return wrong

    def reject(self, group: Sequence[Place], steps: tuple[int, ...], span: Ball) -> None:
        """Judge the elements of a group wrong: together they are no gradient of the function."""
        fmt = self.aside.case.format
        low, high = (fmt.text(fmt.round_dyadic(end)) for end in (span.lower, span.upper))
        slope = fmt.text(fmt.round(sum(self.parts(group, steps), Fraction(0))))
        goes = f"is {low}" if low == high else f"goes from {low} to {high}"
        more = ", ..." if len(steps) > SHOWN else ""
        how = "together" if set(steps) == {1} else f"by {', '.join(map(str, steps[:SHOWN]))}{more}"
        note = f"where the {len(group)} elements that tie move {how}, the slope {goes}; torch's gradient gives {slope}"
        verdict = Verdict.UNSTABLE if self.aside.is_honest(group) else Verdict.DISAGREE
        for name, k in group:
            one = self.aside.gradients[name]
            one.known[k], one.judgements[k] = None, Judgement(verdict, note=note)

    def leave_open(self, place: Place) -> None:
        """Say of a slope that no gradient beside the point was found to have it, among more than can be tried."""
        one, k = self.aside.gradients[place[0]], place[1]
        note = "many elements tie where it is neither convex nor concave: torch's slope was not found beside the point"
        one.known[k], one.judgements[k] = None, Judgement(Verdict.UNDECIDED, note=note)

    def accept(self, place: Place) -> None:
        """Take a slope that is none of the sides along its own element, but a gradient beside the point has."""
        one, k = self.aside.gradients[place[0]], place[1]
        torch = self.aside.case.format.text(self.aside.torch(place))
        note = f"beside the point, where the elements that tie differ, gradients go as far as torch's {torch}"
        one.known[k], one.judgements[k] = None, Judgement(Verdict.KINK, note=note)


def _pairs(count: int) -> Iterator[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Yield pairs of directions: the first few elements and one more, or another one, forwards and backwards."""
    for m in range(min(count - 1, MAX_PAIRS)):
        for sign in (1, -1):
            one, other = ([sign] * m + [0] * (count - m) for _ in range(2))
            one[m], other[m + 1] = sign, sign
            yield tuple(one), tuple(other)


def bend(left: Ball, right: Ball) -> int:
    """Return 1 where the second is certainly greater, -1 where it is certainly less, 0 where neither is known."""
    return 1 if left.upper < right.lower else -1 if right.upper < left.lower else 0
