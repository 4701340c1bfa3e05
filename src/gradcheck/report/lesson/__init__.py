"""The lesson of an explanation in all its forms: one list of blocks, and a writer for each form."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gradcheck.explanation.model import Explanation


def _text(explanation: Explanation) -> str:
    from io import StringIO
    from shutil import get_terminal_size

    from gradcheck.report import View
    from gradcheck.report.lesson import terminal
    from gradcheck.report.tones import FILE_WIDTH

    made = StringIO()
    terminal.write(explanation, made, View(color=False, width=get_terminal_size((FILE_WIDTH, 24)).columns))
    return made.getvalue().rstrip("\n")


def _html(explanation: Explanation) -> str:
    from gradcheck.report.lesson import html

    return html.fragment(explanation)


def _latex(explanation: Explanation) -> str:
    from gradcheck.report.lesson import latex

    return latex.formulas(explanation)


NOTEBOOK: dict[str, Callable[[Explanation], str]] = {"text": _text, "html": _html, "latex": _latex}
"""What ``print`` and a notebook show of an explanation, as ``Explanation.writers``; each loads what it needs."""
