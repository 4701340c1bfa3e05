"""Every operation by itself: what torch returned, held against all that rounding can make of the numbers it got."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import isfinite, isnan

import numpy as np

from gradcheck.autograd import Operation, TorchValue
from gradcheck.compare import judge
from gradcheck.diagnose.alone import Alone, Isolated, array, isolate, tensors
from gradcheck.diagnose.graph import Element, Floats, Graph, Ruling, Site, Wrong
from gradcheck.diagnose.scene import not_zero
from gradcheck.formats import FORMATS, Ball, Dyadic, Format
from gradcheck.functions import COMPARISONS, CONDITIONS, CONSTANTS, DETACH, ELEMENTWISE
from gradcheck.program import Call
from gradcheck.verdict import Verdict


def ruled(graph: Graph, ulps: float) -> Graph:
    """Return the graph with the ruling on every operation, Python's own among plain numbers in float64 included.

    A number is wrong where it is outside of the rounding enclosure of its operation at torch's own inputs, and more
    than ``ulps`` of the dtype away from the exact result there.
    """
    found: dict[Call, Ruling] = {}
    for one in graph.plain:
        # Python compares exactly, and math.pi is the float64 next to pi.
        given = one.call.op in CONDITIONS or one.call.op in CONSTANTS
        found[one.call] = Ruling() if given else _Trial(one, FORMATS["float64"], graph.bits, 0.0).run()
    for site in graph.sites:
        found[site.call] = _ruling(graph, site, ulps)
    return replace(graph, rulings=found)


def _ruling(graph: Graph, site: Site, ulps: float) -> Ruling:
    if site.call.op in CONDITIONS:
        return _condition(site.torch, graph.format)
    if site.call.op == DETACH:
        return Ruling()
    trial = _Trial(site.torch, graph.format, graph.bits, ulps)
    needed = any(one is None or not one.contains(0.0) for one in map(_number, graph.balls(site.cotangent)))
    if any(site.torch.tracked) and not site.torch.made_tracked and needed:
        return trial.detached()
    return trial.run()


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


def _number(element: Element) -> Ball | None:
    return element if isinstance(element, Ball) else None


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
        self.pulls = incoming is not None and all(map(isfinite, incoming.elements))
        shape = one.value.shape
        self.nan_came_in = any(np.isnan(one).any() for one in self.args)
        self.seed = array(incoming) if self.pulls and incoming is not None else np.ones(shape)

    def run(self) -> Ruling:
        isolated = isolate(self.one)
        if isolated is None:
            return Ruling(seen=False)
        honest = sure = isolated.in_floats(self.args, self.seed, self.format, self.bits)
        if honest.overflow is not None:
            # A factor of 0 hides an overflow from the enclosure of what is finite; in floats the two are nan.
            sure = isolated.in_floats(self.args, self.seed, self.format, self.bits, surely=True)
        places = (None, *(honest.pulled if self.pulls else ()))
        suspects = {k: self.suspects(honest, sure, k) + self.unheld(isolated, honest, k) for k in places}
        if not any(suspects.values()):
            return Ruling(overflow=honest.overflow)
        wrong = self.wrong(isolated, suspects)
        pulled = {k: one for k, one in wrong.items() if k is not None}
        return Ruling(wrong.get(None), pulled, honest.overflow)

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

    def torch(self, position: int | None) -> TorchValue | None:
        return self.one.value if position is None else self.one.pulled[position]

    def suspects(self, honest: Alone, sure: Alone, position: int | None) -> list[int]:
        """Return the elements of the value, or of what is pulled to an argument, that are outside of the enclosure.

        One that is no number is outside where the enclosure is ``sure`` that there is one.
        """
        if position is not None and not self.one.tracked[position]:
            return []
        torch = self.torch(position)
        finite, any_float = ((one.value if position is None else one.pulled[position]) for one in (honest, sure))
        values = [0.0] * len(finite) if torch is None else torch.elements
        enclosed = [a if isfinite(value) else b for a, b, value in zip(finite, any_float, values, strict=True)]
        outside = [k for k, one in enumerate(enclosed) if isinstance(one, Ball) and not one.contains(values[k])]
        # Nan comes of nan, though a ball may hold whatever an operation can make of it, as that of an angle does.
        return [k for k in outside if not (self.nan_came_in and isnan(values[k]))]

    def unheld(self, isolated: Isolated, honest: Alone, position: int | None) -> list[int]:
        """Return the elements of the value, or of what is pulled, that must be infinite, and are finite numbers.

        An elementwise kernel, and torch's formula of its gradient, are off by some roundoffs: what exceeds twice the
        largest number is out of range however it is computed. What is made of more steps may underflow on the way.
        """
        row, torch = ELEMENTWISE.get(self.one.call.op), self.torch(position)
        if row is None or row.forward is not None or honest.overflow is None or torch is None:
            return []
        enclosed = honest.value if position is None else honest.pulled[position]
        pairs = enumerate(zip(enclosed, torch.elements, strict=True))
        at = [k for k, (one, value) in pairs if not isinstance(one, Ball) and abs(value) < self.format.largest]
        if not at:
            return []
        proven = isolated.at(self.args, self.seed, self.bits)
        exact = proven.value if position is None else proven.pulled[position]
        largest = Dyadic.of(self.format.largest)
        twice = Ball(Dyadic(-largest.man, largest.exp + 1), Dyadic(largest.man, largest.exp + 1))
        return [k for k in at if isinstance(one := exact[k], Ball) and not one.overlaps(twice)]

    def wrong(self, isolated: Isolated, suspects: Mapping[int | None, list[int]]) -> dict[int | None, Wrong]:
        """Return which suspects are beyond the tolerance of the exact numbers, too."""
        proven = isolated.at(self.args, self.seed, self.bits)
        found = {}
        for position, at in suspects.items():
            exact = proven.value if position is None else proven.pulled[position]
            torch = self.torch(position)
            beyond = tuple(k for k in at if self.beyond(exact[k], 0.0 if torch is None else torch.elements[k]))
            if beyond:
                found[position] = Wrong(torch, tuple(exact), beyond)
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
            seed = [np.ones(len(site.torch.value.elements))] if site is graph.output else []
            if not _adds_up(graph, [*_parts(site.readers), *seed], site.torch.cotangent):
                found |= site.inputs
    return frozenset(found)


def _parts(readers: Sequence[tuple[Site, int]]) -> list[Floats]:
    pulled = (site.torch.pulled[position] for site, position in readers)
    return [np.array(one.elements) for one in pulled if one is not None]


def _adds_up(graph: Graph, pulled: Sequence[Floats], total: TorchValue | None) -> bool:
    if total is None or not pulled:
        return total is None or not any(total.elements)
    parts, made = np.array(pulled), np.array(total.elements)
    finite = np.isfinite(parts).all(axis=0) & np.isfinite(made)
    # The sum here is itself rounded in float64: as many roundings again.
    unit = graph.format.unit_roundoff + FORMATS["float64"].unit_roundoff
    lost = len(pulled) * unit * np.abs(parts).sum(axis=0) + len(pulled) * graph.format.smallest_subnormal
    lost = lost if len(pulled) > 1 else np.zeros_like(made)
    with np.errstate(invalid="ignore"):  # infinities cancel where nothing is finite
        return bool(((np.abs(parts.sum(axis=0) - made) <= lost) | ~finite).all())
