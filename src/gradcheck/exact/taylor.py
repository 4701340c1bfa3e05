"""Taylor coefficients of the smooth rows at a ball, by recurrences that keep exact zeros exact."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from math import comb, factorial
from typing import Any

from flint import arb

from gradcheck.exact.powers import power
from gradcheck.exact.series import ENDLESS, Frame, Gap, Series, series
from gradcheck.functions import ELEMENTWISE

Taylor = Callable[[Any, int], list[Any]]
"""Return the coefficients of a function at a number, as many as asked for."""


def _over_factorials(cycle: Sequence[Any], count: int) -> list[Any]:
    made, below = [], arb(1)
    for k in range(count):
        below = below * max(k, 1)
        made.append(cycle[k % len(cycle)] / below)
    return made


def _exp(at: Any, count: int) -> list[Any]:
    return _over_factorials([at.exp()], count)


def _exp2(at: Any, count: int) -> list[Any]:
    log2 = arb.const_log2()
    return [one * log2**k for k, one in enumerate(_over_factorials([arb(2) ** at], count))]


def _expm1(at: Any, count: int) -> list[Any]:
    return [at.expm1(), *_exp(at, count)[1:]]


def _sin(at: Any, count: int) -> list[Any]:
    sin, cos = at.sin(), at.cos()
    return _over_factorials([sin, cos, -sin, -cos], count)


def _cos(at: Any, count: int) -> list[Any]:
    sin, cos = at.sin(), at.cos()
    return _over_factorials([cos, -sin, -cos, sin], count)


def _sinh(at: Any, count: int) -> list[Any]:
    return _over_factorials([at.sinh(), at.cosh()], count)


def _cosh(at: Any, count: int) -> list[Any]:
    return _over_factorials([at.cosh(), at.sinh()], count)


def _riccati(first: Any, a: int, b: int, c: int, count: int) -> list[Any]:
    """Return the coefficients of the solution of ``y' = a + b*y + c*y**2`` from its value."""
    made = [first]
    for k in range(count - 1):
        square = sum((made[j] * made[k - j] for j in range(k + 1)), arb(0))
        made.append((a * (k == 0) + b * made[k] + c * square) / (k + 1))
    return made


def _tan(at: Any, count: int) -> list[Any]:
    return _riccati(at.tan(), 1, 0, 1, count)


def _tanh(at: Any, count: int) -> list[Any]:
    return _riccati(at.tanh(), 1, 0, -1, count)


def _sigmoid(at: Any, count: int) -> list[Any]:
    return _riccati(1 / (1 + (-at).exp()), 0, 1, -1, count)


def _log(at: Any, count: int) -> list[Any]:
    return [at.log(), *(arb((-1) ** (k + 1)) / (k * at**k) for k in range(1, count))]


def _erf(at: Any, count: int) -> list[Any]:
    """Return the coefficients of erf; its derivative solves ``y' = -2*x*y``."""
    made = [(-at * at).exp() * 2 / arb.pi().sqrt()]
    for k in range(1, count):
        before = made[k - 2] if k > 1 else arb(0)
        made.append(-2 * (at * made[k - 1] + before) / k)
    return [at.erf(), *(one / (k + 1) for k, one in enumerate(made[: count - 1]))]


def _inverse(value: Callable[[Any], Any], slope: Any, half: int) -> Taylor:
    """Return the coefficients of a function with ``y' = slope()*exp(y**2/half)``, term after term."""

    def coefficients(at: Any, count: int) -> list[Any]:
        made, squares, powers = [value(at)], [value(at) ** 2 / half], list[Any]()
        for k in range(count - 1):
            powers.append(
                sum((j * squares[j] * powers[k - j] for j in range(1, k + 1)), arb(0)) / k if k else squares[0].exp()
            )
            made.append(slope() * powers[k] / (k + 1))
            squares.append(sum((made[j] * made[k + 1 - j] for j in range(k + 2)), arb(0)) / half)
        return made

    return coefficients


def _erfcx(at: Any, count: int) -> list[Any]:
    """Return the coefficients of the scaled erfc, which solves ``y' = 2*x*y - 2/sqrt(pi)``."""
    made = [ELEMENTWISE["erfcx"].exact(at)]
    for k in range(count - 1):
        before = made[k - 1] if k else -1 / arb.pi().sqrt()
        made.append(2 * (at * made[k] + before) / (k + 1))
    return made


def _bessel(order: int) -> Taylor:
    """Return the coefficients of a modified Bessel function; each derivative is the mean of its two neighbours."""

    def coefficients(at: Any, count: int) -> list[Any]:
        near = [at.bessel_i(n) for n in range(order + count)]
        return [
            sum((comb(k, j) * near[abs(order - k + 2 * j)] for j in range(k + 1)), arb(0)) / (2**k * factorial(k))
            for k in range(count)
        ]

    return coefficients


def zeta(s: Any, at: Any, count: int) -> list[Any]:
    """Return the coefficients of the Hurwitz zeta function by its second argument."""
    made, factor = list[Any](), arb(1)
    for k in range(count):
        made.append(factor * ELEMENTWISE["zeta"].exact(s + k, at))
        factor = -factor * (s + k) / (k + 1)
    return made


def _digamma(at: Any, count: int) -> list[Any]:
    return [at.digamma(), *zeta(arb(2), at, count - 1)]


def _lgamma(at: Any, count: int) -> list[Any]:
    return [ELEMENTWISE["lgamma"].exact(at), *(one / (k + 1) for k, one in enumerate(_digamma(at, count - 1)))]


def _from_slope(value: Callable[[Any], Any], one: int, square: int, exponent: Fraction) -> Taylor:
    """Return the coefficients of a function with the derivative ``(one + square*x**2)**exponent``."""

    def coefficients(at: Any, count: int) -> list[Any]:
        inside = series(0, (one + square * at * at, 2 * square * at, arb(square)), ENDLESS, _wide(count))
        slope = power(inside, exponent) if inside.low == 0 else None
        if slope is None or isinstance(slope, Gap):
            return [arb("nan")]
        return [value(at), *(slope.at(k) / (k + 1) for k in range(count - 1))]

    return coefficients


def _wide(count: int) -> Series:
    return Series(0, (), ENDLESS, Frame(1, count))


def sinc(count: int) -> list[Any]:
    """Return the coefficients of ``sin(pi*x)/(pi*x)`` at 0."""
    powers = _over_factorials([arb(1)], count + 1)[1:]
    return [(0, 1, 0, -1)[(k + 1) % 4] * arb.pi() ** k * one for k, one in enumerate(powers)]


_ROOT = Fraction(-1, 2)

TAYLOR: dict[str, Taylor] = {
    "exp": _exp, "exp2": _exp2, "expm1": _expm1, "sin": _sin, "cos": _cos, "sinh": _sinh, "cosh": _cosh, "tan": _tan,
    "tanh": _tanh, "sigmoid": _sigmoid, "erf": _erf, "log": _log,
    "asin": _from_slope(lambda x: x.asin(), 1, -1, _ROOT), "atan": _from_slope(lambda x: x.atan(), 1, 1, Fraction(-1)),
    "asinh": _from_slope(lambda x: x.asinh(), 1, 1, _ROOT), "acosh": _from_slope(lambda x: x.acosh(), -1, 1, _ROOT),
    "atanh": _from_slope(lambda x: x.atanh(), 1, -1, Fraction(-1)),
    "erfinv": _inverse(lambda x: x.erfinv(), lambda: arb.pi().sqrt() / 2, 1),
    "ndtri": _inverse(ELEMENTWISE["ndtri"].exact, lambda: arb(2).sqrt() * arb.pi().sqrt(), 2),
    "erfcx": _erfcx, "i0": _bessel(0), "i1": _bessel(1), "lgamma": _lgamma, "digamma": _digamma,
}  # fmt: skip
"""The functions that are analytic wherever their coefficients are numbers."""
