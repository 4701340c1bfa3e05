"""What is told of a check, or of a file that could not be read: made once, and written by every format as it can."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from gradcheck.blame import Fix
from gradcheck.compare import Judgement, Rank
from gradcheck.errors import printable, underline, visible
from gradcheck.report.elements import Element, worst
from gradcheck.report.words import fingerprint, one_line, problems, relative
from gradcheck.repro import command
from gradcheck.suite import Batch, Problem, Region, Result
from gradcheck.verdict import Verdict

COMMAND_LINE = "<command line>"
"""Stands for the path of a check that no file holds."""
UNMET = "unmet"
"""What a check is called whose author expects something else, whatever its verdict."""
UNCHECKED = "unchecked"
"""What a check is called that has nothing to check, which is never green."""
PROBLEM = "problem"
"""What is called so that could not be checked at all."""
TOO_LARGE = "too-large"
"""The code of what the dtype cannot hold by itself; ``overflow`` is that of a fault on the way, with its cause."""
SHOWN_LINES = 12
"""Lines of a program."""


def code_of(label: str) -> str:
    """Return the code of what has no known cause: a verdict as a code, whose name no cause has."""
    return TOO_LARGE if label == Verdict.OVERFLOW else label


class Severity(StrEnum):
    """Whether something fails, passes though nobody has shown that it is right, or is as it should be."""

    NOTE = "note"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Place:
    """Where something is in a file; ``region`` are its very characters. All are None on the command line."""

    path: str | None = None
    line: int | None = None
    region: Region | None = None

    def __str__(self) -> str:
        """Return ``path:line:column`` as far as there is one."""
        parts = (self.path, self.line, None if self.region is None else self.region.column)
        return one_line(":".join(str(part) for part in parts if part is not None)) or COMMAND_LINE


@dataclass(frozen=True, slots=True)
class Numbers:
    """Both lanes' numbers in words, and the error in ULP; None where there is none to tell."""

    words: str | None = None
    ulps: float | None = None


class Kind(StrEnum):
    """What a note is: of the check itself, or about what is at fault in it."""

    MORE = "more"
    PROGRAM = "program"
    WHY = "why"
    SOURCE = "source"
    EXCERPT = "excerpt"
    CAUSE = "cause"
    BESIDE = "beside"

    @property
    def of_the_fault(self) -> bool:
        """Return whether it says what is at fault."""
        return self in (Kind.EXCERPT, Kind.CAUSE, Kind.BESIDE)


@dataclass(frozen=True, slots=True)
class Note:
    """Some lines below the message."""

    kind: Kind
    text: str


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """What one check came to, by its worst element; or, without a ``result``, what could not be checked at all.

    ``code`` is the kind of finding by name: the cause where it is known; ``label`` the verdict, or that the author's
    own expectation is not met. ``message`` is one line, ``where`` the element and the point, ``again`` the command
    that shows it once more. An element that makes the check fail is worse than any that does not.
    """

    code: str
    severity: Severity
    label: str
    message: str
    place: Place = Place()
    where: str | None = None
    notes: tuple[Note, ...] = ()
    numbers: Numbers = Numbers()
    fix: Fix | None = None
    again: str | None = None
    result: Result | None = None
    element: Element | None = None

    @property
    def failed(self) -> bool:
        """Return whether this makes the batch fail."""
        return self.severity is Severity.ERROR

    @property
    def verdict(self) -> Verdict:
        """Return the verdict on the worst element, ``error`` where nothing ran."""
        if self.element is not None:
            return self.element.verdict
        return Verdict.ERROR if self.result is None else self.result.verdict

    @property
    def name(self) -> str:
        """Return the check's name as one line that no terminal obeys; nothing where there is no check."""
        return "" if self.result is None else one_line(self.result.check.name)

    @property
    def id(self) -> str:
        """Return the check's path and name as one line."""
        return "" if self.result is None else one_line(self.result.check.id)

    @property
    def expected(self) -> bool:
        """Return whether this is just what the author of the check says must come out."""
        result = self.result
        met = result is not None and result.passed and not result.known and not result.unmet
        return met and result is not None and result.check.expect.verdict is not None

    @property
    def plain(self) -> bool:
        """Return whether there is nothing to tell."""
        return self.expected or (not self.failed and self.label == Verdict.AGREE)

    @property
    def sign(self) -> str:
        """Return whether the check fails, is as it should be, or passes with something to tell."""
        return "✗" if self.failed else "✓" if self.plain else "·"

    @property
    def rank(self) -> tuple[bool, Rank]:
        """Return the place in an order from the mildest to the worst."""
        own = Judgement(self.verdict, self.numbers.ulps)
        return self.failed, own.rank() if self.element is None else self.element.rank

    @property
    def title(self) -> str:
        """Return all of it in one line, but for the file."""
        if self.result is None:
            return self.message
        return f"{self.label} {self.name}{f' at {self.where}' if self.where else ''}: {self.message}"

    @property
    def headline(self) -> str:
        """Return all of it in one line behind its place."""
        return f"{self._before}{self.title}"

    @property
    def text(self) -> str:
        """Return all there is to say: the place in the program, the cause, the fix, how to see it again."""
        fix = None if self.fix is None else f"fix: write {one_line(self.fix.after)} for {one_line(self.fix.before)}"
        again = None if self.again is None else f"again: {self.again}"
        return "\n".join([self.title, *(note.text for note in self.notes), *filter(None, (fix, again))])

    @property
    def located(self) -> str:
        """Return all there is to say behind its place."""
        return f"{self._before}{self.text}"

    @property
    def _before(self) -> str:
        return "" if self.result is None and self.place.path is None else f"{self.place}: "

    @property
    def remarks(self) -> list[str]:
        """Return what the message has no room for, but for the fault: the program, and what its author says."""
        return [note.text for note in self.notes if not note.kind.of_the_fault]

    @property
    def fingerprint(self) -> str:
        """Return what stays the same over runs, machines and lines moved in the file."""
        path = relative(self.place.path or "")
        return (
            fingerprint(path, self.text)
            if self.result is None
            else fingerprint(path, self.result.check.name, self.code)
        )


def diagnostics(batch: Batch) -> list[Diagnostic]:
    """Return what is told of every check, in the order of the files."""
    return [diagnostic(result) for result in batch]


def untold(batch: Batch) -> list[Diagnostic]:
    """Return what is told of all that was not checked."""
    return [_of_a_problem(problem) for problem in problems(batch)]


def _of_a_problem(problem: Problem) -> Diagnostic:
    notes = (Note(Kind.MORE, problem.more),) if problem.more else ()
    return Diagnostic(PROBLEM, Severity.ERROR, PROBLEM, problem.first, Place(problem.path, problem.line), notes=notes)


def diagnostic(result: Result) -> Diagnostic:
    """Return what is told of one check.

    >>> from gradcheck import Settings, check
    >>> from gradcheck.suite import Check, Result
    >>> program = "log(1+exp(x))"
    >>> found = diagnostic(Result(Check("softplus", program, ("100",), Settings()), check(program, x=100)))
    >>> found.code, found.label, found.where, found.message
    ('overflow', 'disagree', 'x = 100 in float32', 'autograd nan, exact 1: overflow at exp(x)')
    """
    element = None if result.run is None else worst(result.run)
    verdict = result.verdict if element is None else element.verdict
    label = UNMET if result.unmet else UNCHECKED if result.run is not None and element is None else verdict.value
    blame = None if element is None else element.blame
    return Diagnostic(
        code_of(label) if result.unmet or blame is None else blame.cause.value,
        _severity(result, verdict),
        label,
        _message(result, element),
        _place(result, element),
        None if element is None else element.where,
        tuple(_notes(result, element)),
        Numbers() if element is None else Numbers(element.numbers, element.judgement.ulps),
        None if blame is None else blame.fix,
        _again(result, element),
        result,
        element,
    )


def _severity(result: Result, verdict: Verdict) -> Severity:
    if not result.passed:
        return Severity.ERROR
    return Severity.WARNING if result.check.expect.verdict is None and verdict.unproven else Severity.NOTE


def _message(result: Result, element: Element | None) -> str:
    if result.run is None:
        return one_line(result.problem.first if result.problem else "it did not run")
    own = "the program has no input to differentiate by" if element is None else element.message
    return one_line("; ".join(result.unmet)) or own


def _place(result: Result, element: Element | None) -> Place:
    """Return the place of what is at fault within the expression, or of the whole expression."""
    check = result.check
    if check.written is None:
        return Place(check.path, check.line)
    if element is None or element.blame is None:
        region = check.written.region()
    else:
        region = check.written.region(element.outcome.program.source, element.blame.span)
    return Place(check.path, region.line, region)


def _again(result: Result, element: Element | None) -> str | None:
    """Return the command that checks the worst point again, where anything ran and failed and a command can."""
    if result.passed or result.run is None or element is None:
        return None
    line = command(result.run, element.outcome)
    return None if line is None else visible(line)


# --- notes ----------------------------------------------------------------------------------------


def _notes(result: Result, element: Element | None) -> Iterator[Note]:
    blame = None if element is None else element.blame
    if result.problem is not None and result.problem.more:
        yield Note(Kind.MORE, result.problem.more)
    elif blame is None or blame.span is None:
        yield Note(Kind.PROGRAM, _program(result.check.program))
    for kind, text in ((Kind.WHY, result.check.why), (Kind.SOURCE, result.check.source)):
        if text is not None:
            yield Note(kind, f"{kind}: {one_line(text)}")
    if element is not None and blame is not None:
        if blame.span is not None:
            yield Note(Kind.EXCERPT, underline(element.outcome.program.source, blame.span))
        yield Note(Kind.CAUSE, f"{blame.cause}: {one_line(blame.message)}")
        if blame.beside is not None:
            yield Note(Kind.BESIDE, one_line(blame.beside))


def _program(text: str) -> str:
    """Return the first lines of a program, indented."""
    lines = [f"  {printable(one)}".rstrip() for one in text.strip().splitlines()]
    return "\n".join([*lines[:SHOWN_LINES], *(["  ..."] if len(lines) > SHOWN_LINES else [])])
