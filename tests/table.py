"""What the tests that loop over the table share: its samples as parameters, programs and points."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction
from typing import Any

import mpmath
import numpy as np
import pytest

from gradcheck import exact
from gradcheck.formats import FORMATS, Format
from gradcheck.functions import COMPOSITE, ELEMENTWISE, TENSOR, Composite, Elementwise, Tensor
from gradcheck.functions.rows import Row, Sample
from gradcheck.lower import lower
from gradcheck.parse import parse
from gradcheck.program import Call, Layer, Name, Node, Program, call, postorder
from oracles import Point, shapes

TENSORS: Point = {
    "s": np.array(0.6),
    "v": np.array([0.8, -1.3, 2.1]),
    "u": np.array([-0.7, 1.6]),
    "a": np.array([[0.3, -1.1, 1.9], [-0.45, 0.9, 2.4]]),
    "b": np.array([[1.2, -0.6, 0.35, 2.2], [-1.7, 0.15, 0.95, -0.25], [0.5, 1.4, -2.3, 0.75]]),
    "c": np.array([[[0.2, -1.4, 0.65], [1.7, -0.35, 1.05]], [[-2.1, 0.55, -0.9], [1.25, 2.6, -0.15]]]),
}
"""The inputs that samples read; no two elements of one have the same magnitude, and none is an integer."""

ON_TENSORS: tuple[Tensor | Composite, ...] = (*TENSOR.values(), *COMPOSITE.values())
"""The rows whose samples are texts over these inputs."""


def each(rows: Iterable[Row]) -> list[Any]:
    """Return rows as parameters of a test; none at all is an error."""
    found = [pytest.param(row, id=row.name) for row in rows]
    assert found, "the loop is empty"
    return found


def samples(field: str = "samples") -> list[Any]:
    """Return every elementwise row with each of its samples, or of those outside its domain."""
    found = [(row, one) for row in ELEMENTWISE.values() for one in getattr(row, field)]
    assert found, "the loop is empty"
    return [pytest.param(row, one, id=f"{row.name}({','.join(one)})") for row, one in found]


def texts(each: int | None = None) -> list[Any]:
    """Return every sample of every tensor and composite row, or so many of each."""
    found = [text for row in ON_TENSORS for text in row.samples[:each]]
    assert found, "the loop is empty"
    return [pytest.param(text, id=text) for text in found]


def program_of(row: Elementwise) -> Program:
    """Return the program that is one call of a row."""
    return program_of_node(call(row.name, *map(Name, row.args)), row.args, row.fixed)


def program_of_node(node: Node, inputs: tuple[str, ...], fixed: tuple[str, ...] = ()) -> Program:
    return Program(inputs, (Layer("out", node),), ("out",), fixed=fixed)


def formats_of(row: Row) -> list[Format]:
    """Return the formats that torch has a kernel for."""
    wanted = () if isinstance(row, Tensor) else row.dtypes
    return [fmt for name, fmt in FORMATS.items() if not wanted or name in wanted]


def faults_of(row: Elementwise, point: Point) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Return at which points torch's gradient is known to be wrong."""
    [*arrays] = point.values()
    if row.faults is None:
        return np.zeros(arrays[0].shape, dtype=bool)
    text = f"where({row.faults}, 1, 0)"
    found = exact.enclose(lower(parse(text), shapes(point)), point)["out"]
    return np.array([bool(one == 1) for one in found])


def point_of(row: Elementwise, sample: Sample) -> Point:
    return {name: np.array(float(Fraction(text))) for name, text in zip(row.args, sample, strict=True)}


def inside(row: Elementwise, args: Sequence[Any]) -> bool:
    """Tell whether numbers are in the row's domain: mpmath continues some functions, and works for hours far out."""
    if not isinstance(row.domain, str):
        return True
    return bool(eval(row.domain, {"floor": mpmath.floor}, dict(zip(row.args, args, strict=True))))


def left_to_balls(program: Program) -> bool:
    """Tell whether a program has an operation that machine intervals lack."""
    parts = (part for layer in program.layers for part in postorder(layer.expression) if isinstance(part, Call))
    return any(part.op in ELEMENTWISE and ELEMENTWISE[part.op].machine is None for part in parts)


def inputs_of(program: Program) -> Point:
    return {name: TENSORS[name] for name in program.inputs}


def weighted(text: str, power: int = 1) -> tuple[Program, Point]:
    """Return ``sum(weights*text**power)`` and a point; every element of the result has a weight of its own."""
    plain = parse(text)
    point = inputs_of(plain)
    shape = lower(plain, shapes(point)).shapes[plain.output]
    count = int(np.prod(shape, dtype=np.int64))
    weights = np.array([(-1) ** k * (0.5 + 0.375 * k) for k in range(count)]).reshape(shape)
    return parse(f"sum(weights*({text}){'**2' * (power == 2)})"), {**point, "weights": weights}
