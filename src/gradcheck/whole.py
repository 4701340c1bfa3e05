"""Files that are either whole or not there."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import IO


def write_whole(path: Path, write: Callable[[IO[str]], None]) -> None:
    """Write a text file in one step, so that nobody ever reads half of it; raises OSError.

    A link stays and its target is written; a pipe or a device is written as it is.

    >>> path = Path(tempfile.mkdtemp()) / "report.txt"
    >>> write_whole(path, lambda file: file.writelines(["whole"]))
    >>> path.read_text()
    'whole'
    """
    path = Path(os.path.realpath(path))
    if path.exists() and not path.is_file():
        with path.open("w", encoding="utf-8") as device:
            write(device)
        return
    with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False, encoding="utf-8") as file:
        try:
            write(file)
            file.flush()
        except BaseException:
            os.unlink(file.name)
            raise
    os.chmod(file.name, 0o666 & ~_umask())
    os.replace(file.name, path)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
