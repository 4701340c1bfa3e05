"""The arithmetic of truncated series against polynomials of fractions, and what is not a series at all."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from itertools import product
from operator import add, mul, sub, truediv
from typing import Any

import pytest
from flint import arb
from hypothesis import given
from hypothesis import strategies as st

from gradcheck.exact import powers
from gradcheck.exact.powers import power
from gradcheck.exact.precision import working_precision
from gradcheck.exact.series import (
    ENDLESS,
    NOWHERE,
    UNKNOWN,
    Frame,
    Gap,
    NeedsRoot,
    Series,
    constant,
    cut,
    either,
    remainder,
    series,
)  # fmt: skip

FRAME = Frame(1, 6)
LIKE = Series(0, (), ENDLESS, FRAME)
Terms = dict[int, Fraction]
"""A polynomial of fractions: the coefficient of each power that is not 0."""

coefficients = st.integers(-3, 3).map(lambda n: Fraction(n, 2))


@st.composite
def drawn(draw: Callable[[Any], Any]) -> Series:
    """Return a series from powers of -3 on: an endless one, or one with a remainder behind some terms."""
    low, terms = draw(st.integers(-3, 3)), draw(st.lists(coefficients, max_size=5))
    order = draw(st.sampled_from((ENDLESS, low + len(terms), low + len(terms) + 1)))
    balls = [arb(one.numerator) / one.denominator for one in terms]
    return series(low, balls, order, LIKE.met(draw(st.booleans())))


def polynomial(one: Series) -> Terms:
    """Return the terms of a series that are written out."""
    made = {one.low + k: Fraction(float(term)) for k, term in enumerate(one.terms)}
    assert all(term.is_exact() for term in one.terms)
    return {power: value for power, value in made.items() if value}


def multiplied(a: Terms, b: Terms) -> Terms:
    made: Terms = {}
    for (j, one), (k, other) in product(a.items(), b.items()):
        made[j + k] = made.get(j + k, Fraction(0)) + one * other
    return made


def known(a: Series, b: Series, what: Callable[[Terms, Terms], Terms], made: Series) -> None:
    """Assert that a series has all the terms below its remainder that the polynomials have."""
    wanted = what(polynomial(a), polynomial(b))
    for k in range(-8, int(min(made.order, 16))):
        assert made.at(k) == arb(wanted.get(k, Fraction(0)).numerator) / wanted.get(k, Fraction(0)).denominator
    assert made.at(int(made.order)) is None if made.order < ENDLESS else True


def plus(sign: int) -> Callable[[Terms, Terms], Terms]:
    return lambda a, b: {k: a.get(k, Fraction(0)) + sign * b.get(k, Fraction(0)) for k in a.keys() | b.keys()}


@given(drawn(), drawn())
def test_sums_differences_and_products_have_the_terms_of_polynomials(a: Series, b: Series) -> None:
    """As far as both remainders let them be known, and no less far than the width of the frame."""
    for made, what in ((a + b, plus(1)), (a - b, plus(-1))):
        known(a, b, what, made)
        assert min(a.order, b.order, made.low + FRAME.width) <= made.order <= min(a.order, b.order)
        assert made.meets == (a.meets and b.meets)
    made = a * b
    known(a, b, multiplied, made)
    ends = [x.low + y.order for x, y in ((a, b), (b, a)) if x.terms or x.order < ENDLESS]
    zero = any(not one.terms and one.order == ENDLESS for one in (a, b))
    assert (made.terms, made.order) == ((), ENDLESS) if zero else far(a, b, min(ends)) <= made.order <= min(ends)
    assert made.meets == (a.meets and b.meets)
    assert (-a).terms == tuple(-one for one in a.terms)


def far(a: Series, b: Series, order: float) -> float:
    """Return how far a product is known at least."""
    return min(order, a.low + b.low + FRAME.width)


@given(drawn(), drawn())
def test_a_quotient_times_its_divisor_is_what_was_divided(a: Series, b: Series) -> None:
    made = a / b
    if not b.terms:
        assert made is (NOWHERE if b.order == ENDLESS else UNKNOWN)
        return
    back = made * b
    for k in range(-8, int(min(back.order, a.order, 16))):
        assert (back.at(k) - a.at(k)).contains(0)
        assert abs(float(back.at(k) - a.at(k))) < 1e-12
    digits = min(a.order - a.low, b.order - b.low, FRAME.width)
    assert made.order >= a.low - b.low + digits if a.terms else made.order == a.order - b.low
    assert made.meets == (a.meets and b.meets and b.low == 0)


@given(drawn())
def test_numbers_stand_on_either_side(a: Series) -> None:
    three = constant(arb(3), a)
    for op in (add, sub, mul, truediv):
        for number in (3, arb(3)):
            if isinstance(number, int):
                assert same(op(a, number), op(a, three))
                assert same(op(number, a), op(three, a))
            else:
                assert same(op(a, number), op(a, three))
    assert same(a.__rtruediv__(arb(3)), three / a)
    assert same(a.__rsub__(arb(3)), three - a)
    for op in (add, sub, mul, truediv):
        assert op(a, arb("nan")) is UNKNOWN
        assert op(a, arb("inf")) is UNKNOWN
        with pytest.raises(TypeError):
            op(a, "3")


def same(a: Any, b: Any) -> bool:
    if isinstance(a, Gap) or isinstance(b, Gap):
        return a is b
    parts = (a.low, a.order, len(a.terms)) == (b.low, b.order, len(b.terms))
    return parts and all(one.overlaps(other) for one, other in zip(a.terms, b.terms, strict=True))


@given(drawn())
def test_a_sign_is_that_of_the_first_term_and_of_nothing_there_is_none(a: Series) -> None:
    if a.terms:
        first = polynomial(a)[a.low]
        assert a.sign == (1 if first > 0 else -1)
    else:
        assert a.sign == (0 if a.order == ENDLESS else None)
    assert a.start is None if a.low < 0 or a.order <= 0 else a.start == a.at(0)
    assert a.bounded == (a.order >= 0 and (a.low >= 0 or not a.terms))
    assert series(0, [arb(0, 1)], 1, LIKE).sign is None
    known(a, LIKE, lambda one, _: {k: v for k, v in one.items() if k or a.low < 0}, a.moved())


def test_a_gap_stays_one_and_where_no_value_is_counts_more() -> None:
    one = constant(arb(2), LIKE)
    for op in (add, sub, mul, truediv):
        for gap in (NOWHERE, UNKNOWN):
            assert op(gap, one) is op(one, gap) is op(gap, 2) is gap
            assert op(NOWHERE, gap) is op(gap, NOWHERE) is NOWHERE
        assert op(UNKNOWN, UNKNOWN) is UNKNOWN
    assert -NOWHERE is NOWHERE.met(True) is NOWHERE
    assert -UNKNOWN is UNKNOWN.met(False) is UNKNOWN
    assert constant("no number", LIKE) is UNKNOWN


@given(drawn(), drawn())
def test_what_two_series_have_in_common_is_said_of_either(a: Series, b: Series) -> None:
    both, one_of = cut(a, b), either(a, b)
    assert both.meets == one_of.meets == (a.meets and b.meets)
    for k in range(-8, 16):
        x, y = a.at(k), b.at(k)
        if k < both.order:
            assert x == y == both.at(k)
            assert one_of.at(k) == x
    ends = int(both.order) if both.order < ENDLESS else 16
    if both.order < ENDLESS and a.at(ends) is not None and b.at(ends) is not None:
        assert a.at(ends) != b.at(ends)
        assert one_of.at(ends).contains(a.at(ends))
        assert one_of.at(ends).contains(b.at(ends))
        assert one_of.order == ends + 1
    else:
        assert one_of.order == both.order == min(a.order, b.order)


def test_a_remainder_is_known_by_its_order_alone() -> None:
    for order in (-2, 0, 3):
        made = remainder(order, LIKE)
        assert (made.order, made.terms, made.sign, made.bounded) == (order, (), None, order >= 0)
        assert made.at(order) is None
        assert made.at(order - 1) == 0


@pytest.mark.parametrize("low", [-2, 0, 3])
@pytest.mark.parametrize("zeros", [0, 1, 2])
def test_a_series_is_cut_to_its_width_behind_the_first_term_that_is_not_0(low: int, zeros: int) -> None:
    terms = [arb(0)] * zeros + [arb(1)] * (FRAME.width + 3) + [arb(0)] * 2
    made = series(low, terms, ENDLESS, LIKE)
    assert (made.low, len(made.terms), made.order) == (low + zeros, FRAME.width, low + zeros + FRAME.width)
    whole = series(low, terms[: zeros + FRAME.width], ENDLESS, LIKE)
    assert (whole.low, len(whole.terms), whole.order) == (low + zeros, FRAME.width, ENDLESS)
    short = series(low, terms, low + zeros + 2, LIKE)
    assert short.order == low + zeros + 2


# --- powers ---------------------------------------------------------------------------------------


def test_powers_of_nothing_are_nothing_but_where_they_are_not_known_or_nowhere() -> None:
    zero = constant(arb(0), LIKE)
    for exponent in (Fraction(1, 2), Fraction(2), Fraction(5, 3)):
        assert same(power(zero, exponent), zero)
        assert power(zero, -exponent) is NOWHERE
    assert same(power(zero, Fraction(0)), constant(arb(1), LIKE))
    small = remainder(3, LIKE)
    assert same(power(small, Fraction(2)), remainder(6, LIKE))
    for exponent in (Fraction(-1), Fraction(1, 2), Fraction(-1, 2)):
        assert power(small, exponent) is UNKNOWN


@given(drawn(), st.sampled_from((2, 3)), st.sampled_from((1, 2, -1, -3)))
def test_a_power_of_a_root_is_the_root_of_a_power(a: Series, root: int, whole: int) -> None:
    """What has an odd power of ``t`` at its head asks for a root of ``t``; below 0 there is none."""
    if not a.terms:
        return
    exponent = Fraction(whole, root)
    if a.sign == -1 and exponent.denominator > 1:
        assert power(a, exponent) is NOWHERE
        return
    if (a.low * exponent).denominator > 1:
        with pytest.raises(NeedsRoot) as needed:
            power(a, exponent)
        assert needed.value.index == (a.low * exponent).denominator
        return
    made, wanted = power(power(a, exponent), Fraction(root)), power(a, Fraction(whole))
    for k in range(-20, int(min(made.order, wanted.order, 20))):
        assert abs(float(made.at(k) - wanted.at(k))) < 1e-9 * (1 + abs(float(wanted.at(k))))
    assert made.order >= made.low + min(a.order - a.low, FRAME.width)
    assert made.meets == (a.meets and (exponent > 0 or a.low == 0))


@given(drawn(), st.integers(1, 5))
def test_a_whole_power_is_the_product_so_many_times(a: Series, n: int) -> None:
    made, wanted = power(a, Fraction(n)), a
    for _ in range(n - 1):
        wanted = wanted * a
    for k in range(-20, int(min(made.order, wanted.order, 20))):
        assert made.at(k) is not None
        assert abs(float(made.at(k) - wanted.at(k))) <= 1e-9 * (1 + abs(float(wanted.at(k))))


def test_a_power_of_an_infinity_is_no_number_and_ends_no_process() -> None:
    """That of FLINT's root does, where an infinity has a radius, as a sum with one has."""
    with working_precision(1_025):
        for value in (arb("inf"), arb("inf") + arb(0.8).sqrt(), arb(0, arb("inf")), arb("nan")):
            for exponent in (Fraction(1, 2), Fraction(2, 3), Fraction(4, 5), Fraction(3)):
                assert not powers._number_power(value, exponent).is_finite()
