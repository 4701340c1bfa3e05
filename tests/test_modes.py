"""The caller's modes of torch play no part, and are as before afterwards; so is FLINT's precision, in all threads."""

from __future__ import annotations

import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any

import flint
import numpy as np
import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode, _get_current_dispatch_mode_stack

from gradcheck import autograd, exact
from gradcheck.case import check
from gradcheck.errors import GradcheckError, LaneProblem, PointProblem, UsageProblem
from gradcheck.exact import balls, enclose
from gradcheck.explanation import explain
from gradcheck.outcome import Run
from gradcheck.parse import parse
from gradcheck.plan import Plan
from gradcheck.settings import Settings
from unfolded import unfolded

# --- the caller's modes ------------------------------------------------------------------------------


@contextmanager
def default_dtype(dtype: torch.dtype) -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


@contextmanager
def default_device(device: str) -> Iterator[None]:
    torch.set_default_device(device)
    try:
        yield
    finally:
        torch.set_default_device(None)


@contextmanager
def deterministic() -> Iterator[None]:
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(False)


@contextmanager
def errors_of_warnings() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


@contextmanager
def all_of_them() -> Iterator[None]:
    with ExitStack() as stack:
        for name in ("inference_mode", "detect_anomaly", "autocast to bfloat16", "a device", "hooks that lose it all"):
            stack.enter_context(MODES[name]())
        yield


Mode = Callable[[], AbstractContextManager[Any]]

MODES: dict[str, Mode] = {
    "no_grad": torch.no_grad,
    "inference_mode": torch.inference_mode,
    "set_grad_enabled": lambda: torch.set_grad_enabled(False),
    "detect_anomaly": lambda: torch.autograd.set_detect_anomaly(True),
    "detect_anomaly without nan": lambda: torch.autograd.set_detect_anomaly(True, check_nan=False),
    "autocast to bfloat16": lambda: torch.autocast("cpu", dtype=torch.bfloat16),
    "autocast to float16": lambda: torch.autocast("cpu", dtype=torch.float16),
    "autocast on cuda": lambda: torch.autocast("cuda", dtype=torch.float16, enabled=torch.cuda.is_available()),
    "float64 by default": lambda: default_dtype(torch.float64),
    "float16 by default": lambda: default_dtype(torch.float16),
    "a device": lambda: torch.device("meta"),
    "a device by default": lambda: default_device("meta"),
    "deterministic algorithms": deterministic,
    "one thread on the way back": lambda: torch.autograd.set_multithreading_enabled(False),
    "forward mode": torch.autograd.forward_ad.dual_level,
    "saved on the cpu": torch.autograd.graph.save_on_cpu,
    "hooks that lose it all": lambda: torch.autograd.graph.saved_tensors_hooks(lambda x: x * 0, lambda x: x),
    "no hooks allowed": lambda: torch.autograd.graph.disable_saved_tensors_hooks("no hooks here"),
    "warnings as errors": errors_of_warnings,
    "all of them": all_of_them,
}


def state() -> tuple[Any, ...]:
    """Return all that the modes set."""
    return (
        torch.is_grad_enabled(), torch.is_inference_mode_enabled(), torch.is_anomaly_enabled(),
        torch.is_anomaly_check_nan_enabled(), torch.is_autocast_enabled("cpu"), torch.is_autocast_enabled("cuda"),
        torch.get_autocast_dtype("cpu"), torch.get_default_dtype(), torch.get_default_device(),
        torch.are_deterministic_algorithms_enabled(), torch._C._len_torch_function_stack(),
        len(_get_current_dispatch_mode_stack()), torch._C._autograd._top_saved_tensors_default_hooks(True),
        torch.autograd.forward_ad._current_level, list(warnings.filters), flint.ctx.prec,
    )  # fmt: skip


class Own(torch.autograd.Function):
    """A square that makes tensors of its own on the way, with a wrong gradient."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> Any:
        ctx.save_for_backward(x)
        return x * x + torch.zeros(())

    @staticmethod
    def backward(ctx: Any, g: torch.Tensor) -> Any:
        [x] = ctx.saved_tensors
        return 3 * x * g * torch.tensor(1.0)


def raising(*_args: object) -> torch.Tensor:
    raise KeyError("mine")


class Raising(Own):
    """A square whose backward raises what torch never does."""

    @staticmethod
    def backward(_ctx: Any, _g: torch.Tensor) -> Any:
        raise KeyError("mine")


PROGRAMS: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("sum(x**2 + 3*x)", {"x": [0.3, 1.7]}, {}),
    ("y = tanh(x @ w); mean(y**2)", {"x": [[0.3, -1.1], [1.9, 0.45]], "w": [[0.6, -0.2], [-0.9, 1.3]]}, {}),
    ("where(x == 0, 0, x/x)", {"x": 0}, {}),
    ("sqrt(x)*0 + where(x > 1, 1, 2)*x*0.1", {"x": 0.25}, {}),
    ("logsumexp(x, 0) + softmax(x, 0)[0] + where(1 < 2, 0.1, x[0])", {"x": [100.5, 3, -200]}, {}),
    ("detach(x)*3 + floor(x)", {"x": 1.5}, {}),
    ("sum(square(x))", {"x": [0.5, 1.5]}, {"square": Own}),
    ("sum(square(x))", {"x": [0.5, 1.5]}, {"square": raising}),
    ("sum(square(x))", {"x": [0.5, 1.5]}, {"square": Raising}),
    ("sin(x) + ln(y)", {"x": 0.5, "y": 2}, {"ln": lambda x: torch.log(x) + torch.zeros((), dtype=x.dtype)}),
]
"""Programs with their points, and what is under test: right, wrong, with a nan on the way back, and raising."""


def outcomes(text: str, at: dict[str, Any], under_test: dict[str, Any]) -> list[Any]:
    """Return all numbers, verdicts and words of a check in two dtypes, one of them blown up by autocast."""
    run = check(text, at, settings=Settings(dtypes=("float32", "float64"), under_test=under_test, nondet=1))
    return [
        (
            one.verdict, one.error, one.notes, [(layer.values, layer.grad_fn) for layer in one.layers],
            [(each.torch, each.judgements, each.blames) for each in one.gradients],
        )
        for one in run
    ]  # fmt: skip


OUTSIDE = [repr(outcomes(*one)) for one in PROGRAMS]


@pytest.mark.parametrize("name", MODES)
@pytest.mark.parametrize("k", range(len(PROGRAMS)))
def test_the_outcome_is_that_outside_of_any_mode(name: str, k: int) -> None:
    with MODES[name]():
        before = state()
        found = repr(outcomes(*PROGRAMS[k]))
        assert state() == before
    assert found == OUTSIDE[k]


@pytest.mark.parametrize("name", MODES)
def test_an_explanation_is_that_outside_of_any_mode(name: str) -> None:
    """The graph, what accumulates, and what torch says of an output without a graph."""

    def told() -> str:
        words = explain("y = 3*x; detach(y)**2", x=[0.3, 2]), explain("x*exp(x)", x=0.3, accumulate=True)
        return repr([(one.graph, one.accumulations, one.trackings, one.notes) for one in words])

    outside = told()
    with MODES[name]():
        before = state()
        inside = told()
        assert state() == before
    assert inside == outside


@pytest.mark.parametrize("name", MODES)
def test_the_caller_s_modes_are_as_before_when_torch_raises(name: str) -> None:
    program = parse("x @ x")
    with MODES[name]():
        before = state()
        with pytest.raises(LaneProblem):
            autograd.backward(program, {"x": np.ones((2, 3))}, ["x"])
        assert state() == before


class Functions(TorchFunctionMode):
    """A mode of the user's own, over torch's functions."""

    def __torch_function__(self, func: Any, _types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return func(*args, **(kwargs or {}))


class Dispatches(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """A mode of the user's own, under torch's functions."""

    def __torch_dispatch__(self, func: Any, _types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return func(*args, **(kwargs or {}))


REFUSED: dict[str, Mode] = {
    "FakeTensorMode": FakeTensorMode,
    "Functions": Functions,
    "Dispatches": Dispatches,
}


@pytest.mark.parametrize("name", REFUSED)
def test_inside_of_what_takes_torch_s_place_nothing_is_checked(name: str) -> None:
    with REFUSED[name]():
        before = state()
        with pytest.raises(UsageProblem) as problem:
            check("x**2", x=1.5)
        assert state() == before
    assert problem.value.message == f"a gradient cannot be checked inside {name}: what runs there is not torch alone"
    assert problem.value.hint == "check it outside, before or after"


TRANSFORMS: list[Callable[[Callable[[torch.Tensor], torch.Tensor]], object]] = [
    lambda f: torch.func.vmap(f)(torch.ones(2)),
    lambda f: torch.func.grad(f)(torch.ones(())),
    lambda f: torch.func.jvp(f, (torch.ones(()),), (torch.ones(()),)),
    lambda f: torch.func.functionalize(f)(torch.ones(())),
]


@pytest.mark.filterwarnings("ignore:.*torch.jit.script:DeprecationWarning")  # torch's own, inside of jvp
@pytest.mark.parametrize("transform", TRANSFORMS)
def test_inside_of_a_transform_nothing_is_checked(transform: Any) -> None:
    found: list[GradcheckError] = []

    def inside(x: torch.Tensor) -> torch.Tensor:
        for point in (1.5, x):
            with pytest.raises((UsageProblem, PointProblem)) as problem:
                check("x**2", x=point)
            found.append(problem.value)
        return x.sum()

    transform(inside)
    assert found[0].message.startswith("a gradient cannot be checked inside a transform of torch.func")
    assert len(found) == 2


def test_tensors_of_any_mode_are_points() -> None:
    with torch.inference_mode():
        inferred = torch.tensor([0.5, 2.0])
    points = [inferred, torch.tensor([0.5, 2.0], requires_grad=True), torch.nn.Parameter(torch.tensor([0.5, 2.0])),
              torch.tensor([0.25, 1.0], requires_grad=True) * 2]  # fmt: skip
    wanted = check("x**2", x=[0.5, 2.0])
    for one in points:
        tracked = one.requires_grad
        assert unfolded(check("x**2", x=one)[0].gradients) == unfolded(wanted[0].gradients)
        assert (one.requires_grad, one.grad if one.is_leaf else None) == (tracked, None)


# --- threads ---------------------------------------------------------------------------------------------

LOCAL = [
    "no_grad", "inference_mode", "set_grad_enabled", "autocast to bfloat16", "autocast to float16", "a device",
    "forward mode", "hooks that lose it all",
]  # fmt: skip
"""Modes of one thread alone; what one sets for all of them, such as anomaly detection, another cannot undo."""

PRECISIONS = [53, 80, 128, 200, 333, 1024, 64, 2048]


def enclosures(k: int) -> str:
    """Return the enclosures of a program of its own at a precision of its own."""
    text = f"y = exp(x/{k + 3}) - sin({k + 1}*x); logsumexp(y*x, 0) + sum(y**{k + 1})"
    plan = Plan.make(parse(text), {"x": (3,)}, ("x",), ())
    values = enclose(plan.node.core, {"x": np.array([0.1, 0.2, 0.3])}, PRECISIONS[k])
    return repr({name: balls(value, PRECISIONS[k]) for name, value in values.items()})


def checked(k: int) -> str:
    """Return the outcome of a check that raises the precision, and looks aside and into it, inside a mode."""
    text = [
        "exp(x) - 1", "abs(x)*x", "(x + 1e8) - 1e8", "x/x", "sin(x)/x", "sqrt(x**2)", "log(1 + exp(100*x))", "x**x",
    ][k]  # fmt: skip
    with MODES[LOCAL[k]]():
        return repr(outcomes(text, {"x": [0.0, 1e-30, 0.3]}, {}))


@pytest.fixture
def threads_take_turns() -> Iterator[None]:
    """Let Python switch between threads all the time: one evaluation is over before it would otherwise."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.parametrize("work", [enclosures, checked])
@pytest.mark.usefixtures("threads_take_turns")
def test_threads_get_what_one_of_them_alone_gets(work: Callable[[int], str]) -> None:
    """Eight threads, programs and precisions; afterwards FLINT and torch are as they were, in the threads too."""
    alone = [work(k) for k in range(8)]
    gate = threading.Barrier(8, timeout=120)  # who raises leaves the others waiting
    before = state()

    def run(k: int) -> tuple[set[str], Any]:
        gate.wait()
        found = {work(k) for _ in range(3)}
        gate.wait()
        return found, state()

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(run, range(8)))
    assert [found for found, _ in results] == [{one} for one in alone]
    assert [after for _, after in results] == [before] * 8
    assert state() == before


def test_the_precision_is_set_in_one_place_alone() -> None:
    """Whatever sets it elsewhere sets it for all threads, without the lock."""
    files = sorted(Path(exact.__file__).parent.glob("*.py"))
    assert [path.name for path in files if "flint.ctx." in path.read_text("utf-8")] == ["precision.py"]


def test_the_precision_is_put_back_whatever_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flint.ctx, "prec", 77)
    run: Run = check("x @ x", x=[[1, 2], [3, 4]])
    assert flint.ctx.prec == 77
    plan = Plan.make(parse("exp(x)"), {"x": ()}, ("x",), ())
    with pytest.raises(KeyError):
        enclose(plan.node.core, {}, 300)
    assert flint.ctx.prec == 77
    assert unfolded(run[0].gradients) == unfolded(check("x @ x", x=[[1, 2], [3, 4]])[0].gradients)
