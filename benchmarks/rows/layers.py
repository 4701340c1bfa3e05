"""Many layers: ten times as many are to take ten times as long."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from rows.checked import checked
from rows.row import Row, by_turns

LINEAR = 1.5
"""How much more than linear a time may be."""


def rows() -> Iterator[Row]:
    yield by_turns(
        "1,000 layers of sin", partial(checked, sines(1_000), 1.5),
        "100 layers of sin", partial(checked, sines(100), 1.5), target=10 * LINEAR,
    )  # fmt: skip


def sines(count: int) -> str:
    """Return a program of so many layers, each the sine of the one before."""
    return "; ".join(f"y{k} = sin({f'y{k - 1}' if k > 1 else 'x'})" for k in range(1, count + 1))
