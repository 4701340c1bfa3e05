"""All that a check prepares from the program and the shapes alone: gradient programs, formulas, expectations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gradcheck.display import closed_form, indexed, local_derivatives, readable
from gradcheck.expect import expectations
from gradcheck.lower import Core, lower
from gradcheck.program import Layer, Node, Program, Shape
from gradcheck.symbolic import Pullback, domains, pull_back

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
        stated = expectations(expect, wrt, program, shapes)
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

    def domains(self) -> list[tuple[Node, str]]:
        """Return where each operation of the forward pass is defined, in order, with the reason it gives elsewhere."""
        core = lower(self.program, self.inputs(), nodes=True)
        return [found for layer in core.program.layers for found in domains(layer.expression)]

    def gradient_program(self) -> list[str]:
        """Return the lines of the reverse sweep, with the inner layers of the forward pass that it reads."""
        return readable(self.forms.core, {layer.name for layer in self.program.layers})

    def rounding(self) -> Pullback:
        """Return the gradient program whose rounding errors are torch's."""
        return pull_back(lower(self.program, self.inputs(), nodes=True, as_torch=True), self.wrt, as_torch=True)

    def inputs(self) -> dict[str, Shape]:
        """Return the shapes of the inputs."""
        return {name: self.shapes[name] for name in self.program.inputs}
