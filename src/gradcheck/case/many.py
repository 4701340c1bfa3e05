"""The outcomes of all points of a program: each is made when somebody looks at it, their verdicts are known before."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property, partial
from typing import Any, overload

import numpy as np

from gradcheck import exact, ordinals
from gradcheck.case.batch import Batch
from gradcheck.case.cotangents import Rows, beside_ones
from gradcheck.case.one import Case, Floats
from gradcheck.case.stacked import Codes, Stack, stacks
from gradcheck.case.ways import Ways
from gradcheck.errors import LaneProblem, UsageProblem
from gradcheck.few import Few
from gradcheck.formats import FORMATS, Format
from gradcheck.gradients import GradientOutcome, Gradients
from gradcheck.judgements import Ranks
from gradcheck.lane import VMAP, Lane
from gradcheck.nested import Nested
from gradcheck.outcome import CHOICE, Outcome, Outcomes, Tally, gathered, stacked
from gradcheck.points import Point, Value
from gradcheck.settings import Settings
from gradcheck.verdict import Verdict

MIN_POINTS = 2
"""Points from which a stack is worth while."""

Indices = np.ndarray[Any, np.dtype[np.intp]]
_VERDICTS = tuple(Verdict)
_WHOLE = 2**53


class Group:
    """The outcomes of points of one plan in one dtype; the state is which were looked at.

    Points that are one number in the dtype have one outcome, but for the number that they were before.
    """

    def __init__(
        self,
        nested: Nested,
        points: Sequence[Point],
        lane: Lane,
        settings: Settings,
        truths: exact.Truths | None = None,
    ) -> None:
        """``truths`` are shared by the lanes: what is the same point in several has the same exact numbers."""
        self.truths = truths
        self.nested, self.lane = nested, lane
        self.plan, self.points, self.dtype, self.settings = nested.first, points, lane.dtype, settings.on(lane.device)
        self.stack: Stack | None = None
        self.batch = Batch(alone(points, lane.dtype)) if lane.engine == VMAP else None
        self.rows: Indices = np.arange(len(points))
        self.alone: dict[int, tuple[Case | Ways | Rows, Outcome]] = {}
        self.looked: dict[int, Outcome] = {}
        self.changed: dict[int, Outcome] = {}
        alike = lane.is_plain and not settings.jacobian  # a stack has the gradient of its sum alone
        if alike and len(points) >= MIN_POINTS and stacks(self.plan, self.dtype, self.settings):
            self.pile()
        at, firsts = np.unique(self.rows, return_index=True)
        for row, first in zip(at.tolist(), firsts.tolist(), strict=True):
            if self.stack is None or row >= len(self.stack) or not self.stack.known[row]:
                case = self.case(first)
                self.alone[row] = case, self.ran(case)

    def pile(self) -> None:
        """Put all points that differ, and are finite in the dtype, on one stack; the rows of all others are behind."""
        arrays = rounded(self.points, self.dtype)
        flat = np.concatenate([array.reshape(len(array), -1) for array in arrays.values()], axis=1)
        _, firsts, rows = np.unique(flat, axis=0, return_index=True, return_inverse=True)
        finite = np.isfinite(flat[firsts]).all(axis=1)
        order = np.argsort(~finite, kind="stable")
        if finite.sum() < MIN_POINTS:
            return
        try:
            piled = {name: array[firsts[order[: finite.sum()]]] for name, array in arrays.items()}
            self.stack = Stack(self.plan, piled, self.dtype, self.settings)
        except LaneProblem:  # which every point says for itself
            return
        self.rows = np.argsort(order)[rows.reshape(-1)]

    def case(self, i: int) -> Case | Ways | Rows:
        """Return one point as a case of its own, which has not run."""
        made: Case | Ways = (
            Case(self.plan, self.points[i], self.dtype, self.settings, truths=self.truths)
            if self.lane.is_plain
            else Ways(self.nested, self.lane, self.points[i], self.settings, self.truths, self.batch)
        )
        return Rows(made) if self.settings.jacobian else made

    def ran(self, case: Case | Ways | Rows) -> Outcome:
        """Return the outcome of a case, with what a random cotangent shows beside ones."""
        outcome = case.run()
        if isinstance(case, Rows) or self.settings.cotangent is not None:
            return outcome
        return beside_ones(case, outcome)

    def opened(self, i: int) -> tuple[Case | Ways | Rows, Outcome]:
        """Return one point as a case of its own with its outcome."""
        row = int(self.rows[i])
        if row in self.alone:
            return self.alone[row][0], self[i]
        case = self.case(i)
        self.looked[row] = self.ran(case)
        return case, self.looked[row]

    def __len__(self) -> int:
        return len(self.points)

    def __getitem__(self, i: int) -> Outcome:
        """Return the outcome of one point."""
        if i in self.changed:
            return self.changed[i]
        row, point = int(self.rows[i]), self.points[i]
        if row not in self.alone and self.stack is not None and self.stack.plain[row]:
            return self.stack.outcome(row, point)
        if row not in self.alone and row not in self.looked:
            self.looked[row] = self.ran(self.case(i))
        outcome = self.alone[row][1] if row in self.alone else self.looked[row]
        return outcome if outcome.point is point else replace(outcome, point=point)

    def gradients(self, places: Indices) -> Gradients:
        """Return the gradients of some points along a first axis; those on the stack are not made one by one."""
        if self.stack is None:
            return gathered([self[i] for i in places.tolist()])
        apart = np.isin(self.rows[places], list(self.alone))
        piled = self.piled(self.stack, self.rows[places[~apart]])
        if not apart.any():
            return piled
        others = stacked([self[i] for i in places[apart].tolist()])
        return Gradients.joined([piled, others], np.argsort(np.argsort(apart, kind="stable")))

    def piled(self, stack: Stack, rows: Indices) -> Gradients:
        """Return the gradients of rows of the stack along a first axis."""
        at = (rows[:, None] * stack.size + np.arange(stack.size)).ravel()
        shape = (len(rows), *stack.shape)
        made = []
        for one in stack.gradients:
            numbers, found = stack.stated.get(one.name, (None, None))
            made.append(GradientOutcome(
                one.name, shape, self.plan.display, one.known.part(at),
                None if one.torch is None else one.torch[at].reshape(shape), one.judgements.part(at),
                None if numbers is None else [numbers[k] for k in at.tolist()],
                None if found is None else found.part(at),
            ))  # fmt: skip
        return Gradients(made)

    # --- verdicts ---

    @cached_property
    def ranks(self) -> Ranks:
        """Return how bad each point is."""
        made = Ranks.of(int(self.rows.max(initial=-1)) + 1)
        if self.stack is not None:
            made.put(slice(len(self.stack)), self.stack.ranks)
        for row, (_, outcome) in self.alone.items():
            made.put(row, outcome.rank())
        return made.part(self.rows)

    @cached_property
    def ulps(self) -> Floats:
        """Return the largest error of the gradients at each point, nan where there is none to measure."""
        known: Floats = np.full(int(self.rows.max(initial=-1)) + 1, np.nan)
        if self.stack is not None:
            known[: len(self.stack)] = self.stack.ulps
        for row, (_, outcome) in self.alone.items():
            found = Tally.of(outcome).ulps
            known[row] = np.nan if found is None else found
        made: Floats = known[self.rows]
        return made

    def count(self, total: Tally) -> None:
        """Count the verdicts."""
        times = np.bincount(self.rows)
        for row, (_, outcome) in self.alone.items():
            total.add(Tally.of(outcome), int(times[row]))
        if self.stack is not None:
            known = np.flatnonzero(self.stack.known)
            both = (self.stack.codes, self.stack.value_codes)
            counts, values = (_counts(one[known], times[known]) for one in both)
            wrong = int(times[: len(self.stack)][self.stack.faulty & self.stack.known].sum())
            faults = Counter({Verdict.DISAGREE: wrong} if wrong else {})
            judged = [one.judgements.codes.reshape(-1, self.stack.size)[known] for one in self.stack.gradients]
            stated = [found.codes.reshape(-1, self.stack.size)[known] for _, found in self.stack.stated.values()]
            lane = {*_occurring(judged), *values, *faults}
            total.add(Tally(counts, values, faults, lane, _occurring(stated)))
        worst = np.fmax.reduce(self.ulps, initial=np.nan)
        ulps = None if np.isnan(worst) else float(worst)
        total.add(Tally(ulps=ulps, dtypes={self.dtype: None}, lanes={self.lane: None}))


def _occurring(codes: Iterable[Codes]) -> set[Verdict]:
    return {_VERDICTS[code] for one in codes for code in np.unique(one).tolist()}


def _counts(codes: Codes, times: Indices) -> Counter[Verdict]:
    found = np.bincount(codes.ravel(), np.repeat(times, codes.shape[1]), minlength=len(_VERDICTS))
    return Counter({verdict: int(count) for verdict, count in zip(_VERDICTS, found, strict=True) if count})


@dataclass(eq=False)
class Many(Outcomes):
    """The outcomes of several groups; ``groups`` and ``places`` say for each where it is."""

    parts: list[Group]
    groups: Indices
    places: Indices

    def __len__(self) -> int:
        return len(self.groups)

    @overload
    def __getitem__(self, k: int) -> Outcome: ...
    @overload
    def __getitem__(self, k: slice) -> tuple[Outcome, ...]: ...
    def __getitem__(self, k: int | slice) -> Outcome | tuple[Outcome, ...]:
        """Return one outcome, or several."""
        if isinstance(k, slice):
            return tuple(self[j] for j in range(*k.indices(len(self))))
        return self.parts[int(self.groups[k])][int(self.places[k])]

    def opened(self, k: int) -> tuple[Case | Ways | Rows, Outcome]:
        """Return one outcome with its case."""
        return self.parts[int(self.groups[k])].opened(int(self.places[k]))

    def change(self, k: int, outcome: Outcome) -> None:
        """Put an outcome in place of one that differs in nothing that is counted."""
        self.parts[int(self.groups[k])].changed[int(self.places[k])] = outcome

    @cached_property
    def ranks(self) -> Ranks:
        """Return how bad each outcome is."""
        made = Ranks.of(len(self))
        for g, part in enumerate(self.parts):
            here = np.flatnonzero(self.groups == g)
            made.put(here, part.ranks.part(self.places[here]))
        return made

    @cached_property
    def tally(self) -> Tally:
        """Return how many elements have each verdict."""
        total = Tally()
        for part in self.parts:
            part.count(total)
        return total

    def worst(self, most: int, failing: Collection[Verdict] = ()) -> tuple[Outcome, ...]:
        """Return so many outcomes, the worst in their order."""
        return tuple(self[k] for k in sorted(self.worst_places(most, failing)))

    def worst_places(self, most: int, failing: Collection[Verdict] = ()) -> list[int]:
        """Return so many places, the worst first, among them the worst of each verdict that is no plain agreement."""
        order = self.worst_first(failing)
        found, firsts = np.unique(self.ranks.severity[order], return_index=True)
        leaders = order[firsts[found > 0]].tolist()
        others = [k for k in order[:most].tolist() if k not in leaders]
        kept = {*leaders[-most:], *others[: max(most - len(leaders), 0)]}
        made: list[int] = order[np.isin(order, list(kept))].tolist()
        return made

    def worst_first(self, failing: Collection[Verdict] = ()) -> Indices:
        """Return all places: what fails comes first, then the worst; of equals the first one.

        Points that are the same number in the dtype as one before come last.
        """
        again = np.ones(len(self), dtype=np.bool_)
        for g, part in enumerate(self.parts):
            here = np.flatnonzero(self.groups == g)
            again[here[np.unique(part.rows[self.places[here]], return_index=True)[1]]] = False
        ranks = self.ranks
        fails = np.isin(ranks.severity, [verdict.severity for verdict in failing])
        return np.lexsort((-ranks.size, ~ranks.own, -ranks.severity.astype(np.int8), ~fails, again))

    def few(self, most: int, failing: Collection[Verdict]) -> Few:
        """Return what another process takes: the worst outcomes, and what is known of all."""
        return Few(len(self), self.tally, {k: self[k] for k in self.worst_places(most, failing)})

    def of(self, wanted: Callable[[Lane], bool]) -> Many:
        """Return those in some lanes."""
        kept = [g for g, part in enumerate(self.parts) if wanted(part.lane)]
        here = np.flatnonzero(np.isin(self.groups, kept))
        return Many([self.parts[g] for g in kept], np.searchsorted(kept, self.groups[here]), self.places[here])

    @property
    def gradients(self) -> Gradients:
        """Return the gradients of all points along a first axis, as they stand on the stack."""
        if len(self.parts) > 1:
            raise UsageProblem("the points have different shapes", hint=CHOICE)
        return self.parts[0].gradients(self.places) if self.parts else Gradients()


def rounded(points: Sequence[Point], dtype: str) -> Mapping[str, Floats]:
    """Return the points in a dtype as one array for each input, along the first axis."""
    fmt = FORMATS[dtype]
    return {name: _rounded([point[name] for point in points], fmt) for name in points[0]}


def alone(points: Sequence[Point], dtype: str) -> list[Mapping[str, Floats]]:
    """Return the points in a dtype, each as an array for each input."""
    arrays = rounded(points, dtype)
    return [{name: array[k] for name, array in arrays.items()} for k in range(len(points))]


def _rounded(values: Sequence[Value], fmt: Format) -> Floats:
    numbers = [one.numbers[0] for one in values if one.shape == () and isinstance(one.numbers, tuple)]
    fractions = [one for one in numbers if isinstance(one, Fraction) and _is_small(one)]
    if len(fractions) < len(values):
        to_array = partial(ordinals.rounded, fmt=fmt)
        return np.stack([one.array(fmt.round, to_array) for one in values])
    pairs = map(Fraction.as_integer_ratio, fractions)
    above, below = (np.array(side, dtype=np.float64) for side in zip(*pairs, strict=True))
    return ordinals.quotients(above, below, fmt)


def _is_small(number: Fraction) -> bool:
    return number.denominator < _WHOLE and -_WHOLE < number.numerator < _WHOLE
