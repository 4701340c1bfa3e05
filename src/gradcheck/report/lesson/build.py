"""The lesson of an explanation: its blocks in order, built once and the same for every form."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from fractions import Fraction
from typing import Any

from gradcheck.errors import plural
from gradcheck.explanation.model import Explanation
from gradcheck.explanation.shown import LITERAL, Formula
from gradcheck.formats import FORMATS
from gradcheck.program import Node, Number, Program, call, postorder, rebuild
from gradcheck.report import View
from gradcheck.report.lesson.answers import answers
from gradcheck.report.lesson.blocks import Block, Break, Code, Formulas, Heading, Sentence, Source, Story, Tree
from gradcheck.report.lesson.chains import chains
from gradcheck.report.lesson.derivations import derivations
from gradcheck.report.lesson.forward import called, forward
from gradcheck.report.lesson.further import further
from gradcheck.report.lesson.gradients import gradients
from gradcheck.report.lesson.lab import accumulation, tracking
from gradcheck.report.lesson.values import Values
from gradcheck.report.told import notes


def lesson(explanation: Explanation, *, steps: bool = False, hint: bool = False) -> list[Block]:
    """Return the blocks of a lesson.

    ``steps`` puts a break after each of its steps. ``hint`` names each rule before its result; without steps the
    results stay out, and the lesson is an exercise.
    """
    made = _Lesson(explanation, Values(FORMATS[explanation.dtype]), hint, hint and not steps)
    parts = [part for part in made.parts() if part]
    literals = _literals(explanation.program)
    blocks = [_written(block, literals) for part in parts for block in (Break(), *part)][1:]
    return blocks if steps else list(_joined(blocks))


def _joined(blocks: Iterable[Block]) -> Iterator[Block]:
    """Yield blocks without breaks, and formulas that go on from each other as one block."""
    held: Formulas | None = None
    for block in blocks:
        if isinstance(block, Break):
            continue
        if held is not None and isinstance(block, Formulas) and block.goes_on:
            held = replace(held, lines=held.lines + block.lines)
            continue
        if held is not None:
            yield held
        held = block if isinstance(block, Formulas) else None
        if held is None:
            yield block
    if held is not None:
        yield held


@dataclass(frozen=True, slots=True)
class _Lesson:
    """An explanation with how it is told: its results are left to the reader in an ``exercise``."""

    explanation: Explanation
    values: Values
    hint: bool
    exercise: bool

    def parts(self) -> Iterator[list[Block]]:
        """Yield the parts of a lesson, between which one in steps waits."""
        one = self.explanation
        yield list(self.head())
        yield list(forward(one, self.values))
        yield list(derivations(one, self.values, hint=self.hint, exercise=self.exercise))
        if not self.exercise:
            yield list(chains(one, self.values))
            yield list(gradients(one, self.values))
            yield [] if one.graph is None else [Heading(("The graph that autograd built",)), Tree(one.graph)]
        for order in one.further:
            yield list(further(order, one, self.values, hint=self.hint, exercise=self.exercise))
        for cut in one.trackings:
            yield list(tracking(cut, self.values))
        for several in one.accumulations:
            yield list(accumulation(several, self.values))
        yield [*self.story(), *self.foot()]

    def head(self) -> Iterator[Block]:
        one = self.explanation
        yield Heading((f"Where the gradient of {called(one, one.forward.stages[-1])} comes from",), 1)
        yield Source(one.program.source)
        at = [
            part
            for leaf in one.forward.leaves
            for part in (", ", Code(leaf.name), " = ", self.values.torch(leaf.numbers))
        ]
        yield Sentence(("at ", *at[1:], f", in {one.dtype}"))
        yield from self.answers()

    def answers(self) -> Iterator[Block]:
        """Yield what came out, unless that is for the reader to find."""
        if not self.exercise:
            yield from answers(self.explanation, self.values)

    def story(self) -> Iterator[Block]:
        run = self.explanation.run
        if next(iter(notes(run, View())), None) is None:
            return
        if self.exercise:
            yield Sentence(("There is more to say of autograd's number at this point: leave out --hint.",), "note")
            return
        yield Heading(("What the check says of this point",))
        yield Story(run)

    def foot(self) -> Iterator[Block]:
        one = self.explanation
        for note in one.notes:
            yield Sentence((f"Note: {note}.",), "foot")
        steps = sum(len(derivation.steps) for derivation in one.derivations)
        facts = [
            *([f"{plural(steps, 'line')} proved at the point"] if steps else []), one.dtype, one.device,
            *(f"{name} {one.environment[name]}" for name in ("gradcheck", "torch", "sympy") if name in one.environment),
        ]  # fmt: skip
        yield Sentence((" · ".join(facts),), "foot")
        yield from self.answers()


# --- numbers as the user wrote them ---------------------------------------------------------------


DECIMAL = re.compile(r"[0-9]*\.?[0-9]+(?:e-?[0-9]+)?")
"""A number that is written as a decimal."""


def _literals(program: Program) -> Mapping[Fraction, str]:
    """Return the fractions that the program has, as it has them: ``0.1`` is 1/10."""
    nodes = [node for layer in program.layers for node in postorder(layer.expression) if isinstance(node, Number)]
    texts = {node.value: program.source[node.span.start : node.span.end] for node in nodes}
    return {value: text for value, text in texts.items() if value.denominator > 1 and DECIMAL.fullmatch(text)}


def _written(value: Any, literals: Mapping[Fraction, str]) -> Any:
    """Return a block in which every formula has the numbers that the user wrote as they are written."""

    def change(part: Node) -> Node:
        sign = isinstance(part, Number) and part.value < 0
        found = literals.get(abs(part.value)) if isinstance(part, Number) else None
        if found is None or not isinstance(part, Number):
            return part
        made = call(LITERAL, Number(abs(part.value)), text=found)
        return call("neg", made) if sign else made

    if isinstance(value, Formula):
        return replace(value, node=rebuild(value.node, change)) if literals else value
    if isinstance(value, tuple):
        return tuple(_written(one, literals) for one in value)
    if not is_dataclass(value) or isinstance(value, Tree | Story | type):
        return value
    return replace(value, **{one.name: _written(getattr(value, one.name), literals) for one in fields(value)})
