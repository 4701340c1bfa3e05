"""What is at fault where a verdict is bad: the cause by name, the place, and the numbers of both lanes there."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from gradcheck.errors import Span
from gradcheck.formats import Ball
from gradcheck.program import Shape

_QUIET, _IMPLEMENTED = "quiet", "implemented"


class Cause(StrEnum):
    """Why a gradient is wrong, lost, or not there: each with the sentence about it.

    Each is its word: docs/verdicts.md has a section for every one.

    >>> from gradcheck import check
    >>> check("log(1 + exp(x))", 100).gradients["x"].blame.cause
    <Cause.OVERFLOW: 'overflow'>
    >>> Cause("pole").sentence, Cause.DETACHED.implemented
    ('The operation, or its slope, is infinite at this argument.', True)
    """

    sentence: str
    marks: frozenset[str]

    def __new__(cls, word: str, *cells: str) -> Cause:
        """Return a member that is its word, with the sentence and the marks behind it."""
        member = str.__new__(cls, word)
        member._value_, (member.sentence, *marks) = word, cells
        member.marks = frozenset(marks)
        return member

    OVERFLOW = "overflow", "A number on the way is larger than the dtype can hold."
    UNDERFLOW = "underflow", "A number on the way is smaller than the dtype can hold."
    CANCELLATION = (
        "cancellation",
        "Nearly equal numbers are subtracted: their common digits go, their rounding errors stay.",
    )
    ILL_CONDITIONED = "ill-conditioned", "An operation magnifies the rounding errors of its arguments."
    STORED_OUTPUT = (
        "stored-output",
        "Torch computes a gradient from the stored, rounded result, which no longer has the digits for it.",
    )
    ROUNDING = "rounding", "Many small roundings add up; no single operation stands out."
    NAN_FROM_MASKED_BRANCH = (
        "nan-from-masked-branch",
        "A branch that `where` does not take is differentiated all the same, and 0 times its nan or inf is nan.",
    )
    ZERO_TIMES_INF = "zero-times-inf", "An infinite slope meets a zero on the way back."
    DIVISION_BY_ZERO = "division-by-zero", "A denominator is exactly zero.", _QUIET
    OUTSIDE_DOMAIN = "outside-domain", "An argument is where the operation has no value.", _QUIET
    POLE = "pole", "The operation, or its slope, is infinite at this argument.", _QUIET
    KINK = "kink", "The slopes from the left and from the right differ.", _QUIET
    JUMP = "jump", "The operation is not continuous at this argument.", _QUIET
    INACCURATE_OPERATION = (
        "inaccurate-operation",
        "Torch's own result, or its formula for the gradient, has fewer right digits than an operation should have.",
    )
    LOWER_PRECISION = "lower-precision", "The numbers have only the digits of a smaller dtype.", _IMPLEMENTED
    WRONG_VALUE = "wrong-value", "An operation returned what no rounding of its inputs can give.", _IMPLEMENTED
    WRONG_GRADIENT = (
        "wrong-gradient",
        "An operation's backward pass returned what no rounding can give, from right inputs.",
        _IMPLEMENTED,
    )
    DETACHED = (
        "detached",
        "An operation returned its result without a graph, so that autograd cannot see through it.",
        _IMPLEMENTED,
    )
    NONDETERMINISTIC = (
        "nondeterministic",
        "The same program at the same point gave another gradient when it ran again.",
        _IMPLEMENTED,
    )

    @property
    def quiet(self) -> bool:
        """Return whether one number shows it: how that travelled to the input is no news."""
        return _QUIET in self.marks

    @property
    def implemented(self) -> bool:
        """Return whether no other formula mends it: whoever implemented the operation has to."""
        return _IMPLEMENTED in self.marks


@dataclass(frozen=True, slots=True)
class Reading:
    """One number in both lanes: the value of an operation, or the cotangent of its result.

    ``text`` is the operation as the user wrote it, ``index`` the element where it is a tensor. ``exact`` is None where
    there is no such number.
    """

    text: str
    quantity: str
    shape: Shape
    index: tuple[int, ...]
    torch: float | None
    exact: Ball | None
    culprit: bool = False


@dataclass(frozen=True, slots=True)
class Fix:
    """A rewritten program that came out better in both lanes at the same point.

    ``after`` stands in place of ``before``. ``verdicts`` and ``bits``, the right bits of the gradient's element, are
    those of before and after. ``unlike`` says in what the two programs are not the same function, where they are not.
    """

    name: str
    before: str
    after: str
    program: str
    verdicts: tuple[str, str]
    bits: tuple[int, int]
    unlike: str | None = None


@dataclass(frozen=True, slots=True)
class Blame:
    """The operation at fault for one element of a gradient, and how its error travelled to the input.

    ``span`` points into the program's source, and is None where no single operation is at fault. ``readings`` go
    forward from the operation to the output, then back to the input. Where there is no derivative, ``beside`` says what
    it does on both sides of the point, and ``limit`` is its limit where it has one.

    >>> from gradcheck import check
    >>> blame = check("log(1 + exp(x))", 100).gradients["x"].blame
    >>> blame.operation, blame.span
    ('exp', Span(start=8, end=14))
    >>> blame.message
    'exp(x) is 2.68812e+43, and the largest number of float32 is 3.40282e+38: it becomes inf'
    >>> blame.fix.after, blame.fix.verdicts, blame.fix.bits
    ('softplus(x)', ('disagree', 'agree'), (0, 24))
    """

    element: int
    cause: Cause
    operation: str | None
    span: Span | None
    message: str
    readings: tuple[Reading, ...] = ()
    beside: str | None = None
    limit: Ball | None = None
    fix: Fix | None = None
