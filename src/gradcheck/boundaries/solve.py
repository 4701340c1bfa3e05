"""Where along one element of an input an expression is 0: its exact value decides between neighbouring floats."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite, ldexp
from typing import Any

import numpy as np

from gradcheck import exact
from gradcheck.formats import Ball, Format
from gradcheck.lower import Core

BITS, MORE_BITS = 128, 2_400
"""Working precision, in bits: of the first attempt, and where a sign stays open: sums of float64 are exact in it."""
MOST_ROOTS = 2
"""Places along one element that one expression gives, those nearest to the point that is given."""

Floats = np.ndarray[Any, np.dtype[np.float64]]
Arrays = Mapping[str, Floats]


def at_ordinal(place: int, fmt: Format) -> float:
    """Return the number of a format at an ordinal: what ``Format.ordinal`` counts.

    >>> from gradcheck.formats import FORMATS
    >>> fmt = FORMATS["float32"]
    >>> [at_ordinal(fmt.ordinal(value), fmt) for value in (0.0, -1.5, fmt.smallest_subnormal)]
    [0.0, -1.5, 1.401298464324817e-45]
    """
    n, hidden = abs(place), 1 << (fmt.precision - 1)
    binade, steps = divmod(n, hidden)
    made = ldexp(steps if binade == 0 else hidden + steps, max(binade - 1, 0) + fmt.emin - fmt.precision + 1)
    return -made if place < 0 else made


def ladder(fmt: Format, base: float) -> list[float]:
    """Return numbers of a format from its least to its greatest, near small whole numbers and ``base`` more of them."""
    powers = [2.0**k for k in {*range(-8, 9), *np.linspace(fmt.emin, fmt.emax, 24).astype(int).tolist()}]
    sizes = {*powers, fmt.largest, fmt.smallest_subnormal, 3.0, 5.0, 6.0, 10.0, 20.0, 0.75, 1.5, abs(base)}
    return sorted({0.0, *sizes, *(-one for one in sizes)})


@dataclass(frozen=True)
class Line:
    """The points that differ from one in a single element: the input, the element in row-major order, and the dtype."""

    point: Arrays
    name: str
    k: int
    fmt: Format

    @property
    def base(self) -> float:
        """Return where the point itself is."""
        return float(self.point[self.name].reshape(-1)[self.k])

    def at(self, value: float) -> dict[str, Floats]:
        """Return the point with the element at a value."""
        moved = self.point[self.name].copy()
        moved.reshape(-1)[self.k] = value
        return {**self.point, self.name: moved}

    def signs(self, core: Core, names: Sequence[str], value: float, bits: int = BITS) -> list[list[int | None]]:
        """Return the signs of layers at a value, element by element: -1, 0 and 1, None where none is proven."""
        values = exact.enclose(core, self.at(value), bits)
        return [[_sign(one) for one in np.asarray(values[name], dtype=object).ravel()] for name in names]


def _sign(element: Any) -> int | None:
    found = exact.ball(element)
    if not isinstance(found, Ball):
        return None
    low, high = found.lower.man, found.upper.man
    return 1 if low > 0 else -1 if high < 0 else 0 if low == high == 0 else None


def roots(line: Line, core: Core, names: Sequence[str]) -> dict[str, list[tuple[float, bool]]]:
    """Return for each layer where it is 0 along a line, and whether it is so exactly.

    Where its sign changes between two neighbouring numbers of the dtype, both are given.
    """
    places = ladder(line.fmt, line.base)
    rows = [line.signs(core, names, value) for value in places]
    return {name: _roots(line, core, name, places, [row[j] for row in rows]) for j, name in enumerate(names)}


def _roots(
    line: Line, core: Core, name: str, places: Sequence[float], signs: Sequence[list[int | None]]
) -> list[tuple[float, bool]]:
    """Return where the first element that changes its sign is 0."""

    def near(pair: tuple[float, ...]) -> float:
        return min(abs(one - line.base) for one in pair)

    moving = (e for e in range(len(signs[0])) if len({row[e] for row in signs} - {None}) > 1)
    if (e := next(moving, None)) is None:
        return []
    column = [row[e] for row in signs]
    zeros = sorted(((value,) for value, sign in zip(places, column, strict=True) if sign == 0), key=near)
    steps = zip(places, places[1:], column, column[1:], strict=False)
    pairs = sorted(
        ((low, high) for low, high, a, b in steps if a is not None and b is not None and a * b < 0), key=near
    )
    pruned = exact.needed(core, [name])
    between = (one for low, high in pairs[:MOST_ROOTS] for one in _between(line, pruned, name, e, low, high))
    return [*((value, True) for (value,) in zeros[:MOST_ROOTS]), *between]


def _between(line: Line, core: Core, name: str, e: int, low: float, high: float) -> list[tuple[float, bool]]:
    """Return the numbers of the dtype between which the sign changes; where it is 0, that one."""
    fmt = line.fmt

    def sign(value: float) -> int | None:
        for bits in (BITS, MORE_BITS):
            [found] = line.signs(core, [name], value, bits)
            if found[e] is not None:
                return found[e]
        return None

    below = sign(low)
    a, b = fmt.ordinal(low), fmt.ordinal(high)
    while b - a > 1:
        middle = (a + b) // 2
        found = sign(at_ordinal(middle, fmt))
        if found is None or found == 0:
            return [(at_ordinal(middle, fmt), found == 0)]
        a, b = (middle, b) if found == below else (a, middle)
    return [(value, False) for value in (at_ordinal(a, fmt), at_ordinal(b, fmt)) if isfinite(value)]
