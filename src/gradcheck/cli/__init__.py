"""The command line: options become settings, the checks run, a reporter writes, an exit code comes back."""

from __future__ import annotations

from gradcheck.cli.batch import batcher
from gradcheck.cli.check import checker
from gradcheck.cli.lists import lister, tester

COMMANDS = {"batch": batcher, "functions": lister, "selftest": tester}
"""The words that are subcommands; anything else in the first place is a program to check."""

__all__ = ["COMMANDS", "checker"]
