"""Expression files: TOML and plain text become checks; every mistake in them is told before anything runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gradcheck.corpus.files import STDIN, SUFFIXES, find, read
from gradcheck.corpus.ids import Ids
from gradcheck.corpus.lines import read_lines
from gradcheck.corpus.page import Page
from gradcheck.corpus.tables import Terms, holds_checks, read_tables
from gradcheck.errors import Dialect, FileProblem, GradcheckError, as_option, printable
from gradcheck.points import Files
from gradcheck.settings import Settings
from gradcheck.suite import Check, Problem

__all__ = ["Loaded", "load"]


@dataclass(frozen=True, slots=True)
class Loaded:
    """The checks of some files in their order, and one message for each thing that is wrong in them."""

    checks: tuple[Check, ...]
    problems: tuple[Problem, ...]


def load(
    paths: Sequence[str | Path],
    *,
    at: Sequence[str] = (),
    settings: Settings | None = None,
    trust: bool = False,
    dialect: Dialect = as_option,
) -> Loaded:
    """Return the checks of files, directories, patterns and, for ``-``, standard input; ``path::name`` is one check.

    ``at`` and ``settings`` stand wherever a file says nothing of its own. Files are not trusted: their points read
    other files only with ``trust``, and then only those beside or below them. A mistake, told as ``path:line: what``,
    takes out one check, or one file whose text cannot be read as such; never another. ``dialect`` writes the options
    that messages name; what stands in the file itself is called by its key.
    """
    checks: list[Check] = []
    problems: list[Problem] = []
    ids = Ids.among(paths)
    for name, named in find(ids.files, problems):
        try:
            if name != STDIN and not name.lower().endswith(SUFFIXES):
                raise FileProblem("an expression file ends in .toml or .txt")
            page = Page(printable(name), read(name), dialect)
        except GradcheckError as error:
            problems.append(Problem(str(error), printable(name)))
            continue
        checks += ids.chosen(name, _read_page(page, named, _terms(name, tuple(at), settings or Settings(), trust)))
        problems += page.messages()
    problems += ids.unknown()
    return Loaded(tuple(checks), tuple(problems))


def _terms(name: str, at: tuple[str, ...], settings: Settings, trust: bool) -> Terms:
    if not trust:
        return Terms(at, settings, Files.NONE, None)
    return Terms(at, settings, Files.INSIDE, Path() if name == STDIN else Path(name).parent)


def _read_page(page: Page, named: bool, terms: Terms) -> list[Check]:
    tables = holds_checks(page) if page.path == STDIN else page.path.lower().endswith(".toml")
    return read_tables(page, terms, named) if tables else read_lines(page, terms, named)
