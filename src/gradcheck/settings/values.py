"""Values of TOML as texts that the command line takes; numbers keep their characters, so that 0.1 stays a decimal."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from gradcheck.errors import LimitProblem, NameProblem, PointProblem, UsageProblem, printable

_LARGE = 2**64
"""From here on whole numbers are written in hexadecimal, which Python does at any length."""


@dataclass(frozen=True, slots=True)
class Real:
    """A number with a point or an exponent, inf or nan, in the characters of the file."""

    text: str


_KINDS = {
    str: "a text", bool: "true or false", int: "a whole number", Real: "a number", list: "a list", dict: "a table",
}  # fmt: skip


def kind(value: object) -> str:
    """Return what a value is, in words.

    >>> kind(3), kind("x"), kind([1])
    ('a whole number', 'a text', 'a list')
    """
    return _KINDS.get(type(value), "a date or time")


def number_text(value: Any) -> str:
    """Return a number in the characters of the file.

    >>> number_text(3), number_text(Real("1e5"))
    ('3', '1e5')
    """
    if isinstance(value, Real):
        return value.text
    if isinstance(value, bool) or not isinstance(value, int):
        raise UsageProblem(f"expected a number or a text, not {kind(value)}")
    return str(value) if abs(value) < _LARGE else f"{value:#x}"


def identifier(name: str) -> str:
    """Return the name of an input.

    >>> identifier("weight")
    'weight'
    """
    if not name.isidentifier():
        raise NameProblem(f"`{printable(name[:40])}` is no name of an input")
    return name


def point_texts(value: Any) -> tuple[str, ...]:
    """Return the points as texts of ``--at``: one text, a table of inputs, or a list of points.

    >>> point_texts({"x": Real("0.1"), "w": [[1, 2], ["1/3", Real("4e-3")]]})
    ('x=0.1', 'w=[[1,2],[1/3,4e-3]]')
    >>> point_texts([1, "x=2:3:4"])
    ('1', 'x=2:3:4')
    """
    if isinstance(value, dict):
        return _table(value)
    if not isinstance(value, list):
        return (_item(value),)
    if not value:
        raise PointProblem("an empty list is no point")
    if not any(isinstance(item, dict) for item in value):
        return tuple(map(_item, value))
    return tuple(_tables(value))


def _tables(points: list[Any]) -> Iterator[str]:
    """Yield the texts of several points, all of the same inputs: else two of them would complete one another."""
    for point in points:
        if not isinstance(point, dict):
            raise PointProblem("a list of points is all tables, or none")
        if point.keys() != points[0].keys():
            raise PointProblem("the points of a list all give the same inputs")
        yield from _table(point)


def _table(point: dict[str, Any]) -> tuple[str, ...]:
    if not point:
        raise PointProblem("an empty table is no point")
    return tuple(f"{identifier(name)}={_value(value)}" for name, value in point.items())


def _value(value: Any) -> str:
    """Return the value of one input, whose text names no other."""
    text = _item(value)
    if "=" in text and "@" not in text:
        raise PointProblem("the value of an input has no `=`", hint="give each input its own key")
    return text


def _item(value: Any) -> str:
    if isinstance(value, str):
        return value
    return _list(value, 1) if isinstance(value, list) else number_text(value)


def _list(items: list[Any], depth: int) -> str:
    from gradcheck.points import MAX_NESTING

    if depth > MAX_NESTING:
        raise LimitProblem(f"a tensor has at most {MAX_NESTING} dimensions")
    return f"[{','.join(_list(item, depth + 1) if isinstance(item, list) else _element(item) for item in items)}]"


def _element(value: Any) -> str:
    if isinstance(value, str) and set(value) & set("[],="):
        raise PointProblem("an element of a list is one number")
    return value if isinstance(value, str) else number_text(value)
