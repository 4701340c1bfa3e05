"""Into SymPy: an elementwise expression, with operations that SymPy must not rewrite as functions of our own."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, lru_cache, reduce
from typing import Any

import sympy

from gradcheck.functions import BEHIND, COMPARISONS, CONDITIONS, CONSTANTS, ELEMENTWISE, GUARD, MASK, PATCH, WHERE
from gradcheck.lower import condition
from gradcheck.parse import parse
from gradcheck.program import Call, Node, Number, call, fold, names
from gradcheck.reason import Kind, Reason


class NoClosedForm(Exception):
    """SymPy left the real numbers, or the language, on the way."""


DERIVED_CHOICES = ("select", "pick")
"""What a choice becomes when it is differentiated: ``select`` from the user's ``where``, ``pick`` from a row's partial
that chooses by its own argument (relu, maximum, clamp, ...)."""

_NO_NUMBERS = frozenset({sympy.oo, -sympy.oo, sympy.zoo, sympy.nan})


def to_sympy(node: Node, leaves: Mapping[str, Any], choose: str = WHERE) -> Any:
    """Return a SymPy expression for an elementwise one; ``choose`` names the class that ``where`` becomes."""

    def operation(part: Call, args: list[Any]) -> Any:
        if part.op == "mul" and _is_long(args[0]):
            factors = args[0] if isinstance(args[0], list) else [args[0]]
            return [*factors, _settled(args[1])]  # until it is read, so that SymPy sorts its factors once
        args = list(map(_settled, args))
        args += [sympy.Symbol(str(part.param("reason")))] if part.op in (GUARD, PATCH) else []
        args += [sympy.true if part.param("soft") else sympy.false] if part.op == MASK else []
        return _construct(choose if part.op == WHERE else part.op, args)

    return _settled(fold(node, lambda one: leaves[one.id], _rational, operation))


def _rational(node: Number) -> Any:
    return sympy.Rational(node.value.numerator, node.value.denominator)


LONG = 8
"""Factors from which a product is put together at once."""


def _is_long(product: Any) -> bool:
    return isinstance(product, list) or (product.is_Mul and len(product.args) >= LONG)


def _settled(one: Any) -> Any:
    return sympy.Mul(*one) if isinstance(one, list) else one


def _construct(op: str, args: list[Any]) -> Any:
    row = ELEMENTWISE.get(op) or CONSTANTS.get(op)
    native = row.sympy(sympy, *args) if row is not None and row.sympy is not None else None
    made = native if native is not None else _opaque(op)(*args)
    if made in _NO_NUMBERS:
        # SymPy would swallow what is added to an infinity, and its derivative with it.
        raise NoClosedForm(str(made))
    return made


@cache
def _opaque(op: str) -> Any:
    """Return the SymPy function class of an operation that SymPy must not rewrite."""
    if op in (WHERE, *DERIVED_CHOICES):
        members: dict[str, Any] = {"_eval_derivative": _choice_derivative}
    elif op == GUARD:
        members = {"_eval_derivative": lambda self, s: _opaque(GUARD)(self.args[0].diff(s), *self.args[1:])}
    elif op == PATCH:
        members = {"_eval_derivative": _patch_derivative}
    elif op in (MASK, BEHIND):
        members = {"_eval_derivative": _first_derivative}
    elif op in CONDITIONS:
        members = {"_eval_derivative": lambda _self, _s: sympy.Integer(0)}
    else:
        members = {"fdiff": _row_derivative}
    return type(op, (sympy.Function,), members)


def _first_derivative(self: Any, symbol: Any) -> Any:
    """Differentiate what is handed on where the second argument lets it."""
    made = self.args[0].diff(symbol)
    return self.func(made, *self.args[1:]) if made != 0 else made


def _row_derivative(self: Any, argindex: int = 1) -> Any:
    """Return the partial that the row states, guarded where the function has a kink."""
    row = ELEMENTWISE.get(type(self).__name__)
    if row is None:  # what has a definition has the partials of that alone
        raise NoClosedForm(type(self).__name__)
    if row.args[argindex - 1] in row.fixed:
        raise NoClosedForm(f"{row.name} by {row.args[argindex - 1]}")
    leaves = dict(zip(row.args, self.args, strict=True))
    partial = to_sympy(expression(row.partials[argindex - 1]), leaves, "pick")
    if row.removable:
        where, value = row.removable[argindex - 1]
        reason = sympy.Symbol(str(Reason(Kind.KINK, row.name)))
        patch = to_sympy(condition(where), leaves), to_sympy(expression(value), leaves)
        partial = _opaque(PATCH)(partial, *patch, reason)
    if row.kinks is None:
        return partial
    kinks = to_sympy(_kinks_along(row.kinks, row.args[argindex - 1]), leaves)
    return _guarded(partial, _opaque("logical_not")(kinks), Reason(Kind.JUMP if row.jumps else Kind.KINK, row.name))


@lru_cache(maxsize=1024)
def _kinks_along(text: str, arg: str) -> Node:
    """Return where a row has a kink along one argument: of several conditions those that it takes part in."""
    parts = [condition(text)]
    while any(_is_either(one) for one in parts):
        parts = [part for one in parts for part in (one.args if isinstance(one, Call) and _is_either(one) else [one])]
    return reduce(lambda a, b: call("logical_or", a, b), [one for one in parts if arg in names(one)])


def _is_either(node: Node) -> bool:
    return isinstance(node, Call) and node.op == "logical_or"


def _patch_derivative(self: Any, symbol: Any) -> Any:
    value, where, _, reason = self.args
    return _guarded(value.diff(symbol), _opaque("logical_not")(where), Reason.parse(reason.name))


def _choice_derivative(self: Any, symbol: Any) -> Any:
    """Differentiate both branches of a choice; on a border that moves with the symbol there is no derivative.

    A comparison without the symbol is the same on both sides of the point, however close its arguments are.
    """
    condition, left, right = self.args
    a, b = left.diff(symbol), right.diff(symbol)
    op = "select" if type(self).__name__ == WHERE else type(self).__name__
    made = _opaque(op)(condition, a, b) if (a, b) != (0, 0) else sympy.Integer(0)
    border = _off_border(condition, symbol)
    return made if border is None else _guarded(made, border, Reason(Kind.JUMP, WHERE))


def _off_border(condition: Any, symbol: Any) -> Any:
    """Return where no comparison that holds the symbol is on its border; None where none holds it."""
    comparisons = [one for one in sympy.preorder_traversal(condition) if type(one).__name__ in COMPARISONS]
    apart = [_opaque("ne")(*one.args) for one in comparisons if one.has(symbol)]
    return reduce(_opaque("logical_and"), apart) if apart else None


def _guarded(value: Any, smooth: Any, reason: Reason) -> Any:
    """Return ``value`` where ``smooth``; the reason why it is no number elsewhere travels as a symbol's name."""
    return _opaque(GUARD)(value, smooth, sympy.Symbol(str(reason)))


@lru_cache(maxsize=1024)
def expression(text: str) -> Node:
    """Return the expression of a row's text."""
    return parse(text).layers[0].expression
