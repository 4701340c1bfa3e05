"""The dynamic graph, drawn: a picture, or a text that others draw."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import PurePath

from gradcheck.errors import UsageProblem
from gradcheck.explanation.graphs.build import dynamic_graph
from gradcheck.explanation.graphs.dot import dot
from gradcheck.explanation.graphs.mermaid import mermaid
from gradcheck.explanation.graphs.model import DynamicGraph
from gradcheck.explanation.graphs.svg import picture

DRAWINGS: dict[str, Callable[[DynamicGraph], str]] = {".svg": picture, ".dot": dot, ".mmd": mermaid}
"""What a graph can be written as, by the ending of the file."""


def drawing(path: str) -> Callable[[DynamicGraph], str]:
    """Return what writes a graph to a file of this name; UsageProblem where the ending says nothing.

    >>> drawing("graph.svg").__name__
    'picture'
    """
    ending = PurePath(path).suffix.lower()
    if ending not in DRAWINGS:
        endings = ", ".join(DRAWINGS)
        raise UsageProblem(f"no graph can be written to {path!r}", hint=f"let its name end in one of {endings}")
    return DRAWINGS[ending]


__all__ = ["DRAWINGS", "DynamicGraph", "drawing", "dynamic_graph"]
