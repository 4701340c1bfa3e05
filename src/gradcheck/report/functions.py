"""The list of the language's functions, and the page of one: plain lines, there before rich would be loaded."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from typing import IO

from gradcheck import functions
from gradcheck.errors import NameProblem, quoted
from gradcheck.functions import ALIASES, Composite, Elementwise, lookup
from gradcheck.functions.pages import PAGES

HEAD = ("function", "meaning", "domain", "not differentiable at", "also called")
WIDTH, NARROW = 100, 80
"""Columns of the list and of a page, where nothing says how wide the window is."""
GAP = "  "
EVERYWHERE, NOWHERE = "everywhere", "nowhere"


def write(name: str | None, file: IO[str]) -> None:
    """Write the table of all functions, or the page of one; raise NameProblem for a name that is none."""
    if name is None:
        file.writelines(f"{line}\n" for line in _table(shutil.get_terminal_size((WIDTH, 24)).columns))
    else:
        room = min(shutil.get_terminal_size((NARROW, 24)).columns, WIDTH)
        file.writelines(f"{line}\n" for line in page(_known(name), room))


def _known(name: str) -> str:
    op = ALIASES.get(name, name)
    if op not in PAGES:
        closest = functions.nearest(name, functions.known_names())
        raise NameProblem(f"unknown function `{name}`", hint=f"did you mean `{closest}`?" if closest else None)
    return op


# --- one ------------------------------------------------------------------------------------------


def page(name: str, room: int = NARROW) -> Iterator[str]:
    """Yield the lines on one function: how it is called, what it means, its derivative, where there is none.

    >>> print(*page("relu"), sep="\\n")
    relu(x)
    <BLANKLINE>
      meaning                x above 0, else 0
      derivative             where(x > 0, 1, 0)
      defined                everywhere
      not differentiable at  x == 0
      example                gradcheck 'relu(x)' --at x=0.2
    """
    found = told(name)
    yield signature(name)
    yield ""
    width = max(map(len, found))
    for word, text in found.items():
        lead = f"  {word.ljust(width)}{GAP}"
        lines = textwrap.wrap(text, max(room - len(lead), 20), break_on_hyphens=False, break_long_words=False)
        yield from (f"{lead if k == 0 else ' ' * len(lead)}{line}" for k, line in enumerate(lines))


def told(name: str) -> dict[str, str]:
    """Return what a page says of a function, by the words that stand before it."""
    also = ", ".join(alias for alias, op in ALIASES.items() if op == name)
    return {
        "meaning": meaning(name),
        **({"definition": _definition(name)} if _definition(name) else {}),
        **derivatives(name),
        "defined": _domain(name) or EVERYWHERE,
        "not differentiable at": _kinks(name) or NOWHERE,
        **({"also called": also} if also else {}),
        "example": example(name),
    }


def signature(name: str) -> str:
    """Return how a function is called."""
    row = lookup(name)
    arguments = ("x",) if row is None else (*row.args, *(f"{param}=" for param in getattr(row, "params", ())))
    return f"{name}({', '.join(arguments)})"


def meaning(name: str) -> str:
    """Return what a function means."""
    row = lookup(name)
    return PAGES[name].meaning or (row.summary if row is not None else "")


def _definition(name: str) -> str:
    """Return the line of the language that a function is, where its row has one that says more than the meaning."""
    row = lookup(name)
    text = row.definition if isinstance(row, Composite) and isinstance(row.definition, str) else ""
    return "" if text == meaning(name) else text


def derivatives(name: str) -> dict[str, str]:
    """Return the derivative in words, or by each argument."""
    found, row = PAGES[name], lookup(name)
    if not found.derivatives or row is None:
        return {"derivative": found.rule}
    if len(found.derivatives) == 1:
        return {"derivative": found.derivatives[0]}
    return {f"derivative by {by}": text for by, text in zip(row.args, found.derivatives, strict=True)}


def example(name: str) -> str:
    """Return a command that checks the function."""
    program, at = sample(name)
    return f"gradcheck {quoted(program)} --at {quoted(at)}"


def sample(name: str) -> tuple[str, str]:
    """Return a program with a function, and a point."""
    found, row = PAGES[name], lookup(name)
    if found.example is not None:
        return found.example
    if isinstance(row, Elementwise):
        middle = row.samples[len(row.samples) // 2]
        values = ",".join(f"{by}={value}" for by, value in zip(row.args, middle, strict=True))
        return f"{name}({', '.join(row.args)})", values
    return f"{name}(x)", "x=0.7"


def _domain(name: str) -> str:
    row, found = lookup(name), PAGES[name]
    return row.domain if isinstance(row, Elementwise) and isinstance(row.domain, str) else found.domain


def _kinks(name: str) -> str:
    row, found = lookup(name), PAGES[name]
    return (row.kinks or found.kinks) if isinstance(row, Elementwise) else found.kinks


# --- all ------------------------------------------------------------------------------------------


def _table(room: int) -> Iterator[str]:
    """Yield the lines of the table of all functions."""
    rows = [HEAD, *map(_cells, sorted(PAGES))]
    widths = _widths(rows, room)
    head, *rest = (_lines(row, widths) for row in rows)
    yield from head
    yield "─" * (sum(widths) + len(GAP) * (len(widths) - 1))
    for lines in rest:
        yield from lines


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


def _cells(name: str) -> tuple[str, str, str, str, str]:
    also = ", ".join(alias for alias, op in ALIASES.items() if op == name)
    return signature(name), meaning(name), _domain(name), _kinks(name), also
