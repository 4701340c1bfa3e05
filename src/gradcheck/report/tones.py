"""The colours of a terminal that verdicts have, how wide a file is, and how a part of a report is put on a console."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from gradcheck.verdict import Tone, Verdict

COLORS = {Tone.GOOD: "green", Tone.ASIDE: "cyan", Tone.DOUBT: "yellow", Tone.BAD: "bold red"}
STYLES = {verdict: COLORS[verdict.tone] for verdict in Verdict}
FILE_WIDTH = 120
"""Columns where the output is no terminal."""


def put(console: Console, part: object, *, whole: bool = False) -> None:
    """Print a part of a report; a line to be pasted, or any where they stay ``whole``, is not broken."""
    console.print(part, soft_wrap=whole or (isinstance(part, Text) and bool(part.no_wrap)))
