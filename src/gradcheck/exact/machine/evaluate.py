"""Core programs at a point in machine intervals: what these decide needs no balls."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np

from gradcheck.bounds import Bounds
from gradcheck.exact.evaluate import domain_of
from gradcheck.exact.machine import arithmetic, states
from gradcheck.exact.machine.arithmetic import EXTENDED, UNIT, Interval, exactly, rational, unit
from gradcheck.exact.machine.elementary import apply, constant
from gradcheck.exact.machine.elements import (
    Element,
    Fact,
    choice,
    condition,
    mask,
    replaced,
    shape_of,
    spread,
    undecided,
    whole,
)
from gradcheck.exact.machine.sharper import sharpened
from gradcheck.exact.machine.states import OPEN, Reasons, States, after, every, settled
from gradcheck.exact.machine.tensors import tensor
from gradcheck.functions import (
    BEHIND,
    CONDITIONS,
    CONSTANTS,
    DETACH,
    ELEMENTWISE,
    GUARD,
    MASK,
    PATCH,
    TENSOR,
    WHERE,
)
from gradcheck.lower import Core
from gradcheck.parse import parse
from gradcheck.program import Call, Layer, Node, Number, Shape, fold, infinity, names
from gradcheck.reason import Kind, Reason

Value = Element | Fact
NOTHING = Element(Interval(np.float64(np.nan)))


def enclose(
    core: Core, point: Mapping[str, np.ndarray[Any, Any]], keep: Collection[str], *, extended: bool = False
) -> dict[str, Bounds]:
    """Return proven bounds of the inputs and layers that are to be kept, each in its full shape.

    ``point`` holds float64 arrays, which enter exactly; nothing is proven of an infinite one, and of what it leads to.
    Numbers beyond float64, operations that machine intervals lack, and choices that they leave open have no bounds;
    ``Bounds.why`` holds the reason where an element is certain to be undefined. With ``extended`` all is in the
    extended format, where there is one: it takes some ten times as long, and most bounds are neighbours in float64.

    >>> from gradcheck.lower import lower
    >>> core = lower(parse("sqrt(x)*3"), {"x": (2,)}, nodes=True)
    >>> found = enclose(core, {"x": np.array([4.0, -1.0])}, ["out"])["out"]
    >>> bool(found.lower[0] <= 6 <= found.upper[0]), found.reason(1)
    (True, 'domain sqrt')
    """
    kind = EXTENDED if extended else np.float64
    given = {name: exactly(np.asarray(point[name], dtype=kind)) for name in core.program.inputs}
    return enclose_all(core, given, keep)


def enclose_all(core: Core, point: Mapping[str, Interval], keep: Collection[str]) -> dict[str, Bounds]:
    """Return bounds that hold for every point whose inputs lie in intervals."""
    wanted = set(keep)
    with np.errstate(all="ignore"):
        extended = any(unit(one.mid) != UNIT for one in point.values())
        run = Run({name: Element(point[name]) for name in core.program.inputs}, extended=extended)
        return run.bounds(core, sharpened(core.program, wanted), wanted)


@dataclass(slots=True)
class Run:
    """One evaluation: the values that a later layer reads, and the reasons met."""

    values: dict[str, Element]
    reasons: Reasons = field(default_factory=Reasons)
    extended: bool = False

    def bounds(self, core: Core, layers: list[Layer], wanted: set[str]) -> dict[str, Bounds]:
        """Return the bounds of what is wanted, and let go of every value after its last reader."""
        last = {name: k for k, layer in enumerate(layers) for name in names(layer.expression)}
        kept = {name: value for name, value in self.values.items() if name in wanted}
        for k, layer in enumerate(layers):
            made = self.layer(layer, core.shapes[layer.name], layer.name in core.forward)
            self.values[layer.name] = made
            if layer.name in wanted:
                kept[layer.name] = made
            for name in {*names(layer.expression), layer.name}:
                if last.get(name, -1) <= k:
                    self.values.pop(name, None)
        return {name: self.bounded(kept[name], core.shapes[name]) for name in kept}

    def layer(self, layer: Layer, shape: Shape, forward: bool) -> Element:
        """Return the value of a layer in its full shape."""
        made = self.evaluate(layer.expression, self.values, forward)
        assert isinstance(made, Element)
        return spread(made, shape)

    def bounded(self, made: Element, shape: Shape) -> Bounds:
        """Return lower and upper ends, nan where nothing is proven, with the reasons."""
        low, high = arithmetic.tight(made.numbers)
        found = np.isfinite(low) & np.isfinite(high)
        low, high = (np.broadcast_to(np.where(found, one, np.nan), shape) for one in (low, high))
        if made.states is None or not np.any(made.states >= states.FIRST):
            return Bounds(low, high)
        why = np.where(made.states >= states.FIRST, (made.states - states.FIRST) // 2 + 1, 0).astype(np.uint8)
        return Bounds(low, high, np.broadcast_to(why, shape), tuple(map(str, self.reasons.met)))

    def evaluate(self, node: Node, values: Mapping[str, Element], forward: bool = False) -> Value:
        """Return the value of an expression; in a forward one, an element outside a domain is undefined."""

        def made_of(part: Call, args: list[Value]) -> Value:
            made = self.operation(part, args)
            return self.within_domain(part, args, made) if forward and isinstance(made, Element) else made

        def number(part: Number) -> Value:
            return Element(rational(part.value, extended=self.extended))

        return fold(node, lambda one: values[one.id], number, made_of)

    def operation(self, node: Call, args: list[Any]) -> Value:
        """Return the value of one operation."""
        if node.op in CONDITIONS:
            ends = map(infinity, node.args)  # what is proven of a number is proven beside infinity too
            beside = [
                one if end is None else Element(Interval(np.float64(end))) for one, end in zip(args, ends, strict=True)
            ]
            return condition(node.op, beside)
        if node.op in TENSOR:
            numbers, codes = tensor(node.op, [whole(one).both for one in args], **dict(node.params))
            return Element(settled(numbers, codes), codes)
        if node.op == DETACH:
            return args[0]  # type: ignore[no-any-return]
        if node.op in CONSTANTS:
            return Element(constant(node.op, extended=self.extended))
        if node.op == GUARD:
            return self.guard(Reason.parse(str(node.param("reason"))), *args)
        if node.op == MASK:
            return mask(states.SOFT if node.param("soft") else states.HARD, *args)
        return _CHOICES[node.op](self, *args) if node.op in _CHOICES else self.elementwise(node.op, args)

    # --- elementwise ---

    def elementwise(self, op: str, args: list[Element]) -> Element:
        """Return a row's value, as it describes it."""
        how = ELEMENTWISE[op].machine
        if how is None:
            return NOTHING
        if isinstance(how, str):
            parts = dict(zip(ELEMENTWISE[op].args, args, strict=True))
            plain = {name: Element(one.numbers) for name, one in parts.items()}
            found = self.evaluate(_formula(how), plain)
            assert isinstance(found, Element)
            numbers = found.numbers
        else:
            numbers = apply(how, [one.numbers for one in args])
        if all(one.states is None for one in args):
            return Element(numbers)
        codes = self.handed_on(op, [one.both for one in args])
        return Element(settled(numbers, codes), codes)

    def handed_on(self, op: str, args: list[tuple[Interval, States]]) -> States:
        """Return what an operation makes of arguments that are no numbers, or zeros."""
        if op == "neg":
            return args[0][1]
        if op in ("add", "sub"):
            return states.added(*args)
        if op == "mul":
            return states.times(self.reasons, *args)
        if op == "square":
            return states.times(self.reasons, args[0], args[0])
        return states.divided(self.reasons, *args) if op == "div" else after(args)

    def within_domain(self, node: Call, args: list[Value], made: Element) -> Element:
        """Return an operation's elements, undefined where its arguments are certainly outside its domain."""
        inside = domain_of(node)
        if inside is None or np.all(states.proven(made.numbers)):
            return made
        fact = self.evaluate(inside, {str(k): one for k, one in enumerate(args) if isinstance(one, Element)})
        assert isinstance(fact, Fact)
        if not np.any(fact.truth.no):
            return made
        return replaced(made, fact.truth.no, self.reasons.code(Reason(Kind.DOMAIN, node.op)))

    # --- choices ---

    def guard(self, reason: Reason, a: Element, c: Fact) -> Element:
        """Return ``a`` where a condition holds; where it may not, a jump may show through a soft zero."""
        if np.all(c.truth.yes):
            return spread(a, np.broadcast_shapes(shape_of(a), np.shape(c.truth.yes)))
        made = replaced(a, c.truth.no, self.reasons.code(reason))
        return replaced(made, c.open, OPEN) if reason.kind is Kind.JUMP else undecided(made, c, a)

    def behind(self, a: Element, b: Element) -> Element:
        """Return ``a`` where ``b`` has a value; where that is outside of a domain, nothing hides it."""
        if b.states is None and np.all(states.proven(b.numbers)):
            return a
        codes = every(b.states)
        outside = np.isin(codes, self.reasons.of(Kind.DOMAIN))
        everywhere = (codes >= states.FIRST) & (codes % 2 == 1)
        known = (codes >= states.FIRST) | states.is_zero(codes) | states.proven(b.numbers)
        shown = np.where(known, np.where(outside, codes + 1, np.where(everywhere, codes, 0)), OPEN)
        return replaced(a, shown > 0, shown)


_CHOICES: dict[str, Callable[..., Element]] = {
    WHERE: lambda _run, c, a, b: choice(c, a, b),
    PATCH: lambda _run, a, c, b: choice(c, b, a),
    BEHIND: Run.behind,
}


@lru_cache(maxsize=256)
def _formula(text: str) -> Node:
    """Return a row's formula."""
    return parse(text).layers[0].expression


def value_of(op: str, args: list[Interval]) -> Interval:
    """Return the value of one row of intervals; nan where machine intervals have none."""
    return Run({}).elementwise(op, [Element(one) for one in args]).numbers
