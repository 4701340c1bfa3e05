"""Precision by need: more bits for the numbers that are still too wide, and for no others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil, log2
from typing import Any

import numpy as np
from flint import arb

from gradcheck.exact.elements import Zero, ball
from gradcheck.exact.evaluate import START_BITS, enclose
from gradcheck.exact.precision import working_precision
from gradcheck.formats import Ball
from gradcheck.lower import Core
from gradcheck.reason import Kind

MAX_BITS = 2048
"""Working precision after which an element is left undecided."""


def sharpen(
    core: Core, output: str, point: Mapping[str, np.ndarray[Any, Any]], elements: Sequence[int], digits: int
) -> list[Ball | None]:
    """Return enclosures of some elements of a layer whose relative width is below ``10**-digits``.

    The precision doubles while one of them is wider, up to MAX_BITS; then what there is is returned, and None where
    that is no number. A derivative that is exactly 0 without a proof stays a ball around 0.

    >>> from gradcheck.lower import lower
    >>> from gradcheck.parse import parse
    >>> [found] = sharpen(lower(parse("1e20*((x + 1e-30) - x)")), "out", {"x": np.array(1.0)}, [0], 17)
    >>> found.decimals(20)[0][:12]
    '9.9999999999'
    """
    found: dict[int, Ball | None] = dict.fromkeys(elements)
    wide, bits, enough = list(found), START_BITS, ceil(digits * log2(10))
    while wide and bits <= MAX_BITS:
        flat = enclose(core, point, bits)[output].ravel()
        with working_precision(bits):
            for k in wide:
                made = ball(flat[k])
                found[k] = made if isinstance(made, Ball) else found[k]
        wide = [k for k in wide if not _is_sharp(flat[k], enough)]
        bits *= 2
    return [found[k] for k in elements]


def _is_sharp(element: Any, enough: int) -> bool:
    """Tell whether an element has its digits; what has no number at any precision is not waited for."""
    if isinstance(element, arb):
        return bool(element.is_exact() or element.rel_accuracy_bits() >= enough)
    return isinstance(element, Zero) or element.reason.kind is not Kind.UNDECIDED
