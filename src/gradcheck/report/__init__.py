"""The reports: one file a format, chosen from the rows of ``reporters``, all of the same finished results."""

from __future__ import annotations

from dataclasses import dataclass


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
