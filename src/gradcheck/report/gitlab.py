"""The Code Quality report of GitLab: what fails, and what passes though nobody has shown that it is right."""

from __future__ import annotations

import json
from typing import IO, Any

from gradcheck.report import View
from gradcheck.report.finding import COMMAND_LINE, Finding, findings
from gradcheck.report.words import fingerprint, one_line, problems, relative
from gradcheck.suite import Batch, Problem
from gradcheck.verdict import Verdict


def write(batch: Batch, file: IO[str], _view: View) -> None:
    """Write the list of issues; a fingerprint is the same over runs and machines."""
    issues = [_issue(found) for found in findings(batch) if found.warns or not found.result.passed]
    issues += [_problem(text) for text in problems(batch)]
    file.write(json.dumps(issues, indent=2, allow_nan=False).replace("\x7f", "\\u007f") + "\n")


def _issue(found: Finding) -> dict[str, Any]:
    check = found.result.check
    where = f" at {found.where}" if found.where else ""
    return {
        "description": f"{found.label} {found.name}{where}: {found.message}",
        "check_name": found.rule,
        "fingerprint": found.fingerprint,
        "severity": _severity(found),
        "location": _location(check.path, check.line),
    }


def _severity(found: Finding) -> str:
    if found.result.passed:
        return "minor"
    return "critical" if found.verdict is Verdict.ERROR else "major"


def _problem(problem: Problem) -> dict[str, Any]:
    return {
        "description": problem.first,
        "check_name": "problem",
        "fingerprint": fingerprint(relative(problem.path or ""), problem.said),
        "severity": "critical",
        "location": _location(problem.path, problem.line),
    }


def _location(path: str | None, line: int | None) -> dict[str, Any]:
    """Return a place; GitLab takes no issue without one."""
    return {"path": COMMAND_LINE if path is None else one_line(relative(path)), "lines": {"begin": line or 1}}
