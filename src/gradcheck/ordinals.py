"""Formats over whole arrays: rounding to them, and distances in ULP."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from gradcheck.formats import LEAST_DISTANCE, Format

if TYPE_CHECKING:
    Floats = np.ndarray[Any, np.dtype[np.float64]]
    Integers = np.ndarray[Any, np.dtype[np.int32]]


def rounded(array: Floats, fmt: Format) -> Floats:
    """Return float64 numbers rounded to a format, ties to even; what is too large becomes infinite, as in IEEE 754.

    The same as ``Format.round`` number by number; infinities and nan stay.

    >>> from gradcheck.formats import FORMATS
    >>> rounded(np.array([0.1, 70_000.0, 1e-8]), FORMATS["float16"])
    array([0.09997559,        inf, 0.        ])
    """
    if fmt.precision == 53:
        return array
    quantum = np.maximum(_top(array), fmt.emin) - (fmt.precision - 1)
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        made = np.ldexp(np.rint(np.ldexp(array, -quantum)), quantum)
    return np.where(np.abs(made) > fmt.largest, np.copysign(np.inf, array), made) + 0.0


def quotients(above: Floats, below: Floats, fmt: Format) -> Floats:
    """Return fractions rounded to a format, once; numerators and denominators are whole numbers below 2**53.

    The quotient in float64 is off by less than the distance to its neighbours: where these two are one number in the
    format, so is the fraction. The others are rounded one by one.

    >>> from gradcheck.formats import FORMATS
    >>> quotients(np.array([1.0, 2.0**25 + 3]), np.array([3.0, 2.0]), FORMATS["float32"])
    array([3.33333343e-01, 1.67772180e+07])
    """
    made = above / below
    low, high = (rounded(np.nextafter(made, end), fmt) for end in (-np.inf, np.inf))
    found = rounded(made, fmt)
    for k in np.flatnonzero(low != high) if fmt.precision < 53 else ():
        found[k] = fmt.round(Fraction(int(above[k]), int(below[k])))
    return found


def _top(array: Floats) -> Integers:
    """Return the floor of the binary logarithm of each magnitude; far below every format for 0."""
    fractions, exponents = np.frexp(array)
    top: Integers = np.where(fractions == 0, -1100, exponents - 1).astype(np.int32)
    return top


def distances(values: Floats, reals: Floats, fmt: Format) -> tuple[Floats, Floats]:
    """Return bounds, in ULP, of how far numbers of a format are from float64 numbers: below and above.

    The distance is that of ``Format.distance``, which rounds it up; here it is enclosed, and both are the distance
    itself where float64 holds it. All numbers are finite.

    >>> from gradcheck.formats import FORMATS
    >>> distances(np.array([1.0]), np.array([1.000244140625]), FORMATS["float32"])
    (array([2048.]), array([2048.]))
    """
    base, steps = _ordinals(values, fmt)
    other, partial = _ordinals(reals, fmt)
    whole, part = base - other, steps - partial
    apart = whole + part
    lost = _lost(whole, part, apart) + _lost(steps, -partial, part)
    # Two roundings went in, each within half a unit in the last place of what it gave.
    slack = np.where(lost == 0, 0.0, np.spacing(np.abs(part)) + np.spacing(np.abs(apart)))
    far = np.abs(apart)
    return np.maximum(far - slack, 0.0), np.where(values == reals, 0.0, np.maximum(far + slack, LEAST_DISTANCE))


def _ordinals(array: Floats, fmt: Format) -> tuple[Floats, Floats]:
    """Return the ordinal of each number in two parts, both exact: that of its binade, and what it is above that.

    Above the largest number it goes on as if there were greater exponents.
    """
    top = _top(array)
    normal = top >= fmt.emin
    scale = np.where(normal, fmt.precision - 1 - top, fmt.precision - 1 - fmt.emin)
    steps = np.ldexp(array, scale)
    base = np.where(normal, np.ldexp((top - fmt.emin).astype(np.float64), fmt.precision - 1), 0.0)
    return np.copysign(base, array), steps


def _lost(a: Floats, b: Floats, total: Floats) -> Floats:
    """Return the magnitude of what rounding took from a sum: Knuth, TAOCP 2, 4.2.2, theorem B."""
    back = total - a
    return np.abs((a - (total - back)) + (b - back))


def halves(reals: Floats, fmt: Format) -> Floats:
    """Return the error in ULP at which half of the digits are lost that the format has there; one ULP at least.

    >>> from gradcheck.formats import FORMATS
    >>> halves(np.array([1.0, 1e-45, 0.0]), FORMATS["float32"])
    array([4.096e+03, 1.000e+00, 1.000e+00])
    """
    made: Floats = np.maximum(1.0, np.exp2(digits(reals, fmt) / 2))
    return made


def digits(reals: Floats, fmt: Format) -> Integers:
    """Return how many binary digits the format has for each number: its precision, and fewer below the normal range.

    >>> from gradcheck.formats import FORMATS
    >>> digits(np.array([1.0, 1e-45, 0.0]), FORMATS["float32"])
    array([24,  0,  0], dtype=int32)
    """
    least = fmt.emin - fmt.precision + 1
    held = np.clip(_top(reals) - least + 1, 0, fmt.precision)
    return np.where(reals == 0, 0, held)
