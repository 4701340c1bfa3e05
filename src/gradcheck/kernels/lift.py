"""Out of SymPy: an expression in the language, as people write it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from functools import lru_cache, reduce
from typing import Any, TypeGuard

import sympy

from gradcheck.functions import CONDITIONS, ELEMENTWISE, GUARD, MASK, OPPOSITE, PATCH, WHERE
from gradcheck.kernels.build import DERIVED_CHOICES, NoClosedForm
from gradcheck.program import Call, Name, Node, Number, call, number
from gradcheck.reason import Kind, Reason

ZERO, ONE = number(0), number(1)


@lru_cache(maxsize=16384)
def lift(expression: Any) -> Node:
    """Return the IR of a SymPy expression, in SymPy's own printing order; equal parts are the same node.

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
    terms = [one for one in terms if not _is_guarded_zero(lift(one))] if guards else terms
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
    """Return ``-node`` with the sign at its leading factor: ``-2*x``, ``-x*y``.

    >>> from gradcheck.parse import parse
    >>> from gradcheck.program import to_text
    >>> to_text(negated(parse("2*x").layers[0].expression)), to_text(negated(parse("x*y").layers[0].expression))
    ('-2*x', '-x*y')
    """
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
    if op in DERIVED_CHOICES:
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
