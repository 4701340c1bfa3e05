"""Constants of a program: exact arithmetic on them, and a bound on how large they may grow."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from math import isfinite
from typing import Any

from gradcheck.errors import LimitProblem
from gradcheck.functions import CONSTANTS, OPERATORS
from gradcheck.program import Call, Node, fold

MAX_CONSTANT_BITS = 100_000
"""Bits of a constant power such as ``9**9**9``, and of the coefficients that a power multiplies out."""


def constant_value(node: Node) -> Fraction | None:
    """Return the value of a small constant of integers, fractions and signs; None where it is none of these.

    >>> from gradcheck.parse import parse
    >>> constant_value(parse("-1/3 + 2").layers[0].expression), constant_value(parse("2*x").layers[0].expression)
    (Fraction(5, 3), None)
    """
    return fold(node, lambda _: None, lambda one: one.value, lambda part, args: in_fractions(part.op, args))


def in_fractions(op: str, args: Sequence[Fraction | None]) -> Fraction | None:
    """Return the exact value of arithmetic on constants; None where it is no rational, undefined, or too large.

    >>> in_fractions("div", [Fraction(1), Fraction(3)]), in_fractions("div", [Fraction(1), Fraction(0)])
    (Fraction(1, 3), None)
    """
    numbers = [one for one in args if one is not None]
    if len(numbers) < len(args) or any(_bits(one) > MAX_CONSTANT_BITS for one in numbers):
        return None
    match op, numbers:
        case "neg", [a]:
            return -a
        case "add", [a, b]:
            return a + b
        case "sub", [a, b]:
            return a - b
        case "mul", [a, b]:
            return a * b
        case "div", [a, b] if b:
            return a / b
        case "pow", [a, b] if b.denominator == 1 and (a or b >= 0) and abs(b) * _bits(a) <= MAX_CONSTANT_BITS:
            return Fraction(a**b.numerator)
    return None


def by_python(op: str, plain: Iterable[bool]) -> bool:
    """Tell whether Python does an operation itself, before torch sees the result.

    So it does what is written with a sign, where every argument is a ``plain`` number and none is a tensor.

    >>> by_python("add", [True, True]), by_python("add", [True, False]), by_python("sin", [True]), by_python("pi", [])
    (True, False, False, True)
    """
    return op in CONSTANTS or (op in OPERATORS and all(plain))


def in_python(op: str, args: Sequence[Fraction | None]) -> Fraction | None:
    """Return what Python makes of arithmetic on plain numbers, as torch's user writes it: every step is rounded.

    Whole numbers below 2**53 are ints, all others are float64; where nothing finite comes out, None.

    >>> in_python("sub", [in_python("add", [Fraction("0.1"), Fraction("0.2")]), Fraction("0.3")])
    Fraction(1, 18014398509481984)
    >>> in_python("remainder", [Fraction(-1), Fraction(3)])
    Fraction(2, 1)
    """
    numbers = [one for one in args if one is not None]
    if op in CONSTANTS and isfinite(CONSTANTS[op].value):
        return Fraction(CONSTANTS[op].value)
    if len(numbers) < len(args) or op not in _PYTHON or any(_bits(one) > MAX_CONSTANT_BITS for one in numbers):
        return None
    try:
        made = _PYTHON[op](*map(_plain, numbers))
    except (ArithmeticError, ValueError):
        return None
    if isinstance(made, complex) or (isinstance(made, float) and not isfinite(made)):
        return None
    return Fraction(_plain(Fraction(made)))


def _plain(value: Fraction) -> int | float:
    return value.numerator if value.denominator == 1 and abs(value) < 2**53 else float(value)


_PYTHON: dict[str, Callable[..., Any]] = {
    "neg": operator.neg, "add": operator.add, "sub": operator.sub, "mul": operator.mul, "div": operator.truediv,
    "pow": operator.pow, "remainder": operator.mod,
}  # fmt: skip


def _bits(value: Fraction) -> int:
    return value.numerator.bit_length() + value.denominator.bit_length() - 1


def check_growth(node: Node, source: str) -> None:
    """Refuse powers whose constants grow beyond all use, such as ``9**9**9`` and ``(3*x)**1000000``.

    What is added up is an upper bound on the bits of any coefficient that multiplying out could make.
    """

    def operation(part: Call, args: list[_Known]) -> _Known:
        bits = _grown(part.op, args)
        if bits > MAX_CONSTANT_BITS:
            raise LimitProblem(
                f"the constants of this expression grow beyond {MAX_CONSTANT_BITS:,} bits "
                "(the limit MAX_CONSTANT_BITS)",
                source=source, span=part.span,
            )  # fmt: skip
        return in_fractions(part.op, [value for value, _ in args]), int(bits)

    fold(node, lambda _: (None, 0), lambda one: (one.value, 0 if abs(one.value) == 1 else _bits(one.value)), operation)


_Known = tuple[Fraction | None, int]
"""The value of a part where it is a constant, and how many bits it may grow to."""


def _grown(op: str, args: list[_Known]) -> int:
    bits = [size for _, size in args]
    if op in ("mul", "div"):
        return sum(bits)
    if op in ("add", "sub"):
        return max(bits) + 1 if any(bits) else 0
    if op == "neg":
        return bits[0]
    if op == "square":
        return 2 * bits[0]
    exponent = args[1][0] if op == "pow" else None
    return int(abs(exponent) * bits[0]) + 1 if exponent is not None and bits[0] else 0


def assigned_constants(texts: Sequence[str]) -> set[str]:
    """Return which of the constants ``pi``, ``e`` and ``inf`` the texts give a point for: there they are inputs.

    >>> assigned_constants(["x=pi/2, e=1"])
    {'e'}
    """
    return {name for name in ("pi", "e", "inf") for text in texts if re.search(rf"(^|[,;\s]){name}\s*=", text)}
