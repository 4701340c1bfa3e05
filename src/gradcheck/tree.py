"""The checked tree, which a pull request may have made: its links are not followed, and only plain files are read."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from gradcheck.errors import FileProblem, LimitProblem

MAX_LINKS = 40
"""Links on the way to one file; Linux follows as many."""


def root(directory: Path) -> Path:
    """Return the root of the repository that holds a directory, or the directory itself where none does."""
    found = directory.absolute()
    return next((place for place in (found, *found.parents) if (place / ".git").exists()), found)


def link_on_the_way(path: str | Path, tree: str | Path) -> Path | None:
    """Return the first symbolic link on the way to a path that lies in a tree; None where there is none.

    Links outside are those of whoever runs the command, such as ``/tmp`` on some machines: they are followed, and what
    lies behind them is looked at in turn.

    >>> import tempfile
    >>> place = Path(tempfile.mkdtemp()).resolve()
    >>> link_on_the_way(place / "a.toml", place)
    """
    real = Path(os.path.realpath(tree))
    for _ in range(MAX_LINKS):
        found = _first_link(Path(path))
        if found is None:
            return None
        if Path(os.path.realpath(found.parent)).is_relative_to(real):
            return found
        rest = Path(path).relative_to(found)
        path = found.parent / os.readlink(found) / rest
    return Path(path)


def _first_link(path: Path) -> Path | None:
    return next((one for one in (*reversed(path.parents), path) if os.path.islink(one)), None)


def refuse_link(path: str | Path, tree: str | Path | None = None) -> None:
    """Raise FileProblem where a link of the checked tree, that of the working directory, lies on the way to a path."""
    found = link_on_the_way(path, root(Path.cwd()) if tree is None else tree)
    if found is not None:
        what = "this is a symbolic link" if found == Path(path) else f"{found} is a symbolic link"
        raise FileProblem(f"{what} of the checked tree, and those are not followed", hint="name the file itself")


def read_plain(path: str | Path, most: int, what: str) -> bytes:
    """Return the bytes of a plain file; a pipe or a device is neither waited for nor read, nor what is too large.

    ``what`` says in messages what the file is to be. Raises FileProblem, LimitProblem and OSError.

    >>> import tempfile
    >>> with tempfile.NamedTemporaryFile() as file:
    ...     _ = file.write(b"x**2"), file.flush()
    ...     read_plain(file.name, 100, "an expression file")
    b'x**2'
    """
    _check_plain(os.stat(path), most, what)
    with open(path, "rb", opener=_without_waiting) as file:
        _check_plain(os.fstat(file.fileno()), most, what)
        found = file.read(most + 1)
    if len(found) > most:  # it grew
        raise LimitProblem(f"{what} has at most {most:,} bytes")
    return found


def _check_plain(status: os.stat_result, most: int, what: str) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise FileProblem("not a plain file")
    if status.st_size > most:
        raise LimitProblem(f"{what} has at most {most:,} bytes; this one has {status.st_size:,}")


def _without_waiting(name: str, flags: int) -> int:
    return os.open(name, flags | getattr(os, "O_NONBLOCK", 0))
