"""One element of a large program that goes by elements, by itself: what is at fault is told from it alone."""

from __future__ import annotations

from dataclasses import replace
from math import prod

from gradcheck import exact
from gradcheck.autograd import Backward, Operation, TorchValue
from gradcheck.blame import Blame
from gradcheck.case.elements import Floats
from gradcheck.diagnose import Graph, graph, ruled
from gradcheck.formats import Format
from gradcheck.plan import Plan
from gradcheck.program import Shape, unravel


def graph_alone(
    plan: Plan, run: Backward, k: int, point: dict[str, Floats], fmt: Format, bits: int, ulps: float
) -> Graph:
    """Return the operations of a traced run at one element; ``plan`` and ``point`` are of scalars.

    The numbers are those that torch had for the element among all others.
    """
    truth = exact.Truth(plan.node.core, point)
    made = graph(plan.program, plan.node, lambda: truth.values(bits), point, _element(run, k), fmt, bits)
    return ruled(made, ulps)


def _element(run: Backward, k: int) -> Backward:
    return replace(
        run,
        layers={name: _one(value, k) for name, value in run.layers.items()},
        gradients={name: _some(value, k) for name, value in run.gradients.items()},
        operations=tuple(_operation(one, k) for one in run.operations),
    )


def _operation(one: Operation, k: int) -> Operation:
    return replace(
        one, args=tuple(_some(arg, k) for arg in one.args), value=_one(one.value, k),
        cotangent=_some(one.cotangent, k), pulled=tuple(_some(each, k) for each in one.pulled), saved=(),
    )  # fmt: skip


def _one(value: TorchValue, k: int) -> TorchValue:
    """Return one element as a scalar; what has a single number has it for all."""
    at = k if prod(value.shape) > 1 else 0
    return replace(value, array=value.array.ravel()[at].reshape(()))


def _some(value: TorchValue | None, k: int) -> TorchValue | None:
    return None if value is None else _one(value, k)


def placed(blame: Blame | None, k: int, shape: Shape) -> Blame | None:
    """Return what is at fault for a scalar as that of an element of a tensor."""
    if blame is None:
        return None
    index = unravel(shape, k)
    return replace(blame, element=k, readings=tuple(replace(one, index=index) for one in blame.readings))
