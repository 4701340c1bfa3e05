"""How much of its rounding enclosure the error of a number takes that torch was seen to return."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from gradcheck import autograd
from gradcheck.autograd import Operation
from gradcheck.diagnose.alone import Isolated, array, isolate, tensors
from gradcheck.diagnose.floats import LARGE
from gradcheck.exact import START_BITS
from gradcheck.formats import FORMATS, Ball, Dyadic
from gradcheck.functions import COMPOSITE, ELEMENTWISE, Composite, Elementwise
from gradcheck.parse import parse

Record = dict[str, Any]
"""A row, a dtype, what torch returned (its value, or what flows back to an argument), where, and the parts it took."""

PATH = Path(__file__).parent / "worst.json"

ROWS: dict[str, Elementwise | Composite] = ELEMENTWISE | COMPOSITE

WAYS = {"balls": 1, "arrays": LARGE}
"""How an enclosure is evaluated, and from how many copies of a point on."""


def records() -> list[Record]:
    return [json.loads(line) for line in PATH.read_text(encoding="utf-8").splitlines()]


def part(one: Record, way: str) -> float:
    """Return how much of its side of the enclosure the error of a recorded number takes."""
    isolated, operation, fmt = *alone(one, WAYS[way]), FORMATS[one["dtype"]]
    assert operation.cotangent is not None
    args, seed = tensors(operation), array(operation.cotangent)
    honest, proven = isolated.in_floats(args, seed, fmt, START_BITS), isolated.at(args, seed, START_BITS)
    at = None if one["what"] == "value" else int(one["what"].removeprefix("by "))
    ball, truth = (honest.value, proven.value) if at is None else (honest.pulled[at], proven.pulled[at])
    return share(ball[0], truth[0], Fraction(float.fromhex(one["found"])))


def alone(one: Record, count: int) -> tuple[Isolated, Operation]:
    """Return an operation by itself, at as many copies of a point as are asked for."""
    row = ROWS[one["row"]]
    numbers = [np.full(count, float.fromhex(text)) for text in one["at"]]
    point = dict(zip((*row.args, "seed"), numbers, strict=True))
    program = parse(f"{row.name}({', '.join(row.args)})*seed")
    operation = autograd.backward(program, point, row.args, dtype=one["dtype"], traced=True).operations[0]
    isolated = isolate(operation)
    assert isolated is not None
    return isolated, operation


def share(honest: Any, proven: Any, found: Fraction) -> float:
    assert isinstance(honest, Ball)
    assert isinstance(proven, Ball)
    truth = fraction(proven.midpoint)
    end = fraction(honest.upper if found > truth else honest.lower)
    return float(abs(found - truth) / abs(end - truth))


def fraction(number: Dyadic) -> Fraction:
    return Fraction(number.man) * Fraction(2) ** number.exp
