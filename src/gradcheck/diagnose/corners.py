"""Points without a derivative: which operation has none there, and of what kind it is."""

from __future__ import annotations

from dataclasses import replace
from math import inf, isfinite, isinf, isnan

import numpy as np

from gradcheck import exact
from gradcheck.blame import Cause
from gradcheck.diagnose.alone import array, tensors
from gradcheck.diagnose.graph import Balls, Element, Site, inputs
from gradcheck.diagnose.scene import Finding, Scene, masking
from gradcheck.formats import Ball
from gradcheck.functions import COMPARISONS, ELEMENTWISE, WHERE
from gradcheck.program import Number
from gradcheck.reason import Kind, Reason

_CORNERS = (Cause.KINK, Cause.JUMP)
MAX_TIED = 64
"""Elements of one argument at a corner that are looked at."""
_CORNERS_FIRST = [(True, True), (True, False), (False, False), (False, True)]
_CORNERS_LAST = [(False, False), (False, True), (True, False), (True, True)]
"""Orders of findings: whether it is a corner or jump, and whether an argument has no slope where the value exists."""


def without_derivative(scene: Scene, kinks_first: bool) -> Finding | None:
    """Return the first operation that has no value at its exact arguments, or else no derivative, and is not masked.

    Corners come first where ``kinks_first``, and else last.
    """
    seen = [site for site in scene.on_path if masking(site) is None]
    found = [one for site in seen if (one := singular(scene, site)) is not None]
    if not found:  # a value elsewhere may be missing: then nothing has a derivative
        found = [Finding(no_value(site), site) for site in scene.graph.sites if _has_no_value(scene, site)][:1]
    if not found and kinks_first:
        # What ties only nearly, as far as the enclosures tell, is a corner all the same where both sides are known.
        found = [Finding(Cause.KINK, site) for site in scene.on_path if _open(scene, site)][:1]
    order = _CORNERS_FIRST if kinks_first else _CORNERS_LAST
    return min(found, key=lambda one: order.index((one.cause in _CORNERS, one.argument is not None)), default=None)


def at_a_corner(scene: Scene) -> Finding | None:
    """Return the corner at which torch's choice is not the derivative; a choice beyond both sides is wrong."""
    found = without_derivative(scene, True)
    if found is None or found.site is None or found.cause not in _CORNERS:
        return found
    if found.argument is not None and _beyond(scene, found.site, found.argument):
        return replace(found, cause=Cause.WRONG_GRADIENT, backward=True)
    return replace(found, cause=Cause.KINK, smooth=scene.truth is not None)


def _beyond(scene: Scene, site: Site, position: int) -> bool:
    """Return whether torch's slope at a corner lies outside those from the left and from the right.

    The element of the input says nothing of where that is in the operation's argument: every corner of it is looked at.
    """
    isolated, incoming, pulled = scene.isolated(site), site.torch.cotangent, site.torch.pulled[position]
    if isolated is None or incoming is None or pulled is None:
        return False
    made = scene.at_exact(site)
    tied = [] if made is None else [k for k, one in enumerate(made.pulled[position]) if not isinstance(one, Ball)]
    for at in tied[:MAX_TIED]:
        sides = isolated.sides(tensors(site.torch), array(incoming), position, at)
        if sides is not None and not sides.left.hull(sides.right).contains(pulled.elements[at]):
            return True
    return False


def singular(scene: Scene, site: Site) -> Finding | None:
    """Return why one operation has no derivative at its exact arguments, where it has none."""
    if site.call.op == WHERE and _ties(scene, site.sources[0]):
        return Finding(Cause.KINK, site)
    made = scene.at_exact(site)
    if made is None:
        return None
    if any(map(_is_missing, made.value)):
        if any(isinstance(one, Site) and any(map(_is_missing, scene.graph.balls(one.value))) for one in site.sources):
            return None  # an argument has no value: what made that is at fault
        pole = any(isinstance(one, str) and Reason.parse(one).kind is Kind.POLE for one in made.value)
        outside = Cause.OUTSIDE_DOMAIN if _leaves_domain(scene, site) else no_value(site)
        return Finding(Cause.POLE if pole else outside, site)
    for position, elements in made.pulled.items():
        reached = scene.name is None or scene.name in inputs(site.sources[position])
        if reached and (cause := _no_slope(site, elements)) is not None:
            inside = cause in (Cause.POLE, *_CORNERS) and all(map(isfinite, site.torch.value.elements))
            if inside and cause is Cause.POLE and _is_nowhere(site, position):
                cause = Cause.OUTSIDE_DOMAIN
            return Finding(cause, site, argument=position if inside else None)
    return None


def _leaves_domain(scene: Scene, site: Site) -> bool:
    """Return whether torch has the end of a domain, or what lies in it, for an argument that lies outside."""
    row = ELEMENTWISE.get(site.call.op)
    rounded = row is not None and not row.divides and scene.rounded_argument(site) is not None
    return rounded and not any(map(isnan, site.torch.value.elements))


def _is_nowhere(site: Site, position: int) -> bool:
    """Return whether a slope does not exist, rather than being infinite: torch has nan for it, from no zero."""
    pulled, incoming = site.torch.pulled[position], site.torch.cotangent
    if pulled is None or incoming is None or not all(one and isfinite(one) for one in incoming.elements):
        return False
    return any(map(isnan, pulled.elements)) and not any(map(isinf, pulled.elements))


def _ties(scene: Scene, condition: Site | str | None) -> bool:
    """Return whether two numbers that a condition compares are equal: the point lies on its border."""
    if not isinstance(condition, Site):
        return False
    if condition.call.op not in COMPARISONS:
        return any(_ties(scene, one) for one in condition.sources)
    left, right = (_numbers(scene, condition, position) for position in (0, 1))
    if left is None or right is None:
        return False
    pairs = zip(*(scene.graph.balls(side) for side in np.broadcast_arrays(left, right)), strict=True)
    return any(isinstance(a, Ball) and isinstance(b, Ball) and a.exact and b.exact and a == b for a, b in pairs)


def _numbers(scene: Scene, condition: Site, position: int) -> Balls | None:
    given, node = scene.graph.argument(condition, position), condition.call.args[position]
    if given is not None:
        return np.asarray(exact.from_float(given), dtype=object)
    return exact.constant(node.value, ()) if isinstance(node, Number) else None


def _has_no_value(scene: Scene, site: Site) -> bool:
    missing = any(map(_is_missing, scene.graph.balls(site.value)))
    return missing and site.smooth and masking(site) is None


def _is_missing(one: Element) -> bool:
    """Tell whether an operation has no value here; infinity is one, at an infinite point."""
    return not isinstance(one, Ball) and one != Kind.INFINITE


def _open(scene: Scene, site: Site) -> bool:
    """Return whether an operation's choice is not decided."""
    made = scene.at_exact(site)
    return made is not None and any(Kind.UNDECIDED in elements for elements in made.pulled.values())


_CAUSES = {Kind.KINK: Cause.KINK, Kind.JUMP: Cause.JUMP}
"""Causes of what has no slope though it has a value."""


def _no_slope(site: Site, elements: list[Element]) -> Cause | None:
    """Return why an operation sends no number back to an argument, where it does not."""
    for reason in elements:
        kind = Reason.parse(reason).kind if isinstance(reason, str) else Kind.UNDECIDED
        if kind is Kind.INFINITE:
            return Cause.POLE
        if kind is not Kind.UNDECIDED:
            return _CAUSES.get(kind) or no_value(site)
    return Cause.POLE if any(one is None for one in elements) else None


def no_value(site: Site) -> Cause:
    """Return why an operation has no value at its arguments."""
    divisor = site.torch.args[-1] if site.torch.args else None
    row = ELEMENTWISE.get(site.call.op)
    if row is not None and row.divides and (divisor is None or 0 in divisor.elements):
        return Cause.DIVISION_BY_ZERO
    infinite = any(abs(value) == inf for value in site.torch.value.elements)
    return Cause.POLE if infinite else Cause.OUTSIDE_DOMAIN
