"""How far the numbers of a program move where its point moves by a given step: a lower bound, by trying."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from gradcheck.exact.elements import Values
from gradcheck.exact.evaluate import as_array, from_float
from gradcheck.exact.precision import working_precision

TRIES = 3
"""Random choices of signs, beside the step by which every number grows."""

Floats = np.ndarray[Any, np.dtype[np.float64]]
Steps = Mapping[str, Floats]


def moved(point: Steps, steps: Steps, bits: int) -> Iterator[Values]:
    """Yield the points where every number of a point is one step up or down, in a few patterns, as balls.

    ``steps`` are powers of two or 0, of the shapes of ``point``. The patterns are the same at every call.
    """
    for signs in _patterns(steps):
        with working_precision(bits):
            made = {name: from_float(point[name]) + from_float(steps[name] * signs[name]) for name in point}
        yield {name: as_array(one) for name, one in made.items()}


def moved_floats(point: Steps, steps: Steps) -> Iterator[dict[str, Floats]]:
    """Yield the same points in float64, which must hold them."""
    for signs in _patterns(steps):
        yield {name: point[name] + steps[name] * signs[name] for name in point}


def _patterns(steps: Steps) -> Iterator[dict[str, Floats]]:
    random = np.random.default_rng(0)
    yield {name: np.ones(one.shape) for name, one in steps.items()}
    for _ in range(TRIES):
        yield {name: random.choice((-1.0, 1.0), one.shape) for name, one in steps.items()}
