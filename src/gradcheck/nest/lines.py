"""Lines of plain torch that show a derivative in one way, and of mpmath that show the right one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from gradcheck.lower import lower
from gradcheck.nest.oracles import oracle
from gradcheck.parse import parse
from gradcheck.points import parse_points
from gradcheck.program import Shape
from gradcheck.repro import expression
from gradcheck.ways import REVERSE, Way

DTYPE = "float64"
"""The dtype that the lines set as the default, and in which the points of the table are their numbers."""
Floats = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True)
class Function:
    """A function in torch, as text, with the arguments that it has at a point, and what it is in mpmath.

    ``moving`` are the arguments that torch differentiates by: of others it takes none that ask for a gradient.
    """

    code: str
    arguments: Mapping[str, Floats]
    oracle: str | None
    moving: tuple[str, ...] = ()

    @staticmethod
    def at(name: str, program: str, point: str, *, first: bool = True) -> Function:
        """Return the function of a program of one line at a point; the first program is the one of its name."""
        made = parse(program)
        [given] = parse_points([point], made.inputs)
        arguments = {one: given[one].array(float) for one in made.inputs}
        shapes: dict[str, Shape] = {one: array.shape for one, array in arguments.items()}
        code = expression(made, shapes, DTYPE)
        if lower(made, shapes).shapes[made.output] != ():
            code = f"{code}.sum()"
        return Function(_bare(code), arguments, oracle(name, program, first), tuple(made.tracked))

    @property
    def inputs(self) -> str:
        """Return the names of the arguments, with commas between them."""
        return ", ".join(self.arguments)

    @property
    def text(self) -> str:
        """Return the function as a callable: by its name where it is one of torch's."""
        plain = self.code.removesuffix(f"({self.inputs})")
        return (
            plain
            if plain != self.code and plain.replace(".", "").isidentifier()
            else f"lambda {self.inputs}: {self.code}"
        )

    @property
    def tensors(self) -> str:
        """Return the arguments as tensors."""
        return ", ".join(f"tensor({_literal(array)})" for array in self.arguments.values())


def torch_line(function: Function, way: Way, by: Sequence[str]) -> str:
    """Return an expression of torch alone: the derivative by some arguments in turn, the innermost first.

    >>> torch_line(Function.at("sinc", "sinc(x)", "x=0"), Way.parse("rev-rev"), ["x", "x"])
    'grad(grad(torch.sinc))(tensor(0.0))'
    >>> torch_line(Function.at("sinc", "sinc(x)", "x=0"), Way.parse("fwd-rev"), ["x", "x"])
    'jvp(grad(torch.sinc), (tensor(0.0),), (tensor(1.0),))[1]'
    """
    if way.graph or way.steps == (REVERSE,):  # which is the backward pass itself; torch.func may have other formulas
        return _graph(function, by)
    text = function.text
    for step, one in zip(reversed(way.steps), by, strict=True):
        text = _step(function, step, text, one)
    return _applied(text, function)


def _applied(text: str, function: Function) -> str:
    """Return the call at the point; a pushforward by the only argument is written with the tensor in place."""
    body, held = _body(function, text), f"({function.inputs},)"
    if len(function.arguments) == 1 and body.startswith("jvp("):
        before, _, after = body.rpartition(held)
        return f"{before}({function.tensors},){after}"
    return f"{_callable(text)}({function.tensors})"


def _body(function: Function, text: str) -> str:
    """Return what a callable gives for the arguments as they are named."""
    head = f"lambda {function.inputs}: "
    if text == function.text:
        return function.code
    return text.removeprefix(head) if text.startswith(head) else f"{text}({function.inputs})"


def _callable(text: str) -> str:
    return f"({text})" if text.startswith("lambda") else text


def _step(function: Function, step: str, text: str, by: str) -> str:
    name, _, index = by.partition("[")
    place, inputs = [*function.arguments].index(name), function.inputs
    at = f"[{index}" if index else ""
    if step == REVERSE:
        made = f"grad({text}{f', {place}' * bool(place)})"
        return f"lambda {inputs}: {made}({inputs}){at}" if at else made
    tangent = _literal(_unit(function.arguments[name].shape, index))
    if len(function.arguments) == 1:
        return f"lambda {inputs}: jvp({text}, ({inputs},), (tensor({tangent}),))[1]"
    return f"lambda {inputs}: jvp(lambda {name}: {_body(function, text)}, ({name},), (tensor({tangent}),))[1]"


def _graph(function: Function, by: Sequence[str]) -> str:
    text = function.code
    for k, one in enumerate(by):
        name, _, index = one.partition("[")
        more = ", create_graph=True" if k < len(by) - 1 else ""
        text = f"autograd.grad({text}, {name}{more})[0]" + (f"[{index}" if index else "")
    tensors = ", ".join(
        f"tensor({_literal(one)}{', requires_grad=True' * (name in function.moving)})"
        for name, one in function.arguments.items()
    )
    return f"(lambda {function.inputs}: {text})({tensors})"


def _unit(shape: Shape, index: str) -> Floats:
    made = np.zeros(shape)
    made[tuple(map(int, index.rstrip("]").split(","))) if index else ()] = 1.0
    return made


def _literal(array: Floats) -> str:
    return repr(array.tolist())


def _bare(code: str) -> str:
    """Return code without the parentheses around the whole of it."""
    inner = code[1:-1]
    return inner if code.startswith("(") and code.endswith(")") and "(" not in inner and ")" not in inner else code


def mpmath_line(function: Function, by: Sequence[str]) -> str | None:
    """Return an expression of mpmath alone for the same derivative, None where nobody has written the function down.

    >>> mpmath_line(Function.at("sinc", "sinc(x)", "x=0"), ["x", "x"])
    'mp.diff(mp.sincpi, 0.0, 2)'
    """
    if function.oracle is None:
        return None
    flat = [float(one) for array in function.arguments.values() for one in array.ravel()]
    if len(flat) == 1:
        return f"mp.diff({function.oracle}, {flat[0]!r}, {len(by)})"
    orders = [0] * len(flat)
    for one in by:
        orders[_place(function, one)] += 1
    return f"mp.diff({function.oracle}, {tuple(flat)!r}, {tuple(orders)!r})"


def _place(function: Function, by: str) -> int:
    """Return the place of an element among those of all arguments."""
    name, _, index = by.partition("[")
    start = 0
    for one, array in function.arguments.items():
        if one == name:
            at = tuple(map(int, index.rstrip("]").split(","))) if index else ()
            return start + int(np.ravel_multi_index(at, array.shape)) if at else start
        start += prod(array.shape)
    raise KeyError(by)
