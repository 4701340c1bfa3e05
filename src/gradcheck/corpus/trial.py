"""A check tried out before anything runs: its program, its points, its shapes and what it expects are understood."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from gradcheck.corpus.definitions import Definitions, Expansion, expand
from gradcheck.corpus.limits import Allowance
from gradcheck.errors import (
    FileProblem,
    GradcheckError,
    NameProblem,
    Option,
    PointProblem,
    ShapeProblem,
    UsageProblem,
)  # fmt: skip
from gradcheck.expect import expectations
from gradcheck.functions.params import shape_text
from gradcheck.lower import lower
from gradcheck.parse import parse
from gradcheck.points import Files, Point, assigned_constants, parse_points
from gradcheck.points.held import grouped
from gradcheck.program import Program, Shape
from gradcheck.settings import Settings

Refuse = Callable[[GradcheckError, str], None]
"""Takes what is wrong, and the key of the check that is at fault."""

Shapes = Mapping[str, Shape]

WEIGHTS = "cotangent"
"""What the input is called that holds the numbers of a cotangent, where it is tried out."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A check as it is written: a program in the words of its file, and all that goes with it.

    ``at`` is None where the points themselves are at fault, and nothing more is to be said of them. ``files`` says
    which files the points may read, ``weights`` which the cotangent; what the file itself names is in ``directory``.
    """

    program: str
    at: tuple[str, ...] | None
    settings: Settings
    value: str | None = None
    files: Files = Files.ANY
    weights: Files = Files.ANY
    directory: Path | None = None


@dataclass(slots=True)
class Trial:
    """The trial of the drafts of one file, which share their definitions and an allowance."""

    definitions: Definitions = field(default_factory=dict)
    allowance: Allowance = field(default_factory=Allowance)

    def run(self, draft: Draft, refuse: Refuse) -> Draft:
        """Return the draft with all definitions written out; whatever is wrong with it is refused."""
        try:
            expansion, program = self._program(draft)
        except GradcheckError as error:
            refuse(error, "expression")
            return draft
        if not program.inputs:
            refuse(UsageProblem("the program has no input: there is nothing to differentiate by"), "expression")
            return draft
        draft = self._expanded(replace(draft, program=expansion.text), refuse)
        self._check_inputs(draft, program, refuse)
        draft = self._weighed(draft, refuse)
        points = self._points(draft, program, refuse)

        def refuse_there(error: GradcheckError, key: str) -> None:
            refuse(expansion.relocated(error), key)

        try:
            for held, shapes, _ in grouped(program, points):
                if not self._fits(draft, held, shapes, refuse_there):
                    break
        except PointProblem as error:
            refuse(error, "at")
        return draft

    def _program(self, draft: Draft) -> tuple[Expansion, Program]:
        expansion = self._read(draft.program)
        try:
            return expansion, parse(expansion.text, assigned_constants(draft.at or ()))
        except GradcheckError as error:
            raise expansion.relocated(error) from None

    def _read(self, text: str) -> Expansion:
        expansion = expand(text, self.definitions)
        self.allowance.read(expansion.text)
        return expansion

    def _expanded(self, draft: Draft, refuse: Refuse) -> Draft:
        """Return the draft with the calls in what it expects written out."""
        gradient, value = draft.settings.expect, draft.value
        try:
            gradient = tuple(self._read(text).text for text in gradient)
        except GradcheckError as error:
            refuse(error, "gradient")
        try:
            value = None if value is None else self._read(value).text
        except GradcheckError as error:
            refuse(error, "value")
        return replace(draft, settings=replace(draft.settings, expect=gradient), value=value)

    def _check_inputs(self, draft: Draft, program: Program, refuse: Refuse) -> None:
        try:
            draft.settings.validate(program.inputs)
        except GradcheckError as error:
            refuse(error, "wrt")

    def _weighed(self, draft: Draft, refuse: Refuse) -> Draft:
        """Return the draft with the file of its cotangent, if it may read that, as the working directory has it."""
        text = draft.settings.cotangent
        if text is None or not text.startswith("@") or draft.weights is Files.ANY:
            return draft
        try:
            if draft.weights is Files.NONE:
                hint = ("allow it with ", Option("trust"))
                raise FileProblem("a cotangent of an expression file reads no other file", hint=hint)
            parse_points(
                [f"{WEIGHTS}={text}"], [WEIGHTS], directory=draft.directory, files=draft.weights,
                allowance=self.allowance,
            )  # fmt: skip
        except GradcheckError as error:
            refuse(error, "cotangent")
            return draft
        placed = f"@{(draft.directory or Path()) / text[1:]}"
        return replace(draft, settings=replace(draft.settings, cotangent=placed))

    def _points(self, draft: Draft, program: Program, refuse: Refuse) -> list[Point]:
        if draft.at is None:
            return []
        settings = draft.settings
        if settings.boundaries and not draft.at:
            return []
        try:
            self.allowance.read_points(draft.at)
            points = parse_points(
                draft.at, program.inputs, seed=settings.seed, directory=settings.directory, files=draft.files,
                allowance=self.allowance,
            )  # fmt: skip
        except GradcheckError as error:
            refuse(error, "at")
            return []
        return points

    def _fits(self, draft: Draft, program: Program, shapes: Shapes, refuse: Refuse) -> bool:
        """Tell whether the program and what it expects fit these shapes; several shapes rarely have a fault each."""
        steps: Sequence[tuple[str, Callable[[], None]]] = (
            ("expression", lambda: self._lower(program, shapes)),
            ("gradient", lambda: _check_gradient(draft, program, shapes)),
            ("value", lambda: _check_value(draft, program, shapes)),
        )
        fits = True
        for key, step in steps:
            try:
                step()
            except GradcheckError as error:
                refuse(error, key)
                fits = False
                if key == "expression":
                    break
        return fits

    def _lower(self, program: Program, shapes: Shapes) -> None:
        self.allowance.read(program.source)
        lower(program, shapes)


def _check_gradient(draft: Draft, program: Program, shapes: Shapes) -> None:
    wrt = draft.settings.wrt or program.tracked
    if set(wrt) <= set(program.inputs):
        expectations(draft.settings.expect, wrt, program, shapes)


def _check_value(draft: Draft, program: Program, shapes: Shapes) -> None:
    if draft.value is None:
        return
    parsed = parse(draft.value, program.inputs)
    strange = [name for name in parsed.inputs if name not in shapes]
    if strange:
        hint = f"it has {', '.join(shapes)}"
        raise NameProblem(f"the value reads {strange[0]}, which is no input of the program", hint=hint)
    mine, its = lower(parsed, shapes).shapes[parsed.output], lower(program, shapes).shapes[program.output]
    if mine not in ((), its):
        raise ShapeProblem(f"the value is {shape_text(mine)}, and the output is {shape_text(its)}")
