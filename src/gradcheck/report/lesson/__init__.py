"""The lesson of an explanation in all its forms: one list of blocks, and a writer for each form."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gradcheck.explanation.model import Explanation


def _html(explanation: Explanation) -> str:
    from gradcheck.report.lesson import html

    return html.fragment(explanation)


def _latex(explanation: Explanation) -> str:
    from gradcheck.report.lesson import latex

    return latex.formulas(explanation)


NOTEBOOK: dict[str, Callable[[Explanation], str]] = {"html": _html, "latex": _latex}
"""What a notebook shows of an explanation: ``Explanation.writers``; the libraries that it needs are loaded then."""
