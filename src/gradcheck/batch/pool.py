"""Worker processes, each with a pipe of its own, and one loop that hands out checks and watches for what goes wrong.

pebble 5.2 was tried for this, and its workers share one pipe: a worker that is killed while it sends a result takes the
whole pool with it, the task of one that ends with ``os._exit(0)`` never comes back, and workers that hang in C outlive
a parent that is killed. Here a death closes one pipe, and the check at its other end is known.

A check that takes a worker down, which had run others before, runs once more in a fresh worker: so none is blamed for
what an earlier one left behind, and the result does not depend on which worker ran what.
"""

from __future__ import annotations

import pickle
import tempfile
from bisect import insort
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from time import monotonic
from typing import Any

from gradcheck.batch.options import BatchOptions
from gradcheck.batch.processes import death, ends_are_interrupts, make_context, start_server
from gradcheck.batch.progress import Progress
from gradcheck.batch.worker import Answer, Examine, serve
from gradcheck.errors import UsageProblem
from gradcheck.suite import Batch, Check, Problem, Result

MAX_STILLBORN = 3
"""Workers in a row that may end before they are ready."""
TICK = 1.0
"""Seconds after which the loop looks at the clock at the latest."""
PATIENCE = 5.0
"""Seconds for a process that was killed to be gone."""


def supervise(checks: Sequence[Check], options: BatchOptions, examine: Examine, progress: Progress | None) -> Batch:
    """Return the batch of these checks; ``examine`` is what a worker does with each."""
    with tempfile.TemporaryDirectory(prefix="gradcheck-", ignore_cleanup_errors=True) as logs:
        pool = Pool(checks, options, examine, progress, Path(logs))
        interrupted = False
        try:
            with ends_are_interrupts():
                pool.run()
        except KeyboardInterrupt:
            interrupted = True
    return Batch(pool.kept(), pool.environment, options.seed, interrupted=interrupted, notes=pool.notes())


class Examiner:
    """One check after the other in a worker that stays, until it breaks or a check takes too long."""

    def __init__(self, options: BatchOptions, examine: Examine) -> None:
        self.options = options
        self.examine = examine
        self.logs = tempfile.TemporaryDirectory(prefix="gradcheck-", ignore_cleanup_errors=True)
        self.workers: list[Worker] = []

    def run(self, check: Check) -> Result:
        """Return the result of a check; an interrupt ends the worker, and is raised."""
        pool = Pool([check], self.options, self.examine, None, Path(self.logs.name), workers=self.workers)
        with ends_are_interrupts():
            pool.run(keep=True)
        return pool.results[0]

    def close(self) -> None:
        """End the worker."""
        Pool([], self.options, self.examine, None, Path(self.logs.name), workers=self.workers).run()
        self.logs.cleanup()


@dataclass(slots=True, eq=False)
class Worker:
    """A process, this end of its pipe, and the check that it runs, or will run first; ``since`` when it was handed."""

    process: BaseProcess
    pipe: Connection
    log: Path
    check: int | None = None
    since: float | None = None
    ready: bool = False
    done: int = 0


@dataclass(eq=False)
class Pool:
    """The state of a batch that runs: who does what, what waits, what is done."""

    checks: Sequence[Check]
    options: BatchOptions
    examine: Examine
    progress: Progress | None
    logs: Path
    environment: dict[str, str] = field(default_factory=dict)
    results: dict[int, Result] = field(default_factory=dict)
    workers: list[Worker] = field(default_factory=list)
    failed: list[int] = field(default_factory=list)
    shaken: dict[int, str] = field(default_factory=dict)
    stillborn: int = 0

    def __post_init__(self) -> None:
        self.waiting = deque(range(len(self.checks)))
        self.context = make_context()
        self.numbers = count()

    def run(self, *, keep: bool = False) -> None:
        """Run all checks; whatever happens, no worker is left, unless it is to be kept and nothing happened."""
        done = False
        try:
            if self.progress is not None:
                self.progress.start(len(self.checks))
            for worker in self.workers:
                self.hand(worker)
            while self.waiting or any(worker.check is not None for worker in self.workers):
                self.recruit()
                self.listen()
            done = True
        finally:
            if not (keep and done):
                self.dismiss(self.workers)
            if self.progress is not None:
                self.progress.stop()

    # --- what came out ---

    @property
    def end(self) -> int:
        """Return the place behind the last check that counts: with ``maxfail``, behind the failure that is the last."""
        most = self.options.maxfail
        return len(self.checks) if most is None or len(self.failed) < most else self.failed[most - 1] + 1

    def kept(self) -> tuple[Result, ...]:
        """Return the results in the order of the checks."""
        return tuple(self.results[k] for k in sorted(self.results) if k < self.end)

    def notes(self) -> list[str]:
        """Return what to say of the batch: what it left out, and what went wrong once and not again."""
        left = len(self.checks) - self.end
        failures = f"{self.options.maxfail} failure{'s' if self.options.maxfail != 1 else ''}"
        stopped = [f"stopped after {failures}; {left} more check{'s' if left != 1 else ''} did not run"] if left else []
        again = [
            f"{self.checks[k].id}: {self.shaken[k]}; it ran again in a fresh worker, and nothing of the kind happened"
            for k in sorted(self.shaken)
            if k < self.end and k in self.results and self.results[k].problem is None
        ]
        return stopped + again

    def settle(self, k: int, result: Result) -> None:
        """Keep a result; with the last failure that is allowed, nothing behind it needs to run."""
        self.results[k] = result
        if not result.passed:
            insort(self.failed, k)
            if self.end < len(self.checks):
                self.waiting.clear()
                self.dismiss([one for one in self.workers if one.check is not None and one.check >= self.end])
        if self.progress is not None:
            running = [one.check for one in self.workers if one.check is not None]
            self.progress.update(result, tuple(self.checks[one].name for one in running))

    # --- workers ---

    def recruit(self) -> None:
        """Start workers while there are checks for them."""
        busy = sum(worker.check is not None for worker in self.workers)
        while len(self.workers) < min(self.options.size(len(self.checks)), busy + len(self.waiting)):
            self.start()

    def start(self, first: int | None = None) -> None:
        """Start a worker; ``first`` is the check that it will run first."""
        log = self.logs / str(next(self.numbers))
        devices, engines = _asked(self.checks)
        start_server(self.context)
        ours, theirs = self.context.Pipe()
        given = theirs, self.examine, self.options.memory, str(log), devices, engines
        process = self.context.Process(target=serve, args=given, daemon=True)
        process.start()
        theirs.close()
        self.workers.append(Worker(process, ours, log, first))

    def dismiss(self, workers: Sequence[Worker]) -> None:
        """Kill workers and wait until they are gone."""
        leaving = list(workers)
        for worker in leaving:
            worker.process.kill()
        for worker in leaving:
            worker.process.join(PATIENCE)
            worker.pipe.close()
            self.workers.remove(worker)

    # --- the loop ---

    def listen(self) -> None:
        """Wait for the next thing to happen, and attend to it."""
        before = monotonic()
        owners: dict[Any, Worker] = {}
        for worker in self.workers:
            owners |= {worker.pipe: worker, worker.process.sentinel: worker}
        heard = dict.fromkeys(owners[one] for one in wait(list(owners), self.rest(before)))
        self.allow_for_sleep(monotonic() - before - TICK)
        for worker in heard:
            if worker in self.workers:
                self.attend(worker)
        for worker in [one for one in self.workers if self.left(one, monotonic()) <= 0]:
            if worker in self.workers:
                self.expire(worker)

    def rest(self, now: float) -> float:
        """Return how long nobody needs to look at the clock."""
        return max(0.0, min([TICK, *(self.left(worker, now) for worker in self.workers)]))

    def allow_for_sleep(self, overslept: float) -> None:
        """Give back to the checks the time in which the whole run was suspended, as by Ctrl-Z."""
        for worker in self.workers:
            if worker.since is not None and overslept > TICK:
                worker.since += overslept

    def left(self, worker: Worker, now: float) -> float:
        """Return how many seconds a worker has left for its check."""
        limit = self.limit(worker.check)
        return TICK if worker.since is None or limit is None else worker.since + limit - now

    def limit(self, k: int | None) -> float | None:
        """Return the time-out of a check."""
        own = None if k is None else self.checks[k].timeout
        return self.options.timeout if own is None else own

    def attend(self, worker: Worker) -> None:
        """Read what a worker sent: that it is ready, an answer, or nothing more ever."""
        try:
            message = pickle.loads(worker.pipe.recv_bytes()) if worker.pipe.poll() else None
        except (EOFError, OSError):
            message = None
        if isinstance(message, Answer):
            self.take(worker, message)
        elif message is not None:
            self.environment, self.stillborn, worker.ready = message, 0, True
            self.hand(worker, worker.check)
        else:
            self.bury(worker)

    def take(self, worker: Worker, answer: Answer) -> None:
        """Keep the answer of a worker and hand it the next check, unless something broke in it."""
        k = worker.check
        assert k is not None
        if answer.broken:
            self.blame(worker, str(answer.problem), answer.seconds)
            return
        worker.check, worker.since = None, None
        worker.done += 1
        self.settle(k, Result(self.checks[k], answer.run, answer.problem, answer.unmet, answer.seconds))
        if worker in self.workers:
            self.hand(worker)

    def hand(self, worker: Worker, k: int | None = None) -> None:
        """Send a worker its next check, if there is one."""
        while k is not None or self.waiting:
            k = self.waiting.popleft() if k is None else k
            try:
                packed = pickle.dumps(self.checks[k])
            except Exception as problem:  # a callable under test, or what it holds, may refuse to be pickled in any way
                self.settle(k, Result(self.checks[k], None, Problem(f"no worker can be sent this check: {problem}")))
                k = None
                continue
            worker.check, worker.since = k, monotonic()
            with suppress(OSError):  # it has died, which the next look at its pipe will tell
                worker.pipe.send_bytes(packed)
            return

    # --- what goes wrong ---

    def expire(self, worker: Worker) -> None:
        """Kill a worker whose check takes too long."""
        k = worker.check
        assert k is not None
        limit = self.limit(k)
        self.dismiss([worker])
        self.settle(
            k, Result(self.checks[k], None, Problem(f"ran out of time after {limit:g} s"), seconds=limit or 0.0)
        )

    def bury(self, worker: Worker) -> None:
        """Take note of a death: that of a worker without a check matters only if none ever gets ready."""
        worker.process.join(TICK)
        words = death(worker.process.exitcode, worker.log, self.options.memory)
        if worker.ready and worker.check is not None and worker.since is not None:
            self.blame(worker, words, monotonic() - worker.since)
            return
        first = worker.check
        self.dismiss([worker])
        self.stillborn += not worker.ready
        if self.stillborn >= MAX_STILLBORN:
            raise UsageProblem(f"no worker can be started: {words}")
        if first is not None:
            self.start(first)

    def blame(self, worker: Worker, problem: str, seconds: float) -> None:
        """Give a check the blame for what happened to its worker, or the chance to run in a fresh one."""
        k = worker.check
        assert k is not None
        self.dismiss([worker])
        if worker.done:
            self.shaken[k] = problem
            self.start(k)
        else:
            self.settle(k, Result(self.checks[k], None, Problem(problem), seconds=seconds))


def _asked(checks: Sequence[Check]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the devices and the engines of some checks, each once."""
    devices = dict.fromkeys(one for check in checks for one in check.settings.on_devices)
    engines = dict.fromkeys(one for check in checks for one in check.settings.engines)
    return tuple(devices), tuple(engines)
