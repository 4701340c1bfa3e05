"""Formats over whole arrays, against the integers of formats.py."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from gradcheck import ordinals
from gradcheck.formats import FORMATS, Dyadic, Format

Floats = np.ndarray[Any, np.dtype[np.float64]]

EVERY_FORMAT = pytest.mark.parametrize("fmt", FORMATS.values(), ids=FORMATS)


def numbers(seed: int, count: int, fmt: Format) -> Floats:
    """Return numbers over twice the exponents of a format, and its edges with what lies beside them."""
    random = np.random.default_rng(seed)
    low, high = max(2 * fmt.emin, -1070), min(2 * fmt.emax, 1020)
    spread = np.ldexp(random.uniform(-2, 2, count), random.integers(low, high, count))
    short = np.ldexp(
        random.integers(-600, 600, count).astype(float), random.integers(fmt.emin - 30, fmt.emax - 9, count)
    )
    edges = np.array([0.0, fmt.largest, fmt.smallest_normal, fmt.smallest_subnormal, 1.0])
    with np.errstate(over="ignore"):
        beside = [edges, edges * 1.5, edges / 2, edges * 0.75, np.nextafter(edges, 0), np.nextafter(edges, 9)]
        found = np.concatenate([spread, short, *beside, *(-one for one in beside)])
    kept: Floats = found[np.isfinite(found)]
    return kept


@EVERY_FORMAT
def test_arrays_are_rounded_as_single_numbers_are(fmt: Format) -> None:
    given = numbers(1, 2_000, fmt)
    wanted = [fmt.round(Fraction(float(one))) for one in given]
    np.testing.assert_array_equal(ordinals.rounded(given, fmt), wanted)


@EVERY_FORMAT
def test_distances_of_arrays_enclose_those_of_single_numbers(fmt: Format) -> None:
    reals = numbers(2, 2_000, fmt)
    with np.errstate(over="ignore"):
        scaled = reals * np.random.default_rng(3).choice([1.0, 1.0, 1.001, 0.5, -1.0], reals.size)
    near = ordinals.rounded(scaled, fmt)
    values = np.where(np.isfinite(near), near, fmt.largest)
    low, high = ordinals.distances(values, reals, fmt)
    wanted = np.array([fmt.distance(float(a), Dyadic.of(float(b))) for a, b in zip(values, reals, strict=True)])
    assert (low <= wanted).all()
    assert (wanted <= np.nextafter(high, np.inf)).all()
    assert (high - low <= 4 * np.spacing(high) + 1e-290).all()
    assert ((high == 0) == (values == reals)).all()
    assert (wanted[low == high] == low[low == high]).all()
