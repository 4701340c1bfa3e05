"""Are the verdicts right? `python benchmarks/verdicts.py`: correct programs must pass, and planted errors must not.

Pairs of a program and a point in every dtype, of several kinds: random programs over the whole table, and those that
people get wrong (jumps, masks, infinities, ties, ...). Each kind makes a promise of its own, most of them held against
an oracle by mpmath; a broken promise ends the run with exit code 1.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import reduce
from math import inf
from random import Random
from time import monotonic

import torch

from kinds import (
    constants,
    infinities,
    jumps,
    masks,
    modes,
    random_programs,
    reductions,
    removable,
    spellings,
    ties,
    vectors,
)
from kinds.held import hold
from kinds.oracle import at_infinity
from kinds.pair import NAMES, Pair, Tally
from kinds.planting import PLANTED
from kinds.random_programs import pairs


@dataclass(frozen=True)
class Kind:
    """How to draw a pair, what is promised of it, and how many of a hundred pairs are of this kind."""

    draw: Callable[[Random, str], Pair]
    judge: Callable[[Pair, int, Tally], object]
    share: int


KINDS = {
    "random": Kind(random_programs.pair, random_programs.judge, 30),
    "jumps": Kind(jumps.draw, hold, 14),
    "masks": Kind(masks.draw, masks.judge, 10),
    "infinities": Kind(infinities.draw, lambda one, k, total: hold(one, k, total, at_infinity), 8),
    "removable": Kind(removable.draw, hold, 10),
    "spellings": Kind(spellings.draw, spellings.judge, 10),
    "ties": Kind(ties.draw, ties.judge, 3),
    "constants": Kind(constants.draw, constants.judge, 6),
    "reductions": Kind(reductions.draw, reductions.judge, 1),
    "vectors": Kind(vectors.draw, vectors.judge, 3),
    "modes": Kind(modes.draw, modes.judge, 5),
}
ROUND = 100
"""Pairs in which every kind has its share."""


def turns() -> list[str]:
    """Return the kinds of a hundred pairs, mixed.

    >>> Counter(turns()) == {name: kind.share for name, kind in KINDS.items()}
    True
    """
    mixed = [name for name, kind in KINDS.items() for _ in range(kind.share)]
    Random(0).shuffle(mixed)
    return mixed


def tally(seed: int, start: int, stop: int, kind: str | None = None, seconds: float = inf) -> Tally:
    """Return what came out of the pairs of these numbers, as far as they fit into the time.

    Each depends on the seed, its kind and its number alone.
    """
    began = monotonic()
    total, mixed = Tally(), [kind] if kind is not None else turns()
    for k in range(start, stop):
        if monotonic() - began > seconds:
            break
        name = mixed[k % len(mixed)]
        drawn = KINDS[name].draw(Random(f"{seed}:{k}"), NAMES[(k + k // ROUND) % len(NAMES)])
        before, broken = monotonic(), len(total.broken)
        KINDS[name].judge(drawn, k, total)
        total.kinds[name] += 1
        total.milliseconds[name] += round(1000 * (monotonic() - before))
        total.broken[broken:] = [f"[{name} {seed}:{k}] {one}" for one in total.broken[broken:]]
    return total


def run(count: int, seed: int, jobs: int, kind: str | None = None, seconds: float = inf) -> Tally:
    """Return what came out of the first ``count`` pairs of a seed; the time ends the run of a single process alone."""
    if jobs == 1:
        return tally(seed, 0, count, kind, seconds)
    step = max(20, count // (8 * jobs))
    starts = range(0, count, step)
    with ProcessPoolExecutor(jobs, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        stops = [min(start + step, count) for start in starts]
        parts = pool.map(tally, [seed] * len(starts), starts, stops, [kind] * len(starts))
        return reduce(Tally.__add__, parts)


TITLES = {
    "kinds": "pairs by kind", "milliseconds": "milliseconds by kind", "pairs": "verdicts on pairs",
    "elements": "elements", "overflows": "nan or inf by cause",
    "reach": "reach of the rounding enclosure in float32 and float64",
    "oracle": "what the oracle says, and the verdict",
    "planted": "planted errors", "found": "planted errors that were found",
}  # fmt: skip


def report(total: Tally, seed: int) -> str:
    """Return the counts as text, and the broken promises at the end."""
    lines = [f"seed {seed}"]
    for name, title in TITLES.items():
        counter: Counter[str] = getattr(total, name)
        if counter:
            lines.append(f"\n{title}: {sum(counter.values()):,}")
            lines += [f"  {key}: {n:,}" for key, n in counter.most_common()]
    return "\n".join([*lines, f"\nbroken promises: {len(total.broken)}", *total.broken])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=10_000, help="pairs of a program with a point and a dtype")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=inf, help="when to stop, with --jobs 1")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes")
    parser.add_argument("--kind", choices=KINDS, help="pairs of this kind alone")
    given = parser.parse_args()
    total = run(given.count, given.seed, given.jobs, given.kind, given.seconds)
    print(report(total, given.seed))
    return 1 if total.broken else 0


__all__ = ["PLANTED", "Pair", "pairs", "run", "tally"]

if __name__ == "__main__":
    sys.exit(main())
