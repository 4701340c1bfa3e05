"""Every operation by itself: what torch returned, held against all that rounding can make of the numbers it got."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import isfinite

import numpy as np

from gradcheck.autograd import Operation, TorchValue
from gradcheck.compare import judge
from gradcheck.diagnose.alone import Isolated, array, isolate, tensors
from gradcheck.diagnose.floats import InFloats, Place
from gradcheck.diagnose.graph import Element, Floats, Graph, Ruling, Site, Wrong
from gradcheck.diagnose.scene import not_zero
from gradcheck.formats import FORMATS, Ball, Dyadic, Format
from gradcheck.functions import COMPARISONS, CONDITIONS, CONSTANTS, DETACH, ELEMENTWISE
from gradcheck.program import Call
from gradcheck.verdict import Verdict


def ruled(graph: Graph, tolerance: float) -> Graph:
    """Return the graph with the ruling on every operation, Python's own among plain numbers in float64 included.

    A number is wrong where it is outside of the rounding enclosure of its operation at torch's own inputs, and more
    than the tolerance in ULP away from the exact result there.
    """
    graph, found = replace(graph, tolerance=tolerance), dict[Call, Ruling]()
    for one in graph.plain:
        # Python compares exactly, and math.pi is the float64 next to pi.
        given = one.call.op in CONDITIONS or one.call.op in CONSTANTS
        found[one.call] = Ruling() if given else _Trial(one, FORMATS["float64"], graph.bits, 0.0).run()
    for site in graph.sites:
        found[site.call] = _ruling(graph, site)
    return replace(graph, rulings=found)


def _ruling(graph: Graph, site: Site) -> Ruling:
    if site.call.op in CONDITIONS:
        return _condition(site.torch, graph.format)
    if site.call.op == DETACH:
        return Ruling()
    trial = _Trial(site.torch, graph.format, graph.bits, graph.tolerance)
    if any(site.torch.tracked) and not site.torch.made_tracked and _is_needed(graph, site):
        return trial.detached()
    return trial.run()


def _is_needed(graph: Graph, site: Site) -> bool:
    """Tell whether a cotangent that may not be 0 flows into an operation."""
    balls = (one if isinstance(one, Ball) else None for one in graph.balls(site.cotangent))
    return any(one is None or not one.contains(0.0) for one in balls)


def _condition(one: Operation, fmt: Format) -> Ruling:
    """Return the ruling on a comparison or a connective, in which nothing is rounded but the plain numbers it gets.

    Torch takes those as they are, in the dtype, or in float32, in which kernels of the half types compute.
    """
    made = array(one.value)
    ways = [_truths(one, fmt), _truths(one, FORMATS["float32"]), _truths(one, FORMATS["float64"])]
    wrong = np.logical_and.reduce([way != made for way in ways])
    if not wrong.any():
        return Ruling()
    exact = tuple(map(Ball.around, ways[0].ravel().tolist()))
    return Ruling(Wrong(one.value, exact, tuple(np.flatnonzero(wrong).tolist())))


def _truths(one: Operation, fmt: Format) -> Floats:
    """Return what a condition is of torch's own arguments, 1 where it holds, with plain numbers in a format."""
    args = [
        array(arg) if arg is not None else np.array(_rounded(number, fmt))
        for arg, number in zip(one.args, one.numbers, strict=True)
    ]
    if one.call.op not in COMPARISONS:
        args = [arg != 0 for arg in args]
    made = CONDITIONS[one.call.op].torch(np, *args)
    return np.broadcast_to(made, one.value.shape).astype(np.float64)


def _rounded(number: float | None, fmt: Format) -> float:
    assert number is not None
    return fmt.round_dyadic(Dyadic.of(number)) if isfinite(number) else number


MAX_SHOWN = 10_000
"""Numbers of an operation up to which all are worked out exactly where one is wrong, and not the suspects alone."""


class _Trial:
    """One operation in the dock; what is exact is worked out only where rounding does not explain torch's number."""

    def __init__(self, one: Operation, fmt: Format, bits: int, ulps: float) -> None:
        self.one = one
        self.format = fmt
        self.bits = bits
        self.ulps = ulps
        self.args = tensors(one)
        incoming = one.cotangent
        # Where nothing comes back, or no number, only the value is judged.
        self.pulls = incoming is not None and bool(np.isfinite(array(incoming)).all())
        self.nan_came_in = any(np.isnan(one).any() for one in self.args)
        self.seed = array(incoming) if self.pulls and incoming is not None else np.ones(one.value.shape)

    def run(self) -> Ruling:
        isolated = isolate(self.one)
        if isolated is None:
            return Ruling(seen=False)
        honest = sure = isolated.in_floats(self.args, self.seed, self.format, self.bits)
        if honest.overflow is not None or any(np.isinf(one).any() for one in self.args):
            # A factor of 0 hides an infinity from the enclosure of what is finite; in floats the two are nan.
            sure = isolated.in_floats(self.args, self.seed, self.format, self.bits, surely=True)
        places = (None, *(isolated.positions if self.pulls else ()))
        suspects = {k: self.suspects(honest, sure, k) + self.unheld(isolated, honest, k) for k in places}
        if not any(suspects.values()):
            return Ruling(overflow=honest.overflow)
        exact = self.exact(isolated, suspects)
        # At a tie there is no one number to be beyond: that torch's lies outside is not known to be right.
        at_ties = any(isinstance(found[k], str) for place, found in exact.items() for k in suspects[place])
        wrong = self.wrong(exact, suspects)
        pulled = {k: one for k, one in wrong.items() if k is not None}
        return Ruling(wrong.get(None), pulled, honest.overflow, seen=not at_ties)

    def detached(self) -> Ruling:
        """Return the ruling on an operation whose result carries no graph although its arguments do."""
        isolated = isolate(self.one)
        if isolated is None:
            return Ruling(seen=False)
        slopes = isolated.at(self.args, self.seed, self.bits).pulled
        lost = {
            k: Wrong(None, tuple(exact), at)
            for k, exact in slopes.items()
            if self.one.tracked[k] and (at := tuple(j for j, one in enumerate(exact) if not_zero(one)))
        }
        return Ruling(self.run().value, lost)

    def torch(self, place: Place) -> TorchValue | None:
        return self.one.value if place is None else self.one.pulled[place]

    def numbers(self, place: Place, count: int) -> Floats:
        """Return torch's numbers in row-major order; nothing that is pulled is 0."""
        torch = self.torch(place)
        return np.zeros(count) if torch is None else array(torch).ravel()

    def suspects(self, honest: InFloats, sure: InFloats, place: Place) -> list[int]:
        """Return the elements of the value, or of what is pulled to an argument, that are outside of the enclosure.

        One that is no number is outside where the enclosure is ``sure`` that there is one.
        """
        if place is not None and not self.one.tracked[place]:
            return []
        low, high = honest.found[place].lower, honest.found[place].upper
        values = self.numbers(place, len(low))
        if sure is not honest:
            finite, other = np.isfinite(values), sure.found[place]
            low, high = np.where(finite, low, other.lower), np.where(finite, high, other.upper)
        outside = np.isfinite(low) & np.isfinite(high) & ~((low <= values) & (values <= high))
        # Nan comes of nan, though a ball may hold whatever an operation can make of it, as that of an angle does.
        found: list[int] = np.flatnonzero(outside & ~(self.nan_came_in & np.isnan(values))).tolist()
        return found

    def unheld(self, isolated: Isolated, honest: InFloats, place: Place) -> list[int]:
        """Return the elements of the value, or of what is pulled, that must be infinite, and are finite numbers.

        An elementwise kernel, and torch's formula of its gradient, are off by some roundoffs: what exceeds twice the
        largest number is out of range however it is computed. What is made of more steps may underflow on the way.
        """
        row, torch = ELEMENTWISE.get(self.one.call.op), self.torch(place)
        if row is None or row.forward is not None or honest.overflow is None or torch is None:
            return []
        low, high = honest.found[place].lower, honest.found[place].upper
        open_ = ~(np.isfinite(low) & np.isfinite(high)) & (np.abs(array(torch).ravel()) < self.format.largest)
        at: list[int] = np.flatnonzero(open_).tolist()
        if not at:
            return []
        exact = isolated.some(self.args, self.seed, {place: at}, self.bits)[place]
        largest = Dyadic.of(self.format.largest)
        twice = Ball(Dyadic(-largest.man, largest.exp + 1), Dyadic(largest.man, largest.exp + 1))
        return [k for k, one in zip(at, exact, strict=True) if isinstance(one, Ball) and not one.overlaps(twice)]

    def wrong(self, proven: Mapping[Place, list[Element]], suspects: Mapping[Place, list[int]]) -> dict[Place, Wrong]:
        """Return which suspects are beyond the tolerance of the exact numbers, too."""
        found = {}
        for place, exact in proven.items():
            values = self.numbers(place, len(exact))
            beyond = tuple(k for k in suspects[place] if self.beyond(exact[k], float(values[k])))
            if beyond:
                found[place] = Wrong(self.torch(place), tuple(exact), beyond)
        return found

    def exact(self, isolated: Isolated, suspects: Mapping[Place, list[int]]) -> dict[Place, list[Element]]:
        """Return the exact numbers where there are suspects: of those alone, where there are too many others."""
        wanted = {place: at for place, at in suspects.items() if at}
        if sum(one.size for one in (*self.args, self.seed)) <= MAX_SHOWN:
            proven = isolated.at(self.args, self.seed, self.bits)
            return {place: proven.value if place is None else proven.pulled[place] for place in wanted}
        some = isolated.some(self.args, self.seed, wanted, self.bits)
        found: dict[Place, list[Element]] = {}
        for place, at in wanted.items():
            whole = self.seed if place is None else self.args[isolated.positions.index(place)]
            found[place] = [None] * whole.size
            for k, one in zip(at, some[place], strict=True):
                found[place][k] = one
        return found

    def beyond(self, exact: Element, value: float) -> bool:
        if not isinstance(exact, Ball):
            return False
        found = judge(exact, value, self.format, self.ulps)
        return found is not None and found.verdict is Verdict.DISAGREE


# --- sums of cotangents -----------------------------------------------------------------------------


def misadded(graph: Graph, gradients: Mapping[str, TorchValue | None]) -> frozenset[str]:
    """Return the inputs on whose way back a cotangent is not, up to rounding, the sum of what its readers sent.

    Torch adds in the dtype, in an order of its own, so that n numbers lose n - 1 roundings of the sum of their sizes at
    most. The output is read by nobody, and its cotangent is 1.
    """
    found = {
        name for name, readers in graph.readers.items()
        if name in gradients and not _adds_up(graph, _parts(readers), gradients[name])
    }  # fmt: skip
    for site in graph.sites:
        if site.smooth and site.torch.cotangent is not None:
            seed = [np.ones(site.torch.value.array.size)] if site is graph.output else []
            if not _adds_up(graph, [*_parts(site.readers), *seed], site.torch.cotangent):
                found |= site.inputs
    return frozenset(found)


def _parts(readers: Sequence[tuple[Site, int]]) -> list[Floats]:
    pulled = (site.torch.pulled[position] for site, position in readers)
    return [array(one).ravel() for one in pulled if one is not None]


def _adds_up(graph: Graph, pulled: Sequence[Floats], total: TorchValue | None) -> bool:
    if total is None or not pulled:
        return total is None or not array(total).any()
    parts, made = np.array(pulled), array(total).ravel()
    finite = np.isfinite(parts).all(axis=0) & np.isfinite(made)
    # The sum here is itself rounded in float64: as many roundings again.
    unit = graph.format.unit_roundoff + FORMATS["float64"].unit_roundoff
    lost = len(pulled) * unit * np.abs(parts).sum(axis=0) + len(pulled) * graph.format.smallest_subnormal
    lost = lost if len(pulled) > 1 else np.zeros_like(made)
    with np.errstate(invalid="ignore"):  # infinities cancel where nothing is finite
        return bool(((np.abs(parts.sum(axis=0) - made) <= lost) | ~finite).all())
