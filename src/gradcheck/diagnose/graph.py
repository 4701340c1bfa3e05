"""The user's operations as a graph, with the numbers of both lanes at each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from math import inf, isfinite, nan
from typing import Any

import numpy as np

from gradcheck import exact
from gradcheck.autograd import Backward, Operation, TorchValue
from gradcheck.differentiate import Pullback
from gradcheck.exact import Values
from gradcheck.formats import Ball, Format
from gradcheck.functions import CONDITIONS, DETACH
from gradcheck.ordinals import distances
from gradcheck.program import Call, Name, Node, Number, Program, Shape

MANY = 256
"""Numbers of a tensor from which distances are taken from the float64 next to what is exact, in whole arrays."""

TINY = 2.0**-900
"""Numbers below which a float64 may have underflowed itself."""

Element = Ball | str | None
Balls = np.ndarray[Any, np.dtype[np.object_]]
Floats = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(eq=False, slots=True)
class Site:
    """One operation of the user's tree in both lanes; ``sources`` says where each argument comes from.

    ``home`` is its layer in the node-level program, None where it has none (a condition, a constant). ``exact`` gives
    the exact lane's arrays of a layer or a constant: ``held`` has the value, ``pulled`` the cotangent.
    """

    torch: Operation
    sources: tuple[Site | str | None, ...]
    home: str | None
    held: Node | None
    pulled: Node | None
    exact: Callable[[], Values] = field(repr=False)
    inputs: frozenset[str]
    readers: list[tuple[Site, int]] = field(default_factory=list)

    @property
    def value(self) -> Balls | None:
        """Return the exact value, in the shape of the result."""
        return _shaped(self.held, self.exact, self.torch.value.shape)

    @property
    def cotangent(self) -> Balls | None:
        """Return the exact cotangent, in the shape of the result."""
        return _shaped(self.pulled, self.exact, self.torch.value.shape)

    @property
    def call(self) -> Call:
        """Return the operation as the user wrote it."""
        return self.torch.call

    @property
    def smooth(self) -> bool:
        """Return whether gradients are to flow through: not through conditions, nor through a detach."""
        return self.call.op not in CONDITIONS and self.call.op != DETACH


@dataclass(frozen=True, slots=True)
class Wrong:
    """Numbers that no rounding explains: torch's (None: no gradient at all), the exact ones, and where they differ."""

    torch: TorchValue | None
    exact: tuple[Element, ...]
    at: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Ruling:
    """What is known of one operation at the very numbers that it got.

    ``value`` is wrong, or None; ``pulled`` holds what is wrong of what flows back, by argument. ``overflow`` names what
    the format cannot hold in it. ``seen`` is False where the operation cannot be taken by itself.
    """

    value: Wrong | None = None
    pulled: Mapping[int, Wrong] = field(default_factory=dict)
    overflow: str | None = None
    seen: bool = True

    @property
    def right(self) -> bool:
        """Return whether rounding explains all of it."""
        return self.value is None and not self.pulled


@dataclass(frozen=True, slots=True)
class Graph:
    """All operations of one run in the order in which torch ran them, and who reads each input.

    ``plain`` are those of Python among plain numbers, and ``constants`` are the same as sites, which stand in nobody's
    sources. ``output`` is where the output comes from. ``rulings`` say which operations are wrong at torch's own
    inputs by more than the ``tolerance``, in ULP.
    """

    program: Program
    point: Mapping[str, Floats]
    format: Format
    bits: int
    sites: tuple[Site, ...]
    readers: Mapping[str, list[tuple[Site, int]]]
    plain: tuple[Operation, ...] = ()
    output: Site | str | None = None
    tolerance: float = 0.0
    rulings: Mapping[Call, Ruling] = field(default_factory=dict)
    constants: tuple[Site, ...] = ()

    def balls(self, array: Balls | None, at: Sequence[int] | None = None) -> list[Element]:
        """Return the elements of an array of the exact lane, or those ``at`` some places."""
        return [] if array is None else list(exact.balls(array, self.bits, at))

    def text(self, node: Node) -> str:
        """Return an expression as the user wrote it."""
        span = node.span
        return self.program.source[span.start : span.end]

    def argument(self, site: Site, position: int) -> Balls | Floats | None:
        """Return the exact lane's numbers for one argument of an operation."""
        source = site.sources[position]
        return source.value if isinstance(source, Site) else None if source is None else self.point[source]

    def gaps(self, array: Balls | None, torch: TorchValue | None) -> list[float | None]:
        """Return how far each of torch's elements is from the exact one, in ULP; None where there is no exact one."""
        if torch is None or array is None:
            return []
        if array.size < MANY:
            return [self.gap(ball, value) for ball, value in zip(self.balls(array), torch.elements, strict=False)]
        real, number = exact.middles(np.broadcast_to(array, torch.shape)).ravel(), torch.array.ravel()
        finite = np.isfinite(real) & np.isfinite(number)
        _, gaps = distances(np.where(finite, number, 0.0), np.where(finite, real, 0.0), self.format)
        known = np.where(finite, gaps, inf).tolist()
        return [None if unknown else gap for gap, unknown in zip(known, np.isnan(real).tolist(), strict=True)]

    def is_large(self, ball: Element) -> bool:
        """Return whether the format has no finite number for a ball."""
        return isinstance(ball, Ball) and not isfinite(self.format.round_dyadic(ball.midpoint))

    def is_small(self, ball: Element) -> bool:
        """Return whether a ball is certainly not 0, and the format has no normal number for it."""
        return is_small(ball, self.format)

    def gap(self, ball: Element, value: float) -> float | None:
        """Return the distance of one number in ULP, infinite where torch's is not finite."""
        return gap(ball, value, self.format)

    def loss(self, ball: Element, value: float, fmt: Format | None = None) -> float | None:
        """Return the same in a format of unlimited range, in which a number that became 0 has lost all its digits."""
        fmt = fmt or self.format
        if not isinstance(ball, Ball):
            return None
        if not isfinite(value):
            return inf
        # A ball that only may be 0 has no digits to lose.
        own = fmt if ball.contains(0.0) and not ball.exact else fmt.unlimited
        return own.distance(value, ball.midpoint)

    def losses(self, array: Balls | None, torch: TorchValue | None, fmt: Format | None = None) -> Floats:
        """Return how many digits each of torch's elements has lost, in ULP of a format of unlimited range; nan is none.

        Without an exact number, or one of torch's, nothing is known: the array is empty.
        """
        if torch is None or array is None:
            return np.zeros(0)
        full = np.broadcast_to(array, torch.shape)
        if full.size < MANY:
            found = [self.loss(ball, value, fmt) for ball, value in zip(self.balls(full), torch.elements, strict=True)]
            return np.array([nan if one is None else one for one in found])
        real, number = exact.middles(full).ravel(), torch.array.ravel()
        made = _relative(real, number, (fmt or self.format).precision)
        for k in np.flatnonzero((np.abs(real) < TINY) & (real != number)).tolist():
            [ball] = self.balls(full, [k])
            found_one = self.loss(ball, float(number[k]), fmt)
            made[k] = nan if found_one is None else found_one
        return made


def graph(
    program: Program,
    pullback: Pullback,
    values: Callable[[], Values],
    point: Mapping[str, Floats],
    run: Backward,
    fmt: Format,
    bits: int,
) -> Graph:
    """Return the graph of a traced run; ``values`` gives those of the node-level ``pullback`` where they are read."""
    layers = {layer.name: layer.expression for layer in program.layers}
    sites: dict[Call, Site] = {}
    constants: dict[Call, Site] = {}
    readers: dict[str, list[tuple[Site, int]]] = {name: [] for name in program.inputs}

    def add(one: Operation, known: dict[Call, Site]) -> None:
        found = [_source(arg, layers, known) for arg in one.call.args]
        numbers = [node if isinstance(node := _source(arg, layers, constants), Site) else None for arg in one.call.args]
        home = pullback.core.homes.get(one.call)
        name = home.id if isinstance(home, Name) else None
        # A constant stands in nobody's sources: no gradient flows to it.
        sources = tuple(None if number is not None else source for source, number in zip(found, numbers, strict=True))
        site = known[one.call] = Site(
            one, sources, name, home, pullback.cotangents.get(name or ""), values,
            frozenset().union(*map(inputs, sources)),
        )  # fmt: skip
        for position, source in enumerate(found):
            if (source := numbers[position] or source) is not None:
                (source.readers if isinstance(source, Site) else readers[source]).append((site, position))

    for one in run.plain:
        add(one, constants)
    for one in run.operations:
        add(one, sites)
    output = _source(Name(program.output), layers, sites)
    return Graph(
        program, point, fmt, bits, tuple(sites.values()), readers, run.plain, output,
        constants=tuple(constants.values()),
    )  # fmt: skip


def gap(ball: Element, value: float, fmt: Format) -> float | None:
    """Return the distance of one number in ULP of a format, infinite where torch's is not finite.

    >>> from gradcheck.formats import FORMATS
    >>> [gap(Ball.around(1.0), value, FORMATS["float32"]) for value in (1.0, 1 + 2**-23, float("nan"))]
    [0.0, 1.0, inf]
    """
    if not isinstance(ball, Ball):
        return None
    return fmt.distance(value, ball.midpoint) if isfinite(value) else inf


def _source(node: Node, layers: Mapping[str, Node], sites: Mapping[Call, Site]) -> Site | str | None:
    while isinstance(node, Name):
        if node.id not in layers:
            return node.id
        node = layers[node.id]
    return sites.get(node) if isinstance(node, Call) else None


def inputs(source: Site | str | None) -> frozenset[str]:
    """Return the inputs that an argument depends on."""
    return source.inputs if isinstance(source, Site) else frozenset() if source is None else frozenset({source})


def is_small(ball: Element, fmt: Format) -> bool:
    """Return whether a ball is certainly not 0, and a format has no normal number for it."""
    if not isinstance(ball, Ball) or ball.contains(0.0):
        return False
    return abs(fmt.round_dyadic(ball.midpoint)) < fmt.smallest_normal


def _relative(real: Floats, number: Floats, precision: int) -> Floats:
    """Return distances in ULP of a format of unlimited range, nan where there is no real number."""
    with np.errstate(all="ignore"):
        _, exponents = np.frexp(real)
        made: Floats = np.ldexp(np.abs(number - real), precision - exponents)
        made = np.where(number == real, 0.0, np.where(real == 0, inf, made))
    return np.where(np.isnan(real), nan, np.where(np.isfinite(number), made, inf))


def _shaped(node: Node | None, values: Callable[[], Values], shape: Shape) -> Balls | None:
    """Return the numbers of a layer or a constant in full shape."""
    if isinstance(node, Name):
        return np.broadcast_to(values()[node.id], shape)
    return exact.constant(node.value, shape) if isinstance(node, Number) else None
