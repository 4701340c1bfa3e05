"""Sorting: the network puts any numbers in order, in any dim and direction, and says how many are too many."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gradcheck.errors import ShapeProblem
from gradcheck.functions.sorting import MAX_SORTED
from gradcheck.lower import lower
from gradcheck.parse import parse
from oracles import numbers


def ordered(text: str, x: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> list[float]:
    return [float(one) for one in numbers(lower(parse(text), {"x": x.shape}), "out", {"x": x})]


@pytest.mark.parametrize("size", range(1, 9))
def test_a_network_that_sorts_zeros_and_ones_sorts_anything(size: int) -> None:
    """Knuth's 0-1 principle, with every column of one tensor as a sequence of its own."""
    columns = np.array(list(itertools.product([0.0, 1.0], repeat=size))).T
    assert ordered("sort(x, 0)", columns) == np.sort(columns, axis=0).ravel().tolist()


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=70))
def test_elements_come_out_in_order(elements: list[float]) -> None:
    x = np.array(elements)
    assert ordered("sort(x)", x) == sorted(elements)
    assert ordered("sort(x, descending=True)", x) == sorted(elements, reverse=True)


@pytest.mark.parametrize("dim", [0, 1, 2, -1, -2, -3])
def test_each_dim_is_sorted_by_itself(dim: int) -> None:
    x = np.random.default_rng(0).permutation(60).reshape(3, 4, 5).astype(np.float64)
    assert ordered(f"sort(x, {dim})", x) == np.sort(x, axis=dim).ravel().tolist()
    assert ordered(f"sort(x, {dim}, descending=True)", x) == np.flip(np.sort(x, axis=dim), dim).ravel().tolist()


def test_a_scalar_is_sorted_already() -> None:
    assert ordered("sort(x)", np.array(3.0)) == [3]


def test_too_many_elements_are_refused_with_the_limit() -> None:
    with pytest.raises(ShapeProblem) as problem:
        lower(parse("y = 2*x; sum(sort(y))"), {"x": (2, MAX_SORTED + 1)})
    assert str(problem.value) == (
        "1,025 elements to sort along dim 1; the limit (MAX_SORTED) is 1,024\n"
        "  y = 2*x; sum(sort(y))\n"
        "               ^^^^^^^"
    )
