"""What came out of a check: plain data that every report reads and nothing computes again."""

from __future__ import annotations

from abc import abstractmethod
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from gradcheck.blame import Blame
from gradcheck.bounds import Enclosures
from gradcheck.compare import Judgement
from gradcheck.exits import Exit
from gradcheck.formats import Ball
from gradcheck.judgements import VERDICTS, Judgements
from gradcheck.points import Point
from gradcheck.program import Program, Shape
from gradcheck.verdict import Verdict, worst

Floats = np.ndarray[Any, np.dtype[np.float64]]


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
    values: Floats
    exact: list[Ball | None] | None
    grad_fn: str | None
    display: Display = field(repr=False, compare=False)
    judgements: Judgements = field(default_factory=lambda: Judgements(0))
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
    exact: Enclosures
    torch: Floats | None
    judgements: Judgements
    expected: list[float | None] | None = None
    expectations: Judgements | None = None
    blames: list[Blame] = field(default_factory=list)

    def ball(self, k: int) -> Ball | None:
        """Return the proven enclosure of one element, by its place in row-major order."""
        known = self.exact[k]
        return known if isinstance(known, Ball) else None

    def balls(self) -> tuple[Ball | None, ...]:
        """Return the proven enclosures of all elements."""
        return tuple(map(self.ball, range(len(self.exact))))

    def number(self, k: int) -> float | None:
        """Return torch's number for one element, None where torch returned no gradient."""
        return None if self.torch is None else float(self.torch.item(k))

    @property
    def formula(self) -> str | None:
        """Return the composed closed form as text, where it is short."""
        return self.display.formula(self.input)

    @property
    def lower(self) -> Floats:
        """Return the greatest float64 that is proven to be at most each exact number, nan where nothing is proven."""
        return self.exact.lower.reshape(self.shape)

    @property
    def upper(self) -> Floats:
        """Return the least float64 that is proven to be at least each exact number, nan where nothing is proven."""
        return self.exact.upper.reshape(self.shape)

    @property
    def ulps(self) -> Floats:
        """Return an upper bound of each error in ULP of the dtype, nan where there is none to measure."""
        return self.judgements.ulps.reshape(self.shape)

    @property
    def verdicts(self) -> np.ndarray[Any, np.dtype[np.str_]]:
        """Return the verdicts as words."""
        return np.array(VERDICTS, dtype=np.str_)[self.judgements.codes].reshape(self.shape)

    @property
    def blame(self) -> Blame | None:
        """Return what is at fault for the worst element, where that was looked for and found."""
        return self.blames[0] if self.blames else None

    @property
    def verdict(self) -> Verdict:
        """Return the worst verdict, the expectation's included."""
        return worst({*self.judgements.verdicts(), *self.stated()})

    def stated(self) -> set[Verdict]:
        """Return the verdicts on what the user stated."""
        return set() if self.expectations is None else self.expectations.verdicts()

    def mildest_first(self) -> list[int]:
        """Return all elements, the worst last: by verdict, then by ULP; what the user stated counts as well."""
        judged = [one for one in (self.judgements, self.expectations) if one is not None]
        codes = np.array([one.codes for one in judged])
        ulps = np.array([one.ulps for one in judged])
        far = np.where((codes == codes.max(axis=0)) & ~np.isnan(ulps), ulps, 0.0).max(axis=0)
        order: list[int] = np.lexsort((far, codes.max(axis=0))).tolist()
        return order

    @property
    def worst_ulps(self) -> float | None:
        """Return the largest error in ULP that could be measured."""
        return self.judgements.worst_ulps


@dataclass(frozen=True, slots=True)
class Outcome:
    """One program at one point in one dtype.

    ``ulps`` is the tolerance. ``faults`` are the operations that are proven wrong, those under test foremost; that one
    leaves all the gradients right does not make it right.
    """

    program: Program
    point: Point
    rounded: dict[str, Floats]
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
        values = [self.value.judgements] if self.value is not None else []
        judged = (one.verdicts() for one in (*(each.judgements for each in self.gradients), *values))
        return set().union({fault.judgement.verdict for fault in self.faults}, *judged)

    def stated(self) -> set[Verdict]:
        """Return all verdicts on the derivatives that the user stated."""
        return {verdict for each in self.gradients for verdict in each.stated()}

    def counts(self) -> Counter[Verdict]:
        """Return how many elements of the gradients have each verdict, those that the user stated included.

        An outcome that is an error counts as one.
        """
        if self.error is not None:
            return Counter({Verdict.ERROR: 1})
        found: Counter[Verdict] = Counter()
        for gradient in self.gradients:
            found.update(gradient.judgements.counts())
            found.update(gradient.expectations.counts() if gradient.expectations is not None else ())
        return found

    def value_counts(self) -> Counter[Verdict]:
        """Return how many elements of the output's value have each verdict."""
        return self.value.judgements.counts() if self.value is not None else Counter()


@dataclass(slots=True)
class Tally:
    """How many elements of gradients, what is stated of them included, and of values have each verdict.

    ``faults`` counts the operations that are proven wrong, ``verdicts`` are all that occur anywhere. ``ulps`` is the
    largest error of a gradient that could be measured; ``dtypes`` are in order.
    """

    counts: Counter[Verdict] = field(default_factory=Counter)
    values: Counter[Verdict] = field(default_factory=Counter)
    faults: Counter[Verdict] = field(default_factory=Counter)
    verdicts: set[Verdict] = field(default_factory=set)
    ulps: float | None = None
    dtypes: dict[str, None] = field(default_factory=dict)

    @staticmethod
    def of(outcome: Outcome) -> Tally:
        """Return what there is in one outcome."""
        faults = Counter(fault.judgement.verdict for fault in outcome.faults)
        ulps = [one for one in (each.worst_ulps for each in outcome.gradients) if one is not None]
        every = outcome.verdicts() | outcome.stated()
        return Tally(
            outcome.counts(), outcome.value_counts(), faults, every, max(ulps, default=None), {outcome.dtype: None}
        )

    def add(self, other: Tally, times: int = 1) -> None:
        """Add what there is in another, so many times."""
        pairs = (self.counts, other.counts), (self.values, other.values), (self.faults, other.faults)
        for mine, theirs in pairs:
            mine.update({verdict: times * count for verdict, count in theirs.items()})
        self.verdicts |= other.verdicts
        self.dtypes |= other.dtypes
        known = [one for one in (self.ulps, other.ulps) if one is not None]
        self.ulps = max(known, default=None)


class Outcomes(Sequence[Outcome]):
    """Outcomes that are made when somebody looks at them; their verdicts are known before."""

    @property
    @abstractmethod
    def tally(self) -> Tally:
        """Return how many elements have each verdict."""

    @abstractmethod
    def worst(self, most: int) -> Sequence[Outcome]:
        """Return so many of them, the worst in their order."""


@dataclass(frozen=True, slots=True)
class Run(Sequence[Outcome]):
    """All the outcomes of one call, the verdicts that make it fail, and the environment that they came from."""

    outcomes: Sequence[Outcome]
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

    @property
    def tally(self) -> Tally:
        """Return how many elements have each verdict."""
        if isinstance(self.outcomes, Outcomes):
            return self.outcomes.tally
        total = Tally()
        for outcome in self.outcomes:
            total.add(Tally.of(outcome))
        return total

    def counts(self) -> Counter[Verdict]:
        """Return how many elements have each verdict."""
        return self.tally.counts

    def value_counts(self) -> Counter[Verdict]:
        """Return how many elements of the outputs' values have each verdict."""
        return self.tally.values

    @property
    def verdict(self) -> Verdict:
        """Return the worst verdict of all."""
        return worst([Verdict.AGREE, *self.tally.verdicts])

    def verdicts(self) -> set[Verdict]:
        """Return all verdicts, on torch and on what the user stated."""
        return self.tally.verdicts

    @property
    def passed(self) -> bool:
        """Return whether something was checked and nothing failed."""
        return self.exit is Exit.PASS

    @property
    def exit(self) -> Exit:
        """Return the exit code of the run."""
        tally = self.tally
        if not sum(tally.counts.values()):
            return Exit.NOTHING
        return Exit.FAIL if self.failing & tally.verdicts else Exit.PASS
