"""What a notebook shows of an explanation."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gradcheck.explanation.model import Explanation

    Writer = Callable[[Explanation], str]


def _writer(module: str, function: str) -> Writer:
    """Return what writes one form; it is loaded when it runs."""

    def write(explanation: Explanation) -> str:
        made: str = getattr(import_module(f"gradcheck.report.{module}"), function)(explanation)
        return made

    return write


NOTEBOOK: dict[str, Writer] = {
    "html": _writer("explain_html", "fragment"),
    "latex": _writer("explain_latex", "formulas"),
}
"""What a notebook shows of an explanation: ``Explanation.writers``."""
