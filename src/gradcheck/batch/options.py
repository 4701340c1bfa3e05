"""How a batch is run: workers, and the limits on each check."""

from __future__ import annotations

import os
from dataclasses import dataclass
from math import isfinite

from gradcheck.apart import DEFAULT_TIMEOUT
from gradcheck.errors import UsageProblem
from gradcheck.memory import DEFAULT_MEMORY


@dataclass(frozen=True, slots=True)
class BatchOptions:
    """How many processes run the checks, and what one check may take.

    ``workers`` is None for one on each core. ``timeout`` is in seconds, None for no end; a check's own wins. After
    ``maxfail`` failures no more checks run. ``memory`` is in bytes for each worker, None for no limit; it is enforced
    on Linux. ``seed`` is that of the checks' settings, for the record. With ``texts`` the workers make the formulas
    of every run, too, for a report that shows all of them; else they are made where one is read. With ``everything``
    a report has all outcomes of very many points, not the worst.
    """

    workers: int | None = None
    timeout: float | None = DEFAULT_TIMEOUT
    maxfail: int | None = None
    memory: int | None = DEFAULT_MEMORY
    seed: int | None = None
    texts: bool = False
    everything: bool = False

    def __post_init__(self) -> None:
        for name in ("workers", "maxfail", "memory"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise UsageProblem(f"{name} is 1 or more, not {value}")
        if self.timeout is not None and not (self.timeout > 0 and isfinite(self.timeout)):
            raise UsageProblem(f"a time-out is a number of seconds above 0, not {self.timeout}")

    def size(self, checks: int) -> int:
        """Return how many workers to start for so many checks."""
        return min(self.workers or _cores(), checks)


def _cores() -> int:
    """Return the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
