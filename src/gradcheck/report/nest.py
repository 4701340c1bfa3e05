"""The table of functions in all ways: a sign for each way, the worst finding beside it, and the summary."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import IO, TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from gradcheck.errors import plural
from gradcheck.exits import Exit
from gradcheck.report import View
from gradcheck.report.grids import grid
from gradcheck.report.tones import COLORS, STYLES, printed, put
from gradcheck.verdict import Tone, Verdict, counted

if TYPE_CHECKING:
    from gradcheck.nest import Finding, Nest, Row

MAX_SAID = 48
"""Characters of what torch says where it refuses."""


def write(nest: Nest, file: IO[str], view: View) -> None:
    """Write the table of all functions, of those alone that are wrong where the view is quiet, and the summary."""
    printed(lambda console: _show(nest, console, view), file, view)


def _show(nest: Nest, console: Console, view: View) -> None:
    rows = [row for row in nest.rows if row.wrong or row.refused or not view.quiet]
    if rows:
        for part in _table(nest, rows):
            put(console, part)
        put(console, Text())
    for part in _summary(nest):
        put(console, part)


def _table(nest: Nest, rows: Iterable[Row]) -> Iterator[Table | Text]:
    """Yield the table: ways of one order share a column, since what is wrong in one often is in all."""
    table = grid()
    orders = nest.orders
    for name in ("function", *(f"order {order}" for order in orders), "worst"):
        table.add_column(name, overflow="fold")
    for row in rows:
        cells = [_signs(row, ways) for ways in orders.values()]
        table.add_row(Text(row.function), *cells, _told(row))
    yield table
    yield Text("A sign for each way: " + "; ".join(_legend(order, ways) for order, ways in orders.items()), style="dim")


def _legend(order: int, ways: Iterable[str]) -> str:
    return f"order {order}: {', '.join(ways)}"


def _signs(row: Row, ways: Iterable[str]) -> Text:
    return Text.assemble(*(_sign(row.counts[way]) for way in ways))


def _sign(counts: Counter[Verdict]) -> tuple[str, str]:
    """Return the sign of the worst verdict of a way, a question mark where torch has no such derivative."""
    worst = max((one for one in counts if counts[one] and one is not Verdict.ERROR), default=Verdict.ERROR, key=_rank)
    if (counts[Verdict.ERROR] and worst.tone is not Tone.BAD) or worst is Verdict.ERROR:
        return "?", COLORS[Tone.BAD]
    return worst.tone.sign, STYLES[worst]


def _rank(verdict: Verdict) -> int:
    return verdict.severity


def _told(row: Row) -> Text:
    """Return the worst of a function: the way, the point and both numbers."""
    return Text() if row.worst is None else Text(worst_text(row.worst))


def worst_text(one: Finding) -> str:
    """Return a finding in one line.

    >>> from gradcheck.nest import Finding
    >>> worst_text(Finding("rev-rev", "x=0", Verdict.DISAGREE, "x x", "nan", "-3.29"))
    'rev-rev at x=0: torch nan, right -3.29'
    """
    at = f"{one.program} at {one.point}" if one.program else one.point
    if one.refused is not None:
        return f"{one.way} at {at}: {one.refused[:MAX_SAID]}{'...' * (len(one.refused) > MAX_SAID)}"
    by = "" if len(set(one.by.split())) < 2 else f" by {one.by.replace(' ', ', ')}"
    return f"{one.way}{by} at {at}: torch {one.torch}, right {one.exact}"


def _summary(nest: Nest) -> Iterator[Text]:
    if nest.exit is Exit.NOTHING:
        yield Text("nothing was tried", style=COLORS[Tone.BAD])
        return
    wrong = [row for row in nest.rows if row.wrong]
    refused = [row for row in nest.rows if row.refused]
    counts = sum((sum(row.counts.values(), Counter()) for row in nest.rows), Counter[Verdict]())
    parts = [
        plural(len(nest.rows), "function"),
        f"{plural(len(nest.ways), 'way')}, up to order {max(nest.orders)}",
        *([f"{plural(len(wrong), 'function')} wrong"] if wrong else []),
        *([f"{len(refused)} refused"] if refused else []),
    ]
    parts += [] if wrong or refused else ["none wrong"]
    yield Text(" · ".join(parts), style=COLORS[Tone.GOOD if nest.exit is Exit.PASS else Tone.BAD])
    yield Text(
        f"{counted(counts)} · {nest.dtype} · torch {nest.environment['torch']} · {nest.seconds:.0f} s", style="dim"
    )
