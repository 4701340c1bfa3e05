"""Tables that fit a window: the plain grid of every table, what goes where it is too wide, and numbers told apart."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal, InvalidOperation
from io import StringIO

from rich.box import SIMPLE_HEAD
from rich.table import Table

from gradcheck.formats import Ball, Estimate, Format, exact_text
from gradcheck.report.tones import console

DIGITS, MOST_DIGITS = (None, 10, 6), 40
"""Digits of numbers where there is room for all, less, and little; and of one that is told from the one beside it."""


def grid(header: str = "bold") -> Table:
    """Return a table of no columns yet, with a line below its header."""
    return Table(box=SIMPLE_HEAD, pad_edge=False, header_style=header, show_edge=False)


def breadth(table: Table) -> int:
    """Return how many columns of a window a table takes where nothing in it is broken."""
    return console(StringIO(), width=100_000).measure(table).maximum


def fitting(layouts: Sequence[Callable[[], Table]], width: int) -> Table:
    """Return a table by the first layout that fits a window without a broken line, by the last one where none does."""
    for layout in layouts[:-1]:
        if breadth(made := layout()) <= width:
            return made
    return layouts[-1]()


def missing(table: Table, columns: Sequence[str]) -> Table:
    """Return a table that says which columns a window has no room for."""
    if columns:
        table.caption, table.caption_style = f"(no room for {' and '.join(columns)})", "dim"
        table.caption_justify = "left"
    return table


def side_by_side(
    exact: Ball | Estimate | None, value: float | None, fmt: Format, digits: int | None = None, *, differ: bool = False
) -> tuple[str, str]:
    """Return the exact number and torch's; with the digits that tell them apart where they are said to ``differ``.

    >>> from gradcheck.formats import FORMATS
    >>> third = Ball.around(1 / 3)
    >>> side_by_side(third, 0.333334, FORMATS["float64"], 3)
    ('0.333', '0.333')
    >>> side_by_side(third, 0.333334, FORMATS["float64"], 3, differ=True)
    ('0.333333', '0.333334')
    """
    shown = exact_text(exact, fmt, digits), "none" if value is None else fmt.text(value, digits)
    if not differ or value is None or not isinstance(exact, Ball) or exact.contains(value):
        return shown
    more = range(digits or 1, MOST_DIGITS)
    pairs = ((exact_text(exact, fmt, count), fmt.text(value, count)) for count in more)
    return shown if _apart(shown) else next(filter(_apart, pairs), shown)


def _apart(texts: tuple[str, str]) -> bool:
    """Return whether two texts are not the same number."""
    try:
        return Decimal(texts[0]) != Decimal(texts[1])
    except InvalidOperation:
        return True
