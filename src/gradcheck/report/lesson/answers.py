"""The answer of a lesson in a line for each input: the derivative, what autograd has, and the verdict."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction

from gradcheck.explanation.formulas.lines import Numeral, Sign
from gradcheck.explanation.model import Chain, Explanation
from gradcheck.explanation.shown import Formula
from gradcheck.formats import Ball, exact_text
from gradcheck.outcome import LayerOutcome
from gradcheck.program import Name
from gradcheck.report.lesson.blocks import Code, Inline, Mark, Maths, Sentence
from gradcheck.report.lesson.forward import called
from gradcheck.report.lesson.values import Values
from gradcheck.verdict import Verdict


def answers(explanation: Explanation, values: Values) -> Iterator[Sentence]:
    """Yield the answer by every input; of the value, and of further points, where there is something to say."""
    for chain in explanation.chains:
        yield Sentence(tuple(_gradient(chain, values)), "answer")
    value = explanation.run[0].value
    if value is not None and set(value.judgements.verdicts()) - {Verdict.AGREE}:
        yield Sentence(tuple(_value(value, called(explanation, explanation.forward.stages[-1]), values)), "answer")
    if len(explanation.run) > 1:
        yield Sentence((f"all {len(explanation.run)} points: ", *_counted(explanation.run.counts())), "answer")


def _gradient(chain: Chain, values: Values) -> Iterator[Inline]:
    if chain.gradient.shape:
        yield Code(f"{chain.input}.grad")
        yield ": "
        yield from _counted(Counter(map(Verdict, chain.verdicts)))
        return
    yield from _number(chain.title, (chain.gradient.exact or (None,))[0], values)
    yield "; autograd has "
    yield values.torch(chain.gradient)
    yield ": "
    yield Mark(Verdict(chain.verdicts[0]))


def _value(value: LayerOutcome, called: str, values: Values) -> Iterator[Inline]:
    if value.shape:
        yield Code(called)
        yield ": "
        yield from _counted(value.judgements.counts())
        return
    yield from _number(Formula(Name(called)), (value.exact or [None])[0], values)
    yield f"; torch has {values.format.text(value.values.item())}: "
    yield Mark(value.judgements[0].verdict)


def _number(what: Formula, ball: Ball | None, values: Values) -> Iterator[Inline]:
    """Yield what something is exactly, as far as it is known."""
    if ball is None:
        yield Maths((what,))
        yield " has no number here"
    else:
        text = exact_text(ball, values.format)
        exact = ball.exact and ball.contains(Fraction(Decimal(text)))
        yield Maths((what, Sign("=" if exact else "≈"), Numeral(text)))


def _counted(counts: Counter[Verdict]) -> Iterator[Inline]:
    """Yield how many there are of each verdict, the mildest first."""
    found = [verdict for verdict in Verdict if counts[verdict]]
    for k, verdict in enumerate(found):
        yield f"{', ' if k else ''}{counts[verdict]:,} "
        yield Mark(verdict)
