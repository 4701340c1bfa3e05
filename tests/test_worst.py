"""The worst numbers that torch was seen to return, and how much of their rounding enclosures they take.

`benchmarks/budgets.py --record` finds them, for every elementwise row, in every dtype, forward and back. Enclosures of
half the width leave some of them out, and those of twice the width hide as much more: both show here.
"""

from __future__ import annotations

import pytest

from gradcheck.functions import ELEMENTWISE, Elementwise
from parts import REDUCTIONS, ROWS, WAYS, part, records
from table import each, formats_of

RECORDS = records()
MEASURED = {one["row"] for one in RECORDS}


@pytest.mark.parametrize("row", each(row for row in ELEMENTWISE.values() if row.budget))
def test_every_row_that_rounds_has_its_worst_on_record(row: Elementwise) -> None:
    assert {one["dtype"] for one in RECORDS if one["row"] == row.name and one["what"] == "value"} == {
        fmt.name for fmt in formats_of(row)
    }


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", sorted(MEASURED))
def test_what_torch_returned_takes_the_part_of_its_enclosure_that_was_measured(name: str, way: str) -> None:
    """In arrays of float64 the enclosure's own error counts, which the processor's SIMD code has a share in."""
    for one in RECORDS:
        if one["row"] == name:
            close = 0.25 if (one["dtype"], way) == ("float64", "arrays") else 0.02
            assert 0 < part(one, way) <= 1
            assert part(one, way) == pytest.approx(one[way], rel=close), one


def test_nothing_on_record_is_without_its_row() -> None:
    assert ROWS.keys() >= MEASURED - REDUCTIONS.keys()
    assert REDUCTIONS.keys() <= MEASURED
