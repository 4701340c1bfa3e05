"""The symbolic lane: closed forms in whole texts, random programs against finite differences, the cost of depth."""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

import numpy as np
import pytest
import sympy
from hypothesis import assume, given, settings

from gradcheck import exact, kernels
from gradcheck.differentiate import Pullback, differentiate, pull_back
from gradcheck.display import closed_form, indexed
from gradcheck.formats import Ball
from gradcheck.functions import ELEMENTWISE, GUARD
from gradcheck.lower import condition, lower
from gradcheck.parse import parse
from gradcheck.plan import Plan
from gradcheck.program import Call, Name, Program, call, to_text
from oracles import assert_close, differences, enclosures, numbers, shapes
from strategies import Case, cases

Floats = np.ndarray[Any, np.dtype[np.float64]]

POLYNOMIAL = "2*x**4+x**3+3*x**2+5*x+1"
LAYERS = "y = 3*x + 2; z = 2*y**2; out = mean(z)"


def gradient(text: str) -> str:
    """Return the derivative of a program of one input as the last line of its gradient program."""
    return str(differentiate(parse(text))).splitlines()[-1]


# --- closed forms ------------------------------------------------------------------------------------


def test_a_polynomial() -> None:
    assert gradient(POLYNOMIAL) == "d_x = 8*x**3 + 3*x**2 + 6*x + 5"


def test_layers_over_a_tensor_compose_to_one_closed_form() -> None:
    pulled = pull_back(lower(parse(LAYERS), {"x": (2, 3)}))
    formula = closed_form(pulled, pulled.program.output, "x")
    assert formula is not None
    assert indexed(formula, pulled.core.shapes, "x") == "6*x[i, j] + 4"


def test_the_reverse_sweep_of_layers() -> None:
    assert str(differentiate(parse(LAYERS), {"x": (2, 3)})).splitlines() == [
        "y = 3*x + 2",
        "z = 2*y**2",
        "out_1 = sum(z, dim=(0, 1))",
        "out = out_1/6",
        "d_y = 1/6*(4*y)",
        "d_x = d_y*3",
    ]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("x**2", "2*x"),
        ("3*x", "3"),
        ("sin(x)*exp(x)", "exp(x)*sin(x) + exp(x)*cos(x)"),
        ("x/(1 + x**2)", "-2*x**2/(x**2 + 1)**2 + 1/(x**2 + 1)"),
        ("sqrt(x)", "1/(2*sqrt(x))"),
        ("x - x", "0"),
    ],
)
def test_closed_forms_read_as_people_write_them(text: str, wanted: str) -> None:
    assert gradient(text) == f"d_x = {wanted}"


def test_a_program_is_differentiated_again() -> None:
    once = differentiate(parse(POLYNOMIAL))
    twice = differentiate(once)
    thrice = differentiate(twice)
    point = {"x": np.array(2.0)}
    found = [numbers(lower(program), program.output, point) for program in (once, twice, thrice)]
    assert found == [[64 + 12 + 12 + 5], [96 + 12 + 6], [96 + 6]]


def test_the_gradient_is_by_the_inputs_asked_for_in_that_order() -> None:
    program = parse("x*y**2 + z")
    assert differentiate(program).outputs == ("d_x", "d_y", "d_z")
    assert differentiate(program, wrt=["z", "x"]).outputs == ("d_z", "d_x")
    assert differentiate(program, wrt=["z", "x"]).inputs == ("x", "y", "z")


def test_a_name_that_looks_like_a_cotangent_is_left_alone() -> None:
    pulled = pull_back(lower(parse("d_x = 3*x; d_x**2 + x")), ["x"])
    assert numbers(pulled.core, pulled.program.output, {"x": np.array(2.0)}) == [2 * 3 * 6 + 1]


def test_an_input_without_a_path_has_the_gradient_zero_in_its_own_shape() -> None:
    pulled = pull_back(lower(parse("sum(detach(x)*y)"), {"x": (2,), "y": (2,)}))
    point = {"x": np.array([2.0, 3.0]), "y": np.array([5.0, 7.0])}
    assert numbers(pulled.core, pulled.program.outputs[0], point) == [0, 0]
    assert numbers(pulled.core, pulled.program.outputs[1], point) == [2, 3]
    assert set(pulled.cotangents) >= {"y"}
    assert "x" not in pulled.cotangents


@pytest.mark.parametrize("shape", [(), (1,), (3,), (1, 3), (2, 1), (2, 3), (4, 1, 3)])
@pytest.mark.parametrize("other", [(), (3,), (2, 3), (2, 1), (4, 2, 3)])
def test_broadcasting_sums_over_what_was_repeated(shape: tuple[int, ...], other: tuple[int, ...]) -> None:
    point = {"x": dense(shape, 0.3), "y": dense(other, -0.7)}
    program = parse("x*y**2 + y/(2 + x**2)")
    for nodes in (False, True):
        pulled = pull_back(lower(program, shapes(point), nodes=nodes), guarded=nodes)
        for name, output in zip(("x", "y"), pulled.program.outputs, strict=True):
            wanted = differences(program, name, point)
            assert_close(numbers(pulled.core, output, point), wanted, f"{name} {shape} {other}")


def dense(shape: tuple[int, ...], start: float) -> Floats:
    count = int(np.prod(shape, dtype=np.int64))
    return np.array([start + 0.4 * k for k in range(count)]).reshape(shape)


# --- random programs -----------------------------------------------------------------------------------


def pulled_both_ways(case: Case) -> tuple[Pullback, Pullback]:
    core = {nodes: lower(case.program, shapes(case.point), nodes=nodes) for nodes in (False, True)}
    return pull_back(core[False]), pull_back(core[True], guarded=True)


def is_smooth(split: Pullback, case: Case) -> bool:
    """Return whether there is a gradient: equal elements may meet in a maximum, or have the deviation 0."""
    values = exact.enclose(split.core, case.point, 128)
    return all(isinstance(one, Ball) for output in split.program.outputs for one in exact.balls(values[output], 128))


@settings(max_examples=60)
@given(cases(smooth=True))
def test_the_gradient_of_any_smooth_program_is_its_finite_difference(case: Case) -> None:
    fused, split = pulled_both_ways(case)
    assume(is_smooth(split, case))
    for k, name in enumerate(case.program.inputs):
        wanted = differences(case.program, name, case.point)
        for pulled in (fused, split):
            assert_close(numbers(pulled.core, pulled.program.outputs[k], case.point), wanted, f"{case} by {name}")


@settings(max_examples=20)
@given(cases(smooth=True))
def test_the_second_derivative_of_any_smooth_program_is_a_finite_difference(case: Case) -> None:
    assume(is_smooth(pulled_both_ways(case)[1], case))
    once = differentiate(case.program, shapes(case.point))
    twice = differentiate(once, shapes(case.point))
    core = lower(twice, shapes(case.point))
    for k, name in enumerate(case.program.inputs):
        found = numbers(core, twice.outputs[k], case.point)
        assert_close(found, differences(once, name, case.point), f"{case} twice by {name}")


@settings(max_examples=60)
@given(cases())
def test_both_granularities_enclose_the_same_gradient_of_any_program(case: Case) -> None:
    """Kinks, poles and points outside included: where both forms have a number, it is the same."""
    fused, split = pulled_both_ways(case)
    values = [exact.enclose(pulled.core, case.point, 128) for pulled in (fused, split)]
    for one, other in zip(fused.program.outputs, split.program.outputs, strict=True):
        closed, nodes = exact.balls(values[0][one], 128), exact.balls(values[1][other], 128)
        for form, node in zip(closed, nodes, strict=True):
            assert not (isinstance(form, Ball) and isinstance(node, Ball)) or form.overlaps(node), case


@settings(max_examples=60)
@given(cases())
def test_a_gradient_program_prints_to_text_or_says_what_nobody_types(case: Case) -> None:
    program = differentiate(case.program, shapes(case.point))
    assert all(to_text(layer.expression) for layer in program.layers)
    assert program.outputs == tuple(dict.fromkeys(program.outputs))


# --- what is shared ----------------------------------------------------------------------------------


@settings(max_examples=60)
@given(cases())
def test_what_is_shared_encloses_the_same_gradient(case: Case) -> None:
    """Where every operation by itself has a number, the shared program has the same one."""
    cores = [lower(case.program, shapes(case.point), nodes=True, shared=shared) for shared in (False, True)]
    apart, shared = (pull_back(core, guarded=True) for core in cores)
    values = [exact.enclose(pulled.core, case.point, 128) for pulled in (apart, shared)]
    for one, other in zip(apart.program.outputs, shared.program.outputs, strict=True):
        pairs = zip(exact.balls(values[0][one], 128), exact.balls(values[1][other], 128), strict=True)
        assert all(not isinstance(a, Ball) or (isinstance(b, Ball) and a.overlaps(b)) for a, b in pairs), case


@pytest.mark.parametrize(
    "form", ["({0}*{0})", "({0} + sin({0}))", "({0})/(1 + ({0}))", "sin({0})*cos({0})", "atan2({0}, {0})"]
)
def test_nested_terms_that_repeat_grow_no_faster_than_their_depth(form: str) -> None:
    """Of an expression of thousands of terms every part is evaluated and differentiated once."""
    sizes = []
    for depth in (4, 8):
        text = "x"
        for _ in range(depth):
            text = form.format(text)
        plan = Plan.make(parse(text), {"x": ()}, ("x",))
        sizes.append([len(pulled.program.layers) for pulled in (plan.shared, plan.fused)])
    assert all(two <= 2 * one + 4 for one, two in zip(*sizes, strict=True))


def test_operations_written_twice_have_a_cotangent_each() -> None:
    plan = Plan.make(parse("y = 3*sin(x) + sin(x); z = sin(x); y*z"), {"x": ()}, ("x",))
    homes = [home for one, home in plan.node.core.homes.items() if one.op == "sin"]
    assert len({home.id for home in homes if isinstance(home, Name)}) == 3
    made = [layer.expression for layer in plan.shared.program.layers]
    assert sum(isinstance(one, Call) and one.op == "sin" for one in made) == 1


def test_a_program_that_repeats_nothing_has_one_plan_of_its_operations() -> None:
    plan = Plan.make(parse("y = sin(x)*cos(x); z = y; z + x"), {"x": ()}, ("x",))
    assert plan.node is plan.shared


# --- cost --------------------------------------------------------------------------------------------


def deep(layers: int) -> Program:
    lines = [f"y{k} = sin({f'y{k - 1}' if k else 'x'}) + x/{k + 2}" for k in range(layers)]
    return parse("\n".join(lines))


def test_a_thousand_layers_take_seconds() -> None:
    program = deep(1_000)
    start = time.process_time()
    pulled = pull_back(lower(program))
    exact.enclose(pulled.core, {"x": np.array(0.5)}, 128)
    assert time.process_time() - start < 10


def test_equal_kernels_are_differentiated_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred layers of one form by one input each: SymPy sees every kernel once, whatever its names are."""
    seen: Counter[str] = Counter()
    plain = kernels.slope

    def counted(expression: object, *rest: object) -> object:
        seen[f"{expression} by {rest}"] += 1
        return plain(expression, *rest)

    monkeypatch.setattr(kernels, "slope", counted)
    kernels.forget()
    differentiate(parse("\n".join(["y0 = x", *(f"y{k} = sin(y{k - 1})*y{k - 1}" for k in range(1, 101))])))
    before = kernels._partial.cache_info()
    assert sum(seen.values()) == 1
    assert (before.misses, before.hits) == (2, 99)
    differentiate(parse("z = 1*w; sin(z)*z"))
    assert seen.total() == 2


def test_a_slope_is_the_one_that_sympy_has() -> None:
    """Of every row over a product and a sum of what it takes, by each of its arguments."""
    for row in ELEMENTWISE.values():
        x = [sympy.Symbol(name, real=True) for name in row.args]
        inner = {name: 3 * one**2 * x[0] + one / 2 for name, one in zip(row.args, x, strict=True)}
        whole = kernels.to_sympy(call(row.name, *map(Name, row.args)), inner) * (x[0] - 2) ** 3
        assert kernels.slope(whole, x[-1]) == sympy.diff(whole, x[-1]), row.name


def test_kernels_of_one_text_and_another_structure_are_kept_apart() -> None:
    """A guard does not show in the text, and yet its derivative is guarded."""
    plain = parse("x**3").layers[0].expression
    guarded = call(GUARD, plain, condition("x != 0"), reason="kink here")
    assert to_text(guarded) == to_text(plain)
    made = kernels.partial(plain, "x"), kernels.partial(guarded, "x")
    assert [isinstance(one, Call) and one.op == GUARD for one in made] == [False, True]


def test_an_expression_that_shares_its_parts_grows_no_faster_than_its_layers() -> None:
    """Layers are never substituted into each other: doubling at every layer stays linear."""
    program = parse("\n".join(["y0 = x", *(f"y{k} = y{k - 1}*y{k - 1}" for k in range(1, 200))]))
    core = differentiate(program)
    assert len(core.layers) < 5 * 200


def test_narrower_at_a_higher_precision() -> None:
    pulled = pull_back(lower(deep(50)))
    point = {"x": np.array(0.5)}
    [rough], [fine] = (enclosures(pulled.core, pulled.program.output, point, bits) for bits in (64, 512))
    assert isinstance(rough, Ball)
    assert isinstance(fine, Ball)
    assert rough.overlaps(fine)
