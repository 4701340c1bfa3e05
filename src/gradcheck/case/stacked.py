"""Many points of an elementwise program as one case: one run of torch, one enclosure, one judgement for them all.

A point that is plainly judged, as nearly all are, is a slice of what came out, made when somebody looks at it. Any
other one, at a kink or a jump, with what rounding may have to explain or what needs more bits, is a case of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from math import prod
from typing import Any

import numpy as np

from gradcheck import autograd, exact
from gradcheck.autograd import TorchValue
from gradcheck.case.elements import Element, Elements
from gradcheck.case.one import SHOWN_ELEMENTS, Case, Floats
from gradcheck.compare import Judgement
from gradcheck.exact import START_BITS
from gradcheck.formats import EXACT_DIGITS, Ball
from gradcheck.functions import TENSOR
from gradcheck.judgements import Judgements
from gradcheck.lower import Core
from gradcheck.outcome import GradientOutcome, LayerOutcome, Outcome
from gradcheck.plan import Plan
from gradcheck.points import Point
from gradcheck.program import Call, Layer, Shape, names, postorder
from gradcheck.settings import Settings
from gradcheck.verdict import Verdict

MAX_SIZE = SHOWN_ELEMENTS
"""Elements of one point up to which many are stacked; a larger point fills whole arrays by itself."""

_PLAIN = frozenset({Verdict.AGREE, Verdict.UNTRACKED, Verdict.OVERFLOW, Verdict.UNDEFINED})
"""Verdicts that no look beside the point, no rounding and no more bits change, where there is no kink."""
_OPEN = Judgement(Verdict.UNDECIDED)

Codes = np.ndarray[Any, np.dtype[np.uint8]]
Truths = np.ndarray[Any, np.dtype[np.bool_]]


def stacks(plan: Plan, dtype: str, settings: Settings) -> bool:
    """Return whether points of a plan may be one case: all goes by elements, and torch runs what it always runs."""
    shapes = set(plan.inputs().values())
    ordinary = settings.device == "cpu" and not settings.nondet and not settings.under_test
    if not ordinary or len(shapes) != 1 or prod(*shapes) > MAX_SIZE or not autograd.stacks(plan.program, dtype):
        return False
    cores = (plan.node.core, *plan.expect.values(), *(core for core, _ in plan.closed.values()))
    return plan.program.output in reached(plan.node.core) and all(map(_goes_by_elements, cores))


def _goes_by_elements(core: Core) -> bool:
    nodes = (node for layer in core.program.layers for node in postorder(layer.expression))
    return not any(isinstance(node, Call) and node.op in TENSOR for node in nodes)


def reached(core: Core) -> set[str]:
    """Return the inputs and the layers that depend on one."""
    found = set(core.program.inputs)
    for layer in core.program.layers:
        if not found.isdisjoint(names(layer.expression)):
            found.add(layer.name)
    return found


class Stack:
    """Points of one program in one dtype; their elements stand in one row, those of a point side by side.

    The state is what came out of both lanes: torch's run, all enclosures and judgements, and which points are plain.
    """

    def __init__(self, plan: Plan, arrays: Mapping[str, Floats], dtype: str, settings: Settings) -> None:
        """``arrays`` hold the points along the first axis, finite numbers that the dtype can hold."""
        self.plan = plan
        self.shape: Shape = next(iter(arrays.values())).shape[1:]
        self.size: int = prod(self.shape)
        self.arrays = {name: array.reshape(-1) for name, array in arrays.items()}
        self.case = Case(plan, {}, dtype, settings)
        self.count: int = next(iter(self.arrays.values())).size
        self.first, self.vectors = autograd.stacked(plan.program, self.arrays, plan.wrt, dtype=dtype)
        made = self.first.layers[plan.program.output]
        self.gradients = [Elements(name, (self.count,), self.first.gradients[name]) for name in plan.wrt]
        self.value = Elements(plan.program.output, made.shape, made)
        self.values: exact.Values = {}
        self.judge()
        self.stated = {name: self.expectation(core, one) for one in self.gradients
                       for name, core in plan.expect.items() if name == one.name}  # fmt: skip

    def __len__(self) -> int:
        """Return how many points there are."""
        return self.count // self.size

    # --- both lanes ---

    def judge(self) -> None:
        """Judge every element that the precision of the first attempt decides, in parts of some thousand."""
        core = self.wide(self.plan.node.core, self.plan.node.program.outputs)
        self.values = exact.enclose(core, self.arrays, START_BITS)
        judged = [*self.gradients, self.value]
        names = [*self.plan.node.program.outputs, self.value.name]
        found: list[list[Element]] = [[*exact.balls(self.values[name], START_BITS)] for name in names]
        for one, nodes, forms in zip(judged, found, [*self.closed(), [None] * len(found[-1])], strict=True):
            one.settle(nodes, forms, self.case.format, self.case.tolerance)
        self.value.at_infinity(exact.infinities(self.values[self.value.name]))
        self.worse()

    def closed(self) -> Iterator[list[Any]]:
        """Yield the elements of each gradient from the fused closed forms."""
        for one in self.gradients:
            core, output = self.plan.closed[one.name]
            yield exact.balls(exact.enclose(self.wide(core, [output]), self.arrays, START_BITS)[output], START_BITS)

    def worse(self) -> None:
        """Judge what came out of vectorised kernels, too: an element has the worse verdict of both."""
        fmt, ulps, run = self.case.format, self.case.tolerance, self.vectors
        for one in self.gradients:
            if (found := run.gradients[one.name]) is not None:
                one.vector(found.array, fmt, ulps)
        self.value.vector(run.layers[self.value.name].array, fmt, ulps)

    def expectation(self, core: Core, one: Elements) -> tuple[list[float | None], Judgements]:
        """Return what the user expects of a gradient, rounded to the dtype, and the verdicts on it."""
        output = core.program.output
        balls = exact.balls(exact.enclose(self.wide(core, [output]), self.arrays, START_BITS)[output], START_BITS)
        stated = [ball if isinstance(ball, Ball) else None for ball in balls]
        numbers = [None if ball is None else self.case.format.round_dyadic(ball.midpoint) for ball in stated]
        found = (
            self.case.expected(ball, one.truth(k), one.judgements.get(k) or _OPEN) for k, ball in enumerate(stated)
        )
        return numbers, Judgements.of(found)

    def wide(self, core: Core, outputs: Sequence[str]) -> Core:
        """Return a core program of one point as that of all: what depends on an input has an element for each."""
        moving = reached(core).union(outputs)
        shapes: dict[str, Shape] = {name: (self.count,) if name in moving else () for name in core.shapes}
        return replace(core, shapes=shapes)

    # --- points ---

    @cached_property
    def plain(self) -> Truths:
        """Return which points are plainly judged: these are slices, and any other is a case of its own."""
        good = np.ones(self.count, dtype=np.bool_)
        for one in (*self.gradients, self.value):
            good &= one.judgements.is_(*_PLAIN)
            good[one.kinks] = False
        for one in self.gradients:
            good[one.blunt(EXACT_DIGITS[self.case.dtype] + 1)] = False
        for _, found in self.stated.values():
            good &= ~found.is_(Verdict.UNDECIDED)
        for mask in self.jumps():
            good &= ~mask
        made: Truths = np.all(good.reshape(-1, self.size), axis=1)
        return made

    def jumps(self) -> Iterator[Truths]:
        """Yield where the function may jump, along each input."""
        if self.plan.may_jump:
            forward = exact.needed(self.plan.node.core, [self.plan.program.output])
            wide = self.wide(forward, [self.plan.program.output])
            yield from (mask.ravel() for mask in exact.jumping(wide, self.values, START_BITS).values())

    @cached_property
    def codes(self) -> Codes:
        """Return the severities of the verdicts of every point on its gradients, and what is expected of them."""
        found = [one.judgements.codes for one in self.gradients] + [made.codes for _, made in self.stated.values()]
        return np.stack([each.reshape(-1, self.size) for each in found], axis=1).reshape(len(self), -1)

    @cached_property
    def value_codes(self) -> Codes:
        """Return the severities of the verdicts of every point on its value."""
        return self.value.judgements.codes.reshape(-1, self.size)

    def outcome(self, i: int, point: Point) -> Outcome:
        """Return what came out for one of the plain points."""
        part, case = slice(i * self.size, (i + 1) * self.size), self.case
        case.point, case.arrays = point, {name: array[part].reshape(self.shape) for name, array in self.arrays.items()}
        layers = [self.layer(layer, part) for layer in self.plan.program.layers]
        assert self.value.torch is not None
        numbers = self.value.torch[part].reshape(self.shape)
        layers[-1] = replace(layers[-1], judgements=self.value.judgements[part], values=numbers)
        return case.outcome(layers, [self.gradient(one, part) for one in self.gradients], None)

    def layer(self, layer: Layer, part: slice) -> LayerOutcome:
        """Return one layer of a point in both lanes; what has no axes is the same for all."""
        torch, values = self.first.layers[layer.name], self.values[layer.name]
        if torch.shape:
            torch = TorchValue(torch.array[part].reshape(self.shape), torch.grad_fn)
        return self.case.layer(layer, torch, {layer.name: values[part] if values.shape else values})

    def gradient(self, one: Elements, part: slice) -> GradientOutcome:
        """Return one gradient of a point, with the verdicts on it and on what the user expects."""
        numbers, found = self.stated.get(one.name, (None, None))
        return GradientOutcome(
            one.name, self.shape, self.plan.display, one.known[part],
            None if one.torch is None else one.torch[part].reshape(self.shape), one.judgements[part],
            None if numbers is None else numbers[part], None if found is None else found[part],
        )  # fmt: skip
