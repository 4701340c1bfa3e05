"""Some elements of a program, held against those of an evaluation of all of it."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gradcheck import exact
from gradcheck.differentiate import pull_back
from gradcheck.exact import demand
from gradcheck.exact.demand import enclose_some
from gradcheck.formats import Ball
from gradcheck.lower import Core, lower
from gradcheck.parse import parse
from oracles import shapes
from strategies import SHAPES, Case, cases
from table import ON_TENSORS

Point = dict[str, np.ndarray[Any, np.dtype[np.float64]]]


def agree(core: Core, point: Point, wanted: dict[str, list[int]]) -> None:
    """Assert that the elements asked for are what an evaluation of all has there."""
    found = enclose_some(core, point, wanted)
    whole = exact.enclose(core, point)
    for name, at in wanted.items():
        for one, other in zip(exact.balls(found[name], 128), exact.balls(whole[name], 128, at), strict=True):
            assert type(one) is type(other)
            assert one == other if not isinstance(one, Ball) or not isinstance(other, Ball) else one.overlaps(other)


def some(random: np.random.Generator, count: int) -> list[int]:
    taken: list[int] = random.choice(count, size=random.integers(1, 4), replace=True).tolist()
    return taken


@settings(max_examples=60)
@given(cases(), st.integers(0, 2**32))
def test_some_elements_are_those_of_all(case: Case, seed: int) -> None:
    random = np.random.default_rng(seed)
    core = pull_back(lower(case.program, shapes(case.point), nodes=True), guarded=True).core
    names = [name for name in core.shapes if name in {*core.program.outputs, case.program.output}]
    agree(core, case.point, {name: some(random, prod(core.shapes[name])) for name in names})


@pytest.mark.parametrize("text", [text for row in ON_TENSORS for text in row.samples])
def test_every_tensor_operation_gives_some_of_its_elements(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demand, "FEW", 1.0)  # no array is taken as a whole because of its size
    random = np.random.default_rng(5)
    program = parse(f"out = {text}; sin(out)*out")
    sizes = {name: SHAPES[name] for name in program.inputs}
    point = {name: random.normal(size=shape) + 2 for name, shape in sizes.items()}
    core = pull_back(lower(program, sizes, nodes=True), guarded=True).core
    for name in (*core.program.outputs, program.output):
        for k in range(prod(core.shapes[name])):
            agree(core, point, {name: [k]})


def test_an_elementwise_program_is_evaluated_nowhere_else() -> None:
    core = pull_back(lower(parse("exp(sin(x))*x"), {"x": (1000,)}, nodes=True), guarded=True).core
    needs = demand._needs(core, {core.program.outputs[0]: np.array([3, 500])})
    assert all(at is not None and at.tolist() == [3, 500] for at in needs.values() if at is None or at.size > 1)
    assert needs["x"] is not None
