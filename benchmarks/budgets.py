"""How much of each budget does torch use? `python benchmarks/budgets.py`: the worst of every elementwise row and dtype.

Each function runs alone, number by number (the scalar code of a kernel), and in vectors of 64 (its SIMD code), at
numbers of random bits, near 1, near the ends of the range and where most people are; the half types run through all
their numbers in time. What is printed for the value and for what flows back to each argument is the worst error in
unit roundoffs of the dtype, where it was, and the greatest part of the rounding enclosure that an error took; beyond
1, the row is wrong, and the run ends with exit code 1. So it does where torch has no number although it must have one,
but for what is known to be torch's own fault (FAULTS). With ``--record`` the points that took the greatest part of
their enclosures are kept in tests/worst.json, together with those that were there and took more.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from math import inf, isfinite
from pathlib import Path
from typing import Any

import numpy as np
import torch

sys.path.append(str(Path(__file__).parents[1] / "tests"))

from gradcheck.autograd import DTYPES, Operation
from gradcheck.diagnose.alone import array, isolate, tensors
from gradcheck.exact import START_BITS
from gradcheck.formats import FORMATS, Ball, Dyadic, Format
from gradcheck.functions import COMPOSITE, ELEMENTWISE, Composite, Elementwise
from parts import PATH, REDUCTIONS, TERMS, WAYS, moved, part, records, reduced, traced

Floats = np.ndarray[Any, np.dtype[np.float64]]

WIDTH, ALONE = 64, 8
"""Numbers of one vector, and how many of them run alone as well."""

EXPONENT = 3000
"""Of the numbers that are looked at; exp has others."""

ROWS: dict[str, Elementwise | Composite] = ELEMENTWISE | {
    row.name: row for row in COMPOSITE.values() if isinstance(row.definition, str) and row.args == ("x",)
}
"""Functions of one number, those among them that are defined by a line, and functions of some numbers."""

LONG = {"cumsum", "softmax", "log_softmax"}
"""Reductions with a result for every number."""

Measure = Callable[[str, np.random.Generator], Iterator[tuple[str, str, "Worst"]]]

FAULTS = {"sinh", "cosh", "fmod", "remainder", "i0", "i1", "zeta"}
"""Rows that return infinity, nan or 0 for a number that the format holds: the SIMD code of sinh and cosh above 88.98 in
float32 and bfloat16 (exp(x) overflows before it is halved), fmod and remainder at quotients beyond an int, i0 and i1
where exp(abs(x)) overflows, zeta where q**-s underflows and the sum does not."""


@dataclass
class Worst:
    """The worst of one row in one dtype and one way to run."""

    roundoffs: float = 0.0
    part: float = 0.0
    at: tuple[float, ...] = ()
    found: float = 0.0
    lost: int = 0
    lost_at: tuple[float, ...] = ()

    def hold(self, exact: Ball, honest: Ball, found: float, at: tuple[float, ...], fmt: Format) -> None:
        """Take one number in."""
        if exact.midpoint > Dyadic(1, EXPONENT) or exact.midpoint < Dyadic(-1, EXPONENT):
            return
        truth, value = fraction(exact.midpoint), Fraction(found)
        error = abs(value - truth)
        end = fraction(honest.upper if value > truth else honest.lower)
        part = float(error / abs(end - truth)) if end != truth else inf if error else 0.0
        if not found and part > 1:
            self.lost, self.lost_at = self.lost + 1, at
            return
        if part > self.part:
            self.part, self.at, self.found = part, at, found
        if abs(truth) >= fmt.smallest_normal:
            self.roundoffs = max(self.roundoffs, float(error / abs(truth)) / fmt.unit_roundoff)


def fraction(number: Dyadic) -> Fraction:
    """Return a number of about the range of float64; what is far below it is as good as 0."""
    size = number.man.bit_length() + number.exp
    return Fraction(number.man) * Fraction(2) ** number.exp if -EXPONENT < size < EXPONENT else Fraction(0)


def numbers(random: np.random.Generator, fmt: Format, count: int) -> Floats:
    """Return numbers of the format: of all sizes, near 1, near the ends of exp, and ordinary ones."""
    ends = np.log2(fmt.smallest_subnormal), np.log2(fmt.largest)
    kinds = (
        random.choice((-1, 1), count) * 2.0 ** random.uniform(*ends, count),
        1 + random.normal(0, 1e-3, count), random.uniform(-1, 1, count), random.uniform(-10, 10, count),
        random.choice((-1, 1), count) * np.log(fmt.largest) * random.normal(1, 1e-2, count),
        2.0 ** random.uniform(-12, 12, count),
    )  # fmt: skip
    drawn = np.array(kinds)[random.integers(len(kinds), size=count), np.arange(count)]
    return np.array([min(max(fmt.round(Fraction(one)), -fmt.largest), fmt.largest) for one in drawn])


def measure(row: Elementwise | Composite, dtype: str, random: np.random.Generator) -> Iterator[tuple[str, str, Worst]]:
    """Yield the worst of the value and of what is pulled to each argument, in a vector and alone."""
    fmt = FORMATS[dtype]
    drawn = {name: numbers(random, fmt, WIDTH) for name in row.args}
    drawn["seed"] = np.array([fmt.round(Fraction(one)) for one in random.uniform(1, 2, WIDTH)])
    text = f"{row.name}({', '.join(row.args)})"
    yield from held(traced(text, drawn, moved(row), dtype), fmt, "vector")
    for k in range(ALONE):
        yield from held(traced(text, {name: one[k] for name, one in drawn.items()}, moved(row), dtype), fmt, "alone")


def measure_reduction(name: str, dtype: str, random: np.random.Generator) -> Iterator[tuple[str, str, Worst]]:
    """Yield the worst of a reduction of some numbers, by itself."""
    fmt = FORMATS[dtype]
    scale = 10.0 ** random.uniform(-2, 1)
    plain = [*(random.normal(0, scale, TERMS)), *random.uniform(1, 2, TERMS if name in LONG else 1)]
    drawn = [fmt.round(Fraction(one)) for one in plain]
    yield from held(reduced(name, drawn, 1, dtype), fmt, "alone", lambda k, _: (*drawn, float(k)))


def held(
    one: Operation, fmt: Format, way: str, where: Callable[[int, Any], tuple[float, ...]] | None = None
) -> Iterator[tuple[str, str, Worst]]:
    """Yield what came of one run; ``where`` returns the point of an element that is not one of each input."""
    isolated = isolate(one)
    assert isolated is not None
    assert one.cotangent is not None
    args, seed = tensors(one), array(one.cotangent)
    honest = isolated.in_floats(args, seed, fmt, START_BITS)
    surely = isolated.in_floats(args, seed, fmt, START_BITS, surely=True)
    proven = isolated.at(args, seed, START_BITS)
    returned = {"value": (one.value, honest.value, surely.value, proven.value)}
    for k, pulled in enumerate(one.pulled):
        if pulled is not None:
            returned[f"by {k}"] = (pulled, honest.pulled[k], surely.pulled[k], proven.pulled[k])
    for what, (found, balls, sure, exact) in returned.items():
        worst = Worst()
        for k, number in enumerate(found.elements):
            at = (where or _elements)(k, (*args, seed))
            ball, truth = balls[k], exact[k]
            if not isfinite(number):
                worst.lost += isinstance(sure[k], Ball)
                worst.lost_at = at if isinstance(sure[k], Ball) else worst.lost_at
            elif isinstance(ball, Ball) and isinstance(truth, Ball):
                worst.hold(truth, ball, number, at, fmt)
        yield what, way, worst


def _elements(k: int, arrays: Sequence[Floats]) -> tuple[float, ...]:
    return tuple(float(np.broadcast_to(one, arrays[-1].shape).reshape(-1)[k]) for one in arrays)


def run(seconds: float, seed: int, only: list[str]) -> dict[tuple[str, str, str, str], Worst]:
    """Return the worst of every row, dtype, tensor and way to run."""
    found: dict[tuple[str, str, str, str], Worst] = {}
    measures: dict[str, Measure] = {name: partial(measure, row) for name, row in ROWS.items()}
    measures |= {name: partial(measure_reduction, name) for name in REDUCTIONS}
    random, end = np.random.default_rng(seed), time.monotonic() + seconds
    while time.monotonic() < end:
        for name in only or measures:
            for dtype in getattr(ROWS.get(name), "dtypes", ()) or DTYPES:
                for what, way, new in measures[name](dtype, random):
                    key = name, dtype, what, way
                    old = found.get(key, Worst())
                    found[key] = Worst(
                        max(old.roundoffs, new.roundoffs), max(old.part, new.part),
                        new.at if new.part > old.part else old.at, new.found if new.part > old.part else old.found,
                        old.lost + new.lost, old.lost_at or new.lost_at,
                    )  # fmt: skip
            if time.monotonic() > end:
                break
    return found


def record(found: dict[tuple[str, str, str, str], Worst]) -> None:
    """Keep the points that took the greatest part of their enclosures, and those on record that took more."""
    kept = {(one["row"], one["dtype"], one["what"]): one for one in records()}
    for (name, dtype, what, _), worst in found.items():
        if (
            worst.part > kept.get((name, dtype, what), {"balls": 0.0})["balls"]
            and (not worst.lost or name in FAULTS)
            and not (what != "value" and getattr(ROWS.get(name), "faults", None))
        ):
            kept[name, dtype, what] = {
                "row": name, "dtype": dtype, "what": what, "at": [one.hex() for one in worst.at],
                "found": worst.found.hex(), "balls": worst.part,
            }  # fmt: skip
            if name in REDUCTIONS:
                *_, place = worst.at
                kept[name, dtype, what] |= {"at": [one.hex() for one in worst.at[:-1]], "place": int(place)}
    for one in kept.values():
        one |= {way: float(f"{part(one, way):.4g}") for way in WAYS}
    PATH.write_text("".join(f"{json.dumps(kept[key])}\n" for key in sorted(kept)), encoding="utf-8")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=150)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--record", action="store_true", help="keep the worst points for the tests")
    parser.add_argument("rows", nargs="*", help="rows to measure; all without any")
    given = parser.parse_args()
    torch.set_num_threads(1)
    found = run(given.seconds, given.seed, given.rows)
    if given.record:
        record(found)
    wrong = 0
    for (name, dtype, what, way), worst in sorted(found.items()):
        bad = worst.part > 1 or (worst.lost and name not in FAULTS)
        wrong += bool(bad)
        lost = f", no number {worst.lost} times" if worst.lost else ""
        print(
            f"{'!' if bad else ' '} {name:10} {dtype:8} {what:6} {way:6} {worst.roundoffs:10.3g} roundoffs, "
            f"{worst.part:6.3f} of the enclosure at {worst.lost_at or worst.at}{lost}"
        )
    print(f"beyond the enclosure: {wrong} of {len(found)}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
