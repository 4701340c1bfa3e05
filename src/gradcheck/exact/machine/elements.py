"""Elements of machine intervals: numbers with what they are that are none, conditions on them, and choices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from gradcheck.exact.machine import arithmetic, states
from gradcheck.exact.machine.arithmetic import Interval, Truth, choose, compare
from gradcheck.exact.machine.states import OPEN, States, every, settled, simplified
from gradcheck.functions import COMPARISONS
from gradcheck.program import Shape


@dataclass(frozen=True, slots=True)
class Element:
    """Numbers, and what each is that is none."""

    numbers: Interval
    states: States = None

    @property
    def both(self) -> tuple[Interval, States]:
        """Return the numbers with their codes."""
        return self.numbers, self.states


@dataclass(frozen=True, slots=True)
class Fact:
    """A condition; ``unsure`` where what is compared may be undefined, and so the choice."""

    truth: Truth
    unsure: Any = False

    @property
    def open(self) -> Any:
        """Tell where it is neither certainly true nor certainly false."""
        return ~(np.asarray(self.truth.yes) | np.asarray(self.truth.no))


ZERO = Interval(np.float64(0.0))


def condition(op: str, args: list[Any]) -> Fact:
    """Return a comparison or a connective."""
    if op in COMPARISONS:
        a, b = args
        unsure = states.is_lost(every(a.states)) | states.is_lost(every(b.states))
        return Fact(compare(op, a.numbers, b.numbers), unsure)
    if op == "logical_not":
        return Fact(arithmetic.invert(args[0].truth), args[0].unsure)
    joined = arithmetic.both if op == "logical_and" else arithmetic.either
    return Fact(joined(args[0].truth, args[1].truth), args[0].unsure | args[1].unsure)


def mask(zero: int, a: Element, c: Fact) -> Element:
    """Return ``a`` where a condition holds, and a zero elsewhere."""
    if np.all(c.truth.yes):
        return spread(a, np.broadcast_shapes(shape_of(a), np.shape(c.truth.yes)))
    numbers = choose(c.truth, a.numbers, ZERO)
    codes = simplified(np.where(c.truth.no, zero, every(a.states)))
    return undecided(Element(numbers, codes), c, a)


def choice(c: Fact, a: Element, b: Element) -> Element:
    """Return ``a`` or ``b``; where that is open, nothing."""
    numbers = choose(c.truth, a.numbers, b.numbers)
    if a.states is None and b.states is None:
        return undecided(Element(numbers), c, a, b)
    codes = np.where(c.truth.yes, every(a.states), np.where(c.truth.no, every(b.states), OPEN))
    return undecided(Element(numbers, simplified(codes)), c, a, b)


def undecided(made: Element, c: Fact, *chosen: Element) -> Element:
    """Return nothing where a condition is open, which may be undefined as the condition or what is chosen is."""
    if not np.any(c.open):
        return made
    unsure = c.unsure
    for one in chosen:
        unsure = unsure | states.is_lost(every(one.states))
    made = replaced(made, c.open, np.where(unsure, OPEN, states.NUMBER))
    return Element(Interval(np.where(c.open, np.nan, made.numbers.mid), made.numbers.rad), made.states)


def replaced(a: Element, where: Any, code: Any) -> Element:
    """Return the elements with a code in some places."""
    codes = simplified(np.where(where, code, every(a.states)))
    numbers = a.numbers
    if np.shape(where) != np.shape(numbers.mid):
        shape = np.broadcast_shapes(np.shape(where), np.shape(numbers.mid))
        numbers = Interval(np.broadcast_to(numbers.mid, shape), numbers.rad)
    return Element(settled(numbers, codes), codes)


def shape_of(a: Element) -> Shape:
    """Return the shape of the numbers."""
    return np.shape(a.numbers.mid)


def spread(made: Element, shape: Shape) -> Element:
    """Return the elements in a shape."""
    if shape_of(made) == shape and (made.states is None or made.states.shape == shape):
        return made
    codes = None if made.states is None else np.broadcast_to(made.states, shape)
    rad = made.numbers.rad
    rad = rad if made.numbers.is_exact else np.broadcast_to(rad, shape)
    return Element(Interval(np.broadcast_to(made.numbers.mid, shape), rad), codes)


def whole(made: Element) -> Element:
    """Return elements whose codes have the shape of the numbers, as arrays."""
    return Element(Interval(np.asarray(made.numbers.mid), made.numbers.rad), made.states)
