"""Equal functions get equal verdicts, however they are spelled: at kinks, ends of domains and removable points."""

from __future__ import annotations

from math import isclose

import numpy as np
import pytest

from gradcheck.case import check
from gradcheck.differentiate import pull_back
from gradcheck.exact.sides import beside
from gradcheck.formats import Ball
from gradcheck.lower import lower
from gradcheck.parse import parse
from gradcheck.settings import Settings
from gradcheck.verdict import Verdict
from oracles import shapes

UNDEFINED = "undefined"
Truth = float | tuple[float, float] | str
"""A derivative, the slopes on both sides of a corner, or that there is none."""

SPELLINGS: list[tuple[float, Truth, list[str]]] = [
    # --- ends of a domain: the derivative from inside --------------------------------------------------
    (0, 0.0, ["x*sqrt(x)", "x**1.5", "sqrt(x**3)", "sqrt(x)**3", "sqrt(x)*x", "x**(3/2)", "x*x**0.5"]),
    (0, 0.0, ["0*sqrt(x)", "sqrt(x) - sqrt(x)", "sqrt(0*x)*sqrt(x)", "where(x > 5, sqrt(x), 0*sqrt(x))"]),
    (1, -2.0, ["acos(x)**2", "acos(x)*acos(x)", "square(acos(x))"]),
    (0, 2.0, ["acosh(1 + x)**2", "acosh(x + 1)*acosh(x + 1)"]),
    (0, 0.0, ["x**2.5", "x*x*sqrt(x)", "x**2*sqrt(x)", "sqrt(x**5)", "sqrt(x)**5"]),
    (0, 1.0, [
        "sqrt(x)*sqrt(x)", "sqrt(x)**2", "x**0.5*x**0.5", "square(sqrt(x))", "(x**0.25)**4", "exp(0)*sqrt(x)**2"
    ]),
    (0, 1.0, ["x + x**1.5", "x*(1 + sqrt(x))", "sqrt(x)*(sqrt(x) + x)"]),
    (1, 0.0, ["(1 - x)**1.5", "(1 - x)*sqrt(1 - x)", "sqrt((1 - x)**3)"]),
    (0, 1.0, ["sin(sqrt(x))**2", "sin(x**0.5)*sin(x**0.5)", "1 - cos(sqrt(x))**2"]),
    (0, -0.5, ["cos(sqrt(x))", "1 - 2*sin(sqrt(x)/2)**2", "cos(x**0.5)"]),
    # --- infinite slopes ----------------------------------------------------------------------------------
    (0, UNDEFINED, ["sqrt(x)", "x**0.5", "x**(1/2)"]),
    (0, UNDEFINED, ["sqrt(abs(x))", "abs(x)**0.5", "(x**2)**0.25", "sqrt(sqrt(x**2))"]),
    (1, UNDEFINED, ["acos(x)", "pi/2 - asin(x)"]),
    # --- 0/0 and other points where the formula has no value ---------------------------------------------------
    (0, UNDEFINED, ["sin(x)/x", "sin(x)*x/x**2", "x**-1*sin(x)", "reciprocal(x)*sin(x)"]),
    (0, UNDEFINED, ["v = x**2; v**2/(x + v)", "x**4/(x + x**2)", "x**3/(1 + x)*x/x"]),
    (1, UNDEFINED, ["(x**2 - 1)/(x - 1)", "(x - 1)*(x + 1)/(x - 1)"]),
    (0, UNDEFINED, ["x**2*log(x)", "x*(x*log(x))", "log(x)*x**2"]),
    (0, UNDEFINED, ["x**2*sin(1/x)", "sin(1/x)*x*x", "x*(x*sin(1/x))"]),
    (0, UNDEFINED, ["exp(-1/x**2)", "exp(-1/(x*x))", "1/exp(1/x**2)"]),
    # --- where the value exists, and 0/0 is on the way alone ------------------------------------------------------
    (0, 0.0, ["where(x == 0, 1, sin(x)/x)", "where(x != 0, sin(x)/x, 1)"]),
    (0, 0.0, ["where(x == 0, 0, x**2*sin(1/x))", "where(x != 0, x*x*sin(1/x), 0)"]),
    (0, 0.0, ["where(x == 0, 0, exp(-1/x**2))", "where(x != 0, exp(-1/(x*x)), 0)"]),
    (0, 0.0, ["where(x == 0, 0, x**2*log(abs(x)))", "where(x == 0, 0, x*(x*log(abs(x))))"]),
    # --- smooth in spite of a corner -----------------------------------------------------------------------------
    (0, 0.0, ["x*abs(x)", "x**2*sign(x)", "where(x > 0, x**2, -x**2)", "x*sqrt(x**2)", "x*maximum(x, -x)"]),
    (0, 0.0, ["abs(x)**3", "sqrt(x**2)**3", "abs(x**3)", "sqrt(x**6)", "maximum(x, -x)**3", "(x**2)**1.5"]),
    (0, 0.0, [
        "relu(x)**2", "maximum(x, 0)**2", "clamp(x, min=0)**2", "where(x > 0, x**2, 0)", "x*relu(x)",
        "square((x + abs(x))/2)"
    ]),
    (0, 1.0, ["relu(x) - relu(-x)", "maximum(x, 0) + minimum(x, 0)", "x", "(x + abs(x))/2 + (x - abs(x))/2"]),
    (0, 0.0, ["abs(cos(x) - 1)", "1 - cos(x)", "maximum(1 - cos(x), 0)", "2*sin(x/2)**2"]),
    (0, 0.0, ["sqrt(x**4)", "x**2", "abs(x)**2", "abs(x)*abs(x)", "hypot(x, 0)**2"]),
    (0, 0.0, ["abs(x)**1.5", "(x**2)**0.75", "sqrt(abs(x)**3)", "abs(x)*sqrt(abs(x))"]),
    (0, 0.0, ["tanh(abs(x))*x", "x*abs(tanh(x))", "abs(x)*tanh(x)"]),
    (2, 0.0, ["0*floor(x)", "floor(x)*(floor(x) - floor(x))"]),
    # --- corners -----------------------------------------------------------------------------------------------
    (0, (-1.0, 1.0), [
        "abs(x)", "sqrt(x**2)", "maximum(x, -x)", "x*sign(x)", "hypot(x, 0)", "norm(stack([x, 0*x]))", "(x**4)**0.25",
        "sqrt(x*x)", "where(x > 0, x, -x)", "relu(x) + relu(-x)"
    ]),
    (0, (0.0, 1.0), [
        "relu(x)", "maximum(x, 0)", "clamp(x, min=0)", "where(x > 0, x, 0)", "(x + abs(x))/2",
        "amax(stack([x, 0*x]))", "sqrt(relu(x)**2)"
    ]),
    (0, (1.0, 0.0), ["minimum(x, 0)", "clamp(x, max=0)", "-relu(-x)", "amin(stack([x, 0*x]))", "x - relu(x)"]),
    (1, (2.0, 3.0), ["maximum(x**2, x**3)", "where(x > 1, x**3, x**2)", "(x**2 + x**3 + abs(x**3 - x**2))/2"]),
    (0, (-2.0, 2.0), ["sqrt(4*x**2)", "2*abs(x)", "abs(2*x)", "abs(sin(2*x))", "sqrt(sin(2*x)**2)", "acos(cos(2*x))"]),
    (0, (-1.0, 1.0), ["sqrt(2 - 2*cos(x))", "2*abs(sin(x/2))", "acos(cos(x))"]),
    (0, (0.0, 1.0), ["where(x > 0, sqrt(x)**2, 0*x)", "where(x > 0, x, 0*x)"]),
    (2, (-2.0, 2.0), ["(x % 2)*(2 - x % 2)", "(x - 2*floor(x/2))*(2 - x + 2*floor(x/2))"]),
    # --- jumps ---------------------------------------------------------------------------------------------------
    (0, UNDEFINED, [
        "sign(x)", "where(x > 0, 1, where(x < 0, -1, 0))", "relu(sign(x)) - relu(-sign(x))", "0 + sign(x)"
    ]),
    (2, UNDEFINED, ["floor(x)", "-ceil(-x)", "x - x % 1", "x - (x - floor(x))"]),
    (0, UNDEFINED, ["where(x > 0, x + 1, x)", "x + where(x > 0, 1, 0)", "x + relu(sign(x))"]),
    (0, UNDEFINED, ["where(x == 0, 5, x)", "x + where(x == 0, 5, 0)", "x + 5*(1 - sign(x)**2)"]),
]  # fmt: skip


def truth(text: str, x: float) -> Truth:
    """Return what is said of the derivative at a point, whatever torch has there."""
    outcome = check(text, {"x": x}, settings=Settings(dtypes=("float64",)))[0]
    [gradient] = outcome.gradients
    [judgement], [ball] = gradient.judgements, gradient.exact
    assert judgement.verdict not in (Verdict.UNDECIDED, Verdict.ERROR), judgement
    if judgement.verdict is Verdict.UNDEFINED:
        return UNDEFINED
    if isinstance(ball, Ball):
        return 0.0 if ball.contains(0.0) else ball.nearest
    return both_sides(text, x)


def both_sides(text: str, x: float) -> tuple[float, float]:
    program, point = parse(text), {"x": np.array(float(x))}
    pulled = pull_back(lower(program, shapes(point), nodes=True), ["x"], guarded=True)
    found = beside([(pulled.core, pulled.program.outputs[0])], program.output, point, "x", 0).sides
    assert found is not None
    return found.left.nearest, found.right.nearest


@pytest.mark.parametrize(
    ("text", "x", "wanted"), [(text, x, wanted) for x, wanted, texts in SPELLINGS for text in texts]
)
def test_a_function_has_one_derivative_in_every_spelling(text: str, x: float, wanted: Truth) -> None:
    found = truth(text, x)
    if isinstance(wanted, str) or isinstance(found, str):
        assert found == wanted
        return
    pairs = zip(np.atleast_1d(found), np.atleast_1d(wanted), strict=True)
    assert all(isclose(a, b, rel_tol=1e-15, abs_tol=1e-300) for a, b in pairs)


def test_what_balls_cannot_prove_is_said_to_be_no_more_than_it_seems() -> None:
    """That ``pi/2 - asin(1)`` is 0 no enclosure tells: the slope here may be infinite for all that is proven."""
    found = check("(pi/2 - asin(x))**2", {"x": 1}, settings=Settings(dtypes=("float64",)))[0].gradients[0].judgements[0]
    assert found.verdict is Verdict.UNDEFINED


def test_there_are_many_functions_of_several_spellings() -> None:
    assert len(SPELLINGS) >= 40
    assert all(len(texts) == len(set(texts)) for _, _, texts in SPELLINGS)
