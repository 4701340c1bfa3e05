"""A folder of this process's own for what compilers write: it goes when the process does, however that ends."""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
from functools import cache
from pathlib import Path


def scratch() -> Path:
    """Return the folder, which is made where it is not there."""
    return _made(os.getpid())


@cache
def _made(process: int) -> Path:
    path = _path(process)
    shutil.rmtree(path, ignore_errors=True)  # that of an older process with this number
    path.mkdir(mode=0o700)
    atexit.register(remove, process)
    return path


def remove(process: int) -> None:
    """Remove the folder of a process that is over, if it had one."""
    path = _path(process)
    if path.exists():
        shutil.rmtree(path, ignore_errors=True)


def _path(process: int) -> Path:
    return Path(tempfile.gettempdir()) / f"gradcheck-{os.getuid() if hasattr(os, 'getuid') else 0}-{process}"
