"""What came out of a check: plain data that every report reads and nothing computes again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from gradcheck.blame import Blame
from gradcheck.compare import Judgement, Verdict, worst
from gradcheck.formats import Ball, Estimate
from gradcheck.points import Point
from gradcheck.program import Program, Shape
from gradcheck.settings import Exit


class Display(Protocol):
    """The texts of a report, which are made when it reads them."""

    def formula(self, name: str) -> str | None:
        """Return the closed form of the gradient by one input."""

    def lines(self) -> list[str]:
        """Return the gradient program."""

    def derivatives(self, name: str) -> dict[str, str]:
        """Return the derivative of one layer by each name it reads."""

    def make(self) -> None:
        """Make all texts at once."""


@dataclass(frozen=True, slots=True)
class LayerOutcome:
    """One layer of the user's program: what it is, what torch made of it, and the enclosure where it is small enough.

    ``judgements`` are those on the elements of the output, in row-major order, and ``blames`` say what is at fault for
    its bad ones; other layers have none, since the operations in them are judged one by one where the output is not
    right.
    """

    name: str
    text: str
    shape: Shape
    values: list[float]
    exact: list[Ball | None] | None
    grad_fn: str | None
    display: Display = field(repr=False, compare=False)
    judgements: list[Judgement] = field(default_factory=list)
    blames: list[Blame] = field(default_factory=list)

    @property
    def derivatives(self) -> dict[str, str]:
        """Return the local derivative by each name that the layer reads, as text."""
        return self.display.derivatives(self.name)


@dataclass(frozen=True, slots=True)
class Fault:
    """An operation that returned what no rounding of its own inputs can give, in its value or on the way back.

    ``blame`` says which one, and how it is wrong.
    """

    judgement: Judgement
    blame: Blame


@dataclass(frozen=True, slots=True)
class GradientOutcome:
    """The gradient by one input, element by element in row-major order.

    ``exact`` is an Estimate where a limit is not proven, and None where nothing is known; ``torch`` is None where torch
    returned no gradient. ``expected`` and ``expectations`` are there when the user stated a derivative; a number is
    None where that has no value. ``blames`` say what is at fault, one for each kind of bad element, the worst first.
    """

    input: str
    shape: Shape
    display: Display = field(repr=False, compare=False)
    exact: list[Ball | Estimate | None]
    torch: list[float] | None
    judgements: list[Judgement]
    expected: list[float | None] | None = None
    expectations: list[Judgement] | None = None
    blames: list[Blame] = field(default_factory=list)

    @property
    def formula(self) -> str | None:
        """Return the composed closed form as text, where it is short."""
        return self.display.formula(self.input)

    @property
    def proven(self) -> list[Ball | None]:
        """Return the enclosures alone."""
        return [one if isinstance(one, Ball) else None for one in self.exact]

    @property
    def blame(self) -> Blame | None:
        """Return what is at fault for the worst element, where that was looked for and found."""
        return self.blames[0] if self.blames else None

    @property
    def verdict(self) -> Verdict:
        """Return the worst verdict, the expectation's included."""
        return worst(one.verdict for one in (*self.judgements, *(self.expectations or ())))

    @property
    def worst_ulps(self) -> float | None:
        """Return the largest error in ULP that could be measured."""
        return max((one.ulps for one in self.judgements if one.ulps is not None), default=None)


@dataclass(frozen=True, slots=True)
class Outcome:
    """One program at one point in one dtype.

    ``ulps`` is the tolerance. ``faults`` are the operations that are proven wrong, those under test foremost; that one
    leaves all the gradients right does not make it right.
    """

    program: Program
    point: Point
    rounded: dict[str, list[float]]
    dtype: str
    device: str
    layers: list[LayerOutcome]
    gradients: list[GradientOutcome]
    display: Display = field(repr=False, compare=False)
    bits: int
    notes: list[str] = field(default_factory=list)
    error: str | None = None
    ulps: float = 0.0
    faults: list[Fault] = field(default_factory=list)

    @property
    def verdict(self) -> Verdict:
        """Return the worst verdict of all: on the gradients, the value, the operations, and what the user stated."""
        return worst([Verdict.AGREE, *self.verdicts(), *self.stated()])

    @property
    def gradient_program(self) -> list[str]:
        """Return the lines of the gradient program, for people."""
        return self.display.lines()

    @property
    def value(self) -> LayerOutcome | None:
        """Return the output."""
        return self.layers[-1] if self.layers else None

    def verdicts(self) -> set[Verdict]:
        """Return all verdicts on torch: on the gradients, the value of the output, and the operations."""
        if self.error is not None:
            return {Verdict.ERROR}
        values = self.value.judgements if self.value is not None else []
        judgements = [*(one for each in self.gradients for one in each.judgements), *values]
        return {one.verdict for one in (*judgements, *(fault.judgement for fault in self.faults))}

    def stated(self) -> set[Verdict]:
        """Return all verdicts on the derivatives that the user stated."""
        return {one.verdict for each in self.gradients for one in each.expectations or ()}

    def counts(self) -> Counter[Verdict]:
        """Return how many elements of the gradients have each verdict, those that the user stated included.

        An outcome that is an error counts as one.
        """
        if self.error is not None:
            return Counter({Verdict.ERROR: 1})
        found: Counter[Verdict] = Counter()
        for gradient in self.gradients:
            found.update(one.verdict for one in (*gradient.judgements, *(gradient.expectations or ())))
        return found

    def value_counts(self) -> Counter[Verdict]:
        """Return how many elements of the output's value have each verdict."""
        return Counter(one.verdict for one in (self.value.judgements if self.value is not None else ()))


@dataclass(frozen=True, slots=True)
class Run(Sequence[Outcome]):
    """All the outcomes of one call, the verdicts that make it fail, and the environment that they came from."""

    outcomes: tuple[Outcome, ...]
    ulps: float | None
    seed: int | None
    environment: dict[str, str]
    failing: frozenset[Verdict] = frozenset({Verdict.DISAGREE, Verdict.ERROR})

    def __getitem__(self, index):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN204
        return self.outcomes[index]

    def __len__(self) -> int:
        return len(self.outcomes)

    def __iter__(self) -> Iterator[Outcome]:
        return iter(self.outcomes)

    def counts(self) -> Counter[Verdict]:
        """Return how many elements have each verdict."""
        return sum((outcome.counts() for outcome in self.outcomes), Counter())

    def value_counts(self) -> Counter[Verdict]:
        """Return how many elements of the outputs' values have each verdict."""
        return sum((outcome.value_counts() for outcome in self.outcomes), Counter())

    @property
    def verdict(self) -> Verdict:
        """Return the worst verdict of all."""
        return worst([Verdict.AGREE, *(outcome.verdict for outcome in self.outcomes)])

    def verdicts(self) -> set[Verdict]:
        """Return all verdicts, on torch and on what the user stated."""
        return {one for outcome in self.outcomes for one in (*outcome.verdicts(), *outcome.stated())}

    @property
    def passed(self) -> bool:
        """Return whether something was checked and nothing failed."""
        return self.exit is Exit.PASS

    @property
    def exit(self) -> Exit:
        """Return the exit code of the run."""
        if not sum(self.counts().values()):
            return Exit.NOTHING
        return Exit.FAIL if self.failing & self.verdicts() else Exit.PASS
