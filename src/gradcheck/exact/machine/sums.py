"""Sums and products of matrices of intervals, with the errors of however many additions."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np

from gradcheck.exact.machine.arithmetic import TINY, UNIT, UP, Interval, Reals, full_rad, unit

PART = 64
"""Terms of a matrix product that are added up at once."""
FEW = 16
"""Terms up to which a sum is NumPy's own; beyond, adding in pairs loses fewer digits."""


def total(a: Interval, axis: Sequence[int], *, keepdims: bool = False) -> Interval:
    """Return the sums along axes.

    However ``n`` numbers are added up, each going through at most ``depth`` additions, the result is off by at most
    ``depth*UNIT/(1 - depth*UNIT)`` times the sum of their absolute values (Higham, Accuracy and Stability of Numerical
    Algorithms, 4.2).
    """
    shape = np.shape(a.mid)
    terms = prod(shape[one] for one in axis)
    if terms == 1:
        rad = a.rad if a.is_exact else np.sum(full_rad(a), axis=tuple(axis), keepdims=keepdims)
        return Interval(np.sum(a.mid, axis=tuple(axis), keepdims=keepdims), rad)
    depth = terms - 1 if terms <= FEW else (terms - 1).bit_length()
    rad = _summed(np.abs(a.mid), axis, keepdims) * (depth * unit(a.mid))
    if not a.is_exact:
        rad = rad + _summed(full_rad(a), axis, keepdims)
    rad = rad * ((1 + 4 * depth * UNIT) * UP)
    return Interval(_summed(a.mid, axis, keepdims), np.where(rad == 0, 0.0, rad + TINY))


def _summed(values: Reals, axis: Sequence[int], keepdims: bool) -> Reals:
    """Return sums along axes, of few terms one after the other, of many in pairs."""
    shape = np.shape(values)
    terms = prod(shape[one] for one in axis)
    if terms <= FEW:
        return np.sum(values, axis=tuple(axis), keepdims=keepdims)
    rest = [one for one in range(len(shape)) if one not in axis]
    made = np.transpose(values, [*axis, *rest]).reshape(terms, *(shape[one] for one in rest))
    while len(made) > 1:
        half = (len(made) + 1) // 2
        paired = made[:half].copy()
        paired[: len(made) - half] += made[half:]
        made = paired
    return made[0].reshape([1 if one in axis else size for one, size in enumerate(shape)]) if keepdims else made[0]


def running(a: Interval, axis: int) -> Interval:
    """Return the running sums along an axis, one addition after the other."""
    depth = np.shape(a.mid)[axis]
    rad = np.cumsum(np.abs(a.mid), axis=axis) * (depth * unit(a.mid))
    if not a.is_exact:
        rad = rad + np.cumsum(full_rad(a), axis=axis)
    rad = rad * ((1 + 4 * depth * UNIT) * UP)
    return Interval(np.cumsum(a.mid, axis=axis), np.where(rad == 0, 0.0, rad + TINY))


def matmul(a: Interval, b: Interval) -> Interval:
    """Return the matrix products.

    Whatever the order of the sums, and with or without fused multiply-adds, a product of ``n`` terms is off by at most
    ``n*UNIT`` times the product of the absolute values (Jeannerod and Rump, Improved error bounds for inner products in
    floating-point arithmetic, 2013). Long ones are added up in parts, so that each term goes through few additions. The
    other roundoffs stand for higher orders, and for the product of the absolute values, which is rounded itself.
    """
    terms = np.shape(a.mid)[-1]
    parts = -(-terms // PART)
    depth = terms if parts == 1 else PART + parts
    mid = _added_up(a.mid, b.mid)
    left, right = np.abs(a.mid), np.abs(b.mid)
    rad = np.matmul(left, right) * ((depth + 3) * unit(mid))
    if not b.is_exact:
        rad = rad + np.matmul(left, full_rad(b))
    if not a.is_exact:
        rad = rad + np.matmul(full_rad(a), right if b.is_exact else (right + b.rad))
    rad = rad * ((1 + 4 * (terms + 4) * UNIT) * UP)
    nothing = (rad == 0) & (_least(left) * _least(right) > 2 * TINY)
    return Interval(mid, np.where(nothing, 0.0, rad + (2 * terms + 2) * TINY))


def _added_up(a: Reals, b: Reals) -> Reals:
    """Return a matrix product, part by part of what is summed over."""
    made = np.matmul(a[..., :PART], b[..., :PART, :])
    for start in range(PART, np.shape(a)[-1], PART):
        made += np.matmul(a[..., start : start + PART], b[..., start : start + PART, :])
    return made


def _least(sizes: Reals) -> Reals:
    """Return the least size that is not 0; without one, 1."""
    return np.min(sizes, where=sizes > 0, initial=1.0)
