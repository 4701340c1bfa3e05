"""Arithmetic that every reader does in the head: ones, zeros, signs, and numbers that are multiplied."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import TypeGuard

from gradcheck.kernels import ONE, ZERO, negated
from gradcheck.program import Call, Node, Number, call, number, rebuild


def simplified(node: Node) -> Node:
    """Return an expression without ones, zeros and double signs; the order of its terms and factors stays.

    >>> from gradcheck.parse import parse
    >>> from gradcheck.program import to_text
    >>> to_text(simplified(parse("2*(4*x**3) + 3*1*x + 0 - (-5)").layers[0].expression))
    '8*x**3 + 3*x + 5'
    """
    return rebuild(node, lambda part: _RULES[part.op](*part.args) if _has_rule(part) else part)


def _has_rule(part: Node) -> TypeGuard[Call]:
    return isinstance(part, Call) and part.op in _RULES


def _is(node: Node, value: int) -> bool:
    return isinstance(node, Number) and node.value == value


def _negative(node: Node) -> Node | None:
    """Return what an expression with a minus in front is the negative of."""
    if isinstance(node, Number):
        return number(-node.value) if node.value < 0 else None
    if not isinstance(node, Call):
        return None
    if node.op == "neg":
        return node.args[0]
    inner = _negative(node.args[0]) if node.op in ("mul", "div") else None
    if inner is None:
        return None
    return node.args[1] if node.op == "mul" and _is(inner, 1) else call(node.op, inner, *node.args[1:])


def _neg(a: Node) -> Node:
    inner = _negative(a)
    return inner if inner is not None else a if _is(a, 0) else negated(a)


def _add(a: Node, b: Node) -> Node:
    if _is(a, 0) or _is(b, 0):
        return a if _is(b, 0) else b
    if isinstance(a, Number) and isinstance(b, Number):
        return number(a.value + b.value)
    inner = _negative(b)
    return call("add", a, b) if inner is None else call("sub", a, inner)


def _sub(a: Node, b: Node) -> Node:
    if _is(a, 0) or _is(b, 0):
        return a if _is(b, 0) else _neg(b)
    if isinstance(a, Number) and isinstance(b, Number):
        return number(a.value - b.value)
    inner = _negative(b)
    return call("sub", a, b) if inner is None else call("add", a, inner)


def _mul(a: Node, b: Node) -> Node:
    if _is(a, 0) or _is(b, 0):
        return ZERO
    if _is(a, 1) or _is(b, 1):
        return b if _is(a, 1) else a
    for one, other in ((a, b), (b, a)):
        inner = _negative(one)
        if inner is not None:
            return _neg(_mul(inner, other) if one is a else _mul(other, inner))
    (m, x), (n, y) = _split(a), _split(b)
    if isinstance(y, Call) and y.op == "div" and _is(y.args[0], 1):
        made: Node = y if x is None else call("div", x, y.args[1])
    else:
        made = call("mul", x, y) if x is not None and y is not None else x or y or ONE
    return _in_front(m * n, made, x is None and y is None)


def _split(node: Node) -> tuple[Fraction, Node | None]:
    """Return the number in front of a product, and the rest."""
    if isinstance(node, Number):
        return node.value, None
    if isinstance(node, Call) and node.op == "div" and isinstance(node.args[0], Number):
        return node.args[0].value, call("div", ONE, node.args[1])
    if isinstance(node, Call) and node.op == "mul":
        value, rest = _split(node.args[0])
        return value, node.args[1] if rest is None else call("mul", rest, node.args[1])
    return Fraction(1), node


def _in_front(value: Fraction, rest: Node, alone: bool) -> Node:
    """Return a number times the rest, at the front of its factors."""
    if alone or value == 1:
        return number(value) if alone else rest
    if isinstance(rest, Call) and rest.op == "mul":
        return call("mul", _in_front(value, rest.args[0], False), rest.args[1])
    if isinstance(rest, Call) and rest.op == "div":
        return call(
            "div", number(value) if _is(rest.args[0], 1) else _in_front(value, rest.args[0], False), rest.args[1]
        )
    return call("mul", number(value), rest)


def _div(a: Node, b: Node) -> Node:
    if _is(a, 0) or _is(b, 1):
        return a
    if isinstance(a, Number) and isinstance(b, Number) and b.value:
        return number(a.value / b.value)
    inner = _negative(a)
    return call("div", a, b) if inner is None else _neg(_div(inner, b))


def _pow(a: Node, b: Node) -> Node:
    return ONE if _is(b, 0) else a if _is(b, 1) else call("pow", a, b)


_RULES: dict[str, Callable[..., Node]] = {"neg": _neg, "add": _add, "sub": _sub, "mul": _mul, "div": _div, "pow": _pow}
