"""One point in one dtype in any way of differentiating: derivatives along directions, put together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import product
from math import prod

import numpy as np

from gradcheck import autograd, exact
from gradcheck.autograd import Backward, TorchValue
from gradcheck.case.batch import Batch
from gradcheck.case.elements import OUTSIDE, Elements, Floats
from gradcheck.case.one import Case, of_sum, shaped
from gradcheck.case.roundings import Roundings
from gradcheck.errors import LaneProblem
from gradcheck.gradients import DIRECTIONS, GradientOutcome, Gradients
from gradcheck.lane import Lane
from gradcheck.nested import Nested
from gradcheck.outcome import LayerOutcome, Outcome
from gradcheck.points import Point
from gradcheck.points.value import Value, frozen
from gradcheck.program import Shape
from gradcheck.reason import Kind
from gradcheck.settings import Settings
from gradcheck.ways import Way

MAX_ELEMENTS = 4_096
"""Elements of all the derivatives of an order up to which each of them is worked out."""
MAX_DIRECTIONS = 4
"""Directions along which those of a larger order are."""
MAX_UNITS = 2
"""Directions of these, the first ones, along one element that is drawn; the others are random."""

Direction = dict[str, Floats]
"""One array for each input, of its shape."""


def unit(shapes: Mapping[str, Shape], name: str, k: int) -> Direction:
    """Return the direction of one element of the inputs that have these shapes.

    >>> unit({"x": (2,), "s": ()}, "x", 1)
    {'x': array([0., 1.]), 's': array(0.)}
    """
    made = {one: np.zeros(shape) for one, shape in shapes.items()}
    made[name].flat[k] = 1.0
    return made


class Along(Case):
    """A derivative along directions, and its gradient in one lane; of order 1 it has none, and is the gradient itself.

    torch shows no operations here: the rounding enclosure of the whole is all the evidence.
    """

    shows_operations = False

    def __init__(
        self,
        nested: Nested,
        lane: Lane,
        point: Point,
        settings: Settings,
        directions: Sequence[Direction] = (),
        truths: exact.Truths | None = None,
        batch: Batch | None = None,
    ) -> None:
        given = dict(point)
        self.user = point
        for held, direction in zip(nested.directions, directions, strict=True):
            given |= {name: _value(direction[one]) for one, name in held.items()}
        super().__init__(nested.plan, given, lane.dtype, settings, truths=truths)
        self.nested, self.lane, self.directions, self.batch = nested, lane, directions, batch
        self.whole = Roundings(self)
        # The operations of a derivative have ends that the function does not have.
        self.outside = (Kind.INFINITE,) if nested.order > 1 else OUTSIDE

    def backward(self, *, traced: bool = False) -> Backward:
        """Return what torch made of it; the layers are those of the user's program where nothing is nested."""
        del traced
        first, settings = self.nested.first, self.settings
        point = {name: self.arrays[name] for name in first.program.inputs}
        asked = autograd.Derivative(
            first.program, first.wrt, self.lane.way, tuple(self.directions), self.dtype, self.lane.device,
            self.lane.engine, settings.under_test,
        )  # fmt: skip
        found = asked.at(point) if self.batch is None else self.batch.at(asked, point)
        if self.nested.order > 1:
            return Backward({self.plan.program.output: TorchValue(np.full((), np.nan))}, dict(found.gradients), ())
        layers = self.forward()
        if found.output is not None:
            layers[first.program.output] = found.output
        return Backward(layers, dict(found.gradients), ())

    def forward(self) -> dict[str, TorchValue]:
        """Return the layers of the user's program, by torch as it is."""
        first = self.nested.first
        point = {name: self.arrays[name] for name in first.program.inputs}
        return autograd.forward(
            first.program, point, dtype=self.dtype, device=self.lane.device, under_test=self.settings.under_test
        )

    def vectorised(self, *, traced: bool = False) -> tuple[Backward, ...]:
        """Return nothing: what other kernels make of the point is for the plain lane to see."""
        del traced
        return ()

    def judged_value(self, output: TorchValue) -> Elements:
        """Return the value, of which nothing is judged where it is a derivative itself."""
        nested = self.nested.order > 1
        return Elements(self.plan.program.output, output.shape, None if nested else output)

    @cached_property
    def has_limit(self) -> bool:  # type: ignore[override]  # worked out where Case has a constant
        """Return whether the derivative of one order less exists here, so that its limit is what it is.

        A function that is continuous has the limit of its slopes for a derivative where they have one.
        """
        if self.nested.order == 1:
            return False
        lower, last = Nested(self.nested.first, self.nested.order - 1), self.directions[-1]
        lane = replace(self.lane, way=Way(self.lane.way.steps[1:]))
        below = Along(lower, lane, self.user, self.settings, self.directions[:-1], self.truths)
        gradients, _, _ = below.examine(below.backward(), ())
        return all(one.known[k] is not None for one in gradients for k in np.flatnonzero(last[one.name]).tolist())

    def gradients(self) -> tuple[Gradients, Elements, dict[str, TorchValue]]:
        """Return the gradients with their verdicts, the value, and the layers that came with it."""
        torch = self.backward()
        gradients, value, _ = self.examine(torch, ())
        self.sharpen(gradients)
        return Gradients(map(self.gradient, gradients)), value, torch.layers


class Ways:
    """One point in one lane that is not the plain one; the state is what was worked out along each direction."""

    seconds = 0.0

    def __init__(
        self,
        nested: Nested,
        lane: Lane,
        point: Point,
        settings: Settings,
        truths: exact.Truths | None = None,
        batch: Batch | None = None,
    ) -> None:
        """``batch`` holds all points of the lane where torch's batching rules run on them at once."""
        self.nested, self.lane, self.point, self.settings, self.truths = nested, lane, point, settings, truths
        self.batch = batch

    def along(self, directions: Sequence[Direction] = ()) -> Along:
        """Return the case along some directions."""
        return Along(self.nested, self.lane, self.point, self.settings, directions, self.truths, self.batch)

    def run(self) -> Outcome:
        """Return what came out of both lanes."""
        case = self.along(self.units()[0] if self.nested.order > 1 else ())
        try:
            if self.nested.order == 1:
                gradients, layers = self.first(case)
            else:  # of the value nothing is judged there
                gradients, layers = self.higher(), self.layers(case.forward())
        except LaneProblem as problem:
            return self.outcome(case, [], Gradients(), str(problem))
        return self.outcome(case, layers, gradients, None)

    def first(self, case: Along) -> tuple[Gradients, list[LayerOutcome]]:
        """Return the gradients of order 1, and the layers: the value is the one that was judged with them."""
        found, value, torch = case.gradients()
        layers = self.layers(torch)
        layers[-1] = replace(layers[-1], judgements=value.judgements, values=shaped(value))
        return found, layers

    def layers(self, torch: dict[str, TorchValue]) -> list[LayerOutcome]:
        """Return the layers of the user's program in both lanes."""
        first = Case(self.nested.first, self.point, self.lane.dtype, self.settings, truths=self.truths)
        return [first.layer(one, torch[one.name], first.enclosed(one.name)) for one in first.plan.program.layers]

    def outcome(self, case: Along, layers: list[LayerOutcome], gradients: Gradients, error: str | None) -> Outcome:
        """Return the outcome of these parts."""
        first = self.nested.first
        arrays = {name: case.arrays[name] for name in self.point}
        return Outcome(
            first.program, self.point, arrays, self.lane.dtype, self.lane.device, layers, gradients, first.display,
            case.bits, [*case.notes, *of_sum(layers), *self.notes], error, case.tolerance, [], self.lane,
        )  # fmt: skip

    # --- higher orders ---

    @property
    def elements(self) -> int:
        """Return how many elements the inputs have."""
        return sum(prod(self.nested.first.shapes[name]) for name in self.nested.first.wrt)

    @property
    def is_whole(self) -> bool:
        """Return whether every element of the derivative is worked out, or only those along a few directions."""
        return bool(self.elements**self.nested.order <= MAX_ELEMENTS)

    @property
    def notes(self) -> list[str]:
        """Return what is to be said of what was not worked out."""
        if self.nested.order == 1 or self.is_whole:
            return []
        count, order = self.elements**self.nested.order, self.nested.order
        return [
            f"of the {count:,} derivatives of order {order} only those along {MAX_DIRECTIONS} directions were checked, "
            f"the last {MAX_DIRECTIONS - MAX_UNITS} of them random with the seed {self.settings.seed}"
        ]

    def units(self) -> list[tuple[Direction, ...]]:
        """Return the directions: one for each element of the inputs at each inner step, or a few."""
        inner = self.nested.order - 1
        if self.is_whole:
            every = [self.unit(name, k) for name in self.nested.first.wrt for k in range(self.size(name))]
            return list(product(every, repeat=inner))
        random = np.random.default_rng(self.settings.seed)
        drawn = [self.some] * MAX_UNITS + [self.random] * (MAX_DIRECTIONS - MAX_UNITS)
        return [tuple(draw(random) for _ in range(inner)) for draw in drawn]

    def size(self, name: str) -> int:
        """Return how many elements an input has."""
        return prod(self.nested.first.shapes[name])

    def unit(self, name: str, k: int) -> Direction:
        """Return the direction of one element."""
        return unit({one: self.nested.first.shapes[one] for one in self.nested.first.wrt}, name, k)

    def some(self, random: np.random.Generator) -> Direction:
        """Return the direction of one element that is drawn."""
        owners = [(name, k) for name in self.nested.first.wrt for k in range(self.size(name))]
        return self.unit(*owners[random.integers(len(owners))])

    def random(self, random: np.random.Generator) -> Direction:
        """Return a direction of numbers that every format holds: multiples of 1/8, from 1/8 to 2, of either sign."""
        shapes = self.nested.first.shapes
        return {
            one: random.integers(1, 17, shapes[one]) / 8 * random.choice([-1.0, 1.0], shapes[one])
            for one in self.nested.first.wrt
        }

    def higher(self) -> Gradients:
        """Return the derivatives by each combination of inputs, an axis for every axis of each, in order."""
        rows = [self.along(directions).gradients()[0] for directions in self.units()]
        if not self.is_whole:
            count, more = (DIRECTIONS, (len(rows),)), ((DIRECTIONS, ()),) * (self.nested.order - 2)
            return Gradients(self.named(one, (count, *more)) for one in Gradients.stacked(rows))
        return Gradients(
            one for along, part in self.combinations() for one in self.block(along, [rows[k] for k in part])
        )

    def combinations(self) -> Iterator[tuple[tuple[str, ...], list[int]]]:
        """Yield the inputs of the inner steps, with the places of their directions among all."""
        wrt, inner = self.nested.first.wrt, self.nested.order - 1
        owners = [name for name in wrt for _ in range(self.size(name))]
        every = list(product(owners, repeat=inner))
        for along in product(wrt, repeat=inner):
            yield along, [k for k, one in enumerate(every) if one == along]

    def block(self, along: tuple[str, ...], rows: list[Gradients]) -> Iterator[GradientOutcome]:
        """Yield the derivatives by some inputs in turn, and then by each input."""
        shapes = tuple((name, self.nested.first.shapes[name]) for name in along)
        for one in Gradients.stacked(rows):
            yield self.named(one, shapes)

    def named(self, one: GradientOutcome, along: tuple[tuple[str, Shape], ...]) -> GradientOutcome:
        """Return derivatives that stand along a first axis in the shape of what they are by."""
        shape = tuple(size for _, held in along for size in held) + one.shape[1:]
        torch = None if one.torch is None else one.torch.reshape(shape)
        return replace(one, shape=shape, torch=torch, along=along, display=self.nested.first.display)


def _value(array: Floats) -> Value:
    return Value(array.shape, frozen(np.asarray(array, dtype=np.float64).ravel()), "...")
