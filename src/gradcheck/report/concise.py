"""One line for each check that fails, as compilers write it, so that editors can jump there."""

from __future__ import annotations

from typing import IO

from gradcheck.report import View
from gradcheck.report.finding import Finding, findings
from gradcheck.report.words import problems
from gradcheck.suite import Batch


def write(batch: Batch, file: IO[str], view: View) -> None:
    """Write ``path:line: verdict name: message`` for each failing check, for every check where the view is verbose.

    What is wrong with a file says so in its own first line, which begins with the place.
    """
    shown = (found for found in findings(batch) if view.verbose or not found.result.passed)
    file.writelines(f"{_line(found)}\n" for found in shown)
    file.writelines(f"{problem.headline}\n" for problem in problems(batch))


def _line(found: Finding) -> str:
    where = f"{found.where}: " if found.where else ""
    return f"{found.place}: {found.label} {found.name}: {where}{found.message}"
