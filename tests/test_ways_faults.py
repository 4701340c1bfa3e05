"""Faults planted in every way of differentiating: each is found, with the operation that has it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from gradcheck import check
from gradcheck.case.single import within
from gradcheck.functions import COMPOSITE
from gradcheck.functions.rows import Composite
from gradcheck.gradients import DIRECTIONS
from gradcheck.outcome import Outcome, Run
from gradcheck.parse import parse
from gradcheck.settings import Settings
from gradcheck.verdict import Verdict
from gradcheck.ways import Way, nestings
from table import inputs_of

HONEST = (Verdict.AGREE, Verdict.LOSSY, Verdict.UNSTABLE)
"""What may be said of roundings; of the half types, where few digits are left, also the last two."""
PROGRAM = "y = sin(x)*x; exp(y)"
Under = dict[str, Callable[..., Any]]


class Sine(torch.autograd.Function):
    """Torch's sine, with a rule for forward mode as well; others spoil one of its rules."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x: torch.Tensor) -> torch.Tensor:
        return torch.sin(x)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        del output
        ctx.save_for_backward(inputs[0])
        ctx.save_for_forward(inputs[0])

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> torch.Tensor:
        return grad * torch.cos(ctx.saved_tensors[0])

    @staticmethod
    def jvp(ctx: Any, tangent: torch.Tensor) -> torch.Tensor:
        return tangent * torch.cos(ctx.saved_tensors[0])


class WrongTangent(Sine):
    @staticmethod
    def jvp(ctx: Any, tangent: torch.Tensor) -> torch.Tensor:
        return tangent * torch.cos(ctx.saved_tensors[0]) * 1.001


class Detached(Sine):
    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> torch.Tensor:
        return grad * torch.cos(ctx.saved_tensors[0].detach())


class Undifferentiable(Sine):
    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad: torch.Tensor) -> torch.Tensor:
        return grad * torch.cos(ctx.saved_tensors[0])


class Scaled(Sine):
    """The derivative of the gradient is 2 times what it should be."""

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> torch.Tensor:
        [x] = ctx.saved_tensors
        return grad * torch.cos(2 * x - x.detach())


class Turned(Sine):
    """The derivative of the gradient has the wrong sign."""

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> torch.Tensor:
        [x] = ctx.saved_tensors
        return grad * torch.cos(2 * x.detach() - x)


SPOILT = {
    "rev-rev": (Detached, Undifferentiable, Scaled, Turned),
    "double-backward": (Detached, Undifferentiable, Scaled, Turned),
    "fwd": (WrongTangent,),
    "rev-fwd": (WrongTangent,),
    "fwd-rev": (WrongTangent,),
    "fwd-fwd": (WrongTangent,),
}


def one(run: Run) -> Outcome:
    [outcome] = run
    assert outcome.error is None, outcome.error
    return outcome


def blamed(outcome: Outcome) -> set[str | None]:
    found = [blame for gradient in outcome.gradients for blame in gradient.blames]
    return {blame.operation for blame in [*found, *(fault.blame for fault in outcome.faults)]}


def test_every_way_of_order_two_has_faults() -> None:
    assert {str(way) for way in nestings(2)} | {"fwd"} == SPOILT.keys()


@pytest.mark.parametrize(
    "way", [way for way in SPOILT if way != "fwd-fwd"]
)  # torch makes 0 of it: a jvp of one's own has no jvp
def test_the_rules_unspoilt_are_right(way: str) -> None:
    assert one(check(PROGRAM, 0.7, ways=way, dtypes="float64", under_test={"sin": Sine.apply})).verdict == "agree"


@pytest.mark.parametrize(("way", "function"), [(way, each) for way, some in SPOILT.items() for each in some])
def test_a_spoilt_rule_is_found_in_its_way_and_named(way: str, function: type[torch.autograd.Function]) -> None:
    outcome = one(check(PROGRAM, 0.7, ways=way, dtypes="float64", under_test={"sin": function.apply}))
    assert outcome.verdict is Verdict.DISAGREE
    assert blamed(outcome) == {"sin"}


@pytest.mark.parametrize("function", [*dict.fromkeys(each for some in SPOILT.values() for each in some)])
def test_none_of_these_is_seen_by_the_plain_backward_pass(function: type[torch.autograd.Function]) -> None:
    assert one(check(PROGRAM, 0.7, dtypes="float64", under_test={"sin": function.apply})).verdict == "agree"


# --- what ones do not see ----------------------------------------------------------------------------


class Softmax(torch.autograd.Function):
    """A softmax whose gradient is 3 times too large: its sum is 0 all the same."""

    @staticmethod
    def forward(x: torch.Tensor, dim: int) -> torch.Tensor:
        return torch.softmax(x, dim)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        ctx.save_for_backward(output)
        ctx.dim = inputs[1]

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor, None]:
        [y] = ctx.saved_tensors
        return 3 * y * (grad - (grad * y).sum(ctx.dim, keepdim=True)), None


def spoilt_softmax(x: torch.Tensor, dim: int) -> torch.Tensor:
    made: torch.Tensor = Softmax.apply(x, dim)  # type: ignore[no-untyped-call]
    return made


UNDER_ONES = {"softmax(x, dim=0)": {"softmax": spoilt_softmax}}


@pytest.mark.parametrize("way", ["rev", "rev-rev", "double-backward"])
@pytest.mark.parametrize("text", UNDER_ONES)
def test_what_cancels_under_ones_shows_under_a_random_cotangent(text: str, way: str) -> None:
    given: dict[str, Any] = {"ways": way, "dtypes": "float64", "under_test": UNDER_ONES[text]}
    assert one(check(text, x=[0.3, 1, -2], cotangent="ones", **given)).verdict is not Verdict.DISAGREE
    outcome = one(check(text, x=[0.3, 1, -2], **given))
    assert outcome.verdict is Verdict.DISAGREE
    assert blamed(outcome) == set(UNDER_ONES[text])


# --- the search for what is at fault --------------------------------------------------------------------


def test_the_ways_within_a_way_are_those_that_take_some_of_its_steps() -> None:
    assert [str(way) for way in within(Way.parse("fwd-rev-rev"))] == ["rev", "fwd", "rev-rev", "fwd-rev", "fwd-rev-rev"]
    assert [str(way) for way in within(Way.parse("double-backward"))] == ["rev", "double-backward"]


def test_nan_on_the_way_ends_no_search() -> None:
    """0/0 in a branch that is not taken is an argument of what comes after it."""
    outcome = one(check("where(x != 0, sin(x)/x, 1)", 0, ways="rev-rev", dtypes="float64"))
    assert outcome.verdict is Verdict.DISAGREE


# --- parts of a derivative -----------------------------------------------------------------------------


def test_a_large_hessian_says_what_was_not_checked() -> None:
    outcome = one(check("sum(sin(x)*x)", x=np.linspace(-2, 2, 70), ways="rev-rev", dtypes="float64"))
    assert [note for note in outcome.notes if "4,900 derivatives of order 2" in note and "4 directions" in note]
    assert outcome.gradients[0].along == ((DIRECTIONS, (4,)),)


def test_an_error_in_a_large_hessian_is_found() -> None:
    under: Under = {"sin": Scaled.apply}
    outcome = one(check("sum(sin(x)*x)", x=np.linspace(-2, 2, 70), ways="rev-rev", dtypes="float64", under_test=under))
    assert outcome.verdict is Verdict.DISAGREE


@pytest.mark.parametrize("dtype", ["float64", "float32", "bfloat16"])
@pytest.mark.parametrize("way", ["rev-rev", "fwd-rev", "rev-fwd", "fwd-fwd"])
def test_broadcast_inputs_parts_and_inputs_that_do_not_matter(way: str, dtype: str) -> None:
    text = "mean(softmax(a*b, dim=1)**2) + 0*s"
    given: dict[str, Any] = {"a": [[0.5], [-1.5]], "b": [0.25, 1.0, -2.0], "s": 3.0}
    whole = one(check(text, ways=way, dtypes=dtype, **given))
    part = one(check(text, ways=way, dtypes=dtype, wrt="b", **given))
    assert whole.verdict in HONEST
    assert part.verdict in HONEST
    assert len(whole.gradients) == 9
    [alone] = part.gradients
    same = next(each for each in whole.gradients if (each.along, each.input) == (alone.along, "b"))
    assert alone.torch is not None
    assert same.torch is not None
    assert (alone.torch == same.torch).all()


def test_several_points_in_several_dtypes() -> None:
    run = check("x**2*y", "x=2,y=3", "x=-1,y=0.5", ways="rev-rev,fwd-fwd", dtypes="float64,float16")
    assert len(run) == 2 * 2 * 2
    assert run.verdict == "agree"


@pytest.mark.parametrize("way", ["fwd-rev", "fwd-fwd"])
def test_a_point_at_0_is_moved_when_it_is_asked_what_the_input_determines(way: str) -> None:
    """The second derivative of sum(x**2) is 2 wherever x is: what torch has at 0 is not for the input to excuse."""
    outcome = one(check("norm(x)**2", x=[0, 0], ways=way, dtypes="float64"))
    assert outcome.verdict in (Verdict.LOSSY, Verdict.DISAGREE)


def test_a_derivative_of_another_dtype_is_judged_in_that_of_the_input() -> None:
    """The tangent of a norm with a fraction for its order is float32 where the vector is bfloat16."""
    outcome = one(check("norm(v, p=3/2)", v=[0.5, -1.25, 3.0], ways="fwd", dtypes="bfloat16"))
    assert outcome.verdict in HONEST


@pytest.mark.parametrize("way", list(nestings(2)), ids=str)
@pytest.mark.parametrize("at", [0.0, 1e-200])
def test_a_convention_where_the_formula_has_no_value_is_no_rounding(way: Way, at: float) -> None:
    """Torch has 0 for the 0/0 in the slope of a norm of zeros; where squares underflow, digits are lost."""
    run = check("norm(x)**2", [at, at], settings=Settings(dtypes=("float64",), ways=(way,)))
    if at == 0 or way.outermost == "rev":
        assert run.verdict is Verdict.DISAGREE
    else:
        assert run.verdict is Verdict.LOSSY


WRONG = [(row, text) for row in COMPOSITE.values() if "fwd" in row.wrong for text in row.samples]


@pytest.mark.parametrize(("row", "text"), [pytest.param(*one, id=one[1]) for one in WRONG])
def test_what_torch_has_wrong_in_forward_mode_is_blamed_itself(row: Composite, text: str) -> None:
    """And not what stands before it, which would be wrong along directions that never come to it."""
    [outcome] = check(text, inputs_of(parse(text)), ways="fwd").outcomes
    blamed = {blame.operation for one in outcome.gradients for blame in one.blames}
    assert Verdict.DISAGREE not in outcome.verdicts() or blamed == {row.name}
