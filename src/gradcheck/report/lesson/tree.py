"""The dynamic graph as a tree in the terminal: the output at the top, below each operation what it reads."""

from __future__ import annotations

from collections.abc import Iterator

from rich.cells import cell_len
from rich.console import Group
from rich.text import Text
from rich.tree import Tree

from gradcheck.errors import printable
from gradcheck.explanation.graphs.model import DynamicGraph, Grade, GraphNode, Row, heading, rows

STYLES = {Grade.GOOD: "", Grade.OFF: "yellow", Grade.BAD: "bold red"}
GUIDE = 4
"""Columns that a level of the tree takes."""
NARROWEST = 30
"""Columns that a node has at least: what lies deeper becomes a tree of its own."""
BETWEEN = " · "


def tree(graph: DynamicGraph, width: int) -> Group:
    """Return the tree, for a window of ``width`` columns.

    A value that several operations read is shown once; after that it is referred to: ``↑ y``. What lies too deep for
    the window follows below as a tree of its own, where ``↓ y`` stood.
    """
    return Group(*_Forest(graph, width).run())


class _Forest:
    """The trees of one graph; the state is what was shown, and what is still to be shown below."""

    def __init__(self, graph: DynamicGraph, width: int) -> None:
        self.graph = graph
        self.nodes = {node.id: node for node in graph.nodes}
        self.width = width
        self.shown: set[str] = set()
        self.below = [graph.output]

    def run(self) -> Iterator[Tree | Text]:
        referred = False
        while self.below:
            made, again = self.grow(self.below.pop(0))
            referred = referred or again
            yield made
        if referred:
            yield Text("↑ shown above, ↓ shown below", "dim")

    def grow(self, root: str) -> tuple[Tree, bool]:
        """Return the tree of one node, and whether it refers to others."""
        self.shown.add(root)
        made = Tree(self.entry(self.nodes[root], 0))
        todo = [(source, made, 1) for source in reversed(self.graph.arguments(root))]
        referred = False
        while todo:
            id_, parent, depth = todo.pop()
            sources = self.graph.arguments(id_)
            reference = self.reference(id_, bool(sources), depth)
            if reference is not None:
                parent.add(reference)
                referred = True
                continue
            self.shown.add(id_)
            branch = parent.add(self.entry(self.nodes[id_], depth))
            todo += [(source, branch, depth + 1) for source in reversed(sources)]
        return made, referred

    def reference(self, id_: str, reads: bool, depth: int) -> Text | None:
        """Return what stands for a node that is shown elsewhere, None where it is to be shown here."""
        node = self.nodes[id_]
        if id_ in self.shown:
            return _reference("↑", node)
        deepest = max(1, (self.width - NARROWEST) // GUIDE)
        if id_ not in self.below and not (reads and depth >= deepest):
            return None
        if id_ not in self.below:
            self.below.append(id_)
        return _reference("↓", node)

    def entry(self, node: GraphNode, depth: int) -> Text:
        """Return the lines of one node, broken between its facts."""
        facts = [Text(printable(heading(node)), "dim"), *map(_fact, rows(node))]
        label = Text(printable(node.label), f"bold {STYLES[node.grade]}".strip())
        return Text("\n").join(_filled([label, *facts], self.width - GUIDE * depth))


def _reference(arrow: str, node: GraphNode) -> Text:
    return Text(f"{arrow} {printable(node.label)}", "dim")


def _fact(row: Row) -> Text:
    return Text.assemble((row.name, STYLES[row.grade] or "dim"), " ", (printable(row.text), STYLES[row.grade]))


def _filled(facts: list[Text], width: int) -> Iterator[Text]:
    """Yield lines with as many facts as there is room for."""
    line = facts[0]
    for fact in facts[1:]:
        if cell_len(line.plain + BETWEEN + fact.plain) <= width:
            line = Text.assemble(line, (BETWEEN, "dim"), fact)
        else:
            yield line
            line = fact
    yield line
