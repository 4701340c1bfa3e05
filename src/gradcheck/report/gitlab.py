"""The Code Quality report of GitLab: what fails, and what passes though nobody has shown that it is right."""

from __future__ import annotations

from typing import IO, Any

from gradcheck.report import View
from gradcheck.report.diagnostic import COMMAND_LINE, Diagnostic, Place, Severity, diagnostics, untold
from gradcheck.report.streamed import indented
from gradcheck.report.words import one_line, relative
from gradcheck.suite import Batch
from gradcheck.verdict import Verdict


def write(batch: Batch, file: IO[str], _view: View) -> None:
    """Write the list of issues; a fingerprint is the same over runs and machines."""
    issues = [_issue(one) for one in (*diagnostics(batch), *untold(batch)) if one.severity is not Severity.NOTE]
    file.write(f"{indented(issues)}\n")


def _issue(one: Diagnostic) -> dict[str, Any]:
    return {
        "description": one.title,
        "check_name": one.code,
        "fingerprint": one.fingerprint,
        "severity": _severity(one),
        "location": _location(one.place),
    }


def _severity(one: Diagnostic) -> str:
    if not one.failed:
        return "minor"
    return "critical" if one.verdict is Verdict.ERROR else "major"


def _location(place: Place) -> dict[str, Any]:
    """Return a place; GitLab takes no issue without one."""
    path = COMMAND_LINE if place.path is None else one_line(relative(place.path))
    region = place.region
    return {"path": path, "lines": {"begin": place.line or 1, **({"end": region.end_line} if region else {})}}
