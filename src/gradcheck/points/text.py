"""One text of ``--at``: inputs with their values, each a number, a range, a tensor or a file."""

from __future__ import annotations

import difflib
import math
from fractions import Fraction
from typing import TYPE_CHECKING

from gradcheck.errors import GradcheckError, LimitProblem, Option, Span, Words
from gradcheck.functions import ALIASES
from gradcheck.points.cursor import TENSORS, Cursor
from gradcheck.points.files import from_file
from gradcheck.points.functions import FUNCTIONS
from gradcheck.points.limits import MAX_AT_LENGTH, MAX_ELEMENTS, MAX_NESTING, MAX_POINTS, Session
from gradcheck.points.numbers import finite, read_number
from gradcheck.points.value import Exact, Value, bits, frozen
from gradcheck.points.words import MAX_SHOWN, amount, blanks, listed, ragged, short, shown
from gradcheck.program import Shape

if TYPE_CHECKING:
    from gradcheck.points.value import Floats


def read_text(cursor: Cursor) -> dict[str, list[Value]]:
    """Return every input that the text names, with its values.

    >>> sorted(read_text(Cursor("x=1,y=[2,3]", Session(), ["x", "y"])))
    ['x', 'y']
    """
    if len(cursor.text) > MAX_AT_LENGTH:
        message = f"a point has at most {MAX_AT_LENGTH:,} characters; this one has {len(cursor.text):,}"
        raise cursor.problem(message, 0, "put the numbers into a file: x=@file.npy", LimitProblem)
    found: dict[str, list[Value]] = {}
    name = None
    while True:
        name = _target(cursor, name)
        found.setdefault(name, []).extend(_values(cursor))
        if len(found[name]) > MAX_POINTS:
            raise cursor.problem(f"at most {MAX_POINTS:,} points can be checked", 0, kind=LimitProblem)
        if cursor.next() == "":
            return found
        if not cursor.accept(","):
            raise cursor.unreadable()


def _target(cursor: Cursor, previous: str | None) -> str:
    """Return the input that the next value is for: the one named here, the one before, or the only one."""
    start = cursor.skip()
    name = cursor.name()
    end = cursor.at
    if name and cursor.accept("="):
        if name not in cursor.inputs:
            cursor.at = end
            raise _unknown(cursor, name, start)
        return name
    cursor.at = start
    if previous is None and len(cursor.inputs) != 1:
        raise _unnamed(cursor, start)
    return previous or cursor.inputs[0]


LEAVE_OUT = ("leave ", Option("at"), " out")


def _unknown(cursor: Cursor, name: str, start: int) -> GradcheckError:
    close = difflib.get_close_matches(name[:MAX_SHOWN], cursor.inputs, n=1)
    hint: Words = f"did you mean `{close[0]}`?" if close else f"it needs {listed(cursor.inputs)}"
    hint = hint if cursor.inputs else LEAVE_OUT
    return cursor.problem(f"the program has no input `{short(name)}`", start, hint)


def _unnamed(cursor: Cursor, start: int) -> GradcheckError:
    comma = cursor.text.find(",", start)
    cursor.at = comma if comma >= 0 else len(cursor.text.rstrip())
    if not cursor.inputs:
        return cursor.problem("the program has no inputs", start, LEAVE_OUT)
    message = f"a value for which input? the program needs {listed(cursor.inputs)}"
    return cursor.problem(message, start, ("write ", Option("at", blanks(cursor.inputs))))


def _values(cursor: Cursor) -> list[Value]:
    """Read one item: a file, a tensor, a range or a number."""
    start = cursor.skip()
    try:
        if cursor.accept("@"):
            return [_file(cursor, start)]
        if cursor.next() == "[":
            return [_tensor(cursor, start)]
        return _called(cursor, start) or _scalars(cursor, start)
    except GradcheckError as error:
        raise error.located(cursor.text, Span(start, max(cursor.at, start + 1))) from None


def _scalars(cursor: Cursor, start: int) -> list[Value]:
    number = read_number(cursor)
    if cursor.next() != ":":
        return [Value((), (number,), cursor.written(start))]
    return [Value((), (n,)) for n in _range(cursor, number, start)]


def _range(cursor: Cursor, number: Exact, start: int) -> list[Fraction]:
    parts, last = [number], start
    while cursor.accept(":"):
        last = cursor.skip()
        parts.append(read_number(cursor))
    if len(parts) != 3:
        raise cursor.problem("a range is start:stop:count", start, "for example -2:2:9")
    first, stop, steps = finite(cursor, parts, start)
    count = _whole(cursor, steps, last, MAX_POINTS, "points can be checked")
    cursor.session.visit(count)
    return _steps(first, stop, count, cursor.session)


def _whole(cursor: Cursor, number: Exact, start: int, most: int, what: str) -> int:
    """Return a count: a whole number from 1 to ``most``."""
    if isinstance(number, float) or number.denominator != 1 or number < 1:
        raise cursor.problem(f"a count is a whole number from 1, not {shown(number)}", start)
    if number > most:
        message = f"at most {most:,} {what}; this asks for {amount(int(number))}"
        raise cursor.problem(message, start, kind=LimitProblem)
    return int(number)


# --- tensors ------------------------------------------------------------------------------------


def _tensor(cursor: Cursor, start: int) -> Value:
    numbers: list[Exact] = []
    shape = _rows(cursor, numbers, 1)
    cursor.session.tensor(shape)
    return Value(shape, tuple(numbers), cursor.written(start))


def _rows(cursor: Cursor, numbers: list[Exact], depth: int) -> Shape:
    """Read one list into ``numbers`` and return its shape."""
    start = cursor.skip()
    cursor.accept("[")
    if depth > MAX_NESTING:
        raise LimitProblem(f"a tensor has at most {MAX_NESTING} dimensions")
    if cursor.accept("]"):
        raise cursor.problem("a tensor needs at least one element", start)
    count, shape = 0, None
    while cursor.next() != "]" or not count:
        start = cursor.skip()
        part = _rows(cursor, numbers, depth + 1) if cursor.next() == "[" else _element(cursor, numbers)
        if shape not in (None, part):
            raise cursor.problem(ragged(shape or (), part), start)
        count, shape = count + 1, part
        if not cursor.accept(","):
            break
    if not cursor.accept("]"):
        raise cursor.unreadable("expected `,` or `]`")
    return (count, *(shape or ()))


def _element(cursor: Cursor, numbers: list[Exact]) -> Shape:
    numbers.append(read_number(cursor))
    return ()


def _called(cursor: Cursor, start: int) -> list[Value]:
    """Read a call such as ``randn(2, 3)``, if there is one."""
    name, end = cursor.name(), cursor.at
    if not (name and cursor.accept("(")):
        cursor.at = start
        return []
    if ALIASES.get(name, name) in FUNCTIONS:
        cursor.at = start
        return []
    if name not in TENSORS:
        cursor.at = end
        close = difflib.get_close_matches(name[:MAX_SHOWN], (*TENSORS, *FUNCTIONS), n=1)
        hint = f"did you mean `{close[0]}`?" if close else f"there are {listed((*TENSORS, *FUNCTIONS))}"
        raise cursor.problem(f"a point has no function `{short(name)}`", start, hint)
    arguments = finite(cursor, _arguments(cursor), start)
    shape, numbers = (
        _linspace(cursor, arguments, start) if name == "linspace" else _filled(cursor, name, arguments, start)
    )
    return [Value(shape, numbers, cursor.written(start))]


def _arguments(cursor: Cursor) -> list[Exact]:
    if cursor.accept(")"):
        return []
    arguments = [read_number(cursor)]
    while cursor.accept(","):
        arguments.append(read_number(cursor))
    if not cursor.accept(")"):
        raise cursor.unreadable("expected `,` or `)`")
    return arguments


def _linspace(cursor: Cursor, arguments: list[Fraction], start: int) -> tuple[Shape, tuple[Exact, ...]]:
    if len(arguments) != 3:
        raise cursor.problem("linspace takes a start, a stop and a count", start, "for example linspace(-1, 1, 5)")
    count = _whole(cursor, arguments[2], start, MAX_ELEMENTS, "elements fit a tensor")
    cursor.session.tensor((count,))
    return (count,), tuple(_steps(arguments[0], arguments[1], count, cursor.session))


def _filled(cursor: Cursor, name: str, arguments: list[Fraction], start: int) -> tuple[Shape, Floats]:
    import numpy as np

    shape = tuple(_whole(cursor, size, start, MAX_ELEMENTS, "elements fit a tensor") for size in arguments)
    if name == "arange" and len(shape) != 1:
        raise cursor.problem("arange takes one count", start, "for example arange(5)")
    count = cursor.session.tensor(shape)
    if name == "randn":
        return shape, frozen(cursor.session.generator().standard_normal(count))
    if name == "rand":
        return shape, frozen(cursor.session.generator().random(count))
    return shape, frozen(np.arange(count) if name == "arange" else np.full(count, float(name == "ones")))


def _file(cursor: Cursor, start: int) -> Value:
    comma = cursor.text.find(",", cursor.at)
    end = comma if comma >= 0 else len(cursor.text)
    name = cursor.text[cursor.at : end].strip()
    cursor.at = len(cursor.text[:end].rstrip())
    if not name:
        raise cursor.problem("expected a file after `@`", start, "for example x=@file.npy")
    shape, numbers = from_file(name, cursor.session)
    return Value(shape, numbers, cursor.written(start))


def _steps(start: Fraction, stop: Fraction, count: int, session: Session) -> list[Fraction]:
    """Return ``count`` evenly spaced numbers from ``start`` to ``stop``, both included."""
    session.spend(count * (bits(start) + bits(stop) + count.bit_length()))
    step = (stop - start) / max(1, count - 1)
    below = math.lcm(start.denominator, step.denominator)
    first, by = (one.numerator * (below // one.denominator) for one in (start, step))
    return [Fraction(first + i * by, below) for i in range(count)]
