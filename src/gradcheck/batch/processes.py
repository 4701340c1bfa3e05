"""How workers are started, what is said of their death, and what signals mean while they run."""

from __future__ import annotations

import multiprocessing
import shutil
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing.context import ForkServerContext, SpawnContext
from multiprocessing.util import get_temp_dir
from pathlib import Path
from typing import NoReturn

from gradcheck.errors import printable
from gradcheck.memory import out_of_memory, tells_of_memory

Context = ForkServerContext | SpawnContext


def make_context() -> Context:
    """Return how processes are started: forked from a server that has all libraries loaded, where that can be."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["gradcheck.batch.preload"])
    return context


def start_server(context: Context) -> None:
    """Start the fork server if it does not run. It and the workers inherit that Ctrl-C is not for them."""
    if context.get_start_method() == "forkserver":
        from multiprocessing import forkserver, resource_tracker

        resource_tracker.ensure_running()  # first, because it unblocks signals when it starts
        with _blocked(signal.SIGINT, signal.SIGHUP):
            forkserver.ensure_running()


def clean_up() -> None:
    """Remove the socket of the fork server: for a process that leaves by ``os._exit``, after its last batch."""
    shutil.rmtree(get_temp_dir(), ignore_errors=True)


@contextmanager
def _blocked(*signals: signal.Signals) -> Iterator[None]:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def ends_are_interrupts() -> Iterator[None]:
    """Treat SIGTERM and a closed terminal like Ctrl-C, so that workers are killed and what is done is kept."""
    if threading.current_thread() is not threading.main_thread():
        yield  # signals are the business of the main thread
        return
    ends = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    before = {one: signal.signal(one, _interrupt) for one in ends}
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt


# --- deaths ---------------------------------------------------------------------------------------


def death(code: int | None, log: Path, memory: int | None) -> str:
    """Return how a worker ended, with the last line that it printed; ``code`` is None where it has not ended."""
    last = _last_line(log)
    if tells_of_memory(last):
        return out_of_memory(memory)
    if code is not None and code < 0:
        ending = f"the worker was killed ({_signal_name(-code)})"
    else:
        ending = "the worker closed its pipe" if code is None else f"the worker ended with exit code {code}"
    return f"{ending}: {last}" if last else ending


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _last_line(log: Path) -> str:
    """Return the last line of a file, none where there is no such file."""
    with suppress(OSError), log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - 1_000))
        lines = file.read().decode("utf-8", "replace").split("\n")
        return next((printable(line.strip()) for line in reversed(lines) if line.strip()), "")
    return ""
