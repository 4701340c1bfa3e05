"""What the check says of a point: the very words that it prints in a terminal."""

from __future__ import annotations

from io import StringIO
from typing import Any

from rich.text import Text

from gradcheck.outcome import Run
from gradcheck.report import View
from gradcheck.report.told import notes
from gradcheck.report.tones import console, put

WIDTH = 80
"""Columns of a story that is a text."""


def parts(run: Run, width: int) -> list[Any]:
    """Return what is printed of a run below its tables, without blank lines at the end."""
    made = list(notes(run, View(width=width)))
    while made and isinstance(made[-1], Text) and not made[-1].plain.strip():
        made.pop()
    return made


def story(run: Run) -> str:
    """Return the story of a run as a text."""
    file = StringIO()
    paper = console(file, View(color=False), WIDTH)
    for part in parts(run, WIDTH):
        put(paper, part)
    return "\n".join(line.rstrip() for line in file.getvalue().rstrip().splitlines())
