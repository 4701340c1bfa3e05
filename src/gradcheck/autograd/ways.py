"""Runs of a program in torch in any way of differentiating: nested transforms, graphs of graphs, compiled code."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from math import prod
from typing import Any, NamedTuple

import numpy as np
import torch
from torch.func import grad, jvp, vmap

from gradcheck.autograd import engines
from gradcheck.autograd.lane import Lane
from gradcheck.autograd.modes import own_modes
from gradcheck.autograd.record import TorchValue
from gradcheck.autograd.tensors import DTYPES, leaf, value
from gradcheck.errors import LaneProblem
from gradcheck.lane import COMPILED, EAGER, VMAP
from gradcheck.program import Program
from gradcheck.ways import REVERSE, Way

Arrays = Mapping[str, np.ndarray[Any, Any]]
Tensors = tuple[torch.Tensor, ...]
Scalar = Callable[..., torch.Tensor]

MANY_TANGENTS = 16
"""Tangents from which they are pushed forward together, by vmap."""
MAX_TOGETHER = 2**22
"""Numbers of tangents that are pushed forward together: each has as many as the input."""
MIN_BATCH = 2
"""Points of a batch: torch may see through a batch of one."""


class Part(NamedTuple):
    """The part of a direction by one argument; ``at`` is the place of its only element that is not 0.

    A place is a tensor, so that what was compiled for one element serves for all.
    """

    tensor: torch.Tensor
    at: torch.Tensor | None

    @staticmethod
    def of(tensor: torch.Tensor) -> Part:
        """Return a tensor as a part, which knows where its only element is."""
        nonzero = tensor.reshape(-1).nonzero()
        return Part(tensor, nonzero.reshape(1) if nonzero.numel() == 1 else None)

    def times(self, one: torch.Tensor) -> torch.Tensor:
        """Return the product with a gradient: of one element alone that element, as no 0 meets what is no number."""
        if self.at is None:
            return (one * self.tensor).sum()
        return (one.reshape(-1).index_select(0, self.at) * self.tensor.reshape(-1).index_select(0, self.at)).sum()


Direction = dict[int, Part]
"""The part of a direction by each argument that it moves, by the argument's place."""


class Found(NamedTuple):
    """Derivatives by the inputs' names, and the output where it was made beside them."""

    gradients: dict[str, TorchValue]
    output: TorchValue | None


@dataclass(frozen=True)
class Derivative:
    """What is asked of torch: derivatives of a program by some inputs, in one way.

    ``directions`` are those of the inner derivatives, the innermost first, each with an array for every input in
    ``wrt``; there is one less than the order. What a direction leaves out is not differentiated by, so that no 0 meets
    a slope that is no number.
    """

    program: Program
    wrt: tuple[str, ...]
    way: Way
    directions: tuple[Arrays, ...] = ()
    dtype: str = "float32"
    device: str = "cpu"
    engine: str = EAGER
    under_test: Mapping[str, Callable[..., Any]] = field(default_factory=dict)

    def at(self, point: Arrays) -> Found:
        """Return the derivative by every input: of the output along the directions, each in the input's shape.

        Raises LaneProblem where torch refuses.
        """
        return self.at_all([point])[0]

    def at_all(self, points: Sequence[Arrays]) -> list[Found]:
        """Return the derivative at points of the same shapes: one after the other, or by vmap all at once.

        Raises LaneProblem where torch refuses one of them.
        """
        with own_modes(self.device), engines.own_compiler(self.engine):
            given = [tuple(self._leaf(point[name]) for name in self.program.inputs) for point in points]
            try:
                found = self._batched(given) if self.engine == VMAP else [self._found(one) for one in given]
            except LaneProblem:
                raise
            except Exception as problem:  # whatever somebody's code raises
                if not (self.under_test or isinstance(problem, engines.refusals(self.engine))):
                    raise  # a callable under test may raise anything, torch may not
                raise self._refused(problem) from problem
            return [self._as_floats(each, made) for each, made in found]

    def _as_floats(self, found: Tensors, made: torch.Tensor | None) -> Found:
        # Forward mode of some operations leaves a half type for a wider one: what the input's dtype holds is compared.
        gradients = {name: value(one.to(DTYPES[self.dtype])) for name, one in zip(self.wrt, found, strict=True)}
        return Found(gradients, None if made is None else value(made))

    def _refused(self, problem: Exception) -> LaneProblem:
        where = "" if self.engine == EAGER else f" by {self.engine}"
        message = f"torch has no derivative {self.way}{where} here: {engines.said(problem)}"
        return LaneProblem(message, source=self.program.source, span=self.program.layers[-1].span)

    def _leaf(self, array: np.ndarray[Any, Any]) -> torch.Tensor:
        return leaf(array, self.dtype, self.device, False)

    # --- one point ---

    def _found(self, given: Tensors) -> tuple[Tensors, torch.Tensor | None]:
        """Return the derivatives at one point, by torch as it is or by compiled code, and the output."""
        if self.way.is_plain or self.way.graph:
            return self._graph(self._compiled(self._output, given), given)
        return self._compiled(self._nested, given)(given, self._directions()), None

    def _compiled(self, function: Callable[..., Any], given: Tensors) -> Callable[..., Any]:
        """Return a function of tensors alone as the engine has it: the same one for all points of some shapes."""
        if self.engine not in COMPILED:
            return function
        shapes = tuple(one.shape for one in given)
        moving = tuple(tuple(one) for one in self._directions())
        what = replace(self, directions=())
        program = (self.program.source, self.program.inputs, str(self.program))
        tested = tuple((op, id(one)) for op, one in self.under_test.items())  # kept alive by what is compiled
        key = (program, self.wrt, self.way, self.dtype, self.device, shapes, moving, tested)
        return engines.compiled(getattr(what, function.__name__), self.engine, key)

    def _nested(self, given: Tensors, directions: Sequence[Direction]) -> Tensors:
        """Return the derivatives by nested transforms."""
        function: Scalar = partial(self._moved, given)
        for step, direction in zip(self.way.inner, directions, strict=True):
            function = _along(step, function, direction)
        return _by_all(self.way.outermost, function)(*(given[self.program.inputs.index(name)] for name in self.wrt))

    def _moved(self, given: Tensors, *tensors: torch.Tensor) -> torch.Tensor:
        """Return the program as a function of the inputs that it is differentiated by."""
        by = dict(zip(self.wrt, tensors, strict=True))
        every = zip(self.program.inputs, given, strict=True)
        return self._output(tuple(by.get(name, one) for name, one in every)).sum()

    def _output(self, given: Tensors) -> torch.Tensor:
        leaves = dict(zip(self.program.inputs, given, strict=True))
        lane = Lane(leaves, DTYPES[self.dtype], self.device, self.program.source, self.under_test)
        return lane.run(self.program)[self.program.output]

    def _directions(self) -> list[Direction]:
        return [
            {k: Part.of(self._leaf(one[name])) for k, name in enumerate(self.wrt) if one[name].any()}
            for one in self.directions
        ]

    def _graph(self, function: Callable[[Tensors], torch.Tensor], given: Tensors) -> tuple[Tensors, torch.Tensor]:
        """Return the derivative by backward passes, each of which makes the graph of the next one, and the output."""
        leaves = {name: given[k].detach().clone() for k, name in enumerate(self.program.inputs)}
        by = tuple(leaves[name].requires_grad_() for name in self.wrt)
        made = output = function(tuple(leaves.values()))
        for direction in self._directions():
            found = _pulled(made, tuple(by[k] for k in direction), create_graph=True)
            made = vmap(partial(_dot, direction))(found) if self.engine == VMAP else _dot(direction, found)
        return _pulled(made, by, create_graph=False), output

    # --- all points at once ---

    def _batched(self, given: Sequence[Tensors]) -> list[tuple[Tensors, torch.Tensor | None]]:
        """Return the derivatives at all points, by torch's batching rules; one point alone stands there twice."""
        many = [*given, *given[: max(0, MIN_BATCH - len(given))]]
        stacked = tuple(map(torch.stack, zip(*many, strict=True)))
        output = None
        if self.way.is_plain or self.way.graph:
            found, output = self._graph(vmap(self._output), stacked)
        else:
            found = vmap(partial(self._nested, directions=self._directions()))(stacked)
        rows = zip(*found, strict=True)
        return list(zip(rows, output if output is not None else [None] * len(many), strict=True))[: len(given)]


def _pulled(made: torch.Tensor, leaves: Tensors, *, create_graph: bool) -> Tensors:
    """Return the gradients; what does not depend on an input has the gradient 0 by it."""
    if not made.requires_grad:
        return tuple(map(torch.zeros_like, leaves))
    found = torch.autograd.grad(made.sum(), leaves, create_graph=create_graph, allow_unused=True)
    return tuple(torch.zeros_like(x) if one is None else one for one, x in zip(found, leaves, strict=True))


def _along(step: str, function: Scalar, direction: Direction) -> Scalar:
    """Return the derivative of a function along a direction, by the arguments alone that it moves."""
    if step == REVERSE:
        return lambda *tensors: _dot(direction, grad(function, tuple(direction))(*tensors))

    def pushed(*tensors: torch.Tensor) -> torch.Tensor:
        def moved(*some: torch.Tensor) -> torch.Tensor:
            by = dict(zip(direction, some, strict=True))
            return function(*(by.get(k, one) for k, one in enumerate(tensors)))

        along = tuple(part.tensor for part in direction.values())
        made: torch.Tensor = jvp(moved, tuple(tensors[k] for k in direction), along)[1]
        return made

    return pushed


def _dot(direction: Direction, found: Tensors) -> torch.Tensor:
    """Return the sum of the products, in the order of the inputs; of one element alone that element."""
    parts = [along.times(one) for one, along in zip(found, direction.values(), strict=True)]
    made = parts[0]
    for part in parts[1:]:
        made = made + part
    return made


def _by_all(step: str, function: Scalar) -> Callable[..., Tensors]:
    """Return the derivatives by all elements of all arguments."""
    if step == REVERSE:
        return lambda *tensors: grad(function, tuple(range(len(tensors))))(*tensors)
    return lambda *tensors: tuple(_forward(function, tensors, at) for at in range(len(tensors)))


def _forward(function: Scalar, tensors: Tensors, at: int) -> torch.Tensor:
    """Return the derivative by one argument, by one tangent for each of its elements."""
    moving = tensors[at]
    count = prod(moving.shape)

    def push(tangent: torch.Tensor) -> torch.Tensor:
        made: torch.Tensor = jvp(lambda one: function(*tensors[:at], one, *tensors[at + 1 :]), (moving,), (tangent,))[1]
        return made

    if count <= MANY_TANGENTS:
        return torch.stack([push(one) for one in _units(moving, 0, count)]).reshape(moving.shape)
    step = max(1, MAX_TOGETHER // count)
    rows = [vmap(push)(_units(moving, k, min(k + step, count))) for k in range(0, count, step)]
    return torch.cat(rows).reshape(moving.shape)


def _units(moving: torch.Tensor, start: int, stop: int) -> torch.Tensor:
    """Return the tangents of some elements of an argument."""
    count = prod(moving.shape)
    made = torch.eye(stop - start, dtype=moving.dtype, device=moving.device)
    made = torch.nn.functional.pad(made, (start, count - stop))
    return made.reshape(stop - start, *moving.shape)
