"""What the output of a program does along a ray: its limit, its slope, and whether it jumps, all proven."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from flint import arb

from gradcheck.exact.elements import Values, as_ball
from gradcheck.exact.precision import working_precision
from gradcheck.exact.ray import Direction, along
from gradcheck.exact.series import Frame, Gap, NeedsRoot, Series
from gradcheck.lower import Core

Found = TypeVar("Found")

MAX_ROOT = 24
"""Greatest power of ``t`` by which a point moves."""
WIDTHS = (2, 10, 26)
"""Terms beyond the one that holds the slope that are kept, in one attempt after the other."""


@dataclass(frozen=True, slots=True)
class Course:
    """A function along a ray.

    ``value`` is its limit at the point, ``slope`` that of its derivative along the ray; both are balls, None where
    there is no such limit. ``infinite`` is the sign of an infinite slope. ``meets`` says whether the value at the point
    is the limit, None where nothing is proven or the point has no value: ``valued`` tells. ``nowhere`` means that the
    ray leaves the domain.
    """

    value: Any = None
    slope: Any = None
    infinite: int = 0
    meets: bool | None = None
    nowhere: bool = False
    valued: bool = True

    @property
    def proven(self) -> bool:
        """Return whether it is known what the slope does on this side."""
        return self.nowhere or self.slope is not None or self.infinite != 0


UNPROVEN = Course()


def course(core: Core, still: Values, direction: Direction, bits: int, weights: Any = None) -> Course:
    """Return what the sum of the output's elements that move does along a ray, each times its weight."""
    output = core.program.output
    here = np.broadcast_to(still[output], core.shapes[output])

    def read(values: Values, frame: Frame) -> Course:
        return _course(np.broadcast_to(values[output], here.shape), here, weights, frame)

    return attempts(core, still, direction, bits, read, lambda one: one.proven) or UNPROVEN


def attempts(
    core: Core,
    still: Values,
    direction: Direction,
    bits: int,
    read: Callable[[Values, Frame], Found],
    enough: Callable[[Found], bool],
) -> Found | None:
    """Return what is read from the first series that are long enough, or the longest; None where there are none."""
    root, found = 1, None
    with working_precision(bits):
        for width in WIDTHS:
            while root <= MAX_ROOT:
                frame = Frame(root, root + width * (1 if width == WIDTHS[0] else min(root, 4)))
                try:
                    found = read(along(core, still, direction, frame), frame)
                    break
                except NeedsRoot as problem:
                    root *= problem.index
            if root > MAX_ROOT or (found is not None and enough(found)):
                break
    return found


def _course(made: Any, here: Any, weights: Any, frame: Frame) -> Course:
    moving = [k for k in np.ndindex(made.shape) if isinstance(made[k], Series | Gap)]
    total: Any = Series(0, (), float("inf"), frame)
    before = arb(0)
    for k in moving:
        weight = arb(1) if weights is None else arb(float(weights[k]))
        total = total + made[k] * weight
        before = before + as_ball(here[k]) * weight
    if isinstance(total, Gap):
        return Course(nowhere=total.nowhere, valued=before.is_finite())
    return read_off(total, before, frame.root)


def read_off(total: Series, here: Any, root: int) -> Course:
    """Return the limit and the slope of a series in ``t``, where ``t**root`` is the distance from ``here``."""
    if total.low < 0:
        sign = total.sign if total.terms else None
        meets = False if sign and here.is_finite() else None
        return Course(infinite=-sign if sign else 0, meets=meets, valued=here.is_finite())
    value = total.at(0)
    if value is None:
        return Course(valued=here.is_finite())
    meets = _meets(total, value, here)
    for power in range(1, root):
        if (steep := total.at(power)) is None or not steep.is_zero():
            sign = 0 if steep is None else 1 if steep > 0 else -1 if steep < 0 else 0
            return Course(value, None, sign, meets, valued=here.is_finite())
    return Course(value, total.at(root), 0, meets, valued=here.is_finite())


def _meets(total: Series, value: Any, here: Any) -> bool | None:
    if not here.is_finite():
        return None
    if total.meets or (value.is_exact() and here.is_exact() and value == here):
        return True
    return False if value != here else None
