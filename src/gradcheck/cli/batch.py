"""The command that checks many programs: `gradcheck batch PATHS...`."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated

import typer

from gradcheck.apart import result_apart
from gradcheck.cli import options
from gradcheck.cli.options import Given
from gradcheck.cli.output import check_writable, chosen, deliver, extra_reports
from gradcheck.errors import LimitProblem, UsageProblem, printable, visible
from gradcheck.exits import Exit
from gradcheck.report.reporters import REPORTERS, write
from gradcheck.settings.table import Place

if TYPE_CHECKING:
    from gradcheck.batch import BatchOptions
    from gradcheck.corpus import Loaded
    from gradcheck.settings import Settings
    from gradcheck.suite import Batch, Check

EPILOG = (
    "A directory stands for all its .toml and .txt files, - for standard input. "
    "Exit codes: 0 all pass, 1 something fails, 2 a file or an option is unusable, 5 nothing was checked, "
    "130 interrupted."
)

batcher = typer.Typer(**options.APP)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True)
class _Choice:
    """Which checks of the files run."""

    expression: str | None
    last_failed: bool
    shard: tuple[int, int] | None

    def of(self, checks: Sequence[Check]) -> tuple[list[Check], list[str]]:
        """Return the checks, and in words how many the file of the last failures leaves out."""
        from gradcheck.batch import last_failed, matching, shard

        chosen = list(checks) if self.expression is None else list(matching(checks, self.expression))
        known = len(chosen)
        chosen = last_failed(chosen) if self.last_failed else chosen
        left = [f"{known - len(chosen):,} left out: they did not fail last time"] if len(chosen) < known else []
        return chosen if self.shard is None else list(shard(chosen, *self.shard)), left


@options.command(batcher, "batch", Place.BATCH, epilog=EPILOG, no_args_is_help=True)
def batch(
    given: Given,
    paths: Annotated[list[str], typer.Argument(
        metavar="PATHS...", help="Expression files, directories of them, patterns, or -.", show_default=False)],
) -> None:  # fmt: skip
    """Check every program of expression files, in worker processes, and report on all of them together."""
    from gradcheck.batch import Bar, compare_baseline, run_batch, write_last_failed
    from gradcheck.batch import write_baseline as save_baseline
    from gradcheck.suite import easier

    more, output, written = extra_reports(given["report"] or ()), given["output"], given["write-baseline"]
    check_writable([output, written, *(path for _, path in more)])
    form = chosen(given["format"], output, "github" if os.environ.get("GITHUB_ACTIONS") == "true" else "table")
    limits = _limits(given, [form, *(form for form, _ in more)])
    found = _load(paths, given.at, given.settings, given["trust"])
    picked, left = _Choice(given["k"], given["lf"], _part(given["shard"])).of(found.checks)
    if given["collect-only"]:
        raise typer.Exit(_list(picked, found.problems))
    terms = (*given.said, *left, *easier(picked, given.settings))
    made = replace(run_batch(picked, limits, Bar()), problems=found.problems, terms=terms)
    write_last_failed(made)
    made = made if given["baseline"] is None else compare_baseline(made, given["baseline"])
    if written is not None:
        save_baseline(made, written)
    made = replace(made, notes=[*made.notes, *_slowest(made, given["durations"])])
    for one, path in [(form, output), *more]:
        deliver(lambda file, one=one: write(one, made, file, given.view), path, one, given.color)  # type: ignore[misc]
    raise typer.Exit(Exit.PASS if given["exit-zero"] and made.exit is Exit.FAIL else made.exit)


def _limits(given: Given, forms: Sequence[str]) -> BatchOptions:
    from gradcheck.batch import BatchOptions

    texts = any(REPORTERS[one].texts for one in forms)
    return BatchOptions(
        workers_of(given["workers"]), given["timeout"], 1 if given["exitfirst"] else given["maxfail"],
        seed=given.settings.seed, texts=texts, everything=given["all"],
    )  # fmt: skip


SPLIT = "check fewer files at once"


def _load(paths: Sequence[str], at: Sequence[str], settings: Settings, trust: bool) -> Loaded:
    from gradcheck.corpus import load
    from gradcheck.corpus.limits import MAX_MEMORY, MAX_SECONDS
    from gradcheck.verdict import failing

    failing(settings.assertion, settings.allow)
    settings.validate(())
    try:
        return result_apart(lambda: load(paths, at=at, settings=settings, trust=trust), MAX_SECONDS, MAX_MEMORY)
    except TimeoutError:
        raise LimitProblem(f"reading the files takes more than {MAX_SECONDS:g} s", hint=SPLIT) from None
    except (MemoryError, ChildProcessError):
        raise LimitProblem(f"reading the files takes more than {MAX_MEMORY / 2**30:g} GiB", hint=SPLIT) from None


def workers_of(text: str) -> int | None:
    """Return how many worker processes are asked for, None for one on each core; raises UsageProblem."""
    if text == "auto":
        return None
    if not text.isdecimal() or int(text) < 1:
        raise UsageProblem(f"the number of workers is auto or 1 or more, not {text!r}")
    return int(text)


def _part(text: str | None) -> tuple[int, int] | None:
    """Return a part of the checks: ``2/3`` is the second of three.

    >>> _part("2/3")
    (2, 3)
    """
    if text is None:
        return None
    found = re.fullmatch(r"([0-9]{1,6})/([0-9]{1,6})", text)
    if found is None:
        raise UsageProblem(f"a shard is I/N, not {text!r}", hint="write --shard 1/3 for the first of three")
    return int(found[1]), int(found[2])


def _list(checks: Sequence[Check], problems: Sequence[str]) -> Exit:
    """Print the checks and return the exit code."""
    for check in checks:
        print(printable(check.id))
    for problem in problems:
        print(visible(f"gradcheck: {problem}"), file=sys.stderr)
    print(f"{len(checks):,} check{'s' * (len(checks) != 1)}", file=sys.stderr)
    if problems:
        return Exit.USAGE
    return Exit.PASS if checks else Exit.NOTHING


def _slowest(made: Batch, count: int) -> list[str]:
    """Return a line for each of the slowest checks."""
    slow = sorted(made, key=lambda result: -result.seconds)[:count]
    return [f"{result.seconds:.2f} s {result.check.id}" for result in slow]
