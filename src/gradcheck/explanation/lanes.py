"""Both lanes at one point: the outcome, enclosures and traced run of the check, by the names of the told program."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from gradcheck import exact
from gradcheck.autograd import TorchValue
from gradcheck.case.one import Case
from gradcheck.diagnose.graph import Graph, Site, gap, graph
from gradcheck.display import letters
from gradcheck.errors import LaneProblem
from gradcheck.explanation.model import Numbers
from gradcheck.explanation.shown import Formula
from gradcheck.explanation.told import Told
from gradcheck.formats import Ball, Format
from gradcheck.functions import COMPOSITE
from gradcheck.lower import Core, lower
from gradcheck.outcome import Outcome
from gradcheck.program import Call, Layer, Name, Node, Program, Shape, postorder
from gradcheck.program import names as read

Array = np.ndarray[Any, Any]
Balls = tuple[Ball | None, ...]


class Contradiction(Exception):
    """Two forms of one derivative do not enclose each other: gradcheck is at fault, and nothing is printed."""


class Lanes:
    """One case in both lanes; the state is what the check found, and the run that was traced for it."""

    def __init__(self, case: Case, outcome: Outcome, told: Told) -> None:
        if outcome.error is not None:
            raise LaneProblem(outcome.error)
        self.case, self.outcome, self.told = case, outcome, told
        self.bits = outcome.bits
        self.torch = case.backward(traced=True)
        self.values = exact.enclose(case.plan.node.core, case.arrays, self.bits)
        self.graph: Graph = graph(
            case.plan.program, case.plan.node, lambda: self.values, case.arrays, self.torch, case.format, self.bits
        )
        self.sites: dict[Call, Site] = {site.call: site for site in self.graph.sites}

    @property
    def format(self) -> Format:
        """Return the format of the dtype."""
        return self.case.format

    # --- numbers ---

    def site(self, name: str) -> Site | None:
        """Return the operation that a told layer is, None for an input or a plain number."""
        origin: Node | None = Name(name)
        while isinstance(origin, Name):
            origin = self.told.origins.get(origin.id)
        return self.sites.get(origin) if isinstance(origin, Call) else None

    def root(self, name: str) -> str:
        """Return what a name stands for in the end: ``y = x`` is x."""
        origin = self.told.origins.get(name)
        return self.root(origin.id) if isinstance(origin, Name) else name

    def array(self, name: str) -> Array:
        """Return the exact lane's value of an input or a layer, in full shape."""
        site, root = self.site(name), self.root(name)
        if site is not None and site.value is not None:
            return site.value
        shape = self.told.shapes[name]
        return np.broadcast_to(self.values[root] if root in self.values else self.case.arrays[root], shape)

    def value(self, name: str) -> Numbers:
        """Return the value of an input or a layer in both lanes."""
        site = self.site(name)
        torch = site.torch.value if site is not None else self.torch.layers.get(name)
        if torch is None:
            array = self.case.arrays[self.root(name)]
            torch = TorchValue(array)
        return self.numbers(self.enclosures(self.array(name)), torch, self.told.shapes[name])

    def cotangent(self, name: str) -> Numbers | None:
        """Return the cotangent of an input or a layer in both lanes; None where the lanes have none."""
        array = self.cotangents(name)
        site = self.site(name)
        torch = site.torch.cotangent if site is not None else self.torch.gradients.get(self.root(name))
        return None if array is None else self.numbers(self.enclosures(array), torch, self.told.shapes[name])

    def cotangents(self, name: str) -> Array | None:
        """Return the exact lane's cotangent of an input or a layer; a second name of either has a part of one."""
        if self.is_part(name):
            return None
        site, root = self.site(name), self.root(name)
        if site is not None:
            return site.cotangent
        if root not in self.case.plan.wrt:
            return None
        output = self.case.plan.node.program.outputs[self.case.plan.wrt.index(root)]
        return np.broadcast_to(self.values[output], self.told.shapes[name])

    def is_part(self, name: str) -> bool:
        """Return whether a name stands for another that is read by itself too: both lanes know the sum alone."""
        origin = self.told.origins.get(name)
        if not isinstance(origin, Name):
            return False
        readers = [layer for layer in self.told.program.layers if origin.id in read(layer.expression)]
        return len(readers) > 1 or self.is_part(origin.id)

    def enclosures(self, array: Array) -> Balls:
        """Return the elements of an array of the exact lane; None where there is no number."""
        array = exact.from_float(array) if array.dtype != object else array
        return tuple(one if isinstance(one, Ball) else None for one in exact.balls(np.asarray(array), self.bits))

    def numbers(self, balls: Balls, torch: TorchValue | None, shape: Shape) -> Numbers:
        """Return a tensor in both lanes with the distance of the two."""
        if torch is None:
            return Numbers(shape, balls, None, (None,) * len(balls))
        gaps = [gap(ball, value, self.format) for ball, value in zip(balls, torch.elements, strict=True)]
        return Numbers(shape, balls, tuple(torch.elements), tuple(gaps))

    # --- formulas at the point ---

    def evaluate(self, node: Node, point: Mapping[str, Array], shape: Shape) -> Balls:
        """Return the enclosure of an expression of these names, broadcast to a shape."""
        program, shapes = Program(tuple(point), (Layer("?", node),), ("?",)), {k: v.shape for k, v in point.items()}
        made = Core(program, {**shapes, "?": shape})
        if any(isinstance(part, Call) and part.op in COMPOSITE for part in postorder(node)):
            made = replace(lower(program, shapes), forward=frozenset())  # definitions are written out there
        return self.enclosures(np.broadcast_to(exact.enclose(made, point, self.bits)["?"], shape))


def check_equal(line: Balls, truth: Balls, what: object) -> bool:
    """Return whether a line could be compared anywhere; raises Contradiction where it is not equal to the truth."""
    pairs = [(a, b) for a, b in zip(line, truth, strict=True) if a is not None and b is not None]
    for a, b in pairs:
        if not a.overlaps(b):
            raise Contradiction(f"this line is not the derivative: {what}")
    return bool(pairs)


def formula(node: Node, shapes: Mapping[str, Shape], rank: int | None = None, names: Sequence[str] = ()) -> Formula:
    """Return a formula of single elements: every tensor bears its indices, counted from the right of ``rank`` axes."""
    used = [one for one in (*names, *read(node)) if one in shapes]
    rank = max([len(shapes[one]) for one in used], default=0) if rank is None else rank
    return Formula(node, {one: letters(shapes[one], rank) for one in used if shapes[one]})
