"""What a run is asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import isfinite
from pathlib import Path
from typing import Any

from gradcheck.constants import by_python
from gradcheck.errors import NameProblem, UsageProblem
from gradcheck.formats import FORMATS
from gradcheck.functions import known_names, nearest
from gradcheck.functions.signatures import meanings
from gradcheck.program import Call, Program, fold

DEFAULT_ULPS = {"float64": 16.0, "float32": 16.0, "bfloat16": 2.0, "float16": 2.0}
"""Tolerance in ULP by dtype where none is given: 16 would be 6 to 12 % in bfloat16, whose ULP are large."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How to check: dtypes, device, inputs to differentiate by (None: all), tolerance, and what the user believes.

    ``ulps`` is the tolerance in ULP of the dtype; None takes DEFAULT_ULPS.
    With ``assertion`` whatever is not known to be right fails too; ``allow`` names verdicts that pass all the same.
    ``nondet`` is how often torch runs again, to see whether it returns the same. ``under_test`` holds callables that
    run in place of torch's own, by the operation's name or another name of it (``ln``, ``mm``, ``max``): this is how a
    custom autograd Function, given as its class or its ``apply``, is checked against the operation that it implements.
    They get the arguments that torch's function would get; that of ``clamp`` gets None for a bound that is not there.
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

    def resolved(self, program: Program) -> Settings:
        """Return the settings for one program, where what is under test goes by the operations' own names.

        Raises NameProblem or UsageProblem as ``validate`` does, and UsageProblem for a callable that would never run.
        """
        self.validate(program.inputs)
        return replace(self, under_test=_by_operation(self.under_test, program)) if self.under_test else self


def _by_operation(under_test: Mapping[str, Callable[..., Any]], program: Program) -> dict[str, Callable[..., Any]]:
    """Return the callables under test by the operations of the program that they stand for."""
    used = _in_torch(program)
    names: dict[str, str] = {}
    found: dict[str, Callable[..., Any]] = {}
    for name, function in under_test.items():
        if not callable(function):
            raise UsageProblem(f"what is under test as {name!r} is {type(function).__name__}, and cannot be called")
        for op in _stands_for(name, used):
            if op in names:
                raise UsageProblem(f"{names[op]!r} and {name!r} are both under test as {op}")
            names[op] = name
            found["clamp" if meanings(name)[0] == "clamp" else op] = function
    return found


def _stands_for(name: str, used: Sequence[str]) -> list[str]:
    """Return the operations among those ``used`` that a name under test means, at least one."""
    meant = meanings(name)
    if not meant:
        hint = _choice(str(name).rpartition(".")[2], used, known_names())
        raise UsageProblem(f"{name!r} is under test, and no function bears that name", hint=hint)
    found = [op for op in meant if op in used]
    if not found:
        shown = ", ".join(used) or "nothing"
        raise UsageProblem(f"{name!r} is under test, and torch never runs it in this program", hint=f"it runs {shown}")
    return found


def _in_torch(program: Program) -> list[str]:
    """Return the operations that torch runs, in order: what Python makes of plain numbers alone is not among them."""
    found: dict[str, None] = {}

    def operation(node: Call, plain: list[bool]) -> bool:
        if by_python(node.op, plain):
            return True
        found[node.op] = None
        return False

    for layer in program.layers:
        fold(layer.expression, lambda _: False, lambda _: True, operation)
    return list(found)


def _choice(word: str, among: Sequence[str], *others: Sequence[str]) -> str:
    """Return the nearest word among several, or else further ones, and all of the first where none is near."""
    closest = next((one for one in (nearest(word, list(each)) for each in (among, *others)) if one), None)
    return f"did you mean `{closest}`?" if closest else f"choose from {', '.join(among) or 'none'}"
