"""How far the numbers of a program move where its point moves by a given step: a lower bound, by trying."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from gradcheck.exact.elements import Values
from gradcheck.exact.evaluate import as_array, from_float
from gradcheck.exact.precision import working_precision

TRIES = 2
"""Random choices of signs, beside the steps by which all numbers grow and by which all get less."""

Floats = np.ndarray[Any, np.dtype[np.float64]]
Steps = Mapping[str, Floats]


def moved(point: Steps, steps: Steps, bits: int, points: int = 1) -> Iterator[Values]:
    """Yield the points where every number of a point is one step up or down, in a few patterns, as balls.

    ``steps`` are powers of two or 0, of the shapes of ``point``. The patterns are the same at every call, and the same
    for each of several ``points`` that stand side by side.
    """
    for signs in _patterns(steps, points):
        with working_precision(bits):
            made = {name: from_float(point[name]) + from_float(steps[name] * signs[name]) for name in point}
        yield {name: as_array(one) for name, one in made.items()}


def moved_floats(point: Steps, steps: Steps, points: int = 1) -> Iterator[dict[str, Floats]]:
    """Yield the same points in float64, which must hold them."""
    for signs in _patterns(steps, points):
        yield {name: point[name] + steps[name] * signs[name] for name in point}


def _patterns(steps: Steps, points: int) -> Iterator[dict[str, Floats]]:
    random = np.random.default_rng(0)
    yield {name: np.ones(one.shape) for name, one in steps.items()}
    yield {name: -np.ones(one.shape) for name, one in steps.items()}
    for _ in range(TRIES):
        signs = {name: random.choice((-1.0, 1.0), one.size // points) for name, one in steps.items()}
        yield {name: np.tile(signs[name], points).reshape(one.shape) for name, one in steps.items()}
