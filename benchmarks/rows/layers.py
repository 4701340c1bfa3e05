"""Many layers: ten times as many are to take ten times as long."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from itertools import pairwise

from rows.checked import checked
from rows.row import Row, by_turns

LINEAR = 1.5
"""How much more than linear a time may be."""
COUNTS = (10, 100, 1_000, 10_000)
WIDE = 2.0**20
"""A tolerance in ULP that the roundings of as many layers do not reach."""
EXPLAINED = (2_000, 10_000)
"""Layers whose roundings go beyond the tolerance of a check, so that they have to explain the number."""


def rows() -> Iterator[Row]:
    for few, many in pairwise(COUNTS):
        yield compared(few, many, f"{many:,} layers of sin", WIDE)
    yield compared(*EXPLAINED, f"{EXPLAINED[1]:,} layers of sin, explained by roundings", None)


def compared(few: int, many: int, name: str, ulps: float | None) -> Row:
    return by_turns(
        name, partial(checked, sines(many), {"x": 1.5}, ulps=ulps),
        f"{few:,} layers", partial(checked, sines(few), {"x": 1.5}, ulps=ulps), target=many / few * LINEAR,
    )  # fmt: skip


def sines(count: int) -> str:
    """Return a program of so many layers, each the sine of the one before."""
    return "; ".join(f"y{k} = sin({f'y{k - 1}' if k > 1 else 'x'})" for k in range(1, count + 1))
