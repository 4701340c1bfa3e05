"""What a document is made of: headings, sentences, equations, tables, and the words in them."""

from __future__ import annotations

from dataclasses import dataclass

from gradcheck.explanation.formulas.lines import Line
from gradcheck.explanation.graphs.model import DynamicGraph


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
    """Mathematics within a line."""

    line: Line


@dataclass(frozen=True, slots=True)
class Mark:
    """A verdict."""

    verdict: str


Inline = str | Code | Strong | Maths | Mark
Words = tuple[Inline, ...]


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading; the first one of level 1 is the document's title."""

    words: Words
    level: int = 2


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Sentences; ``kind`` is plain, meaning (what it all comes to), or note."""

    words: Words
    kind: str = "plain"


@dataclass(frozen=True, slots=True)
class Source:
    """The program as it was typed."""

    text: str


@dataclass(frozen=True, slots=True)
class Equation:
    """One line ``left = right``; without a left side it goes on from the line before.

    ``why`` is the rule that leads to it, ``note`` a word about it.
    """

    right: Line
    left: Line = ()
    sign: str = "="
    why: Words = ()
    note: Words = ()


@dataclass(frozen=True, slots=True)
class Equations:
    """Lines below each other."""

    rows: tuple[Equation, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """A table; columns of numbers stand to the right, and ``wide`` says how much room each column needs."""

    header: tuple[Words, ...]
    rows: tuple[tuple[Words, ...], ...]
    wide: tuple[int, ...]
    right: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Drawing:
    """The dynamic graph."""

    graph: DynamicGraph


Block = Heading | Paragraph | Source | Equations | Table | Drawing
