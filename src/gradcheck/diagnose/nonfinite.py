"""Gradients that are nan or inf: where they first stopped being numbers."""

from __future__ import annotations

from collections.abc import Iterable
from math import isfinite, isinf, isnan

import numpy as np

from gradcheck.blame import Cause
from gradcheck.diagnose.alone import array, tensors
from gradcheck.diagnose.corners import no_value
from gradcheck.diagnose.graph import Site
from gradcheck.diagnose.scene import Finding, Scene, broken, masking
from gradcheck.formats import Ball
from gradcheck.functions import ELEMENTWISE, WHERE


def not_finite(scene: Scene) -> Finding | None:
    """Return where a gradient that is nan or inf first stopped being a number.

    From the input towards the output, along what is not finite, to the operation whose own cotangent still is.
    """
    if scene.name is None:
        root = next((one for one in scene.on_path if broken(one.torch.value)), None)
        return None if root is None else _why_not_finite(scene, root)
    origin = _origin(scene, scene.name)
    if origin is None:
        return None
    site, position = origin
    root = _root(scene, site)
    if root is not None:
        return _why_not_finite(scene, root)
    return _why_back(scene, site, position)


def _origin(scene: Scene, name: str) -> tuple[Site, int] | None:
    readers: Iterable[tuple[Site, int]] = scene.graph.readers[name]
    at: int | None = scene.element
    while True:
        step = next((one for one in readers if broken(one[0].torch.pulled[one[1]], at)), None)
        if step is None:
            return None
        site, position = step
        same = site.torch.args[position]
        elementwise = site.call.op in ELEMENTWISE or site.call.op == WHERE
        at = at if elementwise and same is not None and same.shape == site.torch.value.shape else None
        if not broken(site.torch.cotangent, at):
            return site, position
        readers = site.readers


def _root(scene: Scene, site: Site) -> Site | None:
    """Return the first operation on the way to ``site``, or it, whose value is not finite from finite arguments."""
    at: Site | None = site if _is_broken(scene, site) else None
    while (source := next((one for one in site.sources if _is_broken(scene, one)), None)) is not None:
        assert isinstance(source, Site)
        at = site = source
    return at


def _is_broken(scene: Scene, source: Site | str | None) -> bool:
    """Tell whether a value is not finite, though it should be."""
    return isinstance(source, Site) and broken(source.torch.value) and not _is_infinite(scene, source)


def _is_infinite(scene: Scene, site: Site) -> bool:
    """Tell whether a value is truly infinite wherever torch has no finite one, as at an infinite point."""
    elements = zip(scene.graph.balls(site.value), site.torch.value.elements, strict=False)
    return all(isfinite(value) or (isinf(value) and one == "infinite") for one, value in elements)


def _why_not_finite(scene: Scene, root: Site) -> Finding:
    """Return why an operation gave nan or inf for finite arguments."""
    mask = masking(root)
    if mask is not None:
        return Finding(Cause.NAN_FROM_MASKED_BRANCH, root, mask=mask)
    isolated = scene.isolated(root)
    if isolated is not None:
        ones = np.ones(root.torch.value.shape)
        made = isolated.in_floats(tensors(root.torch), ones, scene.graph.format, scene.graph.bits)
        proven = isolated.at(tensors(root.torch), ones, scene.graph.bits)
        broken_at = [k for k, one in enumerate(root.torch.value.elements) if not isfinite(one)]
        known = [k for k in broken_at if isinstance(proven.value[k], Ball)]
        if any(scene.graph.is_large(proven.value[k]) for k in known):
            return Finding(Cause.OVERFLOW, root)
        if made.overflow is None and any(isinstance(made.value[k], Ball) for k in known):
            return Finding(Cause.WRONG_VALUE, root, torch=root.torch.value, exact=tuple(proven.value))
        if known:
            return Finding(Cause.OVERFLOW, root)
    return Finding(no_value(root), root)


def _why_back(scene: Scene, site: Site, position: int) -> Finding:
    """Return why finite numbers gave a cotangent that is nan or inf."""
    pulled, incoming = site.torch.pulled[position], site.torch.cotangent
    assert pulled is not None
    mask = masking(site)
    if mask is not None and incoming is not None and 0.0 in incoming.elements:
        return Finding(Cause.NAN_FROM_MASKED_BRANCH, site, backward=True, argument=position, mask=mask)
    isolated = scene.isolated(site)
    if isolated is not None and incoming is not None:
        proven = isolated.at(tensors(site.torch), array(incoming), scene.graph.bits).pulled[position]
        made = isolated.in_floats(tensors(site.torch), array(incoming), scene.graph.format, scene.graph.bits)
        broken = [k for k, one in enumerate(pulled.elements) if not isfinite(one)]
        if any(scene.graph.is_large(proven[k]) for k in broken):
            return Finding(Cause.OVERFLOW, site, True, position, pulled, tuple(proven))
        if all(isinstance(proven[k], Ball) for k in broken):
            # A factor of 0 hides an overflow in the enclosure; in floats the two may be nan.
            honest = made.overflow is not None or any(not isinstance(made.pulled[position][k], Ball) for k in broken)
            cause = Cause.OVERFLOW if honest else Cause.WRONG_GRADIENT
            return Finding(cause, site, True, position, pulled, tuple(proven))
    cause = Cause.DIVISION_BY_ZERO if _is_corner(scene, site, position) else Cause.ZERO_TIMES_INF
    return Finding(cause, site, True, position, pulled)


def _is_corner(scene: Scene, site: Site, position: int) -> bool:
    """Return whether the slope is finite on both sides, so that a nan is the formula's own 0/0 and no infinity."""
    isolated, pulled = scene.isolated(site), site.torch.pulled[position]
    if isolated is None or pulled is None:
        return False
    at = next((k for k, one in enumerate(pulled.elements) if isnan(one)), None)
    ones = np.ones(site.torch.value.shape)
    return at is not None and isolated.sides(tensors(site.torch), ones, position, at) is not None
