"""What "at fault" means: with the blamed operation alone made exact the gradient is right, and with no earlier one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import cycle
from math import exp, log, sqrt
from typing import Any

import numpy as np
import pytest
from mpmath import mp, mpf

from gradcheck.blame import Blame, Cause
from gradcheck.case import check
from gradcheck.formats import FORMATS, Format
from gradcheck.outcome import Outcome
from gradcheck.program import Name
from gradcheck.settings import Settings
from replay import BITS, Run, Step, exactly, objects, replay

Point = tuple[str, str, str]
"""Program, point and dtype."""

# --- points -----------------------------------------------------------------------------------------------

SMALL: dict[str, Callable[[float], float]] = {
    "exp(x)": lambda y: y, "x**2": lambda y: exp(y / 2), "x*x": lambda y: -exp(y / 2), "sigmoid(x)": lambda y: y,
    "exp(-x)": lambda y: -y,
}  # fmt: skip
"""Functions, each with the point at which it is a small number, of its logarithm."""
AROUND_SMALL = ["log({})", "log({}*2)", "log(-(-{}))", "sqrt({}/2)", "sqrt(3*{})", "y = {}; sqrt(y + y)",
                "log(reshape({}, (1,)))", "2*log({}/0.5)", "-log(1*{})"]  # fmt: skip
NEAR_ONE: dict[str, Callable[[float], float]] = {
    "sigmoid(x)": log, "tanh(x)": lambda y: log(2 * y) / 2, "exp(-x)": lambda y: 1 / y, "cos(x)": lambda y: sqrt(2 / y)
}  # fmt: skip
"""Functions, each with the point at which it is 1 but for 1/y."""
OF_REST = ["log(1 - {})", "q = {}; log(2*(1 - q))", "sqrt(1 - {})", "3*log(1 - {}) + x", "log(-({} - 1))"]
TO_EDGE = ["atanh({})", "acos({})", "2*asin({}) + x", "acosh(2 - {})"]
LARGE = ["log(1 + exp(x))", "log(exp(x)*2)", "log(exp(2*x))/2", "sqrt(exp(x)/2)", "exp(x)/(1 + exp(x))"]
POINTS: list[Point] = [
    ("(1-cos(x))/x**2", "x=1e-4", "float32"), ("(exp(x)-1)/x", "x=1e-6", "float32"), ("tanh(x)", "x=8", "float32"),
    ("x*(pi - 3.14159265)", "x=1", "float64"), ("sum(x*(2**0.5 - 1.41421356237))", "x=[1,2]", "float64"),
    ("sqrt(x**2+1)-x", "x=1e6", "float64"), ("3*tanh(x)+1", "x=19", "float64"), ("tanh(2*x)*0.5", "x=2", "float16"),
    ("sigmoid(x)*(1-sigmoid(x))", "x=20", "float32"), ("1/(tan(x) - 1)", "x=0.78539815", "float32"),
    ("sin(1e6*x)", "x=1.1", "float32"), ("cos(1e4*x)+x", "x=0.7", "bfloat16"),
    ("sqrt(x**2 + y**2)", "x=3e30,y=4e30", "float32"), ("sqrt(x**2 + y**2)", "x=1e-30,y=2e-30", "bfloat16"),
    ("1/sqrt(x**2+y**2)", "x=1e-30,y=1e-30", "float32"), ("log(softmax(x, dim=0))[1]", "x=[0,-200,3]", "float32"),
    ("log(softmax(x, dim=0)[2]*2)", "x=[0,3,-20]", "float16"), ("acosh(1 + d)", "d=1e-10", "float32"),
    ("acosh(1 + d)", "d=1e-10", "float64"), ("log((1 + x) - 1)", "x=1e-9", "float32"),
    ("sqrt((x + 1)*(x + 1) - 1)", "x=1e-7", "float32"),
]  # fmt: skip


def points() -> Iterator[Point]:
    """Yield points at which something is wrong: many functions in many places, in all dtypes in turn."""
    yield from POINTS
    dtypes = cycle(FORMATS)
    for name, inverse in SMALL.items():
        for program in AROUND_SMALL:
            fmt = FORMATS[next(dtypes)]
            yield program.format(name), f"x={inverse((fmt.emin - fmt.precision - 5) * log(2)):.6g}", fmt.name
    for name, inverse in NEAR_ONE.items():
        for program in (*OF_REST, *TO_EDGE):
            fmt = FORMATS[next(dtypes)]
            yield program.format(name), f"x={inverse(2.0**fmt.precision * 5):.6g}", fmt.name
    for program in LARGE:
        for fmt in FORMATS.values():
            yield program, f"x={1.2 * log(fmt.largest):.6g}", fmt.name


# --- at fault -----------------------------------------------------------------------------------------------

CONFIRMED = {
    Cause.UNDERFLOW: "own", Cause.OVERFLOW: "own", Cause.STORED_OUTPUT: "own", Cause.INACCURATE_OPERATION: "own",
    Cause.CANCELLATION: "true", Cause.ILL_CONDITIONED: "true",
}  # fmt: skip
"""What mends an operation: its exact result from what it was given; where it magnifies what was rounded before, that
from exact arguments."""


class Trial:
    """The replays of one program at one point."""

    def __init__(self, outcome: Outcome, wrt: str | None, element: int) -> None:
        """Without ``wrt`` it is the value of the program that is looked at."""
        self.program, self.wrt, self.element = outcome.program, wrt, element
        self.format: Format = FORMATS[outcome.dtype]
        self.point = {name: objects(np.frompyfunc(mpf, 1, 1)(array)) for name, array in outcome.rounded.items()}
        self.true: Run = exactly(self.program, self.point, wrt)
        nodes = self.true.nodes()
        self.steps = [*map(Step, nodes), *(Step(node, backward=True) for node in reversed(nodes))]
        self.truth = self.result(self.true)
        # Half of the digits that the format has there.
        self.tolerance = max(abs(self.truth), mpf(self.format.smallest_normal)) * mpf(2) ** (-self.format.precision / 2)

    def result(self, run: Run) -> Any:
        made = run.gradient if self.wrt is not None else run.number(Name(self.program.output))
        assert made is not None
        return made.ravel()[self.element]

    def step(self, blame: Blame) -> int:
        """Return the step that is blamed; what comes back along several ways is added up last."""
        backward = any(one.culprit and one.quantity == "cotangent" for one in blame.readings)
        if backward and blame.cause is Cause.CANCELLATION:
            return len(self.steps) - 1
        return next(k for k, one in enumerate(self.steps) if one.node.span == blame.span and one.backward is backward)

    def confirms(self, k: int, cause: Cause) -> bool:
        """Tell whether all that comes after a step may be exact, and the result is right only if the step is, too."""
        if cause is Cause.CANCELLATION and k == len(self.steps) - 1:
            # What comes back along several ways cancels: a rounding of one of them is more than half of the digits.
            with mp.workprec(BITS):
                most = max(abs(one.ravel()[self.element]) for one in self.true.ways)
                return bool(most * mpf(2) ** -self.format.precision > self.tolerance)
        return self.is_right(self.mended(k, cause), after=k) and not self.is_right(self.as_it_is(k), after=k)

    def helped_by(self, k: int) -> list[int]:
        """Return the steps before one that mend the result where each is the nearest number that the format has."""
        return [j for j in range(k) if self.is_right({**self.as_it_is(k), j: "nearest"}, after=k)]

    def as_it_is(self, k: int) -> dict[int, str]:
        return dict.fromkeys(self.same(k), "floats")

    def mended(self, k: int, cause: Cause) -> dict[int, str]:
        """Return a step made exact, with what the same operation sends back."""
        return dict.fromkeys(self.same(k), CONFIRMED[cause])

    def same(self, k: int) -> list[int]:
        """Return a step, and the one of what the same operation sends back."""
        return [j for j, one in enumerate(self.steps) if one.node is self.steps[k].node and j >= k]

    def mends_alone(self, k: int, cause: Cause) -> bool:
        """Tell whether the result is right with one step exact, and all else in floats: of unlimited range after it."""
        return self.is_right({**self.after(k), **self.mended(k, cause)})

    def is_lost_again(self, k: int, cause: Cause) -> bool:
        """Tell whether another step after one is at fault, too: the digits are lost even if they were there so far."""
        return not self.is_right({**dict.fromkeys(range(k), "nearest"), **self.after(k), **self.mended(k, cause)})

    def after(self, k: int) -> dict[int, str]:
        return dict.fromkeys(range(k + 1, len(self.steps)), "wide")

    def is_right(self, how: dict[int, str], after: int | None = None) -> bool:
        """Tell whether half of the digits are right with some steps computed otherwise, and exactly ``after`` one."""
        places = {one: k for k, one in enumerate(self.steps)}

        def rule(step: Step) -> str:
            k = places[step]
            return how.get(k, "own" if after is not None and k > after else "floats")

        run = replay(self.program, self.point, self.wrt, self.format, rule, self.true)
        with mp.workprec(BITS):
            return bool(abs(self.result(run) - self.truth) <= self.tolerance)


def blames(outcome: Outcome) -> list[tuple[str | None, Blame]]:
    """Return all that is blamed, for the gradient by an input or for the value."""
    value = [(None, blame) for blame in outcome.layers[-1].blames]
    return [*((one.input, blame) for one in outcome.gradients for blame in one.blames), *value]


@pytest.mark.parametrize(("program", "at", "dtype"), dict.fromkeys(points()))
def test_with_the_blamed_operation_exact_the_gradient_is_right_and_with_no_earlier_one(
    program: str, at: str, dtype: str
) -> None:
    [outcome] = check(program, at, settings=Settings(dtypes=(dtype,)))
    found = blames(outcome)
    assert found
    for name, blame in found:
        trial = Trial(outcome, name, blame.element)
        k = trial.step(blame)
        assert not trial.is_right({})
        assert trial.confirms(k, blame.cause)
        assert trial.mends_alone(k, blame.cause) or trial.is_lost_again(k, blame.cause)
        assert not trial.helped_by(k)


def test_there_are_enough_points_of_every_kind() -> None:
    assert len({*points()}) >= 44
    assert {dtype for *_, dtype in points()} == {*FORMATS}
