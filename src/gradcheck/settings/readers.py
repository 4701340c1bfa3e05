"""Readers of settings: what a value may be, in a file or on the command line, and what is said of anything else.

A reader gets a value of TOML, or of the command line a text, the list of its words, or a number. It returns what the
value means, and raises a GradcheckError where it means nothing.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

from gradcheck.errors import UsageProblem, printable
from gradcheck.settings.values import Real, identifier, kind, number_text

Reader: TypeAlias = Callable[[Any], Any]

MAX_NAME_LENGTH = 200
"""Characters of a check's name."""
MAX_REMARK_LENGTH = 10_000
"""Characters of ``source`` and ``why``."""
MAX_TIMEOUT = 86_400.0
"""Seconds."""
MAX_NONDET = 1_000
"""Repeated runs of torch."""
MAX_SHOWN = 40
"""Characters of a number in a message."""
MAX_SEED = 2**63 - 1
ONES, RANDOM = "ones", "random"
"""Cotangents of the output, as the settings name them."""
COTANGENT = f"({ONES}|{RANDOM}|@.+)"
"""How a cotangent looks: by its name, or by that of a file."""
DEVICE = "[a-z]{1,20}(:[0-9]{1,3})?"
"""How the name of a device looks."""

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)(e[+-]?\d+)?|[+-]?(inf|infinity|nan)", re.IGNORECASE | re.ASCII)


def text(value: Any) -> str:
    """Return a text without control characters: neither a terminal nor an XML report may obey or refuse it."""
    if not isinstance(value, str):
        raise UsageProblem(f"expected a text, not {kind(value)}")
    found = _CONTROL.search(value)
    if found:
        raise UsageProblem(f"a text holds no control character such as U+{ord(found[0]):04X}")
    return value


def name(value: Any) -> str:
    """Return the name of a check: one line."""
    found = text(value)
    if not found.isprintable() or not found.strip():
        raise UsageProblem("a name is one line of printable characters")
    if len(found) > MAX_NAME_LENGTH:
        raise UsageProblem(f"a name has at most {MAX_NAME_LENGTH} characters; this one has {len(found):,}")
    return found


def cotangent(value: Any) -> str:
    """Return which cotangent an output of several elements has."""
    found = text(value)
    if not re.fullmatch(COTANGENT, found):
        raise UsageProblem(f"a cotangent is ones, random, or @ and a file, not {found!r}")
    return found


def remark(value: Any) -> str:
    """Return what a person says about a check."""
    found = text(value)
    if len(found) > MAX_REMARK_LENGTH:
        raise UsageProblem(f"at most {MAX_REMARK_LENGTH:,} characters; these are {len(found):,}")
    return found


def words(value: Any) -> tuple[str, ...]:
    """Return one word or a list of them, each once."""
    found = [text(word) for word in (value if isinstance(value, list) else [value])]
    return tuple(dict.fromkeys(found))


def some(value: Any) -> tuple[str, ...]:
    """Return at least one word."""
    found = words(value)
    if not found:
        raise UsageProblem("this list is empty", hint="leave it out, or name one")
    return found


def one_of(what: str, known: Iterable[str]) -> Reader:
    """Return a reader of one of the known words."""
    among = list(known)

    def word(value: Any) -> str:
        if text(value) not in among:
            from gradcheck.functions import nearest

            closest = nearest(value, among)
            hint = f"did you mean `{closest}`?" if closest else f"choose from {', '.join(among)}"
            raise UsageProblem(f"{printable(value[:40])!r} is no {what}", hint=hint)
        return str(value)

    return word


def device(value: Any) -> str:
    """Return where torch runs."""
    if not re.fullmatch(DEVICE, text(value)):
        raise UsageProblem("a device is a word such as cpu, or cuda:0")
    return str(value)


def flag(value: Any) -> bool:
    """Return true or false."""
    if not isinstance(value, bool):
        raise UsageProblem(f"expected true or false, not {kind(value)}")
    return value


def whole(least: int, most: int) -> Reader:
    """Return a reader of whole numbers in a range."""

    def number(value: Any) -> int:
        if isinstance(value, Real):
            if re.fullmatch(r"[+-]?[0-9]+", value.text):  # one of more digits than any that is in range
                raise UsageProblem(f"expected a whole number from {least} to {most:,}")
            raise UsageProblem(f"expected a whole number, not {value.text[:MAX_SHOWN]}")
        if not isinstance(value, int) or isinstance(value, bool):
            raise UsageProblem(f"expected a whole number, not {kind(value)}")
        if not least <= value <= most:
            raise UsageProblem(f"expected a whole number from {least} to {most:,}")
        return value

    return number


def tolerance(value: Any) -> float:
    """Return a number of ULP."""
    number = _number(value)
    if not 0 <= number < math.inf:
        raise UsageProblem("a tolerance is a number of ULP, 0 or more")
    return number


def seconds(value: Any) -> float:
    """Return how long something may take."""
    number = _number(value)
    if not 0 < number <= MAX_TIMEOUT:
        raise UsageProblem(f"expected seconds, more than 0 and at most {MAX_TIMEOUT:,.0f}")
    return number


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | Real):
        raise UsageProblem(f"expected a number, not {kind(value)}")
    try:
        return float(value.text if isinstance(value, Real) else value)
    except OverflowError:
        return math.inf


def number_of(word: str) -> int | Real | str:
    """Return the number that a word of the command line writes; a word that writes none stays one.

    >>> number_of("3"), number_of("2.5"), number_of("many")
    (3, Real(text='2.5'), 'many')
    """
    if re.fullmatch(r"[+-]?[0-9]{1,30}", word.strip()):
        return int(word)
    return Real(word.strip()) if _NUMBER.fullmatch(word.strip()) else word


def formula(value: Any) -> str:
    """Return an expression, which may also be a bare number."""
    return text(value) if isinstance(value, str) else number_text(value)


def gradient(value: Any) -> tuple[str, ...]:
    """Return derivatives as ``--expect`` takes them.

    >>> gradient({"x": "2*x", "y": 3})
    ('x=2*x', 'y=3')
    """
    if not isinstance(value, dict):
        return (formula(value),)
    if not value:
        raise UsageProblem("this table is empty", hint='write {x = "2*x"}')
    return tuple(f"{identifier(key)}={formula(part)}" for key, part in value.items())
