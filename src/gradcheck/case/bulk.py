"""The elements of many points in whole arrays: the worse of two runs of torch, and what is known to few digits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from gradcheck.case.elements import Elements, bits
from gradcheck.compare import Judgement
from gradcheck.formats import Ball
from gradcheck.judgements import OPEN, Judgements, judged
from gradcheck.ordinals import distances

if TYPE_CHECKING:
    from gradcheck.case.one import Case, Floats

FINE = 2.0**-10
"""Width of an enclosure in ULP up to which the error shown is the error."""

Truths = np.ndarray[Any, np.dtype[np.bool_]]


def take(one: Elements, values: Floats, case: Case) -> None:
    """Take what torch's vectorised kernels returned wherever it is worse; what it leaves open is open."""
    if one.torch is None:
        return
    held = sorted(one.known.balls)
    by_balls = one.torch.copy()
    by_balls[held] = values[held]
    one.vector(by_balls, case.format, case.tolerance)
    differ = (bits(values) != bits(one.torch)) & (one.judgements.codes != OPEN) & np.isfinite(one.known.bounds.lower)
    differ[held] = False
    at = np.flatnonzero(differ)
    made = judged(one.known.lower[at], one.known.upper[at], values[at], case.format, case.tolerance)
    worse = far(made) > far(one.judgements.part(at.tolist()))
    one.torch[at[worse]] = values[at[worse]]
    for k in np.flatnonzero(worse):
        one.judgements[int(at[k])] = made.get(int(k)) or compared(one, int(at[k]), case)


def compared(one: Elements, k: int, case: Case) -> Judgement | None:
    """Return the judgement on one number by its ball."""
    ball = one.ball(k)
    return None if ball is None else one.compared(k, ball, case.format, case.tolerance)


def far(found: Judgements) -> Floats:
    """Return how far numbers are from the exact ones, in ULP; what no ULP measure is farther than all else."""
    made: Floats = np.where(np.isnan(found.ulps), np.inf, found.ulps)
    return made


def blunt(one: Elements, digits: int) -> Truths:
    """Return where an enclosure does not tell so many decimal digits."""
    low, high = one.known.bounds.lower, one.known.bounds.upper
    with np.errstate(over="ignore", invalid="ignore"):
        wide = (high - low) * 10.0**digits > np.minimum(np.abs(low), np.abs(high))
        found: Truths = (low != high) & (wide | (np.signbit(low) != np.signbit(high))) & np.isfinite(low)
    for k, ball in one.known.balls.items():
        found[k] = isinstance(ball, Ball) and not ball.is_sharp(digits)
    return found


def rough(one: Elements, case: Case) -> Truths:
    """Return where an enclosure is so wide that the error in ULP is not known to the digits that are shown."""
    low, high = one.known.lower, one.known.upper
    known = np.isfinite(low) & np.isfinite(high)
    _, most = distances(np.where(known, low, 0.0), np.where(known, high, 0.0), case.format)
    found: Truths = known & (most > FINE)
    return found
