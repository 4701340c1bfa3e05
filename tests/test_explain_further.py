"""Explanations of further orders and ways: the derivative of the derivative, the Hessian, torch's ways beside it."""

from __future__ import annotations

import pytest
import torch

from gradcheck import explain
from gradcheck.explanation.model import Explanation
from gradcheck.formats import Ball
from gradcheck.functions import CONSTANTS
from gradcheck.report.lesson.blocks import Block, Code, Rows
from gradcheck.report.lesson.build import lesson
from gradcheck.report.reporters import EXPLANATION, writer
from gradcheck.selftest.ways import HIDDEN
from gradcheck.settings import Settings
from gradcheck.verdict import Verdict
from gradcheck.ways import nestings, ways

PROGRAMS = (
    ("x**3", "2"), ("x**2*sin(y)", "x=2,y=0.5"), ("y = 3*x + 2; z = 2*y**2; mean(z)", "x=[1,-2,0.5]"),
    ("a = exp(x*y); a/(1 + a)", "x=0.5,y=-1"), ("3*x + 1", "2"), ("sinc(t)", "0"),
    ("sum(softmax(x, 0)*w)", "x=[1,2],w=[3,-1]"),
)  # fmt: skip


def made(program: str, at: str, **more: object) -> Explanation:
    return explain(program, at, dtype="float64", **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(("program", "at"), PROGRAMS)
def test_the_hessian_is_its_own_transpose_and_has_every_way(program: str, at: str) -> None:
    [second] = made(program, at, order=2).further
    assert second.order == 2
    assert [*second.ways, *(way for way, _ in second.errors)] == [str(one) for one in nestings(2)]
    found: dict[tuple[str, ...], object] = {one.by: one.exact for one in second.entries}
    assert len(found) == len(second.labels) ** 2
    for (a, b), one in found.items():
        other = found[b, a]
        assert isinstance(one, Ball)
        assert isinstance(other, Ball)
        assert one.overlaps(other)


def test_the_derivative_of_the_derivative_is_derived() -> None:
    [second] = made("x**2*sin(y)", "x=2,y=0.5", order=2).further
    assert [(str(title), str(closed)) for title, closed in second.closed] == [
        ("d (d f/d x)/d x", "2*sin(y)"), ("d (d f/d x)/d y", "2*x*cos(y)"),
        ("d (d f/d y)/d x", "2*x*cos(y)"), ("d (d f/d y)/d y", "-x**2*sin(y)"),
    ]  # fmt: skip
    assert all(one.steps for one in second.derivations)


@pytest.mark.parametrize("name", sorted(CONSTANTS))
def test_an_input_that_is_called_like_a_constant_is_none(name: str) -> None:
    [second] = made(f"{name}**2*x**2", f"{name}=3,x=2", order=2).further
    assert [str(closed) for _, closed in second.closed] == ["2*x**2", f"4*{name}*x", f"4*{name}*x", f"2*{name}**2"]


def test_a_third_order_goes_on_from_the_second() -> None:
    [third] = made("x**4", "2", order=3).further
    assert [str(closed) for _, closed in third.closed] == ["24*x"]
    assert {one.verdict for one in third.entries} == {"agree"}


def test_a_way_of_order_one_stands_beside() -> None:
    first, second = made("x**2", "3", way="fwd,fwd-rev").further
    assert (first.order, first.ways, second.order, second.ways) == (1, ("fwd",), 2, ("fwd-rev",))
    assert [one.by for one in first.entries] == [("x",)]


def test_a_form_that_has_no_value_as_it_is_written_is_not_worked_out() -> None:
    [second] = made("sinc(t)", "0", order=2).further
    assert all(one.evaluation is None for one in second.derivations)


def test_nothing_more_is_told_where_nothing_more_is_asked() -> None:
    assert made("x**2", "3").further == ()


@pytest.mark.parametrize("form", ["terminal", "markdown", "latex", "html"])
def test_every_form_tells_the_second_order(form: str) -> None:
    from io import StringIO

    from gradcheck.report import View

    found = made("x**2*sin(y)", "x=2,y=0.5", order=2)
    write = writer(form, EXPLANATION)
    if form == "terminal":
        file = StringIO()
        write(found, file, View(width=80, color=False), pause=None, hint=False)
        text = file.getvalue()
    else:
        text = write(found, hint=False)
    for words in ("The second derivative", "Hessian", "every way", "step by step"):
        assert words in text


def test_an_exercise_keeps_its_results() -> None:
    blocks: list[Block] = lesson(made("x**3", "2", order=2), hint=True)
    heads = [column.head for one in blocks if isinstance(one, Rows) for column in one.columns]
    assert ("way",) not in heads
    assert ("autograd",) not in heads


def test_ways_that_differ_have_a_row_each() -> None:
    fault = next(one for one in HIDDEN if one.way == "double-backward")
    settings = Settings(
        dtypes=("float64",), under_test={fault.op: fault.operation}, ways=ways(["rev-rev,double-backward"])
    )
    found = explain("sin(x)", 0.5, settings=settings)
    assert found.fails
    assert found.run.verdict is Verdict.AGREE
    assert Code("d2 f/d x d x") in [
        word
        for block in lesson(found)
        if isinstance(block, Rows)
        for row in block.rows
        for cell in row
        for word in cell
    ]


def test_the_numbers_are_torch_s_own() -> None:
    [second] = made("exp(x)*x", "0.25", order=2).further
    [entry] = second.entries
    x = torch.tensor(0.25, dtype=torch.float64, requires_grad=True)
    [first] = torch.autograd.grad(torch.exp(x) * x, x, create_graph=True)
    [wanted] = torch.autograd.grad(first, x)
    assert entry.torch[second.ways.index("double-backward")] == wanted.item()
