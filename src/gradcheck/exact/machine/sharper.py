"""Equal forms of what cancels in intervals, such as ``1 - tanh(x)**2``, recognised across layers."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from functools import cache

from gradcheck.functions import DETACH, GUARD
from gradcheck.lower import condition
from gradcheck.parse import parse
from gradcheck.program import Call, Layer, Name, Node, Number, Program, fold, names, number, substitute, to_text

# fmt: off
FORMS: tuple[tuple[str, str], ...] = (
    # What cancels where a function is near the end of its range.
    ("1 - tanh(x)**2",            "4*exp(-2*abs(x))/(1 + exp(-2*abs(x)))**2"),
    ("tanh(x)**2 - 1",            "-4*exp(-2*abs(x))/(1 + exp(-2*abs(x)))**2"),
    ("sigmoid(x)*(1 - sigmoid(x))", "exp(-abs(x))/(1 + exp(-abs(x)))**2"),
    ("1 - tanh(x)",               "2*sigmoid(-2*x)"),
    ("1 + tanh(x)",               "2*sigmoid(2*x)"),
    ("1 - sigmoid(x)",            "sigmoid(-x)"),
    ("1 - erf(x)",                "erfc(x)"),
    ("1 + erf(x)",                "erfc(-x)"),
    ("1 - erfc(x)",               "erf(x)"),
    ("2 - erfc(x)",               "erfc(-x)"),
    # What cancels near a point.
    ("exp(x) - 1",                "expm1(x)"),
    ("1 - exp(x)",                "-expm1(x)"),
    ("1 - cos(x)",                "2*sin(x/2)**2"),
    ("1 - cos(x)**2",             "sin(x)**2"),
    ("1 - sin(x)**2",             "cos(x)**2"),
    ("1 - x**2",                  "(1 - x)*(1 + x)"),
    ("x**2 - 1",                  "(x - 1)*(x + 1)"),
    # What overflows on the way.
    ("log1p(exp(x))",             "maximum(x, 0) + log1p(exp(-abs(x)))"),
    ("log(1 + exp(x))",           "maximum(x, 0) + log1p(exp(-abs(x)))"),
    ("1/(1 + exp(x))",            "sigmoid(-x)"),
    ("exp(x)/(1 + exp(x))",       "sigmoid(x)"),
    ("y*(1/(1 + exp(x)))*exp(x)", "y*sigmoid(x)"),
)
# fmt: on
"""What is recognised, for any ``x`` and ``y``, and the form that loses fewer digits; the first that fits is taken.

Both exist for every number, so that neither has a domain of its own.
"""

CERTAIN = ("exp(x) > -1", "1 + exp(x) > 0")
"""Conditions that hold for every number: guards with one of them, which come with the above, are seen through."""


def sharpened(program: Program, wanted: Collection[str]) -> list[Layer]:
    """Return the layers with sharper forms where there are any, and without those that nobody reads any more.

    >>> sharpened(parse("y = erf(-x); x*(1 + y)"), ["out"])[-1].expression.args[1].op
    'erfc'
    """
    written = {layer.name: layer.expression for layer in program.layers}
    layers = [Layer(one.name, _sharper(one.expression, written)) for one in program.layers]
    needed, kept = set(wanted), []
    for layer in reversed(layers):
        if layer.name in needed:
            needed.update(names(layer.expression))
            kept.append(layer)
    return kept[::-1]


def _sharper(node: Node, written: Mapping[str, Node]) -> Node:
    """Return an expression in sharper forms; the outermost that fits wins, so that all fit what was written."""
    made: dict[int, Node] = {}

    def call(part: Call, args: list[Node]) -> Node:
        new: Node = replace(part, args=tuple(args))
        for pattern, form in _forms().get(part.op, ()):
            found: dict[str, Node] = {}
            if _fits(pattern, part, written, found):
                new = substitute(form, {name: made.get(id(one), one) for name, one in found.items()})
                break
        made[id(part)] = new
        return new

    return fold(node, lambda one: one, lambda one: one, call)


@cache
def _forms() -> dict[str, tuple[tuple[Call, Node], ...]]:
    """Return the forms by the operation that they start with."""
    made: dict[str, tuple[tuple[Call, Node], ...]] = {}
    for pattern, form in FORMS:
        first, second = (parse(text).layers[0].expression for text in (pattern, form))
        assert isinstance(first, Call)
        made[first.op] = (*made.get(first.op, ()), (first, second))
    return made


@cache
def _certain() -> tuple[Node, ...]:
    return tuple(map(condition, CERTAIN))


def _fits(pattern: Node, node: Node, written: Mapping[str, Node], found: dict[str, Node]) -> bool:
    """Tell whether an expression is of a pattern, and note what stands for its names; layers are looked into."""
    if isinstance(pattern, Name):
        return to_text(found.setdefault(pattern.id, node)) == to_text(node)
    node = _written(node, written)
    if isinstance(node, Call) and node.op == GUARD and any(_fits(one, node.args[1], written, {}) for one in _certain()):
        return _fits(pattern, node.args[0], written, found)
    if isinstance(pattern, Number):
        return isinstance(node, Number) and node.value == pattern.value
    if not isinstance(node, Call):
        return False
    node = _as_power(node, written)
    if node.op != pattern.op or len(node.args) != len(pattern.args):
        return False
    orders = [node.args, node.args[::-1]] if node.op in ("add", "mul") else [node.args]
    for args in orders:
        trial = dict(found)
        if all(_fits(one, arg, written, trial) for one, arg in zip(pattern.args, args, strict=True)):
            found.update(trial)
            return True
    return False


def _written(node: Node, written: Mapping[str, Node]) -> Node:
    """Return what a layer was made of; its value is the same if it is detached."""
    while True:
        if isinstance(node, Name) and node.id in written:
            node = written[node.id]
        elif isinstance(node, Call) and node.op == DETACH:
            node = node.args[0]
        else:
            return node


def _as_power(node: Call, written: Mapping[str, Node]) -> Call:
    """Return a square as the power that it is."""
    if node.op == "square":
        return Call("pow", (node.args[0], number(2)))
    if node.op == "mul" and to_text(_written(node.args[0], written)) == to_text(_written(node.args[1], written)):
        return Call("pow", (node.args[0], number(2)))
    return node
