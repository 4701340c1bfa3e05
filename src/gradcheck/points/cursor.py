"""The cursor: one text of ``--at``, how far it has been read, and what is wrong where it cannot be."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Sequence
from fractions import Fraction

from gradcheck.errors import GradcheckError, PointProblem, Span, Words
from gradcheck.points.limits import Session
from gradcheck.points.value import Exact
from gradcheck.points.words import MAX_SHOWN, short

CONSTANTS: dict[str, Exact] = {
    "pi": Fraction(
        "3.14159265358979323846264338327950288419716939937510"
        "58209749445923078164062862089986280348253421170679821480865132823"
    ),
    "e": Fraction(
        "2.71828182845904523536028747135266249775724709369995"
        "95749669676277240766303535475945713821785251664274274663919320030"
    ),
    "inf": math.inf,
}
"""115 decimals: more than any dtype or working precision near a dtype can tell from the irrational number."""

TENSORS = ("arange", "linspace", "ones", "rand", "randn", "zeros")
"""Functions that make a tensor."""

_INSTEAD = {
    "^": "write ** for a power",
    "\N{MINUS SIGN}": "write - for minus",
    ";": "write , between values",
}
"""What to write for a character that no point has."""

_SPACE = re.compile(r"\s*")


class Cursor:
    """One text as it is read; ``at`` is the end of what has been read.

    ``digits`` are those that functions of numbers are worked out with, and ``functions`` counts them in one number.

    >>> from gradcheck.points.limits import Session
    >>> cursor = Cursor("  2, 3", Session())
    >>> cursor.next()
    '2'
    """

    def __init__(self, text: str, session: Session, inputs: Sequence[str] = ()) -> None:
        self.text = text
        self.session = session
        self.inputs = inputs
        self.at = 0
        self.depth = 0
        self.digits = 0
        self.functions = 0

    def skip(self) -> int:
        """Return where the next thing begins; the end of the one before stays where it is."""
        found = _SPACE.match(self.text, self.at)
        return found.end() if found else self.at

    def next(self) -> str:
        """Return the next character, or an empty text at the end."""
        start = self.skip()
        return self.text[start : start + 1]

    def accept(self, sign: str) -> bool:
        """Read ``sign`` if it comes next."""
        if self.next() != sign:
            return False
        self.at = self.skip() + 1
        return True

    def match(self, pattern: re.Pattern[str]) -> str:
        """Read what fits the pattern, perhaps nothing."""
        found = pattern.match(self.text, self.skip())
        if not found:
            return ""
        self.at = found.end()
        return found.group()

    def name(self) -> str | None:
        """Read an identifier as Python does: any that it allows, normalised."""
        start = end = self.skip()
        while end < len(self.text) and ("_" + self.text[end]).isidentifier():
            end += 1
        name = unicodedata.normalize("NFKC", self.text[start:end])
        if not name.isidentifier():
            return None
        self.at = end
        return name

    def written(self, start: int) -> str | None:
        """Return the item as the user wrote it, where that is short."""
        text = self.text[start : self.at]
        return text if len(text) <= MAX_SHOWN and text.isprintable() else None

    def problem(
        self, message: str, start: int, hint: Words | None = None, kind: type[GradcheckError] = PointProblem
    ) -> GradcheckError:
        """Return the error at what was read since ``start``."""
        span = Span(start, max(self.at, start + 1))
        return kind(message, source=self.text, span=span, hint=hint)

    def unreadable(self, expected: str = "expected `,` or the end") -> GradcheckError:
        """Return what to say where the text goes on in a way it cannot."""
        end = len(self.text.rstrip())
        start = self.skip()
        if start >= end:
            self.at = end
            return self.problem(expected, end)
        adjacent = start == self.at and self.text[start - 1 : start].isalnum()
        name = self.name()
        self.at = max(self.at, start + 1)
        hint = _INSTEAD.get(self.text[start])
        if name in self.inputs and not adjacent:
            hint = f"write a comma before `{name}`"
        elif name in CONSTANTS and adjacent:
            hint = "write * between factors"
        return self.problem(f"cannot read `{short(self.text[start : self.at])}` here: {expected}", start, hint)
