"""Rounding enclosures: torch's values lie inside, what overflows is unbounded, and nothing else is."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from math import isfinite

import numpy as np
import pytest

from gradcheck import autograd, exact
from gradcheck.exact.rounding import enclose_rounded
from gradcheck.formats import FORMATS, Ball, Format
from gradcheck.functions import ELEMENTWISE
from gradcheck.functions.rows import Elementwise, Row
from gradcheck.lower import lower
from gradcheck.plan import Plan
from gradcheck.program import Program
from gradcheck.symbolic import pull_back
from oracles import Point, shapes
from table import ON_TENSORS, each, point_of, program_of, weighted

ALL = pytest.mark.parametrize("fmt", FORMATS.values(), ids=FORMATS)
ROWS = pytest.mark.parametrize("row", each(row for row in (*ELEMENTWISE.values(), *ON_TENSORS) if row.samples))


def sampled(row: Row) -> Iterator[tuple[Program, Point]]:
    """Yield a program and a point for every sample of a row; a composite one has every weight and a power on it."""
    if isinstance(row, Elementwise):
        yield from ((program_of(row), point_of(row, sample)) for sample in row.samples)
    else:
        yield from (weighted(text, power) for text in row.samples for power in (1, 2))


def rounded(point: Point, fmt: Format) -> Point:
    to_format = np.vectorize(lambda one: fmt.round(Fraction(one)), otypes=[float])
    return {name: to_format(array) for name, array in point.items()}


def gradients(program: Program, point: Point, fmt: Format) -> dict[str, list[Ball | str | None]]:
    """Return the rounding enclosures of a program's value and its gradients."""
    pullback = pull_back(lower(program, shapes(point), nodes=True, as_torch=True), program.inputs, as_torch=True)
    values, _ = enclose_rounded(pullback.core, point, fmt)
    named = {"": program.output, **dict(zip(program.inputs, pullback.program.outputs, strict=True))}
    return {name: list(exact.balls(values[layer], 128)) for name, layer in named.items()}


# --- the formulas that torch evaluates ---------------------------------------------------------------


@ROWS
def test_what_torch_evaluates_is_the_same_function(row: Row) -> None:
    """The rounding enclosure may expand a row as torch does; without any rounding it is the derivative all the same."""
    for program, point in sampled(row):
        plan = Plan.make(program, shapes(point), program.inputs, ())
        found = exact.enclose(plan.rounding().core, point, 200)
        wanted = exact.enclose(plan.node.core, point, 200)
        names = zip(plan.rounding().program.outputs, plan.node.program.outputs, strict=True)
        for made, right in (*names, (program.output, program.output)):
            for one, other in zip(exact.balls(found[made], 200), exact.balls(wanted[right], 200), strict=True):
                if not isinstance(other, Ball):
                    continue
                assert isinstance(one, Ball), (str(program), made)
                # torch's source writes constants such as log(2) with 16 digits
                found_at, wanted_at = float_of(one), float_of(other)
                assert abs(found_at - wanted_at) <= 2e-16 * max(1.0, abs(wanted_at)), (str(program), made)


def float_of(ball: Ball) -> float:
    return FORMATS["float64"].round_dyadic(ball.midpoint)


# --- containment --------------------------------------------------------------------------------------


@ROWS
@ALL
def test_torchs_value_and_gradient_lie_in_the_enclosure(row: Row, fmt: Format) -> None:
    for program, plain in sampled(row):
        point = rounded(plain, fmt)
        torch = autograd.backward(program, point, program.inputs, dtype=fmt.name)
        found = gradients(program, point, fmt)
        returned = {"": torch.layers[program.output], **torch.gradients}
        for name, balls in found.items():
            tensor = returned[name]
            for value, ball in zip(tensor.elements if tensor is not None else [], balls, strict=tensor is not None):
                if isinstance(ball, Ball):
                    assert ball.contains(value), (str(program), name, value, ball)
                else:
                    assert fmt.name == "float16" or not isfinite(value), (str(program), name, value)
