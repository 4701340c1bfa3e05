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
from gradcheck.case.climb import CROSS_CHECK_ELEMENTS, SHOWN_ELEMENTS, decide, screen
from gradcheck.case.elements import OUTSIDE, Elements, bits, places, spread
from gradcheck.case.evidence import Evidence, mismatched, once
from gradcheck.case.expected import expectation
from gradcheck.case.rest import examine_rest, rest, taken
from gradcheck.case.whole import Whole
from gradcheck.errors import LaneProblem
from gradcheck.exact import START_BITS
from gradcheck.formats import EXACT_DIGITS, FORMATS, Ball
from gradcheck.gradients import GradientOutcome, Gradients
from gradcheck.ordinals import rounded
from gradcheck.outcome import Fault, LayerOutcome, Outcome
from gradcheck.plan import Plan
from gradcheck.points import Point
from gradcheck.program import Layer
from gradcheck.reason import Kind
from gradcheck.settings import Settings
from gradcheck.verdict import Verdict

Floats = np.ndarray[Any, np.dtype[np.float64]]


class Case:
    """One point in one dtype on its way through both lanes; the state is the working precision and what is decided.

    ``larger`` is the case that its elements were taken from, with their places there. ``points`` counts those that
    stand side by side, one but for a stack of them. ``shows_operations`` says whether torch's run can be traced,
    ``has_limit`` whether a limit is the value where the formula has none, and ``outside`` why no look beside the point
    finds a derivative. ``asked`` is the only element whose one-sided derivatives are of interest; without it all of
    them are.
    """

    points = 1
    shows_operations = True
    has_limit = False
    outside: tuple[Kind, ...] = OUTSIDE

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
        layers[-1] = replace(layers[-1], judgements=value.judgements, values=shaped(value))
        return self.outcome(layers, map(self.gradient, gradients), None, faults)

    def examine(self, torch: Backward, vectors: Sequence[Backward]) -> tuple[list[Elements], Elements, list[Fault]]:
        """Return the gradients and the value, judged by what torch returned, and the operations that are wrong.

        ``vectors`` are what its vectorised kernels made of the same point, where these are others.
        """
        gradients = [
            Elements(name, self.plan.shapes[name], torch.gradients[name], self.outside) for name in self.plan.wrt
        ]
        output = torch.layers[self.plan.program.output]
        value = self.value = self.judged_value(output)
        if self.truth.is_large:
            screen(self, gradients, value)
        left = rest(self, gradients, value)
        faults = examine_rest(self, left, gradients, value, torch) if left else []
        decide(self, gradients, value)
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

    def judged_value(self, output: TorchValue) -> Elements:
        """Return the value, as it is judged."""
        return Elements(self.plan.program.output, output.shape, output)

    def backward(self, *, traced: bool = False) -> Backward:
        """Return what torch made of the program here; of elements of a larger case, what it made of all of them."""
        if self.larger is not None:
            case, at = self.larger
            return taken(case.with_operations if traced else case.backward(), at)
        return autograd.backward(
            self.plan.program, self.arrays, self.plan.wrt, dtype=self.dtype, device=self.settings.on_device,
            under_test=self.settings.under_test, traced=traced,
        )  # fmt: skip

    @cached_property
    def with_operations(self) -> Backward:
        """Return what torch made of the program here, with all operations."""
        return self.backward(traced=True)

    def vectorised(self, *, traced: bool = False) -> tuple[Backward, ...]:
        """Return what torch's vectorised kernels made of an elementwise program, which one point alone never meets."""
        if self.settings.on_device != "cpu" or self.settings.under_test:
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
        notes = [*self.notes, *of_sum(layers)]
        return Outcome(
            self.plan.program, self.point, self.arrays, self.dtype, self.settings.on_device, layers,
            Gradients(gradients), self.plan.display, self.bits, notes, error, self.tolerance, list(faults),
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

    def gradient(self, one: Elements) -> GradientOutcome:
        """Return one gradient with its verdicts, and those on what the user expects."""
        expected, expectations = expectation(self, one)
        return GradientOutcome(
            one.name, one.shape, self.plan.display, one.known, None if one.torch is None else shaped(one),
            one.judgements, expected, expectations,
        )  # fmt: skip


def of_sum(layers: Sequence[LayerOutcome]) -> list[str]:
    """Return the note that an output of several elements is differentiated as their sum."""
    count = layers[-1].values.size if layers else 1
    told = f"the output has {count:,} elements; the gradient is that of their sum, as out.sum().backward() has it"
    return [told] if count > 1 else []


def shaped(one: Elements) -> Floats:
    """Return torch's numbers in the shape of the tensor."""
    assert one.torch is not None
    return one.torch.reshape(one.shape)
