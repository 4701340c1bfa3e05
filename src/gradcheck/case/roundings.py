"""What roundings may make of a derivative in one way of differentiating."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from gradcheck import exact
from gradcheck.bounds import Bounds
from gradcheck.case.elements import Floats, Truths
from gradcheck.case.whole import Whole
from gradcheck.formats import Ball
from gradcheck.lower import Core
from gradcheck.ways import FORWARD

if TYPE_CHECKING:
    from gradcheck.case.ways import Along


class Roundings(Whole):
    """What roundings may make of a derivative in one way; the state is what was worked out."""

    case: Along

    @cached_property
    def programs(self) -> dict[str, tuple[Core, str]]:
        """Return the program of each gradient whose rounding errors are torch's."""
        return self.case.nested.roundings(self.case.lane.way)

    @property
    def steps(self) -> dict[str, Floats]:
        """Return how far every number of the point may be from the one that was rounded to it; directions are exact."""
        held = {name for each in self.case.nested.directions for name in each.values()}
        return {name: np.zeros_like(one) if name in held else one for name, one in super().steps.items()}

    @cached_property
    def pulled(self) -> tuple[exact.Values, str | None]:
        """Return the rounding enclosure of all gradients by reverse mode, which one program has, and what overflows."""
        core, _ = next(iter(self.programs.values()))
        return exact.enclose_rounded(core, self.case.arrays, self.case.format, self.case.bits)

    def enclosed(self, name: str | None, k: int) -> tuple[Ball | None, str | None]:
        """Return all that an honest evaluation may return for one element (None: anything), and what overflows."""
        if name is None:
            return super().enclosed(name, k)
        core, layer = self.programs[name]
        if self.is_forward:
            values, overflow = exact.enclose_rounded(core, self.toward(name, k), self.case.format, self.case.bits)
        else:
            values, overflow = self.pulled
        [found] = exact.balls(values[layer], self.case.bits, [0 if self.is_forward else k])
        return (found if isinstance(found, Ball) else None), overflow

    @property
    def is_forward(self) -> bool:
        """Return whether each element has a tangent of its own."""
        return self.case.lane.way.outermost == FORWARD

    def toward(self, name: str, k: int) -> dict[str, Floats]:
        """Return the point with the tangent of one element."""
        unit = np.zeros(self.case.plan.shapes[name])
        unit.flat[k] = 1.0
        return {**self.case.arrays, self.case.nested.unit(name): unit}

    @cached_property
    def bounds(self) -> tuple[dict[str, Bounds], str | None]:
        """Return the rounding enclosure of every gradient by reverse mode in whole arrays, and what overflows."""
        if self.is_forward:
            return {}, None
        layers = [layer for _, layer in self.programs.values()]
        core, _ = next(iter(self.programs.values()))
        return exact.bound_rounded(core, self.case.arrays, self.case.format, layers)

    def explains(self, name: str | None, at: Sequence[int], values: Floats) -> Truths:
        """Return which of torch's numbers for some elements an honest evaluation may return."""
        if name is None:
            return super().explains(name, at, values)
        return np.array([self.explained(name, k, value) for k, value in zip(at, values.tolist(), strict=True)])

    def explained(self, name: str, k: int, value: float) -> bool:
        """Return the same for one element, by machine intervals where these tell."""
        low, high = self.ends(name, k)
        if low <= value <= high:
            return True
        if np.isfinite(low) and np.isfinite(high):
            return False
        enclosed, overflow = self.enclosed(name, k)
        return self.admits(name, k, overflow) if enclosed is None else enclosed.contains(value)

    def admits(self, name: str | None, k: int, overflow: str | None) -> bool:
        """Return the same, unless torch's formula has no value here even in exact arithmetic.

        What torch returns there is a convention and no rounding: 0 for the 0/0 in the slope of a norm of zeros.
        """
        if name is None or overflow is not None:
            return True
        core, layer = self.programs[name]
        point = self.toward(name, k) if self.is_forward else self.case.arrays
        found = exact.enclose(core, point, self.case.bits)[layer]
        [one] = exact.balls(found, self.case.bits, [0 if self.is_forward else k])
        return isinstance(one, Ball)

    def ends(self, name: str, k: int) -> tuple[float, float]:
        """Return the rounding enclosure of one element in machine intervals."""
        core, layer = self.programs[name]
        if self.is_forward:
            bounds, _ = exact.bound_rounded(core, self.toward(name, k), self.case.format, [layer])
            return bounds[layer].lower.item(0), bounds[layer].upper.item(0)
        bounds, _ = self.bounds
        return bounds[layer].lower.item(k), bounds[layer].upper.item(k)
