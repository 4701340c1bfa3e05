"""The groups of rows that `benchmarks/bench.py` prints: one module a group or a few, each yields its rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from rows import batches, elements, halves, layers, start
from rows.row import Row

GROUPS: dict[str, Callable[[], Iterator[Row]]] = {
    "start": start.rows,
    "batch": batches.rows,
    "halves": halves.rows,
    "slow": elements.slow,
    "fast": elements.fast,
    "objects": elements.objects,
    "flat": elements.flat,
    "memory": elements.memory,
    "layers": layers.rows,
}
"""By the names that the command line takes, in the order of the table."""
