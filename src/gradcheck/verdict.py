"""The table of verdicts: one row for each, with all that the rest of the program asks of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from gradcheck.errors import UsageProblem


class Tone(StrEnum):
    """How a verdict is shown: its sign, and in each report a colour."""

    GOOD = "good"
    ASIDE = "aside"
    DOUBT = "doubt"
    BAD = "bad"

    @property
    def sign(self) -> str:
        """Return the mark before the word."""
        return {Tone.GOOD: "✓", Tone.BAD: "✗"}.get(self, "·")


class Passes(StrEnum):
    """When a verdict lets a run pass."""

    ALWAYS = "always"
    UNASSERTED = "unasserted"
    """Not where an assertion is asked for: nobody has shown that torch is right."""
    NEVER = "never"

    @property
    def exit(self) -> str:
        """Return the exit code that follows, in words."""
        return {Passes.ALWAYS: "0", Passes.UNASSERTED: "0, with `--assert` 1", Passes.NEVER: "1"}[self]


@dataclass(frozen=True, slots=True)
class Row:
    """What is to be known about one verdict.

    ``sentence`` says in short what it means, ``meaning`` when an element has it. ``right`` says that torch's number is
    as right as one can be, ``measured`` that two numbers explain it, ``blamed`` that its cause is looked for, and
    ``mended`` that another way to write the formula is. ``answer`` says that there is a number to hold torch's against,
    ``honest`` that a correct program may come to it.
    """

    tone: Tone
    passes: Passes
    sentence: str
    meaning: str
    right: bool = False
    measured: bool = False
    blamed: bool = False
    mended: bool = False
    answer: bool = True
    honest: bool = True


_AGREE = Row(
    Tone.GOOD, Passes.ALWAYS, "Torch is within the tolerance, or rounding explains the rest.",
    "torch is within the tolerance (`--ulps`; 16 in float64 and float32, 2 in the half types) of every point of the "
    "enclosure, or rounding explains the rest and half of the digits are right that the dtype has there",
    right=True,
)  # fmt: skip
_UNTRACKED = Row(
    Tone.ASIDE, Passes.ALWAYS, "Torch tracks no gradient here, and the derivative is 0.",
    "torch tracks no gradient here (`detach`), and the derivative is 0",
    right=True,
)  # fmt: skip
_KINK = Row(
    Tone.ASIDE, Passes.ALWAYS, "The slopes from the left and from the right differ, and torch's lies between them.",
    "the function has a corner here; torch's value lies between the left and the right derivative, which are shown",
    right=True, blamed=True,
)  # fmt: skip
_OVERFLOW = Row(
    Tone.DOUBT, Passes.UNASSERTED, "The exact derivative is too large for the dtype.",
    "the exact derivative itself exceeds the dtype, and torch returned the infinity of its sign "
    "(or the largest number)",
    right=True,
)  # fmt: skip
_UNDEFINED = Row(
    Tone.DOUBT, Passes.UNASSERTED, "There is no derivative at this point.",
    "the point is outside the domain, at a pole or at a jump: there is no derivative to compare with",
    blamed=True, mended=True, answer=False,
)  # fmt: skip
_UNDECIDED = Row(
    Tone.DOUBT, Passes.UNASSERTED, "The enclosure of the derivative stayed too wide to decide.",
    "the enclosure stayed too wide at the largest precision",
    answer=False, honest=False,
)  # fmt: skip
_UNSTABLE = Row(
    Tone.DOUBT, Passes.UNASSERTED,
    "More than half of the digits are lost to rounding, and no input of the dtype determines them.",
    "rounding explains it, but more than half of the digits are lost, and the problem itself is so sensitive: moving "
    "the input by half an ULP moves the derivative as much",
    measured=True, blamed=True, mended=True,
)  # fmt: skip
_LOSSY = Row(
    Tone.DOUBT, Passes.UNASSERTED,
    "More than half of the digits are lost on the way, though the input determines them.",
    "rounding, or a number on the way that leaves the range of the dtype, explains it, but more than half of the "
    "digits are lost, though the input determines them: the formula, or torch's own, loses what the problem has",
    measured=True, blamed=True, mended=True,
)  # fmt: skip
_DISAGREE = Row(
    Tone.BAD, Passes.NEVER, "What torch computed is proven to be wrong.",
    "torch is proven wrong: outside the tolerance and outside what rounding can do; or nan or inf where the exact "
    "number is finite",
    measured=True, blamed=True, mended=True, honest=False,
)  # fmt: skip
_ERROR = Row(
    Tone.BAD, Passes.NEVER, "The check could not be carried out.",
    "torch refused the program, or the two exact evaluations contradict each other",
    answer=False, honest=False,
)  # fmt: skip


class Verdict(StrEnum):
    """What is known about one element of a gradient, or of the value, mildest first."""

    row: Row

    def __new__(cls, word: str, *cells: Row) -> Verdict:
        """Return a member that is its word, and has its row."""
        member = str.__new__(cls, word)
        member._value_, (member.row,) = word, cells
        return member

    AGREE = "agree", _AGREE
    UNTRACKED = "untracked", _UNTRACKED
    KINK = "kink", _KINK
    OVERFLOW = "overflow", _OVERFLOW
    UNDEFINED = "undefined", _UNDEFINED
    UNDECIDED = "undecided", _UNDECIDED
    UNSTABLE = "unstable", _UNSTABLE
    LOSSY = "lossy", _LOSSY
    DISAGREE = "disagree", _DISAGREE
    ERROR = "error", _ERROR

    @property
    def severity(self) -> int:
        """Return the place in the order from ``agree``, 0, to ``error``."""
        return _SEVERITIES[self]

    @property
    def fails(self) -> bool:
        """Return whether this verdict makes a run fail unless it is allowed."""
        return self.row.passes is Passes.NEVER

    @property
    def signed(self) -> str:
        """Return the word behind its sign.

        >>> Verdict.AGREE.signed, Verdict.KINK.signed
        ('✓ agree', '· kink')
        """
        return f"{self.row.tone.sign} {self}"


_SEVERITIES = {verdict: place for place, verdict in enumerate(Verdict)}
UNPROVEN = frozenset(verdict for verdict in Verdict if verdict.row.passes is Passes.UNASSERTED)
"""What fails an assertion: nobody has shown that these are right."""


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
    always = {verdict for verdict in Verdict if verdict.fails}
    return frozenset(always | (UNPROVEN if assertion else set())) - {Verdict(word) for word in words}


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """Return the most severe of one or more verdicts.

    >>> worst([Verdict.KINK, Verdict.UNSTABLE, Verdict.AGREE])
    <Verdict.UNSTABLE: 'unstable'>
    """
    return max(verdicts, key=lambda verdict: verdict.severity)
