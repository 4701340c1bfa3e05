"""How large expression files may be: they come from pull requests, and are read before anything is checked."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

from gradcheck.errors import LimitProblem
from gradcheck.points import Point, Value
from gradcheck.points.value import bits

MAX_FILES = 10_000
MAX_FILE_BYTES = 8 * 2**20
MAX_CHECKS = 100_000
"""Checks of one file."""
MAX_DEFINITIONS = 1_000
MAX_NAME_LENGTH = 200
"""Characters of a check's name."""
MAX_REMARK_LENGTH = 10_000
"""Characters of ``source`` and ``why``."""
MAX_NESTING = 32
"""Lists and tables inside each other."""
MAX_KEY_PARTS = 16
"""Parts of a key with dots."""
MAX_SHOWN_PROBLEMS = 100
"""Problems of one file that are told; more are counted."""
MAX_TIMEOUT = 86_400.0
"""Seconds."""
MAX_NONDET = 1_000
"""Repeated runs of torch."""
MAX_SEED = 2**63 - 1

MAX_CHARACTERS = 5_000_000
"""Characters of all programs of a file, definitions written out: once, and once for every shape of the inputs."""
MAX_POINTS = 1_000_000
"""Points of all checks of a file."""
MAX_POINT_BITS = 200_000_000
"""Bits of the exact numbers of all points of a file, and one for each number that is a float from the start."""


@dataclass(slots=True)
class Budget:
    """What reading one file may still cost, so that many small checks cost no more than a large one."""

    characters: int = MAX_CHARACTERS
    points: int = MAX_POINTS
    bits: int = MAX_POINT_BITS

    @property
    def spent(self) -> bool:
        """Return whether nothing more is to be read of the file."""
        return min(self.characters, self.points, self.bits) < 0

    def read(self, text: str) -> None:
        """Count a program; raises LimitProblem where it was one too many."""
        self.characters -= len(text)
        if self.characters < 0:
            raise _exceeded(f"the programs of this file have more than {MAX_CHARACTERS:,} characters", "MAX_CHARACTERS")

    def visit(self, points: Iterable[Point]) -> None:
        """Count points that were made; raises LimitProblem where they were too many."""
        values = {}
        for point in points:
            self.points -= 1
            values.update({id(value): value for value in point.values()})
        self.bits -= sum(map(_size, values.values()))
        if self.points < 0:
            raise _exceeded(f"the checks of this file have more than {MAX_POINTS:,} points", "MAX_POINTS")
        if self.bits < 0:
            raise _exceeded(f"the points of this file have more than {MAX_POINT_BITS:,} bits", "MAX_POINT_BITS")


def _exceeded(message: str, limit: str) -> LimitProblem:
    return LimitProblem(f"{message} (the limit {limit})", hint="the rest of the file is not read; split it")


def _size(value: Value) -> int:
    if not isinstance(value.numbers, tuple):
        return value.numbers.size
    return sum(bits(number) if isinstance(number, Fraction) else 1 for number in value.numbers)
