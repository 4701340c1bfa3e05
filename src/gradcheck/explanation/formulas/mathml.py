"""MathML Core's notation: whatever a name holds, the markup is well-formed XML."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from gradcheck.errors import printable
from gradcheck.explanation.formulas.notation import Notation

TIMES, MINUS = "\u2062", "\u2212"
"""The product that is not seen, and a minus as wide as a plus."""


def _one(content: str) -> str:
    """Return markup as one element; a leaf is one already."""
    return content if content.count("<") == 2 else f"<mrow>{content}</mrow>"


def _text(text: str) -> str:
    return escape(printable(text))


def _word(text: str) -> str:
    upright = ' mathvariant="normal"' if len(text) == 1 else ""
    return f"<mi{upright}>{_text(text)}</mi>"


def _sign(text: str) -> str:
    if text == ":":  # a slice, and no ratio
        return '<mo lspace="0" rspace="0">:</mo>'
    if text in ("+", "-"):  # at the beginning of a line too
        return f'<mo form="infix">{MINUS if text == "-" else "+"}</mo>'
    return f"<mo>{_text(text)}</mo>"


def _big(sign: str, index: str) -> str:
    return f"<munder><mo>{sign}</mo>{_one(index)}</munder>" if index else f"<mo>{sign}</mo>"


def _fence(left: str, body: str, right: str, tall: bool) -> str:
    # Brackets that may grow are set apart by some fonts even where they do not.
    fixed = "" if tall else ' stretchy="false"'
    return f'<mrow><mo form="prefix"{fixed}>{left}</mo>{body}<mo form="postfix"{fixed}>{right}</mo></mrow>'


def _cases(rows: Sequence[tuple[str, str]]) -> str:
    lines = "".join(f"<mtr>{_cell(value)}{_cell(condition)}</mtr>" for value, condition in rows)
    return f"<mrow><mo>{{</mo><mtable>{lines}</mtable></mrow>"


def _cell(content: str) -> str:
    return f'<mtd style="text-align: left">{content}</mtd>'


MATHML = Notation(
    letter=lambda text: f"<mi>{_text(text)}</mi>",
    word=_word,
    digits=lambda text: f"<mn>{text}</mn>",
    sign=_sign,
    function=_word,
    negative=lambda body: f'<mo form="prefix">{MINUS}</mo>{body}',
    root=lambda body: f"<msqrt>{body}</msqrt>",
    fraction=lambda above, below: f"<mfrac>{_one(above)}{_one(below)}</mfrac>",
    power=lambda base, exponent: f"<msup>{_one(base)}{_one(exponent)}</msup>",
    index=lambda base, index: f"<msub>{_one(base)}{_one(index)}</msub>",
    big=_big,
    fence=_fence,
    cases=_cases,
    wide="".join,
    times=lambda tight: f"<mo>{TIMES}</mo>" if tight else f'<mo lspace="0.17em" rspace="0">{TIMES}</mo>',
    space='<mspace width="0.17em"/>',
)
