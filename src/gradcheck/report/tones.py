"""The colours of a terminal that verdicts have."""

from __future__ import annotations

from gradcheck.verdict import Tone, Verdict

COLORS = {Tone.GOOD: "green", Tone.ASIDE: "cyan", Tone.DOUBT: "yellow", Tone.BAD: "bold red"}
STYLES = {verdict: COLORS[verdict.row.tone] for verdict in Verdict}
