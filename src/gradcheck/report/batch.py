"""The table of a batch: a line for each check that needs a look, the worst last, all about the failures, a summary."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from io import StringIO
from itertools import compress
from typing import IO

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from gradcheck.errors import visible
from gradcheck.report import View, table
from gradcheck.report.blame import MARGIN, block
from gradcheck.report.finding import Finding, again, findings, remarks
from gradcheck.report.places import ulp_text
from gradcheck.report.tones import COLORS, FILE_WIDTH, STYLES, put
from gradcheck.report.words import facts, number, problems
from gradcheck.suite import Batch
from gradcheck.verdict import Tone

SHOWN_CHECKS = 20
"""Lines of the table; more are cut to the worst ones, unless everything is asked for."""
SHOWN_FAILURES = 4
"""Failing checks of which all is shown that is known; of more, the worst ones."""
COLUMNS: dict[str, int] = {"check": 0, "verdict": 0, "ULP": 70, "where": 100, "cause": 50}
"""The columns, each with the width of the window from which on it is shown."""


def write(batch: Batch, file: IO[str], view: View) -> None:
    """Write the table of a batch, wide or narrow as the terminal is; where there is none, without trailing blanks.

    The one program of a command line has the table of its run.
    """
    if batch.alone is not None:
        table.write(batch.alone, file, replace(view, terms=batch.terms))
        return
    if file.isatty():
        _show(batch, _console(file, view, view.width), view)
        return
    text = StringIO()
    _show(batch, _console(text, view, view.width or FILE_WIDTH), view)
    file.writelines(f"{one.rstrip()}\n" for one in text.getvalue().splitlines())


def _console(file: IO[str], view: View, width: int | None) -> Console:
    no_color = True if view.color is False else None
    return Console(file=file, force_terminal=view.color, no_color=no_color, highlight=False, width=width)


def _show(batch: Batch, console: Console, view: View) -> None:
    for part in _lines(batch) if view.quiet else _body(batch, console.width, view):
        put(console, part, whole=view.quiet and not console.is_terminal)
    style = COLORS[Tone.BAD if batch.exit else Tone.GOOD]
    first, *rest = facts(batch)
    console.print(Text.assemble((first, style), *(f" · {one}" for one in rest)), soft_wrap=not console.is_terminal)


def _lines(batch: Batch) -> Iterator[Text]:
    """Yield one line for each check that fails, and for all that could not be checked."""
    for found in _ordered(batch, lambda one: not one.result.passed):
        message = f"{found.where}: {found.message}" if found.where else found.message
        yield Text.assemble(_label(found), f" {found.id}: {message}")
    yield from (Text(f"✗ {one.headline}", COLORS[Tone.BAD]) for one in problems(batch))


def _body(batch: Batch, width: int, view: View) -> Iterator[object]:
    rows = _ordered(batch, lambda one: bool(view.verbose) or not one.plain)
    if rows:
        yield from _table(rows, width, view)
    failures = [found for found in rows if not found.result.passed]
    shown = failures if view.everything else failures[-SHOWN_FAILURES:]
    for found in shown:
        yield from _failure(found)
    if len(shown) < len(failures):
        yield Text(f"{number(len(failures) - len(shown), 'failure')} without details (--all shows them)", "dim")
    for one in problems(batch):
        yield Text.assemble(("✗ ", COLORS[Tone.BAD]), one)
    yield from (Text(f"note: {visible(note)}", "dim") for note in batch.notes)


def _ordered(batch: Batch, wanted: Callable[[Finding], bool]) -> list[Finding]:
    """Return the findings of some checks, the worst last."""
    return sorted(filter(wanted, findings(batch)), key=lambda found: found.rank)


# --- the table ------------------------------------------------------------------------------------


def _table(rows: Sequence[Finding], width: int, view: View) -> Iterator[object]:
    shown = rows if view.everything else rows[-SHOWN_CHECKS:]
    kept = [width >= least for least in COLUMNS.values()]
    table = Table(box=SIMPLE_HEAD, pad_edge=False, header_style="bold", show_edge=False)
    for name in compress(COLUMNS, kept):
        table.add_column(name, overflow="fold", no_wrap=name in ("verdict", "ULP"))
    for found in shown:
        table.add_row(*compress(_cells(found), kept))
    yield table
    if len(shown) < len(rows):
        yield _cut(rows[: len(rows) - len(shown)])
    yield Text()


def _cells(found: Finding) -> list[Text]:
    cause = f"as expected: {found.message}" if found.expected else found.message
    texts = [Text(one) for one in (ulp_text(found.ulps), found.where or "", cause)]
    return [Text(found.id), _label(found), *texts]


def _label(found: Finding) -> Text:
    """Return the verdict with its sign; what fails is red, whatever the verdict."""
    shades = {tone.sign: COLORS[tone] for tone in (Tone.BAD, Tone.GOOD)}
    return Text(f"{found.sign} {found.label}", shades.get(found.sign, STYLES[found.verdict]))


def _cut(rows: Sequence[Finding]) -> Text:
    counts = Counter(found.label for found in rows)
    listed = ", ".join(f"{count:,} {label}" for label, count in counts.items())
    return Text(f"above: the worst; {number(len(rows), 'check')} not shown: {listed} (--all shows them)", "dim")


# --- a failure ------------------------------------------------------------------------------------


def _failure(found: Finding) -> Iterator[object]:
    """Yield all that is known about a failing check: its worst element, what is at fault, the line to see it again."""
    where = f" at {found.where}" if found.where else ""
    place = Text(f" ({found.place})", "dim") if found.result.check.path is not None else Text()
    yield Text.assemble(_label(found), f" {found.name}{where}", place)
    yield Padding(Text("\n".join([found.message, *remarks(found)])), (0, 0, 0, MARGIN))
    run, outcome, blame = found.result.run, found.outcome, found.blame
    if run is not None and outcome is not None and blame is not None:
        yield from block(run, outcome, blame, failing=True)
    else:
        yield from (Padding(Text.assemble(("again: ", "dim"), one), (0, 0, 0, MARGIN)) for one in again(found))
    yield Text()
