"""What a lesson is made of: headings, sentences, formulas, rows, the program, the graph, and the words in them.

A block is data, and says nothing of how it looks. Each form (terminal, HTML, LaTeX, Markdown) is a writer of blocks,
and knows nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass

from gradcheck.explanation.formulas.lines import Line
from gradcheck.explanation.graphs.model import DynamicGraph
from gradcheck.outcome import Run
from gradcheck.verdict import Verdict


@dataclass(frozen=True, slots=True)
class Code:
    """A text of the program or of torch."""

    text: str


@dataclass(frozen=True, slots=True)
class Strong:
    """A word that stands out."""

    text: str


@dataclass(frozen=True, slots=True)
class Maths:
    """Mathematics within a line; ``written`` is how the user wrote it, for a form that prints no formulas."""

    line: Line
    written: str | None = None


@dataclass(frozen=True, slots=True)
class Mark:
    """A verdict."""

    verdict: Verdict


Inline = str | Code | Strong | Maths | Mark
Words = tuple[Inline, ...]


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading; the first one of level 1 is the lesson's title."""

    words: Words
    level: int = 2


@dataclass(frozen=True, slots=True)
class Sentence:
    """Sentences; ``kind`` is plain, answer (what came out), meaning (what it all comes to), open (how
    to read what follows), note (a word on what stands before), or foot.
    """

    words: Words
    kind: str = "plain"


@dataclass(frozen=True, slots=True)
class Source:
    """The program as it was typed."""

    text: str


@dataclass(frozen=True, slots=True)
class Equation:
    """One line ``left = right``; without a left side it goes on from the line before.

    ``why`` is the rule that leads to it, with more about the rule in ``aside``; ``note`` is a word about the line.
    """

    right: Line = ()
    left: Line = ()
    sign: str = "="
    why: Words = ()
    aside: Words = ()
    note: Words = ()


@dataclass(frozen=True, slots=True)
class Formulas:
    """Lines below each other; ``goes_on`` says that they go on from the block before."""

    lines: tuple[Equation, ...]
    goes_on: bool = False


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table: its head, how much room it needs, whether it holds numbers, and can be done without."""

    head: Words
    wide: int
    right: bool = False
    spare: bool = False


@dataclass(frozen=True, slots=True)
class Rows:
    """A table."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[Words, ...], ...]


@dataclass(frozen=True, slots=True)
class Tree:
    """The dynamic graph."""

    graph: DynamicGraph


@dataclass(frozen=True, slots=True)
class Story:
    """What the check says of its bad elements: the place, the cause, what to write instead, how to see it again."""

    run: Run


@dataclass(frozen=True, slots=True)
class Break:
    """Where a lesson in steps waits for the reader."""


Block = Heading | Sentence | Source | Formulas | Rows | Tree | Story | Break
