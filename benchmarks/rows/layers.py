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


def rows() -> Iterator[Row]:
    for few, many in pairwise(COUNTS):
        yield by_turns(
            f"{many:,} layers of sin", partial(checked, sines(many), {"x": 1.5}),
            f"{few:,} layers of sin", partial(checked, sines(few), {"x": 1.5}), target=many / few * LINEAR,
        )  # fmt: skip


def sines(count: int) -> str:
    """Return a program of so many layers, each the sine of the one before."""
    return "; ".join(f"y{k} = sin({f'y{k - 1}' if k > 1 else 'x'})" for k in range(1, count + 1))
