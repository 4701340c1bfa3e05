"""Points: the texts of ``--at``, files and Python objects become named arrays of exact numbers."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from pathlib import Path

from gradcheck.constants import assigned_constants
from gradcheck.errors import GradcheckError, LimitProblem, Option, PointProblem, Span
from gradcheck.points.cursor import Cursor
from gradcheck.points.limits import (
    MAX_AT_LENGTH,
    MAX_BITS,
    MAX_BRACKETS,
    MAX_ELEMENTS,
    MAX_EXPONENT,
    MAX_FILE_BYTES,
    MAX_LITERAL,
    MAX_NESTING,
    MAX_POINTS,
    MAX_TOTAL_BITS,
    MAX_TOTAL_ELEMENTS,
    Allowance,
    Files,
    Session,
)
from gradcheck.points.objects import from_object
from gradcheck.points.text import read_text
from gradcheck.points.value import Exact, Point, Value
from gradcheck.points.words import MAX_SHOWN, about, amount, blanks, listed

__all__ = [
    "MAX_AT_LENGTH",
    "MAX_BITS",
    "MAX_BRACKETS",
    "MAX_ELEMENTS",
    "MAX_EXPONENT",
    "MAX_FILE_BYTES",
    "MAX_LITERAL",
    "MAX_NESTING",
    "MAX_POINTS",
    "MAX_SHOWN",
    "MAX_TOTAL_BITS",
    "MAX_TOTAL_ELEMENTS",
    "Exact",
    "Files",
    "Point",
    "Value",
    "assigned_constants",
    "parse_points",
    "to_value",
]


def parse_points(
    texts: Sequence[str],
    inputs: Sequence[str],
    *,
    seed: int = 0,
    directory: Path | None = None,
    files: Files = Files.ANY,
    allowance: Allowance | None = None,
) -> list[Point]:
    """Return the points that the texts describe; each binds every input.

    Several values of an input make a grid, in which the last input varies fastest. Texts complete a point together;
    one that names an input again, once all are given, begins the next. Files are relative to ``directory``; ``files``
    says which may be read, and ``allowance`` may be shared with other calls.
    Raises PointProblem, LimitProblem, FileProblem, and UsageProblem for a negative seed.

    >>> [(point["x"].text, point["y"].text) for point in parse_points(["x=1,1/3", "y=-1:1:2"], ["x", "y"])]
    [('1', '-1'), ('1', '1'), ('1/3', '-1'), ('1/3', '1')]
    """
    if not texts and inputs:
        hint = ("add ", Option("at", ",".join(f"{name}=2" for name in inputs)))
        raise PointProblem(f"at which point? the program needs {listed(inputs)}", hint=hint)
    if len(texts) > MAX_POINTS * max(1, len(inputs)):
        raise LimitProblem(f"at most {MAX_POINTS:,} points can be checked; these are more texts than that")
    session = Session(seed, directory or Path(), files, allowance=allowance)
    groups: list[dict[str, list[Value]]] = [{}]
    for text in texts:
        given = read_text(Cursor(text, session, inputs))
        if len(groups[-1]) == len(inputs) and groups[-1].keys() & given.keys():
            groups.append({})
        for name, values in given.items():
            groups[-1].setdefault(name, []).extend(values)
    try:
        session.visit(_check_groups(groups, inputs))
    except GradcheckError as error:
        raise error.located(texts[-1], Span(0, len(texts[-1]))) from None
    return [point for group in groups for point in _grid(group, inputs)]


def to_value(obj: object, name: str) -> Value:
    """Return a Python object as the value of input ``name``.

    Takes numbers (int, float, Fraction), nested lists of them, NumPy arrays, whatever has ``tolist`` (torch tensors of
    any dtype), and texts as in ``--at``. Raises PointProblem and LimitProblem.

    >>> to_value([[1, 0.5], ["1/3", -2]], "x").numbers
    (Fraction(1, 1), Fraction(1, 2), Fraction(1, 3), Fraction(-2, 1))
    """
    if isinstance(obj, str):
        return _only([point[name] for point in parse_points([obj], [name])], obj, name)
    session = Session()
    try:
        shape, numbers = from_object(obj, session)
    except GradcheckError as error:
        raise about(name, error) from None
    return Value(shape, numbers)


def _only(values: list[Value], text: str, name: str) -> Value:
    if len(values) > 1:
        message = f"{name} takes one value here; this text gives {len(values):,}"
        raise PointProblem(message, source=text, span=Span(0, len(text)))
    return values[0]


def _check_groups(groups: list[dict[str, list[Value]]], inputs: Sequence[str]) -> int:
    """Return how many points there will be."""
    missing = [name for name in inputs if name not in groups[-1]]
    if missing:
        message = f"the program needs a point for {listed(inputs)}; missing: {', '.join(missing)}"
        raise PointProblem(message, hint=("add ", Option("at", blanks(missing), more=True)))
    count = sum(math.prod(map(len, group.values())) for group in groups)
    if count > MAX_POINTS:
        raise LimitProblem(f"at most {MAX_POINTS:,} points can be checked; these are {amount(count)}")
    return count


def _grid(group: dict[str, list[Value]], inputs: Sequence[str]) -> Iterator[Point]:
    for values in itertools.product(*(group[name] for name in inputs)):
        yield dict(zip(inputs, values, strict=True))
