"""Ties and borders: what is said of torch, and the derivatives from both sides, at every kind of kink."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from math import inf, isfinite, nan
from typing import Any

import numpy as np
import pytest
import torch

from gradcheck.case import check
from gradcheck.differentiate import pull_back
from gradcheck.exact.sides import Beside, beside
from gradcheck.formats import Ball
from gradcheck.functions import ELEMENTWISE, Elementwise
from gradcheck.lower import lower
from gradcheck.outcome import Run
from gradcheck.parse import parse
from gradcheck.settings import Settings
from gradcheck.verdict import Verdict

Slope = Fraction | float | None
Element = tuple[Verdict, Slope, Slope]
"""What is said of one element of the gradient by x, and its left and right derivative; None where there is none."""
Point = dict[str, Any]

AGREE, KINK, UNDEFINED, DISAGREE = Verdict.AGREE, Verdict.KINK, Verdict.UNDEFINED, Verdict.DISAGREE

FORMATS = pytest.mark.parametrize("dtype", ["float64", "float32"])


def kink(left: Slope, right: Slope) -> Element:
    """A corner, where torch chose something between."""
    return KINK, left, right


def smooth(slope: Slope) -> Element:
    """A derivative, in spite of the kinks on the way, which torch has."""
    return AGREE, slope, slope


def wrong(left: Slope, right: Slope) -> Element:
    """What torch has is no derivative here, from either side or between them."""
    return DISAGREE, left, right


def jump(left: Slope, right: Slope) -> Element:
    """No derivative, whatever the slopes beside it: the function is not continuous."""
    return UNDEFINED, left, right


def nothing(left: Slope, right: Slope) -> Element:
    """No derivative: one side has none."""
    assert left is None or right is None
    return UNDEFINED, left, right


def at(x: object = 0, **others: object) -> Point:
    return {"x": x, **others}


CASES: list[tuple[str, Point, list[Element]]] = [
    # --- the greater and the lesser ---------------------------------------------------------------
    ("maximum(x, y)", at(1, y=1), [kink(0, 1)]),
    ("minimum(x, y)", at(1, y=1), [kink(1, 0)]),
    ("maximum(x, x)", at(1), [smooth(1)]),
    ("maximum(x, 2*x)", at(), [kink(1, 2)]),
    ("minimum(x, -x)", at(), [kink(1, -1)]),
    ("maximum(x, -x) - abs(x)", at(), [smooth(0)]),
    ("maximum(x, y) + minimum(x, y)", at(1, y=1), [smooth(1)]),
    ("maximum(x, y) - minimum(x, y)", at(1, y=1), [kink(-1, 1)]),
    ("maximum(x**2, x**3)", at(1), [kink(2, 3)]),
    ("maximum(x**2, x**3)", at(), [smooth(0)]),
    ("maximum(x, y)**2", at(y=0), [smooth(0)]),
    ("sum(maximum(x, y))", at([1, 2, 3], y=[1, 3, 2]), [kink(0, 1), smooth(0), smooth(1)]),
    ("2**-100*maximum(x, 0)", at(), [kink(0, Fraction(1, 2**100))]),
    ("maximum(x, y)", at(2.0**-120, y=2.0**-120), [kink(0, 1)]),
    ("maximum(x, y)", at(2.0**120, y=2.0**120), [kink(0, 1)]),
    # --- the greatest and the least of several ----------------------------------------------------
    ("amax(x)", at([1, 1]), [kink(0, 1), kink(0, 1)]),
    ("amax(x)", at([1, 1, 1]), [kink(0, 1)] * 3),
    ("amax(x)", at([1, 0, 1]), [kink(0, 1), smooth(0), kink(0, 1)]),
    ("amax(x)", at([2, 1, 1]), [smooth(1), smooth(0), smooth(0)]),
    ("amin(x)", at([1, 1, 5]), [kink(1, 0), kink(1, 0), smooth(0)]),
    ("max(x)", at([3, 3, 1]), [kink(0, 1), kink(0, 1), smooth(0)]),
    ("min(x)", at([3, 3, 1]), [smooth(0), smooth(0), smooth(1)]),
    ("sum(amax(x, dim=1))", at([[1, 1], [1, 2]]), [kink(0, 1), kink(0, 1), smooth(0), smooth(1)]),
    ("amax(x) + amin(x)", at([4, 4]), [smooth(1), smooth(1)]),
    ("0*amax(x) + x[0]", at([1, 1]), [smooth(1), smooth(0)]),
    # --- sorting ----------------------------------------------------------------------------------
    ("sum(sort(x)*y)", at([1, 1, 0], y=[1, 2, 4]), [kink(2, 4), kink(2, 4), smooth(1)]),
    ("sum(sort(x, descending=True)*y)", at([1, 1, 0], y=[1, 2, 4]), [kink(2, 1), kink(2, 1), smooth(4)]),
    ("sum(sort(x))", at([1, 1, 0]), [smooth(1)] * 3),
    ("sum(sort(x)*y)", at([3, 1, 2], y=[1, 2, 4]), [smooth(4), smooth(1), smooth(2)]),
    ("sort(x)[0]", at([1, 1]), [kink(1, 0), kink(1, 0)]),
    ("sort(x)[1]", at([1, 1]), [kink(0, 1), kink(0, 1)]),
    # --- bounds -----------------------------------------------------------------------------------
    ("clamp(x, -1, 2)", at(-1), [kink(0, 1)]),
    ("clamp(x, -1, 2)", at(2), [kink(1, 0)]),
    ("clamp(x, min=0)", at(), [kink(0, 1)]),
    ("clamp(x, max=0)", at(), [kink(1, 0)]),
    ("clamp(x, 1, 1)", at(1), [wrong(0, 0)]),
    ("clamp(x, 1, 1)", at(3), [smooth(0)]),
    ("clamp(x, 2, 1)", at(2), [smooth(0)]),
    ("clamp(x, 2, 1)", at(1), [smooth(0)]),
    ("clamp(3, x, 5)", at(3), [kink(0, 1)]),
    ("clamp(3, 1, x)", at(3), [kink(1, 0)]),
    ("clamp(0, x, 1)", at(1), [kink(1, 0)]),
    ("clamp(x, y, z)", at(2.0**-120, y=2.0**-120, z=2.0**-119), [kink(0, 1)]),
    ("x*clamp(x, min=0)", at(), [smooth(0)]),
    ("hardtanh(x)", at(-1), [kink(0, 1)]),
    ("hardtanh(x)", at(1), [kink(1, 0)]),
    ("relu6(x)", at(6), [kink(1, 0)]),
    # --- relu and its like ------------------------------------------------------------------------
    ("relu(x)", at(), [kink(0, 1)]),
    ("relu(-x)", at(), [kink(-1, 0)]),
    ("-relu(x)", at(), [kink(0, -1)]),
    ("sum(relu(x))", at([0, 1, -1, 0]), [kink(0, 1), smooth(1), smooth(0), kink(0, 1)]),
    ("relu(x) - relu(-x)", at(), [wrong(1, 1)]),
    ("relu(x) + relu(-x)", at(), [kink(-1, 1)]),
    ("relu(x)**2", at(), [smooth(0)]),
    ("relu(x*y)", at(y=2), [kink(0, 2)]),
    ("relu(x*y)", at(2, y=0), [smooth(0)]),
    ("sum(relu(x*y))", at([0, 1, 0], y=[2, 0, 0]), [kink(0, 2), smooth(0), smooth(0)]),
    ("relu(x) + detach(sign(x))", at(), [kink(0, 1)]),
    ("leaky_relu(x)", at(), [kink(Fraction(1, 100), 1)]),
    ("elu(x)", at(), [smooth(1)]),
    ("elu(x, alpha=2)", at(), [kink(2, 1)]),
    # --- magnitudes -------------------------------------------------------------------------------
    ("abs(x)", at(), [kink(-1, 1)]),
    ("abs(abs(x))", at(), [kink(-1, 1)]),
    ("abs(sin(x))", at(), [kink(-1, 1)]),
    ("abs(cos(x) - 1)", at(), [smooth(0)]),
    ("abs(x - 1) + abs(x + 1)", at(1), [kink(0, 2)]),
    ("abs(x)**3", at(), [smooth(0)]),
    ("abs(x)**1.5", at(), [smooth(0)]),
    ("abs(x)**0.5", at(), [nothing(None, None)]),
    ("2**-100*sqrt(abs(x))", at(), [nothing(None, None)]),
    ("x*abs(x)", at(), [smooth(0)]),
    ("x*abs(x) + 2**-100*x", at(), [smooth(Fraction(1, 2**100))]),
    ("sqrt(x**2)", at(), [wrong(-1, 1)]),
    ("x*sqrt(x**2)", at(), [wrong(0, 0)]),
    ("hypot(x, y)", at(y=0), [wrong(-1, 1)]),
    # --- choices ----------------------------------------------------------------------------------
    ("where(x > 0, x, 2*x)", at(), [kink(2, 1)]),
    ("where(x > 0, x + 1, x)", at(), [jump(1, 1)]),
    ("where(x > 0, x**2, 0)", at(), [smooth(0)]),
    ("where(x > 0, x**2, x**3)", at(), [smooth(0)]),
    ("where(x >= 1, 2*x - 1, x**2)", at(1), [smooth(2)]),
    ("where(x > y, x, y)", at(2, y=2), [kink(0, 1)]),
    ("where(y > x, x, y)", at(2, y=2), [kink(1, 0)]),
    ("where(x > y, x*y, y*y)", at(2, y=2), [kink(0, 2)]),
    ("where(x == 0, 0, x)", at(), [wrong(1, 1)]),
    ("where(x == 0, 5, x)", at(), [jump(1, 1)]),
    ("where(x == 0, 1, sin(x)/x)", at(), [wrong(0, 0)]),
    ("where(x > 0, sqrt(x), 0*x)", at(), [nothing(0, None)]),
    ("where((x > 0) & (x < 1), x**2, 0)", at(), [smooth(0)]),
    ("where((x > 0) & (x < 1), x**2, 0)", at(1), [jump(2, 0)]),
    # --- steps ------------------------------------------------------------------------------------
    ("floor(x)", at(2), [jump(0, 0)]),
    ("ceil(x)", at(2), [jump(0, 0)]),
    ("round(x)", at(2.5), [jump(0, 0)]),
    ("round(x)", at(3.5), [jump(0, 0)]),
    ("round(x)", at(2), [smooth(0)]),
    ("trunc(x)", at(2), [jump(0, 0)]),
    ("trunc(x)", at(-2), [jump(0, 0)]),
    ("trunc(x)", at(), [smooth(0)]),
    ("sign(x)", at(), [jump(0, 0)]),
    ("2**-100*sign(x)", at(), [jump(0, 0)]),
    ("sign(x)**2", at(), [jump(0, 0)]),
    ("x*sign(x)", at(), [kink(-1, 1)]),
    ("x**2*sign(x)", at(), [smooth(0)]),
    ("x - floor(x)", at(2), [jump(1, 1)]),
    ("(x - floor(x))*(ceil(x) - x)", at(2), [kink(-1, 1)]),
    ("floor(x) - ceil(-x)", at(2.5), [smooth(0)]),
    ("sin(pi*floor(x))", at(2), [smooth(0)]),
    # --- remainders -------------------------------------------------------------------------------
    ("x % y", at(6, y=2), [jump(1, 1)]),
    ("x % y", at(y=2), [jump(1, 1)]),
    ("y % x", at(2, y=6), [jump(-3, -2)]),
    ("y % x", at(2, y=0), [smooth(0)]),
    ("x % y", at(7, y=2), [smooth(1)]),
    ("(x % 2)*(2 - x % 2)", at(4), [kink(-2, 2)]),
    ("fmod(x, y)", at(6, y=2), [jump(1, 1)]),
    ("fmod(x, y)", at(-6, y=2), [jump(1, 1)]),
    ("fmod(x, y)", at(y=2), [smooth(1)]),
    ("fmod(y, x)", at(-2, y=7), [smooth(3)]),
    # --- norms ------------------------------------------------------------------------------------
    ("norm(x)", at([0, 0]), [kink(-1, 1)] * 2),
    ("norm(x)", at([0, 3]), [smooth(0), smooth(1)]),
    ("norm(x)**2", at([0, 0]), [smooth(0)] * 2),
    ("norm(x, p=1)", at([0, 3]), [kink(-1, 1), smooth(1)]),
    ("norm(x, p=inf)", at([0, 0]), [kink(-1, 1)] * 2),
    ("norm(x, p=inf)", at([2, -2]), [kink(0, 1), kink(-1, 0)]),
    ("norm(x, p=inf)", at([2, -1]), [smooth(1), smooth(0)]),
    ("norm(x, p=3)", at([0, 0]), [kink(-1, 1)] * 2),
    ("norm(x, p=3)", at([0, 2]), [smooth(0), smooth(1)]),
    ("norm(x, p=1.5)", at([0, 2]), [smooth(0), smooth(1)]),
    # --- products, which have no kinks ------------------------------------------------------------
    ("prod(x)", at([0, 2, 3]), [smooth(6), smooth(0), smooth(0)]),
    ("prod(x)", at([0, 0, 3]), [smooth(0)] * 3),
    ("prod(x)", at([0, 0, 0]), [smooth(0)] * 3),
    ("abs(prod(x))", at([0, 2]), [kink(-2, 2), smooth(0)]),
    ("abs(prod(x))", at([0, 0]), [smooth(0)] * 2),
    # --- points that only a row knows, and ends of a domain ---------------------------------------
    ("sinc(x)", at(), [smooth(0)]),
    ("x*sinc(x)", at(), [smooth(1)]),
    ("logaddexp(x, y)", at(y=0), [smooth(Fraction(1, 2))]),
    ("atan2(x, y)", at(y=-1), [jump(-1, -1)]),
    ("sqrt(x)", at(), [nothing(None, None)]),
    ("x**1.5", at(), [(AGREE, None, 0)]),
    ("acos(x)", at(1), [nothing(None, None)]),
]


def ids(case: tuple[Any, ...]) -> str:
    return f"{case[0]} at {case[1]}"


def run(text: str, point: Point, dtype: str, **under_test: Callable[..., Any]) -> Run:
    return check(text, point, settings=Settings(dtypes=(dtype,), wrt=("x",), under_test=under_test))


@FORMATS
@pytest.mark.parametrize(("text", "point", "elements"), [pytest.param(*one, id=ids(one)) for one in CASES])
def test_what_is_said_of_torch_at_a_tie_or_a_border(
    text: str, point: Point, elements: list[Element], dtype: str
) -> None:
    [gradient] = run(text, point, dtype)[0].gradients
    assert [one.verdict for one in gradient.judgements] == [verdict for verdict, *_ in elements]


@pytest.mark.parametrize(("text", "point", "elements"), [pytest.param(*one, id=ids(one)) for one in CASES])
def test_the_derivatives_from_both_sides(text: str, point: Point, elements: list[Element]) -> None:
    for k, (verdict, left, right) in enumerate(elements):
        found = both_sides(text, point, k)
        assert holds(found.left.ball, left), found.left
        assert holds(found.right.ball, right), found.right
        if left is not None and right is not None:
            assert found.smooth is (left == right)
            assert found.continuous is (verdict is not UNDEFINED)


def both_sides(text: str, point: Point, k: int) -> Beside:
    """Return what the exact lane finds beside a point, along one element of x."""
    program = parse(text)
    arrays = {name: np.array(one, dtype=np.float64) for name, one in point.items()}
    shapes = {name: array.shape for name, array in arrays.items()}
    nodes = pull_back(lower(program, shapes, nodes=True), ["x"], guarded=True)
    fused = pull_back(lower(program, shapes), ["x"])
    forms = [(one.core, one.program.outputs[0]) for one in (nodes, fused)]
    return beside(forms, program.output, arrays, "x", k)


def holds(ball: Ball | None, slope: Slope) -> bool:
    """Tell whether a ball is a narrow one around a slope, and None where there is none."""
    if ball is None or slope is None:
        return ball is None and slope is None
    low, high = (Fraction(man) * Fraction(2) ** exp for man, exp in (ball.lower, ball.upper))
    return low <= Fraction(slope) <= high and high - low <= Fraction(1, 2**90)


def test_every_verdict_that_a_kink_may_have_is_among_them() -> None:
    assert {verdict for *_, elements in CASES for verdict, *_ in elements} == {AGREE, KINK, UNDEFINED, DISAGREE}


# --- values that torch might return ---------------------------------------------------------------


class Sloped(torch.autograd.Function):
    """A value with a slope of one's own by the tensor beside it."""

    @staticmethod
    def forward(ctx: Any, value: torch.Tensor, x: torch.Tensor, slope: float) -> torch.Tensor:
        ctx.slopes = torch.full_like(x, slope)
        return value.detach().clone()

    @staticmethod
    def backward(ctx: Any, g: torch.Tensor) -> tuple[None, torch.Tensor, None]:
        return None, g * ctx.slopes, None


def sloped(function: Callable[..., torch.Tensor], slope: float) -> Callable[..., torch.Tensor]:
    """Return a torch function whose gradient by its first argument is ``slope`` everywhere."""

    def under_test(x: torch.Tensor, *rest: Any, **params: Any) -> torch.Tensor:
        made: torch.Tensor = Sloped.apply(function(x, *rest, **params), x, slope)  # type: ignore[no-untyped-call]
        return made

    return under_test


CORNERS: list[tuple[str, Point, str, Callable[..., torch.Tensor], float, float]] = [
    ("relu(x)", at(), "relu", torch.relu, 0, 1),
    ("-3*relu(x)", at(), "relu", torch.relu, 0, 1),
    ("abs(x)", at(), "abs", torch.abs, -1, 1),
    ("maximum(x, y)", at(1, y=1), "maximum", torch.maximum, 0, 1),
    ("minimum(x, y)", at(1, y=1), "minimum", torch.minimum, 0, 1),
    ("amax(stack([x, y]))", at(1, y=1), "amax", torch.amax, 0, 1),
    ("amin(stack([y, x, z]))", at(1, y=1, z=1), "amin", torch.amin, 0, 1),
    ("clamp(x, -1, 2)", at(2), "clamp", torch.clamp, 0, 1),
    ("leaky_relu(x, 0.25)", at(), "leaky_relu", torch.nn.functional.leaky_relu, 0.25, 1),
    ("norm(x)", at([0]), "norm", torch.linalg.vector_norm, -1, 1),
    ("2**-100*abs(x)", at(), "abs", torch.abs, -1, 1),
]  # fmt: skip
"""A program at a corner, the operation that has it, and the operation's slopes from the least to the greatest."""


def values(low: float, high: float) -> Iterator[tuple[float, Verdict]]:
    """Yield slopes at the ends of a corner, between them, and outside."""
    yield from ((one, KINK) for one in (low, high, (low + high) / 2, low + (high - low) / 1024))
    a_little = 2.0**-12
    yield from ((one, DISAGREE) for one in (low - 0.125, high + 0.125, low - a_little, high + a_little, 1e9))
    yield from ((one, DISAGREE) for one in (inf, -inf, nan))


@FORMATS
@pytest.mark.parametrize(
    ("text", "point", "op", "function", "slope", "verdict"),
    [
        pytest.param(*one[:4], slope, verdict, id=f"{one[0]} with {slope}")
        for one in CORNERS
        for slope, verdict in values(*one[4:])
    ],
)
def test_at_a_corner_any_slope_between_the_sides_is_right_and_no_other(
    text: str, point: Point, op: str, function: Callable[..., torch.Tensor], slope: float, verdict: Verdict, dtype: str
) -> None:
    found = run(text, point, dtype, **{op: sloped(function, slope)})
    assert {one.verdict for one in found[0].gradients[0].judgements} == {verdict}


SMOOTH: list[tuple[str, str, Callable[..., torch.Tensor]]] = [
    ("relu(x)**2", "relu", torch.relu),
    ("x*abs(x)", "abs", torch.abs),
    ("abs(x)**3", "abs", torch.abs),
    ("x**2*sign(x)", "sign", torch.sign),
]
"""Programs that are smooth at 0 in spite of an operation that is not: there its slope is multiplied by 0."""


@FORMATS
@pytest.mark.parametrize(("text", "op", "function"), SMOOTH)
@pytest.mark.parametrize("slope", [0.0, 0.5, -7.0, inf, nan])
def test_where_the_program_is_smooth_the_slope_at_the_kink_does_not_matter_while_it_is_finite(
    text: str, op: str, function: Callable[..., torch.Tensor], slope: float, dtype: str
) -> None:
    found = run(text, at(), dtype, **{op: sloped(function, slope)})
    assert found.verdict is (AGREE if isfinite(slope) else DISAGREE)


@FORMATS
@pytest.mark.parametrize(("slope", "verdict"), [(0.5, AGREE), (0.0, DISAGREE), (1.0, DISAGREE)])
def test_where_both_sides_have_one_derivative_torch_must_have_it(slope: float, verdict: Verdict, dtype: str) -> None:
    """``relu(x) - relu(-x)`` is x: half a slope from each is right, and what torch has is not."""
    assert run("relu(x) - relu(-x)", at(), dtype, relu=sloped(torch.relu, slope)).verdict is verdict


@pytest.mark.parametrize("row", ELEMENTWISE.values(), ids=lambda row: row.name)
def test_a_corner_beside_any_function_of_the_table_is_a_kink(row: Elementwise) -> None:
    """Whether its own corners meet the other one is seen by the conditions on its arguments, however it names them."""
    point = dict(zip(row.args, row.samples[0], strict=True))
    corner = " + ".join(f"abs({name} - detach({name}))" for name in row.moving)
    found = check(f"{row.name}({', '.join(row.args)}) + {corner}", settings=Settings(dtypes=("float64",)), **point)
    assert found.verdict in (KINK, UNDEFINED)


ROUNDED = (
    "relu(x) - (0.1*x + 0.2*x - 0.3*x)", "relu(x) + (0.1*x + 0.2*x - 0.3*x)", "minimum(x, 0) + (0.1*x + 0.2*x - 0.3*x)",
    "relu(x) - (0.7*x + 0.1*x - 0.8*x)", "relu(x) + (0.7*x + 0.1*x - 0.8*x)", "relu(x) + 1e-9*x - 1e-9*x*1.0000001",
)  # fmt: skip
"""Programs with a corner at 0 whose slope on one side is all but 0: what is left there is rounding, of either sign."""


@FORMATS
@pytest.mark.parametrize("text", ROUNDED)
def test_beside_a_side_that_is_0_torch_may_have_what_rounding_leaves(text: str, dtype: str) -> None:
    assert run(text, at(), dtype).verdict is KINK


@FORMATS
@pytest.mark.parametrize("slope", [-(2.0**-12), 1 + 2.0**-12, -0.5])
def test_beside_a_side_that_is_0_a_wrong_slope_is_wrong(slope: float, dtype: str) -> None:
    for text in ROUNDED:
        if "relu" in text:
            assert run(text, at(), dtype, relu=sloped(torch.relu, slope)).verdict is DISAGREE
