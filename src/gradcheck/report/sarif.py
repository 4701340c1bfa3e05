"""SARIF 2.1.0, the format in which analysers hand their findings to code hosts and editors."""

from __future__ import annotations

import json
from functools import cache
from pathlib import PurePath
from typing import IO, Any
from urllib.parse import quote

from gradcheck import __version__
from gradcheck.blame import Cause
from gradcheck.report import View
from gradcheck.report.finding import UNCHECKED, UNMET, Finding, details, findings, rule_of
from gradcheck.report.words import problems, relative
from gradcheck.suite import Batch, Problem
from gradcheck.verdict import Passes, Verdict

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
OTHERS = {
    UNCHECKED: "There is nothing to check, and nothing is never green.",
    UNMET: "Something else came out than the author of the check expects.",
}
"""The rules of findings that have neither a known cause nor a verdict."""

Object = dict[str, Any]


def write(batch: Batch, file: IO[str], _view: View) -> None:
    """Write the log: an error for each check that fails, a warning for each that passes unproven."""
    shown = [found for found in findings(batch) if found.warns or not found.result.passed]
    run = {
        "tool": {"driver": _driver(batch)},
        "invocations": [_invocation(batch)],
        "columnKind": "unicodeCodePoints",
        "results": [_result(found) for found in shown],
    }
    log = {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}
    file.write(json.dumps(log, indent=2, allow_nan=False).replace("\x7f", "\\u007f") + "\n")


def _driver(batch: Batch) -> Object:
    described = [
        {"id": name, "shortDescription": {"text": text}, "help": {"text": text}} for name, text in rules().items()
    ]
    return {"name": "gradcheck", "version": batch.environment.get("gradcheck", __version__), "rules": described}


@cache
def rules() -> dict[str, str]:
    """Return the sentence about every cause, and about every verdict that may have none; the worst comes first."""
    causes = {cause.value: cause.sentence for cause in Cause}
    verdicts = [one for one in reversed(Verdict) if one.passes is not Passes.ALWAYS]
    return {**causes, **{rule_of(one.value): one.sentence for one in verdicts}, **OTHERS}


def _invocation(batch: Batch) -> Object:
    told = [_notification(text) for text in problems(batch)]
    return {
        "executionSuccessful": not told,
        "exitCode": int(batch.exit),
        **({"toolExecutionNotifications": told} if told else {}),
    }


def _notification(problem: Problem) -> Object:
    return {
        "level": "error", "message": {"text": problem.said}, "locations": _locations(problem.path, problem.line),
    }  # fmt: skip


def _result(found: Finding) -> Object:
    return {
        "ruleId": found.rule,
        "ruleIndex": list(rules()).index(found.rule),
        "level": "warning" if found.result.passed else "error",
        "message": {"text": details(found)},
        "locations": _locations(found.result.check.path, found.result.check.line),
        "partialFingerprints": {"gradcheck/v1": found.fingerprint},
    }


def _locations(path: str | None, line: int | None) -> list[Object]:
    """Return the line in the file; nothing for what is in no file."""
    if path is None:
        return []
    region = {} if line is None else {"region": {"startLine": line}}
    return [{"physicalLocation": {"artifactLocation": {"uri": _uri(path)}, **region}}]


def _uri(path: str) -> str:
    """Return a path as a URI, relative where it lies below the working directory.

    >>> _uri("expressions/a b.toml"), _uri("/elsewhere/a.toml")
    ('expressions/a%20b.toml', 'file:///elsewhere/a.toml')
    """
    found = relative(path)
    return PurePath(found).as_uri() if PurePath(found).is_absolute() else quote(found, errors="replace")
