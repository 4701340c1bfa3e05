"""One row: two things measured by turns in one run, their ratio, and what the ratio is to be at most."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from statistics import median

PAIRS = 7
LONG = ((60.0, 1), (5.0, 3))
"""How many pairs are enough where one measurement takes more than so many seconds, the longest first."""
LIMIT = 60.0
"""Seconds after which a measurement may stop itself and say inf."""
HEAD = """\
| gradcheck | median | beside | median | ratio | target | met | pairs |
|---|--:|---|--:|--:|--:|---|--:|"""
SIZES = ((1.0, ""), (1e-3, "m"), (1e-6, "u"), (1e-9, "n"))

Timed = Callable[[], float]
"""A measurement, which returns its seconds (or what else it measures), or inf where it was stopped after LIMIT."""


@dataclass(frozen=True, slots=True)
class Row:
    """What was measured: pairs, ours and those of what is beside; ``target`` is the greatest good ratio."""

    name: str
    other: str
    times: tuple[tuple[float, float], ...]
    target: float | None = None
    unit: str = "s"

    @property
    def ratio(self) -> float:
        """Return the median of the ratios pair by pair, which a machine that slows down meanwhile does not change."""
        return median(ours / min(theirs, LIMIT) if self.unit == "s" else ours / theirs for ours, theirs in self.times)

    @property
    def met(self) -> bool | None:
        """Return whether the ratio is at most the target; None where there is no target."""
        return None if self.target is None else self.ratio <= self.target

    def __str__(self) -> str:
        theirs = median(theirs for _, theirs in self.times)
        stopped = theirs == inf
        cells = (
            self.name,
            shown(median(ours for ours, _ in self.times), self.unit),
            self.other,
            f"stopped at {LIMIT:.0f} s" if stopped else shown(theirs, self.unit),
            f"{'< ' * stopped}{_digits(self.ratio)}",
            "" if self.target is None else _digits(self.target),
            {None: "", True: "met", False: "**missed**"}[self.met],
            str(len(self.times)),
        )
        return f"| {' | '.join(cells)} |"


def by_turns(
    name: str, ours: Timed, other: str, theirs: Timed, *, target: float | None = None, pairs: int = PAIRS,
    unit: str = "s",
) -> Row:  # fmt: skip
    """Return the row of two measurements, taken by turns, fewer times where they take long."""
    times: list[tuple[float, float]] = []
    while len(times) < min(pairs, _enough(times, unit)):
        times.append((ours(), theirs()))
    return Row(name, other, tuple(times), target, unit)


def _enough(times: list[tuple[float, float]], unit: str) -> int:
    longest = max(times[0]) if times and unit == "s" else 0.0
    return next((count for seconds, count in LONG if longest > seconds), PAIRS)


def shown(quantity: float, unit: str) -> str:
    """Return a quantity in a unit of its size.

    >>> shown(12.3456, "s"), shown(0.25, "s"), shown(2.5e-7, "s"), shown(312.4, "B")
    ('12.3 s', '250 ms', '250 ns', '312 B')
    """
    if unit != "s":
        return f"{quantity:,.0f} {unit}"
    size, prefix = next((one for one in SIZES if quantity >= one[0]), SIZES[-1])
    return f"{_digits(quantity / size)} {prefix}{unit}"


def _digits(number: float) -> str:
    return f"{number:,.0f}" if number >= 100 else f"{number:.3g}"
