"""How large a point may be: the named limits, and the session that counts against them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum, auto
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from gradcheck.errors import LimitProblem, PointProblem, UsageProblem
from gradcheck.points.value import bits
from gradcheck.points.words import amount
from gradcheck.program import Shape

if TYPE_CHECKING:
    import numpy as np

MAX_POINTS = 200_000
MAX_ELEMENTS = 2_000_000
"""Elements of one tensor."""
MAX_TOTAL_ELEMENTS = 10_000_000
"""Elements of all tensors given together."""
MAX_AT_LENGTH = 1_000_000
"""Characters of one text."""
MAX_LITERAL = 2_000
"""Characters of one number as written."""
MAX_EXPONENT = 5_000
"""Decimal exponent of a number, either sign."""
MAX_BITS = 24_000
"""Bits of a numerator or denominator: the longest literal with the largest exponent."""
MAX_TOTAL_BITS = 128_000_000
"""Bits of all exact numbers together, with those in between."""
MAX_NESTING = 16
"""Dimensions of a tensor."""
MAX_BRACKETS = 50
"""Brackets and powers inside each other in one number."""
MAX_FILE_BYTES = 64 * 2**20


class Files(Enum):
    """Which files a point may read.

    >>> print(*(one.name for one in Files))
    ANY INSIDE NONE
    """

    ANY = auto()
    INSIDE = auto()
    """Those in the directory itself or below it, links followed."""
    NONE = auto()


class Allowance(Protocol):
    """What several calls share: it is asked before anything is made, and raises LimitProblem where it is too much."""

    def visit(self, points: int) -> None:
        """Count values of a range, and points."""

    def weigh(self, bits: int) -> None:
        """Count the bits of exact numbers, and floats."""


@dataclass(slots=True)
class Session:
    """What the texts of one call share: the seed, the files they may read, and how much has been made so far.

    >>> session = Session()
    >>> session.tensor((2, 3)), session.exact(Fraction(1, 3)), session.elements
    (6, Fraction(1, 3), 6)
    """

    seed: int = 0
    directory: Path = Path()
    files: Files = Files.ANY
    draws: int = 0
    bits: int = 0
    elements: int = 0
    allowance: Allowance | None = None

    def visit(self, points: int) -> None:
        """Count points before they are made."""
        if self.allowance is not None:
            self.allowance.visit(points)

    def spend(self, bits: int) -> None:
        """Count exact numbers, so that no text of any kind costs more than a few seconds."""
        self.bits += bits
        if self.allowance is not None:
            self.allowance.weigh(bits)
        if self.bits > MAX_TOTAL_BITS:
            raise LimitProblem(f"the exact numbers of a point take more than {MAX_TOTAL_BITS:,} bits together")

    def exact(self, number: Fraction) -> Fraction:
        """Return ``number`` if it has a reasonable size."""
        if bits(number) > MAX_BITS:
            raise LimitProblem(f"a number has at most {MAX_BITS:,} bits above and below the fraction bar")
        self.spend(bits(number))
        return number

    def tensor(self, shape: Shape) -> int:
        """Return the number of elements of ``shape``, if it has a reasonable size."""
        if len(shape) > MAX_NESTING:
            raise LimitProblem(f"a tensor has at most {MAX_NESTING} dimensions; this one has {len(shape)}")
        if any(length < 1 for length in shape):
            raise PointProblem("a tensor needs at least one element")
        count = math.prod(shape)
        if count > MAX_ELEMENTS:
            raise LimitProblem(f"a tensor has at most {MAX_ELEMENTS:,} elements; this one has {amount(count)}")
        self.elements += count
        if self.allowance is not None:
            self.allowance.weigh(count)
        if self.elements > MAX_TOTAL_ELEMENTS:
            raise LimitProblem(f"the tensors of all points have more than {MAX_TOTAL_ELEMENTS:,} elements together")
        return count

    def generator(self) -> np.random.Generator:
        """Return the generator of the next draw, which depends on the seed and on nothing drawn before."""
        import numpy as np

        if self.seed < 0:
            raise UsageProblem(f"a seed is a whole number from 0; not {self.seed}")
        self.draws += 1
        return np.random.default_rng([self.seed, self.draws - 1])
