"""Formats and enclosures against bit patterns, fractions, numpy and torch."""

import struct
from bisect import bisect_right
from collections.abc import Iterator
from fractions import Fraction
from functools import cache
from itertools import pairwise
from math import ceil, copysign, inf, isfinite, isnan, log10, nan, nextafter

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from gradcheck.formats import EXACT_DIGITS, FORMATS, LEAST_DISTANCE, Ball, Dyadic, Format, exact_text, order

LAYOUTS = {"float64": ("d", "Q", 64), "float32": ("f", "I", 32), "bfloat16": ("f", "I", 16), "float16": ("e", "H", 16)}
"""How ``struct`` reads each format, and its bits; bfloat16 is the upper half of a float32."""

ALL = pytest.mark.parametrize("fmt", FORMATS.values(), ids=FORMATS)
SMALL = pytest.mark.parametrize("fmt", [f for f in FORMATS.values() if LAYOUTS[f.name][2] == 16], ids=lambda f: f.name)


def decode(fmt: Format, pattern: int) -> float:
    """Return the number with the bits ``pattern``: for positive numbers the pattern is the ordinal."""
    real, unsigned, bits = LAYOUTS[fmt.name]
    wide = pattern << (struct.calcsize(unsigned) * 8 - bits)
    value: float = struct.unpack(real, struct.pack(unsigned, wide))[0]
    return value


def infinity(fmt: Format) -> int:
    """Return the pattern of infinity."""
    return (1 << (LAYOUTS[fmt.name][2] - 1)) - (1 << (fmt.precision - 1))


@cache
def positives(fmt: Format) -> tuple[float, ...]:
    """Return every number of a small format from 0 to its largest."""
    return tuple(decode(fmt, pattern) for pattern in range(infinity(fmt)))


def borders(fmt: Format) -> Iterator[int]:
    """Yield patterns around zero, the subnormal border, borders of binades and the largest number."""
    binade = 1 << (fmt.precision - 1)
    one = fmt.ordinal(1.0)
    for middle in (3, binade // 2, binade, 2 * binade, one, one + binade, infinity(fmt) - 4):
        yield from range(middle - 3, middle + 4)


def patterns(fmt: Format) -> st.SearchStrategy[int]:
    return st.one_of(st.sampled_from(list(borders(fmt))), st.integers(0, infinity(fmt) - 1))


FORMAT_AND_PATTERN = st.sampled_from(list(FORMATS.values())).flatmap(lambda f: st.tuples(st.just(f), patterns(f)))


def position(fmt: Format, real: Fraction) -> Fraction:
    """Return the interpolated ordinal of a real number from 0 to the largest, found by bisection over the bits."""
    low, high = 0, infinity(fmt) - 1
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if Fraction(decode(fmt, middle)) <= real else (low, middle - 1)
    below = Fraction(decode(fmt, low))
    return Fraction(low) if below == real else low + (real - below) / (Fraction(decode(fmt, low + 1)) - below)


# --- dyadic numbers and balls -------------------------------------------------------------------

DYADICS = st.builds(Dyadic, st.integers(-(2**70), 2**70), st.integers(-80, 80))


def fraction(number: Dyadic) -> Fraction:
    return number.man * Fraction(2) ** number.exp


@given(DYADICS, DYADICS)
def test_dyadic_numbers_compare_as_fractions_do(a: Dyadic, b: Dyadic) -> None:
    x, y = fraction(a), fraction(b)
    assert (a < b, a <= b, a == b, a != b, a >= b, a > b) == (x < y, x <= y, x == y, x != y, x >= y, x > y)
    sign = order(a, b)
    assert (sign > 0) - (sign < 0) == (x > y) - (x < y)


@given(DYADICS, st.integers(0, 90))
def test_equal_dyadic_numbers_have_one_hash(a: Dyadic, zeros: int) -> None:
    b = Dyadic(a.man << zeros, a.exp - zeros)
    assert a == b
    assert hash(a) == hash(b) or a.man == 0


def test_a_dyadic_number_equals_no_other_thing() -> None:
    assert Dyadic(0, 1) == Dyadic(0, 5)
    assert hash(Dyadic(0, 1)) == hash(Dyadic(0, 5))
    assert Dyadic(1, 0) != "1"
    assert Dyadic(1, 0) != (1, 0)


@pytest.mark.parametrize("exp", [10**9, 10**30])
def test_astronomic_exponents_cost_nothing(exp: int) -> None:
    ends = [Dyadic(-1, exp), Dyadic(-1, -exp), Dyadic(0, exp), Dyadic(3, -exp), Dyadic(1, 0), Dyadic(1, exp)]
    assert sorted(ends) == ends
    wide = Ball(ends[1], ends[-1])
    assert wide.midpoint == Dyadic(1, exp - 1)
    assert wide.contains(1.0)
    assert wide.overlaps(Ball(ends[0], ends[0])) is False
    assert wide.hull(Ball(ends[0], ends[0])) == Ball(ends[0], ends[-1])


@pytest.mark.parametrize("zeros", [0, 100, 20000])
def test_the_midpoint_lies_in_the_ball_however_its_ends_are_written(zeros: int) -> None:
    for a, b in ((1, 1), (1, 3), (-5, 2), (0, 4), (-4, 0)):
        for ball in (Ball(Dyadic(a << zeros, -zeros), Dyadic(b, 0)), Ball(Dyadic(a, 0), Dyadic(b << zeros, -zeros))):
            assert ball.midpoint == Dyadic(a + b, -1)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_of_is_exact(value: float) -> None:
    assert fraction(Dyadic.of(value)) == Fraction(value)


@given(DYADICS, DYADICS, DYADICS, st.fractions())
def test_balls_are_intervals(a: Dyadic, b: Dyadic, c: Dyadic, real: Fraction) -> None:
    ball, point = Ball(min(a, b), max(a, b)), Ball(c, c)
    x, y, z = fraction(ball.lower), fraction(ball.upper), fraction(c)
    assert fraction(ball.midpoint) == (x + y) / 2
    assert ball.contains(real) == (x <= real <= y)
    assert ball.contains(z) == ball.overlaps(point) == point.overlaps(ball) == (x <= z <= y)
    assert ball.exact == (x == y)
    hull = ball.hull(point)
    assert (fraction(hull.lower), fraction(hull.upper)) == (min(x, z), max(y, z))


@pytest.mark.parametrize("value", [nan, inf, -inf])
def test_a_ball_contains_no_infinity(value: float) -> None:
    assert not Ball(Dyadic(-1, 2000), Dyadic(1, 2000)).contains(value)


@given(DYADICS, DYADICS, st.integers(1, 40))
def test_decimals_contain_the_ball_and_are_tight(a: Dyadic, b: Dyadic, digits: int) -> None:
    ball = Ball(min(a, b), max(a, b))
    low, high = map(Fraction, ball.decimals(digits))
    for outside, end in ((fraction(ball.lower) - low, ball.lower), (high - fraction(ball.upper), ball.upper)):
        assert 0 <= outside <= abs(fraction(end)) * Fraction(10) ** (1 - digits)


@given(st.integers(-(10**12), 10**12), st.integers(-12, 40))
def test_decimals_that_fit_are_exact(man: int, exp: int) -> None:
    number = Dyadic(man, exp)
    assert list(map(Fraction, Ball(number, number).decimals(30))) == [fraction(number)] * 2


@pytest.mark.parametrize(
    ("lower", "upper", "digits", "texts"),
    [
        (Dyadic(93, 0), Dyadic(93, 0), 5, ("93", "93")),
        (Dyadic(0, 9), Dyadic(1, -1), 5, ("0", "0.5")),
        (Dyadic(-1, -20), Dyadic(1, -20), 3, ("-9.54e-07", "9.54e-07")),
        (Dyadic(-2, 0), Dyadic(1000, 0), 2, ("-2", "1000")),
        (Dyadic(5**200, 200), Dyadic(5**200, 200), 1, ("1e+200", "1e+200")),
        (Dyadic(1, 10**9), Dyadic(1, 10**9), 4, ("4.612e+301029995", "4.613e+301029995")),
        (Dyadic(-1, -(10**9)), Dyadic(1, -(10**9)), 4, ("-2.168e-301029996", "2.168e-301029996")),
    ],
)
def test_decimals_are_written_as_floats_are(lower: Dyadic, upper: Dyadic, digits: int, texts: tuple[str, str]) -> None:
    assert Ball(lower, upper).decimals(digits) == texts


def test_decimals_beyond_the_reach_of_decimals_are_still_bounds() -> None:
    huge, tiny = Dyadic(1, 10**30), Dyadic(1, -(10**30))
    low, high = Ball(huge, huge).decimals(3)
    assert (low[:5], high) == ("9.99e", "inf")
    low, high = Ball(tiny, tiny).decimals(3)
    assert low == "0"
    assert high.startswith("1e-")


# --- formats ------------------------------------------------------------------------------------


@ALL
def test_limits_are_those_of_torch(fmt: Format) -> None:
    info = torch.finfo(getattr(torch, fmt.name))
    assert (fmt.largest, fmt.smallest_normal) == (info.max, info.tiny)
    assert (fmt.smallest_subnormal, fmt.unit_roundoff) == (decode(fmt, 1), info.eps / 2)


@SMALL
def test_ordinals_are_the_bit_patterns(fmt: Format) -> None:
    for pattern in range(infinity(fmt) + 1):
        value = decode(fmt, pattern)
        assert (fmt.ordinal(value), fmt.ordinal(-value)) == (pattern, -pattern)


@given(FORMAT_AND_PATTERN)
def test_ordinals_are_the_bit_patterns_everywhere(given_: tuple[Format, int]) -> None:
    fmt, pattern = given_
    value = decode(fmt, pattern)
    assert (fmt.ordinal(value), fmt.ordinal(-value)) == (pattern, -pattern)


@ALL
def test_infinity_comes_after_the_largest(fmt: Format) -> None:
    assert fmt.ordinal(inf) == -fmt.ordinal(-inf) == fmt.ordinal(fmt.largest) + 1 == infinity(fmt)


@ALL
def test_ordinals_of_other_formats_numbers_are_refused(fmt: Format) -> None:
    with pytest.raises(ValueError, match=r".+"):
        fmt.ordinal(nan)
    for value in (fmt.largest * 2, fmt.smallest_subnormal * 1.5, nextafter(1.0, 2.0)):
        if fmt.precision < 53:
            with pytest.raises(ValueError, match=f"is not a number of {fmt.name}"):
                fmt.ordinal(value)


def check_rounding(fmt: Format, pattern: int) -> None:
    """Check the midpoint of two neighbours, and the reals a hair from it."""
    low, high = decode(fmt, pattern), decode(fmt, pattern + 1)
    if not isfinite(high):  # The border of overflow lies where the next number would be, had it an exponent.
        step = Fraction(low) - Fraction(decode(fmt, pattern - 1))
        middle, even = Fraction(low) + step / 2, high
    else:
        middle, even = (Fraction(low) + Fraction(high)) / 2, high if pattern % 2 else low
    hair = middle / 2**200
    rounded = fmt.round(middle - hair), fmt.round(middle), fmt.round(middle + hair), fmt.round(Fraction(low))
    assert rounded == (low, even, high, low)
    assert fmt.round(-middle) == -even


@SMALL
def test_every_midpoint_rounds_to_even(fmt: Format) -> None:
    for pattern in range(infinity(fmt)):
        check_rounding(fmt, pattern)


@given(FORMAT_AND_PATTERN)
def test_midpoints_round_to_even_everywhere(given_: tuple[Format, int]) -> None:
    check_rounding(*given_)


@given(st.fractions())
def test_float64_rounds_as_python_divides(value: Fraction) -> None:
    assert FORMATS["float64"].round(value) == value.numerator / value.denominator


@given(st.one_of(st.floats(allow_nan=False, allow_infinity=False), st.floats(width=32, allow_nan=False)))
def test_rounding_is_numpys_cast(value: float) -> None:
    if not isfinite(value):
        return
    for name in ("float32", "float16"):
        with np.errstate(over="ignore", under="ignore"):
            expected = float(np.dtype(name).type(value))
        assert FORMATS[name].round(Fraction(value)) == expected
        assert FORMATS[name].round_dyadic(Dyadic.of(value)) == expected


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_rounding_is_torchs_cast(value: float) -> None:
    for fmt in FORMATS.values():
        expected = torch.tensor(value, dtype=torch.float32).to(getattr(torch, fmt.name)).item()
        assert fmt.round(Fraction(value)) == expected


@ALL
@given(number=DYADICS)
def test_round_dyadic_is_round(fmt: Format, number: Dyadic) -> None:
    assert fmt.round_dyadic(number) == fmt.round(fraction(number))


@ALL
def test_huge_fractions_round(fmt: Format) -> None:
    big = 10**20000
    assert fmt.round(Fraction(big)) == inf
    assert fmt.round(Fraction(-big, 7)) == -inf
    assert fmt.round(Fraction(1, big)) == 0.0
    assert copysign(1, fmt.round(Fraction(-1, big))) == -1
    assert fmt.round(Fraction(big + 1, big)) == 1.0
    assert [fmt.round_dyadic(Dyadic(m, e)) for m, e in ((1, 10**9), (-1, 10**9), (1, -(10**9)), (0, 10**9))] == [
        inf,
        -inf,
        0,
        0,
    ]


# --- distances ----------------------------------------------------------------------------------


def up(x: Fraction) -> float:
    """Return the least float that is not below ``x``."""
    near = x.numerator / x.denominator
    return nextafter(near, inf) if Fraction(near) < x else near


@given(FORMAT_AND_PATTERN, st.data())
def test_distance_is_the_difference_of_interpolated_ordinals(given_: tuple[Format, int], data: st.DataObject) -> None:
    fmt, pattern = given_
    low, high = Fraction(decode(fmt, pattern)), Fraction(decode(fmt, min(pattern + 1, infinity(fmt) - 1)))
    real = low + (high - low) * data.draw(st.integers(0, 2**60)) / 2**60
    number = Dyadic(real.numerator, 1 - real.denominator.bit_length())
    near = st.integers(-5, 5).map(lambda steps: min(max(pattern + steps, 0), infinity(fmt) - 1))
    other = data.draw(st.one_of(near, patterns(fmt)))
    value, place = decode(fmt, other), position(fmt, real)
    assert (
        fmt.distance(value, number) == fmt.distance(-value, Dyadic(-number.man, number.exp)) == up(abs(place - other))
    )
    assert fmt.distance(-value, number) == up(place + other)


@ALL
def test_distance_counts_numbers_across_borders(fmt: Format) -> None:
    for pattern in borders(fmt):
        for other in borders(fmt):
            distance = fmt.distance(decode(fmt, pattern), Dyadic.of(decode(fmt, other)))
            assert distance == up(Fraction(abs(pattern - other)))


@ALL
def test_the_scale_goes_on_beyond_the_largest(fmt: Format) -> None:
    binade = 2.0 ** (fmt.precision - 1)
    double = Dyadic.of(fmt.largest)._replace(exp=Dyadic.of(fmt.largest).exp + 1)
    assert fmt.distance(fmt.largest, double) == binade
    assert fmt.distance(inf, Dyadic(1, fmt.emax + 1)) == 0.0
    assert fmt.distance(inf, Dyadic(3, fmt.emax)) == binade / 2
    assert fmt.distance(fmt.largest, Dyadic(1, fmt.emax + 1)) == 1.0


@ALL
def test_the_scale_is_linear_below_the_smallest(fmt: Format) -> None:
    least = Dyadic.of(fmt.smallest_subnormal)
    for halvings in (1, 2, 10, 900):
        assert fmt.distance(0.0, Dyadic(-1, least.exp - halvings)) == 2.0**-halvings
    assert fmt.distance(fmt.smallest_subnormal, Dyadic(-1, least.exp - 1)) == 1.5


@ALL
def test_distance_from_astronomic_numbers(fmt: Format) -> None:
    binade = 2.0 ** (fmt.precision - 1)
    assert fmt.distance(1.0, Dyadic(1, 10**9)) == 10**9 * binade
    assert fmt.distance(1.0, Dyadic(1, 10**400)) == inf
    assert fmt.distance(0.0, Dyadic(1, -(10**9))) == LEAST_DISTANCE
    assert fmt.distance(0.0, Dyadic(0, 10**9)) == 0.0
    assert fmt.distance(1.0, Dyadic(1, -(10**9))) == fmt.ordinal(1.0)
    assert fmt.distance(1.0, Dyadic(-1, -(10**9))) == up(fmt.ordinal(1.0) + Fraction(1, 2**1000))
    assert fmt.distance(1.0, Dyadic((1 << 4000) + 1, -4000)) == LEAST_DISTANCE


@ALL
def test_a_value_of_nan_has_no_distance(fmt: Format) -> None:
    with pytest.raises(ValueError, match=r".+"):
        fmt.distance(nan, Dyadic(1, 0))


# --- text ---------------------------------------------------------------------------------------


def digits_of(text: str) -> str:
    return text.lstrip("-").split("e")[0].replace(".", "").strip("0")


def shorter_decimals(value: Fraction, digits: int) -> tuple[Fraction, Fraction]:
    """Return the decimals of ``digits`` digits on both sides of a positive number."""
    exponent = len(str(value.numerator)) - len(str(value.denominator))
    exponent -= value < Fraction(10) ** exponent
    unit = Fraction(10) ** (exponent - digits + 1)
    return value // unit * unit, (value // unit + 1) * unit


@SMALL
def test_text_is_the_shortest_that_reads_back(fmt: Format) -> None:
    numbers = list(map(Fraction, positives(fmt)))
    numbers.append(2 * numbers[-1] - numbers[-2])
    middles = [(low + high) / 2 for low, high in pairwise(numbers)]

    def reads_back(real: Fraction, pattern: int) -> bool:
        place = bisect_right(middles, real, max(pattern - 2, 0), min(pattern + 2, len(middles)))
        tie = place > 0 and middles[place - 1] == real
        return place - (tie and place % 2) == pattern

    for pattern in range(1, len(numbers) - 1, 1 if fmt.precision < 10 else 3):
        text = fmt.text(float(numbers[pattern]))
        assert reads_back(Fraction(text), pattern), text
        count = len(digits_of(text))
        if count > 1:
            assert not any(reads_back(real, pattern) for real in shorter_decimals(numbers[pattern], count - 1)), text


@SMALL
def test_text_of_every_pattern_rounds_to_the_same_number(fmt: Format) -> None:
    for value in positives(fmt):
        text = fmt.text(-value)
        assert text.startswith("-")
        assert fmt.round(Fraction(text)) == -value


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_float32_text_has_the_digits_that_numpy_prints(value: float) -> None:
    text = FORMATS["float32"].text(value)
    assert np.float32(text) == np.float32(value)
    assert len(digits_of(text)) == len(digits_of(str(np.float32(value))))


@given(st.floats())
def test_float64_text_is_pythons(value: float) -> None:
    expected = repr(value)
    assert FORMATS["float64"].text(value) == ("nan" if isnan(value) else expected.removesuffix(".0"))


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("float32", float(np.float32(0.1)), "0.1"),
        ("float16", float(np.float16(0.1)), "0.1"),
        ("bfloat16", 0.10009765625, "0.1"),
        ("float32", 93.0, "93"),
        ("float32", 1e10, "10000000000"),
        ("float32", float(np.float32(1e16)), "1e+16"),
        ("float32", float(np.float32(1.5e-7)), "1.5e-07"),
        ("float32", 2.0**-149, "1e-45"),
        ("float32", -0.0, "-0"),
        ("float16", -1.5, "-1.5"),
        ("bfloat16", inf, "inf"),
        ("bfloat16", -inf, "-inf"),
        ("float16", nan, "nan"),
    ],
)
def test_text_examples(name: str, value: float, text: str) -> None:
    assert FORMATS[name].text(value) == text


def test_text_of_a_number_of_another_format_is_refused() -> None:
    with pytest.raises(ValueError, match=r"0\.1 is not a number of float32"):
        FORMATS["float32"].text(0.1)


@ALL
def test_an_astronomic_number_is_shown_by_the_last_decimal(fmt: Format) -> None:
    digits = "9." + "9" * (EXACT_DIGITS[fmt.name] - 1)
    for man, sign in ((1, ""), (-1, "-")):
        beyond = Dyadic(man, 10**19)
        assert exact_text(Ball(beyond, beyond), fmt) == f"{sign}{digits}e+999999999999999999"


def test_the_names_are_the_keys() -> None:
    assert {name: fmt.name for name, fmt in FORMATS.items()} == {name: name for name in LAYOUTS}


@ALL
@pytest.mark.parametrize(("low", "high"), [(-3, 1), (-1, 3), (-1, 1), (-2, 1)])
def test_a_ball_around_0_is_told_by_its_farther_end(low: int, high: int, fmt: Format) -> None:
    bound = float(exact_text(Ball(Dyadic(low, -10), Dyadic(high, -10)), fmt).removeprefix("|.| < "))
    assert max(-low, high) * 2.0**-10 <= bound < 1.1 * max(-low, high) * 2.0**-10


@ALL
def test_an_exact_number_has_one_digit_more_than_tell_all_numbers_of_its_dtype_apart(fmt: Format) -> None:
    third = Ball(Dyadic((1 << 200) // 3, -200), Dyadic((1 << 200) // 3 + 1, -200))
    shown = len(exact_text(third, fmt).removeprefix("0."))
    assert shown == ceil(1 + fmt.precision * log10(2)) + 1
