"""What an earlier batch came to: known findings pass, and only what got worse since fails."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from math import inf, isfinite
from pathlib import Path
from typing import Any

from gradcheck.errors import FileProblem, LimitProblem, UsageProblem
from gradcheck.outcome import Outcome, Run
from gradcheck.suite import Batch, Result
from gradcheck.tree import read_plain, refuse_link
from gradcheck.verdict import Verdict
from gradcheck.whole import write_whole

VERSION = 3
"""The version of the file's form: since 3 every check that ran has its lanes, also where there is one alone."""
MAX_BYTES = 64 * 2**20
DEFAULT_FACTOR = 2.0
"""How many times larger an error may be than it was."""


@dataclass(frozen=True, slots=True)
class Known:
    """What a check came to: ``problem`` is the first line of why there was no run, ``ulps`` the largest error.

    A check that ran has what each of its lanes came to, by the lane's name.
    """

    verdict: Verdict
    passed: bool
    ulps: float | None = None
    problem: str | None = None
    lanes: Mapping[str, Known] = field(default_factory=dict)

    @staticmethod
    def of(result: Result) -> Known:
        """Return what one result came to."""
        ulps = None if result.run is None else _error(result.run)
        problem = None if result.problem is None else result.problem.first
        passed = result.passed and not result.known
        return Known(result.verdict, passed, ulps, problem, {} if result.run is None else _by_lane(result.run))

    def fields(self) -> dict[str, Any]:
        """Return this as JSON has it: a number that is not finite is null, with what is None left out."""
        ulps = {} if self.ulps is None else {"ulps": self.ulps if isfinite(self.ulps) else None}
        problem = {} if self.problem is None else {"problem": self.problem}
        lanes = {"lanes": {name: one.fields() for name, one in self.lanes.items()}} if self.lanes else {}
        return {"verdict": self.verdict, "passed": self.passed, **ulps, **problem, **lanes}

    @staticmethod
    def read(fields: Any) -> Known:
        """Return what JSON says of one check; raises ValueError, TypeError or KeyError."""
        ulps = fields.get("ulps", "none")
        number = None if ulps == "none" else inf if ulps is None else float(ulps)
        lanes = {name: Known.read(one) for name, one in fields.get("lanes", {}).items()}
        return Known(Verdict(fields["verdict"]), bool(fields["passed"]), number, fields.get("problem"), lanes)


def _error(run: Run) -> float | None:
    """Return the largest error in ULP of torch or of what the check states; infinity for a wrong nan."""
    worst = max((outcome.rank() for outcome in run.leading()), default=None)
    known = [run.tally.ulps] if worst is None or not worst.size else [run.tally.ulps, worst.size]
    return max((one for one in known if one is not None), default=None)


def _by_lane(run: Run) -> dict[str, Known]:
    """Return what each lane came to, by its dtype, way, engine and device."""
    found: dict[str, list[Outcome]] = {}
    for outcome in run.leading():
        found.setdefault(outcome.in_lane.title, []).append(outcome)
    parts = {name: replace(run, outcomes=tuple(some)) for name, some in found.items()}
    return {name: Known(part.verdict, part.passed, _error(part)) for name, part in parts.items()}


def write_baseline(batch: Batch, path: Path) -> None:
    """Write what every check of a batch came to; raises FileProblem."""
    checks = {result.check.id: Known.of(result).fields() for result in batch}
    text = json.dumps({"gradcheck_baseline": VERSION, "checks": checks}, indent=1, sort_keys=True, ensure_ascii=False)
    try:
        refuse_link(path)
        write_whole(path, lambda file: file.writelines([text, "\n"]))
    except OSError as problem:
        raise FileProblem(f"cannot write {path}: {problem.strerror or problem}") from None


def compare_baseline(batch: Batch, path: Path, factor: float = DEFAULT_FACTOR) -> Batch:
    """Return the batch as seen from a baseline: what it knows passes, unless it got worse since.

    Worse is a more severe verdict, an error beyond the tolerance that grew by more than ``factor``, another problem, or
    a failure where there was none, or in a lane that was not checked. Checks that the baseline does not know are judged
    as ever.
    """
    if not factor >= 1:
        raise UsageProblem(f"an error may grow by a factor of 1 or more, not {factor}")
    baseline = _read(path)
    results = tuple(_seen(result, baseline.get(result.check.id), factor) for result in batch)
    known = sum(result.known for result in results)
    terms = (*batch.terms, *([f"{known:,} known to the baseline"] if known else []))
    return replace(batch, results=results, notes=[*batch.notes, *_notes(results, baseline)], terms=terms)


def _seen(result: Result, known: Known | None, factor: float) -> Result:
    if known is None:
        return result
    worse = _worse(Known.of(result), known, _tolerance(result), factor)
    if worse is not None:
        return replace(result, unmet=(*result.unmet, worse))
    return result if result.passed else replace(result, known=True)


def _tolerance(result: Result) -> float:
    settings = result.check.settings
    return max(map(settings.tolerance, settings.in_dtypes))


def _worse(now: Known, then: Known, tolerance: float, factor: float) -> str | None:
    """Return in what a check got worse, None if in nothing."""
    if (worse := _worse_lane(now, then, tolerance, factor)) is not None:
        return worse
    if now.verdict.severity > then.verdict.severity:
        return f"the baseline has verdict {then.verdict}, now it is {now.verdict}"
    if now.ulps is not None and then.ulps is not None and now.ulps > max(tolerance, factor * then.ulps):
        return f"the baseline has an error of {then.ulps:,.6g} ULP, now it is {now.ulps:,.6g}"
    if now.problem != then.problem and now.problem is not None:
        return f"the baseline has {then.problem or 'no such problem'}"
    return "it passes in the baseline" if then.passed and not now.passed else None


def _worse_lane(now: Known, then: Known, tolerance: float, factor: float) -> str | None:
    """Return in what one of several lanes got worse; one that fails and was not checked before did."""
    if not then.lanes or len({*now.lanes, *then.lanes}) < 2:
        return None  # a lane alone is the whole check, and of one that did not run no lane is known
    for name, lane in sorted(now.lanes.items()):
        if name not in then.lanes:
            worse = None if now.passed or lane.passed else f"the baseline has nothing, now it is {lane.verdict}"
        else:
            worse = _worse(lane, then.lanes[name], tolerance, factor)
        if worse is not None:
            return f"in {name} {worse}"
    return None


def _notes(results: tuple[Result, ...], baseline: dict[str, Known]) -> list[str]:
    """Return what is stale in a baseline."""
    found = {result.check.id: result for result in results}
    absent = [one for one in baseline if one not in found]
    gone = [one for one, known in baseline.items() if one in found and not known.passed and found[one].passed]
    gone = [one for one in gone if not found[one].known]
    return [
        *_note(absent, "in the baseline and not in this run"),
        *_note(gone, "a known finding no more: write the baseline again"),
    ]


def _note(ids: list[str], what: str) -> list[str]:
    more = f" and {len(ids) - 3} more" if len(ids) > 3 else ""
    return [f"{', '.join(ids[:3])}{more}: {what}"] if ids else []


def _read(path: Path) -> dict[str, Known]:
    try:
        refuse_link(path)
        found = json.loads(read_plain(path, MAX_BYTES, "a baseline").decode("utf-8"))
        if found["gradcheck_baseline"] != VERSION:
            raise FileProblem(f"{path} has a form that this gradcheck does not know", hint="write the baseline again")
        return {one: Known.read(fields) for one, fields in found["checks"].items()}
    except (OSError, LimitProblem) as problem:
        raise FileProblem(f"cannot read {path}: {getattr(problem, 'strerror', None) or problem}") from None
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise FileProblem(f"{path} is no baseline of gradcheck", hint="write the baseline again") from None
