"""The command line: options become settings, the check runs, a reporter writes, an exit code comes back."""

from __future__ import annotations

import gc
import os
import sys
import tempfile
from collections.abc import Callable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated

import typer

from gradcheck.errors import FileProblem
from gradcheck.report import REPORTERS, View
from gradcheck.settings import DEFAULT_ULPS, Exit, Settings

if TYPE_CHECKING:
    from gradcheck.outcome import Run

EPILOG = (
    "`gradcheck -` reads the program from standard input. `gradcheck functions` lists the functions of the language."
)


class Format(StrEnum):
    """The formats of a report."""

    TABLE = "table"
    JSON = "json"


class Color(StrEnum):
    """When a report is coloured."""

    AUTO = "auto"
    ALWAYS = "always"
    NEVER = "never"


# Help is plain text: that is twice as quick as panels, reads the same in a log, and wraps at any width.
_OPTIONS = {"add_completion": False, "pretty_exceptions_enable": False, "rich_markup_mode": None}
checker = typer.Typer(**_OPTIONS)  # type: ignore[arg-type]
lister = typer.Typer(**_OPTIONS)  # type: ignore[arg-type]
tester = typer.Typer(**_OPTIONS)  # type: ignore[arg-type]

COMMANDS = {"functions": lister, "selftest": tester}
"""The words that are subcommands; anything else in the first place is a program to check."""


def _show_version(wanted: bool) -> None:
    if wanted:
        from gradcheck.case import environment

        found = environment("cpu")
        names = ("gradcheck", "torch", "sympy", "python-flint", "python")
        typer.echo("\n".join(f"{name} {found[name]}" for name in names))
        raise typer.Exit


# fmt: off
@checker.command(epilog=EPILOG, no_args_is_help=True, context_settings={"help_option_names": ["-h", "--help"]})
def check(  # noqa: PLR0913, PLR0917 - one parameter an option
    program: Annotated[str, typer.Argument(
        metavar="PROGRAM", help='A formula, or layers: "y = 3*x + 2; z = y**2; mean(z)".', show_default=False)],
    at: Annotated[list[str] | None, typer.Option(
        metavar="POINT", help='Where: 2  1,2,3  x=1,y=2  "x=[[1,2],[3,4]]"  x=-2:2:9  "x=randn(2,3)"  x=@file.npy',
        show_default=False)] = None,
    dtype: Annotated[str, typer.Option(
        metavar="DTYPE,...", help="float64, float32, bfloat16, float16, or several.")] = "float32",
    device: Annotated[str, typer.Option(metavar="DEVICE", help="Where torch runs.")] = "cpu",
    wrt: Annotated[list[str] | None, typer.Option(
        metavar="INPUT,...", help="Differentiate by these inputs only.", show_default=False)] = None,
    expect: Annotated[list[str] | None, typer.Option(
        metavar="[INPUT=]EXPR", help="The derivative you believe in; it is compared too.", show_default=False)] = None,
    ulps: Annotated[float, typer.Option(metavar="N", help="Tolerance in ULP of the dtype.")] = DEFAULT_ULPS,
    seed: Annotated[int, typer.Option(metavar="N", help="Seed of randn and rand.")] = 0,
    assertion: Annotated[bool, typer.Option(
        "--assert", help="Fail on whatever is not shown to be right: unstable, undefined and undecided too.")] = False,
    allow: Annotated[list[str] | None, typer.Option(
        metavar="VERDICT,...", help="Let these verdicts pass.", show_default=False)] = None,
    nondet: Annotated[int, typer.Option(
        metavar="N", min=0, help="Run torch N more times, and report what differs.")] = 0,
    emit_repro: Annotated[Path | None, typer.Option(
        "--emit-repro", metavar="FILE", help="Write a script of torch alone that shows the worst failure.",
        show_default=False)] = None,
    everything: Annotated[bool, typer.Option(
        "--all", help="Show every point and element, not only the worst.")] = False,
    format: Annotated[Format, typer.Option(help="What to write.")] = Format.TABLE,  # noqa: A002 - the option's name
    output: Annotated[Path | None, typer.Option(
        "--output", "-o", metavar="FILE", help="Write there, not to standard output.", show_default=False)] = None,
    color: Annotated[Color, typer.Option(help="When to colour.")] = Color.AUTO,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Only what fails, and the summary.")] = False,
    verbose: Annotated[int, typer.Option(
        "--verbose", "-v", count=True, metavar="", help="More: enclosures, and the gradient program.",
        show_default=False)] = 0,
    _version: Annotated[bool, typer.Option(
        "--version", callback=_show_version, is_eager=True, help="Show the versions of gradcheck and its libraries.",
    )] = False,
) -> None:  # fmt: skip
    """Tell whether the gradient PyTorch computes for PROGRAM is right, by how much it is off, and why."""
    settings = Settings(
        dtypes=_listed([dtype]), device=device, wrt=_listed(wrt) if wrt else None, ulps=ulps,
        expect=tuple(expect or ()), seed=seed, assertion=assertion, allow=_listed(allow or ()), nondet=nondet,
    )
    run = _run(_program_text(program), at or [], settings)
    shades = {Color.AUTO: None, Color.ALWAYS: True, Color.NEVER: False}
    view = View(everything=everything, quiet=quiet or assertion, verbose=verbose, color=shades[color])
    _report(run, lambda file: REPORTERS[format](run, file, view), output)
    if emit_repro is not None:
        _emit(run, emit_repro)
    raise typer.Exit(run.exit)
# fmt: on


def _run(text: str, at: Sequence[str], settings: Settings) -> Run:
    """Return the run; whatever can be wrong with the texts is found before the heavy libraries are loaded."""
    from gradcheck.compare import failing
    from gradcheck.expect import expectations
    from gradcheck.lower import lower
    from gradcheck.parse import parse
    from gradcheck.points import assigned_constants, parse_points

    failing(settings.assertion, settings.allow)
    program = parse(text, assigned_constants(at))
    settings.validate(program.inputs)
    points = parse_points(at, program.inputs, seed=settings.seed)
    for shapes in {tuple((name, one.shape) for name, one in point.items()) for point in points}:
        lower(program, dict(shapes))
        expectations(settings.expect, settings.wrt or program.inputs, program, dict(shapes))
    from gradcheck.case import check_program

    gc.freeze()  # what the libraries made stays for good: no collection needs to look at it
    gc.enable()
    return check_program(program, points, settings)


def _listed(texts: Sequence[str]) -> tuple[str, ...]:
    """Return the words of comma-separated, repeatable options, each once."""
    words = [word.strip() for text in texts for word in text.split(",")]
    return tuple(dict.fromkeys(word for word in words if word))


def _program_text(program: str) -> str:
    from gradcheck.source import MAX_TEXT_LENGTH

    if program != "-":
        return program
    try:
        # One character more than the limit is enough for the parser to refuse it.
        return sys.stdin.read(MAX_TEXT_LENGTH + 1)
    except UnicodeDecodeError:
        raise FileProblem("standard input is not UTF-8 text") from None


def _report(run: Run, write: Callable[[IO[str]], None], output: Path | None) -> None:
    if output is None:
        write(sys.stdout)
        sys.stdout.flush()
    else:
        _write_whole(output, write)
    if run.exit is Exit.NOTHING:
        typer.echo("nothing was checked: the program has no input to differentiate by", err=True)


def _emit(run: Run, path: Path) -> None:
    """Write the script that shows the worst failure, or say that there is none."""
    from gradcheck.repro import worst_script

    text = worst_script(run)
    if text is None:
        typer.echo(f"nothing fails: {path} is not written", err=True)
    else:
        _write_whole(path, lambda file: file.writelines([text]))


def _write_whole(path: Path, write: Callable[[IO[str]], None]) -> None:
    """Write a file so that it is either whole or not there."""
    try:
        with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False, encoding="utf-8") as file:
            try:
                write(file)
            except BaseException:
                os.unlink(file.name)
                raise
        os.chmod(file.name, 0o666 & ~_umask())
        os.replace(file.name, path)
    except OSError as problem:
        raise FileProblem(f"cannot write {path}: {problem.strerror or problem}") from None


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


@lister.command("functions", context_settings={"help_option_names": ["-h", "--help"]})
def list_functions(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="Only this one.", show_default=False)] = None,
) -> None:
    """List the functions of the language: how they are called, what they mean, where they are defined."""
    from gradcheck.report.functions import write

    write(name, sys.stdout)


@tester.command("selftest", context_settings={"help_option_names": ["-h", "--help"]})
def run_selftest(
    text: Annotated[str, typer.Option(
        "-k", metavar="TEXT", help="Only faults and programs with this in the name or the formula.",
        show_default=False)] = "",
    format: Annotated[Format, typer.Option(help="What to write.")] = Format.TABLE,  # noqa: A002 - the option's name
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Only what goes wrong, and the summary.")] = False,
) -> None:  # fmt: skip
    """Plant faults in PyTorch's operations, and tell whether each is found and no correct program is called wrong."""
    from gradcheck.report.selftest import WRITERS
    from gradcheck.selftest import selftest

    tally = selftest(text)
    WRITERS[format](tally, sys.stdout, View(quiet=quiet))
    raise typer.Exit(tally.exit)
