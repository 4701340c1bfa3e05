"""What is known where something went wrong: both lanes at every operation, and each operation by itself."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache
from math import inf, isfinite, nan

import numpy as np

from gradcheck import exact
from gradcheck.autograd import TorchValue
from gradcheck.blame import Cause
from gradcheck.diagnose.alone import Alone, Isolated, array, isolate
from gradcheck.diagnose.graph import Balls, Element, Floats, Graph, Site
from gradcheck.differentiate import Pullback, pull_back
from gradcheck.formats import FORMATS, Ball
from gradcheck.functions import CONDITIONS, WHERE
from gradcheck.lower import lower
from gradcheck.program import Call, Name, Node, Number

NOTICEABLE = 8.0
"""ULP from which the error of a single operation is worth a look."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A cause with its place; ``backward`` where it lies on the way back. ``argument`` is the argument concerned.

    ``torch`` and ``exact`` are the numbers that show it, where these are not the operation's own value, and ``at`` are
    the places of those that are proven wrong. ``smooth`` says that the whole has a derivative although the operation
    has none. ``mask`` is the ``where`` that does not take the
    branch. ``ways`` are arguments of the operation with what comes back through each. ``element`` is the one of the
    value, or of what is sent back, that is at fault. ``rounded`` is the argument whose rounding is magnified: where
    ``edge``, so that the operation has no number at what it became.
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
    element: int | None = None
    rounded: int | None = None
    edge: bool = False

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
        self.losses: Callable[[Site], Floats] = cache(self._losses)
        read = graph.sites if name is not None else (*ancestors(graph.output),)
        self.on_path = [site for site in read if (name is None or name in site.inputs) and site.smooth]

    def _losses(self, site: Site) -> Floats:
        """Return how many digits each element of a value has lost, 0 where nothing is known of it."""
        fmt = FORMATS["float64"] if site in self.graph.constants else None
        return np.nan_to_num(self.graph.losses(site.value, site.torch.value, fmt), nan=0.0, posinf=inf)

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

    def effect(self, site: Site, value: TorchValue, at: int | None = None, *, back: bool = False) -> float | None:
        """Return how far the element moves, in ULP, when one operation has torch's value and all else is exact.

        With ``at`` only one element of the value is torch's. With ``back`` it is the cotangent that torch has there.
        Infinite where no number comes out; None where the operation, or the truth, is not known.
        """
        node = self.pullback.cotangents.get(site.home or "") if back else site.held
        if self.truth is None or (node is None and site not in self.graph.constants):
            return None
        if not isinstance(node, Name):
            return None if back else self._effect_of_constant(site)
        if self.pullback.core.shapes[node.id] != value.shape:  # what is constant along an axis may be one number there
            return None
        given = np.where(np.isfinite(value.array), value.array, nan)
        instead = given if at is None else self._with_one(site.cotangent if back else site.value, given, at)
        if (output := self.output) is None:
            return 0.0
        made = exact.enclose(self.pullback.core, self.graph.point, self.graph.bits, instead={node.id: instead})
        return self._moved(made[output])

    def effect_of_all(self, sites: Sequence[Site]) -> float:
        """Return how far the element moves when several operations have torch's values."""
        given = {
            site.home: np.where(np.isfinite(site.torch.value.array), site.torch.value.array, nan) for site in sites
            if site.home is not None and self.pullback.core.shapes[site.home] == site.torch.value.shape
        }  # fmt: skip
        if self.truth is None or (output := self.output) is None:
            return 0.0
        made = exact.enclose(self.pullback.core, self.graph.point, self.graph.bits, instead=given)
        return self._moved(made[output])

    def _with_one(self, whole: Balls | None, value: Floats, at: int) -> Balls:
        """Return the exact numbers with one of torch's among them."""
        made: Balls = np.array(whole, dtype=object)
        made.reshape(-1)[at] = value.ravel()[at]
        return made

    def _effect_of_constant(self, site: Site) -> float | None:
        """Return the effect of a plain number that the exact lane has folded into a fraction."""
        [value] = site.torch.value.elements
        if not isfinite(value):
            return None
        program = self.graph.program
        held = {site.call: Number(Fraction(value))}
        layers = (replace(one, expression=replaced(one.expression, held)) for one in program.layers)
        shapes = {name: array.shape for name, array in self.graph.point.items()}
        core = lower(replace(program, layers=tuple(layers)), shapes, nodes=True)
        pullback = pull_back(core, None if self.name is None else [self.name], guarded=True)
        layer = core.program.output if self.name is None else pullback.program.outputs[0]
        return self._moved(exact.enclose(pullback.core, self.graph.point, self.graph.bits)[layer])

    def _moved(self, made: Balls) -> float:
        """Return how far what was made is from the truth."""
        ball = exact.balls(made, self.graph.bits, [self.element])[0]
        if not isinstance(ball, Ball) or self.truth is None:
            return inf
        return self.graph.format.distance(self.graph.format.round_dyadic(ball.midpoint), self.truth.midpoint)

    def before(self, site: Site) -> list[Site]:
        """Return the operations that an operation reads, those among plain numbers included."""
        numbers = (one for one in self.graph.constants if any(reader is site for reader, _ in one.readers))
        return [*(one for one in site.sources if isinstance(one, Site)), *numbers]

    def rounded_argument(self, site: Site) -> int | None:
        """Return the first argument of an operation that torch has rounded, or made of what was."""
        for one in self.before(site):
            if self.losses(one).any():
                return next(position for reader, position in one.readers if reader is site)
        return None

    @property
    def output(self) -> str | None:
        """Return the layer that holds the gradient, or the output; None where the gradient is a plain number."""
        if self.name is None:
            return self.graph.program.output
        node = self.pullback.cotangents.get(self.name)
        return node.id if isinstance(node, Name) else None


def replaced(node: Node, held: Mapping[Call, Node]) -> Node:
    """Return an expression with other nodes in place of some of its operations."""
    if isinstance(node, Call):
        return held.get(node) or replace(node, args=tuple(replaced(one, held) for one in node.args))
    return node


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
