"""A Hessian or a Jacobian as a matrix of exact numbers, where it is small; what a lane has wrong is marked."""

from __future__ import annotations

from functools import partial
from math import prod

from rich.table import Table
from rich.text import Text

from gradcheck.formats import FORMATS, exact_text
from gradcheck.gradients import GradientOutcome
from gradcheck.notation import own_shape
from gradcheck.outcome import Outcome
from gradcheck.peers import Peers
from gradcheck.report.grids import DIGITS, fitting, grid
from gradcheck.report.places import element, point_text
from gradcheck.report.tones import STYLES
from gradcheck.verdict import Verdict, worst

MAX_SIDE = 8
"""Rows and columns of a matrix that is shown as one."""


def is_small(outcome: Outcome) -> bool:
    """Return whether the derivatives of an outcome are shown as a matrix, and are more than one number."""
    gradients = outcome.gradients
    if not gradients or not all(len(one.along) == 1 and not one.is_sampled for one in gradients):
        return False
    across = sum(prod(own_shape(one)) for one in _row(outcome))
    down = sum(prod(one.along[0][1]) for one in _column(outcome))
    return down * across > 1 and max(down, across) <= MAX_SIDE


def _row(outcome: Outcome) -> list[GradientOutcome]:
    """Return one gradient for each input."""
    return [*{one.input: one for one in outcome.gradients}.values()]


def _column(outcome: Outcome) -> list[GradientOutcome]:
    """Return one gradient for each input, or output, that is differentiated before."""
    return [*{one.along[0][0]: one for one in outcome.gradients}.values()]


def matrix(peers: Peers, width: int) -> list[Text | Table]:
    """Return the title and the matrix: a row for what is differentiated first, a column for what is last."""
    outcome = peers.first
    what = "Jacobian" if outcome.gradients[0].jacobian else "Hessian"
    title = Text(f"the {what} at {point_text(outcome, lane=False)}, exact", style="bold")
    return [title, fitting([partial(_matrix, peers, digits) for digits in DIGITS], width)]


def _matrix(peers: Peers, digits: int | None) -> Table:
    outcome = peers.first
    table = grid("dim")
    table.add_column("", style="dim", no_wrap=True)
    for one in _row(outcome):
        for k in range(prod(own_shape(one))):
            table.add_column(element(one.input, own_shape(one), k), justify="right", overflow="fold")
    for one in _column(outcome):
        name, shape = one.along[0]
        for k in range(prod(shape)):
            table.add_row(element(name, shape, k), *_cells(peers, name, k, digits))
    return table


def _cells(peers: Peers, along: str, row: int, digits: int | None) -> list[Text]:
    outcome = peers.first
    fmt = FORMATS[outcome.dtype]
    made = []
    for g, one in enumerate(outcome.gradients):
        if one.along[0][0] != along:
            continue
        size = prod(own_shape(one))
        for k in range(row * size, (row + 1) * size):
            verdict = worst(each.judgements[k].verdict for each in peers.columns(g))
            text = exact_text(one.exact[k], fmt, digits)
            mark = "" if verdict is Verdict.AGREE else f" {verdict.tone.sign}"
            made.append(Text(f"{text}{mark}", STYLES[verdict] if mark else ""))
    return made
