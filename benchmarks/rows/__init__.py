"""The groups of rows that `benchmarks/bench.py` prints: one module a group, which yields its rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from rows import elements, layers, start
from rows.row import Row

GROUPS: dict[str, Callable[[], Iterator[Row]]] = {
    "start": start.rows,
    "elements": elements.rows,
    "layers": layers.rows,
}
"""By the names that the command line takes, in the order of the table."""
