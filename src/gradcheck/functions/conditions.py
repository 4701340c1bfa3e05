"""The conditions: comparisons and logic in three values (True, False, None for undecided)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Truth = Any
"""True, False, None where it is undecided, or what has no value and is compared all the same."""


@dataclass(frozen=True, slots=True)
class Condition:
    """A comparison of two balls, or a connective of truths; ``torch`` is the operator a user would write."""

    name: str
    args: tuple[str, ...]
    exact: Callable[..., Truth]
    torch: Callable[..., Any]
    summary: str = ""


def _either(yes: bool, no: bool) -> Truth:
    """Return what is certain: a comparison of balls may be neither true nor false."""
    return True if yes else False if no else None


def _equal(a: Any, b: Any) -> Truth:
    # a != b is Arb's "certainly different"; equality is certain only between exact balls.
    return _either(a == b, a != b)


def _and(a: Truth, b: Truth) -> Truth:
    return False if a is False or b is False else b if a is True else a if b is True else _open(a, b)


def _or(a: Truth, b: Truth) -> Truth:
    return True if a is True or b is True else b if a is False else a if b is False else _open(a, b)


def _not(a: Truth) -> Truth:
    return not a if isinstance(a, bool) else a


def _open(a: Truth, b: Truth) -> Truth:
    """Return what two open truths make: nothing is decided while one of them may still decide."""
    return None if a is None or b is None else a


# fmt: off
ROWS: tuple[Condition, ...] = (
    Condition("lt", ("a", "b"), lambda a, b: _either(a < b, a >= b), lambda m, a, b: a < b),
    Condition("le", ("a", "b"), lambda a, b: _either(a <= b, a > b), lambda m, a, b: a <= b),
    Condition("gt", ("a", "b"), lambda a, b: _either(a > b, a <= b), lambda m, a, b: a > b),
    Condition("ge", ("a", "b"), lambda a, b: _either(a >= b, a < b), lambda m, a, b: a >= b),
    Condition("eq", ("a", "b"), _equal,                              lambda m, a, b: a == b),
    Condition("ne", ("a", "b"), lambda a, b: _either(a != b, a == b),     lambda m, a, b: a != b),
    Condition("logical_and", ("a", "b"), _and, lambda m, a, b: a & b),
    Condition("logical_or",  ("a", "b"), _or,  lambda m, a, b: a | b),
    Condition("logical_not", ("a",),     _not, lambda m, a: ~a),
)
# fmt: on

COMPARISONS = frozenset({"lt", "le", "gt", "ge", "eq", "ne"})

OPPOSITE = {"lt": "ge", "ge": "lt", "gt": "le", "le": "gt", "eq": "ne", "ne": "eq"}

OPERATORS = frozenset({"neg", "add", "sub", "mul", "div", "remainder", "pow", *(row.name for row in ROWS)})
"""What Python writes with a sign: these take plain numbers as they are, and among plain numbers alone Python runs them."""
