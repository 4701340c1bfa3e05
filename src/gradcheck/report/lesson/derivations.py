"""The derivations of a lesson: one rule after the other, each with what it leaves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gradcheck.errors import plural
from gradcheck.explanation.formulas.lines import Sign
from gradcheck.explanation.model import Derivation, Explanation, Step
from gradcheck.explanation.shown import Formula, derivative
from gradcheck.program import Call, Name, call
from gradcheck.report.lesson.blocks import Block, Break, Equation, Formulas, Heading, Inline, Maths, Sentence, Strong
from gradcheck.report.lesson.forward import evaluation
from gradcheck.report.lesson.values import Values, rounded

SHOWN_USES = 3
"""Uses of a rule in one step for which it is said what its letters stand for."""
MAX_PLACE = 60
"""Characters of what the letters of a rule stand for."""
EQUALS, UNKNOWN = Sign("="), Sign("?")
SUM = call("add", Name("u"), Name("v"))
"""An example of what may be differentiated."""
ENCLOSURE = (
    " An enclosure is a pair of bounds, many digits long, between which the true number is sure to lie; "
    "those of all the lines meet."
)  # fmt: skip


def derivations(explanation: Explanation, values: Values, *, hint: bool, exercise: bool) -> Iterator[Block]:
    """Yield the derivations."""
    yield from worked(explanation.derivations, values, set(), hint=hint, exercise=exercise)


def rules_of(some: Sequence[Derivation]) -> set[str]:
    """Return the names of the rules that derivations use."""
    return {step.rule.name for one in some for step in one.steps}


def worked(
    some: Sequence[Derivation], values: Values, told: set[str], *, hint: bool, exercise: bool, level: int = 2
) -> Iterator[Block]:
    """Yield derivations; ``told`` are the names of the rules that have had their sentence."""
    for k, one in enumerate(some):
        if k:
            yield Break()
        yield Heading((Maths((one.title,)), ", step by step"), level)
        yield from _derivation(one, told, hint=hint, exercise=exercise)
        if not exercise:
            yield Break()
            yield from _proved(one, values, first=k == 0 and level == 2)


def _derivation(one: Derivation, told: set[str], *, hint: bool, exercise: bool) -> Iterator[Block]:
    partial = isinstance(one.title.node, Call) and bool(one.title.node.param("partial"))
    if not told:
        yield Sentence(
            (
                Maths((Formula(derivative(SUM, "x")),)),
                " is the derivative of ",
                Maths((Formula(SUM),)),
                ", still to be taken.",
            ),
            "open",
        )
    lines: list[Equation] = [Equation((rounded(one.start, partial),), (one.title,))]
    for step in one.steps:
        lines += _step(step, told, partial, hint=hint, exercise=exercise)
        told.add(step.rule.name)
    for k, line in enumerate(lines):
        if k:
            yield Break()
        yield Formulas((line,), goes_on=k > 0)


def _step(step: Step, told: set[str], partial: bool, *, hint: bool, exercise: bool) -> list[Equation]:
    """Return the lines of one step: with a hint the rule has a line of its own."""
    result = (UNKNOWN,) if exercise else (rounded(step.result, partial),)
    why = tuple(_rule(step, partial))
    aside = () if step.rule.name in told else (step.rule.sentence,)
    if hint and not exercise:
        return [Equation(why=why, aside=aside), Equation(result)]
    return [Equation(result, why=why, aside=aside)]


def _rule(step: Step, partial: bool) -> Iterator[Inline]:
    """Yield the name of a rule, the rule itself, and what its letters stand for where that is short."""
    rule = step.rule
    yield Strong(rule.title)
    if rule.left is not None and rule.right is not None:
        yield ": "
        yield Maths((rounded(rule.left, partial), EQUALS, rounded(rule.right, partial)))
    places = [use.lets for use in step.uses if len(step.uses) <= SHOWN_USES]
    for k, lets in enumerate(places):
        found = [(name, formula) for name, formula in lets if name in "uvw"]
        if found and sum(len(str(formula)) for _, formula in found) <= MAX_PLACE:
            yield "; " if k else ", where "
            for m, (name, formula) in enumerate(found):
                yield ", " if m else ""
                yield Maths((Formula(Name(name)), EQUALS, formula))


def _proved(one: Derivation, values: Values, *, first: bool) -> Iterator[Block]:
    if one.evaluation is not None:
        yield Sentence(("At the point:",), "open")
        yield from evaluation(one.evaluation, values)
    known = [ball for ball in one.numbers.exact or () if ball is not None]
    if known:
        alone = len(one.numbers.exact or ()) == 1
        said = f"is {values.first(one.numbers)} at this point" if alone else "has the same value"
        place = "" if alone else f" at {plural(len(known), 'element')}"
        yield Sentence((f"Each line {said}{place}: proved by enclosure.{ENCLOSURE if first else ''}",), "note")
