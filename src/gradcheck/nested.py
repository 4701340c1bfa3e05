"""Derivatives of higher order as plans: what is differentiated last is one number, the derivative along directions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, reduce

from gradcheck.differentiate import along, direction, pull_back, push_forward
from gradcheck.kernels import ZERO
from gradcheck.lower import Core, lower
from gradcheck.plan import Plan
from gradcheck.program import Layer, Shape
from gradcheck.ways import FORWARD, REVERSE, Way


@dataclass(frozen=True)
class Nested:
    """The derivatives of one order of a program at known shapes.

    The derivative of order n is the gradient of a number: of the derivative along n - 1 directions, which are inputs of
    their own. So there is one truth for all ways of an order, and what floats may make of it for each.
    """

    first: Plan
    order: int

    @cached_property
    def directions(self) -> tuple[dict[str, str], ...]:
        """Return for each inner derivative, the innermost first, the inputs that hold its direction."""
        taken = [*self.first.shapes]
        return tuple({name: direction(name, k, taken) for name in self.first.wrt} for k in range(1, self.order))

    @cached_property
    def plan(self) -> Plan:
        """Return the plan of what is differentiated last."""
        if self.order == 1:
            return self.first
        program, shapes = self.first.program, self.first.inputs()
        for held in self.directions:
            core = lower(program, shapes, nodes=True, shared=True)
            program, shapes = along(pull_back(core, self.first.wrt, guarded=True), held)
        return replace(Plan.make(program, shapes, self.first.wrt), expect=dict(self._expected()))

    def _expected(self) -> Iterator[tuple[str, Core]]:
        """Yield what the user expects of each first derivative, differentiated along the directions as well."""
        for name, core in self.first.expect.items():
            yield name, reduce(_tangent, self.directions, core)

    def roundings(self, way: Way) -> dict[str, tuple[Core, str]]:
        """Return for each input a program whose rounding errors are torch's in one way, with the layer of its gradient.

        A gradient by forward mode is made of one tangent for each element, which the program takes as an input of its
        own: ``unit`` names it.
        """
        core = self._differentiated(way)
        wrt = self.first.wrt
        if way.outermost == REVERSE:
            pulled = pull_back(core, wrt, as_torch=True)
            return {name: (pulled.core, output) for name, output in zip(wrt, pulled.program.outputs, strict=True)}
        made = {}
        for name in wrt:
            pushed = push_forward(core, {name: self.unit(name)}, as_torch=True)
            made[name] = pushed.core, pushed.program.output
        return made

    def unit(self, name: str) -> str:
        """Return the input that holds the tangent of the outermost step in forward mode."""
        return direction(name, self.order, [*self.first.shapes])

    def _differentiated(self, way: Way) -> Core:
        """Return the program of what a way differentiates last, one operation a layer, by torch's own formulas."""
        core = lower(
            self.first.program,
            self.first.inputs(),
            nodes=True,
            as_torch=True,
            again=self.order if self.order > 1 else 0,
        )
        for step, held in zip(way.inner, self.directions, strict=True):
            if step == FORWARD:
                pushed = push_forward(core, held, as_torch=True)
                core = _again(pushed.core, {name: pushed.core.shapes[name] for name in pushed.program.inputs})
            else:
                pulled = pull_back(core, self.first.wrt, as_torch=True)
                program, shapes = along(pulled, held)
                core = _again(replace(pulled.core, program=program), shapes)
        return core


def _tangent(core: Core, held: Mapping[str, str]) -> Core:
    """Return the derivative of a core program along a direction, element by element."""
    pushed = push_forward(core, {name: tangent for name, tangent in held.items() if name in core.shapes})
    output = f"t_{core.program.output}_along"
    layer = Layer(output, pushed.tangents.get(core.program.output, ZERO))
    program = replace(pushed.program, layers=(*pushed.program.layers, layer), outputs=(output,))
    shapes = {**pushed.core.shapes, output: core.shapes[core.program.output]}
    return replace(pushed.core, program=program, shapes=shapes)


def _again(core: Core, shapes: Mapping[str, Shape]) -> Core:
    """Return a core program with one operation a layer, where its layers keep what is known of their rounding."""
    made = lower(core.program, shapes, nodes=True, as_torch=True)
    kept = {layer.name for layer in made.program.layers}
    fused, pulled = ({name: one for name, one in of.items() if name in kept} for of in (core.fused, core.pulled))
    return replace(made, fused=fused, pulled=pulled)
