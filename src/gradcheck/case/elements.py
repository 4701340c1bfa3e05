"""The elements of one gradient, or of the value, on their way to a verdict."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial
from math import inf, isfinite, prod
from typing import Any

import numpy as np

from gradcheck import exact
from gradcheck.autograd import TorchValue
from gradcheck.bounds import Bounds, Enclosures
from gradcheck.compare import SLACK, Judgement, Rounding, between, explain, infinite, judge, lossy, outcomes
from gradcheck.errors import plural
from gradcheck.formats import Ball, Dyadic, Estimate, Format, exact_text
from gradcheck.judgements import OPEN, Judgements, judged
from gradcheck.notation import indexed
from gradcheck.ordinals import distances, halves
from gradcheck.program import Shape, unravel
from gradcheck.reason import Kind, Reason
from gradcheck.verdict import Verdict

Floats = np.ndarray[Any, np.dtype[np.float64]]
Integers = np.ndarray[Any, np.dtype[np.int64]]
Indices = np.ndarray[Any, np.dtype[np.intp]]
Truths = np.ndarray[Any, np.dtype[np.bool_]]

Element = Ball | Estimate | str | None
"""An enclosure; the estimate of a limit; the reason why there is no derivative; or None where this precision, or this
form, gives no number."""

_CONFLICT = "oracle conflict: the closed form and the node-level program enclose different numbers"
_UNTRACKED = {
    Verdict.AGREE: (Verdict.UNTRACKED, "torch tracks no gradient here, and the derivative is 0"),
    Verdict.DISAGREE: (Verdict.DISAGREE, "torch tracks no gradient here, and the derivative is not 0"),
}
OUTSIDE = (Kind.DOMAIN, Kind.INFINITE)
"""Where no look beside the point finds a derivative of a function of the user's."""
_TOO_WIDE = Judgement(Verdict.UNDECIDED, note="the slopes are enclosed too wide")


class Elements:
    """The elements of the gradient by one input, or of the value; the state is what is decided, and which are open."""

    def __init__(self, name: str, shape: Shape, torch: TorchValue | None, outside: Collection[Kind] = OUTSIDE) -> None:
        """``outside`` are the kinds of reasons for which no look beside the point finds a derivative."""
        self.outside = outside
        self.name = name
        self.shape = shape
        self.torch = None if torch is None else torch.array.ravel().copy()
        count = prod(shape)
        self.known = Enclosures(count)
        self.judgements = Judgements(count)
        self.kinks: list[int] = []
        self.asked = np.zeros(count, np.bool_)
        self.corners: dict[int, tuple[Ball, Ball]] = {}
        self.undecided: set[int] = set()

    @property
    def open(self) -> list[int]:
        """The elements that are not decided."""
        return self.judgements.open

    @property
    def is_open(self) -> Truths:
        """Where nothing is decided."""
        found: Truths = self.judgements.codes == OPEN
        return found

    @property
    def wide(self) -> list[int]:
        """The open elements that have bounds."""
        return places(self.is_open & np.isfinite(self.known.lower))

    def take(self, at: Sequence[int], other: Elements) -> None:
        """Take over some elements that were judged by themselves."""
        self.kinks = [at[j] for j in other.kinks]
        self.corners |= {at[j]: sides for j, sides in other.corners.items()}
        self.asked[list(at)] = True
        for j, k in enumerate(at):
            self.known[k], self.judgements[k] = other.known[j], other.judgements.get(j)
            if self.torch is not None and other.torch is not None:
                self.torch[k] = other.torch[j]

    @property
    def lacks_numbers(self) -> bool:
        """Whether every open element has no enclosure at all, as at a pole."""
        return all(self.ball(k) is None for k in self.open)

    def ball(self, k: int) -> Ball | None:
        """Return the proven enclosure of one element."""
        known = self.known[k]
        return known if isinstance(known, Ball) else None

    def number(self, k: int) -> float | None:
        """Return torch's number for one element, None where it tracks no gradient."""
        return None if self.torch is None else float(self.torch[k])

    def screen(self, nodes: Bounds, forms: Bounds | None, fmt: Format, ulps: float) -> None:
        """Judge all elements by what machine intervals enclose, as far as these decide."""
        self.kinks = []
        lower, upper = nodes.lower.ravel(), nodes.upper.ravel()
        apart = np.zeros(lower.shape, np.bool_)
        if forms is not None:
            low, high = forms.lower.ravel(), forms.upper.ravel()
            apart = (low > upper) | (high < lower)
            both = ~(np.isnan(lower) | np.isnan(low) | apart)
            lower, upper = np.where(both, np.maximum(lower, low), lower), np.where(both, np.minimum(upper, high), upper)
        self.known = Enclosures(lower.size, Bounds(lower, upper))
        self.judgements = judged(lower, upper, np.zeros_like(lower) if self.torch is None else self.torch, fmt, ulps)
        if self.torch is None:
            for verdict, (becomes, note) in _UNTRACKED.items():
                self.judgements.put(self.judgements.is_(verdict), becomes, np.nan, note)
        self.judgements.put(apart, Verdict.ERROR, np.nan, _CONFLICT)
        self.without(nodes)

    def narrow_all(self, at: list[int], lower: Floats, upper: Floats, fmt: Format, ulps: float) -> None:
        """Judge some elements by new bounds, as far as these decide, where torch has a number."""
        if self.torch is None or not at:
            return
        found = judged(lower, upper, self.torch[at], fmt, ulps)
        self.known.narrow(at, lower, upper)
        for verdict in found.verdicts():
            which = found.is_(verdict)
            for note in np.unique(found.noted[which]).tolist():
                same = which & (found.noted == note)
                self.judgements.put(np.array(at)[same], verdict, found.ulps[same], found.texts[note])

    def without(self, nodes: Bounds) -> None:
        """Judge the elements that are known to have no number, and why."""
        if nodes.why is None:
            return
        codes = nodes.why.ravel()
        for code, text in enumerate(nodes.reasons, 1):
            at, reason = codes == code, Reason.parse(text)
            if reason.kind is Kind.UNDECIDED or not at.any():
                continue
            self.judgements.put(at, Verdict.UNDEFINED, np.nan, reason.sentence)
            if reason.kind not in self.outside:
                self.kinks += places(at)

    def settle(self, nodes: list[Element], forms: list[Element], fmt: Format, ulps: float) -> None:
        """Judge the open elements by what the node-level program and the closed forms enclose.

        Where the nodes have left a domain, a closed form without a trace of that proves nothing.
        """
        for k, node, form in zip(self.open, nodes, forms, strict=True):
            self.known[k], self.judgements[k] = self.judged(k, node, form, fmt, ulps)

    def judged(
        self, k: int, node: Element, form: Element, fmt: Format, ulps: float
    ) -> tuple[Ball | Estimate | None, Judgement | None]:
        """Return the enclosure of one element and its judgement, each None where this precision gives none."""
        if isinstance(node, Ball) and isinstance(form, Ball) and not node.overlaps(form):
            return node, Judgement(Verdict.ERROR, note=_CONFLICT)
        if isinstance(node, Estimate):
            return node, self.estimated(k, node, fmt, ulps)
        reason = Reason.parse(node) if isinstance(node, str) else None
        if reason is not None and reason.kind is not Kind.UNDECIDED:
            self.kinks += [] if reason.kind in self.outside else [k]
            return None, Judgement(Verdict.UNDEFINED, note=reason.sentence)
        if not isinstance(node, Ball):  # whether a condition holds is for a higher precision to say
            (self.undecided.discard if reason is None else self.undecided.add)(k)
            return None, None
        # Each order of evaluation loses other digits: a cotangent that comes along two ways doubles its radius in one.
        ball = node.intersect(form) if isinstance(form, Ball) else node
        return ball, self.compared(k, ball, fmt, ulps)

    def compared(self, k: int, ball: Ball, fmt: Format, ulps: float, slack: float = 0.0) -> Judgement | None:
        """Return the judgement on torch's number, or on there being none; None where the ball is too wide."""
        if (number := self.number(k)) is not None:
            return judge(ball, number, fmt, ulps, slack)
        found = judge(ball, 0.0, fmt, ulps, slack)
        if found is None:
            return None
        verdict, note = _UNTRACKED[Verdict.AGREE if found.verdict is Verdict.AGREE else Verdict.DISAGREE]
        return Judgement(verdict, note=note)

    def repeat(self, runs: Sequence[Floats], fmt: Format, ulps: float) -> list[int]:
        """Take the worst of what several runs returned for each element; return the elements that differed."""
        if self.torch is None or not runs:
            return []
        differ = places(np.logical_or.reduce([bits(run) != bits(runs[0]) for run in runs]))
        for k in differ:
            ball = self.ball(k)
            if ball is None:
                continue
            self.torch[k] = max((float(run[k]) for run in runs), key=lambda value: _distance(value, ball, fmt))
            self.judgements[k] = self.compared(k, ball, fmt, ulps) or self.judgements[k]
            self.asked[k] = False
        return differ

    def at_infinity(self, signs: Mapping[int, int]) -> None:
        """Judge the elements of a value that are infinite, with these signs."""
        for k, sign in signs.items():
            if (number := self.number(k)) is not None:
                wrong = Judgement(Verdict.DISAGREE, note=f"torch has {number}, the exact number is {sign * inf}")
                self.judgements[k] = Judgement(Verdict.AGREE, 0.0) if number == sign * inf else wrong

    def vector(self, values: Floats, fmt: Format, ulps: float) -> bool:
        """Take what torch's vectorised kernels returned wherever it is worse; return whether a verdict is."""
        if self.torch is None:
            return False
        worse = False
        for k in places(bits(values) != bits(self.torch)):
            before, ball, value = self.judgements.get(k), self.ball(k), float(values[k])
            if ball is None or before is None:
                continue
            if _distance(value, ball, fmt) <= _distance(float(self.torch[k]), ball, fmt):
                continue
            self.torch[k] = value
            found = self.judgements[k] = self.compared(k, ball, fmt, ulps) or before
            self.asked[k] = False
            worse = worse or found.verdict is not before.verdict
        return worse

    def aside(self, k: int, found: exact.Beside, fmt: Format, ulps: float) -> None:
        """Judge an element at a kink, or at an end of the domain, by its one-sided derivatives."""
        sides = found.sides
        if sides is None:
            if found.inner is not None:
                self.smooth(k, found.inner, fmt, ulps)
        elif sides.jump:
            self.jump(k)
        elif sides.smooth:
            self.smooth(k, sides.common, fmt, ulps)
        else:
            self.corners[k] = sides.left, sides.right
            made = between(sides.left, sides.right, self.number(k) or 0.0, fmt, ulps)
            note = made.note if sides.proven else f"as far as can be told, {made.note}"
            self.judgements[k] = Judgement(made.verdict, made.ulps, note)

    def smooth(self, k: int, slope: Ball | Estimate, fmt: Format, ulps: float) -> None:
        """Judge an element that has a derivative after all; what is not proven is said not to be."""
        made = None if isinstance(slope, Estimate) else self.compared(k, slope, fmt, ulps)
        if made is None and isinstance(slope, Ball) and slope.contains(0.0):
            slope = Estimate(Dyadic(0, 0), Dyadic(0, 0))  # no inexact ball can tell that it is 0
        self.known[k] = slope
        if isinstance(slope, Estimate):
            made = self.estimated(k, slope, fmt, ulps)
        self.judgements[k] = made or _TOO_WIDE

    def estimated(self, k: int, limit: Estimate, fmt: Format, ulps: float) -> Judgement:
        """Return the judgement by a limit that is not proven, which says so."""
        made = self.compared(k, limit.ball, fmt, ulps) or _TOO_WIDE
        said = f"as far as can be told, the derivative is {exact_text(limit.ball, fmt)}"
        return Judgement(made.verdict, made.ulps, f"{said}; {made.note}" if made.note else said)

    def jump(self, k: int) -> None:
        """Judge an element along which the function is not continuous."""
        self.known[k], self.judgements[k] = None, Judgement(Verdict.UNDEFINED, note="the function jumps at this point")

    def blunt(self, digits: int) -> list[int]:
        """Return the elements whose enclosure does not tell so many decimal digits."""
        return [k for k, ball in enumerate(self.known) if isinstance(ball, Ball) and not ball.is_sharp(digits)]

    def narrow(self, at: Sequence[int], found: Sequence[Element]) -> None:
        """Take enclosures of some elements that were made with more bits."""
        for k, ball in zip(at, found, strict=True):
            if isinstance(ball, Ball):
                self.known[k] = ball

    def truth(self, k: int) -> Ball | None:
        """Return the enclosure of one element, or where it lies as far as can be told, to measure errors by."""
        known = self.known[k]
        return known.ball if isinstance(known, Estimate) else known

    def disagreements(self) -> list[int]:
        """Return the elements where torch's gradient is beyond the tolerance and rounding may be the reason."""
        if self.torch is None:
            return []
        return places(self.judgements.is_(Verdict.DISAGREE))

    @property
    def unexplained(self) -> list[int]:
        """Return the elements that disagree, for which rounding was not asked yet."""
        return [k for k in self.disagreements() if not self.asked[k]]

    def borderline(self, at: list[int], fmt: Format) -> list[int]:
        """Return which of some elements have bounds too wide to tell whether half of torch's digits are right."""
        at = [k for k, known in zip(at, np.isfinite(self.known.lower[at] + self.known.upper[at]), strict=True) if known]
        low, high, far = self.known.lower[at], self.known.upper[at], self.judgements.ulps[at]
        half = halves(low / 2 + high / 2, fmt)
        open_ = (far > half) & (far - distances(low, high, fmt)[1] <= half) | (np.signbit(low) != np.signbit(high))
        return [at[j] for j in places(open_ & (low < high))]

    def sharpen(self, at: Sequence[int], found: Sequence[Element], fmt: Format, ulps: float) -> None:
        """Take balls of some elements in place of bounds, and measure by them how far torch's numbers are."""
        for k, ball in zip(at, found, strict=True):
            if isinstance(ball, Ball):
                self.known[k] = ball
                self.judgements[k] = self.compared(k, ball, fmt, ulps) or self.judgements[k]

    def explain_all(
        self,
        at: list[int],
        explains: Truths,
        rounding: Rounding,
        are_sensitive: Callable[[list[int]], Truths],
        fmt: Format,
    ) -> None:
        """Replace the judgements on some elements by what the roundings on the way make of them.

        The same as ``compare.explain``, element by element; ``rounding`` holds what all of them share.
        """
        assert self.torch is not None
        self.asked[at] = True
        places_, values = np.array(at), self.torch[at]
        middle = self.known.lower[at] / 2 + self.known.upper[at] / 2
        finite = np.isfinite(values)
        good = finite & explains & (self.judgements.ulps[at] <= halves(middle, fmt))
        lost = places_[finite & explains & ~good]
        self.alike(places_[~finite], lambda found: infinite(found, fmt, rounding))
        for which, (verdict, note) in zip((finite & ~explains, good), outcomes(rounding, fmt), strict=True):
            self.judgements.put(places_[which], verdict, self.judgements.ulps[places_[which]], note)
        if lost.size:
            sensitive = are_sensitive(lost.tolist())
            for moves in (True, False):
                known = replace(rounding, sensitive=moves)
                self.alike(lost[sensitive == moves], partial(lossy, fmt=fmt, rounding=known))

    def alike(self, at: Indices, becomes: Callable[[Judgement], Judgement]) -> None:
        """Replace the judgements on some elements; what becomes of one hangs on its verdict and note alone."""
        found = self.judgements.part(at)
        for first, _ in found.kinds():
            same = at[(found.codes == found.codes[first]) & (found.noted == found.noted[first])]
            made = becomes(found[first])
            self.judgements.put(same, made.verdict, self.judgements.ulps[same], made.note)

    def explain(self, k: int, rounding: Rounding, fmt: Format) -> None:
        """Replace a judgement by what the roundings on the way make of it."""
        truth, number = self.truth(k), self.number(k)
        if truth is not None and number is not None:
            self.judgements[k] = explain(self.judgements[k], truth, number, fmt, rounding)

    def give_up(self, pole: str | None, bits: int, fmt: Format, ulps: float) -> None:
        """Judge what no precision decided."""
        for k in self.open:
            ball = self.ball(k)
            if ball is not None and (found := self.compared(k, ball, fmt, ulps, SLACK)) is not None:
                self.judgements[k] = found
                continue
            if k in self.undecided and pole is None:
                note = f"whether a condition holds, or a function jumps here, is still open at {bits} bits"
                self.judgements[k] = Judgement(Verdict.UNDECIDED, note=note)
                continue
            if ball is None:
                self.kinks.append(k)  # 0/0 on the way; the derivative may exist all the same
            if pole is not None and ball is None:
                self.judgements[k] = Judgement(Verdict.UNDEFINED, note=Reason.parse(pole).sentence)
            else:
                self.judgements[k] = Judgement(
                    Verdict.UNDECIDED, note=f"the enclosure is still too wide at {bits} bits"
                )


def places(mask: Truths) -> list[int]:
    """Return where a mask is true, in row-major order.

    >>> places(np.array([True, False, True]))
    [0, 2]
    """
    found: list[int] = np.flatnonzero(mask).tolist()
    return found


def bits(numbers: Floats) -> Integers:
    """Return what tells every number from every other, 0 from -0 as well; nan is nan.

    >>> bits(np.array([0.0, -0.0])).tolist()
    [0, -9223372036854775808]
    """
    found: Integers = np.where(np.isnan(numbers), np.nan, numbers).view(np.int64)
    return found


def _distance(value: float, ball: Ball, fmt: Format) -> float:
    return fmt.distance(value, ball.midpoint) if isfinite(value) else inf


def spread(name: str, runs: Sequence[Floats], differ: Sequence[int], fmt: Format, shape: Shape) -> str:
    """Return how far apart several runs were, where they differed most."""
    far = {k: _range([float(run[k]) for run in runs], fmt) for k in differ}
    k = max(far, key=lambda k: far[k][0])
    ulps, low, high = far[k]
    apart = f", {ulps:.6g} ULP apart" if isfinite(ulps) else ""
    more = f", and other numbers in {plural(len(differ) - 1, 'more element')}" if len(differ) > 1 else ""
    return (
        f"torch is not deterministic: {len(runs)} runs gave the gradient by {indexed(name, unravel(shape, k))} "
        f"from {fmt.text(low)} to {fmt.text(high)}{apart}{more}"
    )


def _range(values: Sequence[float], fmt: Format) -> tuple[float, float, float]:
    """Return how far apart some numbers are in ULP, infinite where one is not finite, the least, and the greatest."""
    strange = [value for value in values if not isfinite(value)]
    finite = [value for value in values if isfinite(value)]
    if strange:
        return inf, finite[0] if finite else strange[0], strange[-1]
    low, high = min(finite), max(finite)
    return fmt.distance(low, Dyadic.of(high)), low, high
