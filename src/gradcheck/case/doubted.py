"""Points of a stack whose numbers are beyond the tolerance: the evidence on many of them at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from math import isfinite
from typing import Any

import numpy as np

from gradcheck import autograd
from gradcheck.autograd import Backward
from gradcheck.bounds import Bounds, Enclosures
from gradcheck.case.elements import Elements
from gradcheck.case.evidence import Evidence
from gradcheck.case.one import Case, Floats
from gradcheck.diagnose.graph import Wrong
from gradcheck.plan import Plan
from gradcheck.settings import Settings

TOGETHER = 1_024
"""Elements whose operations are ruled on at once."""
LEAST = 4
"""Points from which that is worth while."""

Indices = np.ndarray[Any, np.dtype[np.intp]]


class Doubted(Case):
    """Points side by side as one case; torch runs it so that each point has the numbers that it has alone."""

    def __init__(self, plan: Plan, arrays: Mapping[str, Floats], points: int, dtype: str, settings: Settings) -> None:
        super().__init__(plan, {}, dtype, settings)
        self.arrays = dict(arrays)
        self.points = points
        self.evidence = [Evidence(self, self.backward(), None)]
        self.evidence += [Evidence(self, run, k) for k, run in enumerate(self.vectorised())]

    @cached_property
    def runs(self) -> tuple[Backward, Backward]:
        """Return both runs of torch."""
        return autograd.stacked(self.plan.program, self.arrays, self.plan.wrt, dtype=self.dtype)

    @cached_property
    def traced(self) -> tuple[Backward, Backward]:
        """Return both runs of torch with all operations."""
        return autograd.stacked(self.plan.program, self.arrays, self.plan.wrt, dtype=self.dtype, traced=True)

    def backward(self, *, traced: bool = False) -> Backward:
        """Return what the scalar kernels made of the program here."""
        return (self.traced if traced else self.runs)[0]

    def vectorised(self, *, traced: bool = False) -> tuple[Backward, ...]:
        """Return what the vectorised kernels made of it."""
        return ((self.traced if traced else self.runs)[1],)

    def kinds(self) -> list[list[int]] | None:
        """Return the points by which operations are wrong there: a ruling holds for all points together.

        None where an operation leaves the range of the format at one of them, or cannot be ruled on.
        """
        wrong: list[set[tuple[int, int, int | None]]] = [set() for _ in range(self.points)]
        for k, evidence in enumerate(self.evidence):
            if evidence.graph is None or evidence.overflow is not None or evidence.misadded:
                return None
            for j, ruling in enumerate(evidence.graph.rulings.values()):
                if ruling.overflow is not None or not ruling.seen:
                    return None
                for position, one in (None, ruling.value), *ruling.pulled.items():
                    for point in () if one is None else self.at(one):
                        wrong[point].add((k, j, position))
        kinds: dict[frozenset[tuple[int, int, int | None]], list[int]] = {}
        for point, found in enumerate(wrong):
            kinds.setdefault(frozenset(found), []).append(point)
        return list(kinds.values())

    def at(self, one: Wrong) -> Iterable[int]:
        """Return the points at which something is wrong; what has no axes is so at all of them."""
        if len(one.exact) < next(iter(self.arrays.values())).size:
            return range(self.points)
        return (k * self.points // len(one.exact) for k in one.at)

    def weigh(self, one: Elements, name: str | None, at: Mapping[int, int]) -> tuple[list[int], list[int]]:
        """Explain what disagrees by the roundings on the way.

        ``at`` says where each element of a stack is here. Return the elements of which the evidence tells nothing, and
        those behind whose numbers an operation is wrong.
        """
        left, faulty = [k for k in doubtful(one) if k in at], []
        part = selected(one, list(at))
        for evidence in self.evidence:
            numbers = part.torch[[at[k] for k in left]] if part.torch is not None else np.zeros(0)
            seen = evidence.are_seen(name, [at[k] for k in left], numbers) if left else np.zeros(0, np.bool_)
            here = [k for k, is_seen in zip(left, seen, strict=True) if is_seen]
            if here:
                evidence.explain(part, name, [at[k] for k in here])
                faulty += here if evidence.faults or self.evidence[0].faults else []
            for k in here:
                one.judgements[k] = part.judgements.get(at[k])
            left = [k for k in left if k not in set(here)]
        return left, faulty


def selected(one: Elements, at: list[int]) -> Elements:
    """Return some of the elements, side by side."""
    made = Elements(one.name, (len(at),), None)
    made.torch = None if one.torch is None else one.torch[at]
    made.known = Enclosures(len(at), Bounds(one.known.lower[at], one.known.upper[at]))
    made.judgements = one.judgements.part(at)
    return made


def doubtful(one: Elements) -> list[int]:
    """Return the elements beyond the tolerance that rounding may explain: nan and infinity are wrong in any case."""
    return [k for k in one.disagreements() if (number := one.number(k)) is not None and isfinite(number)]


class Doubts:
    """The points of a stack with a number beyond the tolerance; the state is what became of them.

    ``own`` are those that a case of their own explains, ``faulty`` those at which an operation is proven wrong.
    """

    def __init__(
        self, plan: Plan, judged: Sequence[Elements], arrays: Mapping[str, Floats], size: int, case: Case
    ) -> None:
        """``judged`` are the gradients and the value, ``size`` is how many elements a point has."""
        self.plan, self.judged, self.arrays, self.size, self.case = plan, judged, arrays, size, case
        self.own: set[int] = set()
        self.faulty: set[int] = set()

    def explain(self) -> None:
        """Explain disagreements in place, of as many points together as have the same operations wrong."""
        points = sorted({k // self.size for one in self.judged for k in doubtful(one)})
        count = max(TOGETHER // self.size, 1)
        waiting = [points[k : k + count] for k in range(0, len(points), count)]
        while waiting:
            some = waiting.pop()
            if len(some) < LEAST:
                self.own.update(some)
                continue
            doubted = self.doubted(some)
            kinds = doubted.kinds()
            if kinds is None:
                waiting += [some[: len(some) // 2], some[len(some) // 2 :]]
            elif len(kinds) > 1:
                waiting += [[some[k] for k in kind] for kind in kinds]
            else:
                self.together(doubted, some)

    def places(self, points: Sequence[int]) -> Indices:
        """Return the places of the elements of some points."""
        made: Indices = (np.array(points)[:, None] * self.size + np.arange(self.size)).ravel()
        return made

    def doubted(self, points: Sequence[int]) -> Doubted:
        """Return some points as a case."""
        at = self.places(points)
        wide = Plan.make(self.plan.program, {name: (len(at),) for name in self.plan.program.inputs}, self.plan.wrt, ())
        arrays = {name: array[at] for name, array in self.arrays.items()}
        return Doubted(wide, arrays, len(points), self.case.dtype, self.case.settings)

    def together(self, doubted: Doubted, points: Sequence[int]) -> None:
        """Explain the disagreements of points at which the same operations are wrong."""
        here = {k: j for j, k in enumerate(self.places(points).tolist())}
        for one in self.judged:
            silent, faulty = doubted.weigh(one, one.name if one.name in self.plan.wrt else None, here)
            self.own.update(k // self.size for k in silent)
            self.faulty.update(k // self.size for k in faulty)
