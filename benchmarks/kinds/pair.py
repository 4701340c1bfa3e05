"""Pairs of a program and a point, how they are drawn, and the count of what came out of many."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from math import isfinite, prod
from random import Random
from typing import Any

import numpy as np

from gradcheck.autograd import DTYPES
from gradcheck.case import check_program, examined
from gradcheck.outcome import Outcome
from gradcheck.parse import parse
from gradcheck.points import to_value
from gradcheck.program import Program, Shape
from gradcheck.settings import Settings
from gradcheck.verdict import Verdict
from gradcheck.ways import PLAIN, Way

Floats = np.ndarray[Any, np.dtype[np.float64]]
NAMES = tuple(DTYPES)
MAX_SHOWN = 40
"""Numbers of a point that are written out."""
TRIES = 10
"""How often a point is drawn until it is inside of a domain."""


Draw = Callable[[Random], Floats]
"""How an input is drawn."""


@dataclass(frozen=True)
class Drawn:
    """A program, how its inputs are drawn, the dtypes that hold what is drawn, and the same function in other words.

    A point is drawn again where it is not ``inside`` of the domain, so many ``TRIES``; ``row`` names what is tried.
    """

    program: Program
    numbers: Mapping[str, Draw]
    dtypes: tuple[str, ...] = NAMES
    other: Program | None = None
    inside: Callable[[dict[str, Floats]], bool] = lambda _point: True
    row: str | None = None

    def pairs(self, random: Random, points: int) -> list[Pair]:
        """Return so many points, each in every dtype."""
        drawn = [self.point(random) for _ in range(points)]
        return [Pair(self.program, point, dtype, self.other, self.row) for point in drawn for dtype in self.dtypes]

    def point(self, random: Random) -> dict[str, Floats]:
        """Return a point inside of the domain, or the last that was tried."""
        for _ in range(TRIES):
            point = {name: self.numbers[name](random) for name in self.program.inputs}
            if self.inside(point):
                break
        return point


@dataclass(frozen=True)
class Pair:
    """A program, a point for it, a dtype, the same function in other words, and the row that it is of."""

    program: Program
    point: dict[str, Floats]
    dtype: str
    other: Program | None = None
    row: str | None = None

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

    programs: Counter[str] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    milliseconds: Counter[str] = field(default_factory=Counter)
    pairs: Counter[str] = field(default_factory=Counter)
    elements: Counter[str] = field(default_factory=Counter)
    overflows: Counter[str] = field(default_factory=Counter)
    reach: Counter[str] = field(default_factory=Counter)
    oracle: Counter[str] = field(default_factory=Counter)
    planted: Counter[str] = field(default_factory=Counter)
    found: Counter[str] = field(default_factory=Counter)
    wrong: Counter[str] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)

    def __add__(self, more: Tally) -> Tally:
        return Tally(*(getattr(self, one.name) + getattr(more, one.name) for one in fields(self)))


def drawn(text: str, numbers: Mapping[str, Draw], other: str | None = None) -> Drawn:
    """Return a program's text with how the numbers that it needs are drawn."""
    return Drawn(parse(text), numbers, other=None if other is None else parse(other))


def written(text: str, point: Mapping[str, Any], dtype: str) -> Pair:
    """Return a pair of a program's text and the numbers that it needs of a point."""
    program = parse(text)
    return Pair(program, {name: np.array(point[name], dtype=np.float64) for name in program.inputs}, dtype)


def checked(one: Pair, **settings: Any) -> Outcome:
    """Return what the check makes of a pair, with the cause and the fix of what is bad."""
    [outcome] = check_program(one.program, [values(one)], Settings(dtypes=(one.dtype,), **settings))
    return outcome


def looked_at(one: Pair, **settings: Any) -> Outcome:
    """Return the verdicts on a pair; no cause is looked for."""
    [outcome] = examined(one.program, [values(one)], Settings(dtypes=(one.dtype,), **settings).resolved(one.program))
    return outcome


def outcomes(pairs: Sequence[Pair], program: Program, *, diagnosed: bool, way: Way = PLAIN) -> list[Outcome]:
    """Return what one check makes of all pairs in one way, the points of one program each in the same dtypes.

    Where it is ``diagnosed`` as well, a cause is looked for as a report shows it.
    """
    dtypes = tuple(dict.fromkeys(one.dtype for one in pairs))
    points = [values(one) for one in pairs[:: len(dtypes)]]
    return list((check_program if diagnosed else examined)(program, points, Settings(dtypes=dtypes, ways=(way,))))


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


def on_grid(shape: Shape, among: tuple[float, ...]) -> Draw:
    """Return how numbers of a grid are drawn."""
    return lambda random: np.array([random.choice(among) for _ in range(prod(shape))], dtype=np.float64).reshape(shape)


def between(shape: Shape, low: float, high: float) -> Draw:
    """Return how numbers from one to another are drawn."""
    return lambda random: np.array([random.uniform(low, high) for _ in range(prod(shape))]).reshape(shape)
