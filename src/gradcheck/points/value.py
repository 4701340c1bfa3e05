"""A value: one input's array of exact numbers, and a point, which has one for every input."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any, TypeAlias

from gradcheck.errors import PointProblem
from gradcheck.program import Shape

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats: TypeAlias = NDArray[np.float64]

Exact: TypeAlias = Fraction | float
"""A rational number, or one of the floats ``inf`` and ``-inf``."""


@dataclass(frozen=True, slots=True, eq=False)
class Value:
    """One input's tensor at one point.

    ``numbers`` are the elements in row-major order: rationals (and infinities), or float64 where the source is binary
    (random numbers, files, arrays). Zero has no sign. ``written`` is what the user wrote, where it is short.
    ``why`` says what is special about a point that was looked for and not given.

    >>> Value((2,), (Fraction(1, 3), Fraction(2))).text, Value((), (Fraction(2),)).array(float)
    ('a tensor of shape (2)', array(2.))
    """

    shape: Shape
    numbers: tuple[Exact, ...] | Floats
    written: str | None = None
    why: str | None = None

    @property
    def text(self) -> str:
        """Return the value for display.

        >>> Value((), (Fraction(1, 2),)).text, Value((), (Fraction(1, 2),), "1/2").text
        ('0.5', '1/2')
        """
        from gradcheck.points.words import text_of

        return self.written or text_of(self.shape, self.numbers)

    def array(self, to: Callable[[Fraction], float], to_array: Callable[[Floats], Floats] | None = None) -> Floats:
        """Return a new float64 array of ``shape``, every finite number rounded by ``to``.

        ``to_array`` does the same to many float64 at once, and is used where the numbers are such.

        >>> Value((2,), (Fraction(1, 3), -math.inf)).array(float)
        array([0.33333333,       -inf])
        """
        import numpy as np

        if isinstance(self.numbers, tuple):
            rounded: Any = [n if isinstance(n, float) else to(n) for n in self.numbers]
        elif to_array is not None:
            rounded = to_array(self.numbers)
        else:
            rounded = [to(Fraction(n)) if math.isfinite(n) else n for n in self.numbers.tolist()]
        return np.array(rounded, dtype=np.float64).reshape(self.shape)

    def element(self, k: int) -> Value:
        """Return one element, by its place in row-major order, as a scalar.

        >>> Value((2,), (Fraction(1, 3), Fraction(2)), "1/3 2").element(1)
        Value(shape=(), numbers=(Fraction(2, 1),), written='...', why=None)
        """
        return Value((), self.numbers[k : k + 1], "...")


Point: TypeAlias = dict[str, Value]


def frozen(numbers: NDArray[Any]) -> Floats:
    """Return the numbers as float64 that nobody can change; raises PointProblem for nan.

    >>> import numpy
    >>> frozen(numpy.array([1, 2])).flags.writeable
    False
    """
    import numpy as np

    if np.isnan(numbers).any():
        raise PointProblem("nan is not a point")
    floats: Floats = numbers.astype(np.float64) + 0.0  # -0.0 becomes 0.0
    floats.flags.writeable = False
    return floats


def bits(number: Fraction) -> int:
    """Return the size of the larger of numerator and denominator.

    >>> bits(Fraction(3, 16))
    5
    """
    return max(number.numerator.bit_length(), number.denominator.bit_length())
