"""The list of the language's functions, for people: plain lines, which are there before rich would be loaded."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import IO

from gradcheck import functions
from gradcheck.errors import NameProblem
from gradcheck.functions import ALIASES, Composite, Elementwise, lookup

HEAD = ("function", "meaning", "domain", "not differentiable at", "also called")
WIDTH = 140
"""Columns where there is no terminal."""
GAP = "  "


def write(name: str | None, file: IO[str]) -> None:
    """Write the table of all functions, or the row of one; raise NameProblem for a name that is none."""
    rows = [HEAD, *map(_cells, _rows(name))]
    widths = _widths(rows, shutil.get_terminal_size().columns if file.isatty() else WIDTH)
    head, *rest = (_lines(row, widths) for row in rows)
    rule = "─" * (sum(widths) + len(GAP) * (len(widths) - 1))
    file.writelines(f"{line}\n" for line in (*head, rule, *(line for lines in rest for line in lines)))


def _widths(rows: Sequence[Sequence[str]], room: int) -> list[int]:
    """Return the widths of the columns: as much as they need, and the widest ones cut alike where that is too much."""
    needed = [max(map(len, column)) for column in zip(*rows, strict=True)]
    room -= len(GAP) * (len(needed) - 1)
    caps = range(max(needed), 1, -1)
    cap = next((one for one in caps if sum(min(width, one) for width in needed) <= room), 1)
    return [min(width, cap) for width in needed]


def _lines(row: Sequence[str], widths: Sequence[int]) -> Iterator[str]:
    """Yield the lines of one row, whose cells are folded."""
    folded = [textwrap.wrap(cell, width, break_on_hyphens=False) for cell, width in zip(row, widths, strict=True)]
    for parts in zip_longest(*folded, fillvalue=""):
        yield GAP.join(part.ljust(width) for part, width in zip(parts, widths, strict=True)).rstrip()


def _rows(name: str | None) -> list[str]:
    everything = [one for one in functions.known_names() if one not in ALIASES and lookup(one) is not None]
    if name is None:
        return everything
    op = ALIASES.get(name, name)
    if op not in everything:
        closest = functions.nearest(name, functions.known_names())
        raise NameProblem(f"unknown function `{name}`", hint=f"did you mean `{closest}`?" if closest else None)
    return [op]


def _cells(name: str) -> tuple[str, str, str, str, str]:
    row = lookup(name)
    assert row is not None
    arguments = ", ".join([*row.args, *(f"{param}=" for param in getattr(row, "params", ()))])
    meaning = row.summary
    if isinstance(row, Composite) and isinstance(row.definition, str):
        meaning = row.definition
    domain = row.domain if isinstance(row, Elementwise) and isinstance(row.domain, str) else ""
    kinks = row.kinks or "" if isinstance(row, Elementwise) else ""
    also = ", ".join(alias for alias, op in ALIASES.items() if op == name)
    return f"{name}({arguments})", meaning, domain, kinks, also
