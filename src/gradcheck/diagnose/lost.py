"""Lost digits: the first operation, forward or back, whose result has not the digits that all it was given has."""

from __future__ import annotations

from math import inf

import numpy as np

from gradcheck.autograd import TorchValue
from gradcheck.blame import Cause
from gradcheck.diagnose.alone import Isolated, array, tensors
from gradcheck.diagnose.floats import Place
from gradcheck.diagnose.graph import Element, Floats, Site, is_small
from gradcheck.diagnose.scene import NOTICEABLE, Finding, Scene, ancestors, broken, leads, reaches
from gradcheck.formats import FORMATS, Ball
from gradcheck.functions import COMPOSITE, ELEMENTWISE, TABLE, Composite, Elementwise, Tensor
from gradcheck.pointwise import is_elementwise

MAX_CANDIDATES = 48
"""Operations whose effect on the gradient is tried; each takes an evaluation of the whole gradient program."""
MAX_ELEMENTS = 8
"""Elements of one operation whose effect is tried one by one."""


def lost_digits(scene: Scene, error: float) -> Finding | None:
    """Return the operation that explains most of an error of so many ULP, infinite where torch has no number.

    The operations are passed in the order in which they ran, forward and then back. The first is blamed whose result in
    torch has lost digits that its arguments have, so that the gradient is off with this result in place of the exact
    one, however exactly all else is computed. Digits are counted in a format of unlimited range.
    """
    # Where torch has no digit right, whatever leaves no more than a few bits is enough.
    enough = min(error / 4, 2.0 ** (scene.graph.format.precision - 4))
    return _lost_forward(scene, enough) or _lost_backward(scene, error, enough)


# --- forward ------------------------------------------------------------------------------------------


def _lost_forward(scene: Scene, enough: float) -> Finding | None:
    sites = (site for site in (*scene.graph.constants, *scene.graph.sites) if site.smooth)
    candidates = [(site, lost) for site in sites if (lost := _newly_lost(scene, site)).any()]
    for site, lost in candidates[:MAX_CANDIDATES]:
        if (scene.effect(site, site.torch.value) or 0.0) >= enough:
            return _lost_by(scene, site, _element(scene, site, site.torch.value, lost, enough))
    return _lost_together(scene, candidates[:MAX_CANDIDATES], enough)


def _lost_together(scene: Scene, candidates: list[tuple[Site, Floats]], enough: float) -> Finding | None:
    """Return the operation by which several have done enough that are not by themselves, as squares that underflow."""
    sites = [site for site, _ in candidates]
    if len(sites) < 2 or scene.effect_of_all(sites) < enough:
        return None
    k = next(k for k in range(len(sites)) if scene.effect_of_all(sites[: k + 1]) >= enough)
    site, lost = candidates[k]
    return _lost_by(scene, site, int(np.argmax(lost)))


def _newly_lost(scene: Scene, site: Site) -> Floats:
    """Return the loss of each element of a value that has lost many more digits than what it is made of; else 0."""
    own = scene.losses(site)
    before = [scene.losses(one) * _share(scene, one, site) for one in scene.before(site)]
    most: Floats | float = max((one.max(initial=0.0) for one in before), default=0.0)
    if is_elementwise(site.call.op) and own.size:
        shapes = [one.torch.value.shape for one in scene.before(site)]
        full = [np.broadcast_to(one.reshape(shape), site.torch.value.shape).ravel()
                for one, shape in zip(before, shapes, strict=True) if one.size]  # fmt: skip
        most = np.max(full, axis=0) if full else 0.0
    return np.where(own > NOTICEABLE + 4 * most, own, 0.0)


def _share(scene: Scene, constant: Site, site: Site) -> float:
    """Return what one ULP of an argument is in those of an operation: Python's numbers are float64."""
    plain = constant in scene.graph.constants and site not in scene.graph.constants
    return 2.0 ** (scene.graph.format.precision - FORMATS["float64"].precision) if plain else 1.0


def _element(scene: Scene, site: Site, torch: TorchValue, lost: Floats, enough: float) -> int:
    """Return the element that moves the gradient so far by itself: the worst that does, or the worst."""
    order: list[int] = np.argsort(-lost, kind="stable")[:MAX_ELEMENTS].tolist()
    if lost.size == 1:
        return 0
    moved = ((k, scene.effect(site, torch, k)) for k in order if lost[k])
    return next((k for k, far in moved if far is not None and far >= enough), order[0])


def _lost_by(scene: Scene, site: Site, k: int) -> Finding:
    """Return why an element of a value lost its digits."""
    [ball], value = scene.graph.balls(site.value, [k]), site.torch.value.elements[k]
    isolated, cause = scene.isolated(site), _out_of_range(scene, ball, value)
    if isolated is None:
        return Finding(cause or amplifier(site), site, element=k)
    args, ones = tensors(site.torch), np.ones(site.torch.value.shape)
    own = isolated.at(args, ones, scene.graph.bits).value[k]
    if not isinstance(own, Ball):
        return Finding(Cause.ILL_CONDITIONED, site, element=k, rounded=scene.rounded_argument(site), edge=True)
    if cause is not None:
        return Finding(cause, site, element=k)
    if _is_local(scene, own, ball, value):
        cause = _inside(scene, isolated, site, ones, None, k) or (
            Cause.UNDERFLOW if scene.graph.is_small(ball) else None
        )
        return Finding(cause or (amplifier(site) if _adds(site) else Cause.INACCURATE_OPERATION), site, element=k)
    return Finding(amplifier(site), site, element=k, rounded=scene.rounded_argument(site))


def _out_of_range(scene: Scene, exact: Element, value: float) -> Cause | None:
    """Return whether the format cannot hold an exact number: torch's is what rounding makes of it, or worse."""
    if scene.graph.is_large(exact):
        return Cause.OVERFLOW
    near = scene.graph.is_small(exact) and (scene.graph.gap(exact, value) or 0.0) <= NOTICEABLE
    return Cause.UNDERFLOW if near else None


def _is_local(scene: Scene, own: Ball, exact: Element, value: float) -> bool:
    """Return whether an operation is off from what is exact at torch's own arguments as far as from what is exact."""
    here, there = scene.graph.loss(own, value), scene.graph.loss(exact, value)
    return here is not None and here > NOTICEABLE and 4 * here >= (there or 0.0)


def amplifier(site: Site) -> Cause:
    """Return how an operation makes the errors of its arguments greater."""
    return Cause.CANCELLATION if _adds(site) else Cause.ILL_CONDITIONED


def _adds(site: Site) -> bool:
    row = TABLE[site.call.op]
    return row.depth is not None if isinstance(row, Tensor) else isinstance(row, Elementwise | Composite) and row.adds


# --- backward -----------------------------------------------------------------------------------------


def _lost_backward(scene: Scene, error: float, enough: float) -> Finding | None:
    """Return the first operation on the way back whose right cotangent became a wrong one."""
    if scene.name is None:
        return None
    for site in reversed(scene.on_path):
        lost = np.nan_to_num(scene.graph.losses(site.cotangent, site.torch.cotangent), nan=0.0, posinf=inf)
        if site.home is None or site.torch.cotangent is None or not (lost > NOTICEABLE).any():
            continue
        moved = scene.effect(site, site.torch.cotangent, back=True)
        if moved is not None and moved >= enough:
            k = _element(scene, site, site.torch.cotangent, lost, enough)
            if (found := _lost_at(scene, site.readers, k, float(lost[k]))) is not None:
                return found
    return _lost_at(scene, scene.graph.readers[scene.name], scene.element, error)


def _lost_at(scene: Scene, readers: list[tuple[Site, int]], k: int, total: float) -> Finding | None:
    """Return which reader of a tensor sent a bad cotangent back to its element ``k``, or that good ones cancel.

    ``total`` is the error of their sum in ULP.
    """
    found: list[tuple[float, Finding]] = []
    gaps = [0.0]
    for site, position in readers:
        isolated, torch = scene.isolated(site), site.torch.pulled[position]
        args = None if isolated is None else scene.exact_arguments(site, isolated)
        # Where torch has no value, and there is none, what an operation sends back is not to blame.
        no_value = broken(site.torch.value) and not _newly_lost(scene, site).any()
        if isolated is None or torch is None or args is None or site.cotangent is None or no_value:
            continue
        proven = isolated.at(args, site.cotangent, scene.graph.bits).pulled[position]
        gap = scene.graph.loss(proven[k], torch.elements[k]) or 0.0
        gaps.append(gap)
        came = scene.graph.losses(site.cotangent, site.torch.cotangent)
        own = came[k : k + 1] if is_elementwise(site.call.op) and site.torch.value.shape == torch.shape else came
        if gap > NOTICEABLE + 4 * np.nan_to_num(own, posinf=inf).max(initial=0.0):
            found.append((gap, _lost_in(scene, site, position, k, torch, proven)))
    if found:
        return max(found, key=lambda one: one[0])[1]
    # Each sends back what is right, as far as it got that: either they cancel, or many small errors add up.
    live = [(site, position) for site, position in readers if site.torch.pulled[position] is not None]
    if any(broken(site.torch.pulled[position]) for site, position in live):
        return None
    return _joined(scene, live, k) if len(live) > 1 and total > NOTICEABLE + 4 * max(gaps) else None


def _joined(scene: Scene, readers: list[tuple[Site, int]], k: int) -> Finding | None:
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
        number = pulled.elements[k % len(pulled.elements)] if pulled is not None else None
        ways.append((way, number))
    return Finding(Cause.CANCELLATION, meeting, True, ways=tuple(ways))


def _lost_in(scene: Scene, site: Site, position: int, k: int, torch: TorchValue, proven: list[Element]) -> Finding:
    """Return why one operation loses digits of what it sends back to element ``k`` of an argument."""
    if is_stored(site.call.op) and (lost := _newly_lost(scene, site)).any():
        return _lost_by(scene, site, int(np.argmax(lost)))  # what is stored is lost itself
    cause, edge = _cause_back(scene, site, position, k, proven[k])
    if edge and (found := _lost_on_the_way(scene, site, k)) is not None:
        return found
    rounded = scene.rounded_argument(site) if cause is Cause.ILL_CONDITIONED else None
    return Finding(cause, site, True, position, torch, tuple(proven), element=k, rounded=rounded, edge=edge)


def _lost_on_the_way(scene: Scene, site: Site, k: int) -> Finding | None:
    """Return the operation before another one that lost the digits of its argument: then its edge is not to blame."""
    for source in (one for one in site.sources if isinstance(one, Site) and (scene.losses(one) > NOTICEABLE).any()):
        for one in ancestors(source):
            lost = _newly_lost(scene, one) if one.smooth else np.zeros(0)
            if lost.any():
                return _lost_by(scene, one, k if k < lost.size and lost[k] else int(np.argmax(lost)))
    return None


def _cause_back(scene: Scene, site: Site, position: int, k: int, ball: Element) -> tuple[Cause, bool]:
    """Return why a cotangent lost its digits, and whether an argument was rounded onto an edge."""
    isolated, incoming, pulled = scene.isolated(site), site.torch.cotangent, site.torch.pulled[position]
    assert isolated is not None
    assert pulled is not None
    if incoming is None:
        return Cause.DETACHED, False
    own = isolated.at(tensors(site.torch), array(incoming), scene.graph.bits).pulled[position][k]
    if not isinstance(own, Ball):
        return Cause.ILL_CONDITIONED, True
    if (cause := _out_of_range(scene, ball, pulled.elements[k])) is not None:
        return cause, False
    if not _is_local(scene, own, ball, pulled.elements[k]):
        return Cause.ILL_CONDITIONED, False
    if (cause := _inside(scene, isolated, site, array(incoming), position, k)) is not None:
        return cause, False
    return Cause.STORED_OUTPUT if is_stored(site.call.op) else Cause.INACCURATE_OPERATION, False


def _inside(scene: Scene, isolated: Isolated, site: Site, cotangent: Floats, place: Place, k: int) -> Cause | None:
    """Return whether a number inside torch's formula of an operation is too large for the format, or too small."""
    args, fmt, bits = tensors(site.torch), scene.graph.format, scene.graph.bits
    honest = isolated.in_floats(args, cotangent, fmt, bits)
    if honest.overflow is not None and honest.found[place][k] is None:
        return Cause.OVERFLOW
    steps = isolated.steps(args, cotangent, fmt, bits, backward=place is not None)
    return Cause.UNDERFLOW if any(is_small(one, wide) for wide, one in steps) else None


def is_stored(op: str) -> bool:
    """Return whether torch computes the gradient of an operation from its stored result."""
    row = ELEMENTWISE.get(op) or COMPOSITE.get(op)
    return row is not None and row.stored
