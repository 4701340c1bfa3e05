"""Checks that hang, crash, leave, and eat memory in real worker processes; parents that are interrupted and killed."""

from __future__ import annotations

import ctypes
import itertools
import multiprocessing
import os
import signal
import struct
import subprocess
import sys
import threading
import time
import types
import uuid
from collections.abc import Callable, Iterator
from functools import cache
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

import pytest

from gradcheck.batch import BatchOptions, pool, run_batch
from gradcheck.batch.examine import examine
from gradcheck.batch.pool import supervise
from gradcheck.errors import PointProblem, UsageProblem
from gradcheck.exits import Exit
from gradcheck.outcome import Run
from gradcheck.settings import Settings
from gradcheck.suite import Batch, Check, Result

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="limits and /proc are Linux's")

Examined = tuple[Any, tuple[str, ...]]

LIMIT = 2**30
OPTIONS = BatchOptions(workers=2, timeout=3, memory=LIMIT)


def check(name: str, program: str = "x**2", at: str = "x=3", **more: Any) -> Check:
    return Check(name, program, (at,), Settings(), **more)


@cache
def trivial() -> tuple[Run, tuple[str, ...]]:
    return examine(check("trivial"))


# --- what a check can do to its worker ------------------------------------------------------------


def fine() -> Examined:
    return trivial()


def hang() -> Examined:
    time.sleep(1_000)
    return trivial()


def spin() -> Examined:
    """Hang in C, where no signal handler of Python ever runs."""
    sum(itertools.count())
    return trivial()


def kill() -> Examined:
    os.kill(os.getpid(), signal.SIGKILL)
    return trivial()


def terminate() -> Examined:
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(10)
    return trivial()


def quits() -> Examined:
    os._exit(0)


def leaves() -> Examined:
    os._exit(3)


def exits() -> Examined:
    sys.exit(4)


def segfault() -> Examined:
    ctypes.string_at(0)
    return trivial()


def aborts() -> Examined:
    os.write(2, b"assertion failed: n > 0\n")
    os.abort()


def memory() -> Examined:
    return bytearray(8 * LIMIT), ()


def much() -> Examined:
    """Take memory in small pieces until there is none."""
    pieces: list[bytes] = []
    while True:
        pieces.append(bytes(1_000_000))


def gmp() -> Examined:
    """Let GMP, which ends the process, find that there is no memory."""
    import flint

    return flint.fmpz(1) << (16 * LIMIT), ()


def torch_memory() -> Examined:
    import torch

    return torch.ones(4 * LIMIT), ()


def recursion() -> Examined:
    return recursion()


def unforeseen() -> Examined:
    raise KeyError("x")


def refused() -> Examined:
    raise PointProblem("this point is bad", hint="take another")


def unsendable() -> Examined:
    return (lambda: None), ()


def torn() -> Examined:
    """Die while the answer is on its way."""

    def half(self: Connection, buf: Any) -> None:
        os.write(self.fileno(), struct.pack("!i", len(buf)) + bytes(buf)[: len(buf) // 2])
        os.kill(os.getpid(), signal.SIGKILL)

    Connection._send_bytes = half  # type: ignore[attr-defined]
    return trivial()


def forked() -> Examined:
    """Die, and leave a child that holds the pipe open."""
    if os.fork() == 0:
        time.sleep(3)
    os._exit(5)


def noisy() -> Examined:
    print("this is no place to print")
    print("nor is this", file=sys.stderr)
    os.write(2, b"nor this\n")
    return trivial()


def big() -> Examined:
    return trivial()[0], ("x" * 50_000_000,)


def deep() -> Examined:
    """Send a program whose tree is deeper than pickle goes."""
    return examine(check("deep", "*".join("x" * 500), "x=1.01"))


OUT_OF_MEMORY = "ran out of memory (limit 1 GiB)"

PROBLEMS: dict[Callable[[], Examined], str | None] = {
    fine: None,
    hang: "ran out of time after 3 s",
    spin: "ran out of time after 3 s",
    kill: "the worker was killed (SIGKILL)",
    terminate: "the worker was killed (SIGTERM)",
    quits: "the worker ended with exit code 0",
    leaves: "the worker ended with exit code 3",
    exits: "the worker ended with exit code 4",
    segfault: "the worker was killed (SIGSEGV)",
    aborts: "the worker was killed (SIGABRT): assertion failed: n > 0",
    memory: OUT_OF_MEMORY,
    much: OUT_OF_MEMORY,
    gmp: OUT_OF_MEMORY,
    torch_memory: OUT_OF_MEMORY,
    recursion: "internal error: RecursionError: maximum recursion depth exceeded",
    unforeseen: "internal error: KeyError: 'x'",
    refused: "this point is bad\ntake another",
    unsendable: "internal error: AttributeError: Can't pickle local object 'unsendable.<locals>.<lambda>'",
    torn: "the worker was killed (SIGKILL)",
    forked: "the worker ended with exit code 5",
    noisy: None,
    big: None,
    deep: None,
}

ACTS = {act.__name__: act for act in PROBLEMS}


def act(of: Check) -> Examined:
    """Do what the check's name says."""
    return ACTS[of.name.split("-")[0]]()


def misbehave(checks: list[Check], options: BatchOptions = OPTIONS, progress: Any = None) -> Batch:
    return supervise(checks, options, act, progress)


@pytest.fixture(autouse=True)
def _no_worker_is_left() -> Iterator[None]:
    yield
    assert not multiprocessing.active_children()


# --- every kind of end ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def ends() -> dict[str, Result]:
    """Every kind of end, each between checks that are fine."""
    kinds = [name for kind in ACTS for name in (kind, f"fine-after-{kind}")]
    batch = misbehave([check(name) for name in kinds])
    assert [result.check.name for result in batch] == kinds
    assert batch.environment["device"] == "cpu"
    return {result.check.name: result for result in batch}


@pytest.mark.parametrize("kind", PROBLEMS, ids=lambda kind: kind.__name__)
def test_every_end_is_the_problem_of_its_own_check(
    kind: Callable[[], Examined], ends: dict[str, Result], capfd: pytest.CaptureFixture[str]
) -> None:
    problem = ends[kind.__name__].problem
    assert problem is None if PROBLEMS[kind] is None else (problem or "").startswith(str(PROBLEMS[kind]))
    assert ends[f"fine-after-{kind.__name__}"].passed
    assert capfd.readouterr() == ("", "")


def test_many_that_hang_die_and_eat_memory_end_complete() -> None:
    kinds = {20: "hang", 21: "kill", 22: "memory"}
    names = [f"{kinds.get(k % 40, 'fine')}-{k}" for k in range(200)]
    batch = misbehave([check(name) for name in names])
    assert [result.check.name for result in batch] == names
    for result in batch:
        assert result.problem == PROBLEMS[ACTS[result.check.name.split("-")[0]]], result.check.name
    assert len(batch.failures) == 15
    assert batch.exit is Exit.FAIL


def test_a_check_has_its_own_time() -> None:
    slow = check("hang", timeout=0.25)
    assert misbehave([slow, check("fine")])[0].problem == "ran out of time after 0.25 s"


def stumble(of: Check) -> Examined:
    """Die where another check ran before, as after one that left something behind."""
    stumble.ran = getattr(stumble, "ran", 0) + 1  # type: ignore[attr-defined]
    if of.name == "stumbles" and stumble.ran > 1:  # type: ignore[attr-defined]
        os._exit(3)
    return trivial()


def test_no_check_is_blamed_for_what_an_earlier_one_left_behind() -> None:
    checks = [check("first"), check("stumbles"), check("last")]
    batch = supervise(checks, BatchOptions(workers=1), stumble, None)
    assert all(result.passed for result in batch)
    assert batch.notes == [
        "stumbles: the worker ended with exit code 3; it ran again in a fresh worker, and nothing of the kind happened"
    ]


def test_a_check_that_cannot_be_sent_is_a_problem_of_its_own() -> None:
    unsendable = Check("mine", "sin(x)", ("x=1",), Settings(under_test={"sin": lambda x: x}))
    batch = run_batch([unsendable, check("fine")])
    assert (batch[0].problem or "").startswith("no worker can be sent this check: Can't pickle")
    assert batch[1].passed


def test_workers_that_cannot_even_start_are_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where a module can be imported here and not there."""
    module = types.ModuleType("nowhere_else")
    exec("def examine(check): pass", module.__dict__)
    monkeypatch.setitem(sys.modules, "nowhere_else", module)
    with pytest.raises(UsageProblem, match="no worker can be started: the worker ended with exit code 1"):
        supervise([check("fine")], OPTIONS, module.examine, None)


def test_a_suspended_run_is_no_time_that_a_check_took(monkeypatch: pytest.MonkeyPatch) -> None:
    """As after Ctrl-Z: the clock went on, the workers did not."""
    now = [0.0]
    monkeypatch.setattr(pool, "monotonic", lambda: time.monotonic() + now[0])

    def suspend(listening: Any, timeout: float) -> Any:
        now[0] += 100 * (len(calls) == 5)
        calls.append(None)
        return wait(listening, timeout)

    calls: list[None] = []
    monkeypatch.setattr(pool, "wait", suspend)
    batch = misbehave([check("fine-1"), check("fine-2"), check("fine-3"), check("hang")])
    assert [result.problem for result in batch] == [None, None, None, "ran out of time after 3 s"]
    assert now[0] == 100


# --- parents that end -----------------------------------------------------------------------------

SCRIPT = f"""
import sys, time
sys.path.insert(0, {str(Path(__file__).parent)!r})
from test_batch_hostile import BatchOptions, check, misbehave
print("go", flush=True)
names = ["fine-1", "hang", "fine-2", "spin"] + [f"fine-{{k}}" for k in range(3, 30)]
batch = misbehave([check(name) for name in names], BatchOptions(workers=2, timeout=None))
print(batch.interrupted, batch.exit.name, all(result.passed for result in batch), flush=True)
"""

DURING = {"the libraries load": 0.2, "workers start": 2.0, "all workers hang": 4.0}
SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]


def marked(mark: str) -> list[int]:
    """Return the processes that inherited a mark in their environment."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if mark.encode() in (path / "environ").read_bytes() and "\nState:\tZ" not in (path / "status").read_text():
                found.append(int(path.name))
        except OSError:
            continue
    return found


def wait_for_none(mark: str, seconds: float) -> list[int]:
    end = time.monotonic() + seconds
    while (left := marked(mark)) and time.monotonic() < end:
        time.sleep(0.05)
    return left


def interrupted(number: signal.Signals, after: float, *, group: bool) -> tuple[str, str, float, list[int]]:
    """Run a batch in a process of its own, end it, and return what it printed, its seconds, and what is left."""
    mark = uuid.uuid4().hex
    with subprocess.Popen(
        [sys.executable, "-c", SCRIPT], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "GRADCHECK_MARK": mark}, start_new_session=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stdout.readline() == "go\n"
        time.sleep(after)
        start = time.monotonic()
        (os.killpg if group else os.kill)(process.pid, number)
        process.wait(timeout=20)
        seconds = time.monotonic() - start
        out, err = process.communicate(timeout=20)  # which a fork server that still loads keeps open
    return out, err, seconds, wait_for_none(mark, 5)


@pytest.mark.parametrize("during", DURING)
@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
def test_an_interrupt_keeps_what_is_done_and_leaves_nobody(number: signal.Signals, during: str) -> None:
    """Ctrl-C and a closed terminal reach all processes of the group, SIGTERM the parent alone."""
    group = number is not signal.SIGTERM
    out, err, seconds, left = interrupted(number, DURING[during], group=group)
    assert (out, err, left) == ("True INTERRUPTED True\n", "", [])
    assert seconds < 3


def test_workers_end_with_a_parent_that_is_killed() -> None:
    out, err, _, left = interrupted(signal.SIGKILL, DURING["all workers hang"], group=False)
    assert (out, err, left) == ("", "", [])


def test_an_interrupt_while_a_result_is_kept_loses_only_what_runs() -> None:
    class Impatient:
        def start(self, total: int) -> None:
            assert total == 20

        def update(self, result: Result, running: object) -> None:  # noqa: ARG002 - it is called so
            if result.check.name == "fine-7":
                signal.raise_signal(signal.SIGINT)

        def stop(self) -> None:
            stopped.append(True)

    stopped: list[bool] = []
    batch = misbehave([check(f"fine-{k}") for k in range(20)], BatchOptions(workers=1), Impatient())
    assert (len(batch), batch.interrupted, batch.exit, stopped) == (8, True, Exit.INTERRUPTED, [True])


def test_a_batch_in_another_thread_needs_no_signals() -> None:
    batches: list[Batch] = []
    thread = threading.Thread(target=lambda: batches.append(misbehave([check("fine"), check("leaves")])))
    thread.start()
    thread.join()
    assert [result.problem for result in batches[0]] == [None, "the worker ended with exit code 3"]


def test_a_process_that_leaves_at_once_can_clean_up(tmp_path: Path) -> None:
    script = (
        "import os; from gradcheck.batch import clean_up, run_batch; from gradcheck.suite import Check; "
        "from gradcheck.settings import Settings; run_batch([Check('a', 'x', ('x=1',), Settings())]); "
        "print(len(os.listdir(os.environ['TMPDIR']))); clean_up(); os.sys.stdout.flush(); os._exit(0)"
    )
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("1\n", "")
    assert not list(tmp_path.iterdir())


def test_the_signals_of_the_parent_are_as_they_were() -> None:
    before = [signal.getsignal(number) for number in SIGNALS]
    misbehave([check("fine")])
    assert [signal.getsignal(number) for number in SIGNALS] == before
