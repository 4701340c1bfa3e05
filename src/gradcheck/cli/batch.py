"""The command that checks many programs: `gradcheck batch PATHS...`."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gradcheck.apart import DEFAULT_TIMEOUT, result_apart
from gradcheck.cli import options
from gradcheck.cli.config import said
from gradcheck.cli.output import check_writable, chosen, deliver, extra_reports
from gradcheck.cli.values import Command
from gradcheck.errors import LimitProblem, UsageProblem, printable, visible
from gradcheck.exits import Exit
from gradcheck.report.reporters import REPORTERS, RESULTS, names, write

if TYPE_CHECKING:
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


# fmt: off
@batcher.command("batch", cls=Command, epilog=EPILOG, no_args_is_help=True, context_settings=options.CONTEXT)
def batch(  # noqa: PLR0913, PLR0917 - one parameter an option
    context: typer.Context,
    paths: Annotated[list[str], typer.Argument(
        metavar="PATHS...", help="Expression files, directories of them, patterns, or -.", show_default=False)],
    workers: Annotated[str, typer.Option(
        "--workers", "-n", metavar="N", help="Worker processes; auto is one for each core.")] = "auto",
    expression: Annotated[str | None, typer.Option(
        "-k", metavar="EXPR", help="Only checks whose name matches: -k 'softmax and not float16'.",
        show_default=False)] = None,
    first: Annotated[bool, typer.Option("--exitfirst/--no-exitfirst", "-x", help="Stop at the first failure.")] = False,
    maxfail: Annotated[int | None, typer.Option(
        metavar="N", min=1, help="Stop after N failures.", show_default=False)] = None,
    lf: Annotated[bool, typer.Option(
        "--lf/--no-lf", "--last-failed/--no-last-failed", help="Only what failed last time.")] = False,
    collect_only: Annotated[bool, typer.Option(
        "--collect-only/--no-collect-only", help="List the checks and run none.")] = False,
    durations: Annotated[int, typer.Option(metavar="N", min=0, help="Name the N slowest checks.")] = 0,
    shard: Annotated[str | None, typer.Option(
        metavar="I/N", help="Only the I-th of N equal parts, the same on every machine.", show_default=False)] = None,
    timeout: options.Timeout = DEFAULT_TIMEOUT,
    baseline: Annotated[Path | None, typer.Option(
        metavar="FILE", help="Fail only on what got worse since.", show_default=False)] = None,
    write_baseline: Annotated[Path | None, typer.Option(
        metavar="FILE", help="Write down how things are now.", show_default=False)] = None,
    trust: Annotated[bool, typer.Option(
        "--trust/--no-trust", help="Let expression files read points from files beside them.")] = False,
    at: options.At = None,
    dtype: options.Dtype = "float32",
    device: options.Device = "cpu",
    ulps: options.Ulps = None,
    seed: options.Seed = 0,
    assertion: options.Assertion = False,
    allow: options.Allow = None,
    exit_zero: options.ExitZero = False,
    nondet: options.Nondet = 0,
    format: Annotated[str | None, typer.Option(  # noqa: A002 - the option's name
        metavar=f"[{'|'.join(names(RESULTS))}]",
        help="What to write: a table, or github where GITHUB_ACTIONS is true, unless the file's suffix says more.",
        show_default=False)] = None,
    output: options.Output = None,
    report: options.Reports = None,
    everything: options.Everything = False,
    color: options.Shade = options.Color.AUTO,
    quiet: options.Quiet = False,
    verbose: options.Verbose = 0,
) -> None:
    """Check every program of expression files, in worker processes, and report on all of them together."""
    from gradcheck.settings import Settings

    settings = Settings(
        dtypes=options.listed([dtype]), device=device, ulps=ulps, seed=seed, assertion=assertion,
        allow=options.listed(allow or ()), nondet=nondet,
    )
    from gradcheck.batch import Bar, BatchOptions, compare_baseline, run_batch, write_last_failed
    from gradcheck.batch import write_baseline as save_baseline
    from gradcheck.suite import easier

    usual = "github" if os.environ.get("GITHUB_ACTIONS") == "true" else "table"
    form, more = chosen(format, output, usual), extra_reports(report or ())
    check_writable([output, write_baseline, *(path for _, path in more)])
    limit = 1 if first else maxfail
    texts = any(REPORTERS[one].texts for one in (form, *(one for one, _ in more)))
    limits = BatchOptions(
        _workers(workers), options.seconds(timeout), limit, seed=seed, texts=texts, everything=everything
    )
    found = _load(paths, at or (), settings, trust)
    picked, left = _Choice(expression, lf, _part(shard)).of(found.checks)
    if collect_only:
        raise typer.Exit(_list(picked, found.problems))
    terms = (*said(context), *left, *easier(picked, settings))
    made = replace(run_batch(picked, limits, Bar()), problems=found.problems, terms=terms)
    write_last_failed(made)
    made = made if baseline is None else compare_baseline(made, baseline)
    if write_baseline is not None:
        save_baseline(made, write_baseline)
    made = replace(made, notes=[*made.notes, *_slowest(made, durations)])
    shown = options.view(color, everything=everything, quiet=quiet or assertion, verbose=verbose)
    for one, path in [(form, output), *more]:
        deliver(lambda file, one=one: write(one, made, file, shown), path, one, color)  # type: ignore[misc]
    raise typer.Exit(Exit.PASS if exit_zero and made.exit is Exit.FAIL else made.exit)
# fmt: on


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


def _workers(text: str) -> int | None:
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
