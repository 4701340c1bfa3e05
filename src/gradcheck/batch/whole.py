"""Files that are either whole or not there."""

from __future__ import annotations

import os
from pathlib import Path


def write_whole(path: Path, text: str) -> None:
    """Write a text file in one step, so that nobody ever reads half of it; raises OSError."""
    path = Path(os.path.realpath(path))  # a link stays, and its target is written
    if path.exists() and not path.is_file():  # a pipe or a device is written as it is
        path.write_text(text, "utf-8")
        return
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        unfinished.write_text(text, "utf-8")
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)
