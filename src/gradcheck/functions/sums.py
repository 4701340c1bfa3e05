"""How torch adds up: the format that it adds in, and how many roundings one term goes through at most."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import prod

from gradcheck.program import Param, Shape

Formats = tuple[tuple[str, str], ...]
"""Formats, each with the one that torch computes in before it rounds to the former; others compute in themselves."""

# at::opmath_type, and at::acc_type on the GPU, which SumKernel.cpp takes on the CPU as well (ATen/OpMathType.h of 2.13).
FLOAT: Formats = (("bfloat16", "float32"), ("float16", "float32"))
# at::acc_type on the CPU (ATen/AccumulateType.h of 2.13): float32 has float64.
DOUBLE: Formats = (*FLOAT, ("float32", "float64"))
# Measured over 30 reductions of 24 to 40,000 terms in both half types: one rounding, 0.50 ULP, and 2 of partial sums
# that threads hand over; prod alone rounds every product.

GRAIN_SIZE = 32_768
"""Terms from which torch may share a sum between threads: ATen/TensorIterator.h, at::internal::GRAIN_SIZE."""
LANES = (1, 2, 4, 8, 16)
"""Numbers that a vector holds: of float64 with SSE, to float32 with AVX-512."""
LEVELS = 4
"""Levels of the cascade."""


@dataclass(frozen=True, slots=True)
class Accumulation:
    """How a row adds up or, for lines of a definition, how torch's fused kernel computes what they say.

    ``formats`` says in which format. With ``cascade`` sums are those of at::sum; else a term may go through as many
    roundings as there are terms to follow, whatever the order.
    """

    formats: Formats = FLOAT
    cascade: bool = False


SUMS = Accumulation(cascade=True)
FUSED = Accumulation()
ALONE = Accumulation(())
"""A kernel that adds one term after the other in the format itself."""
WELFORD = Accumulation(DOUBLE)


@dataclass(frozen=True, slots=True)
class Depth:
    """How many roundings a term goes through in the format that is added in, and in the one that is stored."""

    added: int
    stored: int = 1


Depths = Callable[..., Depth]
"""Gets the shapes of a row's arguments and its params."""


def sum_depth(x: Shape, dim: Sequence[int], **_params: Param) -> Depth:
    """Return the depth of at::sum over ``dim``.

    aten/src/ATen/native/cpu/SumKernel.cpp, cascade_sum: one reduced dim, or several that lie in memory as one, is added
    in the cascade; the result is added to what is stored for every step along the others. Which dims lie in memory as
    one is not known here, so that the worst of all choices counts. The half types have their sums rounded once, since
    ReduceOps.cpp (should_use_acc_buffer) takes a float32 copy wherever two reduced dims are not one. Where threads
    share the sum (TensorIteratorReduce.cpp, two_pass_reduction), each stores its part, and these are added up.

    >>> sum_depth((20_000,), (0,)), sum_depth((3, 4), (1,))
    (Depth(added=53, stored=1), Depth(added=3, stored=1))
    """
    sizes = [x[one] for one in dim if x[one] > 1]
    terms = prod(sizes)
    splits = [part for k in range(1, len(sizes) + 1) for part in combinations(sizes, k)]
    added = max((cascade(prod(part)) + terms // prod(part) - 1 for part in splits), default=0)
    shared = prod(x) >= GRAIN_SIZE
    # A thread's part may begin and end within a row, and there are no more parts than grains.
    more = 2 + -(-prod(x) // GRAIN_SIZE) if shared else 0
    return Depth(min(added + more, max(terms - 1, 0)), 2 if shared else 1)


def cascade(terms: int) -> int:
    """Return how many roundings a term of at::sum along one dim goes through at most, in any of its loops.

    >>> cascade(1), cascade(16), cascade(1_000_000)
    (0, 15, 125)
    """
    rows = [_rows(terms), _row(terms)]  # outer and inner sums without vectors, and outer ones with them
    for lanes in LANES:
        for wide in (lanes, 2 * lanes):  # half types load two vectors of float32 at once, and add them
            tail = terms % wide
            rows.append(max(_row(terms // wide) + (wide > lanes), tail - 1) + lanes)
    return min(max(rows), max(terms - 1, 0))


def _rows(size: int) -> int:
    """Return the depth of multi_row_sum: chunks are added up in chunks of chunks, in four levels.

    A chunk has ``step`` terms, and every level but the last hands over after as many sums; at the end each level that
    holds something is added to the lowest.
    """
    power = max(4, max(size - 1, 0).bit_length() // LEVELS)
    held = [size >> power * level for level in range(LEVELS)]
    full = [min(count, 1 << power) for count in held[:-1]] + held[-1:]
    return sum(max(count - 1, 0) for count in full) + sum(count > 0 for count in held[1:])


def _row(size: int) -> int:
    """Return the depth of row_sum: four rows side by side, whose sums and up to three terms that are left are added."""
    return _rows(size // 4) + size % 4 + 3


def cumsum_depth(x: Shape, dim: int) -> Depth:
    """Return the depth of cumsum: one after the other, ReduceOpsKernel.cpp, cumsum_cpu_kernel.

    >>> cumsum_depth((2, 10), 1)
    Depth(added=9, stored=1)
    """
    return Depth(max(x[dim] - 1, 0) if x else 0)


def matmul_depth(a: Shape, _b: Shape) -> Depth:
    """Return the depth of a matrix product: the rounding of a product, and all sums that may follow.

    No fewer than there are terms. Asked with the numbers 2**60 and -2**60 among ones, which tell the order of a sum
    (FPRev, arXiv:2411.00442), the MKL 2024.2 of torch 2.13 adds 1,499 times in a row along 1,500 terms, whenever the
    matrices are small or the left side is a vector. Fewer, 50 to 500, are true for dot, for rows against rows, and for
    large matrices; which of these it is depends on how the tensors lie in memory, and is not known here. The half
    types add in float32: oneDNN's kernels, and ReducedPrecisionFloatGemvFastPathKernel.cpp.

    >>> matmul_depth((2, 8), (8, 3))
    Depth(added=8, stored=1)
    """
    return Depth(a[-1])


def add_at_depth(_x: Shape, key: Param, shape: Shape) -> Depth:
    """Return how often an index repeats: index_put_ adds one after the other, in the format itself.

    >>> add_at_depth((4,), ((0, 2, -1, 2),), (3,))
    Depth(added=2, stored=0)
    """
    items = key if isinstance(key, tuple) else (key,)
    lists = [(k, one) for k, one in enumerate(items) if isinstance(one, tuple)]
    if not lists:
        return Depth(0, 0)
    [(k, found)] = lists
    behind = any(one == "..." for one in items[:k])
    after = sum(one is not None for one in items[k:])
    size = shape[-after] if behind else shape[sum(one is not None for one in items[:k])]
    times = Counter(one % size for one in found if isinstance(one, int))
    return Depth(max(times.values(), default=1) - 1, 0)
