"""How an elementwise row is evaluated in machine intervals: its description, beside its other arithmetic in the table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import erf, erfc
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    Floats = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True, slots=True)
class Direct:
    """An operation that the arithmetic of intervals has itself, under the name ``function``."""

    function: str


@dataclass(frozen=True, slots=True)
class Monotone:
    """A function that only rises, or only ``falls``: its ends are its values at the ends of the argument.

    ``function`` gets NumPy and an array, and is off by at most ``budget`` unit roundoffs of float64. ``least`` and
    ``most`` bound all values. An ``even`` one is monotone in the absolute value. One that is ``float64`` has no more
    digits in a longer format.

    >>> import numpy
    >>> rising = Monotone(lambda np, x: np.exp(x), budget=2.0, least=0.0)
    >>> rising.function(numpy, numpy.zeros(1)), rising.falls
    (array([1.]), False)
    """

    function: Callable[[Any, Floats], Floats]
    budget: float = 0.0
    falls: bool = False
    even: bool = False
    least: float | None = None
    most: float | None = None
    float64: bool = False


@dataclass(frozen=True, slots=True)
class Exponential:
    """A power of a constant whose natural logarithm is at most ``rate``: a short way changes it by a factor near 1."""

    function: Callable[[Any, Floats], Floats]
    budget: float
    rate: float


@dataclass(frozen=True, slots=True)
class Wave:
    """A function between -1 and 1 whose slope is too."""

    function: Callable[[Any, Floats], Floats]
    budget: float


Machine = Direct | Monotone | Exponential | Wave | str
"""A description, or an equal formula in the language, in rows that have one; what may jump or cancel has its own."""


def each(function: Callable[[float], float]) -> Callable[[Any, Floats], Floats]:
    """Return a function of one number as one of arrays.

    >>> import math, numpy
    >>> each(math.erf)(numpy, numpy.array([0.0, 30.0]))
    array([0., 1.])
    """
    return lambda np, x: np.asarray(np.frompyfunc(function, 1, 1)(x), dtype=np.float64)[()]


def logistic(np: Any, x: Floats) -> Floats:
    """Return 1/(1 + exp(-x)): three operations, whose rounding errors add to those of the exponential.

    Where that overflows, it is less than the least normal number of float64.

    >>> import numpy
    >>> float(logistic(numpy, numpy.array(0.0)))
    0.5
    """
    made: Floats = 1 / (1 + np.exp(-x))
    return made


ERF, ERFC = each(erf), each(erfc)
