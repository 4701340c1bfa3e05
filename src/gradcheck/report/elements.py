"""The judged elements of a run that something is to be said about, and the one that leads: what, where, and how bad."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from math import isfinite

from gradcheck.blame import Blame, Cause
from gradcheck.compare import Judgement, Rank
from gradcheck.errors import Span
from gradcheck.formats import FORMATS, exact_text, spoken
from gradcheck.gradients import GradientOutcome
from gradcheck.judgements import Judgements
from gradcheck.outcome import LayerOutcome, Outcome, Run
from gradcheck.report.places import element, headline, place, point_text, written
from gradcheck.report.words import one_line
from gradcheck.verdict import Verdict


@dataclass(frozen=True, slots=True)
class Element:
    """One thing that was judged: of a gradient, of what the user stated for it, of the value, or an operation.

    ``k`` is its place in row-major order, ``blame`` what is at fault where that is known, ``count`` for how many alike
    it stands.
    """

    outcome: Outcome
    judgement: Judgement
    gradient: GradientOutcome | None = None
    k: int = 0
    stated: bool = False
    value: LayerOutcome | None = None
    blame: Blame | None = None
    count: int = 1

    @property
    def verdict(self) -> Verdict:
        """Return the verdict on it."""
        return self.judgement.verdict

    @property
    def rank(self) -> Rank:
        """Return how bad it is."""
        return self.judgement.rank(stated=self.stated)

    @property
    def where(self) -> str:
        """Return its place in words."""
        if self.value is not None:
            where = f"the value {element(self.value.name, self.value.shape, self.k)}, {point_text(self.outcome)}"
        else:
            where = place(self.outcome, self.gradient, self.k) if self.gradient else point_text(self.outcome)
        return one_line(where)

    @property
    def numbers(self) -> str | None:
        """Return torch's number, or the stated one, and the exact one in words; None where they explain nothing."""
        return self.both if self.verdict.measured else None

    @property
    def both(self) -> str | None:
        """Return torch's number, or the stated one, and the exact one in words; None where there is no gradient."""
        if self.gradient is None:
            return None
        fmt = FORMATS[self.outcome.dtype]
        value = (self.gradient.expected or [None])[self.k] if self.stated else self.gradient.number(self.k)
        whose = "expected" if self.stated else "autograd"
        return f"{whose} {written(value, fmt)}, exact {exact_text(self.gradient.exact[self.k], fmt)}"

    @property
    def note(self) -> str:
        """Return what there is to say about it; where torch has nan or infinity for a number, which number that is."""
        misstated = self.gradient.misstated if self.gradient is not None and self.stated else None
        if misstated is not None and misstated.element == self.k:
            return misstated.sentence
        if self.stated:
            return self.judgement.note or self.numbers or ""
        return self._not_finite() or self.judgement.note or ""

    @property
    def message(self) -> str:
        """Return its numbers, and what is at fault or else what there is to say, in one line."""
        told = self.note if self.stated else self.judgement.note
        reason = headline(self.outcome, self.blame) if self.blame is not None else one_line(told or "")
        return ": ".join(dict.fromkeys(part for part in (self.numbers, reason) if part))

    def _not_finite(self) -> str | None:
        """Return that torch has no number, and which it should be, None where it has one or there is none to have."""
        if self.verdict is not Verdict.DISAGREE:
            return None
        if self.gradient is not None:
            what = "autograd's gradient" if self.gradient.order == 1 else "autograd's derivative"
            value, exact = self.gradient.number(self.k), self.gradient.ball(self.k)
        elif self.value is not None:
            what, value = "torch's value", self.value.values.item(self.k)
            exact = None if self.value.exact is None else self.value.exact[self.k]
        else:
            return None
        if exact is None or value is None or isfinite(value):
            return None
        fmt = FORMATS[self.outcome.dtype]
        return f"{what} is {fmt.text(value)}; the true one is {spoken(exact, fmt)}"


def worst(run: Run) -> Element | None:
    """Return the element that leads: what fails, then what is worst, then what is known; None where nothing was judged.

    >>> from gradcheck import check
    >>> found = worst(check("log(1+exp(x))", x=[1, 100, 2]))
    >>> found.where, found.message
    ('x[1] = 100 in float32', 'autograd nan, exact 1: overflow at exp(x)')
    """
    ranked = (one for outcome in run.leading() for one in _leading(outcome))
    return max(ranked, key=lambda one: (one.verdict in run.failing, one.rank, one.blame is not None), default=None)


def _leading(outcome: Outcome) -> Iterator[Element]:
    """Yield the elements of which one leads: the worst of each verdict, and those that something is known of."""
    yield from _error(outcome)
    for gradient in outcome.gradients:
        for stated, found, blames in _respects(gradient):
            for k in sorted({*blames, *(found.leading(verdict) for verdict in found.verdicts())}):
                yield Element(outcome, found[k], gradient, k, stated, blame=blames.get(k))
    yield from beside_the_gradients(outcome)


def told(outcome: Outcome) -> Iterator[Element]:
    """Yield the elements that something is to be said about; of a gradient those come first of which more is known."""
    yield from _error(outcome)
    for gradient in outcome.gradients:
        for stated, found, blames in _respects(gradient):
            if stated:
                wrong = found.ranked([Verdict.DISAGREE])
                yield from (Element(outcome, found[k], gradient, k, True, count=len(wrong)) for k in wrong[:1])
                continue
            for k, blame in sorted(blames.items()):
                yield Element(outcome, found[k], gradient, k, blame=blame)
            for k, count in found.kinds(sorted(blames)):
                if found[k].note is not None:
                    yield Element(outcome, found[k], gradient, k, count=count)
    yield from beside_the_gradients(outcome)


def beside_the_gradients(outcome: Outcome) -> Iterator[Element]:
    """Yield what is to be said of the output's value, and the operations at fault that nothing else names.

    The value says nothing where a gradient says the same and is as bad.
    """
    known: dict[tuple[Cause, Span | None], int] = {}
    for each in outcome.gradients:
        for blame in each.blames:
            key = blame.cause, blame.span
            known[key] = max(known.get(key, 0), each.judgements[blame.element].verdict.severity)
    said = {verdict for each in outcome.gradients for verdict in each.judgements.verdicts()}
    for one in _of_the_value(outcome):
        fault = None if one.blame is None else (one.blame.cause, one.blame.span)
        again = one.verdict in said if fault is None else known.get(fault, -1) >= one.verdict.severity
        if one.verdict is not Verdict.AGREE and not again:
            yield one
            known |= {} if fault is None else {fault: one.verdict.severity}
    for wrong in outcome.faults:
        if (wrong.blame.cause, wrong.blame.span) not in known:
            yield Element(outcome, replace(wrong.judgement, note=None), blame=wrong.blame)  # the blame says it


def _error(outcome: Outcome) -> Iterator[Element]:
    if outcome.error is not None:
        yield Element(outcome, Judgement(Verdict.ERROR, note=outcome.error))


def _respects(gradient: GradientOutcome) -> Iterator[tuple[bool, Judgements, Mapping[int, Blame]]]:
    """Yield the judgements on torch's numbers with what is at fault, and those on the stated ones."""
    yield False, gradient.judgements, {blame.element: blame for blame in reversed(gradient.blames)}
    if gradient.expectations is not None:
        yield True, gradient.expectations, {}


def _of_the_value(outcome: Outcome) -> Iterator[Element]:
    """Yield elements of the output, those of which more is known first."""
    if (value := outcome.value) is not None:
        found = value.judgements
        blames = {blame.element: blame for blame in reversed(value.blames)}
        for k, blame in sorted(blames.items()):
            yield Element(outcome, found[k], k=k, value=value, blame=blame)
        for k, count in found.kinds(sorted(blames)):
            yield Element(outcome, found[k], k=k, value=value, count=count)
