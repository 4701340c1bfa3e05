"""What torch is known to have wrong of a function: a sentence for each kind, read off the page that nest writes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

FILE = Path(__file__).with_suffix(".json")
PAGE = Path(__file__).parents[3] / "docs" / "wrong-in-torch.md"
"""The page in the repository, from which the file is made: ``python -m gradcheck.functions.findings``."""

EXTREME = "overflow and underflow on the way"
SECTION = re.compile(r"^### (\S+)(?: \(([^\n]*)\))?\n\n(.*?)(?=^##|\Z)", re.MULTILINE | re.DOTALL)
WRONG = re.compile(r"^`(.+)`, (d\S*(?: d\S+)*) at (\S+) is \*\*(\S+)\*\*", re.MULTILINE)
REFUSED = re.compile(r"^`(.+)` has no ([^:]+):", re.MULTILINE)
SHOWN = re.compile(r"  # (\S+): ([\w, -]+)$", re.MULTILINE)
"""Torch's number behind a line of the page, and the ways that give it."""


@cache
def _all() -> dict[str, list[str]]:
    found: dict[str, list[str]] = json.loads(FILE.read_text("utf-8"))
    return found


def findings(name: str) -> list[str]:
    """Return what torch is known to have wrong of a function.

    >>> findings("sinc")[0]
    'd2/dx2 of sinc(x) at x=0 is -3.28986813369645287; torch has nan (rev-rev, rev-fwd, double-backward), 0 (fwd-rev, fwd-fwd)'
    >>> findings("sin")
    []
    """
    return _all().get(name, [])


def read(page: str) -> dict[str, list[str]]:
    """Return the first finding of each kind of every function of a page; of extreme arguments where there is no other."""
    found: dict[str, list[str]] = {}
    for name, kind, text in SECTION.findall(page):
        if kind != EXTREME or name not in found:
            found.setdefault(name, []).extend(list(_told(text))[:1])
    return found


def _told(section: str) -> Iterator[str]:
    """Yield the findings of a section as sentences."""
    for entry in re.split(r"\n\n(?=`[^`])", section):
        if made := WRONG.search(entry):
            program, by, point, right = made.groups()
            has = ", ".join(f"{number} ({ways})" for number, ways in SHOWN.findall(entry))
            yield f"{by} of {program} at {point} is {right}; torch has {has}"
        elif made := REFUSED.search(entry):
            yield f"torch has no {made[2]} of {made[1]}"


if __name__ == "__main__":
    FILE.write_text(json.dumps(read(PAGE.read_text("utf-8")), indent=1, ensure_ascii=False) + "\n", "utf-8")
