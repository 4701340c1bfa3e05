"""Wrong results: what an operation returned, from the very numbers that it got, and no rounding can give."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf, isfinite

import numpy as np

from gradcheck.autograd import TorchValue
from gradcheck.blame import Cause
from gradcheck.diagnose.alone import array, tensors
from gradcheck.diagnose.graph import Element, Site
from gradcheck.diagnose.scene import (
    NOTICEABLE,
    Finding,
    Scene,
    inputs,
    not_zero,
    outside,
)
from gradcheck.formats import FORMATS, Ball, Dyadic, Format


def detached(scene: Scene) -> Finding | None:
    """Return the first operation whose result carries no graph although its arguments do."""
    for site in scene.on_path:
        if any(site.torch.tracked) and not site.torch.made_tracked and _has_slope(scene, site):
            return Finding(Cause.DETACHED, site)
    return None


def _has_slope(scene: Scene, site: Site) -> bool:
    """Return whether the exact gradient flows through an operation at all."""
    made = scene.at_exact(site)
    slopes = made is not None and any(not_zero(one) for elements in made.pulled.values() for one in elements)
    return slopes and any(map(not_zero, scene.graph.balls(site.cotangent)))


def wrong(scene: Scene) -> Finding | None:
    """Return the first operation that returned, from the very numbers that it got, what no rounding can give."""
    for site in scene.graph.sites:
        if site.smooth and (found := _wrong_value(scene, site)) is not None and _matters(scene, site):
            return found
    for site in reversed(scene.on_path):
        if (found := _wrong_gradient(scene, site)) is not None:
            return found
    return None


def _wrong_value(scene: Scene, site: Site) -> Finding | None:
    isolated = scene.isolated(site)
    args = tensors(site.torch)
    if isolated is None or not all(np.isfinite(one).all() for one in args):
        return None
    ones = np.ones(site.torch.value.shape)
    honest = isolated.in_floats(args, ones, scene.graph.format, scene.graph.bits).value
    wrong = [k for k, value in enumerate(site.torch.value.elements) if outside(honest[k], value)]
    if not wrong:
        return None
    proven = isolated.at(args, ones, scene.graph.bits).value
    wrong = [k for k in wrong if isinstance(proven[k], Ball)]
    if not wrong:
        return None
    cause = _kind(scene, site.torch.value, proven, wrong, Cause.WRONG_VALUE)
    return Finding(cause, site, torch=site.torch.value, exact=tuple(proven))


def _wrong_gradient(scene: Scene, site: Site) -> Finding | None:
    isolated, incoming = scene.isolated(site), site.torch.cotangent
    args = tensors(site.torch)
    if isolated is None or incoming is None or not all(map(isfinite, incoming.elements)):
        return None
    if not all(np.isfinite(one).all() for one in args):
        return None
    honest = isolated.in_floats(args, array(incoming), scene.graph.format, scene.graph.bits).pulled
    proven = isolated.at(args, array(incoming), scene.graph.bits).pulled
    for position, elements in honest.items():
        source = site.sources[position]
        if not site.torch.tracked[position] or scene.name not in inputs(source):
            continue
        torch, right = site.torch.pulled[position], proven[position]
        values = [0.0] * len(elements) if torch is None else torch.elements
        wrong = [k for k, one in enumerate(right) if isinstance(one, Ball) and outside(elements[k], values[k])]
        if wrong and torch is None:
            return Finding(Cause.DETACHED, site, True, position)
        if wrong and torch is not None:
            cause = _kind(scene, torch, right, wrong, Cause.WRONG_GRADIENT)
            return Finding(cause, site, True, position, torch, tuple(right))
    return None


def _kind(scene: Scene, torch: TorchValue, proven: list[Element], wrong: list[int], otherwise: Cause) -> Cause:
    """Return what kind of wrong these numbers are: those of a smaller dtype, inaccurate, or plainly wrong."""
    gaps = [scene.graph.gap(proven[k], torch.elements[k]) or 0.0 for k in wrong]
    pairs = [(one, torch.elements[k]) for k in wrong if isinstance(one := proven[k], Ball)]
    if max(gaps) < inf and lower_precision(pairs, scene.graph.format.name):
        return Cause.LOWER_PRECISION
    if otherwise is Cause.WRONG_VALUE and max(gaps) <= 2 ** (scene.graph.format.precision / 2):
        return Cause.INACCURATE_OPERATION
    return otherwise


def _matters(scene: Scene, site: Site) -> bool:
    """Return whether torch's value at an operation moves the gradient noticeably."""
    moved = scene.effect(site.home, site.torch.value)
    return moved is None or moved > NOTICEABLE


SMALLER = {"float64": ("float32",), "float32": ("bfloat16", "float16")}
"""The smaller dtypes that numbers of a dtype may have passed through unnoticed."""
NEAR = 16.0
"""ULP of the smaller dtype within which such numbers are right."""


def lower_precision(pairs: Sequence[tuple[Ball, float]], dtype: str) -> bool:
    """Return whether wrong numbers are all numbers of a smaller dtype, and right there, and not merely short.

    >>> third = Ball(Dyadic(1431655765, -32), Dyadic(1431655766, -32))
    >>> lower_precision([(third, 0.3333333432674408)], "float64"), lower_precision([(third, 0.5)], "float64")
    (True, False)
    """
    return any(_are_of(FORMATS[name], pairs) for name in SMALLER.get(dtype, ()))


def _are_of(fmt: Format, pairs: Sequence[tuple[Ball, float]]) -> bool:
    if not all(fmt.round_dyadic(Dyadic.of(value)) == value for _, value in pairs):
        return False
    near = all(fmt.distance(value, ball.midpoint) <= NEAR for ball, value in pairs)
    return near and any(_length(value) > fmt.precision // 2 for _, value in pairs)


def _length(value: float) -> int:
    """Return the bits from the first to the last that is set."""
    numerator = abs(value.as_integer_ratio()[0])
    return numerator.bit_length() - ((numerator & -numerator).bit_length() - 1)
