"""Sums and products of a program taken apart: what addition, multiplication and powers bind, in whatever order."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

from gradcheck.constants import in_fractions
from gradcheck.program import NOWHERE, Call, Layer, Name, Node, Number, call, number, postorder

MAX_PARTS = 24
"""Terms of a sum, or factors of a product, beyond which it is left in one piece."""

MAX_NESTED_POWERS = 4
"""Powers of powers that become one."""

SUMS = frozenset({"add", "sub"})
PRODUCTS = frozenset({"mul", "div", "reciprocal", "pow", "square", "sqrt", "rsqrt"})
"""Operations whose results are taken apart; a sign belongs to either."""

Monomial = tuple[tuple[int, Fraction], ...]
"""Keys of bases with their exponents, sorted."""


@dataclass(frozen=True, slots=True, eq=False)
class Term:
    """One term of a sum: what is written, with a sign of 1 or -1."""

    written: Node
    sign: int


@dataclass(frozen=True, slots=True, eq=False)
class Factor:
    """One factor of a product: what is written above (side 1) or below (-1) the line; it is ``base**exponent``."""

    written: Node
    side: int
    base: Node
    exponent: Fraction


class Forms:
    """The layers of one program; the state is the number that every distinct expression met so far has."""

    def __init__(self, layers: Iterable[Layer] = ()) -> None:
        self.layers = tuple(layers)
        self.definitions: dict[str, Node] = {}
        self._keys: dict[Node, int] = {}
        self._numbers: dict[object, int] = {}
        self._terms: dict[Node, list[Term]] = {}
        self._factors: dict[Node, tuple[Fraction, list[Factor]]] = {}
        for layer in self.layers:
            for part in postorder(layer.expression):
                self.key(part)  # arguments first: nothing below needs deep recursion
            self.definitions[layer.name] = self.open(layer.expression)

    def open(self, node: Node) -> Node:
        """Return the definition behind the name of a layer; anything else as it is."""
        return self.definitions.get(node.id, node) if isinstance(node, Name) else node

    def terms(self, node: Node) -> list[Term]:
        """Return the terms of a sum in the order written; what is no sum is its only term."""
        if node not in self._terms:
            self._terms[node] = self._taken_apart(node)
        return self._terms[node]

    def _taken_apart(self, node: Node) -> list[Term]:
        found: list[Term] = []
        todo = [Term(node, 1)]
        while todo:
            if len(found) + len(todo) > MAX_PARTS:
                return [Term(node, 1)]
            term = todo.pop()
            match term.written:
                case Call("add" | "sub" as op, (left, right)):
                    todo += [Term(right, term.sign if op == "add" else -term.sign), Term(left, term.sign)]
                case Call("neg", (inner,)):
                    todo.append(Term(inner, -term.sign))
                case _:
                    found.append(term)
        return found

    def factors(self, node: Node) -> tuple[Fraction, list[Factor]]:
        """Return the constant of a product and its factors in the order written."""
        if node not in self._factors:
            self._factors[node] = self._divided(node)
        return self._factors[node]

    def _divided(self, node: Node) -> tuple[Fraction, list[Factor]]:
        constant, found = Fraction(1), list[Factor]()
        todo = [(node, 1)]
        while todo:
            if len(found) + len(todo) > MAX_PARTS:
                return Fraction(1), [Factor(node, 1, node, Fraction(1))]
            part, side = todo.pop()
            match part:
                case Number(value) if value:
                    constant *= value**side
                case Call("neg", (inner,)):
                    constant = -constant
                    todo.append((inner, side))
                case Call("mul" | "div" as op, (left, right)):
                    todo += [(right, side if op == "mul" else -side), (left, side)]
                case Call("reciprocal", (inner,)):
                    todo.append((inner, -side))
                case Call("pow", (inner, exponent)) if _value(exponent) == -1:
                    todo.append((inner, -side))
                case _:
                    base, power = self.power(part)
                    found.append(Factor(part, side, base, power * side))
        return constant, found

    def power(self, node: Node) -> tuple[Node, Fraction]:
        """Return base and exponent; ``sqrt(x**2)`` keeps ``x**2`` as its base, since it is not ``x``."""
        base, exponent = node, Fraction(1)
        for _ in range(MAX_NESTED_POWERS):
            step = _step(self.open(base))
            if step is None or (exponent != 1 and not exponent.denominator == step[1].denominator == 1):
                break
            base, exponent = step[0], exponent * step[1]
        return base, exponent

    def monomial(self, node: Node) -> tuple[Fraction, Monomial]:
        """Return the constant of a product and the rest in a form that is equal for equal products."""
        constant, factors = self.factors(node)
        exponents: dict[int, Fraction] = {}
        for factor in factors:
            key = self._atom(factor.base) if factor.base is node else self.key(factor.base)
            exponents[key] = exponents.get(key, Fraction(0)) + factor.exponent
        return constant, tuple(sorted((key, power) for key, power in exponents.items() if power))

    def key(self, node: Node) -> int:
        """Return a number that expressions have in common when they are equal up to order, spelling and names."""
        if node not in self._keys:
            self._keys[node] = self._key(node)
        return self._keys[node]

    def _key(self, node: Node) -> int:
        if isinstance(node, Name) and node.id in self.definitions:
            return self.key(self.definitions[node.id])
        total: dict[Monomial, Fraction] = {}
        for term in self.terms(node):
            constant, rest = self.monomial(term.written)
            total[rest] = total.get(rest, Fraction(0)) + term.sign * constant
        items = sorted((rest, constant) for rest, constant in total.items() if constant)
        if len(items) == 1 and items[0][1] == 1 and [power for _, power in items[0][0]] == [1]:
            return items[0][0][0][0]
        return self._number(tuple(items))

    def _atom(self, node: Node) -> int:
        """Return the number of what is neither sum nor product, by its operation and its arguments."""
        if isinstance(node, Call):
            return self._number((node.op, repr(node.params), tuple(map(self.key, node.args))))
        if isinstance(node, Name) and node.id in self.definitions:
            return self.key(self.definitions[node.id])
        return self._number(node.id if isinstance(node, Name) else node.value)

    def _number(self, form: object) -> int:
        return self._numbers.setdefault(form, len(self._numbers))


def _step(node: Node) -> tuple[Node, Fraction] | None:
    """Return base and exponent of one operation, where it is a power with a constant exponent."""
    match node:
        case Call("square", (inner,)):
            return inner, Fraction(2)
        case Call("sqrt", (inner,)):
            return inner, Fraction(1, 2)
        case Call("rsqrt", (inner,)):
            return inner, Fraction(-1, 2)
        case Call("pow", (inner, exponent)):
            value = _value(exponent)
            return None if value is None else (inner, value)
    return None


def _value(node: Node) -> Fraction | None:
    """Return the value of a constant exponent: a number, a negative one, or a fraction."""
    if isinstance(node, Number):
        return node.value
    if isinstance(node, Call) and len(node.args) <= 2:
        return in_fractions(node.op, [one.value if isinstance(one, Number) else None for one in node.args])
    return None


def scaled(node: Node, by: Fraction | int) -> Node:
    """Return ``by*node`` with the constants that stand in front of it, or below it, drawn together."""
    by = Fraction(by)
    match node:
        case _ if by == 1:
            return node
        case Number(value):
            return number(value * by)
        case Call("neg", (inner,)):
            return scaled(inner, -by)
        case Call("sub", (left, right)) if by == -1:
            return call("sub", right, left)
        case Call("mul", (Number(value), inner)):
            return scaled(inner, value * by)
        case Call("div", (Number(value), inner)):
            return call("div", number(value * by), inner)
        case Call("div", (inner, Number(value))) if value:
            return scaled(inner, by / value)
        case Call("mul" | "div" as op, (left, right)) if by == -1 or (op == "div" and _is_whole_of_new(node, by)):
            return call(op, scaled(left, by), right)
    above: Node = node
    if by.numerator != 1:
        above = call("neg", node) if by.numerator == -1 else call("mul", number(by.numerator), node)
    return above if by.denominator == 1 else call("div", above, number(by.denominator))


def _is_whole_of_new(node: Node, by: Fraction) -> bool:
    """Return whether a whole multiple is wanted of what the user did not write."""
    return node.span == NOWHERE and by.denominator == 1


def total(parts: Iterable[tuple[int, Node]]) -> Node:
    """Return the sum of signed terms in this order."""
    made: Node | None = None
    for sign, node in parts:
        inner = scaled(node, -1) if _leads_with_minus(node) else None
        if made is None:
            made = scaled(node, sign)
        elif inner is not None:
            made = call("sub" if sign > 0 else "add", made, inner)
        else:
            made = call("add" if sign > 0 else "sub", made, node)
    assert made is not None
    return made


def _leads_with_minus(node: Node) -> bool:
    """Return whether an expression is written with a minus in front."""
    while isinstance(node, Call) and node.op in ("mul", "div"):
        node = node.args[0]
    return isinstance(node, Call) and node.op == "neg"


def product(above: Iterable[Node], below: Iterable[Node]) -> Node:
    """Return the product of what is above the line, divided by each of what is below."""
    made: Node | None = None
    for node in above:
        made = node if made is None else _times(made, node)
    made = number(1) if made is None else made
    for node in below:
        made = call("div", made, node)
    return made


def _times(left: Node, right: Node) -> Node:
    """Return a product; one that nobody wrote goes on without brackets."""
    match right:
        case Call("mul" | "div" as op, (first, second), span=span) if span == NOWHERE:
            return call(op, _times(left, first), second)
        case Number(value) if value == 1:
            return left
    return call("mul", left, right)
