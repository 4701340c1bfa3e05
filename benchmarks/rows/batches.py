"""A batch of many different programs, beside the plain script for them and beside itself with fewer workers.

Only work after imports counts: the server that workers are forked from has loaded all before.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import count

import torch

from gradcheck.batch import BatchOptions, run_batch
from gradcheck.settings import Settings
from gradcheck.suite import Check
from rows.row import Row, by_turns
from rows.script import plain, points, programs

PROGRAMS = 1_000
POINTS = 10
FASTER = 3.0
"""How many times as quick as the script a batch is to be on one core."""
ON_TWO = 1.7
"""How many times as quick on two cores as on one."""


def rows() -> Iterator[Row]:
    at = points(POINTS, 0)
    batch(["x"], at, 1)  # the server is there from now on
    plain(["x"], at)
    words = f"{PROGRAMS:,} programs of {POINTS} points"
    yield by_turns(
        f"{words}, one worker", Turns(partial(batch, at=at, workers=1)),
        "a script of SymPy and torch", Turns(partial(alone, at=at)), target=1 / FASTER,
    )  # fmt: skip
    yield by_turns(
        f"{words}, two workers", Turns(partial(batch, at=at, workers=2)),
        "one worker", Turns(partial(batch, at=at, workers=1)), target=1 / ON_TWO,
    )  # fmt: skip


class Turns:
    """Work on other programs each time, for SymPy remembers what it has seen; the state is the turn."""

    def __init__(self, work: Callable[[Sequence[str]], object]) -> None:
        self.work = work
        self.turns = count()

    def __call__(self) -> float:
        texts = programs(PROGRAMS, next(self.turns))
        start = time.perf_counter()
        self.work(texts)
        return time.perf_counter() - start


def alone(texts: Sequence[str], at: Sequence[float]) -> None:
    """Run the script on one core."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    plain(texts, at)
    torch.set_num_threads(threads)


def batch(texts: Sequence[str], at: Sequence[float], workers: int) -> None:
    """Check programs at points, in so many processes."""
    written = ",".join(map(repr, at))
    checks = [Check(f"p{k}", text, (f"x={written}",), Settings()) for k, text in enumerate(texts)]
    run_batch(checks, BatchOptions(workers=workers))
