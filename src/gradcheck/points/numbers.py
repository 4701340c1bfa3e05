"""Numbers as they are written: literals, constants, and exact arithmetic as in Python."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from decimal import Decimal
from fractions import Fraction

from gradcheck.errors import GradcheckError, LimitProblem, Span
from gradcheck.functions import ALIASES
from gradcheck.points.cursor import CONSTANTS, TENSORS, Cursor
from gradcheck.points.functions import FUNCTIONS, apply, constant
from gradcheck.points.limits import MAX_BITS, MAX_BRACKETS, MAX_EXPONENT, MAX_LITERAL, Session
from gradcheck.points.value import Exact, bits
from gradcheck.points.words import short, shown

_DIGITS, _HEX = (rf"{digit}+(?:_{digit}+)*" for digit in ("[0-9]", "[0-9a-fA-F]"))
_LITERAL = re.compile(
    rf"0[xX](?:{_HEX}(?:\.(?:{_HEX})?)?|\.{_HEX})(?:[pP][+-]?{_DIGITS})?"
    rf"|(?:{_DIGITS}(?:\.(?:{_DIGITS})?)?|\.{_DIGITS})(?:[eE][+-]?{_DIGITS})?"
)

DIGITS = 150
"""Digits of a number that is made with a function: the smallest of float64 would need as many beside the largest."""
MORE_DIGITS = 60
"""Digits that the second evaluation has beyond these, and that both must have in common."""
WORK = 400
"""Bits that a digit of a function counts for against the limit on all numbers of a point."""
TRUTHS = dict.fromkeys(("True", "False"), "write 1 and 0: where(m, x, y) takes them for a mask m")
"""A hint: as numbers they would be added by what takes a mask of numbers as well, as attention does."""
_SIGNS = re.compile(r"[+\-\s]*")

_SUM, _PRODUCT, _POWER = re.compile(r"[+-]"), re.compile(r"\*(?!\*)|/"), re.compile(r"\*\*")


def read_number(cursor: Cursor) -> Exact:
    """Read a sum of products of powers, as Python would.

    A number that is made with a function is worked out with more digits than any dtype has, and then once more with
    further ones: where the two are not the same in all that matters, as in ``sin(pi)``, it is refused.

    >>> read_number(Cursor("2*3**2 + 1/3", Session()))
    Fraction(55, 3)
    """
    start, cursor.digits, cursor.functions = cursor.at, DIGITS, 0
    number = _sum(cursor)
    if not cursor.functions or isinstance(number, float):
        return number
    cursor.at, cursor.digits = start, DIGITS + MORE_DIGITS
    finer = _sum(cursor)
    if isinstance(finer, float) or abs(number - finer) * 10**MORE_DIGITS > max(abs(number), abs(finer)):
        raise cursor.problem("too many digits cancel to tell this number", start, "write it as a decimal")
    return cursor.session.exact(number)


def _sum(cursor: Cursor) -> Exact:
    return _chain(cursor, _SUM, _product)


def _product(cursor: Cursor) -> Exact:
    return _chain(cursor, _PRODUCT, _signed)


def _chain(cursor: Cursor, operator: re.Pattern[str], part: Callable[[Cursor], Exact]) -> Exact:
    start = cursor.skip()
    number = part(cursor)
    while sign := cursor.match(operator):
        number = _combine(cursor, number, sign, part(cursor), start)
    return number


def _combine(cursor: Cursor, left: Exact, sign: str, right: Exact, start: int) -> Fraction:
    a, b = finite(cursor, (left, right), start)
    if sign == "/":
        if not b:
            raise cursor.problem("division by zero", start)
        return cursor.session.exact(a / b)
    return cursor.session.exact(a + b if sign == "+" else a - b if sign == "-" else a * b)


def _signed(cursor: Cursor) -> Exact:
    """Read a power with signs before it; the power binds tighter, so that ``-2**2`` is -4."""
    start = cursor.at
    negative = cursor.match(_SIGNS).count("-") % 2
    if cursor.depth >= MAX_BRACKETS:
        message = f"at most {MAX_BRACKETS} brackets and powers inside each other"
        raise cursor.problem(message, start, kind=LimitProblem)
    cursor.depth += 1
    number = _power(cursor)
    cursor.depth -= 1
    return -number if negative else number


def _power(cursor: Cursor) -> Exact:
    start = cursor.skip()
    base = _atom(cursor)
    if not cursor.match(_POWER):
        return base
    a, exponent = finite(cursor, (base, _signed(cursor)), start)
    if exponent.denominator != 1:
        raise cursor.problem(f"an exponent is a whole number, not {shown(exponent)}", start)
    if not a and exponent < 0:
        raise cursor.problem("division by zero", start)
    if abs(exponent) * bits(a) > MAX_BITS:
        message = f"a number has at most {MAX_BITS:,} bits above and below the fraction bar"
        raise cursor.problem(message, start, kind=LimitProblem)
    return cursor.session.exact(Fraction(a ** int(exponent)))


def _atom(cursor: Cursor) -> Exact:
    start = cursor.skip()
    if cursor.accept("("):
        number = _sum(cursor)
        if not cursor.accept(")"):
            raise cursor.unreadable("expected `)`")
        return number
    written = cursor.match(_LITERAL)
    if not written:
        return _constant(cursor, start)
    try:
        return literal(written, cursor.session)
    except GradcheckError as error:
        raise error.located(cursor.text, Span(start, cursor.at)) from None


def _constant(cursor: Cursor, start: int) -> Exact:
    name = cursor.name()
    if name in CONSTANTS:
        return CONSTANTS[name] if cursor.digits == DIGITS or name == "inf" else constant(name, cursor.digits)
    if not name:
        raise cursor.unreadable("expected a number")
    if (function := ALIASES.get(name, name)) in FUNCTIONS and cursor.accept("("):
        return _applied(cursor, function, start)
    if name.lower() == "nan":
        raise cursor.problem("nan is not a point", start)
    if name in TENSORS:
        raise cursor.problem(f"`{name}` makes a tensor, which stands alone", start)
    hint = f"write {name}=..." if name in cursor.inputs else TRUTHS.get(name)
    raise cursor.problem(f"`{short(name)}` is not a number", start, hint)


def _applied(cursor: Cursor, function: str, start: int) -> Fraction:
    """Read the argument of a function of numbers, and return its value."""
    cursor.functions += 1
    cursor.session.spend(WORK * cursor.digits)
    (argument,) = finite(cursor, [_sum(cursor)], start)
    if not cursor.accept(")"):
        raise cursor.unreadable("expected `)`")
    try:
        return cursor.session.exact(apply(function, argument, cursor.digits))
    except ValueError:
        raise cursor.problem(f"{function} has no value at {shown(argument)}", start) from None
    except OverflowError:
        raise cursor.problem(f"{function} of {shown(argument)} is too large", start, kind=LimitProblem) from None


def finite(cursor: Cursor, numbers: Sequence[Exact], start: int) -> list[Fraction]:
    """Return the numbers, none of which may be infinite."""
    rationals = [n for n in numbers if isinstance(n, Fraction)]
    if len(rationals) < len(numbers):
        raise cursor.problem("inf stands alone: nothing can be computed with it", start)
    return rationals


def literal(text: str, session: Session) -> Fraction:
    """Return a decimal or hexadecimal literal as the number written.

    >>> literal("0.1", Session()), literal("0x1.8p-3", Session())
    (Fraction(1, 10), Fraction(3, 16))
    """
    if len(text) > MAX_LITERAL:
        raise LimitProblem(f"a number has at most {MAX_LITERAL:,} characters; this one has {len(text):,}")
    if text[:2] in ("0x", "0X"):
        return session.exact(_hexadecimal(text[2:].lower()))
    exponent = text.lower().partition("e")[2]
    if exponent and abs(int(exponent)) > MAX_EXPONENT:
        raise LimitProblem(f"an exponent is at most {MAX_EXPONENT:,}")
    return session.exact(Fraction(Decimal(text)))


def _hexadecimal(text: str) -> Fraction:
    digits, _, exponent = text.replace("_", "").partition("p")
    whole, _, part = digits.partition(".")
    power = int(exponent or "0") - 4 * len(part)
    if abs(power) > MAX_BITS:
        raise LimitProblem(f"a binary exponent is at most {MAX_BITS:,}")
    return Fraction(int(whole + part, 16)) * Fraction(2) ** power
