"""Points: every form of ``--at``, whole error texts, limits, files, Python objects; no text raises anything else."""

from __future__ import annotations

import itertools
import json
import math
import time
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import mpmath
import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gradcheck.errors import FileProblem, GradcheckError, LimitProblem, PointProblem, UsageProblem
from gradcheck.functions import ALIASES, ELEMENTWISE
from gradcheck.points import Value, files, parse_points, to_value
from gradcheck.points.cursor import TENSORS
from gradcheck.points.functions import FUNCTIONS
from gradcheck.points.words import listed

INF = math.inf


def brief(value: Value) -> object:
    """Return a scalar as its number, and a tensor as its shape and numbers."""
    numbers = list(value.numbers if isinstance(value.numbers, tuple) else value.numbers.tolist())
    return numbers[0] if value.shape == () else (value.shape, numbers)


def read(texts: str | Sequence[str], inputs: str = "x", **options: object) -> list[tuple[object, ...]]:
    """Return the points as tuples in the order of the inputs."""
    texts = [texts] if isinstance(texts, str) else texts
    found = parse_points(texts, inputs.split(), **options)  # type: ignore[arg-type]
    assert all(list(point) == inputs.split() for point in found)
    return [tuple(map(brief, point.values())) for point in found]


# --- numbers ------------------------------------------------------------------------------------

NUMBERS: dict[str, Fraction | float] = {
    "2": Fraction(2),
    "  2  ": Fraction(2),
    "-1.5": Fraction(-3, 2),
    "+1.5": Fraction(3, 2),
    "--1": Fraction(1),
    "0.1": Fraction(1, 10),
    ".5": Fraction(1, 2),
    "5.": Fraction(5),
    "-0.0": Fraction(0),
    "1e-3": Fraction(1, 1000),
    "1E+3": Fraction(1000),
    "1_000.000_1e1_0": Fraction(10_000_001, 10**4) * 10**10,
    "1e400": Fraction(10**400),
    "1e5000": Fraction(10**5000),
    "1e-5000": Fraction(1, 10**5000),
    "0x1.8p-3": Fraction(3, 16),
    "-0x1p-1074": -Fraction(1, 2**1074),
    "0X.8P1": Fraction(1),
    "0x1.": Fraction(1),
    "0xff": Fraction(255),
    "0xf_f.0_8": Fraction(255) + Fraction(8, 256),
    "1/3": Fraction(1, 3),
    "2**-10": Fraction(1, 1024),
    "-2**2": Fraction(-4),
    "(-2)**2": Fraction(4),
    "2**3**2": Fraction(512),
    "2**-1**2": Fraction(1, 2),
    "0**0": Fraction(1),
    "1/2/2": Fraction(1, 4),
    "1 - 2 - 3": Fraction(-4),
    "1 + 2 * 3": Fraction(7),
    "-(1 - 1/4) * 2": Fraction(-3, 2),
    "inf": INF,
    "+inf": INF,
    "-inf": -INF,
    "(-inf)": -INF,
}


@pytest.mark.parametrize("text", NUMBERS)
def test_a_number_is_the_exact_number_written(text: str) -> None:
    assert read(text) == [(NUMBERS[text],)]
    assert read(f"x={text}") == [(NUMBERS[text],)]
    assert read(f"[{text}]") == [(((1,), [NUMBERS[text]]),)]


@pytest.mark.parametrize(("name", "value"), [("pi", mpmath.pi), ("e", mpmath.e)])
def test_a_constant_has_more_than_a_hundred_correct_digits(name: str, value: mpmath.mpf) -> None:
    [(number,)] = read(name)
    assert isinstance(number, Fraction)
    with mpmath.workdps(150):
        assert abs(mpmath.mpf(number.numerator) / number.denominator - value) < mpmath.mpf(10) ** -114
    assert read(f"{name}/2") == [(number / 2,)]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_of_a_number_is_that_of_the_table_to_more_than_a_hundred_digits(name: str) -> None:
    row = ELEMENTWISE[name]
    for (sample,) in row.samples:
        [(number,)] = read(f"{name}({sample})")
        assert isinstance(number, Fraction)
        with mpmath.workdps(200):
            argument = mpmath.mpf(Fraction(sample).numerator) / Fraction(sample).denominator
            value = row.oracle(mpmath, argument)
            error = abs(mpmath.mpf(number.numerator) / number.denominator - value)
            assert error <= abs(value) * mpmath.mpf(10) ** -140
    for (sample,) in row.outside:
        with pytest.raises(PointProblem, match="has no value"):
            read(f"{name}({sample})")


@pytest.mark.parametrize(("alias", "name"), [(alias, name) for alias, name in ALIASES.items() if name in FUNCTIONS])
def test_a_function_of_a_number_has_the_names_that_it_has_in_programs(alias: str, name: str) -> None:
    assert read(f"{alias}(1/3)") == read(f"{name}(1/3)")


def test_functions_of_numbers_are_part_of_expressions() -> None:
    assert read("sqrt(4)") == [(Fraction(2),)]
    assert read("-(1 + sqrt(9)/2)**2") == [(Fraction(-25, 4),)]
    assert read("2**sqrt(4)") == [(Fraction(4),)]
    assert read("exp(0)") == [(Fraction(1),)]
    [(number,)] = read("sqrt(2)*sin(1/3*pi)")
    assert isinstance(number, Fraction)
    with mpmath.workdps(60):
        exact = mpmath.sqrt(2) * mpmath.sin(mpmath.pi / 3)
        assert abs(mpmath.mpf(number.numerator) / number.denominator - exact) < 1e-50
    assert read("sqrt(1):sqrt(9):3") == [(Fraction(k),) for k in (1, 2, 3)]


def test_functions_count_against_the_limit_on_all_numbers() -> None:
    with pytest.raises(LimitProblem, match="bits together"):
        read(f"[{','.join(['sin(1)'] * 20_000)}]")


@given(st.floats(allow_nan=False))
def test_every_float_reads_back(x: float) -> None:
    exact = x if math.isinf(x) else Fraction(x)
    shortest = exact if math.isinf(x) else Fraction(repr(x))
    assert read(x.hex() if math.isfinite(x) else str(x)) == [(exact,)]
    assert read(str(x)) == [(shortest,)]


@st.composite
def sums(draw: st.DrawFn, depth: int = 3) -> tuple[str, Fraction | None]:
    """A number expression with its value by ``fractions``, or None where it divides by zero."""
    if depth == 0 or draw(st.booleans()):
        text = draw(st.sampled_from(["0", "1", "2", "7", "0.25", "1e2", "0x1p-2", "3.5e-1"]))
        return text, Fraction(float.fromhex(text)) if "x" in text else Fraction(text)
    sign = draw(st.sampled_from(["+", "-", "*", "/", "neg", "**"]))
    left, a = draw(sums(depth=depth - 1))
    if sign == "neg":
        return f"-({left})", None if a is None else -a
    if sign == "**":
        power = draw(st.integers(-3, 3))
        return f"({left})**{power}", None if a is None or (a == 0 and power < 0) else a**power
    right, b = draw(sums(depth=depth - 1))
    text = f"({left}) {sign} ({right})"
    if a is None or b is None or (sign == "/" and b == 0):
        return text, None
    return text, {"+": a.__add__, "-": a.__sub__, "*": a.__mul__}[sign](b) if sign != "/" else a / b


@given(sums())
def test_arithmetic_is_that_of_fractions(pair: tuple[str, Fraction | None]) -> None:
    text, value = pair
    if value is None:
        with pytest.raises(PointProblem, match="division by zero"):
            read(text)
    else:
        assert read(text) == [(value,)]


@given(st.recursive(st.integers(1, 9).map(str), lambda part: st.one_of(
    part.map("-{}".format), part.map("({})".format),
    st.tuples(part, st.sampled_from("+-*/"), part).map("".join),
), max_leaves=12))  # fmt: skip
def test_precedence_is_that_of_python(text: str) -> None:
    exact = "".join(f"Fraction({c})" if c.isdigit() else c for c in text)
    try:
        expected = eval(exact, {"Fraction": Fraction})
    except ZeroDivisionError:
        return
    assert read(text) == [(expected,)]


# --- values and grids ---------------------------------------------------------------------------

F = Fraction
POINTS: list[tuple[str | list[str], str, list[tuple[object, ...]]]] = [
    ([], "", [()]),
    ("1,2,3", "x", [(F(1),), (F(2),), (F(3),)]),
    ("x=1,2,3", "x", [(F(1),), (F(2),), (F(3),)]),
    ("1,x=2", "x", [(F(1),), (F(2),)]),
    ("x=1,x=2", "x", [(F(1),), (F(2),)]),
    ("x=1,y=2", "x y", [(F(1), F(2))]),
    ("y=2,x=1", "x y", [(F(1), F(2))]),
    (" x = 1 , y = 2 ", "x y", [(F(1), F(2))]),
    ("x=1,2,y=3,4", "x y", [(F(1), F(3)), (F(1), F(4)), (F(2), F(3)), (F(2), F(4))]),
    ("y=3,4,x=1,2", "x y", [(F(1), F(3)), (F(1), F(4)), (F(2), F(3)), (F(2), F(4))]),
    (["x=1", "y=2"], "x y", [(F(1), F(2))]),
    (["x=1,y=2", "x=3,y=4"], "x y", [(F(1), F(2)), (F(3), F(4))]),
    (["x=1", "x=2", "y=3"], "x y", [(F(1), F(3)), (F(2), F(3))]),
    (["x=1", "y=2", "x=3", "y=4"], "x y", [(F(1), F(2)), (F(3), F(4))]),
    (["1", "2"], "x", [(F(1),), (F(2),)]),
    ("-2:2:5", "x", [(F(n),) for n in (-2, -1, 0, 1, 2)]),
    ("x=0:1:4", "x", [(F(0),), (F(1, 3),), (F(2, 3),), (F(1),)]),
    ("1/2:-1/2:1+1", "x", [(F(1, 2),), (F(-1, 2),)]),
    ("5:7:1", "x", [(F(5),)]),
    ("0:1:2,7", "x", [(F(0),), (F(1),), (F(7),)]),
    ("[1]", "x", [(((1,), [1]),)]),
    ("[[1,2],[3,4]]", "x", [(((2, 2), [1, 2, 3, 4]),)]),
    ("x=[[1, 2, -inf], [1/2, 0.1, 0]]", "x", [(((2, 3), [1, 2, -INF, F(1, 2), F(1, 10), 0]),)]),
    ("[1,2,],[3]", "x", [(((2,), [1, 2]),), (((1,), [3]),)]),
    ("[" * 16 + "1" + "]" * 16, "x", [(((1,) * 16, [1]),)]),
    ("zeros(2,3)", "x", [(((2, 3), [0.0] * 6),)]),
    ("ones( 3 )", "x", [(((3,), [1.0] * 3),)]),
    ("ones()", "x", [(1.0,)]),
    ("arange(4)", "x", [(((4,), [0.0, 1.0, 2.0, 3.0]),)]),
    ("linspace(-1,1,4)", "x", [(((4,), [-1, F(-1, 3), F(1, 3), 1]),)]),
    ("x=linspace(3,4,1),y=ones(1)", "x y", [(((1,), [3]), ((1,), [1.0]))]),
    ("θ=1,λ_2=2", "θ λ_2", [(F(1), F(2))]),
    ("x\u0302=1,℘=2", "x\u0302 ℘", [(F(1), F(2))]),
    ("ﬁ=1", "fi", [(F(1),)]),
    ("pi=3,e=4", "pi e", [(F(3), F(4))]),
    ("inf=1,randn=2", "inf randn", [(F(1), F(2))]),
    ("e=1e1", "e", [(F(10),)]),
]


@pytest.mark.parametrize(("texts", "inputs", "expected"), POINTS)
def test_texts_give_these_points(texts: str | list[str], inputs: str, expected: list[tuple[object, ...]]) -> None:
    assert read(texts, inputs) == expected


@given(st.fractions(-5, 5, max_denominator=9), st.fractions(-5, 5, max_denominator=9), st.integers(2, 30))
def test_a_range_is_evenly_spaced_and_holds_both_ends(start: Fraction, stop: Fraction, count: int) -> None:
    numbers = [n for (n,) in read(f"{start}:{stop}:{count}")]
    assert (numbers[0], numbers[-1], len(numbers)) == (start, stop, count)
    assert {b - a for a, b in itertools.pairwise(numbers)} == {(stop - start) / (count - 1)}  # type: ignore[operator]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("x= pi/2 ", "pi/2"),
        ("x=[ 1,2]", "[ 1,2]"),
        ("x=randn(2, 3)", "randn(2, 3)"),
        (f"x=[{'1,' * 30}1]", "a tensor of shape (31)"),
        (f"x={'1+' * 30}1", "31"),
        (f"x=randn({' ' * 40})", "0.12573"),
        ("1/3:1/3:1", "1/3"),
        ("0.125:1:1", "0.125"),
        ("1/1000003/7:1:1", "1.42857e-7"),
        ("1e400:1:1", "1e+400"),
        ("1e15:1:1", "1000000000000000"),
    ],
)
def test_a_value_is_shown_as_written_or_short(text: str, shown: str) -> None:
    assert parse_points([text], ["x"])[0]["x"].text == shown


# --- random -------------------------------------------------------------------------------------


def drawn(texts: list[str], inputs: str, seed: int = 0) -> list[bytes]:
    return [value.array(float).tobytes() for value in parse_points(texts, inputs.split(), seed=seed)[0].values()]


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others() -> None:
    texts = ["x=randn(3,4),y=rand(5)"]
    assert drawn(texts, "x y", 7) == drawn(texts, "x y", 7)
    assert drawn(texts, "x y", 7) != drawn(texts, "x y", 8)


def test_a_draw_depends_on_its_index_alone() -> None:
    """What was drawn before, and of which size, changes nothing."""
    assert drawn(["x=randn(3,4),y=randn(5)"], "x y")[1] == drawn(["x=rand(1)", "y=randn(5)"], "x y")[1]
    assert drawn(["x=randn(5),y=randn(5)"], "x y")[0] != drawn(["x=randn(5),y=randn(5)"], "x y")[1]
    expected = np.random.default_rng([3, 0]).standard_normal((2, 2))
    assert drawn(["randn(2,2)"], "x", 3) == [expected.tobytes()]


def test_random_numbers_have_their_shapes_and_ranges() -> None:
    value = parse_points(["rand(50,40)"], ["x"])[0]["x"]
    numbers = value.array(float)
    assert value.shape == numbers.shape == (50, 40)
    assert 0 <= numbers.min() < 0.01
    assert 0.99 < numbers.max() < 1
    assert parse_points(["randn()"], ["x"])[0]["x"].array(float).shape == ()


# --- rounding -----------------------------------------------------------------------------------


def test_an_array_is_rounded_number_by_number() -> None:
    value = parse_points(["[[1/3, inf], [-inf, 1e400]]"], ["x"])[0]["x"]
    numbers = value.array(lambda n: float(np.float32(n.numerator / n.denominator)) if n < 2 else INF)
    assert numbers.tolist() == [[float(np.float32(1 / 3)), INF], [-INF, INF]]
    assert numbers.dtype == np.float64


def test_a_float_array_may_be_rounded_at_once() -> None:
    value = parse_points(["randn(3, 2)"], ["x"])[0]["x"]
    rounded = value.array(float, lambda numbers: numbers.astype(np.float32).astype(np.float64))
    assert np.array_equal(rounded, value.array(lambda n: float(np.float32(float(n)))))
    exact = value.array(float, lambda numbers: numbers)
    exact[0, 0] = 5  # a copy: the value itself cannot be changed
    assert value.array(float)[0, 0] != 5
    assert to_value(np.array([INF, 1.0]), "x").array(float).tolist() == [INF, 1.0]


# --- errors -------------------------------------------------------------------------------------

LONG = "9" * 2001
ERRORS: list[tuple[str | list[str], str, type[GradcheckError], str]] = [
    ([], "x", PointProblem, "at which point? the program needs x\nadd --at x=2"),
    ([], "w x y", PointProblem, "at which point? the program needs w, x and y\nadd --at w=2,x=2,y=2"),
    ("x=1", "w x", PointProblem,
     "the program needs a point for w and x; missing: w\n  x=1\n  ^^^\nadd --at w=..."),
    (["x=1,y=1", "y=2"], "w x y", PointProblem,
     "the program needs a point for w, x and y; missing: w\n  y=2\n  ^^^\nadd --at w=..."),
    ("q=2", "x y", PointProblem, "the program has no input `q`\n  q=2\n  ^\nit needs x and y"),
    ("x=1, weigth=2", "x weight", PointProblem,
     "the program has no input `weigth`\n  x=1, weigth=2\n       ^^^^^^\ndid you mean `weight`?"),
    ("x=2", "", PointProblem, "the program has no input `x`\n  x=2\n  ^\nleave --at out"),
    ("2", "", PointProblem, "the program has no inputs\n  2\n  ^\nleave --at out"),
    ("2, x=1", "x y", PointProblem,
     "a value for which input? the program needs x and y\n  2, x=1\n  ^\nwrite --at x=...,y=..."),
    ("", "x", PointProblem, "expected a number\n  \n  ^"),
    ("x= ", "x", PointProblem, "expected a number\n  x= \n    ^"),
    ("1,", "x", PointProblem, "expected a number\n  1,\n    ^"),
    ("1,,2", "x", PointProblem, "cannot read `,` here: expected a number\n  1,,2\n    ^"),
    ("nan", "x", PointProblem, "nan is not a point\n  nan\n  ^^^"),
    ("[1, -NaN]", "x", PointProblem, "nan is not a point\n  [1, -NaN]\n       ^^^"),
    ("x=y", "x y", PointProblem, "`y` is not a number\n  x=y\n    ^\nwrite y=..."),
    ("1+True", "x", PointProblem, "`True` is not a number\n  1+True\n    ^^^^\n"
     "write 1 and 0: where(m, x, y) takes them for a mask m"),
    ("2x", "x", PointProblem, "cannot read `x` here: expected `,` or the end\n  2x\n   ^"),
    ("2pi", "x", PointProblem,
     "cannot read `pi` here: expected `,` or the end\n  2pi\n   ^^\nwrite * between factors"),
    ("x=1 y=2", "x y", PointProblem,
     "cannot read `y` here: expected `,` or the end\n  x=1 y=2\n      ^\nwrite a comma before `y`"),
    ("2^3", "x", PointProblem, "cannot read `^` here: expected `,` or the end\n  2^3\n   ^\nwrite ** for a power"),
    ("−2", "x", PointProblem, "cannot read `−` here: expected a number\n  −2\n  ^\nwrite - for minus"),
    ("(1", "x", PointProblem, "expected `)`\n  (1\n    ^"),
    ("1)", "x", PointProblem, "cannot read `)` here: expected `,` or the end\n  1)\n   ^"),
    ("1//2", "x", PointProblem, "cannot read `/` here: expected a number\n  1//2\n    ^"),
    ("1_", "x", PointProblem, "cannot read `_` here: expected `,` or the end\n  1_\n   ^"),
    ("2*(1/0)", "x", PointProblem, "division by zero\n  2*(1/0)\n     ^^^"),
    ("0**-1", "x", PointProblem, "division by zero\n  0**-1\n  ^^^^^"),
    ("2**0.5", "x", PointProblem, "an exponent is a whole number, not 0.5\n  2**0.5\n  ^^^^^^"),
    ("1-inf", "x", PointProblem, "inf stands alone: nothing can be computed with it\n  1-inf\n  ^^^^^"),
    ("inf**2", "x", PointProblem, "inf stands alone: nothing can be computed with it\n  inf**2\n  ^^^^^^"),
    ("x=[[1,2],[3]]", "x", PointProblem,
     "ragged: one list has 2 elements, this one 1\n  x=[[1,2],[3]]\n           ^^^"),
    ("[1,[2]]", "x", PointProblem, "a list holds numbers or lists, not both\n  [1,[2]]\n     ^^^"),
    ("[[],[]]", "x", PointProblem, "a tensor needs at least one element\n  [[],[]]\n   ^^"),
    ("[1 2]", "x", PointProblem, "cannot read `2` here: expected `,` or `]`\n  [1 2]\n     ^"),
    ("[1", "x", PointProblem, "expected `,` or `]`\n  [1\n    ^"),
    ("[,]", "x", PointProblem, "cannot read `,` here: expected a number\n  [,]\n   ^"),
    ("[randn()]", "x", PointProblem, "`randn` makes a tensor, which stands alone\n  [randn()]\n   ^^^^^"),
    ("[0:1:2]", "x", PointProblem, "cannot read `:` here: expected `,` or `]`\n  [0:1:2]\n    ^"),
    ("x=1:2", "x", PointProblem, "a range is start:stop:count\n  x=1:2\n    ^^^\nfor example -2:2:9"),
    ("1:2:3:4", "x", PointProblem, "a range is start:stop:count\n  1:2:3:4\n  ^^^^^^^\nfor example -2:2:9"),
    ("1:2:0", "x", PointProblem, "a count is a whole number from 1, not 0\n  1:2:0\n      ^"),
    ("1:2:1/3", "x", PointProblem, "a count is a whole number from 1, not 1/3\n  1:2:1/3\n      ^^^"),
    ("1:inf:3", "x", PointProblem, "inf stands alone: nothing can be computed with it\n  1:inf:3\n  ^^^^^^^"),
    ("randn(2,0)", "x", PointProblem, "a count is a whole number from 1, not 0\n  randn(2,0)\n  ^^^^^^^^^^"),
    ("rnadn(2)", "x", PointProblem, "a point has no function `rnadn`\n  rnadn(2)\n  ^^^^^\ndid you mean `randn`?"),
    ("floor(2)", "x", PointProblem,
     f"a point has no function `floor`\n  floor(2)\n  ^^^^^\nthere are {listed((*TENSORS, *FUNCTIONS))}"),
    ("squrt(2)", "x", PointProblem, "a point has no function `squrt`\n  squrt(2)\n  ^^^^^\ndid you mean `sqrt`?"),
    ("log(0)", "x", PointProblem, "log has no value at 0\n  log(0)\n  ^^^^^^"),
    ("1+asin(2)", "x", PointProblem, "asin has no value at 2\n  1+asin(2)\n    ^^^^^^^"),
    ("exp(1e9)", "x", LimitProblem, "exp of 1000000000 is too large\n  exp(1e9)\n  ^^^^^^^^"),
    ("sqrt(inf)", "x", PointProblem, "inf stands alone: nothing can be computed with it\n  sqrt(inf)\n  ^^^^^^^^"),
    ("sqrt(2", "x", PointProblem, "expected `)`\n  sqrt(2\n        ^"),
    ("x=sin(pi)", "x", PointProblem,
     "too many digits cancel to tell this number\n  x=sin(pi)\n    ^^^^^^^\nwrite it as a decimal"),
    ("sqrt(2)**2 - 2", "x", PointProblem,
     "too many digits cancel to tell this number\n  sqrt(2)**2 - 2\n  ^^^^^^^^^^^^^^\nwrite it as a decimal"),
    ("randn(2)*2", "x", PointProblem, "cannot read `*` here: expected `,` or the end\n  randn(2)*2\n          ^"),
    ("randn(2", "x", PointProblem, "expected `,` or `)`\n  randn(2\n         ^"),
    ("arange(1,2)", "x", PointProblem, "arange takes one count\n  arange(1,2)\n  ^^^^^^^^^^^\nfor example arange(5)"),
    ("linspace(1,2)", "x", PointProblem,
     "linspace takes a start, a stop and a count\n  linspace(1,2)\n  ^^^^^^^^^^^^^\nfor example linspace(-1, 1, 5)"),
    ("x=@", "x", PointProblem, "expected a file after `@`\n  x=@\n    ^\nfor example x=@file.npy"),
    ("x=@none.npy,1", "x", FileProblem,
     "cannot read `none.npy`: no such file or directory\n  x=@none.npy,1\n    ^^^^^^^^^"),
    ("@a.txt", "x", FileProblem, "cannot read `a.txt`: a point is an .npy or .json file\n  @a.txt\n  ^^^^^^"),
    ("1e999999999", "x", LimitProblem, "an exponent is at most 5,000\n  1e999999999\n  ^^^^^^^^^^^"),
    ("0x1p999999999", "x", LimitProblem, "a binary exponent is at most 24,000\n  0x1p999999999\n  ^^^^^^^^^^^^^"),
    ("9**9**9**9", "x", LimitProblem,
     "a number has at most 24,000 bits above and below the fraction bar\n  9**9**9**9\n     ^^^^^^^"),
    ("1e5000*1e5000", "x", LimitProblem,
     "a number has at most 24,000 bits above and below the fraction bar\n  1e5000*1e5000\n  ^^^^^^^^^^^^^"),
    ("0:1:200001", "x", LimitProblem,
     "at most 200,000 points can be checked; this asks for 200,001\n  0:1:200001\n      ^^^^^^"),
    ("0:1:1e4000", "x", LimitProblem,
     "at most 200,000 points can be checked; this asks for far more\n  0:1:1e4000\n      ^^^^^^"),
    ("x=0:1:1000,y=0:1:1000", "x y", LimitProblem,
     "at most 200,000 points can be checked; these are 1,000,000\n  x=0:1:1000,y=0:1:1000\n  ^^^^^^^^^^^^^^^^^^^^^"),
    ("randn(1000000,1000000)", "x", LimitProblem,
     "a tensor has at most 2,000,000 elements; this one has 1,000,000,000,000\n"
     "  randn(1000000,1000000)\n  ^^^^^^^^^^^^^^^^^^^^^^"),
    ("ones(1e9)", "x", LimitProblem,
     "at most 2,000,000 elements fit a tensor; this asks for 1,000,000,000\n  ones(1e9)\n  ^^^^^^^^^"),
    ("[" * 17 + "1" + "]" * 17, "x", LimitProblem,
     f"a tensor has at most 16 dimensions\n  {'[' * 17}1{']' * 17}\n  {'^' * 17}"),
    ("ones(1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1)", "x", LimitProblem,
     "a tensor has at most 16 dimensions; this one has 17\n"
     "  ones(1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1)\n  ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^"),
    ("(" * 50 + "1" + ")" * 50, "x", LimitProblem,
     "at most 50 brackets and powers inside each other\n"
     f"  {'(' * 50}1{')' * 49}...\n  {' ' * 50}^"),
    (LONG, "x", LimitProblem,
     f"a number has at most 2,000 characters; this one has 2,001\n  {LONG[:100]}...\n  {'^' * 100}"),
]  # fmt: skip


@pytest.mark.parametrize(("texts", "inputs", "kind", "message"), ERRORS)
def test_an_error_says_what_where_and_what_instead(
    texts: str | list[str], inputs: str, kind: type[GradcheckError], message: str
) -> None:
    with pytest.raises(GradcheckError) as caught:
        read(texts, inputs)
    assert type(caught.value) is kind
    assert str(caught.value) == message


def test_a_negative_seed_is_refused() -> None:
    with pytest.raises(UsageProblem, match="a seed is a whole number from 0; not -1"):
        parse_points(["randn(2)"], ["x"], seed=-1)


HUGE = {
    "lists": "[" * 100_000,
    "brackets": "(" * 100_000,
    "minus": "-" * 100_000,
    "digits": "9" * 1_000_000,
    "digits in a list": "[" + "9" * 900_000 + "]",
    "letters": "x" * 1_000_000,
    "marks": "\u0302" * 900_000,
    "powers": "2**" * 100_000,
    "sizes": "randn(" + "2000000," * 20_000 + "1)",
    "draws": "randn(2000000)," * 1000,
    "far too long": "1" * 1_000_001,
    "exponents": "[" + "1e5000," * 100_000 + "1]",
    "fractions": "+".join(f"1/{n}" for n in range(1, 100_000)),
    "file": "@" + "a" * 100_000 + ".npy",
    "commas": "," * 1_000_000,
}


@pytest.mark.parametrize("name", HUGE)
def test_a_huge_text_is_refused_at_once(name: str) -> None:
    start = time.process_time()
    with pytest.raises(GradcheckError) as caught:
        read(HUGE[name])
    assert time.process_time() - start < 2
    assert len(str(caught.value)) < 600
    assert caught.value.span is not None


def test_a_million_elements_are_cheap() -> None:
    start = time.process_time()
    value = parse_points(["randn(1000,1000)"], ["x"])[0]["x"]
    assert value.array(float, lambda numbers: numbers).shape == (1000, 1000)
    assert time.process_time() - start < 2


# --- any text -----------------------------------------------------------------------------------

PIECES = st.sampled_from(
    [*"xyq=,:@[]()+-*/.0123456789e_ \n\0^;'\"", "pi", "inf", "nan", "**", "1e", "0x", "0x1.8p", "randn(", "rand(",
     "zeros(", "linspace(", "arange(", "x=", "y=", ":2:9", "[[", "]]", "1/3", "@a.npy", "@a.json", "\u0302", "\ud800",
     "٣", "²", "−", "5000", "99999999", "θ"]
)  # fmt: skip


def refusal(text: str, inputs: list[str], directory: Path | None = None) -> GradcheckError | None:
    try:
        assert all(list(point) == inputs for point in parse_points([text], inputs, directory=directory))
    except GradcheckError as error:
        return error
    return None


def parses_or_refuses(text: str) -> None:
    for inputs in (["x"], ["x", "y"], []):
        error = refusal(text, inputs, Path("/nonexistent"))
        if error is not None:
            assert error.source == text
            assert error.span is not None
            assert 0 <= error.span.start <= len(text)
            assert error.span.start < error.span.end
            assert "\n" not in error.message
            assert str(error).startswith(error.message)


@settings(max_examples=200)
@given(st.text())
@example("x=@\0.npy")
@example("@\ud800.npy")
@example("²")
def test_any_text_parses_or_is_refused(text: str) -> None:
    parses_or_refuses(text)


@settings(max_examples=1000)
@given(st.lists(PIECES, max_size=14).map("".join))
def test_anything_that_looks_like_a_point_parses_or_is_refused(text: str) -> None:
    parses_or_refuses(text)


@given(data=st.binary(max_size=80) | st.binary(max_size=80).map(lambda b: b"\x93NUMPY\x01\x00\x40\x00" + b))
def test_any_bytes_in_a_file_are_read_or_refused(data: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.getbasetemp()
    for name in ("fuzz.npy", "fuzz.json"):
        (folder / name).write_bytes(data)
        error = refusal(f"x=@{name}", ["x"], folder)
        if error is not None:
            assert f"`{name}`" in error.message
            assert "\n" not in error.message


# --- files --------------------------------------------------------------------------------------


def saved(folder: Path, array: object, name: str = "a.npy") -> list[tuple[object, ...]]:
    np.save(folder / name, np.asarray(array))
    return read(f"x=@{name}", directory=folder)


def test_an_npy_file_gives_its_array(tmp_path: Path) -> None:
    """In row-major order, whatever the order in the file; every width is exact in float64."""
    assert saved(tmp_path, np.asfortranarray([[1.5, 2], [3, -INF]])) == [(((2, 2), [1.5, 2.0, 3.0, -INF]),)]
    assert saved(tmp_path, np.array([0.1], np.float16)) == [(((1,), [float(np.float16(0.1))]),)]
    assert saved(tmp_path, np.array([1, 2], ">i4")) == [(((2,), [1, 2]),)]
    assert saved(tmp_path, np.array([2**64 - 1, 0], np.uint64)) == [(((2,), [2**64 - 1, 0]),)]
    assert saved(tmp_path, -(2**63)) == [(-(2**63),)]
    assert math.copysign(1, saved(tmp_path, -0.0)[0][0]) == 1  # type: ignore[arg-type]


JSON = {
    "[[1, 0.1], [-2e-1, 3]]": ((2, 2), [F(1), F(1, 10), F(-1, 5), F(3)]),
    '["1/3", "-0x1p-2", "-inf"]': ((3,), [F(1, 3), F(-1, 4), -INF]),
    "[Infinity, 1]": ((2,), [INF, F(1)]),
    "1e400": F(10**400),
    '"2**-2"': F(1, 4),
    "\ufeff[1]": ((1,), [F(1)]),
}


@pytest.mark.parametrize("text", JSON)
def test_a_json_file_gives_exact_numbers(text: str, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(text, encoding="utf-8")
    assert read("@a.json", directory=tmp_path) == [(JSON[text],)]
    assert read(f"@{tmp_path}/a.json") == [(JSON[text],)]


BAD_JSON = {
    "": "cannot read `a.json`: it is not a valid .json file",
    "[1,": "cannot read `a.json`: it is not a valid .json file",
    "[NaN]": "`a.json`: nan is not a point",
    "[true]": "`a.json`: a point is made of numbers, not bool",
    "null": "`a.json`: a point is made of numbers, not NoneType",
    '{"x": 1}': "`a.json`: a point is made of numbers, not dict",
    "[[1, 2], [3]]": "`a.json`: ragged: one list has 2 elements, this one 1",
    "[]": "`a.json`: a tensor needs at least one element",
    '["1/0"]': "`a.json`: division by zero",
    '["1 2"]': "`a.json`: cannot read `2` here: expected the end",
    '["0:1:3"]': "`a.json`: cannot read `:` here: expected the end",
    "[1e999999999]": "`a.json`: an exponent is at most 5,000",
    "[" + "9" * 5000 + "]": "`a.json`: a number has at most 2,000 characters; this one has 5,000",
    "[" * 20 + "1" + "]" * 20: "`a.json`: a tensor has at most 16 dimensions",
    "[" * 100_000: "`a.json`: a tensor has at most 16 dimensions",
}


@pytest.mark.parametrize("text", BAD_JSON, ids=lambda text: text[:20])
def test_a_bad_json_file_is_one_clear_line(text: str, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(GradcheckError) as caught:
        read("x=@a.json", directory=tmp_path)
    assert str(caught.value) == f"{BAD_JSON[text]}\n  x=@a.json\n    ^^^^^^^"


LONGDOUBLE = np.dtype(np.longdouble).name
BAD_ARRAYS = {
    "nan is not a point": np.array([1, math.nan]),
    "a point is made of integers or floats up to float64, not bool": np.array([True]),
    "a point is made of integers or floats up to float64, not complex128": np.array([1j]),
    "a point is made of integers or floats up to float64, not str96": np.array(["abc"]),
    f"a point is made of integers or floats up to float64, not {LONGDOUBLE}": np.array([1], np.longdouble),
    "a tensor needs at least one element": np.zeros((2, 0)),
}


@pytest.mark.parametrize("message", BAD_ARRAYS)
def test_a_bad_array_is_one_clear_line(message: str, tmp_path: Path) -> None:
    with pytest.raises(PointProblem) as caught:
        saved(tmp_path, BAD_ARRAYS[message])
    assert str(caught.value) == f"`a.npy`: {message}\n  x=@a.npy\n    ^^^^^^"
    with pytest.raises(PointProblem) as caught:
        to_value(BAD_ARRAYS[message], "w")
    assert str(caught.value) == f"w: {message}"


def test_an_npy_header_cannot_ask_for_terabytes(tmp_path: Path) -> None:
    header = {"descr": "<f8", "fortran_order": False, "shape": (10**6, 10**6)}
    with (tmp_path / "b.npy").open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
    with pytest.raises(LimitProblem, match=r"`b.npy`: a tensor has at most 2,000,000 elements"):
        read("@b.npy", directory=tmp_path)


def test_objects_are_never_unpickled(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([F(1, 3)], dtype=object), allow_pickle=True)
    with pytest.raises(PointProblem, match="up to float64, not object"):
        read("@a.npy", directory=tmp_path)


def test_what_is_no_file_or_too_large_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "d.npy").mkdir()
    with pytest.raises(FileProblem, match=r"`d.npy`: not a file"):
        read("@d.npy", directory=tmp_path)
    np.save(tmp_path / "a.npy", np.zeros(10))
    (tmp_path / "cut.npy").write_bytes((tmp_path / "a.npy").read_bytes()[:-1])
    with pytest.raises(FileProblem, match=r"cannot read `cut.npy`: it is not a valid .npy file"):
        read("@cut.npy", directory=tmp_path)
    monkeypatch.setattr(files, "MAX_FILE_BYTES", 100)
    with pytest.raises(LimitProblem, match=r"`a.npy`: a file has at most 100 bytes; this one has 208"):
        read("@a.npy", directory=tmp_path)


# --- Python objects -----------------------------------------------------------------------------

OBJECTS: list[tuple[object, object]] = [
    (2, F(2)),
    (0.1, F(0.1)),
    (-0.0, F(0)),
    (-INF, -INF),
    (F(1, 3), F(1, 3)),
    (10**400, F(10**400)),
    (np.float32(0.1), F(float(np.float32(0.1)))),
    (np.int8(-3), F(-3)),
    ([1, F(1, 3), 0.5], ((3,), [F(1), F(1, 3), F(1, 2)])),
    ([[1.5, 2.5]], ((1, 2), [1.5, 2.5])),
    (((1,), (2,)), ((2, 1), [F(1), F(2)])),
    ([np.array([1.0, 2.0]), [3, "1/3"]], ((2, 2), [F(1), F(2), F(3), F(1, 3)])),
    (np.arange(6).reshape(2, 3).T, ((3, 2), [0, 3, 1, 4, 2, 5])),
    (np.array([F(1, 3), 2], dtype=object), ((2,), [F(1, 3), F(2)])),
    (torch.tensor([[0.1, -INF]]), ((1, 2), [float(np.float32(0.1)), -INF])),
    (torch.tensor([0.1, 2], dtype=torch.bfloat16, requires_grad=True), ((2,), [0.10009765625, 2.0])),
    (torch.tensor(3), F(3)),
    ("1/3", F(1, 3)),
    ("x=[1,2]", ((2,), [F(1), F(2)])),
    ("zeros(2)", ((2,), [0.0, 0.0])),
]


@pytest.mark.parametrize(("obj", "expected"), OBJECTS, ids=str)
def test_a_python_object_is_a_value(obj: object, expected: object) -> None:
    assert brief(to_value(obj, "x")) == expected


class Broken:
    """An object with a list of numbers that it does not give."""

    def tolist(self) -> list[float]:
        raise RuntimeError("no")


LOOP: list[object] = []
LOOP.append(LOOP)

BAD_OBJECTS: list[tuple[object, str]] = [
    (True, "x: a point is made of numbers, not bool"),
    (np.bool_(True), "x: a point is made of numbers, not bool"),
    (1j, "x: a point is made of numbers, not complex"),
    (None, "x: a point is made of numbers, not NoneType"),
    ({1, 2}, "x: a point is made of numbers, not set"),
    (b"1", "x: a point is made of numbers, not bytes"),
    (torch.tensor([True, False]), "x: a point is made of numbers, not bool"),
    (torch.tensor([1j]), "x: a point is made of numbers, not complex"),
    (torch.zeros(3, 0), "x: a tensor needs at least one element"),
    (torch.zeros(1).expand(2**40), "x: a tensor has at most 2,000,000 elements; this one has 1,099,511,627,776"),
    (torch.zeros(2, device="meta"), "x: a Tensor that gives no list of numbers"),
    (Broken(), "x: a Broken that gives no list of numbers"),
    (math.nan, "x: nan is not a point"),
    ([1.0, math.nan], "x: nan is not a point"),
    (torch.tensor([math.nan]), "x: nan is not a point"),
    ([], "x: a tensor needs at least one element"),
    ([[1], 2], "x: a list holds numbers or lists, not both"),
    ([[1, 2], [3]], "x: ragged: one list has 2 elements, this one 1"),
    (LOOP, "x: a tensor has at most 16 dimensions"),
    (1 << 100_000, "x: a number has at most 24,000 bits above and below the fraction bar"),
    ("1,2", "x takes one value here; this text gives 2\n  1,2\n  ^^^"),
    ("1 2", "cannot read `2` here: expected `,` or the end\n  1 2\n    ^"),
    ("y=2", "the program has no input `y`\n  y=2\n  ^\nit needs x"),
]


@pytest.mark.parametrize(("obj", "message"), BAD_OBJECTS, ids=lambda obj: type(obj).__name__)
def test_a_python_object_that_is_no_point_is_refused(obj: object, message: str) -> None:
    with pytest.raises(GradcheckError) as caught:
        to_value(obj, "x")
    assert str(caught.value) == message


@given(st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.binary(max_size=3),
    lambda part: st.lists(part, max_size=4) | st.tuples(part, part), max_leaves=8,
))  # fmt: skip
def test_any_object_is_a_value_or_is_refused(obj: object) -> None:
    try:
        value = to_value(obj, "x")
    except GradcheckError:
        return
    assert len(value.numbers) == math.prod(value.shape)
    assert value.array(lambda n: float(n) if abs(n) < 2**1000 else INF).shape == value.shape


@given(st.lists(st.fractions() | st.just(INF), min_size=1, max_size=5))
def test_json_and_text_and_objects_agree(numbers: list[Fraction | float]) -> None:
    expected = ((len(numbers),), numbers)
    assert read(json.dumps([str(n) for n in numbers]).replace('"', "")) == [(expected,)]
    assert brief(to_value(numbers, "x")) == expected
