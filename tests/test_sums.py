"""How torch adds up: no term goes through more roundings than its row says, and the half types round once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product
from math import fsum

import numpy as np
import pytest
import torch

from gradcheck.formats import FORMATS
from gradcheck.functions import TENSOR
from gradcheck.functions.sums import GRAIN_SIZE, Depth, add_at_depth, cascade, matmul_depth, sum_depth

Run = Callable[[torch.Tensor], torch.Tensor]

LARGE = 2.0**60
"""So large that float32 loses every 1 that is added to it."""
LENGTHS = (2, 5, 17, 64, 100, 333, 1_000, 4_099)


def roundings(run: Run, terms: int, leaf: int, tries: int = 400) -> int:
    """Return how many roundings a term goes through, read off the results of the sum itself.

    Of ones with a large number at ``leaf`` and its negative elsewhere, those are lost that are added before the two
    meet. So every addition on the way of ``leaf`` shows as another count of what is left, for some place of the other.
    FPRev: Revealing the Order of Floating-Point Summation, arXiv:2411.00442.
    """
    others = np.unique(np.linspace(0, terms - 1, min(terms, tries)).astype(int))
    left = set()
    for other in others[others != leaf]:
        x = torch.ones(terms)
        x[leaf], x[other] = LARGE, -LARGE
        left.add(run(x).item())
    return len(left)


def in_a_column(width: int) -> Run:
    return lambda x: x.reshape(-1, 1).expand(-1, width).contiguous().sum(0)[width // 2]


SUMS: dict[str, Run] = {
    "in memory": lambda x: x.sum(),
    "with a stride": lambda x: torch.stack([x, x], 1)[:, 0].sum(),
    "rows": lambda x: torch.stack([x, x, x]).sum(1)[1],
    "3 columns": in_a_column(3),
    "16 columns": in_a_column(16),
    "70 columns": in_a_column(70),
    "mean": lambda x: x.mean() * len(x),
}


@pytest.mark.parametrize("name", SUMS)
def test_a_sum_is_as_deep_as_its_row_says_and_no_deeper(name: str) -> None:
    for terms in LENGTHS:
        for leaf in {0, terms // 2, terms - 1}:
            assert roundings(SUMS[name], terms, leaf) <= cascade(terms), (terms, leaf)


def test_the_depth_of_a_sum_is_not_far_above_what_torch_needs() -> None:
    for terms in (64, 1_000, 4_099):
        most = max(roundings(run, terms, leaf) for run in SUMS.values() for leaf in (0, terms - 1))
        assert most >= cascade(terms) / 2, terms


PRODUCTS: dict[str, Run] = {
    "dot": lambda x: torch.dot(x, torch.ones(len(x))),
    "matrix and vector": lambda x: (torch.stack([x, x]) @ torch.ones(len(x)))[0],
    "vector and matrix": lambda x: (x @ torch.ones(len(x), 3))[0],
    "matrices": lambda x: (torch.stack([x, x]) @ torch.ones(len(x), 2))[0, 0],
    "rows by rows": lambda x: (torch.stack([x, x]) @ torch.ones(2, len(x)).T)[0, 0],
    "batches": lambda x: (torch.stack([x, x])[:, None] @ torch.ones(2, len(x), 2))[0, 0, 0],
}


@pytest.mark.parametrize("name", PRODUCTS)
def test_a_product_is_no_deeper_than_its_row_says(name: str) -> None:
    """Its own rounding counts as one more; what the sums need is between 50 and all the terms, by layout."""
    for terms in (100, 1_000):
        depth = matmul_depth((1, terms), (terms, 1))
        assert max(roundings(PRODUCTS[name], terms, leaf) for leaf in (0, terms - 1)) + 1 <= depth.added


def test_depths() -> None:
    assert [cascade(n) for n in (0, 1, 2, 4)] == [0, 0, 1, 3]
    assert [cascade(n) for n in range(2, 3_000)] <= list(range(1, 2_999))
    assert sum_depth((20_000,), (0,)) == Depth(53)
    assert sum_depth((3, 20_000), (0,)) == Depth(2, 2)
    assert sum_depth((GRAIN_SIZE,), (0,)).stored == 2
    assert sum_depth((GRAIN_SIZE - 1,), (0,)).stored == 1
    # Where two reduced dims do not lie in memory as one, the sums of one are added up along the other.
    assert sum_depth((100, 3, 50), (0, 2)).added == max(cascade(50) + 99, cascade(100) + 49)
    assert sum_depth((), ()) == Depth(0)


def test_what_is_added_at_an_index_is_added_as_often_as_it_repeats() -> None:
    """An index that may be written in two ways, from either end, counts as one."""
    assert add_at_depth((9,), ((*range(9),),), (9,)) == Depth(0, 0)
    assert add_at_depth((2, 4), (slice(None), (0, 2, 2, 1)), (2, 3)) == Depth(1, 0)
    assert add_at_depth((2,), ((1, -1),), (2,)) == Depth(1, 0)
    assert add_at_depth((2,), (0, slice(1, None)), (2, 3)) == Depth(0, 0)


# --- errors -----------------------------------------------------------------------------------------


def tensors(dtype: torch.dtype) -> Iterator[tuple[torch.Tensor, tuple[int, ...]]]:
    """Yield tensors that lie in memory in several ways, with dims to sum over."""
    random = np.random.default_rng(3)
    shapes = ((20_000,), (70_001,), (300, 40), (4_000, 3), (7, 11, 13), (2, 3_000), (40, 5, 60))
    for shape, kind in product(shapes, range(3)):
        made = random.random(shape) if kind else random.standard_normal(shape)
        sizes = 1 + 99 * (kind == 2) * random.random(shape)
        x = torch.from_numpy(made * sizes / 64).to(dtype)  # so that the sums fit float16
        layouts = [x, x.flip(0)[::2]] + ([x.transpose(0, -1)] if len(shape) > 1 else [])
        layouts += [x[:, ::2]] if len(shape) > 1 else []
        for one in layouts:
            every = tuple(range(one.dim()))
            for dim in {every, every[:1], every[-1:], (*every[:1], *every[2:])}:
                yield one, dim


@pytest.mark.parametrize("name", FORMATS)
def test_a_sum_errs_by_no_more_than_its_depth(name: str) -> None:
    fmt, row = FORMATS[name], TENSOR["sum"]
    wide = FORMATS[dict(row.accumulation.formats).get(name, name)]
    for x, dim in tensors(getattr(torch, name)):
        depth = sum_depth(tuple(x.shape), dim)
        exact = x.double().sum(dim) if name != "float64" else summed(x, dim)
        sizes = x.double().abs().sum(dim)
        error = (x.sum(dim).double() - exact).abs()
        bound = depth.added * wide.unit_roundoff * sizes
        if wide != fmt:
            bound += depth.stored * fmt.unit_roundoff * (sizes if depth.stored > 1 else exact.abs() + bound)
        slack = 1e-13 * sizes + fmt.smallest_subnormal if name != "float64" else 0
        assert bool((error <= bound * 1.0001 + slack).all()), (tuple(x.shape), x.stride(), dim)


def summed(x: torch.Tensor, dim: tuple[int, ...]) -> torch.Tensor:
    """Return the sums, each rounded once."""
    kept = [one for one in range(x.dim()) if one not in dim]
    rows = x.permute(*kept, *dim).reshape(*[x.shape[one] for one in kept], -1).numpy()
    return torch.from_numpy(np.apply_along_axis(fsum, -1, rows))
