"""Which checks failed in the last run: a small file in the working directory.

A pull request may have made the folder or the file: links and pipes are left alone, and what is left out is counted.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from gradcheck.errors import GradcheckError
from gradcheck.suite import Batch, Check
from gradcheck.tree import read_plain, refuse_link
from gradcheck.whole import write_whole

CACHE = ".gradcheck_cache"
FILE = "lastfailed.json"
MAX_BYTES = 64 * 2**20


def last_failed(checks: Sequence[Check], directory: Path | None = None) -> list[Check]:
    """Return the checks that failed when they last ran; all of them where none did, or nobody knows."""
    failed = _read((directory or Path()) / CACHE / FILE)
    return [check for check in checks if check.id in failed] or list(checks)


def write_last_failed(batch: Batch, directory: Path | None = None) -> None:
    """Note which checks of a batch failed; what it did not run stays as it was. A cache that cannot be, is not."""
    folder = (directory or Path()) / CACHE
    ran = {result.check.id for result in batch}
    failed = (_read(folder / FILE) - ran) | {result.check.id for result in batch.failures}
    with suppress(OSError, GradcheckError):
        refuse_link(folder, folder.parent)
        folder.mkdir(exist_ok=True)
        _write(folder / ".gitignore", "*\n")
        _write(folder / FILE, json.dumps({"failed": sorted(failed)}, indent=1))


def _write(path: Path, text: str) -> None:
    """Write a file of the cache, unless a link stands there, or anything else that is no plain file."""
    refuse_link(path, path.parent)
    if path.is_file() or not path.exists():
        write_whole(path, lambda file: file.writelines([text]))


def _read(path: Path) -> set[str]:
    """Return the ids in a file, none where it is not there, broken, or no plain file of the folder."""
    try:
        refuse_link(path, path.parent.parent)
        found = json.loads(read_plain(path, MAX_BYTES, "the list of failures"))
        return {one for one in found["failed"] if isinstance(one, str)}
    except (OSError, GradcheckError, ValueError, TypeError, KeyError, RecursionError):
        return set()
