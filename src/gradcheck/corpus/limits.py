"""How large expression files may be: they come from pull requests, and are read before anything is checked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gradcheck.errors import LimitProblem

MAX_FILES = 10_000
MAX_FILE_BYTES = 4 * 2**20
MAX_CHECKS = 10_000
"""Checks of one file."""
MAX_STATEMENTS = 100_000
"""Keys and tables of one file, each with a line of its own."""
MAX_DEFINITIONS = 1_000
MAX_TOKENS = 600_000
"""Words, numbers and signs of one file."""
MAX_NESTING = 32
"""Lists and tables inside each other."""
MAX_KEY_PARTS = 16
"""Parts of a key with dots."""
MAX_SHOWN_PROBLEMS = 100
"""Problems of one file that are told; more are counted."""

MAX_CHARACTERS = 400_000
"""Characters of all programs of a file, definitions written out: once, and once for every shape of the inputs."""
OVERHEAD = 20
"""Characters that each program counts more, and each text of a point: reading takes so long whatever its length."""
MAX_POINTS = 200_000
"""Points of all checks of a file, and values of their ranges."""
MAX_POINT_BITS = 60_000_000
"""Bits of the exact numbers of all points of a file, and one for each number that is a float from the start."""
MAX_PROBLEMS = 1_000
"""Problems of one file after which the rest of it is not read."""
MAX_SECONDS = 60.0
"""Seconds for reading all files, on the command line."""
MAX_MEMORY = 3 * 2**29
"""Bytes for reading all files, on the command line."""


@dataclass(slots=True)
class Allowance:
    """What reading one file may still cost, so that many small checks cost no more than a large one.

    The limits are such that a file takes a few seconds at most; each is asked before anything is made.
    """

    characters: int = MAX_CHARACTERS
    points: int = MAX_POINTS
    bits: int = MAX_POINT_BITS

    @property
    def spent(self) -> bool:
        """Return whether nothing more is to be read of the file."""
        return min(self.characters, self.points, self.bits) < 0

    def read(self, text: str) -> None:
        """Count a program; raises LimitProblem where it was one too many."""
        self._count(len(text) + OVERHEAD)

    def read_points(self, texts: Sequence[str]) -> None:
        """Count the texts of points; a number takes half as long as as much of a program."""
        self._count(sum(len(text) // 2 + OVERHEAD for text in texts))

    def _count(self, characters: int) -> None:
        self.characters -= characters
        if self.characters < 0:
            raise _exceeded(
                f"the programs and points of this file have more than {MAX_CHARACTERS:,} characters", "MAX_CHARACTERS"
            )

    def visit(self, points: int) -> None:
        """Count points before they are made; raises LimitProblem where they are too many."""
        self.points -= points
        if self.points < 0:
            raise _exceeded(f"the checks of this file have more than {MAX_POINTS:,} points", "MAX_POINTS")

    def weigh(self, bits: int) -> None:
        """Count the bits of numbers; raises LimitProblem where they are too many."""
        self.bits -= bits
        if self.bits < 0:
            raise _exceeded(f"the points of this file have more than {MAX_POINT_BITS:,} bits", "MAX_POINT_BITS")


def _exceeded(message: str, limit: str) -> LimitProblem:
    return LimitProblem(f"{message} (the limit {limit})", hint="the rest of the file is not read; split it")
