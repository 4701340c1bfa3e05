"""All that a check prepares from the program and the shapes alone: gradient programs, formulas, expectations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gradcheck.display import closed_form, indexed, local_derivatives, readable
from gradcheck.exact import may_jump
from gradcheck.expect import expectations
from gradcheck.lower import Core, lower
from gradcheck.program import Layer, Node, Program, Shape
from gradcheck.symbolic import Pullback, pull_back

SHOWN_LAYERS = 40
"""Layers of a program up to which the derivative of each is worked out for the report."""


@dataclass(frozen=True, slots=True)
class Plan:
    """A program at known shapes: its gradient programs, its formulas, and what the user expects.

    ``node`` has one operation a layer and a guard for every domain. ``closed`` holds the second form of each gradient
    and its output: the one formula that is shown, else the fused kernels. ``formulas`` are those
    formulas as text, ``lines`` the gradient program as text, ``locals`` the derivatives of each layer by itself.
    """

    program: Program
    wrt: tuple[str, ...]
    shapes: dict[str, Shape]
    node: Pullback
    closed: dict[str, tuple[Core, str]]
    formulas: dict[str, str | None]
    lines: list[str]
    locals: dict[str, dict[str, str]]
    expect: dict[str, Core]
    may_jump: bool

    @staticmethod
    def make(
        program: Program, shapes: dict[str, Shape], wrt: tuple[str, ...], expect: Sequence[str], *, told: bool = True
    ) -> Plan:
        """Differentiate ``program`` at these shapes; the work is done once for all points that have them.

        A plan that is not ``told`` has no texts for a report.
        """
        core, nodes = lower(program, shapes), lower(program, shapes, nodes=True)
        forms = pull_back(core, wrt)
        composed = {
            name: closed_form(forms, output, name) for name, output in zip(wrt, forms.program.outputs, strict=True)
        }
        shown = program.layers if told and len(program.layers) <= SHOWN_LAYERS else ()
        return Plan(
            program=program,
            wrt=wrt,
            shapes=core.shapes,
            node=pull_back(nodes, wrt, guarded=True),
            closed={
                name: (forms.core, output)
                if formula is None
                else (_alone(formula, program, name, core.shapes), f"d_{name}")
                for (name, formula), output in zip(composed.items(), forms.program.outputs, strict=True)
            },
            formulas={
                name: None if formula is None or not told else indexed(formula, core.shapes, name)
                for name, formula in composed.items()
            },
            lines=readable(forms.core, {layer.name for layer in program.layers}) if told else [],
            locals={layer.name: local_derivatives(layer, core.shapes) for layer in shown},
            expect=expectations(expect, wrt, program, shapes),
            may_jump=may_jump(nodes),
        )

    def rounding(self) -> Pullback:
        """Return the gradient program whose rounding errors are torch's."""
        return pull_back(lower(self.program, self.inputs(), nodes=True, as_torch=True), self.wrt, as_torch=True)

    def inputs(self) -> dict[str, Shape]:
        """Return the shapes of the inputs."""
        return {name: self.shapes[name] for name in self.program.inputs}


def _alone(formula: Node, program: Program, name: str, shapes: Mapping[str, Shape]) -> Core:
    """Return the gradient by ``name`` as a core program of one layer."""
    output = f"d_{name}"
    inputs = {one: shapes[one] for one in program.inputs}
    return Core(Program(program.inputs, (Layer(output, formula),), (output,)), {**inputs, output: shapes[name]})
