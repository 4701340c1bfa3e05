"""The command line: options become settings, the checks run, a reporter writes, an exit code comes back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from gradcheck.cli.batch import batcher
from gradcheck.cli.check import checker
from gradcheck.cli.explain import explainer
from gradcheck.cli.lists import lister, tester

COMMANDS = {"batch": batcher, "explain": explainer, "functions": lister, "selftest": tester}
"""The words that are subcommands; anything else in the first place is a program to check."""
PROGRAMS = frozenset({"explain"})
"""The subcommands that take a program, which may begin with a minus."""


def settings_for(app: typer.Typer) -> tuple[str, dict[str, Any]]:
    """Return the file of the project's settings and what it says about a command; the commands that list have none."""
    readers = [checker, batcher, explainer]
    if app not in readers:
        return "", {}
    from gradcheck.cli.config import defaults

    return defaults(app, readers, Path.cwd())


__all__ = ["COMMANDS", "PROGRAMS", "checker", "settings_for"]
