"""The commands that list: the functions of the language, and the faults that are planted to test the checker."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from gradcheck.cli.options import APP, CONTEXT
from gradcheck.cli.output import deliver
from gradcheck.cli.values import Command
from gradcheck.report import View

lister = typer.Typer(**APP)  # type: ignore[arg-type]
tester = typer.Typer(**APP)  # type: ignore[arg-type]


class Format(StrEnum):
    """The formats of a list."""

    TABLE = "table"
    JSON = "json"


class Manual(StrEnum):
    """The formats of the list of functions."""

    TABLE = "table"
    JSON = "json"
    MARKDOWN = "markdown"


def _functions(incomplete: str) -> list[str]:
    from gradcheck.functions import known_names

    return [name for name in known_names() if name.startswith(incomplete)]


@lister.command("functions", cls=Command, context_settings=CONTEXT)
def list_functions(
    name: Annotated[
        str | None,
        typer.Argument(metavar="NAME", help="Only this one, in full.", show_default=False, autocompletion=_functions),
    ] = None,
    format: Annotated[Manual, typer.Option(help="What to write.")] = Manual.TABLE,  # noqa: A002 - the option's name
) -> None:
    """List the functions of the language: how they are called, what they mean, where they are defined."""
    from gradcheck.report.functions import write

    deliver(lambda file: write(name, file, format), None, "table")


# fmt: off
@tester.command("selftest", cls=Command, context_settings=CONTEXT)
def run_selftest(
    text: Annotated[str, typer.Option(
        "-k", metavar="TEXT", help="Only faults and programs with this in the name or the formula.",
        show_default=False)] = "",
    format: Annotated[Format, typer.Option(help="What to write.")] = Format.TABLE,  # noqa: A002 - the option's name
    quiet: Annotated[bool, typer.Option(
        "--quiet/--no-quiet", "-q", help="Only what goes wrong, and the summary.")] = False,
) -> None:  # fmt: skip
    """Plant faults in PyTorch's operations, and tell whether each is found and no correct program is called wrong."""
    from gradcheck.report.selftest import WRITERS
    from gradcheck.selftest import selftest

    tally = selftest(text)
    deliver(lambda file: WRITERS[format](tally, file, View(quiet=quiet)), None, format)
    raise typer.Exit(tally.exit)
# fmt: on
