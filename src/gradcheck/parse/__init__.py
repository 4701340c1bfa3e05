"""Text to Program: Python's own grammar through ``ast``, and a whitelist; nothing in the text is ever run."""

from __future__ import annotations

from collections.abc import Iterable

from gradcheck.parse.places import Places
from gradcheck.parse.reader import Reader
from gradcheck.program import Program
from gradcheck.source import prepare, syntax_tree

__all__ = ["Places", "parse"]


def parse(text: str, bound: Iterable[str] = (), *, hidden: bool = False) -> Program:
    """Return the program that ``text`` writes; the last statement is its output.

    ``bound`` names are inputs even where they would mean a constant (``pi``, ``e``). With ``hidden`` the text is one of
    a row, and may call what nobody types by name.
    Raises SyntaxProblem, NameProblem or LimitProblem, with the span of what is wrong.

    >>> print(parse("y = 3*x + 2; mean(2*y**2)"))
    y = 3*x + 2
    out = mean(2*y**2)
    """
    source = prepare(text)
    tree = syntax_tree(source)
    return Reader(source, frozenset(bound), hidden).program(tree)
