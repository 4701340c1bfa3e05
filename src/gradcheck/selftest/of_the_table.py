"""Faults that are planted in the table itself: some rows of every family, each wrong in a way of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import cycle

import torch

from gradcheck.autograd import function
from gradcheck.functions import TABLE, Composite, Tensor, families
from gradcheck.parse import parse
from gradcheck.selftest.inputs import DTYPES, at_the_inputs
from gradcheck.selftest.planting import Fault, altered

Change = Callable[[torch.Tensor], torch.Tensor]
EACH = 4
"""Rows of a family that have a fault, at most."""
MISTAKES: tuple[tuple[str, Change], ...] = (
    ("twice too large", lambda g: 2 * g),
    ("of the wrong sign", lambda g: -g),
    ("half too large", lambda g: 1.5 * g),
    ("a tenth too small", lambda g: 0.9 * g),
)
"""What is done to the cotangent of a result, which every format shows."""


def planted_in_the_table() -> Iterator[Fault]:
    """Yield a fault of some rows of every family of functions of tensors, the mistakes and the dtypes in turn."""
    mistakes, dtypes = cycle(MISTAKES), cycle(DTYPES)
    for names in families().values():
        rows = [row for name in names if isinstance(row := TABLE[name], Tensor | Composite)]
        for row in rows[:: -(-len(rows) // EACH)] if rows else ():
            (what, change), dtype = next(mistakes), next(dtypes)
            program = f"sum(sin({row.samples[0]}))"
            held = dtype if isinstance(row, Tensor) or not row.dtypes or dtype in row.dtypes else row.dtypes[0]
            yield Fault(
                f"{row.name}, {what}", row.name, program, at_the_inputs(parse(program).inputs), held,
                altered(function(row.name), change),
            )  # fmt: skip
