"""The graph in DOT, the language of graphviz."""

from __future__ import annotations

from gradcheck.errors import printable
from gradcheck.explanation.graphs.model import DynamicGraph, Grade, GraphEdge, GraphNode, Kind, heading, rows

_STYLES = {Kind.LEAF: "rounded", Kind.OPERATION: "solid", Kind.CONSTANT: "dashed", Kind.OUTPUT: "bold"}
_COLORS = {Grade.GOOD: "#57606a", Grade.OFF: "#bf8700", Grade.BAD: "#cf222e"}
_WIDTHS = {Grade.GOOD: 1, Grade.OFF: 2, Grade.BAD: 3}
_ENTITIES = {ord("&"): "&amp;", ord('"'): "&quot;", ord("\\"): r"\\", ord("<"): "&lt;", ord(">"): "&gt;"}


def dot(graph: DynamicGraph) -> str:
    """Return the graph in DOT: values flow downwards, and on every edge stands the cotangent that flows back."""
    lines = [
        f"label={quoted(graph.title)};",
        'node [shape=box, fontname="monospace", fontsize=11];',
        'edge [fontname="monospace", fontsize=10, color="#57606a"];',
        *map(_node, graph.nodes),
        *map(_edge, graph.edges),
    ]
    return "\n".join(["digraph gradcheck {", *(f"  {line}" for line in lines), "}"]) + "\n"


def quoted(text: str) -> str:
    """Return a text as a quoted label, with all escaped that means something to graphviz.

    >>> print(quoted('a "b" <N>'))
    "a &quot;b&quot; &lt;N&gt;"
    """
    return f'"{_escaped(text)}"'


def _escaped(text: str) -> str:
    return printable(text).translate(_ENTITIES)


def _node(node: GraphNode) -> str:
    lines = [node.label, heading(node), *(f"{row.name} {row.text}" for row in rows(node))]
    label = "".join(f"{_escaped(line)}\\l" for line in lines)  # each line flush left
    color, width, style = _COLORS[node.grade], _WIDTHS[node.grade], _STYLES[node.kind]
    look = f'style={style}, color="{color}", penwidth={width}'
    return f'{node.id} [label="{label}", tooltip={quoted(node.text)}, {look}];'


def _edge(edge: GraphEdge) -> str:
    note = f"↑ {edge.note}" if edge.note else ""
    color = _COLORS[Grade.BAD if edge.bad else Grade.GOOD]
    style = "solid" if edge.tracked else "dashed"
    return f'{edge.source} -> {edge.target} [label={quoted(note)}, fontcolor="{color}", style={style}];'
