"""The words of messages about points, and values as they are shown."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Context, Decimal
from fractions import Fraction
from typing import TYPE_CHECKING

from gradcheck.errors import GradcheckError, parts, printable
from gradcheck.points.value import Exact, bits
from gradcheck.program import Shape

if TYPE_CHECKING:
    from gradcheck.points.value import Floats

MAX_SHOWN = 40
"""Characters of a value's text; longer ones are shown shortened."""


def about(what: str, error: GradcheckError) -> GradcheckError:
    """Return the error with its subject, and without a place in a text that the user does not see.

    >>> from gradcheck.errors import PointProblem
    >>> about("x", PointProblem("nan is not a point")).message
    'x: nan is not a point'
    """
    return type(error)((f"{what}: ", *parts(error.words)), hint=error.advice)


def ragged(first: Shape, second: Shape) -> str:
    """Return what is wrong with a list of parts of these two shapes.

    >>> ragged((2,), (3,))
    'ragged: one list has 2 elements, this one 3'
    """
    if len(first) != len(second):
        return "a list holds numbers or lists, not both"
    one, other = next(pair for pair in zip(first, second, strict=True) if pair[0] != pair[1])
    return f"ragged: one list has {one} elements, this one {other}"


def listed(names: Sequence[str]) -> str:
    """Return the names as English lists them: ``x, y and z``.

    >>> listed(["x"]), listed(["x", "y", "z"])
    ('x', 'x, y and z')
    """
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def blanks(names: Sequence[str]) -> str:
    """Return a text of ``--at`` to fill in: ``x=...,y=...``.

    >>> blanks(["x", "y"])
    'x=...,y=...'
    """
    return ",".join(f"{name}=..." for name in names)


def short(text: str) -> str:
    """Return a user's text for a message, shortened where it is long.

    >>> short("x=2"), len(short("1" * 1000)) < 100
    ('x=2', True)
    """
    return printable(text if len(text) <= MAX_SHOWN else f"{text[: MAX_SHOWN - 3]}...")


def amount(count: int) -> str:
    """Return a count for a message, however large.

    >>> amount(1000), amount(10**40)
    ('1,000', 'far more')
    """
    return f"{count:,}" if count < 10**15 else "far more"


def text_of(shape: Shape, numbers: Sequence[Exact] | Floats) -> str:
    """Return the text of a value that the user did not write, or wrote at length.

    >>> text_of((), [Fraction(1, 3)]), text_of((2, 3), [Fraction(0)] * 6)
    ('1/3', 'a tensor of shape (2, 3)')
    """
    return shown(numbers[0]) if shape == () else f"a tensor of shape ({', '.join(map(str, shape))})"


def shown(number: Exact) -> str:
    """Return a number for display: a short decimal or fraction where it is one, else about 6 digits.

    >>> shown(Fraction(1, 8)), shown(Fraction(1, 3)), shown(2.0**0.5)
    ('0.125', '1/3', '1.41421')
    """
    if isinstance(number, float):
        return f"{number:g}"
    decimal = Context(prec=17).divide(Decimal(number.numerator), Decimal(number.denominator))
    if Fraction(decimal) == number and len(f"{decimal:f}") <= 17:
        return f"{decimal:f}"
    return str(number) if bits(number) <= 20 else f"{Context(prec=6).plus(decimal).normalize():g}"
