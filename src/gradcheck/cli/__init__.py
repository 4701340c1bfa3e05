"""The command line: options become settings, the checks run, a reporter writes, an exit code comes back."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import typer

    from gradcheck.cli.config import Project

CHECK = "check"
"""What is run where the first word is no subcommand, but a program."""
COMMANDS = ("batch", "explain", "functions", "selftest")
"""The words that are subcommands; anything else in the first place is a program to check."""
PROGRAMS = frozenset({"explain"})
"""The subcommands that take a program, which may begin with a minus."""
_HOMES = {
    CHECK: ("check", "checker"), "batch": ("batch", "batcher"), "explain": ("explain", "explainer"),
    "functions": ("lists", "lister"), "selftest": ("lists", "tester"),
}  # fmt: skip


def command(name: str) -> typer.Typer:
    """Return one command; only the modules that it needs are loaded."""
    module, app = _HOMES[name]
    found: typer.Typer = getattr(import_module(f"gradcheck.cli.{module}"), app)
    return found


def project_of(name: str) -> Project | None:
    """Return what the settings of the project say about a command; those that list have none."""
    from gradcheck.settings.table import Place

    place = Place.__members__.get(name.upper())
    if place is None:
        return None
    from gradcheck.cli.config import project

    return project(place, Path.cwd())


__all__ = ["CHECK", "COMMANDS", "PROGRAMS", "command", "project_of"]
