"""Where a program has a value and a derivative, before any point is named: conditions on its inputs, or words.

A function that the table defines by lines of the language has the domain and the corners of its lines; a row says
neither.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from functools import lru_cache
from math import floor

from gradcheck.constants import in_fractions
from gradcheck.definitions import lines, opened
from gradcheck.functions import DETACH, ELEMENTWISE, TABLE, WHERE, Composite, lookup
from gradcheck.functions.pages import PAGES, Page, page_of, pages
from gradcheck.lower import condition, domain, lower
from gradcheck.parse import parse
from gradcheck.points import parse_points
from gradcheck.program import Call, Name, Node, Program, call, fold, names, number, postorder, substitute, to_text

MAX_NODES = 300
"""Nodes of an expression up to which the layers that it reads are looked into."""

Part = tuple[Call, tuple[Node, ...]]
"""An operation, and the conditions of the choices under which it is taken."""


def operations(program: Program) -> list[Part]:
    """Return the operations of the output that depend on an input, innermost first, each once.

    >>> [node.op for node, _ in operations(parse("y = abs(x); log(y)*exp(1)"))]
    ['abs', 'log', 'mul']
    """
    return [*dict.fromkeys(one for one in _parts(_output(program), ()) if [*names(one[0])])]


def domains(program: Program) -> Iterator[str]:
    """Yield where the operations have a value, as conditions, or in words where a row has none.

    >>> [*domains(parse("where(x > 1, sqrt(x), log(-x))"))]
    ['where x >= 0 (in the part where x > 1)', 'where -x > 0 (in the part where ~(x > 1))']
    """
    for node, under in operations(program):
        found, words = domain(node), completed(node.op).domain if node.op in pages() else ""
        if found is not None and (left := _left_open(found)) is not None:
            yield f"where {to_text(left)}{_part(under)}"
        elif found is None and words and node.op != "pow":
            yield f"in {to_text(node)} {words}{_part(under)}"


def corners(program: Program) -> Iterator[str]:
    """Yield where operations have no derivative, though a value: their conditions, or in words.

    >>> [*corners(parse("abs(x - 1)"))]
    ['at x - 1 == 0']
    """
    for node, under in operations(program):
        formula, comma, words = _kinks(node.op).partition(", ")
        if node.op == WHERE:
            yield f"where {to_text(node.args[0])} changes, if values or slopes differ there{_part(under)}"
        elif formula.startswith("where"):
            yield f"in {to_text(node)} {_kinks(node.op)}{_part(under)}"
        elif formula and (found := _left_open(_on(formula, node))) is not None:
            yield f"at {to_text(found)}{comma}{words}{_part(under)}"


@lru_cache(maxsize=1024)
def completed(name: str) -> Page:
    """Return the page of a function, with the domain and the corners of its definition where nothing else is told.

    >>> completed("softsign").kinks, completed("max_pool2d").kinks
    ('x == 0', 'where in its definition x == y in maximum')
    """
    row, found = lookup(name), page_of(name)
    if not isinstance(row, Composite) or name in PAGES:
        return found
    if isinstance(row.definition, str):
        made = lines(row.definition, row.masks)
        return replace(found, domain=_joined(domains(made)), kinks=_joined(corners(made)))
    written = written_out(name)
    if written is None:
        return found
    return replace(found, domain=_within(written, _has_value), kinks=_within(written, _has_corner))


def written_out(name: str) -> Program | None:
    """Return the lines of the language that a function is in its page's example; None where it is no such lines.

    >>> print(written_out("hardshrink"))
    out = where((x >= -lambd) & (x <= lambd), 0, x)
    """
    row, example = lookup(name), page_of(name).example
    if not isinstance(row, Composite) or example is None:
        return None
    program = parse(example[0])
    [point] = parse_points([example[1]], program.inputs)
    core = lower(program, {one: value.shape for one, value in point.items()}, nodes=True)
    calls = [one for one in postorder(program.layers[-1].expression) if isinstance(one, Call) and one.op == name]
    if not calls:
        return None
    homes = (core.homes.get(one, one) if isinstance(one, Call) else one for one in calls[0].args)
    shapes = [core.shapes[one.id] if isinstance(one, Name) else () for one in homes]
    return opened(row, calls[0], shapes).program


def _joined(texts: Iterable[str]) -> str:
    """Return conditions as one, or one sentence where some are told in words."""
    found = [*dict.fromkeys(texts)]
    plain = [one.removeprefix("at ") for one in found if one.startswith("at ")]
    if len(plain) == len(found) and (len(plain) == 1 or not any(", " in one for one in plain)):
        return plain[0] if len(plain) == 1 else " | ".join(f"({one})" for one in plain)
    return "where " + "; ".join(one.removeprefix("at ").removeprefix("where ") for one in found) if found else ""


INSIDE = "where in its definition "


def _within(made: Program, told: Callable[[Call], str]) -> str:
    """Return what is told of the operations of a definition that depends on shapes, by what they are called."""
    calls = [node for layer in made.layers for node in postorder(layer.expression) if isinstance(node, Call)]
    texts = {text for one in calls for text in told(one).removeprefix(INSIDE).split("; ")} - {""}
    return f"{INSIDE}{'; '.join(sorted(texts))}" if texts else ""


def _has_value(node: Call) -> str:
    row, found = ELEMENTWISE.get(node.op), domain(node)
    if row is None or not isinstance(row.domain, str) or found is None or _left_open(found) is None:
        return ""
    return f"{row.domain} in {node.op}"


def _has_corner(node: Call) -> str:
    if node.op == WHERE:
        return "the condition of where changes"
    text = _kinks(node.op).partition(", ")[0]
    return text if text.startswith(INSIDE) or not text else f"{text.removeprefix('where ')} in {node.op}"


# --- the operations ------------------------------------------------------------------------------------


def _output(program: Program) -> Node:
    """Return the output as an expression of the inputs alone, as far as it is no giant."""
    made: dict[str, Node] = {}
    for layer in program.layers:
        made[layer.name] = substitute(layer.expression, made)
        if sum(1 for _ in postorder(made[layer.name])) > MAX_NODES:
            del made[layer.name]
    return made.get(program.layers[-1].name, program.layers[-1].expression)


def _parts(node: Node, under: tuple[Node, ...]) -> Iterator[Part]:
    if not isinstance(node, Call) or node.op == DETACH:
        return
    if node.op == WHERE:
        choice, taken, otherwise = node.args
        yield from _parts(choice, under)
        yield from _parts(taken, (*under, choice))
        yield from _parts(otherwise, (*under, call("logical_not", choice)))
    else:
        for one in node.args:
            yield from _parts(one, under)
    yield node, under


def _part(under: Sequence[Node]) -> str:
    """Return in words in which part of a program something holds."""
    return f" (in the part where {' and '.join(map(to_text, under))})" if under else ""


def _kinks(op: str) -> str:
    row = ELEMENTWISE.get(op)
    return row.kinks if row is not None and row.kinks else completed(op).kinks if op in pages() else ""


def _on(text: str, node: Call) -> Node:
    """Return a condition of a row's page on the arguments and params of a call."""
    row = TABLE[node.op]
    params = {**getattr(row, "defaults", {}), **dict(node.params)}
    given = {**dict(zip(row.args, node.args, strict=False)), **{name: _number(one) for name, one in params.items()}}
    return substitute(condition(text), {name: one for name, one in given.items() if one is not None})


_COMPARED: dict[str, Callable[[Fraction, Fraction], bool]] = {
    "lt": operator.lt, "le": operator.le, "gt": operator.gt, "ge": operator.ge, "eq": operator.eq, "ne": operator.ne,
}  # fmt: skip


def _left_open(found: Node) -> Node | None:
    """Return what depends on an input of a condition, None where nothing does."""
    made = settled(found)
    return None if isinstance(made, bool) or not [*names(made)] else made


def settled(found: Node) -> Node | bool:
    """Return what numbers leave open of a condition, and what a magnitude may be; whether it holds where that is all.

    >>> found = settled(condition("(2 > 0) & (x > 1/3) | (2 == 0)"))
    >>> to_text(found), settled(condition("(abs(x) > 0) | (abs(x) == 0)"))
    ('x > 1/3', True)
    """
    if not isinstance(found, Call) or found.op not in ("logical_and", "logical_or"):
        return _compared(found) if isinstance(found, Call) and found.op in _COMPARED else found
    decides, sides = found.op == "logical_or", [settled(one) for one in found.args]
    left = [one for one in sides if not isinstance(one, bool)]
    if decides in (one for one in sides if isinstance(one, bool)):
        return decides
    if len(left) < 2:
        return left[0] if left else not decides
    return _together(replace(found, args=tuple(left)))


def _compared(found: Call) -> Node | bool:
    left, right = map(_constant, found.args)
    if left is not None and right is not None:
        return _COMPARED[found.op](left, right)
    is_magnitude = isinstance(found.args[0], Call) and found.args[0].op == "abs" and right == 0
    return found.op == "ge" if is_magnitude and found.op in ("ge", "lt") else found


def _constant(node: Node) -> Fraction | None:
    def operation(part: Call, args: list[Fraction | None]) -> Fraction | None:
        if part.op == "floor" and args[0] is not None:
            return Fraction(floor(args[0]))
        return in_fractions(part.op, args)

    return fold(node, lambda _: None, lambda one: one.value, operation)


_TOGETHER = {("gt", "eq"): "ge", ("gt", "lt"): "ne", ("ge", "lt"): ""}
"""What two comparisons of the same are where either will do; the last is no condition at all."""


def _together(found: Call) -> Node | bool:
    """Return ``(x > y) | (x == y)`` as the one condition that these are."""
    one, other = found.args
    if found.op == "logical_or" and isinstance(one, Call) and isinstance(other, Call):
        op = _TOGETHER.get((one.op, other.op))
        if op is not None and [*map(to_text, one.args)] == [*map(to_text, other.args)]:
            return _compared(replace(one, op=op)) if op else True
    return found


def _number(value: object) -> Node | None:
    return number(value) if isinstance(value, int | Fraction) and not isinstance(value, bool) else None
