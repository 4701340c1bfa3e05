"""The judgements on whole arrays, against those on single elements."""

from __future__ import annotations

from math import isfinite
from typing import Any

import numpy as np
import pytest

from gradcheck import ordinals
from gradcheck.compare import Judgement, judge
from gradcheck.formats import FORMATS, Ball, Dyadic, Format
from gradcheck.judgements import Judgements, judged
from gradcheck.verdict import Verdict, worst

Floats = np.ndarray[Any, np.dtype[np.float64]]

EVERY_FORMAT = pytest.mark.parametrize("fmt", FORMATS.values(), ids=FORMATS)


def drawn(fmt: Format, count: int = 6_000) -> tuple[Floats, Floats, Floats]:
    """Return bounds and numbers of a format near them, over all its range and beyond; some are no numbers."""
    random = np.random.default_rng(11)
    with np.errstate(over="ignore", invalid="ignore"):
        middle = np.ldexp(
            random.uniform(-2, 2, count), random.integers(fmt.emin - fmt.precision - 2, fmt.emax + 2, count)
        )
        middle[::50] = random.choice([0.0, fmt.largest, -fmt.largest], middle[::50].size)
        radius = np.abs(middle) * random.choice([0.0, 1e-16, fmt.unit_roundoff, 20 * fmt.unit_roundoff, 0.3], count)
        lower, upper = middle - radius, middle + radius
        steps = random.choice([0, 1, 3, 15, 16, 17, 40, 2**11], count) * random.choice([-1, 1], count)
        values = ordinals.rounded(middle * (1 + 2 * fmt.unit_roundoff * steps) + steps * fmt.smallest_subnormal, fmt)
        values[::31] = random.choice([np.inf, -np.inf, np.nan, fmt.largest, -fmt.largest], values[::31].size)
    known = np.isfinite(lower) & np.isfinite(upper)
    return lower[known], upper[known], values[known]


@EVERY_FORMAT
@pytest.mark.parametrize("tolerance", [0.5, 2.0, 16.0])
def test_arrays_are_judged_as_single_elements_are(fmt: Format, tolerance: float) -> None:
    lower, upper, values = drawn(fmt)
    found = judged(lower, upper, values, fmt, tolerance)
    assert {Verdict.AGREE, Verdict.DISAGREE} <= found.verdicts()
    for k, (low, high, value) in enumerate(zip(lower.tolist(), upper.tolist(), values.tolist(), strict=True)):
        wanted = judge(Ball(Dyadic.of(low), Dyadic.of(high)), value, fmt, tolerance)
        if (made := found.get(k)) is None:
            # Bounds of a distance that float64 does not hold may leave open what the distance itself decides.
            assert wanted is None or wanted.ulps == pytest.approx(tolerance, rel=1e-12)
        else:
            assert wanted is not None, (low, high, value, made)
            assert (made.verdict, made.note) == (wanted.verdict, wanted.note)
            assert made.ulps == (None if wanted.ulps is None else pytest.approx(wanted.ulps, rel=1e-14))


@EVERY_FORMAT
def test_what_has_no_bounds_stays_open(fmt: Format) -> None:
    nothing = np.full(4, np.nan)
    assert judged(nothing, nothing, np.array([1.0, 0.0, np.inf, np.nan]), fmt, 16).open == [0, 1, 2, 3]


def test_judgements_are_what_was_put_in() -> None:
    given = [Judgement(verdict, ulps, note) for verdict in Verdict for ulps in (None, 0.0, 2.5) for note in (None, "a")]
    made = Judgements.of([*given, None])
    assert list(made[:-1]) == given
    assert made.open == [len(given)]
    decided = made[:-1]
    assert isinstance(decided, Judgements)
    assert decided.worst == worst(one.verdict for one in given)
    assert decided.worst_ulps == max(one.ulps for one in given if one.ulps is not None)
    assert sum(decided.counts().values()) == len(given)
    ranked = [given[k] for k in decided.ranked()]
    assert [one.verdict.severity for one in ranked] == sorted((one.verdict.severity for one in given), reverse=True)
    assert isfinite(decided.worst_ulps or 0.0)
