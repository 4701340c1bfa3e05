"""Options that several commands share, and what they turn into."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from math import inf
from pathlib import Path
from typing import Annotated

import typer

from gradcheck.errors import UsageProblem
from gradcheck.report import View
from gradcheck.verdict import Verdict

# Help is plain text: that is twice as quick as panels, reads the same in a log, and wraps at any width.
APP = {"add_completion": False, "pretty_exceptions_enable": False, "rich_markup_mode": None}
CONTEXT = {"help_option_names": ["-h", "--help"]}


class Color(StrEnum):
    """When a report is coloured."""

    AUTO = "auto"
    ALWAYS = "always"
    NEVER = "never"


SHADES = {Color.AUTO: None, Color.ALWAYS: True, Color.NEVER: False}

At = Annotated[list[str] | None, typer.Option(
    metavar="POINT", help='Where: 2  1,2,3  x=1,y=2  "x=[[1,2],[3,4]]"  x=-2:2:9  "x=randn(2,3)"  x=@file.npy',
    show_default=False)]  # fmt: skip
Dtype = Annotated[str, typer.Option(metavar="DTYPE,...", help="float64, float32, bfloat16, float16, or several.")]
Device = Annotated[str, typer.Option(metavar="DEVICE", help="Where torch runs.")]
Ulps = Annotated[float | None, typer.Option(
    metavar="N", help="Tolerance in ULP of the dtype; 16, in the half types 2.", show_default=False)]  # fmt: skip
Seed = Annotated[int, typer.Option(metavar="N", help="Seed of randn and rand.")]
Assertion = Annotated[bool, typer.Option(
    "--assert/--no-assert",
    help="Fail on whatever is not shown to be right: "
    f"{', '.join(sorted(verdict for verdict in Verdict if verdict.unproven))}.")]  # fmt: skip
Allow = Annotated[list[str] | None, typer.Option(
    metavar="VERDICT,...", help="Let these verdicts pass.", show_default=False)]  # fmt: skip
ExitZero = Annotated[bool, typer.Option("--exit-zero/--no-exit-zero", help="Exit with 0 even where something fails.")]
Nondet = Annotated[int, typer.Option(metavar="N", min=0, help="Run torch N more times, and report what differs.")]
Timeout = Annotated[float, typer.Option(
    "--timeout", metavar="SECONDS", help="How long one check may take; 0 is no limit.")]  # fmt: skip
Output = Annotated[Path | None, typer.Option(
    "--output", "-o", metavar="FILE", help="Write there; the suffix says in which format.",
    show_default=False)]  # fmt: skip
Reports = Annotated[list[str] | None, typer.Option(
    "--report", metavar="FORMAT=FILE", help="Write one more report: junit=report.xml.",
    show_default=False)]  # fmt: skip
Shade = Annotated[Color, typer.Option(help="When to colour.")]
Everything = Annotated[bool, typer.Option("--all/--no-all", help="Show every point and element, not only the worst.")]
Quiet = Annotated[bool, typer.Option("--quiet/--no-quiet", "-q", help="Only what fails, and the summary.")]
Verbose = Annotated[int, typer.Option(
    "--verbose", "-v", count=True, metavar="", help="More: enclosures, and the gradient program.",
    show_default=False)]  # fmt: skip


def listed(texts: Sequence[str]) -> tuple[str, ...]:
    """Return the words of comma-separated, repeatable options, each once."""
    words = [word.strip() for text in texts for word in text.split(",")]
    return tuple(dict.fromkeys(word for word in words if word))


def seconds(timeout: float) -> float | None:
    """Return how long a check may take, None for no limit; raises UsageProblem."""
    if not 0 <= timeout < inf:
        raise UsageProblem(f"a time-out is a number of seconds from 0, not {timeout}")
    return timeout or None


def view(
    color: Color, *, everything: bool = False, quiet: bool = False, verbose: int = 0, terms: tuple[str, ...] = ()
) -> View:
    """Return how much to show, and how."""
    return View(everything=everything, quiet=quiet, verbose=verbose, color=SHADES[color], terms=terms)
