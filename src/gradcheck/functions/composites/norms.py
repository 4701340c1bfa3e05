"""Norms and distances."""

from __future__ import annotations

from fractions import Fraction
from math import comb
from typing import Any

from gradcheck.functions.composites.reductions import extreme_stored
from gradcheck.functions.composites.windows import check_amount
from gradcheck.functions.params import arguments, axes, axis, broadcast, over_dims, reduced, shape_text
from gradcheck.functions.rows import Composite
from gradcheck.program import Param, Shape


def _norm(x: Shape, p: Param = 2, dim: Param = None, keepdim: Param = False) -> str:
    over = over_dims(x, dim, keepdim)
    if p in ("inf", "-inf"):
        return f"{'amax' if p == 'inf' else 'amin'}(abs(x){over})"
    if p == 1:
        return f"sum(abs(x){over})"
    if p in (2, "fro"):
        return f"sqrt(sum(x**2{over}))"
    if isinstance(p, str | bool | tuple) or p is None:
        raise ValueError(f"norm of order {p} is not supported; p is a number, inf or -inf")
    if p == 0:
        return f"sum(where(x == 0, 0, 1){over})"
    return f"sum(abs(x)**({p}){over})**(1/({p}))"


def _norm_stored(x: Shape, p: Param = 2, dim: Param = None, keepdim: Param = False) -> str:
    """Return norm with torch's slope, which divides by powers of the stored norm."""
    norm = _norm(x, p, dim, True)
    if p in ("inf", "-inf"):
        pair = "maximum({}, {})" if p == "inf" else "minimum({}, {})"
        return str(extreme_stored(pair, "abs(x)", "sign(x)")(x, dim, keepdim))
    if p in (0, 1) or not x:
        return _norm(x, p, dim, keepdim)
    slope, below = ("x/m", "1") if p in (2, "fro") else ("x*abs(x)**({p} - 2)", "m**({p} - 1)")
    if p not in (2, "fro") and p < 2:  # type: ignore[operator]
        slope = "sign(x)*abs(x)**({p} - 1)"
    slope, below = slope.format(p=p), below.format(p=p)
    shape = reduced(x, axes(dim, len(x)), bool(keepdim))
    return "\n".join([
        f"r = {norm}", "m = detach(r)", f"q = detach({slope})",
        f"reshape(m + sum((x - detach(x))*q{over_dims(x, dim, True)})/{below}, {shape})",
    ])  # fmt: skip


def _as_norm(x: Shape, ord: Param = 2, dim: Param = None, keepdim: Param = False) -> str:  # noqa: A002 - torch's own name
    if ord in ("fro", "nuc"):
        raise ValueError(f"the order {ord} is one of matrices: x is a matrix, or dim has two dims")
    _norm(x, ord, dim)
    return f"norm(x, p={ord}{over_dims(x, dim, keepdim)})"


def _any_norm(x: Shape, ord: Param = None, dim: Param = None, keepdim: Param = False) -> str:  # noqa: A002
    """Return torch's linalg.norm: of a matrix it is a matrix norm where an order is given."""
    matrix = len(x) == 2 if dim is None else isinstance(dim, tuple) and len(dim) == 2
    if ord is None or not matrix:
        if ord is not None and dim is None and len(x) != 1:
            raise ValueError(f"with an order x is a vector or a matrix, not {shape_text(x)}; or give dim")
        return _as_norm(x, 2 if ord is None else ord, dim, keepdim)
    return _matrix_norm(x, ord, (0, 1) if dim is None else dim, keepdim)


def _matrix_norm(x: Shape, ord: Param = "fro", dim: Param = (-2, -1), keepdim: Param = False) -> str:  # noqa: A002
    if len(x) < 2 or not isinstance(dim, tuple) or len(dim) != 2:
        raise ValueError("a matrix norm is over the two dims of a matrix")
    rows, columns = (axis(one, len(x)) for one in dim)
    if rows == columns:
        raise ValueError(f"a dim appears twice in {dim}")
    if ord == "fro":
        return f"norm(x{arguments(dim=(rows, columns), keepdim=bool(keepdim))})"
    if ord in (2, -2, "nuc"):
        raise ValueError(f"the matrix norm of order {ord} is one of singular values, and no formula of the elements")
    if ord not in (1, -1, "inf", "-inf"):
        raise ValueError(f"there is no matrix norm of order {ord}; it is 'fro', 1, -1, inf or -inf")
    added, chosen = (columns, rows) if ord in ("inf", "-inf") else (rows, columns)
    name = "amax" if ord in (1, "inf") else "amin"
    whole = f"{name}(norm(x, p=1{arguments(dim=added, keepdim=True)}){arguments(dim=chosen, keepdim=True)})"
    return f"reshape({whole}, {reduced(x, (rows, columns), bool(keepdim))})"


def _torch_norm(m: Any, x: Any, p: Any = 2, dim: Any = None, keepdim: Any = False) -> Any:
    return m.linalg.vector_norm(x, 2.0 if p == "fro" else float(p), dim=dim, keepdim=keepdim)


# --- distances ---------------------------------------------------------------------------------------


def _distance(_x: Shape, _y: Shape, p: Param = 2) -> str:
    _norm((), p)
    return f"norm(x - y, p={p})"


FEW_ROWS = 25
"""Rows up to which torch takes differences for euclidean distances; of more it multiplies matrices."""

MODES = {
    "use_mm_for_euclid_dist_if_necessary": None,
    "use_mm_for_euclid_dist": True,
    "donot_use_mm_for_euclid_dist": False,
}


def _distances(x1: Shape, x2: Shape, p: Param = 2, compute_mode: Param = "use_mm_for_euclid_dist_if_necessary") -> str:
    if len(x1) < 2 or len(x2) < 2 or x1[-1] != x2[-1]:
        raise ValueError(f"cdist takes rows of one length, not {shape_text(x1)} and {shape_text(x2)}")
    _of_distances(p)
    assert compute_mode in MODES
    broadcast(x1[:-2], x2[:-2])
    one, two = (*x1[:-1], 1, x1[-1]), (*x2[:-2], 1, *x2[-2:])
    return f"d = reshape(x1, {one}) - reshape(x2, {two})\nnorm(d, p={p}, dim={max(len(one), len(two)) - 1})"


def _distances_stored(
    x1: Shape, x2: Shape, p: Param = 2, compute_mode: Param = "use_mm_for_euclid_dist_if_necessary"
) -> str:
    """Return cdist as torch has it: many euclidean distances are roots of a product of matrices.

    aten/src/ATen/native/Distance.cpp, cdist_impl and _euclidean_dist; FunctionsManual.cpp, _euclidean_dist_backward.
    """
    plain, rank = _distances(x1, x2, p), len(x1)
    many = MODES[str(compute_mode)]
    if many is None:
        many = max(x1[-2], x2[-2]) > FEW_ROWS
    if p != 2 or not many:
        return plain
    if len(x2) != rank:
        raise ValueError("cdist of batches of different ranks is not supported where torch multiplies matrices")
    over, turned = arguments(dim=rank - 1, keepdim=True), (*range(rank - 2), rank - 1, rank - 2)
    return "\n".join([
        f"a = detach(cat([-2*x1, sum(x1**2{over}), expand(1, {(*x1[:-1], 1)})], dim={rank - 1}))",
        f"b = detach(cat([x2, expand(1, {(*x2[:-1], 1)}), sum(x2**2{over})], dim={rank - 1}))",
        f"m = sqrt(clamp_min(matmul(a, permute(b, {turned})), 0))", "d = x1 - detach(x1)", "c = x2 - detach(x2)",
        f"left = sum(d*detach(x1){over}) - matmul(d, permute(detach(x2), {turned}))",
        f"right = permute(sum(c*detach(x2){over}), {turned}) - matmul(detach(x1), permute(c, {turned}))",
        "m + where(m == 0, 0, (left + right)/m)",
    ])  # fmt: skip


def _pairs(x: Shape, p: Param = 2) -> str:
    if len(x) != 2:
        raise ValueError(f"pdist takes a matrix, and the distances of its rows, not {shape_text(x)}")
    _of_distances(p)
    check_amount(comb(x[0], 2), "pairs of rows")
    pairs = [(i, j) for i in range(x[0]) for j in range(i + 1, x[0])]
    if not pairs:
        raise ValueError("pdist takes two rows or more")
    return f"d = x[{[i for i, _ in pairs]}] - x[{[j for _, j in pairs]}]\nnorm(d, p={p}, dim=1)"


def _of_distances(p: Param) -> None:
    if p != "inf" and (isinstance(p, bool) or not isinstance(p, int | Fraction) or p < 0):
        raise ValueError("p is a number from 0, or inf")


# fmt: off
ROWS: tuple[Composite, ...] = (
    Composite("norm", ("x",), ("p", "dim", "keepdim"), _norm, ("norm(a)", "norm(a, p=1)", "norm(a, p=3, dim=1)", "norm(v, p=-inf)", "norm(v, p=-1.5)"), words={"p": ("fro", 2)}, stored=True, as_torch=_norm_stored, fused="r", torch=_torch_norm, summary="the vector norm of order p"),
    Composite("linalg.vector_norm", ("x",), ("ord", "dim", "keepdim"), _as_norm, ("linalg.vector_norm(a, ord=3)",), torch=lambda m, x, **params: m.linalg.vector_norm(x, **params), summary="the vector norm of an order"),
    Composite("linalg.matrix_norm", ("x",), ("ord", "dim", "keepdim"), _matrix_norm, ("linalg.matrix_norm(a)", "linalg.matrix_norm(c, ord=1, dim=(1, 2), keepdim=True)"), words={"ord": ("fro", "nuc", 1)}, torch=lambda m, x, **params: m.linalg.matrix_norm(x, **params), summary="the matrix norm of an order"),
    Composite("linalg.norm", ("x",), ("ord", "dim", "keepdim"), _any_norm, ("linalg.norm(a)", "linalg.norm(a, ord=inf)", "linalg.norm(a, 3, dim=1)"), words={"ord": ("fro", "nuc", 1)}, torch=lambda m, x, **params: m.linalg.norm(x, **params), summary="the norm of vectors, and of matrices where an order is given"),
    Composite("dist", ("x", "y"), ("p",), _distance, ("dist(a, v)", "dist(a, v, p=3)"), summary="the norm of a difference"),
    Composite("cdist", ("x1", "x2"), ("p", "compute_mode"), _distances, ("cdist(a, b.T)", "cdist(a, b.T, p=4)"), words={"compute_mode": tuple(MODES)}, dtypes=("float64", "float32"), as_torch=_distances_stored, torch=lambda m, x1, x2, p=2.0, compute_mode="use_mm_for_euclid_dist_if_necessary": m.cdist(x1, x2, p, compute_mode), summary="the distances of the rows of two matrices"),
    Composite("pdist", ("x",), ("p",), _pairs, ("pdist(a)", "pdist(b, p=4)"), dtypes=("float64", "float32"), torch=lambda m, x, p=2: m.pdist(x, p), summary="the distances of all pairs of rows"),
)
# fmt: on
