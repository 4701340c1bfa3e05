"""The dynamic graph as it is drawn: nodes and edges with their texts, the same for every form."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from math import inf

from gradcheck.program import Shape
from gradcheck.settings import DEFAULT_ULPS


class Kind(StrEnum):
    """What a node is."""

    LEAF = "leaf"
    """An input."""
    OPERATION = "operation"
    """An operation of the user's program, with the backward function that it left."""
    CONSTANT = "constant"
    """What depends on no input."""
    OUTPUT = "output"
    """The operation whose result is differentiated."""


class Grade(StrEnum):
    """How good a number is: what colours it."""

    GOOD = "good"
    """Within the tolerance, or not to be measured."""
    OFF = "off"
    """Outside of it."""
    BAD = "bad"
    """More than half of its digits are wrong."""


@dataclass(frozen=True, slots=True)
class Lanes:
    """One tensor in both lanes, as text; ``exact`` is None where the exact lane has no such tensor (a condition).

    ``error`` is the largest distance of an element in ULP, None where there is none to measure; ``bad`` says that torch
    has more than half of some element's digits wrong, or no number where there is one. ``tolerance`` is that of the
    check, in ULP.
    """

    exact: str | None
    torch: str
    error: float | None = None
    bad: bool = False
    tolerance: float = DEFAULT_ULPS["float32"]

    @property
    def grade(self) -> Grade:
        """Return how good torch's numbers are."""
        if self.bad:
            return Grade.BAD
        return Grade.OFF if self.error is not None and self.error > self.tolerance else Grade.GOOD


@dataclass(frozen=True, slots=True)
class GraphNode:
    """A node: ``text`` is the expression as written, ``label`` its short form.

    ``function`` is what torch runs on the way back (``MulBackward0``), "leaf" for an input, "no gradient" where nothing
    is tracked. ``saved`` is what it keeps for that. ``cotangent`` is None where no cotangent is to be had.
    ``cause`` says what goes wrong in the operation where it is the one at fault.
    """

    id: str
    kind: Kind
    label: str
    text: str
    function: str
    shape: Shape
    value: Lanes
    cotangent: Lanes | None
    saved: tuple[str, ...] = ()
    cause: str | None = None

    @property
    def error(self) -> float | None:
        """Return the larger error of value and cotangent in ULP."""
        found = [one.error for one in (self.value, self.cotangent) if one is not None and one.error is not None]
        return max(found, default=None)

    @property
    def bad(self) -> bool:
        """Return whether torch's value or cotangent is wrong here, or what flows on from here."""
        return self.cause is not None or self.value.bad or (self.cotangent is not None and self.cotangent.bad)

    @property
    def grade(self) -> Grade:
        """Return the worse grade of value and cotangent."""
        grades = {one.grade for one in (self.value, self.cotangent) if one is not None}
        return Grade.BAD if self.bad else Grade.OFF if Grade.OFF in grades else Grade.GOOD


@dataclass(frozen=True, slots=True)
class GraphEdge:
    """The argument at ``position`` of ``target``.

    ``note`` is torch's cotangent that flows back along it, empty where none does or it has no single place; ``bad``
    says that it is nan or infinite. ``tracked`` says whether the edge is in torch's graph at all.
    """

    source: str
    target: str
    position: int
    note: str = ""
    tracked: bool = True
    bad: bool = False


@dataclass(frozen=True, slots=True)
class DynamicGraph:
    """Nodes in the order in which torch ran them, leaves first; edges by target and position; ``output`` is an id."""

    title: str
    nodes: tuple[GraphNode, ...]
    edges: tuple[GraphEdge, ...]
    output: str

    def arguments(self, target: str) -> list[str]:
        """Return the nodes that a node reads, each once, in the order of its arguments."""
        return list(dict.fromkeys(edge.source for edge in self.edges if edge.target == target))

    def __str__(self) -> str:
        """Return what the picture shows, in one sentence."""
        wrong = sum(node.bad for node in self.nodes)
        errors = [node.error for node in self.nodes if node.error is not None]
        worst = f", errors up to {ulps(max(errors))}" if errors else ""
        return f"the graph of {self.title}: {len(self.nodes)} nodes, {wrong} of them wrong{worst}"


# --- the lines about a node -----------------------------------------------------------------------

NEGLIGIBLE = 0.005
"""ULP below which an error is not shown."""
SIGNS = {Grade.GOOD: "", Grade.OFF: "! ", Grade.BAD: "✗ "}
"""What tells grades apart where there is no colour."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line about a node: a name, a text, and what colours it."""

    name: str
    text: str
    grade: Grade = Grade.GOOD


def rows(node: GraphNode) -> list[Row]:
    """Return the lines below a node's label: torch's numbers, the exact ones where they are others, what is saved.

    >>> leaf = GraphNode("n0", Kind.LEAF, "x", "x", "leaf", (), Lanes("2", "2"), Lanes("93", "92.5", 9.0))
    >>> [(row.name, row.text) for row in rows(leaf)]
    [('value', '2'), ('cotangent', '92.5'), ('exact', '93 (9 ULP)')]
    """
    made = list(_lanes("value", node.value))
    made += [] if node.cotangent is None else _lanes("cotangent", node.cotangent)
    made += [Row("saves", ", ".join(node.saved))] if node.saved else []
    return made + ([] if node.cause is None else [Row("cause", node.cause, Grade.BAD)])


def _lanes(name: str, lanes: Lanes) -> Iterator[Row]:
    yield Row(f"{SIGNS[lanes.grade]}{name}", lanes.torch, lanes.grade)
    error = lanes.error or 0.0
    unsigned = re.sub(r"-0(?![\d.])", "0", lanes.torch)  # the exact zero has no sign
    if lanes.exact is not None and (lanes.exact != unsigned or error > NEGLIGIBLE):
        yield Row("exact", f"{lanes.exact} ({ulps(error)})" if NEGLIGIBLE < error < inf else lanes.exact)


def ulps(error: float) -> str:
    """Return an error with its unit.

    >>> ulps(0.3337), ulps(4194304.0), ulps(0.0)
    ('0.334 ULP', '4.19e+06 ULP', '0 ULP')
    """
    return f"{error if error > NEGLIGIBLE else 0:.3g} ULP"


def heading(node: GraphNode) -> str:
    """Return the backward function and the shape: ``MulBackward0 · 2 x 3``."""
    shape = " x ".join(map(str, node.shape))
    return " · ".join(part for part in (node.function, shape) if part)
