"""Means, variances and covariances."""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

from gradcheck.functions.params import axes, numbers, over_dims, reduced, shape_text
from gradcheck.functions.rows import Composite
from gradcheck.functions.sums import ALONE, SUMS, WELFORD
from gradcheck.program import Param, Shape


def _count(shape: Shape, dim: Param) -> int:
    return prod(shape[one] for one in axes(dim, len(shape)))


def _mean(x: Shape, dim: Param = None, keepdim: Param = False) -> str:
    return f"sum(x{over_dims(x, dim, keepdim)})/{_count(x, dim)}"


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
    return f"sum((x - sum(x{over_dims(x, dim, True)})/{count})**2{over_dims(x, dim, keepdim)})/{divisor}"


def _mean_stored(x: Shape, dim: Param = None, keepdim: Param = False) -> str:
    """Return mean as torch has it: the sum is divided before it is rounded to a half type.

    aten/src/ATen/native/ReduceOps.cpp, mean_out; on the way back torch divides and then expands.
    """
    return f"s = sum(x{over_dims(x, dim, keepdim)})\ns/{_count(x, dim)}"


def _nansum(x: Shape, dim: Param = None, keepdim: Param = False) -> str:
    return f"sum(x{over_dims(x, dim, keepdim)})"


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
    divisor, over = _variance(x, dim, correction, keepdim).rpartition("/")[2], over_dims(x, dim, True)
    count, shape = _count(x, dim), reduced(x, axes(dim, len(x)), bool(keepdim))
    off = f" + {count}*(w - u)**2" if prod(shape) == 1 else ""
    return [
        f"u = sum(x{over})/{count}", f"w = sum(x{over})/{count}", f"d = detach(x - mean(x{over}))",
        f"v = reshape((sum((x - u)**2{over}){off})/{divisor}, {shape})",
    ], f"2/{divisor}*sum((x - detach(x))*d{over_dims(x, dim, keepdim)})"  # fmt: skip


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
            f"mean(x{over_dims(x, dim, keepdim)})"
            if result
            else f"{name}(x, correction={correction}{over_dims(x, dim, keepdim)})"
        )

    return definition


# --- covariances -------------------------------------------------------------------------------------


def _covariance(x: Shape, aweights: Shape = (), correction: Param = 1, fweights: Param = None) -> str:
    """Return the covariances of the rows of x: aten/src/ATen/native/Correlation.cpp, cov."""
    if len(x) > 2:
        raise ValueError(f"cov takes a matrix with a variable in each row, not {shape_text(x)}")
    if not isinstance(correction, int) or isinstance(correction, bool):
        raise ValueError("correction must be an integer; write correction=0 for the covariance of a whole population")
    rows, count = (1,) * (2 - len(x)) + x
    if not count:
        raise ValueError("there is no covariance of no observations")
    shape = tuple(size for size in (rows, rows) if size != 1)
    if aweights or fweights is not None:
        weights = _weights(count, aweights, correction, fweights)
        lines = [*weights, "d = y - sum(y*w, dim=1, keepdim=True)/total", f"reshape(matmul(d, (d*w).T)/free, {shape})"]
    else:
        freedom = max(count - correction, 0)
        lines = ["d = y - mean(y, dim=1, keepdim=True)", f"reshape(matmul(d, d.T)/{freedom}, {shape})"]
    return "\n".join([f"y = reshape(x, {(rows, count)})", *lines])


def _weights(count: int, aweights: Shape, correction: int, fweights: Param) -> list[str]:
    """Return the lines of the weight ``w`` of each observation, their ``total``, and how many are ``free``."""
    if aweights not in ((), (count,)):
        raise ValueError(f"aweights is a number for each of the {count} observations, not {shape_text(aweights)}")
    if fweights is None:
        lines = ["w = aweights", "total = sum(w)"]
    else:
        times = numbers("fweights", fweights)
        if len(times) != count or min(times) < 0 or not any(times):
            raise ValueError(f"fweights is how often each of the {count} observations counts, a whole number from 0")
        lines = [f"f = stack([{', '.join(map(str, times))}], dim=0)", "w = f*aweights"]
        lines.append("total = sum(w)" if aweights else f"total = {sum(times)}")
    if count == 1 and bool(aweights) != (fweights is not None):
        raise ValueError("a weight of a single observation is not supported: torch then writes zeros into x itself")
    if not aweights:
        return [*lines, f"free = {max(sum(times) - correction, 0)}"]
    rest = f" - {correction}*sum(w*aweights)/total" if correction else ""
    return [*lines, f"g = total{rest}", "free = where(g > 0, g, 0)"]


def _correlation(x: Shape) -> str:
    lines, last = _covariance(x).rsplit("\n", 1)
    rows = x[0] if len(x) == 2 else 1
    if rows == 1:
        return f"{lines}\nc = {last}\nc/c"
    places = [k * (rows + 1) for k in range(rows)]
    return "\n".join([
        lines, f"c = {last}", f"s = sqrt(reshape(c, {(rows * rows,)})[{places}])", f"c/reshape(s, {(rows, 1)})/s",
    ])  # fmt: skip


def _torch_over(name: str) -> Any:
    def run(m: Any, x: Any, **params: Any) -> Any:
        # torch takes keepdim only beside dim
        params = {"dim": None, **params} if "keepdim" in params else params
        return getattr(m, name)(x, **params)

    return run


# fmt: off
ROWS: tuple[Composite, ...] = (
    Composite("mean", ("x",), ("dim", "keepdim"), _mean, ("mean(a)", "mean(a, dim=0)", "mean(c, dim=(0, 1), keepdim=True)"), adds=True, as_torch=_mean_stored, fused="s out", accumulation=SUMS, torch=_torch_over("mean"), summary="the arithmetic mean"),
    Composite("var",  ("x",), ("dim", "correction", "keepdim", "unbiased"), _variance, ("var(a, unbiased=False)", "var(a, dim=1)", "var(a, dim=1, correction=0, keepdim=True)"), as_torch=_variance_stored, fused="u v", accumulation=WELFORD, torch=_torch_over("var"), summary="the variance, divided by n - correction"),
    Composite("std",  ("x",), ("dim", "correction", "keepdim", "unbiased"), _deviation, ("std(a)", "std(a, dim=0)", "std(v, correction=0)"), stored=True, as_torch=_deviation_stored, fused="u v r", accumulation=WELFORD, torch=_torch_over("std"), summary="the standard deviation"),
    Composite("std_mean", ("x",), ("dim", "correction", "keepdim", "unbiased"), _with_mean("std", _deviation), ("std_mean(a)[0]", "std_mean(a, dim=1, correction=0)[1]"), results=("std", "mean"), torch=_torch_over("std_mean"), summary="the standard deviation, and the mean"),
    Composite("var_mean", ("x",), ("dim", "correction", "keepdim", "unbiased"), _with_mean("var", _variance), ("var_mean(a, dim=0)[0]", "var_mean(a)[1]"), results=("var", "mean"), torch=_torch_over("var_mean"), summary="the variance, and the mean"),
    Composite("cov", ("x", "aweights"), ("correction", "fweights"), _covariance, ("cov(a)", "cov(v, correction=0)", "cov(b, fweights=[1, 3, 0, 2])", "cov(a, aweights=exp(v))", "cov(a, correction=0, fweights=[2, 1, 1], aweights=v**2)"), optional={"aweights": 1}, indices=("fweights",), adds=True, torch=lambda m, x, aweights, correction=1, fweights=None: m.cov(x, correction=correction, fweights=fweights, aweights=aweights), summary="the covariances of the rows"),
    Composite("corrcoef", ("x",), (), _correlation, ("corrcoef(b)",), adds=True, summary="the correlations of the rows"),
    Composite("nansum", ("x",), ("dim", "keepdim"), _nansum, ("nansum(a)", "nansum(c, dim=(0, 2), keepdim=True)"), adds=True, as_torch=_nansum_stored, fused="s", accumulation=ALONE, torch=_torch_over("nansum"), summary="the sum of the elements that are numbers"),
    Composite("nanmean", ("x",), ("dim", "keepdim"), _mean, ("nanmean(a)", "nanmean(a, dim=0)"), adds=True, as_torch=_nanmean_stored, fused="s", accumulation=ALONE, torch=_torch_over("nanmean"), summary="the mean of the elements that are numbers"),
)
# fmt: on
