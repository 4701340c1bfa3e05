"""One row: two things measured by turns in one run, their ratio, and what the ratio is to be at most."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from statistics import median

PAIRS = 7
LIMIT = 60.0
"""Seconds after which a measurement may stop itself and say inf."""
HEAD = """\
| gradcheck | median | beside | median | ratio | target | met | pairs |
|---|--:|---|--:|--:|--:|---|--:|"""

Timed = Callable[[], float]
"""A measurement, which returns its seconds, or inf where it was stopped after LIMIT."""


@dataclass(frozen=True, slots=True)
class Row:
    """What was measured: pairs of seconds, ours and those of what is beside; ``target`` is the greatest good ratio."""

    name: str
    other: str
    times: tuple[tuple[float, float], ...]
    target: float | None = None

    @property
    def ratio(self) -> float:
        """Return the median of the ratios pair by pair, which a machine that slows down meanwhile does not change."""
        return median(ours / min(theirs, LIMIT) for ours, theirs in self.times)

    @property
    def met(self) -> bool | None:
        """Return whether the ratio is at most the target; None where there is no target."""
        return None if self.target is None else self.ratio <= self.target

    def __str__(self) -> str:
        theirs = median(theirs for _, theirs in self.times)
        stopped = theirs == inf
        cells = (
            self.name,
            f"{median(ours for ours, _ in self.times):.3f} s",
            self.other,
            f"stopped at {LIMIT:.0f} s" if stopped else f"{theirs:.3f} s",
            f"{'< ' * stopped}{self.ratio:.3f}",
            "" if self.target is None else f"{self.target:g}",
            {None: "", True: "met", False: "**missed**"}[self.met],
            str(len(self.times)),
        )
        return f"| {' | '.join(cells)} |"


def by_turns(
    name: str, ours: Timed, other: str, theirs: Timed, *, target: float | None = None, pairs: int = PAIRS
) -> Row:
    """Return the row of two measurements, taken by turns."""
    return Row(name, other, tuple((ours(), theirs()) for _ in range(pairs)), target)
