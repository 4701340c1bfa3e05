"""Operations on long arrays are judged in whole arrays, as single elements are; the few that are wrong are named."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pytest
import torch

from gradcheck import autograd
from gradcheck.autograd import Operation, function
from gradcheck.diagnose import floats
from gradcheck.diagnose.alone import isolate, tensors
from gradcheck.diagnose.operations import MAX_SHOWN, _Trial
from gradcheck.exact import START_BITS
from gradcheck.formats import FORMATS, Ball, Format
from gradcheck.functions import ELEMENTWISE, Elementwise
from gradcheck.parse import parse
from oracles import Point
from table import formats_of, program_of
from test_machine_rounded import wild

ALL = pytest.mark.parametrize("fmt", FORMATS.values(), ids=FORMATS)


def operation(
    text: str, point: Point, dtype: str, under_test: dict[str, Callable[..., Any]] | None = None
) -> Operation:
    program = parse(text)
    run = autograd.backward(program, point, program.inputs, dtype=dtype, traced=True, under_test=under_test or {})
    return run.operations[-1]


def in_formats(rows: Iterable[Elementwise], *names: str) -> pytest.MarkDecorator:
    """Return rows in those of the formats that torch has a kernel for, as parameters of a test."""
    pairs = [(row, fmt) for row in rows for fmt in formats_of(row) if fmt.name in names]
    assert pairs, "the loop is empty"
    found = [pytest.param(row, fmt, id=f"{fmt.name}-{row.name}") for row, fmt in pairs]
    return pytest.mark.parametrize(("row", "fmt"), found)


@in_formats(ELEMENTWISE.values(), "float32", "float16")
def test_every_row_is_judged_at_length_as_its_elements_are(
    row: Elementwise, fmt: Format, monkeypatch: pytest.MonkeyPatch
) -> None:
    random, program = np.random.default_rng(2), program_of(row)
    point = {arg: wild(random, (150,), fmt) for arg in row.args}
    run = autograd.backward(program, point, program.tracked, dtype=fmt.name, traced=True)
    one = run.operations[-1]
    isolated = isolate(one)
    assert isolated is not None
    for surely in (False, True):
        monkeypatch.setattr(floats, "LARGE", 1)
        at_length = isolated.in_floats(tensors(one), np.ones(150), fmt, START_BITS, surely=surely)
        monkeypatch.setattr(floats, "LARGE", 10**9)
        single = isolated.in_floats(tensors(one), np.ones(150), fmt, START_BITS, surely=surely)
        assert (at_length.overflow is None) == (single.overflow is None)
        for place, found in at_length.found.items():
            kinds = [[isinstance(ball, Ball) for ball in each.found[place]] for each in (at_length, single)]
            assert kinds[0] == kinds[1]
            assert not found.missing or None in list(single.found[place])


def nudged(function: Callable[..., Any], at: list[int], by: float) -> Callable[..., Any]:
    """Return a function whose value and gradient are off by a factor at some elements."""

    class Nudged(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.save_for_backward(x)
            made = function(x).clone()
            made[at] *= by
            return made

        @staticmethod
        def backward(ctx: Any, grad: Any) -> Any:
            [x] = ctx.saved_tensors
            with torch.enable_grad():
                leaf = x.detach().requires_grad_()
                [pulled] = torch.autograd.grad(function(leaf), leaf, grad)
            pulled = pulled.clone()
            pulled[at] *= by
            return pulled

    return Nudged.apply


@in_formats((row for row in ELEMENTWISE.values() if len(row.args) == 1), "float32", "bfloat16")
def test_the_elements_that_are_wrong_are_named_among_many(row: Elementwise, fmt: Format) -> None:
    count, dtype = 2 * MAX_SHOWN, fmt.name
    at = [0, 777, count - 1]
    low, high = (1.5, 2.5) if row.outside and any(float(one) == 0.5 for (one,) in row.outside) else (0.25, 0.75)
    x = torch.tensor(np.random.default_rng(5).uniform(low, high, count)).to(getattr(torch, dtype)).double().numpy()
    honest = operation(f"{row.name}(x)", {"x": x}, dtype)
    assert _Trial(honest, fmt, START_BITS, 16.0).run().right
    wrong = {row.name: nudged(function(row.name), at, 1.25)}
    ruling = _Trial(operation(f"{row.name}(x)", {"x": x}, dtype, wrong), fmt, START_BITS, 2.0).run()
    if honest.value.array.all():
        assert ruling.value is not None
        assert list(ruling.value.at) == at
        assert [k for k, one in enumerate(ruling.value.exact) if one is not None] == at
    if honest.pulled[0] is not None and honest.pulled[0].array.all():
        assert list(ruling.pulled[0].at) == at


@pytest.mark.parametrize("text", ["sum(x)", "softmax(x, 0)", "logsumexp(x, 0)", "x @ x", "cumsum(x, 0)", "norm(x)"])
@ALL
def test_reductions_of_many_elements_are_right(text: str, fmt: Format) -> None:
    x = torch.tensor(np.random.default_rng(6).uniform(-1, 1, 5_000)).to(getattr(torch, fmt.name)).double().numpy()
    assert _Trial(operation(text, {"x": x}, fmt.name), fmt, START_BITS, 16.0).run().right
