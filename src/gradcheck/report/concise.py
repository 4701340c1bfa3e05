"""One line for each check that fails, as compilers write it, so that editors can jump there."""

from __future__ import annotations

from typing import IO

from gradcheck.report import View
from gradcheck.report.diagnostic import Diagnostic, diagnostics, untold
from gradcheck.suite import Batch


def write(batch: Batch, file: IO[str], view: View) -> None:
    """Write ``path:line:column: verdict name: message`` for each failing check, for all where the view is verbose.

    What is wrong with a file says so behind its place.
    """
    shown = (one for one in diagnostics(batch) if view.verbose or one.failed)
    file.writelines(f"{_line(one)}\n" for one in (*shown, *untold(batch)))


def _line(one: Diagnostic) -> str:
    if one.result is None:
        return one.headline
    where = f"{one.where}: " if one.where else ""
    return f"{one.place}: {one.label} {one.name}: {where}{one.message}"
