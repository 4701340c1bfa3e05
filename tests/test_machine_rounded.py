"""The rounding enclosure of whole arrays: as wide as the one of balls, and hardly wider; torch's numbers lie inside."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from math import isfinite, isinf, isnan

import numpy as np
import pytest
from hypothesis import given, settings

from gradcheck import autograd, exact
from gradcheck.bounds import Bounds
from gradcheck.differentiate import Pullback, pull_back
from gradcheck.errors import GradcheckError
from gradcheck.exact.machine import blocks
from gradcheck.exact.machine.rounded import enclose_rounded
from gradcheck.formats import FORMATS, Ball, Dyadic, Format
from gradcheck.functions import ELEMENTWISE
from gradcheck.functions.rows import Elementwise, Row
from gradcheck.lower import Core, lower
from gradcheck.parse import parse
from gradcheck.program import Program
from oracles import Point, shapes
from strategies import Case, cases
from table import ON_TENSORS, each, faults_of, formats_of, left_to_balls, program_of, weighted
from test_rounding import rounded, sampled

ALL = pytest.mark.parametrize("fmt", FORMATS.values(), ids=FORMATS)
ROWS = pytest.mark.parametrize("row", each(row for row in (*ELEMENTWISE.values(), *ON_TENSORS) if row.samples))
ONE_BY_ONE = pytest.mark.parametrize("row", each(ELEMENTWISE.values()))

LOOSE = Fraction(1, 2**5)
"""Part of a width that is Arb's own: its radii have 30 bits, and those of quotients and powers are 1 % too large."""
LOOSER = Fraction(1, 2)
"""Part of a width that may be Arb's own after several operations: that of atanh, made of a quotient, is 8 %."""
SECOND = 16
"""Widths relative to the number that two equally sound enclosures of a wide one may differ by."""


def in_turn(row: Row, fmt: Format) -> Iterator[tuple[Program, Point]]:
    """Yield the first samples of a row, and of the others those whose turn it is: nothing but a format differs."""
    turn = [*FORMATS].index(fmt.name)
    yield from (one for k, one in enumerate(sampled(row)) if k < 2 or k % len(FORMATS) == turn)


def gradients_of(program: Program, point: Point) -> Pullback:
    core = lower(program, shapes(point), nodes=True, as_torch=True)
    return pull_back(core, program.tracked, as_torch=True)


def fraction(end: Dyadic) -> Fraction:
    return Fraction(end.man) * Fraction(2) ** end.exp


def compare(core: Core, point: Point, fmt: Format, *, surely: bool = False, loose: Fraction = LOOSE) -> int:
    """Hold every layer against its balls; return how many elements have no bounds here, and are left to balls."""
    layers = {layer.name: core.shapes[layer.name] for layer in core.program.layers}
    wanted, named = exact.enclose_rounded(core, point, fmt, surely=surely)
    found, name = enclose_rounded(core, point, fmt, layers, surely=surely)
    left = 0
    for layer, shape in layers.items():
        low, high = (np.broadcast_to(end, shape).ravel() for end in (found[layer].lower, found[layer].upper))
        balls = exact.balls(wanted[layer], 128)
        left += sum(not agrees(ball, a, b, fmt, loose) for ball, a, b in zip(balls, low, high, strict=True))
    assert left or name == named or named is None
    return left


def agrees(ball: Ball | str | None, low: float, high: float, fmt: Format, loose: Fraction) -> bool:
    """Hold one element against its ball; return whether there are bounds."""
    if isnan(low):
        return False
    if not isinstance(ball, Ball):  # Arb has no powers and exponentials of numbers beyond 2**128
        assert isinf(low) or fmt.name == "float64"
        return True
    if isinf(low):  # at the very end of float64
        assert fmt.name == "float64"
        return True
    lower_end, upper_end = fraction(ball.lower), fraction(ball.upper)
    width, size = upper_end - lower_end, max(abs(lower_end), abs(upper_end))
    slack = width * (LOOSE + SECOND * width / size) if width else Fraction(0)
    narrower = slack + width * (loose - LOOSE)
    assert Fraction(low) <= lower_end + narrower
    assert Fraction(high) >= upper_end - narrower
    more = Fraction(high) - Fraction(low) - width
    own = size * Fraction(1, 10**12) + Fraction(2) ** -1000 if width else 0
    if fmt.name != "float64":  # whose own roundings are those of the arithmetic here
        assert more <= slack + own, (float(lower_end), float(upper_end), low, high)
    return True


# --- against balls ------------------------------------------------------------------------------------


@ROWS
@ALL
def test_every_row_has_the_bounds_of_its_balls(row: Row, fmt: Format) -> None:
    for program, plain in in_turn(row, fmt) if fmt in formats_of(row) else ():
        pullback = gradients_of(program, plain)
        for surely in (False, True):
            compare(pullback.core, rounded(plain, fmt), fmt, surely=surely)


def wild(random: np.random.Generator, shape: tuple[int, ...], fmt: Format) -> np.ndarray:
    """Return numbers of all sizes: of every exponent, moderate ones, some near 1, and the ends of the range."""
    exponents = random.integers(fmt.emin - fmt.precision, fmt.emax + 1, shape)
    ends = (0, 1, 2, 0.5, 3, fmt.smallest_normal, fmt.smallest_subnormal, fmt.largest, fmt.largest / 2, 11, 88.5, 709)
    kinds = (
        np.ldexp(random.uniform(1, 2, shape), exponents), 10 ** random.uniform(-4, 2, shape),
        1 + random.normal(0, 1e-3, shape), random.choice(ends, shape),
    )  # fmt: skip
    drawn = np.choose(random.integers(0, 4, shape), kinds) * random.choice((-1, 1), shape)
    nearest = np.vectorize(lambda one: fmt.round(Fraction(one)), otypes=[float])
    made: np.ndarray = np.clip(nearest(drawn), -fmt.largest, fmt.largest)
    return made


@ONE_BY_ONE
@ALL
def test_rows_have_the_bounds_of_their_balls_at_numbers_of_all_sizes(row: Elementwise, fmt: Format) -> None:
    random = np.random.default_rng(11)
    point = {name: wild(random, (40,), fmt) for name in row.args}
    core = gradients_of(program_of(row), point).core
    left = [compare(core, point, fmt, surely=surely) for surely in (False, True)]
    assert max(left) <= 40 or fmt.name == "float64" or left_to_balls(core.program)


@pytest.mark.parametrize("row", each(row for row in ON_TENSORS if row.samples))
def test_tensors_have_the_bounds_of_their_balls_at_numbers_of_all_sizes(row: Row) -> None:
    random = np.random.default_rng(12)
    for k, text in enumerate(row.samples):
        fmt = list(FORMATS.values())[k % len(FORMATS)]
        program, plain = weighted(str(text))
        point = {name: wild(random, array.shape, fmt) for name, array in plain.items()}
        compare(gradients_of(program, point).core, point, fmt, surely=bool(k % 2))


@given(cases())
@settings(max_examples=25, deadline=None)
def test_random_programs_have_the_bounds_of_their_balls(case: Case) -> None:
    for fmt in FORMATS.values():
        try:
            core = gradients_of(case.program, case.point).core
        except GradcheckError:
            return
        compare(core, rounded(case.point, fmt), fmt, loose=LOOSER)


@ROWS
def test_blocks_are_put_together_as_the_whole_is(row: Row, monkeypatch: pytest.MonkeyPatch) -> None:
    for program, plain in sampled(row):
        many = {name: np.stack([array] * 5) for name, array in plain.items()} if isinstance(row, Elementwise) else plain
        core, fmt = gradients_of(program, many).core, FORMATS["float32"]
        layers = [layer.name for layer in core.program.layers]
        monkeypatch.undo()
        whole, name = enclose_rounded(core, rounded(many, fmt), fmt, layers)
        monkeypatch.setattr(blocks, "BLOCK", 1)
        found, again = enclose_rounded(core, rounded(many, fmt), fmt, layers)
        assert name == again
        for layer in layers:
            for a, b in ((whole[layer].lower, found[layer].lower), (whole[layer].upper, found[layer].upper)):
                assert np.allclose(a, b, rtol=1e-14, atol=0, equal_nan=True), layer


# --- against torch ------------------------------------------------------------------------------------


def outside(program: Program, point: Point, fmt: Format, times: float = 1.0) -> Iterator[tuple[str, np.ndarray]]:
    """Yield where torch's value and gradients, times a number, are outside of their bounds."""
    pullback = gradients_of(program, point)
    names = {"": program.output, **dict(zip(program.tracked, pullback.program.outputs, strict=True))}
    found, _ = enclose_rounded(pullback.core, point, fmt, set(names.values()))
    torch = autograd.backward(program, point, program.tracked, dtype=fmt.name)
    for name, layer in names.items():
        made = torch.gradients[name] if name else torch.layers[program.output]
        if made is not None:
            values = np.array(made.elements).reshape(made.shape) * times
            yield name, beyond(found[layer], values)


def beyond(bounds: Bounds, values: np.ndarray) -> np.ndarray:
    missed: np.ndarray = np.isfinite(values) & ~((bounds.lower <= values) & (values <= bounds.upper))
    return missed & ~np.isnan(bounds.lower)


@ONE_BY_ONE
@ALL
def test_torch_lies_inside_at_thousands_of_points(row: Elementwise, fmt: Format) -> None:
    if fmt not in formats_of(row):
        return
    random, shape = np.random.default_rng(3), (len(row.args), 2_000)
    near, far = 1 + random.normal(0, 1e-3, shape), 10 ** random.uniform(-4, 2, shape)
    numbers = np.where(random.random(shape) < 0.5, near, far) * random.choice((-1, 1), shape)
    point = rounded(dict(zip(row.args, numbers, strict=True)), fmt)
    faulty = faults_of(row, point)
    for name, missed in outside(program_of(row), point, fmt):
        wrong = missed & ~faulty if name else missed
        assert not wrong.any(), (name, {one: array[wrong] for one, array in point.items()})


@given(cases())
@settings(max_examples=25, deadline=None)
def test_torch_lies_inside_in_random_programs(case: Case) -> None:
    for fmt in FORMATS.values():
        try:
            assert not any(missed.any() for _, missed in outside(case.program, rounded(case.point, fmt), fmt))
        except GradcheckError:
            return


PROGRAMS = (
    "h = tanh(x*2 + 1)\nsum(h*sigmoid(x))", "sum(softmax(x, 0)*w)", "sum((relu(x)*w - 1)**2)", "sum(gelu(x)*w)",
    "logsumexp(x*w, 0)", "sum(x/(1 + w*w))", "norm(x*w)", "sum(exp(-x**2)*w)",
)  # fmt: skip


@ALL
@pytest.mark.parametrize("text", PROGRAMS)
def test_faults_lie_outside_in_long_arrays_and_honest_numbers_do_not(text: str, fmt: Format) -> None:
    """Long sums are known to a few roundings of their format."""
    random = np.random.default_rng(9)
    program = parse(text)
    point = rounded({name: random.uniform(0.5, 1.5, 70_000) for name in program.inputs}, fmt)
    assert not any(missed.any() for _, missed in outside(program, point, fmt))
    for times in (2.0, -1.0):
        found = dict(outside(program, point, fmt, times))
        assert all(missed.mean() > 0.9 for name, missed in found.items() if name)


@ROWS
@ALL
def test_what_is_outside_of_the_balls_is_outside_of_the_bounds(row: Row, fmt: Format) -> None:
    for program, plain in list(sampled(row))[:2] if fmt in formats_of(row) else ():
        point = rounded(plain, fmt)
        pullback = gradients_of(program, point)
        outputs = set(pullback.program.outputs)
        wanted, _ = exact.enclose_rounded(pullback.core, point, fmt)
        found, _ = enclose_rounded(pullback.core, point, fmt, outputs)
        torch = autograd.backward(program, point, program.tracked, dtype=fmt.name)
        for name, layer in zip(program.tracked, pullback.program.outputs, strict=True):
            made = torch.gradients[name]
            balls = exact.balls(wanted[layer], 128)
            for times in (2.0, -1.0) if made is not None else ():
                values = np.array(made.elements if made is not None else []) * times
                missed = beyond(found[layer], values.reshape(np.shape(found[layer].lower))).ravel()
                for k, ball in enumerate(balls):
                    if isinstance(ball, Ball) and isfinite(values[k]) and not isnan(found[layer].lower.flat[k]):
                        assert missed[k] or ball.contains(values[k])


# --- what is lost, and what is one and the same number ---------------------------------------------


@ONE_BY_ONE
def test_behind_what_overflows_anything_may_come(row: Elementwise) -> None:
    """Even where the function itself is bounded: what overflowed may have been no number at all."""
    text = f"{row.name}({', '.join(f'exp({name})*sign' for name in row.args)})"
    for sign in (1.0, -1.0):
        point = {name: np.array([0.5, 100.0, 0.25]) for name in row.args} | {"sign": np.array(sign)}
        core = lower(parse(text), shapes(point), nodes=True, as_torch=True)
        found, _ = enclose_rounded(core, point, FORMATS["float32"], ["out"])
        assert not isfinite(found["out"].lower[1])
        assert not isfinite(found["out"].upper[1])


HOLDS = {"le": 1.0, "ge": 1.0, "eq": 1.0, "lt": 0.0, "gt": 0.0, "ne": 0.0}


@ALL
@pytest.mark.parametrize("op", HOLDS)
def test_elements_that_are_one_number_compare_for_certain_among_others_that_are_not(op: str, fmt: Format) -> None:
    text = f"z = exp(x); w = where(y > 0, z, z + 1); where({SIGNS[op].format('z', 'w')}, 1, 0)"
    assert at_ones(text, fmt) == [(HOLDS[op], HOLDS[op])] * 2


@ALL
def test_elements_that_are_one_number_leave_nothing_among_others_that_are_not(fmt: Format) -> None:
    assert at_ones("z = exp(x); w = where(y > 0, z, 2*z); z - w", fmt) == [(0.0, 0.0)] * 2


@ALL
@pytest.mark.parametrize(
    "text", ["nan_to_num(x)", "where(x == -inf, 3*x, x)", "where(-inf < x, x, 3*x)", "clamp(x, -inf, inf)"]
)
def test_what_is_finite_is_surely_no_infinity(text: str, fmt: Format) -> None:
    """A wrong slope is not excused by what stands where the number would be infinite."""
    point = rounded({"x": np.array([0.3, -0.7, 1.1])}, fmt)
    pullback = gradients_of(parse(text), point)
    assert not compare(pullback.core, point, fmt)
    [slope] = pullback.program.outputs
    found, _ = enclose_rounded(pullback.core, point, fmt, [slope])
    assert (found[slope].lower == 1).all()
    assert (found[slope].upper == 1).all()


SIGNS = {"le": "{} <= {}", "ge": "{} >= {}", "eq": "{} == {}", "lt": "{} < {}", "gt": "{} > {}", "ne": "{} != {}"}


def at_ones(text: str, fmt: Format) -> list[tuple[float, float]]:
    """Return the bounds where y is 1: of the first and the last of three elements."""
    point = rounded({"x": np.array([0.3, 0.7, 1.1]), "y": np.array([1.0, -1.0, 1.0])}, fmt)
    core = lower(parse(text), shapes(point), nodes=True, as_torch=True)
    compare(core, point, fmt)
    found, _ = enclose_rounded(core, point, fmt, ["out"])
    return [(float(found["out"].lower[k]), float(found["out"].upper[k])) for k in (0, 2)]


@ALL
@pytest.mark.parametrize(
    "text", ["maximum(exp(x), exp(y)*z)", "minimum(exp(x), exp(y)*z)", "clamp(exp(x), exp(y)*z, 99)"]
)
def test_of_two_that_may_be_either_the_hull_is_taken_as_in_balls(text: str, fmt: Format) -> None:
    """A few roundings apart, where the enclosures of both overlap and neither holds the other."""
    steps = np.arange(-8, 9)
    apart = 1 + steps * 2.0 ** (1 - fmt.precision)
    point = rounded({"x": np.full(17, 0.3), "y": np.full(17, 0.3), "z": np.asarray(apart, np.float64)}, fmt)
    assert not compare(lower(parse(text), shapes(point), nodes=True, as_torch=True), point, fmt)
