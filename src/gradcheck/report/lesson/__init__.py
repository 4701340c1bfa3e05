"""The lesson of an explanation in all its forms: one list of blocks, and a writer for each form."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gradcheck.explanation.model import Explanation
    from gradcheck.report import View

    Writer = Callable[..., None]


def _form(module: str, function: str) -> Callable[..., Any]:
    """Return a function of a writer's module, which is loaded when it runs."""
    return lambda *args, **more: getattr(import_module(f"gradcheck.report.lesson.{module}"), function)(*args, **more)


def _document(module: str) -> Writer:
    """Return what writes a whole document, with or without hints."""
    render = _form(module, "render")

    def write(explanation: Explanation, file: IO[str], _view: View, *, hint: bool = False) -> None:
        file.writelines([render(explanation, hint=hint)])

    return write


FORMS: dict[str, Writer] = {
    "terminal": _form("terminal", "write"),
    "markdown": _document("markdown"),
    "latex": _document("latex"),
    "html": _document("html"),
}
"""What writes a lesson to a file, by the name of the form: ``write(explanation, file, view, hint=False)``."""

NOTEBOOK: dict[str, Callable[[Explanation], str]] = {
    "html": _form("html", "fragment"),
    "latex": _form("latex", "formulas"),
}
"""What a notebook shows of an explanation: ``Explanation.writers``."""
