"""The guide for contributors: its row is a row, which the loops over the table take as they take all others."""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path

import pytest

from gradcheck import check
from gradcheck.functions import COMPOSITE, Composite
from gradcheck.verdict import Verdict
from table import weighted
from test_table import test_every_transpose_is_the_finite_difference_of_exact_values as has_the_right_slope
from test_table import test_torch_has_the_same_value_of_every_sample as has_the_same_value

GUIDE = (Path(__file__).parent.parent / "CONTRIBUTING.md").read_text()


@pytest.fixture
def row(monkeypatch: pytest.MonkeyPatch) -> Composite:
    """Return the row of the guide, which is in the table meanwhile."""
    [code] = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)
    made = eval(code, {"Composite": Composite, "Fraction": Fraction})
    assert isinstance(made, Composite)
    monkeypatch.setitem(COMPOSITE, made.name, made)
    return made


def test_the_row_of_the_guide_is_right(row: Composite) -> None:
    assert row.summary
    for text in row.samples:
        has_the_same_value(text)
        has_the_right_slope(text)
        program, point = weighted(text)
        assert check(str(program), dict(point), dtype="float64").verdict is Verdict.AGREE


def test_every_file_that_the_guide_names_is_there() -> None:
    root = Path(__file__).parent.parent
    for name in re.findall(r"`((?:src|tests|docs)/[\w./]+)`", GUIDE):
        assert (root / name).exists(), name
