"""One file's text: where its lines begin, and what is wrong in it."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from itertools import accumulate

from gradcheck.corpus.limits import MAX_PROBLEMS, MAX_SHOWN_PROBLEMS
from gradcheck.errors import GradcheckError, Span, printable


@dataclass(slots=True)
class Page:
    """A text and its problems, each with the line it is told at; ``path`` is the file as the user named it."""

    path: str
    text: str
    problems: list[tuple[int, str]] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)

    def line(self, position: int) -> int:
        """Return the number of the line, from 1, that holds a character."""
        if not self.starts:
            self.starts = [0, *accumulate(len(line) + 1 for line in self.text.split("\n"))]
        return bisect_right(self.starts, position)

    @property
    def full(self) -> bool:
        """Return whether there is so much wrong that the rest is not read."""
        return len(self.problems) >= MAX_PROBLEMS

    def refuse(self, error: GradcheckError, span: Span, line: int | None = None) -> None:
        """Add a problem: at ``span`` of this text, unless the error shows a text of its own."""
        self.problems.append((line or self.line(span.start), str(error.located(self.text, span))))

    def messages(self) -> list[str]:
        """Return the problems from top to bottom, each once."""
        told = [message(self.path, text, line) for line, text in sorted(dict.fromkeys(self.problems))]
        more = len(told) - MAX_SHOWN_PROBLEMS
        rest = "; the rest of the file is not read" if self.full else ""
        words = f"and {more:,} more problems{rest}"
        return told if more <= 0 else [*told[:MAX_SHOWN_PROBLEMS], message(self.path, words)]


def message(path: str, text: str, line: int | None = None) -> str:
    """Return what is wrong with a file; no character of it moves a terminal's cursor.

    >>> message("a.toml", "unknown key `expresion`", 3)
    'a.toml:3: unknown key `expresion`'
    """
    place = path if line is None else f"{path}:{line}"
    return "\n".join(map(printable, f"{printable(place)}: {text}".split("\n")))
