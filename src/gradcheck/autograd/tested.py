"""Callables under test: how they are called, and what they return of another kind than torch's own function."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch

from gradcheck.autograd.operations import function
from gradcheck.autograd.record import Mismatch
from gradcheck.autograd.tensors import TORCH_ERRORS, first_line
from gradcheck.autograd.trace import functions
from gradcheck.dispatch import picked
from gradcheck.functions.params import shape_text
from gradcheck.program import LISTED, Call

MAX_WATCHED = 10_000
"""Backward functions of one callable whose gradients are looked at."""

Note = Callable[[Mismatch], object]
"""Where a mismatch is put down, on the way forward or on the way back."""


def run(node: Call, tested: Callable[..., Any], args: list[Any], params: dict[str, Any], note: Note) -> torch.Tensor:
    """Return what a callable under test makes of the arguments, as a tensor that the program can go on with.

    Another dtype is cast and another device left, as an assignment to torch's result would do; a shape that expands to
    the one of torch's function, or has as many elements, becomes that one. Each is put down with ``note``.
    Raises what torch raises, RuntimeError for whatever the callable raises, TypeError where nothing goes on.
    """
    made = picked(node, _called(node.op, tested, args, params))
    if not isinstance(made, torch.Tensor):
        raise TypeError(f"the callable under test returned {type(made).__name__}, and a tensor is needed")
    for one in functions(made, args, MAX_WATCHED):
        _watch(one, node, note)
    wanted = _wanted(node, args, params)
    return made if wanted is None else _fitted(made, wanted, _device(args), node, note)


def _called(op: str, tested: Callable[..., Any], args: list[Any], params: dict[str, Any]) -> Any:
    """Call what is under test, with a list of tensors where torch takes one; a Function stands for its ``apply``.

    Tensors that need not be given, and are not, are left out at the end: not everybody's ``mse_loss`` takes weights.
    """
    last = len(args)
    while last and args[last - 1] is None:  # so that torch's compiler can follow
        last -= 1
    given = [list(args)] if op in LISTED else args[:last]
    owner = tested if isinstance(tested, type) else getattr(tested, "__self__", None)
    try:
        if isinstance(owner, type) and issubclass(owner, torch.autograd.Function):
            return owner.apply(*_positional(owner, given, params))  # type: ignore[no-untyped-call]  # the user's own
        return tested(*given, **params)
    except Exception as problem:  # whatever somebody's code raises is an error of this case, and of no other
        raise RuntimeError(f"{type(problem).__name__}: {first_line(problem)}") from problem


def _positional(owner: type[torch.autograd.Function], args: Sequence[Any], params: dict[str, Any]) -> Sequence[Any]:
    """Return arguments and params in the order of ``forward``: ``apply`` takes none by name."""
    if not params:
        return args
    context = () if owner.setup_context is not torch.autograd.Function.setup_context else (None,)
    bound = inspect.signature(owner.forward).bind(*context, *args, **params)
    bound.apply_defaults()
    return bound.args[len(context) :]


# --- the value --------------------------------------------------------------------------------------


def _wanted(node: Call, args: list[Any], params: dict[str, Any]) -> torch.Tensor | None:
    """Return torch's own result without its numbers, None where torch cannot tell."""
    shapes = [one.detach().to("meta") if isinstance(one, torch.Tensor) else one for one in args]
    try:
        made = picked(node, function(node.op)(*shapes, **params))
    except TORCH_ERRORS:
        return None
    return made if isinstance(made, torch.Tensor) else None


def _device(args: list[Any]) -> torch.device:
    return next(one.device for one in args if isinstance(one, torch.Tensor))


def _fitted(made: torch.Tensor, wanted: torch.Tensor, device: torch.device, node: Call, note: Note) -> torch.Tensor:
    for what, got, want in _differences(made, wanted.shape, wanted.dtype, device):
        note(Mismatch(node.op, node.span, what, got, want))
    if made.is_complex() and not wanted.is_complex():
        raise TypeError(f"the callable under test returned {_dtype(made.dtype)}, and {_dtype(wanted.dtype)} is needed")
    fitted = _dense(made).to(device=device, dtype=wanted.dtype)
    if fitted.shape == wanted.shape:
        return fitted
    if fitted.numel() == wanted.numel():
        return fitted.reshape(wanted.shape)
    try:
        return fitted.expand(wanted.shape)
    except RuntimeError:
        got, want = shape_text(tuple(made.shape)), shape_text(tuple(wanted.shape))
        raise TypeError(f"the callable under test returned the shape {got}, and {want} is needed") from None


def _differences(
    made: torch.Tensor, shape: torch.Size, dtype: torch.dtype, device: torch.device
) -> Iterator[tuple[str, str, str]]:
    """Yield in what a tensor differs from what is wanted, with both in words."""
    if made.shape != shape:
        yield "shape", shape_text(tuple(made.shape)), shape_text(tuple(shape))
    if made.dtype != dtype:
        yield "dtype", _dtype(made.dtype), _dtype(dtype)
    if made.device != device:
        yield "device", str(made.device), str(device)
    if made.layout is not torch.strided:
        yield "layout", str(made.layout).removeprefix("torch."), "strided"


def _dense(tensor: torch.Tensor) -> torch.Tensor:
    return tensor if tensor.layout is torch.strided else tensor.to_dense()


def _dtype(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


# --- the gradients ----------------------------------------------------------------------------------


def _watch(one: Any, node: Call, note: Note) -> None:
    """Look at the gradients that a Function's backward returns, before torch sums and casts them to what it needs.

    torch runs the ``apply`` of the object that stands for this one call: it is replaced there, and nowhere else.
    """
    if not isinstance(one, torch.autograd.function.BackwardCFunction):
        return  # torch's own functions return what torch needs
    apply: Callable[..., Any] = one.apply

    def watched(*gradients: Any) -> Any:
        made = apply(*gradients)
        made = made if isinstance(made, tuple) else (made,)
        for what, got, want in _misfits(one, made):
            note(Mismatch(node.op, node.span, what, got, want, backward=True))
        return tuple(_dense(each) if isinstance(each, torch.Tensor) else each for each in made)

    one.apply = watched  # type: ignore[method-assign]  # of this one object, no other call of the Function has it


def _misfits(one: Any, made: tuple[Any, ...]) -> Iterator[tuple[str, str, str]]:
    """Yield in what the gradients that a backward returned differ from the tensors that they belong to."""
    needed = [gradient for gradient, need in zip(made, one.needs_input_grad, strict=False) if need]
    readers = [(following, k) for following, k in one.next_functions if following is not None]
    for gradient, (following, k) in zip(needed, readers, strict=False):
        if isinstance(gradient, torch.Tensor):
            wanted = following._input_metadata[k]
            yield from _differences(gradient, torch.Size(wanted.shape), wanted.dtype, wanted.device)
