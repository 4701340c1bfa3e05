"""Bounds of many numbers as arrays: what is known twice is met, what is not stays open, and no way loses a number."""

from __future__ import annotations

from fractions import Fraction
from math import inf, nan, nextafter
from typing import Any

import numpy as np
import pytest
from flint import arb
from hypothesis import given
from hypothesis import strategies as st

from gradcheck.bounds import Bounds, Enclosures, Known, outward
from gradcheck.case import check, climb
from gradcheck.exact import ends, matrices, middles
from gradcheck.exact.elements import ZERO, Undefined
from gradcheck.exact.matrices import BALLS
from gradcheck.formats import Ball, Dyadic, Estimate
from gradcheck.parse import parse
from gradcheck.reason import Kind, Reason
from gradcheck.settings import Settings
from table import inputs_of, texts

THIRD = Fraction(1, 3)


def test_two_bounds_of_the_same_numbers_meet_in_what_both_prove() -> None:
    why = np.array([0, 0, 0, 1], np.uint8)
    one = Bounds(np.array([1.0, 1.0, nan, nan]), np.array([4.0, 2.0, nan, nan]), why, ("domain log",))
    other = Bounds(np.array([2.0, nan, 5.0, nan]), np.array([8.0, nan, 6.0, nan]))
    both = one.meet(other)
    np.testing.assert_array_equal(both.lower, [2.0, 1.0, 5.0, nan])
    np.testing.assert_array_equal(both.upper, [4.0, 2.0, 6.0, nan])
    assert [both.reason(k) for k in range(4)] == [None, None, None, "domain log"]


def test_enclosures_are_equal_where_the_same_is_known_of_all_elements() -> None:
    known: list[Known] = [Ball.around(1.0), Estimate(Dyadic(1, 0), Dyadic(1, 1)), None]
    assert Enclosures.of(known) == Enclosures.of(known)
    assert Enclosures.of(known) != known
    for k, other in enumerate((None, None, Ball.around(1.0))):
        assert Enclosures.of(known) != Enclosures.of([*known[:k], other, *known[k + 1 :]])
    assert Enclosures.of(known) != Enclosures.of(known[:2])


def test_narrower_bounds_are_taken_where_they_are_numbers() -> None:
    held = Enclosures(4, Bounds(np.zeros(4), np.full(4, 8.0)))
    before = held.bounds.lower
    assert held.ends[0].tolist() == [0.0] * 4
    held.narrow([3, 1, 0], np.array([3.0, nan, 1.0]), np.array([4.0, 2.0, inf]))
    assert (held.lower.tolist(), held.upper.tolist()) == ([0.0, 0.0, 0.0, 3.0], [8.0, 8.0, 8.0, 4.0])
    assert before.tolist() == [0.0] * 4


def test_the_ends_of_balls_in_float64_hold_the_number_and_nothing_is_made_of_no_number() -> None:
    wide = arb(THIRD.numerator) / THIRD.denominator
    values = np.array([wide, arb(2), ZERO, Undefined(Reason(Kind.DOMAIN, "log")), arb("nan"), arb("inf")], dtype=object)
    low, high = ends(values)
    assert Fraction(low[0]) < THIRD < Fraction(high[0])
    assert high[0] - low[0] <= 4 * np.spacing(THIRD.numerator / THIRD.denominator)
    assert low[1] < 2 < high[1]
    assert low[2] < 0 < high[2]
    assert np.isnan([*low[3:], *high[3:]]).all()
    np.testing.assert_array_equal(middles(values), [1 / 3, 2.0, 0.0, nan, nan, nan])


@given(st.integers(-(2**70), 2**70), st.integers(-1140, 960), st.integers(0, 2**60))
def test_ends_are_rounded_outwards_and_no_farther_than_to_the_next_float(man: int, exp: int, width: int) -> None:
    low, high = Dyadic(man, exp), Dyadic(man + width, exp)
    down, up = outward(Ball(low, high))
    assert down == -inf or Dyadic.of(down) <= low
    assert up == inf or high <= Dyadic.of(up)
    assert nextafter(down, inf) == inf or low < Dyadic.of(nextafter(down, inf))
    assert nextafter(up, -inf) == -inf or Dyadic.of(nextafter(up, -inf)) < high


# --- ways that only large programs take -----------------------------------------------------------


@pytest.mark.parametrize("text", texts())
def test_however_many_elements_are_open_the_verdicts_are_the_same(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Above a limit whole arrays of balls decide first, and no closed form is held against them."""
    few = verdicts(text)
    monkeypatch.setattr(climb, "CROSS_CHECK_ELEMENTS", 0)
    assert verdicts(text) == few


def verdicts(text: str) -> list[Any]:
    """Return what is said of every number of a sample; how narrow the enclosures are is another matter."""
    settings = Settings(dtypes=("float64", "float32"))
    point = {name: array.tolist() for name, array in inputs_of(parse(text)).items()}
    found: list[Any] = []
    for outcome in check(text, settings=settings, **point):
        assert outcome.value is not None
        for one in (*outcome.gradients, outcome.value):
            found.append([(each.verdict, each.note, each.ulps is None) for each in one.judgements if each is not None])
    return found


SHAPES = (((3, 4), (4, 2)), ((2, 3, 4), (4, 2)), ((3, 4), (2, 4, 2)), ((2, 1, 3, 4), (3, 4, 1)), ((1, 5), (5, 1)))


@pytest.mark.parametrize(("left", "right"), SHAPES)
def test_flints_product_of_matrices_is_the_sum_of_products(
    left: tuple[int, ...], right: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is asked for one product of matrices after the other, from so many numbers on, and for numbers alone."""
    random = np.random.default_rng(5)
    a, b = (random.integers(-9, 9, shape) for shape in (left, right))
    wanted, asked, product = np.matmul(a, b), list[Any](), matrices._product
    pairs = wanted.size * a.shape[-1]

    def noted(*args: Any) -> Any:
        asked.append(args)
        return product(*args)

    monkeypatch.setattr(matrices, "_product", noted)
    for least, times in ((pairs, wanted.size // (a.shape[-2] * b.shape[-1])), (pairs + 1, 0)):
        monkeypatch.setattr(matrices, "LEAST", least)
        asked.clear()
        np.testing.assert_array_equal(BALLS.matmul(in_balls(a), in_balls(b)).astype(float), wanted)
        assert len(asked) == times
    monkeypatch.setattr(matrices, "LEAST", 0)
    for mixed in (in_balls(a), in_balls(b)):
        for nothing in (ZERO, arb("nan")):
            mixed.reshape(-1)[-1] = nothing
            BALLS.matmul(*((mixed, in_balls(b)) if mixed.shape == a.shape else (in_balls(a), mixed)))
            assert not asked


in_balls = np.frompyfunc(lambda one: arb(int(one)), 1, 1)
