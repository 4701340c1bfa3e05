"""The trace: what is kept of each operation on the way forward, so that it can be told what flowed back."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from gradcheck.autograd.record import Operation, Saved, TorchValue
from gradcheck.autograd.tensors import TORCH_ERRORS
from gradcheck.program import Call

MAX_FUNCTIONS = 16
"""Backward functions of one operation that are named."""

Reader = Callable[[torch.Tensor, bool], TorchValue]
"""How a tensor becomes floats, with the name of its backward function or without: as it is, or one of its copies."""


@dataclass(frozen=True, slots=True)
class Step:
    """One operation on the way forward; what it saves is gone after the way back.

    ``seen`` and ``made`` hold the numbers of ``args`` and ``result`` as they were when it ran.
    """

    call: Call
    args: list[Any]
    result: torch.Tensor
    seen: list[Any]
    made: torch.Tensor
    functions: tuple[str, ...]
    saved: tuple[Saved, ...]

    def tensors(self) -> Iterator[torch.Tensor]:
        """Yield the tensors of which the cotangents are wanted."""
        yield from (one for one in (self.result, *self.args) if isinstance(one, torch.Tensor))

    def operation(self, pulled: Mapping[int, torch.Tensor | None], read: Reader, altered: bool = False) -> Operation:
        """Return the operation with what flowed back, by the identity of each tensor."""
        tensors = [one if isinstance(one, torch.Tensor) else None for one in self.args]
        back = [None if one is None else pulled[id(one)] for one in (self.result, *tensors)]
        cotangent, *gradients = [None if one is None else read(one, False) for one in back]
        return Operation(
            self.call,
            tuple(read(one, False) if isinstance(one, torch.Tensor) else None for one in self.seen),
            tuple(one is not None and one.requires_grad for one in tensors),
            read(self.made, False),
            self.result.requires_grad,
            cotangent,
            tuple(gradients),
            self.functions,
            self.saved,
            numbers(self.args),
            altered,
        )


def step(call: Call, args: list[Any], seen: list[Any], result: torch.Tensor, made: torch.Tensor) -> Step:
    """Return an operation that just ran."""
    found = functions(result, args)
    # The backward pass frees what was saved: it is read here.
    saved = tuple(one for function in found for one in _saved(function, args))
    return Step(call, args, result, seen, made, tuple(type(one).__name__ for one in found), saved)


def plain(call: Call, args: list[Any], made: Any) -> Operation:
    """Return an operation that Python ran on plain numbers alone."""
    nothing, no = (None,) * len(args), (False,) * len(args)
    result = TorchValue(np.array(float(made)))
    return Operation(call, nothing, no, result, False, None, nothing, numbers=numbers(args))


def numbers(args: list[Any]) -> tuple[float | None, ...]:
    """Return the plain numbers among the arguments of an operation."""
    return tuple(None if isinstance(one, torch.Tensor) else float(one) for one in args)


def edge(one: Any) -> Any:
    """Return a tensor of its own for one reader of it, so that what flows back from that reader can be told."""
    return one.view_as(one) if isinstance(one, torch.Tensor) and one.requires_grad else one


def functions(made: torch.Tensor, args: list[Any], most: int = MAX_FUNCTIONS) -> list[Any]:
    """Return the backward functions of one operation, from its result to its arguments; at ``most`` so many."""
    ends = [one.grad_fn for one in args if isinstance(one, torch.Tensor)]
    found: dict[Any, None] = {}
    todo = deque([made.grad_fn])
    while todo and len(found) < most:
        function = todo.popleft()
        if function is not None and function not in ends and function not in found:
            found[function] = None
            todo += [following for following, _ in function.next_functions]
    return list(found)


def _saved(function: Any, args: list[Any]) -> Iterator[Saved]:
    """Yield the tensors that a backward function keeps."""
    names = [name for name in dir(function) if name.startswith("_saved_")]
    try:
        kept = {name.removeprefix("_saved_"): getattr(function, name) for name in names}
        kept |= {f"saved_tensors[{k}]": one for k, one in enumerate(getattr(function, "saved_tensors", ()))}
    except TORCH_ERRORS:  # functions that are not torch's own may refuse
        return
    for name, one in kept.items():
        if isinstance(one, torch.Tensor):
            argument = next((k for k, arg in enumerate(args) if arg is one), None)
            number = float(one.item()) if argument is None and one.dim() == 0 and name != "result" else None
            yield Saved(name, tuple(one.shape), argument, number)
