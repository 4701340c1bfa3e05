"""How far the numbers of a program move where its point moves by a given step: a lower bound, by trying."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from random import Random
from typing import Any

import numpy as np

from gradcheck.exact.elements import Values
from gradcheck.exact.evaluate import enclose, from_float
from gradcheck.exact.precision import working_precision
from gradcheck.lower import Core

TRIES = 3
"""Random choices of signs, beside the step by which every number grows."""

Steps = Mapping[str, np.ndarray[Any, np.dtype[np.float64]]]


def moved(core: Core, point: Steps, steps: Steps, bits: int) -> Iterator[Values]:
    """Yield the values of a program where every number of its point is one step up or down, in a few patterns.

    ``steps`` are powers of two or 0, of the shapes of ``point``. The patterns are the same at every call.
    """
    random = Random(0)
    for k in range(TRIES + 1):
        signs = {name: _signs(random, one, k == 0) for name, one in steps.items()}
        with working_precision(bits):
            at = {name: from_float(point[name]) + from_float(steps[name] * signs[name]) for name in point}
        yield enclose(core, at, bits)


def _signs(random: Random, steps: Any, up: bool) -> Any:
    made = np.array([1.0 if up else random.choice((-1.0, 1.0)) for _ in range(steps.size)])
    return made.reshape(steps.shape)
