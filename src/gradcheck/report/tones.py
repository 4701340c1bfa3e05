"""The colours of a terminal that verdicts have, how wide a file is, and how a part of a report is put on a console."""

from __future__ import annotations

from collections.abc import Callable
from io import StringIO
from typing import IO

from rich.console import Console
from rich.text import Text

from gradcheck.report import View
from gradcheck.verdict import Tone, Verdict

COLORS = {Tone.GOOD: "green", Tone.ASIDE: "cyan", Tone.DOUBT: "yellow", Tone.BAD: "bold red"}
STYLES = {verdict: COLORS[verdict.tone] for verdict in Verdict}
FILE_WIDTH = 120
"""Columns where the output is no terminal."""


def console(file: IO[str], view: View | None = None, width: int | None = None, *, record: bool = False) -> Console:
    """Return a console that writes to a file, coloured as the view says, and to no notebook that Python runs in."""
    color = None if view is None else view.color
    return Console(
        file=file, force_terminal=color, no_color=True if color is False else None, highlight=False, width=width,
        record=record, force_jupyter=False,
    )  # fmt: skip


def printed(show: Callable[[Console], None], file: IO[str], view: View, width: int = FILE_WIDTH) -> None:
    """Write what is shown on a console, as wide as the terminal is; where there is none, without trailing blanks."""
    if file.isatty():
        show(console(file, view, view.width))
        return
    text = StringIO()
    show(console(text, view, view.width or width))
    file.writelines(f"{line.rstrip()}\n" for line in text.getvalue().splitlines())


def put(console: Console, part: object, *, whole: bool = False) -> None:
    """Print a part of a report; a line to be pasted, or any where they stay ``whole``, is not broken."""
    console.print(part, soft_wrap=whole or (isinstance(part, Text) and bool(part.no_wrap)))
