"""All that an outcome holds, as one text: two of them are the same where their texts are, nan and all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from typing import Any

from gradcheck.bounds import Enclosures
from gradcheck.judgements import Judgements


def unfolded(found: Any) -> str:
    """Return the fields of dataclasses and of all that they hold: ``repr`` of an outcome is but its verdict."""
    if is_dataclass(found) and not isinstance(found, type):
        inside = (f"{one.name}={unfolded(getattr(found, one.name))}" for one in fields(found) if one.repr)
        return f"{type(found).__name__}({', '.join(inside)})"
    if isinstance(found, dict):
        return f"{{{', '.join(f'{key!r}: {unfolded(value)}' for key, value in found.items())}}}"
    if isinstance(found, Sequence) and not isinstance(found, str | Enclosures | Judgements):
        return f"[{', '.join(map(unfolded, found))}]"
    return repr(found)
