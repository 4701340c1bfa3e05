"""The double where: what leaves a domain in the branch not taken is replaced before it gets there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction

from gradcheck.functions import ELEMENTWISE, WHERE, Elementwise
from gradcheck.program import NOWHERE, Call, Layer, Node, Number, call, names, number, rebuild
from gradcheck.rewrites.forms import Forms


def guarded(where: Call, forms: Forms) -> Iterator[tuple[Node, Node]]:
    """Yield the layers of one branch, or the choice with a branch, made safe where the condition does not take it.

    Each comes with what it stands for. A layer is changed in its own place where no other part of the program reads it.
    """
    for place in (1, 2):
        guard = _Guard(where.args[0], place == 1, forms)
        for layer in _own(where.args[place], forms):
            made = rebuild(layer.expression, guard)
            if made is not layer.expression:
                yield layer.expression, made
        branch = forms.open(where.args[place])
        made = rebuild(branch, guard)
        if made is not branch:
            args = tuple(made if k == place else one for k, one in enumerate(where.args))
            yield where, replace(where, args=args, span=NOWHERE)


def _own(branch: Node, forms: Forms) -> Iterator[Layer]:
    """Yield the layers that only one branch of a choice reads, by way of each other too, the last first."""
    outside = _read_outside(branch, forms)
    inside = set(names(branch))
    for layer in reversed(forms.layers):
        if layer.name in inside - outside:
            yield layer
            inside |= set(names(layer.expression))


def _read_outside(branch: Node, forms: Forms) -> set[str]:
    """Return the names that the output depends on in other ways than through a branch."""
    found = {layer.name for layer in forms.layers[-1:]}
    for layer in reversed(forms.layers):
        if layer.name in found:
            left = rebuild(layer.expression, lambda part: number(0) if part is branch else part)
            found |= set(names(left))
    return found


class _Guard:
    """Puts a choice around the innermost arguments that may leave a domain."""

    def __init__(self, condition: Node, taken: bool, forms: Forms) -> None:
        self.condition = condition
        self.taken = taken
        self.forms = forms

    def __call__(self, part: Node) -> Node:
        if not isinstance(part, Call) or not part.args:
            return part
        if any(one.span == NOWHERE for one in part.args):
            return replace(part, span=NOWHERE)  # something in it is guarded already, and no longer what was written
        row = ELEMENTWISE.get(part.op)
        place = len(part.args) - 1 if row is not None and row.divides else 0
        if (
            row is None
            or not _leaves_domain(row, part)
            or isinstance(part.args[place], Number)
            or self._chosen(part.args[place])
        ):
            return part
        args = tuple(self._choice(one, row.safe) if k == place else one for k, one in enumerate(part.args))
        return replace(part, args=args, span=NOWHERE)

    def _choice(self, node: Node, value: float) -> Node:
        safe = number(Fraction(value))
        return call(WHERE, self.condition, *((node, safe) if self.taken else (safe, node)))

    def _chosen(self, node: Node) -> bool:
        """Return whether an argument is a choice on the very condition already."""
        opened = self.forms.open(node)
        if not isinstance(opened, Call) or opened.op != WHERE:
            return False
        return self.forms.key(opened.args[0]) == self.forms.key(self.condition)


def _leaves_domain(row: Elementwise, node: Call) -> bool:
    domain = row.domain(node) if callable(row.domain) else row.domain
    return domain is not None or row.grows
