"""Titles of derivatives, such as ``d z[i]/d y[i]``, as expressions."""

from __future__ import annotations

import re

from gradcheck.explanation.model import D, Formula
from gradcheck.program import Name, Node, call


def titled(title: str, *, partial: bool = False) -> Formula:
    """Return what a title says: a derivative, with round d's where it is ``partial``, or the name that it is.

    >>> str(titled("d sum(out)/d x[i]")), str(titled("f"))
    ('D[sum(out)]', 'f')
    """
    found = re.fullmatch(r"d (.+)/d (.+)", title)
    if found is None:
        return Formula(Name(title))
    by = {"by": found[2], "partial": True} if partial else {"by": found[2]}
    return Formula(call(D, _body(found[1]), **by))


def _body(text: str) -> Node:
    whole = re.fullmatch(r"sum\((.+)\)", text)
    return Name(text) if whole is None else call("sum", Name(whole[1]))
