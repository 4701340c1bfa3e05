"""What Python shows of a run: the table as text for ``print``, and as HTML for a notebook."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from io import StringIO
from typing import TYPE_CHECKING

from gradcheck.report import View

if TYPE_CHECKING:
    from gradcheck.outcome import Run

NOTEBOOK_WIDTH = 100
"""Columns of the table in a notebook."""
PRE = (
    '<pre style="font-family: ui-monospace, Menlo, Consolas, monospace; line-height: 1.25; white-space: pre; '
    'overflow-x: auto">{code}</pre>'
)


def text(run: Run) -> str:
    """Return the table of a run, as wide as the terminal is; without a terminal, as wide as in a file.

    >>> from gradcheck import check
    >>> print(text(check("x**2", 3)).splitlines()[0])
    formula     x**2
    """
    from gradcheck.report import table
    from gradcheck.report.tones import FILE_WIDTH

    made = StringIO()
    table.write(run, made, View(color=False, width=shutil.get_terminal_size((FILE_WIDTH, 24)).columns))
    return made.getvalue().rstrip("\n")


def html(run: Run) -> str:
    """Return the table of a run in its colours, as one element that loads nothing.

    >>> from gradcheck import check
    >>> html(check("x**2", 3))[:4]
    '<pre'
    """
    from gradcheck.report import table
    from gradcheck.report.tones import console

    view = View(color=True)
    paper = console(StringIO(), view, NOTEBOOK_WIDTH, record=True)
    table.show(run, paper, view)
    return paper.export_html(inline_styles=True, code_format=PRE)


WRITERS: dict[str, Callable[[Run], str]] = {"text": text, "html": html}
"""What ``Run.writers`` holds; plain functions, so that a run can be pickled."""
