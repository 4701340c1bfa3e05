"""The verdicts: each member bears all that the rest of the program asks of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any

from gradcheck.errors import UsageProblem


class Tone(StrEnum):
    """How a verdict is shown: its sign, and in each report a colour.

    >>> [(str(one), one.sign) for one in Tone]
    [('good', '✓'), ('aside', '·'), ('doubt', '·'), ('bad', '✗')]
    """

    GOOD = "good"
    ASIDE = "aside"
    DOUBT = "doubt"
    BAD = "bad"

    @property
    def sign(self) -> str:
        """Return the mark before the word."""
        return {Tone.GOOD: "✓", Tone.BAD: "✗"}.get(self, "·")


class Passes(StrEnum):
    """When a verdict lets a run pass.

    >>> [one.exit for one in Passes]
    ['0', '0, with `--assert` 1', '1']
    """

    ALWAYS = "always"
    UNASSERTED = "unasserted"
    """Not where an assertion is asked for: nobody has shown that torch is right."""
    NEVER = "never"

    @property
    def exit(self) -> str:
        """Return the exit code that follows, in words."""
        return {Passes.ALWAYS: "0", Passes.UNASSERTED: "0, with `--assert` 1", Passes.NEVER: "1"}[self]


_RIGHT, _MEASURED, _BLAMED, _MENDED = "right", "measured", "blamed", "mended"
_UNANSWERED, _DISHONEST = "unanswered", "dishonest"


class Verdict(StrEnum):
    """What is known about one element of a gradient, or of the value, mildest first.

    Each is its word: docs/verdicts.md has a section for every one.

    >>> Verdict("lossy").sentence, Verdict.LOSSY.fails, Verdict.LOSSY.unproven, Verdict.LOSSY.severity
    ('More than half of the digits are lost on the way, though the input determines them.', False, True, 7)

    ``sentence`` says in short what a verdict means, ``meaning`` when an element has it.
    """

    tone: Tone
    passes: Passes
    sentence: str
    meaning: str
    marks: frozenset[str]

    def __new__(cls, word: str, *cells: Any) -> Verdict:
        """Return a member that is its word, with all that is to be known about it."""
        member = str.__new__(cls, word)
        member._value_, (member.tone, member.passes, member.sentence, member.meaning, *marks) = word, cells
        member.marks = frozenset(marks)
        return member

    AGREE = (
        "agree", Tone.GOOD, Passes.ALWAYS,
        "Torch is within the tolerance, or rounding explains the rest.",
        "torch is within the tolerance (`--ulps`; 16 in float64 and float32, 2 in the half types) of every point of "
        "the enclosure, or rounding explains the rest and half of the digits are right that the dtype has there",
        _RIGHT,
    )  # fmt: skip
    UNTRACKED = (
        "untracked", Tone.ASIDE, Passes.ALWAYS,
        "Torch tracks no gradient here, and the derivative is 0.",
        "torch tracks no gradient here (`detach`), and the derivative is 0",
        _RIGHT,
    )  # fmt: skip
    KINK = (
        "kink", Tone.ASIDE, Passes.ALWAYS,
        "The slopes from the left and from the right differ, and torch's lies between them.",
        "the function has a corner here; torch's value lies between the left and the right derivative, which are shown",
        _RIGHT, _BLAMED,
    )  # fmt: skip
    OVERFLOW = (
        "overflow", Tone.DOUBT, Passes.UNASSERTED,
        "The exact derivative is too large for the dtype.",
        "the exact derivative itself exceeds the dtype, and torch returned the infinity of its sign "
        "(or the largest number)",
        _RIGHT,
    )  # fmt: skip
    UNDEFINED = (
        "undefined", Tone.DOUBT, Passes.UNASSERTED,
        "There is no derivative at this point.",
        "the point is outside the domain, at a pole or at a jump: there is no derivative to compare with",
        _BLAMED, _MENDED, _UNANSWERED,
    )  # fmt: skip
    UNDECIDED = (
        "undecided", Tone.DOUBT, Passes.UNASSERTED,
        "The enclosure of the derivative stayed too wide to decide.",
        "the enclosure stayed too wide at the largest precision",
        _UNANSWERED, _DISHONEST,
    )  # fmt: skip
    UNSTABLE = (
        "unstable", Tone.DOUBT, Passes.UNASSERTED,
        "More than half of the digits are lost to rounding, and an input that was rounded does not determine them.",
        "rounding explains it, but more than half of the digits are lost, and the problem itself is so sensitive: "
        "moving the input by half an ULP moves the derivative as much",
        _MEASURED, _BLAMED, _MENDED,
    )  # fmt: skip
    LOSSY = (
        "lossy", Tone.DOUBT, Passes.UNASSERTED,
        "More than half of the digits are lost on the way, though the input determines them.",
        "rounding, or a number on the way that leaves the range of the dtype, explains it, but more than half of the "
        "digits are lost, though the input determines them: the formula, or torch's own, loses what the problem has",
        _MEASURED, _BLAMED, _MENDED,
    )  # fmt: skip
    DISAGREE = (
        "disagree", Tone.BAD, Passes.NEVER,
        "What torch computed is proven to be wrong.",
        "torch is proven wrong: outside the tolerance and outside what rounding can do; or nan or inf where the exact "
        "number is finite",
        _MEASURED, _BLAMED, _MENDED, _DISHONEST,
    )  # fmt: skip
    ERROR = (
        "error", Tone.BAD, Passes.NEVER,
        "The check could not be carried out.",
        "torch refused the program, or the two exact evaluations contradict each other",
        _UNANSWERED, _DISHONEST,
    )  # fmt: skip

    @property
    def severity(self) -> int:
        """Return the place in the order from ``agree``, 0, to ``error``."""
        return _SEVERITIES[self]

    @property
    def fails(self) -> bool:
        """Return whether this verdict makes a run fail unless it is allowed."""
        return self.passes is Passes.NEVER

    @property
    def unproven(self) -> bool:
        """Return whether this fails an assertion: nobody has shown that torch is right."""
        return self.passes is Passes.UNASSERTED

    @property
    def right(self) -> bool:
        """Return whether torch's number is as right as one can be."""
        return _RIGHT in self.marks

    @property
    def measured(self) -> bool:
        """Return whether two numbers explain it."""
        return _MEASURED in self.marks

    @property
    def blamed(self) -> bool:
        """Return whether its cause is looked for."""
        return _BLAMED in self.marks

    @property
    def mended(self) -> bool:
        """Return whether another way to write the formula is looked for."""
        return _MENDED in self.marks

    @property
    def answer(self) -> bool:
        """Return whether there is a number to hold torch's against."""
        return _UNANSWERED not in self.marks

    @property
    def honest(self) -> bool:
        """Return whether a correct program may come to it."""
        return _DISHONEST not in self.marks

    @property
    def sign(self) -> str:
        """Return the mark before the word."""
        return self.tone.sign

    @property
    def signed(self) -> str:
        """Return the word behind its sign.

        >>> Verdict.AGREE.signed, Verdict.KINK.signed
        ('✓ agree', '· kink')
        """
        return f"{self.sign} {self}"


_SEVERITIES = {verdict: place for place, verdict in enumerate(Verdict)}


def counted(counts: Mapping[Verdict, int]) -> str:
    """Return how many there are of each verdict, the mildest first, in words.

    >>> counted({Verdict.DISAGREE: 1, Verdict.AGREE: 3000, Verdict.KINK: 0})
    '3,000 agree, 1 disagree'
    """
    return ", ".join(f"{counts[one]:,} {one}" for one in Verdict if counts.get(one))


def failing(assertion: bool, allow: Iterable[str]) -> frozenset[Verdict]:
    """Return the verdicts that make a run fail; ``allow`` names some that pass all the same.

    Raises UsageProblem for a word that is no verdict.

    >>> print(*sorted(failing(True, ["undefined"])))
    disagree error lossy overflow undecided unstable
    """
    words = set(allow)
    strange = sorted(words - {*Verdict})
    if strange:
        raise UsageProblem(f"{strange[0]!r} is no verdict", hint=f"choose from {', '.join(Verdict)}")
    found = (verdict for verdict in Verdict if verdict.fails or (assertion and verdict.unproven))
    return frozenset(found) - {Verdict(word) for word in words}


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """Return the most severe of one or more verdicts.

    >>> worst([Verdict.KINK, Verdict.UNSTABLE, Verdict.AGREE])
    <Verdict.UNSTABLE: 'unstable'>
    """
    return max(verdicts, key=lambda verdict: verdict.severity)
