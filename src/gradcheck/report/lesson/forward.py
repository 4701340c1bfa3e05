"""The forward pass of a lesson: what each layer is, and formulas of numbers worked out at the point."""

from __future__ import annotations

from collections.abc import Iterator

from gradcheck.explanation.formulas.lines import Line, Numeral, Sign
from gradcheck.explanation.model import Evaluation, Explanation, Leaf, Stage
from gradcheck.report.lesson.blocks import Block, Column, Equation, Formulas, Heading, Maths, Rows, Strong, Words
from gradcheck.report.lesson.values import Values, opposite, shape_text, signed

COLUMNS = (
    Column(("layer",), 2), Column(("formula",), 4), Column(("value",), 6), Column(("shape",), 2, spare=True),
    Column(("dtype",), 2, spare=True), Column(("grad_fn",), 4),
)  # fmt: skip


def called(explanation: Explanation, stage: Stage) -> str:
    """Return what a layer is called: f where it is the whole program."""
    return "f" if len(explanation.forward.stages) == 1 else stage.name


def forward(explanation: Explanation, values: Values) -> Iterator[Block]:
    """Yield the forward pass."""
    one = explanation.forward
    yield Heading(("The forward pass",))
    leaves = (_leaf(leaf, values) for leaf in one.leaves)
    stages = (_stage(stage, called(explanation, stage), values) for stage in one.stages)
    yield Rows(COLUMNS, (*leaves, *stages))
    for stage in one.stages:
        if stage.evaluation is not None:
            terms = "The terms of " if len(stage.evaluation.terms) > 1 else ""
            yield Heading((f"{terms}{called(explanation, stage)} at the point",), 3)
            yield from evaluation(stage.evaluation, values)


def _leaf(leaf: Leaf, values: Values) -> tuple[Words, ...]:
    grad = "leaf, requires_grad" if leaf.requires_grad else "leaf, no gradient"
    shape = shape_text(leaf.numbers.shape)
    return (Strong(leaf.name),), (), (values.torch(leaf.numbers),), (shape,), (leaf.dtype,), (grad,)


def _stage(stage: Stage, name: str, values: Values) -> tuple[Words, ...]:
    formula = Maths((stage.formula,), stage.text)
    grad, shape = stage.grad_fn or "none: not tracked", shape_text(stage.numbers.shape)
    return (Strong(name),), (formula,), (values.torch(stage.numbers),), (shape,), (stage.dtype,), (grad,)


def evaluation(one: Evaluation, values: Values) -> Iterator[Block]:
    """Yield a formula of numbers line by line, and the table of its terms."""
    lines = [Equation((one.formula,), (one.title,)), Equation((one.substituted,))]
    if len(one.terms) > 1:
        exact = all(values.is_exact(term.value, term.substituted) for term in one.terms)
        if all(values.has(term.value) for term in one.terms):
            lines.append(Equation(_added(one, values), sign="=" if exact else "≈"))
    exact = values.is_exact(one.value, one.substituted)
    if values.has(one.value):
        lines.append(Equation((Numeral(values.first(one.value)),), sign="=" if exact else "≈"))
    yield Formulas(tuple(lines))
    if len(one.terms) > 1:
        terms: list[tuple[Words, ...]] = []
        for term in one.terms:
            value = values.first(term.value)
            formulas = (signed(term.sign, formula) for formula in (term.formula, term.substituted))
            cells: list[Words] = [(Maths((each,)),) for each in formulas]
            terms.append((*cells, (value if term.sign > 0 or not values.has(term.value) else opposite(value),)))
        columns = (Column(("term",), 3), Column(("at the point",), 3), Column(("value",), 2, right=True))
        yield Rows(columns, tuple(terms))


def _added(one: Evaluation, values: Values) -> Line:
    """Return the sum of the terms' values."""
    line: list[Sign | Numeral] = []
    for k, term in enumerate(one.terms):
        value = values.first(term.value)
        if k == 0:
            line.append(Numeral(value if term.sign > 0 else opposite(value)))
        else:
            line += [Sign("+" if term.sign > 0 else "-"), Numeral(value, inner=True)]
    return tuple(line)
