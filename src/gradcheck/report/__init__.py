"""The reports: one file a format, chosen from a dict, all of the same finished run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from gradcheck.outcome import Run


@dataclass(frozen=True, slots=True)
class View:
    """How much to show, and how; ``color`` None leaves it to the terminal, ``width`` None to its size.

    ``terms`` say what of the run was not said on the command line, for its summary.
    """

    everything: bool = False
    quiet: bool = False
    verbose: int = 0
    color: bool | None = None
    width: int | None = None
    terms: tuple[str, ...] = ()


def _table(run: Run, file: IO[str], view: View) -> None:
    from gradcheck.report import table

    table.write(run, file, view)


def _json(run: Run, file: IO[str], view: View) -> None:
    from gradcheck.report import json

    json.write(run, file, view)


REPORTERS: dict[str, Callable[[Run, IO[str], View], None]] = {"table": _table, "json": _json}
"""The reporter of each format; the libraries that it needs are loaded when it runs."""
