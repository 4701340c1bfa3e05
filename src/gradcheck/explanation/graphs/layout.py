"""A layered layout: ranks by longest path, few crossings by barycentres, places by isotonic regression.

It follows Sugiyama, Tagawa and Toda (1981), as graphviz does. The only layout library for Python that needs no program
beside it (grandalf) is under the GPL, and this much of it is short.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from typing import NamedTuple

SWEEPS = 12
"""Passes down and up, for the order within ranks and for the places."""
GAP = 26.0
"""Distance of neighbours in a rank."""
LEAST_RISE, MOST_RISE = 16.0, 44.0
"""Distance of ranks: the more, the farther to the side an edge runs there."""
PORT = 18.0
"""Distance of edges that end at one side of a box."""
STRAIGHTNESS = 8.0
"""How much more it counts that an edge that passes a rank stays straight."""


class Size(NamedTuple):
    """Width and height."""

    width: float
    height: float


class Link(NamedTuple):
    """An edge to be laid out, with the size of its label; the source comes before the target in the order of nodes."""

    source: str
    target: str
    label: Size


class Box(NamedTuple):
    """A rectangle by its upper left corner."""

    x: float
    y: float
    width: float
    height: float

    @property
    def middle(self) -> tuple[float, float]:
        """Return the middle."""
        return self.x + self.width / 2, self.y + self.height / 2


class Stretch(NamedTuple):
    """Where an edge passes a rank: straight down at ``x``, from ``top`` to ``bottom``."""

    x: float
    top: float
    bottom: float


@dataclass(frozen=True, slots=True)
class Route:
    """An edge: straight down in every rank that it meets, curved between them; and the place of its label."""

    stretches: tuple[Stretch, ...]
    label: Box


@dataclass(frozen=True, slots=True)
class Layout:
    """The boxes of all nodes, the routes of all edges in their order, and how large the whole is."""

    size: Size
    boxes: Mapping[str, Box]
    routes: tuple[Route, ...]


@dataclass(eq=False, slots=True)
class _Slot:
    """A place in a rank: a node, or where an edge passes; ``pull`` is how much it counts with its neighbours."""

    size: Size
    rank: int
    passing: bool
    pull: float = 1.0
    above: list[_Slot] = field(default_factory=list)
    below: list[_Slot] = field(default_factory=list)
    place: int = 0
    x: float = 0.0


def layout(sizes: Mapping[str, Size], links: Sequence[Link]) -> Layout:
    """Return where the nodes and edges go; nodes have even ranks, labels odd ones, each just above its target.

    >>> made = layout({"a": Size(40, 20), "b": Size(60, 20)}, [Link("a", "b", Size(10, 10))])
    >>> made.boxes["a"], made.boxes["b"]
    (Box(x=10.0, y=0.0, width=40, height=20), Box(x=0.0, y=62.0, width=60, height=20))
    """
    ranks = _ranks(list(sizes), links)
    nodes = {name: _Slot(size, ranks[name], False) for name, size in sizes.items()}
    chains = [_chain(nodes[link.source], nodes[link.target], link.label) for link in links]
    table: list[list[_Slot]] = [[] for _ in range(max(ranks.values()) + 1)]
    for slot in _in_order(list(nodes.values())):
        table[slot.rank].append(slot)
    _reorder(table)
    _spread(table)
    return _drawn(table, nodes, chains)


# --- ranks ----------------------------------------------------------------------------------------


def _ranks(names: Sequence[str], links: Sequence[Link]) -> dict[str, int]:
    """Return twice the length of the longest way to each node; what reads nothing goes just above its first reader."""
    ranks = dict.fromkeys(names, 0)
    reading = {link.target for link in links}
    into: dict[str, list[str]] = {name: [] for name in names}
    for link in links:
        into[link.target].append(link.source)
    for name in names:
        ranks[name] = max((ranks[source] + 2 for source in into[name]), default=0)
    for name in names:
        readers = [ranks[link.target] - 2 for link in links if link.source == name]
        if name not in reading and readers:
            ranks[name] = min(readers)
    return ranks


def _chain(source: _Slot, target: _Slot, label: Size) -> list[_Slot]:
    """Return the slots of an edge, joined to each other."""
    ranks = range(source.rank + 1, target.rank)
    pull = 1 / len(ranks)  # nodes stay near those next to them, and long edges bend
    between = [_Slot(label if rank == ranks[-1] else Size(0, 0), rank, True, pull) for rank in ranks]
    chain = [source, *between, target]
    for upper, lower in pairwise(chain):
        upper.below.append(lower)
        lower.above.append(upper)
    return chain


def _in_order(nodes: Sequence[_Slot]) -> list[_Slot]:
    """Return all slots, from the last node upwards with the arguments from left to right."""
    found: dict[_Slot, None] = {}
    for node in reversed(nodes):
        todo = [node]
        while todo:
            slot = todo.pop()
            if slot not in found:
                found[slot] = None
                todo += reversed(slot.above)
    return list(found)


# --- the order within ranks -----------------------------------------------------------------------


def _reorder(table: list[list[_Slot]]) -> None:
    """Order every rank so that few edges cross: the best of several passes down and up."""
    _number(table)
    best = [list(rank) for rank in table]
    fewest = _crossings(table)
    for sweep in range(SWEEPS):
        if not fewest:
            break
        down = sweep % 2 == 0
        for rank in table[1:] if down else table[-2::-1]:
            rank.sort(key=lambda slot: _barycentre(slot, slot.above if down else slot.below))
            _number([rank])
        crossings = _crossings(table)
        if crossings < fewest:
            best, fewest = [list(rank) for rank in table], crossings
    table[:] = best
    _number(table)


def _number(table: Sequence[Sequence[_Slot]]) -> None:
    for rank in table:
        for place, slot in enumerate(rank):
            slot.place = place


def _barycentre(slot: _Slot, others: Sequence[_Slot]) -> float:
    return sum(one.place for one in others) / len(others) if others else slot.place


def _crossings(table: Sequence[Sequence[_Slot]]) -> int:
    """Return how many pairs of edges cross, counted as inversions."""
    crossings = 0
    for rank in table:
        met: list[int] = []
        for slot in rank:
            places = [one.place for one in slot.below]
            crossings += sum(len(met) - bisect_right(met, place) for place in places)
            for place in places:
                insort(met, place)
    return crossings


# --- places ---------------------------------------------------------------------------------------


def _spread(table: Sequence[Sequence[_Slot]]) -> None:
    """Place every slot near its neighbours above and below, in the order of its rank, without overlaps."""
    for rank in table:
        for slot, offset in zip(rank, _offsets(rank), strict=True):
            slot.x = offset
    for sweep in range(SWEEPS + 1):  # down at last, so that long edges run straight and turn where they end
        down = sweep % 2 == 0
        for rank in table if down else reversed(table):
            _settle(rank, [slot.above if down else slot.below for slot in rank])
    left = min(slot.x - slot.size.width / 2 for rank in table for slot in rank)
    for rank in table:
        for slot in rank:
            slot.x -= left


def _offsets(rank: Sequence[_Slot]) -> list[float]:
    """Return the middles of a rank's slots where they are packed side by side."""
    steps = ((one.size.width + other.size.width) / 2 + GAP for one, other in pairwise(rank))
    return list(accumulate(steps, initial=0.0))


def _settle(rank: Sequence[_Slot], neighbours: Sequence[Sequence[_Slot]]) -> None:
    """Move a rank to where its neighbours want it, by least squares, its order and its gaps kept."""
    offsets = _offsets(rank)
    wanted = [_wanted(slot, others) - at for slot, others, at in zip(rank, neighbours, offsets, strict=True)]
    weights = [_weight(slot, others) for slot, others in zip(rank, neighbours, strict=True)]
    for slot, at, offset in zip(rank, _isotonic(wanted, weights), offsets, strict=True):
        slot.x = at + offset


def _wanted(slot: _Slot, others: Sequence[_Slot]) -> float:
    return sum(one.pull * one.x for one in others) / sum(one.pull for one in others) if others else slot.x


def _weight(slot: _Slot, others: Sequence[_Slot]) -> float:
    straight = slot.passing and any(one.passing for one in others)
    return STRAIGHTNESS if straight else max(1.0, len(others)) if others else 0.1


def _isotonic(wanted: Sequence[float], weights: Sequence[float]) -> list[float]:
    """Return the nondecreasing numbers next to some by weighted least squares: pool adjacent violators.

    >>> _isotonic([1.0, 3.0, 2.0, 4.0], [1.0, 1.0, 1.0, 1.0])
    [1.0, 2.5, 2.5, 4.0]
    """
    pools: list[tuple[float, float, int]] = []
    for value, weight in zip(wanted, weights, strict=True):
        pool = (value, weight, 1)
        while pools and pools[-1][0] > pool[0]:
            (a, v, m), (b, w, n) = pools.pop(), pool
            pool = ((a * v + b * w) / (v + w), v + w, m + n)
        pools.append(pool)
    return [value for value, _, count in pools for _ in range(count)]


# --- the drawing ----------------------------------------------------------------------------------


def _drawn(table: Sequence[Sequence[_Slot]], nodes: Mapping[str, _Slot], chains: Sequence[Sequence[_Slot]]) -> Layout:
    bands = _bands(table)
    boxes = {name: _box(slot, bands) for name, slot in nodes.items()}
    by_slot = {slot: boxes[name] for name, slot in nodes.items()}
    leaving = _ports({id(chain): (chain[0], chain[1]) for chain in chains})
    arriving = _ports({id(chain): (chain[-1], chain[-2]) for chain in chains})
    routes = []
    for chain in chains:
        first, last = by_slot[chain[0]], by_slot[chain[-1]]
        start = Stretch(leaving[id(chain)], first.y + first.height, bands[chain[0].rank][1])
        end = Stretch(arriving[id(chain)], bands[chain[-1].rank][0], last.y)
        passed = [Stretch(slot.x, *bands[slot.rank]) for slot in chain[1:-1]]
        routes.append(Route((start, *passed, end), _box(chain[-2], bands)))
    width = max(slot.x + slot.size.width / 2 for rank in table for slot in rank)
    return Layout(Size(width, bands[-1][1]), boxes, tuple(routes))


def _bands(table: Sequence[Sequence[_Slot]]) -> list[tuple[float, float]]:
    """Return top and bottom of each rank."""
    bands: list[tuple[float, float]] = []
    for rank in table:
        aside = max((abs(slot.x - one.x) for slot in rank for one in slot.above), default=0.0)
        top = bands[-1][1] + min(MOST_RISE, LEAST_RISE + aside / 8) if bands else 0.0
        bands.append((top, top + max(slot.size.height for slot in rank)))
    return bands


def _box(slot: _Slot, bands: Sequence[tuple[float, float]]) -> Box:
    top, bottom = bands[slot.rank]
    return Box(slot.x - slot.size.width / 2, (top + bottom - slot.size.height) / 2, *slot.size)


def _ports(ends: Mapping[int, tuple[_Slot, _Slot]]) -> dict[int, float]:
    """Return where each edge meets its node: side by side, in the order of where it comes from."""
    meeting: dict[_Slot, list[tuple[float, int]]] = {}
    for edge, (node, beside) in ends.items():
        meeting.setdefault(node, []).append((beside.x, edge))
    places = {}
    for node, found in meeting.items():
        step = min(PORT, node.size.width / (len(found) + 1))
        for k, (_, edge) in enumerate(sorted(found, key=lambda item: item[0])):
            places[edge] = node.x + (k - (len(found) - 1) / 2) * step
    return places
