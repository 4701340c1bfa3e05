"""Tracking switched off: which part of a gradient disappears, why, and what ``backward()`` says then."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from gradcheck import autograd, exact, kernels
from gradcheck.explain.lanes import Array, Lanes, formula
from gradcheck.explain.model import Formula, Numbers, Tracking
from gradcheck.functions import DETACH
from gradcheck.plan import Plan
from gradcheck.program import Call, Node, Program, call, postorder, rebuild, to_text

CUT = "{place} hands on the number and forgets where it came from: on the way back nothing flows through it."
NO_GRAD = "inside of no_grad torch computes the number of {place} and records nothing: nothing flows back through it."
FROZEN = "{name} has requires_grad=False: torch records nothing for its sake, and {name}.grad stays None."
NOTHING = (
    "No path from the output leads to a leaf with requires_grad: the output has no grad_fn, and backward() raises "
    "RuntimeError: {message}"
)


def tracking(lanes: Lanes, frozen: Sequence[str]) -> tuple[Tracking, ...]:
    """Return the places where tracking is switched off, with what each input's gradient loses there."""
    plan = lanes.case.plan
    cuts = [part for layer in plan.program.layers for part in postorder(layer.expression) if _is_cut(part)]
    message = autograd.untracked_message(
        plan.program, lanes.case.arrays, plan.wrt, dtype=lanes.case.dtype, device=lanes.case.settings.device
    )
    backward = None if message is None else NOTHING.format(message=message)
    found = [*_cuts(lanes, cuts, backward), *_frozen(lanes, frozen, backward)]
    return tuple(found)


def _is_cut(part: Node) -> bool:
    return isinstance(part, Call) and part.op == DETACH


def _uncut(program: Program) -> Program:
    """Return the program as if nothing were switched off."""
    layers = tuple(
        replace(layer, expression=rebuild(layer.expression, lambda part: part.args[0] if _is_cut(part) else part))  # type: ignore[union-attr]
        for layer in program.layers
    )
    return replace(program, layers=layers)


def _cuts(lanes: Lanes, cuts: Sequence[Node], backward: str | None) -> Iterator[Tracking]:
    if not cuts:
        return
    case = lanes.case
    places = [_written(case.plan.program, one) for one in cuts]
    kind = "no_grad" if all("no_grad" in one for one in places) else "detach"
    place = " and ".join(dict.fromkeys(places))
    sentence = (NO_GRAD if kind == "no_grad" else CUT).format(place=place)
    plan = Plan.make(_uncut(case.plan.program), case.plan.inputs(), case.plan.wrt, ())
    values = exact.enclose(plan.node.core, case.arrays, lanes.bits)
    for name, output in zip(plan.wrt, plan.node.program.outputs, strict=True):
        whole, kept = _closed(lanes, plan, name), _closed(lanes, case.plan, name)
        yield Tracking(
            kind, place, name, whole, kept, _difference(lanes, whole, kept, name),
            _numbers(lanes, values[output], name), lanes.cotangent(name) or _nothing(lanes, name), sentence, backward,
        )  # fmt: skip


def _frozen(lanes: Lanes, frozen: Sequence[str], backward: str | None) -> Iterator[Tracking]:
    """Yield what is lost with inputs that require no gradient."""
    if not frozen:
        return
    case = lanes.case
    plan = Plan.make(case.plan.program, case.plan.inputs(), tuple(frozen), ())
    values = exact.enclose(plan.node.core, case.arrays, lanes.bits)
    for name, output in zip(plan.wrt, plan.node.program.outputs, strict=True):
        whole = _closed(lanes, plan, name)
        yield Tracking(
            "freeze", name, name, whole, None, whole, _numbers(lanes, values[output], name), _nothing(lanes, name),
            FROZEN.format(name=name), backward,
        )  # fmt: skip


def _written(program: Program, part: Node) -> str:
    return " ".join(program.source[part.span.start : part.span.end].split()) or to_text(part)


def _closed(lanes: Lanes, plan: Plan, name: str) -> Formula | None:
    if plan.formulas[name] is None:
        return None
    node = plan.closed[name][0].program.layers[0].expression
    return formula(node, lanes.told.shapes, len(lanes.told.shapes[name]))


def _difference(lanes: Lanes, whole: Formula | None, kept: Formula | None, name: str) -> Formula | None:
    if whole is None or kept is None:
        return None
    try:
        lost = kernels.tidy(call("sub", whole.node, kept.node))
    except kernels.NoClosedForm:
        return None
    return formula(lost, lanes.told.shapes, len(lanes.told.shapes[name]))


def _numbers(lanes: Lanes, array: Array, name: str) -> Numbers:
    balls = lanes.enclosures(np.broadcast_to(array, lanes.told.shapes[name]))
    return Numbers(lanes.told.shapes[name], balls, None, (None,) * len(balls))


def _nothing(lanes: Lanes, name: str) -> Numbers:
    return Numbers(lanes.told.shapes[name], None, None)
