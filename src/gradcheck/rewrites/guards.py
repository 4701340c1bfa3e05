"""The double where: what leaves a domain in the branch not taken is replaced before it gets there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from gradcheck.functions import ELEMENTWISE, WHERE, Elementwise
from gradcheck.program import NOWHERE, Call, Node, Number, call, number, rebuild
from gradcheck.rewrites.forms import Forms


def guarded(where: Call, forms: Forms) -> Iterator[Call]:
    """Yield the choice with one branch made safe where the condition does not take it."""
    for place in (1, 2):
        branch = forms.open(where.args[place])
        made = rebuild(branch, _Guard(where.args[0], place == 1, forms))
        if made is not branch:
            args = tuple(made if k == place else one for k, one in enumerate(where.args))
            yield replace(where, args=args, span=NOWHERE)


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

    def _choice(self, node: Node, value: int) -> Node:
        safe = number(value)
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
