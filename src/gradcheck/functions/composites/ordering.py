"""Functions of the order of elements: extremes with their places, medians, quantiles."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from math import ceil, floor, prod
from typing import Any

from gradcheck.functions.composites.reductions import extreme_stored, renamed, tree
from gradcheck.functions.params import arguments, axes, axis, reduced
from gradcheck.functions.rows import Composite
from gradcheck.functions.sorting import EITHER, MAX_SORTED
from gradcheck.program import Param, Shape, param_text

GREATER, LESS = "maximum({}, {})", "minimum({}, {})"
# torch hands the gradient to the one element whose place it returns, and which of several equal ones that is, is open:
# derivatives.yaml, value_selecting_reduction_backward.
ONE_GREATER = f"where(({{0}} > {{1}}) | ({{0}} == {{1}}) & {EITHER}, {{0}}, {{1}})"
ONE_LESS = f"where(({{0}} < {{1}}) | ({{0}} == {{1}}) & {EITHER}, {{0}}, {{1}})"


def _selected(pair: str) -> Callable[..., str]:
    """Return the definition of the extreme along one dim."""

    def definition(x: Shape, dim: Param, keepdim: Param = False, **_result: Param) -> str:
        return str(tree(pair)(x, axis(dim, len(x)), keepdim))

    return definition


def _ends(stored: bool) -> Callable[..., str]:
    """Return the definition of aminmax; what ties for an extreme has equal parts of its slope."""

    def definition(x: Shape, dim: Param = None, keepdim: Param = False, result: Param = 0) -> str:
        if dim is not None:
            axis(dim, len(x))
        pair = GREATER if result else LESS
        return str((extreme_stored(pair) if stored else tree(pair))(x, dim, keepdim))

    return definition


def _place(x: Shape, at: int, k: int, keepdim: Param, descending: bool = False) -> str:
    """Return the element at one place of the order along a dim."""
    if not x:
        return "x"
    place = f"{k}:{k + 1}" if keepdim else str(k)
    return f"sort(x{arguments(dim=at, descending=descending)})[{':, ' * at}{place}]"


def _kth(x: Shape, k: Param, dim: Param = -1, keepdim: Param = False, **_result: Param) -> str:
    at = axis(dim, len(x))
    size = x[at] if x else 1
    if not isinstance(k, int) or isinstance(k, bool) or not 1 <= k <= size:
        raise ValueError(f"k is a whole number from 1 to {size}, the number of elements")
    return _place(x, at, k - 1, keepdim)


def _topk(x: Shape, k: Param, dim: Param = -1, largest: Param = True, sorted: Param = True, **_result: Param) -> str:  # noqa: A002 - torch's own name
    at = axis(dim, len(x))
    size = x[at] if x else 1
    if not isinstance(k, int) or isinstance(k, bool) or not 0 <= k <= size:
        raise ValueError(f"k is a whole number from 1 to {size}, the number of elements")
    if not k:
        raise ValueError("what topk chooses is empty with k=0")
    if not sorted:
        raise ValueError("with sorted=False the order of the elements is open")
    return f"sort(x, dim={at}, descending={bool(largest)})[{':, ' * at}:{k}]" if x else "x"


def _msort(x: Shape) -> str:
    return "sort(x, dim=0)" if x else "x"


def _median(x: Shape, dim: Param = None, keepdim: Param = False, **_result: Param) -> str:
    """Return the lower of the two elements in the middle: torch takes no mean of them."""
    if dim is None:
        _no_keepdim("median", keepdim)
        size = prod(x)
        if not size:
            raise ValueError("there is no median of no elements")
        return f"sort(reshape(x, {(size,)}), dim=0)[{(size - 1) // 2}]"
    at = axis(dim, len(x))
    return _kth(x, ((x[at] if x else 1) + 1) // 2, at, keepdim)


def _median_stored(x: Shape, dim: Param = None, keepdim: Param = False, **_result: Param) -> str:
    """Return median with torch's slope: over all, equal elements have equal parts of it (evenly_distribute_backward)."""
    if dim is not None or not x:
        return _median(x, dim, keepdim)
    return "\n".join([
        f"m = detach({_median(x)})", "q = detach(where(x == m, 1, 0))",
        "m + sum((x - detach(x))*q)/detach(maximum(sum(q), 1))",
    ])  # fmt: skip


def _no_keepdim(name: str, keepdim: Param) -> None:
    if keepdim:
        raise ValueError(f"{name} takes keepdim beside dim alone")


def _mode(x: Shape, dim: Param = -1, keepdim: Param = False, **_result: Param) -> str:
    """Return the least of the elements that occur most often, as torch has it."""
    at = axis(dim, len(x))
    if not x:
        return "x"
    if x[at] > MAX_SORTED:
        raise ValueError(f"{x[at]:,} elements along dim {at}; the limit (MAX_SORTED) is {MAX_SORTED:,}")
    size, front = x[at], (at, *(k for k in range(len(x)) if k != at))
    rest = tuple(x[k] for k in front[1:])
    others = [k for one in range(size) for k in range(size) if k != one]
    shape = reduced(x, (at,), bool(keepdim))
    # ``c`` counts what equals an element, and ``more`` the elements with a larger count; such are put behind all others.
    # Counts are compared with halves between them, where no condition is about to change.
    return "\n".join([
        f"y = permute(x, {front})",
        f"o = reshape(y[{others}], {(size, size - 1, *rest)})",
        f"c = sum(where(reshape(y, {(size, 1, *rest)}) == o, 1, 0), dim=1)",
        f"more = sum(where(reshape(c, {(1, size, *rest)}) > reshape(c, {(size, 1, *rest)}) + 1/2, 1, 0), dim=1)",
        *renamed(tree(GREATER)((size, *rest), 0, True), "y", "top"), "z = where(more > 1/2, top, y)",
        *renamed(tree(LESS)((size, *rest), 0, False), "z", "least"),
        f"reshape(least, {shape})",
    ]) if size > 1 else f"reshape(x, {shape})"  # fmt: skip


def _quantile(x: Shape, q: Param, dim: Param = None, keepdim: Param = False, interpolation: Param = "linear") -> str:
    made = []
    for level in _levels(q):
        below, above, weight = _neighbours(_rank(x, level, dim), interpolation)
        made.append(f"y[{below}]" if below == above else f"y[{below}] + ({weight})*(y[{above}] - y[{below}])")
    return "\n".join([_in_order(x, dim), _of_levels(made, q, reduced(x, axes(dim, len(x)), bool(keepdim)))])


def _quantile_stored(
    x: Shape, q: Param, dim: Param = None, keepdim: Param = False, interpolation: Param = "linear"
) -> str:
    """Return quantile as torch has it: q is rounded, times n - 1, and blended with lerp.

    aten/src/ATen/native/Sorting.cpp, quantile_compute. A rank that is whole may come out on either side of it.
    """
    lines, made = [_in_order(x, dim), f"one = detach(reshape(y, {(prod(x),)})[0]*0 + 1)"], []
    for k, level in enumerate(_levels(q)):
        rank = _rank(x, level, dim)
        below, above, weight = _neighbours(rank, interpolation)
        lines.append(f"w{k} = one*{param_text(level)}*{_size(x, dim) - 1} - {floor(rank)}")
        if below < above:
            made.append(f"lerp(y[{below}], y[{above}], {f'w{k}' if interpolation == 'linear' else weight})")
        elif rank.denominator == 1 and 0 < below < _size(x, dim) - 1 and str(interpolation) in BESIDE:
            up, down = BESIDE[str(interpolation)]
            over, under = up.format(w=f"w{k}"), down.format(w=f"(-w{k})")
            made.append(f"y[{below}] + {over}*(y[{below + 1}] - y[{below}]) + {under}*(y[{below - 1}] - y[{below}])")
        else:
            made.append(f"y[{below}]")
    return "\n".join([*lines, _of_levels(made, q, reduced(x, axes(dim, len(x)), bool(keepdim)))])


BESIDE = {
    "linear": ("clamp_min({w}, 0)", "clamp_min({w}, 0)"), "midpoint": ("where({w} > 0, 1/2, 0)", "where({w} > 0, 1/2, 0)"),
    "lower": ("0", "where({w} > 0, 1, 0)"), "higher": ("where({w} > 0, 1, 0)", "0"),
}  # fmt: skip
"""What the next element has above a whole rank, and the one before it below, where that is off by ``w``."""


def _levels(q: Param) -> tuple[Param, ...]:
    if q == ():
        raise ValueError("there is no quantile: the list of levels is empty")
    return q if isinstance(q, tuple) else (q,)


def _of_levels(made: Sequence[str], q: Param, shape: Shape) -> str:
    """Return the quantiles of all levels, in a first dim of their own where there is a list of them."""
    if isinstance(q, tuple):
        return f"reshape(stack([{', '.join(made)}], dim=0), {(len(made), *shape)})"
    return f"reshape({made[0]}, {shape})"


def _size(x: Shape, dim: Param) -> int:
    return prod(x) if dim is None or not x else x[axis(dim, len(x))]


def _rank(x: Shape, q: Param, dim: Param) -> Fraction:
    """Return the place of a quantile in the order of the elements, which may be between two of them."""
    if isinstance(q, bool) or not isinstance(q, int | Fraction) or not 0 <= q <= 1:
        raise ValueError("q is a number from 0 to 1, or a list of such")
    if not _size(x, dim):
        raise ValueError("there is no quantile of no elements")
    return Fraction(q) * (_size(x, dim) - 1)


def _neighbours(rank: Fraction, interpolation: Param) -> tuple[int, int, Fraction]:
    """Return the places of the elements that a quantile is made of, and the weight of the upper one."""
    if interpolation == "nearest":
        return round(rank), round(rank), Fraction(0)
    low, high = floor(rank), ceil(rank)
    if interpolation in ("lower", "higher"):
        return (low, low, Fraction(0)) if interpolation == "lower" else (high, high, Fraction(0))
    return low, high, Fraction(1, 2) if interpolation == "midpoint" else rank - low


def _in_order(x: Shape, dim: Param) -> str:
    """Return the line that sorts, with the order along the first dim."""
    if dim is None or not x:
        return f"y = sort(reshape(x, {(prod(x),)}), dim=0)"
    at = axis(dim, len(x))
    return f"y = sort(permute(x, {(at, *(k for k in range(len(x)) if k != at))}), dim=0)"


def _torch_quantile(name: str) -> Callable[..., Any]:
    """Return the call of torch's function, which takes several levels as a tensor of the input's dtype."""

    def run(m: Any, x: Any, q: Any, dim: Any = None, keepdim: Any = False, interpolation: Any = "linear") -> Any:
        levels = m.tensor(q, dtype=x.dtype, device=x.device) if isinstance(q, tuple) else q
        return getattr(m, name)(x, levels, dim=dim, keepdim=keepdim, interpolation=interpolation)

    return run


HOW = {"interpolation": ("linear", "lower", "higher", "midpoint", "nearest")}
PLACED = ("values", "indices")

# fmt: off
ROWS: tuple[Composite, ...] = (
    Composite("max", ("x",), ("dim", "keepdim"), _selected(GREATER), ("max(a, dim=1)[0]", "max(v, dim=0, keepdim=True)[0]"), as_torch=_selected(ONE_GREATER), results=PLACED, summary="the greatest element, or of two the greater; over a dim with its place"),
    Composite("min", ("x",), ("dim", "keepdim"), _selected(LESS), ("min(a, dim=1)[0]", "min(v, dim=0, keepdim=True)[0]"), as_torch=_selected(ONE_LESS), results=PLACED, summary="the least element, or of two the lesser; over a dim with its place"),
    Composite("aminmax", ("x",), ("dim", "keepdim"), _ends(False), ("aminmax(a)[0]", "aminmax(a, dim=1, keepdim=True)[1]"), as_torch=_ends(True), results=("min", "max"), torch=lambda m, x, dim=None, keepdim=False: m.aminmax(x, dim=dim, keepdim=keepdim), summary="the least and the greatest element"),
    Composite("kthvalue", ("x",), ("k", "dim", "keepdim"), _kth, ("kthvalue(v, 2)[0]", "kthvalue(a, 1, dim=0, keepdim=True)[0]"), results=PLACED, summary="the k-th least element along dim, and its place"),
    Composite("topk", ("x",), ("k", "dim", "largest", "sorted"), _topk, ("topk(v, 2)[0]", "topk(a, 1, dim=0, largest=False)[0]"), results=PLACED, summary="the k greatest elements along dim in falling order, and their places"),
    Composite("msort", ("x",), (), _msort, ("msort(a)",), summary="the elements in order along the first dim"),
    Composite("median", ("x",), ("dim", "keepdim"), _median, ("median(a)", "median(a, dim=1)[0]"), as_torch=_median_stored, results=PLACED, single="dim", summary="the element in the middle of the order, the lower one of two"),
    Composite("nanmedian", ("x",), ("dim", "keepdim"), _median, ("nanmedian(b)", "nanmedian(b, dim=1, keepdim=True)[0]"), as_torch=_median_stored, results=PLACED, single="dim", summary="the median of the elements that are numbers"),
    Composite("mode", ("x",), ("dim", "keepdim"), _mode, ("mode(v)[0]", "mode(a, dim=0, keepdim=True)[0]"), results=PLACED, summary="the least of the elements that occur most often along dim, and its place"),
    Composite("quantile", ("x",), ("q", "dim", "keepdim", "interpolation"), _quantile, ("quantile(v, 0.3)", "quantile(a, 0.75, dim=1, interpolation='midpoint')", "quantile(a, 0.3, dim=0, keepdim=True, interpolation='higher')", "quantile(b, [0.25, 0.5, 0.9], dim=1)"), words=HOW, dtypes=("float64", "float32"), as_torch=_quantile_stored, torch=_torch_quantile("quantile"), summary="the quantile at q, between neighbours by an interpolation"),
    Composite("nanquantile", ("x",), ("q", "dim", "keepdim", "interpolation"), _quantile, ("nanquantile(b, 0.3, dim=1)", "nanquantile(b, 0.7, interpolation='nearest')", "nanquantile(v, [0.3, 0.6])"), words=HOW, dtypes=("float64", "float32"), as_torch=_quantile_stored, torch=_torch_quantile("nanquantile"), summary="the quantile at q of the elements that are numbers"),
)
# fmt: on
