"""What is said below the tables: each kind of bad elements once, and a line for every one that fails."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from rich.text import Text

from gradcheck.blame import Blame
from gradcheck.compare import Judgement
from gradcheck.formats import FORMATS, exact_text
from gradcheck.gradients import GradientOutcome
from gradcheck.judgements import Judgements
from gradcheck.outcome import LayerOutcome, Outcome, Run
from gradcheck.report import View
from gradcheck.report.blame import block, headline
from gradcheck.report.places import element, number, place, point_text
from gradcheck.report.tones import FILE_WIDTH, STYLES
from gradcheck.verdict import Verdict

SHOWN_FAILURES = 100
"""Lines of failing elements; of more, the worst ones."""
SHOWN_OUTCOMES = 32
"""Points at which elements fail, where nobody looked at them yet."""
SHOWN_BLAMES = 4
"""Kinds of bad elements for which all is shown that is known about the fault; of more, the worst ones."""


@dataclass(slots=True)
class _Kind:
    """Elements of which the same is to be said: the verdict, the words, the first place, how many, what is at fault."""

    verdict: Verdict
    note: str
    place: str
    outcome: Outcome
    blame: Blame | None = None
    count: int = 0


def _kinds(run: Run) -> list[_Kind]:
    """Return what there is to say about elements, each thing once, mildest first; elements with a known fault lead."""
    kinds: dict[tuple[Verdict, str, str], _Kind] = {}
    known: dict[tuple[Verdict, str], _Kind] = {}
    for outcome, where, one, blame, count in sorted(_elements_with_notes(run), key=lambda item: item[3] is None):
        note = one.note or ""
        if blame is None and (one.verdict, note) in known:
            known[one.verdict, note].count += count
            continue
        key = (one.verdict, note, f"{blame.cause} {blame.span}" if blame else "")
        kind = kinds.setdefault(key, _Kind(one.verdict, note, where, outcome, blame))
        kind.count += count
        known.setdefault((one.verdict, note), kind)
    return sorted(kinds.values(), key=lambda kind: kind.verdict.severity)


def _elements_with_notes(run: Run) -> Iterator[Told]:
    """Yield the elements that something is to be said about, and what is at fault where that is known."""
    for outcome in run:
        if outcome.error is not None:
            yield outcome, point_text(outcome), Judgement(Verdict.ERROR, note=outcome.error), None, 1
        for each in outcome.gradients:
            for blame in sorted(each.blames, key=lambda blame: blame.element):
                k = blame.element
                yield outcome, place(outcome, each, k), each.judgements[k], blame, 1
            blamed = [blame.element for blame in each.blames]
            for found, without in ((each.judgements, blamed), (each.expectations or Judgements(0), [])):
                for k, count in found.kinds(without):
                    if found[k].note is not None:
                        yield outcome, place(outcome, each, k), found[k], None, count
        yield from beside_the_gradients(outcome)


Told = tuple[Outcome, str, Judgement, Blame | None, int]
"""An outcome, a place in it in words, the judgement there, what is at fault, and for how many elements it stands."""


def beside_the_gradients(outcome: Outcome) -> Iterator[Told]:
    """Yield what is to be said of the output's value, and the operations at fault that nothing else names.

    The value says nothing where a gradient says the same.
    """
    blames = [blame for each in outcome.gradients for blame in each.blames]
    known = {(blame.cause, blame.span) for blame in blames}
    said = {verdict for each in outcome.gradients for verdict in each.judgements.verdicts()}
    for value, k, count, blame in _of_the_value(outcome):
        one = value.judgements[k]
        told = one.verdict in said if blame is None else (blame.cause, blame.span) in known
        if one.verdict is not Verdict.AGREE and not told:
            where = f"the value {element(value.name, value.shape, k)}, {point_text(outcome)}"
            yield outcome, where, one, blame, count
            known |= set() if blame is None else {(blame.cause, blame.span)}
    for fault in outcome.faults:
        if (fault.blame.cause, fault.blame.span) not in known:
            yield outcome, point_text(outcome), replace(fault.judgement, note=None), fault.blame, 1  # the blame says it


def _of_the_value(outcome: Outcome) -> Iterator[tuple[LayerOutcome, int, int, Blame | None]]:
    """Yield elements of the output with how many are alike, and what is at fault."""
    if (value := outcome.value) is not None:
        for blame in sorted(value.blames, key=lambda blame: blame.element):
            yield value, blame.element, 1, blame
        for k, count in value.judgements.kinds([blame.element for blame in value.blames]):
            yield value, k, count, None


def notes(run: Run, view: View, *, counted: bool = True) -> Iterator[object]:
    """Yield what there is to say about elements, below the tables, and all that is known of the faults.

    How many are alike is ``counted`` where these are all of the run.
    """
    kinds = _kinds(run)
    shown = kinds if view.everything else [kind for kind in kinds if kind.blame is not None][-SHOWN_BLAMES:]
    for kind in kinds:
        more = f" (and {kind.count - 1:,} more)" if counted and kind.count > 1 else ""
        sign = (kind.verdict.signed, STYLES[kind.verdict])
        blame = kind.blame
        if blame is None:
            yield Text.assemble(sign, f" at {kind.place}{more}: {kind.note}")
        elif kind not in shown:
            yield Text.assemble(sign, f" at {kind.place}{more}: {headline(kind.outcome, blame)}")
        else:
            # What leaves the range on the way is named below, with its place.
            note = re.sub(r"; \w+ on the way is too large .*", "", kind.note)
            yield Text.assemble(sign, f" at {kind.place}{more}{f': {note}' if note else ''}")
            yield block(run, kind.outcome, blame, kind.verdict in run.failing, view.width or FILE_WIDTH)
            yield Text()
    for note in dict.fromkeys(note for outcome in run for note in outcome.notes):
        yield Text(f"note: {note}", style="dim")


def failures(run: Run, view: View) -> Iterator[Text]:
    """Yield one line for every element that fails; of many the worst, and how many more there are."""
    few = not view.everything
    told = 0
    for outcome in run.leading(SHOWN_OUTCOMES) if few else run:
        if outcome.error is not None:
            yield Text(f"✗ error at {point_text(outcome)}: {outcome.error}", style=STYLES[Verdict.ERROR])
        for gradient in outcome.gradients:
            for line, judgements in ((_failure, gradient.judgements), (_misstated, gradient.expectations)):
                at = [] if judgements is None else judgements.ranked(run.failing)
                shown = sorted(at[: max(SHOWN_FAILURES - told, 0)] if few else at)
                told += len(shown)
                yield from (line(outcome, gradient, k) for k in shown)
        for _, where, one, blame, _ in beside_the_gradients(outcome):
            if one.verdict in run.failing:
                cause = headline(outcome, blame) if blame else one.note or ""
                yield Text(f"✗ {one.verdict} at {where}: {cause}", style=STYLES[one.verdict])
    counts = run.counts()
    left = sum(counts[verdict] for verdict in run.failing - {Verdict.ERROR}) - told
    if left > 0:
        yield Text(f"above: the worst; {left:,} more that fail are not shown (--all shows them)", style="dim")


def _failure(outcome: Outcome, gradient: GradientOutcome, k: int) -> Text:
    fmt, one = FORMATS[outcome.dtype], gradient.judgements[k]
    blame = next((blame for blame in gradient.blames if blame.element == k), None)
    cause = f": {headline(outcome, blame)}" if blame else ""
    numbers = f"autograd {number(gradient.number(k), fmt)}, exact {exact_text(gradient.exact[k], fmt)}"
    return Text(f"✗ {one.verdict} at {place(outcome, gradient, k)}: {numbers}{cause}", style=STYLES[one.verdict])


def _misstated(outcome: Outcome, gradient: GradientOutcome, k: int) -> Text:
    assert gradient.expected is not None
    assert gradient.expectations is not None
    fmt, stated = FORMATS[outcome.dtype], number(gradient.expected[k], FORMATS[outcome.dtype])
    line = f"✗ expected {stated} at {place(outcome, gradient, k)}: exact {exact_text(gradient.exact[k], fmt)}"
    return Text(line, style=STYLES[gradient.expectations[k].verdict])
