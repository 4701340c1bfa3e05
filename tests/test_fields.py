"""What a row says of itself beside its meaning is so: what it compares, what equal arguments give, where it grows."""

from __future__ import annotations

import re
from math import isfinite

import numpy as np
import pytest
import torch

from gradcheck import exact
from gradcheck.autograd import function
from gradcheck.differentiate import pull_back
from gradcheck.formats import FORMATS, Ball
from gradcheck.functions import ELEMENTWISE, Elementwise, special
from gradcheck.lower import lower
from oracles import shapes
from table import each, program_of

ROWS = pytest.mark.parametrize("row", each(ELEMENTWISE.values()))
PAIRS = pytest.mark.parametrize("row", each(row for row in ELEMENTWISE.values() if len(row.args) == 2))
NUMBERS = (-2.5, -0.75, 0.25, 1.5, 3.0)


def value(row: Elementwise, *args: float) -> float | None:
    """Return the exact value next to float64, None where there is none."""
    point = {name: np.array(one) for name, one in zip(row.args, args, strict=True)}
    [found] = exact.balls(exact.enclose(lower(program_of(row)), point)["out"], 128)
    return found.nearest if isinstance(found, Ball) else None


@ROWS
def test_every_row_is_evaluated_in_machine_intervals(row: Elementwise) -> None:
    """But for special functions, for which NumPy has nothing whose error is known: these are left to balls."""
    assert (row.machine is None) == (row in special.ROWS)


@ROWS
def test_a_row_compares_the_arguments_whose_equality_is_its_kink(row: Elementwise) -> None:
    pairs = re.findall(r"(\w+) == (\w+)", row.kinks or "")
    places = {tuple(sorted(map(row.args.index, pair))) for pair in pairs if {*pair} <= {*row.args}}
    assert {*row.compares} == places
    assert len(row.compares) == len(places)


@ROWS
def test_what_may_spare_all_digits_is_rounded_correctly(row: Elementwise) -> None:
    assert not row.spares or (row.budget == 1 and len(row.spares) == len(row.args))
    assert row.halves >= 1
    assert not row.spares or {*row.spares} <= {"", "zero", "power of two"}


@PAIRS
def test_of_equal_arguments_a_row_makes_what_it_says(row: Elementwise) -> None:
    """One and the same number, one of the two, or neither."""
    made = [value(row, one, one) for one in NUMBERS]
    is_constant = None not in made and len({round(one, 12) for one in made if one is not None}) == 1
    assert row.equals == ("constant" if is_constant else "either" if made == [*NUMBERS] else "")


@ROWS
def test_an_exact_0_absorbs_the_other_argument_where_the_row_says_so(row: Elementwise) -> None:
    for place in row.absorbing:
        for other in NUMBERS:
            args = [other] * len(row.args)
            args[place] = 0.0
            assert value(row, *args) == 0.0


@ROWS
def test_a_safe_argument_has_a_value_and_a_slope(row: Elementwise) -> None:
    point = {name: np.array(float(row.safe)) for name in row.args}
    pulled = pull_back(lower(program_of(row), shapes(point)), row.moving)
    values = exact.enclose(pulled.core, point)
    names = ["out", *pulled.program.outputs] if not row.kinks else ["out"]
    assert all(isinstance(exact.balls(values[name], 128)[0], Ball) for name in names)


@pytest.mark.parametrize("row", each(row for row in ELEMENTWISE.values() if len(row.args) == 1))
def test_a_row_grows_if_it_overflows_at_arguments_of_ordinary_size(row: Elementwise) -> None:
    """At some thousands, which every format holds."""
    largest = FORMATS["float64"].largest
    found = [value(row, one) for one in (-5_000.0, 5_000.0)]
    assert row.grows == any(one is not None and abs(one) > largest for one in found)


@ROWS
def test_the_sign_of_a_zero_decides_only_where_the_row_says_so(row: Elementwise) -> None:
    apart = False
    for place in range(len(row.args)):
        for other in (-1.0, 1.0):
            ends = []
            for zero in (0.0, -0.0):
                args = [torch.tensor(zero if k == place else other, dtype=torch.float64) for k in range(len(row.args))]
                ends.append(float(function(row.name)(*args)))
            apart = apart or (all(map(isfinite, ends)) and ends[0] != ends[1])
    assert row.signed_zeros == apart


@ROWS
def test_a_budget_in_machine_intervals_is_a_promise_of_a_library(row: Elementwise) -> None:
    """None, one rounding or two, 4 ULP of NumPy's SIMD code, and what Python's erf and erfc and a quotient have."""
    assert getattr(row.machine, "budget", 0) in (0, 1, 2, 4, 8, 12)
