"""All that a check computes from the program and the shapes alone, each part once and when it is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from gradcheck.differentiate import Pullback, pull_back
from gradcheck.display import Display
from gradcheck.exact import may_jump
from gradcheck.expect import expectations
from gradcheck.lower import Core, lower
from gradcheck.pointwise import goes_by_elements
from gradcheck.program import Call, Layer, Node, Program, Shape
from gradcheck.weighing import weighed


@dataclass(frozen=True)
class Plan:
    """A program at known shapes: its gradient programs, and what the user expects.

    ``core`` is the program in fused kernels, ``nodes`` the same with one operation a layer.

    >>> from gradcheck.parse import parse
    >>> plan = Plan.make(parse("y = 3*x; sum(y**2)"), {"x": (2,)}, ("x",), ())
    >>> plan.shapes, plan.display.formula("x")
    ({'x': (2,), 'y': (2,), 'out_1': (2,), 'out': ()}, '18*x[i]')
    """

    program: Program
    wrt: tuple[str, ...]
    core: Core
    expect: dict[str, Core]

    @staticmethod
    def make(program: Program, shapes: dict[str, Shape], wrt: tuple[str, ...], expect: Sequence[str] = ()) -> Plan:
        """Return the plan of ``program`` at these shapes; its work is done once for all points that have them."""
        return Plan(program, wrt, lower(program, shapes, shared=True), expectations(expect, wrt, program, shapes))

    @property
    def shapes(self) -> dict[str, Shape]:
        """Return the shapes of the inputs and of all layers."""
        return self.core.shapes

    @cached_property
    def by_elements(self) -> bool:
        """Return whether each element stands alone: the inputs and the output have one shape, and nothing mixes."""
        shapes = {*self.inputs().values(), self.shapes[self.program.output]}
        return len(shapes) == 1 and goes_by_elements(self.program)

    @cached_property
    def nodes(self) -> Core:
        """Return the program with one operation a layer, and a layer for each that the user wrote."""
        return lower(self.program, self.inputs(), nodes=True)

    @cached_property
    def shared(self) -> Pullback:
        """Return the gradient program that has one operation a layer and a guard for every domain.

        What the user wrote twice is evaluated, and differentiated, once.
        """
        return pull_back(lower(self.program, self.inputs(), nodes=True, shared=True), self.wrt, guarded=True)

    @cached_property
    def node(self) -> Pullback:
        """Return the same with every operation that the user wrote apart, each with the cotangent that it has there."""
        apart = _operations(self.nodes) == _operations(self.shared.core)
        return self.shared if apart else pull_back(self.nodes, self.wrt, guarded=True)

    @cached_property
    def fused(self) -> Pullback:
        """Return the gradient program of fused kernels, each differentiated in closed form."""
        return pull_back(self.core, self.wrt)

    @cached_property
    def closed(self) -> dict[str, tuple[Core, str]]:
        """Return the second form of each gradient with its layer: the one formula that is shown, else the kernels."""
        made = {}
        for name, output in zip(self.wrt, self.fused.program.outputs, strict=True):
            formula = self.display.closed[name]
            made[name] = (self.fused.core, output) if formula is None else self._alone(formula, name)
        return made

    def _alone(self, formula: Node, name: str) -> tuple[Core, str]:
        """Return the gradient by ``name`` as a core program of one layer."""
        output = f"d_{name}"
        program = Program(self.program.inputs, (Layer(output, formula),), (output,))
        return Core(program, {**self.inputs(), output: self.shapes[name]}), output

    @cached_property
    def display(self) -> Display:
        """Return the texts of a report, none of which is made yet."""
        return Display(self.program, self.inputs(), self.wrt, lambda: self.fused)

    @cached_property
    def may_jump(self) -> bool:
        """Return whether the value or a derivative may jump somewhere."""
        return may_jump(self.nodes)

    @cached_property
    def split(self) -> Core:
        """Return the gradient program with one operation a layer, its derivatives too."""
        return lower(self.shared.program, self.inputs(), nodes=True, shared=True)

    @cached_property
    def _rounding(self) -> Pullback:
        return pull_back(lower(self.program, self.inputs(), nodes=True, as_torch=True), self.wrt, as_torch=True)

    def rounding(self) -> Pullback:
        """Return the gradient program whose rounding errors are torch's."""
        return self._rounding

    @cached_property
    def weighed(self) -> tuple[Plan, str]:
        """Return the plan of the output under a cotangent, and the input that holds this."""
        shape = self.shapes[self.program.output]
        program, held = weighed(self.program, shape)
        return Plan.make(program, {**self.inputs(), held: shape}, self.wrt), held

    def inputs(self) -> dict[str, Shape]:
        """Return the shapes of the inputs."""
        return {name: self.shapes[name] for name in self.program.inputs}


def _operations(core: Core) -> int:
    """Return how many layers of the way forward compute something, and do not only name it."""
    forward = (layer for layer in core.program.layers if layer.name in core.forward)
    return sum(isinstance(layer.expression, Call) for layer in forward)
