"""What a self-test found: a row for a planted fault, a line for a false alarm, and the summary; or all as JSON."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from typing import IO, TYPE_CHECKING, Any

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from gradcheck.errors import plural
from gradcheck.exits import Exit
from gradcheck.report import View
from gradcheck.report.tones import COLORS, console
from gradcheck.verdict import Tone, Verdict, counted

if TYPE_CHECKING:
    from gradcheck.blame import Cause
    from gradcheck.selftest import Alarm, Tally, Trial

GOOD, BAD = COLORS[Tone.GOOD], COLORS[Tone.BAD]


def write(tally: Tally, file: IO[str], view: View) -> None:
    """Write the table of all trials, or of the missed ones where the view is quiet, false alarms, and the summary."""
    paper = console(file, width=view.width or (None if file.isatty() else 140))
    trials = tally.missed if view.quiet else tally.trials
    if trials:
        paper.print(_trials(trials))
        paper.print()
    for part in _below(tally):
        paper.print(part, soft_wrap=not paper.is_terminal)


def write_json(tally: Tally, file: IO[str], _view: View) -> None:
    """Write everything that came out as one JSON object."""
    report = {
        "exit_code": tally.exit,
        "faults": [_plain(one) for one in tally.trials],
        "correct_programs": tally.programs,
        "verdicts": dict(tally.verdicts),
        "false_alarms": [
            {"program": one.control.program, "at": one.control.at, "dtype": one.dtype, "verdict": one.verdict}
            for one in tally.alarms
        ],
        "environment": tally.environment,
    }
    file.write(json.dumps(report, indent=2, ensure_ascii=False) + "\n")


def _plain(trial: Trial) -> dict[str, Any]:
    fault = trial.fault
    return {
        "name": fault.name, "program": fault.program, "at": fault.at, "dtype": fault.dtype, "way": fault.way,
        "found": trial.found,
        "expected": {"verdict": fault.verdict, "cause": fault.cause, "operation": fault.op},
        "actual": {"verdict": trial.verdict, "cause": trial.cause, "operation": trial.operation},
    }  # fmt: skip


def _trials(trials: Iterable[Trial]) -> Table:
    table = Table(box=SIMPLE_HEAD, pad_edge=False, header_style="bold", show_edge=False)
    for name in ("fault", "program", "dtype", "expected", "found"):
        table.add_column(name, overflow="fold")
    for trial in trials:
        fault = trial.fault
        expected = _finding(fault.verdict, fault.cause, fault.op)
        found = _finding(trial.verdict, trial.cause, trial.operation)
        mark = Text(f"✓ {found}", style=GOOD) if trial.found else Text(f"✗ {found}", style=BAD)
        table.add_row(Text(fault.name), Text(_one_line(fault.program)), Text(fault.dtype), Text(expected), mark)
    return table


def _finding(verdict: Verdict, cause: Cause | None, operation: str | None) -> str:
    """Return ``disagree, wrong-gradient in sin``, as far as it is known."""
    named = "" if cause is None else f", {cause}"
    return f"{verdict}{named}" + ("" if operation is None else f" in {operation}")


def _below(tally: Tally) -> Iterator[Text]:
    for one in tally.alarms:
        yield Text(f"✗ false alarm: {_alarm(one)}", style=BAD)
    if tally.exit is Exit.NOTHING:
        yield Text("nothing was tried: no fault and no program has this text", style=BAD)
        return
    missed = len(tally.missed)
    found = f"{plural(len(tally.trials) - missed, 'fault')} found, {missed:,} missed"
    calm = f"{plural(tally.programs, 'correct program')}, {plural(len(tally.alarms), 'false alarm')}"
    counts = counted(tally.verdicts)
    yield Text.assemble(
        (found, BAD if missed else GOOD), " · ", (calm, BAD if tally.alarms else GOOD),
        f"{counts and f' ({counts})'} · torch {tally.environment['torch']}",
    )  # fmt: skip


def _alarm(one: Alarm) -> str:
    return f"{_one_line(one.control.program)} at {', '.join(one.control.at)} in {one.dtype} is called {one.verdict}"


def _one_line(program: str) -> str:
    return "; ".join(program.splitlines())


WRITERS: dict[str, Callable[[Tally, IO[str], View], None]] = {"table": write, "json": write_json}
"""The writer of each format."""
