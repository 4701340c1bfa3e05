"""JSON in parts, as it goes to a file: an iterator stands for a list that is made while it is written."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from itertools import chain, groupby, islice
from typing import Any

BLOCK = 1_000
"""Lines that are written at once."""

_encoder = json.JSONEncoder(allow_nan=False)  # all beyond ASCII is escaped, whatever the terminal reads


def encode(value: Any) -> str:
    """Return JSON on one line that no terminal obeys."""
    return _obeyed_by_none(_encoder.encode(value))


def indented(value: Any) -> str:
    """Return JSON over lines, of which no terminal obeys a character.

    >>> print(indented({"a": ["\x7f"]}))
    {
      "a": [
        "\\u007f"
      ]
    }
    """
    return _obeyed_by_none(json.dumps(value, indent=2, allow_nan=False))


def _obeyed_by_none(text: str) -> str:
    """Return JSON with the one control character escaped that the encoder leaves as it is."""
    return text.replace("\x7f", "\\u007f")


def pieces(value: Any, margin: str = "\n") -> Iterator[str]:
    """Yield JSON with what holds a list of anything but integers spread over lines, and all else on one line.

    >>> print("".join(pieces({"a": [1, 2], "b": iter([{"c": 1}, {"c": 2}]), "d": iter([])})))
    {
      "a": [1, 2],
      "b": [
        {"c": 1},
        {"c": 2}
      ],
      "d": []
    }
    """
    inner = f"{margin}  "
    if isinstance(value, Iterator):
        yield from _listed(value, margin)
    elif _is_flat(value):
        yield encode(value)
    elif isinstance(value, dict):
        parts = (chain([f"{encode(key)}: "], pieces(part, inner)) for key, part in value.items())
        yield from _spread(parts, "{}", margin)
    else:
        yield from _listed(iter(value), margin)


def _listed(parts: Iterator[Any], margin: str) -> Iterator[str]:
    nothing = object()
    first = next(parts, nothing)
    every = chain([first], parts)
    if first is nothing:
        yield "[]"
    else:
        yield from _spread(_blocks(every, f"{margin}  "), "[]", margin)


def _blocks(parts: Iterator[Any], margin: str) -> Iterator[Iterable[str]]:
    """Yield the items of a list as they are written: those on one line, of which there may be many, together."""
    for flat, alike in groupby(parts, _is_flat):
        if not flat:
            yield from (pieces(part, margin) for part in alike)
            continue
        lines = map(encode, alike)
        while block := list(islice(lines, BLOCK)):
            yield [f",{margin}".join(block)]


def _spread(parts: Iterable[Iterable[str]], brackets: str, margin: str) -> Iterator[str]:
    before = brackets[0]
    for part in parts:
        yield f"{before}{margin}  "
        yield from part
        before = ","
    yield f"{margin}{brackets[1]}"


def _is_flat(value: Any) -> bool:
    if isinstance(value, dict):
        return all(map(_is_flat, value.values()))
    if isinstance(value, list):
        return all(isinstance(part, int) for part in value)
    return not isinstance(value, Iterator)


def line(value: Any) -> Iterator[str]:
    """Yield JSON on one line.

    >>> "".join(line({"a": [1, 2], "b": iter([{"c": 1}, {"c": 2}])}))
    '{"a": [1, 2], "b": [{"c": 1}, {"c": 2}]}'
    """
    if isinstance(value, Iterator) or (isinstance(value, list) and not _is_flat(value)):
        yield from _joined(map(line, value), "[]")
    elif isinstance(value, dict) and not _is_flat(value):
        yield from _joined((chain([f"{encode(key)}: "], line(part)) for key, part in value.items()), "{}")
    else:
        yield encode(value)


def _joined(parts: Iterable[Iterable[str]], brackets: str) -> Iterator[str]:
    yield brackets[0]
    for k, part in enumerate(parts):
        if k:
            yield ", "
        yield from part
    yield brackets[1]


def plain(value: Any) -> Any:
    """Return the same with lists in place of iterators, which are used up."""
    if isinstance(value, dict):
        return {key: plain(part) for key, part in value.items()}
    return [plain(part) for part in value] if isinstance(value, list | Iterator) else value
