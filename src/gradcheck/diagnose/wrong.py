"""Wrong results: what an operation returned, from the very numbers that it got, and no rounding can give."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

from gradcheck.autograd import TorchValue
from gradcheck.blame import Cause
from gradcheck.compare import half_of_the_digits
from gradcheck.diagnose.graph import Graph, Site, Wrong, inputs
from gradcheck.diagnose.scene import NOTICEABLE, Finding, Scene, not_zero
from gradcheck.formats import FORMATS, Ball, Dyadic, Format


def detached(scene: Scene) -> Finding | None:
    """Return the first operation whose result carries no graph although its arguments do."""
    for site in scene.on_path if scene.name is not None else ():  # a value needs none
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
        if (found := wrong_value(scene.graph, site)) is not None and _matters(scene, site):
            return found
    for site in reversed(scene.on_path) if scene.name is not None else ():  # no way back leads to a value
        if (found := wrong_gradient(scene.graph, site, scene.name)) is not None:
            return found
    return None


def altered(scene: Scene) -> Finding | None:
    """Return the operation whose backward pass changed the cotangent that it was given, which others read, too.

    A value comes from no backward pass.
    """
    if scene.name is None:
        return None
    found = (site for site in reversed(scene.graph.sites) if site.torch.altered)
    return next((Finding(Cause.WRONG_GRADIENT, site, True) for site in found), None)


def wrong_value(graph: Graph, site: Site) -> Finding | None:
    """Return in what way the value of an operation is wrong, None where it is right."""
    ruling = graph.rulings.get(site.call)
    found = None if ruling is None else ruling.value
    if found is None or found.torch is None:
        return None
    cause = _kind(graph, found.torch, found, Cause.WRONG_VALUE)
    return Finding(cause, site, torch=found.torch, exact=found.exact, at=found.at)


def wrong_gradient(graph: Graph, site: Site, name: str | None = None) -> Finding | None:
    """Return in what way something that an operation sends back is wrong: towards an input, where one is named."""
    ruling = graph.rulings.get(site.call)
    for position, found in {} if ruling is None else ruling.pulled.items():
        if name is not None and name not in inputs(site.sources[position]):
            continue
        if found.torch is None:
            return Finding(Cause.DETACHED, site, site.torch.made_tracked, position if site.torch.made_tracked else None)
        cause = _kind(graph, found.torch, found, Cause.WRONG_GRADIENT)
        return Finding(cause, site, True, position, found.torch, found.exact, found.at)
    return None


def _kind(graph: Graph, torch: TorchValue, found: Wrong, otherwise: Cause) -> Cause:
    """Return what kind of wrong these numbers are: those of a smaller dtype, inaccurate, or plainly wrong."""
    numbers = torch.array.ravel()[list(found.at)].tolist()
    given = [(found.exact[k], number) for k, number in zip(found.at, numbers, strict=True)]
    gaps = [graph.gap(*pair) or 0.0 for pair in given]
    pairs = [(one, number) for one, number in given if isinstance(one, Ball)]
    if max(gaps) < inf and lower_precision(pairs, graph.format.name):
        return Cause.LOWER_PRECISION
    halves = [half_of_the_digits(one, graph.format) if isinstance(one, Ball) else inf for one, _ in given]
    if otherwise is Cause.WRONG_VALUE and all(gap <= half for gap, half in zip(gaps, halves, strict=True)):
        return Cause.INACCURATE_OPERATION
    return otherwise


def _matters(scene: Scene, site: Site) -> bool:
    """Return whether torch's value at an operation moves the gradient noticeably."""
    moved = scene.effect(site, site.torch.value)
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
