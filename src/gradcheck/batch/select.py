"""Which checks to run: one shard of several, or those whose id matches an expression."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from hashlib import sha256

from gradcheck.errors import Span, UsageProblem
from gradcheck.suite import Check

MAX_BRACKETS = 50
"""Brackets within brackets in an expression."""

Matcher = Callable[[str], bool]


def shard(checks: Sequence[Check], i: int, n: int) -> list[Check]:
    """Return the checks of shard ``i`` of ``n``, counted from 1.

    Every check is in exactly one shard, which depends on its id alone, and not on order, machine, or other checks.
    """
    if not 1 <= i <= n:
        raise UsageProblem(f"there is no shard {i} of {n}", hint="shards are counted from 1, as in 1/4 to 4/4")
    prints = (sha256(check.id.encode("utf-8", "surrogatepass")).digest() for check in checks)
    return [check for check, found in zip(checks, prints, strict=True) if int.from_bytes(found[:8]) % n == i - 1]


def matching(checks: Sequence[Check], expression: str) -> list[Check]:
    """Return the checks whose id matches, as pytest's ``-k`` has it.

    Words are parts of an id, whatever their case; ``and``, ``or``, ``not`` and brackets join them, quotes hold a word
    with blanks. An empty expression matches all. Raises UsageProblem where it cannot be read.
    """
    if not expression.strip():
        return list(checks)
    matches = _Reader(expression).read()
    return [check for check in checks if matches(check.id.casefold())]


_TOKEN = re.compile(r"""\s*(?:(?P<sign>[()])|"(?P<double>[^"]*)"|'(?P<single>[^']*)'|(?P<word>[^\s()"']+))""")
_JOINS = ("and", "or", "not")


class _Reader:
    """Reads an expression from left to right; the state is the place where it is."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.place = 0
        self.depth = 0

    def read(self) -> Matcher:
        matches = self.either()
        if (found := self.peek()) is not None:
            what = "this ) closes nothing" if found[0] == ")" else "`and` or `or` is missing before this"
            raise self.problem(what, found[1])
        return matches

    def peek(self) -> tuple[str, Span, bool] | None:
        """Return the next word or sign, its place, and whether it is a plain name; None at the end."""
        if not self.text[self.place :].strip():
            return None
        found = _TOKEN.match(self.text, self.place)
        if found is None:
            start = self.place + len(self.text[self.place :]) - len(self.text[self.place :].lstrip())
            raise self.problem("this quote is not closed", Span(start, start + 1))
        kind = str(found.lastgroup)
        return found[kind], Span(found.start(kind), found.end(kind)), kind in ("double", "single")

    def take(self, word: str) -> bool:
        """Return whether ``word`` comes next, and if so, go on behind it."""
        found = self.peek()
        if found is None or found[2] or found[0] != word:
            return False
        self.place = found[1].end
        return True

    def either(self) -> Matcher:
        parts = [self.both()]
        while self.take("or"):
            parts.append(self.both())
        return parts[0] if len(parts) == 1 else lambda identifier: any(part(identifier) for part in parts)

    def both(self) -> Matcher:
        parts = [self.one()]
        while self.take("and"):
            parts.append(self.one())
        return parts[0] if len(parts) == 1 else lambda identifier: all(part(identifier) for part in parts)

    def one(self) -> Matcher:
        wanted = True
        while self.take("not"):
            wanted = not wanted
        matches = self.bracketed() if self.take("(") else self.word()
        return matches if wanted else lambda identifier: not matches(identifier)

    def bracketed(self) -> Matcher:
        opened = Span(self.place - 1, self.place)
        self.depth += 1
        if self.depth > MAX_BRACKETS:
            raise self.problem(f"more than {MAX_BRACKETS} brackets within brackets", opened)
        matches = self.either()
        if not self.take(")"):
            raise self.problem("this ( is not closed", opened)
        self.depth -= 1
        return matches

    def word(self) -> Matcher:
        found = self.peek()
        if found is None:
            raise self.problem("a word is missing at the end", Span(len(self.text), len(self.text) + 1))
        text, span, quoted = found
        if not quoted and text in (*_JOINS, ")"):
            raise self.problem("a word is missing before this", span)
        self.place = span.end + quoted
        part = text.casefold()
        return lambda identifier: part in identifier

    def problem(self, message: str, span: Span) -> UsageProblem:
        hint = "join words with `and`, `or`, `not` and brackets; put a word with blanks in quotes"
        return UsageProblem(message, source=self.text, span=span, hint=hint)
