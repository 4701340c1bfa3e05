"""Assignments: what a name stands for from now on, and what is changed in place."""

from __future__ import annotations

import ast
from dataclasses import replace
from typing import TYPE_CHECKING

from gradcheck.errors import SyntaxProblem, Words
from gradcheck.parse.calls import result
from gradcheck.parse.casts import name_of
from gradcheck.parse.loops import iterated
from gradcheck.parse.params import whole_numbers, written_numbers
from gradcheck.parse.scopes import Binding, Function, Held, Results, Several, Static, Tensor, Truth
from gradcheck.parse.shapes import picked
from gradcheck.program import SHAPE, Call, Name, Param, Sized

if TYPE_CHECKING:
    from gradcheck.parse.reader import Reader


def named(reader: Reader, target: ast.Name, value: ast.expr, node: ast.stmt, depth: int) -> None:
    """Read ``name = value``; a list that has a name already has two from now on."""
    made = reader.binding(value, depth + 1)
    if isinstance(value, ast.Name) and isinstance(made, Several):
        made = replace(made, aliased=True)
        rebind(reader, value.id, made)
    assign(reader, target, made, node)
    _note_numbers(reader, target, value)


def assign(reader: Reader, target: ast.Name, binding: Binding, node: ast.stmt) -> None:
    """Let a name stand for a value, which is a layer where it is a tensor."""
    if isinstance(binding, Tensor):
        binding = Tensor(reader.emit(target.id, binding.node, reader.span(node)))
    elif isinstance(binding, Several):
        binding = reader.kept(target.id, binding, node)
    reader.scope.names[target.id] = binding


def _note_numbers(reader: Reader, target: ast.Name, value: ast.expr) -> None:
    """Note the numbers that a layer holds, where they are written: whole ones, which may be indices, or others."""
    held = reader.scope.find(target.id)
    if isinstance(value, ast.Call) and isinstance(held, Tensor) and isinstance(held.node, Name):
        numbers = whole_numbers(reader, value)
        if numbers is not None or name_of(value) == "arange":
            reader.whole[held.node.id] = numbers
        elif (numbers := written_numbers(reader, value)) is not None:
            reader.written[held.node.id] = numbers


def unpack(reader: Reader, target: ast.Tuple | ast.List, value: ast.expr, node: ast.stmt, depth: int) -> None:
    """Read ``a, (b, *c) = value``."""
    names = target.elts
    stars = [k for k, one in enumerate(names) if isinstance(one, ast.Starred)]
    if len(stars) > 1:
        raise reader.fail("only one name has a star", target)
    binding = reader.binding(value, depth + 1)
    parts = _parts(reader, binding, len(names), stars, node)
    for one, part in zip(names, parts, strict=True):
        inner = one.value if isinstance(one, ast.Starred) else one
        if isinstance(inner, ast.Tuple | ast.List):
            unpack(reader, inner, Held(part, inner), node, depth + 1)
        elif not isinstance(inner, ast.Name):
            raise not_a_name(reader, inner, node)
        elif inner.id != "_" or not isinstance(part, Results):
            assign(reader, inner, part, node)


def _parts(reader: Reader, binding: Binding, count: int, stars: list[int], node: ast.stmt) -> list[Binding]:
    """Return what each of the names on the left stands for."""
    place: ast.expr = getattr(node, "value", node)  # type: ignore[arg-type]
    if isinstance(binding, Static) and isinstance(binding.value, tuple):
        return _sizes(reader, binding.value, count, stars, place)
    if stars:
        if not isinstance(binding, Several) or len(binding.parts) < count - 1:
            raise reader.fail("a star takes what is left of a tuple or a shape", place)
        first, rest = stars[0], len(binding.parts) - count + 1
        parts = binding.parts
        return [*parts[:first], Several(parts[first : first + rest]), *parts[first + rest :]]
    if isinstance(binding, Results):
        if "*" not in binding.names[0] and len(binding.names) != count:
            names = ", ".join(binding.names)
            raise reader.fail(f"{count} names for {len(binding.names)} results", place, f"they are {names}")
        return [_result(reader, binding, k, place) for k in range(count)]
    if isinstance(binding, Several):
        if len(binding.parts) != count:
            raise reader.fail(f"{count} names for {len(binding.parts)} values", place)
        return [reader.kept("part", one, place) if isinstance(one, Several) else one for one in binding.parts]
    if isinstance(binding, Tensor):
        held = reader.kept("part", binding, place)
        return [Tensor(Call("index", (reader.node(held, place),), (("key", (k,)),), reader.span(place)))
                for k in range(count)]  # fmt: skip
    raise reader.fail(f"{count} names for one value", place)


def _result(reader: Reader, binding: Results, k: int, place: ast.AST) -> Binding:
    if "*" not in binding.names[0] and binding.names[k] == "indices":
        return Results(binding.call, binding.names)  # told that it has no derivative where it is read
    return Tensor(result(reader, binding.call, k, binding.names, reader.span(place), 1))


def _sizes(reader: Reader, sizes: tuple[Param, ...], count: int, stars: list[int], place: ast.AST) -> list[Binding]:
    """Return the sizes of a shape one by one, with the rest of them for a name with a star."""
    if not stars:
        return [Static(picked(reader, sizes, k, place)) for k in range(count)]
    first, after = stars[0], count - stars[0] - 1
    only = sizes[0]
    if len(sizes) > 1 or not isinstance(only, Sized) or not isinstance(only.node, Call) or only.node.params:
        raise reader.fail("a star takes what is left of a shape", place)
    cut = slice(first or None, -after or None)
    rest = Sized(Call(SHAPE, only.node.args, (("key", cut),), only.node.span))
    return [
        *(Static(picked(reader, sizes, k, place)) for k in range(first)), Static((rest,)),
        *(Static(picked(reader, sizes, k - after, place)) for k in range(after)),
    ]  # fmt: skip


def change(reader: Reader, target: ast.Name, node: ast.AugAssign, depth: int) -> None:
    """Read ``y += 1`` as ``y = y + 1``, which it is where no other name shares the memory of y."""
    old = reader.scope.find(target.id)
    if isinstance(old, Several) and isinstance(node.op, ast.Add):
        check_alone(reader, old, target.id, node)
        more = iterated(reader, node.value, depth + 1)
        added = [reader.kept(target.id, one, node) for one in more]
        reader.count(len(old.parts) + len(added), node)
        reader.scope.names[target.id] = Several((*old.parts, *added))
        return
    left = ast.copy_location(ast.Name(target.id, ast.Load()), target)
    made = reader.binding(ast.copy_location(ast.BinOp(left, node.op, node.value), node), depth)
    note_change(reader, target, node)
    assign(reader, target, made, node)


def note_change(reader: Reader, target: ast.Name, node: ast.stmt) -> None:
    """Note that what a name stood for is changed in place; refuse it of what is an input."""
    held = reader.scope.find(target.id)
    if isinstance(held, Static | Truth | Function | Results | Several):
        return
    before = held.node if isinstance(held, Tensor) else Name(target.id)
    owner = reader.memory.of(before)
    if owner is None or owner in reader.numbers:
        return
    hint = f"write {target.id} = {target.id} + ..., which makes a new one"
    if not isinstance(node, ast.AugAssign):
        hint = f"write {target.id} = {reader.text(node).replace('_(', '(', 1)}, which makes a new one"
    if owner not in reader.assigned:
        raise reader.fail("torch changes no input in place that it differentiates by", node, hint)
    reader.change(owner, node, hint)


def check_alone(reader: Reader, held: Several, name: str, node: ast.stmt) -> None:
    """Refuse to make a list longer that has two names."""
    if held.aliased:
        message = f"{name} is a list that has another name as well"
        raise reader.fail(message, node, f"make a new one: {name} = [*{name}, ...]")


def rebind(reader: Reader, name: str, binding: Binding) -> None:
    """Change what a name stands for where it was given its meaning."""
    scope = reader.scope
    while name not in scope.names and scope.around is not None:
        scope = scope.around
    scope.names[name] = binding


def not_a_name(reader: Reader, target: ast.expr, node: ast.stmt) -> SyntaxProblem:
    """Return the error about what is no name on the left of an assignment."""
    hint: Words = "write y = ...; z = ..."
    if isinstance(target, ast.Subscript):
        hint = "write where(condition, value, x) for the whole tensor, or cat([x[:1], value, x[2:]])"
        return reader.fail("no part of a tensor can be assigned", target, hint)
    if isinstance(target, ast.Attribute):
        name = target.attr
        if name == "requires_grad":
            return reader.fail("what is differentiated by is an option", node, "leave this line out")
        return reader.fail("an attribute cannot be assigned", target, f"write {name} = ...")
    return reader.fail("one statement assigns one name", target, hint)
