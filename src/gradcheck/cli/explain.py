"""The command that explains one program: `gradcheck explain PROGRAM --at POINT`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gradcheck.apart import DEFAULT_TIMEOUT, timing
from gradcheck.cli.check import program_text
from gradcheck.cli.options import (
    APP,
    CONTEXT,
    At,
    Color,
    Device,
    Output,
    Seed,
    Shade,
    Timeout,
    listed,
    seconds,
    view,
)
from gradcheck.cli.output import Writer, check_writable, chosen, deliver, write_file
from gradcheck.cli.values import Command
from gradcheck.errors import UsageProblem
from gradcheck.exits import Exit
from gradcheck.report.reporters import EXPLANATION, names, writer

if TYPE_CHECKING:
    from gradcheck.explanation.model import Explanation
    from gradcheck.report import View
    from gradcheck.settings import Settings

PROMPT = "Enter: the next step; q: quit "
QUIT = ("q", "quit")

explainer = typer.Typer(**APP)  # type: ignore[arg-type]


# fmt: off
@explainer.command("explain", cls=Command, no_args_is_help=True, context_settings=CONTEXT)
def explain_program(  # noqa: PLR0913, PLR0917 - one parameter an option
    context: typer.Context,
    program: Annotated[str, typer.Argument(
        metavar="PROGRAM", help='A formula, or layers: "y = 3*x + 2; z = y**2; mean(z)".', show_default=False)],
    at: At = None,
    dtype: Annotated[str, typer.Option(metavar="DTYPE", help="float64, float32, bfloat16 or float16.")] = "float32",
    device: Device = "cpu",
    wrt: Annotated[list[str] | None, typer.Option(
        metavar="INPUT,...", help="Differentiate by these inputs only.", show_default=False)] = None,
    freeze: Annotated[list[str] | None, typer.Option(
        metavar="INPUT,...", help="Let these inputs have requires_grad=False.", show_default=False)] = None,
    accumulate: Annotated[bool, typer.Option(
        "--accumulate/--no-accumulate",
        help="Run backward() at every point without zeroing, and follow what adds up.")] = False,
    steps: Annotated[bool, typer.Option(
        "--steps/--no-steps", help="One step at a time: Enter goes on, q quits.")] = False,
    hint: Annotated[bool, typer.Option(
        "--hint/--no-hint",
        help="Name the next rule before its result; without --steps, leave the results out.")] = False,
    graph: Annotated[Path | None, typer.Option(
        metavar="FILE", help="Draw the dynamic graph to a file: .svg, .dot or .mmd.", show_default=False)] = None,
    seed: Seed = 0,
    timeout: Timeout = DEFAULT_TIMEOUT,
    format: Annotated[str | None, typer.Option(  # noqa: A002 - the option's name
        metavar=f"[{'|'.join(names(EXPLANATION))}]",
        help="What to write; for the terminal, unless the file's suffix says more.",
        show_default=False)] = None,
    output: Output = None,
    color: Shade = Color.AUTO,
) -> None:
    """Tell where the gradient of PROGRAM comes from, step by step, and what autograd makes of it."""
    from gradcheck.settings import Settings

    if getattr(context.get_parameter_source("dtype"), "name", "") == "DEFAULT_MAP":
        dtype = listed([dtype])[0]  # a project's settings may name several, and one is explained
    settings = Settings(dtypes=listed([dtype]), device=device, wrt=listed(wrt) if wrt else None, seed=seed)
    form = chosen(format, output, "terminal", EXPLANATION)
    if steps and (form != "terminal" or output is not None):
        raise UsageProblem("--steps is for the terminal", hint="leave out --format and --output, or --steps")
    check_writable([output, graph])
    text = program_text(program)
    with timing(seconds(timeout)):
        found = _explained(text, at or [], settings, accumulate, listed(freeze or ()))
    if graph is not None:
        _draw(found, graph)
    deliver(_writer(form, found, view(color), steps, hint), output, form, color)
    raise typer.Exit(Exit.FAIL if found.run.exit is Exit.FAIL else Exit.PASS)
# fmt: on


def _explained(
    text: str, at: Sequence[str], settings: Settings, accumulate: bool, freeze: Sequence[str]
) -> Explanation:
    """Return the explanation; what can be wrong with the texts is found before the heavy libraries are loaded."""
    from gradcheck.parse import parse
    from gradcheck.points import assigned_constants, parse_points

    program = parse(text, assigned_constants(at))
    settings.validate(program.inputs)
    points = parse_points(at, program.inputs, seed=settings.seed)
    from gradcheck.explanation import explain_program as explained

    return explained(program, points, settings, accumulate=accumulate, freeze=freeze)


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
