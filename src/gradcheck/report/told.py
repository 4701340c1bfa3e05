"""What is said below the tables: each kind of bad elements once, and a line for every one that fails."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from rich.text import Text

from gradcheck.blame import Cause
from gradcheck.errors import Span, plural
from gradcheck.formats import FORMATS, exact_text
from gradcheck.gradients import GradientOutcome
from gradcheck.lane import Lane
from gradcheck.outcome import Outcome, Run
from gradcheck.report import View
from gradcheck.report.blame import again, block
from gradcheck.report.contradictions import contradictions
from gradcheck.report.elements import Element, beside_the_gradients, told
from gradcheck.report.places import headline, lane_word, place, point_text, written
from gradcheck.report.tones import FILE_WIDTH, STYLES
from gradcheck.report.words import listed, one_line
from gradcheck.verdict import Verdict

SHOWN_FAILURES = 100
"""Lines of failing elements; of more, the worst ones."""
SHOWN_OUTCOMES = 32
"""Points at which elements fail, where nobody looked at them yet."""
SHOWN_BLAMES = 4
"""Kinds of bad elements for which all is shown that is known about the fault; of more, the worst ones."""


@dataclass(eq=False)
class _Kind:
    """Elements of which the same is to be said, whatever their numbers; ``worst`` is the one that stands for them.

    ``count`` says how many they are, ``points`` and ``dtypes`` at which points and in which dtypes they are, ``lanes``
    in which lanes of a dtype, and ``inputs`` by which the gradients are.
    """

    worst: Element
    count: int = 0
    points: set[int] = field(default_factory=set)
    dtypes: dict[str, None] = field(default_factory=dict)
    lanes: dict[str, Lane] = field(default_factory=dict)
    inputs: dict[str, None] = field(default_factory=dict)

    def add(self, one: Element) -> None:
        """Take one more; it stands for all where more is known of it, or else where it is worse."""
        self.worst = max(self.worst, one, key=lambda each: (each.blame is not None, each.rank))
        self.count += one.count
        self.points.add(id(one.outcome.point))
        self.dtypes |= {one.outcome.dtype: None}
        self.lanes |= {str(one.outcome.in_lane): one.outcome.in_lane}
        self.inputs |= {one.gradient.input: None} if one.gradient is not None else {}

    @property
    def others(self) -> str:
        """Return in words which others there are."""
        more, points, scalar = self.count - 1, len(self.points), self.worst.gradient
        if not more:
            return ""
        if len(self.lanes) > 1:
            count = self.count if self.count != len(self.lanes) else 0
            lanes = plural(len(self.lanes), lane_word(self.lanes.values()))
            return f" ({f'{count:,} numbers, ' if count else ''}in {lanes}{self._places})"
        if len(self.dtypes) == self.count:
            places = f", at {points:,} points" if points > 1 else ""
            return f" (and in {listed(one for one in self.dtypes if one != self.worst.outcome.dtype)}{places})"
        if len(self.dtypes) > 1:
            return f" (and {more:,} more{self._places})"
        if points == self.count:
            return f" (and at {plural(more, 'more point')})"
        if points > 1:
            return f" (and {more:,} more, at {points:,} points in all)"
        if scalar is not None and not scalar.shape and len(self.inputs) == self.count:
            return f" (and by {' and '.join(name for name in self.inputs if name != scalar.input)})"
        return f" (and {plural(more, 'more element')})"

    @property
    def _places(self) -> str:
        points = f", at {len(self.points):,} points" if len(self.points) > 1 else ""
        return f"{points}, in {listed(self.dtypes)}" if len(self.dtypes) > 1 else points


def _kinds(run: Run) -> list[_Kind]:
    """Return what there is to say about elements, each thing once, mildest first.

    Where nothing is known of an element, it is counted with those of the same verdict and note of which more is known.
    """
    kinds: dict[tuple[object, ...], _Kind] = {}
    found = [one for outcome in run for one in told(outcome)]
    for one in sorted(found, key=lambda one: one.blame is None):
        alike = (one.verdict, one.stated, one.judgement.note)
        if one.stated and one.gradient is not None:
            key: tuple[object, ...] = (one.verdict, one.gradient.input)
        else:
            key = alike if one.blame is None else (one.verdict, one.blame.cause, one.blame.span)
        kind = kinds.setdefault(key, _Kind(one))
        kinds.setdefault(alike, kind)
        kind.add(one)
    each = {id(kind): kind for kind in kinds.values()}
    return sorted(each.values(), key=lambda kind: kind.worst.rank)


def notes(run: Run, view: View, *, counted: bool = True) -> Iterator[object]:
    """Yield what there is to say about elements, below the tables, and all that is known of the faults.

    How many are alike is ``counted`` where these are all of the run.
    """
    yield from contradictions(run)
    kinds = _kinds(run)
    shown = kinds if view.everything else [kind for kind in kinds if kind.worst.blame is not None][-SHOWN_BLAMES:]
    explained: set[tuple[int, Cause, Span | None]] = set()
    for kind in kinds:
        one, blame = kind.worst, kind.worst.blame
        fault = None if blame is None else (id(one.outcome), blame.cause, blame.span)
        said = one.note if blame is None or kind in shown else headline(one.outcome, blame)
        why = ", for the same reason" if said and fault in explained else ""
        sign, others = (one.verdict.signed, STYLES[one.verdict]), kind.others if counted else ""
        yield Text.assemble(sign, f" at {one.where}{others}{f': {said}' if said else ''}{why}")
        fails = one.verdict in run.failing
        if blame is not None and kind in shown and fault not in explained:
            yield from block(run, one.outcome, blame, fails, view.width or FILE_WIDTH)
            yield Text()
        elif fails and (one.stated or fault in explained):
            yield from again(run, one.outcome)
            yield Text()
        explained |= set() if fault is None or kind not in shown else {fault}
    for note in dict.fromkeys(note for outcome in run for note in outcome.notes):
        yield Text(f"note: {note}", style="dim")


def failures(run: Run, view: View) -> Iterator[Text]:
    """Yield one line for every element that fails; of many the worst, and how many more there are."""
    few = not view.everything
    lines = 0
    for outcome in run.leading(SHOWN_OUTCOMES) if few else run:
        if outcome.error is not None:
            yield Text(f"✗ error at {point_text(outcome)}: {one_line(outcome.error)}", style=STYLES[Verdict.ERROR])
        for gradient in outcome.gradients:
            for line, judgements in ((_failure, gradient.judgements), (_misstated, gradient.expectations)):
                at = [] if judgements is None else judgements.ranked(run.failing)
                shown = sorted(at[: max(SHOWN_FAILURES - lines, 0)] if few else at)
                lines += len(shown)
                yield from (line(outcome, gradient, k) for k in shown)
        for one in beside_the_gradients(outcome):
            if one.verdict in run.failing:
                yield Text(f"✗ {one.verdict} at {one.where}: {one.message}", style=STYLES[one.verdict])
    counts = run.counts()
    left = sum(counts[verdict] for verdict in run.failing - {Verdict.ERROR}) - lines
    if left > 0:
        yield Text(f"above: the worst; {left:,} more that fail are not shown (--all shows them)", style="dim")


def _failure(outcome: Outcome, gradient: GradientOutcome, k: int) -> Text:
    blame = next((blame for blame in gradient.blames if blame.element == k), None)
    one = Element(outcome, gradient.judgements[k], gradient, k, blame=blame)
    cause = f": {headline(outcome, blame)}" if blame else ""
    return Text(f"✗ {one.verdict} at {one.where}: {one.both}{cause}", style=STYLES[one.verdict])


def _misstated(outcome: Outcome, gradient: GradientOutcome, k: int) -> Text:
    assert gradient.expected is not None
    assert gradient.expectations is not None
    fmt, stated = FORMATS[outcome.dtype], written(gradient.expected[k], FORMATS[outcome.dtype])
    line = f"✗ expected {stated} at {place(outcome, gradient, k)}: exact {exact_text(gradient.exact[k], fmt)}"
    found = gradient.misstated
    more = f"; {found.rule}" if found is not None and found.rule else ""
    return Text(f"{line}{more}", style=STYLES[gradient.expectations[k].verdict])
