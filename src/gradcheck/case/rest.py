"""What machine intervals leave of a large program that goes by elements: a smaller case, of these elements alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import prod
from typing import TYPE_CHECKING

import numpy as np

from gradcheck import exact
from gradcheck.autograd import Backward, Operation, TorchValue
from gradcheck.case.elements import Elements, Truths
from gradcheck.outcome import Fault
from gradcheck.plan import Plan
from gradcheck.points import Point
from gradcheck.points.value import Value, frozen
from gradcheck.program import Shape

if TYPE_CHECKING:
    from gradcheck.case.one import Case

MOST = 0.5
"""Part of the elements beyond which they are no rest."""


def rest(case: Case, gradients: Sequence[Elements], value: Elements) -> list[int]:
    """Return the elements that are open, have no ordinary derivative, or may be at a jump, where each stands alone."""
    if not case.truth.is_large or not case.plan.by_elements or not case.shows_operations:
        return []
    left: Truths = np.logical_or.reduce([one.is_open for one in (*gradients, value)])
    for one in gradients:
        left[one.kinks] = True
    if case.plan.may_jump:
        left |= _at_a_jump(case, case.plan.shapes[value.name]).ravel()
    found: list[int] = np.flatnonzero(left).tolist()
    return found if len(found) <= MOST * left.size else []


def _at_a_jump(case: Case, shape: Shape) -> Truths:
    forward = exact.needed(case.plan.nodes, [case.plan.program.output])
    return exact.unsteady(forward, case.arrays, shape)


def examine_rest(
    case: Case, at: list[int], gradients: Sequence[Elements], value: Elements, torch: Backward
) -> list[Fault]:
    """Judge some elements by themselves; return the operations that are wrong there."""
    shapes: dict[str, Shape] = dict.fromkeys(case.plan.inputs(), (len(at),))
    point: Point = {name: Value((len(at),), frozen(case.arrays[name].ravel()[at]), "...") for name in shapes}
    part = type(case)(Plan.make(case.plan.program, shapes, case.plan.wrt), point, case.dtype, case.settings)
    part.larger = case, at
    found, output, faults = part.examine(taken(torch, at), ())
    for one, other in zip([*gradients, value], [*found, output], strict=True):
        one.take(at, other)
    case.bits = max(case.bits, part.bits)
    return [replace(one, blame=replace(one.blame, element=at[one.blame.element])) for one in faults]


def taken(run: Backward, at: list[int]) -> Backward:
    """Return some elements of what torch returned; what has no axes is the same for all."""

    def some(one: TorchValue) -> TorchValue:
        return TorchValue(one.array.ravel()[at], one.grad_fn) if prod(one.shape) > 1 else one

    def maybe(one: TorchValue | None) -> TorchValue | None:
        return None if one is None else some(one)

    def operation(one: Operation) -> Operation:
        return replace(
            one, args=tuple(map(maybe, one.args)), value=some(one.value), cotangent=maybe(one.cotangent),
            pulled=tuple(map(maybe, one.pulled)), saved=(),
        )  # fmt: skip

    layers = {name: some(one) for name, one in run.layers.items()}
    gradients = {name: maybe(one) for name, one in run.gradients.items()}
    return Backward(layers, gradients, tuple(map(operation, run.operations)), run.plain)
