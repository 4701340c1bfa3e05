"""How the numbers of a case are decided: step by step up the ladder of precision, while one is open."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import TYPE_CHECKING

from gradcheck import exact
from gradcheck.bounds import Bounds
from gradcheck.case.elements import Element, Elements
from gradcheck.exact import MAX_BITS, START_BITS

if TYPE_CHECKING:
    from gradcheck.case.one import Case

CROSS_CHECK_ELEMENTS = 4_096
"""Elements up to which the fused closed forms are evaluated too, as a cross-check of the node-level program."""
SCREENED_ELEMENTS = 65_536
"""Elements up to which machine intervals evaluate the closed forms as well."""
SHOWN_ELEMENTS = 64
"""Elements of a layer up to which its enclosure is kept for the report."""


def decide(case: Case, gradients: list[Elements], value: Elements) -> None:
    """Judge every element, step by step up the ladder of precision while one is open."""
    judged = [*gradients, value]
    if sum(len(one.open) for one in judged) > CROSS_CHECK_ELEMENTS:
        _settle(case, gradients, value)
    pole = None
    while any(one.open for one in judged):
        closed = _closed(case, gradients)
        for one, nodes in zip(judged, _elements(case, gradients, value), strict=True):
            one.settle(nodes, closed.get(one.name) or [None] * len(nodes), case.format, case.tolerance)
        if all(not one.open for one in judged):
            return
        if all(one.lacks_numbers for one in judged) and case.bits > START_BITS:
            pole = _pole(case)
        if pole is not None or case.bits >= MAX_BITS:
            break
        case.bits *= 2
    for one in judged:
        one.give_up(pole, case.bits, case.format, case.tolerance)


def screen(case: Case, gradients: list[Elements], value: Elements) -> None:
    """Judge what machine intervals decide, from both forms of each gradient."""
    names = [layer.name for layer in case.plan.program.layers]
    small = {name for name in names if prod(case.plan.shapes[name]) <= SHOWN_ELEMENTS}
    outputs = case.plan.shared.program.outputs
    case.screened = case.truth.bounds({*outputs, value.name, *small})
    closed = {} if sum(len(one.known) for one in gradients) > SCREENED_ELEMENTS else _screened_forms(case)
    for one, output in zip(gradients, outputs, strict=True):
        one.screen(case.screened[output], closed.get(one.name), case.format, case.tolerance)
    value.screen(case.screened[value.name], None, case.format, case.tolerance)
    wide = {name: one for name, one in zip([*outputs, value.name], [*gradients, value], strict=True) if one.wide}
    if wide and case.truth.is_costly({name: one.wide for name, one in wide.items()}):
        for name, bounds in case.truth.bounds(wide, extended=True).items():
            both = case.screened[name].meet(bounds)
            wide[name].screen(both, closed.get(wide[name].name), case.format, case.tolerance)


def _settle(case: Case, gradients: list[Elements], value: Elements) -> None:
    """Judge what the ends of balls in float64 decide, for so many open elements that each by itself takes long."""
    names = dict(zip([*case.plan.shared.program.outputs, value.name], [*gradients, value], strict=True))
    wanted = {name: one.open for name, one in names.items()}
    for name, found in case.truth.arrays(wanted, case.bits).items():
        one = names[name]
        one.narrow_all(wanted[name], *exact.ends(found), case.format, case.tolerance)
        left = found[one.is_open[wanted[name]]]
        nodes = _with_limits(case, name, one.open, exact.balls(left, case.bits))
        one.settle(nodes, [None] * len(nodes), case.format, case.tolerance)


def _screened_forms(case: Case) -> dict[str, Bounds]:
    """Return the closed form of each gradient in machine intervals."""
    found: dict[str, Bounds] = {}
    for name, (core, output) in case.plan.closed.items():
        found[name] = case.truths.get(core, case.arrays).bounds([output])[output]
    return found


def _elements(case: Case, gradients: list[Elements], value: Elements) -> list[list[Element]]:
    """Return the enclosures of the elements that are open, of each gradient and of the value."""
    outputs = case.plan.shared.program.outputs
    names = [*outputs, value.name]
    wanted = {name: one.open for name, one in zip(names, [*gradients, value], strict=True)}
    found = case.truth.some(wanted, case.bits)
    made: list[list[Element]] = [_with_limits(case, name, wanted[name], found[name]) for name in outputs]
    return [*made, [*found[value.name]]]


def _with_limits(case: Case, output: str, at: Sequence[int], found: Sequence[Element]) -> list[Element]:
    """Return elements of a gradient with the limits of those that have no number because something is infinite."""
    core = case.plan.shared.core
    if None not in found or not (case.infinite or exact.has_infinity(core)):
        return list(found)
    missing = [index for index, one in zip(at, found, strict=True) if one is None]
    limits = dict(zip(missing, exact.at_infinity(core, case.arrays, output, missing), strict=True))
    nothing = "infinite" if case.infinite else None
    return [one or limits.get(index) or nothing for index, one in zip(at, found, strict=True)]


def _closed(case: Case, gradients: list[Elements]) -> dict[str, list[Element]]:
    """Return the open elements from the fused closed forms, the cross-check of small tensors."""
    if sum(len(one.open) for one in gradients) > CROSS_CHECK_ELEMENTS:
        return {}
    made: dict[str, list[Element]] = {}
    for one in gradients:
        core, output = case.plan.closed[one.name]
        made[one.name] = [*case.truths.get(core, case.arrays).some({output: one.open}, case.bits)[output]]
    return made


def _pole(case: Case) -> str | None:
    """Return the pole that the point lies on exactly, where it does: no precision finds a number there."""
    split = case.plan.split
    operation = exact.pole(split, exact.enclose(split, case.arrays, case.bits))
    return None if operation is None else f"pole {operation}"
