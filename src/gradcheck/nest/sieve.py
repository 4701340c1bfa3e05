"""All points of a function side by side, in one run of torch for each way: what agrees there needs no second look."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product
from typing import Any

import numpy as np

from gradcheck.autograd import abreast
from gradcheck.case.elements import OUTSIDE, Elements
from gradcheck.case.many import rounded
from gradcheck.errors import LaneProblem
from gradcheck.exact import Truth
from gradcheck.formats import FORMATS
from gradcheck.nested import Nested
from gradcheck.plan import Plan
from gradcheck.points import Point
from gradcheck.pointwise import goes_by_elements
from gradcheck.program import Program, Shape
from gradcheck.reason import Kind
from gradcheck.settings import Settings
from gradcheck.verdict import Verdict
from gradcheck.ways import PLAIN, Way

Masks = np.ndarray[Any, np.dtype[np.bool_]]

MIN_POINTS = 2
"""Points from which they are put side by side."""


@dataclass(frozen=True)
class Passed:
    """What came out in one way: at which points torch agrees, and its numbers, a row for each point."""

    agrees: Masks
    numbers: np.ndarray[Any, np.dtype[np.float64]] | None

    def at(self, k: int) -> bytes | None:
        """Return the bits of all of torch's numbers at one point, None where they are not known."""
        return None if self.numbers is None else self.numbers[k].tobytes()


class Sieve:
    """The points of a program that goes by elements, of scalars; the state is what was worked out of each order.

    A derivative of order n along ones has at each point what it has at that point alone, since no point acts upon
    another one. Only what agrees is taken from here: all else is looked at by itself.
    """

    def __init__(self, program: Program, points: Sequence[Point], settings: Settings, dtype: str) -> None:
        self.program, self.settings, self.dtype = program, settings, dtype
        self.count = len(points)
        self.arrays = dict(rounded(points, dtype)) if points else {}
        self.format, self.tolerance = FORMATS[dtype], settings.tolerance(dtype)
        self._truths: dict[tuple[str, ...], Truth] = {}

    @cached_property
    def stacks(self) -> bool:
        """Return whether the points can stand side by side."""
        scalars = all(array.ndim == 1 for array in self.arrays.values())
        by_all = not self.program.fixed  # torch may have no derivative by one of several
        return self.count >= MIN_POINTS and scalars and by_all and goes_by_elements(self.program)

    @cached_property
    def plan(self) -> Plan:
        """Return the plan of one point."""
        return Plan.make(self.program, dict.fromkeys(self.program.inputs, ()), self.program.inputs)

    def passed(self, ways: Iterable[Way]) -> dict[Way, Passed]:
        """Return for each way what torch made of all points, and where it agrees in all elements."""
        if not self.stacks:  # what is no function of numbers has no plan for one
            return dict.fromkeys(ways, self._nothing)
        nested: dict[int, Nested] = {}
        found = {}
        for way in ways:
            one = nested.setdefault(way.order, Nested(self.plan, way.order))
            found[way] = self._passed(one, way)
        return found

    @cached_property
    def outside(self) -> Masks:
        """Return which points are outside of the domain: there is no derivative of any order, whatever torch has."""
        found: Masks = np.full(self.count, self.stacks)
        if self.stacks:
            for one in self._judged(Nested(self.plan, 1), PLAIN, ()):
                found &= one.judgements.is_(Verdict.UNDEFINED)
                found[one.kinks] = False
        return found

    @property
    def _nothing(self) -> Passed:
        return Passed(np.zeros(self.count, np.bool_), None)

    def _passed(self, nested: Nested, way: Way) -> Passed:
        agrees: Masks = np.ones(self.count, np.bool_)
        numbers = []
        for along in product(self.arrays, repeat=way.order - 1):
            try:
                for one in self._judged(nested, way, along):
                    agrees &= one.judgements.is_(Verdict.AGREE)
                    numbers.append(np.zeros(self.count) if one.torch is None else one.torch)
            except LaneProblem:
                return self._nothing
        return Passed(agrees, np.stack(numbers, axis=1))

    def _judged(self, nested: Nested, way: Way, along: Sequence[str]) -> Iterator[Elements]:
        """Yield the derivatives along directions, judged as far as the first precision goes."""
        torch = abreast(self.program, self.arrays, way, along, self.dtype)
        outside = (Kind.INFINITE,) if way.order > 1 else OUTSIDE
        for output, name in zip(nested.plan.shared.program.outputs, nested.plan.wrt, strict=True):
            one = Elements(name, (self.count,), torch[name], outside)
            balls = self._truth(nested, along).some({output: range(self.count)})[output]
            one.settle([*balls], [None] * self.count, self.format, self.tolerance)
            yield one

    def _truth(self, nested: Nested, along: Sequence[str]) -> Truth:
        """Return the exact numbers at all points: the gradient program of one, with an element for each point."""
        key = tuple(along)
        if key not in self._truths:
            core, given = nested.plan.shared.core, dict(self.arrays)
            for held, moving in zip(nested.directions, along, strict=True):
                given |= {one: np.full(self.count, float(name == moving)) for name, one in held.items()}
            wide: dict[str, Shape] = dict.fromkeys(core.shapes, (self.count,))
            self._truths[key] = Truth(replace(core, shapes=wide), given)
        return self._truths[key]
