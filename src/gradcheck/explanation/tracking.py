"""Tracking switched off: which part of a gradient disappears, why, and what ``backward()`` says then."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from gradcheck import autograd, exact, kernels
from gradcheck.display import compose
from gradcheck.explanation.lanes import Array, Lanes, formula
from gradcheck.explanation.model import Numbers, Tracking
from gradcheck.explanation.shown import Formula
from gradcheck.functions import DETACH
from gradcheck.lower import Core, lower
from gradcheck.plan import Plan
from gradcheck.program import (
    Call,
    Layer,
    Name,
    Node,
    Program,
    Shape,
    postorder,
    rebuild,
    substitute,
    to_text,
)

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
        plan.program, lanes.case.arrays, plan.wrt, dtype=lanes.case.dtype, device=lanes.case.settings.on_device,
        under_test=lanes.case.settings.under_test,
    )  # fmt: skip
    backward = None if message is None else NOTHING.format(message=message)
    found = [*_cuts(lanes, cuts, backward), *_frozen(lanes, frozen, backward)]
    return tuple(found)


def _is_cut(part: Node) -> bool:
    return isinstance(part, Call) and part.op == DETACH


def _inside(part: Node) -> Node:
    return part.args[0] if isinstance(part, Call) and _is_cut(part) else part


def _uncut(program: Program) -> Program:
    """Return the program as if nothing were switched off."""
    layers = tuple(replace(layer, expression=rebuild(layer.expression, _inside)) for layer in program.layers)
    return replace(program, layers=layers)


def _cuts(lanes: Lanes, cuts: Sequence[Node], backward: str | None) -> Iterator[Tracking]:
    if not cuts:
        return
    case = lanes.case
    places = [_written(case.plan.program, one) for one in cuts]
    kind = "no_grad" if all(_says_no_grad(case.plan.program, one) for one in cuts) else "detach"
    place = " and ".join(dict.fromkeys(places))
    sentence = (NO_GRAD if kind == "no_grad" else CUT).format(place=place)
    plan = Plan.make(_uncut(case.plan.program), case.plan.inputs(), case.plan.wrt, ())
    values = exact.enclose(plan.node.core, case.arrays, lanes.bits)
    for name, output in zip(plan.wrt, plan.node.program.outputs, strict=True):
        whole, kept = _closed(lanes, plan, name), _kept(lanes, plan, name)
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


def _says_no_grad(program: Program, part: Node) -> bool:
    """Return whether a cut is written as no_grad: what it is called stands outside of its argument."""
    inner = _inside(part).span
    outside = program.source[part.span.start : inner.start], program.source[inner.end : part.span.end]
    return any(re.search(r"\bno_grad\b", one) for one in outside)


def _closed(lanes: Lanes, plan: Plan, name: str) -> Formula | None:
    node = plan.display.closed[name]
    return None if node is None else formula(node, lanes.told.shapes, len(lanes.told.shapes[name]))


def _kept(lanes: Lanes, uncut: Plan, name: str) -> Formula | None:
    """Return what flows back past the cuts: the derivative with every cut value as a constant, written out after it."""
    program, shapes = lanes.case.plan.program, lanes.told.shapes
    values: dict[str, Node] = {}

    def constant(part: Node) -> Node:
        if not _is_cut(part) or not isinstance(part, Call):
            return part
        values[f"cut_{len(values)}"] = part.args[0]
        return Name(f"cut_{len(values) - 1}")

    layers = tuple(replace(layer, expression=rebuild(layer.expression, constant)) for layer in program.layers)
    cut = replace(program, inputs=(*program.inputs, *values), layers=layers)
    whole = {one: _written_out(uncut, part) for one, part in values.items()}
    if any(one is None for one in whole.values()):
        return None
    known = {one: node for one, node in whole.items() if node is not None}
    sizes = {one: _shape(uncut, part) for one, part in values.items()}
    held = Plan.make(cut, {**uncut.inputs(), **sizes}, (name,)).display.closed[name]
    if held is None:
        return None
    try:
        made = kernels.tidy(substitute(held, known))
    except kernels.NoClosedForm:
        return None
    return formula(made, shapes, len(shapes[name]))


def _written_out(uncut: Plan, part: Node) -> Node | None:
    """Return a part of the program as a formula of the inputs, None where it is no short elementwise one."""
    core = _alone(uncut, part)
    return compose(core, core.program.output)


def _shape(uncut: Plan, part: Node) -> Shape:
    core = _alone(uncut, part)
    return core.shapes[core.program.output]


def _alone(uncut: Plan, part: Node) -> Core:
    """Return the program that ends with a part of it."""
    program = uncut.program
    clean = rebuild(part, _inside)
    value = Layer("cut_value", clean)
    return lower(replace(program, layers=(*program.layers, value), outputs=(value.name,)), uncut.inputs())


def _difference(lanes: Lanes, whole: Formula | None, kept: Formula | None, name: str) -> Formula | None:
    if whole is None or kept is None:
        return None
    try:
        lost = kernels.difference(whole.node, kept.node)
    except kernels.NoClosedForm:
        return None
    return formula(lost, lanes.told.shapes, len(lanes.told.shapes[name]))


def _numbers(lanes: Lanes, array: Array, name: str) -> Numbers:
    balls = lanes.enclosures(np.broadcast_to(array, lanes.told.shapes[name]))
    return Numbers(lanes.told.shapes[name], balls, None, (None,) * len(balls))


def _nothing(lanes: Lanes, name: str) -> Numbers:
    return Numbers(lanes.told.shapes[name], None, None)
