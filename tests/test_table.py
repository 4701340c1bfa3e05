"""The table: the value, derivative, transpose and torch function of every row, each against an independent oracle."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import mpmath
import numpy as np
import pytest

from gradcheck import autograd, functions, kernels
from gradcheck.case import check, check_program
from gradcheck.differentiate import differentiate, pull_back
from gradcheck.exact import reach
from gradcheck.formats import FORMATS, Ball
from gradcheck.functions import COMPOSITE, ELEMENTWISE, TENSOR, Composite, Elementwise, Tensor
from gradcheck.functions.rows import Row, Sample
from gradcheck.lower import lower
from gradcheck.outcome import Run
from gradcheck.parse import parse
from gradcheck.points import to_value
from gradcheck.program import Call, Name, Node, Program, call, names, number, postorder
from gradcheck.settings import Settings
from gradcheck.verdict import Verdict
from oracles import BITS, NoNumber, Point, assert_close, differences, enclosures, fraction, numbers, shapes
from table import ON_TENSORS, each, inputs_of, point_of, program_of, program_of_node, samples, texts, weighted

FLOAT64 = FORMATS["float64"]
DIGITS = 60
CLOSE_TO_MPMATH = Fraction(1, 10 ** (DIGITS - 10))
TORCH_ULPS = 8
"""How far torch's float64 value of any one function may be off; a swapped meaning is off by far more."""
TORCH_RTOL = 1e-12
"""The same for functions that sum and scale, measured against the largest element."""

EVERY_ROW = pytest.mark.parametrize("row", each([*ELEMENTWISE.values(), *ON_TENSORS]))
EVERY_ELEMENTWISE = pytest.mark.parametrize("row", each(ELEMENTWISE.values()))
EVERY_SAMPLE = pytest.mark.parametrize(("row", "sample"), samples())
EVERY_TEXT = pytest.mark.parametrize("text", texts())


# --- the table itself ---------------------------------------------------------------------------------


def test_names_are_unique_over_all_the_tables() -> None:
    lists = (functions.elementwise.ROWS, functions.special.ROWS, functions.tensor.ROWS, functions.composites.ROWS,
             functions.conditions.ROWS,
             functions.choices.CHOICE_ROWS, functions.choices.CONSTANT_ROWS)  # fmt: skip
    found = [row for rows in lists for row in rows]
    assert len(found) == len({row.name for row in found}) == len(functions.TABLE)
    assert all(functions.lookup(row.name) is row for row in found)


def test_every_file_of_rows_is_a_family_with_a_name_and_a_heading_of_its_own() -> None:
    found = functions.composites.FAMILIES
    files = [path.stem for path in Path(functions.composites.__file__).parent.glob("*.py") if path.stem != "__init__"
             and re.search("^ROWS", path.read_text(), re.MULTILINE)]  # fmt: skip
    assert files
    assert {one.__name__.rpartition(".")[2] for one in found} == {*files}
    assert not {*functions.families()} & {*functions.TABLE}
    assert len({functions.family(one.ROWS[0].name) for one in found} - {functions.family("sin")}) == len(found)


def test_every_alias_leads_to_a_row_and_hides_none() -> None:
    assert functions.ALIASES
    for alias, name in functions.ALIASES.items():
        assert functions.lookup(name) is not None, f"{alias} leads to {name}"
        assert functions.lookup(alias) is None, f"{alias} hides a row"


def test_every_alias_of_a_parameter_leads_to_a_parameter_of_a_row() -> None:
    params = {param for row in ON_TENSORS for param in row.params}
    assert functions.PARAM_ALIASES
    assert set(functions.PARAM_ALIASES.values()) <= params
    for row in ON_TENSORS:  # where a row has such a name itself, it is that
        assert not any({alias, name} <= {*row.params} for alias, name in functions.PARAM_ALIASES.items()), row.name


@EVERY_ROW
def test_every_row_has_samples_unless_nobody_can_type_it(row: Row) -> None:
    assert row.samples or row.name in functions.HIDDEN


@pytest.mark.parametrize("row", each(ON_TENSORS))
def test_every_row_that_is_no_plain_function_says_what_it_is(row: Row) -> None:
    assert row.summary
    assert row.summary[0].islower() or row.summary[0] in "0123456789" or row.summary.split()[0].isidentifier()
    assert not row.summary.endswith(".")


@EVERY_ELEMENTWISE
def test_every_elementwise_row_is_whole(row: Elementwise) -> None:
    assert row.sympy is not None or row.partials, "nothing gives its derivative"
    assert len(row.partials) in (0, len(row.args))
    assert len(row.removable) in (0, len(row.args))
    assert all(len(one) == len(row.args) for one in (*row.samples, *row.outside))
    assert (row.domain is None) == (not row.outside), "a domain and samples outside come together"


@EVERY_ELEMENTWISE
def test_where_a_row_is_smooth_is_said_of_its_own_arguments(row: Elementwise) -> None:
    """Whatever these are called in a program: the condition of another row reads what is not there."""
    given = tuple(f"given_{one}" for one in row.args)
    read = [one for said, _ in reach.smooth(call(row.name, *map(Name, given))) for one in names(said)]
    assert set(read) <= set(given)


@EVERY_ELEMENTWISE
def test_every_elementwise_row_can_be_written(row: Elementwise) -> None:
    """By its own name or with an operator: the printed call parses back to it."""
    program = program_of(row)
    assert structure(parse(str(program)).layers[0].expression) == structure(program.layers[0].expression)


@EVERY_TEXT
def test_every_sample_prints_to_text_that_parses_back(text: str) -> None:
    once = parse(text)
    again = parse(str(once))
    one, other = (lower(program, shapes(inputs_of(once))).program for program in (once, again))
    assert [structure(one) for one in expressions(one)] == [structure(one) for one in expressions(other)]


@EVERY_TEXT
def test_every_sample_calls_its_own_row(text: str) -> None:
    owners = [row for row in ON_TENSORS if text in row.samples]
    assert len(owners) == 1
    ops = {node.op for node in postorder(parse(text).layers[0].expression) if isinstance(node, Call)}
    assert owners[0].name in ops


def expressions(program: Program) -> list[Node]:
    return [layer.expression for layer in program.layers]


def structure(node: Node) -> list[object]:
    """Return an expression in postfix, wherever it stands in a text."""
    return [word(part) for part in postorder(node)]


def word(part: Node) -> object:
    if isinstance(part, Call):
        return part.op, len(part.args), part.params
    return part.id if isinstance(part, Name) else part.value


# --- values -------------------------------------------------------------------------------------------


@EVERY_SAMPLE
def test_the_exact_value_is_the_one_of_mpmath(row: Elementwise, sample: Sample) -> None:
    point = point_of(row, sample)
    with mpmath.workdps(DIGITS):
        wanted = row.oracle(mpmath, *(mpmath.mpf(float(point[name])) for name in row.args))
        exactly = Fraction(*map(int, mpmath.libmp.to_rational(mpmath.mpf(wanted)._mpf_)))
    [found] = numbers(lower(program_of(row)), "out", point)
    assert abs(found - exactly) <= CLOSE_TO_MPMATH * max(abs(exactly), Fraction(1, 10**6))


@EVERY_SAMPLE
def test_enclosures_at_two_precisions_overlap_and_the_finer_is_no_wider(row: Elementwise, sample: Sample) -> None:
    core, point = lower(program_of(row)), point_of(row, sample)
    [rough], [fine] = (enclosures(core, "out", point, bits) for bits in (64, 256))
    assert isinstance(rough, Ball)
    assert isinstance(fine, Ball)
    assert rough.overlaps(fine)
    assert width(fine) <= width(rough)


def width(ball: Ball) -> Fraction:
    low, high = (Fraction(man) * Fraction(2) ** exp for man, exp in (ball.lower, ball.upper))
    return high - low


@EVERY_SAMPLE
def test_torch_has_the_same_value_to_a_few_ulp(row: Elementwise, sample: Sample) -> None:
    program, point = program_of(row), point_of(row, sample)
    [found] = autograd.backward(program, point, (), dtype="float64").layers["out"].elements
    [ball] = enclosures(lower(program), "out", point)
    assert isinstance(ball, Ball)
    assert FLOAT64.distance(found, ball.lower) <= TORCH_ULPS


@EVERY_TEXT
def test_torch_has_the_same_value_of_every_sample(text: str) -> None:
    program = parse(text)
    point = inputs_of(program)
    core = lower(program, shapes(point))
    torch = autograd.backward(program, point, (), dtype="float64").layers[program.output]
    assert torch.shape == core.shapes[program.output]
    wanted = [float(one) for one in numbers(core, program.output, point)]
    np.testing.assert_allclose(torch.elements, wanted, rtol=TORCH_RTOL, atol=TORCH_RTOL * max(map(abs, wanted)))


@EVERY_TEXT
def test_both_granularities_enclose_the_same_value(text: str) -> None:
    program = parse(text)
    point = inputs_of(program)
    fused, split = (lower(program, shapes(point), nodes=nodes) for nodes in (False, True))
    assert_close(numbers(fused, program.output, point), numbers(split, program.output, point), text)


# --- derivatives of elementwise rows -------------------------------------------------------------------


def assert_derivative(node: Node, by: str, point: Point, what: str) -> None:
    """Demand that a kernel's partial is its finite difference, or no number where its neighbours have none."""
    inputs = tuple(point)
    try:
        wanted = differences(program_of_node(node, inputs), by, point)
    except NoNumber:
        wanted = []
    try:
        partial = kernels.partial(node, by) if by in names(node) else number(0)
        found = numbers(lower(program_of_node(partial, inputs)), "out", point)
    except (NoNumber, kernels.NoClosedForm):
        found = []
    if found or wanted:
        assert_close(found, wanted, what)


@EVERY_SAMPLE
def test_every_partial_is_the_finite_difference_of_exact_values(row: Elementwise, sample: Sample) -> None:
    for name in row.moving:
        node = program_of(row).layers[0].expression
        assert_derivative(node, name, point_of(row, sample), f"the partial of {row.name} by {name}")


@EVERY_ELEMENTWISE
def test_every_partial_has_a_number_at_some_sample(row: Elementwise) -> None:
    for name in row.moving:
        program = program_of(row)
        partial = lower(program_of_node(kernels.partial(program.layers[0].expression, name), row.args))
        found = [enclosures(partial, "out", point_of(row, sample))[0] for sample in row.samples]
        assert any(isinstance(one, Ball) for one in found), name


@EVERY_SAMPLE
def test_every_second_partial_is_the_finite_difference_of_the_first(row: Elementwise, sample: Sample) -> None:
    for first, second in itertools.product(row.moving, repeat=2):
        once = kernels.partial(program_of(row).layers[0].expression, first)
        assert_derivative(once, second, point_of(row, sample), f"the partial of {row.name} by {first} and {second}")


@EVERY_SAMPLE
def test_a_constant_argument_changes_no_derivative(row: Elementwise, sample: Sample) -> None:
    """Constants take other paths through SymPy (``x**2`` is no ``x**y``); the derivative must not notice."""
    point = point_of(row, sample)
    for name in row.moving:
        args = [Name(one) if one == name else number(Fraction(float(point[one]))) for one in row.args]
        assert_derivative(call(row.name, *args), name, {name: point[name]}, f"{row.name} by {name}")


@pytest.mark.parametrize(("row", "sample"), samples("outside"))
def test_outside_the_domain_nothing_is_judged(row: Elementwise, sample: Sample) -> None:
    gradients = check_exactly(program_of(row), point_of(row, sample))[0].gradients
    assert gradients
    assert {judgement.verdict for one in gradients for judgement in one.judgements} == {Verdict.UNDEFINED}


@EVERY_SAMPLE
def test_the_whole_check_agrees_at_every_sample(row: Elementwise, sample: Sample) -> None:
    """Also where torch tracks no gradient and there is none; a derivative that does not exist is not judged."""
    program, point = program_of(row), point_of(row, sample)
    for gradient in check_exactly(program, point)[0].gradients:
        try:
            differences(program, gradient.input, point)
            assert gradient.verdict in (Verdict.AGREE, Verdict.UNTRACKED), gradient
        except NoNumber:
            assert gradient.verdict is Verdict.UNDEFINED, gradient


def check_exactly(program: Program, point: Point) -> Run:
    """Return the run of a program that need not be written as text."""
    values = {name: to_value(array, name) for name, array in point.items()}
    return check_program(program, [values], Settings(dtypes=("float64",)))


# --- transposes and definitions -----------------------------------------------------------------------


@EVERY_TEXT
def test_every_transpose_is_the_finite_difference_of_exact_values(text: str) -> None:
    """In the closed forms and node by node, for every element of every input."""
    program, point = weighted(text)
    wrt = [name for name in program.tracked if name != "weights"]
    fused = pull_back(lower(program, shapes(point)), wrt)
    split = pull_back(lower(program, shapes(point), nodes=True), wrt, guarded=True)
    for k, name in enumerate(wrt):
        wanted = differences(program, name, point)
        for pulled in (fused, split):
            output = pulled.program.outputs[k]
            assert pulled.core.shapes[output] == point[name].shape
            assert_close(numbers(pulled.core, output, point), wanted, f"{text} by {name}")


@EVERY_TEXT
def test_every_second_derivative_is_the_finite_difference_of_the_gradient(text: str) -> None:
    """The gradient program is differentiated again: every transpose has a transpose."""
    program, point = weighted(text, power=2)
    wrt = [name for name in program.tracked if name != "weights"]
    once = differentiate(program, shapes(point), wrt)
    twice = differentiate(once, shapes(point), wrt)
    core = lower(twice, shapes(point))
    for k, name in enumerate(wrt):
        assert_close(numbers(core, twice.outputs[k], point), differences(once, name, point), f"{text} twice by {name}")


@EVERY_TEXT
def test_the_whole_check_passes_at_every_sample(text: str) -> None:
    program, point = weighted(text)
    run = check(str(program), {name: point[name] for name in program.inputs}, settings=Settings(dtypes=("float64",)))
    assert run.verdict is Verdict.AGREE, run[0]


@pytest.mark.parametrize("row", each(row for row in TENSOR.values() if not row.samples))
def test_a_row_without_samples_is_the_transpose_of_one_that_has_some(row: Tensor) -> None:
    """It is checked through that one, twice over: as its transpose, and, in the second derivative, by its own."""
    reached = set()
    for other in TENSOR.values():
        for text in other.samples:
            program, point = weighted(text)
            pulled = differentiate(program, shapes(point))
            reached |= {layer.expression.op for layer in pulled.layers if isinstance(layer.expression, Call)}
    assert row.name in reached


# --- a table with a fault -----------------------------------------------------------------------------


def assert_found(test: Callable[..., None], cases: Sequence[tuple[Any, ...]]) -> None:
    """Demand that a test of this file fails for one of the samples."""

    def run() -> None:
        for case in cases:
            test(*case)

    with pytest.raises(AssertionError):
        run()


def faulty_rows() -> list[Any]:
    """Return rows with a wrong derivative beside the text that states it."""
    found = []
    for row in ELEMENTWISE.values():
        build = row.sympy
        if row.partials:
            wrong = replace(
                row, partials=tuple(f"1001*({text})/1000 + 1/1000" if text else "" for text in row.partials)
            )
        else:
            assert build is not None
            wrong = replace(row, sympy=lambda m, *x, build=build: build(m, *x) + x[0] / 1000)
        found.append(pytest.param(row, wrong, id=row.name))
    return found


@pytest.mark.parametrize(("row", "wrong"), faulty_rows())
def test_a_wrong_derivative_in_the_table_is_found(
    row: Elementwise, wrong: Elementwise, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(ELEMENTWISE, row.name, wrong)
    kernels.forget()
    try:
        assert_found(test_every_partial_is_the_finite_difference_of_exact_values, [(row, one) for one in row.samples])
    finally:
        monkeypatch.undo()
        kernels.forget()


@pytest.mark.parametrize("row", each(row for row in TENSOR.values() if row.samples))
def test_a_wrong_transpose_in_the_table_is_found(row: Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    """A transpose that hands back half of what it should."""

    def halved(ct: Node, *rest: Any) -> Node:
        return row.transpose(call("half", ct), *rest)

    half = replace(row, name="half", shape=lambda x: x, exact=lambda *args, zero: args[-1] / 2)  # noqa: ARG005
    monkeypatch.setitem(TENSOR, "half", half)
    monkeypatch.setitem(TENSOR, row.name, replace(row, transpose=halved))
    assert_found(test_every_transpose_is_the_finite_difference_of_exact_values, [(text,) for text in row.samples])


@pytest.mark.parametrize("row", each(row for row in COMPOSITE.values() if isinstance(row.definition, str)))
def test_a_wrong_definition_in_the_table_is_found(row: Composite, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(COMPOSITE, row.name, replace(row, definition=f"({row.definition})*1000001/1000000"))
    assert_found(test_torch_has_the_same_value_of_every_sample, [(text,) for text in row.samples])


def test_fractions_of_enclosures_are_their_middles() -> None:
    """The oracle of this file, at a number that is known: the exact value of one third lies within a ball around it."""
    [third] = numbers(lower(parse("x/3")), "out", {"x": np.array(1.0)})
    assert abs(third - Fraction(1, 3)) < Fraction(1, 2 ** (BITS - 10))
    [ball] = enclosures(lower(parse("x/4")), "out", {"x": np.array(1.0)})
    assert isinstance(ball, Ball)
    assert fraction(ball) == Fraction(1, 4)
