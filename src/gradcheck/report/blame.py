"""What is at fault, laid out as compilers do: the line, a caret, the cause, the numbers, what to write instead."""

from __future__ import annotations

from collections.abc import Iterator

from rich.box import SIMPLE_HEAD
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from gradcheck.blame import Blame, Fix, Reading
from gradcheck.errors import printable, underline, visible
from gradcheck.formats import FORMATS, Format, exact_text
from gradcheck.outcome import Outcome, Run
from gradcheck.repro import command

MARGIN = 2
WIDE, NARROW, FEW_DIGITS = 120, 70, 6
"""Columns where the window is not known, columns below which numbers have fewer digits, and how many."""


def block(run: Run, outcome: Outcome, blame: Blame, failing: bool, width: int = WIDE) -> Iterator[Padding | Text]:
    """Yield all there is to say about one bad element, below its headline; with fewer digits in a narrow window."""
    for part in _parts(outcome, blame, width):
        yield Padding(part, (0, 0, 0, MARGIN))
    if blame.fix is not None:
        yield from _fix(blame.fix, FORMATS[outcome.dtype], width)
    if failing:
        yield from again(run, outcome)


def again(run: Run, outcome: Outcome) -> Iterator[Text]:
    """Yield the command that checks a point again, as one line however long it is, so that it can be pasted."""
    line = command(run, outcome)
    if line is not None:
        yield _line(("again: ", "dim"), visible(line))


def _line(*parts: str | tuple[str, str]) -> Text:
    """Return a line that the terminal may break, and nobody else."""
    return Text.assemble(" " * MARGIN, *parts, no_wrap=True, overflow="ignore")


def _parts(outcome: Outcome, blame: Blame, width: int) -> Iterator[Text | Table]:
    if blame.span is not None:
        yield Text(underline(outcome.program.source, blame.span))
    yield Text.assemble((blame.cause.value, "bold"), f": {printable(blame.message)}")
    if blame.beside is not None:
        yield Text(blame.beside)
    if blame.readings and not blame.cause.quiet:
        yield _readings(blame, FORMATS[outcome.dtype], narrow=width < NARROW)


def _readings(blame: Blame, fmt: Format, *, narrow: bool) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False, header_style="dim", show_edge=False)
    table.add_column("operation", overflow="fold", min_width=9)
    table.add_column("", no_wrap=True)
    table.add_column("exact", justify="right", overflow="fold")
    table.add_column("autograd", justify="right", overflow="fold", min_width=8)
    if not narrow:
        table.add_column("", no_wrap=True)
    for one in blame.readings:
        torch = "none" if one.torch is None else fmt.text(one.torch)
        exact = exact_text(one.exact, fmt, FEW_DIGITS if narrow else None)
        marks = [] if narrow else [Text("← here" if one.culprit else "", style="bold")]
        style = "bold" if one.culprit else ""
        table.add_row(Text(_name(one), style), Text(one.quantity, "dim"), Text(exact), Text(torch), *marks)
    return table


def _name(one: Reading) -> str:
    index = f"[{', '.join(map(str, one.index))}]" if one.index else ""
    text = printable(" ".join(one.text.split()))
    return f"{text}{index}"


def _fix(fix: Fix, fmt: Format, width: int) -> Iterator[Padding | Text]:
    """Yield what to write instead, in one line where that is wide enough and each formula in its own where not."""
    (before, after), (few, many) = fix.verdicts, fix.bits
    instead, old = printable(fix.after), printable(fix.before)
    if MARGIN + len(f"fix: write {instead} for {old}") <= width:
        yield _line(("fix: ", "green"), "write ", (instead, "bold"), f" for {old}")
    else:
        yield _line(("fix: ", "green"), "write ", (instead, "bold"))
        yield _line("     for   ", old)
    bits = f"{before} with {few} of {fmt.precision} bits right, then {after} with {many}"
    for text in (f"at this point: {bits}", *([] if fix.unlike is None else [printable(fix.unlike)])):
        yield Padding(Text(text, "dim"), (0, 0, 0, MARGIN + len("fix: ")))
