"""The table for people: formula, derivative, and both lanes side by side; the worst last, next to the summary."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from math import isfinite
from typing import IO, TypeVar

from rich.console import Console
from rich.table import Table
from rich.text import Text

from gradcheck import numerics
from gradcheck.errors import plural, printable
from gradcheck.formats import FORMATS, Format
from gradcheck.gradients import GradientOutcome
from gradcheck.notation import symbol
from gradcheck.outcome import Outcome, Outcomes, Run
from gradcheck.report import View, lanes
from gradcheck.report.cells import SHOWN_ROWS, cut, radius, value_cell, verdict_cell
from gradcheck.report.grids import DIGITS, fitting, grid, missing, side_by_side
from gradcheck.report.layers import layers
from gradcheck.report.places import element, number_at, output_name, ulp_text, why_of
from gradcheck.report.told import failures, notes
from gradcheck.report.tones import FILE_WIDTH, STYLES, printed, put
from gradcheck.verdict import Verdict, counted

SHOWN_OUTCOMES = 6
"""Tensor checks shown in full; of more, the worst ones."""
MAX_LINE = 240
"""Characters of one line of the gradient program."""

Row = TypeVar("Row")


def write(run: Run, file: IO[str], view: View) -> None:
    """Write the table of a run, wide or narrow as the terminal is; where there is none, without trailing blanks."""
    printed(lambda console: show(run, console, view), file, view)


def show(run: Run, console: Console, view: View) -> None:
    """Print the table of a run on a console, as wide as that is."""
    view = replace(view, width=console.width)
    for part in failures(run, view) if view.quiet else _body(run, view):
        put(console, part, whole=view.quiet and not console.is_terminal)
        if isinstance(part, Table):
            console.print()
    console.print(_summary(run, view.terms), soft_wrap=not console.is_terminal)  # a line of a file stays one line


def _body(run: Run, view: View) -> Iterator[object]:
    if not run.outcomes:
        return
    if isinstance(run.outcomes, Outcomes) and not view.everything:
        each = max(1, len(run.leading(1)[0].gradients))
        few = replace(run, outcomes=run.leading(max(1, SHOWN_ROWS // each)))
        yield from _parts(few, view, len(run))
        left = counted(run.counts() - few.counts())
        more = f"{plural(len(run) - len(few), 'point')} not shown: {left}"
        yield Text(f"above: the worst; {more} (--all shows them)", style="dim")
    else:
        yield from _parts(run, view, len(run))


def _first(run: Run) -> Outcome:
    """Return the first outcome that torch could run, or else the first of all."""
    return next((one for one in run.outcomes if one.error is None), run.outcomes[0])


def _parts(run: Run, view: View, count: int) -> Iterator[object]:
    """Yield the parts of a run, or of the worst of so many outcomes."""
    first = _first(run)
    scalar = all(not value.shape for outcome in run for value in outcome.point.values())
    scalar = scalar and all(layer.shape == () for outcome in run for layer in outcome.layers)
    several = _has_lanes(run) or any(one.jacobian for outcome in run for one in outcome.gradients)
    yield _formulas(run, scalar, view)
    if several:
        yield from lanes.tables(run, scalar, view)
    elif scalar:
        if len(run) == 1 and 1 < len(first.layers) <= SHOWN_ROWS:
            yield layers(first, view.width or FILE_WIDTH)
        yield from _scalar_tables(run, view)
    else:
        yield from _tensor_tables(run, view, count)
    yield from notes(run, view, counted=len(run) == count)


# --- formulas -------------------------------------------------------------------------------------


def _formulas(run: Run, scalar: bool, view: View) -> Table:
    """Return the program and its derivatives, as text."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    outcome = _first(run)
    if len(outcome.program.layers) == 1:
        grid.add_row("formula", _text(outcome.program.source))
    elif scalar:
        grid.add_row("program", _text(outcome.program.source))
    orders = {one.in_lane.way.order: one for one in reversed(run.leading()) if one.error is None}
    gradients = [one for order in sorted(orders) for one in orders[order].gradients]
    closed = {symbol(one, output_name(outcome)): one.formula for one in reversed(gradients) if one.formula is not None}
    for left, right in reversed(closed.items()):
        grid.add_row("derivative", Text(f"{left} = {right}"))
    hidden = all(one.formula is not None or one.order > 1 or one.jacobian for one in gradients)
    if view.verbose or (not hidden and len(outcome.gradient_program) <= SHOWN_ROWS):
        for k, line in enumerate(outcome.gradient_program):
            grid.add_row("gradient" if k == 0 else "", Text(line if len(line) <= MAX_LINE else f"{line[:MAX_LINE]}..."))
    return grid


def _text(source: str) -> Text:
    return Text("\n".join(map(printable, source.splitlines())))


# --- programs of numbers: a row for one point ------------------------------------------------------


def _scalar_tables(run: Run, view: View) -> Iterator[object]:
    rows = [(outcome, gradient) for outcome in run for gradient in outcome.gradients]
    order = sorted(range(len(rows)), key=lambda k: rows[k][0].rank(rows[k][1]))
    shown, hidden = _worst(order, view)
    first = _first(run)
    several_dtypes = len({outcome.dtype for outcome in run}) > 1
    expected = any(gradient.expected is not None for _, gradient in rows)
    special = any(why_of(rows[k][0]) for k in shown)

    def layout(digits: int | None, valued: bool) -> Table:
        table = grid()
        for name in first.point:
            table.add_column(name, justify="right", overflow="fold")
        if several_dtypes:
            table.add_column("dtype", overflow="fold")
        if valued:
            table.add_column("value", justify="right", overflow="fold")
        if len(first.gradients) > 1:
            table.add_column("by")
        _lane_columns(table, expected, view)
        if special:
            table.add_column("boundary", overflow="fold")
        for outcome, gradient in (rows[k] for k in shown):
            fmt = FORMATS[outcome.dtype]
            cells = [Text(fmt.text(outcome.rounded[name].item())) for name in outcome.point]
            cells += [Text(outcome.dtype)] if several_dtypes else []
            cells += [value_cell(outcome, digits)] if valued else []
            cells += [Text(gradient.input)] if len(first.gradients) > 1 else []
            why = [Text(printable(why_of(outcome)))] if special else []
            table.add_row(*cells, *_lanes(gradient, 0, fmt, expected, view, digits), *why)
        return missing(table, [] if valued else ["value"])

    if rows:
        layouts = [partial(layout, digits, valued) for valued in (True, False) for digits in DIGITS]
        yield fitting(layouts, view.width or FILE_WIDTH)
    if hidden:
        yield cut([rows[k][1].judgements for k in hidden], "row")


# --- programs of tensors: layers, then a row for one element ---------------------------------------


def _tensor_tables(run: Run, view: View, count: int) -> Iterator[object]:
    outcomes = list(run)
    order = sorted(range(len(outcomes)), key=lambda k: outcomes[k].rank())
    kept = sorted(order if view.everything else order[-SHOWN_OUTCOMES:])
    dtypes = len({outcome.dtype for outcome in run})
    for k in kept:
        if count > 1:
            place = f"point {k // dtypes + 1} of {count // dtypes}" if count == len(run) else f"one of {count:,} points"
            why = why_of(outcomes[k])
            yield Text(f"{place}, {outcomes[k].dtype}{f': {printable(why)}' if why else ''}", style="bold")
        yield from _tensor_outcome(outcomes[k], view)
    if len(kept) < len(outcomes) == count:
        yield Text(f"{plural(len(outcomes) - len(kept), 'more check')} not shown (--all shows them)", style="dim")


def _tensor_outcome(outcome: Outcome, view: View) -> Iterator[object]:
    if outcome.layers and len(outcome.layers) <= (len(outcome.layers) if view.everything else SHOWN_ROWS):
        yield layers(outcome, view.width or FILE_WIDTH)
    for gradient in outcome.gradients:
        yield from _elements(outcome, gradient, view)


def _elements(outcome: Outcome, gradient: GradientOutcome, view: View) -> Iterator[object]:
    order = gradient.mildest_first()
    left = 0 if view.everything or len(order) <= SHOWN_ROWS else len(order) - SHOWN_ROWS
    fmt, expected = FORMATS[outcome.dtype], gradient.expected is not None

    def layout(digits: int | None) -> Table:
        table = grid()
        table.add_column("element", no_wrap=True)
        table.add_column(gradient.input, justify="right", overflow="fold")
        _lane_columns(table, expected, view)
        for k in order[left:].tolist() if left else range(len(order)):
            at = element(gradient.input, gradient.shape, k)
            point = fmt.text(number_at(outcome, gradient, k))
            table.add_row(Text(at), Text(point), *_lanes(gradient, k, fmt, expected, view, digits))
        return table

    yield fitting([partial(layout, digits) for digits in DIGITS], view.width or FILE_WIDTH)
    if left:
        yield cut([gradient.judgements.part(order[:left])], "element")


# --- rows -----------------------------------------------------------------------------------------


def _lane_columns(table: Table, expected: bool, view: View) -> None:
    for name in ("exact", *(["radius"] if view.verbose else []), "autograd", "ULP"):
        table.add_column(name, justify="right", overflow="fold")
    table.add_column("verdict", no_wrap=True)
    if expected:
        table.add_column("expected", justify="right", overflow="fold")
        table.add_column("", no_wrap=True)


def _lanes(
    gradient: GradientOutcome, k: int, fmt: Format, expected: bool, view: View, digits: int | None
) -> list[Text]:
    found, known = gradient.judgements[k], gradient.exact[k]
    exact, torch = side_by_side(known, gradient.number(k), fmt, digits, differ=not found.verdict.right)
    wide = [Text(radius(gradient.ball(k)))] if view.verbose else []
    cells = [Text(exact), *wide, Text(torch), Text(ulp_text(found.ulps)), verdict_cell(found.verdict)]
    if expected and gradient.expected is not None and gradient.expectations is not None:
        verdict = gradient.expectations[k].verdict
        _, stated = side_by_side(known, gradient.expected[k], fmt, digits, differ=not verdict.right)
        cells += [Text(stated), verdict_cell(verdict)]
    return cells


def _worst(order: list[int], view: View) -> tuple[list[int], list[int]]:
    """Return the rows to show, the worst last where some are cut, and those that are not shown."""
    if view.everything or len(order) <= SHOWN_ROWS:
        return sorted(order), []
    return order[-SHOWN_ROWS:], order[:-SHOWN_ROWS]


def _ways(run: Run) -> str:
    """Return the ways and engines, where any is not the plain one."""
    names = [*dict.fromkeys(map(str, run.lanes))]
    return ", ".join(names) if _has_lanes(run) else ""


def _has_lanes(run: Run) -> bool:
    """Return whether there is more than the plain way, or more than one device."""
    return any(not lane.is_plain for lane in run.lanes) or len({lane.device for lane in run.lanes}) > 1


def _is_measured(run: Run) -> bool:
    """Return whether ULP measure all errors of gradients; of nan and of what has no derivative they measure none."""
    measured = all(verdict.measured or verdict in (Verdict.AGREE, Verdict.UNTRACKED) for verdict in run.counts())
    found = (one.judgements for outcome in run.leading() for one in outcome.gradients)
    return measured and all(isfinite(size) for one in found for size in one.sizes.tolist())


def _summary(run: Run, terms: Sequence[str]) -> Text:
    tally = run.tally
    counts, values, faults, worst = tally.counts, tally.values, tally.faults, tally.ulps
    drawn = any("rand" in value.text for outcome in run.leading(1) for value in outcome.point.values())
    within = "worst" if _is_measured(run) else "the rest within"
    facts = [
        counted(counts) or "nothing checked",
        *([f"value: {counted(values)}"] if set(values) - {Verdict.AGREE} else []),
        *([f"operations: {counted(faults)}"] if set(faults) - {*counts, *values} else []),
        *([f"{within} {ulp_text(worst)} ULP"] if worst is not None else []),
        _ways(run),
        ", ".join(tally.dtypes),
        run.environment["device"],
        *([f"seed {run.seed}"] if drawn else []),
        f"torch {run.environment['torch']}",
        f"sympy {run.environment['sympy']}",
        *numerics.told(run.environment),
        *terms,
    ]
    style = STYLES[run.verdict] if counts else STYLES[Verdict.UNDECIDED]
    return Text.assemble((facts[0], style), *(f" · {fact}" for fact in facts[1:] if fact))
