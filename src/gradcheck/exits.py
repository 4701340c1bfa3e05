"""The exit codes of the command."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """How the command ends.

    >>> print(*Exit)
    0 1 2 3 5 130
    """

    PASS = 0
    """Every check passed."""
    FAIL = 1
    """At least one check did not."""
    USAGE = 2
    """An option, an expression or a file could not be understood."""
    INTERNAL = 3
    """gradcheck itself is at fault."""
    NOTHING = 5
    """Nothing was checked, and nothing is never green."""
    INTERRUPTED = 130
    """The user stopped the run."""
