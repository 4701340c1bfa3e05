"""All points of a lane at once: torch's batching rules run on the whole batch, and each point has its row of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from gradcheck.autograd import Derivative, Found
from gradcheck.errors import LaneProblem

Arrays = Mapping[str, np.ndarray[Any, Any]]


class Batch:
    """Points of the same shapes in one dtype; the state is what was found, each derivative with its directions."""

    def __init__(self, points: Sequence[Arrays]) -> None:
        self.points = points
        self.rows = {_bytes(point): k for k, point in enumerate(points)}
        self.found: dict[tuple[Any, ...], list[Found] | LaneProblem] = {}

    def at(self, asked: Derivative, point: Arrays) -> Found:
        """Return a derivative at one point of the batch, or at one beside it; raises LaneProblem where torch refuses.

        What torch refuses at one point it refuses to all of the batch.
        """
        row = self.rows.get(_bytes(point))
        if row is None:
            return asked.at(point)
        key = (asked.program, asked.wrt, asked.way, *map(_bytes, asked.directions))
        if key not in self.found:
            self.found[key] = self._found(asked)
        found = self.found[key]
        if isinstance(found, LaneProblem):
            raise found
        return found[row]

    def _found(self, asked: Derivative) -> list[Found] | LaneProblem:
        try:
            return asked.at_all(self.points)
        except LaneProblem as problem:
            return problem


def _bytes(arrays: Arrays) -> tuple[tuple[str, bytes], ...]:
    return tuple((name, array.tobytes()) for name, array in sorted(arrays.items()))
