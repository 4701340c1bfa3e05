"""Checks of expression files and what came out of them: plain data between the loader, the workers and the reports."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from gradcheck.blame import Cause
from gradcheck.errors import Span, printable, visible
from gradcheck.exits import Exit
from gradcheck.outcome import Outcome, Run
from gradcheck.settings import Settings
from gradcheck.verdict import Verdict, failing, worst


class Problem(str):
    """What could not be checked: a whole message that no terminal obeys, and the place in a file that it begins with.

    ``said`` is the message without the place, ``first`` its first line and ``more`` the rest; ``path`` and ``line``
    are None where it is about no file.

    >>> found = Problem("unknown key\\ndid you mean `name`?", "a.toml", 3)
    >>> found.first, found.more, str(found)
    ('unknown key', 'did you mean `name`?', 'a.toml:3: unknown key\\ndid you mean `name`?')
    """

    __slots__ = ("line", "path", "said")

    said: str
    path: str | None
    line: int | None

    def __new__(cls, said: str, path: str | None = None, line: int | None = None) -> Problem:
        """Return a message with its place before it."""
        place = "" if path is None else f"{path}: " if line is None else f"{path}:{line}: "
        said = visible(said)
        made = super().__new__(cls, f"{printable(place)}{said}")
        made.said, made.path, made.line = said, path, line
        return made

    def __getnewargs__(self) -> tuple[Any, ...]:
        """Return what pickle makes this of again."""
        return self.said, self.path, self.line

    @property
    def headline(self) -> str:
        """Return the place and what is wrong, in one line."""
        return self.partition("\n")[0]

    @property
    def first(self) -> str:
        """Return what is wrong, in one line."""
        return self.said.partition("\n")[0]

    @property
    def more(self) -> str:
        """Return the place in the text, and what to do."""
        return self.said.partition("\n")[2]


@dataclass(frozen=True, slots=True)
class Expectation:
    """What the author of a check says comes out; what is None is not stated.

    ``value`` is a text of the language for the output. ``verdict`` and ``cause`` turn a known bad point into a check
    that passes: they must come out exactly so.

    >>> Expectation(verdict=Verdict.DISAGREE, cause=Cause.OVERFLOW).value is None
    True
    """

    value: str | None = None
    verdict: Verdict | None = None
    cause: Cause | None = None


@dataclass(frozen=True, slots=True)
class Region:
    """A stretch of a file: lines and columns from 1, in characters; the end is behind the last one."""

    line: int
    column: int
    end_line: int
    end_column: int


@dataclass(frozen=True, slots=True)
class Written:
    """An expression as it stands in a file, quotes left out, and the line and the column, from 1, where it begins."""

    text: str
    line: int
    column: int

    def region(self, source: str = "", span: Span | None = None) -> Region:
        """Return where the expression is, or a part of the program that was read from it, where that is as written.

        >>> Written("y = 1/x\\nexp(y)", 3, 15).region("y = 1/x\\nexp(y)", Span(8, 14))
        Region(line=4, column=1, end_line=4, end_column=7)
        """
        begin = self.text.find(source) if source and span is not None else -1
        if span is None or begin < 0:
            begin, span = 0, Span(0, len(self.text))
        return Region(*self._at(begin + span.start), *self._at(begin + span.end))

    def _at(self, position: int) -> tuple[int, int]:
        before = self.text[:position]
        row = before.count("\n")
        return self.line + row, (self.column if row == 0 else 1) + position - (before.rfind("\n") + 1)


@dataclass(frozen=True, slots=True)
class Check:
    """One thing to check: a program at its points, as a file or the command line states it.

    ``at`` holds texts as ``--at`` takes them, ``settings`` all else that the command line could say, the expected
    gradients included. ``path`` is as the user named it, ``line`` counts from 1, ``written`` is the expression in the
    file; all are None on the command line.
    ``source`` is a citation, ``why`` the reason for an exception, ``timeout`` the seconds that it may take.

    >>> Check("square", "x**2", ("2",), Settings(), path="mine.toml", line=3).id
    'mine.toml::square'
    """

    name: str
    program: str
    at: tuple[str, ...]
    settings: Settings
    path: str | None = None
    line: int | None = None
    expect: Expectation = Expectation()
    source: str | None = None
    why: str | None = None
    timeout: float | None = None
    written: Written | None = field(default=None, compare=False)

    @property
    def id(self) -> str:
        """Return what tells this check from all others: ``path::name``."""
        return self.name if self.path is None else f"{self.path}::{self.name}"


def easier(checks: Sequence[Check], base: Settings) -> tuple[str, ...]:
    """Return in words how many checks ask for less than the command line does, by keys of their own.

    >>> easier([Check("a", "x", ("1",), Settings(ulps=1e6))], Settings())
    ('1 with a wider tolerance',)
    """
    fails = failing(base.assertion, base.allow)
    counts = {
        "with a wider tolerance": sum(_wider(one.settings, base) for one in checks),
        "with verdicts let pass": sum(bool(fails & set(one.settings.allow)) for one in checks),
        "with a failing verdict expected": sum(one.expect.verdict in fails for one in checks),
    }
    return tuple(f"{count:,} {words}" for words, count in counts.items() if count)


def _wider(own: Settings, base: Settings) -> bool:
    return any(own.tolerance(dtype) > base.tolerance(dtype) for dtype in own.in_dtypes)


@dataclass(frozen=True, slots=True)
class Result:
    """What came out of one check: its run, or why there is none; the seconds it took.

    ``problem`` is one message: the program was refused, the check ran out of time, its worker was killed. ``unmet``
    says which expectations of the check were not met, in words. ``known`` says that it failed before: a baseline has
    it.

    >>> from gradcheck import check
    >>> made = Result(Check("square", "x**2", ("2",), Settings()), check("x**2", "2"))
    >>> made.verdict, made.passed
    (<Verdict.AGREE: 'agree'>, True)
    """

    check: Check
    run: Run | None
    problem: Problem | None = None
    unmet: tuple[str, ...] = ()
    seconds: float = 0.0
    known: bool = False

    @property
    def verdict(self) -> Verdict:
        """Return the worst verdict of the run, ``error`` where there is none."""
        return Verdict.ERROR if self.run is None else self.run.verdict

    @property
    def passed(self) -> bool:
        """Return whether nothing fails, all is as the check expects it, or what fails is known."""
        if self.known:
            return True
        if self.run is None or self.unmet:
            return False
        return self.check.expect.verdict is not None or self.run.passed

    @property
    def outcomes(self) -> Sequence[Outcome]:
        """Return the outcomes of the run, none where there is no run."""
        return () if self.run is None else self.run.outcomes


@dataclass(frozen=True, slots=True)
class Batch(Sequence[Result]):
    """The results of many checks in the order of their files, with all that they depend on.

    ``problems`` are files that could not be read, each with its whole message; ``interrupted`` says that the rest is
    missing. ``seed`` and ``environment`` are those of the runs. ``terms`` say what files made of the run: checks that
    are left out, verdicts that pass, wider tolerances.

    >>> from gradcheck import check
    >>> made = single(Check("square", "x**2", ("2",), Settings()), check("x**2", "2"))
    >>> len(made), dict(made.counts()), made.exit.value
    (1, {<Verdict.AGREE: 'agree'>: 1}, 0)
    """

    results: tuple[Result, ...]
    environment: dict[str, str]
    seed: int | None = None
    problems: tuple[Problem, ...] = ()
    interrupted: bool = False
    notes: list[str] = field(default_factory=list)
    terms: tuple[str, ...] = ()

    def __getitem__(self, index):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN204
        return self.results[index]

    def __len__(self) -> int:
        return len(self.results)

    def __iter__(self) -> Iterator[Result]:
        return iter(self.results)

    @property
    def alone(self) -> Run | None:
        """Return the run of the one program of a command line, None where this came of files."""
        one = self.results[0] if len(self.results) == 1 else None
        return None if one is None or one.check.path is not None else one.run

    def counts(self) -> Counter[Verdict]:
        """Return how many checks have each verdict."""
        return Counter(result.verdict for result in self.results)

    @property
    def failures(self) -> list[Result]:
        """Return the results that did not pass, worst last."""
        failed = [result for result in self.results if not result.passed]
        return sorted(failed, key=lambda result: result.verdict.severity)

    @property
    def verdict(self) -> Verdict:
        """Return the worst verdict of all."""
        return worst([Verdict.AGREE, *(result.verdict for result in self.results)])

    @property
    def exit(self) -> Exit:
        """Return the exit code of the batch: nothing that was checked is never green."""
        if self.interrupted:
            return Exit.INTERRUPTED
        if self.problems:
            return Exit.USAGE
        if all(result.run is not None and result.run.exit is Exit.NOTHING for result in self.results):
            return Exit.NOTHING
        return Exit.FAIL if any(not result.passed for result in self.results) else Exit.PASS


def single(check: Check, run: Run, terms: tuple[str, ...] = ()) -> Batch:
    """Return the run of one check as a batch: what is reported of one is the least that can be of many.

    >>> from gradcheck import check
    >>> single(Check("square", "x**2", ("2",), Settings()), check("x**2", "2"))[0].check.name
    'square'
    """
    environment = {name: str(version) for name, version in run.environment.items()}  # torch's is no plain text
    return Batch((Result(check, run),), environment, run.seed, terms=terms)
