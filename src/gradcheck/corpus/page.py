"""One file's text: where its lines begin, and what is wrong in it."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from itertools import accumulate

from gradcheck.corpus.limits import MAX_PROBLEMS, MAX_SHOWN_PROBLEMS
from gradcheck.errors import EXPRESSION, Dialect, GradcheckError, Option, Span, as_option
from gradcheck.suite import Problem, Written


@dataclass(slots=True)
class Page:
    """A text and its problems, each with the line it is told at; ``path`` is the file as the user named it.

    ``dialect`` writes the options that messages name, as whoever reads them would.
    """

    path: str
    text: str
    dialect: Dialect = as_option
    problems: list[tuple[int, str]] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)

    def line(self, position: int) -> int:
        """Return the number of the line, from 1, that holds a character."""
        if not self.starts:
            self.starts = [0, *accumulate(len(line) + 1 for line in self.text.split("\n"))]
        return bisect_right(self.starts, position)

    def written(self, text: str, span: Span) -> Written:
        """Return a text of these characters as it stands in the file."""
        at = self.text.find(text, span.start, span.end)
        line = self.line(at)
        return Written(text, line, at - self.starts[line - 1] + 1)

    @property
    def full(self) -> bool:
        """Return whether there is so much wrong that the rest is not read."""
        return len(self.problems) >= MAX_PROBLEMS

    def refuse(self, error: GradcheckError, span: Span, line: int | None = None) -> None:
        """Add a problem: at ``span`` of this text, unless the error shows a text of its own."""
        self.problems.append((line or self.line(span.start), error.located(self.text, span).text(self.dialect)))

    def messages(self) -> list[Problem]:
        """Return the problems from top to bottom, each once."""
        told = [Problem(text, self.path, line) for line, text in sorted(dict.fromkeys(self.problems))]
        more = len(told) - MAX_SHOWN_PROBLEMS
        rest = "; the rest of the file is not read" if self.full else ""
        words = f"and {more:,} more problems{rest}"
        return told if more <= 0 else [*told[:MAX_SHOWN_PROBLEMS], Problem(words, self.path)]


KEYS = {"at": "at", "wrt": "wrt", "expect": "expect.gradient", EXPRESSION: "expression"}
"""The keys of a check that stand for options of the command line."""


def as_key(outer: Dialect) -> Dialect:
    """Return how options are written for a file of checks, which has keys for some; the others are as outside of it.

    >>> [as_key(as_option)(one) for one in (Option("at", "x=2"), Option("at", "y=2", more=True), Option("trust"))]
    ['at = "x=2"', 'y=2 to at', '--trust']
    """

    def written(option: Option) -> str:
        key = KEYS.get(option.name)
        if key is None:
            return outer(option)
        if option.value is None:
            return key
        return f"{option.value} to {key}" if option.more else f'{key} = "{option.value}"'

    return written
