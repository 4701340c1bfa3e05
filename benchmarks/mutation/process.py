"""One process for each change: a fork that has the heavy libraries loaded, and reads one changed module."""

from __future__ import annotations

import os
import resource
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import spec_from_file_location
from itertools import islice
from pathlib import Path
from types import CodeType, ModuleType
from typing import TypeVar

T = TypeVar("T")

ROOT = Path(__file__).parents[2]
MEMORY = 12 << 30
"""Bytes: a change that fills the memory ends its own process, not the machine."""

OUT_OF_TIME = -1

PATIENCE = 10
"""Seconds of a clock for every second of a processor: others may be at work beside."""

OPTIONS = ("-p", "no:cacheprovider", "-p", "no:xdist", "--assert=plain")
"""What every run of pytest is given: it leaves nothing behind, and loads the package as Python does."""


class Changed(MetaPathFinder):
    """Loads one module from a changed text, and leaves every other to Python."""

    def __init__(self, path: Path, text: str) -> None:
        parts = path.with_suffix("").relative_to(ROOT / "src").parts
        self.module = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        self.loader = _Loader(self.module, str(path), text)

    def find_spec(
        self, name: str, _path: Sequence[str] | None = None, _target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return where the changed module is, and nothing for another name."""
        return spec_from_file_location(name, self.loader.path, loader=self.loader) if name == self.module else None


class _Loader(SourceFileLoader):
    """Compiles a text in place of the file's; no byte code is read from, or written to, the disk."""

    def __init__(self, name: str, path: str, text: str) -> None:
        super().__init__(name, path)
        self.text = text

    def get_code(self, _name: str) -> CodeType:
        return compile(self.text, self.path, "exec")


@dataclass
class Running:
    """A fork that is at work, and when it is out of time."""

    process: int
    end: float

    def done(self) -> int | None:
        """Return the exit code, or OUT_OF_TIME after ending the process and what it started; None while it works."""
        done, status = os.waitpid(self.process, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() < self.end:
            return None
        os.killpg(self.process, signal.SIGKILL)
        os.waitpid(self.process, 0)
        return OUT_OF_TIME


def start(work: Callable[[], int], seconds: float) -> Running:
    """Start a function in a fork of its own; what it prints is lost, and what it returns is the exit code."""
    child = os.fork()
    if not child:
        _work(work, seconds)
    return Running(child, time.monotonic() + PATIENCE * seconds)


def _work(work: Callable[[], int], seconds: float) -> None:
    """Do the work and end the process, whatever happens."""
    code = 70
    try:
        os.setsid()
        nothing = os.open(os.devnull, os.O_RDWR)
        for stream in range(3):
            os.dup2(nothing, stream)
        resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
        resource.setrlimit(resource.RLIMIT_CPU, (int(seconds), int(seconds)))
        code = work()
    finally:
        os._exit(code)


def in_parallel(works: Iterable[tuple[T, Callable[[], int], float]], jobs: int) -> Iterator[tuple[T, int]]:
    """Yield what each function of some is for with its exit code, as they end; ``jobs`` are at work at a time."""
    waiting, running = iter(works), list[tuple[T, Running]]()
    while True:
        running += [(what, start(work, seconds)) for what, work, seconds in islice(waiting, jobs - len(running))]
        if not running:
            return
        time.sleep(0.02)
        codes = [(what, one, one.done()) for what, one in running]
        running = [(what, one) for what, one, code in codes if code is None]
        yield from ((what, code) for what, _, code in codes if code is not None)


def load() -> None:
    """Load what takes long to load and is not under change."""
    sys.path[:0] = [str(ROOT / "src"), str(ROOT / "tests"), str(ROOT / "benchmarks")]
    import flint
    import hypothesis.strategies
    import mpmath
    import numpy as np
    import rich.console
    import rich.table
    import sympy
    import torch

    torch.set_num_threads(1)
    assert all((flint, hypothesis, mpmath, np, rich, sympy, torch))
