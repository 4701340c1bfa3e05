"""A match written back into the user's text: their own words outside, and inside wherever they go on being used."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import count

from gradcheck.functions.signatures import signature
from gradcheck.program import NOWHERE, Call, Name, Node, Number, call, to_text
from gradcheck.rewrites.forms import scaled
from gradcheck.rewrites.found import Binding, Params
from gradcheck.rewrites.match import has_dim

_HOLE = "\ue000"
"""A letter that no program contains."""


def fill(template: Node, binding: Binding) -> Node:
    """Return a replacement with its wildcards filled in; signs and constants that meet are drawn together."""
    match template:
        case Name(name):
            return binding.nodes[name]
        case Call():
            filled = tuple(fill(one, binding) for one in template.args)
            return _tidy(replace(template, args=filled, params=_params(template, binding), span=NOWHERE))
    return template


def _params(template: Call, binding: Binding) -> Params:
    """Return the params of a filled-in call: the dim of a row stands for whatever the match has."""
    if not has_dim(template.op) or binding.params is None:
        return template.params
    given = {**dict(template.params), **dict(binding.params)}
    if "dim" not in dict(binding.params):
        given.pop("dim", None)
    return tuple((name, given[name]) for name in signature(template.op)[1] if name in given)


def _tidy(node: Call) -> Node:
    match node:
        case Call("neg", (inner,)):
            return scaled(inner, -1)
        case Call("pow", (inner, Number(value))) if value == 1:
            return inner
        case Call("mul", (Number(value), inner)):
            return scaled(inner, value)
        case Call("div", (inner, Number(value))):
            return scaled(inner, 1 / value)
        case Call("add", (left, Call("neg", (right,)))):
            return call("sub", left, right)
        case Call("sub", (left, Call("neg", (right,)))):
            return call("add", left, right)
    return node


class Writer:
    """Prints nodes of one source text as the user wrote them, and new nodes around them with the brackets they need."""

    def __init__(self, source: str, literals: Mapping[Node, str]) -> None:
        self.source = source
        self.literals = literals

    def text(self, node: Node) -> str:
        """Return an expression as text."""
        holes: dict[str, str] = {}
        names = (f"{_HOLE}{k}{_HOLE}" for k in count())
        text = to_text(self._with_holes(node, holes, lambda: Name(next(names))))
        for hole, words in holes.items():
            text = text.replace(hole, words)
        return text

    def _with_holes(self, node: Node, holes: dict[str, str], fresh: Callable[[], Name]) -> Node:
        """Return a node of the same outermost operation, so that it gets the same brackets, for what the user wrote."""
        words = self.literals.get(node) or self._own(node)
        if words is None:
            if not isinstance(node, Call):
                return node
            return replace(node, args=tuple(self._with_holes(one, holes, fresh) for one in node.args))
        hole: Node = fresh()
        if isinstance(node, Call) and node.args:
            hole = replace(node, args=tuple(fresh() for _ in node.args))
        holes[to_text(hole)] = words
        return hole

    def _own(self, node: Node) -> str | None:
        if node.span == NOWHERE:
            return None
        words = self.source[node.span.start : node.span.end]
        return to_text(node) if "\n" in words else words
