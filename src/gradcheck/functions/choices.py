"""The rows that compute nothing: choices between values, and constants."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

WHERE, MASK, GUARD, PATCH, BEHIND, DETACH = "where", "mask", "guard", "patch", "behind", "detach"


@dataclass(frozen=True, slots=True)
class Choice:
    """One of the arguments: that at ``taken`` where the one at ``condition`` holds, else that at ``otherwise``.

    Instead of an argument ``otherwise`` may be ``ZERO``, which nothing behind it can turn into a nan, or ``NOTHING``,
    no number at all for the call's ``reason``. Without a condition it is the argument itself. ``params`` are those that
    users write. A ``hidden`` row occurs in gradient programs only.

    >>> from gradcheck.functions import lookup
    >>> lookup("where").args
    ('condition', 'a', 'b')
    """

    name: str
    args: tuple[str, ...]
    summary: str
    condition: int | None = None
    taken: int = 0
    otherwise: int | str | None = None
    hidden: bool = True
    torch: Callable[..., Any] | None = None


ZERO, NOTHING = "zero", "nothing"


@dataclass(frozen=True, slots=True)
class Constant:
    """A number with a name: ``value`` is what Python has for it, ``exact`` gets Arb's type of balls, ``sympy`` SymPy.

    Without the latter it is opaque to SymPy, whose own would swallow what is added to it.

    >>> from gradcheck.functions import lookup
    >>> lookup("pi").value
    3.141592653589793
    """

    name: str
    value: float
    exact: Callable[[Any], Any]
    summary: str
    sympy: Callable[[Any], Any] | None = None
    args: tuple[str, ...] = ()
    torch: Callable[..., Any] | None = None


# fmt: off
CHOICE_ROWS: tuple[Choice, ...] = (
    Choice(WHERE,  ("condition", "a", "b"),         "a where the condition holds, else b",            condition=0, taken=1, otherwise=2, hidden=False),
    Choice(MASK,   ("a", "c"),                      "a where c holds, else a zero that hides it",     condition=1, taken=0, otherwise=ZERO),
    Choice(GUARD,  ("a", "c"),                      "a where c holds, else no number, for a reason",  condition=1, taken=0, otherwise=NOTHING),
    Choice(PATCH,  ("a", "c", "b"),                 "b where c holds, else a, which is 0/0 there",    condition=1, taken=2, otherwise=0),
    Choice(BEHIND, ("a", "b"),                      "a where b has a value; elsewhere no more of one than b"),
    Choice(DETACH, ("x",),                          "x, through which nothing flows back",            hidden=False, torch=lambda m, x: x.detach()),
)
CONSTANT_ROWS: tuple[Constant, ...] = (
    Constant("pi",  math.pi,  lambda m: m.pi(),      "half of a turn", sympy=lambda m: m.pi),
    Constant("e",   math.e,   lambda m: m.const_e(), "the base of the natural logarithm", sympy=lambda m: m.E),
    Constant("inf", math.inf, lambda m: m("inf"),    "infinity"),
)
# fmt: on
