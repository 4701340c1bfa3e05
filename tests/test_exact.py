"""The exact lane: enclosures that contain and overlap, zeros that hide, points without a number, poles."""

from __future__ import annotations

from fractions import Fraction

import flint
import mpmath
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from gradcheck import exact
from gradcheck.formats import Ball
from gradcheck.functions import GUARD, MASK, PATCH
from gradcheck.lower import lower
from gradcheck.parse import parse
from gradcheck.program import Layer, Node, Program, call, number
from oracles import enclosures, numbers, shapes
from strategies import Case, cases


def value(text: str, bits: int = 128, **point: float) -> Ball | str | None:
    [found] = enclosures(lower(parse(text)), "out", {name: np.array(one) for name, one in point.items()}, bits)
    return found


def chosen(op: str, *args: Node, reason: str | None = None, x: float) -> Ball | str | None:
    """Return what a choice of gradient programs gives at a point."""
    node = call(op, *args) if reason is None else call(op, *args, reason=reason)
    core = lower(Program(("x",), (Layer("out", node),), ("out",)))
    [found] = enclosures(core, "out", {"x": np.array(x)}, 128)
    return found


def condition(text: str) -> Node:
    choice = parse(f"where({text}, 1, 0)").layers[0].expression
    return choice.args[0]  # type: ignore[union-attr]


def expression(text: str) -> Node:
    return parse(text).layers[0].expression


# --- enclosures ------------------------------------------------------------------------------------


@settings(max_examples=60)
@given(cases())
def test_enclosures_at_any_two_precisions_overlap(case: Case) -> None:
    core = lower(case.program, shapes(case.point))
    rough, fine = (enclosures(core, case.program.output, case.point, bits) for bits in (53, 300))
    for one, other in zip(rough, fine, strict=True):
        assert not (isinstance(one, Ball) and isinstance(other, Ball)) or one.overlaps(other)


@settings(max_examples=60)
@given(cases(smooth=True))
def test_a_finer_enclosure_of_a_smooth_program_is_a_number_close_to_the_rough_one(case: Case) -> None:
    core = lower(case.program, shapes(case.point))
    for one, other in zip(
        numbers(core, case.program.output, case.point, 200), numbers(core, case.program.output, case.point), strict=True
    ):
        assert abs(one - other) <= max(abs(other), Fraction(1)) / 2**100


@given(st.floats(allow_nan=False, allow_infinity=False, width=64))
def test_a_float_enters_as_the_very_number(x: float) -> None:
    found = value("x", x=x)
    assert isinstance(found, Ball)
    assert found.exact
    assert found.contains(Fraction(x))


def test_a_literal_is_the_decimal_and_a_point_is_the_float() -> None:
    literal, point = value("0.1 + 0*x", x=0.0), value("x", x=0.1)
    assert isinstance(literal, Ball)
    assert isinstance(point, Ball)
    assert literal.contains(Fraction(1, 10))
    assert not point.contains(Fraction(1, 10))


@pytest.mark.parametrize("bits", [64, 128, 1000])
def test_constants_are_enclosed_at_every_precision(bits: int) -> None:
    with mpmath.workprec(bits + 100):
        for name in ("pi", "e"):
            found = value(f"{name} + 0*x", bits, x=0.0)
            assert isinstance(found, Ball)
            wanted = Fraction(*map(int, mpmath.libmp.to_rational((+getattr(mpmath.mp, name))._mpf_)))
            low, high = (Fraction(man) * Fraction(2) ** exp for man, exp in (found.lower, found.upper))
            slack = Fraction(1, 2 ** (bits + 50))
            assert low - slack <= wanted <= high + slack


def test_the_precision_of_flint_is_left_as_it_was() -> None:
    before = flint.ctx.prec
    value("exp(x)", 777, x=1.0)
    assert flint.ctx.prec == before
    with pytest.raises(KeyError):
        exact.enclose(lower(parse("x + y")), {"x": np.array(1.0)}, 999)
    assert flint.ctx.prec == before


@pytest.mark.parametrize("text", ["exp(exp(exp(x)))", "exp(x)/exp(x + 1)", "2**(2**(2**x))", "(x**x)**x"])
def test_a_number_beyond_all_bounds_is_no_wrong_one(text: str) -> None:
    found = value(text, x=1000.0)
    assert found is None or isinstance(found, Ball)


# --- comparisons of balls -----------------------------------------------------------------------------


@pytest.mark.parametrize("sign", ["<", "<=", ">", ">=", "==", "!="])
def test_a_comparison_that_the_enclosure_cannot_decide_decides_nothing(sign: str) -> None:
    """At any precision, sqrt(2)**2 is not known to be 2; with the number itself, it is."""
    assert value(f"where(sqrt(x)**2 {sign} x, 1, 2)", x=2.0) == "undecided"
    assert isinstance(value(f"where(x {sign} 2, 1, 2)", x=2.0), Ball)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("where((x > 1) | (sqrt(x)**2 > x), 1, 2)", 1),
        ("where((x < 1) & (sqrt(x)**2 > x), 1, 2)", 2),
        ("where(~(x > 1) & (sqrt(x)**2 > x), 1, 2)", 2),
    ],
)
def test_what_decides_a_condition_alone_decides_it(text: str, wanted: int) -> None:
    found = value(text, x=2.0)
    assert isinstance(found, Ball)
    assert found.contains(Fraction(wanted))


# --- choices -------------------------------------------------------------------------------------------

POLE, INSIDE, OUTSIDE = expression("1/x"), condition("x == 0"), condition("x != 0")


def test_a_mask_hides_what_is_no_number() -> None:
    found = chosen(MASK, POLE, OUTSIDE, x=0.0)
    assert isinstance(found, Ball)
    assert found.exact
    assert found.contains(0)
    assert isinstance(chosen(MASK, POLE, OUTSIDE, x=2.0), Ball)


def test_a_guard_gives_its_reason_where_it_does_not_hold() -> None:
    assert chosen(GUARD, POLE, OUTSIDE, reason="kink here", x=0.0) == "kink here"
    assert isinstance(chosen(GUARD, POLE, OUTSIDE, reason="kink here", x=2.0), Ball)


def test_a_patch_gives_its_own_value_where_it_holds() -> None:
    found = chosen(PATCH, POLE, INSIDE, number(7), x=0.0)
    assert isinstance(found, Ball)
    assert found.contains(7)


@pytest.mark.parametrize("shape", ["{} + 1", "1 - {}", "-{}", "{}*x", "x/{}", "{}/3", "exp({})", "{}*{}"])
def test_no_number_stays_no_number_through_arithmetic(shape: str) -> None:
    node = call(GUARD, POLE, OUTSIDE, reason="kink here")
    program = Program(("x",), (Layer("g", node), *parse("g = x; " + shape.format("g", "g")).layers[1:]), ("out",))
    [found] = enclosures(lower(program), "out", {"x": np.array(0.0)}, 128)
    assert not isinstance(found, Ball)


@pytest.mark.parametrize("shape", ["{}*y", "y*{}", "{}/2", "-{}", "{} + 0", "0 - {}", "{}*{}"])
def test_the_zero_of_a_mask_outlasts_any_factor(shape: str) -> None:
    """Behind it stands an infinite cotangent, and 0 times that is still 0: the branch was not taken."""
    [*_, last] = parse("m = x; y = x; " + shape.format("m", "m")).layers
    layers = (Layer("m", call(MASK, POLE, OUTSIDE)), Layer("y", POLE), last)
    [found] = enclosures(lower(Program(("x",), layers, ("out",))), "out", {"x": np.array(0.0)}, 128)
    assert isinstance(found, Ball)
    assert found.contains(0)


# --- poles -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("text", "x"), [("1/x", 0.0), ("log(x)", 0.0), ("x/(x - 1)", 1.0), ("(x - x)/(x - x)", 3.0)])
def test_a_pole_is_named_by_its_operation(text: str, x: float) -> None:
    core = lower(parse(text), nodes=True)
    found = exact.pole(core, exact.enclose(core, {"x": np.array(x)}, 128))
    assert found in {one.expression.op for one in core.program.layers}  # type: ignore[union-attr]


@settings(max_examples=40)
@given(cases(smooth=True))
def test_a_smooth_program_has_no_pole(case: Case) -> None:
    core = lower(case.program, shapes(case.point), nodes=True)
    assume(all(isinstance(one, Ball) for one in enclosures(core, case.program.output, case.point, 128)))
    assert exact.pole(core, exact.enclose(core, case.point, 128)) is None
