"""SARIF 2.1.0, the format in which analysers hand their findings to code hosts and editors."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import PurePath
from typing import IO, Any
from urllib.parse import quote

from gradcheck import __version__
from gradcheck.blame import Cause
from gradcheck.report import View
from gradcheck.report.diagnostic import UNCHECKED, UNMET, Diagnostic, Place, Severity, code_of, diagnostics, untold
from gradcheck.report.streamed import indented
from gradcheck.report.words import relative
from gradcheck.suite import Batch, Region
from gradcheck.verdict import Passes, Verdict

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
DOCS = "docs/"
"""Where the pages are that say more: in the repository of gradcheck, from its root."""
VERDICTS, FAILS = f"{DOCS}verdicts.md", f"{DOCS}ci.md#what-fails"


@dataclass(frozen=True, slots=True)
class Rule:
    """What a code means, in a sentence, and the place of the pages that says more."""

    sentence: str
    page: str


OTHERS = {
    UNCHECKED: Rule("There is nothing to check, and nothing is never green.", FAILS),
    UNMET: Rule("Something else came out than the author of the check expects.", FAILS),
}
"""The rules of findings that have neither a known cause nor a verdict."""

Object = dict[str, Any]


def write(batch: Batch, file: IO[str], _view: View) -> None:
    """Write the log: an error for each check that fails, a warning for each that passes unproven."""
    shown = [one for one in diagnostics(batch) if one.severity is not Severity.NOTE]
    run = {
        "tool": {"driver": _driver(batch)},
        "invocations": [_invocation(batch)],
        "columnKind": "unicodeCodePoints",
        "results": [_result(one) for one in shown],
    }
    log = {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}
    file.write(f"{indented(log)}\n")


def _driver(batch: Batch) -> Object:
    version = batch.environment.get("gradcheck", __version__)
    described = [_described(code, rule) for code, rule in rules().items()]
    return {"name": "gradcheck", "version": version, "informationUri": VERDICTS, "rules": described}


def _described(code: str, rule: Rule) -> Object:
    text = {"text": rule.sentence}
    return {"id": code, "shortDescription": text, "helpUri": rule.page, "help": text}


@cache
def rules() -> dict[str, Rule]:
    """Return the rule of every cause, and of every verdict that may have none; the worst comes first."""
    causes = {cause.value: Rule(cause.sentence, f"{VERDICTS}#the-cause-{cause}") for cause in Cause}
    verdicts = [one for one in reversed(Verdict) if one.passes is not Passes.ALWAYS]
    told = {code_of(one): Rule(one.sentence, f"{VERDICTS}#the-verdict-{one}") for one in verdicts}
    return {**causes, **told, **OTHERS}


def _invocation(batch: Batch) -> Object:
    told = [_notification(one) for one in untold(batch)]
    return {
        "executionSuccessful": not told,
        "exitCode": int(batch.exit),
        **({"toolExecutionNotifications": told} if told else {}),
    }


def _notification(one: Diagnostic) -> Object:
    return {"level": one.severity, "message": {"text": one.text}, "locations": _locations(one.place)}


def _result(one: Diagnostic) -> Object:
    return {
        "ruleId": one.code,
        "ruleIndex": list(rules()).index(one.code),
        "level": one.severity,
        "message": {"text": one.text},
        "locations": _locations(one.place),
        "partialFingerprints": {"gradcheck/v1": one.fingerprint},
    }


def _locations(place: Place) -> list[Object]:
    """Return the expression in the file, or its line; nothing for what is in no file."""
    if place.path is None:
        return []
    region = {} if place.line is None else {"region": _region(place.region) or {"startLine": place.line}}
    return [{"physicalLocation": {"artifactLocation": {"uri": _uri(place.path)}, **region}}]


def _region(region: Region | None) -> Object:
    if region is None:
        return {}
    return {
        "startLine": region.line, "startColumn": region.column,
        "endLine": region.end_line, "endColumn": region.end_column,
    }  # fmt: skip


def _uri(path: str) -> str:
    """Return a path as a URI, relative where it lies below the working directory.

    >>> _uri("expressions/a b.toml"), _uri("/elsewhere/a.toml")
    ('expressions/a%20b.toml', 'file:///elsewhere/a.toml')
    """
    found = relative(path)
    return PurePath(found).as_uri() if PurePath(found).is_absolute() else quote(found, errors="replace")
