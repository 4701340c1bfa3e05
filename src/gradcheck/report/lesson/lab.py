"""The rest of the lab in a lesson: tracking switched off, and gradients that accumulate."""

from __future__ import annotations

from collections.abc import Iterator

from gradcheck.explanation.model import Accumulation, Tracking
from gradcheck.explanation.shown import Formula
from gradcheck.report.lesson.blocks import Block, Code, Column, Heading, Inline, Maths, Rows, Sentence, Words
from gradcheck.report.lesson.values import Values
from gradcheck.report.places import ulp_text


def tracking(one: Tracking, values: Values) -> Iterator[Block]:
    """Yield what is lost where tracking is switched off."""
    yield Heading(("Tracking switched off: ", Code(one.place)))
    yield Sentence((one.sentence,))
    if one.backward is not None:
        yield Sentence((one.backward,))
    found: Inline = "none" if one.kind == "freeze" else values.exact(one.kept_numbers)
    rows: list[tuple[Words, ...]] = [
        (("as if it were tracked",), _cell(one.whole), (values.exact(one.whole_numbers),)),
        (("what backward() finds",), _cell(one.kept), (found,)),
    ]
    if one.lost is not None and one.kind != "freeze":
        rows.append((("what is lost",), _cell(one.lost), ()))
    columns = Column(("the gradient by ", Code(one.input)), 3), Column(("formula",), 4), Column(("value",), 4)
    yield Rows(columns, tuple(rows))


def _cell(formula: Formula | None) -> Words:
    return () if formula is None else (Maths((formula,)),)


def accumulation(one: Accumulation, values: Values) -> Iterator[Block]:
    """Yield what several passes add up to."""
    grad = f"{one.input}.grad"
    yield Heading((Code(grad), " without zeroing"))
    yield Sentence((
        Code("backward()"), " adds to ", Code(grad), "; without ", Code(f"{grad}.zero_()"),
        " each pass finds what the passes before have left.",
    ))  # fmt: skip
    inputs = list(one.passes[0].point)
    rows = [
        ((str(k),), *((values.torch(each.point[name]),) for name in inputs), (values.exact(each.gradient),),
         (values.torch(each.accumulated),), (values.exact(each.accumulated),), (ulp_text(each.accumulated.worst),))
        for k, each in enumerate(one.passes, 1)
    ]  # fmt: skip
    columns = (
        Column(("pass",), 1), *(Column((name,), 2) for name in inputs), Column(("gradient here",), 3),
        Column((f"{grad} after it",), 3), Column(("sum of the exact",), 3), Column(("ULP",), 1, right=True),
    )  # fmt: skip
    yield Rows(columns, tuple(rows))
