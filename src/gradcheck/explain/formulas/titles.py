"""Titles of derivatives, such as ``d z[i]/d y[i]``, as expressions."""

from __future__ import annotations

import re

from gradcheck.explain.model import derivative
from gradcheck.program import Name, Node


def titled(title: str) -> Node:
    """Return what a title says as an expression: a derivative, or the name that it is.

    >>> from gradcheck.program import to_text
    >>> to_text(titled("d out/d x[i]")), to_text(titled("f"))
    ('D(out, by=x[i])', 'f')
    """
    found = re.fullmatch(r"d (.+)/d (.+)", title)
    return derivative(Name(found[1]), found[2]) if found else Name(title)
