"""The composite rows: functions of torch that one line of the language defines; torch runs its own fused version."""

from __future__ import annotations

import re
from fractions import Fraction
from math import prod
from typing import Any

from gradcheck.functions import again
from gradcheck.functions.params import arguments, axes, axis, broadcast, reduced
from gradcheck.functions.rows import Composite
from gradcheck.functions.sorting import sort, sort_stored
from gradcheck.functions.sums import SUMS, WELFORD
from gradcheck.program import Param, Shape


def _count(shape: Shape, dim: Param) -> int:
    return prod(shape[one] for one in axes(dim, len(shape)))


def _over(shape: Shape, dim: Param, keepdim: Param = False) -> str:
    return arguments(dim=axes(dim, len(shape)), keepdim=bool(keepdim)) if shape else ""


def _mean(x: Shape, dim: Param = None, keepdim: Param = False) -> str:
    return f"sum(x{_over(x, dim, keepdim)})/{_count(x, dim)}"


def _variance(x: Shape, dim: Param = None, correction: Param = 1, keepdim: Param = False) -> str:
    count = _count(x, dim)
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


def _variance_stored(x: Shape, dim: Param = None, correction: Param = 1, keepdim: Param = False) -> str:
    if not x:
        return _variance(x, dim, correction, keepdim)
    lines, slope = _variance_lines(x, dim, correction, keepdim)
    return "\n".join([*lines, "m = detach(v)", f"m + {slope}"])


def _deviation_stored(x: Shape, dim: Param = None, correction: Param = 1, keepdim: Param = False) -> str:
    """Return std with torch's slope: that of var over twice the stored result, and 0 where that is 0 (std_backward)."""
    if not x:
        return _deviation(x, dim, correction, keepdim)
    lines, slope = _variance_lines(x, dim, correction, keepdim)
    return "\n".join([*lines, "r = sqrt(v)", "m = detach(r)", f"t = {slope}", "m + where(m == 0, 0, t/(2*m))"])


def _deviation(x: Shape, dim: Param = None, correction: Param = 1, keepdim: Param = False) -> str:
    return f"sqrt({_variance(x, dim, correction, keepdim)})"


def _norm(x: Shape, p: Param = 2, dim: Param = None, keepdim: Param = False) -> str:
    over = _over(x, dim, keepdim)
    if p == "inf":
        return f"amax(abs(x){over})"
    if p == 1:
        return f"sum(abs(x){over})"
    if p in (2, "fro"):
        return f"sqrt(sum(x**2{over}))"
    if isinstance(p, str) or p is None or p <= 0:  # type: ignore[operator]
        raise ValueError(f"norm of order {p} is not supported; p is a positive number or inf")
    return f"sum(abs(x)**({p}){over})**(1/({p}))"


def _norm_stored(x: Shape, p: Param = 2, dim: Param = None, keepdim: Param = False) -> str:
    """Return norm with torch's slope, which divides by powers of the stored norm."""
    norm = _norm(x, p, dim, True)
    if p == "inf":
        return str(_extreme_stored("maximum({}, {})", "abs(x)", "sign(x)")(x, dim, keepdim))
    if p == 1 or not x:
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


def _tree(pair: str) -> Any:
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


def _extreme_stored(pair: str, of: str = "x", slope: str = "1") -> Any:
    """Return amax, amin or the greatest magnitude with torch's slope: what ties for the extreme has equal parts of it.

    torch/csrc/autograd/FunctionsManual.cpp, scale_grad_by_count and norm_backward: grad / mask.sum(dim) * mask.
    """

    def definition(x: Shape, dim: Param = None, keepdim: Param = False) -> str:
        if not x:
            return of
        over, shape = _over(x, dim, True), reduced(x, axes(dim, len(x)), bool(keepdim))
        return "\n".join([
            f"a = {of}", *_renamed(_tree(pair)(x, dim, True), "a", "m"),
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
    of = _tree("{}*{}")
    lines = ["y = where(x == 0, 1, x)", "large = maximum(abs(y), 1)", "small = minimum(abs(y), 1)"]
    for name, factor in (("others", "y"), ("up", "large"), ("down", "small")):
        lines += _renamed(of(x, dim, True), factor, name)
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
        *_renamed(_tree("{}*{}")(x, dim, True), "x", "p"), "q = where(x == 0, 1, x)",
        f"reshape(p + sum(p - (p/q)*q{over}), {shape})",
    ])  # fmt: skip


def _renamed(text: str, x: str, result: str) -> list[str]:
    """Return the lines of a reduction of ``x``, with names of their own and a name for the result."""
    *lines, last = re.sub(r"\b(y|odd|with)(?![a-z])", rf"{result}_\1", text).splitlines()
    return [re.sub(r"\bx\b", x, line) for line in (*lines, f"{result} = {last}")]


def _swap(x: Shape, dim0: Param, dim1: Param) -> str:
    if not x:
        return "x"
    dims = list(range(len(x)))
    a, b = axis(dim0, len(x)), axis(dim1, len(x))
    dims[a], dims[b] = b, a
    return f"permute(x, {tuple(dims)})"


def _all_reversed(x: Shape) -> str:
    return f"permute(x, {tuple(reversed(range(len(x))))})" if x else "x"


def _last_two_swapped(x: Shape) -> str:
    if len(x) < 2:
        raise ValueError("mT needs a matrix; a vector has no last two dimensions")
    return _swap(x, -2, -1)


def _transposed(x: Shape) -> str:
    if len(x) > 2:
        raise ValueError(f"t takes at most 2 dimensions, and this tensor has {len(x)}; write transpose(x, dim0, dim1)")
    return _all_reversed(x)


def _flatten(x: Shape, start_dim: Param = 0, end_dim: Param = -1) -> str:
    first, last = axis(start_dim, len(x)), axis(end_dim, len(x))
    if first > last:
        raise ValueError("start_dim comes after end_dim")
    return f"reshape(x, {(*x[:first], prod(x[first : last + 1]), *x[last + 1 :])})"


def _squeeze(x: Shape, dim: Param = None) -> str:
    over = axes(dim, len(x))
    return f"reshape(x, {tuple(size for one, size in enumerate(x) if size != 1 or one not in over)})"


def _unsqueeze(x: Shape, dim: Param) -> str:
    at = axis(dim, len(x) + 1)
    return f"reshape(x, {(*x[:at], 1, *x[at:])})"


def _stack(*x: Shape, dim: Param = 0) -> str:
    if any(shape != x[0] for shape in x):
        raise ValueError("stack needs tensors of one shape")
    at = axis(dim, len(x[0]) + 1)
    shape = (*x[0][:at], 1, *x[0][at:])
    return f"cat([{', '.join(f'reshape(x_{k}, {shape})' for k in range(len(x)))}], dim={at})"


def _dot(a: Shape, b: Shape) -> str:
    if len(a) != 1 or a != b:
        raise ValueError("dot takes two vectors of one length")
    return "sum(a*b)"


def _dot_stored(a: Shape, b: Shape) -> str:
    """Return dot as the product of matrices that it is for what multiplies it: its products need not be rounded."""
    return "sum(a*b)" if a == (1,) else f"reshape(matmul(reshape(a, (1, {a[0]})), reshape(b, ({b[0]}, 1))), ())"


def _outer(a: Shape, b: Shape) -> str:
    if len(a) != 1 or len(b) != 1:
        raise ValueError("outer takes two vectors")
    return f"reshape(a, ({a[0]}, 1))*b"


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


def _mse_stored(a: Shape, b: Shape) -> str:
    """Return mse_loss with torch's slope: 2/n, times the difference, times the cotangent."""
    return f"d = a - b\ny = detach(d)\nmean(y**2) + sum((d - y)*({Fraction(2, prod(broadcast(a, b)))}*y))"


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


_HARDTANH = "where(x <= min_val, min_val, where(x >= max_val, max_val, x))"
"""hardtanh has no slope at its ends, unlike clamp: aten/src/ATen/native/cpu/Activation.cpp, hardtanh_backward_kernel."""

_SLOPED = "y = detach(x)\nd = x - y\n{}\nm = detach(v)\nm + d*g"
"""A function of one element that torch computes in one kernel, value ``v`` and slope ``g`` each: in the half types both
are float32, and rounded once (``d`` is what the slope is multiplied into). aten/src/ATen/native/cpu/Activation.cpp."""
_LOGSIGMOID = _SLOPED.format("""z = exp(-abs(y))
v = minimum(y, 0) - log1p(z)
b = detach(z)
g = where(y < 0, 1, 0) - where(y < 0, 1, -1)*(b/(1 + b))""")  # the buffer ``b`` is stored for the way back
_SOFTPLUS = _SLOPED.format("""z = exp(y*beta)
v = where(y*beta > threshold, y, log1p(z)/beta)
g = where(y*beta > threshold, 1, z/(z + 1))""")
_SILU = _SLOPED.format("s = sigmoid(y)\nv = y*s\ng = s*(1 + y*(1 - s))")
# The product with 1 + erf comes before the half: it overflows above half of the largest number.
_GELU = _SLOPED.format("""c = erf(y*0.7071067811865476) + 1
v = y*c/2
g = c/2 + y*(0.3989422804014327*exp(-y*y/2))""")
_ELU = _SLOPED.format("""v = where(y > 0, y, alpha*expm1(y))
g = where(y > 0, 1, exp(y)*alpha)""")

# fmt: off
ROWS: tuple[Composite, ...] = (
    # --- reductions ---------------------------------------------------------------------------------------------------
    Composite("mean", ("x",), ("dim", "keepdim"), _mean, ("mean(a)", "mean(a, dim=0)", "mean(c, dim=(0, 1), keepdim=True)"), adds=True, as_torch=_mean_stored, fused="s out", accumulation=SUMS, torch=_torch_over("mean"), summary="the arithmetic mean"),
    Composite("var",  ("x",), ("dim", "correction", "keepdim"), _variance, ("var(a)", "var(a, dim=1)", "var(a, dim=1, correction=0, keepdim=True)"), as_torch=_variance_stored, fused="u v", accumulation=WELFORD, torch=_torch_over("var"), summary="the variance, divided by n - correction"),
    Composite("std",  ("x",), ("dim", "correction", "keepdim"), _deviation, ("std(a)", "std(a, dim=0)", "std(v, correction=0)"), stored=True, as_torch=_deviation_stored, fused="u v r", accumulation=WELFORD, torch=_torch_over("std"), summary="the standard deviation"),
    Composite("norm", ("x",), ("p", "dim", "keepdim"), _norm, ("norm(a)", "norm(a, p=1)", "norm(a, p=3, dim=1)", "norm(v, p=inf)", "norm(v, p=1.5)"), stored=True, as_torch=_norm_stored, fused="r", torch=_torch_norm, summary="the vector norm of order p"),
    Composite("prod", ("x",), ("dim", "keepdim"), _tree("{}*{}"), ("prod(a)", "prod(a, dim=1)", "prod(v, dim=0, keepdim=True)"), stored=True, again=_prod_again, as_torch=_prod_stored, torch=_torch_prod, summary="the product of the elements"),
    Composite("amax", ("x",), ("dim", "keepdim"), _tree("maximum({}, {})"), ("amax(a)", "amax(a, dim=1)", "amax(c, dim=(0, 2), keepdim=True)"), as_torch=_extreme_stored("maximum({}, {})"), torch=_torch_extreme("amax"), summary="the greatest element"),
    Composite("amin", ("x",), ("dim", "keepdim"), _tree("minimum({}, {})"), ("amin(a)", "amin(a, dim=0)"), as_torch=_extreme_stored("minimum({}, {})"), torch=_torch_extreme("amin"), summary="the least element"),
    Composite("sort", ("x",), ("dim", "descending"), sort, ("sort(v)", "sort(a, 0)", "sort(a, descending=True)", "sort(c, dim=1)"), as_torch=sort_stored, torch=lambda m, x, dim=-1, descending=False: m.sort(x, dim=dim, descending=descending).values, summary="the elements in order along dim, values alone"),
    Composite("logsumexp", ("x",), ("dim", "keepdim"), _logsumexp, ("logsumexp(a, dim=1)", "logsumexp(a, dim=(0, 1))", "logsumexp(v, 0, keepdim=True)"), stored=True, again=again.logsumexp, as_torch=_logsumexp_stored, torch=_all_dims, summary="log(sum(exp(x)))"),
    Composite("softmax", ("x",), ("dim",), _along("exp(x)/sum(exp(x){over})"), ("softmax(a, dim=1)", "softmax(v, 0)"), stored=True, again=again.softmax, as_torch=_softmax_stored("w = POWERS/s\ny = detach(w)\ny + y*(d - sum(y*d{over}))"), fused="z s w", pulled="d out", summary="exp(x)/sum(exp(x))"),
    Composite("log_softmax", ("x",), ("dim",), _along("x - log(sum(exp(x){over}))"), ("log_softmax(a, dim=1)", "log_softmax(c, -1)"), stored=True, again=again.log_softmax, as_torch=_softmax_stored("y = detach(x - k - log(s))\np = exp(y)\ny + (d - sum(detach(p)*d{over}))"), fused="z s p", pulled="d p out", summary="log(softmax(x))"),

    # --- shapes -------------------------------------------------------------------------------------------------------
    Composite("transpose", ("x",), ("dim0", "dim1"), _swap, ("transpose(a, 0, 1)", "transpose(c, 0, -1)"), summary="two axes swapped"),
    Composite("T",  ("x",), (), _all_reversed, ("a.T", "a.T @ a"), torch=lambda m, x: x.T, summary="the axes in reverse order"),
    Composite("mT", ("x",), (), _last_two_swapped, ("a.mT", "c.mT"), torch=lambda m, x: x.mT, summary="the last two axes swapped"),
    Composite("t",  ("x",), (), _transposed, ("t(a)", "v.t()"), summary="the transpose of a matrix"),
    Composite("flatten", ("x",), ("start_dim", "end_dim"), _flatten, ("flatten(a)", "flatten(c, 1)"), summary="dims joined into one"),
    Composite("squeeze", ("x",), ("dim",), _squeeze, ("squeeze(a[:, :1])", "squeeze(a[:1], 0)"), summary="without the axes of size 1"),
    Composite("unsqueeze", ("x",), ("dim",), _unsqueeze, ("unsqueeze(v, 0)", "unsqueeze(a, -1)"), summary="with a new axis of size 1"),
    Composite("stack", ("x",), ("dim",), _stack, ("stack([v, v])", "stack([a, a], dim=1)"), torch=lambda m, *x, dim=0: m.stack(x, dim=dim), summary="tensors joined along a new dim"),
    Composite("dot", ("a", "b"), (), _dot, ("dot(v, v)",), adds=True, as_torch=_dot_stored, summary="the inner product of two vectors"),
    Composite("outer", ("a", "b"), (), _outer, ("outer(u, v)",), summary="the outer product of two vectors"),

    # --- elementwise --------------------------------------------------------------------------------------------------
    Composite("softplus", ("x",), ("beta", "threshold"), "where(beta*x > threshold, x, log1p(exp(beta*x))/beta)", ("softplus(s)", "softplus(v, beta=2)", "softplus(10*v)"),
              defaults={"beta": 1, "threshold": 20}, as_torch=_SOFTPLUS, fused="z v g", pulled="d", torch=lambda m, x, beta=1, threshold=20: m.nn.functional.softplus(x, beta, threshold), summary="log(1 + exp(beta*x))/beta, and x itself above the threshold"),
    Composite("round", ("x",), (), "where(x - floor(x) == 1/2, 2*floor((x + 1/2)/2), floor(x + 1/2))", ("round(v)", "round(3*a)"), summary="the nearest integer, ties to even"),
    Composite("trunc", ("x",), (), "where(x >= 0, floor(x), ceil(x))", ("trunc(3*v)",), summary="the integer part"),
    Composite("logsigmoid", ("x",), (), "-log1p(exp(-x))", ("logsigmoid(v)",), again=again.logsigmoid, as_torch=_LOGSIGMOID, fused="z v g", pulled="d", torch=lambda m, x: m.nn.functional.logsigmoid(x), summary="log(sigmoid(x))"),
    Composite("silu", ("x",), (), "x*sigmoid(x)", ("silu(v)",), as_torch=_SILU, fused="s v g", pulled="d", torch=lambda m, x: m.nn.functional.silu(x), summary="x*sigmoid(x)"),
    Composite("gelu", ("x",), (), "x*(1 + erf(x/sqrt(2)))/2", ("gelu(v)",),
              as_torch=_GELU, fused="c v g", pulled="d",
              torch=lambda m, x: m.nn.functional.gelu(x), summary="x times the normal distribution function"),
    Composite("elu", ("x",), ("alpha",), "where(x > 0, x, alpha*expm1(x))", ("elu(v)", "elu(v, alpha=2)"), defaults={"alpha": 1},
              as_torch=_ELU, fused="v g", pulled="d",
              torch=lambda m, x, alpha=1: m.nn.functional.elu(x, alpha), summary="x above 0, alpha*(exp(x) - 1) below"),
    Composite("leaky_relu", ("x",), ("negative_slope",), "where(x > 0, x, negative_slope*x)", ("leaky_relu(v)", "leaky_relu(v, 0.2)"),
              defaults={"negative_slope": Fraction(1, 100)}, torch=lambda m, x, negative_slope=0.01: m.nn.functional.leaky_relu(x, negative_slope), summary="x above 0, negative_slope*x below"),
    Composite("hardtanh", ("x",), ("min_val", "max_val"), "clamp(x, min_val, max_val)", ("hardtanh(v)", "hardtanh(v, -0.5, 1.5)"), bounds=True, defaults={"min_val": -1, "max_val": 1}, as_torch=_HARDTANH,
              torch=lambda m, x, min_val=-1, max_val=1: m.nn.functional.hardtanh(x, min_val, max_val), summary="x between min_val and max_val"),
    Composite("relu6", ("x",), (), "clamp(x, 0, 6)", ("relu6(v)", "relu6(5*a)"), as_torch=_HARDTANH.replace("min_val", "0").replace("max_val", "6"), torch=lambda m, x: m.nn.functional.relu6(x), summary="x between 0 and 6"),
    Composite("mse_loss", ("a", "b"), (), "mean((a - b)**2)", ("mse_loss(v, a[0])",), adds=True, as_torch=_mse_stored, torch=lambda m, a, b: m.nn.functional.mse_loss(a, b), summary="the mean of the squared differences"),
)
# fmt: on
