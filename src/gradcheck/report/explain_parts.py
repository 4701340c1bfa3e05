"""The parts of an explanation at a terminal: sections, tables, equations, and short texts of numbers."""

from __future__ import annotations

from collections.abc import Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from gradcheck.errors import printable
from gradcheck.explanation.model import Formula
from gradcheck.program import Shape

SHOWN_VALUES = 8
"""Elements of a tensor in one line."""
MAX_ONE_LINE = 36
"""Characters of a matrix in one line."""
MAX_PLACE = 60
"""Characters of what the letters of a rule stand for, in one line."""


def section(title: str, body: RenderableType) -> RenderableType:
    """Return a part of the page below its title."""
    return Group(Text(), Text(printable(title), "bold"), Padding(body, (0, 0, 0, 2)))


def facts() -> Table:
    """Return a table of names and what they are."""
    made = Table.grid(padding=(0, 2))
    made.add_column(style="dim", no_wrap=True)
    made.add_column(overflow="fold")
    return made


def columns(*names: str, right: Sequence[int] = ()) -> Table:
    """Return a table with these heads, some of them to the right."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False, header_style="bold", show_edge=False)
    for k, name in enumerate(names):
        table.add_column(name, overflow="fold", justify="right" if k in right else "left")
    return table


def equations(title: str, lines: Sequence[tuple[str, str]]) -> Table:
    """Return ``title = a``, then ``= b`` below it; what is too long for its line goes on below itself."""
    made = Table.grid(padding=(0, 1))
    made.add_column(overflow="fold")
    made.add_column(no_wrap=True)
    made.add_column(overflow="fold")
    for k, (sign, text) in enumerate(lines):
        made.add_row(Text(printable(title) if k == 0 else ""), Text(sign), Text(printable(text)))
    return made


def result(text: str) -> RenderableType:
    """Return one more line of a derivation."""
    return Padding(equations("", [("=", text)]), (0, 0, 0, 3))


def factor(text: str) -> str:
    """Return a formula that can stand in a product: in brackets where it is a sum."""
    depth = 0
    for k, sign in enumerate(text):
        depth += (sign in "([") - (sign in ")]")
        if depth == 0 and text[k : k + 3] in (" + ", " - "):
            return f"({text})"
    return f"({text})" if text.startswith("-") else text


def added(signed: Sequence[tuple[int, str]]) -> str:
    """Return a sum of numbers: ``32 + 8 - 2``, with brackets around a negative one."""
    parts = []
    for k, (sign, text) in enumerate(signed):
        shown = f"({text})" if text.startswith("-") and k else text
        parts.append((" + " if sign > 0 else " - ") + shown if k else shown if sign > 0 else f"-{shown}")
    return "".join(parts)


def letters(lets: Sequence[tuple[str, Formula]]) -> str:
    """Return what the letters of a rule stand for, where that is short: ``u = x**2``."""
    text = ", ".join(f"{letter} = {formula}" for letter, formula in lets if letter in "uvw")
    return text if len(text) <= MAX_PLACE else ""


def tensor(texts: list[str], shape: Shape) -> str:
    """Return a small tensor in full and a large one by its first elements."""
    if len(texts) > SHOWN_VALUES:
        return f"{', '.join(texts[:3])}, ..."
    for size in reversed(shape[1:]):
        texts = [f"[{', '.join(texts[k : k + size])}]" for k in range(0, len(texts), size)]
    long = len(shape) > 1 and sum(map(len, texts)) > MAX_ONE_LINE
    return f"[{(',' + chr(10) + ' ' if long else ', ').join(texts)}]" if shape else texts[0]
