"""Floating-point formats and proven enclosures: rounding, ordinals, ULP distances and decimals, all in integers."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import MAX_EMAX, MIN_EMIN, ROUND_DOWN, ROUND_HALF_EVEN, ROUND_UP, Context, Decimal
from fractions import Fraction
from math import frexp, inf, isfinite, isinf, ldexp
from typing import NamedTuple

LEAST_DISTANCE = 2.0**-1000
"""In ULP: a distance below this and above zero is given as this, so that only equal numbers have distance zero."""

NEGLIGIBLE = 1100
"""Bits below one step on the scale of ordinals at which only the sign of a number still matters."""

DOUBLE_BITS, LEAST_EXPONENT, MOST_EXPONENT = 53, -1074, 1024
"""Of float64: the bits of the significand, the exponent of the least number, and of what is too large."""

UNLIMITED = 1 << 40
"""Greatest exponent of a format of unlimited range."""

EXACT_BITS = 4096
"""Bits up to which decimals and midpoints are computed exactly before they are rounded."""


class Dyadic(NamedTuple):
    """The number ``man * 2**exp``, compared by value; the exponent may be astronomic.

    >>> Dyadic(6, 0) == Dyadic(3, 1) < Dyadic(1, 10**9)
    True
    """

    man: int
    exp: int

    @classmethod
    def of(cls, value: float) -> Dyadic:
        """Return the number that a finite float is."""
        numerator, denominator = value.as_integer_ratio()
        return cls(numerator, 1 - denominator.bit_length())

    def __eq__(self, other: object) -> bool:
        """Return whether the two are the same number."""
        return isinstance(other, Dyadic) and order(self, other) == 0

    def __ne__(self, other: object) -> bool:
        """Return whether they differ."""
        return not self == other

    def __lt__(self, other: tuple[int, ...]) -> bool:
        """Return whether this is less."""
        return order(self, other) < 0

    def __le__(self, other: tuple[int, ...]) -> bool:
        """Return whether this is not greater."""
        return order(self, other) <= 0

    def __gt__(self, other: tuple[int, ...]) -> bool:
        """Return whether this is greater."""
        return order(self, other) > 0

    def __ge__(self, other: tuple[int, ...]) -> bool:
        """Return whether this is not less."""
        return order(self, other) >= 0

    def __hash__(self) -> int:
        """Return one hash for every way to write a number."""
        zeros = (self.man & -self.man).bit_length() - 1
        return hash((self.man >> zeros, self.exp + zeros)) if self.man else 0


def order(a: tuple[int, ...], b: tuple[int, ...]) -> int:
    """Return a number that is negative, zero or positive, as ``a`` is less than, equal to or greater than ``b``.

    >>> order((1, 3), (8, 0)), order((1, 3), (9, 0)) < 0
    (0, True)
    """
    (m, s), (n, t) = a, b
    if m == 0 or n == 0 or (m < 0) != (n < 0):
        return m - n
    above = (m.bit_length() + s) - (n.bit_length() + t)
    if above:
        return above if m > 0 else -above
    # The leading bits stand at the same place, so the exponents differ by no more than the mantissas' lengths.
    return (m << max(s - t, 0)) - (n << max(t - s, 0))


@dataclass(frozen=True, slots=True)
class Ball:
    """A proven enclosure: the true number lies from ``lower`` to ``upper``, ends included.

    >>> third = Ball(Dyadic(5592405, -24), Dyadic(5592406, -24))
    >>> third.exact, third.contains(Fraction(1, 3)), third.nearest
    (False, True, 0.3333333432674408)
    >>> third.overlaps(Ball.around(0.25)), third.decimals(6)
    (False, ('0.333333', '0.333334'))
    """

    lower: Dyadic
    upper: Dyadic

    @property
    def exact(self) -> bool:
        """Return whether the ball is one point."""
        return self.lower == self.upper

    @classmethod
    def around(cls, value: float) -> Ball:
        """Return the ball that is one finite number."""
        return cls(Dyadic.of(value), Dyadic.of(value))

    @property
    def nearest(self) -> float:
        """Return the float64 next to the midpoint."""
        return FORMATS["float64"].round_dyadic(self.midpoint)

    @property
    def midpoint(self) -> Dyadic:
        """Return the number halfway; where one end is negligible beside the other, half of the greater one.

        >>> Ball(Dyadic(1, 0), Dyadic(2, 0)).midpoint
        Dyadic(man=3, exp=-1)
        """
        (m, s), (n, t) = self.lower, self.upper
        if m == 0 or n == 0 or abs((m.bit_length() + s) - (n.bit_length() + t)) > EXACT_BITS:
            far = max(self.lower, self.upper, key=lambda end: Dyadic(abs(end.man), end.exp))
            return Dyadic(far.man, far.exp - 1)
        exp = min(s, t)
        return Dyadic((m << (s - exp)) + (n << (t - exp)), exp - 1)

    def decimals(self, digits: int) -> tuple[str, str]:
        """Return the ends as decimals of at most ``digits`` digits, rounded outward where they do not fit.

        >>> Ball(Dyadic(1, 0), Dyadic(1, 200)).decimals(5)
        ('1', '1.607e+60')
        """
        return _decimal(self.lower, digits, up=False), _decimal(self.upper, digits, up=True)

    def is_sharp(self, digits: int) -> bool:
        """Return whether the ball is one point, or narrower than ``10**-digits`` of the number in it.

        >>> Ball(Dyadic(1023, 0), Dyadic(1024, 0)).is_sharp(3), Ball(Dyadic(0, 0), Dyadic(1, -999)).is_sharp(3)
        (True, False)
        """
        (m, s), (n, t) = self.lower, self.upper
        if self.exact:
            return True
        if (m > 0) != (n > 0) or not m or not n or abs((m.bit_length() + s) - (n.bit_length() + t)) > 1:
            return False
        exp = min(s, t)
        low, high = m << (s - exp), n << (t - exp)
        return (high - low) * int(10**digits) <= min(abs(low), abs(high))

    def hull(self, other: Ball) -> Ball:
        """Return the least ball that contains both."""
        return Ball(min(self.lower, other.lower), max(self.upper, other.upper))

    def intersect(self, other: Ball) -> Ball:
        """Return what two enclosures of one number have in common; they must overlap.

        >>> Ball(Dyadic(1, 0), Dyadic(3, 0)).intersect(Ball(Dyadic(2, 0), Dyadic(5, 0)))
        Ball(lower=Dyadic(man=2, exp=0), upper=Dyadic(man=3, exp=0))
        """
        return Ball(max(self.lower, other.lower), min(self.upper, other.upper))

    def overlaps(self, other: Ball) -> bool:
        """Return whether the two have a point in common."""
        return self.lower <= other.upper and other.lower <= self.upper

    def contains(self, value: Fraction | float) -> bool:
        """Return whether a number lies in the ball; nan and infinities never do.

        >>> Ball(Dyadic(0, 0), Dyadic(1, -1)).contains(Fraction(1, 3))
        True
        """
        if isinstance(value, float) and not isfinite(value):
            return False
        n, d = value.as_integer_ratio()
        (low, s), (high, t) = self.lower, self.upper
        return order((low * d, s), (n, 0)) <= 0 <= order((high * d, t), (n, 0))


@dataclass(frozen=True, slots=True)
class Estimate:
    """Where a limit lies as far as can be seen: the ends of the numbers near it, which prove nothing.

    It has the ends of a Ball and nothing else of one, so that no estimate passes for what is proven; whoever measures
    by it asks for its ``ball``, and says that it is an estimate.

    >>> Estimate(Dyadic(1, -1), Dyadic(1, 0)).ball
    Ball(lower=Dyadic(man=1, exp=-1), upper=Dyadic(man=1, exp=0))
    """

    lower: Dyadic
    upper: Dyadic

    @property
    def ball(self) -> Ball:
        """Return the same ends as a ball, to measure a distance by; nothing proves that the number is in it."""
        return Ball(self.lower, self.upper)


@dataclass(frozen=True, slots=True)
class Format:
    """A binary floating-point format: bits of the significand with the hidden one, least and greatest normal exponent.

    >>> FORMATS["float32"].largest
    3.4028234663852886e+38
    """

    name: str
    precision: int
    emin: int
    emax: int

    @property
    def largest(self) -> float:
        """Return the greatest finite number."""
        return ldexp((1 << self.precision) - 1, self.emax - self.precision + 1)

    @property
    def smallest_normal(self) -> float:
        """Return the least positive number of full precision."""
        return ldexp(1.0, self.emin)

    @property
    def smallest_subnormal(self) -> float:
        """Return the least positive number."""
        return ldexp(1.0, self.emin - self.precision + 1)

    @property
    def unit_roundoff(self) -> float:
        """Return half the distance from 1 to the next number: the relative error of one rounding."""
        return ldexp(1.0, -self.precision)

    @property
    def unlimited(self) -> Format:
        """Return a format of the same digits whose exponents have, for all practical purposes, no end.

        Distances in it are relative: what underflowed is as far off as it is, whatever the format has there.

        >>> small = FORMATS["float32"].smallest_subnormal
        >>> FORMATS["float32"].unlimited.distance(small, Dyadic(3, -149)) > 2**23
        True
        """
        return Format(self.name, self.precision, -UNLIMITED, UNLIMITED)

    def round(self, value: Fraction) -> float:
        """Return the nearest number of the format, ties to even; too large a value becomes infinite, as in IEEE 754.

        >>> FORMATS["float16"].round(Fraction(1, 10))
        0.0999755859375
        """
        n, d = abs(value.numerator), value.denominator
        top = n.bit_length() - d.bit_length()
        if n << max(-top, 0) < d << max(top, 0):
            top -= 1
        nearest = self._nearest(n, d, 0, top)
        return -nearest if value < 0 else nearest

    def round_dyadic(self, value: Dyadic) -> float:
        """Return what ``round`` returns, for an exponent of any size.

        >>> FORMATS["float32"].round_dyadic(Dyadic(-1, 10**9))
        -inf
        """
        n = abs(value.man)
        nearest = self._nearest(n, 1, value.exp, n.bit_length() + value.exp - 1)
        return -nearest if value.man < 0 else nearest

    def _nearest(self, n: int, d: int, exp: int, top: int) -> float:
        """Return ``n/d * 2**exp`` rounded; ``top`` is the floor of its binary logarithm."""
        quantum = max(top, self.emin) - self.precision + 1
        if n == 0 or top < quantum - 1:
            return 0.0
        if top > self.emax:
            return inf
        d <<= max(quantum - exp, 0)
        steps, rest = divmod(n << max(exp - quantum, 0), d)
        if 2 * rest + (steps & 1) > d:
            steps += 1
        return inf if steps.bit_length() + quantum > self.emax + 1 else ldexp(steps, quantum)

    def ordinal(self, value: float) -> int:
        """Return how many numbers of the format lie from 0 to ``value``, negative below 0; infinity comes next.

        Raises ValueError for a value that the format does not hold.

        >>> [FORMATS["float16"].ordinal(value) for value in (0.0, 2.0**-24, -1.0)]
        [0, 1, -15360]
        """
        if isinf(value):
            following = (self.emax - self.emin + 2) << (self.precision - 1)
            return following if value > 0 else -following
        fraction, exponent = frexp(value)
        binade = exponent - 1 - self.emin
        if binade < 0 or value == 0:
            base, steps = 0, ldexp(value, self.precision - 1 - self.emin)
        else:
            base, steps = binade << (self.precision - 1), ldexp(fraction, self.precision)
        if not steps.is_integer() or exponent - 1 > self.emax:
            raise ValueError(f"{value} is not a number of {self.name}")
        return int(steps) + (base if value > 0 else -base)

    def distance(self, value: float, real: Dyadic) -> float:
        """Return how far ``value`` is from ``real``, in ULP: the difference of their ordinals, rounded up.

        Between two numbers of the format the ordinal of a real number is interpolated. Beyond the largest number it
        goes on as if there were greater exponents. The distance is 0 only where the two are equal. As it is rounded
        up, it exceeds a tolerance exactly where the true distance does.

        >>> FORMATS["float32"].distance(1.0, Dyadic(4097, -12))
        2048.0
        """
        man, exp = real
        place = self.ordinal(value)
        if man == 0:
            return _upward(abs(place), 0)
        if man < 0:
            man, place = -man, -place
        length = man.bit_length()
        binade = length + exp - 1 - self.emin
        # The ordinal of the real number is a multiple of 2**(precision - 1), taken off at once, plus man / 2**shift.
        if binade >= 0:
            place -= binade << (self.precision - 1)
            shift = length - self.precision
        else:
            shift = self.emin - self.precision + 1 - exp
            if shift > length + NEGLIGIBLE:
                man, shift = 1, NEGLIGIBLE
        if shift < 0:
            man, shift = man << -shift, 0
        return _upward(abs((place << shift) - man), shift)

    def text(self, value: float, digits: int | None = None) -> str:
        """Return the shortest decimal that reads back as the same number of this format, or no more ``digits`` of it.

        >>> FORMATS["float32"].text(0.10000000149011612), FORMATS["float64"].text(93.0)
        ('0.1', '93')
        >>> FORMATS["float64"].text(2 / 3, 6)
        '0.666667'
        """
        if not isfinite(value):
            return repr(float(value))
        short = Decimal(repr(float(value))) if self.precision == 53 else self._shortest(value)
        return _written(short if digits is None else Context(digits).create_decimal(short))

    def _shortest(self, value: float) -> Decimal:
        exact = Decimal(value)
        for digits in range(1, 18):
            # Below a power of two numbers are denser: the nearest decimal may miss where the next one up reads back.
            for rounding in (ROUND_HALF_EVEN, ROUND_UP):
                short = Context(digits, rounding).create_decimal(exact)
                if self.round(Fraction(short)) == value:
                    return short
        raise ValueError(f"{value} is not a number of {self.name}")


FORMATS = {
    "float64":  Format("float64",  53, -1022, 1023),
    "float32":  Format("float32",  24, -126,  127),
    "bfloat16": Format("bfloat16", 8,  -126,  127),
    "float16":  Format("float16",  11, -14,   15),
}  # fmt: skip
"""The formats of torch's real dtypes, by name."""


def dtype_name(dtype: object) -> str:
    """Return the name of a dtype, given by its name, as torch's or NumPy's, or as Python's ``float``.

    Whether FORMATS has such a one is for the caller to ask.

    >>> import numpy, torch
    >>> [dtype_name(one) for one in ("float64", torch.bfloat16, numpy.float32, numpy.dtype("f2"), float)]
    ['float64', 'bfloat16', 'float32', 'float16', 'float64']
    """
    if dtype is float:
        return "float64"
    named = dtype if isinstance(dtype, str) else getattr(dtype, "name", getattr(dtype, "__name__", dtype))
    return str(named).strip().removeprefix("torch.")


EXACT_DIGITS = {"float64": 18, "float32": 10, "bfloat16": 5, "float16": 6}
"""Digits of an exact number: one or two more than the dtype has."""


FEW_DIGITS = 8
"""Right digits from which on a number is shown by its middle; the ends of a wider enclosure are shown."""


def exact_text(ball: Ball | Estimate | None, fmt: Format, digits: int | None = None) -> str:
    """Return the middle of an enclosure, with a little more digits than the dtype has where none are asked for.

    All digits that are shown are right: there are fewer where the enclosure is too wide for all, as one of machine
    numbers is. Where not even FEW_DIGITS are right its ends are shown, rounded outwards.

    >>> exact_text(Ball(Dyadic(1, 0), Dyadic(1, 0)), FORMATS["float32"]), exact_text(None, FORMATS["float32"])
    ('1', '-')
    >>> exact_text(Ball(Dyadic(-1, -999), Dyadic(1, -999)), FORMATS["float32"])
    '|.| < 1.9e-301'
    >>> wide = [Ball(Dyadic(3, 0), Dyadic((3 << bits) + 9, -bits)) for bits in (50, 9)]
    >>> [exact_text(ball, FORMATS["float64"]) for ball in wide]
    ['3.0000000000000', '3..3.017578125']
    """
    if ball is None:
        return "-"
    if isinstance(ball, Estimate):
        return f"≈{exact_text(ball.ball, fmt, digits)}"
    digits = digits or EXACT_DIGITS[fmt.name]
    if ball.contains(0.0):
        return "0" if ball.exact else f"|.| < {_bound(ball)}"
    right = next((count for count in range(digits, min(digits, FEW_DIGITS) - 1, -1) if ball.is_sharp(count)), None)
    if right is None:
        return "..".join(ball.decimals(digits))
    blunt, digits = right < digits, right
    middle = ball.midpoint
    # Rounded to the nearest, which no proof rests on; the json report has the enclosure itself.
    near = Context(prec=digits, Emin=MIN_EMIN, Emax=MAX_EMAX, traps=[]).create_decimal(
        Ball(middle, middle).decimals(digits + 8)[0]
    )
    if not near:
        return "0"
    if not near.is_finite():  # it rounds up beyond the last decimal
        return Ball(middle, middle).decimals(digits)[middle.man < 0]
    plain = -6 < near.adjusted() < digits
    text = f"{near:f}" if plain else f"{near:e}"
    head, sign, tail = text.partition("e")
    return (head.rstrip("0").rstrip(".") if "." in head and not blunt else head) + sign + tail


def spoken(ball: Ball, fmt: Format, digits: int | None = None) -> str:
    """Return a number as a sentence has it: like ``exact_text``, but for what is only known to be near 0.

    >>> spoken(Ball(Dyadic(-1, -999), Dyadic(1, -999)), FORMATS["float32"])
    '0 to within 1.9e-301'
    """
    near_zero = ball.contains(0.0) and not ball.exact
    return f"0 to within {_bound(ball)}" if near_zero else exact_text(ball, fmt, digits)


def _bound(ball: Ball) -> str:
    """Return a short number that the magnitude of all numbers in a ball is below."""
    far = max(Dyadic(abs(end.man), end.exp) for end in (ball.lower, ball.upper))
    return Ball(far, far).decimals(2)[1]


def _upward(n: int, shift: int) -> float:
    """Return ``n / 2**shift`` rounded up, for ``n`` of at least 0."""
    excess = n.bit_length() - 53
    if excess > 0:
        n, shift = -(-n >> excess), shift - excess
    try:
        return max(ldexp(n, -shift), LEAST_DISTANCE) if n else 0.0
    except OverflowError:
        return inf


# --- decimals -----------------------------------------------------------------------------------


def _decimal(number: Dyadic, digits: int, *, up: bool) -> str:
    """Return ``number`` rounded up or down to ``digits`` digits; beyond the reach of decimals still a bound."""
    man, exp = number
    zeros = (man & -man).bit_length() - 1 if man else 0
    man, exp = man >> zeros, exp + zeros if man else 0
    rounding = ROUND_UP if up == (man > 0) else ROUND_DOWN
    length = man.bit_length()
    bits = length + abs(exp)
    guard = 20 + (bits if bits <= EXACT_BITS else 0)
    working = Context(digits + guard, rounding, MIN_EMIN, MAX_EMAX, traps=[])
    if length <= DOUBLE_BITS and exp >= LEAST_EXPONENT and length + exp <= MOST_EXPONENT:
        magnitude = Decimal(ldexp(abs(man), exp))  # a float64, which is a decimal
    else:
        magnitude = working.multiply(Decimal(abs(man)), _power_of_two(exp, working))
    working.prec = digits
    short = working.plus(magnitude)
    return _written(short.copy_negate() if man < 0 else short)


def _power_of_two(exp: int, context: Context) -> Decimal:
    """Return ``2**exp``, rounded as the context says; every product of positive bounds is a bound."""
    power, factor, left = Decimal(1), Decimal(2 if exp > 0 else "0.5"), abs(exp)
    while left:
        if left & 1:
            power = context.multiply(power, factor)
        factor = context.multiply(factor, factor)
        left >>= 1
    return power


def _written(number: Decimal) -> str:
    """Return a decimal as Python writes floats, without a trailing ``.0``."""
    sign, digits, _ = number.as_tuple()
    minus = "-" if sign else ""
    if not number.is_finite():
        return f"{minus}inf"
    shown = "".join(map(str, digits)).rstrip("0")
    if not shown:
        return f"{minus}0"
    point = number.adjusted()
    if not -5 < point < 16:
        return f"{minus}{shown[0]}{'.' if shown[1:] else ''}{shown[1:]}e{point:+03d}"
    if point < 0:
        return f"{minus}0.{'0' * (-point - 1)}{shown}"
    whole, part = shown[: point + 1].ljust(point + 1, "0"), shown[point + 1 :]
    return f"{minus}{whole}{'.' if part else ''}{part}"
