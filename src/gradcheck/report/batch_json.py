"""A batch as one JSON document, or as a line for each check; ``schema/batch.schema.json`` describes both."""

from __future__ import annotations

from typing import IO

from gradcheck.report import View
from gradcheck.report.json import SCHEMA_VERSION, Object, described
from gradcheck.report.streamed import line, pieces
from gradcheck.suite import Batch, Check, Result
from gradcheck.verdict import Verdict


def write(batch: Batch, file: IO[str], view: View) -> None:
    """Write one document: the summary, and all that every run holds, no number rounded; of much the worst."""
    file.writelines(pieces({**summary(batch), "results": (result(one, view.everything) for one in batch)}))
    file.write("\n")


def write_lines(batch: Batch, file: IO[str], view: View) -> None:
    """Write a document in one line for each check, and the summary as the last one."""
    for one in (*(result(one, view.everything) for one in batch), summary(batch)):
        file.writelines(line(one))
        file.write("\n")


def summary(batch: Batch) -> Object:
    """Return what there is to say about the batch as a whole, ready for ``json.dumps``."""
    counts, failed = batch.counts(), len(batch.failures)
    return {
        "schema_version": SCHEMA_VERSION,
        "verdict": batch.verdict.value,
        "exit_code": int(batch.exit),
        "counts": {verdict.value: counts[verdict] for verdict in Verdict},
        "passed": len(batch) - failed,
        "failed": failed,
        "interrupted": batch.interrupted,
        "seed": batch.seed,
        "environment": dict(sorted(batch.environment.items())),
        "notes": [*batch.notes, *batch.terms],
        "problems": list(batch.problems),
    }


def result(one: Result, everything: bool = False) -> Object:
    """Return the check, what came out, and its run as the report of a single run has it."""
    return {
        "check": _check(one.check),
        "verdict": one.verdict.value,
        "passed": one.passed,
        "problem": one.problem,
        "unmet": list(one.unmet),
        "seconds": one.seconds,
        "run": None if one.run is None else described(one.run, everything=everything),
    }


def _check(check: Check) -> Object:
    expect = check.expect
    return {
        "id": check.id,
        "name": check.name,
        "path": check.path,
        "line": check.line,
        "program": check.program,
        "at": list(check.at),
        "expect": {"value": expect.value, "verdict": expect.verdict, "cause": expect.cause},
        "source": check.source,
        "why": check.why,
    }
