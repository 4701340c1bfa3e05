"""What picks, places and moves elements: how it is written, what is refused, and what torch does with the same."""

# ruff: noqa: E501 - one row for one refusal

from __future__ import annotations

import numpy as np
import pytest

from gradcheck import check
from gradcheck.errors import GradcheckError
from gradcheck.functions import COMPOSITE, HIDDEN, TABLE, Composite
from gradcheck.functions.composites.indexing import MAX_PICKED
from gradcheck.lower import lower
from gradcheck.parse import parse
from gradcheck.program import LISTED
from gradcheck.verdict import Verdict

MANY = [row for row in COMPOSITE.values() if row.many and row.order[:1] in ((), row.args)]
PARTS = [row for row in COMPOSITE.values() if "." in row.name]
assert MANY
assert PARTS


@pytest.mark.parametrize("row", MANY, ids=lambda row: row.name)
def test_tensors_side_by_side_may_stand_in_a_list(row: Composite) -> None:
    name, chosen = row.name, "[0]" if row.results else ""
    assert str(parse(f"{name}(a, b){chosen}")) == str(parse(f"{name}([a, b]){chosen}")) == f"out = {name}(a, b){chosen}"
    with pytest.raises(GradcheckError, match=f"{name} needs tensors"):
        parse(f"{name}(){chosen}")


@pytest.mark.parametrize("name", sorted(LISTED))
def test_a_list_of_tensors_stands_in_brackets(name: str) -> None:
    assert str(parse(f"{name}([a, b])")) == f"out = {name}([a, b])"
    with pytest.raises(GradcheckError, match=f"{name} joins a list of tensors"):
        parse(f"{name}(a)")


@pytest.mark.parametrize("row", PARTS, ids=lambda row: row.name)
def test_a_part_of_torch_has_functions_of_its_own(row: Composite) -> None:
    name = row.name
    part, function = name.split(".")
    assert part in ("linalg", "functional", "special")
    assert name in str(parse(row.samples[0]))
    assert function not in TABLE or TABLE[name] is not TABLE[function]


@pytest.mark.parametrize("name", sorted(HIDDEN - {"index"}))
def test_what_only_definitions_write_is_no_function(name: str) -> None:
    with pytest.raises(GradcheckError, match=f"unknown function `{name}`"):
        parse(f"{name}(x)")


def test_indices_of_several_dims_may_each_be_an_input() -> None:
    run = check("index_put(x, (i, j), y)**2", x=[[1, 2], [3, 4]], i=[0, 1], j=[1, 0], y=[5, 6], dtype="float64")
    assert parse("index_put(x, (i, j), y)").indices == ("i", "j")
    assert run.verdict is Verdict.AGREE


def test_a_mask_may_be_a_condition_or_an_input_of_truths() -> None:
    for mask, tracked in (("m > 0", ("x", "m")), ("m", ("x",))):
        program = parse(f"softmax(masked_fill(x, {mask}, -inf), 0)[0]")
        assert program.tracked == tracked
        run = check(str(program), x=[1, 2, 3], m=[0, 1, 0], wrt="x", dtype="float64")
        assert run.verdict is Verdict.AGREE


REFUSED = {
    "gather(v, 0, [3])": "index holds 3, and there are 3 elements to choose from",
    "gather(v, 0, [-1])": "index holds -1, and there are 3 elements to choose from",
    "gather(a, 1, [0, 1])": "index has 1 dimensions, and the tensor has 2",
    "gather(a, 1, [[0], [1, 2]])": "the rows of index differ in length",
    "gather(v, 0, [True])": "index is made of whole numbers",
    "gather(a, 1, [[0], [1], [0]])": "index is larger than the tensor along dim 0: 3 against 2",
    "scatter(v, 0, [1, 1], u)": "an index appears twice: torch leaves open which of the values is taken",
    "scatter_add(v, 0, [0, 1, 2], u)": "index is larger than src: 3 against 2",
    "index_add(a, 1, [0, 1], v)": "source has the shape 3, and with this index 2 x 2 is needed",
    "index_put(a, ([0, 1], [0, 0]), v)": "values have the shape 3, and 2 is needed",
    "masked_scatter(v, [1, 1, 1], u)": "the mask takes 3 elements, and source has 2",
    "masked_select(v, [0, 0, 0])": "the mask selects nothing",
    "split(v, [1, 1])[0]": "the sizes (1, 1) do not add up to 3",
    "split(v, 2)[2]": "there are 2 parts of 3 elements, and no number 2",
    "hsplit(a, 2)[0]": "hsplit needs equal parts, and 3 elements do not make 2",
    "narrow(v, 0, 2, 2)": "start 2 and length 2 leave the 3 elements along this dim",
    "v.unfold(0, 4, 1)": "windows of 4 do not fit into 3 elements",
    "as_strided(v, (2, 2), (2, 1))": "these strides reach element 3 of 3",
    "diagonal(v)": "a diagonal needs two dims, and this tensor has 1",
    "tril(v)": "a triangle needs a matrix, and this tensor has 1 dimensions",
    "trace(v)": "trace takes a matrix, and this tensor has 1 dimensions",
    "a.repeat(2)": "repeats has 1 numbers, and the tensor 2 dimensions",
    "repeat_interleave(v, [1, 2])": "repeats is one whole number, or one for each of the 3 elements along this dim",
    "sum_to_size(a, (2, 2))": "cannot sum 2 x 3 to 2 x 2",
    "roll(v, 1/2)": "shifts is a whole number",
    "diag(v, 10**12)": "the diagonal is out of range",
    "diag(v, 10**6)": "a tensor of 1000003 x 1000003 has 1,000,006,000,009 elements to pick; the limit (MAX_PICKED) is 50,000",
    "repeat_interleave(v, 10**6)": "a tensor of 3000000 has 3,000,000 elements to pick; the limit (MAX_PICKED) is 50,000",
    "cartesian_prod(a, v)": "cartesian_prod takes vectors",
    "mH(v)": "mH needs a matrix; a vector has no last two dimensions",
}  # fmt: skip
SHAPES = {"s": (), "v": (3,), "u": (2,), "a": (2, 3)}


@pytest.mark.parametrize("text", REFUSED)
def test_what_does_not_fit_is_refused_in_the_words_of_the_user(text: str) -> None:
    program = parse(text)
    with pytest.raises(GradcheckError) as problem:
        lower(program, {name: SHAPES[name] for name in program.inputs})
    assert problem.value.message == REFUSED[text]


def test_as_many_elements_as_the_limit_says_are_picked() -> None:
    core = lower(parse("flipud(tril(x))"), {"x": (200, MAX_PICKED // 200)})
    assert core.shapes["out"] == (200, MAX_PICKED // 200)
    assert np.prod(core.shapes["out"]) == MAX_PICKED
