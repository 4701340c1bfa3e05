"""Special functions."""

from __future__ import annotations

from typing import Any

from gradcheck.functions.rows import Composite
from gradcheck.program import Param, Shape


def _logit(x: Shape, eps: Param = None) -> str:
    """Return log(x/(1 - x)), with x kept ``eps`` away from 0 and 1."""
    if eps is None:
        return "log(x/(1 - x))"
    return f"z = clamp(x, {eps}, 1 - {eps})\nlog(z/(1 - z))"


def _named(name: str, definition: str, samples: tuple[str, ...], torch: Any, summary: str) -> Composite:
    """Return a function that mathematics has a name for and torch has not; torch runs what people write instead."""
    return Composite(name, ("x",), (), definition, samples, torch=torch, summary=summary)


_LOG_ADD_EXP2 = """p = detach(x)
q = detach(y)
m = maximum(p, q) + log1p(exp2(-abs(p - q)))*1.4426950408889634
m + (x - p)/(1 + exp2(q - p)) + (y - q)/(1 + exp2(p - q))"""
"""aten/src/ATen/native/cpu/BinaryOpsKernel.cpp, logaddexp2_kernel, and its gradients in derivatives.yaml."""

# fmt: off
ROWS: tuple[Composite, ...] = (
    # The factors are rounded to the format first: aten/src/ATen/native/UnaryOps.cpp, deg2rad and rad2deg.
    Composite("deg2rad", ("x",), (), "x*pi/180", ("deg2rad(v)",), as_torch="x*0.017453292519943295", summary="x degrees in radians"),
    Composite("rad2deg", ("x",), (), "x*180/pi", ("rad2deg(v)",), as_torch="x*57.29577951308232", summary="x radians in degrees"),
    Composite("frac", ("x",), (), "x - trunc(x)", ("frac(3*v)",), summary="what x has behind the point, with its sign"),
    # Unlike maximum and minimum these give everything to x where both are equal.
    Composite("fmax", ("x", "y"), (), "where(x >= y, x, y)", ("fmax(v, 2*v - 0.7)",), summary="the greater of x and y, and the other one where one is nan"),
    Composite("fmin", ("x", "y"), (), "where(x <= y, x, y)", ("fmin(v, 2*v - 0.7)",), summary="the lesser of x and y, and the other one where one is nan"),
    Composite("copysign", ("x", "y"), (), "where(y >= 0, abs(x), -abs(x))", ("copysign(v, flip(v, (0,)))",), summary="abs(x) with the sign of y"),
    # Where x is 0 these are 0 by definition, whatever y is; torch's documentation of special.xlogy and special.entr.
    Composite("xlogy", ("x", "y"), (), "where(x == 0, 0, x*log(y))", ("xlogy(v, exp(v))",), summary="x*log(y), and 0 where x is 0"),
    Composite("xlog1py", ("x", "y"), (), "where(x == 0, 0, x*log1p(y))", ("xlog1py(v, exp(v) - 0.9)",), torch=lambda m, x, y: m.special.xlog1py(x, y), summary="x*log(1 + y), and 0 where x is 0"),
    Composite("entr", ("x",), (), "where(x == 0, 0, -x*log(x))", ("entr(exp(v))",), torch=lambda m, x: m.special.entr(x), summary="x times the negative of its logarithm, and 0 at 0"),
    Composite("logaddexp2", ("x", "y"), (), "maximum(x, y) + log2(1 + exp2(-abs(x - y)))", ("logaddexp2(v, flip(v, (0,)) + 0.2)",), as_torch=_LOG_ADD_EXP2, summary="log2(2**x + 2**y)"),
    Composite("logit", ("x",), ("eps",), _logit, ("logit(sigmoid(v))", "logit(sigmoid(a), 0.3)"), summary="log(x/(1 - x)), with x kept eps away from 0 and 1"),
    Composite("ndtr", ("x",), (), "erfc(-x/sqrt(2))/2", ("ndtr(v)",), as_torch="(1 + erf(x/1.4142135623730951))*0.5", torch=lambda m, x: m.special.ndtr(x), summary="the normal distribution function"),
)
# fmt: on
