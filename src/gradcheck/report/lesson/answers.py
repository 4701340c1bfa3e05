"""The answer of a lesson in a line for each input: the derivative, what autograd has, and the verdict."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from gradcheck.explanation.formulas.lines import Numeral, Sign
from gradcheck.explanation.model import Chain, Explanation
from gradcheck.outcome import LayerOutcome
from gradcheck.report.lesson.blocks import Code, Inline, Mark, Maths, Sentence
from gradcheck.report.lesson.values import Values
from gradcheck.verdict import Verdict


def answers(explanation: Explanation, values: Values) -> Iterator[Sentence]:
    """Yield the answer by every input; of the value, and of further points, where there is something to say."""
    for chain in explanation.chains:
        yield Sentence(tuple(_gradient(chain, values)), "answer")
    value = explanation.run[0].value
    if value is not None and set(value.judgements.verdicts()) - {Verdict.AGREE}:
        yield Sentence(tuple(_value(value, values)), "answer")
    if len(explanation.run) > 1:
        yield Sentence((f"all {len(explanation.run)} points: ", *_counted(explanation.run.counts())), "answer")


def _gradient(chain: Chain, values: Values) -> Iterator[Inline]:
    if chain.gradient.shape:
        yield Code(f"{chain.input}.grad")
        yield ": "
        yield from _counted(Counter(map(Verdict, chain.verdicts)))
        return
    [verdict], [ball] = chain.verdicts, chain.gradient.exact or (None,)
    if ball is None:
        yield Maths((chain.title,))
        yield " has no number here"
    else:
        yield Maths((chain.title, Sign("=" if ball.exact else "≈"), Numeral(values.first(chain.gradient))))
    yield "; autograd has "
    yield values.torch(chain.gradient)
    yield ": "
    yield Mark(Verdict(verdict))


def _value(value: LayerOutcome, values: Values) -> Iterator[Inline]:
    yield "the value"
    if not value.shape:
        yield f": autograd has {values.format.text(value.values.item())}"
    yield ": "
    yield from _counted(Counter(one.verdict for one in value.judgements))


def _counted(counts: Counter[Verdict]) -> Iterator[Inline]:
    """Yield how many there are of each verdict, the mildest first."""
    found = [verdict for verdict in Verdict if counts[verdict]]
    for k, verdict in enumerate(found):
        yield f"{', ' if k else ''}{counts[verdict]:,} "
        yield Mark(verdict)
