"""What roundings may make of a whole program at one point, and how far its numbers move with the point."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from math import inf, prod
from typing import TYPE_CHECKING, Any

import numpy as np

from gradcheck import exact
from gradcheck.bounds import Bounds
from gradcheck.case.elements import Elements, Floats, Truths
from gradcheck.compare import half_of_the_digits
from gradcheck.differentiate import Pullback
from gradcheck.formats import Ball, Format
from gradcheck.ordinals import distances, halves, rounded

if TYPE_CHECKING:
    from gradcheck.case.one import Case


LEAST = float(np.finfo(np.float64).smallest_subnormal)


class Whole:
    """What holds for every run of torch at one point; the state is what was worked out."""

    def __init__(self, case: Case) -> None:
        self.case = case

    def layer(self, pullback: Pullback, name: str | None) -> str:
        """Return the layer of a gradient program that holds the gradient by one input, or the output."""
        plan = self.case.plan
        return plan.program.output if name is None else pullback.program.outputs[plan.wrt.index(name)]

    # --- roundings ---

    @cached_property
    def rounded(self) -> tuple[Pullback, exact.Values, str | None]:
        """Return the rounding enclosure of all layers, and what overflows."""
        pullback = self.case.plan.rounding()
        values, overflow = exact.enclose_rounded(pullback.core, self.case.arrays, self.case.format, self.case.bits)
        return pullback, values, overflow

    def enclosed(self, name: str | None, k: int) -> tuple[Ball | None, str | None]:
        """Return all that an honest evaluation may return for one element (None: anything), and what overflows."""
        pullback, values, overflow = self.rounded
        [found] = exact.balls(values[self.layer(pullback, name)], self.case.bits, [k])
        return (found if isinstance(found, Ball) else None), overflow

    def admits(self, name: str | None, k: int, overflow: str | None) -> bool:
        """Return whether an element without a rounding enclosure may be any number for all that roundings do."""
        del name, k, overflow
        return True

    @cached_property
    def bounds(self) -> tuple[dict[str, Bounds], str | None]:
        """Return the rounding enclosure of every gradient and of the output in whole arrays, and what overflows."""
        pullback, case = self.case.plan.rounding(), self.case
        keep = {*pullback.program.outputs, case.plan.program.output}
        return exact.bound_rounded(pullback.core, case.arrays, case.format, keep)

    def explains(self, name: str | None, at: Sequence[int], values: Floats) -> Truths:
        """Return which of torch's numbers for some elements an honest evaluation may return."""
        bounds, _ = self.bounds
        found = bounds[self.layer(self.case.plan.rounding(), name)]
        low, high = found.lower.ravel()[list(at)], found.upper.ravel()[list(at)]
        made: Truths = (low <= values) & (values <= high) | ~np.isfinite(low) | ~np.isfinite(high)
        for j in np.flatnonzero(np.isnan(low) | np.isnan(high)).tolist():  # what machine intervals cannot tell
            enclosed, _ = self.enclosed(name, at[j])
            made[j] = enclosed is None or enclosed.contains(float(values[j]))
        return made

    def sharpen(self, one: Elements, name: str | None, at: list[int]) -> None:
        """Take balls of the elements whose bounds do not tell whether half of torch's digits are right."""
        if wide := one.borderline(at, self.case.format):
            layer = self.layer(self.case.plan.shared, name)
            found = self.case.truth.some({layer: wide}, self.case.bits)[layer]
            one.sharpen(wide, found, self.case.format, self.case.tolerance)

    # --- the point ---

    @property
    def points(self) -> int:
        """Return how many points stand side by side: an element that stands alone moves as it does by itself."""
        plan = self.case.plan
        return prod(plan.shapes[plan.program.output]) if plan.by_elements else self.case.points

    @property
    def steps(self) -> dict[str, Floats]:
        """Return how far every number of the point may be from the one that was rounded to it."""
        return {name: half_ulp(array, self.case.format) for name, array in self.case.arrays.items()}

    @cached_property
    def moved(self) -> list[exact.Truth]:
        """Return the exact numbers where every number of the point is half an ULP away, in a few patterns."""
        case, steps = self.case, self.steps
        if case.format.precision < 53:  # float64 holds half an ULP of all others
            points: Iterable[Any] = exact.moved_floats(case.arrays, steps, self.points)
        else:
            points = exact.moved(case.arrays, steps, case.bits, self.points)
        return [exact.Truth(case.plan.shared.core, at) for at in points]

    def is_sensitive(self, name: str | None, k: int, truth: Ball) -> bool:
        """Return whether half an ULP of the point moves an element by more than half of its digits."""
        layer = self.layer(self.case.plan.shared, name)
        found = [one.some({layer: [k]}, self.case.bits)[layer][0] for one in self.moved]
        return _is_moved(found, truth, self.case.format)

    @cached_property
    def moved_bounds(self) -> list[dict[str, Bounds]]:
        """Return the same in machine intervals, of every gradient and of the output."""
        core = self.case.plan.shared.core
        keep = {*core.program.outputs, self.case.plan.program.output}
        return [one.bounds(keep) for one in self.moved]

    def are_sensitive(self, one: Elements, name: str | None, at: list[int]) -> Truths:
        """Return which elements half an ULP of the point moves by more than half of their digits."""
        fmt, layer = self.case.format, self.layer(self.case.plan.shared, name)
        if fmt.precision == 53 or not self.case.truth.is_costly({layer: at}):  # float64 has no half of its ULP
            return np.array(self._are_sensitive(one, layer, at))
        found = [bounds[layer] for bounds in self.moved_bounds]
        ends = one.known.lower[at], one.known.upper[at]
        moved = [_are_apart(each.lower.ravel()[at], each.upper.ravel()[at], ends, fmt) for each in found]
        sensitive: Truths = np.logical_or.reduce([apart for apart, _ in moved])
        unsure = ~sensitive & np.logical_or.reduce([unknown for _, unknown in moved])
        sensitive[unsure] = self._are_sensitive(one, layer, [at[j] for j in np.flatnonzero(unsure).tolist()])
        return sensitive

    def _are_sensitive(self, one: Elements, layer: str, at: list[int]) -> list[bool]:
        """Return the same for what machine intervals enclose too wide to tell."""
        bits, fmt = self.case.bits, self.case.format
        sharp = self.case.truth.some({layer: at}, bits)[layer]
        truths = [new if isinstance(new, Ball) else one.truth(k) for k, new in zip(at, sharp, strict=True)]
        found = zip(*(each.some({layer: at}, bits)[layer] for each in self.moved), strict=True)
        return [_is_moved(each, truth, fmt) for each, truth in zip(found, truths, strict=True)]


def half_ulp(array: Floats, fmt: Format) -> Floats:
    """Return half the distance from each number to the next one of the format, 0 for infinities.

    Float64 has no half of its least number, which is taken itself: a step of 0 would stay at the point.

    >>> from gradcheck.formats import FORMATS
    >>> half_ulp(np.array([1.0, 3.0]), FORMATS["float32"]) * 2**24
    array([1., 2.])
    """
    _, exponents = np.frexp(np.where(np.isfinite(array), array, 0.0))
    top = np.where(array == 0, fmt.emin, np.maximum(exponents - 1, fmt.emin))
    half = np.maximum(np.ldexp(1.0, top - fmt.precision), LEAST)
    made: Floats = np.where(np.isfinite(array), half, 0.0)
    return made


def _is_moved(found: Sequence[Ball | str | None], truth: Ball | None, fmt: Format) -> bool:
    """Return whether one of the numbers beside the point is far from the one at it; or none is known."""
    balls = [one for one in found if isinstance(one, Ball)]
    return not balls or truth is None or any(_apart(one, truth, fmt) for one in balls)


def _apart(moved: Ball, truth: Ball, fmt: Format) -> bool:
    nearest = fmt.round_dyadic(truth.midpoint)
    if moved.overlaps(truth) or abs(nearest) == inf:
        return False
    return fmt.distance(nearest, moved.midpoint) > half_of_the_digits(truth, fmt)


def _are_apart(low: Floats, high: Floats, truths: tuple[Floats, Floats], fmt: Format) -> tuple[Truths, Truths]:
    """Return where numbers between bounds in float64 are surely apart in the same way, and where that is open."""
    with np.errstate(all="ignore"):
        middle = truths[0] / 2 + truths[1] / 2
        nearest = rounded(middle, fmt)
        known = np.isfinite(low) & np.isfinite(high)
        held = np.isfinite(nearest) & known
        ends = [np.where(held, one, 0.0) for one in (low, high, *truths)]
        least, most = distances(np.where(held, nearest, 0.0), ends[0] / 2 + ends[1] / 2, fmt)
        wide = distances(ends[0], ends[1], fmt)[1] + distances(ends[2], ends[3], fmt)[1]
        apart: Truths = held & (least - wide > halves(middle, fmt))
        near: Truths = np.isinf(nearest) | (held & (most + wide <= halves(middle, fmt)))
    return apart, ~(apart | (near & known))
