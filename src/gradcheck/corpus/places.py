"""Where the keys of a TOML text stand: tomllib gives values without their lines, and this scanner adds them."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from gradcheck.corpus.limits import MAX_CHECKS, MAX_KEY_PARTS, MAX_NESTING, MAX_STATEMENTS, MAX_TOKENS
from gradcheck.errors import LimitProblem, Span

Key: TypeAlias = tuple[str | int, ...]
"""The way to a value: names of keys, and places in arrays of tables."""

_TOKEN = re.compile(
    r'''(?P<text>"""(?:[^"\\]++|\\(?:.|\Z)|"(?!""))*+(?:"{3,5}|\Z)'''
    r"""|'''(?:[^']++|'(?!''))*+(?:'{3,5}|\Z)"""
    r"""|"(?:[^"\\\n]++|\\(?:.|\Z))*+"?|'[^'\n]*+'?)"""
    r"""|(?P<comment>\#[^\n]*(?:\n[ \t\n]*\#[^\n]*)*+)"""  # many lines are one: a file may hold nothing else
    r"""|(?P<blank>[ \t]+)|(?P<sign>[\[\]{}=.,\n])|(?P<bare>[^\s"'\#\[\]{}=.,]+)|(?P<stray>.)""",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a key stands with all of its statement's key, and its value; a table's header has no value."""

    key: Span
    value: Span | None = None


def places(text: str) -> dict[Key, Place]:
    """Return where each key and table of a TOML text begins; values inside of values have no place of their own.

    The text may be no TOML at all: then whatever stands before the mistake is right. Raises LimitProblem, with its
    span, where it nests deeper than tomllib can read, or in more parts than it can read quickly.

    >>> found = places('[[check]]\\nname = "a"  # one\\n')
    >>> found["check", 0].key, found["check", 0, "name"].value
    (Span(start=0, end=9), Span(start=17, end=20))
    """
    scanner = _Scanner(text)
    for count, token in enumerate(_TOKEN.finditer(text)):
        if count > MAX_TOKENS:
            raise LimitProblem(
                f"a file has at most {MAX_TOKENS:,} words, numbers and signs (the limit MAX_TOKENS)",
                source=text, span=Span(*token.span()), hint="the rest of the file is not read; split it",
            )  # fmt: skip
        if token.lastgroup not in ("comment", "blank"):
            scanner.read(token)
    scanner.finish()
    return scanner.found


@dataclass(slots=True)
class _Scanner:
    """Reads token after token; the state is the statement that is open."""

    text: str
    found: dict[Key, Place] = field(default_factory=dict)
    counts: dict[Key, int] = field(default_factory=dict)
    table: Key = ()
    parts: list[str] = field(default_factory=list)
    header: int = 0
    """Brackets that opened a header."""
    start: int | None = None
    """Where the statement begins; None between statements."""
    end: int = 0
    """Where the last token of the statement ends."""
    key: Span | None = None
    value: Span | None = None
    depth: int = 0
    dots: int = 0
    statements: int = 0

    def read(self, token: re.Match[str]) -> None:
        self._limit(token)
        if self.key is not None:
            self._value(token)
        elif token[0] == "\n":
            self.finish()
        elif self.start is None:
            self.start = token.start()
            self.header = int(token[0] == "[")
            self._part(token)
        elif token[0] == "[" and not self.parts:
            self.header += 1
        elif token[0] == "=" and not self.header:
            self.key = Span(self.start, self.end)
        else:
            self._part(token)
        self.end = token.end()

    def _part(self, token: re.Match[str]) -> None:
        if token.lastgroup in ("bare", "text"):
            self.parts.append(_unquoted(token[0]))

    def _value(self, token: re.Match[str]) -> None:
        if token[0] == "\n" and self.depth <= 0:
            self.finish()
            return
        self.depth += (token[0] in ("[", "{")) - (token[0] in ("]", "}"))
        if token[0] != "\n":
            self.value = Span(token.start() if self.value is None else self.value.start, token.end())

    def finish(self) -> None:
        """End the statement that is open, and note where it stands."""
        if self.start is not None:
            self._limit_statements(Span(self.start, self.end))
        if self.header and self.start is not None:
            self._open_table(Span(self.start, self.end))
        elif self.key is not None:
            self._note(self.table, Place(self.key, self.value))
        self.start, self.key, self.value, self.parts = None, None, None, []
        self.header = self.depth = 0

    def _note(self, way: Key, place: Place) -> None:
        for part in self.parts:
            way = (*way, part)
            self.found.setdefault(way, place)

    def _open_table(self, span: Span) -> None:
        way: Key = ()
        for k, part in enumerate(self.parts):
            way = (*way, part)
            self.found.setdefault(way, Place(span))
            if self.header == 2 and k == len(self.parts) - 1:
                self.counts[way] = self.counts.get(way, -1) + 1
                self._limit_tables(self.counts[way], span)
            if way in self.counts:
                way = (*way, self.counts[way])
                self.found.setdefault(way, Place(span))
        self.table = way

    # --- limits ---

    def _limit(self, token: re.Match[str]) -> None:
        self.dots = self.dots + 1 if token[0] == "." else 0 if token.lastgroup == "sign" else self.dots
        if self.dots >= MAX_KEY_PARTS:
            raise LimitProblem(
                f"a key has at most {MAX_KEY_PARTS} parts (the limit MAX_KEY_PARTS)",
                source=self.text, span=Span(*token.span()),
            )  # fmt: skip
        if self.depth > MAX_NESTING:
            raise LimitProblem(
                f"lists and tables nest at most {MAX_NESTING} deep (the limit MAX_NESTING)",
                source=self.text, span=Span(*token.span()),
            )  # fmt: skip

    def _limit_statements(self, span: Span) -> None:
        self.statements += 1
        if self.statements > MAX_STATEMENTS:
            raise LimitProblem(
                f"a file has at most {MAX_STATEMENTS:,} keys and tables (the limit MAX_STATEMENTS)",
                source=self.text, span=span,
            )  # fmt: skip

    def _limit_tables(self, count: int, span: Span) -> None:
        if count >= MAX_CHECKS:
            raise LimitProblem(
                f"a file has at most {MAX_CHECKS:,} checks (the limit MAX_CHECKS)", source=self.text, span=span
            )


def _unquoted(part: str) -> str:
    """Return the name that a part of a key writes."""
    if part[0] not in "\"'":
        return part
    if "\\" not in part or part[0] == "'":
        return part[1:-1]
    try:
        return next(iter(tomllib.loads(f"{part} = 0")))
    except ValueError:
        return part


def nearest_place(found: Mapping[Key, Place], way: Key) -> Place:
    """Return the place of a value, or of what holds it."""
    while way and way not in found:
        way = way[:-1]
    return found.get(way, Place(Span(0, 0)))
