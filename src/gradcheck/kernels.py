"""Elementwise kernels: SymPy differentiates them in closed form, and the result is back in the language."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache, lru_cache, reduce
from typing import Any, TypeGuard

import sympy

from gradcheck.functions import COMPARISONS, CONDITIONS, ELEMENTWISE, GUARD, MASK, OPPOSITE, PATCH, WHERE
from gradcheck.lower import condition
from gradcheck.parse import parse
from gradcheck.program import Call, Name, Node, Number, call, fold, names, number, postorder, substitute
from gradcheck.reason import Kind, Reason

VERSION = sympy.__version__

ZERO, ONE = number(0), number(1)


class NoClosedForm(Exception):
    """SymPy left the real numbers, or the language, on the way."""


_DERIVED_CHOICES = ("select", "pick")
"""What a choice becomes when it is differentiated: ``select`` from the user's ``where``, ``pick`` from a row's partial
that chooses by its own argument (relu, maximum, clamp, ...)."""

_NO_NUMBERS = frozenset({sympy.oo, -sympy.oo, sympy.zoo, sympy.nan})

# --- IR to SymPy ----------------------------------------------------------------------------------


def to_sympy(node: Node, leaves: Mapping[str, Any], choose: str = WHERE) -> Any:
    """Return a SymPy expression for an elementwise one; ``choose`` names the class that ``where`` becomes."""

    def operation(part: Call, args: list[Any]) -> Any:
        args += [sympy.Symbol(str(part.param("reason")))] if part.op in (GUARD, PATCH) else []
        args += [sympy.true if part.param("soft") else sympy.false] if part.op == MASK else []
        return _construct(choose if part.op == WHERE else part.op, args)

    return fold(node, lambda one: leaves[one.id], _rational, operation)


def _rational(node: Number) -> Any:
    return sympy.Rational(node.value.numerator, node.value.denominator)


def _construct(op: str, args: list[Any]) -> Any:
    if op == "pi":
        return sympy.pi
    if op == "e":
        return sympy.E
    if op == "inf":
        return _opaque(op)()  # SymPy's own would swallow what is added to it
    row = ELEMENTWISE.get(op)
    native = row.sympy(sympy, *args) if row is not None and row.sympy is not None else None
    made = native if native is not None else _opaque(op)(*args)
    if made in _NO_NUMBERS:
        # SymPy would swallow what is added to an infinity, and its derivative with it.
        raise NoClosedForm(str(made))
    return made


@cache
def _opaque(op: str) -> Any:
    """Return the SymPy function class of an operation that SymPy must not rewrite."""
    if op in (WHERE, *_DERIVED_CHOICES):
        members: dict[str, Any] = {"_eval_derivative": _choice_derivative}
    elif op == GUARD:
        members = {"_eval_derivative": lambda self, s: _opaque(GUARD)(self.args[0].diff(s), *self.args[1:])}
    elif op == PATCH:
        members = {"_eval_derivative": _patch_derivative}
    elif op == MASK:
        members = {"_eval_derivative": lambda self, s: _opaque(MASK)(self.args[0].diff(s), *self.args[1:])}
    elif op in CONDITIONS:
        members = {"_eval_derivative": lambda _self, _s: sympy.Integer(0)}
    else:
        members = {"fdiff": _row_derivative}
    return type(op, (sympy.Function,), members)


def _row_derivative(self: Any, argindex: int = 1) -> Any:
    """Return the partial that the row states, guarded where the function has a kink."""
    row = ELEMENTWISE[type(self).__name__]
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


# --- SymPy to IR ----------------------------------------------------------------------------------


def lift(expression: Any) -> Node:
    """Return the IR of a SymPy expression, in SymPy's own printing order.

    Raises NoClosedForm where it holds anything outside the language: ``zoo``, ``I``, an unevaluated derivative, ...
    """
    if expression.is_Symbol:
        return Name(expression.name)
    if expression.is_Rational:
        return number(Fraction(int(expression.p), int(expression.q)))
    if expression.is_Add:
        return _lift_sum(expression.as_ordered_terms())
    if expression.is_Mul:
        return _lift_product(expression)
    if expression.is_Pow:
        return _lift_power(*expression.as_base_exp())
    if expression in (sympy.pi, sympy.E):
        return call("pi" if expression is sympy.pi else "e")
    return _lift_function(expression)


def _lift_sum(terms: Sequence[Any]) -> Node:
    guards = [one for one in map(lift, terms) if _is_guarded_zero(one)]
    terms = [one for one in terms if not _is_guarded_zero(lift(one))]
    made = lift(terms[0]) if terms else ZERO
    for term in terms[1:]:
        negative = term.as_coeff_Mul()[0].is_negative
        made = call("sub", made, lift(-term)) if negative else call("add", made, lift(term))
    return reduce(lambda whole, zero: replace(zero, args=(whole, zero.args[1])), guards, made)


def _is_guarded_zero(node: Node) -> TypeGuard[Call]:
    """Tell whether a node is 0 wherever it is a number: in a sum it guards what is left."""
    return isinstance(node, Call) and node.op == GUARD and isinstance(node.args[0], Number) and node.args[0].value == 0


def _lift_product(product: Any) -> Node:
    zero = next((one for one in map(lift, _guards(product)) if _is_guarded_zero(one)), None)
    if zero is not None:
        return zero
    coefficient, _ = product.as_coeff_Mul()
    if coefficient.is_negative:
        return negated(lift(-product))
    above, below = [], []
    for factor in product.as_ordered_factors():
        if factor.is_Rational:
            above += [lift(sympy.Integer(factor.p))] if factor.p != 1 else []
            below += [lift(sympy.Integer(factor.q))] if factor.q != 1 else []
        elif factor.is_Pow and factor.exp.is_Rational and factor.exp.is_negative:
            below.append(lift(1 / factor))
        else:
            above.append(lift(factor))
    numerator = reduce(_times, above) if above else ONE
    return call("div", numerator, reduce(_times, below)) if below else numerator


def _guards(product: Any) -> list[Any]:
    return [one for one in product.args if type(one).__name__ == GUARD]


def _times(a: Node, b: Node) -> Node:
    return call("mul", a, b)


def negated(node: Node) -> Node:
    """Return ``-node`` with the sign at its leading factor: ``-2*x``, ``-x*y``."""
    spine: list[Call] = []
    head = node
    while isinstance(head, Call) and head.op in ("mul", "div"):
        spine.append(head)
        head = head.args[0]
    made: Node = number(-head.value) if isinstance(head, Number) else call("neg", head)
    for one in reversed(spine):
        made = call(one.op, made, *one.args[1:])
    return made


def _lift_power(base: Any, exponent: Any) -> Node:
    if base is sympy.E:
        return call("exp", lift(exponent))
    if exponent.is_Rational and exponent.is_negative:
        return call("div", ONE, _lift_power(base, -exponent) if exponent != -1 else lift(base))
    if exponent == sympy.Rational(1, 2):
        return call("sqrt", lift(base))
    return call("pow", lift(base), lift(exponent))


def _lift_function(expression: Any) -> Node:
    op = {"Abs": "abs"}.get(type(expression).__name__, type(expression).__name__)
    if op in (GUARD, PATCH):
        *args, reason = expression.args
        return call(op, *map(lift, args), reason=reason.name)
    if op == MASK:
        value, taken, soft = expression.args
        return call(MASK, lift(value), lift(taken), soft=soft is sympy.true)
    if op == "inf":
        return call(op)
    args = tuple(lift(one) for one in expression.args)
    if type(expression) is sympy.sign:
        # sign comes from the derivative of abs alone (the user's own sign is opaque): no derivative at 0
        return call(GUARD, call("sign", *args), call("ne", *args, ZERO), reason=str(Reason(Kind.KINK, "abs")))
    if op == "logical_not":
        return _opposite(args[0])
    if op in _DERIVED_CHOICES:
        return _lift_choice(op == "pick", *args)
    known = op in ELEMENTWISE or op in CONDITIONS or op in (WHERE, MASK)
    if not known or not args:
        raise NoClosedForm(str(expression))
    return Call(op, args)


def _opposite(condition: Node) -> Node:
    if isinstance(condition, Call) and condition.op in OPPOSITE:
        return Call(OPPOSITE[condition.op], condition.args)
    return call("logical_not", condition)


def _lift_choice(soft: bool, condition: Node, a: Node, b: Node) -> Node:
    if isinstance(b, Number) and b.value == 0:
        return call(MASK, a, condition, soft=soft)
    if isinstance(a, Number) and a.value == 0:
        return call(MASK, b, _opposite(condition), soft=soft)
    return call(WHERE, condition, a, b)


# --- one kernel -----------------------------------------------------------------------------------


def partial(kernel: Node, name: str) -> Node:
    """Return the derivative of an elementwise expression by one of its names; equal kernels are differentiated once."""
    leaves = sorted(names(kernel))
    places = {leaf: f"v{k:04d}" for k, leaf in enumerate(leaves)}
    renamed = substitute(kernel, {leaf: Name(place) for leaf, place in places.items()})
    found = _partial(_Kernel(renamed, structure(renamed)), places[name])
    return substitute(found, {place: Name(leaf) for leaf, place in places.items()})


@dataclass(frozen=True)
class _Kernel:
    """A kernel over numbered names, equal to another of the same structure."""

    node: Node
    key: str

    def __hash__(self) -> int:
        return hash(self.key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Kernel) and self.key == other.key


def structure(node: Node) -> str:
    """Return the structure in postfix, with what the printed text hides."""
    words = []
    for part in postorder(node):
        if isinstance(part, Call):
            words.append(f"{part.op}/{len(part.args)}/{part.params}")
        else:
            words.append(part.id if isinstance(part, Name) else f"{part.value.numerator:x}/{part.value.denominator:x}")
    return " ".join(words)


@lru_cache(maxsize=16384)
def _partial(kernel: _Kernel, name: str) -> Node:
    if isinstance(kernel.node, Name):
        return ONE if kernel.node.id == name else ZERO
    leaves = {leaf: sympy.Symbol(leaf, real=True) for leaf in names(kernel.node)}
    with _closed_forms_only():
        return lift(_shortest(sympy.diff(to_sympy(kernel.node, leaves), leaves[name])))


MAX_EXPANDED_DEGREE = 8
"""Largest power that is multiplied out to see whether the sum is shorter."""


def _shortest(expression: Any) -> Any:
    """Return a polynomial multiplied out where that is shorter to read, and anything else as it is."""
    if not expression.is_Mul or any(_is_high(power) for power in expression.atoms(sympy.Pow)):
        return expression
    symbols = expression.free_symbols
    if not symbols or len(symbols) > 3 or not expression.is_polynomial(*symbols):
        return expression
    expanded = sympy.expand(expression)
    return expanded if len(str(expanded)) < len(str(expression)) else expression


def _is_high(power: Any) -> bool:
    return not power.exp.is_Integer or not 0 < power.exp <= MAX_EXPANDED_DEGREE


def tidy(node: Node) -> Node:
    """Return an elementwise expression as SymPy would write it, multiplied out where that is shorter."""
    leaves = {leaf: sympy.Symbol(leaf, real=True) for leaf in names(node)}
    with _closed_forms_only():
        return lift(_shortest(to_sympy(node, leaves)))


def difference(a: Node, b: Node) -> Node:
    """Return ``a - b`` of two elementwise expressions, multiplied out where that is shorter."""
    leaves = {leaf: sympy.Symbol(leaf, real=True) for leaf in (*names(a), *names(b))}
    with _closed_forms_only():
        made = to_sympy(a, leaves) - to_sympy(b, leaves)
        expanded = sympy.expand(made)
        return lift(expanded if len(str(expanded)) < len(str(made)) else made)


@contextmanager
def _closed_forms_only() -> Iterator[None]:
    """Turn what SymPy raises on infinities and very deep expressions into NoClosedForm: the nodes decide there."""
    try:
        yield
    except (TypeError, ValueError, AttributeError, ZeroDivisionError, RecursionError) as problem:
        raise NoClosedForm(str(problem)) from None
