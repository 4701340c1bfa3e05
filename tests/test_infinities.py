"""Infinite inputs and constants: limits where they exist whatever the approach, element by element, against mpmath."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from math import inf, isinf
from typing import Any

import mpmath
import numpy as np
import pytest
from flint import arb

from gradcheck import autograd, exact
from gradcheck.case import check, check_program
from gradcheck.differentiate import pull_back
from gradcheck.errors import GradcheckError, LaneProblem
from gradcheck.exact.evaluate import _on_balls
from gradcheck.exact.structure import Book, forget
from gradcheck.formats import Ball, Estimate
from gradcheck.functions import ELEMENTWISE, Elementwise
from gradcheck.lower import lower
from gradcheck.parse import parse
from gradcheck.points import to_value
from gradcheck.program import Program
from gradcheck.settings import Settings
from gradcheck.verdict import Verdict
from oracles import enclosures
from table import ON_TENSORS, TENSORS, each, inside, program_of

AGREE, DISAGREE, UNDEFINED, KINK = Verdict.AGREE, Verdict.DISAGREE, Verdict.UNDEFINED, Verdict.KINK
NAN: tuple[Verdict, float | None] = (DISAGREE, 0)
"""Where torch has nan for what is 0."""

ENDS = (-inf, inf)
HUGE = (mpmath.mpf(2) ** 61 + mpmath.mpf(1) / 3, mpmath.mpf(3) ** 67 + mpmath.mpf(1) / 7)
"""What stands for infinity in the oracle."""
FARTHER = tuple(far ** (2**40) for far in HUGE)
"""Where what grows as a logarithm is large as well."""


def limit(row: Elementwise, point: tuple[float, ...], places: Sequence[Any] = HUGE) -> Any:
    """Return what mpmath has far out, infinite where it grows, and None where it does not settle or has no value."""
    found = []
    with mpmath.workdps(60):
        for far in places:
            args = [mpmath.sign(one) * far if isinf(one) else mpmath.mpf(one) for one in point]
            if not inside(row, args):
                return None
            try:
                value = row.oracle(mpmath, *args)
            except (ValueError, ZeroDivisionError, OverflowError):
                return None
            if not isinstance(value, mpmath.mpf | int):
                return None  # complex: outside the domain
            found.append(mpmath.mpf(value))
    near, far = found
    if abs(far) > 2**40 and abs(near) > 2**40 and near * far > 0:
        return mpmath.sign(far) * mpmath.inf
    return far if abs(near - far) < 1e-9 * (1 + abs(far)) else None


@pytest.mark.parametrize("row", each(ELEMENTWISE.values()))
def test_a_row_at_infinity_is_its_limit_or_no_number(row: Elementwise) -> None:
    values = (*ENDS, 0.75, -1.5) if len(row.args) < 3 else (*ENDS, 0.75)
    for point in product(values, repeat=len(row.args)):
        if not any(map(isinf, point)):
            continue
        core, at = lower(program_of(row)), {name: np.array(one) for name, one in zip(row.args, point, strict=True)}
        found = exact.enclose(core, at)["out"][()]
        [element] = enclosures(core, "out", at, 128)
        wanted = limit(row, point)
        if isinstance(element, Ball):
            assert wanted is not None, point
            assert abs(element.nearest - float(wanted)) < 1e-8, point
        elif element == "infinite":
            wanted = limit(row, point, FARTHER) if wanted is None else wanted
            assert wanted is not None, point
            assert bool(found > 0) == bool(wanted > 0), point
            assert mpmath.isinf(wanted), point


@pytest.mark.parametrize("row", [one for one in each(ELEMENTWISE.values()) if len(one.values[0].args) == 1])
def test_a_row_of_one_argument_has_its_limit(row: Elementwise) -> None:
    """Where mpmath sees one: no limit is given away as long as nothing meets it."""
    for end in ENDS:
        wanted = limit(row, (end,))
        [element] = enclosures(lower(program_of(row)), "out", {row.args[0]: np.array(end)}, 128)
        if wanted is not None and not mpmath.isinf(wanted):
            assert isinstance(element, Ball), (row.name, end)


@pytest.mark.parametrize("row", each(ELEMENTWISE.values()))
def test_structure_has_the_same_limits(row: Elementwise) -> None:
    for point in product((*ENDS, 0.75), repeat=len(row.args)):
        balls = [arb(one) for one in point]
        plain, book = _on_balls(row.exact), Book()
        one, other = plain(*balls), forget(plain(*map(book.lift, balls)))
        same = exact.ball(one) == exact.ball(other)
        assert same or not (isinstance(exact.ball(one), str) or isinstance(exact.ball(other), str)), (row.name, point)


def gradient(text: str, by: str, **point: object) -> list[tuple[Verdict, float | None]]:
    """Return verdict and exact number of the elements of a gradient."""
    [found] = check(text, point, settings=Settings(dtypes=("float64",), wrt=(by,)))[0].gradients
    balls = [one.ball if isinstance(one, Estimate) else one for one in found.exact]
    numbers = [None if one is None else one.nearest for one in balls]
    return [(one.verdict, number) for one, number in zip(found.judgements, numbers, strict=True)]


S = 1 / (1 + np.e)
SEEN: list[tuple[str, dict[str, Any], str, list[tuple[Verdict, float | None]]]] = [
    ("(x*y)[0]", {"x": [1, inf], "y": [2, 3]}, "x", [(AGREE, 2), (AGREE, 0)]),
    ("softmax(x, 1)[0].sum()", {"x": [[0, 1], [-inf, -inf]]}, "x", [(AGREE, 0), (AGREE, 0), NAN, NAN]),
    ("logsumexp(s/t, 0)", {"s": [1, 2, -inf], "t": 0.1}, "t", [(DISAGREE, -199.99546021312975)]),
    ("softmax(s, 0)[0]", {"s": [0, 1, -inf]}, "s", [(AGREE, S * (1 - S)), (AGREE, -S * (1 - S)), (AGREE, 0)]),
    ("logaddexp(x, y)", {"x": 1, "y": -inf}, "x", [(AGREE, 1)]),
    ("logaddexp(x, y)", {"x": 1, "y": -inf}, "y", [(AGREE, 0)]),
    ("s/t", {"s": inf, "t": 2}, "s", [(AGREE, 0.5)]),
    ("s/t", {"s": inf, "t": 2}, "t", [(UNDEFINED, None)]),
    ("x**3", {"x": inf}, "x", [(UNDEFINED, None)]),
    ("exp(-x**2)", {"x": inf}, "x", [(DISAGREE, 0)]),
    ("norm(x)", {"x": [3, inf]}, "x", [(AGREE, 0), (DISAGREE, 1)]),
    ("sin(x) + y", {"x": inf, "y": 1}, "y", [(AGREE, 1)]),
    ("sin(x)*y", {"x": inf, "y": 1}, "y", [(UNDEFINED, None)]),
    ("x/y", {"x": inf, "y": inf}, "x", [(AGREE, 0)]),
    ("maximum(x, y)", {"x": inf, "y": inf}, "x", [(UNDEFINED, None)]),
    ("tanh(x)*y", {"x": -inf, "y": 2}, "y", [(AGREE, -1)]),
    ("relu(x) + y", {"x": [0, -inf], "y": 2}, "x", [(KINK, None), (AGREE, 0)]),
    ("log(x - y)", {"x": 1, "y": inf}, "x", [(UNDEFINED, None)]),
    ("sum(where(m > 0, s, -inf)*0 + s)", {"m": [1, 1], "s": [1, 2]}, "s", [(AGREE, 1), (AGREE, 1)]),
    ("softmax(where(m > 0, s, -inf), 0)[0]", {"m": [1, -1, 1], "s": [0, 5, 1]}, "s",
     [(AGREE, S * (1 - S)), (AGREE, 0), (AGREE, -S * (1 - S))]),
    ("logsumexp(where(m > 0, s, float('-inf')), 0)", {"m": [1, -1], "s": [0, 5]}, "s", [(AGREE, 1), (AGREE, 0)]),
    ("amax(where(m > 0, s, -inf))", {"m": [1, -1, -1], "s": [0, 5, 1]}, "s", [(AGREE, 1), (AGREE, 0), (AGREE, 0)]),
    ("clamp(x, -inf, inf)*2", {"x": 3}, "x", [(AGREE, 2)]),
    ("exp(-inf) + x", {"x": 3}, "x", [(AGREE, 1)]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "point", "by", "wanted"), SEEN)
def test_what_is_said_at_infinity(
    text: str, point: dict[str, Any], by: str, wanted: list[tuple[Verdict, float | None]]
) -> None:
    found = gradient(text, by, **point)
    assert [one for one, _ in found] == [one for one, _ in wanted]
    assert_near([one for _, one in found], [one for _, one in wanted])


def assert_near(found: list[float | None], wanted: list[float | None]) -> None:
    """Demand the same numbers to 12 digits, and none where there is none."""
    for one, other in zip(found, wanted, strict=True):
        assert (one is None) == (other is None)
        assert one is None or other is None or abs(one - other) <= 1e-12 * abs(other)


# --- estimates ----------------------------------------------------------------------------------------


def approached(text: str, **point: object) -> list[float | None]:
    """Return the estimates of the elements of a program."""
    arrays = {name: np.array(one, dtype=np.float64) for name, one in point.items()}
    core = lower(parse(text), {name: one.shape for name, one in arrays.items()})
    size = int(np.prod(core.shapes["out"], dtype=np.int64))
    found = exact.at_infinity(core, arrays, "out", range(size))
    assert all(one is None or isinstance(one, Estimate) for one in found)
    return [None if one is None else one.ball.nearest for one in found]


APPROACHED: list[tuple[str, dict[str, object], list[float | None]]] = [
    ("x*exp(-x)", {"x": inf}, [0]), ("x/(x + 1)", {"x": inf}, [1]), ("x/sqrt(x*x + y)", {"x": inf, "y": 3}, [1]),
    ("x/sqrt(x*x + y)", {"x": -inf, "y": 3}, [-1]), ("x - y", {"x": inf, "y": inf}, [None]),
    ("x/y", {"x": inf, "y": inf}, [None]), ("x*y", {"x": inf, "y": 0}, [0]), ("x*sin(1/x)", {"x": inf}, [1]),
    ("sin(x)/x", {"x": inf}, [0]), ("sin(x)", {"x": inf}, [None]), ("x % 2", {"x": inf}, [None]),
    ("(1 + 1/x)**x", {"x": inf}, [np.e]), ("log(x)/x", {"x": inf}, [0]), ("x**(1/x)", {"x": inf}, [1]),
    ("sqrt(x*x + x) - x", {"x": inf}, [0.5]), ("x*(atan(x) - pi/2)", {"x": inf}, [-1]),
    ("exp(x)/(exp(x) + exp(y))", {"x": inf, "y": inf}, [None]), ("x*y/(1 + x*x*y*y)", {"x": inf, "y": -inf}, [0]),
    ("1/x + y", {"x": inf, "y": 1e-50}, [1e-50]), ("x + 1", {"x": inf}, [None]), ("inf*x/(inf*x + 1)", {"x": 2}, [1]),
    ("x - inf*0", {"x": 2}, [2]), ("fmod(y, x)", {"x": inf, "y": 3}, [3]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "point", "wanted"), APPROACHED)
def test_a_limit_is_what_all_ways_agree_on(text: str, point: dict[str, object], wanted: list[float | None]) -> None:
    assert_near(approached(text, **point), wanted)


def test_an_estimate_is_no_ball() -> None:
    assert not isinstance(exact.at_infinity(lower(parse("x*exp(-x)")), {"x": np.array(inf)}, "out", [0])[0], Ball)
    assert set(Estimate.__slots__) == {"lower", "upper"}


# --- everything ----------------------------------------------------------------------------------------


SEEDS = 3


def programs(seed: int) -> list[Program]:
    """Return the first sample of every row, and of the others those whose turn it is."""
    texts = [text for row in ON_TENSORS for k, text in enumerate(row.samples) if not k or k % SEEDS == seed]
    return [*map(parse, texts), *map(program_of, ELEMENTWISE.values())]


def infinite_in_parts(program: Program, random: np.random.Generator) -> dict[str, Any]:
    """Return a point with some infinities among the table's numbers."""
    point = {name: np.array(TENSORS.get(name, 0.7), dtype=np.float64) for name in program.inputs}
    for name, array in point.items():
        point[name] = np.where(random.random(array.shape) < 0.3, random.choice(ENDS, array.shape), array)
    return point


def refused(program: Program, point: dict[str, Any]) -> bool:
    """Tell whether torch itself computes nothing: some of its functions of matrices raise for infinite numbers."""
    try:
        autograd.backward(program, point, program.tracked, dtype="float32")
    except LaneProblem:
        return True
    return False


@pytest.mark.parametrize("seed", range(SEEDS))
def test_nothing_raises_at_an_infinite_point(seed: int) -> None:
    """Samples of the table with infinities among its numbers, in both lanes, findings looked into."""
    random = np.random.default_rng(seed)
    for program in programs(seed):
        point = infinite_in_parts(program, random)
        at = {name: to_value(one, name) for name, one in point.items()}
        run = check_program(program, [at], Settings(dtypes=("float32",)))
        assert run[0].error is None or refused(program, point), (program, point)


@pytest.mark.parametrize("seed", range(SEEDS))
def test_an_enclosure_at_infinity_is_what_the_ways_agree_on(seed: int) -> None:
    """Arb's infinities against numbers that grow: where both have the gradient, it is one."""
    random, compared = np.random.default_rng(seed), 0
    for program in programs(seed):
        point = infinite_in_parts(program, random)
        pulled = pull_back(lower(program, {name: one.shape for name, one in point.items()}, nodes=True), guarded=True)
        values = exact.enclose(pulled.core, point)
        for output in pulled.program.outputs:
            proven = exact.balls(values[output], 128)
            limits = exact.at_infinity(pulled.core, point, output, range(len(proven)))
            for one, other in zip(proven, limits, strict=True):
                if isinstance(one, Ball) and other is not None:
                    compared += 1
                    assert abs(one.nearest - other.ball.nearest) <= 1e-9 * (1 + abs(one.nearest)), (program, point)
    assert compared > 50


# --- the constant -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["x + inf", "where(x > 0, x, -inf)", "clamp(x, -inf, 3)", "exp(-inf)*x", "x/inf"])
def test_the_constant_prints_back(text: str) -> None:
    program = parse(text)
    assert program.inputs == ("x",)
    assert program.text("out") == text
    assert str(parse(str(program))) == str(program)


@pytest.mark.parametrize("written", ["inf", "float('inf')", "math.inf", "torch.inf", "float('Infinity')"])
def test_ways_to_write_infinity(written: str) -> None:
    assert str(parse(f"x*{written}")) == "out = x*inf"


@pytest.mark.parametrize(
    "written",
    ["masked_fill(x, m > 0, -inf)", "x.masked_fill(m > 0, float('-inf'))", "masked_fill(x, mask=m > 0, value=-inf)"],
)
def test_what_is_filled_is_a_choice(written: str) -> None:
    assert parse(written).text("out") == "masked_fill(x, m > 0, -inf)"
    assert gradient(f"softmax({written}, 0)[0]", "x", x=[1, 2], m=[0, 1]) == [(AGREE, 0), (AGREE, 0)]


def test_what_is_not_filled_is_refused() -> None:
    ways = "x, m > 0", "x, m + 1, 3", "x, m > 0, 1, 2", "x, m > 0, v=1"
    for text in (f"masked_fill({one})" for one in ways):
        with pytest.raises(GradcheckError):
            parse(text)


def test_inf_may_be_an_input_and_nan_is_no_number() -> None:
    assert parse("2*inf", bound=["inf"]).inputs == ("inf",)
    for text in ("nan*x", "float('nan')*x", "float('1')*x"):
        with pytest.raises(GradcheckError):
            parse(text)


@pytest.mark.parametrize("x", [inf, -inf])
@pytest.mark.parametrize("y", [-3, -2, -1, 1, 2, 3])
def test_whole_powers_of_infinity_are_those_of_floats(x: float, y: int) -> None:
    made = ELEMENTWISE["pow"].exact(arb(x), arb(y))
    assert float(made) == x**y
    assert made.is_finite() or not made.is_nan()
