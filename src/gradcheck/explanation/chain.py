"""The chain rule through layers: what flows back along every link, and what it adds up to, proved at the point."""

from __future__ import annotations

from collections.abc import Mapping
from functools import reduce
from math import prod

from gradcheck import kernels
from gradcheck.display import letters, local_formulas
from gradcheck.explanation.derivation import tidied
from gradcheck.explanation.lanes import Lanes, check_equal, formula
from gradcheck.explanation.meaning import differentiated, element, output_name
from gradcheck.explanation.model import Arrival, Chain, Link, Numbers
from gradcheck.explanation.shown import Formula, quotient
from gradcheck.explanation.shown import over as summed
from gradcheck.explanation.textbook import has_form, textbook
from gradcheck.functions import DETACH
from gradcheck.gradients import GradientOutcome
from gradcheck.program import Call, Layer, Node, Number, Shape, call, names, number, to_text

MAX_SHOWN = 160
"""Characters of a formula that is still shown."""
PROVED = 4096
"""Elements of a tensor up to which a formula of the whole of it is proved."""


def chains(lanes: Lanes) -> tuple[Chain, ...]:
    """Return the chain rule from the output back to every input that is differentiated by."""
    reverse = _Reverse(lanes)
    return tuple(_chain(lanes, reverse, one) for one in lanes.outcome.gradients)


def _chain(lanes: Lanes, reverse: _Reverse, gradient: GradientOutcome) -> Chain:
    name, whole = gradient.input, lanes.case.plan.display.closed[gradient.input]
    on_the_way = _between(lanes, name)
    arrivals = tuple(reverse.arrival(one) for one in reverse.order if one in on_the_way)
    straight = all(len(one.links) == 1 and one.links[0].partial and not one.links[0].over for one in arrivals[1:])
    closed = None if whole is None else formula(whole, lanes.told.shapes, reverse.rank(name))
    torch = None if gradient.torch is None else tuple(gradient.torch.ravel().tolist())
    numbers = Numbers(gradient.shape, gradient.balls(), torch, tuple(one.ulps for one in gradient.judgements))
    return Chain(
        lanes.told.output, name, reverse.title(name), arrivals,
        tuple(one.links[0] for one in arrivals[1:]) if straight else (), closed, lanes.value(name), numbers,
        tuple(one.verdict.value for one in gradient.judgements),
    )  # fmt: skip


def _between(lanes: Lanes, name: str) -> set[str]:
    """Return the names on the way from an input to the output, as far as torch follows it."""
    layers = lanes.told.program.layers
    forth = {name}
    for layer in layers:
        if not _cut(layer) and forth.intersection(names(layer.expression)):
            forth.add(layer.name)
    return (forth & _leading(lanes)) | {lanes.told.output, name}


def _leading(lanes: Lanes) -> set[str]:
    """Return the names that lead to the output, as far as torch follows them."""
    back = {lanes.told.output}
    for layer in reversed(lanes.told.program.layers):
        if layer.name in back and not _cut(layer):
            back.update(names(layer.expression))
    return back


def _cut(layer: Layer) -> bool:
    return isinstance(layer.expression, Call) and layer.expression.op == DETACH


class _Reverse:
    """The reverse sweep over the told layers; the state is the closed forms of cotangents, where there are any."""

    def __init__(self, lanes: Lanes) -> None:
        self.lanes = lanes
        self.shapes: Mapping[str, Shape] = lanes.told.shapes
        self.layers = {layer.name: layer for layer in lanes.told.program.layers}
        self.output = lanes.told.output
        self.order = [*reversed(self.layers), *lanes.told.program.inputs]
        self.locals = {name: local_formulas(layer, self.shapes) for name, layer in self.layers.items()}
        self.totals: dict[str, Node] = {self.output: kernels.ONE}
        self.readers: dict[str, list[str]] = {}
        for layer in reversed(lanes.told.program.layers):
            for one in names(layer.expression) if not _cut(layer) else ():
                self.readers.setdefault(one, []).append(layer.name)
        self.leading = _leading(lanes)
        self.links = {name: self.incoming(name) for name in self.order}

    # --- words ---

    def title(self, below: str) -> Formula:
        """Return ``d out/d y[i, j]``; an output of several elements is differentiated as their sum."""
        out = differentiated(self.lanes)
        if below == self.output and not self.shapes[below]:
            return Formula(quotient(out, out))
        return Formula(quotient(out, element(self.lanes, below, self.rank(below))))

    def rank(self, name: str) -> int:
        """Return how many axes the indices of a name are counted from: those of the widest formula that reads it."""
        plain = [one for one in self.near(name) if one in self.lanes.told.elementwise]
        return max(len(self.shapes[one]) for one in (name, *plain))

    def near(self, name: str) -> list[str]:
        return self.readers.get(name, [])

    # --- links and arrivals ---

    def incoming(self, below: str) -> tuple[Link, ...]:
        """Return the links through which a name gets its cotangent, and keep the closed form of their sum."""
        found = [self.link(above, below) for above in self.near(below) if above in self.leading]
        parts = [flow for _, flow in found]
        if parts and all(one is not None for one in parts):
            total = tidied(reduce(lambda a, b: call("add", a, b), [one for one in parts if one is not None]))
            if total is not None:
                self.totals[below] = total
                self.prove(below, total)
        return tuple(link for link, _ in found)

    def link(self, above: str, below: str) -> tuple[Link, Node | None]:
        """Return what flows from a layer to a name that it reads, and its closed form where that can be composed."""
        partial = self.locals[above].get(below)
        rank = max(len(self.shapes[above]), len(self.shapes[below]))
        reads = names(self.layers[above].expression)
        slope = quotient(*(element(self.lanes, one, rank) for one in (above, below)), partial=len(reads) > 1)
        title = Formula(slope)
        if above not in self.lanes.told.elementwise and not self.is_constant(above, partial):
            return self.textbook(above, below, title), None
        if partial is None or len(to_text(partial)) > MAX_SHOWN:
            return Link(above, below, title, None, None, why_not="there is no short formula of it"), None
        over = self.over(above, below)
        flow = self.flow(above, partial, over)
        shown = None if flow is None else self.formula(flow, rank)
        if over and flow is None and above in self.totals:
            inside = tidied(call("mul", self.totals[above], partial)) or partial
            shown = self.formula(summed([*over.values()], inside), rank)
        return Link(above, below, title, self.formula(partial, rank), shown, tuple(over.values())), flow

    def is_constant(self, above: str, partial: Node | None) -> bool:
        """Return whether an operation on tensors has one number as its slope: a sum, a mean, what moves one number."""
        return self.shapes[above] == () and isinstance(partial, Number)

    def textbook(self, above: str, below: str, title: Formula) -> Link:
        """Return what textbooks write for what flows through an operation on tensors."""
        operation = self.layers[above].expression
        if isinstance(operation, Call) and not has_form(operation):
            return Link(above, below, title, None, None, why_not=f"{operation.op} is told by its definition alone")
        own = letters(self.shapes[below], self.rank(below))
        seed = output_name(self.lanes) if above == self.output else None
        found = textbook(self.layers[above], below, own, differentiated(self.lanes), self.shapes, seed)
        formula, whole = (None if one is None else Formula(one) for one in (found.formula, found.whole))
        return Link(above, below, title, None, formula, whole=whole, said=found.said)

    def over(self, above: str, below: str) -> dict[int, str]:
        """Return the axes along which a name is broadcast to a layer, counted from the right, with their letters."""
        wide, narrow = self.shapes[above], self.shapes[below]
        found = {}
        for k, letter in enumerate(letters(wide, len(wide))):
            axis = k - len(wide)
            if wide[axis] != 1 and (-axis > len(narrow) or narrow[axis] == 1):
                found[axis] = letter
        return found

    def flow(self, above: str, partial: Node, over: Mapping[int, str]) -> Node | None:
        """Return the closed form of what flows along a link; a sum of equal terms is their multiple."""
        if above not in self.totals:
            return None
        made = call("mul", self.totals[above], partial)
        depends = any(self.varies(one, axis) for one in names(made) for axis in over)
        repeats = prod(self.shapes[above][axis] for axis in over)
        return None if depends else tidied(call("mul", number(repeats), made))

    def varies(self, name: str, axis: int) -> bool:
        shape = self.shapes[name]
        return -axis <= len(shape) and shape[axis] != 1

    def formula(self, node: Node, rank: int) -> Formula:
        used = [len(self.shapes[one]) for one in names(node) if one in self.shapes]
        return formula(node, self.shapes, max([rank, *used]))

    def prove(self, name: str, total: Node) -> None:
        """Check the closed form of a cotangent against the check's own enclosure of it."""
        truth = self.lanes.cotangents(name)
        if truth is None or prod(self.shapes[name]) > PROVED:
            return
        point = {one: self.lanes.array(one) for one in names(total)}
        if not point or all(len(array.shape) <= len(self.shapes[name]) for array in point.values()):
            found = self.lanes.evaluate(total, point, self.shapes[name])
            check_equal(found, self.lanes.enclosures(truth), f"{self.title(name)} = {to_text(total)}")

    def arrival(self, name: str) -> Arrival:
        """Return the cotangent of a name with all that flows into it."""
        numbers = self.lanes.cotangent(name)
        if numbers is None:
            size = prod(self.shapes[name])
            numbers = Numbers(self.shapes[name], (None,) * size, None, (None,) * size)
        total = self.totals.get(name)
        shown = None
        if total is not None and len(to_text(total)) <= MAX_SHOWN:
            shown = self.formula(total, self.rank(name))
        links = () if name == self.output else self.links[name]
        return Arrival(name, self.title(name), links, shown, numbers)
