"""The rows with corners and jumps on series: which piece holds beside the point is decided by a sign there."""

from __future__ import annotations

from typing import Any

from flint import arb

from gradcheck.exact.series import UNKNOWN, Gap, Series, constant, either, remainder


def maximum(x: Series, y: Series, apart: Any = None) -> Any:
    """Return the greater of two series; where that is not told, what both have in common.

    ``apart`` is their difference, where it is known better than by taking one from the other.
    """
    sign = (x - y if apart is None else apart).sign
    made = either(x, y) if sign is None else x if sign >= 0 else y
    return made.met(x.meets and y.meets)


def minimum(x: Series, y: Series, apart: Any = None) -> Any:
    """Return the lesser of two series; see ``maximum``."""
    sign = (x - y if apart is None else apart).sign
    made = either(x, y) if sign is None else y if sign >= 0 else x
    return made.met(x.meets and y.meets)


def clamp(x: Series, low: Series, high: Series, *apart: Any) -> Any:
    """Return ``x`` between two bounds; ``apart`` holds ``x - low``, ``x - high`` and ``low - high``."""
    if not apart:
        return minimum(maximum(x, low), high)
    sign = apart[0].sign
    raised_x = maximum(x, low, apart[0])
    return minimum(raised_x, high, None if sign is None else apart[1] if sign >= 0 else apart[2])


def magnitude(x: Series) -> Any:
    """Return the absolute value."""
    return maximum(x, -x)


def sign_of(x: Series) -> Any:
    """Return the sign, a constant beside the point."""
    if (sign := x.sign) is None:
        return remainder(0, x).met(False)
    return constant(arb(sign), x).met(x.meets and (sign == 0 or x.low == 0))


def floor(x: Any) -> Any:
    """Return the floor: beside a whole number the next coefficient tells which it is."""
    if isinstance(x, Gap):
        return x
    if (start := x.start) is None:
        return remainder(0, x).met(False) if x.bounded else UNKNOWN
    below = start.floor()
    step = None if not below.is_exact() else x.moved().sign if start == below else 1
    if step is None:
        return remainder(0, x).met(False)
    return constant(below - (step < 0), x).met(x.meets and step >= 0)


def ceil(x: Series) -> Any:
    """Return the ceiling."""
    return -floor(-x)


def modulo(x: Series, y: Series) -> Any:
    """Return the remainder with the sign of ``y``."""
    return x - y * floor(x / y)


def fmod(x: Series, y: Series) -> Any:
    """Return the remainder with the sign of ``x``."""
    above, below = magnitude(x), magnitude(y)
    return (above - below * floor(above / below)) * sign_of(x)
