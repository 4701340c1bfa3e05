"""The command that explains one program: `gradcheck explain PROGRAM --at POINT`."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from gradcheck.apart import timing
from gradcheck.cli import options
from gradcheck.cli.check import Program, program_text
from gradcheck.cli.options import Given
from gradcheck.cli.output import Writer, check_writable, chosen, deliver, write_file
from gradcheck.errors import UsageProblem
from gradcheck.exits import Exit
from gradcheck.report.reporters import EXPLANATION, writer
from gradcheck.settings.table import Place

if TYPE_CHECKING:
    from gradcheck.explanation.model import Explanation
    from gradcheck.report import View

PROMPT = "Enter: the next step; q: quit "
QUIT = ("q", "quit")

explainer = typer.Typer(**options.APP)  # type: ignore[arg-type]


@options.command(explainer, "explain", Place.EXPLAIN, no_args_is_help=True)
def explain_program(given: Given, program: Program) -> None:
    """Tell where the gradient of PROGRAM comes from, step by step, and what autograd makes of it."""
    output, graph, steps = given["output"], given["graph"], given["steps"]
    form = chosen(given["format"], output, "terminal", EXPLANATION)
    if steps and (form != "terminal" or output is not None):
        raise UsageProblem("--steps is for the terminal", hint="leave out --format and --output, or --steps")
    check_writable([output, graph])
    text = program_text(program)
    with timing(given["timeout"]):
        found = _explained(text, given)
    if graph is not None:
        _draw(found, graph)
    deliver(_writer(form, found, given.view, steps, given["hint"]), output, form, given.color)
    raise typer.Exit(Exit.FAIL if found.fails else Exit.PASS)


def _explained(text: str, given: Given) -> Explanation:
    """Return the explanation; what can be wrong with the texts is found before the heavy libraries are loaded.

    One point and one dtype are explained: those of a project, which were not written for this, give their first.
    """
    from gradcheck.parse import parse
    from gradcheck.points import assigned_constants, parse_points

    settings, accumulate = given.settings, given["accumulate"]
    if "dtype" in given.written:
        settings = replace(settings, dtypes=settings.in_dtypes[:1])
    program = parse(text, assigned_constants(given.at))
    settings.validate(program.inputs)
    points = parse_points(given.at, program.inputs, seed=settings.seed)
    if "at" in given.written and not accumulate:
        points = points[:1]
    from gradcheck.explanation import explain_program as explained

    return explained(program, points, settings, accumulate=accumulate, freeze=given["freeze"] or ())


def _writer(form: str, found: Explanation, shown: View, steps: bool, hint: bool) -> Writer:
    write = writer(form, EXPLANATION)
    if form == "terminal":
        return lambda file: write(found, file, shown, pause=_goes_on if steps else None, hint=hint)
    return lambda file: file.writelines([write(found, hint=hint)])


def _goes_on() -> bool:
    """Ask whether to go on, and return the answer; where there is nobody to ask, it is yes."""
    sys.stdout.flush()
    sys.stderr.write(PROMPT)
    sys.stderr.flush()
    answer = sys.stdin.readline()
    if not answer.endswith("\n"):
        sys.stderr.write("\n")
    return answer.strip().lower() not in QUIT


def _draw(found: Explanation, path: Path) -> None:
    from gradcheck.explanation.graphs import drawing

    draw = drawing(str(path))
    if found.graph is None:
        raise UsageProblem("there is no graph to draw", hint="; ".join(found.notes) or None)
    text = draw(found.graph)
    write_file(path, lambda file: file.writelines([text]))
