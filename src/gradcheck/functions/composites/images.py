"""Padding, resampling and sampling of images."""

from __future__ import annotations

from gradcheck.functions.rows import Composite

# fmt: off
ROWS: tuple[Composite, ...] = (
)
# fmt: on
