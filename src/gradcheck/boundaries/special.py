"""The special arguments of an operation: where its row's own conditions change, and the edges of a dtype."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum, auto
from fractions import Fraction
from math import log

from gradcheck.formats import Format
from gradcheck.functions import COMPARISONS, ELEMENTWISE
from gradcheck.functions.rows import Elementwise
from gradcheck.lower import condition
from gradcheck.program import Call, Name, Node, Number, call, number, postorder, substitute, to_text

LINEAR = frozenset({"neg", "add", "sub"})
"""Operations that have no special argument but what overflows."""


BORDER = "its border"
"""What is special about a choice."""


class Kind(IntEnum):
    """What is special, the most telling first."""

    CONDITION = auto()
    """A condition of the row changes: the end of a domain, a kink, a tie, a removable point, a border of ``where``."""
    CASE = auto()
    """A case of its own in formulas: 0, an exponent, a zero factor."""
    JOINT = auto()
    """Two of these at once."""
    BESIDE = auto()
    """The next number to one where a condition changes."""
    RANGE = auto()
    """A result reaches the largest or the smallest number of the dtype."""
    EXTREME = auto()
    """An argument is tiny or huge, or so large that something saturates."""
    UNIT = auto()
    """1 and -1."""


@dataclass(frozen=True, slots=True)
class Special:
    """Something special about an operation: where ``difference``, an expression, is 0; ``why`` says it in words.

    >>> from gradcheck.parse import parse
    >>> from gradcheck.program import to_text
    >>> [(to_text(one.difference), one.why) for one in special(parse("log(3*x)").layers[0].expression)][:2]
    [('3*x - 0', '0'), ('3*x - 1', '1')]
    """

    kind: Kind
    difference: Node
    why: str


def special(node: Call) -> Iterator[Special]:
    """Yield what is special about one operation, as differences of its own arguments, each once.

    ``why`` is what stands behind "at": "0", "exponent 2", "a tie".
    """
    row = ELEMENTWISE.get(node.op)
    if row is not None and row.name not in LINEAR:
        by = dict(zip(row.args, node.args, strict=True))
        yield from (Special(one.kind, substitute(one.difference, by), one.why) for one in _distinct(row, node))
    elif node.op == "matmul":
        yield from (Special(Kind.CASE, call("sub", arg, number(0)), "a zero factor") for arg in node.args)
    yield from _borders(node)


def _distinct(row: Elementwise, node: Call) -> Iterator[Special]:
    """Yield what a row says of the places of its arguments, nothing twice."""
    seen = set()
    for one in _of_row(row, node):
        assert isinstance(one.difference, Call)
        left, right = one.difference.args
        key = to_text(left), to_text(right)
        if key not in seen:
            seen.add(key)
            yield one


def _of_row(row: Elementwise, node: Call) -> Iterator[Special]:
    domain = row.domain(node) if callable(row.domain) else row.domain
    for text in (domain, row.kinks, *(where for where, _ in row.removable)):
        yield from (_of_comparison(row, one) for one in comparisons(condition(text)) if text) if text else ()
    *_, last = row.args
    for power in row.powers:
        yield Special(Kind.CASE, _apart(Name(last), Fraction(power)), f"exponent {Fraction(power)}")
    for k, arg in enumerate(row.args):
        what = "a zero factor" if k in row.absorbing else "0" if len(row.args) == 1 else f"{arg} = 0"
        yield Special(Kind.CASE, _apart(Name(arg), Fraction(0)), what)
    for unit in (1, -1):
        for arg in row.args:
            what = str(unit) if len(row.args) == 1 else f"{arg} = {unit}"
            yield Special(Kind.UNIT, _apart(Name(arg), Fraction(unit)), what)


def comparisons(node: Node) -> Iterator[Call]:
    """Yield the comparisons in a condition, which need not be the whole of it.

    >>> from gradcheck.program import to_text
    >>> [to_text(one) for one in comparisons(condition("(x > 1) & (y != 0)"))]
    ['x > 1', 'y != 0']
    """
    yield from (part for part in postorder(node) if isinstance(part, Call) and part.op in COMPARISONS)


def _of_comparison(row: Elementwise, one: Call) -> Special:
    left, right = one.args
    if isinstance(right, Number):
        what = str(right.value) if len(row.args) == 1 else f"{to_text(left)} = {right.value}"
    else:
        what = "a tie" if isinstance(left, Name) and isinstance(right, Name) else "a whole number"
    return Special(Kind.CONDITION, call("sub", left, right), what)


def _borders(node: Call) -> Iterator[Special]:
    """Yield the borders of a choice that the program makes."""
    if node.op == "where":
        for one in comparisons(node.args[0]):
            yield Special(Kind.CONDITION, call("sub", *one.args), BORDER)


def _apart(node: Node, value: Fraction) -> Node:
    return call("sub", node, number(value))


def reaching(node: Call, fmt: Format) -> Iterator[Special]:
    """Yield where the result of an operation leaves the range of a dtype."""
    if node.op not in ELEMENTWISE:
        return
    for value, what in ((fmt.largest, "overflows"), (fmt.smallest_normal, "underflows")):
        for sign in (1, -1):
            yield Special(Kind.RANGE, _apart(node, sign * Fraction(value)), what)


def extreme(node: Call, fmt: Format) -> Iterator[Special]:
    """Yield where an argument of an operation is tiny, huge, or such that something saturates in a dtype."""
    if node.op in ELEMENTWISE and node.op not in LINEAR:
        for value, what in edges(fmt):
            yield from (Special(Kind.EXTREME, _apart(arg, Fraction(value)), what) for arg in node.args)


def edges(fmt: Format) -> Iterator[tuple[float, str]]:
    """Yield numbers of a dtype at which something vanishes, saturates or overflows, with what they are in words.

    >>> from gradcheck.formats import FORMATS
    >>> [f"{value:g} {what}" for value, what in edges(FORMATS["float64"])][:3]
    ['1.11022e-16 a tiny argument', '-1.11022e-16 a tiny argument', '36.75 a saturating argument']
    """
    digits, top = round(-4 * log(fmt.unit_roundoff)) / 4, round(4 * log(fmt.largest)) / 4
    root = 2.0 ** (fmt.emax // 2)
    sizes = (
        (fmt.unit_roundoff, "a tiny argument"), (digits, "a saturating argument"),
        (fmt.smallest_normal, "a tiny argument"), (2.0 ** -(fmt.precision // 2), "a small argument"),
        (top + 2, "a saturating argument"), (root, "a huge argument"), (fmt.smallest_subnormal, "a tiny argument"),
        (fmt.largest, "the largest argument"),
    )  # fmt: skip
    for value, what in sizes:
        held = fmt.round(Fraction(value))
        yield held, what
        yield -held, what
