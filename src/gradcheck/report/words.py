"""What the formats of a batch say about it as a whole, and how they write texts and places that came from files."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path

from gradcheck import numerics
from gradcheck.errors import plural, printable
from gradcheck.suite import Batch, Problem
from gradcheck.verdict import Verdict


def facts(batch: Batch) -> list[str]:
    """Return the summary in pieces: how many passed and failed, the verdicts, seconds, seed, torch's version."""
    failed = len(batch.failures)
    counts = batch.counts()
    verdicts = ", ".join(f"{counts[verdict]:,} {verdict}" for verdict in Verdict if counts[verdict])
    return [
        f"{number(len(batch), 'check')}: {len(batch) - failed:,} passed, {failed:,} failed"
        if len(batch)
        else "nothing checked",
        *([verdicts] if verdicts else []),
        *([number(len(batch.problems), "problem")] if batch.problems else []),
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


def number(count: int, noun: str) -> str:
    """Return a count with its noun.

    >>> number(1, "check"), number(2000, "check")
    ('1 check', '2,000 checks')
    """
    return plural(count, noun)


def one_line(text: str) -> str:
    """Return a text in one line that no terminal obeys."""
    return printable(" ".join(text.split()))


def listed(words: Iterable[str]) -> str:
    """Return words with commas, and an and before the last.

    >>> listed(["a"]), listed("abc")
    ('a', 'a, b and c')
    """
    *rest, last = words
    return f"{', '.join(rest)} and {last}" if rest else last
