"""All that floats can make of one operation: in balls where it is small, in whole arrays where it is large."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from gradcheck import exact
from gradcheck.bounds import Bounds, Enclosures
from gradcheck.formats import Ball, Format
from gradcheck.lower import Core

LARGE = 256
"""Numbers of an operation from which it is evaluated in whole arrays: those take 1 ms, a ball 0.1 ms (AMD EPYC)."""

Place = int | None
"""The argument to which something is pulled, by its position; None for the value."""
Places = np.ndarray[Any, np.dtype[np.intp]]


@dataclass(frozen=True, slots=True)
class InFloats:
    """All finite numbers that an honest evaluation can return, element by element; None where it may be anything.

    ``overflow`` names the first step inside the operation whose value the format cannot hold.
    """

    found: Mapping[Place, Enclosures]
    overflow: str | None = None

    @property
    def value(self) -> Enclosures:
        """Return what the value may be."""
        return self.found[None]

    @property
    def pulled(self) -> dict[int, Enclosures]:
        """Return what may be pulled to each argument that is a tensor."""
        return {place: one for place, one in self.found.items() if place is not None}

    @property
    def holes(self) -> dict[Place, Places]:
        """Return the elements of which nothing is known."""
        at = {place: np.flatnonzero(np.isnan(one.bounds.lower)) for place, one in self.found.items()}
        return {place: one for place, one in at.items() if one.size}


@dataclass(frozen=True, slots=True)
class Asked:
    """A program with the layers that are asked for, and where it is evaluated."""

    core: Core
    layers: Mapping[Place, str]
    point: Mapping[str, Any]
    format: Format
    surely: bool

    def in_arrays(self) -> InFloats:
        """Return what floats can make of it; nan bounds are holes, which are left to balls."""
        wanted = set(self.layers.values())
        bounds, overflow = exact.bound_rounded(self.core, self.point, self.format, wanted, surely=self.surely)
        return InFloats({place: _flat(bounds[layer]) for place, layer in self.layers.items()}, overflow)

    def in_balls(self, bits: int) -> InFloats:
        """Return what floats can make of it, one element at a time."""
        values, overflow = exact.enclose_rounded(self.core, self.point, self.format, bits, surely=self.surely)
        found = {place: exact.balls(values[layer], bits) for place, layer in self.layers.items()}
        known = {
            place: Enclosures.of(one if isinstance(one, Ball) else None for one in balls)
            for place, balls in found.items()
        }
        return InFloats(known, overflow)

    @property
    def large(self) -> bool:
        """Tell whether whole arrays are quicker."""
        return sum(np.size(one) for one in self.point.values()) >= LARGE


def filled(found: InFloats, at: Places, rest: InFloats) -> InFloats:
    """Return what is known with some elements of full arrays as they are known otherwise."""
    for place, holes in found.holes.items():
        for k in holes.tolist():
            found.found[place][k] = rest.found[place][int(np.searchsorted(at, k))]
    return InFloats(found.found, found.overflow or rest.overflow)


def _flat(bounds: Bounds) -> Enclosures:
    return Enclosures(bounds.lower.size, Bounds(bounds.lower.ravel(), bounds.upper.ravel()))
