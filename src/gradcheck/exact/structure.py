"""Numbers that remember how they were made: what cancels, cancels exactly, where balls alone would decide nothing."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

from flint import arb, fmpq

from gradcheck.exact.elements import Undefined
from gradcheck.functions import ELEMENTWISE
from gradcheck.reason import Kind, Reason

MAX_TERMS = 24
"""Terms of a sum that is kept as one; a longer sum is a number of its own."""
MAX_BITS = 8_192
"""Bits of a numerator or denominator that is kept; what squares itself again and again would grow without end."""
MAX_POWER = 64
"""Exponent up to which a power is multiplied out."""

Monomial = tuple[tuple[int, int], ...]
"""Factors with their exponents, in order; a factor is the place of a number in the book."""
Form = dict[Monomial, Any]
"""A sum of monomials, each times a rational number that is not 0."""
Key = Any
"""What tells how a number was made: equal keys, equal numbers."""

UNIT: Monomial = ()
_SIXTHS = {0: 0, 1: 1, 3: 2, 5: 1, 6: 0, 7: -1, 9: -2, 11: -1}
_SINES = {Fraction(k, 6): fmpq(twice, 2) for k, twice in _SIXTHS.items()}
"""The sines of rational multiples of pi that are rational, by the multiple from 0 to 2; there are no others (Niven)."""
_TANGENTS = {Fraction(0): fmpq(0), Fraction(1, 4): fmpq(1), Fraction(3, 4): fmpq(-1)}


class Book:
    """The numbers of one evaluation; what was made of the same arguments in the same way is one number."""

    def __init__(self) -> None:
        self.made: dict[Key, Known] = {}
        self.atoms: list[Any] = []
        self.inverses: dict[int, Form] = {}
        self.pi = self.atom("pi", arb.pi())

    def number(self, value: Fraction) -> Known:
        """Return a rational number."""
        return self.rational(fmpq(value.numerator, value.denominator))

    def rational(self, value: Any) -> Known:
        """Return a rational number of FLINT's."""
        return Known(self, arb(value), {UNIT: value} if value != 0 else {})

    def lift(self, value: Any) -> Any:
        """Return an element with its structure: a rational where it is exact, else a number of its own."""
        return self.atom(("ball", id(value)), value) if isinstance(value, arb) else value

    def atom(self, key: Key, ball: Any) -> Known:
        """Return the number that was made as the ``key`` says, and lies in a ball."""
        if key not in self.made:
            exact = _exact(ball)
            if exact is not None:
                self.made[key] = self.rational(exact)
            else:
                self.made[key] = Known(self, ball, {((len(self.atoms), 1),): fmpq(1)} if ball.is_finite() else None)
            self.atoms.append(ball)  # kept, so that no other object takes its id
        return self.made[key]

    def settle(self, form: Form, ball: Any, key: Callable[[], Key]) -> Known:
        """Return the number of a form, or one of its own where the form is too large to keep."""
        for factor in self.inverses.keys() & {one for monomial in form for one, _ in monomial}:
            form = _cancelled(form, factor, self.inverses[factor])
        if len(form) > MAX_TERMS or not all(map(_is_short, form.values())):
            return self.atom(key(), ball)
        if not form or (len(form) == 1 and UNIT in form):
            return self.rational(form.get(UNIT, fmpq(0)))
        if len(form) == 1:  # a number that comes back is as narrow as it was
            [(factors, coefficient)] = form.items()
            if len(factors) == 1 and factors[0][1] == 1:
                ball = self.atoms[factors[0][0]] * arb(coefficient)
        return Known(self, ball, form)


class Known:
    """A number in a ball, with its form: a sum of products of numbers that are what they are.

    Numbers of one form are equal. A number without one, such as an infinite one, has no structure.
    """

    __slots__ = ("ball", "book", "form")
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, book: Book, ball: Any, form: Form | None) -> None:
        self.book = book
        self.ball = ball
        self.form = form

    def __getattr__(self, name: str) -> Any:
        """Return a function of Arb's that gives one number for the same arguments."""
        function = getattr(self.ball, name)

        def call(*args: Any) -> Any:
            others = [self.coerced(one) for one in args]
            made = function(*(one.ball for one in others))
            key = (name, self.key, *(one.key for one in others))
            return self.book.atom(key, made) if isinstance(made, arb) else made

        return call

    @property
    def key(self) -> Key:
        """Return what tells this number from others."""
        if self.form is None:
            self.book.atoms.append(self)
            return "alone", id(self)
        return frozenset(self.form.items())

    @property
    def rational(self) -> Any:
        """Return the rational number that this is; None where it is not known to be one."""
        return None if self.form is None else _constant(self.form)

    def coerced(self, other: Any) -> Any:
        """Return another operand with its structure; None for what is no number at all."""
        if isinstance(other, Known):
            return other
        if isinstance(other, int):
            return self.book.rational(fmpq(other))
        return self.book.lift(other) if isinstance(other, arb) else None

    # --- arithmetic ---

    def __add__(self, other: Any) -> Any:
        return self._joined("add", self.coerced(other), lambda a, b: a + b, _sum)

    def __mul__(self, other: Any) -> Any:
        return self._joined("mul", self.coerced(other), lambda a, b: a * b, _product)

    __radd__ = __add__
    __rmul__ = __mul__

    def _joined(self, op: str, other: Any, ball: Callable[..., Any], form: Callable[..., Form | None]) -> Any:
        if other is None:
            return NotImplemented
        made = ball(self.ball, other.ball)
        joined = None if self.form is None or other.form is None else form(self.form, other.form)

        def key() -> Key:
            return op, frozenset((self.key, other.key)), self.key == other.key

        return self.book.atom(key(), made) if joined is None else self.book.settle(joined, made, key)

    def __neg__(self) -> Known:
        return Known(self.book, -self.ball, None if self.form is None else {m: -c for m, c in self.form.items()})

    def __sub__(self, other: Any) -> Any:
        other = self.coerced(other)
        return NotImplemented if other is None else self + -other

    def __rsub__(self, other: Any) -> Any:
        return -self + other

    def __truediv__(self, other: Any) -> Any:
        other = self.coerced(other)
        return NotImplemented if other is None else self._over(other)

    def __rtruediv__(self, other: Any) -> Any:
        other = self.coerced(other)
        return NotImplemented if other is None else other._over(self)

    def _over(self, other: Known) -> Any:
        made = self.ball / other.ball
        if not made.is_finite() or self.form is None or other.form is None:
            return self.book.atom(("div", self.key, other.key), made)
        ratio = _ratio(self.form, other.form)
        if ratio is not None:
            return self.book.rational(ratio)
        joined = _product(self.form, other._inverse())
        if joined is None:
            return self.book.atom(("div", self.key, other.key), made)
        return self.book.settle(joined, made, lambda: ("div", self.key, other.key))

    def _inverse(self) -> Form:
        """Return the form of 1 over this number, which is not 0; what is a multiple has a multiple of its inverse."""
        assert self.form
        first = min(self.form)
        lead = self.form[first]
        if len(self.form) == 1:
            return {tuple((one, -power) for one, power in first): 1 / lead}
        monic = {m: c / lead for m, c in self.form.items()}
        alone = self.book.atom(("inverse", frozenset(monic.items())), arb(lead) / self.ball)
        assert alone.form
        [((factor, _),)] = alone.form
        self.book.inverses[factor] = monic
        return {m: c / lead for m, c in alone.form.items()}

    def __pow__(self, other: Any) -> Any:
        other = self.coerced(other)
        return NotImplemented if other is None else self._power(other)

    def __rpow__(self, other: Any) -> Any:
        other = self.coerced(other)
        return NotImplemented if other is None else other._power(self)

    def _power(self, other: Known) -> Any:
        made = ELEMENTWISE["pow"].exact(self.ball, other.ball)
        n = other.rational
        if self.form is None or n is None or n.q != 1 or abs(int(n)) > MAX_POWER or not made.is_finite():
            return self.book.atom(("pow", self.key, other.key), made)
        base = self if n >= 0 else self.book.rational(fmpq(1))._over(self)
        whole = self.book.rational(fmpq(1))
        for _ in range(abs(int(n))):
            whole = whole * base
        return whole if whole.rational is not None else Known(self.book, made, whole.form)

    # --- comparisons: what is certain ---

    def _order(self, other: Any) -> Any:
        """Return the difference where it is known as a rational number, else None."""
        return None if self.form is None or other.form is None else _constant(_sum(self.form, (-other).form))

    def _certain(self, other: Any, test: Callable[[Any, Any], Any]) -> Any:
        other = self.coerced(other)
        if other is None:
            return NotImplemented
        order = self._order(other)
        return bool(test(order, fmpq(0)) if order is not None else test(self.ball, other.ball))

    def __lt__(self, other: Any) -> Any:
        return self._certain(other, lambda a, b: a < b)

    def __le__(self, other: Any) -> Any:
        return self._certain(other, lambda a, b: a <= b)

    def __gt__(self, other: Any) -> Any:
        return self._certain(other, lambda a, b: a > b)

    def __ge__(self, other: Any) -> Any:
        return self._certain(other, lambda a, b: a >= b)

    def __eq__(self, other: Any) -> Any:
        return self._certain(other, lambda a, b: a == b)

    def __ne__(self, other: Any) -> Any:
        return self._certain(other, lambda a, b: a != b)

    # --- pieces ---

    def max(self, other: Any) -> Any:
        """Return the greater of two numbers: one of them, where that is certain."""
        other = self.coerced(other)
        return self if self >= other else other if other >= self else self._extreme("max", other)

    def min(self, other: Any) -> Any:
        """Return the lesser of two numbers: one of them, where that is certain."""
        other = self.coerced(other)
        return self if self <= other else other if other <= self else self._extreme("min", other)

    def _extreme(self, name: str, other: Known) -> Known:
        return self.book.atom((name, frozenset((self.key, other.key))), getattr(self.ball, name)(other.ball))

    def __abs__(self) -> Any:
        return self if self >= 0 else -self if self <= 0 else self.book.atom(("abs", self.key), abs(self.ball))

    def nonnegative_part(self) -> Any:
        """Return this number, or 0 where it is negative."""
        return self.max(0)

    def floor(self) -> Any:
        """Return the greatest integer that is no greater."""
        value = self.rational
        return self.book.atom(("floor", self.key), self.ball.floor() if value is None else arb(value.floor()))

    def ceil(self) -> Any:
        """Return the least integer that is no less."""
        return -(-self).floor()

    # --- trigonometry at rational multiples of pi ---

    def _turns(self) -> Fraction | None:
        """Return the multiple of pi that this is, where it is a rational one."""
        if not self.form:
            return None if self.form is None else Fraction(0)
        [(pi, _)] = (self.book.pi.form or {}).items()
        found = self.form.get(pi) if len(self.form) == 1 else None
        return None if found is None else Fraction(int(found.p), int(found.q))

    def sin(self) -> Any:
        """Return the sine."""
        turns = self._turns()
        value = None if turns is None else _SINES.get(turns % 2)
        return self.book.atom(("sin", self.key), self.ball.sin()) if value is None else self.book.rational(value)

    def cos(self) -> Any:
        """Return the cosine."""
        turns = self._turns()
        value = None if turns is None else _SINES.get((turns + Fraction(1, 2)) % 2)
        return self.book.atom(("cos", self.key), self.ball.cos()) if value is None else self.book.rational(value)

    def tan(self) -> Any:
        """Return the tangent; halfway between two multiples of pi it has a pole."""
        turns = self._turns()
        if turns is not None and turns % 1 == Fraction(1, 2):
            return Undefined(Reason(Kind.POLE, "tan"))
        value = None if turns is None else _TANGENTS.get(turns % 1)
        return self.book.atom(("tan", self.key), self.ball.tan()) if value is None else self.book.rational(value)


def forget(value: Any) -> Any:
    """Return an element without its structure."""
    return value.ball if isinstance(value, Known) else value


def _sum(a: Form, b: Form) -> Form:
    made = dict(a)
    for monomial, coefficient in b.items():
        total = made.get(monomial, 0) + coefficient
        if total == 0:
            del made[monomial]
        else:
            made[monomial] = total
    return made


def _product(a: Form, b: Form) -> Form | None:
    """Return the product of two sums; None where it would be too long."""
    if len(a) * len(b) > MAX_TERMS:
        return None
    made: Form = {}
    for left, c in a.items():
        for right, d in b.items():
            made = _sum(made, {_merged(left, right): c * d})
    return made


def _merged(a: Monomial, b: Monomial) -> Monomial:
    powers = dict(a)
    for factor, power in b:
        powers[factor] = powers.get(factor, 0) + power
    return tuple(sorted((factor, power) for factor, power in powers.items() if power))


def _ratio(a: Form, b: Form) -> Any:
    """Return the rational number that one form is of another, None where it is none."""
    if not a:
        return fmpq(0)
    if a.keys() != b.keys():
        return None
    first = next(iter(a))
    ratio = a[first] / b[first]
    return ratio if all(a[m] == ratio * b[m] for m in a) else None


def _cancelled(form: Form, factor: int, divisor: Form) -> Form:
    """Return a sum in which every multiple of a divisor, times its inverse, has become what it is a multiple of."""
    first = min(divisor)
    for monomial in sorted(form):
        if form.get(monomial) is None or dict(monomial).get(factor, 0) < 1:
            continue
        rest = _merged(monomial, tuple((one, -power) for one, power in first))
        share = form[monomial] / divisor[first]
        if all(form.get(_merged(rest, m)) == share * c for m, c in divisor.items()):
            multiple = {_merged(rest, m): -share * c for m, c in divisor.items()}
            form = _sum(_sum(form, multiple), {_merged(rest, ((factor, -1),)): share})
    return form


def _constant(form: Form) -> Any:
    """Return the rational number that a form is, None where it is none."""
    return fmpq(0) if not form else form.get(UNIT) if len(form) == 1 else None


def _is_short(value: Any) -> bool:
    return max(int(value.p).bit_length(), int(value.q).bit_length()) <= MAX_BITS


def _exact(ball: Any) -> Any:
    """Return an exact ball as a rational number; None for any other, or one that is too large to keep."""
    if not (ball.is_finite() and ball.is_exact()):
        return None
    man, exp = (int(part) for part in ball.man_exp())
    if man.bit_length() + abs(exp) > MAX_BITS:
        return None
    return fmpq(man << max(exp, 0), 1 << max(-exp, 0))
