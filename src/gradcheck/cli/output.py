"""Reports on their way out: to standard output, and to files that are either whole or not there."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO

from gradcheck.cli.options import Color, Format
from gradcheck.errors import FileProblem, UsageProblem
from gradcheck.streams import COMMANDS, JSON, TEXT, XML, taking
from gradcheck.tree import refuse_link

Writer = Callable[[IO[str]], None]

FORMS = {
    **dict.fromkeys(("json", "jsonl", "gitlab", "sarif"), JSON), **dict.fromkeys(("junit", "html"), XML),
    "github": COMMANDS,
}  # fmt: skip
"""How the formats that programs read are written to a stream; all others are text."""


def deliver(write: Writer, output: Path | None, form: str, color: Color = Color.AUTO) -> None:
    """Write a report of some format to a file, or to standard output where none is named."""
    if output is not None:
        write_file(output, write)
        return
    try:
        with taking(FORMS.get(form, TEXT), coloured=color is Color.ALWAYS):
            write(sys.stdout)
            sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read the output has seen enough; the exit code is that of the run all the same.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def write_file(path: Path, write: Writer) -> None:
    """Write a file so that it is either whole or not there; raises FileProblem, as for a link of the checked tree."""
    from gradcheck.whole import write_whole

    try:
        refuse_link(path)
        write_whole(path, write)
    except OSError as problem:
        raise FileProblem(f"cannot write {path}: {problem.strerror or problem}") from None


def extra_reports(texts: Sequence[str]) -> list[tuple[Format, Path]]:
    """Return the further reports of ``--report FORMAT=FILE``; raises UsageProblem.

    >>> extra_reports(["junit=out/report.xml"])
    [(<Format.JUNIT: 'junit'>, PosixPath('out/report.xml'))]
    """
    found = []
    for text in texts:
        word, equals, file = text.partition("=")
        if word not in list(Format):
            from gradcheck.functions import nearest

            closest = nearest(word, list(Format))
            raise UsageProblem(
                f"--report names no format: {word!r}",
                hint=f"did you mean `{closest}`?" if closest else f"choose from {', '.join(Format)}",
            )
        if not equals or not file:
            raise UsageProblem(f"--report {text} names no file", hint=f"write --report {word}=FILE")
        found.append((Format(word), Path(file)))
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
    if not os.access(path.parent, os.W_OK):
        return "Permission denied" if path.parent.exists() else "No such file or directory"
    return "it is a directory" if path.is_dir() else None
