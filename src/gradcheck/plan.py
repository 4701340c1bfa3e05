"""All that a check prepares from the program and the shapes alone: gradient programs, formulas, expectations."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gradcheck.display import closed_form, indexed, local_derivatives, readable
from gradcheck.errors import NameProblem, ShapeProblem, UsageProblem
from gradcheck.lower import Core, lower
from gradcheck.parse import parse
from gradcheck.program import Layer, Node, Program, Shape
from gradcheck.symbolic import Pullback, pull_back

SHOWN_LAYERS = 40
"""Layers of a program up to which the derivative of each is worked out for the report."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A program at known shapes: its gradient programs, its formulas, and what the user expects.

    ``node`` has one operation a layer and a guard for every domain; ``forms`` has fused kernels. ``formulas`` are the
    gradients composed into one expression each, where that is short.
    """

    program: Program
    wrt: tuple[str, ...]
    shapes: dict[str, Shape]
    node: Pullback
    forms: Pullback
    formulas: dict[str, Node | None]
    locals: dict[str, dict[str, str]]
    expect: dict[str, Core]

    @staticmethod
    def make(program: Program, shapes: dict[str, Shape], wrt: tuple[str, ...], expect: Sequence[str]) -> Plan:
        """Differentiate ``program`` at these shapes; the work is done once for all points that have them."""
        core = lower(program, shapes)
        forms = pull_back(core, wrt)
        node = pull_back(lower(program, shapes, nodes=True), wrt, guarded=True)
        formulas = {
            name: closed_form(forms, output, name) for name, output in zip(wrt, forms.program.outputs, strict=True)
        }
        shown = program.layers if len(program.layers) <= SHOWN_LAYERS else ()
        derivatives = {layer.name: local_derivatives(layer, core.shapes) for layer in shown}
        stated = _expectations(expect, wrt, program, shapes)
        return Plan(program, wrt, core.shapes, node, forms, formulas, derivatives, stated)

    def closed(self, name: str) -> tuple[Core, str]:
        """Return the second form of a gradient and its output: the formula that is shown, else the fused kernels."""
        formula = self.formulas[name]
        if formula is None:
            return self.forms.core, self.forms.program.outputs[self.wrt.index(name)]
        output = f"d_{name}"
        program = Program(self.program.inputs, (Layer(output, formula),), (output,))
        return Core(program, {**self.inputs(), output: self.shapes[name]}, {}), output

    def formula_text(self, name: str) -> str | None:
        """Return the gradient in index notation, where it is one short formula."""
        formula = self.formulas[name]
        return None if formula is None else indexed(formula, self.shapes, name)

    def gradient_program(self) -> list[str]:
        """Return the lines of the reverse sweep, with the inner layers of the forward pass that it reads."""
        return readable(self.forms.core, {layer.name for layer in self.program.layers})

    def rounding(self) -> Pullback:
        """Return the gradient program whose rounding errors are torch's."""
        return pull_back(lower(self.program, self.inputs(), nodes=True, as_torch=True), self.wrt, as_torch=True)

    def inputs(self) -> dict[str, Shape]:
        """Return the shapes of the inputs."""
        return {name: self.shapes[name] for name in self.program.inputs}


def _expectations(texts: Sequence[str], wrt: Sequence[str], program: Program, shapes: Mapping[str, Shape]) -> dict[str, Core]:
    """Return the derivative that the user believes in, by input: ``2*x``, or ``x=2*x*y`` where there are several."""
    found = {}
    for text in texts:
        named = re.match(r"\s*([^\W\d]\w*)\s*=(?!=)\s*", text)
        name = named[1] if named else wrt[0]
        if named and name not in wrt:
            raise NameProblem(f"--expect names {name}, and the gradient is by {' and '.join(wrt)}")
        if not named and len(wrt) > 1:
            raise UsageProblem(
                f"--expect does not say which derivative it is: the program has {len(wrt)} inputs",
                hint=f"write --expect {wrt[0]}=..., or choose one with --wrt {wrt[0]}",
            )
        found[name] = _expectation(text[named.end() :] if named else text, name, program, shapes)
    return found


def _expectation(text: str, name: str, program: Program, shapes: Mapping[str, Shape]) -> Core:
    parsed = parse(text, program.inputs)
    strange = [one for one in parsed.inputs if one not in shapes]
    if strange:
        raise NameProblem(f"--expect reads {strange[0]}, which is no input of the program", hint=f"it has {', '.join(shapes)}")
    core = lower(parsed, shapes)
    shape = core.shapes[parsed.output]
    if shape not in ((), shapes[name]):
        raise ShapeProblem(f"--expect has the shape {list(shape)}, and the gradient by {name} has {list(shapes[name])}")
    return core
