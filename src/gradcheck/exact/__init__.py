"""The exact lane: FLINT behind one door."""

from __future__ import annotations

import flint

from gradcheck.exact.elements import Values, ball, balls
from gradcheck.exact.evaluate import START_BITS, constant, enclose, from_float
from gradcheck.exact.infinity import approach, is_infinite
from gradcheck.exact.nearby import nearby
from gradcheck.exact.reasons import pole
from gradcheck.exact.rounding import enclose_rounded
from gradcheck.exact.sides import Beside, Form, Side, Sides, beside, sides

MAX_BITS = 2048
"""Working precision after which an element is left undecided."""

VERSION = flint.__version__

__all__ = [
    "MAX_BITS", "START_BITS", "VERSION", "Beside", "Form", "Side", "Sides", "Values", "approach", "ball", "balls",
    "beside", "constant", "enclose", "enclose_rounded", "from_float", "is_infinite", "nearby", "pole", "sides",
]  # fmt: skip
