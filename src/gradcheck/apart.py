"""Work in a child process, which can be ended whatever it does: C code answers neither Ctrl-C nor a clock.

The child is forked before the heavy libraries are loaded, which costs a millisecond, and has the terminal, the
standard streams and the working directory of its parent. Where a process cannot be forked, work is done in this one.
"""

from __future__ import annotations

import os
import select
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from time import monotonic
from typing import Any, NoReturn, TypeVar

from gradcheck.errors import GradcheckError
from gradcheck.exits import Exit
from gradcheck.memory import DEFAULT_MEMORY, limit

T = TypeVar("T")

DEFAULT_TIMEOUT = 60.0
"""Seconds for a check that states none."""
TICK = 1.0
"""Seconds after which the parent looks at the clock at the latest."""

_parent: int | None = None
"""Where a child says how long it may go on; None in a process that nobody watches."""


def run_apart(work: Callable[[], int]) -> int:
    """Return the exit code of work that is done in a child process, or of what became of it.

    Ctrl-C, SIGTERM and SIGHUP end the child at once, and so does the time that it gives itself by ``timing``. A
    parent that is killed takes its child along, on Linux.
    """
    if not hasattr(os, "fork"):
        return work()
    heard, said = os.pipe()
    watched, held = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(heard)
        os.close(held)
        _work(work, said, watched)
    os.close(said)
    os.close(watched)
    return _Watch(child, heard).run()


def result_apart(work: Callable[[], T], seconds: float, memory: int) -> T:
    """Return the result of work that is done in a child process, which is sent as pickle has it.

    Raises TimeoutError after so many seconds, MemoryError where the bytes do not suffice, ChildProcessError where it
    ends without a result, and whatever GradcheckError the work raises.
    """
    if not hasattr(os, "fork"):
        return work()
    heard, said = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(heard)
        _send(work, said, memory)
    os.close(said)
    try:
        made: T = _received(heard, monotonic() + seconds)
        return made
    finally:
        os.close(heard)
        with suppress(OSError):
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)


def _send(work: Callable[[], Any], pipe: int, memory: int) -> NoReturn:
    """Be the child: send whether there is a result, and it or the error."""
    import pickle

    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        limit(memory)
        try:
            sent = pickle.dumps((True, work()))
        except (GradcheckError, MemoryError, OSError) as problem:
            sent = pickle.dumps((False, problem))
        with open(pipe, "wb") as file:
            file.write(sent)
    finally:
        os._exit(Exit.FAIL)


def _received(pipe: int, end: float) -> Any:
    """Return what the child sends before its time is over."""
    import pickle

    parts = []
    while True:
        if not select.select([pipe], [], [], max(0.0, end - monotonic()))[0]:
            raise TimeoutError
        parts.append(os.read(pipe, 2**20))
        if not parts[-1]:
            break
    if not any(parts):
        raise ChildProcessError
    fine, made = pickle.loads(b"".join(parts))
    if not fine:
        raise made
    return made


@contextmanager
def timing(seconds: float | None) -> Iterator[None]:
    """End this process, if it is watched, should what is inside take longer; None for no limit."""
    _say(seconds or 0.0)
    try:
        yield
    finally:
        _say(0.0)


def _say(seconds: float) -> None:
    if _parent is not None:
        with suppress(OSError):
            os.write(_parent, f"{seconds!r}\n".encode())


def _work(work: Callable[[], int], said: int, watched: int) -> NoReturn:
    """Be the child: the parent decides over Ctrl-C, and its end is the child's."""
    global _parent  # noqa: PLW0603 - a process has one parent
    code: int = Exit.FAIL
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        _parent = said
        _end_with(watched)
        limit(DEFAULT_MEMORY)
        code = work()
    finally:
        os._exit(code)


def _end_with(pipe: int) -> None:
    """Let the kernel kill this process when the other end of a pipe is closed."""
    if sys.platform == "linux":
        import fcntl

        fcntl.fcntl(pipe, fcntl.F_SETOWN, os.getpid())
        fcntl.fcntl(pipe, fcntl.F_SETSIG, signal.SIGKILL)
        fcntl.fcntl(pipe, fcntl.F_SETFL, os.O_ASYNC | os.O_NONBLOCK)
    if select.select([pipe], [], [], 0)[0]:
        os._exit(Exit.FAIL)


class _Watch:
    """The parent of a child that works; the state is how long the child may go on."""

    def __init__(self, child: int, heard: int) -> None:
        self.child = child
        self.heard = heard
        self.limit = 0.0
        self.end: float | None = None

    def run(self) -> int:
        """Return the exit code of the child, or of what ended it."""
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self.leave)
        try:
            while self.listen():
                if self.end is not None and monotonic() >= self.end:
                    self.kill()
                    return _told(f"ran out of time after {self.limit:g} s\n--timeout SECONDS gives it more", Exit.FAIL)
            status = os.waitpid(self.child, 0)[1]
            if os.WIFSIGNALED(status):
                self.clean_up()
            return _code(status)
        except KeyboardInterrupt:
            self.kill()
            return _told("interrupted", Exit.INTERRUPTED)

    def listen(self) -> bool:
        """Wait for the child to say something, or for its time to be over; return whether it goes on."""
        before = monotonic()
        rest = TICK if self.end is None else max(0.0, min(TICK, self.end - before))
        told = select.select([self.heard], [], [], rest)[0]
        overslept = monotonic() - before - TICK
        if self.end is not None and overslept > TICK:  # the whole group was suspended, as by Ctrl-Z
            self.end += overslept
        if not told:
            return True
        said = os.read(self.heard, 4096).decode()
        if said:
            self.limit = float(said.split()[-1])
            self.end = monotonic() + self.limit if self.limit else None
        return bool(said)

    def leave(self, number: int, _frame: object) -> None:
        """Take the child along when this process is ended."""
        self.kill()
        signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)

    def kill(self) -> None:
        with suppress(OSError):
            os.kill(self.child, signal.SIGKILL)
            os.waitpid(self.child, 0)
        self.clean_up()

    def clean_up(self) -> None:
        """Remove what the child wrote for itself: one that is killed does not do it."""
        from gradcheck.scratch import remove

        remove(self.child)


def _code(status: int) -> int:
    """Return the exit code of a child that ended, and say so where something killed it."""
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else _told(f"the check was killed ({signal.Signals(-code).name})", Exit.FAIL)


def _told(words: str, code: int) -> int:
    with suppress(OSError):
        print(f"gradcheck: {words}", file=sys.stderr, flush=True)
    return code
