"""Functions in all ways as one JSON document, which ``schema/nest.schema.json`` describes."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Any

from gradcheck.report import View
from gradcheck.report.streamed import indented
from gradcheck.verdict import Verdict

if TYPE_CHECKING:
    from gradcheck.nest import Finding, Nest, Row

SCHEMA_VERSION = 1


def write(nest: Nest, file: IO[str], _view: View) -> None:
    """Write everything that came out as one JSON object."""
    report = {
        "schema_version": SCHEMA_VERSION,
        "exit_code": int(nest.exit),
        "dtype": nest.dtype,
        "ways": list(nest.ways),
        "seconds": round(nest.seconds, 3),
        "environment": dict(sorted(nest.environment.items())),
        "functions": [_row(row) for row in nest.rows],
    }
    file.write(f"{indented(report)}\n")


def _row(row: Row) -> dict[str, Any]:
    return {
        "function": row.function,
        "program": row.program,
        "programs": row.programs,
        "seconds": round(row.seconds, 3),
        "counts": {
            way: {one.value: counts[one] for one in Verdict if counts[one]} for way, counts in row.counts.items()
        },
        "findings": [_finding(one) for one in row.findings],
    }


def _finding(one: Finding) -> dict[str, Any]:
    return {
        "way": one.way, "program": one.program or None, "at": one.point, "by": one.by.split(),
        "verdict": one.verdict.value, "torch": one.torch, "exact": one.exact, "refused": one.refused,
    }  # fmt: skip
