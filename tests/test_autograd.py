"""The autograd lane: the user's own tree, in the user's order and dtype, and nothing of it changed on the way."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings

from gradcheck import autograd
from gradcheck.autograd import Backward
from gradcheck.errors import LaneProblem, UsageProblem
from gradcheck.lower import lower
from gradcheck.parse import parse
from oracles import numbers, shapes
from strategies import Case, cases

DTYPES = sorted(autograd.DTYPES)
EVERY_DTYPE = pytest.mark.parametrize("dtype", DTYPES)


def run(text: str, dtype: str = "float64", *, traced: bool = False, **point: object) -> Backward:
    program = parse(text)
    at = {name: np.array(one, dtype=np.float64) for name, one in point.items()}
    return autograd.backward(program, at, program.inputs, dtype=dtype, traced=traced)


def gradient(text: str, dtype: str = "float64", **point: object) -> list[float] | None:
    """Return the gradient by the first input."""
    found = next(iter(run(text, dtype, traced=False, **point).gradients.values()))
    return None if found is None else found.elements


# --- the user's tree -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("exp(log(x))", lambda x: x.log().exp()),
        ("sqrt(x**2)", lambda x: (x**2).sqrt()),
        ("(x + 1e3) - 1e3", lambda x: (x + 1e3) - 1e3),
        ("x*x*x", lambda x: x * x * x),
        ("x**3", lambda x: x**3),
        ("2*x/3*x", lambda x: 2 * x / 3 * x),
        ("x/0.1", lambda x: x / 0.1),
        ("1/3*x", lambda x: 1 / 3 * x),
        ("2**x", lambda x: 2**x),
        ("pi*x - e", lambda x: math.pi * x - math.e),
    ],
)
@EVERY_DTYPE
def test_torch_runs_what_the_user_wrote(text: str, wanted: object, dtype: str) -> None:
    """Bit for bit what the same Python gives: nothing is simplified, and numbers stay Python numbers."""
    leaf = torch.tensor(1.7, dtype=autograd.DTYPES[dtype], requires_grad=True)
    made = wanted(leaf)  # type: ignore[operator]
    made.backward()
    assert leaf.grad is not None
    at = float(leaf.detach())
    found = run(text, dtype, x=at)
    assert found.layers["out"].elements == [float(made.detach())]
    assert gradient(text, dtype, x=at) == [float(leaf.grad)]


@EVERY_DTYPE
def test_every_element_comes_back_exactly(dtype: str) -> None:
    """Floats of every dtype are float64 too, subnormal ones included."""
    info = torch.finfo(autograd.DTYPES[dtype])
    numbers = [info.max, info.tiny, info.smallest_normal / 4, -info.eps, 0.0]
    assert run("1*x", dtype, x=numbers).layers["out"].elements == numbers


def test_the_default_dtype_and_the_global_state_play_no_part() -> None:
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        assert run("x*0.1 + where(x > 0, 1, 2)", "float32", x=0.3).layers["out"].elements == [
            float(torch.tensor(0.3, dtype=torch.float32) * 0.1 + 1)
        ]
    finally:
        torch.set_default_dtype(before)


@settings(max_examples=40)
@given(cases(smooth=True))
def test_values_of_any_smooth_program_are_near_the_exact_ones(case: Case) -> None:
    found = autograd.backward(case.program, case.point, (), dtype="float64").layers[case.program.output].elements
    wanted = [float(one) for one in numbers(lower(case.program, shapes(case.point)), case.program.output, case.point)]
    np.testing.assert_allclose(found, wanted, rtol=1e-7, atol=1e-7 * max(1, *map(abs, wanted)))


# --- gradients ---------------------------------------------------------------------------------------


def test_an_output_of_many_elements_is_seeded_with_ones() -> None:
    assert gradient("x**2", x=[[1.0, 2.0], [3.0, 4.0]]) == [2.0, 4.0, 6.0, 8.0]


@pytest.mark.parametrize("text", ["detach(x)", "detach(x)*2 + 1", "floor(detach(x))", "where(detach(x) > 0, 1, 2)"])
def test_no_gradient_is_none_and_not_zero(text: str) -> None:
    assert gradient(text, x=1.5) is None


def test_only_the_inputs_asked_for_are_tracked() -> None:
    program = parse("x*y")
    at = {"x": np.array(2.0), "y": np.array(3.0)}
    found = autograd.backward(program, at, ["y"], dtype="float32")
    assert list(found.gradients) == ["y"]
    assert found.layers["out"].grad_fn is not None
    assert autograd.backward(program, at, [], dtype="float32").layers["out"].grad_fn is None


def test_every_node_has_its_value_and_cotangent() -> None:
    found = run("y = sin(x)*3; y**2 + detach(y)", traced=True, x=2.0).operations
    y = 3 * math.sin(2.0)
    values = {"sin": math.sin(2.0), "mul": y, "pow": y**2, "detach": y, "add": y**2 + y}
    cotangents = {"sin": 6 * y, "mul": 2 * y, "pow": 1.0, "detach": None, "add": 1.0}
    pulled = {"sin": 6 * y * math.cos(2.0), "mul": 6 * y, "pow": 2 * y, "detach": None, "add": 1.0}
    assert [one.call.op for one in found] == list(values)
    for one in found:
        assert one.value.elements == pytest.approx([values[one.call.op]])
        for found_one, expected in ((one.cotangent, cotangents), (one.pulled[0], pulled)):
            number = None if found_one is None else found_one.elements[0]
            assert number == (expected[one.call.op] and pytest.approx(expected[one.call.op]))


def test_a_node_has_the_span_of_the_text_it_came_from() -> None:
    text = "y = sin(x)*3; y**2"
    spans = [one.call.span for one in run(text, traced=True, x=2.0).operations]
    assert [text[span.start : span.end] for span in spans] == ["sin(x)", "sin(x)*3", "y**2"]


PLAIN = {
    "(0.1 + 0.2 - 0.3)*x": [0.1 + 0.2, 0.1 + 0.2 - 0.3],
    "(2**0.5)**2 - 2 + x": [2**0.5, (2**0.5) ** 2, (2**0.5) ** 2 - 2],
    "x*(pi*2)": [math.pi, math.pi * 2],
    "where(1 - 0.9 - 0.1 == 0, x, 2*x)": [1 - 0.9, 1 - 0.9 - 0.1, 0.0],
    "where((1 < 2) & ~(2 <= 1), x, 1)": [1.0, 0.0, 1.0, 1.0],
    "y = -(1/3); x*y": [1 / 3, -(1 / 3)],
    "x**(1/0)": [math.inf],
    "(0.7 % 0.1)*x + -5 % 3": [0.7 % 0.1, -5.0, 1.0],
    "where(1 % 0 > 0, x, 2*x)": [math.nan, 0.0],
    "exp(0.1*3)*x": [0.1 * 3],
}
"""Programs with what Python makes of their plain numbers, in order."""


@pytest.mark.parametrize(("text", "wanted"), PLAIN.items())
@EVERY_DTYPE
def test_operations_among_plain_numbers_are_python_s_in_float64(text: str, wanted: list[float], dtype: str) -> None:
    """Whatever the dtype: the numbers are rounded to it once torch gets them."""
    found = run(text, dtype, traced=True, x=1.5)
    np.testing.assert_array_equal([one.value.elements for one in found.plain], [[one] for one in wanted])
    assert all(one.cotangent is None and set(one.args) == {None} for one in found.plain if one.call.args)
    assert not {id(one.call) for one in found.plain} & {id(one.call) for one in found.operations}
    assert run(text, dtype, x=1.5).plain == ()


@EVERY_DTYPE
def test_every_argument_is_a_tensor_or_a_number(dtype: str) -> None:
    texts = [*PLAIN, "clamp(x, -1, 0.1)", "maximum(x, 0.1)", "where(x > 0.1, 0.2, x)", "exp(2)*x"]
    for one in (one for text in texts for one in run(text, dtype, traced=True, x=1.5).operations):
        assert [arg is None for arg in one.args] == [number is not None for number in one.numbers]
    found = {one.call.op: one.numbers for one in run("0.1*x + 0.3", dtype, traced=True, x=1.5).operations}
    assert found == {"mul": (0.1, None), "add": (None, 0.3)}


def test_the_same_point_gives_the_same_bytes_and_stays_as_it_is() -> None:
    at = {"x": np.array([0.1, 0.2, 0.3])}
    before = at["x"].copy()
    program = parse("y = x; sum(exp(y)*y)")
    found = [repr(autograd.backward(program, at, ["x"], dtype="float32", traced=True)) for _ in range(2)]
    assert found[0] == found[1]
    np.testing.assert_array_equal(at["x"], before)


# --- failures ----------------------------------------------------------------------------------------


def test_what_torch_refuses_is_said_with_the_place() -> None:
    program = parse("y = 2*x\nz = y @ y")
    with pytest.raises(LaneProblem) as problem:
        autograd.backward(program, {"x": np.ones((2, 3))}, ["x"])
    first, line, caret = str(problem.value).splitlines()
    assert first.startswith("torch could not run matmul: ")
    assert line == "  z = y @ y"
    assert caret == "      ^^^^^"


def test_a_device_that_is_not_there_is_a_usage_problem() -> None:
    with pytest.raises(UsageProblem, match="torch cannot use the device 'nowhere'"):
        autograd.check_device("nowhere")


# --- callables under test ------------------------------------------------------------------------------


def refuses(*_args: object, **_params: object) -> None:
    raise StopIteration("no more")


TESTED = [
    ("sum(cat([x, x*x], dim=0))", {"cat": torch.cat}, None),
    ("sum(stack([x, x*x], dim=0))", {"stack": torch.stack}, None),
    ("sum(clamp(x, -1, 1))", {"neg": torch.neg}, None),
    ("sort(x)", {"sort": torch.sort},
     "torch could not run sort: the callable under test returned sort, and a tensor is needed"),
    ("sin(x)", {"sin": refuses}, "torch could not run sin: StopIteration: no more"),
    ("x + x", {"add": refuses}, "torch could not run add: StopIteration: no more"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "tested", "said"), TESTED)
def test_callables_under_test_get_what_torch_would_get(text: str, tested: dict[str, Any], said: str | None) -> None:
    program = parse(text)
    point = {"x": np.array([0.5, 2.0, -3.0])}
    if said is None:
        autograd.backward(program, point, ["x"], dtype="float64", under_test=tested)
        return
    with pytest.raises(LaneProblem) as problem:
        autograd.backward(program, point, ["x"], dtype="float64", under_test=tested)
    assert problem.value.message == said
