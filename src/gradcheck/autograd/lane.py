"""The walk over the user's own tree in torch, in the user's order."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch

from gradcheck.autograd.operations import function
from gradcheck.autograd.record import Mismatch, Operation
from gradcheck.autograd.tensors import TORCH_ERRORS, first_line, python, scalar
from gradcheck.autograd.tested import run
from gradcheck.autograd.trace import Step, edge, plain, step
from gradcheck.constants import by_python
from gradcheck.dispatch import arguments, keywords, picked
from gradcheck.errors import LaneProblem
from gradcheck.functions import CONSTANTS
from gradcheck.program import Call, Node, Program, fold


class Lane:
    """Evaluates the user's tree; the state is the layers, and where it is traced every operation in order."""

    def __init__(
        self,
        leaves: Mapping[str, torch.Tensor],
        dtype: torch.dtype,
        device: str,
        source: str,
        under_test: Mapping[str, Callable[..., Any]] | None = None,
        traced: bool = False,
    ) -> None:
        self.values: dict[str, Any] = dict(leaves)
        self.under_test = under_test or {}
        self.traced = traced
        self.dtype = dtype
        self.device = device
        self.source = source
        self.steps: list[Step] = []
        self.plain: list[Operation] = []
        self.mismatches: list[Mismatch] = []

    def run(self, program: Program) -> dict[str, torch.Tensor]:
        """Return every layer as a tensor."""
        layers = {}
        for layer in program.layers:
            layers[layer.name] = self.values[layer.name] = self.tensor(self.evaluate(layer.expression))
        return layers

    def evaluate(self, node: Node) -> Any:
        """Return the value of an expression, a tensor or a plain number."""
        return fold(node, lambda one: self.values[one.id], lambda one: scalar(one.value), self.operation)

    def operation(self, node: Call, args: list[Any]) -> Any:
        """Return the result of one operation, and put it down where the run is traced."""
        if self.traced:
            args = [edge(one) for one in args]
        seen = [self.still(one) for one in args]
        try:
            made = self.call(node, args)
        except TORCH_ERRORS as problem:
            message = f"{_refusal(node.op, problem)}: {first_line(problem)}"
            raise LaneProblem(message, source=self.source, span=node.span) from problem
        if self.traced and isinstance(made, torch.Tensor):
            self.steps.append(step(node, args, seen, made, self.still(made)))
        elif self.traced:
            self.plain.append(plain(node, args, made))
        return made

    def still(self, one: Any) -> Any:
        """Return a value as it is now: a callable under test may change it in place later."""
        return one.detach().clone() if self.traced and self.under_test and isinstance(one, torch.Tensor) else one

    def call(self, node: Call, args: list[Any]) -> Any:
        """Return what Python, torch or a callable under test makes of the arguments."""
        if node.op in CONSTANTS:
            return CONSTANTS[node.op].value
        if by_python(node.op, (not isinstance(one, torch.Tensor) for one in args)):
            return numbers_alone(node.op, args)
        given, params = arguments(node.op, args, self), keywords(node, self)
        tested = self.tested(node.op)
        if tested is None:
            return picked(node, function(node.op)(*given, **params))
        return run(node, tested, given, params, self.mismatches.append)

    def tested(self, op: str) -> Callable[..., Any] | None:
        """Return the callable under test, if any; that of ``clamp`` gets None for a bound that is not there."""
        clamp = self.under_test.get("clamp")
        if op in self.under_test or clamp is None or op not in ("clamp_min", "clamp_max"):
            return self.under_test.get(op)
        if op == "clamp_min":
            return lambda x, low: clamp(x, low, None)
        return lambda x, high: clamp(x, None, high)

    def is_tensor(self, value: Any) -> bool:
        """Tell whether a value is a tensor, and no plain number."""
        return isinstance(value, torch.Tensor)

    def bound(self, value: Any) -> Any:
        """Return a plain number as it is, or infinite where torch would refuse it: it is beyond the dtype."""
        rounded = self.tensor(value).item()
        return rounded if math.isinf(rounded) else value

    def tensor(self, value: Any) -> torch.Tensor:
        """Return a value as a tensor: a plain number is rounded to the dtype."""
        if isinstance(value, torch.Tensor):
            return value
        return torch.tensor(value, dtype=self.dtype, device=self.device)

    def whole(self, value: Any) -> torch.Tensor:
        """Return whole numbers as a tensor."""
        return torch.tensor(value, device=self.device)

    def truth(self, value: Any) -> torch.Tensor:
        """Return a condition as a tensor."""
        return value if isinstance(value, torch.Tensor) else torch.tensor(bool(value), device=self.device)


def _refusal(op: str, problem: Exception) -> str:
    """Return what torch could not do: the operation itself, or its derivative in forward mode."""
    forward = isinstance(problem, NotImplementedError) and "forward AD" in str(problem)
    return f"torch has no derivative of {op} in forward mode" if forward else f"torch could not run {op}"


def numbers_alone(op: str, args: list[Any]) -> Any:
    """Return what Python makes of plain numbers; ~ of a truth is a number there, and works on tensors alone."""
    return not args[0] if op == "logical_not" else python(function(op), args)
