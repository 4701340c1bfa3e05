"""What a match is: what the wildcards stand for, and what it leaves over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction

from gradcheck.program import Node, Param
from gradcheck.rewrites.forms import Factor, Term, product, scaled, total

Params = tuple[tuple[str, Param], ...]


@dataclass(frozen=True, slots=True)
class Binding:
    """What the wildcards stand for, and the params of the pattern's reduction (None: it has met none yet)."""

    nodes: dict[str, Node] = field(default_factory=dict)
    params: Params | None = None

    def bind(self, name: str, node: Node) -> Binding:
        """Return the binding with one more wildcard."""
        return replace(self, nodes={**self.nodes, name: node})


@dataclass(frozen=True, slots=True)
class Found:
    """A match: ``scale`` times the pattern, and around it the terms or factors that the pattern leaves over.

    ``place`` is where among the parts of the whole the replacement belongs.
    """

    binding: Binding
    scale: Fraction = Fraction(1)
    rest: tuple[Term | Factor, ...] = ()
    place: int = 0

    def around(self, node: Node) -> Node:
        """Return the whole with ``node`` in the place of what the pattern matched."""
        node = scaled(node, self.scale)
        before, after = self.rest[: self.place], self.rest[self.place :]
        if self.rest and isinstance(self.rest[0], Term):
            return total([*_signed(before), (1, node), *_signed(after)])
        above = [*side_of(before, 1), node, *side_of(after, 1)]
        return product(above, side_of(self.rest, -1)) if self.rest else node


def _signed(parts: Sequence[Term | Factor]) -> list[tuple[int, Node]]:
    return [(part.sign, part.written) for part in parts if isinstance(part, Term)]


def side_of(parts: Sequence[Term | Factor], side: int) -> list[Node]:
    """Return what is written above (1) or below (-1) the line."""
    return [part.written for part in parts if isinstance(part, Factor) and part.side == side]
