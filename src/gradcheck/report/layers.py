"""The forward pass as a table: the inputs and the layers, what torch made of each, and its derivative by itself."""

from __future__ import annotations

from collections.abc import Collection

from rich.table import Table
from rich.text import Text

from gradcheck.errors import printable
from gradcheck.formats import FORMATS
from gradcheck.judgements import Judgements
from gradcheck.outcome import Floats, LayerOutcome, Outcome
from gradcheck.program import Shape
from gradcheck.report.grids import DIGITS, breadth, grid, missing
from gradcheck.report.tones import STYLES
from gradcheck.report.words import MAX_ONE_LINE, nested
from gradcheck.verdict import Verdict, worst

SHOWN_VALUES = 8
"""Elements of a layer's value."""
LEAST = 20
"""Columns of a window in which the text of a layer, or its derivative, is broken before other columns go."""
LOCAL, GRAD_FN = "local derivative", "grad_fn"
LESS: tuple[tuple[str, ...], ...] = ((), (GRAD_FN,), (LOCAL, GRAD_FN))
"""The columns that a window goes without, the wider first."""


def layers(outcome: Outcome, width: int) -> Table:
    """Return the forward pass; a narrow window goes without the columns that matter least, and says so."""
    empty = () if any(layer.derivatives for layer in outcome.layers) else (LOCAL,)
    layouts = [
        ((*empty, *left_out), digits, one_line)
        for left_out in LESS
        for digits in DIGITS
        for one_line in (MAX_ONE_LINE, 0)
    ]
    fitting = (one for one in layouts if breadth(_table(outcome, *one, LEAST)) <= width)
    left_out, digits, one_line = next(fitting, layouts[-1])
    return missing(_table(outcome, left_out, digits, one_line), [name for name in left_out if name not in empty])


def _table(
    outcome: Outcome, left_out: Collection[str], digits: int | None, one_line: int, least: int | None = None
) -> Table:
    table = grid()
    table.add_column("layer", overflow="fold", max_width=least)
    table.add_column("shape", no_wrap=True)
    table.add_column("value", no_wrap=True)
    for name, broken in ((LOCAL, True), (GRAD_FN, False)):
        if name not in left_out:
            table.add_column(name, overflow="fold", no_wrap=not broken, max_width=least if broken else None)
    for name, one in outcome.point.items():
        value = Text(numbers(outcome.rounded[name], outcome.dtype, digits, one_line))
        cells = {LOCAL: Text(), GRAD_FN: Text("leaf", "dim")}
        table.add_row(Text(name, "bold"), shape_name(one.shape), value, *_without(cells, left_out))
    for layer in outcome.layers:
        value = judged(numbers(layer.values, outcome.dtype, digits, one_line), layer.judgements)
        text = Text.assemble((layer.name, "bold"), f" = {printable(layer.text)}")
        table.add_row(text, shape_name(layer.shape), value, *_without(_rest(layer), left_out))
    return table


def _rest(layer: LayerOutcome) -> dict[str, Text]:
    local = "\n".join(f"d/d {name}: {text}" for name, text in layer.derivatives.items())
    return {LOCAL: Text(local), GRAD_FN: Text(layer.grad_fn or "none", "dim")}


def _without(cells: dict[str, Text], left_out: Collection[str]) -> list[Text]:
    return [cell for name, cell in cells.items() if name not in left_out]


def judged(text: str, judgements: Judgements, break_at: int = MAX_ONE_LINE) -> Text:
    """Return a value of the output with its worst verdict where that is worth a word, below it where it is long."""
    verdict = worst({Verdict.AGREE, *judgements.verdicts()})
    if verdict is Verdict.AGREE:
        return Text(text)
    between = "\n" if "\n" in text or len(text) > break_at else " "
    return Text.assemble(text, between, (verdict.signed, STYLES[verdict]))


def numbers(values: Floats, dtype: str, digits: int | None = None, one_line: int = MAX_ONE_LINE) -> str:
    """Return a small tensor in full, a large one by its first elements; a longer matrix than one line row by row."""
    shape: Shape = values.shape
    texts = [FORMATS[dtype].text(value, digits) for value in values.ravel()[:SHOWN_VALUES].tolist()]
    if values.size > SHOWN_VALUES:
        return f"{', '.join(texts[:3])}, ... ({values.size:,} elements)"
    return nested(texts, shape, one_line)


def shape_name(shape: Shape) -> str:
    """Return a shape in words."""
    return " x ".join(f"{size:,}" for size in shape) or "scalar"
