"""What a run of torch leaves behind: values, gradients, and every operation with all that went in and came out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from gradcheck.errors import Span
from gradcheck.program import Call, Shape

Floats = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True, slots=True, eq=False)
class TorchValue:
    """A tensor that torch returned, as float64 of its own shape: exact in every dtype."""

    array: Floats
    grad_fn: str | None = None

    @property
    def shape(self) -> Shape:
        """Return the shape."""
        shape: Shape = self.array.shape
        return shape

    @property
    def elements(self) -> list[float]:
        """Return the elements in row-major order as Python's floats."""
        found: list[float] = self.array.ravel().tolist()
        return found

    def __eq__(self, other: object) -> bool:
        """Return whether both hold the same numbers; nan is the same as nan."""
        return (
            isinstance(other, TorchValue)
            and np.array_equal(self.array, other.array, equal_nan=True)
            and self.grad_fn == other.grad_fn
        )

    __hash__ = None  # type: ignore[assignment]  # arrays can change


@dataclass(frozen=True, slots=True)
class Saved:
    """A tensor that autograd keeps for the way back.

    ``name`` is torch's (``self``, ``other``, ``result``), ``argument`` the place of the argument that it is, ``number``
    its value where it is none and holds a single number, such as the 2 of ``2*x``.
    """

    name: str
    shape: Shape
    argument: int | None
    number: float | None = None


@dataclass(frozen=True, slots=True)
class Mismatch:
    """A tensor of another kind than torch's own function gives there, from a callable under test.

    ``what`` is "shape", "dtype", "device" or "layout"; ``got`` and ``wanted`` are in words: "2 x 3" and "scalar",
    "float16" and "float32". With ``backward`` the tensor is a gradient that its backward returned, which torch itself
    sums to the shape or casts to the dtype without a word; else it is the value.
    """

    op: str
    span: Span
    what: str
    got: str
    wanted: str
    backward: bool = False


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of the user's tree as torch ran it: all that went in and came out, forward and backward.

    ``args`` holds its tensors, None where an argument is a plain number; ``numbers`` holds those: what Python had there
    in float64, before torch rounded it to the dtype, None for a tensor. ``tracked`` says for each argument whether it
    carries a graph, ``made_tracked`` whether the result does. ``pulled`` holds what flowed back to each argument from
    this operation alone, ``cotangent`` what flowed into its result from all that read it. ``functions`` names what runs
    on the way back through it (``MulBackward0``), from the result to the arguments, and ``saved`` is what they keep.
    One of Python's own, on plain numbers alone, has its result in float64 as ``value`` (a truth is 1 or 0), and nothing
    flows back. Where a callable under test returned another kind of tensor than torch's function, ``value`` is what the
    run went on with. ``altered`` says that a callable under test changed, on the way back, the cotangent that it was
    given: ``cotangent`` is as it came, and whatever else reads that tensor has the changed one.
    """

    call: Call
    args: tuple[TorchValue | None, ...]
    tracked: tuple[bool, ...]
    value: TorchValue
    made_tracked: bool
    cotangent: TorchValue | None
    pulled: tuple[TorchValue | None, ...]
    functions: tuple[str, ...] = ()
    saved: tuple[Saved, ...] = ()
    numbers: tuple[float | None, ...] = ()
    altered: bool = False


@dataclass(frozen=True, slots=True)
class Backward:
    """What torch returned: every layer, the gradient of every input asked for (None: no gradient), the operations.

    ``plain`` holds the operations among plain numbers, which Python runs in float64 before torch sees their result; a
    number that the program writes, such as 0.1, is none. ``mismatches`` are those of all operations, traced or not.
    """

    layers: dict[str, TorchValue]
    gradients: dict[str, TorchValue | None]
    operations: tuple[Operation, ...]
    plain: tuple[Operation, ...] = ()
    mismatches: tuple[Mismatch, ...] = ()
