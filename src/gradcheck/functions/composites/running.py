"""Running sums, products and extremes; differences, gradients and areas along a dim."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from math import prod

from gradcheck.functions.params import arguments, axes, axis, broadcast, shape_text
from gradcheck.functions.rows import Composite
from gradcheck.program import Param, Shape

MAX_STEPS = 1_024
"""Elements along a dim whose results are made one after the other: a line for each."""


def _at(name: str, dim: int, place: str) -> str:
    """Return the part of a tensor at a place along a dim."""
    return f"{name}[{':, ' * dim}{place}]"


def _running(first: str, step: str) -> Callable[..., str]:
    """Return the definition that makes one result after the other, of the one before and of the next element."""

    def definition(x: Shape, dim: Param, **_result: Param) -> str:
        at = axis(dim, len(x))
        if not x:
            return first.format("x")
        if x[at] > MAX_STEPS:
            raise ValueError(f"{x[at]:,} elements along dim {at}; the limit (MAX_STEPS) is {MAX_STEPS:,}")
        if not x[at]:
            return "x"
        parts = [f"x_{k}_ = {first.format(_at('x', at, f'{k}:{k + 1}'))}" for k in range(x[at])]
        lines = ["y_0_ = x_0_", *(f"y_{k}_ = {step.format(f'y_{k - 1}_', f'x_{k}_')}" for k in range(1, x[at]))]
        joined = f"cat([{', '.join(f'y_{k}_' for k in range(x[at]))}], dim={at})"
        return "\n".join([*parts, *lines, joined])

    return definition


_cumprod = _running("{}", "{}*{}")
# Of equal ones the last is taken: aten/src/ATen/native/ReduceOps.cpp, cummax_helper_cpu, std::greater_equal.
_cummax_stored = _running("{}", "where({1} >= {0}, {1}, {0})")
_cummin_stored = _running("{}", "where({1} <= {0}, {1}, {0})")


def _cumprod_stored(x: Shape, dim: Param) -> str:
    """Return cumprod with torch's slope where no element is 0: the running sum of dx/x, times the stored result.

    torch/csrc/autograd/FunctionsManual.cpp, cumprod_backward and cumprod_jvp.
    """
    if not x or not prod(x):
        return _cumprod(x, dim)
    *lines, last = _cumprod(x, dim).splitlines()
    return "\n".join([
        *lines, f"p = {last}", "m = detach(p)", "some = detach(sum(where(x == 0, 1, 0)))", "d = detach(where(x == 0, 1, x))",
        f"where(some > 0, p, m + cumsum((x - detach(x))/d, dim={axis(dim, len(x))})*m)",
    ])  # fmt: skip


def _logcumsumexp(x: Shape, dim: Param) -> str:
    return f"log(cumsum(exp(x), dim={axis(dim, len(x))}))"


def _logcumsumexp_stored(x: Shape, dim: Param) -> str:
    """Return logcumsumexp as torch has it, from one to the next, with the slope exp(x - result).

    aten/src/ATen/native/cpu/ReduceOpsKernel.cpp, logcumsumexp_cpu_kernel, and FunctionsManual.cpp, logcumsumexp_backward.
    That adds up in logarithms once more: what comes in is subtracted from, and added to, in floats of the size of the
    results, and all of that error is in an exponent.
    Forward mode (logcumsumexp_jvp) adds 1e-13 to the sum that it divides by, and is off by so much or more.
    """
    if not x or not prod(x):
        return "x"
    at = axis(dim, len(x))
    *lines, last = _running("detach({})", "maximum({0}, {1}) + log1p(exp(-abs({0} - {1})))")(x, at).splitlines()
    exponents, terms = [], []
    for k in range(x[at]):
        before, here = _at("m", at, f":{k + 1}"), _at("m", at, f"{k}:{k + 1}")
        exponents += [
            f"t_{k}_ = abs({before}) + abs({here}) + 1",
            f"e_{k}_ = sum(stack([{_at('y', at, f':{k + 1}')} - {here}, t_{k}_, -t_{k}_], dim=0), dim=0)",
        ]
        terms.append(f"sum(exp(e_{k}_)*{_at('d', at, f':{k + 1}')}{arguments(dim=(at,), keepdim=True)})")
    return "\n".join([
        *lines, f"m = {last}", "y = detach(x)", "d = x - detach(x)", *exponents, f"m + cat([{', '.join(terms)}], dim={at})",
    ])  # fmt: skip


def _diff(x: Shape, prepend: Shape, append: Shape, n: Param = 1, dim: Param = -1) -> str:
    if not x:
        raise ValueError("diff takes a tensor of at least one dimension")
    if not isinstance(n, int) or isinstance(n, bool) or n < 0:
        raise ValueError("n, how often differences are taken, is a whole number from 0")
    at = axis(dim, len(x))
    around = [("prepend", prepend), ("x", x), ("append", append)]
    parts = [(name, shape) for name, shape in around if shape or name == "x"]
    for name, shape in parts:
        if len(shape) != len(x):
            raise ValueError(
                f"{name} is {shape_text(shape)}, and has other dimensions than x, which is {shape_text(x)}"
            )
    size = sum(shape[at] for _, shape in parts)
    if not n:  # torch gives x itself back then
        return "x"
    lines = [f"y_0 = cat([{', '.join(name for name, _ in parts)}], dim={at})" if len(parts) > 1 else "y_0 = x"]
    for k in range(min(n, size)):
        lines.append(f"y_{k + 1} = {_at(f'y_{k}', at, '1:')} - {_at(f'y_{k}', at, ':-1')}")
    return "\n".join([*lines, f"y_{min(n, size)}"])


def _gradient(x: Shape, spacing: Param = 1, dim: Param = None, edge_order: Param = 1, result: Param = 0) -> str:
    over = axes(dim, len(x))
    if edge_order not in (1, 2):
        raise ValueError("edge_order is 1 or 2")
    if spacing is None:
        spacing = 1
    steps = spacing if isinstance(spacing, tuple) else (spacing,) * len(over)
    if len(steps) != len(over) or any(isinstance(one, tuple | str | bool) or one is None for one in steps):
        raise ValueError("spacing is a number, or one for each dim")
    assert isinstance(result, int)
    if not -len(over) <= result < len(over):
        raise ValueError(f"there are {len(over)} gradients, one for each dim, and no number {result}")
    at, step = over[result], steps[result]
    if min(x[one] for one in over) <= int(str(edge_order)):
        raise ValueError(f"gradient needs at least {int(str(edge_order)) + 1} elements along each dim")
    # aten/src/ATen/native/ReduceOps.cpp, gradient_helper_float
    part = partial(_at, "x", at)
    if edge_order == 1:
        first, last = f"({part('1:2')} - {part('0:1')})", f"({part('-1:')} - {part('-2:-1')})"
    else:
        first = f"(-1.5*{part('0:1')} + 2*{part('1:2')} - 0.5*{part('2:3')})"
        last = f"(0.5*{part('-3:-2')} - 2*{part('-2:-1')} + 1.5*{part('-1:')})"
    center = f"({part('2:')} - {part(':-2')})/({step})/2"
    return f"cat([{first}/({step}), {center}, {last}/({step})], dim={at})"


def _widths(y: Shape, x: Shape, dx: Param, dim: Param) -> tuple[int, str]:
    """Return the dim along which y is added up, and the widths of the trapezia, or of all of them."""
    if not y:
        raise ValueError("y is a scalar, and has no dim to add up")
    at = axis(dim, len(y))
    if not x:
        return at, f"({1 if dx is None else dx})"
    if dx is not None:
        raise ValueError("give x or dx, not both")
    if len(x) > len(y):
        raise ValueError(f"x is {shape_text(x)}, and has more dimensions than y, which is {shape_text(y)}")
    shape = tuple(x[0] if one == at else 1 for one in range(len(y))) if len(x) == 1 else (1,) * (len(y) - len(x)) + x
    if shape[at] != y[at]:
        raise ValueError(f"there are {y[at]} values of y along dim {at}, and {shape[at]} of x")
    broadcast(shape, y)
    whole = f"reshape(x, {shape})"
    return at, f"({_at(whole, at, '1:')} - {_at(whole, at, ':-1')})"


def _trapezoid(y: Shape, x: Shape, dx: Param = None, dim: Param = -1) -> str:
    at, width = _widths(y, x, dx, dim)
    return f"sum(({_at('y', at, ':-1')} + {_at('y', at, '1:')})*{width}, dim={at})/2"


def _trapezoid_stored(y: Shape, x: Shape, dx: Param = None, dim: Param = -1) -> str:
    """Return trapezoid as torch has it: with one width, what is half at the ends is taken off the sum of all.

    aten/src/ATen/native/Integration.cpp, do_trapezoid.
    """
    at, width = _widths(y, x, dx, dim)
    if x or not y[at]:
        return _trapezoid(y, x, dx, dim)
    return f"(sum(y, dim={at}) - ({_at('y', at, '0')} + {_at('y', at, '-1')})*0.5)*{width}"


def _cumulative_trapezoid(y: Shape, x: Shape, dx: Param = None, dim: Param = -1) -> str:
    at, width = _widths(y, x, dx, dim)
    return f"cumsum({width}*({_at('y', at, ':-1')} + {_at('y', at, '1:')}), dim={at})/2"


# fmt: off
ROWS: tuple[Composite, ...] = (
    Composite("cumprod", ("x",), ("dim",), _cumprod, ("cumprod(v, 0)", "cumprod(a, dim=1)"), stored=True, as_torch=_cumprod_stored, summary="running products along dim"),
    Composite("cummax", ("x",), ("dim",), _running("{}", "maximum({}, {})"), ("cummax(v, 0)[0]", "cummax(a, dim=1)[0]"), as_torch=_cummax_stored, results=("values", "indices"), summary="running maxima along dim"),
    Composite("cummin", ("x",), ("dim",), _running("{}", "minimum({}, {})"), ("cummin(v, 0)[0]", "cummin(a, dim=1)[0]"), as_torch=_cummin_stored, results=("values", "indices"), summary="running minima along dim"),
    Composite("logcumsumexp", ("x",), ("dim",), _logcumsumexp, ("logcumsumexp(v, 0)", "logcumsumexp(a, dim=1)"), stored=True, wrong=("fwd",), as_torch=_logcumsumexp_stored, summary="log(cumsum(exp(x)))"),
    Composite("diff", ("x", "prepend", "append"), ("n", "dim"), _diff, ("diff(v)", "diff(a, n=2, dim=1)", "diff(a, dim=0, prepend=a[:1]**2, append=reshape(v, (1, 3)))"), adds=True, order=("x", "n", "dim", "prepend", "append"), optional={"prepend": 0, "append": 0},
              torch=lambda m, x, prepend, append, n=1, dim=-1: m.diff(x, n=n, dim=dim, prepend=prepend, append=append), summary="differences of neighbours along dim, taken n times"),
    Composite("gradient", ("x",), ("spacing", "dim", "edge_order"), _gradient, ("gradient(v)[0]", "gradient(a, spacing=(2, 0.5))[1]", "gradient(b, spacing=0.5, dim=0, edge_order=2)[0]"), results=("gradients*",), adds=True,
              torch=lambda m, x, spacing=1, dim=None, edge_order=1: m.gradient(x, spacing=spacing, dim=dim, edge_order=edge_order), summary="central differences along each dim, one-sided at the ends"),
    Composite("trapezoid", ("y", "x"), ("dx", "dim"), _trapezoid, ("trapezoid(b)", "trapezoid(v, exp(v))", "trapezoid(a, dx=0.5, dim=0)"), as_torch=_trapezoid_stored, optional={"x": 0}, adds=True,
              torch=lambda m, y, x, dx=None, dim=-1: m.trapezoid(y, x, dim=dim) if x is not None else m.trapezoid(y, dx=1 if dx is None else dx, dim=dim), summary="the area under y along dim by the trapezoidal rule, at points x or dx apart"),
    Composite("cumulative_trapezoid", ("y", "x"), ("dx", "dim"), _cumulative_trapezoid, ("cumulative_trapezoid(b)", "cumulative_trapezoid(v, exp(v))"), optional={"x": 0}, adds=True,
              torch=lambda m, y, x, dx=None, dim=-1: m.cumulative_trapezoid(y, x, dim=dim) if x is not None else m.cumulative_trapezoid(y, dx=1 if dx is None else dx, dim=dim), summary="running areas under y along dim by the trapezoidal rule"),
)
# fmt: on
