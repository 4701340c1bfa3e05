"""Runs of a program in torch: forward, one backward pass or several, and what torch says where there is none."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch

from gradcheck.autograd.lane import Lane
from gradcheck.autograd.modes import own_modes
from gradcheck.autograd.record import Backward, TorchValue
from gradcheck.autograd.tensors import DTYPES, TORCH_ERRORS, first_line, leaf, optional, value
from gradcheck.autograd.trace import Reader, Step
from gradcheck.errors import LaneProblem, UsageProblem
from gradcheck.program import Program

Point = Mapping[str, np.ndarray[Any, Any]]


def backward(
    program: Program,
    point: Point,
    wrt: Sequence[str],
    *,
    dtype: str = "float32",
    device: str = "cpu",
    traced: bool = False,
    under_test: Mapping[str, Callable[..., Any]] | None = None,
) -> Backward:
    """Run ``program`` forward and backward in torch and return what came out.

    ``point`` holds float64 arrays whose numbers ``dtype`` can hold. An output of several elements is seeded with ones,
    as ``out.sum().backward()`` does. With ``traced`` every operation is kept with all that went in and came out.
    ``under_test`` holds callables that run in place of torch's own, by the operation's own name. What the caller has
    set (grad mode, inference mode, autocast, ...) plays no part, and is as before afterwards.
    Raises LaneProblem, with the span of the operation, where torch refuses one; UsageProblem inside modes that put
    something else in torch's place.
    """
    with own_modes(device):
        leaves = {name: leaf(point[name], dtype, device, name in wrt) for name in program.inputs}
        lane = Lane(leaves, DTYPES[dtype], device, program.source, under_test, traced)
        return passed(program, lane, {name: leaves[name] for name in wrt}).read(value)


def forward(
    program: Program,
    point: Point,
    *,
    dtype: str = "float32",
    device: str = "cpu",
    under_test: Mapping[str, Callable[..., Any]] | None = None,
) -> dict[str, TorchValue]:
    """Run ``program`` forward alone, and return every layer; raises what ``backward`` raises."""
    with own_modes(device):
        leaves = {name: leaf(point[name], dtype, device, False) for name in program.inputs}
        layers = Lane(leaves, DTYPES[dtype], device, program.source, under_test).run(program)
        return {name: value(one) for name, one in layers.items()}


@dataclass(frozen=True, slots=True)
class Passed:
    """A forward and a backward pass, still in tensors; ``pulled`` holds what flowed back, by the tensor's identity.

    ``changed`` holds what came to those tensors of the trace where a callable under test has changed it in place since.
    """

    lane: Lane
    layers: dict[str, torch.Tensor]
    inputs: dict[str, torch.Tensor]
    pulled: dict[int, torch.Tensor | None]
    changed: dict[int, torch.Tensor]

    @property
    def gradients(self) -> dict[str, torch.Tensor | None]:
        """Return the gradient of every input asked for."""
        return {name: self.pulled[id(tensor)] for name, tensor in self.inputs.items()}

    def read(self, reader: Reader) -> Backward:
        """Return all that came out as floats."""
        lane = self.lane
        return Backward(
            {name: reader(tensor, True) for name, tensor in self.layers.items()},
            {name: None if one is None else reader(one, False) for name, one in self.gradients.items()},
            tuple(step.operation({**self.pulled, **self.changed}, reader, self.altered(step)) for step in lane.steps),
            tuple(lane.plain),
            tuple(lane.mismatches),
        )

    def altered(self, step: Step) -> bool:
        """Tell whether what runs in place of an operation changed the cotangent that came to its result."""
        return id(step.result) in self.changed and self.lane.tested(step.call.op) is not None


def passed(program: Program, lane: Lane, inputs: dict[str, torch.Tensor]) -> Passed:
    """Run forward, and backward to the ``inputs`` and to every tensor on the way that is traced."""
    layers = lane.run(program)
    traced = [one for step in lane.steps for one in step.tensors()]
    arrived = _arrivals(traced) if lane.under_test else {}
    tensors = [*inputs.values(), *traced]
    gradients = _gradients(layers[program.output], tensors, program, lane)
    pulled = {id(tensor): gradient for tensor, gradient in zip(tensors, gradients, strict=True)}
    changed = {place: came for place, (one, came) in arrived.items() if not _same(one, came)}
    return Passed(lane, layers, inputs, pulled, changed)


def _arrivals(tensors: Sequence[torch.Tensor]) -> dict[int, tuple[torch.Tensor, torch.Tensor]]:
    """Return what will have come back to each tensor, by its identity, once the backward pass has run, and a copy."""
    arrived: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}

    def keep(place: int, gradient: torch.Tensor | None) -> None:
        if gradient is not None and gradient.layout is torch.strided:
            arrived[place] = gradient.detach(), gradient.detach().clone()

    for one in tensors:
        if one.requires_grad:
            one.register_hook(partial(keep, id(one)))  # type: ignore[no-untyped-call]  # torch has no types there
    return arrived


def _same(one: torch.Tensor, other: torch.Tensor) -> bool:
    """Tell whether two tensors hold the same numbers; nan is the same as nan, and as nothing else."""
    strange = one.isnan(), other.isnan()
    return torch.equal(*strange) and torch.equal(one.masked_fill(strange[0], 0), other.masked_fill(strange[1], 0))


def _gradients(
    output: torch.Tensor, tensors: list[torch.Tensor], program: Program, lane: Lane
) -> list[torch.Tensor | None]:
    tracked = [tensor for tensor in tensors if tensor.requires_grad]
    if not output.requires_grad or not tracked:
        return [None] * len(tensors)
    with _refusals(program, lane):
        found = torch.autograd.grad(output, tracked, torch.ones_like(output), allow_unused=True)
    by_id = {id(tensor): grad for tensor, grad in zip(tracked, found, strict=True)}
    return [by_id.get(id(tensor)) for tensor in tensors]


@contextmanager
def _refusals(program: Program, lane: Lane) -> Iterator[None]:
    """Turn what is raised on the way back into a LaneProblem, at the callable whose gradient does not fit."""
    try:
        yield
    except Exception as problem:  # whatever somebody's code raises
        if not (lane.under_test or isinstance(problem, TORCH_ERRORS)):
            raise  # a callable under test may raise anything, torch may not
        blamed = [one.span for one in lane.mismatches if one.backward]
        span = blamed[-1] if blamed else program.layers[-1].span
        message = f"torch's backward pass failed: {first_line(problem)}"
        raise LaneProblem(message, source=program.source, span=span) from problem


def accumulate(
    program: Program,
    points: Sequence[Point],
    wrt: Sequence[str],
    *,
    dtype: str = "float32",
    device: str = "cpu",
    under_test: Mapping[str, Callable[..., Any]] | None = None,
) -> list[dict[str, TorchValue | None]]:
    """Return what ``.grad`` of every input holds after each of several backward passes; nothing is zeroed between.

    The leaves stay the same tensors; their numbers are those of each point in turn. All points have the same shapes.
    """
    with own_modes(device):
        leaves = {name: leaf(points[0][name], dtype, device, name in wrt) for name in program.inputs}
        held = []
        for point in points:
            with torch.no_grad():
                for name, one in leaves.items():
                    one.copy_(leaf(point[name], dtype, device, False))
            lane = Lane(leaves, DTYPES[dtype], device, program.source, under_test)
            output = lane.run(program)[program.output]
            if output.requires_grad:
                with _refusals(program, lane):
                    output.sum().backward()  # type: ignore[no-untyped-call]  # nor there
            held.append({name: optional(leaves[name].grad) for name in wrt})
        return held


def untracked_message(
    program: Program,
    point: Point,
    wrt: Sequence[str],
    *,
    dtype: str = "float32",
    device: str = "cpu",
    under_test: Mapping[str, Callable[..., Any]] | None = None,
) -> str | None:
    """Return what ``backward()`` says where the output carries no graph, or None where it does carry one."""
    with own_modes(device):
        leaves = {name: leaf(point[name], dtype, device, name in wrt) for name in program.inputs}
        lane = Lane(leaves, DTYPES[dtype], device, program.source, under_test)
        output = lane.run(program)[program.output]
        if output.requires_grad:
            return None
        try:
            output.sum().backward()  # type: ignore[no-untyped-call]  # nor there
        except RuntimeError as problem:
            return first_line(problem)
        return None


def check_device(device: str) -> None:
    """Raise UsageProblem where torch has no such device.

    >>> check_device("cpu")
    >>> try:
    ...     check_device("abacus")
    ... except UsageProblem as problem:
    ...     print(problem.code)
    usage
    """
    try:
        torch.zeros(1, device=device).to("cpu")
    except Exception as problem:  # a device that this torch was built without may raise anything, ImportError included
        said = first_line(problem).partition(". ")[0]
        raise UsageProblem(f"torch cannot use the device {device!r}: {said}") from None
