"""Limits at infinite points: numbers that grow in several ways, and what all of them agree on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from math import sqrt
from typing import Any

import numpy as np
from flint import arb

from gradcheck.exact.elements import as_ball, ball
from gradcheck.exact.evaluate import as_array, enclose, from_float
from gradcheck.exact.limits import SHRINKING
from gradcheck.exact.precision import working_precision
from gradcheck.formats import Ball, Dyadic, Estimate
from gradcheck.lower import Core
from gradcheck.program import Call, Layer, Name, Node, postorder, rebuild

EXPONENTS = (120, 240, 480)
"""Binary exponents of the numbers that stand for infinity, from one step to the next."""
PERIOD = 1_000
"""Up to how much is added to powers of two, so that no period of the function hides."""
STRETCH = 1.0
"""By how much of its exponent the fastest grows faster than the slowest."""
LIMIT_BITS = 2_048
"""Working precision; numbers of up to 2**960 meet numbers near 1."""
NEAR = arb(2) ** -50
"""How near the ways must come to each other, in parts of the limit."""
GOLDEN = (sqrt(5) - 1) / 2
"""Its multiples are spread evenly over the fractions, and no two are equal."""

_INFINITY = "inf:constant"
"""The input that stands for the constant inf; no name of the language looks like it."""


def has_infinity(core: Core) -> bool:
    """Tell whether a program has the constant inf.

    >>> from gradcheck.lower import lower
    >>> from gradcheck.parse import parse
    >>> has_infinity(lower(parse("x + inf"), {"x": ()})), has_infinity(lower(parse("x + 1"), {"x": ()}))
    (True, False)
    """
    return any(map(_is_constant, _parts(core)))


def at_infinity(
    core: Core, point: Mapping[str, np.ndarray[Any, Any]], output: str, at: Sequence[int]
) -> list[Estimate | None]:
    """Return the limits of some elements of a layer as the infinite elements of the point are approached.

    Each infinity grows at a pace of its own, in several ways; an estimate is what all the ways agree on, and None says
    that they differ, or that one of them does not settle. Nothing is proven: there are more ways than were tried.
    """
    moving = _with_input(core)
    given = {name: np.asarray(point[name]) for name in core.program.inputs}
    if moving is not core:
        given[_INFINITY] = np.array(np.inf)
    with working_precision(LIMIT_BITS):
        ways = [[_elements(moving, one, output, at) for one in way] for way in _ways(given)]
        return [_agreed([[step[k] for step in way] for way in ways]) for k in range(len(at))]


def _elements(core: Core, point: Mapping[str, Any], output: str, at: Sequence[int]) -> list[Any]:
    flat = enclose(core, point, LIMIT_BITS)[output].ravel()
    return [as_ball(flat[k]) for k in at]


def _ways(point: Mapping[str, np.ndarray[Any, Any]]) -> Iterator[Iterator[Mapping[str, Any]]]:
    """Yield the ways to approach a point, each as its steps: all alike, in one order and in the other, by factors
    alone, and two seeded ones.
    """
    signs = np.concatenate([np.sign(array[np.isinf(array)]) for array in point.values()])
    spread = np.arange(1, len(signs) + 1) * GOLDEN % 1
    random = np.random.default_rng(0)
    paces = [0 * spread, spread, 1 - spread, 0 * spread, random.random(len(signs)), random.random(len(signs))]
    factors = [0 * spread, 0 * spread, 0 * spread, spread, spread, random.random(len(signs))]
    for pace, factor in zip(paces, factors, strict=True):
        yield (
            _at(point, signs, exponent * (1 + STRETCH * pace), 1 + factor, PERIOD * random.random(len(signs)))
            for exponent in EXPONENTS
        )


def _at(
    point: Mapping[str, np.ndarray[Any, Any]], signs: Any, exponents: Any, factors: Any, rests: Any
) -> Mapping[str, Any]:
    """Return a point with numbers in place of the infinities; the rests show what only looks settled, as x % 2."""
    numbers = (
        arb(float(sign)) * (arb(2) ** int(exponent) * arb(float(factor)) + arb(float(rest)))
        for sign, exponent, factor, rest in zip(signs, exponents, factors, rests, strict=True)
    )
    made = {}
    for name, array in point.items():
        balls = as_array(from_float(array)).copy()
        for place in np.argwhere(np.isinf(array)):
            balls[tuple(place)] = next(numbers)
        made[name] = balls
    return made


def _agreed(ways: Sequence[Sequence[Any]]) -> Estimate | None:
    """Return where all ways end, each of which has to settle."""
    if not all(one.is_finite() for way in ways for one in way):
        return None
    if all(_vanishes(way) for way in ways):
        return Estimate(Dyadic(0, 0), Dyadic(0, 0))
    steps = [(abs(way[1] - way[0]), abs(way[2] - way[1])) for way in ways]
    ends = [way[-1] + arb(0, near.abs_upper()) for way, (_, near) in zip(ways, steps, strict=True)]
    size = max((abs(one).abs_upper() for one in ends), key=float)
    whole = ends[0]
    for one in ends[1:]:
        whole = whole.union(one)
    settled = all(near <= SHRINKING * far or near.abs_upper() <= NEAR * size for far, near in steps)
    found = ball(whole) if settled and whole.rad() <= NEAR * size else None
    return Estimate(found.lower, found.upper) if isinstance(found, Ball) else None


def _vanishes(way: Sequence[Any]) -> bool:
    """Tell whether numbers are ever nearer to 0."""
    first, second, last = (abs(one).abs_upper() for one in way)
    return bool(second <= SHRINKING * first and last <= SHRINKING * second)


def _parts(core: Core) -> Iterator[Node]:
    return (part for layer in core.program.layers for part in postorder(layer.expression))


def _is_constant(node: Node) -> bool:
    return isinstance(node, Call) and node.op == "inf"


def _with_input(core: Core) -> Core:
    """Return the program with an input in place of the constant inf, where it has that."""
    if not has_infinity(core):
        return core

    def change(node: Node) -> Node:
        return Name(_INFINITY) if _is_constant(node) else node

    layers = tuple(Layer(one.name, rebuild(one.expression, change), one.span) for one in core.program.layers)
    program = replace(core.program, inputs=(*core.program.inputs, _INFINITY), layers=layers)
    return replace(core, program=program, shapes={**core.shapes, _INFINITY: ()})
