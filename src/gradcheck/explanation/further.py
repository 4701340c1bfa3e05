"""Derivatives of further orders and other ways: the derivative of the derivative, and torch's ways beside the truth."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from math import prod

from gradcheck.case import check_program
from gradcheck.errors import GradcheckError
from gradcheck.explanation.model import Derivation, Entry, Explanation, Further
from gradcheck.explanation.shown import Formula, quotient
from gradcheck.gradients import GradientOutcome
from gradcheck.notation import indexed, steps
from gradcheck.outcome import Outcome, Run
from gradcheck.parse import parse
from gradcheck.plan import Plan
from gradcheck.points import Point
from gradcheck.program import Name, unravel
from gradcheck.settings import Settings
from gradcheck.verdict import Verdict, worst

MAX_ENTRIES = 4_096
"""Elements of a derivative that are looked at."""
MAX_FORMULA = 160
"""Characters of a closed form that is differentiated once more, step by step."""

Explainer = Callable[..., Explanation]


def further(
    plan: Plan, point: Point, settings: Settings, explained: Explainer, first: Explanation
) -> Iterator[Further]:
    """Yield what there is to tell of each order, the ways of torch that were asked for side by side.

    ``explained`` explains a program: a closed form of the gradient, whose own derivative is the next one.
    """
    asked = settings.in_ways
    closed = _closed(first)
    for order in sorted({way.order for way in asked}):
        ways = tuple(way for way in asked if way.order == order)
        if order == 1 and all(way.is_plain for way in ways):
            continue
        chosen = replace(settings, ways=ways, order=None, wrt=None if plan.wrt == plan.program.tracked else plan.wrt)
        run = check_program(plan.program, [point], chosen)
        derivations: tuple[Derivation, ...] = ()
        while len(closed) > 0 and closed[0][0] < order:
            derivations, closed = _next(closed, point, settings, explained, plan.program.inputs)
        yield _told(run, order, derivations if order > 1 else (), tuple((title, one) for _, title, one in closed), plan)


_Step = tuple[int, Formula, Formula]
"""An order, the derivative's name, and its closed form."""


def _closed(first: Explanation) -> list[_Step]:
    """Return the closed forms of the gradient, where all is numbers."""
    if any(leaf.numbers.shape for leaf in first.forward.leaves):
        return []
    found = [(1, one.title, one.closed) for one in first.chains if one.closed is not None]
    return found if len(found) == len(first.chains) else []


def _next(
    known: Sequence[_Step], point: Point, settings: Settings, explained: Explainer, inputs: Sequence[str]
) -> tuple[tuple[Derivation, ...], list[_Step]]:
    """Return the derivations of the next order, and its closed forms."""
    derivations: list[Derivation] = []
    found: list[_Step] = []
    for order, title, closed in known:
        if len(str(closed)) > MAX_FORMULA:
            return (), []
        program = parse(str(closed), inputs)  # among which e and pi may be, that are no constants then
        if not program.inputs:
            continue
        mine = replace(settings, ways=(), order=None, wrt=None, expect=(), under_test={})
        try:
            made = explained(program, [{name: point[name] for name in program.inputs}], mine)
        except GradcheckError:
            return (), []
        derivations += [_titled(one, _again(title, one.by)) for one in made.derivations]
        found += [(order + 1, _again(title, one.input), one.closed) for one in made.chains if one.closed is not None]
    return tuple(derivations), found


def _titled(one: Derivation, title: Formula) -> Derivation:
    worked = one.evaluation
    if worked is not None and (worked.value.exact is None or None in worked.value.exact):
        worked = None  # 0/0 as it is written, which says nothing
    return replace(one, title=title, evaluation=None if worked is None else replace(worked, title=title))


def _again(title: Formula, by: str) -> Formula:
    """Return the name of the derivative of what has a name."""
    partial = bool(getattr(title.node, "params", ()))
    return Formula(quotient(title.node, Name(by), partial=partial), title.indices)


def _told(
    run: Run, order: int, derivations: tuple[Derivation, ...], closed: tuple[tuple[Formula, Formula], ...], plan: Plan
) -> Further:
    outcomes = [*run]
    ways = tuple(str(one.lane.way) if one.lane is not None else "rev" for one in outcomes)
    errors = tuple((way, one.error) for way, one in zip(ways, outcomes, strict=True) if one.error is not None)
    whole = [one for one in outcomes if one.error is None]
    entries = tuple(_entries(whole)) if whole else ()
    labels = tuple(label for name in plan.wrt for label in _labels(name, plan.shapes[name]))
    kept = tuple(way for way, one in zip(ways, outcomes, strict=True) if one.error is None)
    return Further(order, kept, entries, labels, derivations, closed, errors, run)


def _labels(name: str, shape: tuple[int, ...]) -> list[str]:
    return [indexed(name, unravel(shape, k)) for k in range(prod(shape))]


def _entries(outcomes: Sequence[Outcome]) -> Iterator[Entry]:
    """Yield the elements of a derivative with what each way has for them."""
    columns: list[list[GradientOutcome]] = [list(one.gradients) for one in outcomes]
    for same in zip(*columns, strict=True):
        for k in range(min(prod(same[0].shape), MAX_ENTRIES)):
            judged = [one.judgements[k] for one in same]
            yield Entry(
                tuple(indexed(*step) for step in steps(same[0], k)), same[0].exact[k],
                tuple(one.number(k) for one in same),
                tuple(one.ulps for one in judged), worst([Verdict.AGREE, *(one.verdict for one in judged)]).value,
                tuple(one.verdict.value for one in judged),
            )  # fmt: skip
