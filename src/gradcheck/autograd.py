"""The autograd lane: the user's own tree in torch, in the user's order, and one backward pass."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
import torch

from gradcheck.errors import LaneProblem, UsageProblem
from gradcheck.functions import COMPOSITE, CONDITIONS, CONSTANTS, DETACH, ELEMENTWISE, TENSOR, WHERE
from gradcheck.program import Call, Name, Node, Number, Param, Program, Shape, postorder

DTYPES = {"float64": torch.float64, "float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
VERSION = str(torch.__version__)

_TORCH_ERRORS = (RuntimeError, NotImplementedError, TypeError, IndexError, ValueError, OverflowError)
"""What torch raises when it cannot run an operation."""

MAX_FUNCTIONS = 16
"""Backward functions of one operation that are named."""

_OPERATORS = frozenset({"neg", "add", "sub", "mul", "div", "pow", *CONDITIONS})
"""What Python writes with a sign: these take plain numbers as they are, as in ``2*x``."""

_SCALARS_ALLOWED = frozenset({"clamp", "clamp_min", "clamp_max"})
"""torch functions that want bounds as plain numbers when the user wrote numbers."""


@dataclass(frozen=True, slots=True)
class TorchValue:
    """A tensor that torch returned: elements in row-major order as floats, exact in every dtype."""

    shape: Shape
    elements: list[float]
    grad_fn: str | None = None


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
class Operation:
    """One operation of the user's tree as torch ran it: all that went in and came out, forward and backward.

    ``args`` holds its tensors, None where an argument is a plain number. ``tracked`` says for each argument whether it
    carries a graph, ``made_tracked`` whether the result does. ``pulled`` holds what flowed back to each argument from
    this operation alone, ``cotangent`` what flowed into its result from all that read it. ``functions`` names what runs
    on the way back through it (``MulBackward0``), from the result to the arguments, and ``saved`` is what they keep.
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


@dataclass(frozen=True, slots=True)
class Backward:
    """What torch returned: every layer, the gradient of every input asked for (None: no gradient), the operations."""

    layers: dict[str, TorchValue]
    gradients: dict[str, TorchValue | None]
    operations: tuple[Operation, ...]


def backward(
    program: Program,
    point: Mapping[str, np.ndarray[Any, Any]],
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
    ``under_test`` holds callables that run in place of torch's own, by operation.
    Raises LaneProblem, with the span of the operation, where torch refuses one.
    """
    leaves = {name: _leaf(point[name], dtype, device, name in wrt) for name in program.inputs}
    lane = _Lane(leaves, DTYPES[dtype], device, program.source, under_test or {}, traced)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's advice is for the author of the code; here it is data
        layers = lane.run(program)
        tensors = [leaves[name] for name in wrt]
        tensors += [one for made in lane.steps for one in (made.value, *made.args) if isinstance(one, torch.Tensor)]
        gradients = _gradients(layers[program.output], tensors, program)
    pulled = {id(tensor): gradient for tensor, gradient in zip(tensors, gradients, strict=True)}
    return Backward(
        {name: _value(tensor, True) for name, tensor in layers.items()},
        {name: _optional(grad) for name, grad in zip(wrt, gradients, strict=False)},
        tuple(step.operation(pulled) for step in lane.steps),
    )


def accumulate(
    program: Program,
    points: Sequence[Mapping[str, np.ndarray[Any, Any]]],
    wrt: Sequence[str],
    *,
    dtype: str = "float32",
    device: str = "cpu",
) -> list[dict[str, TorchValue | None]]:
    """Return what ``.grad`` of every input holds after each of several backward passes; nothing is zeroed between.

    The leaves stay the same tensors; their numbers are those of each point in turn. All points have the same shapes.
    """
    leaves = {name: _leaf(points[0][name], dtype, device, name in wrt) for name in program.inputs}
    held = []
    for point in points:
        with torch.no_grad():
            for name, leaf in leaves.items():
                leaf.copy_(_leaf(point[name], dtype, device, False))
        lane = _Lane(dict(leaves), DTYPES[dtype], device, program.source, {}, False)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            output = lane.run(program)[program.output]
            if output.requires_grad:
                output.sum().backward()  # type: ignore[no-untyped-call]
        held.append({name: _optional(leaves[name].grad) for name in wrt})
    return held


def untracked_message(
    program: Program,
    point: Mapping[str, np.ndarray[Any, Any]],
    wrt: Sequence[str],
    *,
    dtype: str = "float32",
    device: str = "cpu",
) -> str | None:
    """Return what ``backward()`` says where the output carries no graph, or None where it does carry one."""
    leaves = {name: _leaf(point[name], dtype, device, name in wrt) for name in program.inputs}
    lane = _Lane(dict(leaves), DTYPES[dtype], device, program.source, {}, False)
    output = lane.run(program)[program.output]
    if output.requires_grad:
        return None
    try:
        output.sum().backward()  # type: ignore[no-untyped-call]
    except RuntimeError as problem:
        return _first_line(problem)
    return None


def check_device(device: str) -> None:
    """Raise UsageProblem where torch has no such device."""
    try:
        torch.zeros(1, device=device).to("cpu")
    except (RuntimeError, AssertionError, NotImplementedError) as problem:
        raise UsageProblem(f"torch cannot use the device {device!r}: {_first_line(problem)}") from None


def _leaf(array: np.ndarray[Any, Any], dtype: str, device: str, tracked: bool) -> torch.Tensor:
    tensor = torch.from_numpy(np.array(array, dtype=np.float64)).to(dtype=DTYPES[dtype], device=device)
    return tensor.requires_grad_(tracked)


def _gradients(output: torch.Tensor, tensors: list[torch.Tensor], program: Program) -> list[torch.Tensor | None]:
    tracked = [tensor for tensor in tensors if tensor.requires_grad]
    if not output.requires_grad or not tracked:
        return [None] * len(tensors)
    try:
        found = torch.autograd.grad(output, tracked, torch.ones_like(output), allow_unused=True)
    except _TORCH_ERRORS as problem:
        span = program.layers[-1].span
        message = f"torch's backward pass failed: {_first_line(problem)}"
        raise LaneProblem(message, source=program.source, span=span) from problem
    by_id = {id(tensor): grad for tensor, grad in zip(tracked, found, strict=True)}
    return [by_id.get(id(tensor)) for tensor in tensors]


@dataclass(frozen=True, slots=True)
class _Step:
    """One operation on the way forward; what it saves is gone after the way back."""

    call: Call
    args: list[Any]
    value: torch.Tensor
    functions: tuple[str, ...]
    saved: tuple[Saved, ...]

    def operation(self, pulled: Mapping[int, torch.Tensor | None]) -> Operation:
        tensors = [one if isinstance(one, torch.Tensor) else None for one in self.args]
        return Operation(
            self.call,
            tuple(None if one is None else _value(one) for one in tensors),
            tuple(one is not None and one.requires_grad for one in tensors),
            _value(self.value),
            self.value.requires_grad,
            _optional(pulled[id(self.value)]),
            tuple(None if one is None else _optional(pulled[id(one)]) for one in tensors),
            self.functions,
            self.saved,
        )


class _Lane:
    """Evaluates the user's tree; the state is the layers, and where it is traced every operation in order."""

    def __init__(
        self,
        leaves: dict[str, torch.Tensor],
        dtype: torch.dtype,
        device: str,
        source: str,
        under_test: Mapping[str, Callable[..., Any]],
        traced: bool,
    ) -> None:
        self.values: dict[str, Any] = dict(leaves)
        self.under_test = under_test
        self.traced = traced
        self.dtype = dtype
        self.device = device
        self.source = source
        self.steps: list[_Step] = []

    def run(self, program: Program) -> dict[str, torch.Tensor]:
        layers = {}
        for layer in program.layers:
            layers[layer.name] = self.values[layer.name] = self.tensor(self.evaluate(layer.expression))
        return layers

    def evaluate(self, node: Node) -> Any:
        done: list[Any] = []
        for part in postorder(node):
            if isinstance(part, Name):
                done.append(self.values[part.id])
            elif isinstance(part, Number):
                done.append(_scalar(part.value))
            else:
                args = done[len(done) - len(part.args) :]
                del done[len(done) - len(part.args) :]
                done.append(self.operation(part, args))
        return done[-1]

    def operation(self, node: Call, args: list[Any]) -> Any:
        if self.traced:
            args = [_edge(one) for one in args]
        try:
            made = self.call(node, args)
        except _TORCH_ERRORS as problem:
            message = f"torch could not run {node.op}: {_first_line(problem)}"
            raise LaneProblem(message, source=self.source, span=node.span) from problem
        if self.traced and isinstance(made, torch.Tensor):
            functions = _functions(made, args)
            # The backward pass frees what was saved: it is read here.
            saved = tuple(one for function in functions for one in _saved(function, args))
            self.steps.append(_Step(node, args, made, tuple(type(one).__name__ for one in functions), saved))
        return made

    def call(self, node: Call, args: list[Any]) -> Any:
        if node.op in CONSTANTS:
            return getattr(math, node.op)
        if node.op == DETACH:
            return self.tensor(args[0]).detach()
        if node.op == WHERE:
            branches = (
                args[1:] if any(isinstance(one, torch.Tensor) for one in args[1:]) else map(self.tensor, args[1:])
            )
            return torch.where(self.truth(args[0]), *branches)
        tested = _as_given(node.op, self.under_test[node.op]) if node.op in self.under_test else None
        if node.op in _OPERATORS:
            if any(isinstance(one, torch.Tensor) for one in args):
                return (tested or _function(node.op))(*args)
            return _python(_function(node.op), args)  # numbers alone are Python's business
        function = tested or _function(node.op)
        keep = node.op in _SCALARS_ALLOWED
        tensors = [
            one if keep and k and not isinstance(one, torch.Tensor) else self.tensor(one) for k, one in enumerate(args)
        ]
        return function(*_of_a_kind(tensors, self), **{name: _torch_param(name, value) for name, value in node.params})

    def tensor(self, value: Any) -> torch.Tensor:
        if isinstance(value, torch.Tensor):
            return value
        return torch.tensor(value, dtype=self.dtype, device=self.device)

    def truth(self, value: Any) -> torch.Tensor:
        return value if isinstance(value, torch.Tensor) else torch.tensor(bool(value), device=self.device)


def _edge(value: Any) -> Any:
    """Return a tensor of its own for one reader of ``value``, so that what flows back from that reader can be told."""
    return value.view_as(value) if isinstance(value, torch.Tensor) and value.requires_grad else value


def _functions(made: torch.Tensor, args: list[Any]) -> list[Any]:
    """Return the backward functions of one operation, from its result to its arguments."""
    ends = [one.grad_fn for one in args if isinstance(one, torch.Tensor)]
    found: list[Any] = []
    todo = [made.grad_fn]
    while todo and len(found) < MAX_FUNCTIONS:
        function = todo.pop(0)
        if function is not None and function not in ends and function not in found:
            found.append(function)
            todo += [following for following, _ in function.next_functions]
    return found


def _saved(function: Any, args: list[Any]) -> Iterator[Saved]:
    """Yield the tensors that a backward function keeps."""
    names = [name for name in dir(function) if name.startswith("_saved_")]
    try:
        kept = {name.removeprefix("_saved_"): getattr(function, name) for name in names}
        kept |= {f"saved_tensors[{k}]": one for k, one in enumerate(getattr(function, "saved_tensors", ()))}
    except _TORCH_ERRORS:  # functions that are not torch's own may refuse
        return
    for name, one in kept.items():
        if isinstance(one, torch.Tensor):
            argument = next((k for k, arg in enumerate(args) if arg is one), None)
            number = float(one.item()) if argument is None and one.dim() == 0 and name != "result" else None
            yield Saved(name, tuple(one.shape), argument, number)


def _of_a_kind(args: list[Any], lane: _Lane) -> list[Any]:
    """Return bounds all as tensors where one is a tensor: torch.clamp does not mix them."""
    if any(isinstance(one, torch.Tensor) for one in args[1:]):
        return [lane.tensor(one) for one in args]
    return args


def _as_given(op: str, tested: Callable[..., Any]) -> Callable[..., Any]:
    """Return a callable under test, given tensors in a list where torch takes one; it returns a tensor or raises."""

    def run(*args: Any, **params: Any) -> torch.Tensor:
        try:
            made = tested(list(args), **params) if op in ("cat", "stack") else tested(*args, **params)
        except Exception as problem:  # whatever somebody's code raises is an error of this case, and of no other
            raise RuntimeError(f"{type(problem).__name__}: {_first_line(problem)}") from problem
        if not isinstance(made, torch.Tensor):
            raise TypeError(f"the callable under test returned {type(made).__name__}, and a tensor is needed")
        return made

    return run


def _function(op: str) -> Callable[..., Any]:
    """Return the torch callable under test, as the row names it."""
    row = ELEMENTWISE.get(op) or TENSOR.get(op) or COMPOSITE.get(op) or CONDITIONS[op]
    if row.torch is None:
        return getattr(torch, op)  # type: ignore[no-any-return]
    run = row.torch
    return lambda *args, **params: run(torch, *args, **params)


def _python(function: Callable[..., Any], args: list[Any]) -> Any:
    """Return arithmetic on plain numbers as Python does it, with torch's results where Python raises."""
    try:
        made = function(*args)
    except (ArithmeticError, ValueError):
        made = function(*(torch.tensor(float(one), dtype=torch.float64) for one in args)).item()
    if isinstance(made, complex):
        return math.nan
    return _scalar(Fraction(made)) if isinstance(made, int) and not isinstance(made, bool) else made


def _scalar(value: Fraction) -> int | float:
    if value.denominator == 1 and abs(value) < 2**53:
        return value.numerator
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def _torch_param(name: str, value: Param) -> Any:
    if isinstance(value, Fraction):
        return float(value)
    if value == "inf":
        return math.inf
    if name in ("shape", "dims") and not isinstance(value, tuple):
        return (value,)
    return value


def _value(tensor: torch.Tensor, graph: bool = False) -> TorchValue:
    name = type(tensor.grad_fn).__name__ if graph and tensor.grad_fn is not None else None
    flat = tensor.detach().to(device="cpu", dtype=torch.float64).reshape(-1)
    return TorchValue(tuple(tensor.shape), flat.tolist(), name)


def _optional(tensor: torch.Tensor | None) -> TorchValue | None:
    return None if tensor is None else _value(tensor)


def _first_line(problem: BaseException) -> str:
    return (str(problem).strip().splitlines() or [type(problem).__name__])[0]
