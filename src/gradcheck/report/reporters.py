"""The reporters: a row for each, with what writes it, for which commands, and how it leaves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import PurePath
from typing import IO, TYPE_CHECKING, Any

from gradcheck.errors import UsageProblem
from gradcheck.report import View
from gradcheck.streams import COMMANDS, JSON, TEXT, XML, Form

if TYPE_CHECKING:
    from gradcheck.suite import Batch

RESULTS, EXPLANATION, NEST = "results", "explanation", "nest"
"""What a format is of: the results of checks, of one or of many, an explanation, or functions in all ways."""


@dataclass(frozen=True, slots=True)
class Reporter:
    """What writes one format: ``results``, ``explanation`` and ``nest`` name functions of ``report/``: ``file:name``.

    ``meaning`` says what the format is for, as the page on builds does. ``suffixes`` are those of its files, without
    the point. ``texts`` says that it shows the formulas of every run, which are then made where the run is.
    """

    meaning: str
    results: str | None = None
    explanation: str | None = None
    nest: str | None = None
    suffixes: tuple[str, ...] = ()
    form: Form = TEXT
    texts: bool = False

    def of(self, what: str) -> str | None:
        """Return the function that writes this format of one thing, None where none does."""
        return {RESULTS: self.results, EXPLANATION: self.explanation, NEST: self.nest}[what]


SCRIPTS = (
    "scripts: numbers unrounded, with a published schema; one document, or one line for each check; of very many "
    "elements or points the worst and the counts, with `--all` every one"
)
REPORTERS: dict[str, Reporter] = {
    "table": Reporter("people; what is written unless another is asked for", "batch:write", nest="nest:write",
                      suffixes=("txt", "log")),
    "concise": Reporter("editors and grep: one line for each failure, beginning with file and line", "concise:write"),
    "json": Reporter(
        SCRIPTS, "batch_json:write", nest="nest_json:write", suffixes=("json",), form=JSON,
        texts=True,
    ),
    "jsonl": Reporter(
        SCRIPTS, "batch_json:write_lines", suffixes=("jsonl", "ndjson"), form=JSON,
        texts=True,
    ),
    "junit": Reporter(
        "Jenkins, GitLab and whatever else draws test results", "junit:write", suffixes=("xml",),
        form=XML,
    ),
    "github": Reporter(
        "annotations beside the lines of a pull request, and the summary of the step; the default where "
        "`GITHUB_ACTIONS` is true", "github:report", form=COMMANDS,
    ),
    "gitlab": Reporter(
        "the code quality report of a merge request", "gitlab:write", form=JSON
    ),
    "sarif": Reporter(
        "code scanning", "sarif:write", suffixes=("sarif",), form=JSON
    ),
    "markdown": Reporter(
        "comments and wikis", "markdown:write", "lesson.markdown:render", "nest_markdown:write",
        ("md", "markdown"),
    ),
    "terminal": Reporter("people at a terminal", explanation="lesson.terminal:write", suffixes=("txt", "log")),
    "latex": Reporter(
        "papers", explanation="lesson.latex:render", suffixes=("tex",)
    ),
    "html": Reporter(
        "a browser", explanation="lesson.html:render", suffixes=("html", "htm"), form=XML
    ),
}  # fmt: skip
"""What writes every format, by its name; to add one takes its file and its row."""


def names(what: str) -> list[str]:
    """Return the formats of results, of an explanation, or of functions in all ways."""
    return [name for name, row in REPORTERS.items() if row.of(what) is not None]


def writer(name: str, what: str) -> Callable[..., Any]:
    """Return the function that writes a format; its libraries are loaded now."""
    file, _, function = (REPORTERS[name].of(what) or "").partition(":")
    found: Callable[..., Any] = getattr(import_module(f"gradcheck.report.{file}"), function)
    return found


def write(name: str, batch: Batch, file: IO[str], view: View) -> None:
    """Write the results of checks in one format; one check is a batch of one."""
    writer(name, RESULTS)(batch, file, view)


def known(word: str, what: str) -> str:
    """Return the name of a format; raise UsageProblem for a word that is none."""
    if word in names(what):
        return word
    from gradcheck.functions import nearest

    closest = nearest(word[:100], names(what))
    raise UsageProblem(
        f"{word!r} is no format of {_OF[what]}", hint=f"did you mean `{closest}`?" if closest else _choice(what)
    )


def by_suffix(path: PurePath, what: str) -> str | None:
    """Return the format that a file's suffix names, None where it has no suffix.

    Raises UsageProblem for a suffix that no format has.

    >>> by_suffix(PurePath("report.xml"), RESULTS), by_suffix(PurePath("page.html"), EXPLANATION)
    ('junit', 'html')
    """
    suffix = path.suffix[1:].lower()
    if not suffix:
        return None
    found = {one: name for name in names(what) for one in REPORTERS[name].suffixes}
    if suffix not in found:
        others = [one for one in _OF if any(suffix in REPORTERS[name].suffixes for name in names(one))]
        hint = f"that is a format of {_OF[others[0]]}; " if others else ""
        raise UsageProblem(f"no format of {_OF[what]} ends in .{suffix}", hint=f"{hint}{_choice(what)}")
    return found[suffix]


_OF = {RESULTS: "a check", EXPLANATION: "`gradcheck explain`", NEST: "`gradcheck nest`"}


def _choice(what: str) -> str:
    """Return the formats in words, with the suffixes that stand for them."""
    told = (f"{name} (.{REPORTERS[name].suffixes[0]})" if REPORTERS[name].suffixes else name for name in names(what))
    return f"choose with --format from {', '.join(told)}"
