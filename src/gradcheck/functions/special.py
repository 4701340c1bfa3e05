"""Special functions: those of real numbers that analysis and statistics have names for.

What is not stated here is as in elementwise.py. Rows without ``machine`` are evaluated in balls alone: NumPy has no
function for them whose error is known.
"""

from __future__ import annotations

from math import factorial
from typing import Any

from gradcheck.functions.elementwise import UNIT, WIDE, is_infinite, row
from gradcheck.functions.rows import Elementwise

FAR = 5
"""From where on functions that are scaled are evaluated as such."""
MAX_ORDER = 100
"""Greatest order of a zeta function that is reflected."""
STEEP = 1_000_000
"""Order from which on a zeta function is its first power, and the others an integral: Arb takes for ever."""
GAMMA = "0.0001 60.5 300 -80.5"
"""Where torch's trigamma has all the digits of float64: it stops after three terms of its series."""


def _number(x: Any, value: int) -> Any:
    """Return a whole number as what ``x`` is: a ball, or one with its structure."""
    return x.const_log2() * 0 + value


def _scaled(x: Any, order: int) -> Any:
    """Return exp(-abs(x)) times a modified Bessel function for balls; it goes to 0 far out."""
    if is_infinite(x):
        return 1 / x
    if not abs(x) > FAR:
        return (-abs(x)).exp() * x.bessel_i(_number(x, order))
    made = abs(x).bessel_i(_number(x, order), _number(x, 1))
    return -made if order and x < 0 else made


def _bessel(x: Any, order: int) -> Any:
    """Return a modified Bessel function for balls; it grows as exp(abs(x)) does."""
    return (x if order else abs(x)) if is_infinite(x) else x.bessel_i(_number(x, order))


def _log_gamma(x: Any) -> Any:
    """Return log(abs(gamma(x))) for balls, by reflection where x is negative."""
    if is_infinite(x):
        return x if x > 0 else x - x  # a pole at every whole number on the way down
    return (x.pi() / abs(x.sin_pi())).log() - (1 - x).lgamma() if x < 0 else x.lgamma()


def _digamma(x: Any) -> Any:
    return x.digamma() if not is_infinite(x) else x if x > 0 else x - x


def _zeta(s: Any, q: Any) -> Any:
    """Return the sum of (k + q)**-s over k from 0 for balls, by reflection where q is negative and s is whole."""
    if s <= 1:  # Arb continues it to where the sum does not exist
        return _number(s, -1).log()
    if is_infinite(s):
        return s - s  # Arb would go on for ever
    if is_infinite(q) and q > 0:
        return 1 / q
    if s > STEEP and q > 0:
        first = (-s * q.log()).exp()
        return first.union(first * (1 + q / (s - 1)))
    order = s.unique_fmpz() if s.is_integer() else None
    if order is None or not 1 < order <= MAX_ORDER or not q < 0:
        return s.zeta(q)
    rest = s.zeta(1 - q)
    return _over_all(q, int(order)) + (rest if order % 2 else -rest)


def _over_all(q: Any, order: int) -> Any:
    """Return the sum of (k + q)**-order over all whole k: a derivative of pi*cot(pi*q), a polynomial of the cotangent."""
    powers = {1: 1}
    for _ in range(order - 1):
        slopes = [(k, n * k) for k, n in powers.items() if k]
        powers = {}
        for k, n in slopes:
            for at in (k - 1, k + 1):
                powers[at] = powers.get(at, 0) + n
    cotangent, total = q.cot_pi(), _number(q, 0)
    for k, n in powers.items():
        total = total + cotangent**k * n
    return total * q.pi() ** order / factorial(order - 1)


def _scaled_erfc(x: Any) -> Any:
    """Return exp(x**2)*erfc(x) for balls; far out it is Tricomi's function, and nothing grows on the way."""
    if is_infinite(x):
        return 1 / x if x > 0 else -x
    if not x > FAR:
        return (x * x).exp() * x.erfc()
    half = _number(x, 1) / 2
    return (x * x).hypgeom_u(half, half) / x.pi().sqrt()


def _normal_quantile(x: Any) -> Any:
    return _within(-_number(x, 2).sqrt() * (2 * x).erfcinv())


def _within(made: Any) -> Any:
    """Return what Arb made of balls; at an end of the domain, where it has infinity, there is no number."""
    return made - made if is_infinite(made) else made


_ZETA_SIZE = "(zeta(s, q - floor(q)) + zeta(s, 1 - (q - floor(q))))"
_ZETA = f"where(q < 0, zeta(s, q) + {_ZETA_SIZE} - {_ZETA_SIZE}, zeta(s, q))"

# What the numbers and formulas of a row come from: as in elementwise.py. Kernels are in aten/src/ATen/native/Math.h and
# aten/src/ATen/native/cpu/BinaryOpsKernel.cpp, UnaryOpsKernel.cpp.
#
# fmt: off
ROWS: tuple[Elementwise, ...] = (
    # --- the error function -------------------------------------------------------------------------------------------
    row("erfinv", "x", UNIT, safe=0, exact=lambda x: _within(x.erfinv()), oracle=lambda m, x: m.erfinv(x), partials=("exp(erfinv(x)**2)*sqrt(pi)/2",), domain="(x > -1) & (x < 1)", outside="1 -1 2", as_torch=("0.8862269254527579*exp(erfinv(x)**2)*grad",), summary="the number whose erf is x"),

    row("erfcx", "x", WIDE, grows=True, safe=0, budget=8, forward="where(x < 0, 2*exp(x*x) - erfcx(abs(x)), erfcx(abs(x)))", dtypes=("float64", "float32"), torch=lambda m, x: m.special.erfcx(x), exact=_scaled_erfc, oracle=lambda m, x: m.exp(x * x) * m.erfc(x), partials=("2*x*erfcx(x) - 2/sqrt(pi)",), as_torch=("(2*x*result - 1.12837916709551257)*grad",), summary="exp(x**2)*erfc(x)"),
    row("ndtri", "x", "0.01 0.3 0.75 0.999", safe=0.5, torch=lambda m, x: m.special.ndtri(x), dtypes=("float64", "float32"), exact=_normal_quantile, oracle=lambda m, x: m.sqrt(2) * m.erfinv(2 * x - 1), partials=("sqrt(2*pi)*exp(ndtri(x)**2/2)",), domain="(x > 0) & (x < 1)", outside="0 1 -1 2", as_torch=("grad*2.5066282746310002*exp(result*result/2)",),
        summary="the number whose ndtr is x"),

    # --- Bessel functions ---------------------------------------------------------------------------------------------
    row("i0", "x", WIDE, budget=8, grows=True, safe=0, exact=lambda x: _bessel(x, 0), oracle=lambda m, x: m.besseli(0, x), partials=("i1(x)",), summary="the modified Bessel function of the first kind and order 0"),
    row("i1", "x", WIDE, budget=16, dtypes=("float64", "float32"), grows=True, safe=0, torch=lambda m, x: m.special.i1(x), exact=lambda x: _bessel(x, 1), oracle=lambda m, x: m.besseli(1, x), partials=("i0(x) - i1(x)/x",), removable=(("x == 0", "1/2"),),
        as_torch=("where(abs(x) <= 0, grad/2, grad*(i0(x) - result/x))",), summary="the modified Bessel function of the first kind and order 1"),
    row("i0e", "x", WIDE, budget=8, halves=6, torch=lambda m, x: m.special.i0e(x), exact=lambda x: _scaled(x, 0), oracle=lambda m, x: m.exp(-abs(x)) * m.besseli(0, x), partials=("i1e(x) - sign(x)*i0e(x)",), kinks="x == 0", as_torch=("grad*(i1e(x) - sign(x)*result)",),
        summary="exp(-abs(x)) times i0(x)"),
    row("i1e", "x", WIDE, budget=16, dtypes=("float64", "float32"), torch=lambda m, x: m.special.i1e(x), exact=lambda x: _scaled(x, 1), oracle=lambda m, x: m.exp(-abs(x)) * m.besseli(1, x), partials=("i0e(x) - i1e(x)*(sign(x) + 1/x)",), removable=(("x == 0", "1/2"),),
        as_torch=("where(abs(x) <= 0, grad/2, grad*(i0e(x) - result*(sign(x) + 1/x)))",), summary="exp(-abs(x)) times i1(x)"),

    # --- the gamma function -------------------------------------------------------------------------------------------
    row("lgamma", "x", GAMMA, budget=8, exact=_log_gamma, oracle=lambda m, x: m.re(m.loggamma(x)), partials=("digamma(x)",), domain="(x > 0) | (x != floor(x))", outside="0 -1 -3", summary="log(abs(gamma(x)))"),
    # Up to ten reciprocals are subtracted one after the other, until x is 10, and a logarithm added: Math.h, calc_digamma.
    # With S their sum, at most abs(digamma(x)) + 2.4, that is 13*S + 20 unit roundoffs; 10.6 were measured where it is 0.
    row("digamma", "x", GAMMA, budget=13, absolute=51, faults="x < 60", one_kernel=True, forward="where(x < 0, digamma(1 - x) - pi*cos(pi*(x - ceil(x)))/sin(pi*(x - ceil(x))), digamma(x))", exact=_digamma, oracle=lambda m, x: m.psi(0, x), partials=("zeta(2, x)",), domain="(x > 0) | (x != floor(x))", outside="0 -1 -3", summary="the derivative of lgamma"),
    # Up to ten powers, each within 2 ULP, are added one after the other, and a tail: Math.h, zeta. 5.5 unit roundoffs were
    # measured in float64 at 1.444, 0.0864. Where q is negative, powers of both signs cancel: c is more than their sizes.
    row("zeta", "s q", "2.5,0.7 3,1.9 2,40 3,-0.3", safe=2, budget=16, forward=_ZETA, torch=lambda m, s, q: m.special.zeta(s, q), dtypes=("float64", "float32"), fixed=("s",), exact=_zeta, oracle=lambda m, s, q: m.zeta(s, q) if s > 1 else m.nan, partials=("", "-s*zeta(s + 1, q)"), domain="(s > 1) & ((q > 0) | (s == floor(s)) & (q != floor(q)))", smooth="(s > 1) & ((q > 0) | (q != floor(q)))", outside="0.5,2 2.5,-0.5 3,-1",
        as_torch=("", "grad*-s*zeta(s + 1, q)"), lacks=("fwd",), summary="the sum of 1/(k + q)**s over k from 0"),
)
# fmt: on
