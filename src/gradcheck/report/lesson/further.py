"""Further orders and other ways in a lesson: the derivative of the derivative, the Hessian, torch's ways beside it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from gradcheck.errors import plural
from gradcheck.explanation.model import Entry, Explanation, Further
from gradcheck.formats import exact_text
from gradcheck.report import View
from gradcheck.report.lesson.blocks import (
    Block,
    Code,
    Column,
    Equation,
    Formulas,
    Heading,
    Mark,
    Rows,
    Sentence,
    Story,
    Words,
)
from gradcheck.report.lesson.derivations import rules_of, worked
from gradcheck.report.lesson.values import Values
from gradcheck.report.places import ulp_text
from gradcheck.report.told import notes
from gradcheck.report.words import ORDINALS
from gradcheck.verdict import Verdict

MAX_MATRIX = 6
"""Rows of a Hessian that is shown as a matrix."""
SHOWN = 16
"""Elements of the table of ways; of more, the worst."""


def further(one: Further, explanation: Explanation, values: Values, *, hint: bool, exercise: bool) -> Iterator[Block]:
    """Yield what there is to tell of one order."""
    yield Heading((_title(one),))
    if one.order > 1:
        yield Sentence(("The derivative is a function of its own, and is differentiated like any other.",))
    told = rules_of(explanation.derivations)
    yield from worked(one.derivations, values, told, hint=hint, exercise=exercise, level=3)
    if exercise:
        return
    if len(one.closed) > 1 < one.order:
        yield Sentence((f"So the {ORDINALS[one.order]} derivatives are:",))
        yield Formulas(tuple(Equation((closed,), (title,)) for title, closed in one.closed))
    if one.order == 2 and 1 < len(one.labels) <= MAX_MATRIX and one.entries:
        yield Sentence(("All of them make a matrix, the Hessian; it is its own transpose:",))
        yield matrix(one, values)
    yield from _ways(one, explanation, values)
    for way, error in one.errors:
        yield Sentence((f"{way}: {error.splitlines()[0]}",), "note")
    if next(iter(notes(one.run, View())), None) is not None:
        yield Story(one.run)


def _title(one: Further) -> str:
    if one.order == 1:
        return f"The gradient in {'another way' if len(one.ways) == 1 else 'other ways'}"
    return f"The {ORDINALS[one.order]} derivative"


def matrix(one: Further, values: Values) -> Rows:
    """Return the exact second derivatives as a matrix: the row is what the derivative is by first."""
    found = {entry.by: entry for entry in one.entries}
    columns = (Column(("by",), 2), *(Column((Code(name),), 3, right=True) for name in one.labels))
    rows: tuple[tuple[Words, ...], ...] = tuple(
        ((Code(row),), *((exact_text(found[row, column].exact, values.format),) for column in one.labels))
        for row in one.labels
    )
    return Rows(columns, rows)


def _ways(one: Further, explanation: Explanation, values: Values) -> Iterator[Block]:
    """Yield what torch has in each way beside the truth."""
    if not one.entries:
        return
    yield Sentence((_SAID[one.order > 1],))
    shown = _shown(one.entries)
    output = explanation.program.output if len(explanation.program.layers) > 1 else "f"
    yield Rows(COLUMNS, tuple(row for k in shown for row in _rows(one, one.entries[k], output, values)))
    if left := len(one.entries) - len(shown):
        yield Sentence((f"{plural(left, 'more element')} not shown.",), "note")


COLUMNS = (
    Column(("derivative",), 3), Column(("exact",), 3, right=True), Column(("way",), 3),
    Column(("autograd",), 3, right=True), Column(("ULP",), 2, right=True), Column(("verdict",), 2),
)  # fmt: skip
_SAID = {
    True: "Autograd has it in several ways: reverse mode (rev) pulls cotangents back, forward mode (fwd) pushes "
    "tangents on, and what stands first is done last. All of them are to compute the same number.",
    False: "Forward mode pushes a tangent for each input from the inputs on; reverse mode pulls one cotangent back.",
}  # fmt: skip


def _shown(entries: Sequence[Entry]) -> list[int]:
    order = sorted(range(len(entries)), key=lambda k: -Verdict(entries[k].verdict).severity)
    return sorted(order[:SHOWN])


def _rows(one: Further, entry: Entry, output: str, values: Values) -> Iterator[tuple[Words, ...]]:
    """Yield a row for each number that torch has for one element, with the ways that have it."""
    text, order = values.format.text, len(entry.by)
    above = f"d {output}" if order == 1 else f"d{order} {output}"
    same: dict[tuple[str, str, str], list[str]] = {}
    for way, found, ulps, verdict in zip(one.ways, entry.torch, entry.ulps, entry.verdicts, strict=True):
        key = "none" if found is None else text(found), ulp_text(ulps), verdict
        same.setdefault(key, []).append(way)
    for k, ((number_text, off, judged), ways) in enumerate(same.items()):
        name = Code(f"{above}/{' '.join(f'd {by}' for by in entry.by)}")
        first: tuple[Words, ...] = ((name,), (exact_text(entry.exact, values.format),)) if k == 0 else ((), ())
        called = "every way" if len(ways) == len(one.ways) > 1 else ", ".join(ways)
        yield (*first, (called,), (number_text,), (off,), (Mark(Verdict(judged)),))
