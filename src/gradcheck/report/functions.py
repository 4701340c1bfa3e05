"""The list of the language's functions, for people."""

from __future__ import annotations

from typing import IO

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gradcheck import functions
from gradcheck.errors import NameProblem
from gradcheck.functions import ALIASES, HIDDEN, Composite, Elementwise, lookup


def write(name: str | None, file: IO[str]) -> None:
    """Write the table of all functions, or the row of one; raise NameProblem for a name that is none."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for column in ("function", "meaning", "domain", "not differentiable at", "also called"):
        table.add_column(column, overflow="fold")
    for one in _rows(name):
        table.add_row(*map(Text, _cells(one)))
    Console(file=file, highlight=False, width=None if file.isatty() else 140).print(table)


def _rows(name: str | None) -> list[str]:
    everything = [one for one in functions.known_names() if one not in ALIASES and lookup(one) is not None]
    if name is None:
        return everything
    op = ALIASES.get(name, name)
    if op in HIDDEN or lookup(op) is None:
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
