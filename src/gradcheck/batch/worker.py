"""A worker process: it takes one check after the other, and gives one answer for each."""

from __future__ import annotations

import io
import multiprocessing
import os
import pickle
import signal
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from time import perf_counter
from typing import Any

from gradcheck.errors import GradcheckError
from gradcheck.memory import limit, out_of_memory, tells_of_memory
from gradcheck.outcome import Run
from gradcheck.parse import parse
from gradcheck.program import Program
from gradcheck.suite import Check, Problem

STDOUT, STDERR = 1, 2

Examine = Callable[[Check], tuple[Run | None, tuple[str, ...]]]
"""What a worker does with a check: it returns the run and the expectations that were not met."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a worker has to say of one check. With ``broken`` something failed that may have left its mark."""

    run: Run | None = None
    unmet: tuple[str, ...] = ()
    problem: Problem | None = None
    seconds: float = 0.0
    broken: bool = False


def serve(
    pipe: Connection, examine: Examine, memory: int | None, log: str, devices: Sequence[str], engines: Sequence[str]
) -> None:
    """Answer checks until the pipe is closed; the first message is the environment of the runs."""
    _end_with_parent()
    try:
        _print_to(log)
    except FileNotFoundError:  # the batch is over already
        return
    tempfile.tempdir = os.path.dirname(log)  # what is written here goes with the batch
    import gradcheck.batch.preload  # noqa: F401 - is there already where a fork server is
    from gradcheck.case import environment

    limit(memory)
    pipe.send({name: str(version) for name, version in environment(devices, engines).items()})
    with suppress(EOFError, ConnectionError):
        while True:
            received = pipe.recv_bytes()
            os.ftruncate(STDOUT, 0)
            pipe.send_bytes(answer(received, examine, memory))


def answer(received: bytes, examine: Examine, memory: int | None) -> bytes:
    """Return the pickled answer to a pickled check, whatever the check raises."""
    start = perf_counter()
    try:
        run, unmet = examine(pickle.loads(received))
        return pack(Answer(run, unmet, seconds=perf_counter() - start))
    except GradcheckError as refused:
        problem, broken = Problem(str(refused)), False
    except MemoryError:
        problem, broken = Problem(out_of_memory(memory)), True
    except Exception as unforeseen:  # a fault of one check must not end the others
        words = f"internal error: {type(unforeseen).__name__}: {unforeseen}"
        problem, broken = Problem(out_of_memory(memory) if tells_of_memory(words) else words), True
    return pack(Answer(problem=problem, seconds=perf_counter() - start, broken=broken))


class _Pickler(pickle.Pickler):
    """Sends a program as its text: the tree of a long one is deeper than what pickle can go down."""

    def reducer_override(self, obj: Any) -> Any:
        return (parse, (obj.source, obj.inputs)) if isinstance(obj, Program) else NotImplemented


def pack(value: Answer) -> bytes:
    """Return a pickled answer."""
    file = io.BytesIO()
    _Pickler(file, pickle.HIGHEST_PROTOCOL).dump(value)
    return file.getvalue()


# --- the process ----------------------------------------------------------------------------------


def _end_with_parent() -> None:
    """Let the kernel kill this process when the one that started it ends: a hung worker takes note of nothing."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return
    if sys.platform == "linux":
        import fcntl

        fcntl.fcntl(parent.sentinel, fcntl.F_SETOWN, os.getpid())
        fcntl.fcntl(parent.sentinel, fcntl.F_SETSIG, signal.SIGKILL)
        fcntl.fcntl(parent.sentinel, fcntl.F_SETFL, os.O_ASYNC)
    if wait([parent.sentinel], 0):
        sys.exit()


def _print_to(log: str) -> None:
    """Let all that is printed go to a file, whose last line may tell why the process died."""
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    for stream in (STDOUT, STDERR):
        os.dup2(file, stream)
    os.close(file)
