"""What cancels by its structure is exact, and decided; what nothing decides is undecided, and never said to jump."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Any

import flint
import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gradcheck import exact
from gradcheck.case import check
from gradcheck.differentiate import pull_back
from gradcheck.exact.evaluate import _layers, as_array
from gradcheck.exact.structure import Book
from gradcheck.formats import Ball
from gradcheck.lower import lower
from gradcheck.outcome import Run
from gradcheck.parse import parse
from gradcheck.settings import Settings
from gradcheck.verdict import Verdict
from oracles import enclosures, fraction, shapes
from strategies import Case, cases

ATOMS = ["sin(x)", "exp(x)", "0.1*x", "sqrt(x + 1)", "log(x)*tanh(x)", "x**0.3", "pi*x", "erf(x)/3"]
"""Expressions whose values at x = 2.5 no ball holds exactly, none of them 0."""

CONSTANTS: list[tuple[str, Fraction | int]] = [
    ("A - A", 0), ("A/A", 1), ("floor(A/A)", 1), ("ceil(A - A)", 0), ("A % A", 0), ("fmod(A, A)", 0),
    ("maximum(A, A) - A", 0), ("minimum(A, A)/A", 1), ("where(A > A, 5, 7)", 7), ("where(A >= A, 5, 7)", 5),
    ("where(A == A, 5, 7)", 5), ("where(A != A, 5, 7)", 7), ("sign(A - A)", 0), ("round(A/A)", 1),
    ("(A + A)/A", 2), ("floor((A + A)/A)", 2), ("A*A/A - A", 0), ("(A + 1)*(A - 1) - A*A", -1),
    ("floor((2*A + 2)/(A + 1))", 2), ("abs(A - A)", 0), ("relu(A - A)", 0), ("cos(A - A)", 1),
    ("1/A*A", 1), ("A**2 - A*A", 0), ("sum(softmax(stack([A, A, 2*A]), 0))", 1),
]  # fmt: skip
"""Functions of an expression A that are one number whatever A is."""


def at(text: str, point: dict[str, Any], bits: int = 128) -> Ball | str | None:
    arrays = {name: np.array(one, dtype=np.float64) for name, one in point.items()}
    core = lower(parse(text), {name: one.shape for name, one in arrays.items()}, nodes=True)
    [found] = enclosures(core, core.program.output, arrays, bits)
    return found


def is_number(found: Ball | str | None, wanted: Fraction | int) -> bool:
    """Tell whether an enclosure is a number to 100 bits; 0 to all of them."""
    if not isinstance(found, Ball) or not found.contains(Fraction(wanted)):
        return False
    low, high = (Fraction(man) * Fraction(2) ** exp for man, exp in (found.lower, found.upper))
    return high - low <= abs(Fraction(wanted)) / 2**100


def run(text: str, wrt: str = "x", **point: object) -> Run:
    return check(text, point, settings=Settings(wrt=(wrt,), dtypes=("float64",)))


def verdict(text: str, wrt: str = "x", **point: object) -> list[Verdict]:
    return [one.verdict for one in run(text, wrt, **point)[0].gradients[0].judgements]


@pytest.mark.parametrize("atom", ATOMS)
def test_no_ball_holds_the_atoms_exactly(atom: str) -> None:
    found = at(atom, {"x": 2.5})
    assert isinstance(found, Ball)
    assert not found.exact


@pytest.mark.parametrize("atom", ATOMS)
@pytest.mark.parametrize(("text", "wanted"), CONSTANTS)
def test_what_is_constant_by_its_structure_is_that_number(text: str, wanted: Fraction | int, atom: str) -> None:
    assert is_number(at(text.replace("A", f"({atom})"), {"x": 2.5}), wanted)


@pytest.mark.parametrize("atom", ATOMS[:4])
@pytest.mark.parametrize(("text", "wanted"), CONSTANTS)
def test_a_constant_has_the_derivative_0_or_a_corner_and_never_jumps(
    text: str, wanted: Fraction | int, atom: str
) -> None:
    [gradient] = run(f"x + ({text.replace('A', f'({atom})')})", x=2.5)[0].gradients
    [judgement] = gradient.judgements
    assert judgement.verdict is Verdict.AGREE, (judgement, wanted)


@pytest.mark.parametrize("text", ["where(A > A, y, 2*y)", "where((A == A) & (y > 0), 2*y, y)", "floor(A/A)*2*y"])
@pytest.mark.parametrize("atom", ATOMS)
def test_a_choice_by_structure_is_made(text: str, atom: str) -> None:
    [gradient] = run(text.replace("A", f"({atom})"), "y", x=2.5, y=3.0)[0].gradients
    assert gradient.exact[0] == Ball.around(2.0)


EQUAL: list[tuple[str, dict[str, Any], int]] = [
    ("sin(a) - sin(w)", {"a": 2, "w": 2}, 0), ("exp(a)/exp(w)", {"a": 2, "w": 2}, 1),
    ("(sin(a) - sin(w))**2 + a - w", {"a": 2, "w": 2}, 0), ("var(sin(x))", {"x": [1, 1, 1]}, 0),
    ("sum(exp(x) - mean(exp(x)))", {"x": [3, 3, 3, 3, 3]}, 0), ("a*0.1 + a*0.2 - a*0.3", {"a": 1}, 0),
    ("amax(exp(x)) - amin(exp(x))", {"x": [1, 1]}, 0), ("norm(sin(x) - sin(1))", {"x": [1, 1]}, 0),
    ("sum(softmax(x, 0))", {"x": [0.1, 0.2, 0.3]}, 1), ("floor(softmax(x, 0))", {"x": [2.5]}, 1),
    ("logsumexp(x, 0) - log(exp(x[0]) + exp(x[1]))", {"x": [1, 2]}, 0), ("(a/3)*3 - a", {"a": 1}, 0),
    ("sin(2*pi*a)", {"a": 1e6}, 0), ("cos(pi*a + pi/2)", {"a": 3}, 0), ("2*sin(pi/6)", {"a": 0}, 1),
    ("tan(pi*a)", {"a": 0.25}, 1), ("floor(sin(pi*a) + 1)", {"a": 7}, 1),
]  # fmt: skip


@pytest.mark.parametrize(("text", "point", "wanted"), EQUAL)
def test_equal_numbers_cancel_wherever_they_come_from(text: str, point: dict[str, Any], wanted: int) -> None:
    text = text if "a" not in point or "a" in text else f"{text} + 0*a"
    assert is_number(at(text, point), wanted)


TIES = ["maximum(sin(a), sin(w))", "minimum(exp(a), exp(w))", "abs(sin(a) - sin(w))", "relu(a - w)",
        "amax(stack([exp(a), exp(w)]))",
        "clamp(sin(a), sin(w), 2)"]  # fmt: skip


@pytest.mark.parametrize("text", TIES)
@pytest.mark.parametrize("by", ["a", "w"])
def test_a_tie_of_two_inputs_stays_a_kink_though_the_values_are_one_number(text: str, by: str) -> None:
    """Equal numbers move apart where they come from different inputs."""
    assert verdict(text, by, a=2.0, w=2.0) == [Verdict.KINK]


@pytest.mark.parametrize("text", ["floor(exp(a)/exp(w))", "sign(sin(a) - sin(w))", "where(sin(a) > sin(w), 1, 2)*a"])
def test_a_jump_of_two_inputs_stays_one(text: str) -> None:
    assert verdict(text, "w", a=2.0, w=2.0) == [Verdict.UNDEFINED]


@pytest.mark.parametrize("atom", ATOMS)
@pytest.mark.parametrize("op", ["maximum", "minimum"])
def test_a_tie_of_one_expression_with_itself_is_no_kink(op: str, atom: str) -> None:
    program = parse(f"{op}({atom}, {atom})")
    pulled = pull_back(lower(program, nodes=True), ["x"], guarded=True)
    plain = pull_back(lower(parse(atom), nodes=True), ["x"], guarded=True)
    found, wanted = (enclosures(one.core, one.program.output, {"x": np.array(2.5)}) for one in (pulled, plain))
    assert found == wanted


OPEN = ["floor(sin(x)**2 + cos(x)**2)", "where(sqrt(x)**2 > x, x, 2*x)", "ceil(exp(log(x)))", "sign(sqrt(x)**2 - x)",
        "(sqrt(x)**2) % x"]  # fmt: skip
"""Programs of numbers that are equal, by more than structure tells."""


@pytest.mark.parametrize("text", OPEN)
def test_what_merely_touches_a_border_is_undecided(text: str) -> None:
    [gradient] = run(text, x=2.0)[0].gradients
    [judgement] = gradient.judgements
    assert judgement.verdict is Verdict.UNDECIDED
    assert "jumps at this point" not in (judgement.note or "")


# --- numbers with structure -----------------------------------------------------------------------


@st.composite
def formulas(draw: st.DrawFn) -> str:
    """Draw a formula of x and y in which much cancels."""
    text = draw(st.sampled_from(["x", "y", "2", "1/3"]))
    for _ in range(draw(st.integers(1, 6))):
        other = draw(st.sampled_from(["x", "y", "(x - y)", "(x + y)", "sin(x)", "exp(y)", "3", "pi"]))
        op = draw(st.sampled_from(["+", "-", "*", "/"]))
        text = f"({text} {op} {other})"
    return text


@settings(max_examples=60)
@given(cases())
def test_with_structure_and_without_the_enclosures_of_any_program_overlap(case: Case) -> None:
    """Kinks, poles and points outside included, in the gradient too; and what was decided stays so."""
    pulled = pull_back(lower(case.program, shapes(case.point), nodes=True), guarded=True)
    with flint.ctx.workprec(128):
        given = _lifted(case.point)
        plain, structured = (_layers(pulled.core, given, {}, book) for book in (None, Book()))
    for name in pulled.program.outputs:
        for one, other in zip(exact.balls(plain[name], 128), exact.balls(structured[name], 128), strict=True):
            assert not (isinstance(one, Ball) and isinstance(other, Ball)) or one.overlaps(other)
            assert not isinstance(one, str) or one in ("undecided", other)


@given(formulas(), formulas())
def test_structure_never_changes_a_number(one: str, other: str) -> None:
    """An oracle that knows nothing of it: mpmath at 100 digits."""
    text = f"{one} - {other} + {one}/{other} - {one}"
    with mpmath.workdps(100):
        names = {"x": mpmath.mpf(0.7), "y": mpmath.mpf(1.9), "sin": mpmath.sin, "exp": mpmath.exp, "pi": +mpmath.pi}
        try:
            wanted = eval(re.sub(r"(\d+)", r"mpf(\1)", text), {**names, "mpf": mpmath.mpf})
        except ZeroDivisionError:
            return
        core = lower(parse(text + " + 0*x + 0*y"))
        point = {name: np.array(float(names[name])) for name in ("x", "y")}
        with flint.ctx.workprec(128):
            values = _layers(core, _lifted(point), {}, Book())["out"]
        [found] = exact.balls(values, 128)
        if not isinstance(found, Ball):
            return
        middle = fraction(found)
        error = abs(mpmath.mpf(middle.numerator) / middle.denominator - wanted)
        assert error <= mpmath.mpf(10) ** -28 * (1 + abs(wanted))


def _lifted(point: dict[str, Any]) -> dict[str, Any]:
    return {name: as_array(exact.from_float(one)) for name, one in point.items()}
