"""Runs of a program in torch in any way of differentiating: nested transforms, graphs of graphs, compiled code."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np
import torch
from torch.func import grad, jvp, vmap

from gradcheck.autograd.lane import Lane
from gradcheck.autograd.modes import own_modes
from gradcheck.autograd.record import TorchValue
from gradcheck.autograd.tensors import DTYPES, TORCH_ERRORS, first_line, leaf, value
from gradcheck.errors import LaneProblem
from gradcheck.lane import EAGER
from gradcheck.program import Program
from gradcheck.ways import REVERSE, Way

Arrays = Mapping[str, np.ndarray[Any, Any]]
Tensors = tuple[torch.Tensor, ...]
Scalar = Callable[..., torch.Tensor]
Direction = dict[int, torch.Tensor]
"""The part of a direction by each argument that it moves, by the argument's place."""

MANY_TANGENTS = 16
"""Tangents from which they are pushed forward together, by vmap."""


@dataclass(frozen=True)
class Derivative:
    """What is asked of torch: derivatives of a program by some inputs, in one way.

    ``directions`` are those of the inner derivatives, the innermost first, each with an array for every input in
    ``wrt``; there is one less than the order. What a direction leaves out is not differentiated by, so that no 0 meets
    a slope that is no number. ``cotangent`` is that of the output, None for ones.
    """

    program: Program
    wrt: tuple[str, ...]
    way: Way
    directions: tuple[Arrays, ...] = ()
    dtype: str = "float32"
    device: str = "cpu"
    engine: str = EAGER
    under_test: Mapping[str, Callable[..., Any]] = field(default_factory=dict)
    cotangent: np.ndarray[Any, Any] | None = None

    def at(self, point: Arrays) -> dict[str, TorchValue]:
        """Return the derivative by every input: of the output along the directions, each in the input's shape.

        Raises LaneProblem where torch refuses.
        """
        with own_modes(self.device):
            given = {name: leaf(point[name], self.dtype, self.device, False) for name in self.program.inputs}
            try:
                found = self._derivative(given)(*(given[name] for name in self.wrt))
            except LaneProblem:
                raise
            except Exception as problem:
                if not (self.under_test or isinstance(problem, self._refusals())):
                    raise  # a callable under test may raise anything, torch may not
                message = f"torch has no derivative {self.way} here: {first_line(problem)}"
                span = self.program.layers[-1].span
                raise LaneProblem(message, source=self.program.source, span=span) from problem
        return {name: value(one) for name, one in zip(self.wrt, found, strict=True)}

    def _derivative(self, given: Mapping[str, torch.Tensor]) -> Callable[..., Tensors]:
        function = self._function(given)
        if self.way.is_plain or self.way.graph:
            return self._graph(self._engine(function))
        for step, direction in zip(self.way.inner, self._directions(), strict=True):
            function = _along(step, function, direction)
        return self._engine(_by_all(self.way.outermost, function))

    def _engine(self, function: Callable[..., Any]) -> Callable[..., Any]:
        if self.engine == EAGER:
            return function
        torch._dynamo.reset()
        return torch.compile(function, backend=self.engine, fullgraph=True)

    def _refusals(self) -> tuple[type[Exception], ...]:
        """Return what torch raises where it refuses; its compiler is loaded where it runs."""
        if self.engine == EAGER:
            return TORCH_ERRORS
        from torch._dynamo.exc import TorchDynamoException

        return (*TORCH_ERRORS, TorchDynamoException)

    def _directions(self) -> list[Direction]:
        return [
            {k: leaf(one[name], self.dtype, self.device, False) for k, name in enumerate(self.wrt) if one[name].any()}
            for one in self.directions
        ]

    def _function(self, given: Mapping[str, torch.Tensor]) -> Scalar:
        """Return the program as a function of the inputs that it is differentiated by, of one number."""
        weights = None if self.cotangent is None else leaf(self.cotangent, self.dtype, self.device, False)

        def function(*tensors: torch.Tensor) -> torch.Tensor:
            leaves = {**given, **dict(zip(self.wrt, tensors, strict=True))}
            lane = Lane(leaves, DTYPES[self.dtype], self.device, self.program.source, self.under_test)
            made = lane.run(self.program)[self.program.output]
            return (made if weights is None else made * weights).sum()

        return function

    def _graph(self, function: Scalar) -> Callable[..., Tensors]:
        """Return the derivative by backward passes, each of which makes the graph of the next one."""

        def derivative(*tensors: torch.Tensor) -> Tensors:
            leaves = tuple(one.detach().clone().requires_grad_() for one in tensors)
            made = function(*leaves)
            for direction in self._directions():
                moving = tuple(leaves[k] for k in direction)
                made = _dot(_pulled(made, moving, create_graph=True), direction)
            return _pulled(made, leaves, create_graph=False)

        return derivative


def _pulled(made: torch.Tensor, leaves: Tensors, *, create_graph: bool) -> Tensors:
    """Return the gradients; what does not depend on an input has the gradient 0 by it."""
    if not made.requires_grad:
        return tuple(map(torch.zeros_like, leaves))
    found = torch.autograd.grad(made, leaves, create_graph=create_graph, allow_unused=True)
    return tuple(torch.zeros_like(x) if one is None else one for one, x in zip(found, leaves, strict=True))


def _along(step: str, function: Scalar, direction: Direction) -> Scalar:
    """Return the derivative of a function along a direction, by the arguments alone that it moves."""
    if step == REVERSE:
        return lambda *tensors: _dot(grad(function, tuple(direction))(*tensors), direction)

    def pushed(*tensors: torch.Tensor) -> torch.Tensor:
        def moved(*some: torch.Tensor) -> torch.Tensor:
            by = dict(zip(direction, some, strict=True))
            return function(*(by.get(k, one) for k, one in enumerate(tensors)))

        made: torch.Tensor = jvp(moved, tuple(tensors[k] for k in direction), tuple(direction.values()))[1]
        return made

    return pushed


def _dot(found: Tensors, direction: Direction) -> torch.Tensor:
    """Return the sum of the products, in the order of the inputs; of one element alone that element."""
    parts = [_times(one, along) for one, along in zip(found, direction.values(), strict=True)]
    made = parts[0]
    for part in parts[1:]:
        made = made + part
    return made


def _times(one: torch.Tensor, along: torch.Tensor) -> torch.Tensor:
    nonzero = along.reshape(-1).nonzero()
    if nonzero.numel() > 1:
        return (one * along).sum()
    k = int(nonzero.item())
    return one.reshape(-1)[k] * along.reshape(-1)[k]


def _by_all(step: str, function: Scalar) -> Callable[..., Tensors]:
    """Return the derivatives by all elements of all arguments."""
    if step == REVERSE:
        return lambda *tensors: grad(function, tuple(range(len(tensors))))(*tensors)
    return lambda *tensors: tuple(_forward(function, tensors, at) for at in range(len(tensors)))


def _forward(function: Scalar, tensors: Tensors, at: int) -> torch.Tensor:
    """Return the derivative by one argument, by one tangent for each of its elements."""
    moving = tensors[at]
    count = prod(moving.shape)
    units = torch.eye(count, dtype=moving.dtype, device=moving.device).reshape(count, *moving.shape)

    def push(tangent: torch.Tensor) -> torch.Tensor:
        made: torch.Tensor = jvp(lambda one: function(*tensors[:at], one, *tensors[at + 1 :]), (moving,), (tangent,))[1]
        return made

    rows = vmap(push)(units) if count > MANY_TANGENTS else torch.stack([push(one) for one in units])
    return rows.reshape(moving.shape)
