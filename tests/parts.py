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
from gradcheck.functions import COMPOSITE, ELEMENTWISE, TENSOR, Composite, Elementwise, Tensor
from gradcheck.parse import parse

Record = dict[str, Any]
"""A row, a dtype, what torch returned (its value, or what flows back to an argument), where, and the parts it took."""

PATH = Path(__file__).parent / "worst.json"

ROWS: dict[str, Elementwise | Composite | Tensor] = ELEMENTWISE | COMPOSITE | TENSOR

TERMS = 8
REDUCTIONS = {name: f"{name}(x, dim=-1)" for name in (
    "sum", "cumsum", "mean", "var", "std", "norm", "prod", "logsumexp", "softmax", "log_softmax",
)}  # fmt: skip
"""Reductions of TERMS numbers, row by row of a matrix."""

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
    k = one.get("place", 0)
    return share(ball[k], truth[k], Fraction(float.fromhex(one["found"])))


def alone(one: Record, count: int) -> tuple[Isolated, Operation]:
    """Return an operation by itself, at as many copies of a point as are asked for."""
    numbers, name = [float.fromhex(text) for text in one["at"]], one["row"]
    operation = (
        reduced(name, numbers, count, one["dtype"])
        if name in REDUCTIONS
        else applied(name, numbers, count, one["dtype"])
    )
    isolated = isolate(operation)
    assert isolated is not None
    return isolated, operation


def applied(name: str, numbers: list[float], count: int, dtype: str) -> Operation:
    """Return a function of some numbers, whose cotangent is the last one."""
    row = ROWS[name]
    point = {arg: np.full(count, number) for arg, number in zip((*row.args, "seed"), numbers, strict=True)}
    return traced(f"{name}({', '.join(row.args)})", point, moved(row), dtype)


def moved(row: Elementwise | Composite | Tensor) -> tuple[str, ...]:
    """Return the arguments that torch differentiates by."""
    return tuple(name for name in row.args if name not in getattr(row, "fixed", ()))


def reduced(name: str, numbers: list[float], count: int, dtype: str) -> Operation:
    """Return a reduction of TERMS numbers, whose cotangents are the ones behind them."""
    x, seed = np.array(numbers[:TERMS]), np.array(numbers[TERMS:])
    rows = -(-count // TERMS)
    tiled = np.tile(seed, (rows, 1)) if seed.size > 1 else np.full(rows, seed[0])
    return traced(REDUCTIONS[name], {"x": np.tile(x, (rows, 1)), "seed": tiled}, ("x",), dtype)


def traced(text: str, point: dict[str, Any], wrt: tuple[str, ...], dtype: str) -> Operation:
    """Return what torch makes of an operation with a cotangent of its own for every number."""
    return autograd.backward(parse(f"{text}*seed"), point, wrt, dtype=dtype, traced=True).operations[0]


def share(honest: Any, proven: Any, found: Fraction) -> float:
    assert isinstance(honest, Ball)
    assert isinstance(proven, Ball)
    truth = fraction(proven.midpoint)
    end = fraction(honest.upper if found > truth else honest.lower)
    return float(abs(found - truth) / abs(end - truth))


def fraction(number: Dyadic) -> Fraction:
    return Fraction(number.man) * Fraction(2) ** number.exp
