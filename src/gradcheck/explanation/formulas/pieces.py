"""Typeset expressions, with what decides where they need brackets."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, IntEnum


class Level(IntEnum):
    """How tightly an expression holds together, loosest first."""

    POINT = -1
    """A number of the point, which stands in brackets in every operation."""
    CASES = 0
    OR = 1
    AND = 2
    COMPARISON = 3
    SUM = 4
    MODULO = 5
    PRODUCT = 6
    MATMUL = 7
    POWER = 8
    APPLIED = 9
    ATOM = 10


class Edge(Enum):
    """What an expression begins or ends with, as far as a product without a sign cares."""

    DIGIT = "digit"
    LETTER = "letter"
    BRACKET = "bracket"
    BAR = "bar"
    FRACTION = "fraction"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Piece:
    """A typeset expression.

    ``first`` and ``last`` are what it begins and ends with. One that is ``signed`` begins with a minus, an ``open`` one
    ends with the operand of a large operator, a ``tall`` one needs tall brackets, a ``plain`` one is made of numbers
    alone, a ``word`` begins with upright letters. ``size`` counts characters. An ``applied`` function keeps its name
    and its arguments apart, for its powers. ``terms`` are the parts of a sum, each with its sign, between which a line
    may break.
    """

    markup: str
    level: Level = Level.ATOM
    first: Edge = Edge.OTHER
    last: Edge = Edge.OTHER
    signed: bool = False
    open: bool = False
    tall: bool = False
    plain: bool = False
    word: bool = False
    size: int = 1
    applied: tuple[str, str] | None = None
    terms: tuple[str, ...] = ()

    def fits(self, level: Level, *, first: bool = True, last: bool = True) -> bool:
        """Return whether it needs no brackets where ``level`` is asked for, as the first or the last operand."""
        return self.level >= level and (first or not self.signed) and (last or not self.open)


def needs_dot(left: Piece, right: Piece) -> bool:
    """Return whether a product of the two is misread without a sign: ``2 3``, ``2 1/2``, ``x (y + 1)``, ``|x| |y|``."""
    if right.first is Edge.DIGIT:
        return True
    if right.first is Edge.FRACTION:
        return left.last is Edge.DIGIT
    return right.first in (Edge.BRACKET, Edge.BAR) and left.last in (Edge.LETTER, Edge.BAR)
