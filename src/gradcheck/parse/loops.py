"""Loops and comprehensions over what is known before anything is computed, turn by turn."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from gradcheck.errors import LimitProblem
from gradcheck.parse.params import param
from gradcheck.parse.refusals import COMPREHENSION
from gradcheck.parse.scopes import Binding, Held, Scope, Several, Static, Tensor
from gradcheck.program import Name

if TYPE_CHECKING:
    from gradcheck.parse.reader import Reader

MAX_TURNS = 1_000
"""Turns of all loops of a text together, each of which is written out."""


def iterated(reader: Reader, node: ast.expr, depth: int = 0) -> list[Binding]:
    """Return what a loop goes over: a range, a list, or several of them at once."""
    match node:
        case ast.Call(func=ast.Name(id="range"), keywords=[], args=[_, *_]):
            return [Static(k) for k in _range(reader, node)]
        case ast.Call(func=ast.Name(id="reversed"), args=[inner], keywords=[]):
            return iterated(reader, inner, depth + 1)[::-1]
        case ast.Call(func=ast.Name(id="list" | "tuple"), args=[inner], keywords=[]):
            return iterated(reader, inner, depth + 1)
        case ast.Call(func=ast.Name(id="enumerate"), args=[inner], keywords=[]):
            return [Several((Static(k), one)) for k, one in enumerate(iterated(reader, inner, depth + 1))]
        case ast.Call(func=ast.Name(id="zip"), args=[*inner], keywords=[]) if inner:
            rows = zip(*(iterated(reader, one, depth + 1) for one in inner), strict=False)
            return [Several(tuple(row)) for row in rows]
    held = reader.scope.find(node.id) if isinstance(node, ast.Name) else None
    if isinstance(node, ast.List | ast.Tuple | ast.ListComp | ast.GeneratorExp | Held):
        held = reader.binding(node, depth + 1)
    if isinstance(held, Several):
        return list(held.parts)
    hint = "write range(3), or a list of what to go over: [x[0], x[1]]"
    raise reader.fail("a loop goes over what is known before anything is computed", node, hint)


def _range(reader: Reader, node: ast.Call) -> range:
    ends = [param(reader, one) for one in node.args]
    if len(ends) > 3 or not all(isinstance(one, int) and not isinstance(one, bool) for one in ends) or 0 in ends[2:]:
        hint = "write the numbers themselves: range(3)"
        raise reader.fail("the ends of a range are whole numbers, known before anything is computed", node, hint)
    made = range(*ends)  # type: ignore[arg-type]
    if made[MAX_TURNS:]:
        raise _too_many(reader, node)
    return made


def turn(reader: Reader, node: ast.AST) -> None:
    """Count a turn of a loop."""
    reader.turns += 1
    if reader.turns > MAX_TURNS:
        raise _too_many(reader, node)


def _too_many(reader: Reader, node: ast.AST) -> LimitProblem:
    message = f"the loops take more than {MAX_TURNS:,} turns (the limit MAX_TURNS)"
    return LimitProblem(message, source=reader.source, span=reader.span(node))


def comprehended(reader: Reader, node: ast.ListComp | ast.GeneratorExp, depth: int) -> list[Binding]:
    """Return what a comprehension makes, turn by turn."""
    first, *more = node.generators
    if more or first.is_async:
        message, hint = COMPREHENSION
        raise reader.fail(message, node, hint)
    around, made = reader.scope, []
    try:
        for one in iterated(reader, first.iter, depth + 1):
            turn(reader, node)
            reader.scope = Scope(around)
            each(reader, first.target, one)
            if all(reader.truth(test, depth) for test in first.ifs):
                made.append(reader.binding(node.elt, depth + 1))
    finally:
        reader.scope = around
    return made


def each(reader: Reader, target: ast.expr, binding: Binding) -> None:
    """Give the names of a loop what they stand for in one turn."""
    if isinstance(target, ast.Name):
        if isinstance(binding, Tensor) and not isinstance(binding.node, Name):
            binding = Tensor(reader.emit(target.id, binding.node, reader.span(target)))
        reader.scope.names[target.id] = binding
    elif isinstance(target, ast.Tuple | ast.List) and isinstance(binding, Several):
        if len(target.elts) != len(binding.parts):
            raise reader.fail(f"{len(target.elts)} names for {len(binding.parts)} values", target)
        for one, part in zip(target.elts, binding.parts, strict=True):
            each(reader, one, part)
    else:
        raise reader.fail("a loop gives values to names", target, "write for k in range(3): ...")
