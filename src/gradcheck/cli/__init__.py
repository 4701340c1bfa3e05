"""The command line: options become settings, the checks run, a reporter writes, an exit code comes back."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import typer

    from gradcheck.cli.config import Project

CHECK = "check"
"""What is run where the first word is no subcommand, but a program."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A command: the file and the app that it is, an example, what that does."""

    module: str
    app: str
    example: str
    meaning: str


LISTED = {
    CHECK: Listed("check", "checker", 'gradcheck "x**2" --at 3', "check the gradient of a program at a point"),
    "explain": Listed("explain", "explainer", 'gradcheck explain "x**2" --at 3', "where it comes from, step by step"),
    "batch": Listed("batch", "batcher", "gradcheck batch expressions", "check the programs of files and folders"),
    "nest": Listed("nest", "nester", "gradcheck nest sin tanh", "functions in every way of differentiating"),
    "functions": Listed("lists", "lister", "gradcheck functions softmax", "what a function means; all without a name"),
    "selftest": Listed("lists", "tester", "gradcheck selftest -k relu", "plant faults in PyTorch; is each one found?"),
}
COMMANDS = tuple(name for name in LISTED if name != CHECK)
"""The words that are subcommands; anything else in the first place is a program to check."""
WELCOME = """\
gradcheck holds the gradients that PyTorch computes against exact ones,
and says what is wrong, where and why."""


def overview() -> str:
    """Return what gradcheck is, and an example of every command."""
    width = max(len(one.example) for one in LISTED.values())
    rows = [f"  {one.example.ljust(width)}  {one.meaning}" for one in LISTED.values()]
    more = "gradcheck --help has the options of a check, and each command its own."
    return "\n".join([WELCOME, "", *rows, "", more])


def command(name: str) -> typer.Typer:
    """Return one command; only the modules that it needs are loaded."""
    home = LISTED[name]
    found: typer.Typer = getattr(import_module(f"gradcheck.cli.{home.module}"), home.app)
    return found


def takes_program(name: str) -> bool:
    """Tell whether a command takes a program, which may begin with a minus."""
    from gradcheck.settings.table import PROGRAMS, Place

    return Place.__members__.get(name.upper(), Place(0)) in PROGRAMS


def project_of(name: str) -> Project | None:
    """Return what the settings of the project say about a command; those that list have none."""
    from gradcheck.settings.table import Place

    place = Place.__members__.get(name.upper())
    if place is None:
        return None
    from gradcheck.cli.config import project
    from gradcheck.errors import FileProblem

    try:
        here = Path.cwd()
    except FileNotFoundError:
        raise FileProblem("the working directory is gone", hint="change to one that is there") from None
    return project(place, here)


__all__ = ["CHECK", "COMMANDS", "LISTED", "command", "overview", "project_of", "takes_program"]
