"""The elementwise rows on series: Taylor where the function is smooth, and at its kinks and ends by the sign beside."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

from flint import arb

from gradcheck.exact.powers import power
from gradcheck.exact.series import (
    ENDLESS,
    FLAT,
    NOWHERE,
    UNKNOWN,
    Gap,
    NeedsRoot,
    Series,
    compose,
    constant,
    remainder,
)
from gradcheck.exact.steps import ceil, clamp, floor, fmod, magnitude, maximum, minimum, modulo, sign_of
from gradcheck.exact.taylor import TAYLOR, sinc, zeta

MAX_INDEX = 12
"""Greatest index of a root of ``t`` that is taken for an exponent; other powers are bounded."""
MAX_EXPONENT = 4096
"""Binary exponent up to which an exponent is read as a fraction."""
ENTIRE = frozenset({"exp", "exp2", "expm1", "sin", "cos", "sinh", "cosh", "tanh", "sigmoid", "erf", "atan", "asinh"})
"""Functions without singularities on the real line: of what is bounded they are bounded."""
BOUNDED = frozenset({"sin", "cos", "tanh", "sigmoid", "erf", "atan"})
_HALF = Fraction(1, 2)


def smooth(op: str, x: Any) -> Any:
    """Return a function of a series with a finite limit, where the function is analytic at that."""
    if isinstance(x, Gap):
        return x
    if (start := x.start) is None:
        tame = op in BOUNDED or (op in ENTIRE and x.bounded)
        return remainder(0, x).met(False) if tame else UNKNOWN
    coefficients = TAYLOR[op](start, _count(x))
    return compose(coefficients, x) if all(one.is_finite() for one in coefficients) else UNKNOWN


def _count(x: Series) -> int:
    """Return how many Taylor coefficients the kept terms need."""
    s = x.moved()
    return 1 if not s.terms and s.order == ENDLESS else max(2, -(-x.frame.width // max(s.low, 1)) + 1)


# --- at the ends of the line --------------------------------------------------------------------------


def _is_pole(x: Series) -> bool:
    return x.low < 0 and bool(x.terms) and x.sign is not None


def _level(op: str, low: int, high: int | None) -> Callable[[Series], Any]:
    """Return the function that is smooth, and at poles nears limits exponentially (None: it grows)."""

    def of(x: Series) -> Any:
        if not _is_pole(x):
            return smooth(op, x)
        limit = high if x.sign == 1 else low
        return UNKNOWN if limit is None else (remainder(FLAT, x) + arb(limit)).met(False)

    return of


def _atan(x: Series) -> Any:
    if not _is_pole(x):
        return smooth("atan", x)
    quarter = arb.pi() / 2 if x.sign == 1 else -arb.pi() / 2
    return (quarter - smooth("atan", power(x, Fraction(-1)))).met(False)


def _slow(like: Series) -> Any:
    """Return what grows like a logarithm, slower than any root of a pole."""
    if like.frame.root == 1:
        raise NeedsRoot(2)
    return remainder(-1, like).met(False)


# --- logarithms, roots, inverse functions ---------------------------------------------------------------


def log(x: Any) -> Any:
    """Return the logarithm of a series; where that goes to 0 or infinity, only how slowly."""
    if isinstance(x, Gap) or x.sign is None:
        return x if isinstance(x, Gap) else UNKNOWN
    if x.sign <= 0:
        return NOWHERE
    return smooth("log", x) if x.low == 0 else _slow(x)


def _root(x: Any) -> Any:
    return x if isinstance(x, Gap) else power(x, _HALF)


def _asin(x: Series) -> Any:
    """Return asin, at the ends of its domain by ``asin(1 - s) = pi/2 - 2*asin(sqrt(s/2))``."""
    if (start := x.start) is None or abs(start) > 1:
        return NOWHERE if start is not None or _is_pole(x) else UNKNOWN
    if start == 1:
        return arb.pi() / 2 - _from_one(x)
    if start == -1:
        return _from_one(-x) - arb.pi() / 2
    return smooth("asin", x) if abs(start) < 1 else UNKNOWN


def _from_one(x: Series) -> Any:
    """Return acos of a series that goes to 1."""
    return smooth("asin", _root((arb(1) - x) / arb(2))) * arb(2)


def _acos(x: Series) -> Any:
    return _from_one(x) if x.start is not None and x.start == 1 else arb.pi() / 2 - _asin(x)


def _asinh(x: Series) -> Any:
    return _slow(x) if _is_pole(x) else smooth("asinh", x)


def _acosh(x: Series) -> Any:
    """Return acosh, at the end of its domain by ``acosh(1 + s) = 2*asinh(sqrt(s/2))``."""
    if (start := x.start) is None:
        return UNKNOWN if not _is_pole(x) else _slow(x) if x.sign == 1 else NOWHERE
    if start == 1:
        return smooth("asinh", _root((x - arb(1)) / arb(2))) * arb(2)
    return NOWHERE if start < 1 else smooth("acosh", x) if start > 1 else UNKNOWN


def _atanh(x: Series) -> Any:
    if x.start is not None and abs(x.start) < 1:
        return smooth("atanh", x)
    return (log(arb(1) + x) - log(arb(1) - x)) / arb(2)


# --- powers ---------------------------------------------------------------------------------------------


def to_power(x: Series, y: Series) -> Any:
    """Return ``x**y``; exponents that are small fractions are exact."""
    exponent = _fraction(y)
    return _of_two(x, y) if exponent is None else raised(x, exponent)


def raised(x: Series, exponent: Fraction) -> Any:
    """Return a rational power; where that would need a root of great index, only how fast it vanishes."""
    if (exponent * x.low).denominator <= MAX_INDEX:
        return power(x, exponent)
    return _of_two(x, constant(arb(exponent.numerator) / exponent.denominator, x))


def _fraction(y: Series) -> Fraction | None:
    if y.order < ENDLESS or y.low != 0 or len(y.terms) > 1:
        return None
    if not y.terms:
        return Fraction(0)
    if not y.terms[0].is_exact():
        return None
    man, exp = y.terms[0].man_exp()
    return Fraction(int(man)) * Fraction(2) ** int(exp) if abs(int(exp)) < MAX_EXPONENT else None


def _of_zero(zero: Series, y: Series) -> Any:
    """Return ``0**y``: 0 for a positive exponent, 1 for 0."""
    if y.sign is None or y.sign < 0:
        return UNKNOWN if y.sign is None else NOWHERE
    made = zero if y.sign else constant(arb(1), zero)
    return made.met(zero.meets and y.meets and (y.sign == 0 or y.low == 0))


def _of_two(x: Series, y: Any) -> Any:
    """Return ``x**y`` for an exponent that moves, or that is no small fraction."""
    if x.sign is None or y.start is None:
        return UNKNOWN
    if x.sign <= 0:
        return NOWHERE if x.sign < 0 else _of_zero(x, y)
    if x.terms and x.low == 0:
        return smooth("exp", y * smooth("log", x))
    if not (y.start > 0 and x.low >= 0):
        return UNKNOWN
    if x.frame.root == 1:
        raise NeedsRoot(MAX_INDEX)
    speed = (x.low * y.start).lower().floor()  # what moves in the exponent changes no power of t: t**t goes to 1
    return remainder(int(speed.unique_fmpz()), x) if speed.is_exact() else UNKNOWN


# --- functions of two --------------------------------------------------------------------------------------


def _log_add_exp(x: Series, y: Series) -> Any:
    """Return log(exp(x) + exp(y)), without a corner where they are equal."""
    apart = y - x
    if _is_pole(apart):
        return maximum(x, y) + log(arb(1) + _level("exp", 0, None)(-magnitude(apart)))
    return x + log(arb(1) + smooth("exp", apart))


def _atan2(y: Series, x: Series) -> Any:
    """Return the angle; on the cut, behind the origin, the sign of ``y`` beside the point decides."""
    if x.sign is None or y.sign is None:
        return UNKNOWN
    if x.sign == y.sign == 0:
        return NOWHERE
    met = x.meets and y.meets
    if x.sign == 0 or (y.sign != 0 and (magnitude(y) - magnitude(x)).sign == 1):
        quarter = arb.pi() / 2 if y.sign > 0 else -arb.pi() / 2
        return (quarter - _atan(x / y)).met(met and y.low == 0)
    turn = arb(0) if x.sign > 0 else arb.pi() if y.sign >= 0 else -arb.pi()  # at y = 0 the value is pi
    on_cut = x.sign < 0 and y.sign < 0 and y.low > 0
    return (_atan(y / x) + turn).met(met and x.low == 0 and not on_cut)


def _sinc(x: Series) -> Any:
    """Return ``sin(pi*x)/(pi*x)``: around 0 by its own coefficients, elsewhere the quotient."""
    pi = arb.pi()
    if x.start is None:
        return remainder(0, x).met(False)
    if x.start.is_zero():
        return compose(sinc(_count(x)), x)
    if not x.start.is_integer():
        return smooth("sin", x * pi) / (x * pi)
    wave = smooth("sin", x.moved() * pi)  # sin(pi*(n + s)) is sin(pi*s), or its negative, and 0 exactly for s = 0
    return (-wave if int(x.start.unique_fmpz()) % 2 else wave) / (x * pi)


def _scaled(op: str) -> Callable[[Series], Any]:
    """Return exp(-abs(x)) times a smooth function."""
    return lambda x: smooth("exp", -magnitude(x)) * smooth(op, x)


def _zeta(s: Series, q: Series) -> Any:
    """Return the Hurwitz zeta function where only its second argument moves."""
    if s.moved().terms or s.order < ENDLESS or s.start is None or q.start is None:
        return UNKNOWN
    coefficients = zeta(s.start, q.start, _count(q))
    return compose(coefficients, q) if all(one.is_finite() for one in coefficients) else UNKNOWN


EXPANSIONS: dict[str, Callable[..., Any]] = {
    "neg": lambda x: -x, "add": lambda x, y: x + y, "sub": lambda x, y: x - y, "mul": lambda x, y: x * y,
    "div": lambda x, y: x / y, "square": lambda x: x * x, "reciprocal": lambda x: power(x, Fraction(-1)),
    "pow": to_power, "sqrt": _root, "rsqrt": lambda x: power(x, -_HALF),
    "exp": _level("exp", 0, None), "exp2": _level("exp2", 0, None), "expm1": _level("expm1", -1, None),
    "log": log, "log2": lambda x: log(x) / arb.const_log2(), "log10": lambda x: log(x) / arb.const_log10(),
    "log1p": lambda x: log(arb(1) + x),
    "sin": lambda x: smooth("sin", x), "cos": lambda x: smooth("cos", x), "tan": lambda x: smooth("tan", x),
    "asin": _asin, "acos": _acos, "atan": _atan,
    "sinh": lambda x: smooth("sinh", x), "cosh": lambda x: smooth("cosh", x), "tanh": _level("tanh", -1, 1),
    "asinh": _asinh, "acosh": _acosh, "atanh": _atanh,
    "atan2": _atan2, "sinc": _sinc, "hypot": lambda x, y: _root(x * x + y * y), "logaddexp": _log_add_exp,
    "erf": _level("erf", -1, 1), "erfc": lambda x: arb(1) - _level("erf", -1, 1)(x),
    "sigmoid": _level("sigmoid", 0, 1), "relu": lambda x: maximum(x, constant(arb(0), x)),
    "abs": magnitude, "sign": sign_of, "floor": floor, "ceil": ceil, "remainder": modulo, "fmod": fmod,
    "maximum": maximum, "minimum": minimum, "clamp": clamp,
    "clamp_min": maximum, "clamp_max": minimum,
    "erfinv": lambda x: smooth("erfinv", x), "ndtri": lambda x: smooth("ndtri", x),
    "erfcx": lambda x: smooth("erfcx", x),
    "i0": lambda x: smooth("i0", x), "i1": lambda x: smooth("i1", x), "i0e": _scaled("i0"), "i1e": _scaled("i1"),
    "lgamma": lambda x: smooth("lgamma", x), "digamma": lambda x: smooth("digamma", x), "zeta": _zeta,
}  # fmt: skip
"""What each elementwise row makes of series; an argument that does not move is a constant series."""
