"""The keys of a check: what each may hold, and what is said of anything else."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from gradcheck.blame import Cause
from gradcheck.corpus.limits import MAX_NAME_LENGTH, MAX_NONDET, MAX_REMARK_LENGTH, MAX_SEED, MAX_TIMEOUT
from gradcheck.errors import UsageProblem, printable
from gradcheck.formats import FORMATS
from gradcheck.functions import nearest
from gradcheck.settings.values import Real, identifier, kind, number_text, point_texts
from gradcheck.verdict import Verdict

Reader: TypeAlias = Callable[[Any], Any]
"""Returns a value of TOML as what it means; raises GradcheckError where it means nothing."""

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_DEVICE = re.compile(r"[a-z]{1,20}(:[0-9]{1,3})?")


def text(value: Any) -> str:
    """Return a text without control characters: neither a terminal nor an XML report may obey or refuse it."""
    if not isinstance(value, str):
        raise UsageProblem(f"expected a text, not {kind(value)}")
    found = _CONTROL.search(value)
    if found:
        raise UsageProblem(f"a text holds no control character such as U+{ord(found[0]):04X}")
    return value


def _name(value: Any) -> str:
    name = text(value)
    if not name.isprintable() or not name.strip():
        raise UsageProblem("a name is one line of printable characters")
    if len(name) > MAX_NAME_LENGTH:
        raise UsageProblem(f"a name has at most {MAX_NAME_LENGTH} characters; this one has {len(name):,}")
    return name


def _remark(value: Any) -> str:
    remark = text(value)
    if len(remark) > MAX_REMARK_LENGTH:
        raise UsageProblem(f"at most {MAX_REMARK_LENGTH:,} characters; these are {len(remark):,}")
    return remark


def _words(value: Any) -> tuple[str, ...]:
    """Return one word or a list of them, each once."""
    words = [text(word) for word in (value if isinstance(value, list) else [value])]
    return tuple(dict.fromkeys(words))


def _some(value: Any) -> tuple[str, ...]:
    words = _words(value)
    if not words:
        raise UsageProblem("this list is empty", hint="leave the key out, or name one")
    return words


def _one_of(what: str, known: Iterable[str]) -> Reader:
    among = list(known)

    def word(value: Any) -> str:
        if text(value) not in among:
            closest = nearest(value, among)
            hint = f"did you mean `{closest}`?" if closest else f"choose from {', '.join(among)}"
            raise UsageProblem(f"{printable(value[:40])!r} is no {what}", hint=hint)
        return str(value)

    return word


def _device(value: Any) -> str:
    if not _DEVICE.fullmatch(text(value)):
        raise UsageProblem("a device is a word such as cpu, or cuda:0")
    return str(value)


def _whole(most: int) -> Reader:
    def whole(value: Any) -> int:
        if not isinstance(value, int) or isinstance(value, bool):
            raise UsageProblem(f"expected a whole number, not {kind(value)}")
        if not 0 <= value <= most:
            raise UsageProblem(f"expected a whole number from 0 to {most:,}")
        return value

    return whole


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | Real):
        raise UsageProblem(f"expected a number, not {kind(value)}")
    try:
        return float(value.text if isinstance(value, Real) else value)
    except OverflowError:
        return math.inf


def _tolerance(value: Any) -> float:
    number = _number(value)
    if not 0 <= number < math.inf:
        raise UsageProblem("a tolerance is a number of ULP, 0 or more")
    return number


def _seconds(value: Any) -> float:
    number = _number(value)
    if not 0 < number <= MAX_TIMEOUT:
        raise UsageProblem(f"expected seconds, more than 0 and at most {MAX_TIMEOUT:,.0f}")
    return number


def _formula(value: Any) -> str:
    """Return an expression, which may also be a bare number."""
    return text(value) if isinstance(value, str) else number_text(value)


def _gradient(value: Any) -> tuple[str, ...]:
    """Return texts as ``--expect`` takes them."""
    if not isinstance(value, dict):
        return (_formula(value),)
    if not value:
        raise UsageProblem("this table is empty", hint='write {x = "2*x"}')
    return tuple(f"{identifier(name)}={_formula(part)}" for name, part in value.items())


_verdict, _cause, _dtype = _one_of("verdict", Verdict), _one_of("cause", Cause), _one_of("dtype", FORMATS)

EXPECT: dict[str, Reader] = {
    "value": _formula,
    "gradient": _gradient,
    "verdict": lambda value: Verdict(_verdict(value)),
    "cause": lambda value: Cause(_cause(value)),
}
"""The keys of ``expect``."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A key of a check: how it is read, and the field of Settings that it sets, where it sets one."""

    read: Reader
    setting: str | None = None


CHECK: Mapping[str, Entry] = {
    "name": Entry(_name),
    "expression": Entry(text),
    "at": Entry(point_texts),
    "dtype": Entry(lambda value: tuple(map(_dtype, _some(value))), "dtypes"),
    "device": Entry(_device, "device"),
    "wrt": Entry(_some, "wrt"),
    "ulps": Entry(_tolerance, "ulps"),
    "seed": Entry(_whole(MAX_SEED), "seed"),
    "allow": Entry(lambda value: tuple(map(_verdict, _words(value))), "allow"),
    "nondet": Entry(_whole(MAX_NONDET), "nondet"),
    "timeout": Entry(_seconds),
    "source": Entry(_remark),
    "why": Entry(_remark),
}
"""The keys of ``[[check]]``, beside the table ``expect``."""

OWN = frozenset({"name", "expression"})
"""The keys that no two checks share, and that ``[defaults]`` has not."""
