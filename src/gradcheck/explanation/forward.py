"""The forward pass: leaves and layers with what torch made of them, and scalar formulas worked out at the point."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

from gradcheck.constants import in_fractions
from gradcheck.explanation.lanes import Array, Lanes, formula
from gradcheck.explanation.model import Evaluation, Forward, Leaf, Numbers, Stage, Term
from gradcheck.explanation.rules import flat_sum
from gradcheck.explanation.shown import POINT, Formula, point
from gradcheck.formats import Ball, Dyadic, exact_text
from gradcheck.program import Call, Layer, Name, Node, fold, names, rebuild

MAX_EXPONENT = 4096
"""Binary exponent up to which a number of the point is put into a formula."""


def forward(lanes: Lanes) -> Forward:
    """Return the forward pass of a case; the evaluation where the program is one formula of numbers."""
    leaves = tuple(
        Leaf(name, lanes.value(name), lanes.case.dtype, name in lanes.case.plan.wrt)
        for name in lanes.told.program.inputs
    )
    stages = tuple(_stage(lanes, layer) for layer in lanes.told.program.layers)
    return Forward(leaves, stages, stages[0].evaluation if len(stages) == 1 else None)


def _stage(lanes: Lanes, layer: Layer) -> Stage:
    site, root = lanes.site(layer.name), lanes.root(layer.name)
    torch = lanes.torch.layers.get(layer.name)
    grad_fn = torch.grad_fn if torch is not None else None
    if torch is None and site is not None:
        grad_fn = next(iter(site.torch.functions), None)
    reads = tuple(names(layer.expression))
    elementwise = layer.name in lanes.told.elementwise
    shown = formula(layer.expression, lanes.told.shapes) if elementwise else Formula(layer.expression)
    scalar = elementwise and not any(lanes.told.shapes[one] for one in (*reads, layer.name))
    called = "f" if len(lanes.told.program.layers) == 1 else layer.name
    worked_out = (
        evaluate(lanes, Formula(Name(called)), layer.expression) if scalar and reads and root == layer.name else None
    )
    return Stage(
        layer.name, lanes.told.texts[layer.name], shown, lanes.value(layer.name), lanes.case.dtype, grad_fn, reads,
        worked_out,
    )  # fmt: skip


def evaluate(lanes: Lanes, title: Formula, node: Node) -> Evaluation | None:
    """Return a formula of numbers worked out at the point, term by term; None where a name has no number there."""
    arrays = {name: lanes.array(name) for name in names(node)}
    by = {name: _number(lanes, name, array) for name, array in arrays.items()}
    if any(one is None for one in by.values()):
        return None

    def put_in(part: Node) -> Formula:
        return Formula(rebuild(part, lambda one: by.get(one.id) or one if isinstance(one, Name) else one))

    terms = flat_sum(node)
    shown = tuple(Term(sign, Formula(one), put_in(one), _value(lanes, one, arrays)) for sign, one in terms)
    return Evaluation(title, Formula(node), put_in(node), shown if len(terms) > 1 else (), _value(lanes, node, arrays))


def _value(lanes: Lanes, node: Node, arrays: Mapping[str, Array]) -> Numbers:
    return Numbers((), lanes.evaluate(node, {name: arrays[name] for name in names(node)}, ()), None)


def rational(node: Node) -> Fraction | None:
    """Return a formula with the point put in as the fraction that it is, None where it is none."""

    def operation(part: Call, args: list[Fraction | None]) -> Fraction | None:
        return args[0] if part.op == POINT else in_fractions(part.op, args)

    return fold(node, lambda _: None, lambda one: one.value, operation)


def _number(lanes: Lanes, name: str, array: Array) -> Node | None:
    ball = lanes.enclosures(array)[0]
    if ball is None or abs(ball.midpoint.exp) > MAX_EXPONENT:
        return None
    return point(fraction(ball.midpoint), name, number_text(lanes, name, ball))


def number_text(lanes: Lanes, name: str, ball: Ball) -> str:
    """Return a number of the point as its dtype writes it, and that of a layer with the digits of exact numbers."""
    if name in lanes.case.arrays:
        return lanes.format.text(float(lanes.case.arrays[name]))
    return exact_text(ball, lanes.format)


def fraction(value: Dyadic) -> Fraction:
    """Return a dyadic number as a fraction."""
    return Fraction(value.man) * Fraction(2) ** value.exp
