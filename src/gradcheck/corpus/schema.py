"""The schemas of the files that people write, made from the table of settings: of checks, and of a project's settings.

``python -m gradcheck.corpus.schema`` writes them anew; a test fails where a file is not what the table says.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from gradcheck.corpus.fields import CHECK, EXPECT, OWN
from gradcheck.corpus.limits import MAX_CHECKS, MAX_DEFINITIONS
from gradcheck.formats import FORMATS
from gradcheck.settings.kinds import Schema, ref
from gradcheck.settings.readers import MAX_REMARK_LENGTH
from gradcheck.settings.table import Place, Setting, settings_of
from gradcheck.verdict import Verdict

DRAFT = "https://json-schema.org/draft/2020-12/schema"
_FIRST = r"[^\s\d!-/:-@\[-^`{-~]"
_REST = r"[^\s!-/:-@\[-^`{-~]*"
_NAME = _FIRST + _REST
_CALL = rf"^\s*{_NAME}\s*\(\s*{_NAME}(\s*,\s*{_NAME})*\s*,?\s*\)\s*$"
_TEXT = r"^[^\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f\ufffe\uffff]*$"

_DEFINITIONS: Schema = {
    "text": {"type": "string", "pattern": _TEXT},
    "remark": {**ref("text"), "maxLength": MAX_REMARK_LENGTH},
    "formula": {"anyOf": [ref("text"), {"type": "number"}]},
    "gradient": {
        "anyOf": [
            ref("formula"),
            {
                "type": "object",
                "minProperties": 1,
                "propertyNames": {"pattern": f"^{_NAME}$"},
                "additionalProperties": ref("formula"),
            },
        ]
    },
    "dtypes": {"enum": [*FORMATS]},
    "verdict": {"enum": [*Verdict]},
    "value": {
        "description": "A number, a list of numbers for a tensor, or a text: 1/3, -2:2:9, randn(2,3), @file.npy. "
        "Numbers are decimals: 0.1 is 1/10.",
        "anyOf": [{"type": ["number", "string"]}, ref("tensor")],
    },
    "tensor": {
        "type": "array",
        "items": {"anyOf": [{"type": "number"}, {"type": "string", "pattern": r"^[^\[\],=]*$"}, ref("tensor")]},
    },
    "inputs": {
        "description": "A value for each input.",
        "type": "object",
        "minProperties": 1,
        "propertyNames": {"pattern": f"^{_NAME}$"},
        "additionalProperties": ref("value"),
    },
}
"""What the schemas of several settings refer to."""


def of_checks() -> Schema:
    """Return the schema of expression files."""
    shared = {key: ref(key) for key in ("at", *CHECK, "expect") if key not in OWN}
    check = {**{row.name: _described(row) for row in CHECK.values() if row.name in OWN}, **shared}
    return {
        "$schema": DRAFT,
        "$id": "urn:gradcheck:expressions:1",
        "title": "Expression files of gradcheck",
        "description": "Programs to check, each at its points: one [[check]] a case.",
        **_object({
            "check": {
                "description": "The checks, in the order in which they run.",
                "type": "array", "minItems": 1, "maxItems": MAX_CHECKS,
                "items": _object(check, "expression"),
            },
            "defaults": {
                "description": "What holds for every check of the file that says nothing else; "
                "a key of a check replaces it whole.",
                **_object(shared),
            },
            "define": {
                "description": "Functions of this file: a call with its arguments, and the one expression that it "
                'stands for, as in "squareplus(x)" = "(x + sqrt(x**2 + 4))/2". They may use each other.',
                "type": "object", "maxProperties": MAX_DEFINITIONS,
                "propertyNames": {"pattern": _CALL}, "additionalProperties": ref("text"),
            },
        }, "check"),
        "$defs": {
            **_DEFINITIONS,
            **{row.name: _described(row) for row in CHECK.values() if row.name not in OWN},
            "expect": {
                "description": "What comes out, to be compared too.",
                **_object({row.name: _described(row) for row in EXPECT.values()}),
            },
        },
    }  # fmt: skip


def of_a_project() -> Schema:
    """Return the schema of ``gradcheck.toml``, and of ``[tool.gradcheck]``."""
    rows = settings_of(Place.PROJECT)
    properties = {row.name: {**_described(row), **_default(row)} for row in rows}
    return {
        "$schema": DRAFT,
        "$id": "urn:gradcheck:settings:1",
        "title": "Settings of a project for gradcheck",
        "description": "gradcheck.toml, or [tool.gradcheck] of pyproject.toml. The command line wins.",
        **_object(properties),
        "$defs": {name: _DEFINITIONS[name] for name in _referred(properties)},
    }


SCHEMAS = {"expressions": of_checks, "settings": of_a_project}
"""The schemas that are made, by the beginning of their files' names."""


def _object(properties: Schema, *required: str) -> Schema:
    needed = {"required": list(required)} if required else {}
    return {"type": "object", "additionalProperties": False, **needed, "properties": properties}


def _described(row: Setting) -> Schema:
    return {"description": row.description, **row.kind.schema}


def _default(row: Setting) -> Schema:
    return {} if row.default is None else {"default": row.kind.plain(row.default)}


def _referred(schema: Any) -> list[str]:
    """Return the definitions that a schema refers to, and those that they refer to, in the order of all."""
    found: set[str] = set()
    left = list(_references(schema))
    while left:
        name = left.pop()
        if name not in found:
            found.add(name)
            left += _references(_DEFINITIONS[name])
    return [name for name in _DEFINITIONS if name in found]


def _references(schema: Any) -> Iterable[str]:
    for key, value in schema.items() if isinstance(schema, Mapping) else enumerate(schema):
        if key == "$ref":
            yield str(value).rpartition("/")[2]
        elif isinstance(value, Mapping | list):
            yield from _references(value)


# --- as text --------------------------------------------------------------------------------------

WIDTH = 120


def text(schema: Any, indent: int = 0, head: int = 0) -> str:
    """Return a schema as JSON: on one line what fits there, ``head`` characters behind its beginning.

    >>> print(text({"enum": ["a", "b"]}))
    {"enum": ["a", "b"]}
    """
    short = json.dumps(schema, ensure_ascii=False)
    if indent + head + len(short) < WIDTH or not isinstance(schema, Mapping | list):
        return short
    inner = indent + 2
    pairs = [(f"{json.dumps(key)}: ", value) for key, value in schema.items()] if isinstance(schema, Mapping) else None
    parts = [("", value) for value in schema] if pairs is None else pairs
    lines = [f"{' ' * inner}{key}{text(value, inner, len(key))}" for key, value in parts]
    opening, closing = "[]" if pairs is None else "{}"
    return "\n".join([opening, ",\n".join(lines), f"{' ' * indent}{closing}"])


def path(name: str) -> Path:
    """Return where a schema is published."""
    return Path(__file__).parent.parent / "schema" / f"{name}.schema.json"


if __name__ == "__main__":
    for name, made in SCHEMAS.items():
        path(name).write_text(f"{text(made())}\n", "utf-8")
