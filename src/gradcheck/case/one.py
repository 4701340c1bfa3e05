"""One point in one dtype on its way through both lanes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cached_property, partial
from math import prod
from time import thread_time
from typing import Any

import numpy as np

from gradcheck import autograd, exact
from gradcheck.autograd import Backward, TorchValue
from gradcheck.bounds import Bounds, Enclosures
from gradcheck.case.aside import look_aside
from gradcheck.case.elements import Element, Elements, bits, places, spread
from gradcheck.case.evidence import Evidence, mismatched, once
from gradcheck.case.rest import examine_rest, rest, taken
from gradcheck.case.whole import Whole
from gradcheck.compare import SLACK, Judgement, between, judge
from gradcheck.errors import LaneProblem
from gradcheck.exact import MAX_BITS, START_BITS
from gradcheck.formats import EXACT_DIGITS, FORMATS, Ball
from gradcheck.gradients import GradientOutcome, Gradients
from gradcheck.judgements import Judgements
from gradcheck.ordinals import rounded
from gradcheck.outcome import Fault, LayerOutcome, Outcome
from gradcheck.plan import Plan
from gradcheck.points import Point
from gradcheck.program import Layer
from gradcheck.settings import Settings
from gradcheck.verdict import Verdict

CROSS_CHECK_ELEMENTS = 4_096
"""Elements up to which the fused closed forms are evaluated too, as a cross-check of the node-level program."""
SCREENED_ELEMENTS = 65_536
"""Elements up to which machine intervals evaluate the closed forms as well."""
SHOWN_ELEMENTS = 64
"""Elements of a layer up to which its enclosure is kept for the report."""


Floats = np.ndarray[Any, np.dtype[np.float64]]


class Case:
    """One point in one dtype on its way through both lanes; the state is the working precision and what is decided.

    ``larger`` is the case that its elements were taken from, with their places there. ``points`` counts those that
    stand side by side, one but for a stack of them. ``asked`` is the only element whose one-sided derivatives are of
    interest; without it all of them are.
    """

    points = 1

    def __init__(
        self,
        plan: Plan,
        point: Point,
        dtype: str,
        settings: Settings,
        asked: tuple[str, int] | None = None,
        truths: exact.Truths | None = None,
    ) -> None:
        self.plan = plan
        self.point = point
        self.dtype = dtype
        self.settings = settings
        self.format = FORMATS[dtype]
        self.tolerance = settings.tolerance(dtype)
        to_array = partial(rounded, fmt=self.format)
        self.arrays = {name: value.array(self.format.round, to_array) for name, value in point.items()}
        self.truths = truths or exact.Truths()
        self.bits = START_BITS
        self.asked = asked
        self.unsteady: dict[str, list[int]] = {}
        self.notes: list[str] = []
        self.evidence: list[Evidence] = []
        self.larger: tuple[Case, list[int]] | None = None
        self.whole = Whole(self)
        self.value: Elements | None = None
        self.screened: dict[str, Bounds] = {}
        self.seconds = 0.0

    @cached_property
    def truth(self) -> exact.Truth:
        """Return the exact numbers of the gradient program here."""
        return self.truths.get(self.plan.shared.core, self.arrays)

    @property
    def numbers(self) -> int:
        """Return how many numbers the inputs and the layers of the user's program have."""
        return sum(map(prod, self.plan.shapes.values()))

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
        start = thread_time()
        gradients, value, faults = self.examine(torch, self.vectorised())
        self.seconds = thread_time() - start
        faults += map(mismatched, torch.mismatches)
        self.sharpen(gradients)
        layers = [self.layer(one, torch.layers[one.name], self.enclosed(one.name)) for one in self.plan.program.layers]
        layers[-1] = replace(layers[-1], judgements=value.judgements, values=_shaped(value))
        return self.outcome(layers, map(self.gradient, gradients), None, faults)

    def examine(
        self, torch: Backward, vectors: Sequence[Backward]
    ) -> tuple[list[Elements], Elements, list[Fault]]:
        """Return the gradients and the value, judged by what torch returned, and the operations that are wrong.

        ``vectors`` are what its vectorised kernels made of the same point, where these are others.
        """
        gradients = [Elements(name, self.plan.shapes[name], torch.gradients[name]) for name in self.plan.wrt]
        output = torch.layers[self.plan.program.output]
        value = self.value = Elements(self.plan.program.output, output.shape, output)
        if self.truth.is_large:
            self.screen(gradients, value)
        left = rest(self, gradients, value)
        faults = examine_rest(self, left, gradients, value, torch) if left else []
        self.decide(gradients, value)
        value.at_infinity(self.signs(value))
        if self.settings.nondet:
            self.repeat(gradients, torch)
        self.evidence = [Evidence(self, torch, None)]
        for k, run in enumerate(vectors):
            self.evidence.append(Evidence(self, run, k))
            self.take(run, gradients, value)
        if not left:
            look_aside(self, gradients)
        return gradients, value, once([*faults, *self.explain(gradients, value)])

    def backward(self, *, traced: bool = False) -> Backward:
        """Return what torch made of the program here; of elements of a larger case, what it made of all of them."""
        if self.larger is not None:
            case, at = self.larger
            return taken(case.with_operations if traced else case.backward(), at)
        return autograd.backward(
            self.plan.program, self.arrays, self.plan.wrt, dtype=self.dtype, device=self.settings.device,
            under_test=self.settings.under_test, traced=traced,
        )  # fmt: skip

    @cached_property
    def with_operations(self) -> Backward:
        """Return what torch made of the program here, with all operations."""
        return self.backward(traced=True)

    def vectorised(self, *, traced: bool = False) -> tuple[Backward, ...]:
        """Return what torch's vectorised kernels made of an elementwise program, which one point alone never meets."""
        if self.settings.device != "cpu" or self.settings.under_test:
            return ()
        return autograd.vectorised(self.plan.program, self.arrays, self.plan.wrt, dtype=self.dtype, traced=traced)

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
        gradients: Iterable[GradientOutcome],
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
            self.plan.program, self.point, self.arrays, self.dtype, self.settings.device, layers, Gradients(gradients),
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

    @property
    def values(self) -> exact.Values:
        """Return the exact values of all layers, as the last evaluation has them."""
        return self.truth.values(self.bits)

    def signs(self, value: Elements) -> dict[int, int]:
        """Return the sign of each element of the value that is infinite."""
        missing = value.known.missing
        if not missing:
            return {}
        found = self.truth.arrays({value.name: missing}, self.bits)[value.name]
        return {k: sign for k, sign in zip(missing, map(exact.sign_at_infinity, found), strict=True) if sign}

    def layer(self, layer: Layer, torch: TorchValue, balls: list[Ball | None] | None) -> LayerOutcome:
        """Return one layer in both lanes."""
        source = self.plan.program.source[layer.span.start : layer.span.end]
        text = re.sub(rf"^{re.escape(layer.name)}\s*=\s*", "", source)
        return LayerOutcome(layer.name, text, torch.shape, torch.array, balls, torch.grad_fn, self.plan.display)

    # --- gradients ---

    def decide(self, gradients: list[Elements], value: Elements) -> None:
        """Judge every element, step by step up the ladder of precision while one is open."""
        judged = [*gradients, value]
        if sum(len(one.open) for one in judged) > CROSS_CHECK_ELEMENTS:
            self.settle(gradients, value)
        pole = None
        while any(one.open for one in judged):
            closed = self.closed(gradients)
            for one, nodes in zip(judged, self.elements(gradients, value), strict=True):
                one.settle(nodes, closed.get(one.name) or [None] * len(nodes), self.format, self.tolerance)
            if all(not one.open for one in judged):
                return
            if all(one.lacks_numbers for one in judged) and self.bits > START_BITS:
                pole = self.pole()
            if pole is not None or self.bits >= MAX_BITS:
                break
            self.bits *= 2
        for one in judged:
            one.give_up(pole, self.bits, self.format, self.tolerance)

    def settle(self, gradients: list[Elements], value: Elements) -> None:
        """Judge what the ends of balls in float64 decide, for so many open elements that each by itself takes long."""
        names = dict(zip([*self.plan.shared.program.outputs, value.name], [*gradients, value], strict=True))
        wanted = {name: one.open for name, one in names.items()}
        for name, found in self.truth.arrays(wanted, self.bits).items():
            one = names[name]
            one.narrow_all(wanted[name], *exact.ends(found), self.format, self.tolerance)
            left = found[one.is_open[wanted[name]]]
            nodes = self.at_infinity(name, one.open, exact.balls(left, self.bits))
            one.settle(nodes, [None] * len(nodes), self.format, self.tolerance)

    def screen(self, gradients: list[Elements], value: Elements) -> None:
        """Judge what machine intervals decide, from both forms of each gradient."""
        names = [layer.name for layer in self.plan.program.layers]
        small = {name for name in names if prod(self.plan.shapes[name]) <= SHOWN_ELEMENTS}
        outputs = self.plan.shared.program.outputs
        self.screened = self.truth.bounds({*outputs, value.name, *small})
        closed = {} if sum(len(one.known) for one in gradients) > SCREENED_ELEMENTS else self.screened_forms()
        for one, output in zip(gradients, outputs, strict=True):
            one.screen(self.screened[output], closed.get(one.name), self.format, self.tolerance)
        value.screen(self.screened[value.name], None, self.format, self.tolerance)
        wide = {name: one for name, one in zip([*outputs, value.name], [*gradients, value], strict=True) if one.wide}
        if wide and self.truth.is_costly({name: one.wide for name, one in wide.items()}):
            for name, bounds in self.truth.bounds(wide, extended=True).items():
                both = self.screened[name].meet(bounds)
                wide[name].screen(both, closed.get(wide[name].name), self.format, self.tolerance)

    def screened_forms(self) -> dict[str, Bounds]:
        """Return the closed form of each gradient in machine intervals."""
        found: dict[str, Bounds] = {}
        for name, (core, output) in self.plan.closed.items():
            found[name] = self.truths.get(core, self.arrays).bounds([output])[output]
        return found

    def enclosed(self, name: str) -> list[Ball | None] | None:
        """Return the enclosure of each element of a layer, where it is small enough."""
        if prod(self.plan.shapes[name]) > SHOWN_ELEMENTS:
            return None
        if name in self.screened:
            known = Enclosures.bounded(self.screened[name])
            if missing := known.missing:
                for k, one in zip(missing, self.truth.some({name: missing}, self.bits)[name], strict=True):
                    known[k] = one if isinstance(one, Ball) else None
            return [one if isinstance(one, Ball) else None for one in known]
        return [one if isinstance(one, Ball) else None for one in exact.balls(self.values[name], self.bits)]

    def explain(self, gradients: list[Elements], value: Elements) -> list[Fault]:
        """Ask of every disagreement whether rounding explains it, and return the operations that are wrong.

        The ordinary check, all within the tolerance and nothing of the user's under test, never comes here.
        """
        if not self.settings.under_test and not any(one.disagreements() for one in (*gradients, value)):
            return []
        used = [self.evidence[0]]
        for one in (*gradients, value):
            name = None if one is value else one.name
            if self.truth.is_large:
                self.whole.sharpen(one, name, one.unexplained)
                if plain := self.plainly_from(one, name):
                    self.evidence[0].explain(one, name, plain)
            for k in one.unexplained:
                truth, number = one.truth(k), one.number(k)
                if truth is not None and number is not None:
                    smooth = one is value or k not in one.kinks
                    evidence = self.witness(name, k, number)
                    used += [] if evidence in used else [evidence]
                    one.explain(k, evidence.rounding(name, k, truth, number, smooth=smooth), self.format)
        return once(one for each in used for one in each.faults)

    def plainly_from(self, one: Elements, name: str | None) -> list[int]:
        """Return the elements that disagree, are smooth, and have the number that the plain run of torch gave."""
        first = self.evidence[0].first
        found = first.layers[self.plan.program.output] if name is None else first.gradients[name]
        if one.torch is None or found is None:
            return []
        mask = one.judgements.is_(Verdict.DISAGREE) & (bits(one.torch) == bits(found.array.ravel()))
        mask &= np.isfinite(one.known.lower) & np.isfinite(one.known.upper)
        mask[one.kinks] = False
        mask &= ~one.asked
        return places(mask)

    def sharpen(self, gradients: list[Elements]) -> None:
        """Enclose what is decided but not known to the digits that are shown once more, with more bits."""
        if sum(len(one.known) for one in gradients) > CROSS_CHECK_ELEMENTS:
            return
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

    def elements(self, gradients: list[Elements], value: Elements) -> list[list[Element]]:
        """Return the enclosures of the elements that are open, of each gradient and of the value."""
        outputs = self.plan.shared.program.outputs
        names = [*outputs, value.name]
        wanted = {name: one.open for name, one in zip(names, [*gradients, value], strict=True)}
        found = self.truth.some(wanted, self.bits)
        made: list[list[Element]] = [self.at_infinity(name, wanted[name], found[name]) for name in outputs]
        return [*made, [*found[value.name]]]

    def at_infinity(self, output: str, at: Sequence[int], found: Sequence[Element]) -> list[Element]:
        """Return elements of a gradient with the limits of those that have no number because something is infinite."""
        core = self.plan.shared.core
        if None not in found or not (self.infinite or exact.has_infinity(core)):
            return list(found)
        missing = [index for index, one in zip(at, found, strict=True) if one is None]
        limits = dict(zip(missing, exact.at_infinity(core, self.arrays, output, missing), strict=True))
        nothing = "infinite" if self.infinite else None
        return [one or limits.get(index) or nothing for index, one in zip(at, found, strict=True)]

    def closed(self, gradients: list[Elements]) -> dict[str, list[Element]]:
        """Return the open elements from the fused closed forms, the cross-check of small tensors."""
        if sum(len(one.open) for one in gradients) > CROSS_CHECK_ELEMENTS:
            return {}
        made: dict[str, list[Element]] = {}
        for one in gradients:
            core, output = self.plan.closed[one.name]
            made[one.name] = [*self.truths.get(core, self.arrays).some({output: one.open}, self.bits)[output]]
        return made

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
