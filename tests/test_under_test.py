"""Callables under test: under every name they run, or are refused; what they return of another kind is told."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from gradcheck import autograd
from gradcheck.autograd import Mismatch
from gradcheck.case import check
from gradcheck.errors import LaneProblem, UsageProblem
from gradcheck.explanation import explain
from gradcheck.functions import ALIASES, COMPARISONS, COMPOSITE, CONDITIONS, ELEMENTWISE, TENSOR, known_names
from gradcheck.parse import parse
from gradcheck.settings import Settings
from gradcheck.verdict import Verdict
from table import TENSORS

SPECIAL = {
    "where": "where(s > 0, s, 2*s)", "detach": "s*detach(s)", "no_grad": "s*no_grad(s)", "max": "max(s, 2*s)",
    "min": "min(v)", "matmul": "matmul(c, c.mT)", "mm": "mm(a, a.T)", "mv": "mv(a, v)",
    "bmm": "bmm(c, c.mT)", "logical_not": "where(logical_not(s > 0), s, 2*s)", "clip": "clip(s, -1, max=1)",
}  # fmt: skip
"""Programs of the names that no row has a sample of."""


def program(name: str) -> str:
    """Return a program that calls a function by this name."""
    op = ALIASES.get(name, name)
    if name in SPECIAL:
        return SPECIAL[name]
    if op in ELEMENTWISE:
        row = ELEMENTWISE[op]
        assigned = "; ".join(  # what is fixed stays a plain number: torch differentiates nothing by it
            f"{arg}_ = {text}{'' if arg in row.fixed else '*s/s'}"
            for arg, text in zip(row.args, row.samples[0], strict=True)
        )
        return f"{assigned}; {name}({', '.join(f'{arg}_' for arg in row.args)})"
    if op in CONDITIONS:
        sides = "s, 0.5" if op in COMPARISONS else "s > 0, s < 1"
        return f"where({name}({sides}), s, 2*s)"
    [text, *_] = [one for one in (TENSOR.get(op) or COMPOSITE[op]).samples if re.search(rf"\b{re.escape(op)}\b", one)]
    return re.sub(rf"\b{re.escape(op)}\b", name, text, count=1)


class Counted:
    """torch's own function of an operation, and how often it ran."""

    def __init__(self, *ops: str) -> None:
        self.ops = ops
        self.calls = 0

    def __call__(self, *args: Any, **params: Any) -> Any:
        self.calls += 1
        if isinstance(args[0], list):
            args = tuple(args[0])
        return autograd.function(self.ops[0])(*args, **params)


def canonical(name: str) -> str:
    """Return the operation that a name becomes in its program."""
    return {"max": "maximum", "min": "amin", "no_grad": "detach"}.get(name, ALIASES.get(name, name))


def points(text: str) -> dict[str, Any]:
    return {name: TENSORS[name].tolist() for name in parse(text).inputs}


@pytest.mark.parametrize("name", known_names())
def test_under_every_name_what_is_under_test_runs(name: str) -> None:
    text = program(name)
    assert re.search(rf"\b{name}\b", text)
    counted = Counted(canonical(name))
    run = check(text, points(text), settings=Settings(under_test={name: counted}))
    assert counted.calls, text
    assert not run[0].error
    plain = check(text, points(text))
    assert [one.judgements for one in run[0].gradients] == [one.judgements for one in plain[0].gradients]


@pytest.mark.parametrize("name", known_names())
def test_under_every_name_what_never_runs_is_refused(name: str) -> None:
    """The program has two operations; all others never run in it, and neither do these among plain numbers alone."""
    text = "(2 + 3 - 1)*expm1(s)*w"
    if canonical(name) in ("mul", "expm1"):
        return
    with pytest.raises(UsageProblem) as problem:
        check(text, s=0.5, w=2, settings=Settings(under_test={name: Counted()}))
    assert problem.value.message == f"{name!r} is under test, and torch never runs it in this program"
    assert problem.value.hint == "it runs expm1, mul"


REFUSED: list[tuple[dict[str, Any], str, str | None]] = [
    ({"swihs": torch.sin}, "'swihs' is under test, and no function bears that name", "did you mean `swish`?"),
    ({"torch.expm_1": torch.sin}, "'torch.expm_1' is under test, and no function bears that name",
     "did you mean `expm1`?"),
    ({"zzzzz": torch.sin}, "'zzzzz' is under test, and no function bears that name", "choose from mul, silu, expm1"),
    ({"silu": 3}, "what is under test as 'silu' is int, and cannot be called", None),
    ({"silu": torch.sin, "swish": torch.sin}, "'silu' and 'swish' are both under test as silu", None),
    ({"add_at": torch.sin}, "'add_at' is under test, and no function bears that name", "did you mean `add`?"),
]  # fmt: skip


@pytest.mark.parametrize(("under_test", "message", "hint"), REFUSED)
def test_a_name_that_means_nothing_is_an_error(under_test: dict[str, Any], message: str, hint: str | None) -> None:
    settings = Settings(under_test=under_test)
    for run in (check, explain):
        with pytest.raises(UsageProblem) as problem:
            run("silu(2*s)*expm1(s)", s=0.5, settings=settings)
        assert (problem.value.message, problem.value.hint) == (message, hint)


MEANT = [
    ("max(s, w) + max(v)", "max", 2),
    ("maximum(s, w) + amin(v)", "max", 1),
    ("clamp(s, min=0) + clamp(s, max=1) + clamp(s, 0, 1)", "clamp", 3),
    ("clip(s, max=1)", "clip", 1),
    ("clamp(s, max=1)", "clamp_max", 1),
    ("v[0] + v[1:]", "index", 2),
    ("s % 0.25 + w % s", "remainder", 2),
    ("a @ v", "matmul", 1),
    ("mv(a, v)", "mv", 1),
    ("(1 + 2)*s + 1", "add", 1),
    ("where(1 < 2, s, w)", "where", 1),
    ("exp(2)*s", "exp", 1),
]  # fmt: skip


@pytest.mark.parametrize(("text", "name", "calls"), MEANT)
def test_a_name_means_what_the_parser_makes_of_it(text: str, name: str, calls: int) -> None:
    seen = []

    def own(*args: Any, **params: Any) -> Any:
        seen.append(args)
        functions: dict[str, Callable[..., Any]] = {
            "max": torch.max,
            "mv": torch.mv,
            "clamp": torch.clamp,
            "clip": torch.clip,
        }
        if name == "max" and params:
            return torch.amax(*args, **params)
        return (functions.get(name) or autograd.function(name))(*args, **params)

    program, at = parse(text), {**TENSORS, "w": np.array(0.75)}
    settings = Settings(under_test={name: own})
    autograd.backward(program, at, program.inputs, under_test=settings.resolved(program).under_test)
    assert len(seen) == calls
    given = {one: at[one].tolist() for one in program.inputs}
    run = check(text, given, settings=settings)
    assert run[0].error is None
    assert run.verdict is check(text, given).verdict


class Square(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx: Any, g: torch.Tensor) -> Any:
        return 3 * g * ctx.saved_tensors[0]


class Total(torch.autograd.Function):
    """A function with params, which ``apply`` takes by place only."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, dim: Any = None, keepdim: bool = False) -> Any:
        ctx.shape = x.shape
        return torch.sum(x, dim, keepdim)

    @staticmethod
    def backward(ctx: Any, g: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        return 2 * g.expand(ctx.shape), None, None


class Split(torch.autograd.Function):
    """The same in torch's other style, with a context of its own."""

    @staticmethod
    def forward(x: torch.Tensor, dim: Any = None, keepdim: bool = False) -> Any:
        return torch.sum(x, dim, keepdim)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: torch.Tensor) -> None:  # noqa: ARG004
        ctx.shape = inputs[0].shape

    @staticmethod
    def backward(ctx: Any, g: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        return 2 * g.expand(ctx.shape), None, None


@pytest.mark.parametrize(
    ("text", "op", "function"),
    [("square(v)", "square", Square), ("sum(v, dim=0, keepdim=True)", "sum", Total), ("sum(v, dim=0)", "sum", Split),
     ("sum(v)", "sum", Total)],
)  # fmt: skip
def test_the_class_of_a_function_stands_for_its_apply(text: str, op: str, function: Any) -> None:
    for own in (function, function.apply):
        run = check(text, v=[0.5, 1.5], settings=Settings(under_test={op: own}))
        assert run[0].error is None
        assert {one.verdict.value for one in run[0].gradients[0].judgements} == {"disagree"}


# --- results of another kind -------------------------------------------------------------------------------


def returning(forward: Callable[[torch.Tensor], Any], back: Callable[[torch.Tensor, torch.Tensor], Any]) -> Any:
    """Return a Function of one argument with these two halves."""

    class Own(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: torch.Tensor) -> Any:
            ctx.save_for_backward(x)
            return forward(x)

        @staticmethod
        def backward(ctx: Any, g: torch.Tensor) -> Any:
            [x] = ctx.saved_tensors
            return back(g, x)

    return Own


def right(g: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    return 2 * x * g


X = [0.5, 1.5, -2.0]

VALUE, GRADIENT = [0.25, 2.25, 4.0], [1.0, 3.0, -4.0]


def back(change: Callable[[torch.Tensor], torch.Tensor]) -> Any:
    """Return a square whose gradient is right, and then of another kind."""
    return returning(lambda x: x * x, lambda g, x: change(right(g, x)))


def within(x: torch.Tensor) -> Any:
    """Return a square with a Function in the middle of torch's own, all of it in float16."""
    return returning(lambda y: y * 1, lambda g, _y: g.double()).apply((x * x).half()).float()


SCALAR, HALF, DOUBLE = ("shape", "scalar", "3"), ("dtype", "float16", "float32"), ("dtype", "float64", "float32")
SPARSE, INTEGERS = ("layout", "sparse_coo", "strided"), ("dtype", "int32", "float32")

KINDS: list[tuple[str, Any, list[tuple[str, str, str]], list[tuple[str, str, str]], list[float], list[float]]] = [
    ("as torch's", lambda x: x * x, [], [], VALUE, GRADIENT),
    ("a scalar", lambda x: (x * x).sum(), [SCALAR], [], [6.5] * 3, [3.0, 9.0, -12.0]),
    ("a column", lambda x: (x * x)[:, None], [("shape", "3 x 1", "3")], [], VALUE, GRADIENT),
    ("float16", lambda x: (x * x).half(), [HALF], [], VALUE, GRADIENT),
    ("float64", lambda x: (x * x).double(), [DOUBLE], [], VALUE, GRADIENT),
    ("integers", lambda x: (x * x).int(), [INTEGERS], [], [0.0, 2.0, 4.0], []),
    ("two things", lambda x: (x * x).sum().double(), [SCALAR, DOUBLE], [], [6.5] * 3, [3.0, 9.0, -12.0]),
    ("sparse", lambda x: (x * x).to_sparse(), [SPARSE], [], VALUE, GRADIENT),
    ("a gradient in float64", back(torch.Tensor.double), [], [DOUBLE], VALUE, GRADIENT),
    ("a gradient in float16", back(torch.Tensor.half), [], [HALF], VALUE, GRADIENT),
    ("a gradient of integers", back(torch.Tensor.int), [], [INTEGERS], VALUE, GRADIENT),
    ("a gradient to be summed", back(lambda g: g.expand(2, 3)), [], [("shape", "2 x 3", "3")], VALUE, [2.0, 6.0, -8.0]),
    ("a sparse gradient", back(torch.Tensor.to_sparse), [], [SPARSE], VALUE, GRADIENT),
    ("a gradient within", within, [], [("dtype", "float64", "float16")], VALUE, GRADIENT),
]
"""What a square may return, in what it differs from torch's, and the numbers that the run goes on with."""


def squared(own: Any, text: str = "square(x)", *, traced: bool, dtype: str = "float32") -> autograd.Backward:
    at = {"x": np.array(X)}
    return autograd.backward(parse(text), at, ["x"], dtype=dtype, traced=traced, under_test={"square": own})


@pytest.mark.parametrize(
    ("own", "forward", "backward", "value", "gradient"), [one[1:] for one in KINDS], ids=[one[0] for one in KINDS]
)
@pytest.mark.parametrize("traced", [True, False])
def test_what_is_of_another_kind_is_told_and_the_run_goes_on(
    own: Any,
    forward: list[tuple[str, str, str]],
    backward: list[tuple[str, str, str]],
    value: list[float],
    gradient: list[float],
    traced: bool,
) -> None:
    found = squared(own, traced=traced)
    told = [(one.backward, one.what, one.got, one.wanted) for one in found.mismatches]
    assert told == [*((False, *one) for one in forward), *((True, *one) for one in backward)]
    assert found.layers["out"].elements == value
    assert found.layers["out"].shape == (3,)
    made = found.gradients["x"]
    assert (made.elements if made else []) == gradient
    assert made is None or made.shape == (3,)
    if traced:
        [operation] = found.operations
        assert operation.value == autograd.TorchValue(np.array(value))
    text = "square(x)"
    assert all(text[one.span.start : one.span.end] == text and one.op == "square" for one in found.mismatches)


@pytest.mark.parametrize("text", ["sum(square(x))", "square(x)*x", "y = square(x); y[0]", "where(square(x) > 1, x, 1)"])
@pytest.mark.parametrize("own", [one[1] for one in KINDS], ids=[one[0] for one in KINDS])
@pytest.mark.parametrize("dtype", sorted(autograd.DTYPES))
def test_whatever_reads_it_gets_a_tensor_of_the_dtype(text: str, own: Any, dtype: str) -> None:
    """All numbers of the trace are numbers of the dtype, in the shapes that torch's own function gives."""
    found = squared(own, text, traced=True, dtype=dtype)
    plain = squared(torch.square, text, traced=True, dtype=dtype)
    assert {name: one.shape for name, one in found.layers.items()} == {n: one.shape for n, one in plain.layers.items()}
    assert [one.value.shape for one in found.operations] == [one.value.shape for one in plain.operations]
    for one in found.operations:
        held = torch.tensor(one.value.elements, dtype=torch.float64)
        assert torch.equal(held.to(autograd.DTYPES[dtype]).double(), held)


@pytest.mark.parametrize("text", ["sum(square(x))", "square(x)"])
@pytest.mark.parametrize("own", [one[1] for one in KINDS], ids=[one[0] for one in KINDS])
def test_a_check_and_an_explanation_of_it_end(text: str, own: Any) -> None:
    for dtype in autograd.DTYPES:
        settings = Settings(dtypes=(dtype,), under_test={"square": own})
        assert check(text, x=X, settings=settings)[0].error is None
    assert explain(text, x=X, settings=Settings(under_test={"square": own})).graph is not None


@pytest.mark.parametrize(("op", "text"), [("lt", "where(x < 1, x, 2*x)"), ("logical_not", "where(~(x < 1), x, 2*x)")])
def test_a_condition_is_made_of_truths(op: str, text: str) -> None:
    def own(*args: Any) -> Any:
        return autograd.function(op)(*args).float()

    at = {"x": np.array(X)}
    found = autograd.backward(parse(text), at, ["x"], under_test={op: own})
    assert found.layers == autograd.backward(parse(text), at, ["x"]).layers
    assert [(one.op, one.what, one.got, one.wanted) for one in found.mismatches] == [(op, "dtype", "float32", "bool")]


def test_a_mismatch_says_where_it_is() -> None:
    text = "y = 2*x\nz = y + square(y)"
    [found] = squared(lambda x: x.double() ** 2, text, traced=False).mismatches
    assert found == Mismatch("square", found.span, "dtype", "float64", "float32")
    assert text[found.span.start : found.span.end] == "square(y)"


def raising(problem: BaseException) -> Callable[..., Any]:
    def run(*_args: object) -> None:
        raise problem

    return run


RUN, BACK = "torch could not run square: the callable under test returned ", "torch's backward pass failed: "
INVALID = f"{BACK}Function OwnBackward returned an invalid gradient at index 0 - "

NOWAY: list[tuple[str, Any, str]] = [
    ("nothing", lambda _x: None, f"{RUN}NoneType, and a tensor is needed"),
    ("a float", lambda x: float(x[0]), f"{RUN}float, and a tensor is needed"),
    ("two", lambda x: (x, x), f"{RUN}tuple, and a tensor is needed"),
    ("shorter", lambda x: x[:2], f"{RUN}the shape 2, and 3 is needed"),
    ("complex", lambda x: x * 1j, f"{RUN}complex64, and float32 is needed"),
    ("no numbers", lambda x: x.to("meta"), "torch could not run square: Cannot copy out of meta tensor; no data!"),
    ("a shorter gradient", back(lambda g: g[:2]), f"{INVALID}got [2] but expected shape compatible with [3]"),
    ("a scalar gradient", back(torch.sum), f"{INVALID}got [] but expected shape compatible with [3]"),
    ("a gradient elsewhere", back(lambda g: g.to("meta")), f"{INVALID}expected device cpu but got meta"),
    ("two gradients", returning(lambda x: x * x, lambda g, _x: (g, g)),
     f"{BACK}function OwnBackward returned an incorrect number of gradients (expected 1, got 2)"),
    ("a number", returning(lambda x: x * x, lambda _g, _x: 2.0), f"{BACK}expected Variable or None (got float)"),
    ("a backward that raises", returning(lambda x: x * x, raising(KeyError("k"))), f"{BACK}'k'"),
]  # fmt: skip


@pytest.mark.parametrize(("own", "message"), [one[1:] for one in NOWAY], ids=[one[0] for one in NOWAY])
@pytest.mark.parametrize("traced", [True, False])
def test_where_nothing_goes_on_the_operation_is_named(own: Any, message: str, traced: bool) -> None:
    with pytest.raises(LaneProblem) as problem:
        squared(own, "3*square(x)", traced=traced)
    assert problem.value.message == message
    assert problem.value.span is not None
    run = check("3*square(x)", x=X, settings=Settings(under_test={"square": own}))
    assert run[0].error is not None
    assert message in run[0].error


def test_what_is_changed_in_place_later_is_kept_as_it_was() -> None:
    """The trace holds what an operation got and returned, not what became of it."""
    program = parse("y = 2*x; z = y + 0; relu(z) + y")
    at = {"x": np.array(X)}
    found = autograd.backward(program, at, ["x"], traced=True, under_test={"relu": torch.relu_})
    relu = next(one for one in found.operations if one.call.op == "relu")
    assert relu.args[0] == autograd.TorchValue(np.array([1.0, 3.0, -4.0]))
    assert relu.value == autograd.TorchValue(np.array([1.0, 3.0, 0.0]))
    added = next(one for one in found.operations if one.call.op == "add")
    assert added.value.elements == [1.0, 3.0, -4.0]


@pytest.mark.parametrize("op", ["sin", "relu", "maximum"])
def test_a_clamp_of_ones_own_stands_for_its_halves_and_for_no_other_operation(op: str) -> None:
    """``clamp_min(x, low)`` is ``clamp(x, low, None)``; whatever else the program has is torch's own."""
    seen = []

    def own(x: torch.Tensor, low: Any, high: Any) -> torch.Tensor:
        seen.append((low, high))
        return torch.clamp(x, low, high)

    args = "x, 0.25" if op == "maximum" else "x"
    [outcome] = check(
        f"{op}({args}) + clamp_min(x, 0) + clamp_max(x, 2)", x=0.5, settings=Settings(under_test={"clamp": own})
    )
    assert outcome.error is None
    assert outcome.verdict == "agree"
    assert {(0.0, None), (None, 2.0)} <= {(low, high) for low, high in seen}


PICKY = {
    "anything but ones": lambda g: bool((g != 1).any()), "a first element of 0": lambda g: bool(g.ravel()[0] == 0),
    "a last element of 0": lambda g: bool(g.ravel()[-1] == 0),
}  # fmt: skip
"""Cotangents that a backward may refuse although it takes ones."""


def picky(refuses: Callable[[torch.Tensor], bool]) -> Any:
    """Return a sine whose backward is right, and refuses some cotangents."""

    def flows(g: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        if refuses(g):
            raise ValueError("I only know the others")
        return g * x.cos()

    return returning(torch.sin, flows)


@pytest.mark.parametrize("refuses", PICKY.values(), ids=[*PICKY])
def test_a_row_of_a_jacobian_that_is_refused_is_an_error(refuses: Any) -> None:
    """The gradient of the sum is there, so that nothing else would tell."""
    [found] = check("sin(x)", x=[0.5, 1.0], jacobian=True, under_test={"sin": picky(refuses)})
    assert found.verdict is Verdict.ERROR
    assert "I only know the others" in str(found.error)
    assert not found.gradients
    assert not found.layers


def test_a_backward_that_takes_nothing_but_ones_is_an_error() -> None:
    own = picky(PICKY["anything but ones"])
    [found] = check("y = sin(x); y + 0*sum(y)", x=[0.5, 1.0], under_test={"sin": own})
    assert found.verdict is Verdict.ERROR
    assert str(found.error).startswith("under a random cotangent (--cotangent random): torch's backward pass failed")
    assert "I only know the others" in str(found.error)


@pytest.mark.parametrize(("way", "engine"), [("rev", "vmap"), ("fwd", "eager"), ("double-backward", "vmap")])
def test_the_value_that_is_shown_is_the_one_that_was_judged(way: str, engine: str) -> None:
    def doubled(x: torch.Tensor) -> torch.Tensor:
        return torch.exp(x) * (2 if torch._C._functorch.is_batchedtensor(x) else 1)

    [found] = check("exp(x)", x=[0.5, 1.0], way=way, engine=engine, under_test={"exp": doubled})
    assert found.value is not None
    judged = found.value.judgements
    wrong = [one.verdict is Verdict.DISAGREE for one in judged]
    right = np.exp(np.array([0.5, 1.0]))
    far = (np.abs(found.value.values - right) > 0.1).tolist()
    assert not judged or far == wrong
    assert any(far) == (way == "rev")


COTANGENTS = (float("nan"), float("inf"), float("-inf"), 0.0, 1.0, 3.4028234663852886e38)
CHANGES: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "nan to num": lambda g: g.nan_to_num_(), "clamped": lambda g: g.clamp_(-3e38, 3e38), "zero": lambda g: g.zero_(),
    "twice": lambda g: g.mul_(2), "nan": lambda g: g.fill_(torch.nan), "nothing": lambda g: g,
    "the same": lambda g: g.mul_(1),
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES.values(), ids=[*CHANGES])
@pytest.mark.parametrize("given", COTANGENTS)
def test_every_change_of_a_cotangent_in_place_is_seen(change: Callable[..., torch.Tensor], given: float) -> None:
    own = returning(torch.sin, lambda g, x: change(g) * x.cos())
    came = torch.tensor(given)
    became = change(came.clone())
    program, at = parse("sin(x)*c"), {"x": np.array(1.0), "c": np.array(given)}
    found = autograd.backward(program, at, ["x"], traced=True, under_test={"sin": own})
    [sine] = [one for one in found.operations if one.call.op == "sin"]
    assert sine.altered is not np.array_equal(came.numpy(), became.numpy(), equal_nan=True)
