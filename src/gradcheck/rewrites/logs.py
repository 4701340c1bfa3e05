"""Logarithms moved inside: of a product, a quotient, a sum, a reduction or an element, down to what the table knows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial, reduce
from operator import or_

from gradcheck.program import NOWHERE, Call, Node, Number, call, number
from gradcheck.rewrites.forms import Factor, Forms, scaled, total
from gradcheck.rewrites.signs import never_negative

MAX_DEPTH = 8
"""Products, sums and reductions inside each other, beyond which a logarithm stays outside."""

SIGNS = "not the same function: it has no value where two of the factors are negative"
BASE = "not the same function: it has no value where the base is negative"
WEIGHTS = "not the same function: it has no value where one of the terms is negative"

Known = Callable[[Call], Node | None]
"""What the table has for a whole logarithm, None where it has nothing."""


@dataclass(frozen=True, slots=True)
class Log:
    """The logarithm of an expression: terms with their factors; ``known`` where more was done than to split it."""

    terms: tuple[tuple[Fraction, Node], ...]
    known: bool = False
    note: str | None = None

    @property
    def node(self) -> Node:
        """Return the sum of the terms."""
        signed = ((1 if by > 0 else -1, scaled(node, abs(by))) for by, node in self.terms)
        return total(signed) if self.terms else number(0)


class Inside:
    """Moves logarithms inside in one program; ``known`` asks the table, ``size`` counts elements where it can."""

    def __init__(self, forms: Forms, known: Known, size: Callable[[Node], int | None]) -> None:
        self.forms = forms
        self.known = known
        self.size = size

    def rewritten(self, node: Call) -> tuple[Node, str | None] | None:
        """Return what to write for a logarithm, and where it is another function; None where nothing is gained."""
        if node.op != "log" or self.known(node) is not None:
            return None
        made = self.log(node.args[0], MAX_DEPTH)
        return (made.node, made.note) if made.known else None

    def log(self, node: Node, depth: int) -> Log:
        """Return the logarithm of an expression."""
        plain = call("log", node)
        opened = self.forms.open(node)
        if isinstance(opened, Number) and opened.value == 1:
            return Log(())
        if depth == 0 or not isinstance(opened, Call):
            return _one(plain)
        if (found := self.known(plain)) is not None:
            return _one(found, known=True)
        for made in self.taken_apart(opened, depth - 1):
            if made.known:
                return made
        return _one(plain)

    def taken_apart(self, node: Call, depth: int) -> Iterator[Log]:
        """Yield the logarithm of an operation by those of its parts."""
        match node:
            case Call("exp", (inner,)):
                yield _one(inner, known=True)
            case Call("prod", (inner,)):
                yield self.reduced(node, inner, "sum", SIGNS, depth)
            case Call("sum", (inner,)):
                yield self.reduced(node, inner, "logsumexp", WEIGHTS, depth)
            case Call("mean", (inner,)):
                yield self.averaged(node, inner, depth)
            case Call("index", (inner,)):
                made = self.log(inner, depth)
                yield replace(made, terms=((Fraction(1), replace(node, args=(made.node,), span=NOWHERE)),))
            case Call("pow", (base, power)) if self.forms.power(node)[0] is node:
                yield self.power(base, power, depth)
            case Call("add" | "sub", _):
                yield self.sum(node, depth)
            case _:
                yield self.product(node, depth)

    def reduced(self, node: Call, inner: Node, op: str, unlike: str, depth: int) -> Log:
        """Return another reduction of the logarithm of what is reduced."""
        made = self.log(inner, depth)
        note = made.note if never_negative(inner, self.forms) else unlike
        return _one(replace(node, op=op, args=(made.node,), span=NOWHERE), made.known, note)

    def averaged(self, node: Call, inner: Node, depth: int) -> Log:
        """Return the logarithm of a mean as that of a sum, less that of the count."""
        made = self.reduced(node, inner, "logsumexp", WEIGHTS, depth)
        each, all_of_them = self.size(node), self.size(inner)
        if not each or not all_of_them:
            return replace(made, known=False)
        return replace(made, terms=(*made.terms, (Fraction(-1), call("log", number(all_of_them // each)))))

    def power(self, base: Node, power: Node, depth: int) -> Log:
        """Return the logarithm of a power whose exponent is no constant."""
        made = self.log(base, depth)
        note = made.note if never_negative(base, self.forms) else BASE
        return _one(call("mul", power, made.node), made.known, note)

    def product(self, node: Call, depth: int) -> Log:
        """Return the sum of the logarithms of all factors."""
        constant, factors = self.forms.factors(node)
        if constant <= 0 or (len(factors) == 1 and factors[0].base is node):
            return _one(call("log", node))
        factors = self.merged(factors)
        parts = [self.factor(one, depth) for one in factors]
        terms = [term for one in parts for term in one.terms]
        for by, n in ((1, constant.numerator), (-1, constant.denominator)):
            terms += [(Fraction(by), call("log", number(n)))] if n != 1 else []
        unsure = sum(one.exponent % 2 != 0 and not never_negative(one.base, self.forms) for one in factors)
        notes = [one.note for one in parts if one.note] + [SIGNS] * (unsure > 1)
        return Log(tuple(terms), any(one.known for one in parts), notes[0] if notes else None)

    def merged(self, factors: Sequence[Factor]) -> list[Factor]:
        """Return factors of which no two have one base: ``x*x`` is a square, which is never negative."""
        found: dict[int, Factor] = {}
        for one in factors:
            key = self.forms.key(one.base)
            found[key] = replace(one, exponent=one.exponent + (found[key].exponent if key in found else 0))
        return [one for one in found.values() if one.exponent]

    def factor(self, one: Factor, depth: int) -> Log:
        """Return the logarithm of one factor; an even power says nothing of the sign of its base."""
        base = one.base
        if one.exponent.denominator == 1 and one.exponent % 2 == 0 and not never_negative(base, self.forms):
            base = call("abs", base)
        made = self.log(base, depth)
        return replace(made, terms=tuple((by * one.exponent, node) for by, node in made.terms))

    def sum(self, node: Call, depth: int) -> Log:
        """Return the logarithm of a sum of positive terms, by theirs."""
        terms = self.forms.terms(node)
        if any(term.sign < 0 for term in terms) or len(terms) < 2:
            return _one(call("log", node))
        parts = [self.log(term.written, depth) for term in terms]
        sure = [never_negative(term.written, self.forms) for term in terms]
        known = any(one.known for one in parts) and all(map(or_, sure, (one.known for one in parts)))
        made = reduce(partial(call, "logaddexp"), (one.node for one in parts))
        note = next((one.note for one in parts if one.note), None) if all(sure) else WEIGHTS
        return _one(made, known, note)


def _one(node: Node, known: bool = False, note: str | None = None) -> Log:
    return Log(((Fraction(1), node),), known, note)
