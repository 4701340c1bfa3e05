"""What could be written instead: formulas of a program that are known to lose digits, rewritten in the user's text."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from itertools import islice
from math import prod

from gradcheck.errors import GradcheckError, Span
from gradcheck.functions import CONSTANTS, WHERE
from gradcheck.lower import lower
from gradcheck.parse import parse
from gradcheck.program import Call, Layer, Node, Number, Program, Shape, postorder, rebuild
from gradcheck.rewrites.forms import PRODUCTS, Forms
from gradcheck.rewrites.found import Binding, Found
from gradcheck.rewrites.guards import guarded
from gradcheck.rewrites.joined import Rewrite, joined
from gradcheck.rewrites.logs import Inside
from gradcheck.rewrites.match import Matcher, may_top
from gradcheck.rewrites.signs import never_negative
from gradcheck.rewrites.table import ROWS, Row
from gradcheck.rewrites.write import Writer, fill

MAX_MATCHES = 8
"""Ways to read a quotient of which the one that leaves the least outside gets a floor."""


def rewrites(
    program: Program,
    shapes: Mapping[str, Shape] | None = None,
    goes_on: Callable[[], bool] = lambda: True,
    *,
    floors: bool = False,
) -> Iterator[Rewrite]:
    """Yield what the table knows to write instead, layer by layer, outermost first and most specific first.

    Without ``shapes`` of the inputs, what is right for some shapes only is left out. Nothing here says that a rewrite
    is better at some point: run both programs there. A program without source has none. ``goes_on`` is asked at every
    operation, and may end the search. With ``floors`` there is also what has a derivative where the program has none.

    >>> one = next(rewrites(parse("y = exp(x); z = 3*y/(1 + y)")))
    >>> print(one.name, "|", one.before, "|", one.after, "|", one.program.source)
    sigmoid-quotient | 3*y/(1 + y) | 3*sigmoid(x) | y = exp(x); z = 3*sigmoid(x)
    """
    if not program.source:
        return
    search = _Search(program, shapes, floors)
    seen = {str(program)}
    for place, layer in enumerate(program.layers):
        search.place = place
        parts = [part for part in postorder(layer.expression) if isinstance(part, Call) and part.args]
        for node in sorted(parts, key=lambda part: part.span.start - part.span.end):
            if not goes_on():
                return
            for name, target, made, literals, note in search.replacements(node, place):
                found = search.written(target, made, literals)
                if found is not None and str(found.program) not in seen:
                    seen.add(str(found.program))
                    yield replace(found, name=name, note=note)


@dataclass(frozen=True, slots=True)
class _Compiled:
    """A row as nodes; ``literals`` are the replacement's numbers as they are written, ``constants`` pi and e in it."""

    row: Row
    pattern: Node
    template: Node
    literals: Mapping[Node, str]
    constants: frozenset[str]


@cache
def _compiled() -> tuple[_Compiled, ...]:
    """Return the table, largest patterns first."""
    rows = [_compile(row) for row in ROWS]
    return tuple(sorted(rows, key=lambda one: -sum(1 for _ in postorder(one.pattern))))


@cache
def _rows(op: str) -> tuple[_Compiled, ...]:
    """Return the rows whose pattern may be at the top of an operation."""
    return tuple(one for one in _compiled() if may_top(one.pattern, op))


@cache
def _logs() -> tuple[_Compiled, ...]:
    """Return the rows for logarithms of more than a product, that are equal wherever these have a value."""
    return tuple(one for one in _compiled() if one.row.note is None and _is_log(one.pattern))


def _is_log(pattern: Node) -> bool:
    inner = list(postorder(pattern))[:-1]
    return (
        isinstance(pattern, Call)
        and pattern.op == "log"
        and any(isinstance(part, Call) and part.op not in PRODUCTS for part in inner)
    )


def _compile(row: Row) -> _Compiled:
    template = parse(row.after).layers[-1].expression
    parts = list(postorder(template))
    numbers = (part for part in parts if isinstance(part, Number))
    literals: dict[Node, str] = {part: row.after[part.span.start : part.span.end] for part in numbers}
    constants = frozenset(part.op for part in parts if isinstance(part, Call)) & CONSTANTS.keys()
    return _Compiled(row, parse(row.before).layers[-1].expression, template, literals, constants)


_Replacement = tuple[str, Node, Node, Mapping[Node, str], str | None]
"""The name of a rewrite, what is replaced, by what, the numbers in it as they are written, and where it differs."""


class _Search:
    """The search in one program."""

    def __init__(self, program: Program, shapes: Mapping[str, Shape] | None, floors: bool) -> None:
        self.floors = floors
        self.program = program
        self.shapes = shapes
        self.names = {*program.inputs, *(layer.name for layer in program.layers)}
        self.forms = Forms(program.layers)
        self.matcher = Matcher(self.forms)
        self.inside = Inside(self.forms, self.known, self.size)
        self.place = 0
        self.whole = None if shapes is None else _shape(program, shapes)

    def replacements(self, node: Call, place: int) -> Iterator[_Replacement]:
        """Yield what may be written for ``node`` in the layer at ``place``, or for a part of a layer that it reads."""
        if node.op == WHERE:
            yield from (("double-where", target, made, {}, None) for target, made in guarded(node, self.forms))
        if (inside := self.inside.rewritten(node)) is not None:
            yield "log-inside", node, inside[0], {}, inside[1]
        for one in self.rows(node.op):
            matches = islice(self.matches(one, node, place), MAX_MATCHES if one.row.floor else 1)
            for found in sorted(matches, key=lambda each: len(each.rest))[:1]:
                made = found.around(fill(one.template, found.binding))
                yield one.row.name, node, made, one.literals, self.note(one.row, found.binding)

    def rows(self, op: str) -> Iterator[_Compiled]:
        """Yield the rows that may be at the top of an operation; where pi is an input, a row means another one."""
        for one in _rows(op):
            if (self.floors or not one.row.floor) and not one.constants & self.names:
                yield one

    def matches(self, one: _Compiled, node: Call, place: int) -> Iterator[Found]:
        """Yield where a row is at the top of an expression."""
        for found in self.matcher.find(one.pattern, node):
            binding = self.along(found.binding, place) if one.row.along else found.binding
            if binding is None or (one.row.kept and _loses_dims(binding)):
                continue
            if one.row.alike and not self.are_alike(binding, place):
                continue
            if not any(self.is_zero(bound) for bound in binding.nodes.values()):
                yield replace(found, binding=binding)

    def is_zero(self, node: Node) -> bool:
        """Return whether nothing is left of an expression: to take ``sqrt(0*x)`` apart is idle."""
        opened = self.forms.open(node)
        return isinstance(opened, Number) and opened.value == 0

    def known(self, node: Call) -> Node | None:
        """Return what the table has for all of a logarithm, where it does more than to split it."""
        for one in _logs():
            for found in self.matches(one, node, self.place):
                if found.scale == 1 and not found.rest:
                    return fill(one.template, found.binding)
        return None

    def note(self, row: Row, binding: Binding) -> str | None:
        """Return where a rewritten expression is another function, None where what was bound rules that out."""
        return None if any(self.is_sure(each, binding) for each in row.sure) else row.note

    def is_sure(self, wanted: str, binding: Binding) -> bool:
        """Return whether wildcards are never negative, or, as in ``c>0``, one is a positive number."""
        if wanted.endswith(">0"):
            bound = self.forms.open(binding.nodes[wanted.removesuffix(">0")])
            return isinstance(bound, Number) and bound.value > 0
        return all(never_negative(binding.nodes[name], self.forms) for name in wanted)

    def along(self, binding: Binding, place: int) -> Binding | None:
        """Return the binding with the one dim that a sum and a softmax have in common, or None where there is none."""
        params = dict(binding.params or ())
        dim = params.get("dim")
        dim = dim[0] if isinstance(dim, tuple) and len(dim) == 1 else dim
        shape = self.shape(binding.nodes["a"], place)
        if shape is not None and len(shape) == 1 and dim in (None, (), 0, -1):
            dim = 0
        elif "keepdim" not in params:
            return None
        return replace(binding, params=(("dim", dim),)) if isinstance(dim, int) else None

    def are_alike(self, binding: Binding, place: int) -> bool:
        """Return whether all that was bound is known to have one shape."""
        found = {self.shape(node, place) for node in binding.nodes.values()}
        return len(found) == 1 and None not in found

    def size(self, node: Node) -> int | None:
        """Return how many elements an expression has, where the shapes are known."""
        shape = self.shape(node, self.place)
        return None if shape is None else prod(shape)

    def shape(self, node: Node, place: int) -> Shape | None:
        if self.shapes is None:
            return None
        return _shape(replace(self.program, layers=(*self.program.layers[:place], Layer("", node))), self.shapes)

    def written(self, node: Node, made: Node, literals: Mapping[Node, str]) -> Rewrite | None:
        """Return the program with ``made`` in the place of ``node``, in brackets where it needs them, or None."""
        source, span = self.program.source, node.span
        words = Writer(source, literals).text(made)
        layers = [
            replace(layer, expression=rebuild(layer.expression, lambda part: made if part is node else part))
            for layer in self.program.layers
        ]
        wanted = str(replace(self.program, layers=tuple(layers)))
        wider = span if words.startswith("-") else _with_brackets(source, span)
        for place, after in ((wider, words), (span, words), (span, f"({words})")):
            program = self.parsed(source[: place.start] + after + source[place.end :])
            if program is not None and str(program) == wanted:
                return Rewrite("", place, source[place.start : place.end], after, program)
        return None

    def parsed(self, text: str) -> Program | None:
        """Return a rewritten text as a program, where it is one of the same inputs and of the same shape."""
        try:
            program = parse(text, self.program.inputs)
        except GradcheckError:
            return None
        if set(program.inputs) != set(self.program.inputs):
            return None
        if self.shapes is not None and _shape(program, self.shapes) != self.whole:
            return None
        return replace(program, inputs=self.program.inputs)


def _loses_dims(binding: Binding) -> bool:
    """Return whether a reduction leaves out some of the dims, so that its result does not fit what it was made of."""
    params = dict(binding.params or ())
    return "dim" in params and "keepdim" not in params


def _with_brackets(source: str, span: Span) -> Span:
    """Return the span with the brackets right around it, which the replacement may not need any more."""
    bracketed = source[: span.start].endswith("(") and source[span.end :].startswith(")")
    return Span(span.start - 1, span.end + 1) if bracketed else span


def _shape(program: Program, shapes: Mapping[str, Shape] | None) -> Shape | None:
    try:
        return lower(program, shapes).shapes[program.layers[-1].name]
    except GradcheckError:
        return None


__all__ = ["Rewrite", "joined", "rewrites"]
