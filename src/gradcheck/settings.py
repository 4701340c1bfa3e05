"""What a run is asked for, and how it ends: settings and exit codes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from math import isfinite
from pathlib import Path
from typing import Any

from gradcheck.errors import NameProblem, UsageProblem
from gradcheck.formats import FORMATS
from gradcheck.functions import nearest

DEFAULT_ULPS = {"float64": 16.0, "float32": 16.0, "bfloat16": 2.0, "float16": 2.0}
"""Tolerance in ULP by dtype where none is given: 16 would be 6 to 12 % in bfloat16, whose ULP are large."""


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
    """How to check: dtypes, device, inputs to differentiate by (None: all), tolerance, and what the user believes.

    ``ulps`` is the tolerance in ULP of the dtype; None takes DEFAULT_ULPS.
    With ``assertion`` whatever is not known to be right fails too; ``allow`` names verdicts that pass all the same.
    ``nondet`` is how often torch runs again, to see whether it returns the same. ``under_test`` holds callables that
    run in place of torch's own, by the operation's name: this is how a custom autograd Function is checked against
    the operation that it implements. They get the arguments that torch's function would get.
    """

    dtypes: tuple[str, ...] = ("float32",)
    device: str = "cpu"
    wrt: tuple[str, ...] | None = None
    ulps: float | None = None
    expect: tuple[str, ...] = ()
    seed: int = 0
    directory: Path | None = None
    assertion: bool = False
    allow: tuple[str, ...] = ()
    nondet: int = 0
    under_test: Mapping[str, Callable[..., Any]] = field(default_factory=dict)

    def tolerance(self, dtype: str) -> float:
        """Return the tolerance in ULP of a dtype.

        >>> Settings().tolerance("float32"), Settings().tolerance("float16"), Settings(ulps=4).tolerance("float16")
        (16.0, 2.0, 4)
        """
        return DEFAULT_ULPS[dtype] if self.ulps is None else self.ulps

    def validate(self, inputs: Sequence[str]) -> None:
        """Raise NameProblem or UsageProblem for an input, a dtype or a tolerance that makes no sense."""
        for name in self.wrt or ():
            if name not in inputs:
                raise NameProblem(f"the program has no input {name} to differentiate by", hint=_choice(name, inputs))
        for dtype in self.dtypes:
            if dtype not in FORMATS:
                raise UsageProblem(f"unknown dtype {dtype!r}", hint=_choice(dtype, list(FORMATS)))
        if not self.dtypes:
            raise UsageProblem("no dtype is given", hint=f"choose from {', '.join(FORMATS)}")
        if self.ulps is not None and not (self.ulps >= 0 and isfinite(self.ulps)):
            raise UsageProblem(f"a tolerance is a number of ULP, 0 or more, not {self.ulps}")


def _choice(word: str, among: Sequence[str]) -> str:
    closest = nearest(word, list(among))
    return f"did you mean `{closest}`?" if closest else f"choose from {', '.join(among) or 'none'}"
