"""Lowering: shapes as NumPy and torch have them, one operation a layer, linear growth, whole texts of shape errors."""

# ruff: noqa: E501 - one row for one error
from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings

from gradcheck import autograd
from gradcheck.errors import GradcheckError, LaneProblem, LimitProblem
from gradcheck.functions import COMPOSITE, CONDITIONS, DETACH, TENSOR
from gradcheck.lower import MAX_ELEMENTS, MAX_KERNEL_NODES, Core, lower
from gradcheck.parse import parse
from gradcheck.program import Call, Name, Node, Number, Shape, postorder
from oracles import numbers, shapes
from strategies import Case, cases


def calls(node: Node) -> list[Call]:
    return [part for part in postorder(node) if isinstance(part, Call)]


def lines(text: str, given: dict[str, Shape] | None = None, *, nodes: bool = False) -> list[str]:
    return str(lower(parse(text), given, nodes=nodes).program).splitlines()


# --- form ------------------------------------------------------------------------------------------


def test_elementwise_operations_are_fused() -> None:
    assert lines("y = sin(x)**2 + 1; exp(y)/y") == ["y = sin(x)**2 + 1", "out = exp(y)/y"]


def test_with_nodes_every_operation_is_a_layer() -> None:
    assert lines("y = sin(x)**2 + 1; exp(y)/y", nodes=True) == [
        "y_1 = sin(x)",
        "y_2 = y_1**2",
        "y = y_2 + 1",
        "out_1 = exp(y)",
        "out = out_1/y",
    ]


def test_tensor_operations_are_layers_of_their_own() -> None:
    assert lines("mean((x - 1)**2)", {"x": (2, 3)})[-1] == "out = out_2/6"
    assert len(lines("mean((x - 1)**2)", {"x": (2, 3)})) == 3


def test_a_condition_stays_inside_the_choice_it_makes() -> None:
    for line in lines("where((x > 1) & (x < 2), sin(x), x)", nodes=True):
        assert line.count("x > 1") == line.count("x < 2") == line.count("where")


def test_constants_are_folded_exactly() -> None:
    assert lines("x*(1/3 + 0.1*2**-3)") == [f"out = x*({lines('1/3 + 1/80')[0].removeprefix('out = ')})"]


@pytest.mark.parametrize("plain", ["2", "(3 - 1)", "(2*pi)", "2**0.5", "e"])
@pytest.mark.parametrize("tensor", ["x", "exp(x)", "exp(2)", "(x + 1)", "sum(x)"])
def test_torch_divides_a_plain_number_by_way_of_the_reciprocal_and_nothing_else(plain: str, tensor: str) -> None:
    """Numbers that Python works out are plain; whatever a function of torch returned is a tensor."""
    for over, ops in ((f"{plain}/y", {"reciprocal", "mul"}), (f"{tensor}/y", {"div"})):
        last = lower(parse(over), {"x": (), "y": ()}, nodes=True, as_torch=True).program.layers[-2:]
        found = {part.op for layer in last for part in calls(layer.expression)}
        assert found & {"reciprocal", "mul", "div"} == ops, over


def test_a_name_of_a_temporary_layer_is_never_one_of_the_users() -> None:
    core = lower(parse("out_1 = x; out_2 = sum(out_1)*2; sum(exp(out_2)*out_1)"), {"x": (3,)})
    found = [layer.name for layer in core.program.layers]
    assert len(found) == len(set(found))
    assert {"out_1", "out_2", "out"} <= set(found)


@settings(max_examples=50)
@given(cases())
def test_the_core_of_any_program_is_in_core_form(case: Case) -> None:
    for nodes in (False, True):
        core = lower(case.program, shapes(case.point), nodes=nodes)
        assert_core_form(core, nodes)
        assert set(core.shapes) == {*core.program.inputs, *(layer.name for layer in core.program.layers)}


def assert_core_form(core: Core, nodes: bool) -> None:
    known = set(core.program.inputs)
    for layer in core.program.layers:
        found = calls(layer.expression)
        reads = {part.id for part in postorder(layer.expression) if isinstance(part, Name)}
        assert reads <= known, "a layer reads what comes later"
        assert layer.name not in known, "a name is assigned twice"
        known.add(layer.name)
        tensors = [one for one in found if one.op in TENSOR or one.op == DETACH]
        if tensors:
            assert found == tensors == [layer.expression]
            assert all(isinstance(arg, Name) for arg in tensors[0].args)
        elif nodes:
            assert len([one for one in found if one.op not in CONDITIONS and one.args]) <= 1
        assert len(list(postorder(layer.expression))) <= 2 * MAX_KERNEL_NODES


@settings(max_examples=50)
@given(cases())
def test_every_layer_of_any_program_has_the_shape_that_torch_gives_it(case: Case) -> None:
    core = lower(case.program, shapes(case.point))
    try:
        torch = autograd.backward(case.program, case.point, (), dtype="float64").layers
    except LaneProblem:
        return
    for layer in case.program.layers:
        assert core.shapes[layer.name] == torch[layer.name].shape


def test_long_expressions_are_cut_and_nothing_is_lost() -> None:
    text = " + ".join(f"{k}*x**{k % 5}" for k in range(1, 500))
    core = lower(parse(text))
    assert max(len(list(postorder(layer.expression))) for layer in core.program.layers) <= 2 * MAX_KERNEL_NODES
    assert numbers(core, "out", {"x": np.array(2.0)}) == [sum(k * 2 ** (k % 5) for k in range(1, 500))]


def test_nested_definitions_grow_no_faster_than_their_depth() -> None:
    """A definition repeats its argument, and a long argument becomes a layer first."""
    found = [row for row in COMPOSITE.values() if isinstance(row.definition, str) and len(row.args) == 1
             and row.defaults.keys() >= set(row.params)]  # fmt: skip
    assert found
    for row in found:
        sizes = []
        for depth in (10, 20):
            core = lower(parse(f"{row.name}(" * depth + "x" + ")" * depth))
            sizes.append(sum(len(list(postorder(layer.expression))) for layer in core.program.layers))
        assert sizes[1] < 3 * sizes[0], row.name


# --- what cannot be --------------------------------------------------------------------------------

ERRORS: dict[str, tuple[str, ...]] = {
    "a + v @ v[:2]": ("cannot multiply 3 by 2: 3 against 2", "  a + v @ v[:2]", "      ^^^^^^^^^"),
    "a + u": ("these shapes do not broadcast: 2 x 3 and 2", "  a + u", "  ^^^^^"),
    "sum(a, dim=2)": ("dim 2 does not exist: the tensor has 2 dimensions", "  sum(a, dim=2)", "  ^^^^^^^^^^^^^"),
    "sum(v, dim=(0, 0))": ("a dim appears twice in (0, 0)", "  sum(v, dim=(0, 0))", "  ^^^^^^^^^^^^^^^^^^"),
    "reshape(a, (4, -1))": ("cannot reshape 2 x 3 (6 elements) to 4 x -1", "  reshape(a, (4, -1))", "  ^^^^^^^^^^^^^^^^^^^"),
    "permute(a, (0, 0))": ("permute needs each of the 2 dims once, not (0, 0)", "  permute(a, (0, 0))", "  ^^^^^^^^^^^^^^^^^^"),
    "permute(a, (0,))": ("permute needs each of the 2 dims once, not (0,)", "  permute(a, (0,))", "  ^^^^^^^^^^^^^^^^"),
    "reshape(a, (-1, -1))": ("(-1, -1) is no shape: only one size may be -1, and none smaller", "  reshape(a, (-1, -1))", "  ^^^^^^^^^^^^^^^^^^^^"),
    "expand(a, (3,))": ("cannot expand 2 x 3 to the shorter shape 3", "  expand(a, (3,))", "  ^^^^^^^^^^^^^^^"),
    "expand(v, (2, 4))": ("cannot expand 3 to 2 x 4", "  expand(v, (2, 4))", "  ^^^^^^^^^^^^^^^^^"),
    "a[[0, 1], [0, 1]]": ("only one list of indices is supported in an index", "  a[[0, 1], [0, 1]]", "  ^^^^^^^^^^^^^^^^^"),
    "a[[0, 1], 0]": ("a list of indices and an integer in one index are not supported; index twice", "  a[[0, 1], 0]", "  ^^^^^^^^^^^^"),
    "v[2147483648]": ("an index is out of range", "  v[2147483648]", "  ^^^^^^^^^^^^^"),
    "s @ v": ("cannot multiply scalar by 3: a matrix product needs no scalars; write *", "  s @ v", "  ^^^^^"),
    "v[3]": ("index 3 is out of bounds for axis 0 with size 3 (the shape is 3)", "  v[3]", "  ^^^^"),
    "v[0, 0]": ("too many indices: 2 for a tensor of 1 dimension", "  v[0, 0]", "  ^^^^^^^"),
    "v[::-1]": ("torch takes no negative or zero step in a slice; flip(x, dims) turns a tensor around", "  v[::-1]", "  ^^^^^^^"),
    "cat([s, s])": ("a scalar cannot be joined: stack makes a vector of scalars", "  cat([s, s])", "  ^^^^^^^^^^^"),
    "cat([v, a])": ("cannot join 3 and 2 x 3 along dim 0", "  cat([v, a])", "  ^^^^^^^^^^^"),
    "y = 2*v\nz = y + 1\nz + u": ("these shapes do not broadcast: 3 and 2", "  z + u", "  ^^^^^"),
}  # fmt: skip

GIVEN: dict[str, Shape] = {"s": (), "u": (2,), "v": (3,), "a": (2, 3)}


@pytest.mark.parametrize("text", ERRORS)
def test_shapes_that_do_not_fit_are_said_in_full(text: str) -> None:
    with pytest.raises(GradcheckError) as problem:
        lower(parse(text), GIVEN)
    assert str(problem.value) == "\n".join(ERRORS[text])


@pytest.mark.parametrize(
    "text", ["outer(x, x)", "expand(x, (2000, 1500))", "reshape(x, (1500, 1))*x", "x[:, None] + x"]
)
def test_a_tensor_too_large_is_refused_before_it_is_made(text: str) -> None:
    with pytest.raises(LimitProblem, match=f"the limit .MAX_ELEMENTS. is {MAX_ELEMENTS:,}"):
        lower(parse(text), {"x": (1500,)})


def test_a_number_alone_is_a_program() -> None:
    core = lower(parse("1/3"))
    assert isinstance(core.program.layers[0].expression, Number)
    assert core.shapes == {"out": ()}
