"""Numbers on their way into torch and out of it: dtypes, leaves, plain numbers, and tensors as floats."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import torch

from gradcheck.autograd.record import TorchValue

DTYPES = {"float64": torch.float64, "float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}

TORCH_ERRORS = (RuntimeError, NotImplementedError, TypeError, IndexError, ValueError, ArithmeticError)
"""What torch raises when it cannot run an operation."""


def leaf(array: np.ndarray[Any, Any], dtype: str, device: str, tracked: bool) -> torch.Tensor:
    """Return an input as a leaf of the graph.

    >>> leaf([1, 2], "float64", "cpu", True)
    tensor([1., 2.], dtype=torch.float64, requires_grad=True)
    """
    tensor = torch.from_numpy(np.array(array, dtype=np.float64)).to(dtype=DTYPES[dtype], device=device)
    return tensor.requires_grad_(tracked)


def value(tensor: torch.Tensor, graph: bool = False) -> TorchValue:
    """Return a tensor as floats, with the name of its backward function for a ``graph``.

    >>> value(torch.tensor([1.0, 2.0])).array
    array([1., 2.])
    """
    held = tensor.detach().to(device="cpu", dtype=torch.float64, copy=True)
    return TorchValue(held.numpy(), function_name(tensor) if graph else None)


def function_name(tensor: torch.Tensor) -> str | None:
    """Return the name of a tensor's backward function, None where it has none.

    >>> function_name(torch.ones(1, requires_grad=True).exp()), function_name(torch.ones(1))
    ('ExpBackward0', None)
    """
    return None if tensor.grad_fn is None else type(tensor.grad_fn).__name__


def optional(tensor: torch.Tensor | None) -> TorchValue | None:
    """Return a tensor as floats where there is one."""
    return None if tensor is None else value(tensor)


def python(function: Callable[..., Any], args: list[Any]) -> Any:
    """Return arithmetic on plain numbers as Python does it, with torch's results where Python raises.

    >>> python(lambda a, b: a / b, [1, 0])
    inf
    """
    try:
        made = function(*args)
    except (ArithmeticError, ValueError):
        made = function(*(torch.tensor(float(one), dtype=torch.float64) for one in args)).item()
    if isinstance(made, complex):
        return math.nan
    return scalar(Fraction(made)) if isinstance(made, int) and not isinstance(made, bool) else made


def scalar(number: Fraction) -> int | float:
    """Return a rational number as Python has it: an int where float64 holds it, else the nearest float.

    >>> scalar(Fraction(2)), scalar(Fraction(1, 2))
    (2, 0.5)
    """
    if number.denominator == 1 and abs(number) < 2**53:
        return number.numerator
    try:
        return float(number)
    except OverflowError:
        return math.inf if number > 0 else -math.inf


def first_line(problem: BaseException) -> str:
    """Return the first line of what an exception says, or its name.

    >>> first_line(RuntimeError("not today\\nnor tomorrow")), first_line(KeyError())
    ('not today', 'KeyError')
    """
    return (str(problem).strip().splitlines() or [type(problem).__name__])[0]
