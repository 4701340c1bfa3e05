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
from math import ceil, inf
from random import Random
from time import monotonic

import torch

from gradcheck.ways import PLAIN, Way
from gradcheck.ways import ways as parsed
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
    table,
    ties,
    vectors,
    ways,
)
from kinds.held import Outcomes, hold
from kinds.oracle import at_infinity
from kinds.pair import NAMES, Drawn, Pair, Tally, outcomes
from kinds.planting import PLANTED


@dataclass(frozen=True)
class Kind:
    """How to draw a program, what is promised of each pair, and how many of a hundred programs are of this kind.

    Each program is checked at so many ``points`` at once; with ``both``, what it is in other words is checked as well,
    and each in all ``ways`` of differentiating. What is drawn ``in_turn`` gets the number of the program, too.
    """

    draw: Callable[..., Drawn]
    judge: Callable[[Pair, Outcomes, int, Tally], object]
    share: int
    points: int = 5
    both: bool = False
    ways: tuple[Way, ...] = (PLAIN,)
    in_turn: bool = False


def near_infinity(one: Pair, outcomes: Outcomes, k: int, total: Tally) -> None:
    """Hold a pair against the oracle that approaches infinity in several ways."""
    hold(one, outcomes, k, total, at_infinity)


KINDS = {
    "random": Kind(random_programs.draw, random_programs.judge, 20),
    "table": Kind(table.draw, table.judge, 10, points=2, in_turn=True),
    "jumps": Kind(jumps.draw, hold, 14),
    "masks": Kind(masks.draw, masks.judge, 10),
    "infinities": Kind(infinities.draw, near_infinity, 8),
    "removable": Kind(removable.draw, hold, 10),
    "spellings": Kind(spellings.draw, spellings.judge, 10, both=True),
    "ties": Kind(ties.draw, ties.judge, 3, points=1),
    "constants": Kind(constants.draw, constants.judge, 6),
    "reductions": Kind(reductions.draw, reductions.judge, 1, points=1),
    "vectors": Kind(vectors.draw, vectors.judge, 3, points=2),
    "modes": Kind(modes.draw, modes.judge, 5, points=2),
    "ways": Kind(ways.draw, ways.judge, 0, points=1, ways=tuple(parsed(["all"]))),
}
ROUND = 100
"""Programs in which every kind has its share."""
DIAGNOSED = 10
"""One program of so many is checked as a report shows it, with the cause and the fix of what is bad."""


def turns() -> list[str]:
    """Return the kinds of a hundred programs, mixed.

    >>> Counter(turns()) == Counter({name: kind.share for name, kind in KINDS.items()})
    True
    """
    mixed = [name for name, kind in KINDS.items() for _ in range(kind.share)]
    Random(0).shuffle(mixed)
    return mixed


def tally(seed: int, start: int, stop: int, kind: str | None = None, seconds: float = inf) -> Tally:
    """Return what came out of the programs of these numbers, as far as they fit into the time.

    Each depends on the seed, its kind and its number alone.
    """
    began = monotonic()
    total, mixed = Tally(), [kind] if kind is not None else turns()
    for k in range(start, stop):
        if monotonic() - began > seconds:
            break
        name = mixed[k % len(mixed)]
        before, broken = monotonic(), len(total.broken)
        count = judged(KINDS[name], Random(f"{seed}:{k}"), k, total)
        total.programs[name] += 1
        total.kinds[name] += count
        total.milliseconds[name] += round(1000 * (monotonic() - before))
        total.broken[broken:] = [f"[{name} {seed}:{k}] {one}" for one in total.broken[broken:]]
    return total


def judged(kind: Kind, random: Random, k: int, total: Tally) -> int:
    """Check a program at its points, hold each pair to the promise, and return how many there are."""
    drawn = kind.draw(random, k) if kind.in_turn else kind.draw(random)
    pairs = drawn.pairs(random, kind.points)
    programs = [drawn.program, drawn.other] if kind.both and drawn.other is not None else [drawn.program]
    try:
        found = [outcomes(pairs, one, diagnosed=k % DIAGNOSED == 0, way=way) for one in programs for way in kind.ways]
    except Exception as problem:  # whatever is raised, the pair that did it must be known
        total.broken.append(f"raised: {pairs[0]} or another point: {type(problem).__name__}: {problem}")
        return len(pairs)
    for i, (one, *made) in enumerate(zip(pairs, *found, strict=True)):
        kind.judge(one, made, k * kind.points + i // len(drawn.dtypes), total)
    return len(pairs)


def programs_for(count: int, kind: str | None) -> int:
    """Return how many programs have about as many pairs."""
    some = [KINDS[name] for name in ([kind] if kind is not None else turns())]
    return ceil(count * len(some) / sum(len(NAMES) * one.points for one in some))


def run(count: int, seed: int, jobs: int, kind: str | None = None, seconds: float = inf) -> Tally:
    """Return what came out of the first ``count`` programs of a seed, as far as each process gets in its time."""
    if jobs == 1:
        return tally(seed, 0, count, kind, seconds)
    step = max(5, count // (16 * jobs))
    starts = range(0, count, step)
    end = monotonic() + seconds
    with ProcessPoolExecutor(jobs, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        stops = [min(start + step, count) for start in starts]
        parts = pool.map(before, [end] * len(starts), [seed] * len(starts), starts, stops, [kind] * len(starts))
        return reduce(Tally.__add__, parts)


def before(end: float, seed: int, start: int, stop: int, kind: str | None) -> Tally:
    """Return a part of the tally, as far as it is there at a time of the machine's clock."""
    return tally(seed, start, stop, kind, end - monotonic())


TITLES = {
    "programs": "programs by kind", "kinds": "pairs by kind", "milliseconds": "milliseconds by kind",
    "pairs": "verdicts on pairs", "elements": "elements", "overflows": "nan or inf by cause",
    "reach": "reach of the rounding enclosure in float32 and float64",
    "oracle": "what the oracle says, and the verdict",
    "planted": "planted errors", "found": "planted errors that were found",
    "wrong": "called wrong, and by the oracle as far off",
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
    parser.add_argument("--count", type=int, default=10_000, help="how many pairs of program, point and dtype, about")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=inf, help="when to stop")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes")
    parser.add_argument("--kind", choices=KINDS, help="pairs of this kind alone")
    parser.add_argument("--way", choices=["all"], help="random programs in all ways of differentiating")
    given = parser.parse_args()
    kind = "ways" if given.way else given.kind
    total = run(programs_for(given.count, kind), given.seed, given.jobs, kind, given.seconds)
    print(report(total, given.seed))
    return 1 if total.broken else 0


__all__ = ["PLANTED", "Pair", "run", "tally"]

if __name__ == "__main__":
    sys.exit(main())
