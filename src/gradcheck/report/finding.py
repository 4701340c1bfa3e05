"""What one check came to, in words: its worst element, where that is, and why; every format of a batch says this."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from gradcheck.blame import Blame
from gradcheck.compare import Judgement, Rank
from gradcheck.errors import printable, underline, visible
from gradcheck.outcome import Outcome
from gradcheck.report.elements import worst
from gradcheck.report.words import fingerprint, one_line, relative
from gradcheck.repro import command
from gradcheck.suite import Batch, Result
from gradcheck.verdict import Verdict

COMMAND_LINE = "<command line>"
"""Stands for the path of a check that no file holds."""
UNMET = "unmet"
"""What a check is called whose author expects something else, whatever its verdict."""
UNCHECKED = "unchecked"
"""What a check is called that has nothing to check, which is never green."""
TOO_LARGE = "too-large"
"""The rule of what the dtype cannot hold by itself; ``overflow`` is that of a fault on the way, with its cause."""
SHOWN_LINES = 12
"""Lines of a program."""


def rule_of(label: str) -> str:
    """Return the rule of what has no known cause: a verdict as a rule, whose name no cause has."""
    return TOO_LARGE if label == Verdict.OVERFLOW else label


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check came to: ``message`` is one line about its worst element, ``where`` the element and the point.

    ``verdict``, ``ulps``, ``outcome`` and ``blame`` are those of the worst element; None where nothing ran or nothing
    is known; ``stated`` says that the number is the user's. An element that makes the check fail is worse than any that
    does not.
    """

    result: Result
    message: str
    verdict: Verdict
    where: str | None = None
    ulps: float | None = None
    outcome: Outcome | None = None
    blame: Blame | None = None
    stated: bool = False

    @property
    def label(self) -> str:
        """Return the verdict, or that the check's own expectation is not met, or that there was nothing to check."""
        if self.result.unmet:
            return UNMET
        return UNCHECKED if self.result.run is not None and self.outcome is None else self.verdict.value

    @property
    def sign(self) -> str:
        """Return whether the check fails, is as it should be, or passes with something to tell."""
        if not self.result.passed:
            return "✗"
        return "✓" if self.expected or self.verdict is Verdict.AGREE else "·"

    @property
    def rule(self) -> str:
        """Return the name of the kind of finding: the cause where it is known."""
        if self.result.unmet or self.blame is None:
            return rule_of(self.label)
        return self.blame.cause.value

    @property
    def expected(self) -> bool:
        """Return whether this is just what the author of the check says must come out."""
        return self.result.passed and self.result.check.expect.verdict is not None

    @property
    def plain(self) -> bool:
        """Return whether there is nothing to tell."""
        return self.expected or (self.result.passed and self.verdict is Verdict.AGREE)

    @property
    def warns(self) -> bool:
        """Return whether the check passes though nobody has shown that the gradient is right."""
        return self.result.passed and not self.expected and self.verdict.unproven

    @property
    def rank(self) -> tuple[bool, Rank]:
        """Return the place in an order from the mildest to the worst."""
        return not self.result.passed, Judgement(self.verdict, self.ulps).rank(stated=self.stated)

    @property
    def name(self) -> str:
        """Return the check's name as one line that no terminal obeys."""
        return one_line(self.result.check.name)

    @property
    def id(self) -> str:
        """Return the check's path and name as one line."""
        return one_line(self.result.check.id)

    @property
    def place(self) -> str:
        """Return ``path:line`` as far as there is one."""
        check = self.result.check
        path = COMMAND_LINE if check.path is None else one_line(check.path)
        return path if check.line is None else f"{path}:{check.line}"

    @property
    def fingerprint(self) -> str:
        """Return what stays the same over runs, machines and lines moved in the file."""
        check = self.result.check
        return fingerprint(relative(check.path or ""), check.name, self.rule)


def findings(batch: Batch) -> list[Finding]:
    """Return the finding of every check, in the order of the files."""
    return [find(result) for result in batch]


def find(result: Result) -> Finding:
    """Return what one check came to.

    >>> from gradcheck import Settings, check
    >>> from gradcheck.suite import Check, Result
    >>> program = "log(1+exp(x))"
    >>> found = find(Result(Check("softplus", program, ("100",), Settings()), check(program, x=100)))
    >>> found.label, found.where, found.message
    ('disagree', 'x = 100 in float32', 'autograd nan, exact 1: overflow at exp(x)')
    """
    if result.run is None:
        return Finding(result, one_line(result.problem.first if result.problem else "it did not run"), Verdict.ERROR)
    unmet, element = one_line("; ".join(result.unmet)), worst(result.run)
    if element is None:
        return Finding(result, unmet or "the program has no input to differentiate by", result.verdict)
    found, message = element.judgement, unmet or element.message
    return Finding(
        result, message, found.verdict, element.where, found.ulps, element.outcome, element.blame, element.stated
    )  # fmt: skip


# --- more about it --------------------------------------------------------------------------------


def details(found: Finding) -> str:
    """Return all there is to say in a few lines: the place in the program, the cause, the fix, how to see it again."""
    return "\n".join(_details(found))


def _details(found: Finding) -> Iterator[str]:
    result = found.result
    yield f"{found.label} {found.name}{f' at {found.where}' if found.where else ''}: {found.message}"
    yield from remarks(found)
    if found.outcome is not None and found.blame is not None:
        yield from _fault(found.outcome, found.blame)
    if not result.passed:
        yield from (f"again: {one}" for one in again(found))


def remarks(found: Finding) -> Iterator[str]:
    """Yield what the first line has no room for: the rest of a problem or the program, and what its author says."""
    rest = found.result.problem.more if found.result.problem else ""
    if rest:
        yield visible(rest)
    elif found.blame is None or found.blame.span is None:
        yield _program(found.result.check.program)
    for word, text in (("why", found.result.check.why), ("source", found.result.check.source)):
        if text is not None:
            yield f"{word}: {one_line(text)}"


def again(found: Finding) -> Iterator[str]:
    """Yield the command that checks the worst point again, if anything ran; it has the lines of the program."""
    if found.result.run is not None and found.outcome is not None:
        yield visible(command(found.result.run, found.outcome))


def _fault(outcome: Outcome, blame: Blame) -> Iterator[str]:
    if blame.span is not None:
        yield underline(outcome.program.source, blame.span)
    yield f"{blame.cause}: {one_line(blame.message)}"
    if blame.beside is not None:
        yield one_line(blame.beside)
    if blame.fix is not None:
        yield f"fix: write {one_line(blame.fix.after)} for {one_line(blame.fix.before)}"


def _program(text: str) -> str:
    """Return the first lines of a program, indented."""
    lines = [f"  {printable(one)}".rstrip() for one in text.strip().splitlines()]
    return "\n".join([*lines[:SHOWN_LINES], *(["  ..."] if len(lines) > SHOWN_LINES else [])])
