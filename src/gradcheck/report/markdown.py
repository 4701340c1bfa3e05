"""Markdown for a comment or the summary of a step: the failures in a table and in detail, and all checks."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import IO

from gradcheck.errors import plural
from gradcheck.report import View
from gradcheck.report.diagnostic import Diagnostic, diagnostics, untold
from gradcheck.report.places import ulp_text
from gradcheck.report.words import facts
from gradcheck.suite import Batch

SHOWN_FAILURES = 30
"""Rows of the table of failures; more are cut to the worst ones: a comment on GitHub holds 65,536 characters."""
SHOWN_DETAILS = 10
"""Failures of which all is told, and files that could not be read."""
SHOWN_CHECKS = 200
"""Rows of the list of all checks."""
MAX_CELL = 120
"""Characters of one cell."""
MAX_DETAIL = 2000
"""Characters of all that is told of one failure."""
ACTIVE = re.compile(r"[&<>|\\`*_\[~$@#]|:(?=\S)")
"""What Markdown, HTML or GitHub does not take for text."""


def write(batch: Batch, file: IO[str], view: View) -> None:
    """Write the summary; no text of a file is taken for Markdown or HTML."""
    file.writelines(f"{one}\n" for one in _parts(batch, view))


def _parts(batch: Batch, view: View) -> Iterator[str]:
    found = diagnostics(batch)
    failures = sorted((one for one in found if one.failed), key=lambda one: one.rank)
    first, *rest = facts(batch)
    yield f"### {'❌' if batch.exit else '✅'} gradcheck: {first}\n\n{' · '.join(map(_escaped, rest))}\n"
    problems = [one.located for one in untold(batch)]
    yield from map(_fence, problems if view.everything else problems[-SHOWN_DETAILS:])
    if failures:
        shown = failures if view.everything else failures[-SHOWN_FAILURES:]
        yield from _table(
            ("check", "verdict", "ULP", "where", "cause"), map(_failure, shown), len(failures) - len(shown)
        )
        told = failures if view.everything else failures[-SHOWN_DETAILS:]
        yield from _folded("Details", map(_fence, (one.text for one in told)))
    if found:
        kept = found if view.everything else found[:SHOWN_CHECKS]
        rows = _table(("check", "verdict", "ULP"), map(_check, kept), len(found) - len(kept))
        yield from _folded(f"All {plural(len(found), 'check')}" if len(found) > 1 else "The check", rows)


def _table(header: Sequence[str], rows: Iterable[Sequence[str]], hidden: int) -> Iterator[str]:
    rule = ["---:" if name == "ULP" else "---" for name in header]
    yield from (f"| {' | '.join(cells)} |" for cells in (header, rule, *rows))
    yield f"\n{plural(hidden, 'more row')}.\n" if hidden else ""


def _folded(title: str, parts: Iterable[str]) -> Iterator[str]:
    yield f"<details><summary>{title}</summary>\n"
    yield from parts
    yield "</details>\n"


def _failure(one: Diagnostic) -> list[str]:
    return [*_check(one), _text(one.where or ""), _text(one.message)]


def _check(one: Diagnostic) -> list[str]:
    return [_code(one.id), f"{one.sign} {one.label}", _text(ulp_text(one.numbers.ulps))]


def _code(text: str) -> str:
    """Return a text as code; Markdown's own way cannot hold a bar in a table, nor every backtick.

    >>> print(_code("a.toml::x"), _code("a|b"))
    `a.toml::x` <code>a&#124;b</code>
    """
    text = _clipped(text, MAX_CELL)
    return f"<code>{_escaped(text)}</code>" if re.search(r"[|`\\]", text) or not text.strip() else f"`{text}`"


def _text(text: str) -> str:
    """Return a text of which nothing is markup: no link, no mention, no table's bar.

    >>> _text("<b> @you **all**")
    '&#60;b&#62; &#64;you &#42;&#42;all&#42;&#42;'
    """
    return _escaped(_clipped(text, MAX_CELL))


def _escaped(text: str) -> str:
    return ACTIVE.sub(lambda found: f"&#{ord(found[0])};", text)


def _clipped(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[:most]}..."


def _fence(text: str) -> str:
    """Return a block of code in a fence that is longer than any within."""
    text = _clipped(text, MAX_DETAIL)
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{text}\n{fence}\n"
