"""Copies of what other functions only view."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from gradcheck.functions.composites import diagonals, parts, shapes
from gradcheck.functions.params import expanded, order, reshaped
from gradcheck.functions.rows import Composite


def _copy(name: str, of: str, **changes: Any) -> Composite:
    """Return the row of a function that copies what another one only views: it is one of torch's own."""
    row = next(one for one in (*shapes.ROWS, *parts.ROWS, *diagonals.ROWS) if one.name == of)
    samples = tuple(text.replace(f"{of}(", f"{name}(") for text in row.samples[:1])
    new = {"samples": samples, "torch": None, "summary": f"a copy of what {of} returns", **changes}
    return replace(row, name=name, **new)


# fmt: off
ROWS: tuple[Composite, ...] = (
    Composite("alias_copy", ("x",), (), "x", ("alias_copy(v)*v",), summary="a copy of x"),
    _copy("as_strided_copy", "as_strided", torch=lambda m, x, size, stride, storage_offset=0: m.as_strided_copy(x.contiguous().clone(), size, stride, storage_offset)),
    _copy("diagonal_copy", "diagonal"),
    _copy("narrow_copy", "narrow"),
    _copy("squeeze_copy", "squeeze", samples=("squeeze_copy(a[:, :1])",)),
    _copy("t_copy", "t"),
    _copy("transpose_copy", "transpose"),
    _copy("unbind_copy", "unbind"),
    _copy("unsqueeze_copy", "unsqueeze"),
    _copy("split_with_sizes_copy", "split_with_sizes"),
    _copy("unfold_copy", "unfold", samples=("unfold_copy(b, 1, 2, 1)",)),
    Composite("expand_copy", ("x",), ("size",), lambda x, size: f"expand(x, {expanded(size, x)})", ("expand_copy(v, (2, 3))",), summary="a copy of what expand returns"),
    Composite("permute_copy", ("x",), ("dims",), lambda x, dims: f"permute(x, {order(dims, len(x))})", ("permute_copy(a, (1, 0))",), summary="a copy of what permute returns"),
    Composite("view_copy", ("x",), ("size",), lambda x, size: f"reshape(x, {reshaped(size, x)})", ("view_copy(a, (-1, 1))",), summary="a copy of what view returns"),
)
# fmt: on
