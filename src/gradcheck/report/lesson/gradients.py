"""The gradients of a lesson: autograd's numbers beside the exact ones, and what they mean."""

from __future__ import annotations

from collections.abc import Iterator

from gradcheck.errors import plural
from gradcheck.explanation.model import Chain, Explanation
from gradcheck.formats import exact_text
from gradcheck.program import unravel
from gradcheck.report.lesson.blocks import (
    Block,
    Break,
    Code,
    Column,
    Equation,
    Formulas,
    Heading,
    Mark,
    Rows,
    Sentence,
    Words,
)
from gradcheck.report.lesson.values import Values
from gradcheck.report.places import ulp_text
from gradcheck.verdict import Verdict

SHOWN_ROWS = 16
"""Elements of a gradient in its table; of more, the worst where torch is not right, else the first."""
COLUMNS = (
    Column(("element",), 3), Column(("point",), 3, right=True), Column(("exact",), 3, right=True),
    Column(("autograd",), 3, right=True), Column(("ULP",), 2, right=True), Column(("verdict",), 2),
)  # fmt: skip


def gradients(explanation: Explanation, values: Values) -> Iterator[Block]:
    """Yield what autograd accumulated for every input, and what the gradient means."""
    for k, chain in enumerate(explanation.chains):
        if k:
            yield Break()
        yield Heading(("What autograd accumulated in ", Code(f"{chain.input}.grad")))
        if chain.closed is not None:
            yield Formulas((Equation((chain.closed,), (chain.title,)),))
        yield from _gradient(chain, values)
    if explanation.meaning is not None:
        yield Sentence((explanation.meaning,), "meaning")


def _gradient(one: Chain, values: Values) -> Iterator[Block]:
    shown = _shown(one)
    yield Rows(COLUMNS, tuple(_element(one, k, values) for k in shown))
    left = len(one.verdicts) - len(shown)
    if left:
        yield Sentence((f"{plural(left, 'more element')} not shown.",), "note")


def _shown(one: Chain) -> list[int]:
    places = range(len(one.verdicts))
    order = sorted(places, key=lambda k: -Verdict(one.verdicts[k]).severity)
    return sorted(order[:SHOWN_ROWS])


def _element(one: Chain, k: int, values: Values) -> tuple[Words, ...]:
    place = ", ".join(map(str, unravel(one.gradient.shape, k)))
    found, text = one.gradient.torch, values.format.text
    return (
        (Code(f"{one.input}[{place}]" if place else one.input),), (text((one.point.torch or ())[k]),),
        (exact_text((one.gradient.exact or ())[k], values.format),), ("none" if found is None else text(found[k]),),
        (ulp_text(one.gradient.ulps[k]),), (Mark(Verdict(one.verdicts[k])),),
    )  # fmt: skip
