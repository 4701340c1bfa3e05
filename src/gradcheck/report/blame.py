"""What is at fault, laid out as compilers do: the line, a caret, the cause, the numbers, what to write instead."""

from __future__ import annotations

from collections.abc import Iterator
from math import isfinite

from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from gradcheck.blame import Blame, Fix, Reading
from gradcheck.errors import printable, underline, visible
from gradcheck.formats import FORMATS, Format
from gradcheck.outcome import Outcome, Run
from gradcheck.report.grids import DIGITS, breadth, grid, side_by_side
from gradcheck.repro import command

MARGIN, WIDE = 2, 120
"""Columns before what is said about a fault, and those of a window that is not known."""
NEAR = 2.0
"""ULP within which two numbers need no digits that tell them apart."""
LEAST = 20
"""Columns to which the text of an operation is broken before numbers lose digits."""


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
        yield _readings(blame, FORMATS[outcome.dtype], width - MARGIN)


def _readings(blame: Blame, fmt: Format, width: int) -> Table:
    """Return the numbers on the way; where there is little room the names of operations are broken, then digits go."""
    layouts = [(digits, mark) for mark in ("← here", "←") for digits in DIGITS]
    fitting = (one for one in layouts if breadth(_numbers(blame, fmt, *one, LEAST)) <= width)
    return _numbers(blame, fmt, *next(fitting, layouts[-1]))


def _numbers(blame: Blame, fmt: Format, digits: int | None, mark: str, least: int | None = None) -> Table:
    table = grid("dim")
    table.add_column("operation", overflow="fold", min_width=9, max_width=least)
    table.add_column("", no_wrap=True)
    for name in ("exact", "autograd"):
        table.add_column(name, justify="right", no_wrap=True, min_width=8 if name == "autograd" else None)
    table.add_column("", no_wrap=True)
    said: list[str] = []
    for one in blame.readings:
        exact, torch = side_by_side(one.exact, one.torch, fmt, digits, differ=_is_off(one, fmt))
        cells = [_name(one), one.quantity, exact, torch]
        if cells != said or one.culprit:  # a part of a tensor that is the whole of the next operation stands once
            here, style = (mark, "bold") if one.culprit else ("", "")
            table.add_row(Text(cells[0], style), Text(one.quantity, "dim"), exact, torch, Text(here, style))
        said = cells
    return table


def _is_off(one: Reading, fmt: Format) -> bool:
    """Return whether torch's number is not the exact one as the dtype rounds it, or next to it."""
    if one.exact is None or one.torch is None or not isfinite(one.torch):
        return False
    return fmt.distance(one.torch, one.exact.midpoint) > NEAR


def _name(one: Reading) -> str:
    index = f"[{', '.join(map(str, one.index))}]" if one.index else ""
    text = printable(" ".join(one.text.split()))
    return f"({text}){index}" if index and _is_compound(text) else f"{text}{index}"


def _is_compound(text: str) -> bool:
    """Return whether a text has an operator outside all brackets."""
    depth = 0
    for letter in text:
        depth += (letter in "([") - (letter in ")]")
        if depth == 0 and letter in "+-*/@%<>=!& ":
            return True
    return False


def _fix(fix: Fix, fmt: Format, width: int) -> Iterator[Padding | Text]:
    """Yield what to write instead, in one line where that is wide enough and each formula in its own where not."""
    (before, after), (few, many) = fix.verdicts, fix.bits
    instead, old = printable(fix.after), printable(fix.before)
    if MARGIN + len(f"fix: write {instead} for {old}") <= width:
        yield _line(("fix: ", "green"), "write ", (instead, "bold"), f" for {old}")
    else:
        yield _line(("fix: ", "green"), "write ", (instead, "bold"))
        yield _line("     for   ", old)
    gain = f" with {many}" if many > few else ""
    bits = f"{before} with {few} of {fmt.precision} bits right, then {after}{gain}"
    for text in (f"at this point: {bits}", *([] if fix.unlike is None else [printable(fix.unlike)])):
        yield Padding(Text(text, "dim"), (0, 0, 0, MARGIN + len("fix: ")))
