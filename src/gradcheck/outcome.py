"""What came out of a check: plain data that every report reads and nothing computes again."""

from __future__ import annotations

from abc import abstractmethod
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, overload

import numpy as np

from gradcheck.blame import Blame
from gradcheck.compare import Judgement, Rank
from gradcheck.errors import UsageProblem, printable
from gradcheck.exits import Exit
from gradcheck.formats import Ball
from gradcheck.gradients import Display, GradientOutcome, Gradients
from gradcheck.judgements import Judgements, ranks
from gradcheck.lane import Lane
from gradcheck.points import Point
from gradcheck.program import Program, Shape
from gradcheck.settings import Settings
from gradcheck.verdict import Verdict, counted, worst

Floats = np.ndarray[Any, np.dtype[np.float64]]

LEADING = 16
"""Outcomes, the worst of many, that what is said in words looks at."""
SHORT = 48
"""Characters of a program, or of the value of an input, in the one line of a ``repr``."""
CHOICE = "choose an outcome: run[0].gradients"


@dataclass(frozen=True, slots=True)
class LayerOutcome:
    """One layer of the user's program: what it is, what torch made of it, and the enclosure where it is small enough.

    ``judgements`` are those on the elements of the output, in row-major order, and ``blames`` say what is at fault for
    its bad ones; other layers have none, since the operations in them are judged one by one where the output is not
    right.

    >>> from gradcheck import check
    >>> layer = check("y = 3*x; y**2", 2)[0].layers[1]
    >>> layer.text, layer.derivatives, layer.values, layer.grad_fn, layer.judgements[0].verdict
    ('y**2', {'y': '2*y'}, array(36.), 'PowBackward0', <Verdict.AGREE: 'agree'>)
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

    >>> import torch
    >>> from gradcheck import check
    >>> [fault] = check("sin(x)", 1, under_test={"sin": lambda x: 1.01*torch.sin(x)})[0].faults[:1]
    >>> fault.blame.operation, str(fault.blame.cause), fault.judgement.verdict
    ('sin', 'wrong-value', <Verdict.DISAGREE: 'disagree'>)
    """

    judgement: Judgement
    blame: Blame


@dataclass(frozen=True, slots=True, repr=False)
class Outcome:
    """One program at one point in one dtype: an element of a run.

    ``rounded`` holds the point as it is in the dtype, by the names of the inputs: float64 arrays of their shapes.
    ``gradients`` are found by the same names, ``layers`` in the order of the program. ``ulps`` is the tolerance in ULP,
    ``bits`` the working precision of the balls. ``faults`` are the operations that are proven wrong, those under test
    foremost; that one leaves all the gradients right does not make it right. ``error`` says why torch could not run the
    program, and then there are no layers and no gradients.

    >>> from gradcheck import check
    >>> run = check("y = 3*x; sum(y**2)", x=[1, 0.1])
    >>> run[0]
    <Outcome 'y = 3*x; sum(y**2)' at x of shape (2,) in float32: agree (2 agree)>
    >>> run[0].layers[0].values, run[0].gradients["x"].torch
    (array([3.        , 0.30000001]), array([18.        ,  1.80000007]))
    """

    program: Program
    point: Point
    rounded: dict[str, Floats]
    dtype: str
    device: str
    layers: list[LayerOutcome]
    gradients: Gradients
    display: Display = field(repr=False, compare=False)
    bits: int
    notes: list[str] = field(default_factory=list)
    error: str | None = None
    ulps: float = 0.0
    faults: list[Fault] = field(default_factory=list)
    lane: Lane | None = None

    @property
    def in_lane(self) -> Lane:
        """Return the lane: the plain backward pass of torch as it is, where no other was asked for."""
        return Lane(self.dtype, device=self.device) if self.lane is None else self.lane

    def __repr__(self) -> str:
        at = ", ".join(
            f"{name} of shape {one.shape}" if one.shape and one.written is None else f"{name} = {_short(one.text)}"
            for name, one in self.point.items()
        )
        return f"<Outcome {_short(self.program.source)!r} at {at} in {self.dtype}{self.in_lane.told}: {_told(self)}>"

    @property
    def verdict(self) -> Verdict:
        """Return the worst verdict of all: on the gradients, the value, the operations, and what the user stated."""
        return worst([Verdict.AGREE, *self.verdicts(), *self.stated()])

    def rank(self, by: GradientOutcome | None = None) -> Rank:
        """Return how bad its worst is; what a gradient by another input has is left out where one is named."""
        if self.error is not None:
            return Judgement(Verdict.ERROR).rank()
        gradients = [*self.gradients] if by is None else [by]
        values = [] if self.value is None else [self.value.judgements]
        stated = [one.expectations for one in gradients if one.expectations is not None]
        judged = ranks([*(one.judgements for one in gradients), *values], stated, rows=1)[0]
        return max([judged, *(fault.judgement.rank() for fault in self.faults)])

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

    ``faults`` counts the operations that are proven wrong, ``lane`` are the verdicts on torch that occur anywhere, and
    ``stated`` those on what the user stated. ``ulps`` is the largest error of a gradient that could be measured;
    ``dtypes`` and ``lanes`` are in order.

    >>> from gradcheck import check
    >>> tally = check("abs(x)", "0,1").tally
    >>> dict(tally.counts), tally.ulps, list(tally.dtypes)
    ({<Verdict.KINK: 'kink'>: 1, <Verdict.AGREE: 'agree'>: 1}, 0.0, ['float32'])
    """

    counts: Counter[Verdict] = field(default_factory=Counter)
    values: Counter[Verdict] = field(default_factory=Counter)
    faults: Counter[Verdict] = field(default_factory=Counter)
    lane: set[Verdict] = field(default_factory=set)
    stated: set[Verdict] = field(default_factory=set)
    ulps: float | None = None
    dtypes: dict[str, None] = field(default_factory=dict)
    lanes: dict[Lane, None] = field(default_factory=dict)

    @staticmethod
    def of(outcome: Outcome) -> Tally:
        """Return what there is in one outcome."""
        faults = Counter(fault.judgement.verdict for fault in outcome.faults)
        ulps = [one for one in (each.worst_ulps for each in outcome.gradients) if one is not None]
        return Tally(
            outcome.counts(), outcome.value_counts(), faults, outcome.verdicts(), outcome.stated(),
            max(ulps, default=None), {outcome.dtype: None}, {outcome.in_lane: None},
        )  # fmt: skip

    @property
    def verdicts(self) -> set[Verdict]:
        """Return all verdicts, on torch and on what the user stated."""
        return self.lane | self.stated

    def add(self, other: Tally, times: int = 1) -> None:
        """Add what there is in another, so many times."""
        pairs = (self.counts, other.counts), (self.values, other.values), (self.faults, other.faults)
        for mine, theirs in pairs:
            mine.update({verdict: times * count for verdict, count in theirs.items()})
        self.lane |= other.lane
        self.stated |= other.stated
        self.dtypes |= other.dtypes
        self.lanes |= other.lanes
        known = [one for one in (self.ulps, other.ulps) if one is not None]
        self.ulps = max(known, default=None)


class Outcomes(Sequence[Outcome]):
    """Outcomes that are made when somebody looks at them; their verdicts are known before.

    >>> from gradcheck import check
    >>> many = check("x**2", "0:1:5000").outcomes
    >>> len(many), many.tally.counts.total(), [one.verdict.value for one in many.worst(2)]
    (5000, 5000, ['agree', 'agree'])
    """

    @property
    @abstractmethod
    def tally(self) -> Tally:
        """Return how many elements have each verdict."""

    @abstractmethod
    def worst(self, most: int, failing: Collection[Verdict] = ()) -> Sequence[Outcome]:
        """Return so many of them, the worst in their order; those that fail are worse than all others."""

    @abstractmethod
    def few(self, most: int, failing: Collection[Verdict]) -> Outcomes:
        """Return these with no more than the worst of them at hand, which another process takes."""

    @abstractmethod
    def of(self, wanted: Callable[[Lane], bool]) -> Outcomes:
        """Return those in some lanes."""

    @property
    @abstractmethod
    def gradients(self) -> Gradients:
        """Return the gradients of all points, along a first axis; the points have one shape, and the lane is one."""


@dataclass(frozen=True, slots=True, repr=False)
class Run(Sequence[Outcome]):
    """All the outcomes of one call: a sequence with one for each point and lane, the lanes of a point together.

    ``failing`` are the verdicts that make it fail, ``ulps`` is the tolerance in ULP that was asked for, None where each
    dtype had its own, ``environment`` the versions that the numbers depend on. ``print(run)`` shows the table that the
    command prints, and a notebook the same in colours: ``writers`` hold what writes them, by the form. ``asked`` is how
    it was checked, None where no command line can say it: code of the user's was under test. ``cotangent`` is that of
    an output of several elements, None for ones with what a random one shows beside these.

    >>> from gradcheck import check
    >>> run = check("x**2", "1,2,3")
    >>> run, run.passed, len(run), run[2].gradients["x"].torch
    (<Run 'x**2' in float32: agree (3 agree)>, True, 3, array(6.))
    """

    outcomes: Sequence[Outcome]
    ulps: float | None
    seed: int | None
    environment: dict[str, str]
    failing: frozenset[Verdict] = frozenset({Verdict.DISAGREE, Verdict.ERROR})
    writers: Mapping[str, Callable[[Run], str]] = field(default_factory=dict, compare=False)
    asked: Settings | None = field(default=None, compare=False)
    cotangent: str | None = None

    def __repr__(self) -> str:
        text = "".join(f" {_short(one.program.source)!r}" for one in self.leading(1)[:1])
        dtypes = " and ".join(self.tally.dtypes)
        ways = dict.fromkeys(map(str, self.lanes))
        by = f" by {' and '.join(ways)}" if any(one.told for one in self.lanes) else ""
        return f"<Run{text}{f' in {dtypes}' if dtypes else ''}{by}: {_told(self)}>"

    def __str__(self) -> str:
        return self.writers["text"](self) if "text" in self.writers else repr(self)

    def _repr_html_(self) -> str | None:
        """Return what a notebook shows."""
        return self.writers["html"](self) if "html" in self.writers else None

    @overload
    def __getitem__(self, index: int) -> Outcome: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Outcome]: ...
    def __getitem__(self, index: int | slice) -> Outcome | Sequence[Outcome]:
        """Return one outcome, or several."""
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
    def gradients(self) -> Gradients:
        """Return the gradients by the names of the inputs; those of several points have these along a first axis.

        Raises UsageProblem for several lanes, of which ``of`` chooses one, for points of several shapes, and where
        torch could not run the program at one of them.

        >>> from gradcheck import check
        >>> check("x**2", x=[1, 2, 3]).gradients["x"].torch
        array([2., 4., 6.])
        >>> found = check("x**2", "x=1:3:3").gradients["x"]
        >>> found.lower, found.ulps, found.verdicts
        (array([2., 4., 6.]), array([0., 0., 0.]), array(['agree', 'agree', 'agree'], dtype='<U9'))
        """
        self._one_lane()
        if isinstance(self.outcomes, Outcomes):
            return self.outcomes.gradients
        return gathered(self.outcomes)

    @property
    def lanes(self) -> tuple[Lane, ...]:
        """Return the lanes: each is a way of differentiating, an engine, a device and a dtype.

        >>> from gradcheck import check
        >>> [(one.dtype, str(one.way), one.engine) for one in check("x**3", 2, way="rev,fwd").lanes]
        [('float32', 'rev', 'eager'), ('float32', 'fwd', 'eager')]
        """
        return tuple(self.tally.lanes)

    def of(self, *names: str) -> Run:
        """Return the part of the run that is in one lane, or in some: by a dtype, a way, an engine or a device.

        Raises UsageProblem where there is none.

        >>> from gradcheck import check
        >>> run = check("x**3", x=[1, 2], dtype="float32,float64", way="rev,fwd")
        >>> run.of("float64", "fwd").gradients["x"].torch
        array([ 3., 12.])
        """

        def wanted(lane: Lane) -> bool:
            return all(name in lane.names for name in names)

        if not any(map(wanted, self.lanes)):
            every = dict.fromkeys(lane.title for lane in self.lanes)
            raise UsageProblem(f"the run has nothing in {' and '.join(names)}", hint=f"it has {' and '.join(every)}")
        if isinstance(self.outcomes, Outcomes):
            return replace(self, outcomes=self.outcomes.of(wanted))
        return replace(self, outcomes=tuple(one for one in self.outcomes if wanted(one.in_lane)))

    def _one_lane(self) -> None:
        """Raise UsageProblem where the run has several lanes."""
        for what, key in (("dtype", "in"), ("way", "by"), ("engine", "with"), ("device", "on")):
            found = [*dict.fromkeys(str(getattr(lane, what)) for lane in self.lanes)]
            if len(found) > 1:
                raise UsageProblem(f"the run has gradients {key} {' and '.join(found)}", hint=_choice(found[0]))

    def leading(self, most: int = LEADING) -> Sequence[Outcome]:
        """Return all outcomes; where many are not made yet, so many of the worst, in their order."""
        return self.outcomes.worst(most, self.failing) if isinstance(self.outcomes, Outcomes) else self.outcomes

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


def _told(found: Outcome | Run) -> str:
    """Return the verdict, and how many elements of the gradients have which."""
    counts = found.counts()
    if not sum(counts.values()):
        return "nothing was checked"
    return f"{found.verdict} ({counted(counts)})"


def _short(text: str) -> str:
    line = " ".join(printable(part).strip() for part in text.splitlines())
    return line if len(line) <= SHORT else f"{line[: SHORT - 3]}..."


def gathered(outcomes: Sequence[Outcome]) -> Gradients:
    """Return the gradients of the only outcome, or those of several along a first axis.

    >>> from gradcheck import check
    >>> gathered(check("x**2", "1,2")[:])["x"].torch
    array([2., 4.])
    """
    return outcomes[0].gradients if len(outcomes) == 1 else stacked(outcomes)


def stacked(outcomes: Sequence[Outcome]) -> Gradients:
    """Return the gradients of outcomes along a first axis; raises UsageProblem where their shapes differ.

    >>> from gradcheck import check
    >>> stacked(check("x**2", "1")[:])["x"].shape
    (1,)
    """
    for outcome in outcomes:
        if outcome.error is not None:
            raise UsageProblem(f"there is a point without a gradient: {outcome.error}", hint=CHOICE)
    if len({tuple(one.shape for one in outcome.gradients) for outcome in outcomes}) > 1:
        raise UsageProblem("the points have different shapes", hint=CHOICE)
    return Gradients.stacked([outcome.gradients for outcome in outcomes])


def _choice(name: str) -> str:
    return f'choose one, run.of("{name}").gradients, or an outcome, run[0].gradients'
