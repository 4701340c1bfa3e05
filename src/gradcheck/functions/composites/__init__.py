"""The composite rows: functions of torch that lines of the language define; torch runs its own. A file is a family."""

from __future__ import annotations

from gradcheck.functions.composites import (
    activations,
    convolution,
    images,
    indexing,
    layers,
    linear_algebra,
    losses,
    normalisation,
    ordering,
    pooling,
    products,
    reductions,
    running,
    shapes,
    special,
)
from gradcheck.functions.rows import Composite

FAMILIES = (
    activations,
    convolution,
    images,
    indexing,
    layers,
    linear_algebra,
    losses,
    normalisation,
    ordering,
    pooling,
    products,
    reductions,
    running,
    shapes,
    special,
)
ROWS: tuple[Composite, ...] = tuple(row for family in FAMILIES for row in family.ROWS)
