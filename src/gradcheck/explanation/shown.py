"""Formulas as they are shown: the IR, and beside its operations those that only explanations write."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from gradcheck.program import ATOM, LOOSE, Call, Name, Node, Number, Written, call, param_text, to_text

D = "D"
"""The operation of a derivative still to be taken: ``Call(D, (body,), (("by", "x"),))``, written ``D[body]``."""
QUOTIENT = "quotient"
"""The operation of a derivative that has a name: ``Call(QUOTIENT, (out, y))``, written ``d out/d y``; the parameter
``partial`` says that other names are held where they are: it is printed with round d's."""
POINT = "point"
"""The operation of a number of the point in a name's place: ``Call(POINT, (Number,), (("name", "x"), ("text", "2")))``,
written ``(2)``, in brackets; ``text`` is the number as its dtype writes it (0.1). It is only ever printed."""
LITERAL = "literal"
"""The operation of a number as the user wrote it: ``Call(LITERAL, (Number,), (("text", "0.1"),))``."""
AT = "at"
"""The operation of one element: ``Call(AT, (y, i, j))``, written ``y[i, j]``; the indices are expressions."""
LETTER = "letter"
"""The operation of an index: ``Call(LETTER, (), (("name", "i"),))``, which no name of the program is meant by."""
OVER = "over"
"""The operation of a sum or a product over an index: ``Call(OVER, (body,), (("letters", ("k",)), ("big", "sum")))``;
a second argument is a condition on the index: ``sum over k >= i of y[k]``."""

PRODUCT, COMPARISON = 5, 3
"""How tightly a text has to hold together as a factor, and how tightly a large operator does."""


def derivative(body: Node, by: str) -> Call:
    """Return the derivative of an expression by a name, still to be taken."""
    return call(D, body, by=by)


def quotient(above: Node, below: Node, *, partial: bool = False) -> Call:
    """Return the derivative of one name by another."""
    return Call(QUOTIENT, (above, below), (("partial", True),) if partial else ())


def point(value: Fraction, name: str, text: str) -> Call:
    """Return a number of the point that stands in a name's place."""
    return call(POINT, Number(value), name=name, text=text)


def letter(name: str) -> Node:
    """Return an index; ``0`` is the only one along an axis of size 1."""
    return Number(Fraction(0)) if name == "0" else call(LETTER, name=name)


def at(name: str, indices: Sequence[Node]) -> Node:
    """Return one element of a tensor, or the number that has no indices."""
    return call(AT, Name(name), *indices) if indices else Name(name)


def over(letters: Sequence[str], body: Node, condition: Node | None = None, big: str = "sum") -> Node:
    """Return the sum or the product of an expression over indices, where there are any."""
    if not letters:
        return body
    args = (body,) if condition is None else (body, condition)
    return call(OVER, *args, letters=tuple(letters), big=big)


@dataclass(frozen=True, slots=True)
class Formula:
    """An expression to be shown: IR, in which the operations above may stand, and the indices of its names.

    ``indices`` holds the letters or numbers of each name that is written with some: ``{"y": ("i", "j")}`` for
    ``y[i, j]``; a name that is not there is written by itself. ``str()`` of it is the text in the language.
    """

    node: Node
    indices: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __str__(self) -> str:
        return to_text(self.node, self.renamed, _text)

    def renamed(self, name: str) -> str:
        """Return a name with its indices."""
        letters = self.indices.get(name, ())
        return f"{name}[{', '.join(letters)}]" if letters else name


def _text(node: Call, args: list[Written]) -> Written | None:
    """Return the text of what only explanations write; sizes stand in a call without a name."""
    if node.op in _TEXTS:
        return _TEXTS[node.op](node, [text for text, _ in args], [level for _, level in args])
    if node.param("shape") is not None:
        return f"{node.op}({', '.join([*(text for text, _ in args), param_text(node.param('shape'))])})", ATOM
    return None


def _over_text(node: Call, texts: list[str], levels: list[int]) -> Written:
    whole = levels[0] >= PRODUCT or (isinstance(node.args[0], Call) and node.args[0].op == QUOTIENT)
    body = texts[0] if whole else f"({texts[0]})"
    letters = node.param("letters")
    assert isinstance(letters, tuple)
    below = texts[1] if len(texts) > 1 else ", ".join(map(str, letters))
    return f"{node.param('big')} over {below} of {body}", COMPARISON


def _named(node: Call, text: str) -> str:
    """Return what is differentiated in a quotient, in brackets where it is a derivative itself."""
    above = node.args[0]
    return f"({text})" if isinstance(above, Call) and above.op == QUOTIENT else text


_TEXTS: dict[str, Callable[[Call, list[str], list[int]], Written]] = {
    D: lambda _, texts, __: (f"D[{texts[0]}]", ATOM),
    QUOTIENT: lambda node, texts, _: (f"d {_named(node, texts[0])}/d {texts[1]}", COMPARISON + 1),
    POINT: lambda node, _, __: (str(node.param("text")), LOOSE),  # f(2), and 3*(2)
    LITERAL: lambda node, _, __: (str(node.param("text")), ATOM),
    LETTER: lambda node, _, __: (str(node.param("name")), ATOM),
    AT: lambda _, texts, __: (f"{texts[0]}[{', '.join(texts[1:])}]", ATOM),
    OVER: _over_text,
}
