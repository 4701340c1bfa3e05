"""Formulas as books print them: the IR as LaTeX and as MathML, with the fewest brackets that keep its value."""

from __future__ import annotations

from collections.abc import Callable

from gradcheck.explanation.formulas.latex import LATEX
from gradcheck.explanation.formulas.mathml import MATHML
from gradcheck.explanation.formulas.typeset import typeset
from gradcheck.program import Node


def to_latex(node: Node, rename: Callable[[str], str] = str) -> str:
    r"""Return an expression in LaTeX's mathematics, without the dollars; it needs ``amsmath`` and ``amssymb``.

    ``rename`` gives each name as it is to be read: with indices (``x[i, j]``) they are set below it.

    >>> from gradcheck.parse import parse
    >>> print(to_latex(parse("-x**2/(2*theta) + sqrt(y_1)").layers[0].expression))
    \frac{-x^{2}}{2\theta} + \sqrt{y_{1}}
    """
    return typeset(node, LATEX, rename).markup.strip()


def to_mathml(node: Node, rename: Callable[[str], str] = str) -> str:
    """Return an expression in MathML Core's presentation markup, without the ``math`` element around it.

    >>> from gradcheck.parse import parse
    >>> print(to_mathml(parse("x**2").layers[0].expression))
    <msup><mi>x</mi><mn>2</mn></msup>
    """
    return typeset(node, MATHML, rename).markup


__all__ = ["to_latex", "to_mathml"]
