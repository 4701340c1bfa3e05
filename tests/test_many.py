"""Many elements at once: sides in one evaluation, gradients off the axes, and what a gradient of ties may be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from gradcheck import exact
from gradcheck.case import check
from gradcheck.differentiate import pull_back
from gradcheck.exact.many import directions
from gradcheck.formats import Ball
from gradcheck.lower import lower
from gradcheck.outcome import Run
from gradcheck.parse import parse
from gradcheck.settings import Settings
from gradcheck.verdict import Verdict
from oracles import shapes

KINK, DISAGREE, AGREE, UNDEFINED, UNDECIDED = (
    Verdict.KINK, Verdict.DISAGREE, Verdict.AGREE, Verdict.UNDEFINED, Verdict.UNDECIDED,
)  # fmt: skip

Point = dict[str, Any]


def gradients(text: str, point: Point) -> tuple[exact.Gradients, list[exact.Place]]:
    """Return the gradient program by all inputs around a point, and all its elements."""
    program = parse(text)
    at = {name: np.array(one, dtype=np.float64) for name, one in point.items()}
    pulled = pull_back(lower(program, shapes(at), nodes=True), guarded=True)
    outputs = dict(zip(program.inputs, pulled.program.outputs, strict=True))
    around = exact.Gradients(pulled.core, program.output, outputs, at, 300)
    return around, [(name, k) for name in program.inputs for k in range(at[name].size)]


def middles(balls: list[Ball | None]) -> list[float | None]:
    return [None if ball is None else ball.nearest for ball in balls]


@pytest.mark.parametrize(
    ("text", "point", "ends"),
    [
        ("sort(x)[1]", {"x": [1, 1, 1]}, (0, 1)), ("sum(sort(x)*detach(y))", {"x": [1, 1, 1], "y": [1, 4, 2]}, (1, 4)),
        ("sort(x)[0]", {"x": [2] * 16}, (0, 1)), ("sort(x)[7]", {"x": [2] * 16}, (0, 1)),
        ("amax(x)", {"x": [3, 3]}, (0, 1)), ("norm(x, p=1)", {"x": [0, 0]}, (-1, 1)),
        ("minimum(abs(x), abs(y))", {"x": 0, "y": 0}, (-1, 1)), ("relu(x) - relu(-x)", {"x": 0}, (1, 1)),
        ("abs(x)**3", {"x": 0}, (0, 0)), ("sum(sort(x))", {"x": [1, 1]}, (1, 1)),
        ("relu(x*y)", {"x": 0, "y": 0}, (0, 0)),
        ("maximum(x, y) + minimum(x, y)", {"x": 5, "y": 5}, (1, 1)), ("where(x > 0, sqrt(x), 2*x)", {"x": 0}, (2, 2)),
    ],
)  # fmt: skip
def test_the_gradients_beside_a_tie_are_those_of_its_branches(text: str, point: Point, ends: tuple[int, int]) -> None:
    around, at = gradients(text, point)
    every = [around.limits(at, order) for order in exact.orders(len(at), 48)]
    x = [k for k, (name, _) in enumerate(at) if name == "x"]
    for k in x:
        found = [one[k].nearest for one in every if one[k] is not None]  # type: ignore[union-attr]
        assert (min(found), max(found)) == ends


def test_beside_a_point_that_no_direction_leaves_smoothly_there_is_no_gradient() -> None:
    for text, point in (("log(-x*x)", {"x": 0}), ("sum(1/x)", {"x": [0, 0]})):
        around, at = gradients(text, point)
        for order in exact.orders(len(at), 48):
            assert around.limits(at, order) == [None] * len(at)


@pytest.mark.parametrize(
    ("text", "point", "left", "right"),
    [
        ("sum(relu(x))", {"x": [0] * 9}, 0, 1), ("sum(abs(x)*2)", {"x": [0] * 9}, -2, 2),
        ("sum(clamp(x, -1, 2))", {"x": [2] * 9}, 1, 0), ("sum(where(x > 1, x, 3*x - 2))", {"x": [1] * 9}, 3, 1),
        ("sum(relu(x)**2)", {"x": [0] * 9}, 0, 0), ("sum(x*sqrt(x**2))", {"x": [0] * 9}, 0, 0),
        ("sum(hypot(x, 0))", {"x": [0] * 9}, -1, 1), ("sum(relu(x*detach(y)))", {"x": [1] * 9, "y": [0] * 9}, 0, 0),
    ],
)  # fmt: skip
def test_the_sides_of_elements_that_do_not_meet_are_found_in_one_evaluation(
    text: str, point: Point, left: int, right: int
) -> None:
    around, at = gradients(text, point)
    at = [one for one in at if one[0] == "x"]
    for found in around.beside(at):
        assert found is not None
        assert middles([found.left.ball, found.right.ball]) == [left, right]


def test_elements_are_together_where_their_corners_meet() -> None:
    def groups(text: str, **point: object) -> list[list[int]]:
        at = {name: np.array(one, dtype=np.float64) for name, one in point.items()}
        core = lower(parse(text), shapes(at), nodes=True)
        places = [(name, k) for name, array in at.items() for k in range(array.size)]
        return exact.groups(core, exact.enclose(core, at), places, 128)

    assert groups("sum(relu(x))", x=[0, 0]) == [[0], [1]]
    assert groups("relu(sum(x))", x=[1, -1]) == [[0, 1]]
    assert groups("sum(relu(sum(x, dim=1)))", x=[[1, -1], [0, 0]]) == [[0, 1], [2, 3]]
    assert groups("sum(relu(cumsum(x, 0)))", x=[0, 1]) == [[0], [1]]
    assert groups("norm(x)", x=[0, 0]) == [[0, 1]]
    assert groups("norm(x)", x=[0, 1]) == [[0], [1]]
    assert groups("amax(x) + relu(y)", x=[1, 1], y=0) == [[0, 1], [2]]
    assert groups("sum(maximum(x, y)) + abs(z)", x=[1, 2], y=[1, 2], z=0) == [[0, 2], [1, 3], [4]]
    assert groups("sum(relu(x @ y))", x=[[0, 1]], y=[[1], [0]]) == [[0, 1, 2, 3]]


# --- a gradient of many inputs -------------------------------------------------------------------------------------


class Given(torch.autograd.Function):
    """A value with a gradient of one's own."""

    @staticmethod
    def forward(ctx: Any, value: torch.Tensor, x: torch.Tensor, gradient: list[float]) -> torch.Tensor:
        ctx.gradient = torch.tensor(gradient, dtype=x.dtype).reshape(x.shape)
        return value.detach().clone()

    @staticmethod
    def backward(ctx: Any, g: torch.Tensor) -> tuple[None, torch.Tensor, None]:
        return None, g * ctx.gradient, None


def given(function: Callable[..., torch.Tensor], gradient: list[float]) -> Callable[..., torch.Tensor]:
    """Return a torch function whose gradient by its first argument is a given one."""

    def under_test(x: torch.Tensor, *rest: Any, **params: Any) -> torch.Tensor:
        made: torch.Tensor = Given.apply(function(x, *rest, **params), x, gradient)  # type: ignore[no-untyped-call]
        return made

    return under_test


def norm(x: torch.Tensor, p: float = 2) -> torch.Tensor:
    made: torch.Tensor = torch.linalg.vector_norm(x, float(p))
    return made


def run(text: str, point: Point, **under_test: Callable[..., Any]) -> Run:
    return check(text, point, settings=Settings(dtypes=("float64",), wrt=("x",), under_test=under_test))


GRADIENTS: list[tuple[str, Point, str, Callable[..., torch.Tensor], list[float], set[Verdict]]] = [
    ("amax(x)", {"x": [1, 1, 1]}, "amax", torch.amax, [1, 0, 0], {KINK}),
    ("amax(x)", {"x": [1, 1, 1]}, "amax", torch.amax, [0.25, 0.25, 0.5], {KINK}),
    ("amax(x)", {"x": [1, 1, 1]}, "amax", torch.amax, [1, 1, 1], {DISAGREE}),
    ("amax(x)", {"x": [1, 1, 1]}, "amax", torch.amax, [0, 0, 0], {DISAGREE}),
    ("amax(x)", {"x": [1, 1, 1]}, "amax", torch.amax, [0.5, 0.5, 0.25], {DISAGREE}),
    ("-amax(x)", {"x": [1, 1, 1]}, "amax", torch.amax, [0, 1, 0], {KINK}),
    ("-amax(x)", {"x": [1, 1, 1]}, "amax", torch.amax, [1, 1, 0], {DISAGREE}),
    ("amin(x)", {"x": [1, 1]}, "amin", torch.amin, [0.5, 0.5], {KINK}),
    ("amin(x)", {"x": [1, 1]}, "amin", torch.amin, [1, 1], {DISAGREE}),
    ("amax(x) + amin(x)", {"x": [1, 1]}, "amin", torch.amin, [0.5, 0.5], {AGREE}),
    ("norm(x)", {"x": [0, 0]}, "norm", norm, [0.5, -0.5], {KINK}),
    ("norm(x)", {"x": [0, 0]}, "norm", norm, [1, 1], {DISAGREE}),
    ("norm(x, p=1)", {"x": [0, 0]}, "norm", norm, [1, -1], {KINK}),
    ("norm(x, p=inf)", {"x": [0, 0]}, "norm", norm, [0.5, -0.5], {KINK}),
    ("norm(x, p=inf)", {"x": [0, 0]}, "norm", norm, [1, -1], {DISAGREE}),
]  # fmt: skip


@pytest.mark.parametrize(("text", "point", "op", "function", "gradient", "verdicts"), GRADIENTS)
def test_a_gradient_at_a_tie_is_held_against_the_function_in_every_direction(
    text: str, point: Point, op: str, function: Callable[..., Any], gradient: list[float], verdicts: set[Verdict]
) -> None:
    found = run(text, point, **{op: given(function, gradient)})[0].gradients[0]
    assert {one.verdict for one in found.judgements} == verdicts


def test_all_of_a_gradient_to_both_of_two_that_tie_is_wrong() -> None:
    settings = Settings(dtypes=("float64",), under_test={"maximum": lambda a, b: a + (b - b.detach())})
    found = check("maximum(x, y)", {"x": 1, "y": 1}, settings=settings)[0]
    assert {one.judgements[0].verdict for one in found.gradients} == {DISAGREE}
    assert "move together, the slope is 1; torch's gradient gives 2" in str(found.gradients[0].judgements[0].note)


@pytest.mark.parametrize(
    "text", ["sort(x)[1]", "sum(sort(x)*y)", "sum(sort(x, descending=True)*y)", "sort(x)[2] - sort(x)[0]"]
)
def test_what_torch_has_where_many_tie_is_no_mistake_though_a_function_is_neither_convex_nor_concave(text: str) -> None:
    """The median of equal numbers does not move with one of them; beside the point its gradient is 1 for one."""
    point = {"x": [2.0] * 7, "y": [3.0, -1, 4, -1, 5, -9, 2]}
    found = run(text, {name: one for name, one in point.items() if name in parse(text).inputs})
    assert {one.verdict for one in found[0].gradients[0].judgements} <= {KINK, AGREE}


def test_a_gradient_that_belongs_to_no_order_of_what_ties_is_found() -> None:
    found = run("sum(sort(x)*y)", {"x": [2.0] * 7, "y": [3.0, -1, 4, -1, 5, -9, 2]}, sort=doubled)
    assert DISAGREE in {one.verdict for one in found[0].gradients[0].judgements}


def doubled(x: torch.Tensor, *_rest: Any, **_params: Any) -> torch.Tensor:
    made = torch.sort(x).values
    return 2 * made - made.detach()


def test_many_kinks_are_all_looked_at_where_they_do_not_meet() -> None:
    found = run("sum(relu(x))", {"x": [0.0] * 1000})[0].gradients[0]
    assert {one.verdict for one in found.judgements} == {KINK}


def test_past_the_limit_what_meets_is_undecided() -> None:
    found = run("norm(x)", {"x": [0.0] * 260})[0].gradients[0]
    assert {one.verdict for one in found.judgements} == {KINK, UNDECIDED}


def test_the_same_directions_are_drawn_every_time() -> None:
    assert directions(5) == directions(5)
    assert all(all(one) for one in directions(50))
