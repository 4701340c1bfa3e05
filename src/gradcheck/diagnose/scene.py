"""What is known where something went wrong: both lanes at every operation, and each operation by itself."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from math import isfinite

import numpy as np

from gradcheck import exact
from gradcheck.autograd import TorchValue
from gradcheck.blame import Cause
from gradcheck.diagnose.alone import Alone, Isolated, array, isolate
from gradcheck.diagnose.graph import Balls, Element, Floats, Graph, Site
from gradcheck.differentiate import Pullback
from gradcheck.formats import Ball
from gradcheck.functions import CONDITIONS, WHERE
from gradcheck.program import Name

NOTICEABLE = 8.0
"""ULP from which the error of a single operation is worth a look."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A cause with its place; ``backward`` where it lies on the way back. ``argument`` is the argument concerned.

    ``torch`` and ``exact`` are the numbers that show it, where these are not the operation's own value, and ``at`` are
    the places of those that are proven wrong. ``smooth`` says that the whole has a derivative although the operation
    has none. ``mask`` is the ``where`` that does not take the
    branch. ``ways`` are arguments of the operation with what comes back through each.
    """

    cause: Cause
    site: Site | None = None
    backward: bool = False
    argument: int | None = None
    torch: TorchValue | None = None
    exact: tuple[Element, ...] = ()
    at: tuple[int, ...] = ()
    smooth: bool = False
    mask: Site | None = None
    ways: tuple[tuple[int, float | None], ...] = ()

    @property
    def no_value(self) -> bool:
        """Return whether the operation has no value, so that nothing is left to differentiate."""
        missing = self.cause in (Cause.OUTSIDE_DOMAIN, Cause.DIVISION_BY_ZERO, Cause.POLE)
        return missing and self.argument is None


class Scene:
    """All that is known about one bad element of one gradient; what is worked out about an operation is kept.

    Without a ``name`` it is an element of the output's value.
    """

    def __init__(self, graph: Graph, pullback: Pullback, name: str | None, element: int, truth: Ball | None) -> None:
        self.graph = graph
        self.pullback = pullback
        self.name = name
        self.element = element
        self.truth = truth
        self.isolated: Callable[[Site], Isolated | None] = cache(lambda site: isolate(site.torch))
        read = graph.sites if name is not None else (*ancestors(graph.output),)
        self.on_path = [site for site in read if (name is None or name in site.inputs) and site.smooth]

    def at_exact(self, site: Site) -> Alone | None:
        """Return one operation at its exact arguments with the exact cotangent; None where these are not known."""
        isolated = self.isolated(site)
        if isolated is None:
            return None
        args = self.exact_arguments(site, isolated)
        # A cotangent that is no number, or 0, would hide the operation's own slope, or show another's: 1 shows it.
        return None if args is None else isolated.at(args, np.ones(site.torch.value.shape), self.graph.bits)

    def exact_arguments(self, site: Site, isolated: Isolated) -> list[Balls | Floats] | None:
        """Return the exact lane's arguments of an operation in full shape, None where one is not known."""
        args: list[Balls | Floats] = []
        for position in isolated.positions:
            exact_one, torch = self.graph.argument(site, position), site.torch.args[position]
            source = site.sources[position]
            if torch is not None and isinstance(source, Site) and source.call.op in CONDITIONS:
                exact_one = array(torch)
            if exact_one is None or torch is None:
                return None
            args.append(np.broadcast_to(exact_one, torch.shape))  # type: ignore[arg-type]  # of either kind
        return args

    def effect(self, layer: str | None, value: TorchValue) -> float | None:
        """Return how far the element moves, in ULP, when one layer has torch's value and all else is exact."""
        if layer is None or self.truth is None or not all(map(isfinite, value.elements)):
            return None
        if self.pullback.core.shapes[layer] != value.shape:  # what is constant along an axis may be one number there
            return None
        made = exact.enclose(self.pullback.core, self.graph.point, self.graph.bits, instead={layer: array(value)})
        ball = exact.balls(made[self.output], self.graph.bits, [self.element])[0]
        if not isinstance(ball, Ball):
            return None
        return self.graph.format.distance(self.graph.format.round_dyadic(ball.midpoint), self.truth.midpoint)

    @property
    def output(self) -> str:
        """Return the layer that holds the gradient, or the output."""
        if self.name is None:
            return self.graph.program.output
        node = self.pullback.cotangents[self.name]
        assert isinstance(node, Name)
        return node.id

    def too_large(self, ball: Element) -> bool:
        """Return whether the format has no finite number for a ball."""
        return isinstance(ball, Ball) and not isfinite(self.graph.format.round_dyadic(ball.midpoint))

    def too_small(self, ball: Ball) -> bool:
        """Return whether the format has no normal number for a ball."""
        return abs(self.graph.format.round_dyadic(ball.midpoint)) < self.graph.format.smallest_normal


def descendants(site: Site) -> Iterator[tuple[Site, int]]:
    """Yield whatever a value flows into, the nearest first, with the argument by which it does: once for each."""
    seen, todo = {site}, deque([site])
    while todo:
        for reader, position in todo.popleft().readers:
            yield reader, position
            if reader not in seen:
                seen.add(reader)
                todo.append(reader)


def reaches(site: Site, other: Site) -> bool:
    """Return whether a value flows from one operation into another."""
    return any(reader is other for reader, _ in descendants(site))


def ancestors(source: Site | str | None) -> list[Site]:
    """Return the operations that a value comes from, itself last, in the order in which they ran."""
    found: dict[Site, None] = {}
    todo: list[tuple[Site, bool]] = [(source, False)] if isinstance(source, Site) else []
    while todo:
        site, opened = todo.pop()
        if opened:
            found[site] = None
        elif site not in found:
            todo.append((site, True))
            todo += [(one, False) for one in reversed(site.sources) if isinstance(one, Site)]
    return list(found)


def masking(site: Site) -> Site | None:
    """Return the first ``where`` behind an operation that does not take the branch through it, somewhere."""
    for reader, position in descendants(site):
        condition = reader.torch.args[0]
        if reader.call.op == WHERE and position and condition is not None:
            taken = 1.0 if position == 1 else 0.0
            if any(one != taken for one in condition.elements):
                return reader
    return None


def broken(value: TorchValue | None, at: int | None = None) -> bool:
    """Return whether a tensor, or one element of it, is nan or inf."""
    if value is None:
        return False
    return not all(map(isfinite, value.elements if at is None else value.elements[at : at + 1]))


def leads(site: Site, source: Site | str | None) -> bool:
    """Return whether a value flows from an operation into an argument."""
    return isinstance(source, Site) and (source is site or reaches(site, source))


def not_zero(ball: Element) -> bool:
    """Return whether a number is certainly not 0."""
    return isinstance(ball, Ball) and not ball.contains(0.0)


def worst(gaps: Iterable[float | None]) -> float:
    """Return the greatest of some distances in ULP, 0 where none is known."""
    return max((gap for gap in gaps if gap is not None), default=0.0)
