"""Reductions, norms and what is made of them: rows that one line of the language defines; torch runs its own version."""

from __future__ import annotations

import re
from collections.abc import Callable
from fractions import Fraction
from math import comb, prod
from typing import Any

from gradcheck.functions import again
from gradcheck.functions.composites.windows import check_amount
from gradcheck.functions.params import arguments, axes, axis, broadcast, reduced, shape_text
from gradcheck.functions.rows import Composite
from gradcheck.functions.sorting import sort, sort_stored
from gradcheck.functions.sums import ALONE, SUMS, WELFORD
from gradcheck.program import Param, Shape


def _count(shape: Shape, dim: Param) -> int:
    return prod(shape[one] for one in axes(dim, len(shape)))


def _over(shape: Shape, dim: Param, keepdim: Param = False) -> str:
    return arguments(dim=axes(dim, len(shape)), keepdim=bool(keepdim)) if shape else ""


def _mean(x: Shape, dim: Param = None, keepdim: Param = False) -> str:
    return f"sum(x{_over(x, dim, keepdim)})/{_count(x, dim)}"


def _corrected(correction: Param, unbiased: Param) -> Param:
    """Return the correction: ``unbiased`` is what it was called before, and chooses between 1 and 0."""
    if unbiased is None:
        return 1 if correction is None else correction
    if not isinstance(unbiased, bool):
        raise ValueError("unbiased is True or False")
    if correction is not None:
        raise ValueError("give correction or unbiased, not both")
    return int(unbiased)


def _variance(
    x: Shape, dim: Param = None, correction: Param = None, keepdim: Param = False, unbiased: Param = None
) -> str:
    count, correction = _count(x, dim), _corrected(correction, unbiased)
    if not isinstance(correction, int) or isinstance(correction, bool):
        raise ValueError("correction must be an integer; write correction=0 for the variance of a whole population")
    # torch divides by zero, not by a negative number, where there are fewer elements than the correction
    divisor = max(count - correction, 0)
    return f"sum((x - sum(x{_over(x, dim, True)})/{count})**2{_over(x, dim, keepdim)})/{divisor}"


def _mean_stored(x: Shape, dim: Param = None, keepdim: Param = False) -> str:
    """Return mean as torch has it: the sum is divided before it is rounded to a half type.

    aten/src/ATen/native/ReduceOps.cpp, mean_out; on the way back torch divides and then expands.
    """
    return f"s = sum(x{_over(x, dim, keepdim)})\ns/{_count(x, dim)}"


def _nansum(x: Shape, dim: Param = None, keepdim: Param = False) -> str:
    return f"sum(x{_over(x, dim, keepdim)})"


def _nansum_stored(x: Shape, dim: Param = None, keepdim: Param = False) -> str:
    """Return nansum as torch has it: over several dims partial sums are stored (ReduceOps.cpp, nansum_out)."""
    name = "s" if len(axes(dim, len(x))) > 1 else "t"  # what is called s is added up in the format
    return f"{name} = {_nansum(x, dim, keepdim)}\n{name}"


def _nanmean_stored(x: Shape, dim: Param = None, keepdim: Param = False) -> str:
    lines = _nansum_stored(x, dim, keepdim)
    return f"{lines}/{_count(x, dim)}"


def _variance_lines(x: Shape, dim: Param, correction: Param, keepdim: Param) -> tuple[list[str], str]:
    """Return the lines that var and std share, and torch's slope without what is behind the variance.

    The slope is 2/(n - correction)*(x - mean(x)), which does not add up to 0 by itself: FunctionsManual.cpp,
    var_backward. Of a single result, ReduceOps.cpp (std_var_all_cpu) takes the squares around the mean ``w`` that is
    rounded to the format, which adds n*(w - u)**2 to those around ``u``.
    """
    divisor, over = _variance(x, dim, correction, keepdim).rpartition("/")[2], _over(x, dim, True)
    count, shape = _count(x, dim), reduced(x, axes(dim, len(x)), bool(keepdim))
    off = f" + {count}*(w - u)**2" if prod(shape) == 1 else ""
    return [
        f"u = sum(x{over})/{count}", f"w = sum(x{over})/{count}", f"d = detach(x - mean(x{over}))",
        f"v = reshape((sum((x - u)**2{over}){off})/{divisor}, {shape})",
    ], f"2/{divisor}*sum((x - detach(x))*d{_over(x, dim, keepdim)})"  # fmt: skip


def _variance_stored(
    x: Shape, dim: Param = None, correction: Param = None, keepdim: Param = False, unbiased: Param = None
) -> str:
    correction = _corrected(correction, unbiased)
    if not x:
        return _variance(x, dim, correction, keepdim)
    lines, slope = _variance_lines(x, dim, correction, keepdim)
    return "\n".join([*lines, "m = detach(v)", f"m + {slope}"])


def _deviation_stored(
    x: Shape, dim: Param = None, correction: Param = None, keepdim: Param = False, unbiased: Param = None
) -> str:
    """Return std with torch's slope: that of var over twice the stored result, and 0 where that is 0 (std_backward)."""
    correction = _corrected(correction, unbiased)
    if not x:
        return _deviation(x, dim, correction, keepdim)
    lines, slope = _variance_lines(x, dim, correction, keepdim)
    return "\n".join([*lines, "r = sqrt(v)", "m = detach(r)", f"t = {slope}", "m + where(m == 0, 0, t/(2*m))"])


def _deviation(
    x: Shape, dim: Param = None, correction: Param = None, keepdim: Param = False, unbiased: Param = None
) -> str:
    return f"sqrt({_variance(x, dim, correction, keepdim, unbiased)})"


def _with_mean(name: str, spread: Callable[..., str]) -> Callable[..., str]:
    """Return the definition of a function of two results, the second of which is the mean."""

    def definition(
        x: Shape,
        dim: Param = None,
        correction: Param = None,
        keepdim: Param = False,
        unbiased: Param = None,
        result: Param = 0,
    ) -> str:
        correction = _corrected(correction, unbiased)
        spread(x, dim, correction, keepdim)
        return (
            f"mean(x{_over(x, dim, keepdim)})"
            if result
            else f"{name}(x, correction={correction}{_over(x, dim, keepdim)})"
        )

    return definition


# --- covariances ------------------------------------------------------------------------------------


def _covariance(x: Shape, correction: Param = 1) -> str:
    """Return the covariances of the rows of x: aten/src/ATen/native/Correlation.cpp, cov."""
    if len(x) > 2:
        raise ValueError(f"cov takes a matrix with a variable in each row, not {shape_text(x)}")
    if not isinstance(correction, int) or isinstance(correction, bool):
        raise ValueError("correction must be an integer; write correction=0 for the covariance of a whole population")
    rows, count = (1,) * (2 - len(x)) + x
    if not count:
        raise ValueError("there is no covariance of no observations")
    shape = tuple(size for size in (rows, rows) if size != 1)
    return "\n".join([
        f"y = reshape(x, {(rows, count)})", "d = y - mean(y, dim=1, keepdim=True)",
        f"reshape(matmul(d, d.T)/{max(count - correction, 0)}, {shape})",
    ])  # fmt: skip


def _correlation(x: Shape) -> str:
    lines, last = _covariance(x).rsplit("\n", 1)
    rows = x[0] if len(x) == 2 else 1
    if rows == 1:
        return f"{lines}\nc = {last}\nc/c"
    places = [k * (rows + 1) for k in range(rows)]
    return "\n".join([
        lines, f"c = {last}", f"s = sqrt(reshape(c, {(rows * rows,)})[{places}])", f"c/reshape(s, {(rows, 1)})/s",
    ])  # fmt: skip


# --- norms ------------------------------------------------------------------------------------------


def _norm(x: Shape, p: Param = 2, dim: Param = None, keepdim: Param = False) -> str:
    over = _over(x, dim, keepdim)
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
        f"reshape(m + sum((x - detach(x))*q{_over(x, dim, True)})/{below}, {shape})",
    ])  # fmt: skip


def _as_norm(x: Shape, ord: Param = 2, dim: Param = None, keepdim: Param = False) -> str:  # noqa: A002 - torch's own name
    if ord in ("fro", "nuc"):
        raise ValueError(f"the order {ord} is one of matrices: x is a matrix, or dim has two dims")
    _norm(x, ord, dim)
    return f"norm(x, p={ord}{_over(x, dim, keepdim)})"


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


# --- distances --------------------------------------------------------------------------------------


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


def tree(pair: str) -> Any:
    """Return the definition of a reduction by pairs: smooth wherever the pairs are, and O(n) with its gradient."""

    def definition(x: Shape, dim: Param = None, keepdim: Param = False) -> str:
        if not x:
            return "x"
        over = axes(dim, len(x))
        if not all(x[one] for one in over):
            raise ValueError("a reduction over no elements has no value")
        rest = tuple(one for one in range(len(x)) if one not in over)
        size = prod(x[one] for one in over)
        lines = [f"y = reshape(permute(x, {(*over, *rest)}), {(size, *(x[one] for one in rest))})"]
        odd, last = [], "y"
        while size > 1:
            if size % 2:
                odd.append(f"odd_{size}")
                lines.append(f"odd_{size} = {last}[{size - 1}:{size}]")
            size //= 2
            halves = f"{last}[0:{size}]", f"{last}[{size}:{2 * size}]"
            last = f"y_{size}"
            lines.append(f"{last} = {pair.format(*halves)}")
        for one in odd:
            lines.append(f"with_{one} = {pair.format(last, one)}")
            last = f"with_{one}"
        shape = reduced(x, over, bool(keepdim))
        return "\n".join([*lines, f"reshape({last}, {shape})"])

    return definition


def extreme_stored(pair: str, of: str = "x", slope: str = "1") -> Any:
    """Return amax, amin or the greatest magnitude with torch's slope: what ties for the extreme has equal parts of it.

    torch/csrc/autograd/FunctionsManual.cpp, scale_grad_by_count and norm_backward: grad / mask.sum(dim) * mask.
    """

    def definition(x: Shape, dim: Param = None, keepdim: Param = False) -> str:
        if not x:
            return of
        over, shape = _over(x, dim, True), reduced(x, axes(dim, len(x)), bool(keepdim))
        return "\n".join([
            f"a = {of}", *renamed(tree(pair)(x, dim, True), "a", "m"),
            f"q = detach(where(a == m, {slope}, 0))", f"n = detach(maximum(sum(abs(q){over}), 1))",
            f"reshape(detach(m) + sum((x - detach(x))*q{over})/n, {shape})",
        ])  # fmt: skip

    return definition


def _prod_stored(x: Shape, dim: Param = None, keepdim: Param = False) -> str:
    """Return prod with torch's slope: prod(x)/x of the stored value, or the product of the others where x is 0.

    ``up`` and ``down`` hold the largest and smallest products on the way in any order: where one of them is no number
    of the format, neither is the product; where the smallest loses digits below the normal range, so does the product.
    """
    if not x:
        return "x"
    shape, over = reduced(x, axes(dim, len(x)), bool(keepdim)), _over(x, dim, True)
    of = tree("{}*{}")
    lines = ["y = where(x == 0, 1, x)", "large = maximum(abs(y), 1)", "small = minimum(abs(y), 1)"]
    for name, factor in (("others", "y"), ("up", "large"), ("down", "small")):
        lines += renamed(of(x, dim, True), factor, name)
    return "\n".join([
        *lines, f"zeros = sum(where(x == 0, 1, 0){over})",
        "p = where((up > 0) & (down > 0), others*(down/down), 1/0)", "m = detach(where(zeros > 0, 0*p, p))",
        "q = detach(where(x == 0, where(zeros > 1, 0*p, p), m/y))",
        f"reshape(m + sum((x - detach(x))*q{over}), {shape})",
    ])  # fmt: skip


def _prod_again(order: int, x: Shape, dim: Param = None, keepdim: Param = False) -> str:
    """Return prod with what torch's second derivatives lose beside those of the product of the others.

    Its slope is prod(x)/x (FunctionsManual.cpp, prod_backward): differentiated again by the same element, two equal
    terms are subtracted. The sum that is added here is 0 with all its derivatives, and is rounded as those are.
    """
    del order
    if not x:
        return "x"
    shape, over = reduced(x, axes(dim, len(x)), bool(keepdim)), _over(x, dim, True)
    return "\n".join([
        *renamed(tree("{}*{}")(x, dim, True), "x", "p"), "q = where(x == 0, 1, x)",
        f"reshape(p + sum(p - (p/q)*q{over}), {shape})",
    ])  # fmt: skip


def renamed(text: str, x: str, result: str) -> list[str]:
    """Return the lines of a reduction of ``x``, with names of their own and a name for the result."""
    *lines, last = re.sub(r"\b(y|odd|with)(?![a-z])", rf"{result}_\1", text).splitlines()
    return [re.sub(r"\bx\b", x, line) for line in (*lines, f"{result} = {last}")]


def _along(text: str) -> Any:
    """Return a definition along one dim, which torch wants named."""

    def definition(x: Shape, dim: Param) -> str:
        return text.format(over=_over(x, axis(dim, len(x)), True))

    return definition


def _logsumexp(x: Shape, dim: Param = None, keepdim: Param = False) -> str:
    return f"log(sum(exp(x){_over(x, dim, keepdim)}))"


def _logsumexp_stored(x: Shape, dim: Param = None, keepdim: Param = False) -> str:
    """Return logsumexp as torch has it: the greatest element is taken out, and the slope is exp(x - logsumexp(x))."""
    if not x:
        return _logsumexp(x, dim, keepdim)
    over = _over(x, dim, True)
    shape = reduced(x, axes(dim, len(x)), bool(keepdim))
    return "\n".join([
        f"k = detach(amax(x{over}))", f"m = detach(k + log(sum(exp(x - k){over})))", "q = detach(exp(x - m))",
        f"reshape(m + sum((x - detach(x))*q{over}), {shape})",
    ])  # fmt: skip


def _softmax_stored(text: str) -> Any:
    """Return softmax, or its logarithm, with the greatest element taken out and the slope of the stored result.

    aten/src/ATen/native/cpu/SoftMaxKernel.cpp: the sums are float32 in the half types. Along the last dim so are the
    exponentials (the line ``z``); along another they may be stored in between (the line ``e``).
    """

    def definition(x: Shape, dim: Param) -> str:
        at = axis(dim, len(x))
        over, powers = _over(x, at, True), "z" if at == max(len(x), 1) - 1 else "e"
        lines = [
            f"k = detach(amax(x{over}))", "d = x - detach(x)", f"{powers} = exp(x - k)",
            f"s = sum({powers}{over})", text.replace("POWERS", powers),
        ]  # fmt: skip
        return "\n".join(lines).format(over=over)

    return definition


def _all_dims(m: Any, x: Any, dim: Any = None, keepdim: Any = False) -> Any:
    return m.logsumexp(x, tuple(range(x.dim())) if dim is None else dim, keepdim)


def _torch_norm(m: Any, x: Any, p: Any = 2, dim: Any = None, keepdim: Any = False) -> Any:
    return m.linalg.vector_norm(x, 2.0 if p == "fro" else float(p), dim=dim, keepdim=keepdim)


def _torch_extreme(name: str) -> Any:
    def run(m: Any, x: Any, dim: Any = (), keepdim: Any = False) -> Any:
        return getattr(m, name)(x, () if dim is None else dim, keepdim)

    return run


def _torch_over(name: str) -> Any:
    def run(m: Any, x: Any, **params: Any) -> Any:
        # torch takes keepdim only beside dim
        params = {"dim": None, **params} if "keepdim" in params else params
        return getattr(m, name)(x, **params)

    return run


def _torch_prod(m: Any, x: Any, dim: Any = None, keepdim: Any = False) -> Any:
    if dim is None:  # torch has no keepdim here; the language has it everywhere
        return m.prod(x).reshape((1,) * x.dim()) if keepdim else m.prod(x)
    return m.prod(x, dim, keepdim)


# aten/src/ATen/native/cpu/BinaryOpsKernel.cpp, logaddexp2_kernel; derivatives.yaml has the slopes.
_LOGADDEXP2 = """m = detach(maximum(x, y) + log1p(exp2(-abs(x - y)))*1.4426950408889634)
m + (x - detach(x))/detach(1 + 2**(y - x)) + (y - detach(y))/detach(1 + 2**(x - y))"""


# fmt: off
ROWS: tuple[Composite, ...] = (
    Composite("mean", ("x",), ("dim", "keepdim"), _mean, ("mean(a)", "mean(a, dim=0)", "mean(c, dim=(0, 1), keepdim=True)"), adds=True, as_torch=_mean_stored, fused="s out", accumulation=SUMS, torch=_torch_over("mean"), summary="the arithmetic mean"),
    Composite("var",  ("x",), ("dim", "correction", "keepdim", "unbiased"), _variance, ("var(a, unbiased=False)", "var(a, dim=1)", "var(a, dim=1, correction=0, keepdim=True)"), as_torch=_variance_stored, fused="u v", accumulation=WELFORD, torch=_torch_over("var"), summary="the variance, divided by n - correction"),
    Composite("std",  ("x",), ("dim", "correction", "keepdim", "unbiased"), _deviation, ("std(a)", "std(a, dim=0)", "std(v, correction=0)"), stored=True, as_torch=_deviation_stored, fused="u v r", accumulation=WELFORD, torch=_torch_over("std"), summary="the standard deviation"),
    Composite("norm", ("x",), ("p", "dim", "keepdim"), _norm, ("norm(a)", "norm(a, p=1)", "norm(a, p=3, dim=1)", "norm(v, p=-inf)", "norm(v, p=-1.5)"), words={"p": ("fro", 2)}, stored=True, as_torch=_norm_stored, fused="r", torch=_torch_norm, summary="the vector norm of order p"),
    Composite("std_mean", ("x",), ("dim", "correction", "keepdim", "unbiased"), _with_mean("std", _deviation), ("std_mean(a)[0]", "std_mean(a, dim=1, correction=0)[1]"), results=("std", "mean"), torch=_torch_over("std_mean"), summary="the standard deviation, and the mean"),
    Composite("var_mean", ("x",), ("dim", "correction", "keepdim", "unbiased"), _with_mean("var", _variance), ("var_mean(a, dim=0)[0]", "var_mean(a)[1]"), results=("var", "mean"), torch=_torch_over("var_mean"), summary="the variance, and the mean"),
    Composite("cov", ("x",), ("correction",), _covariance, ("cov(a)", "cov(v, correction=0)"), adds=True, torch=lambda m, x, correction=1: m.cov(x, correction=correction), summary="the covariances of the rows"),
    Composite("corrcoef", ("x",), (), _correlation, ("corrcoef(b)",), adds=True, summary="the correlations of the rows"),
    Composite("nansum", ("x",), ("dim", "keepdim"), _nansum, ("nansum(a)", "nansum(c, dim=(0, 2), keepdim=True)"), adds=True, as_torch=_nansum_stored, fused="s", accumulation=ALONE, torch=_torch_over("nansum"), summary="the sum of the elements that are numbers"),
    Composite("nanmean", ("x",), ("dim", "keepdim"), _mean, ("nanmean(a)", "nanmean(a, dim=0)"), adds=True, as_torch=_nanmean_stored, fused="s", accumulation=ALONE, torch=_torch_over("nanmean"), summary="the mean of the elements that are numbers"),
    Composite("linalg.vector_norm", ("x",), ("ord", "dim", "keepdim"), _as_norm, ("linalg.vector_norm(a, ord=3)",), torch=lambda m, x, **params: m.linalg.vector_norm(x, **params), summary="the vector norm of an order"),
    Composite("linalg.matrix_norm", ("x",), ("ord", "dim", "keepdim"), _matrix_norm, ("linalg.matrix_norm(a)", "linalg.matrix_norm(c, ord=1, dim=(1, 2), keepdim=True)"), words={"ord": ("fro", "nuc", 1)}, torch=lambda m, x, **params: m.linalg.matrix_norm(x, **params), summary="the matrix norm of an order"),
    Composite("linalg.norm", ("x",), ("ord", "dim", "keepdim"), _any_norm, ("linalg.norm(a)", "linalg.norm(a, ord=inf)", "linalg.norm(a, 3, dim=1)"), words={"ord": ("fro", "nuc", 1)}, torch=lambda m, x, **params: m.linalg.norm(x, **params), summary="the norm of vectors, and of matrices where an order is given"),
    Composite("dist", ("x", "y"), ("p",), _distance, ("dist(a, v)", "dist(a, v, p=3)"), summary="the norm of a difference"),
    Composite("cdist", ("x1", "x2"), ("p", "compute_mode"), _distances, ("cdist(a, b.T)", "cdist(a, b.T, p=4)"), words={"compute_mode": tuple(MODES)}, dtypes=("float64", "float32"), as_torch=_distances_stored, torch=lambda m, x1, x2, p=2.0, compute_mode="use_mm_for_euclid_dist_if_necessary": m.cdist(x1, x2, p, compute_mode), lacks=("fwd",), summary="the distances of the rows of two matrices"),
    Composite("pdist", ("x",), ("p",), _pairs, ("pdist(a)", "pdist(b, p=4)"), dtypes=("float64", "float32"), torch=lambda m, x, p=2: m.pdist(x, p), lacks=("fwd",), summary="the distances of all pairs of rows"),
    Composite("prod", ("x",), ("dim", "keepdim"), tree("{}*{}"), ("prod(a)", "prod(a, dim=1)", "prod(v, dim=0, keepdim=True)"), stored=True, again=_prod_again, as_torch=_prod_stored, torch=_torch_prod, summary="the product of the elements"),
    Composite("amax", ("x",), ("dim", "keepdim"), tree("maximum({}, {})"), ("amax(a)", "amax(a, dim=1)", "amax(c, dim=(0, 2), keepdim=True)"), as_torch=extreme_stored("maximum({}, {})"), torch=_torch_extreme("amax"), summary="the greatest element"),
    Composite("amin", ("x",), ("dim", "keepdim"), tree("minimum({}, {})"), ("amin(a)", "amin(a, dim=0)"), as_torch=extreme_stored("minimum({}, {})"), torch=_torch_extreme("amin"), summary="the least element"),
    Composite("sort", ("x",), ("dim", "descending"), sort, ("sort(v)", "sort(a, 0)", "sort(a, descending=True)", "sort(c, dim=1)"), as_torch=sort_stored, torch=lambda m, x, dim=-1, descending=False: m.sort(x, dim=dim, descending=descending).values, summary="the elements in order along dim, values alone"),
    Composite("logsumexp", ("x",), ("dim", "keepdim"), _logsumexp, ("logsumexp(a, dim=1)", "logsumexp(a, dim=(0, 1))", "logsumexp(v, 0, keepdim=True)"), stored=True, again=again.logsumexp, as_torch=_logsumexp_stored, torch=_all_dims, summary="log(sum(exp(x)))"),
    Composite("softmax", ("x",), ("dim",), _along("exp(x)/sum(exp(x){over})"), ("softmax(a, dim=1)", "softmax(v, 0)"), stored=True, again=again.softmax, as_torch=_softmax_stored("w = POWERS/s\ny = detach(w)\ny + y*(d - sum(y*d{over}))"), fused="z s w", pulled="d out", summary="exp(x)/sum(exp(x))"),
    Composite("log_softmax", ("x",), ("dim",), _along("x - log(sum(exp(x){over}))"), ("log_softmax(a, dim=1)", "log_softmax(c, -1)"), stored=True, again=again.log_softmax, as_torch=_softmax_stored("y = detach(x - k - log(s))\np = exp(y)\ny + (d - sum(detach(p)*d{over}))"), fused="z s p", pulled="d p out", summary="log(softmax(x))"),
    Composite("logaddexp2", ("x", "y"), (), "log2(exp2(x) + exp2(y))", ("logaddexp2(v, s)",), as_torch=_LOGADDEXP2, summary="log2(2**x + 2**y)"),
)
# fmt: on
