"""Numbers that remember how they were made: what they claim is so at 400 bits, and what cancels is 0, up to limits."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from math import isqrt
from operator import add, eq, ge, gt, le, lt, mul, ne, sub, truediv
from typing import Any

import pytest
from flint import arb, fmpq
from hypothesis import given
from hypothesis import strategies as st

from gradcheck.exact import structure
from gradcheck.exact.elements import Undefined
from gradcheck.exact.precision import working_precision
from gradcheck.exact.structure import Book, Known, forget

BITS, MORE = 64, 400
ROOTS = (2, 3, 5)
"""Numbers whose roots are the numbers that are no fractions; pi is another."""

Made = tuple[Any, Any]
"""A number with its structure at few bits, and the same number at many bits without."""


def start(book: Book) -> list[Made]:
    """Return numbers to begin with; none is 0."""
    found: list[Made] = [(book.number(Fraction(n, 3)), lambda n=n: arb(n) / 3) for n in (-4, 1, 6)]
    found += [(book.atom(("root", n), arb(n).sqrt()), lambda n=n: arb(n).sqrt()) for n in ROOTS]
    return [*found, (book.pi, arb.pi)]


BINARY: dict[str, Callable[[Any, Any], Any]] = {
    "+": add, "-": sub, "*": mul, "/": truediv, "max": lambda a, b: a.max(b), "min": lambda a, b: a.min(b),
}  # fmt: skip
UNARY: dict[str, Callable[[Any], Any]] = {
    "neg": lambda a: -a, "abs": abs, "floor": lambda a: a.floor(), "ceil": lambda a: a.ceil(), "sin": lambda a: a.sin(),
    "cos": lambda a: a.cos(), "square": lambda a: a**2, "inverse": lambda a: a**-1,
    "relu": lambda a: a.nonnegative_part(),
    "exp": lambda a: a.exp(), "by number": lambda a: 3 - a * 2, "number over": lambda a: 2 / a, "over": lambda a: a / 2,
}  # fmt: skip
COMPARED = (lt, le, gt, ge, eq, ne)

steps = st.lists(
    st.tuples(st.sampled_from((*BINARY, *UNARY)), st.integers(0, 30), st.integers(0, 30)), min_size=1, max_size=8
)


def grown(plan: list[tuple[str, int, int]]) -> list[Made]:
    """Return the numbers of a plan: each is made of two that were there; what has no number is left out."""
    with working_precision(BITS):
        found = start(Book())
    for name, j, k in plan:
        (a, true_a), (b, true_b) = found[j % len(found)], found[k % len(found)]
        make: Callable[..., Any] = BINARY.get(name) or UNARY[name]
        count = 2 if name in BINARY else 1
        with working_precision(BITS):
            made = make(*(a, b)[:count])
        if not isinstance(made, Known) or not made.ball.is_finite() or abs(made.ball) > 10**6:
            continue
        found.append((made, lambda make=make, trues=(true_a, true_b)[:count]: make(*(one() for one in trues))))
    return found


@given(steps)
def test_what_is_claimed_of_a_number_is_so(plan: list[tuple[str, int, int]]) -> None:
    """Its ball holds it, a fraction is that number, and a comparison that is certain is true."""
    found = grown(plan)
    with working_precision(MORE):
        truths = [true() for _, true in found]
    for (one, _), true in zip(found, truths, strict=True):
        assert one.ball.overlaps(true)
        if one.rational is not None:
            with working_precision(MORE):
                assert abs(arb(one.rational) - true) < arb(2) ** -100
    pairs = [(j, k) for j in range(len(found)) for k in range(max(0, len(found) - 3), len(found))]
    for j, k in pairs:
        for compare in COMPARED:
            if compare(found[j][0], found[k][0]) and compare in (lt, gt, ne):
                assert not abs(truths[j] - truths[k]) < arb(2) ** -300
            with working_precision(MORE):
                apart = truths[j] - truths[k]
                if compare(found[j][0], found[k][0]) and not abs(apart) < arb(2) ** -300:
                    assert compare(apart, 0)


@given(steps, st.integers(0, 30), st.integers(0, 30))
def test_what_cancels_is_exactly_0(plan: list[tuple[str, int, int]], j: int, k: int) -> None:
    found = grown(plan)
    a, b = found[j % len(found)][0], found[k % len(found)][0]
    with working_precision(BITS):
        zeros = [a - a, (a + b) - b - a, (a - b) + (b - a)]
        if len(a.form) * len(b.form) <= structure.MAX_TERMS and len(a.form) + len(b.form) <= 4:
            zeros += [a * b - b * a, (a + b) * (a - b) - a**2 + b**2, (a + b) ** 2 - a * a - 2 * a * b - b * b]
        if not b.ball.contains(0):
            zeros += [a / b - a * (1 / b), b / b - 1, (2 * b) / b - 2]
        for zero in zeros:
            assert zero.rational == 0, (a.form, b.form)
            assert zero == 0
            assert (zero != 0) is False


# --- trigonometry at fractions of pi --------------------------------------------------------------


@pytest.mark.parametrize("sixths", range(-13, 26))
def test_sines_that_are_fractions_are_known_as_such_and_no_others(sixths: int) -> None:
    with working_precision(MORE):
        angle = Book().pi * fmpq_of(Fraction(sixths, 6)) if sixths else Book().number(Fraction(0))
        for name in ("sin", "cos", "tan"):
            made, true = getattr(angle, name)(), getattr(arb.pi() * sixths / 6, name)()
            if isinstance(made, Undefined):
                assert (name, sixths % 6) == ("tan", 3)
                assert str(made.reason) == "pole tan"
                continue
            nearest = Fraction(round(2 * float(true.mid())), 2)
            if abs(true - arb(nearest.numerator) / nearest.denominator) < arb(2) ** -300:
                assert made.rational == fmpq(nearest.numerator, nearest.denominator)
            else:
                assert made.rational is None
                assert made.ball.overlaps(true)


@pytest.mark.parametrize("quarters", range(-5, 10))
def test_tangents_that_are_fractions_are_known_as_such(quarters: int) -> None:
    with working_precision(MORE):
        made = (Book().pi * fmpq_of(Fraction(2 * quarters + 1, 4))).tan()
        assert made.rational == (1 if quarters % 2 == 0 else -1)


def fmpq_of(value: Fraction) -> Any:
    return arb(fmpq(value.numerator, value.denominator)) if value.denominator in (1, 2, 4) else Book().number(value)


# --- limits ---------------------------------------------------------------------------------------


def atoms(book: Book, count: int) -> list[Known]:
    return [book.atom(("root", n), arb(n).sqrt()) for n in (x for x in range(2, 999) if is_no_square(x))][:count]


def is_no_square(n: int) -> bool:
    return isqrt(n) ** 2 != n


def total(parts: list[Any]) -> Any:
    made = parts[0]
    for one in parts[1:]:
        made = made + one
    return made


@pytest.mark.parametrize(("count", "cancels"), [(24, True), (25, False)])
def test_a_sum_is_kept_as_one_up_to_24_terms(count: int, cancels: bool) -> None:
    """A longer one is a number of its own, which does not know its terms."""
    with working_precision(BITS):
        parts = atoms(Book(), count)
        assert ((total(parts) - total(parts[::-1])).rational == 0) is cancels
        assert (total(parts) - total(parts)).rational == 0


@pytest.mark.parametrize(("left", "right", "cancels"), [(4, 6, True), (5, 5, False)])
def test_a_product_is_multiplied_out_up_to_24_terms(left: int, right: int, cancels: bool) -> None:
    with working_precision(BITS):
        parts = atoms(Book(), left + right)
        a, b = total(parts[:left]), total(parts[left:])
        out = total([x * y for x in parts[:left] for y in parts[left:]]) if cancels else None
        assert (a * b).rational is None
        assert (len((a * b).form) == left * right) is cancels
        assert out is None or (a * b - out).rational == 0


@pytest.mark.parametrize(("power", "cancels"), [(64, True), (65, False), (-64, True), (-65, False)])
def test_a_power_is_multiplied_out_up_to_64(power: int, cancels: bool) -> None:
    with working_precision(BITS):
        [one] = atoms(Book(), 1)
        half = one ** (power // 2) * one ** (power - power // 2)
        assert ((one**power - half).rational == 0) is cancels


@pytest.mark.parametrize(("bits", "kept"), [(8_192, True), (8_193, False)])
def test_a_fraction_is_kept_up_to_8192_bits(bits: int, kept: bool) -> None:
    with working_precision(BITS):
        book = Book()
        for value in (Fraction(2 ** (bits - 1) + 1), Fraction(1, 2 ** (bits - 1) + 1)):
            assert ((book.number(value) + 0).rational is not None) is kept
        for exp in (bits - 1, 1 - bits):
            assert (book.atom(("power", exp), arb(2) ** exp).rational is not None) is kept


def test_what_is_no_number_has_no_structure() -> None:
    book = Book()
    for ball in (arb("inf"), arb("nan")):
        one = book.atom(("none", str(ball)), ball)
        assert one.form is None
        assert one.rational is None
        assert (one - one).rational is None
    with pytest.raises(TypeError):
        book.pi + "1"
    assert forget(book.pi) is book.pi.ball
    assert forget("text") == "text"
