"""What the formats of a batch say about it as a whole, and how they write texts and places that came from files."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import sha256
from pathlib import Path

from gradcheck import numerics
from gradcheck.errors import plural, printable
from gradcheck.program import Shape
from gradcheck.suite import Batch, Problem
from gradcheck.verdict import counted
from gradcheck.ways import MAX_ORDER

MAX_ONE_LINE = 36
"""Characters of a matrix in one line."""
ORDINALS = dict(zip(range(1, MAX_ORDER + 1), ("first", "second", "third", "fourth"), strict=True))
"""The orders of derivatives in words."""


def facts(batch: Batch) -> list[str]:
    """Return the summary in pieces: how many passed and failed, the verdicts, seconds, seed, torch's version."""
    failed = len(batch.failures)
    counts = batch.counts()
    verdicts = counted(counts)
    return [
        f"{plural(len(batch), 'check')}: {len(batch) - failed:,} passed, {failed:,} failed"
        if len(batch)
        else "nothing checked",
        *([verdicts] if verdicts else []),
        *([plural(len(batch.problems), "problem")] if batch.problems else []),
        *(["interrupted"] if batch.interrupted else []),
        *map(one_line, batch.terms),
        f"{sum(result.seconds for result in batch):.1f} s",
        *([f"seed {batch.seed}"] if batch.seed is not None else []),
        *([f"torch {one_line(batch.environment['torch'])}"] if "torch" in batch.environment else []),
        *map(one_line, numerics.told(batch.environment)),
    ]


def problems(batch: Batch) -> list[Problem]:
    """Return what was not checked at all."""
    rest = [Problem("interrupted: the rest was not checked")] if batch.interrupted else []
    return [*batch.problems, *rest]


def fingerprint(*parts: str) -> str:
    """Return a name for texts that is the same everywhere."""
    return sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()


def relative(path: str) -> str:
    """Return a path as its repository has it: with slashes, and below the working directory where it lies there."""
    found, here = Path(path), Path.cwd()
    return (found.relative_to(here) if found.is_relative_to(here) else found).as_posix()


def one_line(text: str) -> str:
    """Return a text in one line that no terminal obeys."""
    return printable(" ".join(text.split()))


def nested(texts: Sequence[str], shape: Shape, one_line: int) -> str:
    """Return the texts of all elements as a tensor of a shape; a longer matrix than one line row by row.

    >>> nested("1234", (2, 2), 36), nested("1234", (2, 2), 3), nested("1", (), 36)
    ('[[1, 2], [3, 4]]', '[[1, 2],\\n [3, 4]]', '1')
    """
    rows = [*texts]
    for size in reversed(shape[1:]):
        rows = [f"[{', '.join(rows[k : k + size])}]" for k in range(0, len(rows), size)]
    long = len(shape) > 1 and sum(map(len, rows)) > one_line
    return f"[{(',' + chr(10) + ' ' if long else ', ').join(rows)}]" if shape else rows[0]


def listed(words: Iterable[str]) -> str:
    """Return words with commas, and an and before the last.

    >>> listed(["a"]), listed("abc")
    ('a', 'a, b and c')
    """
    *rest, last = words
    return f"{', '.join(rest)} and {last}" if rest else last
