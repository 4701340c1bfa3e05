"""Start-up: whole commands beside a bare import of the largest library that they cannot do without."""

from __future__ import annotations

import compileall
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import gradcheck
from rows.row import Row, by_turns

POLYNOMIAL = "2*x**4+x**3+3*x**2+5*x+1"

COMMANDS: tuple[tuple[str, str, int, float, tuple[str, ...]], ...] = (
    ("the whole command, polynomial", "torch", 0, 1.0, (POLYNOMIAL, "--at", "2")),
    ("gradcheck --help", "typer", 0, 1.5, ("--help",)),
    ("gradcheck --version", "typer", 0, 1.5, ("--version",)),
    ("gradcheck functions", "typer", 0, 1.5, ("functions",)),
    ("a parse error", "typer", 2, 1.5, ("2x", "--at", "1")),
    ("an unknown function", "typer", 2, 1.5, ("tanhh(x)", "--at", "1")),
)
"""What is run, the library beside it, its exit code, the target, and its words."""


def rows() -> Iterator[Row]:
    # An installed package has its byte code beside it, as the libraries here have theirs; a checkout may have none.
    compileall.compile_dir(Path(gradcheck.__file__).parent, quiet=1)
    for name, library, code, target, words in COMMANDS:
        yield by_turns(
            name, partial(command, "-m", "gradcheck", *words, code=code),
            f'python -c "import {library}"', partial(command, "-c", f"import {library}"), target=target,
        )  # fmt: skip


def command(*arguments: str, code: int = 0) -> float:
    """Return the seconds of one command of Python's, from its start to its end."""
    start = time.perf_counter()
    done = subprocess.run([sys.executable, *arguments], capture_output=True, check=False, text=True)
    seconds = time.perf_counter() - start
    if done.returncode != code:
        raise SystemExit(f"python {' '.join(arguments)} ended with {done.returncode}:\n{done.stderr}")
    return seconds
