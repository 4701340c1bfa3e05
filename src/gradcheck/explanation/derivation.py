"""The derivation: one named rule after the other on the user's own expression, every line proved at the point."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from gradcheck import kernels
from gradcheck.explanation.definitions import definition
from gradcheck.explanation.lanes import Array, Balls, Lanes, check_equal, formula
from gradcheck.explanation.model import Derivation, Numbers, Rule, Step, Use
from gradcheck.explanation.rules import COLLECT, KNOWN, SIMPLIFY, TRIVIAL, Match, match
from gradcheck.explanation.shown import D, Formula, derivative
from gradcheck.explanation.simplify import simplified
from gradcheck.program import Call, Layer, Name, Node, Shape, names, rebuild, to_text

MAX_STEPS = 60
"""Steps of one derivation."""
MAX_LINE = 600
"""Characters of one line."""
PROVED_ELEMENTS = 64
"""Elements of a layer at which the lines are proved; a formula is the same for all of them."""
BESIDE = 0.0625
"""How far from the point lines are proved where the derivative has no number at the point itself."""


class NoDerivation(Exception):
    """There is nothing to show, for a reason in words."""


def derive(lanes: Lanes, layer: Layer, by: str, title: Formula) -> Derivation:
    """Return the derivation of one elementwise layer by a name that it reads.

    Raises NoDerivation where it would be too long, or cannot be proved at the point or beside it, and Contradiction
    where a line turns out not to equal the derivative.
    """
    lines = list(rewrite(layer.expression, by))
    shapes = lanes.told.shapes
    proof = _Proof(lanes, layer, by)
    rank = len(shapes[layer.name])

    def shown(node: Node) -> Formula:
        return formula(node, shapes, rank, (by,))

    steps = []
    for matches, node in lines:
        uses = tuple(_use(one, before, shown) for before, one in matches)
        steps.append(Step(matches[0][1].rule, uses, shown(node), proof.check(node)))
    last = lines[-1][1]
    ends: tuple[tuple[Rule, Node | None], ...] = ((SIMPLIFY, simplified(last)), (COLLECT, proof.result))
    for rule, made in ends:
        if made is not None and to_text(made) != to_text(last):
            steps.append(Step(rule, (Use(shown(last), shown(made)),), shown(made), proof.check(made)))
            last = made
    result = last
    numbers = Numbers((len(proof.truth),), proof.truth, None)
    start = shown(derivative(layer.expression, by))
    return Derivation(title, layer.name, by, start, tuple(steps), shown(result), numbers)


def _use(found: Match, before: Node, shown: Any) -> Use:
    return Use(shown(before), shown(found.after), tuple((letter, shown(node)) for letter, node in found.lets))


def rewrite(body: Node, by: str) -> list[tuple[list[tuple[Node, Match]], Node]]:
    """Return the lines of a derivation without proof: what was matched, and the expression that this leaves.

    Each line uses the rule of its first open derivative wherever that fits, so that a sum takes few lines. What is left
    of the variable and of constants is done in one line at the end.
    """
    node: Node = derivative(body, by)
    lines = []
    while open_ones := [part for part in _reading_order(node) if isinstance(part, Call) and part.op == D]:
        used = _next([(one, match(one.args[0], by)) for one in open_ones])
        by_node = {one: each.after for one, each in used}
        node = rebuild_once(node, by_node)
        lines.append((_distinct(used), node))
        if len(lines) > MAX_STEPS or len(to_text(_plain(node))) > MAX_LINE:
            raise NoDerivation("its derivation is too long to be read")
    return lines


def _next(found: list[tuple[Node, Match]]) -> list[tuple[Node, Match]]:
    """Return the uses of one rule: the first that is not trivial, else all that are left."""
    rule = next((each.rule for _, each in found if each.rule.name not in TRIVIAL), None)
    if rule is not None:
        return [(one, each) for one, each in found if each.rule.title == rule.title]
    if len({each.rule.name for _, each in found}) == 1:
        return found
    return [(one, replace(each, rule=KNOWN)) for one, each in found]


def _distinct(used: list[tuple[Node, Match]]) -> list[tuple[Node, Match]]:
    """Return the uses of a rule, equal ones once."""
    return list({to_text(_plain(one)): (one, each) for one, each in reversed(used)}.values())[::-1]


def _plain(node: Node) -> Node:
    """Return an expression in which open derivatives print."""
    return rebuild(node, lambda part: Name(str(Formula(part))) if isinstance(part, Call) and part.op == D else part)


def _reading_order(node: Node) -> list[Node]:
    """Return the outermost open derivatives from left to right."""
    found: list[Node] = []
    todo = [node]
    while todo:
        part = todo.pop()
        if isinstance(part, Call) and part.op == D:
            found.append(part)
        elif isinstance(part, Call):
            todo.extend(reversed(part.args))
    return found


def rebuild_once(node: Node, by: Mapping[Node, Node]) -> Node:
    """Return an expression with some of its parts replaced."""
    return rebuild(node, lambda part: by.get(part, part))


class _Proof:
    """What the lines of one derivation are compared with: the derivative that the check uses, at the point."""

    def __init__(self, lanes: Lanes, layer: Layer, by: str) -> None:
        self.lanes, self.layer, self.by = lanes, layer, by
        self.slopes: dict[str, Node] = {}
        try:
            self.slope = self.partial(layer.expression)
        except kernels.NoClosedForm:
            raise NoDerivation("SymPy finds no closed form of its derivative") from None
        self.result = tidied(self.slope)
        arrays = {one: lanes.array(one) for one in names(layer.expression)}
        self.at, self.shape = _sample(arrays, lanes.told.shapes[layer.name])
        self.beside = {one: array + BESIDE for one, array in self.at.items()}
        self.truth = lanes.evaluate(self.slope, self.at, self.shape)
        self.truth_beside: Balls | None = None

    def partial(self, body: Node) -> Node:
        """Return the derivative of a part of the layer, as the check's own kernels have it."""
        key = to_text(body)
        if key not in self.slopes:
            self.slopes[key] = kernels.partial(_expanded(body), self.by) if self.by in names(body) else kernels.ZERO
        return self.slopes[key]

    def check(self, line: Node) -> Balls:
        """Return the enclosure of a line at the point, when it equals the derivative."""
        closed = rebuild(line, self.closed)
        found = self.lanes.evaluate(closed, self.at, self.shape)
        text = str(Formula(line))
        if check_equal(found, self.truth, text):
            return found
        if self.truth_beside is None:
            self.truth_beside = self.lanes.evaluate(self.slope, self.beside, self.shape)
        if not check_equal(self.lanes.evaluate(closed, self.beside, self.shape), self.truth_beside, text):
            raise NoDerivation("it has no derivative at the point, nor beside it, that could prove the steps")
        return found

    def closed(self, part: Node) -> Node:
        """Return a part of a line without anything that the exact lane does not know."""
        if not isinstance(part, Call):
            return part
        return self.partial(part.args[0]) if part.op == D else _opened(part)


def _expanded(node: Node) -> Node:
    """Return an expression with every definition written out, and those that are in definitions."""
    return rebuild(node, lambda part: _opened(part) if isinstance(part, Call) else part)


def _opened(part: Call) -> Node:
    made = definition(part)
    return part if made is None else _expanded(made)


def tidied(node: Node) -> Node | None:
    """Return a formula as it is shown, None where SymPy finds no closed form."""
    try:
        return kernels.tidy(node)
    except kernels.NoClosedForm:
        return None


def _sample(arrays: dict[str, Array], shape: Shape) -> tuple[dict[str, Array], Shape]:
    """Return the first elements of a layer, as vectors of what each of them reads."""
    flat = {name: np.broadcast_to(array, shape).ravel()[:PROVED_ELEMENTS] for name, array in arrays.items()}
    size = min(PROVED_ELEMENTS, int(np.prod(shape)))
    return {name: array.copy() for name, array in flat.items()}, (size,)
