"""Operations are judged at their own inputs: a wrong one is found behind anything, and rounding is what explains."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import pytest
import torch

from gradcheck import Settings, check
from gradcheck.autograd import function
from gradcheck.blame import Cause
from gradcheck.formats import FORMATS, exact_text
from gradcheck.functions import ELEMENTWISE, Elementwise
from gradcheck.outcome import Outcome
from gradcheck.parse import parse
from gradcheck.selftest.planting import distorted, planted
from gradcheck.verdict import Verdict

Operation = Callable[..., Any]


def outcome(
    program: str, at: Mapping[str, Any], dtype: str = "float32", under_test: dict[str, Operation] | None = None
) -> Outcome:
    settings = Settings(dtypes=(dtype,), under_test=under_test or {})
    [found] = check(program, at, settings=settings)
    return found


def verdicts(found: Outcome, name: str) -> set[Verdict]:
    return {one.verdict for each in found.gradients if each.input == name for one in each.judgements}


# --- a planted fault in every row, behind what hid it ---------------------------------------------------

SURROUNDINGS = {
    # Each leaves the operation what it is, and hides it from an end-to-end bound.
    "alone": "{call}",
    "unstable": "u = (z + 1e8) - 1e8\n{call}*u",
    "long": "{call} + sum(w)*1e3",
    "overflowing": "q = exp(z*100)\n{call} + 1/q",
}
WHERE_HIDDEN = {"z": 4.1, "w": list(np.linspace(-1, 1, 200))}


def smooth_rows() -> Iterator[tuple[str, str, dict[str, float]]]:
    """Yield every row with a slope at its first sample: the call, and the numbers of its arguments."""
    for name, row in ELEMENTWISE.items():
        sample = next(iter(row.samples))
        # Torch differentiates nothing by a fixed argument: it is a number of the program.
        names = [
            value if by in row.fixed else f"a{k}" for k, (by, value) in enumerate(zip(row.args, sample, strict=True))
        ]
        at = {one: float(value) for one, value in zip(names, sample, strict=True) if one != value}
        call = f"{name}({', '.join(names)})"
        found = outcome(call, at)
        slopes = [one.number(0) for one in found.gradients if one.torch is not None]
        if found.verdict is Verdict.AGREE and any(slopes):
            yield name, call, at


ROWS = list(smooth_rows())
assert len(ROWS) > 30


@pytest.mark.parametrize("surroundings", SURROUNDINGS)
@pytest.mark.parametrize("row", ROWS, ids=lambda row: str(row[0]))
def test_a_doubled_gradient_is_found_in_every_row_behind_whatever_hides_it(
    row: tuple[str, str, dict[str, float]], surroundings: str
) -> None:
    name, call, at = row
    program = SURROUNDINGS[surroundings].format(call=call)
    more = {one: value for one, value in WHERE_HIDDEN.items() if f"{one}*" in program or f"({one}" in program}
    honest = outcome(program, {**at, **more})
    assert honest.verdict not in (Verdict.DISAGREE, Verdict.ERROR) or surroundings == "overflowing"
    run = function(name)
    faulty = outcome(program, {**at, **more}, under_test={name: distorted(run, lambda g: 2 * g)})
    causes = {(one.blame.cause, one.blame.operation) for one in faulty.faults}
    assert (Cause.WRONG_GRADIENT, name) in causes
    slopes = {one.input: one.number(0) for one in honest.gradients if one.torch is not None}
    for argument in at:
        if slopes.get(argument):
            assert verdicts(faulty, argument) == {Verdict.DISAGREE}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: str(row[0]))
def test_a_value_that_is_off_is_found_in_every_row_though_the_gradient_is_right(
    row: tuple[str, str, dict[str, float]],
) -> None:
    name, call, at = row
    run = function(name)
    found = outcome(f"0*{call} + 1", at, under_test={name: lambda *args: run(*args) * 1.01 + 0.0137})
    assert {one.blame.operation for one in found.faults} == {name}
    assert found.verdict is Verdict.DISAGREE
    assert found.value is not None
    if name not in ("add", "mul"):  # which the rest of the program has, too: else, times 0, the output is right
        assert {one.verdict for one in found.value.judgements} == {Verdict.AGREE}


CONDITIONED = [
    ("where(x < 1, x, 2*x)", "lt", lambda a, b: a < b + 5),
    ("where(x >= 2, x**2, x)", "ge", lambda a, b: a > b + 9),
    ("where(~((x > 1) | (x < 0)), x, 3*x)", "logical_or", lambda a, b: a & b),
    ("where(~(x > 1), x, 3*x)", "logical_not", lambda a: a),
]


@pytest.mark.parametrize(("program", "name", "wrong"), CONDITIONED, ids=[name for _, name, _ in CONDITIONED])
def test_a_condition_that_is_wrong_is_found(program: str, name: str, wrong: Operation) -> None:
    found = outcome(program, {"x": [0.5, 3.0]}, under_test={name: wrong})
    assert found.verdict is Verdict.DISAGREE
    assert {one.blame.operation for one in found.faults} == {name}


@pytest.mark.parametrize("dtype", FORMATS)
def test_a_finite_number_where_the_operation_itself_must_overflow_is_wrong(dtype: str) -> None:
    wrong = {"exp": lambda x: torch.exp(x.clamp(max=5))}
    assert outcome("log(exp(x))", {"x": 800.0}, dtype, wrong).verdict is Verdict.DISAGREE
    assert outcome("exp(x)", {"x": 800.0}, dtype, wrong).verdict is Verdict.DISAGREE
    assert outcome("exp(x)", {"x": 800.0}, dtype, {"exp": torch.exp}).verdict is Verdict.OVERFLOW


@pytest.mark.parametrize(("stated", "code"), [("1", 0), ("-1", 0), ("0.5", 0), ("2", 1), ("-1.5", 1)])
def test_a_slope_stated_at_a_corner_lies_between_its_sides(stated: str, code: int) -> None:
    assert int(check("abs(x)", x=0, settings=Settings(expect=(f"x={stated}",))).exit) == code


# --- what rounding explains ---------------------------------------------------------------------------

EXPLAINED = [
    # Python's numbers are rounded in float64, one after the other, whatever they cancel to.
    ("(0.1+0.2-0.3)*x", "float64", {"x": 1.0}, Verdict.LOSSY),
    ("where(1-0.9-0.1 == 0, x, 2*x)", "float64", {"x": 1.0}, Verdict.LOSSY),
    ("x*((2**0.5)**2 - 2)", "float64", {"x": 1.0}, Verdict.LOSSY),
    ("sin(pi*x)", "float64", {"x": 1.0}, Verdict.AGREE),
    ("x*sin(pi)", "float64", {"x": 1.0}, Verdict.LOSSY),
    ("x*(pi - 3.141592653589793)", "float32", {"x": 1.0}, Verdict.LOSSY),
    ("x*(e - 2.718281828459045)", "float64", {"x": 1.0}, Verdict.LOSSY),
    # The input determines it, and the formula loses it; or the input does not.
    ("a = (x + 1e8) - 1e8\nsin(a)", "float32", {"x": 4.1}, Verdict.LOSSY),
    ("(1 - cos(x))/x**2", "float32", {"x": 1e-4}, Verdict.LOSSY),
    ("1 - tanh(x)**2", "float32", {"x": 9.0}, Verdict.LOSSY),
    ("sin(1e6*x)", "float32", {"x": 1.1}, Verdict.UNSTABLE),
    ("cos(x)", "float16", {"x": 6.28125 * 512}, Verdict.AGREE),
    ("tan(x)", "bfloat16", {"x": 314.0}, Verdict.AGREE),
    # Below the normal range half of the digits that are left count.
    ("x*(y*y)/z", "float32", {"x": 1.0, "y": 1e-25, "z": 1e-7}, Verdict.LOSSY),
    ("x*2.0*y/(x-y)", "float16", {"x": 0.1112060546875, "y": -2.294778823852539e-05}, Verdict.LOSSY),
    ("x*y", "float32", {"x": 1e-45, "y": 1.0}, Verdict.AGREE),
]


@pytest.mark.parametrize(("program", "dtype", "at", "expected"), EXPLAINED, ids=[program for program, *_ in EXPLAINED])
def test_what_is_lost_has_the_name_of_who_lost_it(
    program: str, dtype: str, at: dict[str, float], expected: Verdict
) -> None:
    found = outcome(program, at, dtype)
    assert verdicts(found, "x") == {expected}
    assert found.verdict is not Verdict.DISAGREE
    assert found.faults == []


# --- the tolerance of a dtype, the end of a format ----------------------------------------------------------


@pytest.mark.parametrize("dtype", FORMATS)
def test_a_tenth_is_a_mistake_in_every_dtype(dtype: str) -> None:
    faulty = planted(torch.square, lambda g, _y, x: g * 2 * x * 1.1)
    assert outcome("square(x)", {"x": 1.0}, dtype, {"square": faulty}).verdict is Verdict.DISAGREE
    honest = planted(torch.square, lambda g, _y, x: g * 2 * x)
    assert outcome("square(x)", {"x": 1.0}, dtype, {"square": honest}).verdict is Verdict.AGREE


@pytest.mark.parametrize(
    ("program", "dtype", "at"),
    [
        ("exp(x)", "float32", 100.0), ("x**2", "float16", 40_000.0), ("-exp(x)", "float64", 800.0),
        ("x*x*x", "bfloat16", 1e30),
    ],
)  # fmt: skip
def test_a_derivative_that_the_format_cannot_hold_passes_and_is_no_proof(program: str, dtype: str, at: float) -> None:
    plain = check(program, x=at, settings=Settings(dtypes=(dtype,)))
    assert plain[0].verdict is Verdict.OVERFLOW
    assert int(plain.exit) == 0
    asserted = check(program, x=at, settings=Settings(dtypes=(dtype,), assertion=True))
    assert int(asserted.exit) == 1


def test_infinity_where_the_derivative_is_finite_is_no_overflow() -> None:
    found = outcome("log(1 + exp(x))", {"x": 100.0})
    assert verdicts(found, "x") == {Verdict.DISAGREE}


@pytest.mark.parametrize(("stated", "code"), [("2*x", 0), ("3*x", 1), ("1e300*x", 1)])
def test_a_derivative_stated_beyond_the_format_is_judged_by_itself(stated: str, code: int) -> None:
    settings = Settings(dtypes=("float16",), expect=(f"x={stated}",))
    assert int(check("x**2", x=40_000, settings=settings).exit) == code


# --- what is printed as exact -------------------------------------------------------------------------------

PRINTED = [
    ("1e20*exp(x)/(exp(x)-1)", "float32", 89.0, "-2.227363562e-19"),
    ("exp(x)/(exp(x) - 1)", "float64", 709.987, "-4.5348578372027824e-309"),
    ("asin(sin(x))", "float64", 1.5707963267948966, "1"),
    ("exp(x)/(exp(x) - 1)", "float32", 60.0, "-8.756510763e-27"),
    ("exp(-exp(x))", "float64", 7.0, None),
]


@pytest.mark.parametrize(("program", "dtype", "at", "text"), PRINTED, ids=[program for program, *_ in PRINTED])
def test_every_digit_that_is_printed_as_exact_is_right(program: str, dtype: str, at: float, text: str | None) -> None:
    found = outcome(program, {"x": at}, dtype)
    [element] = found.gradients[0].exact
    shown = exact_text(element, FORMATS[dtype])
    assert shown == (text or shown)
    assert shown != "0"


# --- vectors ------------------------------------------------------------------------------------------------


def test_a_kernel_that_only_whole_vectors_reach_is_judged_at_a_single_point() -> None:
    found = outcome("cosh(x)", {"x": 89.1484375})
    assert found.verdict is Verdict.DISAGREE
    assert {one.blame.cause for one in found.faults} == {Cause.WRONG_VALUE, Cause.WRONG_GRADIENT}
    assert "vectorised kernels" in found.notes[0]


# --- another kind of tensor ---------------------------------------------------------------------------------

KINDS: list[tuple[str, Operation]] = [
    ("a scalar for a vector", lambda x: torch.sin(x).sum()),
    ("another dtype, wider", lambda x: torch.sin(x).double()),
    ("another dtype, narrower", lambda x: torch.sin(x).half()),
]


@pytest.mark.parametrize("wrong", [wrong for _, wrong in KINDS], ids=[name for name, _ in KINDS])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_a_callable_that_returns_another_kind_of_tensor_is_a_finding(wrong: Operation, dtype: str) -> None:
    found = outcome("sin(x)", {"x": [1.0, 2.0]}, dtype, {"sin": wrong})
    assert found.verdict is Verdict.DISAGREE
    assert any("returned a tensor of" in one.blame.message for one in found.faults)


# --- conditions, and numbers that stay finite where the operation overflows -----------------------------

MISJUDGED: dict[str, tuple[str, Operation]] = {
    "lt": ("where(x < 1, x, 2*x)", lambda a, b: a < b + 5),
    "le": ("where(x <= 1, x, 2*x)", lambda a, b: a <= b + 5),
    "gt": ("sum(where(x > 0.5, x**2, 0))", lambda a, b: a > b + 5),
    "ge": ("sum(where(x >= 0.5, x**2, 0))", lambda a, b: a > b + 5),
    "eq": ("sum(where(m == 1, x, 0))", lambda a, b: a == b - 1),
    "ne": ("sum(where(m != 1, x, 0))", lambda a, b: a != b - 1),
    "logical_and": ("where((m > 0) & (x > 1), x, 0)", lambda a, b: a | b),
    "logical_or": ("where((m > 0) | (x > 1), x, 0)", lambda a, b: a & b),
    "logical_not": ("where(~(m > 0), x, 0)", lambda a: a),
}
MASKED = {"x": [0.1, 3.0, 0.7], "m": [1, 0, 1]}


@pytest.mark.parametrize("dtype", FORMATS)
@pytest.mark.parametrize("op", MISJUDGED)
def test_a_wrong_condition_is_found(op: str, dtype: str) -> None:
    program, wrong = MISJUDGED[op]
    at = {name: MASKED[name] for name in parse(program).inputs}
    found = outcome(program, at, dtype, {op: wrong})
    assert found.verdict is Verdict.DISAGREE
    assert [(one.blame.operation, one.blame.cause) for one in found.faults] == [(op, Cause.WRONG_VALUE)]


@pytest.mark.parametrize("dtype", FORMATS)
@pytest.mark.parametrize("op", ["lt", "le", "gt", "ge", "eq", "ne"])
def test_a_comparison_with_a_number_that_is_rounded_is_right(op: str, dtype: str) -> None:
    """The number 0.1 is none of the dtype: at its neighbour torch compares the two as one, or as two."""
    found = outcome(f"where({op}(x, 0.1), x, 2*x)", {"x": [0.1, 0.3, -1, 1 / 3]}, dtype, {op: function(op)})
    assert found.verdict is not Verdict.DISAGREE
    assert not found.faults


FINITE: list[tuple[str, float, str, Operation]] = [
    ("{}", 100.0, "exp", lambda x: torch.exp(x.clamp(max=10))),
    ("log({})", 100.0, "exp", lambda x: torch.exp(x.clamp(max=10))),
    ("1/{}", 100.0, "exp", lambda x: torch.exp(x.clamp(max=10))),
    ("tanh({})", -1e30, "square", lambda x: x.clamp(min=-1e3) ** 2),
    ("{}", 800.0, "sinh", lambda x: torch.sinh(x.clamp(max=10))),
    ("{}", 100.0, "exp", distorted(torch.exp, lambda g: g.clamp(max=5))),
]


@pytest.mark.parametrize(("around", "x", "op", "wrong"), FINITE)
def test_a_number_is_wrong_where_the_operation_overflows(around: str, x: float, op: str, wrong: Operation) -> None:
    text = around.format(f"{op}(x)")
    found = outcome(text, {"x": x}, under_test={op: wrong})
    assert found.verdict is Verdict.DISAGREE
    assert {one.blame.operation for one in found.faults} == {op}
    assert not outcome(text, {"x": x}, under_test={op: function(op)}).faults


def test_nan_that_came_in_is_no_fault_of_the_operation() -> None:
    found = outcome("atan2(tan(cosh(c)), a)", {"c": [500.0, 0.4], "a": [-3.0, 2.0]})
    assert found.faults == []


EITHER = [row for row in ELEMENTWISE.values() if row.equals == "either"]


@pytest.mark.parametrize("dtype", FORMATS)
@pytest.mark.parametrize("factor", [2.0, 0.0, -1.0])
@pytest.mark.parametrize("row", EITHER, ids=lambda row: row.name)
def test_what_a_function_of_equal_numbers_pulls_to_both_is_held_against_the_whole(
    row: Elementwise, factor: float, dtype: str
) -> None:
    """At a tie each may get any part, and no more than all: the freedom of a tie is no rounding."""
    wrong = distorted(function(row.name), lambda g: factor * g)
    assert outcome(f"{row.name}(x, x)", {"x": [1.5, -2.5]}, dtype, {row.name: wrong}).verdict is Verdict.DISAGREE
    honest = outcome(f"{row.name}(x, x)", {"x": [1.5, -2.5]}, dtype, {row.name: function(row.name)})
    assert honest.verdict is Verdict.AGREE
