"""The table of a batch: a line for each check that needs a look, the worst last, all about the failures, a summary."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import compress
from typing import IO

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from gradcheck.errors import plural, visible
from gradcheck.outcome import Run
from gradcheck.report import View, table
from gradcheck.report.blame import MARGIN, again, block
from gradcheck.report.diagnostic import Diagnostic, diagnostics
from gradcheck.report.elements import Element
from gradcheck.report.places import ulp_text
from gradcheck.report.told import failures
from gradcheck.report.tones import COLORS, STYLES, printed, put
from gradcheck.report.words import facts, problems
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
    printed(lambda console: _show(batch, console, view), file, view)


def _show(batch: Batch, console: Console, view: View) -> None:
    for part in _lines(batch) if view.quiet else _body(batch, console.width, view):
        put(console, part, whole=view.quiet and not console.is_terminal)
    style = COLORS[Tone.BAD if batch.exit else Tone.GOOD]
    first, *rest = facts(batch)
    console.print(Text.assemble((first, style), *(f" · {one}" for one in rest)), soft_wrap=not console.is_terminal)


def _lines(batch: Batch) -> Iterator[Text]:
    """Yield one line for each check that fails, and for all that could not be checked."""
    for one in sorted(_wanted(batch, lambda one: one.failed), key=lambda one: one.rank):
        message = f"{one.where}: {one.message}" if one.where else one.message
        yield Text.assemble(_label(one), f" {one.id}: {message}")
    yield from (Text(f"✗ {problem.headline}", COLORS[Tone.BAD]) for problem in problems(batch))


def _body(batch: Batch, width: int, view: View) -> Iterator[object]:
    rows = _wanted(batch, lambda one: bool(view.verbose) or not one.plain)
    if rows:
        yield from _checks(rows, width, view)
    failed = sorted((one for one in rows if one.failed), key=lambda one: one.rank)
    shown = failed if view.everything else failed[-SHOWN_FAILURES:]
    for one in shown:
        yield from _failure(one, width, view)
    if len(shown) < len(failed):
        yield Text(f"{plural(len(failed) - len(shown), 'failure')} without details (--all shows them)", "dim")
    for problem in problems(batch):
        yield Text.assemble(("✗ ", COLORS[Tone.BAD]), problem)
    yield from (Text(f"note: {visible(note)}", "dim") for note in batch.notes)


def _wanted(batch: Batch, wanted: Callable[[Diagnostic], bool]) -> list[Diagnostic]:
    """Return what is told of some checks, in the order of the files."""
    return [*filter(wanted, diagnostics(batch))]


# --- the table ------------------------------------------------------------------------------------


def _checks(rows: Sequence[Diagnostic], width: int, view: View) -> Iterator[object]:
    """Yield the rows, the worst last; where all checks are asked for, in the order of the files."""
    order = sorted(range(len(rows)), key=lambda k: rows[k].rank)
    cut = 0 if view.everything else max(0, len(rows) - SHOWN_CHECKS)
    shown = [rows[k] for k in (sorted(order[cut:]) if view.verbose else order[cut:])]
    kept = [width >= least for least in COLUMNS.values()]
    table = Table(box=SIMPLE_HEAD, pad_edge=False, header_style="bold", show_edge=False)
    for name in compress(COLUMNS, kept):
        table.add_column(name, overflow="fold", no_wrap=name in ("verdict", "ULP"))
    for one in shown:
        table.add_row(*compress(_cells(one), kept))
    yield table
    if cut:
        yield _cut([rows[k] for k in order[:cut]])
    yield Text()


def _cells(one: Diagnostic) -> list[Text]:
    cause = f"as expected: {one.message}" if one.expected else one.message
    texts = [Text(text) for text in (ulp_text(one.numbers.ulps), one.where or "", cause)]
    return [Text(one.id), _label(one), *texts]


def _label(one: Diagnostic) -> Text:
    """Return the verdict with its sign; what fails is red, whatever the verdict."""
    shades = {tone.sign: COLORS[tone] for tone in (Tone.BAD, Tone.GOOD)}
    return Text(f"{one.sign} {one.label}", shades.get(one.sign, STYLES[one.verdict]))


def _cut(rows: Sequence[Diagnostic]) -> Text:
    counts = Counter(one.label for one in rows)
    listed = ", ".join(f"{count:,} {label}" for label, count in counts.items())
    return Text(f"above: the worst; {plural(len(rows), 'check')} not shown: {listed} (--all shows them)", "dim")


# --- a failure ------------------------------------------------------------------------------------


def _failure(one: Diagnostic, width: int, view: View) -> Iterator[object]:
    """Yield all that is known about a failing check: its worst element, what is at fault, the line to see it again."""
    where = f" at {one.where}" if one.where else ""
    place = Text(f" ({one.place})", "dim") if one.place.path is not None else Text()
    yield Text.assemble(_label(one), f" {one.name}{where}", place)
    yield _indented(Text("\n".join([one.message, *one.remarks])))
    run, element = None if one.result is None else one.result.run, one.element
    if run is not None and element is not None:
        if element.blame is not None:
            yield from block(run, element.outcome, element.blame, failing=True, width=width)
        else:
            yield from again(run, element.outcome)
        yield from _others(run, element, view)
    yield Text()


def _others(run: Run, element: Element, view: View) -> Iterator[object]:
    """Yield every element that fails, or how many beside the worst one do."""
    counts = run.counts()
    counted = element.gradient is not None or element.outcome.error is not None
    more = sum(counts[verdict] for verdict in run.failing) - counted
    if more > 0 and view.everything:
        yield _indented(Text("all that fails:", "dim"))
        yield from map(_indented, failures(run, view))
    elif more > 0:
        yield _indented(Text(f"{plural(more, 'more failure')} in this check (--all shows them)", "dim"))


def _indented(part: Text) -> Padding:
    return Padding(part, (0, 0, 0, MARGIN))
