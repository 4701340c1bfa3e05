"""How much work may go into what is told beside a verdict: the verdict stands, and nobody waits long for the rest."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from time import thread_time

SECONDS = 1.0
"""CPU seconds of one run for the search of faults, and as many for that of fixes."""


@dataclass(slots=True)
class Budget:
    """What is left of some CPU seconds of this thread, which no other load of the machine spends.

    A task is not broken off, unless it asks itself: the last one may take longer. ``refused`` counts those that were
    not begun.
    """

    seconds: float = SECONDS
    spent: float = 0.0
    refused: int = 0
    since: float | None = None
    """When the task began that runs now."""

    def enough(self, tasks: int = 1, each: float = 0.0) -> bool:
        """Return whether there is something left, for one task of ``each`` seconds; else the tasks count as refused.

        >>> budget = Budget(seconds=1.0, spent=0.5)
        >>> budget.enough(), budget.enough(3, each=2.0), budget.refused
        (True, False, 3)
        """
        running = 0.0 if self.since is None else thread_time() - self.since
        if self.spent + running + each <= self.seconds and self.spent + running < self.seconds:
            return True
        self.refused += tasks
        return False

    @contextmanager
    def spending(self) -> Iterator[None]:
        """Count the time of what is inside."""
        self.since = start = thread_time()
        try:
            yield
        finally:
            self.spent += thread_time() - start
            self.since = None
