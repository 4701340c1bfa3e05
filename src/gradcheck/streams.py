"""Standard output and error as they leave: in any encoding, without control characters, without commands for a log.

Reports make their texts printable themselves. This is the last door, which what a library prints goes through as well.
"""

from __future__ import annotations

import codecs
import io
import os
import re
import sys
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

ASCII = "gradcheck.ascii"
"""The name of what writes ASCII for a sign that the encoding has not."""
SIGNS = {
    "✓": "+", "✗": "x", "·": "-", "…": "...", "≈": "~", "↑": "^", "↓": "v", "→": "->", "←": "<-", "×": "x", "⋅": "*",
    "≤": "<=", "≥": ">=", "≠": "!=", "⊙": "*", "⊗": "x", "∞": "inf", "∧": "and", "∨": "or", "¬": "not ", "∑": "sum",
    "∏": "prod", "∂": "d", "‖": "||", "⊤": "T", "⟨": "<", "⟩": ">", "π": "pi", "√": "sqrt", "−": "-", "–": "-",
    "\N{REPLACEMENT CHARACTER}": "?",
}  # fmt: skip
"""Signs of the reports in ASCII; most are as wide, so that tables stay straight."""
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_ESCAPE = re.compile(r"(\x1b\[[0-9;]*m)")
"""A colour."""
_TERMINAL = re.compile(r"(\x1b\[[0-9;?]*[A-Za-z]|\r)")
"""What moves the cursor of a terminal and clears its lines, as a bar of progress does."""
_HASHES = re.compile(r"##(?=\w*\[)")


@dataclass(frozen=True, slots=True)
class Form:
    """How a text stays what it is in its format: what stands for ``::`` at the start of a line, and for ``##[``.

    GitHub, and Azure with its ``##vso[``, read commands in the log of a step. ``errors`` names what writes a sign that
    the encoding has not; with ``ascii`` that is every sign beyond ASCII, for what is declared to be UTF-8.
    """

    colons: str = ": :"
    hashes: str = "# #"
    errors: str = ASCII
    ascii: bool = False


TEXT = Form()
JSON = Form(hashes="#\\u0023", ascii=True)
XML = Form("&#58;:", "#&#35;", "xmlcharrefreplace", ascii=True)
COMMANDS = Form(colons="::")
"""The format whose lines are commands."""


class Stream(io.TextIOWrapper):
    """A stream whose texts neither a terminal nor a log obeys; the state is whether its line holds blanks alone."""

    def __init__(self, stream: Any) -> None:
        super().__init__(stream.buffer, stream.encoding, ASCII, line_buffering=stream.line_buffering)
        self._whole = stream  # which closes the buffer when nobody holds it
        self._form = TEXT
        self._coloured = bool(os.environ.get("FORCE_COLOR"))
        self._blank = True

    def write(self, text: str) -> int:
        """Write a text that is harmless."""
        super().write(self._harmless(text))
        return len(text)

    @contextmanager
    def taking(self, form: Form, *, coloured: bool = False) -> Iterator[None]:
        """Take texts of one format for a while, which may be coloured."""
        before, shade, encoding = self._form, self._coloured, self.encoding
        self._form, self._coloured = form, coloured or shade
        narrow = form.ascii and codecs.lookup(encoding).name != "utf-8"
        self.reconfigure(encoding="ascii" if narrow else encoding, errors=form.errors)
        try:
            yield
        finally:
            self.reconfigure(encoding=encoding, errors=ASCII)
            self._form, self._coloured = before, shade

    def _harmless(self, text: str) -> str:
        allowed = _TERMINAL if self.isatty() else _ESCAPE if self._coloured else None
        parts = [text] if allowed is None else allowed.split(text)
        shown = "".join(one if k % 2 else _CONTROL.sub("\N{REPLACEMENT CHARACTER}", one) for k, one in enumerate(parts))
        lines = _HASHES.sub(lambda _: self._form.hashes, shown).split("\n")
        return "\n".join(self._line(line, k > 0) for k, line in enumerate(lines))

    def _line(self, line: str, fresh: bool) -> str:
        """Return a line, or the rest of one, that is no command."""
        body = line.lstrip()
        starts = (self._blank or fresh) and body.startswith("::")
        self._blank = (self._blank or fresh) and not body
        return f"{line[: len(line) - len(body)]}{self._form.colons}{body[2:]}" if starts else line


def _ascii(error: UnicodeError) -> tuple[str, int]:
    """Return ASCII for what an encoding has not: a sign that reads alike, or its number as JSON writes it."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(map(_spelled, error.object[error.start : error.end])), error.end


def _spelled(sign: str) -> str:
    plain = SIGNS.get(sign) or _drawn(sign)
    units = memoryview(sign.encode("utf-16", "surrogatepass")[2:]).cast("H")
    return plain or "".join(f"\\u{unit:04x}" for unit in units)


def _drawn(sign: str) -> str:
    """Return a piece of a table's frame in ASCII; nothing for any other sign.

    >>> [_drawn(sign) for sign in "─│┼é"]
    ['-', '|', '+', '']
    """
    name = unicodedata.name(sign, "")
    if not name.startswith("BOX DRAWINGS"):
        return ""
    return "+" if " AND " in name else "-" if name.endswith("HORIZONTAL") else "|"


def guard() -> None:
    """Put guarded streams in place of standard output and error; a closed one becomes one that nobody reads."""
    codecs.register_error(ASCII, _ascii)
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name) or open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - closed with the process
        setattr(sys, name, Stream(stream))


@contextmanager
def taking(form: Form, *, coloured: bool = False) -> Iterator[None]:
    """Let standard output take texts of one format for a while, where it is guarded."""
    if not isinstance(sys.stdout, Stream):
        yield
        return
    with sys.stdout.taking(form, coloured=coloured):
        yield
