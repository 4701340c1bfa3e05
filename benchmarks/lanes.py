"""Are machine intervals and balls of one mind? `python benchmarks/lanes.py [--count 100000]`."""

from __future__ import annotations

import argparse
import time
from typing import Any

import numpy as np

from gradcheck.case import check, climb
from gradcheck.exact import ladder
from gradcheck.formats import FORMATS
from gradcheck.settings import Settings
from rows.programs import PROGRAMS, Point

NEVER = 10**12
"""Numbers that no program has: all is told by whole arrays of balls, judged one element after the other."""


def judged(program: str, point: Point, settings: Settings, *, in_balls: bool) -> tuple[Any, float]:
    """Return the severities of all elements, and how long they took."""
    kept = ladder.MANY, climb.CROSS_CHECK_ELEMENTS
    if in_balls:
        ladder.MANY = climb.CROSS_CHECK_ELEMENTS = NEVER
    try:
        start = time.perf_counter()
        [outcome] = check(program, point, settings=settings)
        seconds = time.perf_counter() - start
    finally:
        ladder.MANY, climb.CROSS_CHECK_ELEMENTS = kept
    return np.concatenate([one.judgements.codes for one in outcome.gradients]), seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=100_000)
    count = parser.parse_args().count
    differ = 0
    for program in PROGRAMS:
        for dtype in FORMATS:
            settings = Settings(dtypes=(dtype,), wrt=program.wrt)
            new, quick = judged(program.text, program.point(count), settings, in_balls=False)
            old, slow = judged(program.text, program.point(count), settings, in_balls=True)
            wrong = int((new != old).sum())
            differ += wrong
            found = f"{wrong} of {new.size:,} differ, {quick:.1f} s and {slow:.1f} s"
            print(f"{program.name}, {dtype}: {found}", flush=True)
    raise SystemExit(bool(differ))


if __name__ == "__main__":
    main()
