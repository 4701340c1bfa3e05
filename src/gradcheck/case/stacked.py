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
from gradcheck.bounds import Bounds, Enclosures
from gradcheck.case.bulk import blunt, rough, take
from gradcheck.case.climb import SHOWN_ELEMENTS
from gradcheck.case.doubted import Doubts
from gradcheck.case.elements import Element, Elements
from gradcheck.case.expected import expected
from gradcheck.case.one import Case, Floats
from gradcheck.compare import Judgement
from gradcheck.exact import START_BITS
from gradcheck.formats import EXACT_DIGITS, Ball
from gradcheck.functions import TENSOR
from gradcheck.gradients import GradientOutcome
from gradcheck.judgements import Judgements, Ranks, ranks
from gradcheck.lower import Core
from gradcheck.outcome import LayerOutcome, Outcome
from gradcheck.plan import Plan
from gradcheck.points import Point
from gradcheck.program import Call, Layer, Shape, names, postorder
from gradcheck.settings import Settings
from gradcheck.verdict import Verdict

MAX_SIZE = SHOWN_ELEMENTS
"""Elements of one point up to which many are stacked; a larger point fills whole arrays by itself."""

_PLAIN = frozenset({Verdict.AGREE, Verdict.UNTRACKED, Verdict.OVERFLOW, Verdict.UNDEFINED})
"""Verdicts that no look beside the point, no rounding and no more bits change, where there is no kink."""
_KNOWN = _PLAIN | {Verdict.UNSTABLE, Verdict.LOSSY, Verdict.DISAGREE}
"""Those and what the roundings on the way explain."""
_OPEN = Judgement(Verdict.UNDECIDED)

Codes = np.ndarray[Any, np.dtype[np.uint8]]
Truths = np.ndarray[Any, np.dtype[np.bool_]]


def stacks(plan: Plan, dtype: str, settings: Settings) -> bool:
    """Return whether points of a plan may be one case: all goes by elements, and torch runs what it always runs."""
    shapes = set(plan.inputs().values())
    ordinary = settings.on_device == "cpu" and not settings.nondet and not settings.under_test
    if not ordinary or len(shapes) != 1 or prod(*shapes) > MAX_SIZE or not autograd.stacks(plan.program, dtype):
        return False
    cores = (plan.shared.core, *plan.expect.values(), *(core for core, _ in plan.closed.values()))
    return plan.program.output in reached(plan.shared.core) and all(map(_goes_by_elements, cores))


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
        core = self.wide(plan.shared.core, [*plan.shared.program.outputs, self.value.name])
        self.truth = exact.Truth(core, self.arrays)
        self.screened: dict[str, Bounds] = {}
        self.layers: dict[str, Enclosures] = {}
        self.judge()
        doubts = Doubts(plan, self.judged, self.arrays, self.size, self.case)
        doubts.explain()
        self.own, self.faulty = (np.isin(np.arange(len(self)), list(one)) for one in (doubts.own, doubts.faulty))
        self.stated = {name: self.expectation(core, one) for one in self.gradients
                       for name, core in plan.expect.items() if name == one.name}  # fmt: skip

    def __len__(self) -> int:
        """Return how many points there are."""
        return self.count // self.size

    # --- both lanes ---

    def judge(self) -> None:
        """Judge every element that the precision of the first attempt decides, in parts of some thousand."""
        judged = dict(zip([*self.plan.shared.program.outputs, self.value.name], self.judged, strict=True))
        closed = {one.name: self.closed(one.name) for one in self.gradients}
        if self.truth.is_large:
            self.screen(judged, closed)
        found = self.truth.some({name: one.open for name, one in judged.items()})
        for name, one in judged.items():
            nodes: list[Element] = [*found[name]]
            forms: list[Element] = [None] * len(nodes)
            if one.name in closed:
                truth, output = closed[one.name]
                forms = [*truth.some({output: one.open})[output]]
            one.settle(nodes, forms, self.case.format, self.case.tolerance)
        self.worse()

    def screen(self, judged: Mapping[str, Elements], closed: Mapping[str, tuple[exact.Truth, str]]) -> None:
        """Judge what machine intervals decide, from both forms of each gradient."""
        layers = [layer.name for layer in self.plan.program.layers]
        self.screened = self.truth.bounds({*judged, *layers})
        for name, one in judged.items():
            forms = None
            if one.name in closed:
                truth, output = closed[one.name]
                forms = truth.bounds([output])[output]
            one.screen(self.screened[name], forms, self.case.format, self.case.tolerance)

    @property
    def judged(self) -> list[Elements]:
        """Return the gradients, and the value."""
        return [*self.gradients, self.value]

    def closed(self, name: str) -> tuple[exact.Truth, str]:
        """Return the fused closed form of the gradient by one input, with its layer."""
        core, output = self.plan.closed[name]
        return exact.Truth(self.wide(core, [output]), self.arrays), output

    def sharpen(self, name: str, known: Enclosures) -> None:
        """Enclose the gradient of one point to the digits that are shown."""
        digits = EXACT_DIGITS[self.case.dtype] + 1
        blunt = [k for k, one in enumerate(known) if isinstance(one, Ball) and not one.is_sharp(digits)]
        core = self.plan.shared.core
        output = self.plan.shared.program.outputs[self.plan.wrt.index(name)]
        for k, ball in zip(blunt, exact.sharpen(core, output, self.case.arrays, blunt, digits), strict=True):
            known[k] = ball

    def worse(self) -> None:
        """Judge what came out of vectorised kernels, too: an element has the worse verdict of both."""
        for one in self.gradients:
            if (found := self.vectors.gradients[one.name]) is not None:
                take(one, found.array, self.case)
        take(self.value, self.vectors.layers[self.value.name].array, self.case)

    def expectation(self, core: Core, one: Elements) -> tuple[list[float | None], Judgements]:
        """Return what the user expects of a gradient, rounded to the dtype, and the verdicts on it."""
        output = core.program.output
        truth = exact.Truth(self.wide(core, [output]), self.arrays)
        balls = exact.balls(truth.values()[output], START_BITS)
        stated = [ball if isinstance(ball, Ball) else None for ball in balls]
        truth.sharpen(stated, EXACT_DIGITS[self.case.dtype])
        numbers = [None if ball is None else self.case.format.round_dyadic(ball.midpoint) for ball in stated]
        found = (
            expected(self.case, ball, one.truth(k), one.judgements.get(k) or _OPEN) for k, ball in enumerate(stated)
        )
        return numbers, Judgements.of(found)

    def wide(self, core: Core, outputs: Sequence[str]) -> Core:
        """Return a core program of one point as that of all: what depends on an input has an element for each."""
        moving = reached(core).union(outputs)
        shapes: dict[str, Shape] = {name: (self.count,) if name in moving else () for name in core.shapes}
        return replace(core, shapes=shapes)

    # --- points ---

    @cached_property
    def known(self) -> Truths:
        """Return the points whose verdicts are known; any other is a case of its own."""
        good = np.ones(self.count, dtype=np.bool_)
        for one in self.judged:
            good &= one.judgements.is_(*_KNOWN)
            good[one.kinks] = False
        for _, found in self.stated.values():
            good &= ~found.is_(Verdict.UNDECIDED)
        for mask in self.jumps():
            good &= ~mask
        made: Truths = np.all(good.reshape(-1, self.size), axis=1) & ~self.own
        return made

    @cached_property
    def plain(self) -> Truths:
        """Return the points that are slices of what came out: no rounding has to explain them, all digits are known."""
        good = np.ones(self.count, dtype=np.bool_)
        for one in self.judged:
            good &= one.judgements.is_(*_PLAIN) & ~(one.judgements.is_(Verdict.AGREE) & (one.judgements.noted > 0))
        for one in self.judged if self.screened else ():
            good &= ~rough(one, self.case)
        for layer in self.plan.program.layers if self.screened else ():
            good &= np.isfinite(self.screened[layer.name].lower)
        for one in self.gradients if not self.screened else ():
            good &= ~blunt(one, EXACT_DIGITS[self.case.dtype] + 1)
        made: Truths = np.all(good.reshape(-1, self.size), axis=1) & self.known
        return made

    @cached_property
    def ulps(self) -> Floats:
        """Return the largest error of the gradients at each point, nan where there is none to measure."""
        found = np.stack([one.judgements.ulps.reshape(-1, self.size) for one in self.gradients], axis=1)
        made: Floats = np.fmax.reduce(found.reshape(len(self), -1), axis=1)
        return made

    @cached_property
    def ranks(self) -> Ranks:
        """Return how bad each point is."""
        judged = [one.judgements for one in self.judged]
        found = ranks(judged, [made for _, made in self.stated.values()], rows=len(self))
        found.severity[self.faulty], found.own[self.faulty] = Verdict.DISAGREE.severity, True
        return found

    def jumps(self) -> Iterator[Truths]:
        """Yield where the function may jump, along each input."""
        if self.plan.may_jump:
            forward = exact.needed(self.plan.shared.core, [self.plan.program.output])
            wide = self.wide(forward, [self.plan.program.output])
            yield from (mask.ravel() for mask in exact.jumping(wide, self.truth.values(), START_BITS).values())

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
        torch, known = self.first.layers[layer.name], self.enclosures(layer.name)
        if torch.shape:
            torch = TorchValue(torch.array[part].reshape(self.shape), torch.grad_fn)
            known = known[part]
        return self.case.layer(layer, torch, [one if isinstance(one, Ball) else None for one in known])

    def enclosures(self, layer: str) -> Enclosures:
        """Return what is known of all elements of a layer."""
        if layer not in self.layers:
            found = Enclosures.bounded(self.screened[layer]) if self.screened else Enclosures.of(
                one if isinstance(one, Ball) else None for one in exact.balls(self.truth.values()[layer], START_BITS)
            )  # fmt: skip
            self.layers[layer] = found
        return self.layers[layer]

    def gradient(self, one: Elements, part: slice) -> GradientOutcome:
        """Return one gradient of a point, with the verdicts on it and on what the user expects."""
        numbers, found = self.stated.get(one.name, (None, None))
        known = one.known[part]
        if self.screened:
            self.sharpen(one.name, known)
        return GradientOutcome(
            one.name, self.shape, self.plan.display, known,
            None if one.torch is None else one.torch[part].reshape(self.shape), one.judgements[part],
            None if numbers is None else numbers[part], None if found is None else found[part],
        )  # fmt: skip
