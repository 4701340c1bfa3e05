"""Bounds: for every element of an array the least and the greatest number that it may be, or why it has none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    Floats = np.ndarray[Any, np.dtype[np.float64]]
    Codes = np.ndarray[Any, np.dtype[np.uint8]]


@dataclass(frozen=True, slots=True)
class Bounds:
    """Proven bounds of real numbers, in float64 and rounded outwards: ``lower <= number <= upper``, element by element.

    Both are nan where nothing was proven. ``why`` holds 0 there, or one more than the place in ``reasons`` of what is
    known of an element that has no number: "domain sqrt", "kink abs", "jump where", as in the exact lane's balls.

    >>> import numpy as np
    >>> one = Bounds(np.array([1.0, np.nan]), np.array([2.0, np.nan]), np.array([0, 1], np.uint8), ("domain log",))
    >>> one.reason(0), one.reason(1)
    (None, 'domain log')
    """

    lower: Floats
    upper: Floats
    why: Codes | None = None
    reasons: tuple[str, ...] = ()

    def reason(self, k: int) -> str | None:
        """Return why an element, by its place in row-major order, has no number; None where none is known."""
        code = 0 if self.why is None else int(self.why.ravel()[k])
        return self.reasons[code - 1] if code else None
