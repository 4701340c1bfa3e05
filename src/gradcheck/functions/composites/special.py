"""Special functions."""

from __future__ import annotations

from math import factorial
from typing import Any

from gradcheck.functions import again
from gradcheck.functions.rows import Composite
from gradcheck.program import Param, Shape

MAX_ORDER = 1_000
"""Orders of polygamma and mvlgamma: the one has its factorial in it, and the other a term for each."""


def _logit(_x: Shape, eps: Param = None) -> str:
    """Return log(x/(1 - x)), with x kept ``eps`` away from 0 and 1."""
    if eps is None:
        return "log(x/(1 - x))"
    return f"z = clamp(x, {eps}, 1 - {eps})\nlog(z/(1 - z))"


def _polygamma(_x: Shape, n: Param) -> str:
    """Return a derivative of digamma as the zeta function that it is."""
    if not isinstance(n, int) or isinstance(n, bool) or not 0 <= n <= MAX_ORDER:
        raise ValueError(f"the order of polygamma is a whole number from 0 to {MAX_ORDER:,} (MAX_ORDER)")
    return f"{(-1) ** (n + 1) * factorial(n)}*zeta({n + 1}, x)" if n else "digamma(x)"


def _mvlgamma(_x: Shape, p: Param) -> str:
    """Return the logarithm of the multivariate gamma function of order ``p``."""
    if not isinstance(p, int) or isinstance(p, bool) or not 1 <= p <= MAX_ORDER:
        raise ValueError(f"the order of mvlgamma is a whole number from 1 to {MAX_ORDER:,} (MAX_ORDER)")
    return f"{' + '.join(f'lgamma(x - {k}/2)' for k in range(p))} + {p * (p - 1)}/4*log(pi)"


def _named(name: str, definition: str, torch: Any, text: str, summary: str) -> Composite:
    """Return a function that mathematics has a name for and torch has not; torch runs what people write instead."""
    return Composite(name, ("x",), (), definition, (text,), torch=torch, summary=summary)


_LOG_NDTR = """y = detach(x)
t = y*0.70710678118654752440
m = where(y < -1, log(erfcx(-t)/2) - t*t, log1p(-erfc(t)/2))
m + (x - y)*(exp(-(m + y**2/2))/2.50662827463100050242)"""
"""aten/src/ATen/native/Math.h, calc_log_ndtr; its gradient in derivatives.yaml takes the stored result."""

# fmt: off
ROWS: tuple[Composite, ...] = (
    # The factors are rounded to the format first: aten/src/ATen/native/UnaryOps.cpp, deg2rad and rad2deg.
    Composite("deg2rad", ("x",), (), "x*pi/180", ("deg2rad(v)",), as_torch="x*0.017453292519943295769", summary="x degrees in radians"),
    Composite("rad2deg", ("x",), (), "x*180/pi", ("rad2deg(v)",), as_torch="x*57.295779513082320877", summary="x radians in degrees"),
    Composite("frac", ("x",), (), "x - trunc(x)", ("frac(3*v)",), summary="what x has behind the point, with its sign"),
    # Unlike maximum and minimum these give everything to x where both are equal.
    Composite("fmax", ("x", "y"), (), "where(x >= y, x, y)", ("fmax(v, 2*v - 0.7)",), summary="the greater of x and y, and the other one where one is nan"),
    Composite("fmin", ("x", "y"), (), "where(x <= y, x, y)", ("fmin(v, 2*v - 0.7)",), summary="the lesser of x and y, and the other one where one is nan"),
    Composite("copysign", ("x", "y"), (), "where(y >= 0, abs(x), -abs(x))", ("copysign(v, flip(v, (0,)))",), summary="abs(x) with the sign of y"),
    # Where x is 0 these are 0 by definition, whatever y is; torch's documentation of special.xlogy and special.entr.
    Composite("xlogy", ("x", "y"), (), "where(x == 0, 0, x*log(y))", ("xlogy(v, exp(v))",), summary="x*log(y), and 0 where x is 0"),
    Composite("xlog1py", ("x", "y"), (), "where(x == 0, 0, x*log1p(y))", ("xlog1py(v, exp(v) - 0.9)",), torch=lambda m, x, y: m.special.xlog1py(x, y), summary="x*log(1 + y), and 0 where x is 0"),
    Composite("entr", ("x",), (), "where(x == 0, 0, -x*log(x))", ("entr(exp(v))",), torch=lambda m, x: m.special.entr(x), summary="x times the negative of its logarithm, and 0 at 0"),
    Composite("logit", ("x",), ("eps",), _logit, ("logit(sigmoid(v))", "logit(sigmoid(a), 0.25)"), summary="log(x/(1 - x)), with x kept eps away from 0 and 1"),
    Composite("ndtr", ("x",), (), "erfc(-x/sqrt(2))/2", ("ndtr(v)",), as_torch="(1 + erf(x/1.4142135623730951))*0.5", torch=lambda m, x: m.special.ndtr(x), summary="the normal distribution function"),
    Composite("log_ndtr", ("x",), (), "where(x < 0, log(erfcx(-x/sqrt(2))/2) - x**2/2, log1p(-erfc(x/sqrt(2))/2))", ("log_ndtr(3*v)",), as_torch=_LOG_NDTR, again=again.log_ndtr, stored=True, dtypes=("float64", "float32"), torch=lambda m, x: m.special.log_ndtr(x),
              summary="the logarithm of the normal distribution function"),

    # --- the gamma function -------------------------------------------------------------------------------------------
    # The first derivative of digamma is another kernel of torch's, which has not all the digits of float64.
    Composite("polygamma", ("x",), ("n",), _polygamma, ("polygamma(2, exp(v) + 1)", "polygamma(3, exp(v) + 1)"), order=("n", "x"), torch=lambda m, x, n: m.polygamma(n, x), faulty={"n": 1}, summary="the derivative of order n of digamma"),
    Composite("mvlgamma", ("x",), ("p",), _mvlgamma, ("mvlgamma(300*exp(v), 3)",), summary="the logarithm of the multivariate gamma function of order p"),

    # --- what mathematics has a name for and torch has not ------------------------------------------------------------
    _named("cot", "1/tan(x)", lambda m, x: 1 / m.tan(x), "cot(v)", "cos(x)/sin(x), as 1/tan(x)"),
    _named("sec", "1/cos(x)", lambda m, x: 1 / m.cos(x), "sec(v)", "1/cos(x)"),
    _named("csc", "1/sin(x)", lambda m, x: 1 / m.sin(x), "csc(v)", "1/sin(x)"),
    _named("coth", "1/tanh(x)", lambda m, x: 1 / m.tanh(x), "coth(v)", "cosh(x)/sinh(x), as 1/tanh(x)"),
    _named("sech", "1/cosh(x)", lambda m, x: 1 / m.cosh(x), "sech(v)", "1/cosh(x)"),
    _named("csch", "1/sinh(x)", lambda m, x: 1 / m.sinh(x), "csch(v)", "1/sinh(x)"),
    _named("acot", "atan(1/x)", lambda m, x: m.atan(1 / x), "acot(v)", "the angle whose cotangent is x, as atan(1/x)"),
    _named("asec", "acos(1/x)", lambda m, x: m.acos(1 / x), "asec(v + 4)", "the angle whose secant is x, as acos(1/x)"),
    _named("acsc", "asin(1/x)", lambda m, x: m.asin(1 / x), "acsc(v + 4)", "the angle whose cosecant is x, as asin(1/x)"),
    _named("acoth", "atanh(1/x)", lambda m, x: m.atanh(1 / x), "acoth(v + 4)", "the number whose coth is x, as atanh(1/x)"),
    _named("asech", "acosh(1/x)", lambda m, x: m.acosh(1 / x), "asech(sigmoid(v))", "the number whose sech is x, as acosh(1/x)"),
    _named("acsch", "asinh(1/x)", lambda m, x: m.asinh(1 / x), "acsch(v)", "the number whose csch is x, as asinh(1/x)"),
    _named("cbrt", "sign(x)*abs(x)**(1/3)", lambda m, x: m.sign(x) * m.abs(x) ** (1 / 3), "cbrt(v)", "the cube root of x"),
)
# fmt: on
