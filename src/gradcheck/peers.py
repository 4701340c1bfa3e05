"""The outcomes of one point side by side: the lanes of one order and dtype, and where these contradict each other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import isfinite, isnan

import numpy as np

from gradcheck.formats import FORMATS, Dyadic, Format
from gradcheck.gradients import GradientOutcome, Places
from gradcheck.judgements import Ranks, ranks
from gradcheck.lane import Lane
from gradcheck.outcome import Outcome
from gradcheck.verdict import Verdict

EXPLAINED = frozenset({Verdict.AGREE, Verdict.LOSSY, Verdict.UNSTABLE, Verdict.UNDECIDED})
"""Verdicts of numbers that may differ from lane to lane: rounding has made them what they are."""
MAX_LOOKED = 1_000
"""Elements of a derivative that are looked into for a contradiction."""


@dataclass(frozen=True)
class Peers:
    """The outcomes of one point in the lanes of one order and dtype; all have the same gradients in the same order."""

    outcomes: tuple[Outcome, ...]

    @property
    def first(self) -> Outcome:
        """Return the outcome in the first lane that torch could run, or else the first."""
        return next((one for one in self.outcomes if one.error is None), self.outcomes[0])

    @property
    def order(self) -> int:
        """Return the order of the derivatives."""
        return self.first.in_lane.way.order

    @property
    def lanes(self) -> tuple[Lane, ...]:
        """Return the lanes, without those that torch could not run."""
        return tuple(one.in_lane for one in self._ran)

    @property
    def _ran(self) -> tuple[Outcome, ...]:
        return tuple(one for one in self.outcomes if one.error is None)

    def columns(self, g: int) -> tuple[GradientOutcome, ...]:
        """Return one gradient in each lane that torch could run."""
        return tuple(one.gradients[g] for one in self._ran)

    def ranks(self, g: int) -> Ranks:
        """Return how bad each element of one gradient is, in the lane that has it worst."""
        columns = self.columns(g)
        stated = [one.expectations for one in columns if one.expectations is not None]
        return ranks([one.judgements for one in columns], stated)

    def agrees(self, g: int) -> Places:
        """Return which elements of one gradient agree in every lane, and with what the user stated, as a mask."""
        columns = self.columns(g)
        judged = [one.judgements for one in columns]
        judged += [one.expectations for one in columns if one.expectations is not None]
        made: Places = np.all([one.is_(Verdict.AGREE) for one in judged], axis=0)
        return made

    @cached_property
    def contradictions(self) -> tuple[Contradiction, ...]:
        """Return the elements of which lanes contradict each other, the worst of each gradient first."""
        if len(self.lanes) < 2:
            return ()
        return tuple(one for g in range(len(self.first.gradients)) for one in self._contradictions(g))

    def _contradictions(self, g: int) -> Iterator[Contradiction]:
        order = self.ranks(g).mildest_first()[::-1]
        doubted = order[~self.agrees(g)[order]][:MAX_LOOKED]
        for k in doubted.tolist():
            found = Contradiction(self, g, k)
            if len(found.sides) > 1 and not found.is_explained:
                yield found


@dataclass(frozen=True)
class Contradiction:
    """An element of a gradient of which several lanes have different numbers."""

    peers: Peers
    g: int
    k: int

    @property
    def gradient(self) -> GradientOutcome:
        """Return the gradient as the first lane has it."""
        return self.peers.columns(self.g)[0]

    @property
    def is_explained(self) -> bool:
        """Return whether all of them are what rounding may make of the right number."""
        return all(one.judgements[self.k].verdict in EXPLAINED for one in self.peers.columns(self.g))

    @cached_property
    def sides(self) -> tuple[tuple[tuple[Lane, ...], float | None], ...]:
        """Return the lanes that have about the same number, with that, in the order of the lanes."""
        fmt, most = FORMATS[self.peers.first.dtype], 2 * self.peers.first.ulps
        found: list[tuple[list[Lane], float | None]] = []
        for lane, one in zip(self.peers.lanes, self.peers.columns(self.g), strict=True):
            number = one.number(self.k)
            side = next((held for held, other in found if _near(number, other, fmt, most)), None)
            if side is None:
                found.append(([lane], number))
            else:
                side.append(lane)
        return tuple((tuple(held), number) for held, number in found)


def _near(a: float | None, b: float | None, fmt: Format, most: float) -> bool:
    if a is None or b is None:
        return a is b
    if not (isfinite(a) and isfinite(b)):
        return a == b or (isnan(a) and isnan(b))
    return a == b or fmt.distance(a, Dyadic.of(b)) <= most


def peers(outcomes: Sequence[Outcome]) -> list[Peers]:
    """Return outcomes by point, dtype and order, in the order in which they stand.

    >>> from gradcheck import check
    >>> [len(one.outcomes) for one in peers(check("x**3", "1,2", way="rev,fwd,fwd-rev"))]
    [2, 1, 2, 1]
    """
    found: dict[tuple[object, ...], list[Outcome]] = {}
    for one in outcomes:
        found.setdefault((id(one.point), one.dtype, one.in_lane.way.order), []).append(one)
    return [Peers(tuple(group)) for group in found.values()]
