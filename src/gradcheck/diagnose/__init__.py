"""Why a verdict is bad: the operation at fault, the cause by name, and how its error reached the gradient."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import inf, isfinite

import numpy as np

from gradcheck.autograd import Operation, TorchValue
from gradcheck.blame import Blame, Cause, Reading
from gradcheck.compare import Judgement
from gradcheck.diagnose.corners import at_a_corner, without_derivative
from gradcheck.diagnose.graph import Balls, Graph, Site, graph
from gradcheck.diagnose.lost import lost_digits
from gradcheck.diagnose.nonfinite import not_finite
from gradcheck.diagnose.operations import misadded, ruled
from gradcheck.diagnose.scene import Finding, Scene, reaches
from gradcheck.diagnose.touched import touched
from gradcheck.diagnose.words import message
from gradcheck.diagnose.wrong import altered, detached, wrong, wrong_gradient, wrong_value
from gradcheck.differentiate import Pullback
from gradcheck.formats import Ball
from gradcheck.verdict import Verdict

MAX_READINGS = 8
"""Numbers shown on the way of an error from the operation at fault to the input."""

__all__ = ["Graph", "Site", "diagnose", "faults", "graph", "misadded", "ruled", "touched", "unsteady"]


def diagnose(
    traced: Graph,
    pullback: Pullback,
    name: str | None,
    element: int,
    judgement: Judgement,
    truth: Ball | None,
    torch: float | None,
) -> Blame | None:
    """Return what is at fault for one bad element of the gradient by ``name``, or None where nothing can be said.

    Without a name it is an element of the output's value.

    ``traced`` holds torch's run beside the exact values of the node-level ``pullback``; ``truth`` is the enclosure of
    the derivative, ``torch`` what torch returned for it.
    """
    scene = Scene(traced, pullback, name, element, truth)
    finding = _find(scene, judgement, torch)
    if finding is None:
        return None
    site = finding.site
    return Blame(
        element,
        finding.cause,
        site.call.op if site is not None else None,
        site.call.span if site is not None else None,
        message(finding, traced),
        tuple(_readings(finding, traced, name, element, truth, torch)),
    )


def _find(scene: Scene, judgement: Judgement, torch: float | None) -> Finding | None:
    if torch is None:
        return detached(scene) or wrong(scene)
    if judgement.verdict in (Verdict.KINK, Verdict.UNDEFINED):
        found = without_derivative(scene, judgement.verdict is Verdict.KINK)
        masked = None if isfinite(torch) or (found is not None and found.no_value) else not_finite(scene)
        if masked is not None and masked.cause is Cause.NAN_FROM_MASKED_BRANCH:
            return masked
        if found is not None and judgement.verdict is Verdict.KINK:
            # Where a slope is 0/0 or infinite and both sides have one all the same, it is a corner: norm and std at 0.
            return replace(found, cause=Cause.KINK)
        if found is not None and found.cause is Cause.KINK:
            # A corner has a slope on each side, so that a point without a derivative is a jump.
            return replace(found, cause=Cause.JUMP)
        return found
    if judgement.verdict in (Verdict.UNSTABLE, Verdict.LOSSY):
        return lost_digits(scene, judgement.ulps or 0.0) or Finding(Cause.ROUNDING)
    if judgement.verdict is Verdict.DISAGREE and isfinite(torch):
        proven = detached(scene) or wrong(scene) or altered(scene)
        return proven or at_a_corner(scene) or lost_digits(scene, judgement.ulps or 0.0)
    if judgement.verdict is Verdict.DISAGREE:
        found = not_finite(scene)
        if found is not None and found.cause is Cause.NAN_FROM_MASKED_BRANCH:
            return found
        return wrong(scene) or altered(scene) or lost_digits(scene, inf) or found or at_a_corner(scene)
    return None


def faults(traced: Graph) -> list[tuple[float, Blame]]:
    """Return the operations that are proven wrong, each with its largest error in ULP."""
    found = []
    for site in traced.sites:
        for finding in (wrong_value(traced, site), wrong_gradient(traced, site)):
            if finding is not None:
                found.append(_fault(traced, site, finding))
    return found


def _fault(traced: Graph, site: Site, finding: Finding) -> tuple[float, Blame]:
    torch = finding.torch
    pairs = {} if torch is None else {k: (finding.exact[k], float(torch.array.item(k))) for k in finding.at}
    gaps = {k: traced.gap(*pair) or 0.0 for k, pair in pairs.items()}
    k = max(gaps, key=lambda k: gaps[k], default=0)
    blame = Blame(k, finding.cause, site.call.op, site.call.span, message(finding, traced))
    return gaps.get(k, inf), blame


# --- the way of an error ----------------------------------------------------------------------------


def _readings(
    finding: Finding, traced: Graph, name: str | None, element: int, truth: Ball | None, torch: float | None
) -> list[Reading]:
    """Return the numbers of both lanes from the operation at fault to the output, and back to the input."""
    site = finding.site
    if site is None:
        return []
    at = None if finding.backward else finding.element
    others = [one for one in traced.sites if one is not site and one.smooth]
    forward = [one for one in others if reaches(site, one) and _off(traced, one.value, one.torch.value)]
    if name is None:
        culprit = replace(_reading(traced, site, "value", site.value, site.torch.value, at), culprit=True)
        return _shortened([culprit, *(_reading(traced, one, "value", one.value, one.torch.value) for one in forward)])
    back = [one for one in reversed(others) if name in one.inputs and _off(traced, one.cotangent, one.torch.cotangent)]
    own = _reading(traced, site, "value", site.value, site.torch.value, at)
    readings = [replace(own, culprit=not finding.backward)]
    readings += [_reading(traced, one, "value", one.value, one.torch.value) for one in forward]
    if finding.backward:
        own = _reading(traced, site, "cotangent", site.cotangent, site.torch.cotangent)
        readings.append(replace(own, culprit=True))
    readings += [_reading(traced, one, "cotangent", one.cotangent, one.torch.cotangent) for one in back]
    shape = traced.point[name].shape
    index = tuple(map(int, np.unravel_index(element, shape))) if shape else ()
    return [*_shortened(readings), Reading(name, "gradient", shape, index, torch, truth)]


def _shortened(readings: list[Reading]) -> list[Reading]:
    # An element that is taken out of a tensor is the same number under the same words.
    seen = {(one.text + (str([*one.index]) if one.index else ""), one.quantity): one for one in reversed(readings)}
    readings = [one for one in readings if one.culprit or any(one is kept for kept in seen.values())]
    if len(readings) < MAX_READINGS:
        return readings
    kept = [one for one in readings if one.culprit]
    rest = [one for one in readings if not one.culprit]
    first, last = rest[: MAX_READINGS // 2], rest[-(MAX_READINGS // 2 - 2) :]
    return [one for one in readings if one in (*kept, *first, *last)]


def _off(traced: Graph, exact: Balls | None, torch: TorchValue | None) -> bool:
    return bool((traced.losses(exact, torch) > traced.tolerance).any())


def _reading(
    traced: Graph, site: Site, quantity: str, exact: Balls | None, torch: TorchValue | None, at: int | None = None
) -> Reading:
    """Return the number of an operation's tensor that is furthest off, or the one ``at`` a place."""
    shape = site.torch.value.shape
    gaps = np.nan_to_num(traced.losses(exact, torch), nan=-1.0, posinf=inf)
    k = at if at is not None else int(np.argmax(gaps)) if gaps.size else 0
    index = tuple(map(int, np.unravel_index(k, shape))) if shape else ()
    ball = traced.balls(exact, [k])[0] if exact is not None else None
    return Reading(
        traced.text(site.call), quantity, shape, index, None if torch is None else float(torch.array.item(k)),
        ball if isinstance(ball, Ball) else None,
    )  # fmt: skip


# --- runs that differ -------------------------------------------------------------------------------


def unsteady(traced: Graph, again: Sequence[Operation], element: int) -> Blame | None:
    """Return the operation that gave something else when the same run was made again, from the very same numbers."""
    pairs = [(site, other) for site, other in zip(traced.sites, again, strict=False) if site.call is other.call]
    for site, other in pairs:
        if _same(site.torch.args, other.args) and not _same([site.torch.value], [other.value]):
            return _unsteady(traced, site, element, backward=False)
    for site, other in reversed(pairs):
        if _same([site.torch.cotangent], [other.cotangent]) and not _same(site.torch.pulled, other.pulled):
            return _unsteady(traced, site, element, backward=True)
    return None


def _unsteady(traced: Graph, site: Site, element: int, *, backward: bool) -> Blame:
    said = message(Finding(Cause.NONDETERMINISTIC, site, backward), traced)
    return Blame(element, Cause.NONDETERMINISTIC, site.call.op, site.call.span, said)


def _same(some: Sequence[TorchValue | None], others: Sequence[TorchValue | None]) -> bool:
    """Return whether tensors are the same to the bit; nan is the same as nan."""
    return all(_bits(one) == _bits(other) for one, other in zip(some, others, strict=True))


def _bits(value: TorchValue | None) -> list[str] | None:
    return None if value is None else [number.hex() for number in value.elements]
