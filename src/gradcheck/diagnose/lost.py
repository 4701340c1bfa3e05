"""Lost digits: the operation whose rounding explains most of an error."""

from __future__ import annotations

from math import inf

from gradcheck.blame import Cause
from gradcheck.diagnose.alone import array, tensors
from gradcheck.diagnose.graph import Site
from gradcheck.diagnose.scene import (
    NOTICEABLE,
    Finding,
    Scene,
    broken,
    leads,
    masking,
    not_zero,
    reaches,
    worst,
)
from gradcheck.formats import Ball
from gradcheck.functions import COMPOSITE, ELEMENTWISE, TABLE, Composite, Elementwise, Tensor
from gradcheck.program import Name

MAX_CANDIDATES = 48
"""Operations whose effect on the gradient is tried; each takes an evaluation of the whole gradient program."""


def lost_digits(scene: Scene, error: float) -> Finding | None:
    """Return the operation whose rounding explains most of an error of so many ULP."""
    forward = _infinite(scene) or _lost_forward(scene, error)
    return forward if forward is not None or scene.name is None else _lost_backward(scene, scene.name, error)


def _lost_forward(scene: Scene, error: float) -> Finding | None:
    candidates = [site for site in scene.graph.sites if site.smooth and _grows(scene, site)]
    for site in candidates[:MAX_CANDIDATES]:
        moved = scene.effect(site.home, site.torch.value)
        if moved is not None and 4 * moved >= error:
            return Finding(_lost_by(scene, site), site)
    return None


def _grows(scene: Scene, site: Site) -> bool:
    """Return whether an operation's value is much worse than its arguments."""
    own = worst(scene.graph.gaps(site.value, site.torch.value))
    sources = [source for source in site.sources if isinstance(source, Site)]
    before = [worst(scene.graph.gaps(one.value, one.torch.value)) for one in sources]
    return NOTICEABLE + 4 * max(before, default=0.0) < own < inf


def _lost_by(scene: Scene, site: Site) -> Cause:
    for ball, value in zip(scene.graph.balls(site.value), site.torch.value.elements, strict=False):
        if not_zero(ball) and isinstance(ball, Ball) and scene.too_small(ball) and scene.graph.gap(ball, value):
            return Cause.UNDERFLOW
    return amplifier(site)


def amplifier(site: Site) -> Cause:
    """Return how an operation makes the errors of its arguments greater."""
    row = TABLE[site.call.op]
    adds = row.depth is not None if isinstance(row, Tensor) else isinstance(row, Elementwise | Composite) and row.adds
    return Cause.CANCELLATION if adds else Cause.ILL_CONDITIONED


def _lost_backward(scene: Scene, name: str, error: float) -> Finding | None:
    """Return the first operation on the way back whose right cotangent became a wrong one."""
    for site in reversed(scene.on_path):
        if site.home is None or site.cotangent is None or site.torch.cotangent is None:
            continue
        if worst(scene.graph.gaps(site.cotangent, site.torch.cotangent)) <= NOTICEABLE:
            continue
        layer = scene.pullback.cotangents.get(site.home)
        moved = scene.effect(layer.id if isinstance(layer, Name) else None, site.torch.cotangent)
        if moved is not None and 4 * moved >= error:
            return _lost_at(scene, site.readers, worst(scene.graph.gaps(site.cotangent, site.torch.cotangent)))
    return _lost_at(scene, scene.graph.readers[name], error)


def _lost_at(scene: Scene, readers: list[tuple[Site, int]], total: float) -> Finding | None:
    """Return which reader of a tensor sent a bad cotangent back, or that good ones cancel.

    ``total`` is the error of their sum in ULP.
    """
    found: list[tuple[float, Finding]] = []
    gaps = [0.0]
    for site, position in readers:
        isolated, torch = scene.isolated(site), site.torch.pulled[position]
        args = None if isolated is None else scene.exact_arguments(site, isolated)
        if isolated is None or torch is None or args is None or site.cotangent is None:
            continue
        proven = isolated.at(args, site.cotangent, scene.graph.bits).pulled[position]
        gap = worst([scene.graph.gap(ball, value) for ball, value in zip(proven, torch.elements, strict=True)])
        gaps.append(gap)
        if gap > NOTICEABLE + 4 * worst(scene.graph.gaps(site.cotangent, site.torch.cotangent)):
            cause = _lost_in(scene, site, position, gap)
            found.append((gap, Finding(cause, site, True, position, torch, tuple(proven))))
    if found:
        return max(found, key=lambda one: one[0])[1]
    # Each sends back what is right, as far as it got that: either they cancel, or many small errors add up.
    live = [(site, position) for site, position in readers if site.torch.pulled[position] is not None]
    return _joined(scene, live) if len(live) > 1 and total > NOTICEABLE + 4 * max(gaps) else None


def _joined(scene: Scene, readers: list[tuple[Site, int]]) -> Finding | None:
    """Return the operation where the ways of several readers meet again, with what comes back along each."""
    sites = [site for site, _ in readers]
    meet = (one for one in scene.graph.sites if all(one is site or reaches(site, one) for site in sites))
    meeting = next(meet, None)
    if meeting is None:
        return None
    ways = []
    for site, position in readers:
        pulled = site.torch.pulled[position]
        way = position if site is meeting else next(k for k, one in enumerate(meeting.sources) if leads(site, one))
        number = pulled.elements[scene.element % len(pulled.elements)] if pulled is not None else None
        ways.append((way, number))
    return Finding(Cause.CANCELLATION, meeting, True, ways=tuple(ways))


def _lost_in(scene: Scene, site: Site, position: int, gap: float) -> Cause:
    """Return why one operation loses digits on the way back."""
    isolated, incoming = scene.isolated(site), site.torch.cotangent
    assert isolated is not None
    if incoming is None:
        return Cause.DETACHED
    args = tensors(site.torch)
    pulled = site.torch.pulled[position]
    honest = isolated.in_floats(args, array(incoming), scene.graph.format, scene.graph.bits)
    own = isolated.at(args, array(incoming), scene.graph.bits).pulled[position]
    assert pulled is not None
    if honest.overflow is not None and any(not isinstance(one, Ball) for one in honest.pulled[position]):
        return Cause.OVERFLOW
    if any(isinstance(ball, Ball) and not ball.contains(0.0) and scene.too_small(ball) for ball in own):
        return Cause.UNDERFLOW
    local = worst([scene.graph.gap(ball, value) for ball, value in zip(own, pulled.elements, strict=True)])
    if 4 * local < gap:
        return Cause.ILL_CONDITIONED
    return Cause.STORED_OUTPUT if is_stored(site.call.op) else Cause.INACCURATE_OPERATION


def _infinite(scene: Scene) -> Finding | None:
    """Return the first value that is too large and is read, though the gradient came out finite: 1/inf is 0."""
    for site in scene.graph.sites:
        large = broken(site.torch.value) and any(map(scene.too_large, scene.graph.balls(site.value)))
        if large and site.smooth and masking(site) is None:
            return Finding(Cause.OVERFLOW, site)
    return None


def is_stored(op: str) -> bool:
    """Return whether torch computes the gradient of an operation from its stored result."""
    row = ELEMENTWISE.get(op) or COMPOSITE.get(op)
    return row is not None and row.stored
