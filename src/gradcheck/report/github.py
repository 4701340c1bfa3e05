"""Workflow commands that GitHub shows beside the lines of a file, and the summary of the step."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import IO

from gradcheck.errors import FileProblem
from gradcheck.report import View, markdown
from gradcheck.report.finding import Finding, details, findings
from gradcheck.report.words import facts, number, one_line, problems, relative
from gradcheck.suite import Batch, Problem

MAX_SHOWN = 10
"""Errors, and as many warnings, that GitHub shows of one step."""
SUMMARY = "GITHUB_STEP_SUMMARY"
"""The variable that names the file of the step's summary."""


def report(batch: Batch, file: IO[str], view: View) -> None:
    """Write the annotations and the line that sums up, and the summary of the step where GitHub runs this."""
    write(batch, file, view)
    file.write(f"{' · '.join(facts(batch))}\n")
    summarize(batch, os.environ, view)


def write(batch: Batch, file: IO[str], _view: View) -> None:
    """Write an error for what fails, a warning for what passes unproven, the worst first, and how many more."""
    worst = sorted(findings(batch), key=lambda found: found.rank, reverse=True)
    errors = [_problem(one) for one in problems(batch)]
    errors += [_annotation("error", found) for found in worst if not found.result.passed]
    warnings = [_annotation("warning", found) for found in worst if found.warns]
    notices = [_command("notice", None, None, "gradcheck", one_line(term)) for term in batch.terms]
    file.writelines(f"{one}\n" for one in (*errors[:MAX_SHOWN], *warnings[:MAX_SHOWN], *notices))
    file.writelines(f"{one}\n" for one in _more(len(errors) - MAX_SHOWN, len(warnings) - MAX_SHOWN))


def summarize(batch: Batch, environment: Mapping[str, str], view: View) -> None:
    """Append the summary to the file that the environment names, if it does; raise FileProblem where it cannot."""
    path = environment.get(SUMMARY)
    if not path:
        return
    try:
        with open(path, "a", encoding="utf-8") as file:
            markdown.write(batch, file, view)
    except OSError as problem:
        raise FileProblem(f"cannot write the step summary {path}: {problem.strerror or problem}") from None


def _more(*left: int) -> Iterator[str]:
    counts = [
        number(count, f"more {noun}") for count, noun in zip(left, ("error", "warning"), strict=True) if count > 0
    ]
    if counts:
        yield f"{' and '.join(counts)} without an annotation; the summary of the step has a table of all"


def _annotation(kind: str, found: Finding) -> str:
    check = found.result.check
    return _command(kind, check.path, check.line, f"{found.label}: {found.name}", details(found))


def _problem(problem: Problem) -> str:
    return _command("error", problem.path, problem.line, "gradcheck", problem.said)


def _command(kind: str, path: str | None, line: int | None, title: str, message: str) -> str:
    file = [] if path is None else [("file", one_line(relative(path)))]
    place = file if line is None else [*file, ("line", str(line))]
    properties = ",".join(f"{name}={_property(value)}" for name, value in [*place, ("title", title)])
    return f"::{kind} {properties}::{_data(message)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    """Return a text as the value of a property, which ends at a comma or a colon.

    >>> _property("50%: a, b")
    '50%25%3A a%2C b'
    """
    return _data(text).replace(":", "%3A").replace(",", "%2C")
