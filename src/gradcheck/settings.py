"""What a run is asked for, and how it ends: settings and exit codes."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

DEFAULT_ULPS = 16.0
"""Tolerance in ULP where none is given."""


class Exit(IntEnum):
    """The exit codes of the command."""

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


@dataclass(frozen=True, slots=True)
class Settings:
    """How to check: dtypes, device, inputs to differentiate by (None: all), tolerance, and what the user believes."""

    dtypes: tuple[str, ...] = ("float32",)
    device: str = "cpu"
    wrt: tuple[str, ...] | None = None
    ulps: float = DEFAULT_ULPS
    expect: tuple[str, ...] = ()
    seed: int = 0
    directory: Path | None = None
