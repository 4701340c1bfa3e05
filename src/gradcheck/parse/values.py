"""Any expression as what a name may stand for: a tensor, a value known beforehand, several of them, a function."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING, TypeVar

from gradcheck.constants import constant_value
from gradcheck.errors import SyntaxProblem
from gradcheck.functions import CONDITIONS, DETACH
from gradcheck.parse.inlining import called
from gradcheck.parse.loops import comprehended, iterated
from gradcheck.parse.modules import module
from gradcheck.parse.params import is_written, param
from gradcheck.parse.refusals import REFUSED
from gradcheck.parse.results import results
from gradcheck.parse.scopes import Binding, Function, Held, Results, Several, Static, Tensor, Truth
from gradcheck.parse.shapes import asks, shape
from gradcheck.program import Call, Name, Node, Number, Param, Sized, postorder, rebuild
from gradcheck.source import MAX_NESTING, too_deep

if TYPE_CHECKING:
    from gradcheck.parse.reader import Reader


Behind = TypeVar("Behind", ast.Subscript, ast.Attribute)


def node_of(reader: Reader, binding: Binding, place: ast.expr) -> Node:
    """Return the expression that stands at a place for a name; raise where it is none."""
    match binding:
        case Tensor(Name(id=name)):
            return reader.read(name, place)
        case Tensor(Number(value=value)):
            return Number(value, reader.span(place))
        case Tensor(node):
            return node
        case Truth(node):
            return copied(reader, node, place)
        case Static(value):
            return _number(reader, value, place)
        case Several():
            message, hint = REFUSED[ast.List]
            raise reader.fail(message, place, hint)
        case Results(names=names):
            raise several(reader, place, names)
    message, _ = REFUSED[ast.Lambda]
    raise reader.fail(message, place, f"call it: {reader.text(place)}(...)")


def several(reader: Reader, place: ast.expr, names: Sequence[str]) -> SyntaxProblem:
    """Return the error about the results of a call as one tensor."""
    shown = reader.text(place) if isinstance(place, ast.Name) else f"{reader.text(place).partition('(')[0]}(...)"
    first = f"{shown}[0]"
    hint = f"write {first}" if "*" in names[0] else f"{first} is {names[0]}"
    return reader.fail(f"{shown} is several tensors", place, hint)


def _number(reader: Reader, value: Param, place: ast.expr) -> Node:
    if isinstance(value, Sized) and not value.spreads:
        return copied(reader, value.node, place)
    if value == "inf":
        return Call("inf", (), (), reader.span(place))
    if isinstance(value, int | Fraction) and not isinstance(value, bool):
        return Number(Fraction(value), reader.span(place))
    kind = "a shape" if isinstance(value, tuple | Sized) else "None" if value is None else "a truth value"
    kind = "a string" if isinstance(value, str) else kind
    raise reader.fail(f"{kind} is no number", place, "write x.shape[0] for one size" if kind == "a shape" else None)


def copied(reader: Reader, node: Node, place: ast.AST) -> Node:
    """Return a copy of an expression: every part of a program stands in one place."""
    reader.count(sum(1 for _ in postorder(node)), place)
    return rebuild(node, replace)


def bound(reader: Reader, node: ast.expr, depth: int) -> Binding:  # noqa: C901 - one case a kind of node
    """Return what an expression makes of a name that it is assigned to."""
    if depth > MAX_NESTING:
        raise too_deep(reader.source, reader.span(node))
    match node:
        case Held():
            return node.binding
        case ast.Name() if (found := reader.scope.find(node.id)) is not None:
            return Tensor(node_of(reader, found, node)) if isinstance(found, Tensor) else found
        case ast.Constant(value=None | bool() | str()):
            return Static(node.value)  # type: ignore[arg-type]
        case ast.Lambda():
            return Function("a lambda", node, reader.scope)
        case ast.Tuple() | ast.List():
            return _listed(reader, node, depth)
        case ast.ListComp() | ast.GeneratorExp():
            return Several(tuple(comprehended(reader, node, depth)))
        case ast.IfExp():
            return bound(reader, node.body if reader.truth(node.test, depth, node) else node.orelse, depth + 1)
        case ast.Call():
            return _called(reader, node, depth)
        case ast.Subscript():
            node = opened(reader, node, depth)
            if (part := part_of(reader, node)) is not None:
                return part
    if (sizes := shape(reader, node, depth)) is not None:
        return Static(sizes)
    return _expression(reader, node, depth)


def _expression(reader: Reader, node: ast.expr, depth: int) -> Binding:
    made = reader.expression(node, depth)
    if isinstance(made, Call) and made.op in CONDITIONS:
        return Truth(made)
    return Static(Sized(made)) if asks(reader, made) else Tensor(made)


def _called(reader: Reader, node: ast.Call, depth: int) -> Binding:
    if (sizes := shape(reader, node, depth)) is not None:
        return Static(sizes)
    if (made := module(reader, node)) is not None:
        return made
    if (inlined := called(reader, node, depth)) is not None:
        return inlined
    names = results(reader, node)
    return Results(_frozen(reader, node, depth), names) if names else _expression(reader, node, depth)


def _frozen(reader: Reader, node: ast.Call, depth: int) -> ast.Call:
    """Return a call whose arguments are read now, and not when one of its results is asked for."""

    def read(one: ast.expr) -> ast.expr:
        if is_written(one) or (isinstance(one, ast.Attribute) and reader.prefix(one.value) is not None):
            return one
        if isinstance(one, ast.List | ast.Tuple):
            return ast.copy_location(ast.List([read(part) for part in one.elts], ast.Load()), one)
        return Held(_held(reader, reader.binding(one, depth + 1), one), one)

    func = node.func
    if isinstance(func, ast.Attribute) and reader.prefix(func.value) is None:
        func = ast.copy_location(ast.Attribute(read(func.value), func.attr, ast.Load()), func)
    args = [
        ast.copy_location(ast.Starred(read(one.value), ast.Load()), one) if isinstance(one, ast.Starred) else read(one)
        for one in node.args
    ]
    keywords = [ast.copy_location(ast.keyword(one.arg, read(one.value)), one) for one in node.keywords]
    return ast.copy_location(ast.Call(func, args, keywords), node)


def _held(reader: Reader, binding: Binding, place: ast.expr) -> Binding:
    """Return an argument as it is now, untracked where nothing is tracked."""
    if isinstance(binding, Tensor) and isinstance(binding.node, Name) and not reader.tracked:
        return Tensor(reader.emit("part", Call(DETACH, (binding.node,), (), binding.node.span), reader.span(place)))
    numbers = reader.with_numbers(binding.node) if isinstance(binding, Tensor) else None
    if numbers is not None and (value := constant_value(numbers)) is not None:
        return Tensor(Number(value, numbers.span))
    return kept(reader, "part", binding, place)


def kept(reader: Reader, name: str, binding: Binding, place: ast.AST) -> Binding:
    """Return what may be read more than once: an expression becomes a layer of this name."""
    if isinstance(binding, Tensor) and not isinstance(binding.node, Name):
        return Tensor(reader.emit(name, binding.node, reader.span(place)))
    if isinstance(binding, Several):
        reader.count(len(binding.parts), place)
        return replace(binding, parts=tuple(kept(reader, name, one, place) for one in binding.parts))
    return binding


def _listed(reader: Reader, node: ast.Tuple | ast.List, depth: int) -> Binding:
    parts: list[Binding] = []
    for one in node.elts:
        if isinstance(one, ast.Starred):
            spread = iterated(reader, one.value, depth + 1)
            reader.count(len(spread), one)
            parts += spread
        else:
            parts.append(bound(reader, one, depth + 1))
    return Several(tuple(parts))


def opened(reader: Reader, node: Behind, depth: int) -> Behind:
    """Return what stands behind a call of the user's own function, or a part of a list, with that read already."""
    made: Binding | None = None
    if isinstance(node.value, ast.Call):
        made = called(reader, node.value, depth)
    elif isinstance(node.value, ast.Subscript):
        made = part_of(reader, opened(reader, node.value, depth))
    if made is None:
        return node
    value = Held(made, node.value)
    read = ast.Subscript(value, node.slice) if isinstance(node, ast.Subscript) else ast.Attribute(value, node.attr)
    return ast.copy_location(read, node)  # type: ignore[return-value]


def part_of(reader: Reader, node: ast.Subscript) -> Binding | None:
    """Return a part of what is known to be several things, None for anything else."""
    held = node.value.binding if isinstance(node.value, Held) else None
    if isinstance(node.value, ast.Name):
        held = reader.scope.find(node.value.id)
    if not isinstance(held, Several):
        return None
    if isinstance(node.slice, ast.Slice):
        ends = [None if one is None else param(reader, one) for one in (node.slice.lower, node.slice.upper)]
        numbers = [one for one in ends if one is None or isinstance(one, int)]
        if len(numbers) == len(ends):
            return Several(held.parts[slice(*numbers)])
    at = param(reader, node.slice)
    if not isinstance(at, int) or not -len(held.parts) <= at < len(held.parts):
        raise reader.fail(f"there is no part {reader.text(node.slice)} of {len(held.parts)}", node.slice)
    part = held.parts[at]
    return Tensor(node_of(reader, part, node)) if isinstance(part, Tensor) else part
