"""The checks of expressions/, read once in each process."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from gradcheck.corpus import Loaded, load
from gradcheck.suite import Check

EXPRESSIONS = Path(__file__).parent.parent / "expressions"
FAMILIES = sorted(path.stem for path in EXPRESSIONS.glob("*.toml"))


@cache
def shipped(family: str) -> Loaded:
    """Return the checks of one file."""
    return load([EXPRESSIONS / f"{family}.toml"])


def everything() -> list[Check]:
    """Return the checks of all files, in the order of their names."""
    return [one for family in FAMILIES for one in shipped(family).checks]
