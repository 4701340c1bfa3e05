"""Many checks in worker processes: what runs them, chooses among them, and compares them with an earlier run."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from gradcheck.batch.baseline import compare_baseline, write_baseline
from gradcheck.batch.examine import examine_apart
from gradcheck.batch.last_failed import last_failed, write_last_failed
from gradcheck.batch.options import BatchOptions
from gradcheck.batch.pool import Examiner, supervise
from gradcheck.batch.processes import clean_up
from gradcheck.batch.progress import Bar, Progress
from gradcheck.batch.select import matching, shard
from gradcheck.suite import Batch, Check

__all__ = [
    "Bar", "BatchOptions", "Examiner", "Progress", "clean_up", "compare_baseline",
    "examiner", "last_failed", "matching", "run_batch", "shard", "write_baseline", "write_last_failed",
]  # fmt: skip


def examiner(timeout: float) -> Examiner:
    """Return what runs one check after the other in a worker, with so many seconds for each."""
    return Examiner(BatchOptions(workers=1, timeout=timeout), examine_apart)


def run_batch(checks: Sequence[Check], options: BatchOptions | None = None, progress: Progress | None = None) -> Batch:
    """Return what comes out of many checks, in their order, whatever the number of workers.

    Every check runs in a worker process. Whatever happens to it there is that check's problem, and the others go on:
    it is refused, runs out of time or memory, or takes its worker down. What a check prints is dropped. Ctrl-C,
    SIGTERM and SIGHUP end the batch: it holds what is done, and is marked as interrupted.
    """
    options = options or BatchOptions()
    examine = partial(examine_apart, texts=options.texts, everything=options.everything)
    return supervise(checks, options, examine, progress)
