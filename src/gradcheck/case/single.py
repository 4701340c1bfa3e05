"""Which operation of a program is at fault in a way of differentiating: each is checked by itself at what torch had."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import chain, combinations, count
from math import prod

import numpy as np

from gradcheck import autograd
from gradcheck.blame import Blame, Cause
from gradcheck.case.lost import told, whose
from gradcheck.case.ways import Ways
from gradcheck.errors import GradcheckError
from gradcheck.formats import FORMATS, exact_text
from gradcheck.functions import CONDITIONS
from gradcheck.gradients import GradientOutcome
from gradcheck.nested import Nested
from gradcheck.outcome import Outcome
from gradcheck.plan import Plan
from gradcheck.points import Point
from gradcheck.points.value import Value, frozen
from gradcheck.program import Call, Layer, Name, Node, Number, Program, fold, names
from gradcheck.settings import Settings
from gradcheck.verdict import Verdict
from gradcheck.ways import Way

MAX_OPERATIONS = 64
"""Operations of a program that are checked by themselves."""
MAX_SIZE = 64
"""Elements of the arguments of one up to which it is."""

_BAD = (Verdict.DISAGREE, Verdict.LOSSY, Verdict.UNSTABLE)


def at_fault(case: Ways, outcome: Outcome) -> Outcome:
    """Return an outcome with the operation at fault for the worst element of each derivative that is bad.

    That is the first whose own derivatives, of this order or of a lower one on the way, are as bad in the same way at
    the arguments that torch had there.
    """
    if outcome.error is not None:
        return outcome
    wanted = next((bad for bad in _BAD if any(_worst(one, bad) is not None for one in outcome.gradients)), None)
    found = None if wanted is None else next(_faults(case, outcome, wanted), None)
    if found is None or wanted is None:
        return outcome
    gradients = [
        one
        if (k := _worst(one, wanted)) is None
        else replace(one, blames=[_told(case, one, replace(found, element=k))])
        for one in outcome.gradients
    ]
    return replace(outcome, gradients=type(outcome.gradients)(gradients))


def _told(case: Ways, gradient: GradientOutcome, blame: Blame) -> Blame:
    """Return a blame that says of lost digits who loses them; of order 1 also whether that matters."""
    if case.nested.order == 1:
        return told(case.along(), gradient, blame)
    lost = gradient.judgements[blame.element].verdict is Verdict.LOSSY
    return replace(blame, message=f"{blame.message}; {whose(blame)}") if lost else blame


def _worst(gradient: GradientOutcome, verdict: Verdict) -> int | None:
    ranked = gradient.judgements.ranked((verdict,))
    return ranked[0] if ranked else None


def _faults(case: Ways, outcome: Outcome, wanted: Verdict) -> Iterator[Blame]:
    """Yield the operations that are as bad as the outcome, each with its first order that is."""
    layered = in_layers(case.nested.first.program)
    layers = layered.layers[:MAX_OPERATIONS]
    arrays = {name: outcome.rounded[name] for name in layered.inputs}
    values = autograd.forward(
        layered, arrays, dtype=case.lane.dtype, device=case.lane.device, under_test=case.settings.under_test
    )
    known = {name: one.array for name, one in values.items()} | arrays
    for layer in layers:
        if isinstance(layer.expression, Call) and (read := names(layer.expression)):
            point = {name: known[name] for name in read}
            if sum(array.size for array in point.values()) <= MAX_SIZE and not any(map(_has_nan, point.values())):
                found = _fault(case, layer, point, wanted)
                yield from (one for one in found if _shows(case, _up_to(layered, layer), arrays, wanted))


def _has_nan(array: np.ndarray) -> bool:
    return bool(np.isnan(array).any())


def _up_to(program: Program, last: Layer) -> Program:
    """Return a program as far as one of its layers."""
    layers = program.layers[: program.layers.index(last) + 1]
    read = {one for layer in layers for one in names(layer.expression)}
    return Program(tuple(one for one in program.inputs if one in read), layers, (last.name,), program.source)


def _shows(case: Ways, program: Program, arrays: Mapping[str, np.ndarray], wanted: Verdict) -> bool:
    """Return whether a program is as bad as its last operation is by itself.

    An operation may be wrong along directions that never come to it: the forward mode of cholesky takes a matrix that
    is not symmetric for one that is.
    """
    point = {name: arrays[name] for name in program.inputs}
    return any(_ranked(outcome, wanted) for _, outcome in _runs(case, program, point, case.settings))


def _fault(case: Ways, layer: Layer, point: dict[str, np.ndarray], wanted: Verdict) -> Iterator[Blame]:
    program = Program(tuple(point), (layer,), (layer.name,), case.nested.first.program.source)
    for way, outcome in _runs(case, program, point, _own(case.settings, layer)):
        for gradient, k in _ranked(outcome, wanted):
            yield _blame(layer, gradient, k, way, outcome)
            return


def _ranked(outcome: Outcome, wanted: Verdict) -> list[tuple[GradientOutcome, int]]:
    """Return the derivatives with a verdict, each with the worst of its elements."""
    found = ((one, one.judgements.ranked((wanted,))) for one in outcome.gradients)
    return [(one, ranked[0]) for one, ranked in found if ranked]


def _runs(
    case: Ways, program: Program, point: Mapping[str, np.ndarray], settings: Settings
) -> Iterator[tuple[Way, Outcome]]:
    """Yield what comes of a program in every way up to the case's own, weighed at random; nothing where one fails."""
    from gradcheck.case.cotangents import weighed
    from gradcheck.weighing import random_cotangent

    at: Point = {name: Value(array.shape, frozen(array.ravel()), "...") for name, array in point.items()}
    for way in within(case.lane.way):
        try:
            plan = Plan.make(program, {name: array.shape for name, array in point.items()}, tuple(point))
            alone: Ways = Ways(Nested(plan, way.order), replace(case.lane, way=way), at, settings)
            shape = plan.shapes[program.output]
            under = weighed(alone, random_cotangent(shape, case.settings.seed)) if prod(shape) > 1 else alone
            outcome = under.run()
        except GradcheckError:
            return
        yield way, outcome


def _own(settings: Settings, layer: Layer) -> Settings:
    """Return the settings with nothing under test but the operation itself: what weighs its result is no part of it."""
    assert isinstance(layer.expression, Call)
    op = layer.expression.op
    return replace(settings, under_test={name: one for name, one in settings.under_test.items() if name == op})


def within(way: Way) -> Iterator[Way]:
    """Yield the ways of every order up to a way's own that it takes a function through, the simplest first.

    Forward over reverse meets the forward mode of what a function is made of, too: its value moves with the tangent.

    >>> [str(one) for one in within(Way.parse("fwd-rev"))]
    ['rev', 'fwd', 'fwd-rev']
    """
    for order in range(1, way.order + 1):
        some = (Way(steps, way.graph and order > 1) for steps in combinations(way.steps[::-1], order))
        yield from dict.fromkeys(replace(one, steps=one.steps[::-1]) for one in some)


def _blame(layer: Layer, gradient: GradientOutcome, k: int, way: Way, outcome: Outcome) -> Blame:
    assert isinstance(layer.expression, Call)
    fmt, op, number = FORMATS[outcome.dtype], layer.expression.op, gradient.number(k)
    exact = exact_text(gradient.exact[k], fmt)
    torch = "none" if number is None else fmt.text(number)
    wrong = gradient.judgements[k].verdict is Verdict.DISAGREE
    at = ", ".join(fmt.text(array.item()) for name, array in outcome.rounded.items() if array.size == 1)
    place = f" at ({at})" if at and len(outcome.rounded) > 1 else f" at {at}" if at else ""
    what = "derivative" if way.order == 1 else f"derivative of order {way.order}"
    message = f"the {what} of {op}{place} in the way {way} is {torch}, and {exact} is right"
    cause = Cause.WRONG_GRADIENT if wrong else Cause.INACCURATE_OPERATION
    return Blame(k, cause, op, layer.expression.span, message)


def in_layers(program: Program) -> Program:
    """Return a program with a layer for each operation that the user wrote, but for conditions.

    >>> from gradcheck.parse import parse
    >>> print(in_layers(parse("y = sin(2*x); y*exp(y)")))
    step = 2*x
    y = sin(step)
    step_2 = exp(y)
    out = y*step_2
    """
    layers: list[Layer] = []
    taken = {*program.inputs, *(layer.name for layer in program.layers)}
    fresh = (name for name in chain(["step"], (f"step_{k}" for k in count(1))) if name not in taken)

    def operation(part: Call, args: list[Node]) -> Node:
        made = replace(part, args=tuple(args))
        if part.op in CONDITIONS or not any(names(one) for one in args):
            return made
        layers.append(Layer(next(fresh), made, part.span))
        return Name(layers[-1].name, part.span)

    def same(part: Name | Number) -> Node:
        return part

    for layer in program.layers:
        whole = fold(layer.expression, same, same, operation)
        if layers and isinstance(whole, Name) and whole.id == layers[-1].name and whole.id.startswith("step"):
            layers[-1] = replace(layers[-1], name=layer.name)
        else:
            layers.append(Layer(layer.name, whole, layer.span))
    return replace(program, layers=tuple(layers))
