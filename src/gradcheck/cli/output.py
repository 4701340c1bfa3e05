"""Reports on their way out: to standard output, and to files that are either whole or not there."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO

from gradcheck.cli.options import Color
from gradcheck.errors import FileProblem, UsageProblem
from gradcheck.report.reporters import REPORTERS, RESULTS, by_suffix, known
from gradcheck.streams import taking
from gradcheck.tree import refuse_link

Writer = Callable[[IO[str]], None]


def chosen(word: str | None, output: Path | None, usual: str, what: str = RESULTS) -> str:
    """Return the format that is asked for: by its name, by the suffix of the file, or else the usual one.

    Raises UsageProblem for a name, and without one for a suffix, that no format has.
    """
    if word is not None:
        return known(word, what)
    return usual if output is None else by_suffix(output, what) or usual


def deliver(write: Writer, output: Path | None, form: str, color: Color = Color.AUTO) -> None:
    """Write a report of some format to a file, or to standard output where none is named."""
    if output is not None:
        write_file(output, write)
        return
    try:
        with taking(REPORTERS[form].form, coloured=color is Color.ALWAYS):
            write(sys.stdout)
            sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read the output has seen enough; the exit code is that of the run all the same.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as problem:
        raise FileProblem(f"cannot write the report: {problem.strerror or problem}") from None


def write_file(path: Path, write: Writer) -> None:
    """Write a file so that it is either whole or not there; raises FileProblem, as for a link of the checked tree."""
    from gradcheck.whole import write_whole

    try:
        refuse_link(path)
        write_whole(path, write)
    except OSError as problem:
        raise FileProblem(f"cannot write {path}: {problem.strerror or problem}") from None


def extra_reports(texts: Sequence[str]) -> list[tuple[str, Path]]:
    """Return the further reports of ``--report FORMAT=FILE``; raises UsageProblem.

    >>> extra_reports(["junit=out/report.xml"])
    [('junit', PosixPath('out/report.xml'))]
    """
    found = []
    for text in texts:
        word, equals, file = text.partition("=")
        known(word, RESULTS)
        if not equals or not file:
            raise UsageProblem(f"--report {text} names no file", hint=f"write --report {word}=FILE")
        found.append((word, Path(file)))
    return found


def check_writable(paths: Sequence[Path | None]) -> None:
    """Raise FileProblem for a file that cannot be written, before the work begins."""
    named = [path for path in paths if path is not None]
    for path in named:
        reason = _unwritable(path)
        if reason is not None:
            raise FileProblem(f"cannot write {path}: {reason}")
    real = [os.path.realpath(path) for path in named]
    twice = next((path for path in real if real.count(path) > 1), None)
    if twice is not None:
        raise UsageProblem(f"two reports go to the same file: {twice}")


def _unwritable(path: Path) -> str | None:
    """Return why a file cannot be written, as far as that can be seen."""
    if "\0" in str(path):
        return "no file has such a name"
    try:
        refuse_link(path)
    except FileProblem as problem:
        return str(problem)
    if path.is_dir():
        return "it is a directory"
    try:
        apart = path.exists() and not path.is_file()  # a device or a pipe is written as it is
        held = path if apart else Path(os.path.realpath(path)).parent
        if not os.access(held, os.W_OK):
            return "Permission denied" if held.exists() else "No such file or directory"
    except OSError as problem:  # a part of the path is too long, or may not be looked into
        return problem.strerror
    return None
