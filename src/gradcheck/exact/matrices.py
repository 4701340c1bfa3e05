"""NumPy for arrays of balls, with FLINT's own product of matrices, which is twenty times as quick."""

from __future__ import annotations

from typing import Any

import numpy as np
from flint import arb, arb_mat

from gradcheck.exact.elements import Array

LEAST = 4_096
"""Products of two numbers from which a matrix product goes to FLINT."""


class Balls:
    """What a row's ``exact`` gets for NumPy."""

    def __getattr__(self, name: str) -> Any:
        return getattr(np, name)

    @staticmethod
    def matmul(a: Array, b: Array) -> Array:
        """Return the product of matrices, broadcast over what comes before the last two axes."""
        batch = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
        products = int(np.prod(batch)) * a.shape[-2] * a.shape[-1] * b.shape[-1]
        if products < LEAST or not (_are_numbers(a) and _are_numbers(b)):
            return np.matmul(a, b)  # type: ignore[no-any-return]
        left, right = np.broadcast_to(a, (*batch, *a.shape[-2:])), np.broadcast_to(b, (*batch, *b.shape[-2:]))
        made = np.empty((*batch, a.shape[-2], b.shape[-1]), dtype=object)
        for at in np.ndindex(*batch):
            made[at] = _product(left[at], right[at])
        return made


def _product(a: Array, b: Array) -> Array:
    made = np.empty(a.shape[0] * b.shape[1], dtype=object)
    made[:] = (arb_mat(a.tolist()) * arb_mat(b.tolist())).entries()
    return made.reshape(a.shape[0], b.shape[1])


def _are_numbers(values: Array) -> bool:
    return all(isinstance(one, arb) and one.is_finite() for one in values.flat)


BALLS = Balls()
