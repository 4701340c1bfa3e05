"""The numbers of a lesson as texts, and formulas put together for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction

from gradcheck.explanation.formulas.lines import Line
from gradcheck.explanation.forward import rational
from gradcheck.explanation.model import Numbers
from gradcheck.explanation.shown import D, Formula
from gradcheck.formats import EXACT_DIGITS, Ball, Format, exact_text
from gradcheck.program import Call, Node, Number, Shape, call, rebuild
from gradcheck.report.lesson.blocks import Code, Inline
from gradcheck.report.words import MAX_ONE_LINE, nested

SHOWN_VALUES = 8
"""Elements of a tensor in one cell; of more, the first three."""


@dataclass(frozen=True, slots=True)
class Values:
    """Numbers of one dtype as texts."""

    format: Format

    def torch(self, numbers: Numbers) -> Inline:
        """Return torch's numbers."""
        if numbers.torch is None:
            return "none"
        return _tensor([self.format.text(one) for one in numbers.torch[: SHOWN_VALUES + 1]], numbers.shape)

    def exact(self, numbers: Numbers) -> Inline:
        """Return the exact numbers."""
        if numbers.exact is None:
            return "-"
        return _tensor([exact_text(ball, self.format) for ball in numbers.exact[: SHOWN_VALUES + 1]], numbers.shape)

    def first(self, numbers: Numbers) -> str:
        """Return the exact number of a scalar."""
        return exact_text(_ball(numbers), self.format)

    def has(self, numbers: Numbers) -> bool:
        """Return whether there is an exact number of a scalar at all."""
        return _ball(numbers) is not None

    def is_exact(self, numbers: Numbers, formula: Formula) -> bool:
        """Return whether the text of a formula's value is that value, and no rounding of it."""
        ball = _ball(numbers)
        if ball is None or not ball.is_sharp(EXACT_DIGITS[self.format.name]):
            return False
        shown, value = Fraction(Decimal(self.first(numbers))), rational(formula.node)
        return shown == value if value is not None else ball.exact and ball.contains(shown)


def _ball(numbers: Numbers) -> Ball | None:
    return (numbers.exact or (None,))[0]


def _tensor(texts: list[str], shape: Shape) -> Inline:
    """Return a small tensor in full and a large one by its first elements; a long matrix row under row."""
    if len(texts) > SHOWN_VALUES:
        return Code(f"{', '.join(texts[:3])}, ...")
    text = nested(texts, shape, MAX_ONE_LINE)
    return Code(text) if shape else text


def shape_text(shape: Shape) -> str:
    """Return a shape in words."""
    return " × ".join(map(str, shape)) or "scalar"


def opposite(value: str) -> str:
    """Return a number with the other sign."""
    return value.removeprefix("-") if value.startswith("-") else f"-{value}" if value != "0" else value


# --- formulas -------------------------------------------------------------------------------------


def rounded(formula: Formula, partial: bool) -> Formula:
    """Return a formula whose derivatives still to be taken have round d's."""

    def change(part: Node) -> Node:
        if isinstance(part, Call) and part.op == D:
            return replace(part, params=(*part.params, ("partial", True)))
        return part

    return replace(formula, node=rebuild(formula.node, change)) if partial else formula


def signed(sign: int, formula: Formula) -> Formula:
    """Return a formula, or its negative."""
    return formula if sign > 0 else replace(formula, node=call("neg", formula.node))


def is_one(formula: Formula) -> bool:
    """Tell whether a formula is 1."""
    return isinstance(formula.node, Number) and formula.node.value == 1


def product(formulas: Sequence[Formula | None]) -> Line:
    """Return a product of formulas, without factors of 1."""
    return _joined("mul", [one for one in formulas if one is None or not is_one(one)])


def total(formulas: Sequence[Formula | None]) -> Line:
    """Return a sum of formulas."""
    return _joined("add", formulas)


def _joined(op: str, formulas: Sequence[Formula | None]) -> Line:
    """Return formulas in one; nothing where one is missing, or where they count their indices differently."""
    known = [one for one in formulas if one is not None]
    indices: dict[str, tuple[str, ...]] = {}
    for one in known:
        indices |= one.indices
    if len(known) < len(formulas) or not known or not all(_agree(one.indices, indices) for one in known):
        return ()
    node = known[0].node
    for one in known[1:]:
        node = call(op, node, one.node)
    return (Formula(node, indices),)


def _agree(some: Mapping[str, tuple[str, ...]], every: Mapping[str, tuple[str, ...]]) -> bool:
    return all(every[name] == letters for name, letters in some.items())
