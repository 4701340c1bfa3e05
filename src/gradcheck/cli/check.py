"""The command that checks one program: `gradcheck PROGRAM --at POINT`."""

from __future__ import annotations

import gc
import os
import platform
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gradcheck import __version__
from gradcheck.apart import timing
from gradcheck.cli import COMMANDS, options
from gradcheck.cli.options import Given
from gradcheck.cli.output import check_writable, chosen, deliver, extra_reports, write_file
from gradcheck.cli.values import Overview
from gradcheck.errors import FileProblem, visible
from gradcheck.exits import Exit
from gradcheck.report.reporters import write
from gradcheck.settings.table import Place

if TYPE_CHECKING:
    from gradcheck.outcome import Run
    from gradcheck.settings import Settings

EPILOG = (
    "`gradcheck -` reads the program from standard input. Without --at the derivative is shown and nothing is checked. "
    "Exit codes: 0 all pass, 1 something fails, 2 the program, a point or an option is unusable, 5 nothing was checked."
)

FORMULA = 'A formula, or layers: "y = 3*x + 2; z = y**2; mean(z)".'
Program = Annotated[str, typer.Argument(metavar="PROGRAM", help=FORMULA, show_default=False)]

LOOKING = frozenset({"wrt", "color"})
"""Options that ask for no check: with others a point is missing, without them a program is only looked at."""

checker = typer.Typer(**{**options.APP, "add_completion": True})  # type: ignore[arg-type]


def _commands(incomplete: str) -> list[str]:
    return [name for name in COMMANDS if name.startswith(incomplete)]


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


@options.command(checker, "gradcheck", Place.CHECK, Overview, epilog=EPILOG, no_args_is_help=True)
def check(
    given: Given,
    program: Annotated[str, typer.Argument(
        metavar="PROGRAM", help=FORMULA, show_default=False, autocompletion=_commands)],
    _version: Annotated[bool, typer.Option(
        "--version", "-V", callback=_show_version, is_eager=True,
        help="Show the versions of gradcheck and its libraries.")] = False,
) -> None:  # fmt: skip
    """Tell whether the gradient PyTorch computes for PROGRAM is right, by how much it is off, and why."""
    settings, output, repro = given.settings, given["output"], given["emit-repro"]
    form, more = chosen(given["format"], output, "table"), extra_reports(given["report"] or ())
    check_writable([output, repro, *(path for _, path in more)])
    text = program_text(program)
    if not given.at and _only_looks(given):
        with timing(given["timeout"]):
            _look(text, settings)
    with timing(given["timeout"]):
        run = _run(text, given.at, settings)
    from gradcheck.suite import Check, single

    made = single(Check(" ".join(text.split()), text, given.at, settings), run, given.said)
    for one, path in [(form, output), *more]:
        deliver(lambda file, one=one: write(one, made, file, given.view), path, one, given.color)  # type: ignore[misc]
    if repro is not None:
        _emit(run, repro)
    if run.exit is Exit.NOTHING:
        print("nothing was checked: the program has no input to differentiate by", file=sys.stderr)
    raise typer.Exit(Exit.PASS if given["exit-zero"] and run.exit is Exit.FAIL else run.exit)


def _only_looks(given: Given) -> bool:
    """Tell whether nothing was asked to be checked: neither by an option, nor by the settings, nor by a build."""
    asked = given["assert"] or given["boundaries"]
    return given.spoken <= LOOKING and not asked and not os.environ.get("CI", "").strip()


def _look(text: str, settings: Settings) -> None:
    """Show the derivative of a program and end, unless there is none to show."""
    from gradcheck.parse import parse

    program = parse(text)
    settings.validate(program.inputs)
    if not program.inputs:
        return
    from gradcheck.report.sketch import sketch

    lines = sketch(program, settings.wrt or program.tracked)
    if lines is not None:
        deliver(lambda file: print("\n".join(lines), file=file), None, "table")
        raise typer.Exit(Exit.PASS)


def _run(text: str, at: Sequence[str], settings: Settings) -> Run:
    """Return the run; whatever can be wrong with the texts is found before the heavy libraries are loaded."""
    from gradcheck.constants import assigned_constants
    from gradcheck.parse import parse

    program = parse(text, assigned_constants(at))
    settings.validate(program.inputs)
    from gradcheck.expect import expectations
    from gradcheck.lower import lower
    from gradcheck.points import parse_points
    from gradcheck.points.held import grouped
    from gradcheck.verdict import failing

    failing(settings.assertion, settings.allow)
    wanted = at or not settings.boundaries
    points = parse_points(at, program.inputs, seed=settings.seed) if wanted else []
    for held, shapes, _ in grouped(program, points):
        lower(held, shapes)
        expectations(settings.expect, settings.wrt or held.tracked, held, shapes)
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
