"""Derivatives at many points side by side, of programs that go by elements, in any way of torch's eager engine."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch.func import grad, jvp

from gradcheck.autograd.lane import Lane
from gradcheck.autograd.modes import own_modes
from gradcheck.autograd.record import TorchValue
from gradcheck.autograd.tensors import DTYPES, TORCH_ERRORS, first_line, leaf, value
from gradcheck.errors import LaneProblem
from gradcheck.program import Program
from gradcheck.ways import REVERSE, Way

Elements = Callable[..., torch.Tensor]
CPU = "cpu"


def abreast(
    program: Program, point: Mapping[str, np.ndarray[Any, Any]], way: Way, along: Sequence[str], dtype: str
) -> dict[str, TorchValue]:
    """Return the derivative by every input at points that stand side by side, each by itself.

    ``along`` names the input of each inner derivative, the innermost first. Nothing is summed up but for a backward
    pass, so that a point without a number leaves the others theirs. Raises LaneProblem where torch refuses.
    """
    inputs = program.inputs
    with own_modes(CPU):
        given = [leaf(point[name], dtype, CPU, False) for name in inputs]

        def elements(*tensors: torch.Tensor) -> torch.Tensor:
            leaves = dict(zip(inputs, tensors, strict=True))
            return Lane(leaves, DTYPES[dtype], CPU, program.source, {}).run(program)[program.output]

        try:
            found = _derivatives(elements, given, way, [inputs.index(name) for name in along])
        except TORCH_ERRORS as problem:
            span = program.layers[-1].span
            message = f"torch has no derivative {way} here: {first_line(problem)}"
            raise LaneProblem(message, source=program.source, span=span) from problem
        return {name: value(one.to(DTYPES[dtype])) for name, one in zip(inputs, found, strict=True)}


def _derivatives(function: Elements, given: list[torch.Tensor], way: Way, along: Sequence[int]) -> list[torch.Tensor]:
    if way.graph or way.is_plain:
        leaves = [one.clone().requires_grad_() for one in given]
        made = function(*leaves)
        for k in along:
            [made] = _pulled(made, leaves[k : k + 1])
        return _pulled(made, leaves)
    for step, k in zip(way.inner, along, strict=True):
        function = _along(step, function, k)
    return [_along(way.outermost, function, k)(*given) for k in range(len(given))]


def _along(step: str, function: Elements, k: int) -> Elements:
    """Return the derivative of every element by one argument."""
    if step == REVERSE:
        return grad(lambda *tensors: function(*tensors).sum(), k)

    def pushed(*tensors: torch.Tensor) -> torch.Tensor:
        def moved(one: torch.Tensor) -> torch.Tensor:
            return function(*tensors[:k], one, *tensors[k + 1 :])

        made: torch.Tensor = jvp(moved, (tensors[k],), (torch.ones_like(tensors[k]),))[1]
        return made

    return pushed


def _pulled(made: torch.Tensor, leaves: list[torch.Tensor]) -> list[torch.Tensor]:
    if not made.requires_grad:
        return [torch.zeros_like(one) for one in leaves]
    found = torch.autograd.grad(made.sum(), leaves, create_graph=True, allow_unused=True)
    return [torch.zeros_like(x) if one is None else one for one, x in zip(found, leaves, strict=True)]
