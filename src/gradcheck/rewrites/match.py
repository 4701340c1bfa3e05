"""Patterns found in a program: wildcards a to d stand for any expression, sums and products match in any order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from functools import lru_cache

from gradcheck.functions import lookup
from gradcheck.program import Call, Name, Node, Number
from gradcheck.rewrites.forms import PRODUCTS, SUMS, Factor, Forms, Monomial, Term, product, scaled, total
from gradcheck.rewrites.found import Binding, Found, side_of

_PATTERNS = Forms()
"""Patterns have no layers to look through."""


InSum = Iterator[tuple[list[Term], Fraction, Binding]]
"""The terms that a pattern leaves over, how many times it is found in those that it takes, and what that binds."""
InProduct = Iterator[tuple[list[Factor], Fraction, Binding]]
"""The same of the factors of a product."""


def has_dim(op: str) -> bool:
    """Return whether an operation works along dims: a pattern takes these from what it matches."""
    return "dim" in getattr(lookup(op), "params", ())


def may_top(pattern: Node, op: str) -> bool:
    """Return whether a pattern may be at the top of an operation: what ``Matcher.find`` looks at first.

    >>> from gradcheck.parse import parse
    >>> pattern = parse("a/(1 + a)").layers[0].expression
    >>> [may_top(pattern, op) for op in ("div", "mul", "add", "exp")]
    [True, True, False, False]
    """
    if not isinstance(pattern, Call):
        return False
    if pattern.op in SUMS and op in SUMS:
        return True
    return op in PRODUCTS if _is_product(pattern) else op == pattern.op


class Matcher:
    """Looks for patterns in one program."""

    def __init__(self, forms: Forms) -> None:
        self.forms = forms

    def find(self, pattern: Node, node: Node) -> Iterator[Found]:
        """Yield where the pattern is at the top of ``node``; a sum or a product may hold more than the pattern."""
        if not isinstance(node, Call) or not isinstance(pattern, Call):
            return
        if pattern.op in SUMS and node.op in SUMS:
            yield from self._in_sum(pattern, node)
        elif _is_product(pattern) and node.op in PRODUCTS:
            yield from self._in_product(pattern, node)
        elif pattern.op == node.op:
            yield from (Found(binding) for binding in self.whole(pattern, node, Binding()))

    def _in_sum(self, pattern: Call, node: Call) -> Iterator[Found]:
        wanted = _PATTERNS.terms(pattern)
        parts = self.forms.terms(node)
        left = len(self.forms.terms(node.args[0]))
        for rest, scale, binding in self.terms(wanted, parts, Binding()):
            taken = [k for k, part in enumerate(parts) if part not in rest]
            if taken[0] < left <= taken[-1]:
                yield Found(binding, scale, tuple(rest), taken[0])

    def _in_product(self, pattern: Call, node: Call) -> Iterator[Found]:
        constant, parts = self.forms.factors(node)
        left = len(self.forms.factors(node.args[0])[1]) if node.op in ("mul", "div") else 0
        for rest, scale, binding in self.factors(pattern, parts, Binding()):
            taken = [k for k, part in enumerate(parts) if part not in rest]
            takes_constant = _PATTERNS.factors(pattern)[0] != 1 == scale * constant
            if takes_constant or (taken[-1] >= left and (node.op != "mul" or taken[0] < left)):
                yield Found(binding, scale * constant, tuple(rest), taken[0])

    # --- whole expressions ---

    def whole(self, pattern: Node, node: Node, binding: Binding) -> Iterator[Binding]:
        """Yield the ways in which a pattern is all of an expression."""
        opened = self.forms.open(node)
        if isinstance(pattern, Name):
            yield from self._wildcard(pattern.id, node, binding)
        elif len(terms := _PATTERNS.terms(pattern)) > 1:
            parts = self.forms.terms(opened)
            yield from (made for _, _, made in self.terms(terms, parts, binding, scale=Fraction(1), whole=True))
        elif _is_product(pattern):
            yield from (made for scale, made in self.multiple(pattern, node, binding) if scale == 1)
        elif isinstance(pattern, Call) and isinstance(opened, Call) and opened.op == pattern.op:
            yield from self._call(pattern, opened, binding)

    def multiple(self, pattern: Node, node: Node, binding: Binding) -> Iterator[tuple[Fraction, Binding]]:
        """Yield the constants by which an expression is a multiple of a product; a wildcard in it takes them in."""
        constant, wanted = _factors_of(pattern)
        last = wanted[-1] if wanted else None
        if last is None or last.exponent != 1 or not isinstance(last.base, Name) or last.base.id in binding.nodes:
            yield from self._multiple(pattern, node, binding)
        elif len(wanted) == 1:
            yield Fraction(1), binding.bind(last.base.id, scaled(node, 1 / constant))
        else:
            for scale, made in self._multiple(pattern, node, binding):
                taken = scaled(made.nodes[last.base.id], scale)
                if not (isinstance(taken, Number) and _is_plain(wanted)):
                    yield Fraction(1), made.bind(last.base.id, taken)

    def _multiple(self, pattern: Node, node: Node, binding: Binding) -> Iterator[tuple[Fraction, Binding]]:
        constant, parts = self.forms.factors(self.forms.open(node))
        for _, scale, made in self.factors(pattern, parts, binding, whole=True):
            yield constant * scale, made

    def _wildcard(self, name: str, node: Node, binding: Binding) -> Iterator[Binding]:
        bound = binding.nodes.get(name)
        if bound is None:
            yield binding.bind(name, node)
        elif self.forms.key(bound) == self.forms.key(node):
            yield binding

    def _call(self, pattern: Call, node: Call, binding: Binding) -> Iterator[Binding]:
        if has_dim(pattern.op):
            params = tuple(item for item in node.params if item != ("keepdim", False))
            if binding.params not in (None, params):
                return
            binding = replace(binding, params=params)
        elif node.params != pattern.params:
            return
        found = [binding]
        for wanted, part in zip(pattern.args, node.args, strict=True):
            found = [made for one in found for made in self.whole(wanted, part, one)]
        yield from found

    # --- sums ---

    def terms(
        self, wanted: Sequence[Term], parts: list[Term], binding: Binding,
        *, scale: Fraction | None = None, whole: bool = False,
    ) -> InSum:  # fmt: skip
        """Yield what a pattern leaves over of a sum; its first term tells the scale where none is given."""
        if not wanted:
            if scale is not None and not (whole and parts):
                yield parts, scale, binding
            return
        first, *others = sorted(wanted, key=lambda term: isinstance(term.written, Name))
        if isinstance(first.written, Name):
            found = self._wild_term(first, parts, binding, scale, whole and not others)
        else:
            found = self._term(first, parts, binding)
        for rest, factor, made in found:
            if scale in (None, factor):
                yield from self.terms(others, rest, made, scale=factor, whole=whole)

    def _term(self, wanted: Term, parts: list[Term], binding: Binding) -> InSum:
        for part in parts:
            for scale, made in self.multiple(wanted.written, part.written, binding):
                yield [one for one in parts if one is not part], scale * part.sign * wanted.sign, made

    def _wild_term(
        self, wanted: Term, parts: list[Term], binding: Binding, scale: Fraction | None, last: bool
    ) -> InSum:
        """Yield what a wildcard leaves over: it takes one term, or all that are left when it is the last of a whole."""
        name = _wild(wanted.written)
        if scale is None or not parts:
            return
        if name in binding.nodes:
            rest = self._without(parts, binding.nodes[name], wanted.sign * scale)
            if rest is not None:
                yield rest, scale, binding
            return
        for taken in [parts] if last else [[part] for part in parts if not isinstance(part.written, Number)]:
            node = scaled(total((part.sign, part.written) for part in taken), wanted.sign / scale)
            yield [part for part in parts if part not in taken], scale, binding.bind(name, node)

    def _without(self, parts: list[Term], node: Node, scale: Fraction) -> list[Term] | None:
        """Return a sum without the terms of ``scale*node``, or None where it lacks one."""
        for term in self.forms.terms(node):
            wanted = self._signed(term, scale)
            part = next((one for one in parts if self._signed(one, Fraction(1)) == wanted), None)
            if part is None:
                return None
            parts = [one for one in parts if one is not part]
        return parts

    def _signed(self, term: Term, scale: Fraction) -> tuple[Fraction, Monomial]:
        constant, monomial = self.forms.monomial(term.written)
        return constant * term.sign * scale, monomial

    # --- products ---

    def factors(self, pattern: Node, parts: list[Factor], binding: Binding, *, whole: bool = False) -> InProduct:
        """Yield the factors left over by a pattern, and how many times it is found in those that it takes."""
        constant, wanted = _factors_of(pattern)
        return self._factors(wanted, parts, binding, 1 / constant, whole)

    def _factors(
        self, wanted: list[Factor], parts: list[Factor], binding: Binding, scale: Fraction, whole: bool
    ) -> InProduct:
        if not wanted:
            if not (whole and parts):
                yield parts, scale, binding
            return
        first, *others = wanted
        for rest, factor, made in self._factor(first, parts, binding, whole and not others):
            yield from self._factors(others, rest, made, scale * factor, whole)

    def _factor(self, wanted: Factor, parts: list[Factor], binding: Binding, last: bool) -> InProduct:
        """Yield what one factor of the pattern leaves over, and the constant that comes with what it takes."""
        if isinstance(wanted.base, Name) and wanted.base.id in binding.nodes:
            yield from self._bound_factor(wanted, parts, binding)
            return
        if isinstance(wanted.base, Name) and last and wanted.exponent == 1:
            above, below = side_of(parts, 1), side_of(parts, -1)
            if above or not parts:  # with nothing left it is the 1 of 1/x
                yield [], Fraction(1), binding.bind(wanted.base.id, product(above, below))
            return
        for taken in self._candidates(parts):
            if _exponent(taken) == wanted.exponent:
                rest = [part for part in parts if part not in taken]
                for scale, made in self._base(wanted, taken[0].base, binding):
                    yield rest, scale, made

    def _base(self, wanted: Factor, base: Node, binding: Binding) -> Iterator[tuple[Fraction, Binding]]:
        """Yield the constants of a factor's base: a sum under a whole power may be a multiple of the pattern's."""
        terms = _PATTERNS.terms(wanted.base)
        fixed = all(isinstance(term.written, Name) for term in terms)
        if len(terms) > 1 and not fixed and wanted.exponent.denominator == 1:
            parts = self.forms.terms(self.forms.open(base))
            for _, scale, made in self.terms(terms, parts, binding, whole=True):
                yield scale ** int(wanted.exponent), made
        else:
            yield from ((Fraction(1), made) for made in self.whole(wanted.base, base, binding))

    def _bound_factor(self, wanted: Factor, parts: list[Factor], binding: Binding) -> InProduct:
        """Yield what is left when every factor of a bound expression, a product itself perhaps, is taken away."""
        node = binding.nodes[_wild(wanted.base)]
        constant, factors = Fraction(1), [Factor(node, 1, node, Fraction(1))]
        if wanted.exponent.denominator == 1:
            constant, factors = self.forms.factors(node)
        for factor in factors:
            taken = self._power(parts, factor.base, factor.exponent * wanted.exponent)
            if taken is None:
                return
            parts = [part for part in parts if part not in taken]
        yield parts, constant ** -int(wanted.exponent), binding

    def _power(self, parts: list[Factor], base: Node, exponent: Fraction) -> list[Factor] | None:
        """Return the factors that make this power of a base, or None."""
        for taken in self._candidates(parts):
            if self.forms.key(taken[0].base) == self.forms.key(base) and _exponent(taken) == exponent:
                return taken
        return None

    def _candidates(self, parts: list[Factor]) -> Iterator[list[Factor]]:
        """Yield the factors, and together those that are whole powers of one base: ``a*a`` is ``a**2``."""
        groups: dict[int, list[Factor]] = {}
        for part in parts:
            if part.exponent.denominator == 1:
                groups.setdefault(self.forms.key(part.base), []).append(part)
        yield from (group for group in groups.values() if len(group) > 1)
        yield from ([part] for part in parts)


def _exponent(factors: list[Factor]) -> Fraction:
    return sum((factor.exponent for factor in factors), Fraction(0))


@lru_cache(maxsize=4096)
def _factors_of(pattern: Node) -> tuple[Fraction, list[Factor]]:
    """Return the constant and the factors of a pattern in the order of the search: wildcards last, above the line."""
    constant, factors = _PATTERNS.factors(pattern)
    return constant, sorted(factors, key=lambda factor: (isinstance(factor.base, Name), factor.exponent > 0))


def _is_plain(wanted: list[Factor]) -> bool:
    """Return whether a pattern is a product of wildcards alone, which no number times one expression is."""
    return all(isinstance(factor.base, Name) and factor.exponent == 1 for factor in wanted)


def _is_product(pattern: Node) -> bool:
    """Return whether a pattern is taken apart; ``a**b`` is not, since only constant exponents are."""
    factors = _PATTERNS.factors(pattern)[1]
    return not (len(factors) == 1 and factors[0].base is pattern)


def _wild(node: Node) -> str:
    assert isinstance(node, Name)
    return node.id
