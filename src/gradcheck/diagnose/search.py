"""The search for the operation at fault: along torch's own run, with the exact lane's numbers beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from math import inf, isfinite

import numpy as np

from gradcheck import exact
from gradcheck.autograd import TorchValue
from gradcheck.blame import Cause
from gradcheck.diagnose.alone import Alone, Isolated, array, isolate, tensors
from gradcheck.diagnose.graph import Balls, Element, Floats, Graph, Site
from gradcheck.formats import FORMATS, Ball, Dyadic, Format
from gradcheck.functions import COMPOSITE, ELEMENTWISE, WHERE
from gradcheck.program import Name
from gradcheck.symbolic import Pullback

MAX_CANDIDATES = 48
"""Operations whose effect on the gradient is tried; each takes an evaluation of the whole gradient program."""
NOTICEABLE = 8.0
"""ULP from which the error of a single operation is worth a look."""
SUMS = frozenset({"add", "sub", "sum", "mean", "matmul", "dot", "cumsum", "mse_loss"})
"""Operations that add: their errors grow by cancellation."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A cause with its place; ``backward`` where it lies on the way back. ``argument`` is the argument concerned.

    ``torch`` and ``exact`` are the numbers that show it, where these are not the operation's own value.
    """

    cause: Cause
    site: Site | None = None
    backward: bool = False
    argument: int | None = None
    torch: TorchValue | None = None
    exact: tuple[Element, ...] = ()
    other: tuple[Site, ...] = ()


class Search:
    """The search for one bad element of one gradient; the state is what was worked out about single operations."""

    def __init__(self, graph: Graph, pullback: Pullback, name: str, element: int, truth: Ball | None) -> None:
        self.graph = graph
        self.pullback = pullback
        self.name = name
        self.element = element
        self.truth = truth
        self.isolated: Callable[[Site], Isolated | None] = cache(lambda site: isolate(site.torch))
        self.on_path = [site for site in graph.sites if name in site.inputs and site.smooth]

    # --- no gradient at all -----------------------------------------------------------------------

    def detached(self) -> Finding | None:
        """Return the first operation whose result carries no graph although its arguments do."""
        for site in self.on_path:
            if any(site.torch.tracked) and not site.torch.made_tracked and self._has_slope(site):
                return Finding(Cause.DETACHED, site)
        return None

    def _has_slope(self, site: Site) -> bool:
        """Return whether the exact gradient flows through an operation at all."""
        made = self.at_exact(site)
        slopes = made is not None and any(_not_zero(one) for elements in made.pulled.values() for one in elements)
        return slopes and any(map(_not_zero, self.graph.balls(site.cotangent)))

    # --- points without a derivative ----------------------------------------------------------------

    def without_derivative(self, kinks_first: bool) -> Finding | None:
        """Return the first operation that has no value at its exact arguments, or else no derivative.

        Corners come first where ``kinks_first``, and else last.
        """
        found = [one for site in self.on_path if (one := self.singular(site)) is not None]
        order = _CORNERS_FIRST if kinks_first else _CORNERS_LAST
        return min(found, key=lambda one: order.index((one.cause in _CORNERS, one.argument is not None)), default=None)

    def at_a_corner(self) -> Finding | None:
        """Return the corner at which torch's choice is not the derivative; a choice beyond both sides is wrong."""
        found = self.without_derivative(True)
        if found is None or found.site is None or found.cause is not Cause.KINK or found.argument is None:
            return found
        if self._beyond(found.site, found.argument):
            return replace(found, cause=Cause.WRONG_GRADIENT, backward=True)
        return found

    def _beyond(self, site: Site, position: int) -> bool:
        """Return whether torch's slope at a corner lies outside those from the left and from the right."""
        isolated, incoming, pulled = self.isolated(site), site.torch.cotangent, site.torch.pulled[position]
        if isolated is None or incoming is None or pulled is None:
            return False
        at = self.element if len(pulled.elements) > self.element else 0
        sides = isolated.sides(tensors(site.torch), array(incoming), position, at)
        return sides is not None and not sides.left.hull(sides.right).contains(pulled.elements[at])

    def singular(self, site: Site) -> Finding | None:
        """Return why one operation has no derivative at its exact arguments, where it has none."""
        made = self.at_exact(site)
        if made is None:
            return None
        if any(one is None or isinstance(one, str) for one in made.value):
            return Finding(self._no_value(site), site)
        for position, elements in made.pulled.items():
            if self.name in _inputs(site.sources[position]) and (cause := self._no_slope(site, elements)) is not None:
                inside = cause in (Cause.POLE, *_CORNERS) and all(map(isfinite, site.torch.value.elements))
                return Finding(cause, site, argument=position if inside else None)
        return None

    def _no_slope(self, site: Site, elements: list[Element]) -> Cause | None:
        """Return why an operation sends no number back to an argument, where it does not."""
        for reason in elements:
            if isinstance(reason, str) and reason != "undecided":
                kind = reason.partition(" ")[0]
                return {"kink": Cause.KINK, "jump": Cause.JUMP}.get(kind) or self._no_value(site)
        return Cause.POLE if any(one is None for one in elements) else None

    def _no_value(self, site: Site) -> Cause:
        if site.call.op in ("div", "reciprocal", "remainder", "fmod"):
            return Cause.DIVISION_BY_ZERO
        infinite = any(abs(value) == inf for value in site.torch.value.elements)
        return Cause.POLE if infinite else Cause.OUTSIDE_DOMAIN

    def at_exact(self, site: Site) -> Alone | None:
        """Return one operation at its exact arguments with the exact cotangent; None where these are not known."""
        isolated = self.isolated(site)
        if isolated is None:
            return None
        args = self._exact_arguments(site, isolated)
        # A cotangent that is no number, or 0, would hide the operation's own slope, or show another's: 1 shows it.
        return None if args is None else isolated.at(args, np.ones(site.torch.value.shape), self.graph.bits)

    def _exact_arguments(self, site: Site, isolated: Isolated) -> list[Balls | Floats] | None:
        """Return the exact lane's arguments of an operation in full shape, None where one is not known."""
        args: list[Balls | Floats] = []
        for position in isolated.positions:
            exact_one, torch = self.graph.argument(site, position), site.torch.args[position]
            if exact_one is None or torch is None:
                return None
            args.append(np.broadcast_to(exact_one, torch.shape))  # type: ignore[arg-type]  # of either kind
        return args

    # --- nan and inf -------------------------------------------------------------------------------

    def not_finite(self) -> Finding | None:
        """Return where a gradient that is nan or inf first stopped being a number.

        From the input towards the output, along what is not finite, to the operation whose own cotangent still is.
        """
        origin = self._origin()
        if origin is None:
            return None
        site, position = origin
        root = self._root(site)
        if root is not None:
            return self._why_not_finite(root)
        return self._why_back(site, position)

    def _origin(self) -> tuple[Site, int] | None:
        readers: Iterable[tuple[Site, int]] = self.graph.readers[self.name]
        at: int | None = self.element
        while True:
            step = next((one for one in readers if _broken(one[0].torch.pulled[one[1]], at)), None)
            if step is None:
                return None
            site, position = step
            same = site.torch.args[position]
            elementwise = site.call.op in ELEMENTWISE or site.call.op == WHERE
            at = at if elementwise and same is not None and same.shape == site.torch.value.shape else None
            if not _broken(site.torch.cotangent, at):
                return site, position
            readers = site.readers

    def _root(self, site: Site) -> Site | None:
        """Return the first operation on the way to ``site``, or it, whose value is not finite from finite arguments."""
        for source in site.sources:
            if isinstance(source, Site) and _broken(source.torch.value):
                return self._root(source)
        return site if _broken(site.torch.value) else None

    def _why_not_finite(self, root: Site) -> Finding:
        mask = self._mask(root)
        if mask is not None:
            return Finding(Cause.NAN_FROM_MASKED_BRANCH, root, other=(mask,))
        lost = self._lost_argument(root)
        if lost is not None:
            return lost
        isolated = self.isolated(root)
        if isolated is not None:
            ones = np.ones(root.torch.value.shape)
            made = isolated.in_floats(tensors(root.torch), ones, self.graph.format, self.graph.bits)
            proven = isolated.at(tensors(root.torch), ones, self.graph.bits)
            if any(self._too_large(one) for one in proven.value):
                return Finding(Cause.OVERFLOW, root)
            if all(isinstance(one, Ball) for one in made.value):
                return Finding(Cause.WRONG_VALUE, root, torch=root.torch.value, exact=tuple(proven.value))
            if all(isinstance(one, Ball) for one in proven.value):
                return Finding(Cause.OVERFLOW, root)
        return Finding(self._no_value(root), root)

    def _why_back(self, site: Site, position: int) -> Finding:
        """Return why finite numbers gave a cotangent that is nan or inf."""
        pulled, incoming = site.torch.pulled[position], site.torch.cotangent
        assert pulled is not None
        mask = self._mask(site)
        if mask is not None and incoming is not None and 0.0 in incoming.elements:
            return Finding(Cause.NAN_FROM_MASKED_BRANCH, site, backward=True, argument=position, other=(mask,))
        lost = self._lost_argument(site)
        if lost is not None:
            return lost
        isolated = self.isolated(site)
        if isolated is not None and incoming is not None:
            proven = isolated.at(tensors(site.torch), array(incoming), self.graph.bits).pulled[position]
            made = isolated.in_floats(tensors(site.torch), array(incoming), self.graph.format, self.graph.bits)
            broken = [k for k, one in enumerate(pulled.elements) if not isfinite(one)]
            if any(self._too_large(proven[k]) for k in broken):
                return Finding(Cause.OVERFLOW, site, True, position, pulled, tuple(proven))
            if all(isinstance(proven[k], Ball) for k in broken):
                honest = any(not isinstance(made.pulled[position][k], Ball) for k in broken)
                cause = Cause.OVERFLOW if honest else Cause.WRONG_GRADIENT
                return Finding(cause, site, True, position, pulled, tuple(proven))
        return Finding(Cause.ZERO_TIMES_INF, site, True, position, pulled)

    def _lost_argument(self, site: Site) -> Finding | None:
        """Return the operation that made an argument exactly 0 which is not 0."""
        for source in site.sources:
            if not isinstance(source, Site):
                continue
            for ball, value in zip(self.graph.balls(source.value), source.torch.value.elements, strict=False):
                if value == 0 and isinstance(ball, Ball) and not ball.contains(0.0):
                    small = self._too_small(ball)
                    return Finding(Cause.UNDERFLOW if small else self._amplifier(source), source)
        return None

    def _mask(self, site: Site) -> Site | None:
        """Return the first ``where`` behind an operation that does not take the branch through it, somewhere."""
        seen, todo = {site}, [site]
        while todo:
            for reader, position in todo.pop(0).readers:
                condition = reader.torch.args[0]
                if reader.call.op == WHERE and position and condition is not None:
                    taken = 1.0 if position == 1 else 0.0
                    if any(one != taken for one in condition.elements):
                        return reader
                if reader not in seen:
                    seen.add(reader)
                    todo.append(reader)
        return None

    def _too_large(self, ball: Element) -> bool:
        return isinstance(ball, Ball) and not isfinite(self.graph.format.round_dyadic(ball.midpoint))

    def _too_small(self, ball: Ball) -> bool:
        return abs(self.graph.format.round_dyadic(ball.midpoint)) < self.graph.format.smallest_normal

    # --- wrong: outside what rounding can do ----------------------------------------------------------

    def wrong(self) -> Finding | None:
        """Return the first operation that returned, from the very numbers that it got, what no rounding can give."""
        for site in self.graph.sites:
            if site.smooth and (found := self._wrong_value(site)) is not None and self._matters(site):
                return found
        for site in reversed(self.on_path):
            if (found := self._wrong_gradient(site)) is not None:
                return found
        return None

    def _wrong_value(self, site: Site) -> Finding | None:
        isolated = self.isolated(site)
        args = tensors(site.torch)
        if isolated is None or not all(np.isfinite(one).all() for one in args):
            return None
        ones = np.ones(site.torch.value.shape)
        honest = isolated.in_floats(args, ones, self.graph.format, self.graph.bits).value
        wrong = [k for k, value in enumerate(site.torch.value.elements) if _outside(honest[k], value)]
        if not wrong:
            return None
        proven = isolated.at(args, ones, self.graph.bits).value
        wrong = [k for k in wrong if isinstance(proven[k], Ball)]
        if not wrong:
            return None
        cause = self._kind(site.torch.value, proven, wrong, Cause.WRONG_VALUE)
        return Finding(cause, site, torch=site.torch.value, exact=tuple(proven))

    def _wrong_gradient(self, site: Site) -> Finding | None:
        isolated, incoming = self.isolated(site), site.torch.cotangent
        args = tensors(site.torch)
        if isolated is None or incoming is None or not all(map(isfinite, incoming.elements)):
            return None
        if not all(np.isfinite(one).all() for one in args):
            return None
        honest = isolated.in_floats(args, array(incoming), self.graph.format, self.graph.bits).pulled
        proven = isolated.at(args, array(incoming), self.graph.bits).pulled
        for position, elements in honest.items():
            source = site.sources[position]
            if not site.torch.tracked[position] or self.name not in _inputs(source):
                continue
            torch, right = site.torch.pulled[position], proven[position]
            values = [0.0] * len(elements) if torch is None else torch.elements
            wrong = [k for k, one in enumerate(right) if isinstance(one, Ball) and _outside(elements[k], values[k])]
            if wrong and torch is None:
                return Finding(Cause.DETACHED, site, True, position)
            if wrong and torch is not None:
                cause = self._kind(torch, right, wrong, Cause.WRONG_GRADIENT)
                return Finding(cause, site, True, position, torch, tuple(right))
        return None

    def _kind(self, torch: TorchValue, proven: list[Element], wrong: list[int], otherwise: Cause) -> Cause:
        """Return what kind of wrong these numbers are: those of a smaller dtype, inaccurate, or plainly wrong."""
        gaps = [self.graph.gap(proven[k], torch.elements[k]) or 0.0 for k in wrong]
        pairs = [(one, torch.elements[k]) for k in wrong if isinstance(one := proven[k], Ball)]
        if max(gaps) < inf and lower_precision(pairs, self.graph.format.name):
            return Cause.LOWER_PRECISION
        if otherwise is Cause.WRONG_VALUE and max(gaps) <= 2 ** (self.graph.format.precision / 2):
            return Cause.INACCURATE_OPERATION
        return otherwise

    def _matters(self, site: Site) -> bool:
        """Return whether torch's value at an operation moves the gradient noticeably."""
        moved = self.effect(site.home, site.torch.value)
        return moved is None or moved > NOTICEABLE

    def effect(self, layer: str | None, value: TorchValue) -> float | None:
        """Return how far the gradient moves, in ULP, when one layer has torch's value and all else is exact."""
        if layer is None or self.truth is None or not all(map(isfinite, value.elements)):
            return None
        made = exact.enclose(self.pullback.core, self.graph.point, self.graph.bits, instead={layer: array(value)})
        ball = exact.balls(made[self.output], self.graph.bits, [self.element])[0]
        if not isinstance(ball, Ball):
            return None
        return self.graph.format.distance(self.graph.format.round_dyadic(ball.midpoint), self.truth.midpoint)

    @property
    def output(self) -> str:
        """Return the layer that holds the gradient."""
        node = self.pullback.cotangents[self.name]
        assert isinstance(node, Name)
        return node.id

    # --- lost digits ---------------------------------------------------------------------------------

    def lost_digits(self, error: float) -> Finding | None:
        """Return the operation whose rounding explains most of an error of so many ULP."""
        return self._lost_forward(error) or self._lost_backward(error) or self._infinite()

    def _lost_forward(self, error: float) -> Finding | None:
        candidates = [site for site in self.graph.sites if site.smooth and self._grows(site)]
        for site in candidates[:MAX_CANDIDATES]:
            moved = self.effect(site.home, site.torch.value)
            if moved is not None and 4 * moved >= error:
                return Finding(self._lost_by(site), site)
        return None

    def _grows(self, site: Site) -> bool:
        """Return whether an operation's value is much worse than its arguments."""
        own = _worst(self.graph.gaps(site.value, site.torch.value))
        sources = [source for source in site.sources if isinstance(source, Site)]
        before = [_worst(self.graph.gaps(one.value, one.torch.value)) for one in sources]
        return NOTICEABLE + 4 * max(before, default=0.0) < own < inf

    def _lost_by(self, site: Site) -> Cause:
        for ball, value in zip(self.graph.balls(site.value), site.torch.value.elements, strict=False):
            if _not_zero(ball) and isinstance(ball, Ball) and self._too_small(ball) and self.graph.gap(ball, value):
                return Cause.UNDERFLOW
        return self._amplifier(site)

    def _amplifier(self, site: Site) -> Cause:
        return Cause.CANCELLATION if site.call.op in SUMS else Cause.ILL_CONDITIONED

    def _lost_backward(self, error: float) -> Finding | None:
        """Return the first operation on the way back whose right cotangent became a wrong one."""
        for site in reversed(self.on_path):
            if site.home is None or site.cotangent is None or site.torch.cotangent is None:
                continue
            if _worst(self.graph.gaps(site.cotangent, site.torch.cotangent)) <= NOTICEABLE:
                continue
            layer = self.pullback.cotangents.get(site.home)
            moved = self.effect(layer.id if isinstance(layer, Name) else None, site.torch.cotangent)
            if moved is not None and 4 * moved >= error:
                return self._lost_at(site.readers)
        return self._lost_at(self.graph.readers[self.name])

    def _lost_at(self, readers: list[tuple[Site, int]]) -> Finding | None:
        """Return which reader of a tensor sent a bad cotangent back, or that good ones cancel."""
        worst: tuple[float, Finding] | None = None
        for site, position in readers:
            isolated, torch = self.isolated(site), site.torch.pulled[position]
            args = None if isolated is None else self._exact_arguments(site, isolated)
            if isolated is None or torch is None or args is None or site.cotangent is None:
                continue
            proven = isolated.at(args, site.cotangent, self.graph.bits).pulled[position]
            gap = _worst([self.graph.gap(ball, value) for ball, value in zip(proven, torch.elements, strict=True)])
            if gap > NOTICEABLE and (worst is None or gap > worst[0]):
                worst = gap, Finding(self._lost_in(site, position, gap), site, True, position, torch, tuple(proven))
        if worst is not None:
            return worst[1]
        sites = tuple(dict.fromkeys(site for site, _ in readers))
        return Finding(Cause.CANCELLATION, self._meeting(sites), True, other=sites) if len(readers) > 1 else None

    def _meeting(self, sites: tuple[Site, ...]) -> Site:
        """Return the first operation that all of some values flow into."""
        return next(one for one in self.graph.sites if all(one is site or reaches(site, one) for site in sites))

    def _lost_in(self, site: Site, position: int, gap: float) -> Cause:
        """Return why one operation loses digits on the way back."""
        isolated, incoming = self.isolated(site), site.torch.cotangent
        assert isolated is not None
        if incoming is None:
            return Cause.DETACHED
        args = tensors(site.torch)
        pulled = site.torch.pulled[position]
        honest = isolated.in_floats(args, array(incoming), self.graph.format, self.graph.bits)
        own = isolated.at(args, array(incoming), self.graph.bits).pulled[position]
        assert pulled is not None
        if honest.overflow is not None and any(not isinstance(one, Ball) for one in honest.pulled[position]):
            return Cause.OVERFLOW
        if any(isinstance(ball, Ball) and not ball.contains(0.0) and self._too_small(ball) for ball in own):
            return Cause.UNDERFLOW
        local = _worst([self.graph.gap(ball, value) for ball, value in zip(own, pulled.elements, strict=True)])
        if 4 * local < gap:
            return Cause.ILL_CONDITIONED
        return Cause.STORED_OUTPUT if is_stored(site.call.op) else Cause.INACCURATE_OPERATION

    def _infinite(self) -> Finding | None:
        """Return the first value that overflowed, though the gradient came out finite."""
        for site in self.graph.sites:
            if site.smooth and _broken(site.torch.value):
                return Finding(Cause.OVERFLOW, site)
        return None


_CORNERS = (Cause.KINK, Cause.JUMP)
_CORNERS_FIRST = [(True, True), (True, False), (False, False), (False, True)]
_CORNERS_LAST = [(False, False), (False, True), (True, False), (True, True)]
"""Orders of findings: whether it is a corner or jump, and whether an argument has no slope where the value exists."""


def is_stored(op: str) -> bool:
    """Return whether torch computes the gradient of an operation from its stored result."""
    row = ELEMENTWISE.get(op) or COMPOSITE.get(op)
    return row is not None and row.stored


def reaches(site: Site, other: Site) -> bool:
    """Return whether a value flows from one operation into another."""
    todo, seen = [site], {site}
    while todo:
        for reader, _ in todo.pop().readers:
            if reader is other:
                return True
            if reader not in seen:
                seen.add(reader)
                todo.append(reader)
    return False


# --- numbers ----------------------------------------------------------------------------------------


def _broken(value: TorchValue | None, at: int | None = None) -> bool:
    """Return whether a tensor, or one element of it, is nan or inf."""
    if value is None:
        return False
    return not all(map(isfinite, value.elements if at is None else value.elements[at : at + 1]))


def _inputs(source: Site | str | None) -> frozenset[str]:
    return source.inputs if isinstance(source, Site) else frozenset() if source is None else frozenset({source})


def _outside(ball: Element, value: float) -> bool:
    """Return whether a number is certainly not in a rounding enclosure; nan and inf are in none."""
    return isinstance(ball, Ball) and not ball.contains(value)


def _not_zero(ball: Element) -> bool:
    return isinstance(ball, Ball) and not ball.contains(0.0)


def _worst(gaps: Iterable[float | None]) -> float:
    return max((gap for gap in gaps if gap is not None), default=0.0)


SMALLER = {"float64": ("float32",), "float32": ("bfloat16", "float16")}
"""The smaller dtypes that numbers of a dtype may have passed through unnoticed."""
NEAR = 16.0
"""ULP of the smaller dtype within which such numbers are right."""


def lower_precision(pairs: Sequence[tuple[Ball, float]], dtype: str) -> bool:
    """Return whether wrong numbers are all numbers of a smaller dtype, and right there, and not merely short.

    >>> third = Ball(Dyadic(1431655765, -32), Dyadic(1431655766, -32))
    >>> lower_precision([(third, 0.3333333432674408)], "float64"), lower_precision([(third, 0.5)], "float64")
    (True, False)
    """
    return any(_are_of(FORMATS[name], pairs) for name in SMALLER.get(dtype, ()))


def _are_of(fmt: Format, pairs: Sequence[tuple[Ball, float]]) -> bool:
    if not all(fmt.round_dyadic(Dyadic.of(value)) == value for _, value in pairs):
        return False
    near = all(fmt.distance(value, ball.midpoint) <= NEAR for ball, value in pairs)
    return near and any(_length(value) > fmt.precision // 2 for _, value in pairs)


def _length(value: float) -> int:
    """Return the bits from the first to the last that is set."""
    numerator = abs(value.as_integer_ratio()[0])
    return numerator.bit_length() - ((numerator & -numerator).bit_length() - 1)
