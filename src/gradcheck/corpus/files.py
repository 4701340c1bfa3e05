"""Which files are meant, and their text: directories are walked, patterns matched, and only plain files read."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from gradcheck.corpus.limits import MAX_FILE_BYTES, MAX_FILES
from gradcheck.errors import FileProblem, GradcheckError, LimitProblem
from gradcheck.suite import Problem
from gradcheck.tree import read_plain, refuse_link, root

STDIN = "-"
WHAT = "an expression file"
SUFFIXES = (".toml", ".txt")
_MAGIC = frozenset("*?[")


def find(paths: Sequence[str | Path], problems: list[Problem]) -> Iterator[tuple[str, bool]]:
    """Yield every file that the paths mean, each real file once, and whether the user named it.

    What is not there or matches nothing is added to the problems.
    """
    seen: set[tuple[int, int] | str] = set()
    tree = root(Path.cwd())
    for path in map(str, paths):
        try:
            for name, searched in _meant(path):
                refused = _link(name, tree, searched)
                if refused is not None:
                    problems.append(Problem(refused, name))
                elif identity(name) not in seen:
                    seen.add(identity(name))
                    _limit(len(seen))
                    yield name, searched is None
        except GradcheckError as error:
            problems.append(Problem(str(error), path))


def _link(name: str, tree: Path, searched: str | None) -> str | None:
    """Return what is said of a link in the checked tree, or in the directory that is searched; None for no link."""
    try:
        refuse_link(name, tree)
        if searched is not None:
            refuse_link(name, searched)
    except FileProblem as problem:
        return str(problem)
    return None


def _limit(count: int) -> None:
    if count > MAX_FILES:
        raise LimitProblem(f"more than {MAX_FILES:,} files (the limit MAX_FILES)")


def _meant(path: str) -> Iterator[tuple[str, str | None]]:
    """Yield each file with the directory that it was found in, None where the user named it."""
    if path == STDIN:
        yield path, None
    elif "\0" in path:
        raise FileProblem("no such file or directory")
    elif os.path.isdir(path):
        yield from ((name, path) for name in _walk(path))
    elif os.path.lexists(path):
        yield path, None
    elif _MAGIC & set(path):
        yield from _matched(path)
    else:
        raise FileProblem("no such file or directory")


def identity(name: str) -> tuple[int, int] | str:
    """Return what tells a file from all others, by whatever path it is named."""
    try:
        status = os.stat(name)
    except OSError:
        return name
    return (status.st_dev, status.st_ino) if name != STDIN else name


def _walk(top: str) -> Iterator[str]:
    """Yield the expression files below a directory in order; links to directories are not followed."""
    found = False
    for directory, directories, names in os.walk(top):
        directories[:] = sorted(name for name in directories if not name.startswith("."))
        for name in sorted(names):
            if name.endswith(SUFFIXES) and not name.startswith("."):
                found = True
                yield os.path.join(directory, name)
    if not found:
        raise FileProblem("no .toml or .txt file in this directory")


def _matched(pattern: str) -> Iterator[tuple[str, str]]:
    """Yield the files that a pattern matches; ``**`` is any number of directories."""
    parts = Path(pattern).parts
    fixed = next(k for k, part in enumerate(parts) if _MAGIC & set(part))
    above = Path(*parts[:fixed])
    try:
        found = sorted(path for path in above.glob(str(Path(*parts[fixed:]))) if not _hidden(path.relative_to(above)))
    except (ValueError, OSError):
        hint = "** stands alone between slashes, as in expressions/**/*.toml"
        raise FileProblem("this is no pattern", hint=hint) from None
    files = [str(path) for path in found if not path.is_dir()]
    if not files:
        raise FileProblem("no file matches")
    yield from ((name, str(above)) for name in files)


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def read(name: str) -> str:
    """Return the text of a file, or of standard input; raises FileProblem or LimitProblem."""
    raw = _standard_input() if name == STDIN else _plain_file(name)
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise FileProblem(f"not UTF-8 text: line {line} holds the byte 0x{raw[error.start]:02x}") from None
    return text.replace("\r\n", "\n")


def _standard_input() -> bytes:
    binary = getattr(sys.stdin, "buffer", None)
    raw = bytes(binary.read(MAX_FILE_BYTES + 1)) if binary else sys.stdin.read(MAX_FILE_BYTES + 1).encode()
    if len(raw) > MAX_FILE_BYTES:
        raise LimitProblem(f"{WHAT} has at most {MAX_FILE_BYTES:,} bytes")
    return raw


def _plain_file(name: str) -> bytes:
    try:
        return read_plain(name, MAX_FILE_BYTES, WHAT)
    except OSError as error:
        raise FileProblem((error.strerror or "input/output error").lower()) from None
