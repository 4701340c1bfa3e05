"""What the check says of a point, as a text: the very words that it prints in a terminal."""

from __future__ import annotations

from io import StringIO

from rich.console import Console

from gradcheck.errors import visible
from gradcheck.outcome import Run
from gradcheck.report import View
from gradcheck.report.told import notes

WIDTH = 80
"""Columns of the text."""


def story(run: Run) -> str:
    """Return the story of a run."""
    file = StringIO()
    console = Console(file=file, no_color=True, highlight=False, width=WIDTH)
    for part in notes(run, View(width=WIDTH)):
        console.print(part)
    return "\n".join(visible(line.rstrip()) for line in file.getvalue().rstrip().splitlines())
