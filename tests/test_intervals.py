"""The arithmetic of machine intervals: what it makes of numbers inside is inside, by fractions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from gradcheck.exact.machine import arithmetic, sums
from gradcheck.exact.machine.arithmetic import TINY, Interval, compare, rational

COUNT, SEED = 400, 20261126
WIDTHS = ("integers", "numbers", "intervals", "some exact", "wide")
Numbers = list[Fraction]


@pytest.fixture(autouse=True)
def _quiet() -> Any:
    with np.errstate(all="ignore"):
        yield


def draw(rng: np.random.Generator, width: str, *, far: bool) -> Interval:
    """Return intervals of a kind; ``far`` ones reach from the subnormal numbers to the largest."""
    mid = np.ldexp(rng.uniform(-1, 1, COUNT), rng.integers(-1073, 1023, COUNT) if far else rng.integers(-40, 40, COUNT))
    mid = np.where(rng.random(COUNT) < 0.1, 0.0, mid)
    if width == "integers":
        return Interval(np.round(rng.uniform(-8, 8, COUNT)))
    if width == "numbers":
        return Interval(mid)
    rad = np.abs(mid) * 2.0 ** -rng.integers(0, 60, COUNT).astype(np.float64)
    if width == "some exact":
        return Interval(mid, np.where(rng.random(COUNT) < 0.5, 0.0, rad))
    return Interval(mid, rad + np.where(rng.random(COUNT) < 0.1, TINY, 0.0) if width == "wide" else rad)


def inside(rng: np.random.Generator, a: Interval) -> Numbers:
    """Return a number inside of each interval, also its ends."""
    rads = np.broadcast_to(a.rad, a.mid.shape)
    places = [Fraction(int(one), 8) for one in rng.integers(-8, 9, COUNT)]
    return [_fraction(mid) + t * _fraction(rad) for mid, rad, t in zip(a.mid, rads, places, strict=True)]


def _fraction(value: Any) -> Fraction:
    return Fraction(float(value))


def assert_inside(found: Interval, wanted: Sequence[Fraction | None]) -> None:
    """Demand that the numbers lie in the intervals, and that nothing is proven where there is None."""
    mids = np.ravel(found.mid)
    rads = np.broadcast_to(found.rad, np.shape(found.mid)).ravel()
    for mid, rad, one in zip(mids, rads, wanted, strict=True):
        if np.isfinite(mid) and np.isfinite(rad):
            assert one is not None
            assert abs(_fraction(mid) - one) <= _fraction(rad), (mid, rad, one)


OPERATIONS: dict[str, Callable[[Fraction, Fraction], Fraction | None]] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "div": lambda a, b: a / b if b else None,
    "hull": lambda a, _: a,
}
COMPARISONS: dict[str, Callable[[Fraction, Fraction], bool]] = {
    "lt": lambda a, b: a < b, "le": lambda a, b: a <= b, "gt": lambda a, b: a > b, "ge": lambda a, b: a >= b,
    "eq": lambda a, b: a == b, "ne": lambda a, b: a != b,
}  # fmt: skip


@pytest.mark.parametrize("far", [False, True])
@pytest.mark.parametrize("right", WIDTHS)
@pytest.mark.parametrize("left", WIDTHS)
def test_operations_and_comparisons_hold_of_all_numbers_inside(left: str, right: str, far: bool) -> None:
    rng = np.random.default_rng(SEED)
    a, b = draw(rng, left, far=far), draw(rng, right, far=far)
    x, y = inside(rng, a), inside(rng, b)
    for name, operation in OPERATIONS.items():
        assert_inside(getattr(arithmetic, name)(a, b), list(map(operation, x, y)))
    for name, comparison in COMPARISONS.items():
        truth, wanted = compare(name, a, b), np.array(list(map(comparison, x, y)))
        assert not (truth.yes & ~wanted).any()
        assert not (truth.no & wanted).any()


@pytest.mark.parametrize("far", [False, True])
@pytest.mark.parametrize("right", WIDTHS)
@pytest.mark.parametrize("left", WIDTHS)
def test_intervals_are_no_wider_than_what_the_ends_make_of_each_other(left: str, right: str, far: bool) -> None:
    """But for the rounding of the midpoint, that of the radius, and what is lost below the normal numbers."""
    rng = np.random.default_rng(SEED)
    a, b = draw(rng, left, far=far), draw(rng, right, far=far)
    corners = [(x, y) for x in corner(a) for y in corner(b)]
    for name in ("add", "sub", "mul", "div"):
        found = getattr(arithmetic, name)(a, b)
        made = [[OPERATIONS[name](*pair) for pair in zip(x, y, strict=True)] for x, y in corners]
        for k, ends in enumerate(zip(*made, strict=True)):
            assert_narrow(found, k, ends, b)


def corner(a: Interval) -> list[Numbers]:
    """Return the lower ends, and the upper ends."""
    rads = np.broadcast_to(a.rad, a.mid.shape)
    return [[_fraction(m) + sign * _fraction(r) for m, r in zip(a.mid, rads, strict=True)] for sign in (-1, 1)]


def assert_narrow(found: Interval, k: int, ends: Sequence[Fraction | None], divisor: Interval) -> None:
    """Demand that one interval reaches as far as the ends do, and hardly farther; what is 0 or overflows is let go."""
    mid, rad = np.ravel(found.mid)[k], np.broadcast_to(found.rad, np.shape(found.mid)).ravel()[k]
    known = [one for one in ends if one is not None]
    if len(known) < len(ends) or min(known) * max(known) < 0 or not np.isfinite(mid) or not np.isfinite(rad):
        return
    reach = max(abs(one - _fraction(mid)) for one in known)
    lost = abs(_fraction(mid)) * Fraction(3 * arithmetic.UNIT) + 4 * _fraction(TINY) * (1 + 1 / smallest(divisor, k))
    assert _fraction(rad) <= reach * (1 + Fraction(1, 2**45)) + lost, (mid, rad, ends)


def smallest(divisor: Interval, k: int) -> Fraction:
    size = abs(_fraction(divisor.mid[k])) - _fraction(np.broadcast_to(divisor.rad, divisor.mid.shape)[k])
    return size if size > 0 else Fraction(1)


@pytest.mark.parametrize("far", [False, True])
@pytest.mark.parametrize("width", WIDTHS)
def test_powers_and_sums_hold_of_all_numbers_inside(width: str, far: bool) -> None:
    rng = np.random.default_rng(SEED)
    a = draw(rng, width, far=far)
    x = inside(rng, a)
    for n in (-3, -1, 0, 1, 2, 5):
        assert_inside(arithmetic.power(a, n), [one**n if one or n >= 0 else None for one in x])
    for terms in (1, 4, 16, 17, 400):
        first = Interval(a.mid[:terms], a.rad if a.is_exact else a.rad[:terms])
        assert_inside(sums.total(first, (0,)), [sum(x[:terms], Fraction(0))])
    assert_inside(sums.running(a, 0), [sum(x[: k + 1], Fraction(0)) for k in range(COUNT)])


@pytest.mark.parametrize("far", [False, True])
@pytest.mark.parametrize("right", WIDTHS)
@pytest.mark.parametrize("left", WIDTHS)
def test_products_of_matrices_hold_of_all_numbers_inside(left: str, right: str, far: bool) -> None:
    rng = np.random.default_rng(SEED)
    a, b = draw(rng, left, far=far), draw(rng, right, far=far)
    x, y = (np.array(inside(rng, one), dtype=object).reshape(20, 20) for one in (a, b))
    square = [Interval(one.mid.reshape(20, 20), one.rad if one.is_exact else one.rad.reshape(20, 20)) for one in (a, b)]
    assert_inside(sums.matmul(*square), list((x @ y).ravel()))
    wide = Interval(a.mid.reshape(2, 200), a.rad if a.is_exact else a.rad.reshape(2, 200))
    tall = Interval(b.mid.reshape(200, 2), b.rad if b.is_exact else b.rad.reshape(200, 2))
    assert_inside(sums.matmul(wide, tall), list((x.reshape(2, 200) @ y.reshape(200, 2)).ravel()))


@pytest.mark.parametrize("name", ["mul", "div"])
def test_an_exact_zero_times_what_is_not_known_is_not_known(name: str) -> None:
    zero = Interval(np.zeros(3))
    unknown = Interval(np.array([np.nan, 1.0, TINY]), np.array([0.0, np.nan, 2 * TINY]))
    found = getattr(arithmetic, name)(zero, unknown)
    known = np.isfinite(found.mid) & np.isfinite(found.rad)
    assert list(known) == [False, False, name == "mul"]


@pytest.mark.parametrize("factor", [2.0, -0.5, 2.0**-300, 2.0**300])
@pytest.mark.parametrize("far", [False, True])
@pytest.mark.parametrize("width", WIDTHS)
def test_products_with_a_power_of_two_hold_and_lose_nothing(width: str, far: bool, factor: float) -> None:
    rng = np.random.default_rng(SEED)
    a, two = draw(rng, width, far=far), Interval(np.float64(factor))
    x = inside(rng, a)
    assert_inside(arithmetic.mul(a, two), [one * Fraction(factor) for one in x])
    assert_inside(arithmetic.div(a, two), [one / Fraction(factor) for one in x])
    assert far or arithmetic.mul(a, two).is_exact == a.is_exact


def test_the_nearest_ends_are_nearest() -> None:
    a = Interval(np.array([1.0, 1.0, 1.0]), np.array([0.5, 2.0**-60, 0.0]))
    low, high = arithmetic.tight(a)
    np.testing.assert_array_equal(low, [0.5, np.nextafter(1, 0), 1.0])
    np.testing.assert_array_equal(high, [1.5, np.nextafter(1, 2), 1.0])


@pytest.mark.parametrize(
    "value", [Fraction(1, 3), Fraction(-1, 10), Fraction(5, 4), Fraction(10) ** 400, Fraction(1, 10**400)]
)
def test_a_rational_number_lies_in_its_interval(value: Fraction) -> None:
    assert_inside(rational(value), [value])
