"""Completion in the shell: what a word on the command line may become."""

from __future__ import annotations

import os

from typer.main import get_command

from gradcheck import cli

VARIABLE = "_GRADCHECK_COMPLETE"
"""What the script of a shell sets, and in which shell it runs."""


def complete() -> int:
    """Print what the word at the cursor may become, in the form of the shell that asks, and return the exit code."""
    get_command(cli.command(cli.CHECK))  # with this one typer learns of the shells
    cli.command(_enter())([], prog_name="gradcheck", complete_var=VARIABLE)
    return 0


def _enter() -> str:
    """Return the command whose words are completed; the word that names it is taken off, so that its own are first."""
    for variable in ("COMP_WORDS", "_TYPER_COMPLETE_ARGS"):
        line = os.environ.get(variable, "")
        program, _, rest = line.lstrip().partition(" ")
        word, blank, _ = rest.lstrip().partition(" ")
        if word in cli.COMMANDS and (blank or os.environ.get("COMP_CWORD", "1") != "1"):
            os.environ[variable] = f"{program} {rest.lstrip().removeprefix(word).lstrip()}"
            if "COMP_CWORD" in os.environ:
                os.environ["COMP_CWORD"] = str(int(os.environ["COMP_CWORD"]) - 1)
            return word
    return cli.CHECK
