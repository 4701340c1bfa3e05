"""Are the rounding enclosures true? `python benchmarks/operations.py`: torch's own operations must all lie inside.

Random programs over the whole table (those of verdicts.py), at points from tiny to huge, in every dtype, and long
reductions of tensors that lie in memory in several ways. Each operation
that torch runs is held by itself against its rounding enclosure at the very numbers that it got: the value, and what
flows back to each argument. One that is outside would be called wrong although it is torch's own, so that it ends the
run with exit code 1; so does a finite enclosure where torch has nan or infinity.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from fractions import Fraction
from functools import partial, reduce
from math import isfinite
from random import Random
from typing import Any

import numpy as np
import torch

from gradcheck import autograd
from gradcheck.autograd import DTYPES, Operation, TorchValue
from gradcheck.diagnose.alone import array, isolate, tensors
from gradcheck.errors import GradcheckError
from gradcheck.exact import START_BITS
from gradcheck.formats import FORMATS, Ball, Dyadic, Format
from gradcheck.functions import CONDITIONS, DETACH
from gradcheck.parse import parse
from gradcheck.program import Shape
from kinds.pair import Pair
from kinds.random_programs import pairs

SEED = 0
SHOWN = 12
"""Elements of a tensor that are shown."""
STEP = 50
"""Pairs that one process takes at a time."""


@dataclass
class Tally:
    """What came out of some pairs: operations by name, elements that were held, and all that was outside."""

    operations: Counter[str] = field(default_factory=Counter)
    elements: Counter[str] = field(default_factory=Counter)
    outside: list[str] = field(default_factory=list)

    def __add__(self, more: Tally) -> Tally:
        return Tally(self.operations + more.operations, self.elements + more.elements, self.outside + more.outside)


def tally(seed: int, long: bool, start: int, stop: int) -> Tally:
    """Return what came out of the pairs of these numbers."""
    total = Tally()
    for one in (long_reductions if long else pairs)(seed, start, stop):
        hold(one, total)
    return total


REDUCTIONS = (
    "sum(y)", "sum(y, dim=0)", "sum(y, dim=1)", "mean(y)", "mean(y, dim=0)", "mean(y, dim=1)", "var(y)",
    "var(y, dim=0)", "var(y, dim=1)", "std(y)", "std(y, dim=1)", "norm(y)", "norm(y, dim=0)", "norm(y, dim=1)",
    "norm(y, p=1)", "norm(y, p=3, dim=1)", "norm(y, p=inf)", "norm(y, p=1.5)", "softmax(y, 0)", "softmax(y, 1)",
    "log_softmax(y, 0)", "log_softmax(y, 1)", "logsumexp(y, 0)", "logsumexp(y, 1)", "logsumexp(y, (0, 1))",
    "cumsum(y, 0)", "cumsum(y, 1)", "prod(y/64 + 1)", "prod(y/64 + 1, dim=1)", "amax(y)", "amin(y, dim=1)",
    "mse_loss(y, 0.5)", "mse_loss(y, y*y)", "dot(flatten(y), flatten(y*0.7))", "y @ y.T", "y @ y[0]", "y[:, 0] @ y",
    "y.T @ y", "y*s", "y + y[0]", "y*y[:, :1]", "sum(z, dim=(0, 2))", "sum(z)", "mean(z, dim=(0, 1))",
    "mean(z, dim=(1, 2))", "var(z, dim=(0, 2))", "norm(z, dim=(0, 2))",
)  # fmt: skip
LAYOUTS = (
    (1, 1, "y = x\nz = reshape(x, ({a}, {c}, {b}))"),
    (1, 1, "y = x.T\nz = permute(reshape(x, ({c}, {b}, {a})), (2, 0, 1))"),
    (2, 1, "y = x[::2]\nz = reshape(x, ({a}, {c}, 2*{b}))[:, :, ::2]"),
    (1, 2, "y = x[:, ::2]\nz = reshape(x, (2*{a}, {c}, {b}))[::2]"),
)
"""How tensors of two and of three dims lie in memory, and how many more rows and columns are drawn for it."""
SIZES = ((1, 3_000), (3, 700), (50, 40), (200, 9), (900, 2), (1_500, 1), (17, 31), (8, 128), (5, 64), (1, 9_000))
"""Rows and columns of long reductions; longer ones are the business of tests/test_sums.py, without balls."""


MAX_PRODUCT = 100_000
"""Multiplications of one product of matrices."""


def long_reductions(seed: int, start: int, stop: int) -> Iterator[Pair]:
    """Yield programs of one long reduction, the least of what is worth a bound of its own."""
    for k in range(start, stop):
        random = Random(f"{seed}:{k}")
        generator = np.random.default_rng((seed, k))
        higher, wider, layout = random.choice(LAYOUTS)
        rows, columns = random.choice(SIZES)
        text = random.choice(REDUCTIONS)
        if "T" in text and rows * columns * max(rows, columns) > MAX_PRODUCT:
            continue
        middle = random.choice([one for one in (1, 2, 3, 5, 7) if columns % one == 0])
        shape = rows * higher, columns * wider
        program = f"{layout.format(a=rows, c=middle, b=columns // middle)}\nr = {text}\nr*r - 0.7*r"
        yield Pair(parse(program), {"x": numbers(generator, shape), "s": np.array(1.5)}, random.choice(list(DTYPES)))


def numbers(generator: np.random.Generator, shape: Shape) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Return numbers of one sign, of both, of many sizes, or such that the sum all but cancels."""
    kind = generator.integers(5)
    found = generator.standard_normal(shape) if kind % 2 else generator.random(shape)
    return found * 10 ** generator.uniform(-3, 3, shape) if kind == 3 else found + 1000 * (kind == 4)


def hold(one: Pair, total: Tally) -> None:
    """Hold every operation of one pair against its rounding enclosure."""
    fmt = FORMATS[one.dtype]
    rounded = np.vectorize(lambda number: fmt.round(Fraction(number)), otypes=[float])
    point = {name: rounded(one.point[name]) for name in one.program.inputs}
    if not all(np.isfinite(numbers).all() for numbers in point.values()):
        return
    try:
        traced = autograd.backward(one.program, point, one.program.inputs, dtype=one.dtype, traced=True)
    except GradcheckError:
        return
    for operation in traced.operations:
        for wrong in judged(operation, fmt, total):
            total.outside.append(f"{wrong} in {one.dtype}, of {str(one.program)!r}")


def judged(one: Operation, fmt: Format, total: Tally) -> Iterator[str]:
    """Yield what torch returned, forward or back, outside of the rounding enclosure at finite numbers."""
    args = tensors(one)
    alone = isolate(one) if one.call.op not in CONDITIONS and one.call.op != DETACH else None
    if alone is None or not all(np.isfinite(arg).all() for arg in args):
        return
    total.operations[f"{one.call.op} {fmt.name}"] += 1
    finite = one.cotangent is not None and all(map(isfinite, one.cotangent.elements))
    cotangent = array(one.cotangent) if one.cotangent is not None and finite else np.ones(one.value.shape)
    returned = [one.value, *(pulled for pulled in one.pulled if pulled is not None)]
    numbers = all(isfinite(number) for tensor in returned for number in tensor.elements)
    for surely in (False,) if numbers else (False, True):
        honest = alone.in_floats(args, cotangent, fmt, START_BITS, surely=surely)
        yield from _outside(one, "value", honest.value, one.value, total, surely)
        for position, found in honest.pulled.items() if finite else ():
            pulled = one.pulled[position]
            if one.tracked[position] and pulled is not None:
                yield from _outside(one, f"pulled[{position}]", found, pulled, total, surely)


def _outside(
    one: Operation, what: str, honest: Sequence[Any], found: TorchValue, total: Tally, surely: bool
) -> Iterator[str]:
    """Yield the elements that are outside; infinities and nan are held against what is a number for sure."""
    for k, (ball, number) in enumerate(zip(honest, found.elements, strict=True)):
        if isfinite(number) == surely:
            continue
        if not isinstance(ball, Ball):
            total.elements["unbounded" if isfinite(number) else "nan or infinity, as it may be"] += 1
            continue
        total.elements["held"] += 1
        if not (isfinite(number) and ball.lower <= Dyadic.of(number) <= ball.upper):
            args = [arg.elements[:SHOWN] for arg in one.args if arg is not None]
            ends = " to ".join(ball.decimals(20))
            seeded = [] if one.cotangent is None else one.cotangent.elements[:SHOWN]
            yield f"{one.call.op} {what}[{k}] = {number!r}, not in {ends}, at {args} with {seeded}"


def run(work: Callable[[int, int], Tally], seconds: float, jobs: int, step: int) -> tuple[Tally, int]:
    """Return what came out of as many pairs as fit into the time, and how many these were."""
    end, done, total = time.monotonic() + seconds, 0, Tally()
    with ProcessPoolExecutor(jobs, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        while time.monotonic() < end:
            starts = range(done, done + step * jobs, step)
            total = reduce(Tally.__add__, pool.map(work, starts, [start + step for start in starts]), total)
            done += step * jobs
    return total, done


def report(total: Tally, count: int, seed: int) -> str:
    """Return the counts as text, and what was outside at the end."""
    lines = [f"seed {seed}: {count:,} pairs, {sum(total.operations.values()):,} operations"]
    lines += [f"  {key}: {n:,}" for key, n in total.elements.most_common()]
    least = sorted(total.operations.items(), key=lambda item: item[1])[:5]
    lines.append("least seen: " + ", ".join(f"{name} ({n})" for name, n in least))
    by_row = Counter(" ".join(one.split()[:2]).partition("[")[0] for one in total.outside)
    lines += [f"  {name}: {n}" for name, n in by_row.most_common()]
    return "\n".join([*lines, *total.outside, f"outside: {len(total.outside)}"])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=120, help="how long to draw pairs")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes")
    parser.add_argument("--long", action="store_true", help="draw long reductions")
    given = parser.parse_args()
    total, count = run(partial(tally, given.seed, given.long), given.seconds, given.jobs, 4 if given.long else STEP)
    print(report(total, count, given.seed))
    return 1 if total.outside else 0


if __name__ == "__main__":
    sys.exit(main())
