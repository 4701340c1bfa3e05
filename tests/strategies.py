"""The one Hypothesis strategy of random programs with a point: whatever the table holds occurs in them."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from hypothesis import strategies as st

from gradcheck import kernels
from gradcheck.formats import Ball
from gradcheck.functions import COMPARISONS, ELEMENTWISE, WHERE, Elementwise
from gradcheck.functions.rows import Sample
from gradcheck.lower import lower
from gradcheck.parse import parse
from gradcheck.program import Call, Layer, Name, Node, Program, Shape, call, names, number, substitute
from oracles import enclosures, shapes
from table import ON_TENSORS, TENSORS, point_of, program_of, program_of_node

SHAPES: dict[str, Shape] = shapes(TENSORS)
"""The inputs that the samples of the table read."""


def has_derivative(row: Elementwise, sample: Sample, place: int) -> bool:
    partial = kernels.partial(program_of(row).layers[0].expression, row.args[place])
    [found] = enclosures(lower(program_of_node(partial, row.args)), "out", point_of(row, sample))
    return isinstance(found, Ball) and not found.contains(0)


ROWS = tuple(ELEMENTWISE.values())
SMOOTH = [
    (row, sample, place)
    for row in ROWS
    for sample in row.samples
    for place in map(row.args.index, row.moving)
    if has_derivative(row, sample, place)
]
"""Sample points with the arguments by which there is a derivative that is not 0: a constant makes ties and 0/0."""
SAMPLES = tuple(parse(text).layers[0].expression for row in ON_TENSORS for text in row.samples)
assert ROWS
assert SMOOTH
assert SAMPLES


@dataclass(frozen=True)
class Case:
    """A program and a point for it; a failing example prints as what a user would type."""

    program: Program
    point: dict[str, np.ndarray[Any, np.dtype[np.float64]]]

    def __repr__(self) -> str:
        point = ", ".join(f"{name}={array.tolist()}" for name, array in self.point.items())
        return f"{str(self.program)!r} at {point}"


@st.composite
def cases(draw: st.DrawFn, *, smooth: bool = False) -> Case:
    """Draw a program of one to three layers with a point.

    With ``smooth`` every function gets arguments near one of its sample points, where it has derivatives of any order;
    without, a point may lie on a kink, outside a domain, or far out.
    """
    known = dict(SHAPES)
    layers: list[Layer] = []
    for k in range(draw(st.integers(1, 3))):
        node = draw(expressions(tuple(known.items()), smooth, 2))
        program = Program(tuple(SHAPES), (*layers, Layer(f"y{k}", node)), (f"y{k}",))
        known[f"y{k}"] = lower(program, SHAPES).shapes[f"y{k}"]
        layers.append(program.layers[-1])
    program = parse("\n".join(str(Program((), (layer,), ())) for layer in layers))
    return Case(program, {name: draw(arrays(SHAPES[name])) for name in program.inputs})


def arrays(shape: Shape) -> st.SearchStrategy[np.ndarray[Any, np.dtype[np.float64]]]:
    """Return tensors whose elements all have different magnitudes, none of them an integer."""
    size = int(np.prod(shape, dtype=np.int64))
    numbers = st.lists(st.integers(-100, 100), min_size=size, max_size=size, unique_by=abs)
    return numbers.map(lambda found: (np.array(found, dtype=np.float64) / 32 + 1 / 128).reshape(shape))


@st.composite
def expressions(draw: st.DrawFn, given: tuple[tuple[str, Shape], ...], smooth: bool, depth: int) -> Node:
    """Draw an expression over names of these shapes."""
    kind = draw(st.integers(0, 3)) if depth else 0
    if kind == 0:
        return draw(leaves([name for name, _ in given]))
    if kind == 1:
        return draw(tensor_operations(given, smooth, depth))
    inner = draw(expressions(given, smooth, depth - 1))
    if kind == 2 and not smooth:
        return draw(choices(inner))
    return draw(elementwise(inner, smooth))


@st.composite
def leaves(draw: st.DrawFn, known: list[str]) -> Name:
    """Draw a name, and earlier layers more often than inputs: what stands in no later layer tests nothing."""
    layers = [name for name in known if name not in SHAPES]
    earlier = draw(st.booleans())
    return Name(draw(st.sampled_from(layers if layers and earlier else known)))


@st.composite
def elementwise(draw: st.DrawFn, inner: Node, smooth: bool) -> Node:
    """Draw a function of the table of an expression, with constants or the same expression as its other arguments."""
    if smooth:
        row, sample, place = draw(st.sampled_from(SMOOTH))
        middles = [number(Fraction(text)) for text in sample]
        return call(row.name, *(_near(inner, one) if k == place else one for k, one in enumerate(middles)))
    row = draw(st.sampled_from(ROWS))
    place = row.args.index(draw(st.sampled_from(row.moving)))
    alone = number(draw(st.integers(-3, 3)))
    others = [st.just(alone) if one in row.fixed else st.sampled_from([inner, alone]) for one in row.args]
    return call(row.name, *(inner if k == place else draw(one) for k, one in enumerate(others)))


def _near(node: Node, middle: Node) -> Node:
    """Return an expression that varies with ``node`` and stays within a 32nd of a number."""
    bounded = call("div", node, call("add", number(1), call("mul", node, node)))
    return call("mul", middle, call("add", number(1), call("div", bounded, number(16))))


@st.composite
def tensor_operations(draw: st.DrawFn, given: tuple[tuple[str, Shape], ...], smooth: bool, depth: int) -> Node:
    """Draw a sample of the table with some of its inputs replaced by expressions of the same shape."""
    node = draw(st.sampled_from(SAMPLES))
    by: dict[str, Node] = {}
    for name in names(node):
        same = [one for one, shape in given if shape == SHAPES[name]]
        made: Node = draw(leaves(same))
        by[name] = draw(elementwise(made, smooth)) if depth > 1 and draw(st.booleans()) else made
    return substitute(node, by)


@st.composite
def choices(draw: st.DrawFn, inner: Node) -> Node:
    """Draw a choice between an expression and a constant or its negative, on a comparison with a number."""
    op = draw(st.sampled_from(sorted(COMPARISONS)))
    border = number(Fraction(draw(st.integers(-8, 8)), 4))
    others: list[Node] = [number(0), number(2), call("neg", inner)]
    other = draw(st.sampled_from(others))
    left, right = (inner, other) if draw(st.booleans()) else (other, inner)
    return Call(WHERE, (Call(op, (inner, border)), left, right))
