"""The graph as a picture: one SVG with nothing outside it, light or dark as the reader's screen is."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from itertools import pairwise
from xml.etree import ElementTree as ET

from gradcheck.errors import printable
from gradcheck.explanation.graphs.layout import Box, Layout, Link, Route, Size, layout
from gradcheck.explanation.graphs.model import DynamicGraph, Grade, GraphEdge, GraphNode, Kind, Row, heading, rows

LABEL, DETAIL = 13.0, 11.5
"""Sizes of text in pixels: the expression, and all the rest."""
ADVANCE = 0.605
"""Width of a character in a monospaced font, as a share of its size: that of the widest common ones."""
LEADING = 1.4
"""Distance of lines, as a share of the size of the text."""
PADDING, MARGIN = 10.0, 16.0
"""Room inside a box, and around the picture."""
NAMES = 13
"""Columns for the names of the rows."""
ARROW = 4.0
"""Half the width of an arrow's head, and half its length."""

_SELECTOR = ".gradcheck-graph"
_LIGHT = {
    ".page": "fill: #ffffff",
    "text": "fill: #1f2328",
    ".dim": "fill: #59636e",
    ".box": "fill: #f6f8fa; stroke: #818b98",
    ".leaf .box": "fill: #ddf4ff; stroke: #0969da",
    ".output .box": "fill: #dafbe1; stroke: #1a7f37",
    ".off .box": "fill: #fff8c5; stroke: #9a6700",
    ".bad .box": "fill: #ffebe9; stroke: #cf222e",
    "text.off": "fill: #7d4e00",
    "text.bad": "fill: #b3141f",
    ".edge": "stroke: #818b98",
    ".head": "fill: #818b98",
}
_DARK = {
    ".page": "fill: #0d1117",
    "text": "fill: #f0f6fc",
    ".dim": "fill: #9198a1",
    ".box": "fill: #161b22; stroke: #7d8590",
    ".leaf .box": "fill: #121d2f; stroke: #4493f8",
    ".output .box": "fill: #12261e; stroke: #3fb950",
    ".off .box": "fill: #272115; stroke: #d29922",
    ".bad .box": "fill: #2d1517; stroke: #f85149",
    "text.off": "fill: #e3b341",
    "text.bad": "fill: #ff7b72",
    ".edge": "stroke: #7d8590",
    ".head": "fill: #7d8590",
}
_FONTS = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace"
_SHAPES = {
    "text": f"font-family: {_FONTS}; white-space: pre",
    ".name": f"font-size: {LABEL:g}px; font-weight: bold",
    ".row": f"font-size: {DETAIL:g}px",
    ".box": "stroke-width: 1",
    ".constant .box": "stroke-dasharray: 4 3",
    ".output .box": "stroke-width: 2",
    ".bad .box": "stroke-width: 2.5",
    "text.bad": "font-weight: bold",
    ".edge": "fill: none; stroke-width: 1.2",
    ".untracked": "stroke-dasharray: 4 3",
}


def picture(graph: DynamicGraph) -> str:
    """Return the graph as SVG: values flow downwards, and on every edge stands the cotangent that flows back."""
    sizes = {node.id: size(node) for node in graph.nodes}
    links = [Link(edge.source, edge.target, _note_size(edge)) for edge in graph.edges]
    made = layout(sizes, links)
    root = _root(graph, made)
    moved = ET.SubElement(root, "g", transform=f"translate({MARGIN:g} {MARGIN:g})")
    for edge, route in zip(graph.edges, made.routes, strict=True):
        _edge(moved, edge, route)
    for edge, route in zip(graph.edges, made.routes, strict=True):
        if edge.note:
            _note(moved, edge, route.label)
    for node in graph.nodes:
        _node(moved, node, made.boxes[node.id])
    ET.indent(root)
    return ET.tostring(root, encoding="unicode") + "\n"


def size(node: GraphNode) -> Size:
    """Return how large the box of a node is."""
    details = [columns(heading(node)), *(NAMES + columns(row.text) for row in rows(node))]
    width = max(columns(node.label) * LABEL, max(details) * DETAIL) * ADVANCE
    height = (LABEL + len(details) * DETAIL) * LEADING
    return Size(round(width + 2 * PADDING, 1), round(height + 2 * PADDING, 1))


def columns(text: str) -> int:
    """Return how many columns of a monospaced font a text takes.

    >>> columns("x**2"), columns("変数"), columns("e\N{COMBINING ACUTE ACCENT}")
    (4, 4, 1)
    """
    wide = sum(unicodedata.east_asian_width(one) in "WF" for one in text)
    return len(text) + wide - sum(unicodedata.combining(one) > 0 for one in text)


def _root(graph: DynamicGraph, made: Layout) -> ET.Element:
    width, height = (f"{length + 2 * MARGIN:.1f}" for length in made.size)
    root = ET.Element(
        "svg", xmlns="http://www.w3.org/2000/svg", viewBox=f"0 0 {width} {height}", width=width, height=height,
        role="img",
    )  # fmt: skip
    root.set("class", "gradcheck-graph")
    root.set("aria-label", printable(str(graph)))
    ET.SubElement(root, "style").text = _style()
    ET.SubElement(root, "rect", width=width, height=height).set("class", "page")
    return root


def _style() -> str:
    dark = "\n".join(f"  {rule}" for rule in _rules(_DARK))
    return "\n".join(["", *_rules(_SHAPES), *_rules(_LIGHT), f"@media (prefers-color-scheme: dark) {{\n{dark}\n}}", ""])


def _rules(rules: dict[str, str]) -> Iterator[str]:
    return (f"{_SELECTOR} {selector} {{ {rule} }}" for selector, rule in rules.items())


# --- nodes ----------------------------------------------------------------------------------------


def _node(parent: ET.Element, node: GraphNode, box: Box) -> None:
    group = ET.SubElement(parent, "g")
    group.set("class", " ".join(("node", node.kind, *([] if node.grade is Grade.GOOD else [node.grade]))))
    ET.SubElement(group, "title").text = printable(_tooltip(node))
    _rectangle(group, box, "box", 14 if node.kind is Kind.LEAF else 5)
    left, baseline = box.x + PADDING, box.y + PADDING + LABEL
    _text(group, left, baseline, node.label, "name")
    baseline += DETAIL * LEADING
    _text(group, left, baseline, heading(node), "row dim")
    for row in rows(node):
        baseline += DETAIL * LEADING
        _row(group, left, baseline, row)


def _row(group: ET.Element, left: float, baseline: float, row: Row) -> None:
    marked = "" if row.grade is Grade.GOOD else f" {row.grade}"
    _text(group, left, baseline, row.name, f"row{marked or ' dim'}")
    _text(group, left + NAMES * DETAIL * ADVANCE, baseline, row.text, f"row{marked}")


def _tooltip(node: GraphNode) -> str:
    return "; ".join([node.text, heading(node), *(f"{row.name} {row.text}" for row in rows(node))])


# --- edges ----------------------------------------------------------------------------------------


def _edge(parent: ET.Element, edge: GraphEdge, route: Route) -> None:
    line = ET.SubElement(parent, "path", d=path(route))
    line.set("class", "edge" if edge.tracked else "edge untracked")
    x, _, tip = route.stretches[-1]
    head = f"{x:.1f},{tip:.1f} {x - ARROW:.1f},{tip - 2 * ARROW:.1f} {x + ARROW:.1f},{tip - 2 * ARROW:.1f}"
    ET.SubElement(parent, "polygon", points=head).set("class", "head")


def path(route: Route) -> str:
    """Return an edge as a path: straight down through every rank, and a curve from each to the next."""
    first = route.stretches[0]
    parts = [f"M{first.x:.1f} {first.top:.1f}V{first.bottom:.1f}"]
    for upper, lower in pairwise(route.stretches):
        middle = (upper.bottom + lower.top) / 2
        parts.append(
            f"C{upper.x:.1f} {middle:.1f} {lower.x:.1f} {middle:.1f} {lower.x:.1f} {lower.top:.1f}V{lower.bottom:.1f}"
        )
    return "".join(parts)


def _note_size(edge: GraphEdge) -> Size:
    if not edge.note:
        return Size(0, 0)
    return Size(round(columns(_flow(edge)) * DETAIL * ADVANCE + 6, 1), round(DETAIL * LEADING, 1))


def _note(parent: ET.Element, edge: GraphEdge, box: Box) -> None:
    _rectangle(parent, box, "page", 3)
    marked = "bad" if edge.bad else "dim"
    _text(parent, box.x + 3, box.y + DETAIL * 1.1, _flow(edge), f"row {marked}")


def _flow(edge: GraphEdge) -> str:
    return f"↑ {edge.note}"


# --- pieces ---------------------------------------------------------------------------------------


def _rectangle(parent: ET.Element, box: Box, kind: str, radius: float) -> None:
    x, y, width, height = (f"{one:.1f}" for one in box)
    ET.SubElement(parent, "rect", x=x, y=y, width=width, height=height, rx=f"{radius:g}").set("class", kind)


def _text(parent: ET.Element, x: float, y: float, text: str, kind: str) -> None:
    made = ET.SubElement(parent, "text", x=f"{x:.1f}", y=f"{y:.1f}")
    made.set("class", kind)
    made.text = printable(text)
