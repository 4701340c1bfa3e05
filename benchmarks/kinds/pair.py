"""A pair of a program and a point, and the count of what came out of many."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from math import isfinite
from random import Random
from typing import Any

import numpy as np

from gradcheck.autograd import DTYPES
from gradcheck.case import check_program
from gradcheck.outcome import Outcome
from gradcheck.parse import parse
from gradcheck.points import to_value
from gradcheck.program import Program, Shape
from gradcheck.settings import Settings
from gradcheck.verdict import Verdict

Floats = np.ndarray[Any, np.dtype[np.float64]]
NAMES = tuple(DTYPES)
MAX_SHOWN = 40
"""Numbers of a point that are written out."""


@dataclass(frozen=True)
class Pair:
    """A program, a point for it, and a dtype."""

    program: Program
    point: dict[str, Floats]
    dtype: str

    def __str__(self) -> str:
        small = sum(array.size for array in self.point.values()) <= MAX_SHOWN
        at = ",".join(f"{name}={_text(array) if small else f'({array.shape})'}" for name, array in self.point.items())
        program = self.program.source or str(self.program)
        return f"{program!r} --at {at!r} --dtype {self.dtype}"


def _text(array: Floats) -> str:
    return str(array.tolist()).replace(" ", "")


@dataclass
class Tally:
    """What came out of some pairs."""

    kinds: Counter[str] = field(default_factory=Counter)
    milliseconds: Counter[str] = field(default_factory=Counter)
    pairs: Counter[str] = field(default_factory=Counter)
    elements: Counter[str] = field(default_factory=Counter)
    overflows: Counter[str] = field(default_factory=Counter)
    reach: Counter[str] = field(default_factory=Counter)
    oracle: Counter[str] = field(default_factory=Counter)
    planted: Counter[str] = field(default_factory=Counter)
    found: Counter[str] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)

    def __add__(self, more: Tally) -> Tally:
        return Tally(*(getattr(self, one.name) + getattr(more, one.name) for one in fields(self)))


def written(text: str, point: Mapping[str, Any], dtype: str) -> Pair:
    """Return a pair of a program's text and the numbers that it needs of a point."""
    program = parse(text)
    return Pair(program, {name: np.array(point[name], dtype=np.float64) for name in program.inputs}, dtype)


def checked(one: Pair, **settings: Any) -> Outcome:
    """Return what the check makes of a pair."""
    [outcome] = check_program(one.program, [values(one)], Settings(dtypes=(one.dtype,), **settings))
    return outcome


def values(one: Pair) -> dict[str, Any]:
    return {name: to_value(array, name) for name, array in one.point.items()}


def rounded(one: Pair, outcome: Outcome) -> dict[str, Any]:
    """Return the point as both lanes have it."""
    return {name: np.array(found).reshape(one.point[name].shape) for name, found in outcome.rounded.items()}


def shapes_of(point: Mapping[str, Any]) -> dict[str, Shape]:
    return {name: array.shape for name, array in point.items()}


def count(outcome: Outcome, total: Tally) -> None:
    """Count the verdicts of an outcome."""
    total.pairs[verdict_of(outcome)] += 1
    total.elements.update(outcome.counts())
    if outcome.value is not None:
        total.elements.update(f"{verdict}, the value" for verdict in outcome.value_counts().elements())


def verdict_of(outcome: Outcome) -> str:
    """Return the verdict; apart where all that disagrees is nan or infinite, and where torch raised."""
    if outcome.error is not None:
        return "torch raised"
    if outcome.verdict is not Verdict.DISAGREE:
        return outcome.verdict
    judged = [(one.judgements, one.torch) for one in outcome.gradients]
    judged += [(outcome.value.judgements, outcome.value.values)] if outcome.value is not None else []
    finite = any(
        judgement.verdict is Verdict.DISAGREE and (torch is None or isfinite(torch.item(k)))
        for judgements, torch in judged
        for k, judgement in enumerate(judgements)
    )
    return "disagree, torch returned a number" if finite else "disagree, torch returned nan or inf"


def on_grid(random: Random, shape: Shape, among: tuple[float, ...]) -> Floats:
    """Return numbers of a grid."""
    return np.array([random.choice(among) for _ in range(int(np.prod(shape)))]).reshape(shape)


def between(random: Random, shape: Shape, low: float, high: float) -> Floats:
    """Return numbers from one to another."""
    return np.array([random.uniform(low, high) for _ in range(int(np.prod(shape)))]).reshape(shape)
