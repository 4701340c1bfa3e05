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
from gradcheck.differentiate import pull_back
from gradcheck.exact.sides import Beside, beside
from gradcheck.formats import Ball, Estimate
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


# --- both sides of a point --------------------------------------------------------------------------------


Wanted = Fraction | float | None
"""The number that a ball is to hold, or that there is none."""


def around(text: str, at: float = 0.0, y: float | None = None) -> Beside:
    """Return what the derivative by x does beside ``at``; a program of y too has that at ``y``."""
    point = {"x": np.array(at)} if y is None else {"x": np.array(at), "y": np.array(y)}
    program = parse(text)
    nodes = pull_back(lower(program, shapes(point), nodes=True), ["x"], guarded=True)
    fused = pull_back(lower(program, shapes(point)), ["x"])
    forms = [(one.core, one.program.outputs[0]) for one in (nodes, fused)]
    return beside(forms, program.output, point, "x", 0)


def as_ball(found: Ball | Estimate | None) -> Ball | None:
    """Return an enclosure, whether it is proven or estimated."""
    return found.ball if isinstance(found, Estimate) else found


def holds(ball: Ball | None, wanted: Wanted) -> bool:
    """Tell whether a ball is a narrow one around a number, and None where there is none."""
    if ball is None or wanted is None:
        return ball is None and wanted is None
    low, high = (Fraction(man) * Fraction(2) ** exp for man, exp in (ball.lower, ball.upper))
    return ball.contains(Fraction(wanted)) and high - low < Fraction(1, 2**50)


LIMITS: list[tuple[str, float, Wanted]] = [
    ("sin(x)/x", 0, 0), ("(1 - cos(x))/x**2", 0, 0), ("(exp(x) - 1)/x", 0, 0.5),
    ("(exp(x) - 1 - x)/x**2", 0, Fraction(1, 6)),
    ("(x**2 - 1)/(x - 1)", 1, 1), ("(x**3 - 8)/(x - 2)", 2, 6), ("log(1 + x)/x", 0, -0.5), ("x**2*log(abs(x))", 0, 0),
    ("tanh(x)/x", 0, 0), ("x/(exp(x) - 1)", 0, -0.5), ("1e-40*(exp(x) - 1)/x", 0, Fraction(1, 2 * 10**40)),
    ("(exp(x - 1e9) - 1)/(x - 1e9)", 1e9, 0.5), ("where(x == 0, 5, x)", 0, 1), ("x*abs(x)/x", 0, None),
    ("x*log(x)", 0, None), ("sqrt(x)", 0, None), ("1/x", 0, None), ("1/x**2", 0, None), ("x*sin(1/x)", 0, None),
    ("x**2*sin(1/x)", 0, 0), ("abs(x)/x", 0, None), ("x + abs(x)/x", 0, None), ("log(abs(x))", 0, None),
    ("sqrt(abs(x))", 0, None), ("abs(x)", 0, None),
]  # fmt: skip


@pytest.mark.parametrize(("text", "at", "wanted"), LIMITS)
def test_the_limit_of_a_derivative_where_the_formula_has_no_value(text: str, at: float, wanted: Wanted) -> None:
    assert holds(as_ball(around(text, at).limit), wanted)


ENDS: list[tuple[str, tuple[Wanted, int], tuple[Wanted, int]]] = [
    ("abs(x)", (-1, 0), (1, 0)), ("sqrt(x)", (None, 0), (None, 1)), ("where(x > 0, sqrt(x), 0*x)", (0, 0), (None, 1)),
    ("-sqrt(abs(x))", (None, 1), (None, -1)), ("x*log(x)", (None, 0), (None, -1)), ("1/x", (None, -1), (None, -1)),
    ("x**1.5", (None, 0), (0, 0)), ("x*sin(1/x)", (None, 0), (None, 0)),
    ("1e-60*sqrt(abs(x))", (None, -1), (None, 1)),
    ("1e-60*abs(x)", (Fraction(-1, 10**60), 0), (Fraction(1, 10**60), 0)),
    ("where(x < 0, log(-x), x)", (None, -1), (1, 0)),
    ("relu(x) + detach(x)", (0, 0), (1, 0)), ("floor(x)", (0, 0), (0, 0)),
]  # fmt: skip


@pytest.mark.parametrize(("text", "left", "right"), ENDS)
def test_each_side_has_a_slope_or_none_and_may_be_seen_to_grow(
    text: str, left: tuple[Wanted, int], right: tuple[Wanted, int]
) -> None:
    found = around(text)
    for side, (slope, infinite) in ((found.left, left), (found.right, right)):
        assert holds(side.ball, slope)
        assert side.infinite == infinite


@pytest.mark.parametrize(
    ("text", "smooth", "jump"),
    [
        ("abs(x)", False, False), ("x*abs(x)", True, False), ("sign(x)", True, True), ("1e-60*sign(x)", True, True),
        ("1e-60*abs(x)", False, False), ("where(x == 0, 5, x)", True, True), ("sign(x)**2", True, True),
        ("relu(x) + detach(sign(x))", False, False), ("where(x > 0, x + 1, 2*x)", False, True),
        ("clamp(x, 0, 1e-80)", False, False), ("x*abs(x) + 1e-80*x", True, False), ("round(x/2 + 1/2)", True, True),
    ],
)  # fmt: skip
def test_slopes_that_differ_and_values_that_jump_show_at_any_scale(text: str, smooth: bool, jump: bool) -> None:
    found = around(text).sides
    assert found is not None
    assert (found.smooth, found.jump) == (smooth, jump)


@pytest.mark.parametrize("text", ["relu(x*y)", "maximum(x*y, 0)*x", "abs(y)*x", "abs(y)*detach(x) + relu(x*y)"])
def test_on_a_kink_that_goes_on_beside_the_point_the_values_say_what_the_slope_is(text: str) -> None:
    assert holds(as_ball(around(text, at=2.0, y=0.0).limit), 0)
