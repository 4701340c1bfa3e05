"""Lines of mathematics: formulas, numbers and the signs between them, in every notation and as text."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from gradcheck.explanation.formulas.latex import LATEX, filled
from gradcheck.explanation.formulas.mathml import MATHML
from gradcheck.explanation.formulas.names import literal, numeral
from gradcheck.explanation.formulas.notation import Notation
from gradcheck.explanation.formulas.typeset import typeset
from gradcheck.explanation.shown import Formula


@dataclass(frozen=True, slots=True)
class Sign:
    """A relation or an operator between two formulas."""

    text: str


@dataclass(frozen=True, slots=True)
class Numeral:
    """A number as its dtype writes it; a negative one that is ``inner`` has brackets."""

    text: str
    inner: bool = False


@dataclass(frozen=True, slots=True)
class Over:
    """The sum over some indices of what follows."""

    indices: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Times:
    """The product of what stands before and after it, which formulas leave unsaid."""


Line = tuple[Formula | Sign | Numeral | Over | Times, ...]


def latex(line: Line) -> str:
    r"""Return a line in LaTeX's mathematics.

    >>> latex((Numeral("2"), Sign("·"), Numeral("-0.5", inner=True), Sign("="), Numeral("-1")))
    '2 \\cdot (-0.5) = -1'
    """
    return " ".join("".join(_pieces(line, LATEX)).split())


def latex_lines(line: Line, wide: int) -> list[str]:
    r"""Return a line in LaTeX's mathematics in pieces of about ``wide`` signs, broken between the terms of sums.

    >>> latex_lines((Numeral("2"), Sign("+"), Numeral("3")), 2)
    ['2', '{}+ 3']
    """
    return filled(list(_pieces(line, LATEX)), wide)


def mathml(line: Line) -> list[str]:
    """Return a line in MathML, in pieces between which it may break."""
    return list(_pieces(line, MATHML))


def text(line: Line) -> str:
    """Return a line in the language.

    >>> text((Over(("i",)), Numeral("2"), Sign("≈"), Numeral("3")))
    'sum over i of 2 ≈ 3'
    """
    words = []
    for part in line:
        if isinstance(part, Times):
            words.append("*")
        elif isinstance(part, Over):
            words.append(f"sum over {', '.join(part.indices)} of")
        elif isinstance(part, Numeral):
            words.append(f"({part.text})" if part.inner and part.text.startswith("-") else part.text)
        else:
            words.append(part.text if isinstance(part, Sign) else str(part))
    return " ".join(words)


def _pieces(line: Line, notation: Notation) -> Iterator[str]:
    """Yield the pieces of a line; a sign stands at the beginning of one."""
    held = ""
    for part in line:
        if isinstance(part, Sign):
            held += notation.sign(part.text)
        elif isinstance(part, Times):
            held += notation.times(False)
        elif isinstance(part, Over):
            held += notation.big("∑", literal(notation, ", ".join(part.indices)))
        else:
            first, *rest = _terms(part, notation)
            yield held + first
            yield from rest
            held = ""
    if held:
        yield held


def _terms(part: Formula | Numeral, notation: Notation) -> tuple[str, ...]:
    if isinstance(part, Numeral):
        made = numeral(notation, part.text)
        return (notation.fence("(", made, ")", False) if part.inner and part.text.startswith("-") else made,)
    piece = typeset(part.node, notation, part.renamed)
    return piece.terms or (piece.markup,)
