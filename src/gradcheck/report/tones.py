"""The colours of a terminal that verdicts have, and how wide a file is."""

from __future__ import annotations

from gradcheck.verdict import Tone, Verdict

COLORS = {Tone.GOOD: "green", Tone.ASIDE: "cyan", Tone.DOUBT: "yellow", Tone.BAD: "bold red"}
STYLES = {verdict: COLORS[verdict.tone] for verdict in Verdict}
FILE_WIDTH = 120
"""Columns where the output is no terminal."""
