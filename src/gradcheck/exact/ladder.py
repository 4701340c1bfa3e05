"""The ladder of precision: machine intervals over whole arrays, balls where these leave something open, more bits."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import cached_property
from math import prod
from typing import Any

import numpy as np

from gradcheck.bounds import Bounds
from gradcheck.exact.demand import demanded, enclose_some
from gradcheck.exact.digits import MAX_BITS
from gradcheck.exact.elements import Array, Values, balls
from gradcheck.exact.evaluate import START_BITS, enclose
from gradcheck.exact.machine import evaluate as machine
from gradcheck.formats import Ball
from gradcheck.lower import Core

MANY = 2_048
"""Numbers of a program from which machine intervals come first; a few balls are quicker than the calls of NumPy."""

WIDE = 16
"""Numbers of a layer on the average from which whole arrays are worth the calls."""
KEPT = 64
"""Programs at points whose numbers are remembered."""
COSTLY = 20_000
"""Numbers that are dear in balls: some million are quicker in machine intervals."""

Floats = np.ndarray[Any, np.dtype[np.float64]]


class Truth:
    """The exact numbers of one program at one point; the state is what was worked out so far.

    The first step of the ladder is ``bounds``: all elements, in machine intervals. The next are ``some`` elements in
    balls of so many bits, and ``values`` for whoever needs all of them.
    """

    def __init__(self, core: Core, point: Mapping[str, np.ndarray[Any, Any]]) -> None:
        self.core = core
        self.point = point
        self._values: dict[int, Values] = {}

    @cached_property
    def is_large(self) -> bool:
        """Return whether there are so many numbers, in all and in a layer, that machine intervals come first."""
        numbers = sum(prod(self.core.shapes[layer.name]) for layer in self.core.program.layers)
        return numbers >= MANY and numbers >= WIDE * len(self.core.program.layers)

    def bounds(self, keep: Collection[str], *, extended: bool = False) -> dict[str, Bounds]:
        """Return proven bounds of some layers in machine intervals, of float64 or of the extended format."""
        return machine.enclose(self.core, self.point, keep, extended=extended)

    def values(self, bits: int = START_BITS) -> Values:
        """Return the values of all layers as arrays of balls; those with the most bits are remembered."""
        if bits not in self._values:
            self._values = {bits: enclose(self.core, self.point, bits)}
        return self._values[bits]

    def arrays(self, wanted: Mapping[str, Sequence[int]], bits: int = START_BITS) -> dict[str, Array]:
        """Return some elements of some layers as arrays of balls, each in the order asked for."""
        if bits not in self._values and self.is_large:
            return enclose_some(self.core, self.point, wanted, bits)
        values = self.values(bits)
        return {name: values[name].ravel()[list(at)] for name, at in wanted.items()}

    def is_costly(self, wanted: Mapping[str, Sequence[int]]) -> bool:
        """Return whether intervals of whole arrays are quicker than balls of these elements."""
        return self.is_large and demanded(self.core, wanted) > COSTLY

    def some(self, wanted: Mapping[str, Sequence[int]], bits: int = START_BITS) -> dict[str, list[Ball | str | None]]:
        """Return some elements: a ball, the reason why there is no number, or None where neither is known."""
        return {name: balls(array, bits) for name, array in self.arrays(wanted, bits).items()}

    def sharpen(self, found: list[Ball | None], digits: int, at: Sequence[int] | None = None) -> None:
        """Enclose what was found of the output to so many digits: the middle of a wide ball is not a number of it.

        ``at`` says which elements these are; where it says nothing, they are all of them, or copies of a scalar.
        """
        output, bits = self.core.program.output, START_BITS
        only = not self.core.shapes[output]
        while bits < MAX_BITS and (wide := [k for k, one in enumerate(found) if one and not one.is_sharp(digits)]):
            bits *= 2
            places = [0 if only else k if at is None else at[k] for k in wide]
            for k, ball in zip(wide, self.some({output: places}, bits)[output], strict=True):
                found[k] = ball if isinstance(ball, Ball) else found[k]


class Truths:
    """The exact numbers of some programs at the last few points; what is the same point in several dtypes is one."""

    def __init__(self) -> None:
        self.known: dict[tuple[int, bytes], Truth] = {}

    def get(self, core: Core, point: Mapping[str, Floats]) -> Truth:
        """Return the exact numbers of a program at a point, with what is known of them so far."""
        key = id(core), b"".join(point[name].tobytes() for name in core.program.inputs)
        if key not in self.known:
            self.known[key] = Truth(core, point)  # which holds the core, so that no other has its id
            if len(self.known) > KEPT:
                self.known.pop(next(iter(self.known)))
        return self.known[key]
