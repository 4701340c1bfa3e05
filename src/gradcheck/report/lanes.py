"""Tables of several lanes: one exact column, and beside it a column for each lane, or a row for each of its numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from math import prod

import numpy as np
from rich.table import Table
from rich.text import Text

from gradcheck.errors import plural, printable
from gradcheck.formats import FORMATS
from gradcheck.gradients import GradientOutcome
from gradcheck.judgements import Judgements
from gradcheck.lane import Lane
from gradcheck.outcome import Run
from gradcheck.peers import Peers, peers
from gradcheck.report import View
from gradcheck.report.cells import SHOWN_ROWS, cut, radius, value_cell, verdict_cell, within
from gradcheck.report.grids import DIGITS, fitting, grid, missing, side_by_side
from gradcheck.report.layers import layers
from gradcheck.report.matrices import is_small, matrix
from gradcheck.report.places import lane_word, named, number_at, point_text, ulp_text, why_of
from gradcheck.report.tones import FILE_WIDTH, STYLES
from gradcheck.report.words import ORDINALS
from gradcheck.verdict import Verdict

SHOWN_POINTS = 6
"""Points of tensors shown in full; of more, the worst ones."""


@dataclass(frozen=True, slots=True)
class Layout:
    """How wide a table is: the digits of numbers, verdicts as words or as signs, with the value or without it.

    ``between`` is what stands between the lanes that have one number, empty where each lane has a column.
    """

    digits: int | None
    words: bool = True
    valued: bool = True
    between: str = ""


WIDE = ((None, True, True), (None, False, True), (10, True, True), (10, False, True), (6, False, False))
"""Digits, words and value of tables with a column for each lane, the widest first."""


@dataclass(frozen=True, slots=True)
class Row:
    """One element of a gradient in all lanes."""

    peers: Peers
    g: int
    k: int

    @property
    def columns(self) -> tuple[GradientOutcome, ...]:
        """Return the gradient in each lane."""
        return self.peers.columns(self.g)

    @property
    def rank(self) -> tuple[object, ...]:
        """Return how bad it is in the worst lane."""
        return tuple(self.peers.ranks(self.g)[self.k])

    @property
    def verdicts(self) -> set[Verdict]:
        """Return the verdicts on torch in all lanes."""
        return {one.judgements[self.k].verdict for one in self.columns}


def tables(run: Run, scalar: bool, view: View) -> Iterator[object]:
    """Yield the tables of a run, by order; those of tensors by point, and then by order."""
    groups = [one for one in peers(run.outcomes) if one.lanes]
    orders = sorted({one.order for one in groups})
    if scalar:
        for order in orders:
            here = [one for one in groups if one.order == order]
            yield from _section(here, scalar, view, titled=len(orders) > 1)
        return
    points: dict[object, list[Peers]] = {}
    for one in groups:
        points.setdefault((id(one.first.point), one.first.dtype), []).append(one)
    ranked = sorted(points.values(), key=lambda held: max(each.rank() for one in held for each in one.outcomes))
    kept = {id(one) for one in (ranked if view.everything else ranked[-SHOWN_POINTS:])}
    shown = [one for one in points.values() if id(one) in kept]
    for held in shown:
        yield from _point(held, view, several=len(points) > 1)
    if len(shown) < len(points):
        yield Text(f"{plural(len(points) - len(shown), 'more point')} not shown (--all shows them)", style="dim")


def _point(held: Sequence[Peers], view: View, *, several: bool) -> Iterator[object]:
    first = held[0].first
    if several:
        yield Text(f"at {point_text(first)}", style="bold")
    if first.layers and (view.everything or len(first.layers) <= SHOWN_ROWS):
        yield layers(first, view.width or FILE_WIDTH)
    for one in held:
        yield from _section([one], False, view, titled=len(held) > 1)


def _section(groups: Sequence[Peers], scalar: bool, view: View, *, titled: bool) -> Iterator[object]:
    """Yield the tables of one order: a small matrix where there is one point, and the elements."""
    alone, width = groups[0], view.width or FILE_WIDTH
    small = len(groups) == 1 and is_small(alone.first)
    if small:
        yield from matrix(alone, width)
    elif titled:
        yield Text(f"{ORDINALS[alone.order]} derivatives", style="bold")
    rows = _rows(groups, view, doubted=small and not view.everything and not view.verbose)
    if rows:
        yield _table(rows, scalar, view)
    if small and len(rows) < sum(prod(one.shape) for one in alone.first.gradients):
        yield from _rest(alone, rows)
    elif (left := _left(groups, rows)) and not small:
        yield cut(left, "number")
    if any(one.is_sampled for one in alone.first.gradients):
        yield Text("v0, v1, ... are directions: there are too many elements to take each of them", style="dim")


# --- which elements --------------------------------------------------------------------------------


def _rows(groups: Sequence[Peers], view: View, *, doubted: bool) -> list[Row]:
    """Return the elements to show: all, the worst where they are many, or those ``doubted`` in any lane."""
    found: list[Row] = []
    for one in groups:
        for g in range(len(one.first.gradients)):
            order = one.ranks(g).mildest_first()
            if doubted:
                order = order[~one.agrees(g)[order]]
            kept = sorted(order.tolist() if view.everything else order[-SHOWN_ROWS:].tolist())
            found += [Row(one, g, k) for k in kept]
    if view.everything or len(found) <= SHOWN_ROWS:
        return found
    worst = sorted(range(len(found)), key=lambda k: found[k].rank)[-SHOWN_ROWS:]
    return [found[k] for k in (sorted(worst) if doubted else worst)]


def _left(groups: Sequence[Peers], rows: Sequence[Row]) -> list[Judgements]:
    """Return the judgements on the elements that no row shows, by lane."""
    shown: dict[tuple[int, int], list[int]] = {}
    for row in rows:
        shown.setdefault((id(row.peers), row.g), []).append(row.k)
    found: list[Judgements] = []
    for one in groups:
        for g, gradient in enumerate(one.first.gradients):
            rest = np.ones(len(gradient.judgements), dtype=np.bool_)
            rest[shown.get((id(one), g), [])] = False
            at = np.flatnonzero(rest)
            found += [column.judgements.part(at) for column in one.columns(g) if len(at)]
    return found


def _rest(alone: Peers, rows: Sequence[Row]) -> Iterator[object]:
    """Yield what the lanes came to, where a matrix has the exact numbers and not every element a row."""
    if rows:
        yield Text(_the_rest(alone, rows), style="dim")
        return
    table = grid()
    table.add_column(lane_word(alone.lanes), overflow="fold")
    table.add_column("worst ULP", justify="right")
    table.add_column("verdict", no_wrap=True)
    for one in alone.outcomes:
        counts = one.counts()
        ulps = max((each.worst_ulps for each in one.gradients if each.worst_ulps is not None), default=None)
        told = (Text(f"{each.tone.sign} {counts[each]:,} {each}", STYLES[each]) for each in counts)
        table.add_row(str(one.in_lane), ulp_text(ulps), Text(", ").join(told))
    yield table


def _the_rest(alone: Peers, rows: Sequence[Row]) -> str:
    left = _left([alone], rows)
    if any(set(one.verdicts()) != {Verdict.AGREE} for one in left):
        return f"the rest: {within(left)}"
    worst = max((one.worst_ulps for one in left if one.worst_ulps is not None), default=0.0)
    count, lanes = sum(map(len, left)) // len(alone.lanes), len(alone.lanes)
    every = f" in all {plural(lanes, lane_word(alone.lanes))}" if lanes > 1 else ""
    return f"{plural(count, 'more element')} agree{'s' * (count == 1)}{every}, within {ulp_text(worst)} ULP"


# --- the table -------------------------------------------------------------------------------------


def _table(rows: Sequence[Row], scalar: bool, view: View) -> Table:
    """Return the elements by rows; where the lanes do not fit side by side, each of their numbers has a row."""
    wide = [Layout(digits, words, valued) for digits, words, valued in WIDE]
    if len({lane for row in rows for lane in row.peers.lanes}) == 1:
        wide, deep = [Layout(digits) for digits in DIGITS], []
    else:
        deep = [Layout(digits, between=between) for between in (", ", ",\n") for digits in DIGITS]
        deep.insert(len(DIGITS), wide.pop())
        deep.append(Layout(DIGITS[-1], words=False, valued=False, between=",\n"))
    made = [partial(_side_by_side, rows, scalar, view, one) for one in wide]
    made += [partial(_stacked if one.between else _side_by_side, rows, scalar, view, one) for one in deep]
    return fitting(made, view.width or FILE_WIDTH)


@dataclass(frozen=True, slots=True)
class Column:
    """A column before those of the lanes: what makes its cells, whether these are words, and stay on one line."""

    name: str
    cell: Callable[[Row], Text]
    words: bool = False
    whole: bool = False


def _columns(rows: Sequence[Row], scalar: bool, view: View, layout: Layout) -> list[Column]:
    """Return the columns before those of the lanes; an input may be called like any of the others."""
    first, order = rows[0].peers.first, rows[0].peers.order
    outcomes = {id(row.peers.first): row.peers.first for row in rows}.values()
    found: list[Column] = []
    if scalar and (order == 1 or len(outcomes) > 1):
        found += [Column(name, partial(_at, name)) for name in first.point]
    if len({one.dtype for one in outcomes}) > 1:
        found.append(Column("dtype", lambda row: Text(row.peers.first.dtype), words=True))
    if scalar and order == 1 and layout.valued:
        found.append(Column("value", lambda row: value_cell(row.peers.first, layout.digits)))
    if order > 1 or not scalar or len(first.gradients) > 1:
        name = "derivative" if order > 1 else "by" if scalar else "element"
        found.append(
            Column(name, lambda row: Text(named(row.peers.first, row.columns[0], row.k)), words=True, whole=True)
        )
    if not scalar and order == 1 and not first.gradients[0].jacobian:
        found.append(Column("at", _own))
    if any(map(why_of, outcomes)):
        found.append(Column("boundary", lambda row: Text(printable(why_of(row.peers.first))), words=True))
    found.append(Column("exact", lambda row: Text(exact_cell(row, layout.digits))))
    if view.verbose:
        found.append(Column("radius", lambda row: Text(radius(row.columns[0].ball(row.k)))))
    return found


def _at(name: str, row: Row) -> Text:
    outcome = row.peers.first
    return Text(FORMATS[outcome.dtype].text(outcome.rounded[name].item()))


def _own(row: Row) -> Text:
    outcome = row.peers.first
    return Text(FORMATS[outcome.dtype].text(number_at(outcome, row.columns[0], row.k)))


def _head(table: Table, rows: Sequence[Row], scalar: bool, view: View, layout: Layout) -> Callable[[Row], list[Text]]:
    """Add the columns before those of the lanes, and return what makes their cells."""
    columns = _columns(rows, scalar, view, layout)
    for one in columns:
        table.add_column(one.name, justify="left" if one.words else "right", no_wrap=one.whole, overflow="fold")
    missing(table, [] if layout.valued or not scalar or rows[0].peers.order > 1 else ["value"])
    return lambda row: [one.cell(row) for one in columns]


def exact_cell(row: Row, digits: int | None) -> str:
    """Return the exact number, with the digits that tell it from those that are called different."""
    fmt = FORMATS[row.peers.first.dtype]
    texts = [_pair(one, row.k, fmt.name, digits)[0] for one in row.columns]
    return max(texts, key=len)


def _pair(one: GradientOutcome, k: int, dtype: str, digits: int | None) -> tuple[str, str]:
    fmt, right = FORMATS[dtype], one.judgements[k].verdict.right
    return side_by_side(one.exact[k], one.number(k), fmt, digits, differ=not right)


def _side_by_side(rows: Sequence[Row], scalar: bool, view: View, layout: Layout) -> Table:
    table = grid()
    cells = _head(table, rows, scalar, view, layout)
    lanes = [*dict.fromkeys(str(lane) for row in rows for lane in row.peers.lanes)]
    stated = _stated(rows)
    for name in lanes:
        table.add_column(name, justify="right", overflow="fold")
        table.add_column("ULP", justify="right", overflow="fold")
        if layout.words:
            table.add_column("verdict" if len(lanes) == 1 else "", no_wrap=True)
    for name in ("expected", "") if stated else ():
        table.add_column(name, justify="right" if name else "left", overflow="fold")
    for row in rows:
        made = {str(lane): one for lane, one in zip(row.peers.lanes, row.columns, strict=True)}
        each = [cell for name in lanes for cell in _lane_cells(made.get(name), row, layout)]
        table.add_row(*cells(row), *each, *(_expected(row, layout.digits) if stated else []))
    return table


def _lane_cells(one: GradientOutcome | None, row: Row, layout: Layout) -> list[Text]:
    if one is None:
        return [Text()] * (3 if layout.words else 2)
    found = one.judgements[row.k]
    number = Text(_pair(one, row.k, row.peers.first.dtype, layout.digits)[1])
    if layout.words:
        return [number, Text(ulp_text(found.ulps)), verdict_cell(found.verdict)]
    sign = Text(f" {found.verdict.tone.sign}", STYLES[found.verdict])
    return [number, Text(ulp_text(found.ulps)) + sign]


def _stated(rows: Sequence[Row]) -> bool:
    return any(one.expectations is not None for row in rows for one in row.columns)


def _expected(row: Row, digits: int | None) -> list[Text]:
    one = next((each for each in row.columns if each.expectations is not None), None)
    if one is None or one.expectations is None or one.expected is None:
        return [Text(), Text()]
    fmt, verdict = FORMATS[row.peers.first.dtype], one.expectations[row.k].verdict
    _, stated = side_by_side(one.exact[row.k], one.expected[row.k], fmt, digits, differ=not verdict.right)
    return [Text(stated), verdict_cell(verdict)]


def _stacked(rows: Sequence[Row], scalar: bool, view: View, layout: Layout) -> Table:
    """Return a table with a row for each number that lanes have of an element, and the lanes that have it."""
    table = grid()
    cells = _head(table, rows, scalar, view, layout)
    stated = _stated(rows)
    table.add_column(lane_word(lane for row in rows for lane in row.peers.lanes), no_wrap=True)
    for name in ("autograd", "ULP"):
        table.add_column(name, justify="right", overflow="fold")
    if layout.words:
        table.add_column("verdict", no_wrap=True)
    for name in ("expected", "") if stated else ():
        table.add_column(name, justify="right" if name else "left", overflow="fold")
    for row in rows:
        before = cells(row)
        for held in _alike(row):
            after = _expected(row, layout.digits) if stated and before[-1] else []
            told = Text(_told([lane for lane, _ in held], row, layout.between))
            table.add_row(*before, told, *_lane_cells(held[0][1], row, layout), *after)
            before = [Text()] * len(before)
    return table


def _alike(row: Row) -> list[list[tuple[Lane, GradientOutcome]]]:
    """Return the lanes that have the very same number of an element, and the same verdict."""
    found: dict[tuple[object, ...], list[tuple[Lane, GradientOutcome]]] = {}
    for lane, one in zip(row.peers.lanes, row.columns, strict=True):
        judged = one.judgements[row.k]
        found.setdefault((repr(one.number(row.k)), judged.verdict, judged.ulps), []).append((lane, one))
    return [*found.values()]


def _told(lanes: Sequence[Lane], row: Row, between: str) -> str:
    if len(lanes) == len(row.peers.lanes) > 1:
        return f"all {len(lanes)}" if len(lanes) > 2 else "both"
    return between.join(map(str, lanes))
