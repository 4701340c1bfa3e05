"""The formats of a batch: the results of many checks, or of one."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import IO, TYPE_CHECKING

from gradcheck.report import View

if TYPE_CHECKING:
    from gradcheck.suite import Batch

    Reporter = Callable[[Batch, IO[str], View], None]


def _reporter(module: str, function: str = "write") -> Reporter:
    """Return a reporter whose libraries are loaded when it runs."""

    def report(batch: Batch, file: IO[str], view: View) -> None:
        getattr(import_module(f"gradcheck.report.{module}"), function)(batch, file, view)

    return report


BATCH_REPORTERS: dict[str, Reporter] = {
    "table": _reporter("batch"),
    "concise": _reporter("concise"),
    "json": _reporter("batch_json"),
    "jsonl": _reporter("batch_json", "write_lines"),
    "junit": _reporter("junit"),
    "github": _reporter("github", "report"),
    "gitlab": _reporter("gitlab"),
    "sarif": _reporter("sarif"),
    "markdown": _reporter("markdown"),
}
"""The reporter of each format."""
