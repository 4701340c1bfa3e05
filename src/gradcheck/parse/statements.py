"""Statements, one after the other: assignments, loops, branches and functions become layers."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import TYPE_CHECKING

from gradcheck.errors import SyntaxProblem
from gradcheck.functions.signatures import resolve
from gradcheck.parse.assignments import assign, change, check_alone, named, not_a_name, note_change, rebind, unpack
from gradcheck.parse.casts import flagged, name_of
from gradcheck.parse.inlining import closed, on_inputs
from gradcheck.parse.loops import each, iterated, turn
from gradcheck.parse.pasted import IN_PLACE
from gradcheck.parse.prefixes import KNOWN
from gradcheck.parse.refusals import REFUSED
from gradcheck.parse.results import returns_several
from gradcheck.parse.scopes import Binding, Function, Results, Several, Static, Tensor, Truth
from gradcheck.program import Name

if TYPE_CHECKING:
    from gradcheck.parse.reader import Reader

SKIPPED = (ast.Pass, ast.Assert, ast.Delete)
"""Statements that compute nothing."""
CALLS_SKIPPED = frozenset({
    "backward", "zero_grad", "retain_grad", "requires_grad_", "manual_seed", "seed", "set_default_dtype",
    "set_printoptions",
    "set_grad_enabled", "set_float32_matmul_precision", "use_deterministic_algorithms", "eval", "train",
})  # fmt: skip
"""Calls that stand alone in a line and compute nothing of the value."""
FLAGGED = {
    "set_grad_enabled": "write `with torch.no_grad():` around the lines that it is meant for",
    "requires_grad_": "write x = detach(x), or leave this out for an input",
}
"""Those among them that say with False that nothing is tracked."""
NO_GRAD = frozenset({"no_grad", "inference_mode"})


def whole(reader: Reader, tree: ast.Module) -> str:
    """Read a whole text, and return the name of its output."""
    made = body(reader, tree.body, 0)
    last = tree.body[-1]
    if made is None:
        made = _last(reader, tree)
    if isinstance(made, Function):
        made = on_inputs(reader, made)
    if isinstance(made, Results):
        raise reader.fail(*returns_several(name_of(made.call), made.names, getattr(last, "value", made.call)))
    if isinstance(made, Several):
        message, hint = REFUSED[ast.Tuple]
        raise reader.fail(message, getattr(last, "value", last), hint)
    place: ast.expr = getattr(last, "value", None) or last  # type: ignore[assignment]
    node = made.node if isinstance(made, Tensor) else reader.node(made, place)
    if isinstance(made, Truth):
        raise reader.fail("a comparison is no number", place, "write where(condition, a, b)")
    if isinstance(node, Name) and reader.layers and reader.layers[-1].name == node.id and not _is_value(last):
        return node.id
    span = node.span if isinstance(last, ast.FunctionDef) else reader.span(last)
    return reader.emit(reader.output_name(), node, span).id


def _is_value(node: ast.stmt) -> bool:
    """Tell whether a text ends in an expression, which is a layer of its own."""
    return isinstance(node, ast.Expr) and not _computes_nothing(node)


def _last(reader: Reader, tree: ast.Module) -> Binding:
    """Return what a text without a value at its end computes: what it assigned last, or a function of it."""
    for one in reversed(tree.body):
        names = [one.name] if isinstance(one, ast.FunctionDef) else _targets(one)
        for name in reversed(names):
            held = reader.scope.find(name)
            if held is not None:
                return Tensor(held.node) if isinstance(held, Tensor) else held
        if isinstance(one, ast.Expr) and isinstance(one.value, ast.Call) and name_of(one.value) == "backward":
            of = one.value.func
            if isinstance(of, ast.Attribute):
                return reader.binding(of.value, 1)
    raise reader.fail("nothing is computed here", tree.body[-1], "end with an expression, as in x**2")


def _targets(node: ast.stmt) -> list[str]:
    """Return the names that a statement assigns, those in it among them."""
    return [one.id for one in ast.walk(node) if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store)]


def body(reader: Reader, lines: Sequence[ast.stmt], depth: int) -> Binding | None:
    """Read statements, and return what they return: None where they end without."""
    for k, one in enumerate(lines):
        top = reader.scope is reader.top and depth == 0
        made = _statement(reader, one, depth, last=top and k == len(lines) - 1)
        if made is not None:
            return made
    return None


def _statement(reader: Reader, node: ast.stmt, depth: int, last: bool) -> Binding | None:  # noqa: C901, PLR0912 - cases
    reader.count(1, node)
    match node:
        case ast.Expr():
            return _value(reader, node, depth, last)
        case ast.Assign(targets=[ast.Name() as target]):
            reader.target = target.id
            named(reader, target, node.value, node, depth)
        case ast.Assign(targets=[ast.Tuple() | ast.List() as target]):
            unpack(reader, target, node.value, node, depth)
        case ast.Assign(targets=[target]):
            raise not_a_name(reader, target, node)
        case ast.AnnAssign(target=ast.Name() as target, value=value):
            if value is not None:
                named(reader, target, value, node, depth)
        case ast.AugAssign(target=ast.Name() as target):
            change(reader, target, node, depth)
        case ast.AugAssign(target=target):
            raise not_a_name(reader, target, node)
        case ast.Return():
            return Static(None) if node.value is None else reader.binding(node.value, depth + 1)
        case ast.For():
            return _loop(reader, node, depth)
        case ast.If():
            return body(reader, node.body if reader.truth(node.test, depth) else node.orelse, depth + 1)
        case ast.With():
            return _block(reader, node, depth)
        case ast.FunctionDef():
            reader.scope.names[node.name] = Function(node.name, node, reader.scope, _decorated(reader, node))
        case ast.Import() | ast.ImportFrom():
            _import(reader, node)
        case _ if not isinstance(node, SKIPPED):
            raise _refused(reader, node)
    return None


def _refused(reader: Reader, node: ast.stmt) -> SyntaxProblem:
    if isinstance(node, ast.Assign):
        return reader.fail("one statement assigns one name", node.targets[0], "write y = ...; z = ...")
    message, hint = REFUSED.get(type(node), ("this statement is not part of the language", None))
    return reader.fail(message, node, hint or "a statement is name = expression")


# --- values that stand alone ------------------------------------------------------------------------


def _value(reader: Reader, node: ast.Expr, depth: int, last: bool) -> Binding | None:
    value = node.value
    if _computes_nothing(node):
        if isinstance(value, ast.Call) and name_of(value) in FLAGGED and value.args and not flagged(reader, value):
            raise reader.fail("what is tracked from here on is no matter of the text", node, FLAGGED[name_of(value)])
        return None
    if isinstance(value, ast.Constant) and isinstance(value.value, str) and not (last and not reader.layers):
        return None
    if isinstance(value, ast.Call) and _in_place(reader, value, node, depth):
        return None
    if not last:
        if isinstance(value, ast.Call) and name_of(value) in ("print",):
            reader.expression(value, depth + 1)
        raise reader.fail("this value goes nowhere", node, "give it a name: y = ..., or make it the last statement")
    if isinstance(value, ast.Lambda | ast.Name | ast.Call):
        return reader.binding(value, depth)
    return Tensor(reader.real(value, depth))


def _computes_nothing(node: ast.Expr) -> bool:
    return (
        isinstance(node.value, ast.Call)
        and name_of(node.value) in CALLS_SKIPPED
        and not (name_of(node.value) == "backward" and bool(node.value.args))
    )


def _in_place(reader: Reader, value: ast.Call, node: ast.Expr, depth: int) -> bool:
    """Read a method that changes a tensor in place, such as ``y.add_(1)``, and ``parts.append(x)``."""
    func = value.func
    if not isinstance(func, ast.Attribute) or not isinstance(func.value, ast.Name):
        return False
    held = reader.scope.find(func.value.id)
    if isinstance(held, Several) and func.attr in ("append", "extend") and len(value.args) == 1:
        check_alone(reader, held, func.value.id, node)
        added = reader.kept(func.value.id, reader.binding(value.args[0], depth + 1), node)
        parts = added.parts if func.attr == "extend" and isinstance(added, Several) else (added,)
        reader.count(len(parts), node)
        rebind(reader, func.value.id, Several((*held.parts, *parts)))
        return True
    if not IN_PLACE.fullmatch(func.attr) or not resolve(func.attr[:-1], 1 + len(value.args), bool(value.keywords)):
        return False
    if reader.prefix(func.value) is not None:
        return False
    made = reader.real(value, depth + 1)
    note_change(reader, func.value, node)
    assign(reader, func.value, Tensor(made), node)
    return True


# --- blocks -----------------------------------------------------------------------------------------


def _loop(reader: Reader, node: ast.For, depth: int) -> Binding | None:
    if node.orelse:
        raise reader.fail(
            "an else behind a loop is not part of the language", node.orelse[0], "write it after the loop"
        )
    for one in iterated(reader, node.iter, depth + 1):
        turn(reader, node)
        each(reader, node.target, one)
        if (made := body(reader, node.body, depth + 1)) is not None:
            return made
    return None


def _block(reader: Reader, node: ast.With, depth: int) -> Binding | None:
    """Read a block in which nothing is tracked: what is computed there is detached."""
    before = reader.tracked
    for one in node.items:
        name = name_of(one.context_expr) if isinstance(one.context_expr, ast.Call) else ""
        if not isinstance(one.context_expr, ast.Call) or name not in (*NO_GRAD, "enable_grad", "set_grad_enabled"):
            message = "`with` is read for torch.no_grad() alone"
            raise reader.fail(message, one.context_expr, "paste the lines inside of it")
        reader.tracked = name not in NO_GRAD and (name == "enable_grad" or flagged(reader, one.context_expr))
    try:
        made = body(reader, node.body, depth + 1)
        return closed(made) if made is not None and not reader.tracked else made
    finally:
        reader.tracked = before


def _decorated(reader: Reader, node: ast.FunctionDef) -> bool:
    """Tell whether a function's decorators say that nothing is tracked in it."""
    found = False
    for one in node.decorator_list:
        name = name_of(one) if isinstance(one, ast.Call) else getattr(one, "attr", getattr(one, "id", ""))
        if name in NO_GRAD:
            found = True
        elif name not in ("compile", "script", "jit", "staticmethod", "script_method", "ignore", "unused"):
            raise reader.fail("this decorator is not part of the language", one, "leave it out")
    return found


def _import(reader: Reader, node: ast.Import | ast.ImportFrom) -> None:
    """Note what an import line calls things; nothing is imported."""
    module = node.module or "" if isinstance(node, ast.ImportFrom) else ""
    for one in node.names:
        whole = f"{module}.{one.name}" if module else one.name
        if whole.partition(".")[0] not in KNOWN:
            raise reader.fail(f"{whole.partition('.')[0]} is no library that is read here", node, "leave this line out")
        if isinstance(node, ast.Import):
            if one.asname:
                reader.modules[one.asname] = whole
        else:
            reader.modules[one.asname or one.name] = whole
            reader.imported[one.asname or one.name] = (module, one.name)
