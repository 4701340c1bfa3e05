"""Which checks failed in the last run: a small file in the working directory."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from gradcheck.suite import Batch, Check
from gradcheck.whole import write_whole

CACHE = ".gradcheck_cache"
FILE = "lastfailed.json"


def last_failed(checks: Sequence[Check], directory: Path | None = None) -> list[Check]:
    """Return the checks that failed when they last ran; all of them where none did, or nobody knows."""
    failed = _read((directory or Path()) / CACHE / FILE)
    return [check for check in checks if check.id in failed] or list(checks)


def write_last_failed(batch: Batch, directory: Path | None = None) -> None:
    """Note which checks of a batch failed; what it did not run stays as it was. A cache that cannot be, is not."""
    folder = (directory or Path()) / CACHE
    ran = {result.check.id for result in batch}
    failed = (_read(folder / FILE) - ran) | {result.check.id for result in batch.failures}
    with suppress(OSError):
        folder.mkdir(exist_ok=True)
        (folder / ".gitignore").write_text("*\n", "utf-8")
        write_whole(folder / FILE, lambda file: json.dump({"failed": sorted(failed)}, file, indent=1))


def _read(path: Path) -> set[str]:
    """Return the ids in a file, none where it is not there or broken."""
    try:
        return {one for one in json.loads(path.read_text("utf-8"))["failed"] if isinstance(one, str)}
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return set()
