"""A lesson for people at a terminal, as wide as their window is."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from io import StringIO
from typing import IO

from rich.box import SIMPLE_HEAD
from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from gradcheck.errors import printable
from gradcheck.explanation.formulas.lines import Line, text
from gradcheck.explanation.model import Explanation
from gradcheck.report import View
from gradcheck.report.lesson.blocks import (
    Block,
    Break,
    Code,
    Equation,
    Formulas,
    Heading,
    Inline,
    Maths,
    Rows,
    Sentence,
    Source,
    Story,
    Strong,
    Tree,
    Words,
)
from gradcheck.report.lesson.build import lesson
from gradcheck.report.lesson.story import parts
from gradcheck.report.lesson.tree import tree
from gradcheck.report.tones import FILE_WIDTH, STYLES, console, put

NARROW = 80
"""Columns below which tables go without what can be spared."""
MARGIN, RULE, RESULT = 2, 6, 2
"""Columns by which what stands below a heading is moved in, and below that a rule and its result."""
KINDS = {"note": "dim", "foot": "dim", "open": "dim", "answer": "bold"}
"""The styles of sentences."""

Pause = Callable[[], bool]
"""Waits for the reader, and returns whether to go on."""


def write(
    explanation: Explanation, file: IO[str], view: View, *, pause: Pause | None = None, hint: bool = False
) -> None:
    """Write an explanation; ``pause`` is called after every step, and ends the lesson where it returns False."""
    to_terminal = file.isatty()
    held = file if to_terminal or pause is not None else StringIO()
    paper = console(held, view, view.width or (None if to_terminal else FILE_WIDTH))
    before: Block | None = None
    for block in lesson(explanation, steps=pause is not None, hint=hint):
        if isinstance(block, Break):
            if pause is not None and not pause():
                break
            continue
        if _apart(before, block):
            paper.print()
        for part in _parts(block, paper.width - MARGIN):
            margin = 0 if isinstance(block, Heading) and block.level < 3 else MARGIN
            _put(paper, part, margin)
        before = block
    if isinstance(held, StringIO) and held is not file:
        file.writelines(f"{line.rstrip()}\n" for line in held.getvalue().splitlines())


def _put(console: Console, part: RenderableType, margin: int) -> None:
    """Print a part with a margin; a line to be pasted is not broken."""
    if isinstance(part, Text) and part.no_wrap:
        put(console, Text.assemble(" " * margin, part, no_wrap=True))
    else:
        console.print(Padding(part, (0, 0, 0, margin), expand=False))


def _apart(before: Block | None, block: Block) -> bool:
    """Return whether a blank line stands between two blocks."""
    if before is None or isinstance(block, Heading):
        return before is not None
    if isinstance(before, Heading) or (isinstance(block, Formulas) and block.goes_on):
        return False
    kinds = {one.kind for one in (before, block) if isinstance(one, Sentence)}
    if isinstance(before, Sentence) and isinstance(block, Sentence) and (len(kinds) == 1 or before.kind == "foot"):
        return False
    return not kinds & {"note", "open"}


def _parts(block: Block, width: int) -> Iterator[RenderableType]:
    """Yield what is printed of one block."""
    match block:
        case Heading(words, _):
            yield _words(words, "bold")
        case Sentence(words, kind):
            yield _words(words, KINDS.get(kind, ""))
        case Source(source):
            yield Text("\n".join(map(printable, source.splitlines())))
        case Formulas(lines, goes_on):
            yield from _formulas(lines, goes_on)
        case Rows():
            yield _table(block, width)
        case Tree(graph):
            yield tree(graph, width)
        case Story(run):
            yield from parts(run, width)


def _formulas(lines: tuple[Equation, ...], goes_on: bool) -> Iterator[RenderableType]:
    """Yield lines below each other; in a derivation each rule stands above its result."""
    steps = [k for k, one in enumerate(lines) if one.why]
    first = 0 if goes_on else steps[0] if steps else len(lines)
    if lines[:first]:
        yield _equations(lines[:first])
    for one in lines[first:]:
        if one.why:
            yield Padding(Group(_words(one.why), *([_words(one.aside, "dim")] if one.aside else [])), (0, 0, 0, RULE))
        if one.right:
            yield Padding(_equations([one]), (0, 0, 0, RESULT))


def _equations(lines: tuple[Equation, ...] | list[Equation]) -> Table:
    """Return ``left = right`` and ``= right`` below it; what is too long for its line goes on below itself."""
    made = Table.grid(padding=(0, 1))
    if any(one.left for one in lines):
        made.add_column(overflow="fold")
    made.add_column(no_wrap=True)
    made.add_column(overflow="fold")
    for one in lines:
        note = _words(one.note, "dim") if one.note else Text()
        right = Text.assemble(_line(one.right), ", " if one.right and one.note else "", note)
        left = [Text(_line(one.left))] if len(made.columns) > 2 else []
        made.add_row(*left, Text(one.sign if one.right else ":"), right)
    return made


def _table(block: Rows, width: int) -> Table:
    """Return a table; one in a narrow window goes without the columns that can be spared."""
    roomy = width + MARGIN >= NARROW
    gap = (0, 1) if roomy else (0, 1, 0, 0)
    made = Table(box=SIMPLE_HEAD, pad_edge=False, header_style="bold", show_edge=False, padding=gap)
    kept = [k for k, one in enumerate(block.columns) if not one.spare or roomy]
    for k in kept:
        column = block.columns[k]
        made.add_column(_words(column.head), overflow="fold", justify="right" if column.right else "left")
    for row in block.rows:
        made.add_row(*(_words(row[k]) for k in kept))
    return made


def _words(words: Words, style: str = "") -> Text:
    made = Text(style=style)
    for one in words:
        made.append_text(_inline(one))
    return made


def _inline(one: Inline) -> Text:
    if isinstance(one, str | Code):
        whole = one if isinstance(one, str) else one.text
        return Text("\n".join(map(printable, whole.split("\n"))))
    if isinstance(one, Strong):
        return Text(printable(one.text), "bold")
    if isinstance(one, Maths):
        return Text(printable(one.written) if one.written is not None else _line(one.line))
    return Text(one.verdict.signed, STYLES[one.verdict])


def _line(line: Line) -> str:
    return printable(text(line))
