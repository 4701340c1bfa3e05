"""The dynamic graph of one outcome, from the very run of torch and the very enclosures that the check has."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import accumulate, islice
from math import isfinite, prod

from gradcheck import exact
from gradcheck.autograd import Backward, Operation, Saved, TorchValue
from gradcheck.case.one import Case
from gradcheck.compare import half_of_the_digits
from gradcheck.diagnose.graph import Balls, Graph, Site, graph
from gradcheck.errors import LimitProblem, Span, printable
from gradcheck.explanation.graphs.model import DynamicGraph, GraphEdge, GraphNode, Kind, Lanes
from gradcheck.formats import FORMATS, Ball, Format, exact_text
from gradcheck.outcome import Outcome
from gradcheck.program import Call, Layer, Name, Node, Number, Shape, names, to_text
from gradcheck.verdict import Verdict

MAX_OPERATIONS = 200
"""Operations up to which each is a node; of a larger program, each layer is one."""
MAX_NODES = 300
"""Nodes of a graph."""
MAX_LABEL, MAX_TEXT = 36, 400
"""Characters of an expression as a label, and in full."""
MAX_ARGUMENT = 10
"""Characters of an argument that a short label repeats."""
MAX_NUMBERS, MAX_NOTE = 44, 20
"""Characters of a tensor in a node, and on an edge."""
MAX_FUNCTIONS = 3
"""Backward functions of one operation that are named."""

SHOWN_ELEMENTS = 12
"""Elements of a tensor that is shown in full."""

Source = Site | str | Node
"""What a node stands for: an operation, an input by its name, or a constant."""


def dynamic_graph(case: Case, outcome: Outcome) -> DynamicGraph:
    """Return the graph of the case at its point, with both lanes at every node; the outcome's faults are marked.

    Raises LaneProblem where torch cannot run the program, LimitProblem where even its layers are too many to be drawn.
    """
    plan = case.plan
    torch = case.backward(traced=True)
    values = exact.enclose(plan.node.core, case.arrays, outcome.bits)
    traced = graph(plan.program, plan.node, lambda: values, case.arrays, torch, case.format, outcome.bits)
    traced = replace(traced, tolerance=case.tolerance)
    pulled = {name: plan.node.cotangents.get(name) for name in plan.wrt}
    gradients = {name: values[node.id] for name, node in pulled.items() if isinstance(node, Name)}
    return _Drawing(traced, torch, gradients, _causes(outcome)).run()


def _causes(outcome: Outcome) -> dict[Span, str]:
    """Return the places of what is at fault, each with its cause; a kink is no fault."""
    return {
        blame.span: blame.cause.value
        for gradient in outcome.gradients
        for blame in reversed(gradient.blames)
        if blame.span is not None and gradient.judgements[blame.element].verdict is not Verdict.KINK
    }


class _Drawing:
    """A traced run on its way to a graph; the state is the nodes so far, by what they stand for."""

    def __init__(self, traced: Graph, torch: Backward, gradients: dict[str, Balls], causes: dict[Span, str]) -> None:
        self.traced = traced
        self.program = traced.program
        self.torch = torch
        self.gradients = gradients
        self.causes = causes
        self.layers = {layer.name: layer for layer in self.program.layers}
        self.homes = {layer.expression: layer for layer in self.program.layers if isinstance(layer.expression, Call)}
        self.sites = {site.call: site for site in traced.sites}
        self.output = self.source(Name(self.program.output))
        self.whole = len(traced.sites) <= MAX_OPERATIONS
        self.nodes: dict[Source, GraphNode] = {}
        self.edges: list[GraphEdge] = []

    def run(self) -> DynamicGraph:
        for name in self.program.inputs:
            self.add(name, self.leaf(name))
        for site in self.traced.sites if self.whole else self.roots():
            self.add(site, self.operation(site))
            self.edges += self.arguments(site) if self.whole else self.reads(site)
        if isinstance(self.output, Number | Call):
            self.add(self.output, self.constant(self.output))
        if len(self.nodes) > MAX_NODES:
            raise LimitProblem(
                f"the graph of this program has {len(self.nodes):,} nodes; the limit (MAX_NODES) is {MAX_NODES:,}"
            )
        title = printable(_cut(_line(self.program.source), MAX_TEXT))
        return DynamicGraph(title, tuple(self.nodes.values()), tuple(self.edges), self.nodes[self.output].id)

    def add(self, source: Source, node: GraphNode) -> None:
        kind = Kind.OUTPUT if source is self.output and isinstance(source, Site) else node.kind
        self.nodes[source] = replace(node, id=f"n{len(self.nodes)}", kind=kind)

    def source(self, node: Node) -> Source:
        """Return what a name or an operation stands for: an input, an operation, or a number."""
        while isinstance(node, Name):
            if node.id not in self.layers:
                return node.id
            node = self.layers[node.id].expression
        return self.sites.get(node, node) if isinstance(node, Call) else node

    def roots(self) -> list[Site]:
        """Return the last operation of each layer."""
        return [self.sites[call] for call in self.homes if call in self.sites]

    # --- nodes ---

    def leaf(self, name: str) -> GraphNode:
        shape, elements = self.traced.point[name].shape, self.traced.point[name].ravel()
        text = _tensor((self.format.text(float(one)) for one in elements), shape, MAX_NUMBERS)
        torch = self.torch.gradients.get(name)
        pulled = name in self.gradients or torch is not None
        cotangent = self.lanes(self.gradients.get(name), torch) if pulled else None
        function = "leaf" if name in self.torch.gradients else "leaf, no gradient"
        return GraphNode("", Kind.LEAF, name, name, function, shape, Lanes(text, text), cotangent)

    def constant(self, node: Node) -> GraphNode:
        """Return the node of an output that depends on nothing."""
        value = self.torch.layers[self.program.output]
        text, number = printable(_cut(self.written(node), MAX_LABEL)), self.numbers(value, MAX_NUMBERS)
        return GraphNode("", Kind.CONSTANT, text, text, "no gradient", value.shape, Lanes(number, number), None)

    def operation(self, site: Site) -> GraphNode:
        label, text = self.label(site)
        torch = site.torch
        pulled = site.cotangent is not None or torch.cotangent is not None
        return GraphNode(
            "", Kind.OPERATION if site.inputs else Kind.CONSTANT, label, text, _function(torch), torch.value.shape,
            self.lanes(site.value, torch.value),
            self.lanes(site.cotangent, torch.cotangent) if pulled and site.smooth else None,
            self.saved(site), self.cause(site),
        )  # fmt: skip

    def label(self, site: Site) -> tuple[str, str]:
        """Return an operation in short and in full, with the name of the layer that it is."""
        layer = self.homes.get(site.call)
        written = self.written(site.call)
        name = f"{layer.name} = " if layer is not None and _assigned(layer, self.program.source) else ""
        short = written if len(name + written) <= MAX_LABEL else _short(site.call, self.written)
        return printable(_cut(name + short, MAX_LABEL + len(name))), printable(_cut(name + written, MAX_TEXT))

    def written(self, node: Node) -> str:
        """Return an expression as the user wrote it, in one line."""
        return _line(self.program.source[node.span.start : node.span.end]) or to_text(node)

    def saved(self, site: Site) -> tuple[str, ...]:
        """Return the saved tensors, arguments first, each once, in the user's words where it has any."""
        kept = sorted(site.torch.saved, key=lambda one: len(site.call.args) if one.argument is None else one.argument)
        return tuple(dict.fromkeys(self.kept(site, one) for one in kept))

    def kept(self, site: Site, one: Saved) -> str:
        if one.argument is not None:
            return printable(_cut(self.written(site.call.args[one.argument]), MAX_LABEL))
        return one.name if one.number is None else FORMATS["float64"].text(one.number)

    def cause(self, site: Site) -> str | None:
        if self.whole:
            return self.causes.get(site.call.span)
        layer = self.homes[site.call].span
        return next((cause for span, cause in self.causes.items() if layer.overlaps(span)), None)

    # --- edges ---

    def arguments(self, site: Site) -> Iterator[GraphEdge]:
        for position, source in enumerate(site.sources):
            if source is not None:
                yield self.edge(source, site, position, site.torch.pulled[position])

    def reads(self, site: Site) -> Iterator[GraphEdge]:
        """Yield an edge for every value that a layer reads; what flows back along it has no single place."""
        read = dict.fromkeys(self.source(Name(name)) for name in names(site.call))
        for position, source in enumerate(source for source in read if source in self.nodes):
            yield self.edge(source, site, position, None)

    def edge(self, source: Source, site: Site, position: int, pulled: TorchValue | None) -> GraphEdge:
        tracked = self.tracked(source) and site.torch.made_tracked
        note = "" if pulled is None else self.numbers(pulled, MAX_NOTE)
        bad = pulled is not None and not all(map(isfinite, pulled.elements))
        return GraphEdge(self.nodes[source].id, self.nodes[site].id, position, note, tracked, bad)

    def tracked(self, source: Source) -> bool:
        return source.torch.made_tracked if isinstance(source, Site) else source in self.torch.gradients

    # --- numbers ---

    @property
    def format(self) -> Format:
        return self.traced.format

    def numbers(self, torch: TorchValue, most: int) -> str:
        return _tensor((self.format.text(one) for one in torch.elements), torch.shape, most)

    def lanes(self, array: Balls | None, torch: TorchValue | None) -> Lanes:
        balls = [one if isinstance(one, Ball) else None for one in self.traced.balls(array)]
        proven = None
        if array is not None:
            proven = _tensor((exact_text(one, self.format) for one in balls), array.shape, MAX_NUMBERS)
        if torch is None:
            return Lanes(proven, "none", bad=any(one is not None and not one.contains(0.0) for one in balls))
        gaps = [self.traced.gap(ball, value) for ball, value in zip(balls, torch.elements, strict=False)]
        known = [(ball, gap) for ball, gap in zip(balls, gaps, strict=False) if ball is not None and gap is not None]
        error = max((gap for _, gap in known), default=None)
        bad = any(gap > half_of_the_digits(ball, self.format) for ball, gap in known)
        return Lanes(proven, self.numbers(torch, MAX_NUMBERS), error, bad, self.traced.tolerance)


def _function(torch: Operation) -> str:
    """Return what runs on the way back, from the result to the arguments."""
    if not torch.made_tracked:
        return "no gradient"
    return " → ".join([*torch.functions[:MAX_FUNCTIONS], *(["…"] if len(torch.functions) > MAX_FUNCTIONS else [])])


def _assigned(layer: Layer, source: str) -> bool:
    """Return whether the user gave the layer its name."""
    return re.match(rf"{re.escape(layer.name)}\s*=(?!=)", source[layer.span.start : layer.span.end]) is not None


def _short(node: Call, written: Callable[[Node], str]) -> str:
    """Return an operation with its long arguments left out: they are nodes of their own."""

    def shortened(arg: Node) -> Node:
        text = written(arg)
        return Name("…") if len(text) > MAX_ARGUMENT else Name(text) if isinstance(arg, Number) else arg

    return to_text(replace(node, args=tuple(map(shortened, node.args))))


def _tensor(texts: Iterable[str], shape: Shape, most: int) -> str:
    """Return a small tensor in full and a large one by its first elements."""
    size, shown = prod(shape), list(islice(texts, SHOWN_ELEMENTS))
    whole = shown
    for length in reversed(shape):
        whole = [f"[{', '.join(whole[k : k + length])}]" for k in range(0, len(whole), length)]
    if size <= SHOWN_ELEMENTS and (not shape or len(whole[0]) <= most):
        return whole[0]
    ends = accumulate(len(text) + 2 for text in shown)
    fitting = max(1, sum(end + len("[…]") <= most for end in ends))
    return f"[{', '.join(shown[:fitting])}, …]"


def _line(text: str) -> str:
    return " ".join(text.split())


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
