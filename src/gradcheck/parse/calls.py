"""Calls: which operation a function's name means, and its arguments sorted into tensors and params."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING

from gradcheck import functions
from gradcheck.errors import Span
from gradcheck.functions import COMPOSITE, HIDDEN, PARAM_ALIASES, WHERE, Composite
from gradcheck.functions.signatures import required, resolve, signature
from gradcheck.parse.casts import name_of
from gradcheck.parse.params import SAME_NUMBERS, indices, is_written, param, word
from gradcheck.parse.pasted import adapted, changes, pasted
from gradcheck.parse.prefixes import is_prefix
from gradcheck.parse.results import WHOLE, attribute, over_dim, results, returns_several
from gradcheck.parse.scopes import Held, Results, Tensor
from gradcheck.parse.unknown import unknown_function
from gradcheck.program import LISTED, RESULT, Call, Name, Node, Number, Param

if TYPE_CHECKING:
    from gradcheck.parse.reader import Reader


TRAILING = frozenset({"shape", "dims", "size", "repeats"})
"""Last params that may be written without brackets: ``x.repeat(2, 3)``."""


def function(reader: Reader, node: ast.Call, depth: int) -> Node:
    """Read a call of a function or method."""
    made = pasted(reader, node, depth) or _of_table(reader, node, depth)
    if changes(node) and isinstance(made, Call) and (owner := reader.memory.of(made.args[0])) is not None:
        reader.change(owner, node, "leave out inplace=True, or the _ of a method")
    return made


def _of_table(reader: Reader, node: ast.Call, depth: int) -> Call:
    node = adapted(reader, node)
    name, place, receiver = _callee(reader, node)
    _refuse_other_meanings(reader, name, node)
    op = (
        name
        if over_dim(reader, name, node)
        else resolve(name, len(node.args) + (receiver is not None), bool(node.keywords))
    )
    if reader.hidden and name in HIDDEN:
        op = name
    if op is None:
        raise unknown_function(reader, name, place, node)
    given: list[ast.expr] = [*([receiver] if receiver is not None else []), *node.args]
    arguments = _Arguments(reader, node, name, op, given, depth + 1)
    made = arguments.call()
    several = results(reader, node)
    if several and not isinstance(node, _Chosen):
        raise reader.fail(*returns_several(name, several, node))
    return made


class _Chosen(ast.Call):
    """A call of which one result is chosen."""


def chosen_result(reader: Reader, node: ast.Subscript, depth: int) -> Node | None:
    """Return one of the results of a call, as in ``chunk(x, 2)[0]``; None where a function has one result."""
    call, names = _several(reader, node.value)
    if call is None:
        return None
    index = param(reader, node.slice)
    if not isinstance(index, int) or isinstance(index, bool):
        raise reader.fail("one of the results is chosen by its number", node.slice, "write [0] for the first")
    return result(reader, call, index, names, reader.span(node), depth)


def named_result(reader: Reader, node: ast.Attribute, depth: int) -> Node | None:
    """Return the result of a call that is asked for by its name, as in ``sort(x).values``; None for anything else."""
    call, names = _several(reader, node.value)
    if call is None or node.attr not in names:
        return None
    return result(reader, call, names.index(node.attr), names, reader.span(node), depth)


def _several(reader: Reader, node: ast.expr) -> tuple[ast.Call | None, tuple[str, ...]]:
    """Return the call that returned several results, and their names."""
    held = node.binding if isinstance(node, Held) else None
    if isinstance(node, ast.Name):
        held = reader.scope.find(node.id)
    if isinstance(held, Results):
        return held.call, held.names
    names = results(reader, node) if isinstance(node, ast.Call) else ()
    return (node, names) if names and isinstance(node, ast.Call) else (None, ())


def result(reader: Reader, node: ast.Call, index: int, results: tuple[str, ...], place: Span, depth: int) -> Node:
    """Return the result at ``index``, from the back where that is negative, of a call that has several."""
    count = None if "*" in results[0] else len(results)
    if count is not None and not -count <= index < count:
        raise reader.fail(f"there is no result {index} of {count}", place, f"they are {', '.join(results)}")
    at = index + count if count is not None and index < 0 else index
    if count is not None and results[at] in WHOLE:
        raise reader.fail("indices are whole numbers, and have no derivative", place)
    chosen = _Chosen(node.func, node.args, node.keywords)
    ast.copy_location(chosen, node)
    made = function(reader, chosen, depth)
    assert isinstance(made, Call)
    if made.op == "sort":
        return replace(made, span=place)
    return replace(made, params=(*made.params, (RESULT, at)), span=place)


def _refuse_other_meanings(reader: Reader, name: str, node: ast.Call) -> None:
    """Refuse what torch reads in another way than a formula would: ``x.max(0.5)`` is no maximum of two."""
    pasted = isinstance(node.func, ast.Attribute) and name in ("max", "min")
    if pasted and node.args and isinstance(node.args[-1], ast.Constant) and not over_dim(reader, name, node):
        hint = f"write {name}imum(x, y) for the {name}imum of two"
        raise reader.fail(f"torch's {name} takes no number beside a tensor", node, hint)


def _callee(reader: Reader, node: ast.Call) -> tuple[str, Span, ast.expr | None]:
    """Return the function's name, its place, and the tensor in front of a method."""
    if isinstance(node.func, ast.Name):
        return node.func.id, reader.span(node.func), None
    if isinstance(node.func, ast.Attribute):
        whole = reader.span(node.func)
        written = reader.text(node.func).rpartition(".")[2]
        place = Span(whole.end - len(written), whole.end)
        return attribute(reader, node.func), place, None if is_prefix(reader, node.func.value) else node.func.value
    if isinstance(node.func, ast.Constant):
        shown = reader.text(node.func)
        raise reader.fail(f"{shown} is no function", node.func, f"write {shown}*(...) for a product")
    raise reader.fail("this is no function", node.func, "write * for a product")


class _Arguments:
    """Sorts what stands in the brackets of one call into tensors and params."""

    def __init__(self, reader: Reader, node: ast.Call, name: str, op: str, given: list[ast.expr], depth: int) -> None:
        self.reader, self.node, self.name, self.op, self.given, self.depth = reader, node, name, op, given, depth
        self.place = reader.span(node)

    def call(self) -> Call:
        if self.op in LISTED:
            return self._joined()
        if self._row and self._row.many:
            return self._side_by_side()
        if self.op == "clamp":
            return self._clamped()
        args, params = signature(self.op)
        bound = self._bind(args, params)
        if self._is_soft(bound):
            self.op = self._row.soft if self._row else self.op
            args, params = signature(self.op)
            bound = self._bind(args, params)
        tensors = tuple(self._optional(one, bound) or self._tensor(one, bound) for one in args)
        return Call(self.op, tensors, self._params(params, bound), self.place)

    def _bind(self, args: Sequence[str], params: Sequence[str]) -> dict[str, ast.expr]:
        """Return the argument for each name; a trailing shape or dims may be written without brackets, as in torch."""
        slots = list(self._row.order or (*args, *params)) if self._row else [*args, *params]
        given = self.given
        by_name = {PARAM_ALIASES.get(str(one.arg), str(one.arg)) for one in self.node.keywords} & set(slots)
        slots = [*(one for one in slots if one not in by_name), *by_name] if self._row and self._row.order else slots
        if params and params[-1] in TRAILING and len(given) > len(slots):
            given = [*given[: len(slots) - 1], _as_tuple(given[len(slots) - 1 :])]
        if len(given) > len(slots):
            raise self.reader.fail(
                f"{self.name} takes {_amount(len(slots), 'argument')}, not {len(given)}", given[len(slots)]
            )
        bound = dict(zip(slots, given, strict=False))
        for one in self.node.keywords:
            self._keyword(one, slots, bound)
        missing = [slot for slot in slots if slot not in bound and slot in required(self.op)]
        if missing:
            shown = ["..."] * bool(bound) + [f"{one}=..." if one in params else one for one in missing]
            hint = f"write {self.name}({', '.join(shown)})"
            raise self.reader.fail(f"{self.name} needs {' and '.join(missing)}", self.place, hint)
        return bound

    def _is_soft(self, bound: dict[str, ast.expr]) -> bool:
        """Tell whether what may be whole numbers is computed: probabilities in the place of classes."""
        if self._row is None or not self._row.soft:
            return False
        node = bound[self._row.indices[0]]
        if isinstance(node, ast.Name):
            held = self.reader.scope.find(node.id)
            name = held.node.id if isinstance(held, Tensor) and isinstance(held.node, Name) else node.id
            return name in self.reader.assigned and name not in self.reader.whole
        if isinstance(node, ast.Call) and (name_of(node) in (*SAME_NUMBERS, "arange")):
            return False
        return not is_written(node)

    @property
    def _row(self) -> Composite | None:
        return COMPOSITE.get(self.op)

    def _optional(self, name: str, bound: dict[str, ast.expr]) -> Number | None:
        """Return the number that stands for a tensor that is not given."""
        if self._row is None or name not in self._row.optional:
            return None
        one = bound.get(name)
        if one is not None and not (isinstance(one, ast.Constant) and one.value is None):
            return None
        return Number(Fraction(self._row.optional[name]), self.place)

    def _keyword(self, one: ast.keyword, slots: list[str], bound: dict[str, ast.expr]) -> None:
        if one.arg is None:
            raise self.reader.fail("** for unpacking is not part of the language", one.value)
        name = PARAM_ALIASES.get(one.arg, one.arg) if one.arg not in slots else one.arg
        name = {"input": slots[0], "size": "shape", "value": "src"}.get(name, name) if name not in slots else name
        if name not in slots:
            closest = functions.nearest(one.arg, slots)
            hint = f"did you mean `{closest}`?" if closest else f"it takes {', '.join(slots)}"
            raise self.reader.unknown(f"{self.name} has no parameter `{one.arg}`", one, hint)
        if name in bound:
            raise self.reader.fail(f"{self.name} got {name} twice", one)
        bound[name] = one.value

    def _tensor(self, name: str, bound: dict[str, ast.expr]) -> Node:
        masks = ("condition",) if self.op == WHERE else self._row.masks if self._row else ()
        wants_condition = name in masks or self.op.startswith("logical")
        made = (self.reader.condition if wants_condition else self.reader.real)(bound[name], self.depth)
        fixed = getattr(functions.lookup(self.op), "fixed", ())
        if name in fixed and isinstance(made, Name) and made.id not in self.reader.assigned:
            self.reader.fixed[made.span, made.id] = None
        return made

    def _params(self, names: Sequence[str], bound: dict[str, ast.expr]) -> tuple[tuple[str, Param], ...]:
        found = {name: self._param(name, bound[name]) for name in names if name in bound}
        if self._row and self._row.order:
            found = {**self._before(found), **found}
        return tuple((name, found[name]) for name in names if name in found)

    def _param(self, name: str, node: ast.expr) -> Param:
        if self._row and name in self._row.words:
            return word(self.reader, node, name, self._row.words[name])
        whole = self._row is not None and name in self._row.indices
        return (indices if whole else param)(self.reader, node)

    def _before(self, found: dict[str, Param]) -> dict[str, Param]:
        """Return the params that stand before a tensor: as a program prints each by its name, none may be left out."""
        row = self._row
        assert row is not None
        last = max(row.order.index(one) for one in row.args)
        defaults = inspect.signature(row.definition).parameters if callable(row.definition) else {}
        return {name: row.defaults[name] if name in row.defaults else defaults[name].default
                for name in row.order[:last] if name in row.params and name not in found}  # fmt: skip

    def _joined(self) -> Call:
        _, params = signature(self.op)
        bound = self._bind(("tensors",), params)
        tensors = bound["tensors"]
        if not isinstance(tensors, ast.List | ast.Tuple) or not tensors.elts:
            raise self.reader.fail(f"{self.name} joins a list of tensors", tensors, f"write {self.name}([a, b], dim=0)")
        parts = tuple(self.reader.real(one, self.depth) for one in tensors.elts)
        return Call(self.op, parts, self._params(params, bound), self.place)

    def _side_by_side(self) -> Call:
        """Return a call on any number of tensors, which torch also takes in a list."""
        _, params = signature(self.op)
        bound: dict[str, ast.expr] = {}
        for one in self.node.keywords:
            self._keyword(one, list(params), bound)
        assert self._row is not None
        first = [name for name in self._row.order if name in params and name not in bound]  # stands before the tensors
        bound |= zip(first, self.given, strict=False)
        given = self.given[len(first) :]
        given = given[0].elts if len(given) == 1 and isinstance(given[0], ast.List) else given
        if not given:
            shown = ", ".join(
                ["'...'" if name in self._row.words else name for name in self._row.order[:-1]] + ["a", "b"]
            )
            raise self.reader.fail(f"{self.name} needs tensors", self.place, f"write {self.name}({shown})")
        parts = tuple(self.reader.real(one, self.depth) for one in given)
        return Call(self.op, parts, self._params(params, bound), self.place)

    def _clamped(self) -> Call:
        bound = self._bind(("x", "min", "max"), ())
        bounds = {n: one for n, one in bound.items() if not (isinstance(one, ast.Constant) and one.value is None)}
        if len(bounds) < 2:
            raise self.reader.fail(f"{self.name} needs min or max", self.place, f"write {self.name}(x, min=0)")
        op = "clamp" if len(bounds) == 3 else "clamp_min" if "min" in bounds else "clamp_max"
        order = [name for name in ("x", "min", "max") if name in bounds]
        return Call(op, tuple(self.reader.real(bounds[one], self.depth) for one in order), (), self.place)


def _as_tuple(nodes: list[ast.expr]) -> ast.Tuple:
    made = ast.Tuple(elts=nodes, ctx=ast.Load())
    first, last = nodes[0], nodes[-1]
    made.lineno, made.col_offset = first.lineno, first.col_offset
    made.end_lineno, made.end_col_offset = last.end_lineno, last.end_col_offset
    return made


def _amount(n: int, thing: str) -> str:
    return f"{n} {thing}{'s' * (n != 1)}"
