"""Kinds of values that a setting takes: how one is read, how a schema describes it, how the command line writes it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path
from typing import Any

from gradcheck.formats import FORMATS
from gradcheck.lane import ENGINES as ENGINES_
from gradcheck.settings import readers
from gradcheck.settings.readers import Reader
from gradcheck.settings.values import point_texts
from gradcheck.verdict import Verdict
from gradcheck.ways import MAX_ORDER, ways

Schema = Mapping[str, Any]


class Form(Enum):
    """How the command line takes a value."""

    TEXT = auto()
    NUMBER = auto()
    WORDS = auto()
    """Words with commas between them, which may be given several times."""
    TEXTS = auto()
    """Texts that may be given several times."""
    FILE = auto()
    FLAG = auto()
    COUNT = auto()
    """A flag that counts how often it is given."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What values a setting takes.

    ``read`` returns what a value means, ``schema`` describes the values of TOML; its references are to the definitions
    of the schema of expression files. ``form`` says how the command line takes it, ``among`` which words there are.
    """

    read: Reader
    schema: Schema
    form: Form = Form.TEXT
    among: tuple[str, ...] = ()

    def on_the_command_line(self, given: Any) -> Any:
        """Return the value that the command line's texts stand for; raises GradcheckError.

        >>> WORDS.on_the_command_line(["x, y", "z"]), TOLERANCE.on_the_command_line("2")
        (('x', 'y', 'z'), 2.0)
        """
        if self.form is Form.WORDS:
            return self.read(listed(given))
        if self.form is Form.TEXTS:
            return tuple(given)
        return self.read(readers.number_of(given) if self.form is Form.NUMBER else given)

    def plain(self, word: str) -> Any:
        """Return what a text of the command line is in TOML or JSON.

        >>> SEED.plain("0"), WORDS.plain("x")
        (0, 'x')
        """
        return json.loads(word) if self.form is Form.NUMBER else word

    def words(self, value: Any) -> list[str]:
        """Return a value as texts of the command line.

        >>> WORDS.words(("x", "y")), TOLERANCE.words(2.0), TOLERANCE.words(0.1)
        (['x,y'], ['2'], ['0.1'])
        """
        if self.form is Form.TEXTS:
            return list(value)
        if self.form is Form.WORDS:
            return [",".join(map(str, value))]
        return [repr(value).removesuffix(".0") if self.form is Form.NUMBER else str(value)]


def listed(texts: list[str]) -> list[str]:
    """Return the words of texts that have commas between them, each once.

    >>> listed(["float64, bfloat16", "float64"])
    ['float64', 'bfloat16']
    """
    words = [word.strip() for text in texts for word in text.split(",")]
    return list(dict.fromkeys(word for word in words if word))


def one_or_several(one: Schema, least: int = 0) -> Schema:
    """Return the schema of a value, or of a list of such."""
    several = {"type": "array", **({"minItems": least} if least else {}), "items": one}
    return {"anyOf": [one, several]}


def ref(name: str) -> Schema:
    """Return a reference to a definition of the schema of expression files."""
    return {"$ref": f"#/$defs/{name}"}


_DTYPES, _VERDICTS = tuple(FORMATS), tuple(one.value for one in Verdict)
_engine = readers.one_of("engine", ENGINES_)
_dtype, _verdict = readers.one_of("dtype", _DTYPES), readers.one_of("verdict", _VERDICTS)


def _whole(least: int, most: int, form: Form = Form.NUMBER) -> Kind:
    schema = {"type": "integer", "minimum": least, "maximum": most}
    return Kind(readers.whole(least, most), schema, form)


def choice(what: str, among: tuple[str, ...]) -> Kind:
    """Return the kind of one word among some."""
    return Kind(readers.one_of(what, among), {"enum": list(among)}, among=among)


MAX_VERBOSE = 9
_LINE, _INK = r"[^\u0000-\u001f\u007f-\u009f]", r"[^\u0000-\u0020\u007f-\u009f]"

# fmt: off
TEXT       = Kind(readers.text, ref("text"))
PROGRAM    = Kind(readers.text, {
    **ref("text"), "examples": ["2*x**4 + x**3 + 3*x**2 + 5*x + 1", "y = 3*x + 2; mean(y**2)"]})
NAME       = Kind(readers.name, {
    "type": "string", "maxLength": readers.MAX_NAME_LENGTH,
    "pattern": f"^{_LINE}*{_INK}{_LINE}*$"})
REMARK     = Kind(readers.remark, ref("remark"))
POINTS     = Kind(point_texts, {
    "anyOf": [
        {"type": ["number", "string"]}, ref("inputs"),
        {"type": "array", "minItems": 1, "items": ref("inputs")},
        {"type": "array", "minItems": 1, "items": ref("value")}],
    "examples": ["2", "x=-2:2:9", {"x": 2, "w": "randn(2,3)"}, [{"x": 1}, {"x": 2}]]}, Form.TEXTS)
DTYPES     = Kind(lambda value: tuple(map(_dtype, readers.some(value))),
                  one_or_several(ref("dtypes"), 1), Form.WORDS, _DTYPES)
DTYPE      = Kind(lambda value: (_dtype(value),), ref("dtypes"), among=_DTYPES)
DEVICE     = Kind(lambda value: (readers.device(value),), {"type": "string", "pattern": f"^{readers.DEVICE}$"})
DEVICES    = Kind(lambda value: tuple(map(readers.device, readers.some(value))),
                  one_or_several({"type": "string", "pattern": f"^{readers.DEVICE}$"}, 1), Form.WORDS)
WORDS      = Kind(readers.some, one_or_several(ref("text"), 1), Form.WORDS)
VERDICTS   = Kind(lambda value: tuple(map(_verdict, readers.words(value))),
                  one_or_several(ref("verdict")), Form.WORDS, _VERDICTS)
GRADIENT   = Kind(readers.gradient, ref("gradient"), Form.TEXTS)
WAYS       = Kind(lambda value: ways(readers.words(value)), one_or_several({"type": "string", "pattern":
    rf"^(all|(rev|fwd)(-(rev|fwd)){{0,{MAX_ORDER - 1}}}|(double|triple)-backward)$"}, 1), Form.WORDS)
ENGINES    = Kind(lambda value: tuple(map(_engine, readers.words(value))),
    one_or_several({"enum": list(ENGINES_)}, 1), Form.WORDS, tuple(ENGINES_))
ORDER      = _whole(1, MAX_ORDER)
COTANGENT  = Kind(readers.cotangent, {"type": "string", "pattern": f"^{readers.COTANGENT}$"})
TOLERANCE  = Kind(readers.tolerance, {"type": "number", "minimum": 0}, Form.NUMBER)
SECONDS    = Kind(readers.seconds, {
    "type": "number", "exclusiveMinimum": 0, "maximum": int(readers.MAX_TIMEOUT)}, Form.NUMBER)
SEED       = _whole(0, readers.MAX_SEED)
REPEATS    = _whole(0, readers.MAX_NONDET)
COUNT      = _whole(0, 10**9)
SOME       = _whole(1, 10**9)
LEVEL      = _whole(0, MAX_VERBOSE, Form.COUNT)
FLAG       = Kind(readers.flag, {"type": "boolean"}, Form.FLAG)
FILE       = Kind(Path, {"type": "string"}, Form.FILE)
TEXTS      = Kind(readers.words, one_or_several({"type": "string"}), Form.TEXTS)
# fmt: on
