"""Why an element has no number: a kind, and the operation that it comes from."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """The ways of having no number, each with its sentence about an operation.

    >>> print(*Kind)
    domain kink jump pole infinite undecided
    """

    sentence: str

    def __new__(cls, word: str, *cells: str) -> Kind:
        """Return a member that is its word, with its sentence."""
        member = str.__new__(cls, word)
        member._value_, (member.sentence,) = word, cells
        return member

    DOMAIN = "domain", "the point is outside the domain of {}"
    KINK = "kink", "{} is not differentiable at this point"
    JUMP = "jump", "{} is not differentiable at this point"
    POLE = "pole", "the derivative is infinite or 0/0 here: {} meets a pole"
    INFINITE = "infinite", "the point is infinite in this dtype, and the derivative has no value there"
    UNDECIDED = "undecided", "the enclosure is too wide to decide"
    """A higher precision may find a number."""


@dataclass(frozen=True, slots=True)
class Reason:
    """Why there is no number; as text, in a parameter of the IR or a symbol's name, it is ``kind operation``.

    >>> one = Reason.parse("domain sqrt")
    >>> one.kind, one.operation, str(one)
    (<Kind.DOMAIN: 'domain'>, 'sqrt', 'domain sqrt')
    """

    kind: Kind
    operation: str = ""

    @classmethod
    def parse(cls, text: str) -> Reason:
        """Return the reason that a text says; this is the one place that takes it apart.

        Raises ValueError where the text begins with no kind.
        """
        kind, _, operation = text.partition(" ")
        return cls(Kind(kind), operation)

    def __str__(self) -> str:
        return f"{self.kind} {self.operation}" if self.operation else str(self.kind)

    @property
    def sentence(self) -> str:
        """Return in words why there is no number.

        >>> Reason(Kind.KINK, "abs").sentence
        'abs is not differentiable at this point'
        """
        return self.kind.sentence.format(self.operation)
