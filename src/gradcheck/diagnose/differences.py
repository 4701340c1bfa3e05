"""In what way numbers differ from the right ones: the sign, a factor, another order, a few elements, ..."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite

from gradcheck.diagnose.graph import Element
from gradcheck.formats import Ball


def how_wrong(torch: Sequence[float], exact: Sequence[Element], shape: Sequence[int]) -> str:
    """Return in what way numbers differ from the right ones, as the end of a sentence.

    >>> one = Ball.around(0.5)
    >>> how_wrong([-0.5], [one], ()), how_wrong([1.0], [one], ())
    ('has the wrong sign', 'is 2 times the right one')
    """
    right = [_right(one, value) for one, value in zip(exact, torch, strict=True)]
    for describe in (_not_finite, _missing, _sign, _factor, _few, _order, _offset, _cut):
        if (found := describe(list(torch), right, tuple(shape))) is not None:
            return found
    return "is wrong"


def how_misstated(stated: Sequence[float], exact: Sequence[Element], shape: Sequence[int]) -> str | None:
    """Return in what one way stated numbers differ from the right ones, None where in no such."""
    right = [_right(one, value) for one, value in zip(exact, stated, strict=True)]
    found = (describe(list(stated), right, tuple(shape)) for describe in (_sign, _factor, _order, _offset))
    return next((one for one in found if one is not None), None)


def _right(exact: Element, torch: float) -> float:
    """Return the right number; what was not worked out among many, or has none, is no suspect."""
    return exact.nearest if isinstance(exact, Ball) else torch


def _near(a: float, b: float) -> bool:
    return abs(a - b) <= 1e-6 * max(abs(a), abs(b))


def _not_finite(torch: list[float], _right: list[float], _shape: tuple[int, ...]) -> str | None:
    broken = [value for value in torch if not isfinite(value)]
    return f"is {broken[0]}, and every number on the way is finite" if broken else None


def _missing(torch: list[float], right: list[float], _shape: tuple[int, ...]) -> str | None:
    return "is 0, and must not be" if not any(torch) and any(right) else None


def _sign(torch: list[float], right: list[float], _shape: tuple[int, ...]) -> str | None:
    return "has the wrong sign" if all(_near(a, -b) for a, b in zip(torch, right, strict=True)) else None


def _factor(torch: list[float], right: list[float], _shape: tuple[int, ...]) -> str | None:
    ratios = [a / b for a, b in zip(torch, right, strict=True) if b]
    same = ratios and all(_near(one, ratios[0]) for one in ratios)
    same = same and all(b or not a for a, b in zip(torch, right, strict=True))
    return f"is {_plain(ratios[0])} times the right one" if same else None


def _plain(ratio: float) -> str:
    """Return a factor with the digits that tell it from 1."""
    return f"1 {'+' if ratio > 1 else '-'} {abs(ratio - 1):.3g}" if 0 < abs(ratio - 1) < 1e-3 else f"{ratio:.6g}"


def _few(torch: list[float], right: list[float], _shape: tuple[int, ...]) -> str | None:
    wrong = [k for k, (a, b) in enumerate(zip(torch, right, strict=True)) if not _near(a, b)]
    return f"is wrong in {len(wrong)} of {len(torch)} elements" if 0 < len(wrong) <= len(torch) // 4 else None


def _order(torch: list[float], right: list[float], shape: tuple[int, ...]) -> str | None:
    if len(torch) < 2:
        return None
    if len(shape) == 2:
        rows, columns = shape
        across = [right[k % columns * rows + k // columns] for k in range(len(torch))] if rows == columns else right
        if rows == columns and all(map(_near, torch, across)):
            return "is transposed"
    for step in (1, -1):
        if all(_near(a, right[(k - step) % len(right)]) for k, a in enumerate(torch)):
            return "is shifted by one place"
    if all(_near(a, b) for a, b in zip(sorted(torch), sorted(right), strict=True)):
        return "has its elements in another order"
    return None


def _offset(torch: list[float], right: list[float], _shape: tuple[int, ...]) -> str | None:
    steps = [a - b for a, b in zip(torch, right, strict=True)]
    same = len(steps) > 1 and all(abs(one - steps[0]) <= 1e-3 * abs(steps[0]) for one in steps)
    return f"is off by {steps[0]:.6g} everywhere" if same else None


def _cut(torch: list[float], right: list[float], _shape: tuple[int, ...]) -> str | None:
    top = max(map(abs, torch))
    wrong = [(a, b) for a, b in zip(torch, right, strict=True) if not _near(a, b)]
    cut = len(torch) > 1 and all(abs(a) == top and abs(b) > top for a, b in wrong)
    return f"is cut off at {top:.6g}" if cut else None
