"""Are planted faults found? `python benchmarks/planted.py`: one operation is wrong, and the verdict must be `disagree`.

Every elementwise row of the table at its samples, and one operation behind long reductions, in the reductions
themselves, in unstable, overflowing and deep programs, in its value and on the way back. What is missed is printed with
the radius of that operation's rounding enclosure: within it nobody can tell a fault from a rounding. Below 95 % found
the run ends with exit code 1.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from dataclasses import dataclass
from fractions import Fraction
from math import inf, isfinite
from random import Random
from time import monotonic
from typing import Any

import numpy as np

from gradcheck import autograd
from gradcheck.diagnose.alone import array, isolate, tensors
from gradcheck.errors import GradcheckError
from gradcheck.exact import START_BITS
from gradcheck.formats import FORMATS, Ball
from gradcheck.outcome import Outcome
from gradcheck.verdict import Verdict
from kinds.faults import FACTORS, KINDS, Plant, operation
from kinds.pair import Pair, checked

GOAL = 0.95


def shows(plant: Plant) -> bool:
    """Return whether the fault changes anything: what is 0, nan or infinite times a factor shows nothing."""
    one = plant.pair
    point = rounded_point(one)
    runs = [
        autograd.backward(one.program, point, one.program.inputs, dtype=one.dtype, traced=True, under_test=under_test)
        for under_test in ({}, {plant.op: operation(plant)})
    ]
    for mine, faulty in zip(*(run.operations for run in runs), strict=False):
        if mine.call.op == plant.op:
            pairs = [(mine.value, faulty.value)] if plant.value else zip(mine.pulled, faulty.pulled, strict=True)
            if any(_changed(a, b) for a, b in pairs):
                return True
    return False


def _changed(mine: Any, faulty: Any) -> bool:
    if mine is None or faulty is None:
        return False
    return any(isfinite(a) and isfinite(b) and a != b for a, b in zip(mine.elements, faulty.elements, strict=True))


def rounded_point(one: Pair) -> dict[str, Any]:
    """Return the point in the dtype, as both lanes have it."""
    nearest = np.vectorize(lambda number: FORMATS[one.dtype].round(Fraction(number)), otypes=[float])
    return {name: nearest(numbers) for name, numbers in one.point.items()}


def radius(plant: Plant) -> float:
    """Return the least relative radius of the rounding enclosures of what the operation returned or pulled."""
    one = plant.pair
    run = autograd.backward(one.program, rounded_point(one), one.program.inputs, dtype=one.dtype, traced=True)
    least = inf
    for each in run.operations:
        alone = isolate(each) if each.call.op == plant.op else None
        if alone is None:
            continue
        cotangent = array(each.cotangent) if each.cotangent is not None else np.ones(each.value.shape)
        honest = alone.in_floats(tensors(each), cotangent, FORMATS[one.dtype], START_BITS)
        lists = [honest.value] if plant.value else list(honest.pulled.values())
        least = min([least, *(_relative(ball) for balls in lists for ball in balls if isinstance(ball, Ball))])
    return least


def _relative(ball: Ball) -> float:
    middle, top = (float(FORMATS["float64"].round_dyadic(end)) for end in (ball.midpoint, ball.upper))
    return abs((top - middle) / middle) if middle else inf


@dataclass
class Tally:
    """Faults by kind: planted, found, and what was missed."""

    planted: Counter[str]
    found: Counter[str]
    missed: list[str]
    dull: int = 0
    inside: int = 0
    seconds: float = 0.0


def tally(seed: int, start: int, stop: int, kind: str | None = None, seconds: float = inf) -> Tally:
    """Return what came out of the faults of these numbers, as far as they fit into the time."""
    total = Tally(Counter(), Counter(), [])
    names = [kind] if kind else list(KINDS)
    began = monotonic()
    for k in range(start, stop):
        if monotonic() - began > seconds:
            break
        dtype = list(FACTORS)[(k // len(names)) % len(FACTORS)]
        plant = KINDS[names[k % len(names)]](Random(f"{seed}:{k}"), dtype)
        try_one(plant, f"{seed}:{k}", total)
    total.seconds = monotonic() - began
    return total


def try_one(plant: Plant, number: str, total: Tally) -> None:
    """Plant a fault, and count whether it is found."""
    try:
        if not shows(plant):
            total.dull += 1
            return
        outcome = checked(plant.pair, under_test={plant.op: operation(plant)})
    except GradcheckError as problem:
        total.missed.append(f"[{number}] raised: {plant}: {problem}")
        return
    keys = (plant.kind, f"{plant.pair.dtype}, {plant.fault}")
    total.planted.update(keys)
    if is_found(plant, outcome):
        total.found.update(keys)
        return
    reach = radius(plant)
    total.inside += reach >= abs(plant.factor - 1) / 2
    total.missed.append(f"[{number}] {outcome.verdict}: radius {reach:.2g} for {abs(plant.factor - 1):.2g}: {plant}")


def is_found(plant: Plant, outcome: Outcome) -> bool:
    """Return whether an outcome disagrees, and for the operation that is wrong: others may be at fault, too."""
    if outcome.verdict is not Verdict.DISAGREE:
        return False
    blames = [*(one for each in outcome.gradients for one in each.blames), *(fault.blame for fault in outcome.faults)]
    return plant.op in {one.operation for one in blames} or checked(plant.pair).verdict is not Verdict.DISAGREE


def report(total: Tally, seed: int) -> str:
    """Return the counts as text, and what was missed at the end."""
    lines = [f"seed {seed}, {total.seconds:.0f} s"]
    lines += [f"  {key}: {total.found[key]:,} of {n:,}" for key, n in sorted(total.planted.items())]
    planted, found = (sum(counter.values()) // 2 for counter in (total.planted, total.found))
    lines.append(f"found: {found:,} of {planted:,}; {total.dull:,} faults changed nothing")
    lines.append(f"missed within the radius of the operation's rounding: {total.inside}")
    return "\n".join([*lines, *total.missed])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=300, help="faults")
    parser.add_argument("--seconds", type=float, default=inf, help="when to stop")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kind", choices=KINDS, help="faults of this kind alone")
    given = parser.parse_args()
    total = tally(given.seed, 0, given.count, given.kind, given.seconds)
    print(report(total, given.seed))
    planted, found = (sum(counter.values()) for counter in (total.planted, total.found))
    return 0 if planted and found >= GOAL * planted else 1


if __name__ == "__main__":
    sys.exit(main())
