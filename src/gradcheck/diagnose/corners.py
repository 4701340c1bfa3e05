"""Points without a derivative: which operation has none there, and of what kind it is."""

from __future__ import annotations

from dataclasses import replace
from math import inf, isfinite

from gradcheck.blame import Cause
from gradcheck.diagnose.alone import array, tensors
from gradcheck.diagnose.graph import Element, Site
from gradcheck.diagnose.scene import (
    Finding,
    Scene,
    inputs,
)

_CORNERS = (Cause.KINK, Cause.JUMP)
_CORNERS_FIRST = [(True, True), (True, False), (False, False), (False, True)]
_CORNERS_LAST = [(False, False), (False, True), (True, False), (True, True)]
"""Orders of findings: whether it is a corner or jump, and whether an argument has no slope where the value exists."""


def without_derivative(scene: Scene, kinks_first: bool) -> Finding | None:
    """Return the first operation that has no value at its exact arguments, or else no derivative.

    Corners come first where ``kinks_first``, and else last.
    """
    found = [one for site in scene.on_path if (one := singular(scene, site)) is not None]
    order = _CORNERS_FIRST if kinks_first else _CORNERS_LAST
    return min(found, key=lambda one: order.index((one.cause in _CORNERS, one.argument is not None)), default=None)


def at_a_corner(scene: Scene) -> Finding | None:
    """Return the corner at which torch's choice is not the derivative; a choice beyond both sides is wrong."""
    found = without_derivative(scene, True)
    if found is None or found.site is None or found.cause is not Cause.KINK or found.argument is None:
        return found
    if _beyond(scene, found.site, found.argument):
        return replace(found, cause=Cause.WRONG_GRADIENT, backward=True)
    return replace(found, smooth=scene.truth is not None)


def _beyond(scene: Scene, site: Site, position: int) -> bool:
    """Return whether torch's slope at a corner lies outside those from the left and from the right."""
    isolated, incoming, pulled = scene.isolated(site), site.torch.cotangent, site.torch.pulled[position]
    if isolated is None or incoming is None or pulled is None:
        return False
    at = scene.element if len(pulled.elements) > scene.element else 0
    sides = isolated.sides(tensors(site.torch), array(incoming), position, at)
    return sides is not None and not sides.left.hull(sides.right).contains(pulled.elements[at])


def singular(scene: Scene, site: Site) -> Finding | None:
    """Return why one operation has no derivative at its exact arguments, where it has none."""
    made = scene.at_exact(site)
    if made is None:
        return None
    if any(one is None or isinstance(one, str) for one in made.value):
        return Finding(no_value(site), site)
    for position, elements in made.pulled.items():
        if scene.name in inputs(site.sources[position]) and (cause := _no_slope(site, elements)) is not None:
            inside = cause in (Cause.POLE, *_CORNERS) and all(map(isfinite, site.torch.value.elements))
            return Finding(cause, site, argument=position if inside else None)
    return None


def _no_slope(site: Site, elements: list[Element]) -> Cause | None:
    """Return why an operation sends no number back to an argument, where it does not."""
    for reason in elements:
        if isinstance(reason, str) and reason != "undecided":
            kind = reason.partition(" ")[0]
            return {"kink": Cause.KINK, "jump": Cause.JUMP}.get(kind) or no_value(site)
    return Cause.POLE if any(one is None for one in elements) else None


def no_value(site: Site) -> Cause:
    """Return why an operation has no value at its arguments."""
    if site.call.op in ("div", "reciprocal", "remainder", "fmod"):
        return Cause.DIVISION_BY_ZERO
    infinite = any(abs(value) == inf for value in site.torch.value.elements)
    return Cause.POLE if infinite else Cause.OUTSIDE_DOMAIN
