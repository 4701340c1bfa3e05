"""Workflow commands that GitHub shows beside the lines of a file, and the summary of the step."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import IO

from gradcheck.errors import FileProblem, plural
from gradcheck.report import View, markdown
from gradcheck.report.diagnostic import Diagnostic, Place, Severity, diagnostics, untold
from gradcheck.report.words import facts, one_line, relative
from gradcheck.suite import Batch, Region

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
    worst = [*untold(batch), *sorted(diagnostics(batch), key=lambda one: one.rank, reverse=True)]
    errors, warnings = (
        [_annotation(one) for one in worst if one.severity is severity]
        for severity in (Severity.ERROR, Severity.WARNING)
    )
    notices = [_command("notice", Place(), "gradcheck", one_line(term)) for term in batch.terms]
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
        plural(count, f"more {noun}") for count, noun in zip(left, ("error", "warning"), strict=True) if count > 0
    ]
    if counts:
        yield f"{' and '.join(counts)} without an annotation; the summary of the step has a table of all"


def _annotation(one: Diagnostic) -> str:
    title = "gradcheck" if one.result is None else f"{one.label}: {one.name}"
    return _command(one.severity, one.place, title, one.text)


def _command(kind: str, place: Place, title: str, message: str) -> str:
    found = {"file": None if place.path is None else one_line(relative(place.path)), "line": place.line}
    if place.region is not None:
        found |= _columns(place.region)
    named = {**{name: str(value) for name, value in found.items() if value is not None}, "title": title}
    properties = ",".join(f"{name}={_property(value)}" for name, value in named.items())
    return f"::{kind} {properties}::{_data(message)}"


def _columns(region: Region) -> dict[str, int]:
    """Return the end of a region, and its columns where it is in one line: GitHub takes them there alone."""
    if region.line != region.end_line:
        return {"endLine": region.end_line}
    return {"endLine": region.end_line, "col": region.column, "endColumn": region.end_column}


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    """Return a text as the value of a property, which ends at a comma or a colon.

    >>> _property("50%: a, b")
    '50%25%3A a%2C b'
    """
    return _data(text).replace(":", "%3A").replace(",", "%2C")
