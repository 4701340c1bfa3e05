"""What stands in the cells of tables: verdicts, values, the width of an enclosure, and the line for rows cut off."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from decimal import MAX_EMAX, MIN_EMIN, Context

from rich.text import Text

from gradcheck.errors import plural
from gradcheck.formats import FORMATS, Ball
from gradcheck.judgements import Judgements
from gradcheck.outcome import Outcome
from gradcheck.report.layers import judged
from gradcheck.report.places import ulp_text
from gradcheck.report.tones import STYLES
from gradcheck.verdict import Verdict, counted

SHOWN_ROWS = 12
"""Rows of one table; more are cut to the worst ones, unless everything is asked for."""
MANY_DIGITS = Context(prec=60, Emin=MIN_EMIN, Emax=MAX_EMAX)
"""Enough to subtract the ends of an enclosure of the first working precision."""


def verdict_cell(verdict: Verdict) -> Text:
    """Return a verdict with its sign, in its colour."""
    return Text(verdict.signed, style=STYLES[verdict])


def value_cell(outcome: Outcome, digits: int | None) -> Text:
    """Return the output of a program of numbers."""
    if outcome.value is None:
        return Text()
    return judged(FORMATS[outcome.dtype].text(outcome.value.values.item(0), digits), outcome.value.judgements)


def radius(ball: Ball | None) -> str:
    """Return half the width of an enclosure."""
    if ball is None or ball.exact:
        return "-" if ball is None else "0"
    lower, upper = (MANY_DIGITS.create_decimal(text) for text in ball.decimals(MANY_DIGITS.prec))
    return f"{MANY_DIGITS.divide(MANY_DIGITS.subtract(upper, lower), 2):.1e}"


def cut(hidden: Sequence[Judgements], what: str) -> Text:
    """Return the line that stands for the rows not shown."""
    count = sum(map(len, hidden))
    return Text(f"above: the worst; {plural(count, what)} not shown: {within(hidden)} (--all shows them)", style="dim")


def within(found: Sequence[Judgements]) -> str:
    """Return how many elements have which verdict, and the largest error.

    >>> from gradcheck import check
    >>> within([check("x**2", 3).gradients["x"].judgements])
    '1 agree, within 0 ULP'
    """
    worst = max((one.worst_ulps for one in found if one.worst_ulps is not None), default=None)
    counts = counted(sum((one.counts() for one in found), Counter()))
    return f"{counts}, within {ulp_text(worst)} ULP" if worst is not None else counts
