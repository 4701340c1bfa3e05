"""One point in one dtype on its way through both lanes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from gradcheck import autograd, exact
from gradcheck.autograd import Backward, TorchValue
from gradcheck.case.aside import look_aside
from gradcheck.case.elements import Element, Elements, bits, spread
from gradcheck.case.evidence import Evidence, Whole, mismatched
from gradcheck.compare import SLACK, Judgement, between, judge
from gradcheck.errors import LaneProblem
from gradcheck.exact import MAX_BITS, START_BITS
from gradcheck.formats import EXACT_DIGITS, FORMATS, Ball
from gradcheck.judgements import Judgements
from gradcheck.ordinals import rounded
from gradcheck.outcome import Fault, GradientOutcome, LayerOutcome, Outcome
from gradcheck.plan import Plan
from gradcheck.points import Point
from gradcheck.program import Layer
from gradcheck.settings import Settings
from gradcheck.symbolic import Pullback
from gradcheck.verdict import Verdict

CROSS_CHECK_ELEMENTS = 4_096
"""Elements up to which the fused closed forms are evaluated too, as a cross-check of the node-level program."""
SHOWN_ELEMENTS = 64
"""Elements of a layer up to which its enclosure is kept for the report."""


Floats = np.ndarray[Any, np.dtype[np.float64]]


class Case:
    """One point in one dtype on its way through both lanes; the state is the working precision and what is decided.

    ``asked`` is the only element whose one-sided derivatives are of interest; without it all of them are.
    """

    def __init__(
        self, plan: Plan, point: Point, dtype: str, settings: Settings, asked: tuple[str, int] | None = None
    ) -> None:
        self.plan = plan
        self.point = point
        self.dtype = dtype
        self.settings = settings
        self.format = FORMATS[dtype]
        self.tolerance = settings.tolerance(dtype)
        to_array = partial(rounded, fmt=self.format)
        self.arrays = {name: value.array(self.format.round, to_array) for name, value in point.items()}
        self.bits = START_BITS
        self.asked = asked
        self.unsteady: dict[str, list[int]] = {}
        self.notes: list[str] = []
        self.evidence: list[Evidence] = []
        self.whole = Whole(self)
        self.value: Elements | None = None

    @property
    def infinite(self) -> bool:
        """Return whether the point itself is infinite in this dtype."""
        return any(not np.isfinite(array).all() for array in self.arrays.values())

    def is_asked(self, name: str, k: int) -> bool:
        """Return whether the sides of an element are of interest; an infinite one has none."""
        return self.asked in (None, (name, k)) and bool(np.isfinite(self.arrays[name].ravel()[k]))

    def forms(self, name: str) -> list[exact.Form]:
        """Return both programs of the gradient by one input, each with its layer."""
        output = self.plan.shared.program.outputs[self.plan.wrt.index(name)]
        return [(self.plan.shared.core, output), self.plan.closed[name]]

    def run(self) -> Outcome:
        """Return what came out of both lanes."""
        try:
            torch = self.backward()
        except LaneProblem as problem:
            return self.outcome([], [], str(problem))
        gradients = [Elements(name, self.plan.shapes[name], torch.gradients[name]) for name in self.plan.wrt]
        output = torch.layers[self.plan.program.output]
        value = self.value = Elements(self.plan.program.output, output.shape, output)
        values = self.decide(gradients, value)
        value.at_infinity(exact.infinities(values[value.name]))
        if self.settings.nondet:
            self.repeat(gradients, torch)
        self.evidence = [Evidence(self, values, torch, None)]
        for k, run in enumerate(self.vectorised()):
            self.evidence.append(Evidence(self, values, run, k))
            self.take(run, gradients, value)
        look_aside(self, gradients, values)
        faults = [*self.explain(gradients, value), *map(mismatched, torch.mismatches)]
        self.sharpen(gradients)
        layers = [self.layer(layer, torch.layers[layer.name], values) for layer in self.plan.program.layers]
        layers[-1] = replace(layers[-1], judgements=value.judgements, values=_shaped(value))
        return self.outcome(layers, [self.gradient(one) for one in gradients], None, faults)

    def backward(self, *, traced: bool = False) -> Backward:
        """Return what torch made of the program here."""
        return autograd.backward(
            self.plan.program, self.arrays, self.plan.wrt, dtype=self.dtype, device=self.settings.device,
            under_test=self.settings.under_test, traced=traced,
        )  # fmt: skip

    def vectorised(self) -> tuple[Backward, ...]:
        """Return what torch's vectorised kernels made of an elementwise program, which one point alone never meets."""
        if self.settings.device != "cpu" or self.settings.under_test:
            return ()
        return autograd.vectorised(self.plan.program, self.arrays, self.plan.wrt, dtype=self.dtype)

    def take(self, run: Backward, gradients: list[Elements], value: Elements) -> None:
        """Judge what came out of vectorised kernels, too: an element has the worse verdict of both."""
        worse = [one.name for one in gradients if (found := run.gradients[one.name]) is not None
                 and one.vector(found.array.ravel(), self.format, self.tolerance)]  # fmt: skip
        worse += [value.name] if value.vector(run.layers[value.name].array.ravel(), self.format, self.tolerance) else []
        if worse:
            names = " and ".join(dict.fromkeys(worse))
            self.notes.append(f"{names}: torch's vectorised kernels gave these numbers, from 64 copies of the point")

    def outcome(
        self,
        layers: list[LayerOutcome],
        gradients: list[GradientOutcome],
        error: str | None,
        faults: Sequence[Fault] = (),
    ) -> Outcome:
        """Return the outcome of these parts."""
        notes = list(self.notes)
        if layers and layers[-1].values.size > 1:
            notes.append(
                f"the output has {layers[-1].values.size:,} elements; "
                "the gradient is that of their sum, as out.sum().backward() has it"
            )
        return Outcome(
            self.plan.program, self.point, self.arrays, self.dtype, self.settings.device, layers, gradients,
            self.plan.display, self.bits, notes, error, self.tolerance, list(faults),
        )  # fmt: skip

    def repeat(self, gradients: list[Elements], first: Backward) -> None:
        """Run torch again and again, and judge each element by the worst that came out."""
        runs = [first, *(self.backward() for _ in range(self.settings.nondet))]
        for name in first.layers:
            if len({bits(run.layers[name].array).tobytes() for run in runs}) > 1:
                self.notes.append(f"torch is not deterministic: the value of {name} differs in {len(runs)} runs")
        for one in gradients:
            found = [run.gradients[one.name] for run in runs]
            values = [value.array.ravel() for value in found if value is not None]
            self.unsteady[one.name] = one.repeat(values, self.format, self.tolerance)
            if self.unsteady[one.name]:
                self.notes.append(spread(one.name, values, self.unsteady[one.name], self.format, one.shape))

    def layer(self, layer: Layer, torch: TorchValue, values: exact.Values) -> LayerOutcome:
        """Return one layer in both lanes."""
        source = self.plan.program.source[layer.span.start : layer.span.end]
        text = re.sub(rf"^{re.escape(layer.name)}\s*=\s*", "", source)
        balls = None
        if torch.array.size <= SHOWN_ELEMENTS:
            balls = [one if isinstance(one, Ball) else None for one in exact.balls(values[layer.name], self.bits)]
        return LayerOutcome(layer.name, text, torch.shape, torch.array, balls, torch.grad_fn, self.plan.display)

    # --- gradients ---

    def decide(self, gradients: list[Elements], value: Elements) -> exact.Values:
        """Judge every element, raising the precision while one is open; return the values of the last evaluation."""
        pole = None
        judged = [*gradients, value]
        while True:
            values = exact.enclose(self.plan.shared.core, self.arrays, self.bits)
            found = [self.elements(self.plan.shared, k, values, one.open) for k, one in enumerate(gradients)]
            closed = self.closed(gradients, found)
            found.append([*exact.balls(values[value.name], self.bits, value.open)])
            closed.append([None] * len(value.open))
            for one, nodes, forms in zip(judged, found, closed, strict=True):
                one.settle(nodes, forms, self.format, self.tolerance)
            if all(not one.open for one in judged):
                return values
            if all(one.lacks_numbers for one in judged) and self.bits > START_BITS:
                pole = self.pole()
            if pole is not None or self.bits >= MAX_BITS:
                break
            self.bits *= 2
        for one in judged:
            one.give_up(pole, self.bits, self.format, self.tolerance)
        return values

    def explain(self, gradients: list[Elements], value: Elements) -> list[Fault]:
        """Ask of every disagreement whether rounding explains it, and return the operations that are wrong.

        The ordinary check, all within the tolerance and nothing of the user's under test, never comes here.
        """
        if not self.settings.under_test and not any(one.disagreements() for one in (*gradients, value)):
            return []
        used = [self.evidence[0]]
        for one in (*gradients, value):
            name = None if one is value else one.name
            for k in one.disagreements():
                truth, number = one.truth(k), one.number(k)
                if truth is not None and number is not None:
                    smooth = one is value or k not in one.kinks
                    evidence = self.witness(name, k, number)
                    used += [] if evidence in used else [evidence]
                    one.explain(k, evidence.rounding(name, k, truth, number, smooth=smooth), self.format)
        return list({(one.blame.cause, one.blame.span): one for each in used for one in each.faults}.values())

    def sharpen(self, gradients: list[Elements]) -> None:
        """Enclose what is decided but not known to the digits that are shown once more, with more bits."""
        digits = EXACT_DIGITS[self.dtype] + 1
        blunt = [one.blunt(digits) for one in gradients]
        if sum(map(len, blunt)) > CROSS_CHECK_ELEMENTS:
            return
        core = self.plan.shared.core
        for one, at, output in zip(gradients, blunt, core.program.outputs, strict=True):
            one.narrow(at, exact.sharpen(core, output, self.arrays, at, digits) if at else [])

    def witness(self, name: str | None, k: int, value: float | None) -> Evidence:
        """Return the evidence on the run that gave torch's number for one element; the plain run where none did."""
        gave = (one for one in self.evidence if value is not None and one.gave(name, k, value))
        return next(gave, self.evidence[0])

    def elements(self, pullback: Pullback, k: int, values: exact.Values, at: Sequence[int]) -> list[Element]:
        """Return the enclosures of some elements of the gradient by the input at place ``k``."""
        output = pullback.program.outputs[k]
        found: list[Element] = [*exact.balls(values[output], self.bits, at)]
        if None in found and (self.infinite or exact.has_infinity(pullback.core)):
            missing = [index for index, one in zip(at, found, strict=True) if one is None]
            limits = dict(zip(missing, exact.at_infinity(pullback.core, self.arrays, output, missing), strict=True))
            nothing = "infinite" if self.infinite else None
            found = [one or limits.get(index) or nothing for index, one in zip(at, found, strict=True)]
        return found

    def closed(self, gradients: list[Elements], found: list[list[Element]]) -> list[list[Element]]:
        """Return the same elements from the fused closed forms, the cross-check of small tensors."""
        if sum(map(len, found)) > CROSS_CHECK_ELEMENTS:
            return [[None] * len(one) for one in found]
        values: dict[int, exact.Values] = {}
        closed: list[list[Element]] = []
        for one in gradients:
            core, output = self.plan.closed[one.name]
            if id(core) not in values:
                values[id(core)] = exact.enclose(core, self.arrays, self.bits)
            closed.append([*exact.balls(values[id(core)][output], self.bits, one.open)])
        return closed

    def pole(self) -> str | None:
        """Return the pole that the point lies on exactly, where it does: no precision finds a number there."""
        split = self.plan.split
        operation = exact.pole(split, exact.enclose(split, self.arrays, self.bits))
        return None if operation is None else f"pole {operation}"

    def gradient(self, one: Elements) -> GradientOutcome:
        """Return one gradient with its verdicts, and those on what the user expects."""
        expected, expectations = self.expectation(one)
        return GradientOutcome(
            one.name, one.shape, self.plan.display, one.known, None if one.torch is None else _shaped(one),
            one.judgements, expected, expectations,
        )  # fmt: skip

    def expectation(self, one: Elements) -> tuple[list[float | None] | None, Judgements | None]:
        """Return what the user expects, rounded to the dtype, and the verdicts on it."""
        core = self.plan.expect.get(one.name)
        if core is None:
            return None, None
        values = exact.enclose(core, self.arrays, self.bits)[core.program.output]
        balls = exact.balls(np.broadcast_to(values, one.shape), self.bits)
        stated = [ball if isinstance(ball, Ball) else None for ball in balls]
        numbers = [None if ball is None else self.format.round_dyadic(ball.midpoint) for ball in stated]
        truths = [one.truth(k) for k in range(len(one.known))]
        found = [self.expected(*three) for three in zip(stated, truths, one.judgements, strict=True)]
        for k, sides in one.corners.items():
            if (number := numbers[k]) is not None and truths[k] is None:
                found[k] = replace(between(*sides, number, self.format, self.tolerance), note=None)
        open_ones = [k for k, judgement in enumerate(found) if judgement.verdict is Verdict.UNDECIDED and one.ball(k)]
        if open_ones:  # torch's number was decided sooner: what is exactly 0 needs all the bits there are
            sharp = exact.enclose(self.plan.shared.core, self.arrays, MAX_BITS)
            output = sharp[self.forms(one.name)[0][1]]
            for k, ball in zip(open_ones, exact.balls(output, MAX_BITS, open_ones), strict=True):
                found[k] = self.expected(stated[k], ball if isinstance(ball, Ball) else one.ball(k), found[k])
        return numbers, Judgements.of(found)

    def expected(self, stated: Ball | None, truth: Ball | None, found: Judgement) -> Judgement:
        """Return the judgement on a stated number; where there is no derivative, none can be right or wrong."""
        if truth is None:
            return Judgement(found.verdict, note=found.note)
        if stated is None:
            return Judgement(Verdict.DISAGREE, note="the expected derivative has no value here")
        ulps, number = self.tolerance, self.format.round_dyadic(stated.midpoint)
        sure = judge(truth, number, self.format, ulps) or judge(truth, number, self.format, ulps, SLACK)
        if sure is not None and sure.verdict is Verdict.OVERFLOW:  # both are out of range: then the numbers themselves
            same = stated.overlaps(truth) and stated.is_sharp(EXACT_DIGITS[self.dtype])
            return Judgement(Verdict.AGREE if same else Verdict.DISAGREE)
        return sure or Judgement(Verdict.UNDECIDED)


def _shaped(one: Elements) -> Floats:
    """Return torch's numbers in the shape of the tensor."""
    assert one.torch is not None
    return one.torch.reshape(one.shape)
