"""The command line: options become settings, the checks run, a reporter writes, an exit code comes back."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import typer

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
_CONFIGURED = (CHECK, "batch", "explain")
"""The commands whose options the settings of a project may give; those that list have none."""


def command(name: str) -> typer.Typer:
    """Return one command; only the modules that it needs are loaded."""
    module, app = _HOMES[name]
    found: typer.Typer = getattr(import_module(f"gradcheck.cli.{module}"), app)
    return found


def settings_for(name: str) -> tuple[str, dict[str, Any]]:
    """Return the file of the project's settings and what it says about a command."""
    if name not in _CONFIGURED:
        return "", {}
    from gradcheck.cli.config import defaults

    return defaults(command(name), map(command, _CONFIGURED), Path.cwd())


__all__ = ["CHECK", "COMMANDS", "PROGRAMS", "command", "settings_for"]
