"""The graph as Mermaid, which GitHub, GitLab and many documents draw."""

from __future__ import annotations

import re

from gradcheck.errors import printable
from gradcheck.explanation.graphs.model import DynamicGraph, Grade, GraphEdge, GraphNode, Kind, heading, rows

_SAFE = re.compile(r"[^\w ,.()=:/·…↑→✗]|_|\.(?= )")
"""All but these characters are written by their numbers: none of them can be markup, a list or the end of a label."""
_SHAPES = {
    Kind.LEAF: ("([", "])"), Kind.OPERATION: ("[", "]"), Kind.CONSTANT: ("[", "]"), Kind.OUTPUT: ("[[", "]]"),
}  # fmt: skip
_CLASSES = (
    "classDef operation stroke:#818b98",
    "classDef constant stroke:#818b98,stroke-dasharray:4 3",
    "classDef leaf stroke:#0969da",
    "classDef output stroke:#1a7f37,stroke-width:2px",
    "classDef off stroke:#bf8700,stroke-width:2px",
    "classDef bad stroke:#cf222e,stroke-width:3px",
)


def mermaid(graph: DynamicGraph) -> str:
    """Return the graph in Mermaid: values flow downwards, and on every edge stands the cotangent that flows back."""
    lines = [*map(_node, graph.nodes), *map(_edge, graph.edges), *_CLASSES]
    return "\n".join(["flowchart TD", *(f"  {line}" for line in lines)]) + "\n"


def escaped(text: str) -> str:
    """Return a text as a part of a label.

    >>> escaped("x**2 < y")
    'x#42;#42;2 #60; y'
    """
    return _SAFE.sub(lambda found: f"#{ord(found[0])};", printable(text))


def _node(node: GraphNode) -> str:
    opening, closing = _SHAPES[node.kind]
    lines = [node.label, heading(node), *(f"{row.name} {row.text}" for row in rows(node))]
    label = "<br>".join(map(escaped, lines))
    kind = node.kind if node.grade is Grade.GOOD else node.grade
    return f'{node.id}{opening}"{label}"{closing}:::{kind}'


def _edge(edge: GraphEdge) -> str:
    arrow = "-->" if edge.tracked else "-.->"
    note = f'|"↑ {escaped(edge.note)}"|' if edge.note else ""
    return f"{edge.source} {arrow}{note} {edge.target}"
