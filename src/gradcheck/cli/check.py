"""The command that checks one program: `gradcheck PROGRAM --at POINT`."""

from __future__ import annotations

import gc
import platform
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gradcheck import __version__
from gradcheck.apart import DEFAULT_TIMEOUT, timing
from gradcheck.cli import options
from gradcheck.cli.config import said
from gradcheck.cli.output import check_writable, chosen, deliver, extra_reports, write_file
from gradcheck.cli.values import Command
from gradcheck.errors import FileProblem, UsageProblem, visible
from gradcheck.exits import Exit
from gradcheck.report.reporters import RESULTS, names, write

if TYPE_CHECKING:
    from gradcheck.outcome import Run
    from gradcheck.settings import Settings

EPILOG = (
    "`gradcheck -` reads the program from standard input. `gradcheck batch` checks files of programs, "
    "`gradcheck functions` lists the functions of the language, `gradcheck selftest` plants faults to test gradcheck."
)

checker = typer.Typer(**options.APP)  # type: ignore[arg-type]


def _show_version(wanted: bool) -> None:
    if wanted:
        installed = {name: _installed(name) for name in ("torch", "sympy", "python-flint")}
        found = {"gradcheck": __version__, **installed, "python": platform.python_version()}
        print("\n".join(f"{name} {one}" for name, one in found.items()))
        raise typer.Exit


def _installed(name: str) -> str:
    """Return the version of a library as its package says: to load the library takes twenty times as long."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(name)
    except PackageNotFoundError:
        return "unknown"


# fmt: off
@checker.command(cls=Command, epilog=EPILOG, no_args_is_help=True, context_settings=options.CONTEXT)
def check(  # noqa: PLR0913, PLR0917 - one parameter an option
    context: typer.Context,
    program: Annotated[str, typer.Argument(
        metavar="PROGRAM", help='A formula, or layers: "y = 3*x + 2; z = y**2; mean(z)".', show_default=False)],
    at: options.At = None,
    dtype: options.Dtype = "float32",
    device: options.Device = "cpu",
    wrt: Annotated[list[str] | None, typer.Option(
        metavar="INPUT,...", help="Differentiate by these inputs only.", show_default=False)] = None,
    expect: Annotated[list[str] | None, typer.Option(
        metavar="[INPUT=]EXPR", help="The derivative you believe in; it is compared too.", show_default=False)] = None,
    ulps: options.Ulps = None,
    seed: options.Seed = 0,
    assertion: options.Assertion = False,
    allow: options.Allow = None,
    exit_zero: options.ExitZero = False,
    nondet: options.Nondet = 0,
    timeout: options.Timeout = DEFAULT_TIMEOUT,
    emit_repro: Annotated[Path | None, typer.Option(
        "--emit-repro", metavar="FILE", help="Write a script of torch alone that shows the worst failure.",
        show_default=False)] = None,
    everything: options.Everything = False,
    format: Annotated[str | None, typer.Option(  # noqa: A002 - the option's name
        metavar=f"[{'|'.join(names(RESULTS))}]", help="What to write; a table, unless the file's suffix says more.",
        show_default=False)] = None,
    output: options.Output = None,
    report: options.Reports = None,
    color: options.Shade = options.Color.AUTO,
    quiet: options.Quiet = False,
    verbose: options.Verbose = 0,
    _version: Annotated[bool, typer.Option(
        "--version", callback=_show_version, is_eager=True, help="Show the versions of gradcheck and its libraries.",
    )] = False,
) -> None:
    """Tell whether the gradient PyTorch computes for PROGRAM is right, by how much it is off, and why."""
    from gradcheck.settings import Settings

    settings = Settings(
        dtypes=options.listed([dtype]), device=device, wrt=options.listed(wrt) if wrt else None, ulps=ulps,
        expect=tuple(expect or ()), seed=seed, assertion=assertion, allow=options.listed(allow or ()), nondet=nondet,
    )
    if settings.wrt == ():
        raise UsageProblem("--wrt names no input")
    form, more = chosen(format, output, "table"), extra_reports(report or ())
    check_writable([output, emit_repro, *(path for _, path in more)])
    text = program_text(program)
    with timing(options.seconds(timeout)):
        run = _run(text, at or [], settings)
    from gradcheck.suite import Check, single

    made = single(Check(" ".join(text.split()), text, tuple(at or ()), settings), run, said(context))
    shown = options.view(color, everything=everything, quiet=quiet or assertion, verbose=verbose)
    for one, path in [(form, output), *more]:
        deliver(lambda file, one=one: write(one, made, file, shown), path, one, color)  # type: ignore[misc]
    if emit_repro is not None:
        _emit(run, emit_repro)
    if run.exit is Exit.NOTHING:
        print("nothing was checked: the program has no input to differentiate by", file=sys.stderr)
    raise typer.Exit(Exit.PASS if exit_zero and run.exit is Exit.FAIL else run.exit)
# fmt: on


def _run(text: str, at: Sequence[str], settings: Settings) -> Run:
    """Return the run; whatever can be wrong with the texts is found before the heavy libraries are loaded."""
    from gradcheck.constants import assigned_constants
    from gradcheck.parse import parse

    program = parse(text, assigned_constants(at))
    settings.validate(program.inputs)
    from gradcheck.expect import expectations
    from gradcheck.lower import lower
    from gradcheck.points import parse_points
    from gradcheck.verdict import failing

    failing(settings.assertion, settings.allow)
    points = parse_points(at, program.inputs, seed=settings.seed)
    for shapes in {tuple((name, one.shape) for name, one in point.items()) for point in points}:
        lower(program, dict(shapes))
        expectations(settings.expect, settings.wrt or program.inputs, program, dict(shapes))
    from gradcheck.case import check_program

    gc.freeze()  # what the libraries made stays for good: no collection needs to look at it
    gc.enable()
    return check_program(program, points, settings)


def program_text(program: str) -> str:
    """Return the program's text, from standard input where it is called ``-``."""
    from gradcheck.source import MAX_TEXT_LENGTH

    if program != "-":
        return program
    try:
        # One character more than the limit is enough for the parser to refuse it.
        return sys.stdin.read(MAX_TEXT_LENGTH + 1)
    except UnicodeDecodeError:
        raise FileProblem("standard input is not UTF-8 text") from None


def _emit(run: Run, path: Path) -> None:
    """Write the script that shows the worst failure, or say that there is none."""
    from gradcheck.repro import worst_script

    text = worst_script(run)
    if text is None:
        print(visible(f"nothing fails: {path} is not written"), file=sys.stderr)
    else:
        write_file(path, lambda file: file.writelines([text]))
