"""What a planted fault is, and the ways to plant one: in the backward pass, in what it remembers, in its precision."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from gradcheck.blame import Cause
from gradcheck.verdict import Verdict

Operation = Callable[..., Any]
"""What runs in place of torch's function: it gets that function's arguments, tensors, and its static parameters."""
Pullback = Callable[..., Any]
"""The cotangents of the arguments, from the cotangent of the result, the result, the arguments and the parameters."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A wrong implementation of an operation, a program and a point that show it, and what must be found there.

    ``way`` is the way of differentiating that shows it.
    """

    name: str
    op: str
    program: str
    at: str
    dtype: str
    operation: Operation
    cause: Cause = Cause.WRONG_GRADIENT
    verdict: Verdict = Verdict.DISAGREE
    nondet: int = 0
    way: str = "rev"


def planted(forward: Operation, pullback: Pullback) -> Operation:
    """Return an autograd Function with the value of ``forward`` and the gradient of ``pullback``."""

    class Planted(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, params: dict[str, Any], *args: torch.Tensor) -> torch.Tensor:
            made: torch.Tensor = forward(*args, **params)
            ctx.params = params
            ctx.save_for_backward(made, *args)
            return made

        @staticmethod
        def backward(ctx: Any, g: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
            made, *args = ctx.saved_tensors
            pulled = pullback(g, made, *args, **ctx.params)
            return (None, *pulled) if isinstance(pulled, tuple) else (None, pulled)

    def run(*args: Any, **params: Any) -> Any:
        args = tuple(args[0]) if isinstance(args[0], list) else args
        like = next(one for one in args if isinstance(one, torch.Tensor))
        tensors = (torch.as_tensor(one, dtype=like.dtype) for one in args)
        return Planted.apply(params, *tensors)  # type: ignore[no-untyped-call]

    return run


def pushed(forward: Operation, pullback: Pullback, pushforward: Operation) -> Operation:
    """Return an autograd Function for any way of differentiating, without static parameters.

    ``pushforward`` gets the tangents of the arguments, then what the pullback gets.
    """

    class Planted(torch.autograd.Function):
        @staticmethod
        def forward(*args: torch.Tensor) -> Any:
            return forward(*args)

        @staticmethod
        def setup_context(ctx: Any, inputs: tuple[torch.Tensor, ...], output: torch.Tensor) -> None:
            ctx.save_for_backward(output, *inputs)
            ctx.save_for_forward(output, *inputs)

        @staticmethod
        def backward(ctx: Any, g: torch.Tensor) -> Any:
            return pullback(g, *ctx.saved_tensors)

        @staticmethod
        def jvp(ctx: Any, *tangents: torch.Tensor) -> Any:
            return pushforward(*tangents, *ctx.saved_tensors)

    made: Operation = Planted.apply
    return made


def distorted(function: Operation, change: Callable[[torch.Tensor], torch.Tensor]) -> Operation:
    """Return torch's function with the cotangents of its arguments changed: the right ones, and then this mistake."""

    def pullback(
        g: torch.Tensor, _made: torch.Tensor, *args: torch.Tensor, **params: Any
    ) -> tuple[torch.Tensor | None, ...]:
        with torch.enable_grad():
            leaves = [one.detach().requires_grad_(one.requires_grad) for one in args]
            made = function(*leaves, **params)
            pulled = iter(torch.autograd.grad(made, [one for one in leaves if one.requires_grad], g))
        return tuple(change(next(pulled)) if one.requires_grad else None for one in leaves)

    return planted(function, pullback)


def scaled(function: Operation, factor: float) -> Operation:
    """Return torch's function with the cotangents of its arguments times a factor."""
    return distorted(function, lambda gradient: gradient * factor)


def altered(function: Operation, change: Callable[[torch.Tensor], torch.Tensor]) -> Operation:
    """Return torch's function with the cotangent of each result changed before it is pulled back.

    It takes whatever the function takes, and returns as many results.
    """

    def changed(made: Any) -> Any:
        if isinstance(made, tuple | list):
            return [changed(one) for one in made]
        if isinstance(made, torch.Tensor) and made.requires_grad:
            made = made.clone()
            made.register_hook(change)
        return made

    def run(*args: Any, **params: Any) -> Any:
        return changed(function(*(args[0] if isinstance(args[0], list) else args), **params))

    return run


def shared(function: Operation, pullback: Pullback) -> Operation:
    """Return a Function that keeps its argument in a place that all its calls share, so that the last call wins."""
    last: list[torch.Tensor] = []

    def forward(x: torch.Tensor) -> Any:
        last[:] = [x]
        return function(x)

    return planted(forward, lambda g, y, _x: pullback(g, y, last[0]))


def overwritten(function: Operation, change: Callable[[torch.Tensor], object]) -> Operation:
    """Return torch's function of a tensor that is changed behind its back, after it was saved for the backward pass."""

    def run(x: torch.Tensor) -> Any:
        saved = x.clone()
        made = function(saved)
        change(saved.data)
        return made

    return run


def within(dtype: torch.dtype, function: Operation) -> Operation:
    """Return torch's function computed in another precision, value and gradient, as autocast would."""

    def run(*args: torch.Tensor, **params: Any) -> Any:
        return function(*(one.to(dtype) for one in args), **params).to(args[0].dtype)

    return run
