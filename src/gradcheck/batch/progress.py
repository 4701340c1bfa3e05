"""How far a batch is: what is told while it runs, and a bar on the terminal."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from gradcheck.errors import printable
from gradcheck.suite import Result
from gradcheck.verdict import Verdict

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID

MAX_NAME = 30
"""Characters of a check's name in the bar."""


class Progress(Protocol):
    """What is told while a batch runs."""

    def start(self, total: int) -> None:
        """Begin with so many checks to run."""

    def update(self, result: Result, running: Sequence[str]) -> None:
        """Take note of one more result; ``running`` are the names of the checks that run now."""

    def stop(self) -> None:
        """End, however far it is."""


class Bar:
    """A bar on standard error with the verdicts so far and a name; nothing where that is no terminal."""

    def __init__(self) -> None:
        self._labels: Counter[str] = Counter()
        self._bar: RichProgress | None = None
        self._task: TaskID | None = None

    def start(self, total: int) -> None:
        """Show the bar, if anybody can see it."""
        if not sys.stderr.isatty():
            return
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as RichProgress

        columns = (BarColumn(20), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.description}"))
        self._bar = RichProgress(*columns, console=Console(stderr=True, markup=False), transient=True)
        self._task = self._bar.add_task("", total=total)
        self._bar.start()

    def update(self, result: Result, running: Sequence[str]) -> None:
        """Count one more result."""
        if self._bar is None or self._task is None:
            return
        self._labels[label(result)] += 1
        self._bar.update(self._task, advance=1, description=describe(self._labels, running))

    def stop(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.stop()


EXPECTED, FAILED = "as expected", "failed"
LABELS = (FAILED, *reversed(Verdict), EXPECTED)
"""What is counted, the worst first."""


def label(result: Result) -> str:
    """Return what a result counts as: its verdict, unless the check expects just that, or something else."""
    if result.passed and result.check.expect.verdict is not None:
        return EXPECTED
    return FAILED if result.unmet else result.verdict


def describe(labels: Counter[str], running: Sequence[str]) -> str:
    """Return the results so far, the worst first, and what runs now, as Rich markup.

    >>> describe(Counter({"agree": 3, "disagree": 1, EXPECTED: 2}), ["softmax", "x[0]"])
    '1 disagree, 3 agree, 2 as expected · softmax'
    """
    from rich.markup import escape

    words = ", ".join(f"{labels[one]} {one}" for one in LABELS if labels[one])
    name = printable(running[0]) if running else ""
    return " · ".join(filter(None, (words, escape(name if len(name) <= MAX_NAME else f"{name[: MAX_NAME - 3]}..."))))
