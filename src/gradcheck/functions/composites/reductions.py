"""Reductions, and what is made of them: rows that one line of the language defines; torch runs its own version."""

from __future__ import annotations

import re
from math import prod
from typing import Any

from gradcheck.functions import again
from gradcheck.functions.params import axes, axis, over_dims, reduced
from gradcheck.functions.rows import Composite
from gradcheck.functions.sorting import sort, sort_stored
from gradcheck.program import Param, Shape

# --- by pairs ----------------------------------------------------------------------------------------


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
        over, shape = over_dims(x, dim, True), reduced(x, axes(dim, len(x)), bool(keepdim))
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
    shape, over = reduced(x, axes(dim, len(x)), bool(keepdim)), over_dims(x, dim, True)
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
    shape, over = reduced(x, axes(dim, len(x)), bool(keepdim)), over_dims(x, dim, True)
    return "\n".join([
        *renamed(tree("{}*{}")(x, dim, True), "x", "p"), "q = where(x == 0, 1, x)",
        f"reshape(p + sum(p - (p/q)*q{over}), {shape})",
    ])  # fmt: skip


def renamed(text: str, x: str, result: str) -> list[str]:
    """Return the lines of a reduction of ``x``, with names of their own and a name for the result."""
    *lines, last = re.sub(r"\b(y|odd|with)(?![a-z])", rf"{result}_\1", text).splitlines()
    return [re.sub(r"\bx\b", x, line) for line in (*lines, f"{result} = {last}")]


# --- of exponentials ---------------------------------------------------------------------------------


def _along(text: str) -> Any:
    """Return a definition along one dim, which torch wants named."""

    def definition(x: Shape, dim: Param) -> str:
        return text.format(over=over_dims(x, axis(dim, len(x)), True))

    return definition


def _logsumexp(x: Shape, dim: Param = None, keepdim: Param = False) -> str:
    return f"log(sum(exp(x){over_dims(x, dim, keepdim)}))"


def _logsumexp_stored(x: Shape, dim: Param = None, keepdim: Param = False) -> str:
    """Return logsumexp as torch has it: the greatest element is taken out, and the slope is exp(x - logsumexp(x))."""
    if not x:
        return _logsumexp(x, dim, keepdim)
    over = over_dims(x, dim, True)
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
        over, powers = over_dims(x, at, True), "z" if at == max(len(x), 1) - 1 else "e"
        lines = [
            f"k = detach(amax(x{over}))", "d = x - detach(x)", f"{powers} = exp(x - k)",
            f"s = sum({powers}{over})", text.replace("POWERS", powers),
        ]  # fmt: skip
        return "\n".join(lines).format(over=over)

    return definition


def _all_dims(m: Any, x: Any, dim: Any = None, keepdim: Any = False) -> Any:
    return m.logsumexp(x, tuple(range(x.dim())) if dim is None else dim, keepdim)


def _torch_extreme(name: str) -> Any:
    def run(m: Any, x: Any, dim: Any = (), keepdim: Any = False) -> Any:
        return getattr(m, name)(x, () if dim is None else dim, keepdim)

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
