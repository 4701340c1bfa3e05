"""Linear layers, embeddings and attention."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from typing import Any

from gradcheck.functions.params import axis, broadcast, shape_text
from gradcheck.functions.rows import Composite
from gradcheck.program import Param, Shape

# --- linear -----------------------------------------------------------------------------------------------------------


def _linear(x: Shape, weight: Shape, bias: Shape) -> str:
    if not x or len(weight) not in (1, 2) or x[-1] != weight[-1]:
        raise ValueError(
            f"linear takes a weight of out x in, for x with in elements along its last dim; these are "
            f"{shape_text(weight)} and {shape_text(x)}"
        )
    if bias not in ((), weight[:-1]):
        raise ValueError(f"linear takes a bias of {shape_text(weight[:-1])}, and this one is {shape_text(bias)}")
    return f"x @ {'weight' if len(weight) == 1 else 'weight.T'} + bias"


def _bilinear(x1: Shape, x2: Shape, weight: Shape, bias: Shape) -> str:
    if not x1 or not x2 or x1[:-1] != x2[:-1] or len(weight) != 3 or weight[1:] != (x1[-1], x2[-1]):
        raise ValueError(
            "bilinear takes a weight of out x in1 x in2, for x1 and x2 that have in1 and in2 last and all else alike"
        )
    if bias not in ((), weight[:1]):
        raise ValueError(
            f"bilinear takes a bias of {shape_text(weight[:1])}; one of {shape_text(bias)} is not supported"
        )
    rank = len(x1)
    return (
        f"sum(reshape(x1, {(*x1[:-1], 1, x1[-1], 1)})*weight*reshape(x2, {(*x2[:-1], 1, 1, x2[-1])}), "
        f"dim={(rank, rank + 1)}) + bias"
    )


# --- embeddings -------------------------------------------------------------------------------------------------------


def _numbers(indices: Param) -> tuple[Shape, list[int]]:
    """Return the shape of nested whole numbers, and the numbers in a row."""
    if isinstance(indices, int):
        return (), [indices]
    if not isinstance(indices, tuple) or not indices:
        raise ValueError("indices are whole numbers")
    parts = [_numbers(one) for one in indices]
    if any(shape != parts[0][0] for shape, _ in parts):
        raise ValueError("the rows of the indices are not of one length")
    return (len(parts), *parts[0][0]), [one for _, row in parts for one in row]


def _rows(indices: Param, weight: Shape, padding_idx: Param) -> tuple[Shape, list[int], int | None]:
    """Return the shape of the indices, the rows that they pick, and the row that is padding."""
    if len(weight) != 2:
        raise ValueError(f"an embedding has a weight of two dimensions, and this one is {shape_text(weight)}")
    shape, rows = _numbers(indices)
    count = weight[0]
    if not all(0 <= row < count for row in rows):
        raise ValueError(f"an index of this weight is from 0 to {count - 1}")
    if padding_idx is None:
        return shape, rows, None
    if not isinstance(padding_idx, int) or isinstance(padding_idx, bool) or not -count <= padding_idx < count:
        raise ValueError(f"padding_idx of this weight is from {-count} to {count - 1}")
    return shape, rows, padding_idx % count


def _embedding(weight: Shape, indices: Param, padding_idx: Param = None) -> str:
    """Return the rows of the weight; that of the padding gets no gradient, as torch documents it."""
    shape, rows, padding = _rows(indices, weight, padding_idx)
    picked = f"reshape(w[{rows}], {(*shape, weight[1])})"
    if padding is None:
        return f"w = weight\n{picked}"
    parts = [f"weight[:{padding}]"] * (padding > 0)
    parts += [f"detach(weight[{padding}:{padding + 1}])"] + [f"weight[{padding + 1}:]"] * (padding + 1 < weight[0])
    return f"w = cat([{', '.join(parts)}])\n{picked}"


def _bags(shape: Shape, offsets: Param, last: Param) -> list[tuple[int, int]]:
    """Return where each bag begins and ends among the indices."""
    if len(shape) == 2 and offsets is None:
        return [(k * shape[1], (k + 1) * shape[1]) for k in range(shape[0])]
    if len(shape) != 1 or offsets is None:
        raise ValueError("embedding_bag takes a row of indices for each bag, or one row and the offsets of the bags")
    at, starts = _numbers(offsets)
    if len(at) != 1 or starts[0] != 0 or sorted(starts) != starts or starts[-1] > shape[0]:
        raise ValueError("offsets begin at 0 and grow up to the number of indices; others are not supported")
    return list(pairwise(starts if last else [*starts, shape[0]]))


def _embedding_bag(
    weight: Shape,
    per_sample_weights: Shape,
    indices: Param,
    offsets: Param = None,
    mode: Param = "mean",
    include_last_offset: Param = False,
    padding_idx: Param = None,
) -> str:
    """Return the sum, mean or maximum of the rows of each bag, without those of the padding; 0 where none is left."""
    shape, rows, padding = _rows(indices, weight, padding_idx)
    if per_sample_weights and (mode != "sum" or per_sample_weights != shape):
        raise ValueError("per_sample_weights weigh the indices, one each, and stand beside mode='sum'")
    lines, parts = [f"y = weight[{rows}]"], []
    if per_sample_weights:
        lines.append(f"w = y*reshape(per_sample_weights, {(len(rows), 1)})")
    for start, end in _bags(shape, offsets, include_last_offset):
        kept = [k for k in range(start, end) if rows[k] != padding]
        of = f"{'w' if per_sample_weights else 'y'}[{kept}]"
        made = f"amax({of}, dim=0, keepdim=True)" if mode == "max" else f"sum({of}, dim=0, keepdim=True)"
        made += f"/{len(kept)}" if mode == "mean" else ""
        parts.append(made if kept else "0*detach(y[:1])")
    return "\n".join([*lines, f"cat([{', '.join(parts)}])"])


# --- attention --------------------------------------------------------------------------------------------------------


def _attention(
    query: Shape, key: Shape, value: Shape, attn_mask: Shape, is_causal: Param = False, scale: Param = None
) -> str:
    return _attended(query, key, value, attn_mask, is_causal, scale, "(query @ key.mT)*{scale}")


def _attention_stored(
    query: Shape, key: Shape, value: Shape, attn_mask: Shape, is_causal: Param = False, scale: Param = None
) -> str:
    """Return attention as torch has it: both sides of the product are scaled by the root of the scale.

    aten/src/ATen/native/transformers/attention.cpp, _scaled_dot_product_attention_math.
    """
    return _attended(query, key, value, attn_mask, is_causal, scale, "(query*sqrt({scale})) @ (key*sqrt({scale})).mT")


def _attended(query: Shape, key: Shape, value: Shape, mask: Shape, is_causal: Param, scale: Param, scores: str) -> str:
    if min(map(len, (query, key, value))) < 2 or query[-1] != key[-1] or key[-2] != value[-2]:
        raise ValueError(
            "attention takes a query of ... x L x E, a key of ... x S x E and a value of ... x S x V; these are "
            f"{', '.join(map(shape_text, (query, key, value)))}"
        )
    if mask and is_causal:
        raise ValueError("is_causal is a mask of its own: give it, or attn_mask")
    factor = f"(1/sqrt({query[-1]}))" if scale is None else f"({scale})"
    lines = [f"s = {scores.format(scale=factor)} + attn_mask"]
    if not is_causal:
        return "\n".join([*lines, "softmax(s, dim=-1) @ value"])
    parts = []
    for row in range(query[-2]):  # each row of the query meets the keys up to its own place
        end = min(row + 1, key[-2])
        parts.append(f"softmax(s[..., {row}:{row + 1}, :{end}], dim=-1) @ value[..., :{end}, :]")
    return "\n".join([*lines, f"cat([{', '.join(parts)}], dim=-2)"])


# --- distances --------------------------------------------------------------------------------------------------------


def _cosine(x1: Shape, x2: Shape, dim: Param = 1, eps: Param = Fraction(1, 10**8)) -> str:
    """Return the cosine of the angle; torch expands both sides before it takes their norms."""
    shape = broadcast(x1, x2)
    at = axis(dim, len(shape))
    over = f", dim={at}" if shape else ""
    norm = "maximum(norm({}" + over + f", keepdim=True), {eps})"
    return f"a = expand(x1, {shape})\nb = expand(x2, {shape})\nsum(a/{norm.format('a')}*(b/{norm.format('b')}){over})"


def _pairwise(x1: Shape, x2: Shape, p: Param = 2, eps: Param = Fraction(1, 10**6), keepdim: Param = False) -> str:
    """Return the norm of x1 - x2 + eps: torch adds eps to the difference itself."""
    shape = broadcast(x1, x2)
    if not shape:
        raise ValueError("pairwise_distance takes vectors, along the last dim")
    return f"norm(x1 - x2 + {eps}, p={p}, dim={len(shape) - 1}, keepdim={bool(keepdim)})"


def _torch_bag(m: Any, weight: Any, per_sample_weights: Any, indices: Any, offsets: Any = None, **params: Any) -> Any:
    return m.nn.functional.embedding_bag(
        indices, weight, offsets, per_sample_weights=per_sample_weights, **{"mode": "mean", **params}
    )


# fmt: off
ROWS: tuple[Composite, ...] = (
    Composite("linear", ("x", "weight", "bias"), (), _linear, ("linear(a, c[0], u)", "linear(v, a)"), optional={"bias": 0}, scalars=("bias",), adds=True, torch=lambda m, x, weight, bias: m.nn.functional.linear(x, weight, bias), summary="x times the transposed weight, plus the bias"),
    Composite("bilinear", ("x1", "x2", "weight", "bias"), (), _bilinear, ("bilinear(a, 2*a, (a.T @ a)[None], a[0, :1])",), optional={"bias": 0}, adds=True, torch=lambda m, x1, x2, weight, bias: m.nn.functional.bilinear(x1, x2, weight, bias), summary="x1 times each matrix of the weight times x2, plus the bias"),
    Composite("embedding", ("weight",), ("indices", "padding_idx"), _embedding, ("embedding([[0, 2], [1, 2]], b)",), order=("indices", "weight", "padding_idx"), indices=("indices",),
              torch=lambda m, weight, indices, padding_idx=None: m.nn.functional.embedding(indices, weight, padding_idx), summary="the rows of the weight that the indices name"),
    Composite("embedding_bag", ("weight", "per_sample_weights"), ("indices", "offsets", "mode", "include_last_offset", "padding_idx"), _embedding_bag, ("embedding_bag([[0, 2], [1, 2]], b)", "embedding_bag([0, 2, 1], b, [0, 1], mode='sum', per_sample_weights=v)", "embedding_bag([0, 2, 1], b, [0, 1], mode='max')"),
              order=("indices", "weight", "offsets", "mode", "per_sample_weights", "include_last_offset", "padding_idx"), optional={"per_sample_weights": 1}, indices=("indices", "offsets"), words={"mode": ("mean", "sum", "max")}, torch=_torch_bag, lacks=("fwd",), summary="the mean, sum or maximum of the rows of each bag of indices"),
    Composite("scaled_dot_product_attention", ("query", "key", "value", "attn_mask"), ("is_causal", "scale"), _attention, ("scaled_dot_product_attention(c, 2*c, c**2)", "scaled_dot_product_attention(c, c, c, is_causal=True, scale=2)", "scaled_dot_product_attention(a, b.T, b.T[:, :2], b[:2])"),
              optional={"attn_mask": 0}, scalars=("attn_mask",), as_torch=_attention_stored,
              torch=lambda m, query, key, value, attn_mask, is_causal=False, scale=None: m.nn.functional.scaled_dot_product_attention(query, key, value, attn_mask, is_causal=is_causal, scale=scale), summary="softmax(scale*query @ key.mT + attn_mask) @ value"),
    Composite("cosine_similarity", ("x1", "x2"), ("dim", "eps"), _cosine, ("cosine_similarity(a, v)", "cosine_similarity(v, 2*v[[1, 2, 0]], dim=0)"), torch=lambda m, x1, x2, dim=1, eps=1e-8: m.nn.functional.cosine_similarity(x1, x2, dim, eps), summary="the cosine of the angle between vectors along dim"),
    Composite("pairwise_distance", ("x1", "x2"), ("p", "eps", "keepdim"), _pairwise, ("pairwise_distance(a, v)", "pairwise_distance(a, 2*v, p=3, keepdim=True)"), torch=lambda m, x1, x2, p=2.0, eps=1e-6, keepdim=False: m.nn.functional.pairwise_distance(x1, x2, p, eps, keepdim), summary="the norm of x1 - x2 + eps along the last dim"),
)
# fmt: on
