"""Work in a child process: it ends with its time, with Ctrl-C and with its parent, whatever it does."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pytest

from gradcheck.apart import result_apart
from gradcheck.errors import PointProblem
from gradcheck.exits import Exit
from test_batch_hostile import wait_for_none

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="signals and /proc are Linux's")

PROGRAM = "sum(floor(x@x@x@x@x@x@x@x))"
LONG = [PROGRAM, "--at", "randn(700,700)"]
"""A minute, most of it within FLINT, which answers no signal: that nothing jumps here is told by balls."""
FILE = f'[[check]]\nname = "long"\nexpression = "{PROGRAM}"\nat = "randn(700,700)"\n'
SOON = 5.0
"""Seconds; it takes a tenth of one where nothing else runs."""
COMMANDS = {
    "check": ["-m", "gradcheck", *LONG],
    "explain": ["-m", "gradcheck", "explain", "sum(x@x@x@x@x@x@x@x)", "--at", "randn(16,16)", "--timeout", "0"],
    "pytest": ["-m", "pytest", "-p", "no:cacheprovider", "--gradcheck", "long.toml"],
}


def ended(command: str, number: signal.Signals, after: float, tmp_path: Path) -> tuple[int, str, float, list[int]]:
    """Run a command, end it, and return its exit code, what it printed, its seconds, and what is left of it."""
    mark = uuid.uuid4().hex
    (tmp_path / "long.toml").write_text(FILE, "utf-8")
    with subprocess.Popen(
        [sys.executable, *COMMANDS[command]], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env={**os.environ, "GRADCHECK_MARK": mark}, start_new_session=True,
    ) as process:  # fmt: skip
        time.sleep(after)
        start = time.monotonic()
        (os.kill if number is not signal.SIGINT else os.killpg)(process.pid, number)
        out, _ = process.communicate(timeout=30)
        seconds = time.monotonic() - start
    return process.returncode, out, seconds, wait_for_none(mark, 5)


@pytest.mark.parametrize("after", [0.2, 6.0])
def test_ctrl_c_ends_one_check_at_once(after: float, tmp_path: Path) -> None:
    code, out, seconds, left = ended("check", signal.SIGINT, after, tmp_path)
    assert (code, out, left) == (Exit.INTERRUPTED, "gradcheck: interrupted\n", [])
    assert seconds < SOON


def test_ctrl_c_ends_a_check_under_pytest(tmp_path: Path) -> None:
    code, out, seconds, left = ended("pytest", signal.SIGINT, 10.0, tmp_path)
    assert (code, left) == (int(pytest.ExitCode.INTERRUPTED), [])
    assert "KeyboardInterrupt" in out
    assert seconds < 2 * SOON, "pytest itself takes a second or two"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGKILL], ids=lambda one: one.name)
def test_a_check_ends_with_its_parent(number: signal.Signals, tmp_path: Path) -> None:
    code, out, seconds, left = ended("check", number, 5.0, tmp_path)
    assert (code, out, left) == (-number, "", [])
    assert seconds < SOON


@pytest.mark.parametrize("words", [LONG, ["explain", *LONG]], ids=["check", "explain"])
def test_a_check_has_its_time(words: list[str]) -> None:
    made = subprocess.run(
        [sys.executable, "-m", "gradcheck", *words, "--timeout", "2"], capture_output=True, text=True, check=False,
        timeout=60,
    )  # fmt: skip
    assert (made.returncode, made.stdout) in ((Exit.FAIL, ""), (Exit.USAGE, ""))
    assert "ran out of time after 2 s" in made.stderr or "too large to be explained" in made.stderr


def test_what_kills_a_check_is_told() -> None:
    script = (
        "import sys, os, signal, gradcheck.__main__ as main\n"
        "main.run = lambda argv: os.kill(os.getpid(), signal.SIGSEGV)\n"
        "sys.argv = ['gradcheck', 'x']\nmain.main()\n"
    )
    made = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=60)
    assert (made.returncode, made.stderr) == (Exit.FAIL, "gradcheck: the check was killed (SIGSEGV)\n")


def test_memory_that_is_not_there_is_no_fault_of_gradcheck() -> None:
    script = (
        "import sys, gradcheck.__main__ as main\n"
        "def much(argv): return bytearray(8*2**30)\n"
        "main._dispatch = much\nsys.argv = ['gradcheck', 'x']\nmain.main()\n"
    )
    made = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=60)
    assert (made.returncode, made.stderr) == (Exit.FAIL, "gradcheck: ran out of memory (limit 4 GiB)\n")


# --- results ------------------------------------------------------------------------------------------------------


def test_a_result_or_an_error_comes_back() -> None:
    assert result_apart(lambda: {"a": [1, 2]}, 10.0, 2**30) == {"a": [1, 2]}

    def refuse() -> None:
        raise PointProblem("bad", hint="take another")

    with pytest.raises(PointProblem, match="bad\ntake another"):
        result_apart(refuse, 10.0, 2**30)


def test_what_takes_too_long_or_too_much_or_dies_is_told() -> None:
    with pytest.raises(TimeoutError):
        result_apart(lambda: time.sleep(60), 0.2, 2**30)
    with pytest.raises(MemoryError):
        result_apart(lambda: len(bytearray(2**34)), 10.0, 2**30)
    with pytest.raises(ChildProcessError):
        result_apart(lambda: os._exit(0), 10.0, 2**30)
