"""Where the nodes of a syntax tree stand in the text that it was made of."""

from __future__ import annotations

import ast
from itertools import accumulate

from gradcheck.errors import Span


class Places:
    """Where the nodes of a syntax tree stand in its text."""

    def __init__(self, source: str) -> None:
        self.lines = source.split("\n")
        self.starts = [0, *accumulate(len(line) + 1 for line in self.lines)]
        self.columns: dict[int, list[int]] = {}

    def span(self, node: ast.AST) -> Span:
        """Return the characters of a node."""
        start = self._position(node.lineno, node.col_offset)  # type: ignore[attr-defined]
        end = self._position(node.end_lineno, node.end_col_offset)  # type: ignore[attr-defined]
        return Span(start, end)

    def _position(self, line: int, column: int) -> int:
        """Return the index of a character; ast counts columns in UTF-8 bytes."""
        if not self.lines[line - 1].isascii():
            found = self._characters(line)
            column = found[min(column, len(found) - 1)]
        return self.starts[line - 1] + column

    def _characters(self, line: int) -> list[int]:
        """Return the column of the character at each byte of a line, found once for all its nodes."""
        if line not in self.columns:
            text = self.lines[line - 1]
            self.columns[line] = [k for k, sign in enumerate(text) for _ in sign.encode()] + [len(text)]
        return self.columns[line]
