"""Functions that a text defines, and modules of torch.nn: a call of one is read in the place of the call."""

from __future__ import annotations

import ast
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from gradcheck.functions import DETACH
from gradcheck.parse.modules import applied, module
from gradcheck.parse.scopes import FUNCTIONS, Binding, Function, Scope, Several, Tensor
from gradcheck.program import Call, Name, Node, Number
from gradcheck.source import MAX_NESTING, too_deep

if TYPE_CHECKING:
    from gradcheck.parse.reader import Reader

DEPTH_OF_A_CALL, NODES_OF_A_CALL = 3, 8
"""How much deeper than its call the body of a function counts as, and how many nodes the call: what these cost."""


def called(reader: Reader, node: ast.Call, depth: int) -> Binding | None:
    """Return what a call of the user's own function returns; None for a call of anything else."""
    function = _function(reader, node)
    if function is None:
        return None
    if isinstance(function.node, ast.Call):
        return _of_module(reader, function.node, node, depth)
    if depth + DEPTH_OF_A_CALL > MAX_NESTING:
        raise too_deep(reader.source, reader.span(node))
    reader.count(NODES_OF_A_CALL, node)
    given = _arguments(reader, function, function.node, node, depth)
    return entered(reader, function, given, depth + DEPTH_OF_A_CALL)


def _function(reader: Reader, node: ast.Call) -> Function | None:
    if isinstance(node.func, ast.Name):
        held = reader.scope.find(node.func.id)
        return held if isinstance(held, Function) else None
    if isinstance(node.func, ast.Lambda):
        return Function("a lambda", node.func, reader.scope)
    if isinstance(node.func, ast.Call):
        return module(reader, node.func)
    return None


def _of_module(reader: Reader, made: ast.Call, node: ast.Call, depth: int) -> Binding:
    """Return what ``nn.Softmax(dim=-1)(x)`` is, the function with the arguments of the module."""
    return reader.binding(applied(reader, made, node), depth + 1)


def entered(reader: Reader, function: Function, given: dict[str, Binding], depth: int) -> Binding:
    """Return what the body of a function returns for these arguments."""
    around, tracked = reader.scope, reader.tracked
    reader.scope, reader.tracked = Scope(function.scope, dict(given)), tracked and not function.detached
    try:
        lines = function.node.body if not isinstance(function.node, ast.Call) else []
        made = reader.body(lines, depth) if isinstance(lines, list) else reader.binding(lines, depth)
    finally:
        reader.scope, reader.tracked = around, tracked
    if made is None:
        raise reader.fail(f"{function.name} returns nothing", function.node, "end it with return ...")
    return closed(made) if function.detached else made


def untracked(node: Node) -> Node:
    """Return what an expression is where nothing is tracked: a tensor that was made before stays what it is.

    >>> from gradcheck.program import call, to_text
    >>> to_text(untracked(call("exp", Name("x")))), to_text(untracked(Name("x")))
    ('detach(exp(x))', 'x')
    """
    if not isinstance(node, Call) or node.op == DETACH:
        return node
    return Call(DETACH, (node,), (), node.span)


def closed(binding: Binding) -> Binding:
    """Return what a block or function in which nothing is tracked returns."""
    if isinstance(binding, Several):
        return replace(binding, parts=tuple(map(closed, binding.parts)))
    return Tensor(untracked(binding.node)) if isinstance(binding, Tensor) else binding


def _arguments(
    reader: Reader, function: Function, made: ast.FunctionDef | ast.Lambda, node: ast.Call, depth: int
) -> dict[str, Binding]:
    """Return what each parameter stands for; an expression that is read more than once is a layer."""
    names = parameters(reader, made)
    if len(node.args) > len(names):
        message = f"{function.name} takes {len(names)} argument{'s' * (len(names) != 1)}, not {len(node.args)}"
        raise reader.fail(message, node.args[len(names)])
    bound, known = dict(zip(names, node.args, strict=False)), set(names)
    for one in node.keywords:
        if one.arg not in known or one.arg in bound:
            raise reader.fail(f"{function.name} has no parameter `{one.arg}`", one, f"it takes {', '.join(names)}")
        bound[one.arg] = one.value
    given = {name: _passed(reader, made, name, one, depth) for name, one in bound.items()}
    return {**given, **missing(reader, function, made, given, node)}


def missing(
    reader: Reader, function: Function, made: ast.FunctionDef | ast.Lambda, given: dict[str, Binding], place: ast.AST
) -> dict[str, Binding]:
    """Return the defaults of the parameters that are not given."""
    wanted = dict.fromkeys(name for name in parameters(reader, made) if name not in given)
    around, reader.scope = reader.scope, function.scope
    found = {
        name: reader.kept(name, reader.binding(one, 0), one) for name, one in defaults(made).items() if name in wanted
    }
    reader.scope = around
    lacking = [name for name in wanted if name not in found]
    if lacking:
        raise reader.fail(f"{function.name} needs {' and '.join(lacking)}", place)
    return found


def _passed(reader: Reader, made: ast.FunctionDef | ast.Lambda, name: str, node: ast.expr, depth: int) -> Binding:
    binding = reader.binding(node, depth + 1)
    if isinstance(binding, Tensor) and isinstance(binding.node, Name):
        return binding
    if made not in reader.reads:
        reader.reads[made] = _reads(made)
    if isinstance(binding, Tensor) and not isinstance(binding.node, Number) and reader.reads[made][name] < 2:
        return binding
    if isinstance(node, ast.Name) and isinstance(binding, Several):
        return replace(binding, aliased=True)
    return reader.kept(name, binding, node)


def _reads(made: ast.FunctionDef | ast.Lambda) -> Counter[str]:
    """Return how often a body reads each name; what is read in a loop or in another function is read often."""
    body = made.body if isinstance(made.body, list) else [made.body]
    count: Counter[str] = Counter()
    stack = [(one, 1) for one in body]
    while stack:
        node, times = stack.pop()
        if isinstance(node, ast.Name):
            count[node.id] += times
        often = isinstance(node, (ast.For, ast.ListComp, ast.GeneratorExp, ast.Compare, *FUNCTIONS))
        stack += [(one, 2 if often else times) for one in ast.iter_child_nodes(node)]  # type: ignore[misc]
    return count


def parameters(reader: Reader, made: ast.FunctionDef | ast.Lambda) -> list[str]:
    """Return the names of the parameters of a function; those of a method have no ``self``."""
    args = made.args
    for one in (args.vararg, args.kwarg):
        if one is not None:
            raise reader.fail("* and ** in a function are not part of the language", one, "name each argument")
    names = [one.arg for one in (*args.posonlyargs, *args.args, *args.kwonlyargs)]
    return names[1:] if names[:1] == ["self"] else names


def defaults(made: ast.FunctionDef | ast.Lambda) -> dict[str, ast.expr]:
    """Return the defaults of the parameters that have one."""
    args = made.args
    plain = [one.arg for one in (*args.posonlyargs, *args.args)]
    found = dict(zip(plain[len(plain) - len(args.defaults) :], args.defaults, strict=True))
    found |= {one.arg: value for one, value in zip(args.kwonlyargs, args.kw_defaults, strict=True) if value is not None}
    return found


def on_inputs(reader: Reader, function: Function) -> Binding:
    """Return what a function that nobody calls makes of inputs: its parameters, where they have no default."""
    made = function.node
    if isinstance(made, ast.Call):
        raise reader.fail("this module is applied to nothing", made, f"write {reader.text(made)}(x)")
    has = defaults(made)
    inputs = {name: Tensor(reader.input(name, made)) for name in parameters(reader, made) if name not in has}
    given: dict[str, Binding] = {**inputs}
    return entered(reader, function, {**given, **missing(reader, function, made, given, made)}, 0)
