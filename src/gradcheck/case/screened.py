"""How good what torch makes of a rewritten program looks, beside the exact numbers that are known already."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from gradcheck.autograd import Backward
from gradcheck.bounds import Enclosures
from gradcheck.formats import Format
from gradcheck.ordinals import rounded

Floats = np.ndarray[Any, np.dtype[np.float64]]
Counts = np.ndarray[Any, np.dtype[np.int64]]


class Score(NamedTuple):
    """The right bits of the number that is asked for, -1 where there is none, and how many numbers are right."""

    bits: int
    right: int


LOST = Score(-1, -1)

Known = Mapping[str | None, Enclosures]
"""What is known of each gradient, by the input, and of the output, by None."""


def countable(known: Known) -> int:
    """Return how many numbers are known: as many can be right."""
    return sum(int(np.isfinite(one.lower).sum()) for one in known.values())


def score(found: Backward, output: str, known: Known, name: str | None, k: int, fmt: Format) -> Score:
    """Return how good what torch returned looks: the element ``k`` of a gradient or of the output, and all of it."""
    asked, right = -1, 0
    for each, truth in known.items():
        torch = found.layers[output] if each is None else found.gradients.get(each)
        if torch is None:
            return LOST
        bits = right_bits(torch.array.ravel(), truth.lower, truth.upper, fmt)
        right += int((bits >= fmt.precision // 2).sum())
        if each == name:
            asked = int(bits[k])
    return Score(asked, right)


def right_bits(values: Floats, lower: Floats, upper: Floats, fmt: Format) -> Counts:
    """Return about how many bits of each number are right, -1 for those that are none; 0 where the truth is not known.

    >>> from gradcheck.formats import FORMATS
    >>> third, fmt = np.full(4, 1/3), FORMATS["float32"]
    >>> right_bits(np.array([1/3, 0.3334, 0.0, np.nan]), third, third, fmt)
    array([24, 12,  0, -1])
    """
    with np.errstate(all="ignore"):
        middle = lower / 2 + upper / 2
        scale = np.maximum(np.abs(middle), fmt.smallest_normal)
        bits = np.floor(-np.log2(np.abs(values - middle) / scale))
        bits = np.where(np.isfinite(values), np.clip(np.nan_to_num(bits), 0, fmt.precision), -1)
        exact = (values == middle) | (values == rounded(middle, fmt))
    found: Counts = np.where(exact, fmt.precision, bits).astype(np.int64)
    return found
