"""What contradicts what: a line for the lanes of each order whose numbers rounding does not explain."""

from __future__ import annotations

from collections.abc import Iterator

from rich.text import Text

from gradcheck.errors import plural
from gradcheck.formats import FORMATS, Ball
from gradcheck.outcome import Run
from gradcheck.peers import Contradiction, peers
from gradcheck.report.lanes import Row, exact_cell
from gradcheck.report.places import lane_word, named, point_text, written
from gradcheck.report.words import listed


def contradictions(run: Run) -> Iterator[Text]:
    """Yield a line for the lanes of each order that contradict each other, at the worst place.

    >>> from gradcheck import check
    >>> [line] = contradictions(check("sinc(t)", t=0.0, ways="rev-rev,fwd-rev", dtype="float64"))
    >>> line.plain.partition(" at ")[0]
    'rev-rev contradicts fwd-rev'
    """
    found: dict[tuple[int, str], list[Contradiction]] = {}
    for one in peers(run.leading()):
        if one.contradictions:
            found.setdefault((one.order, one.first.dtype), []).extend(one.contradictions)
    for same in found.values():
        worst = max(same, key=lambda one: Row(one.peers, one.g, one.k).rank)
        yield Text(_sentence(worst, len(same) - 1), style="bold")


def _sentence(one: Contradiction, more: int) -> str:
    outcome = one.peers.first
    fmt = FORMATS[outcome.dtype]
    sides = [(listed(map(str, lanes)), written(number, fmt), len(lanes)) for lanes, number in one.sides]
    where = f"{named(outcome, one.gradient, one.k)}, {point_text(outcome, lane=False)}"
    others = f" (and at {plural(more, 'more place')})" if more else ""
    known = one.gradient.ball(one.k)
    right = "" if not isinstance(known, Ball) else f"; {exact_cell(Row(one.peers, one.g, one.k), None)} is right"
    if len(sides) == 2:
        (first, a, count), (second, b, _) = sides
        return f"{first} contradict{'s' * (count == 1)} {second} at {where}{others}: {a} and {b}{right}"
    each = ", ".join(f"{lanes} {'has' if count == 1 else 'have'} {number}" for lanes, number, count in sides)
    return f"the {lane_word(one.peers.lanes)}s contradict each other at {where}{others}: {each}{right}"
