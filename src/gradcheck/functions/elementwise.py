"""The elementwise rows: functions of real numbers, one row each, with their meaning in every lane side by side."""

from __future__ import annotations

from typing import Any

from gradcheck.functions.machine import ERF, ERFC, Direct, Exponential, Monotone, Wave, logistic
from gradcheck.functions.rows import Elementwise
from gradcheck.program import Call, Number

WIDE = "-7.25 -1.5 -0.3 0.2 0.7 1.9 6.5"
POSITIVE = "0.01 0.3 1 2.5 40"
UNIT = "-0.9 -0.3 0.1 0.75"
PAIRS = "0.3,2 -1.5,0.7 4,-2.5 -3,-0.2"


def row(name: str, args: str, samples: str, **fields: Any) -> Elementwise:
    """Build a row from short texts; samples are separated by blanks, their arguments by commas."""
    split = tuple(tuple(item.split(",")) for item in samples.split())
    outside = tuple(tuple(item.split(",")) for item in fields.pop("outside", "").split())
    return Elementwise(name, tuple(args.split()), samples=split, outside=outside, **fields)


def power_domain(node: Call) -> str | None:
    """Return where ``x**y`` exists; a constant exponent needs less.

    >>> from gradcheck.parse import parse
    >>> [power_domain(parse(text).layers[0].expression) for text in ("x**2", "x**0.5", "x**(-0.5)")]
    [None, 'x >= 0', '(x > 0) | (x == 0) & (y >= 0) | (x < 0) & (y == floor(y))']
    """
    exponent = node.args[1]
    if not isinstance(exponent, Number):
        return "(x > 0) | (x == 0) & (y >= 0) | (x < 0) & (y == floor(y))"
    if exponent.value.denominator == 1:
        return "x != 0" if exponent.value < 0 else None
    return "x > 0" if exponent.value < 0 else "x >= 0"


def _power(x: Any, y: Any) -> Any:
    """Return ``x**y`` for balls; Arb finds no number for one centred at 0, whose whole powers are small all the same."""
    made = x**y
    if made.is_finite():
        return made
    if is_infinite(x) and x < 0 and y.is_integer():  # Arb has no number for these
        return 0 * y if y < 0 else (-x if _is_even(y) else x) if y > 0 else made
    if not (x.is_finite() and y.is_integer() and y > 0):
        return made
    most = x.abs_upper() ** y
    return most.union(-most)


def _native_power(_m: Any, x: Any, y: Any) -> Any:
    """Return SymPy's own power where its derivative has no removable 0/0, and None (opaque) elsewhere."""
    return x**y if y.is_Rational or (x.is_number and x.is_positive) else None


def _atan2(y: Any, x: Any) -> Any:
    """Return atan2 for balls; Arb has 0 for it at the origin, where every angle is one."""
    return y / x if x == 0 and y == 0 else y.atan2(y, x)


def is_infinite(x: Any) -> bool:
    """Tell whether a ball is infinity itself, of either sign, and not merely unbounded.

    >>> from gradcheck.exact.evaluate import from_float
    >>> is_infinite(from_float(float("inf"))), is_infinite(from_float(1.0))
    (True, False)
    """
    return not x.is_finite() and bool(x > 0 or x < 0)


def _is_even(y: Any) -> bool:
    half = y / 2
    return bool(half.floor() == half)


def _end(x: Any, made: Any, low: int | None = None, high: int | None = None) -> Any:
    """Return the limit of a function at an infinite ball, for which Arb ``made`` none; None where there is no limit."""
    if not is_infinite(x):
        return made
    end = high if x > 0 else low
    return x - x if end is None else 1 / x + end


def _relu(x: Any) -> Any:
    return 1 / x if is_infinite(x) and x < 0 else x.nonnegative_part()


def _log_add_exp(x: Any, y: Any) -> Any:
    """Return log(exp(x) + exp(y)) for balls, with the larger taken out: nothing grows on the way."""
    if is_infinite(x) and is_infinite(y):
        return x.max(y)
    return x.max(y) + (-abs(x - y)).exp().log1p()


def _fmod(x: Any, y: Any) -> Any:
    """Return the remainder with the sign of x for balls; it is odd in x, and even in y."""
    size = abs(x) - abs(y) * (abs(x) / abs(y)).floor()
    return size * x.sgn()


POWERS = {
    0: "1", 1: "x", 2: "x*x", 3: "x*x*x", -1: "reciprocal(x)", -2: "reciprocal(x*x)", 0.5: "sqrt(x)", -0.5: "rsqrt(x)",
}  # fmt: skip
"""Powers with a plain number that torch computes in another way: aten/src/ATen/native/cpu/PowKernel.cpp,
pow_tensor_scalar_optimized_kernel, and ATen/native/Pow.cpp for 0 and 1. The square of a small number on the way to its
reciprocal may be subnormal, and have lost digits; 4.16 unit roundoffs were measured for x**-2 at 5.5e-20."""


FLOORED = "-grad*floor((x - fmod(x, y))/y - where(fmod(x, y)*sign(y) < 0, 1, 0) + 0.5)"
"""How torch finds the whole part of a quotient, in the format itself: c10/util/generic_math.h, div_floor_floating. What is
left is taken off first, and the quotient, whole but for its rounding, goes to the nearest whole number."""


def _of_two(_m: Any, x: Any, y: Any) -> Any:
    """Return what the greater or lesser of two equal expressions is; two different ones stay opaque."""
    return x if x == y else None


# What the numbers and formulas of a row come from:
#
# ``as_torch``: tools/autograd/derivatives.yaml of torch 2.13.0 (torchgen/packaged/autograd in the wheel), and for those
# that call a function torch/csrc/autograd/FunctionsManual.cpp (pow_backward_*, div_tensor_*, atan2_backward, sinc_backward,
# log1p_backward, clamp_backward). ``fused`` are sigmoid_backward and tanh_backward, one kernel each in
# aten/src/ATen/native/cpu/BinaryOpsKernel.cpp. Rows without have grad times the derivative as one operation.
#
# ``budget``: 4 unit roundoffs are the 2 ULP that glibc (scalar code), Sleef's u10 and MKL's VML in its HA mode (SIMD code,
# AVX2 and AVX-512) promise for what they have. Measured by benchmarks/budgets.py, and over 2 million numbers of float32, all
# numbers of both half types and some thousand of float64, with AVX-512, torch 2.13.0+cpu, glibc, over the whole range and the
# subnormals: exp, exp2, log2, log10, sin, cos 1.2; erf 1.2; asin, atan, log, tan, acos, expm1, erfc, rsqrt, sqrt 1.5; atan2
# 1.8; sinh, atanh, log1p 2.0; asinh 2.1; acosh, cosh 2.2; sigmoid 2.3. Square, reciprocal and arithmetic are rounded
# correctly: 1.0. The worst numbers are kept in tests/worst.py. Not excused, since torch is wrong there: the SIMD code of
# sinh and cosh overflows early, from 88.98 in float32 and bfloat16 and 709.8 in float64; that of fmod and remainder has
# nan where the quotient is huge.
#
# ``halves``: kernels of the half types compute in float32 and round once, 1.00 over all numbers, but the scalar code of rsqrt,
# which rounds the root first, 1.5. ``coarse``: erf of the half types is a short polynomial, 2.7e-7 off near 0.
#
# ``machine``: budgets of NumPy's float64 functions, in unit roundoffs. 8 are 4 ULP, what SVML promises, which NumPy calls with
# AVX-512; its own accuracy tests admit 1, and 2 for tanh (numpy/_core/tests/test_umath_accuracy.py and data/umath-validation-set-*
# of 2.4), and glibc, which it calls else, states 1 to 3 (manual, Known Maximum Errors in Math Functions). Python's math calls
# glibc for erf and erfc on every machine: 1 and 5.2 ULP are the largest errors known (Zimmermann et al., Accuracy of Mathematical
# Functions), 4 and 12 are taken. The root is rounded correctly (IEEE 754): 1. sigmoid adds two roundings to the exponential.
# tests/test_machine.py draws against balls, with the SIMD code and without.
#
# fmt: off
ROWS: tuple[Elementwise, ...] = (
    # --- arithmetic ---------------------------------------------------------------------------------------------------
    row("neg", "x",   WIDE,  budget=0, machine=Direct("neg"), exact=lambda x: -x,       sympy=lambda m, x: -x,       torch=lambda m, x: -x,       native=True, oracle=lambda m, x: -x),
    row("add", "x y", PAIRS, adds=True, budget=1, spares=("zero", "zero"), machine=Direct("add"), exact=lambda x, y: x + y, sympy=lambda m, x, y: x + y, torch=lambda m, x, y: x + y, native=True, oracle=lambda m, x, y: x + y),
    row("sub", "x y", PAIRS, adds=True, equals="constant", budget=1, spares=("zero", "zero"), machine=Direct("sub"), exact=lambda x, y: x - y, sympy=lambda m, x, y: x - y, torch=lambda m, x, y: x - y, native=True, oracle=lambda m, x, y: x - y),
    row("mul", "x y", PAIRS, budget=1, spares=("power of two", "power of two"), absorbing=(0, 1), machine=Direct("mul"), exact=lambda x, y: x * y, sympy=lambda m, x, y: x * y, torch=lambda m, x, y: x * y, native=True, oracle=lambda m, x, y: x * y),
    row("div", "x y", PAIRS, of_number="reciprocal(y)*x", equals="constant", budget=1, spares=("", "power of two"), absorbing=(0,), machine=Direct("div"), exact=lambda x, y: x / y, sympy=lambda m, x, y: x / y, torch=lambda m, x, y: x / y, native=True, oracle=lambda m, x, y: x / y,
        domain="y != 0", outside="1,0 0,0", as_torch=("grad/y", "-grad*((x/y)/y)")),
    row("pow", "x y", "0.3,2 2.5,-1.5 4,0.5 -1.5,3", powers=POWERS, machine=Direct("raised"), exact=_power, sympy=_native_power, torch=lambda m, x, y: x**y, oracle=lambda m, x, y: m.power(x, y),
        partials=("y*x**(y - 1)", "x**y*log(x)"),
        removable=(("y == 0", "0"), ("(x == 0) & (y > 0)", "0")), domain=power_domain, outside="-2,0.5 0,-1 0,-0.5", as_torch=("where(y == 0, 0, grad*(y*x**(y - 1)))", "where((x == 0) & (y >= 0), 0, grad*(x**y*log(x)))")),
    row("square", "x", WIDE, machine=Direct("square"), exact=lambda x: x * x, sympy=lambda m, x: x**2, native=True, oracle=lambda m, x: x * x, budget=1, as_torch=("grad*(2*x)",)),
    row("reciprocal", "x", WIDE, machine=Direct("reciprocal"), exact=lambda x: 1 / x, sympy=lambda m, x: 1 / x, native=True, oracle=lambda m, x: 1 / x, domain="x != 0", outside="0", budget=1, as_torch=("-grad*(reciprocal(x)*reciprocal(x))",)),

    # --- roots, exponentials, logarithms ------------------------------------------------------------------------------
    # torch's sqrt is not rounded correctly where MKL runs it: 1.5 unit roundoffs were measured in float32, 1.03 in float64.
    row("sqrt",  "x", POSITIVE, budget=2, machine=Monotone(lambda m, x: m.sqrt(x), 1, least=0.0), exact=lambda x: x.sqrt(),      sympy=lambda m, x: m.sqrt(x),          oracle=lambda m, x: m.sqrt(x),       domain="x >= 0", outside="-1", as_torch=("grad/(2*sqrt(x))",)),
    row("rsqrt", "x", POSITIVE, halves=2, machine=Monotone(lambda m, x: 1 / m.sqrt(x), 2, falls=True), exact=lambda x: x.rsqrt(),     sympy=lambda m, x: 1 / m.sqrt(x),      oracle=lambda m, x: 1 / m.sqrt(x),   domain="x > 0",  outside="0 -1", as_torch=("-grad/2*rsqrt(x)**3",)),
    row("exp",   "x", WIDE,     grows=True, safe=0, machine=Exponential(lambda m, x: m.exp(x), 8, rate=1.0), exact=lambda x: x.exp(),       sympy=lambda m, x: m.exp(x),           oracle=lambda m, x: m.exp(x)),
    row("exp2",  "x", WIDE,     grows=True, safe=0, machine=Exponential(lambda m, x: m.exp2(x), 8, rate=0.6931471805599454), exact=lambda x: 2**x,          sympy=lambda m, x: 2**x,               oracle=lambda m, x: m.power(2, x), as_torch=("grad*exp2(x)*0.6931471805599453",)),
    row("expm1", "x", WIDE,     grows=True, safe=0, machine=Monotone(lambda m, x: m.expm1(x), 8, least=-1.0), exact=lambda x: x.expm1(),     sympy=lambda m, x: m.exp(x) - 1,       oracle=lambda m, x: m.expm1(x), as_torch=("grad*(expm1(x) + 1)",)),
    row("log",   "x", POSITIVE, machine=Monotone(lambda m, x: m.log(x), 8), exact=lambda x: x.log(),       sympy=lambda m, x: m.log(x),           oracle=lambda m, x: m.log(x),        domain="x > 0",  outside="0 -1", as_torch=("grad/x",)),
    row("log2",  "x", POSITIVE, machine=Monotone(lambda m, x: m.log2(x), 8), exact=lambda x: x.log() / x.const_log2(),  sympy=lambda m, x: m.log(x) / m.log(2),  oracle=lambda m, x: m.log(x, 2), domain="x > 0", outside="0 -1", as_torch=("grad/(x*0.6931471805599453)",)),
    row("log10", "x", POSITIVE, machine=Monotone(lambda m, x: m.log10(x), 8), exact=lambda x: x.log() / x.const_log10(), sympy=lambda m, x: m.log(x) / m.log(10), oracle=lambda m, x: m.log10(x),  domain="x > 0", outside="0 -1", as_torch=("grad/(x*2.3025850929940456)",)),
    row("log1p", "x", POSITIVE, machine=Monotone(lambda m, x: m.log1p(x), 8), exact=lambda x: x.log1p(),     sympy=lambda m, x: m.log(1 + x),       oracle=lambda m, x: m.log1p(x),      domain="x > -1", outside="-1 -2", as_torch=("grad/(x + 1)",)),

    # --- trigonometric and hyperbolic ---------------------------------------------------------------------------------
    row("sin",   "x", WIDE, machine=Wave(lambda m, x: m.sin(x), 8), exact=lambda x: x.sin() if x.is_finite() else _end(x, x.sin()),   sympy=lambda m, x: m.sin(x),   oracle=lambda m, x: m.sin(x)),
    row("cos",   "x", WIDE, machine=Wave(lambda m, x: m.cos(x), 8), exact=lambda x: x.cos() if x.is_finite() else _end(x, x.cos()),   sympy=lambda m, x: m.cos(x),   oracle=lambda m, x: m.cos(x)),
    row("tan",   "x", WIDE, machine="sin(x)/cos(x)", exact=lambda x: x.tan(),   sympy=lambda m, x: m.tan(x),   oracle=lambda m, x: m.tan(x), as_torch=("grad*(1 + tan(x)**2)",)),
    row("asin",  "x", UNIT, safe=0, machine=Monotone(lambda m, x: m.arcsin(x), 8), exact=lambda x: x.asin(),  sympy=lambda m, x: m.asin(x),  oracle=lambda m, x: m.asin(x),  domain="(x >= -1) & (x <= 1)", outside="-2 1.5", as_torch=("grad*rsqrt(-x*x + 1)",)),
    row("acos",  "x", UNIT, safe=0, machine=Monotone(lambda m, x: m.arccos(x), 8, falls=True, least=0.0), exact=lambda x: x.acos(),  sympy=lambda m, x: m.acos(x),  oracle=lambda m, x: m.acos(x),  domain="(x >= -1) & (x <= 1)", outside="-2 1.5", as_torch=("-grad*rsqrt(-x*x + 1)",)),
    row("atan",  "x", WIDE, machine=Monotone(lambda m, x: m.arctan(x), 8), exact=lambda x: x.atan(),  sympy=lambda m, x: m.atan(x),  oracle=lambda m, x: m.atan(x), as_torch=("grad/(x*x + 1)",)),
    row("sinh",  "x", WIDE, grows=True, safe=0, machine=Monotone(lambda m, x: m.sinh(x), 8), exact=lambda x: x.sinh(),  sympy=lambda m, x: m.sinh(x),  oracle=lambda m, x: m.sinh(x)),
    row("cosh",  "x", WIDE, grows=True, safe=0, machine=Monotone(lambda m, x: m.cosh(x), 8, even=True, least=1.0), exact=lambda x: x.cosh(),  sympy=lambda m, x: m.cosh(x),  oracle=lambda m, x: m.cosh(x)),
    row("tanh",  "x", WIDE, machine=Monotone(lambda m, x: m.tanh(x), 8, least=-1.0, most=1.0), exact=lambda x: x.tanh(),  sympy=lambda m, x: m.tanh(x),  oracle=lambda m, x: m.tanh(x), fused=True, as_torch=("grad*(1 - result*result)",)),
    row("asinh", "x", WIDE, machine=Monotone(lambda m, x: m.arcsinh(x), 8), exact=lambda x: x.asinh(), sympy=lambda m, x: m.asinh(x), oracle=lambda m, x: m.asinh(x), as_torch=("grad*rsqrt(x**2 + 1)",)),
    row("acosh", "x", "1.2 3 40", safe=2, machine=Monotone(lambda m, x: m.arccosh(x), 8, least=0.0), exact=lambda x: x.acosh(), sympy=lambda m, x: m.acosh(x), oracle=lambda m, x: m.acosh(x), as_torch=("grad*rsqrt(x*x - 1)",), domain="x >= 1", outside="0.5 -2"),
    row("atanh", "x", UNIT, safe=0, machine=Monotone(lambda m, x: m.arctanh(x), 8), exact=lambda x: x.atanh(), sympy=lambda m, x: m.atanh(x), oracle=lambda m, x: m.atanh(x), domain="(x > -1) & (x < 1)", outside="1 -1 2", as_torch=("grad/(1 - x**2)",)),
    row("atan2", "y x", PAIRS, machine=Direct("angle"), exact=_atan2, oracle=lambda m, y, x: m.atan2(y, x), domain="(x != 0) | (y != 0)", outside="0,0",
        partials=("x/(x**2 + y**2)", "-y/(x**2 + y**2)"), kinks="(y == 0) & (x < 0)", jumps=True, signed_zeros=True, as_torch=("grad*x*reciprocal(y*y + x*x)", "-(grad*y)*reciprocal(y*y + x*x)")),
    row("sinc", "x", WIDE, machine="where(x == 0, 1, sin(pi*x)/(pi*x))", exact=lambda x: x.sinc_pi(), oracle=lambda m, x: m.sincpi(x), partials=("(cos(pi*x) - sinc(x))/x",), removable=(("x == 0", "0"),),
        summary="sin(pi*x)/(pi*x), and 1 at 0", forward="where(x == 0, 1, sin(x*pi)/(x*pi))", as_torch=("where(x*x*pi == 0, 0, grad*((x*pi*cos(x*pi) - sin(x*pi))/(x*x*pi)))",)),
    row("hypot", "x y", PAIRS, smooth="(x != 0) | (y != 0)", machine="sqrt(x*x + y*y)", exact=lambda x, y: (x * x + y * y).sqrt(), sympy=lambda m, x, y: m.sqrt(x**2 + y**2), oracle=lambda m, x, y: m.hypot(x, y), as_torch=("grad*x/hypot(x, y)", "grad*y/hypot(x, y)")),
    row("logaddexp", "x y", PAIRS, machine="maximum(x, y) + log1p(exp(-abs(x - y)))", exact=_log_add_exp, oracle=lambda m, x, y: m.log(m.exp(x) + m.exp(y)), partials=("1/(1 + exp(y - x))", "1/(1 + exp(x - y))"), summary="log(exp(x) + exp(y))", forward="maximum(x, y) + log1p(exp(-abs(x - y)))", as_torch=("grad/(1 + exp(y - x))", "grad/(1 + exp(x - y))")),

    # --- special functions and activations ----------------------------------------------------------------------------
    # torch's erf is a short polynomial in float16 and bfloat16, and inside gelu in float32: 2.7e-7 off were measured near 0.
    row("erf",  "x", WIDE, machine=Monotone(ERF, 4, least=-1.0, most=1.0, float64=True), exact=lambda x: x.erf() if x.is_finite() else _end(x, x.erf(), -1, 1),  sympy=lambda m, x: m.erf(x),  oracle=lambda m, x: m.erf(x), coarse=2.0**-21, as_torch=("1.1283791670955126*exp(-x**2)*grad",)),
    row("erfc", "x", WIDE, machine=Monotone(ERFC, 12, falls=True, least=0.0, most=2.0, float64=True), exact=lambda x: x.erfc() if x.is_finite() else _end(x, x.erfc(), 2, 0), sympy=lambda m, x: m.erfc(x), oracle=lambda m, x: m.erfc(x), as_torch=("-1.1283791670955126*exp(-x**2)*grad",)),
    row("sigmoid", "x", WIDE, machine=Monotone(logistic, 12, least=0.0, most=1.0), exact=lambda x: 1 / (1 + (-x).exp()), oracle=lambda m, x: 1 / (1 + m.exp(-x)), partials=("sigmoid(x)*(1 - sigmoid(x))",), fused=True, as_torch=("grad*(1 - result)*result",)),
    row("relu", "x", WIDE, budget=0, machine="maximum(x, 0)", exact=_relu, oracle=lambda m, x: max(x, 0), partials=("where(x > 0, 1, 0)",), kinks="x == 0"),

    # --- piecewise ----------------------------------------------------------------------------------------------------
    row("abs",   "x", WIDE, budget=0, machine=Direct("absolute"), exact=abs, sympy=lambda m, x: m.Abs(x), oracle=lambda m, x: abs(x), kinks="x == 0"),
    row("sign",  "x", WIDE, budget=0, machine=Monotone(lambda m, x: m.sign(x)), exact=lambda x: x if x.is_nan() else x.sgn(), oracle=lambda m, x: m.sign(x),  partials=("0",), jumps=True, kinks="x == 0"),
    row("floor", "x", WIDE, budget=0, machine=Monotone(lambda m, x: m.floor(x)), exact=lambda x: x.floor(), oracle=lambda m, x: m.floor(x), partials=("0",), jumps=True, kinks="x == floor(x)"),
    row("ceil",  "x", WIDE, budget=0, machine=Monotone(lambda m, x: m.ceil(x)), exact=lambda x: x.ceil(),  oracle=lambda m, x: m.ceil(x),  partials=("0",), jumps=True, kinks="x == floor(x)"),
    row("remainder", "x y", PAIRS, equals="constant", budget=1, machine=Direct("remainder"), exact=lambda x, y: x - y * (x / y).floor(), oracle=lambda m, x, y: x - y * m.floor(x / y), torch=lambda m, x, y: x % y, partials=("1", "-floor(x/y)"), as_torch=("grad", FLOORED), jumps=True, kinks="x/y == floor(x/y)",
        domain="y != 0", outside="1,0 0,0", summary="x - y*floor(x/y), as the sign % has it"),
    row("fmod", "x y", "0.3,2 -1.5,0.7 4,-2.5 -3,-0.7", equals="constant", budget=0, machine=Direct("fmod"), exact=_fmod, oracle=lambda m, x, y: x - y * int(x / y), partials=("1", "-where(x/y > 0, floor(x/y), ceil(x/y))"), jumps=True, kinks="(x/y == floor(x/y)) & (x != 0)",
        domain="y != 0", outside="1,0 0,0", summary="the remainder of a division rounded towards 0"),
    row("maximum", "x y", PAIRS, equals="either", compares=((0, 1),), budget=0, machine=Direct("maximum"), exact=lambda x, y: x.max(y), sympy=_of_two, oracle=lambda m, x, y: max(x, y), partials=("where(x > y, 1, 0)", "where(x < y, 1, 0)"), kinks="x == y",
        as_torch=("where(x == y, grad/2, where(x > y, grad, 0))", "where(x == y, grad/2, where(x < y, grad, 0))")),
    row("minimum", "x y", PAIRS, equals="either", compares=((0, 1),), budget=0, machine=Direct("minimum"), exact=lambda x, y: x.min(y), sympy=_of_two, oracle=lambda m, x, y: min(x, y), partials=("where(x < y, 1, 0)", "where(x > y, 1, 0)"), kinks="x == y",
        as_torch=("where(x == y, grad/2, where(x < y, grad, 0))", "where(x == y, grad/2, where(x > y, grad, 0))")),
    row("clamp", "x min max", "-3,-1,2 0.5,-1,2 5,-1,2 0.5,2,-1", bounds=True, compares=((0, 1), (0, 2), (1, 2)), budget=0, machine="minimum(maximum(x, min), max)", exact=lambda x, low, high: x.max(low).min(high), oracle=lambda m, x, low, high: min(max(x, low), high),
        partials=("where((x > min) & (x < max), 1, 0)", "where((x < min) & (min < max), 1, 0)", "where((x > max) | (min > max), 1, 0)"),
        as_torch=("where((x >= min) & (x <= max), grad, 0)", "where((x < min) & (min < max), grad, 0)", "where((x > max) | (max < min), grad, 0)"),
        kinks="(x == min) | (x == max) | (min == max)"),
    row("clamp_min", "x min", PAIRS, bounds=True, equals="either", compares=((0, 1),), budget=0, machine="maximum(x, min)", exact=lambda x, low: x.max(low), oracle=lambda m, x, low: max(x, low), partials=("where(x > min, 1, 0)", "where(x < min, 1, 0)"), kinks="x == min",
        as_torch=("where(x >= min, grad, 0)", "where(x < min, grad, 0)"), torch=lambda m, x, low: m.clamp(x, min=low)),
    row("clamp_max", "x max", PAIRS, bounds=True, equals="either", compares=((0, 1),), budget=0, machine="minimum(x, max)", exact=lambda x, high: x.min(high), oracle=lambda m, x, high: min(x, high), partials=("where(x < max, 1, 0)", "where(x > max, 1, 0)"), kinks="x == max",
        as_torch=("where(x <= max, grad, 0)", "where(x > max, grad, 0)"), torch=lambda m, x, high: m.clamp(x, max=high)),
)
# fmt: on
