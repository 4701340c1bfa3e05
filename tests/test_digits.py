"""Precision by need: what is shown is right to its digits, and each order of evaluation helps the other."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import mpmath
import numpy as np
import pytest

from gradcheck import exact
from gradcheck.case import check
from gradcheck.differentiate import pull_back
from gradcheck.exact import sharpen
from gradcheck.formats import Ball, Dyadic
from gradcheck.lower import Core, lower
from gradcheck.parse import parse
from gradcheck.settings import Settings
from gradcheck.verdict import Verdict

DIGITS = 20

STEEP: list[tuple[str, str]] = [
    ("asin(sin(x))", "1.5707963267948966"), ("1e20*exp(x)/(exp(x) - 1)", "89"), ("exp(x)/(exp(x) - 1)", "709.987"),
    ("x + 1 - x", "1e300"), ("tanh(x)", "300"), ("(1 - cos(x))/x**2", "1e-100"), ("log(1 + exp(-x))", "700"),
    ("erf(x)", "25"), ("sqrt(1 + x*x) - x", "1e100"), ("acos(cos(x))", "3.141592653589793"), ("sigmoid(x)", "600"),
    ("(exp(x) - 1 - x)/x", "1e-40"), ("atan(x)", "1e200"),
]  # fmt: skip
"""Programs of x, and a point where the derivative is what cancelling leaves."""


def derivative(text: str, x: float) -> Fraction:
    """Return the derivative as mpmath has it: a central difference of the text, at 4000 digits and a step of 1e-900."""
    with mpmath.workdps(4000):
        words = ("sin", "cos", "asin", "acos", "exp", "log", "tanh", "erf", "sqrt", "atan", "mpf")
        names = {name: getattr(mpmath, name) for name in words}
        names["sigmoid"] = lambda z: 1 / (1 + mpmath.exp(-z))
        step = mpmath.mpf(10) ** -900
        ends = [eval(text, {**names, "x": mpmath.mpf(x) + sign * step}) for sign in (1, -1)]
        slope = (ends[0] - ends[1]) / (2 * step)
        return Fraction(*map(int, mpmath.libmp.to_rational(slope._mpf_)))


def gradient(text: str, x: float, nodes: bool, digits: int = DIGITS) -> Ball | None:
    pulled = pull_back(lower(parse(text), nodes=nodes), guarded=nodes)
    [found] = sharpen(pulled.core, pulled.program.output, {"x": np.array(x)}, [0], digits)
    return found


@pytest.mark.parametrize(("text", "at"), STEEP)
@pytest.mark.parametrize("nodes", [True, False])
def test_a_sharpened_derivative_is_right_to_its_digits(text: str, at: str, nodes: bool) -> None:
    found, wanted = gradient(text, float(at), nodes), derivative(text, float(at))
    assert found is not None
    for man, exp in (found.lower, found.upper):
        assert abs(Fraction(man) * Fraction(2) ** exp - wanted) <= abs(wanted) / 10 ** (DIGITS - 1)


def test_only_what_is_wide_is_evaluated_again(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []

    def counted(core: Core, point: Mapping[str, np.ndarray[Any, Any]], bits: int) -> exact.Values:
        seen.append(bits)
        return exact.enclose(core, point, bits)

    monkeypatch.setattr("gradcheck.exact.digits.enclose", counted)
    core, point = lower(parse("(x + 1e-60) - x"), {"x": (2,)}), {"x": np.array([0.0, 1.0])}
    sharpen(core, "out", point, [0], 20)
    assert seen == [128]
    seen.clear()
    sharpen(core, "out", point, [0, 1], 20)
    assert seen == [128]  # structure has it at once
    seen.clear()
    sharpen(lower(parse("log(exp(x) + 1) - x")), "out", {"x": np.array(200.0)}, [0], 20)
    assert seen == [128, 256, 512]


def test_what_has_no_number_is_none_and_what_there_is_is_returned() -> None:
    found = sharpen(lower(parse("log(x)"), {"x": (2,)}), "out", {"x": np.array([-1.0, 2.0])}, [0, 1], 30)
    assert found[0] is None
    assert isinstance(found[1], Ball)
    [touching] = sharpen(lower(parse("sqrt(x)**2 - x")), "out", {"x": np.array(2.0)}, [0], 20)
    assert isinstance(touching, Ball)
    assert touching.contains(0)


DEEP = {
    "sum": "y{k} = sin(y{j}) + y{j}", "difference": "y{k} = y{j} - y{j}**3/8", "product": "y{k} = y{j}*(1 - y{j}/4)",
    "input": "y{k} = sin(y{j}) + x", "mixed": "y{k} = tanh(y{j}) + y{j}/2 + x/{k}",
}  # fmt: skip


@pytest.mark.parametrize("layer", DEEP.values(), ids=DEEP)
@pytest.mark.parametrize("at", [0.3, 1.5])
def test_a_thousand_layers_are_decided(layer: str, at: float) -> None:
    text = "\n".join(["y0 = x", *(layer.format(k=k, j=k - 1) for k in range(1, 1_000))])
    run = check(text, x=at, settings=Settings(dtypes=("float64",)))
    assert run.verdict in (Verdict.AGREE, Verdict.UNSTABLE)
    assert run[0].gradients[0].exact[0] is not None


POLES = ["cos(atan(a*tan(2*pi*u + 0.5*pi)))", "atan(tan(pi*(u + 1/2)))*a", "a/tan(pi*u/2 + pi/2)",
         "exp(-tan(pi/2 - pi*u)**2)*a"]  # fmt: skip
"""Programs with tan at its pole for every integer u, where even u are asked."""


@pytest.mark.parametrize("text", POLES)
@pytest.mark.parametrize("u", [0.0, 2.0, -4.0, 1e6])
def test_the_pole_of_tan_is_named(text: str, u: float) -> None:
    run = check(text, a=0.7, u=u, settings=Settings(dtypes=("float64",), wrt=("a",)))
    [judgement] = run[0].gradients[0].judgements
    assert judgement.verdict is not Verdict.UNDECIDED
    assert judgement.verdict is Verdict.AGREE or "tan meets a pole" in str(judgement.note)
    assert all("mul is not defined" not in str(one.message) for one in run[0].gradients[0].blames)


@pytest.mark.parametrize(("bits", "sharp"), [(1_900, True), (2_100, False)])
def test_the_precision_ends_at_2048_bits(bits: int, sharp: bool) -> None:
    """What cancels more bits than that stays a narrow ball around 0."""
    [found] = sharpen(lower(parse(f"exp(x + 2**-{bits}) - exp(x)")), "out", {"x": np.array(1.0)}, [0], 17)
    assert found is not None
    assert found.contains(0.0) is not sharp
    assert found.upper < Dyadic(1, 2 - min(bits, 2_000))
