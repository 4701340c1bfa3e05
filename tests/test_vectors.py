"""Elementwise programs in vectors: what the kernels give that a single point never reaches, beside a plain run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from gradcheck import autograd, exact
from gradcheck.autograd import Backward
from gradcheck.autograd.vectors import COPIES, MAX_NUMBERS, _numbers
from gradcheck.functions import ELEMENTWISE
from gradcheck.lower import lower
from gradcheck.parse import parse
from gradcheck.pointwise import goes_by_elements
from gradcheck.program import Program
from oracles import Point
from table import TENSORS, each, formats_of, inputs_of, point_of, program_of, samples, texts

Run = tuple[Backward, tuple[Backward, ...]]


def both(text: str, point: Mapping[str, object], dtype: str = "float32", *, traced: bool = False) -> Run:
    """Return the plain run and those in vectors."""
    program = parse(text)
    at = {name: np.array(one, dtype=np.float64) for name, one in point.items()}
    return (
        autograd.backward(program, at, program.inputs, dtype=dtype, traced=traced),
        autograd.vectorised(program, at, program.inputs, dtype=dtype, traced=traced),
    )


def numbers(run: Backward) -> list[float]:
    """Return all numbers of the layers and the gradients."""
    found = [*run.layers.values(), *(one for one in run.gradients.values() if one is not None)]
    return [number for one in found for number in one.elements]


def shapes(run: Backward) -> dict[str, Any]:
    return {name: one and one.shape for name, one in (run.layers | run.gradients).items()}


def assert_alike(alone: Backward, vectors: Backward, dtype: str) -> None:
    """Check that two runs are the same but for rounding, and alike in all else."""
    assert shapes(vectors) == shapes(alone)
    assert [one.grad_fn for one in vectors.layers.values()] == [one.grad_fn for one in alone.layers.values()]
    eps = torch.finfo(autograd.DTYPES[dtype]).eps
    np.testing.assert_allclose(numbers(vectors), numbers(alone), rtol=16 * eps, atol=16 * eps)


@pytest.mark.parametrize(("row", "sample"), samples())
def test_every_elementwise_row_gives_the_same_but_for_rounding(row: Any, sample: Any) -> None:
    program, point = program_of(row), point_of(row, sample)
    for fmt in formats_of(row):
        [found] = autograd.vectorised(program, point, program.tracked, dtype=fmt.name)
        assert_alike(autograd.backward(program, point, program.tracked, dtype=fmt.name), found, fmt.name)


def mixes(program: Program, point: Point) -> bool:
    """Tell by exact values whether an element of the output depends on another element of an input."""
    core = lower(program, {name: one.shape for name, one in point.items()})
    before = exact.enclose(core, point)[program.output]
    for name, one in point.items():
        moved = one.copy()
        moved.flat[0] += 0.125
        after = exact.enclose(core, {**point, name: moved})[program.output]
        place = np.zeros(one.shape, bool)
        place.flat[0] = True
        reached = np.broadcast_to(place, before.shape)
        if any(a != b for a, b, near in zip(before.flat, after.flat, reached.flat, strict=True) if not near):
            return True
    return False


@pytest.mark.parametrize("text", texts())
def test_what_is_not_elementwise_does_not_run_in_copies(text: str) -> None:
    """Only what goes by elements does; nothing that mixes them is among it."""
    program = parse(text)
    point = inputs_of(program)
    found = autograd.vectorised(program, point, program.inputs, dtype="float64")
    assert bool(found) is goes_by_elements(program)
    assert not found or not mixes(program, point)
    for one in found:
        assert_alike(autograd.backward(program, point, program.inputs, dtype="float64"), one, "float64")


DIFFERENT: list[tuple[str, str, dict[str, float], float]] = [
    ("cosh(x)", "float32", {"x": 89.1484375}, torch.inf),
    ("sinh(x)", "float32", {"x": 89.1484375}, torch.inf),
    ("sinh(x)", "float32", {"x": -89.1484375}, -torch.inf),
    ("y = cosh(x); where(x > 0, y, 1)", "float32", {"x": 89.1484375}, torch.inf),
    ("fmod(x, y)", "float32", {"x": 1e30, "y": 3e-15}, torch.nan),
    ("fmod(x, y)", "float64", {"x": 1e300, "y": 3e-15}, torch.nan),
    ("remainder(x, y)", "float32", {"x": 1e30, "y": 3e-15}, torch.nan),
    ("x % y", "float64", {"x": 1e300, "y": 3e-15}, torch.nan),
]
"""What torch 2.13 gives in vectors of AVX2 and AVX-512 alone, though the value is a finite number."""


@pytest.mark.skipif(torch.backends.cpu.get_cpu_capability() not in ("AVX2", "AVX512"), reason="other kernels")
@pytest.mark.parametrize(("text", "dtype", "point", "wanted"), DIFFERENT)
def test_what_is_wrong_in_vectors_alone_is_seen(text: str, dtype: str, point: dict[str, float], wanted: float) -> None:
    alone, [found] = both(text, point, dtype)
    assert np.isfinite(alone.layers["out"].elements).all()
    np.testing.assert_array_equal(found.layers["out"].elements, [wanted])


BROADCAST: list[tuple[str, dict[str, object]]] = [
    ("x*y + z", {"x": [[1], [2]], "y": [3, 4, 5], "z": 0.5}),
    ("y = x*2; w = 3; where(y > z, y*w, z)", {"x": [[[0.5]]], "z": [[1, 2], [0.25, 4]]}),
    ("exp(2)*x + pi", {"x": [1, 2]}),
    ("detach(x)*y", {"x": 1, "y": [2, 3]}),
    ("detach(x) + 1", {"x": [2, 3]}),
    ("where(1 < 2, 3, 4)*x", {"x": [5, 6]}),
    ("y = 2*3; y + 0*x", {"x": 1}),
    ("y = 2*3; z = x; y", {"x": [1, 2]}),
    ("maximum(x, y)", {"x": [[1], [-2], [3]], "y": [0.5, 2]}),
    ("x", {"x": np.linspace(-1, 1, 64).reshape(64, 1)}),
    ("sqrt(x) + 0/x", {"x": [0, 1, -1]}),
]  # fmt: skip


@pytest.mark.parametrize(("text", "point"), BROADCAST)
@pytest.mark.parametrize("dtype", autograd.DTYPES)
def test_copies_broadcast_as_the_tensors_themselves(text: str, point: dict[str, object], dtype: str) -> None:
    alone, [found] = both(text, point, dtype)
    assert shapes(found) == shapes(alone)
    np.testing.assert_array_equal(numbers(found), numbers(alone))
    assert found.gradients.keys() == alone.gradients.keys()
    assert [one is None for one in found.gradients.values()] == [one is None for one in alone.gradients.values()]


@pytest.mark.parametrize(("text", "point"), BROADCAST)
def test_the_trace_is_that_of_one_copy(text: str, point: dict[str, object]) -> None:
    alone, [found] = both(text, point, traced=True)
    bare = [replace(one, saved=()) for one in alone.operations]
    for one in (*bare, *found.operations):
        assert one.saved == ()
    np.testing.assert_equal([repr(one) for one in found.operations], [repr(one) for one in bare])
    assert repr(found.plain) == repr(alone.plain)


@pytest.mark.parametrize("row", each(row for row in ELEMENTWISE.values() if len(row.args) == 1)[:3])
def test_copies_that_differ_are_all_returned(row: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    own = autograd.function(row.name)

    def uneven(_m: object, x: torch.Tensor) -> Any:
        made = own(x)
        return made + (torch.arange(x.shape[-1]) == x.shape[-1] - 1) if x.dim() else made

    program, point = program_of(row), point_of(row, row.samples[0])
    [right] = autograd.vectorised(program, point, row.args)
    monkeypatch.setitem(ELEMENTWISE, row.name, replace(row, torch=uneven))
    one, other = autograd.vectorised(program, point, row.args)
    assert one.layers["out"].elements == right.layers["out"].elements
    assert other.layers["out"].elements == pytest.approx([right.layers["out"].elements[0] + 1])


def test_a_program_of_many_numbers_runs_as_it_is() -> None:
    most = MAX_NUMBERS // COPIES // 2
    for size, runs in ((most // 64, 1), (most + 1, 0)):
        assert len(both("x*x*x", {"x": np.ones(size)})[1]) == runs


def test_numbers_are_counted_as_they_broadcast() -> None:
    most = MAX_NUMBERS // COPIES
    for shapes, runs in ((((1, 4), (most // 4, 1)), 1), (((1, 4), (most // 4 + 1, 1)), 0), (((most + 1,), ()), 0)):
        point = {name: np.ones(shape) for name, shape in zip(("x", "s"), shapes, strict=True)}
        assert _numbers(parse("x*s"), point) == COPIES * int(np.prod(np.broadcast_shapes(*shapes)))
        assert (_numbers(parse("x*s"), point) <= MAX_NUMBERS) == runs


def test_the_inputs_are_the_only_ones_tracked_and_stay_as_they_are() -> None:
    program, at = parse("x*s"), {"x": np.array([1.5, 2.5]), "s": TENSORS["s"].copy()}
    before = {name: one.copy() for name, one in at.items()}
    [found] = autograd.vectorised(program, at, ["s"])
    assert list(found.gradients) == ["s"]
    [nothing] = autograd.vectorised(program, at, [])
    assert nothing.layers["out"].grad_fn is None
    for name, one in at.items():
        np.testing.assert_array_equal(one, before[name])


def test_inputs_that_never_meet_need_not_broadcast() -> None:
    program = parse("y = erf(v)\nu + s")
    point = {"v": np.ones(3), "u": np.ones(2), "s": np.array(2.0)}
    [found] = autograd.vectorised(program, point, ["u"])
    gradient = found.gradients["u"]
    assert gradient is not None
    assert gradient.elements == [1.0, 1.0]
