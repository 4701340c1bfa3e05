"""What textbooks write for operations on tensors: every row has it, it is right element by element, and reads well."""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Mapping
from itertools import product
from typing import Any

import numpy as np
import pytest

from gradcheck.explanation import explain
from gradcheck.explanation.definitions import definition
from gradcheck.explanation.shown import AT, LETTER, OVER, QUOTIENT, Formula
from gradcheck.explanation.textbook import ANYWHERE, FORMS, PICKED, SORTED, has_form
from gradcheck.functions import COMPOSITE, HIDDEN, TENSOR, WHERE, Composite, Tensor
from gradcheck.parse import parse
from gradcheck.program import Call, Name, Node, Number, call, postorder
from gradcheck.report.lesson.markdown import render
from gradcheck.settings import Settings
from test_explain import shown

ROWS: dict[str, Tensor | Composite] = {**TENSOR, **COMPOSITE}
ON_TENSORS = {
    name: row
    for name, row in ROWS.items()
    if (name not in HIDDEN or row.samples) and (name in TENSOR or definition(call(name, *map(Name, row.args))) is None)
}
"""The rows that work on tensors as a whole."""
SAMPLES = [text for row in ON_TENSORS.values() for text in row.samples]
IN_FORM = [
    text for name, row in ON_TENSORS.items() for text in row.samples
    if any(node.op == name and has_form(node) for node in postorder(parse(text).layers[0].expression)
           if isinstance(node, Call))
]  # fmt: skip
SHAPES = {"s": (), "v": (3,), "u": (2,), "a": (2, 3), "b": (3, 4), "c": (2, 2, 3)}


def point(text: str) -> dict[str, Any]:
    """Return numbers for the names of a sample, no two alike."""
    draw = np.random.default_rng(sum(map(ord, text)))
    return {
        name: np.round(draw.uniform(0.5, 2.0, SHAPES[name]), 3) * draw.choice([-1, 1], SHAPES[name])
        for name in parse(text).inputs
    }


def explained(text: str) -> Any:
    given = {name: array.tolist() for name, array in point(text).items()}
    weighted = f"r = {text}; sum(r*cos(r))"
    return explain(weighted, given, settings=Settings(dtypes=("float64",)))


@pytest.mark.parametrize("name", TENSOR)
def test_every_linear_operation_has_a_form(name: str) -> None:
    """What lines of the language define is told by these, and by a form of its own where textbooks have one."""
    assert name in FORMS or name in HIDDEN


def test_there_is_no_form_without_an_operation() -> None:
    assert set(FORMS) <= set(ON_TENSORS)


# --- an evaluation by hand -------------------------------------------------------------------------

ARITHMETIC: dict[str, Any] = {
    "add": operator.add, "sub": operator.sub, "mul": operator.mul, "div": operator.truediv, "pow": operator.pow,
    "neg": operator.neg, "exp": math.exp, "abs": abs, "sign": lambda x: math.copysign(1, x),
    "eq": lambda x, y: math.isclose(x, y, rel_tol=1e-12), "ne": operator.ne, "ge": operator.ge, "gt": operator.gt,
    "lt": operator.lt, "logical_and": lambda x, y: x and y, "logical_or": lambda x, y: x or y,
}  # fmt: skip


class Reader:
    """Works a formula out as a reader would, with the numbers of names and of derivatives by their elements."""

    def __init__(self, values: Mapping[str, Any], slopes: Mapping[str, Any]) -> None:
        self.values, self.slopes = values, slopes

    def read(self, node: Node, letters: Mapping[str, int]) -> Any:
        if isinstance(node, Number):
            return float(node.value)
        if isinstance(node, Name):
            return self.values[node.id]
        if node.op == LETTER:
            return letters[str(node.param("name"))]
        if node.op in (AT, QUOTIENT):
            return self.element(node, letters)
        if node.op == OVER:
            return self.over(node, letters)
        if node.op == WHERE:
            condition, yes, no = node.args
            return self.read(yes if self.read(condition, letters) else no, letters)
        return ARITHMETIC[node.op](*(self.read(one, letters) for one in node.args))

    def element(self, node: Call, letters: Mapping[str, int]) -> Any:
        values, one = (self.slopes, node.args[1]) if node.op == QUOTIENT else (self.values, node)
        name, indices = (one.args[0], one.args[1:]) if isinstance(one, Call) else (one, ())
        assert isinstance(name, Name)
        place = tuple(int(self.read(each, letters)) for each in indices)
        assert all(each >= 0 for each in place)
        return values[name.id][place]

    def over(self, node: Call, letters: Mapping[str, int]) -> Any:
        names = list(map(str, node.param("letters")))  # type: ignore[arg-type]
        sizes = [self.size(node.args[0], name) for name in names]
        made = []
        for place in product(*map(range, sizes)):
            here = {**letters, **dict(zip(names, place, strict=True))}
            if len(node.args) == 1 or self.read(node.args[1], here):
                made.append(self.read(node.args[0], here))
        return math.fsum(made) if node.param("big") == "sum" else math.prod(made)

    def size(self, body: Node, name: str) -> int:
        """Return how far a letter goes: as far as the axis of an element that has it."""
        for part in postorder(body):
            if isinstance(part, Call) and part.op == AT:
                for axis, index in enumerate(part.args[1:]):
                    if isinstance(index, Call) and index.op == LETTER and index.param("name") == name:
                        found = part.args[0]
                        assert isinstance(found, Name)
                        return int(np.shape(self.values[found.id])[axis])
        raise AssertionError(f"{name} is the index of nothing")


def told(one: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the values and the cotangents of all that an explanation tells of."""
    every = (*one.forward.leaves, *one.forward.stages)
    values = {each.name: np.reshape(each.numbers.torch, each.numbers.shape) for each in every}
    slopes = {
        each.name: np.reshape(each.numbers.torch, each.numbers.shape)
        for chain in one.chains
        for each in chain.arrivals
        if each.numbers.torch is not None
    }
    return values, slopes


@pytest.mark.parametrize("text", IN_FORM)
def test_a_form_gives_torch_s_own_gradient_element_by_element(text: str) -> None:
    one = explained(text)
    values, slopes = told(one)
    reader = Reader(values, slopes)
    sentences = {ANYWHERE, PICKED, SORTED}
    told_of = 0
    for arrival in {each.name: each for chain in one.chains for each in chain.arrivals}.values():
        forms = [link for link in arrival.links if link.partial is None]
        told_of += sum(link.above.partition("_")[0] == "r" for link in arrival.links)
        if not forms or len(forms) < len(arrival.links) or any(link.said in sentences for link in forms):
            continue
        below = arrival.title.node.args[1]
        indices = below.args[1:] if isinstance(below, Call) else ()
        names = [each.param("name") for each in indices if isinstance(each, Call)]
        shape = np.shape(values[arrival.name])
        axes = [size for size in shape if size != 1]
        for place in product(*map(range, axes)):
            letters = dict(zip(map(str, names), place, strict=True))
            found = math.fsum(reader.read(link.flow.node, letters) for link in forms)
            index = iter(place)
            want = slopes[arrival.name][tuple(0 if size == 1 else next(index) for size in shape)]
            assert found == pytest.approx(want, rel=1e-9, abs=1e-9), f"{arrival.title} = {forms[0].flow}"
    assert told_of, f"no operation of {text} is told of"


@pytest.mark.parametrize("text", SAMPLES)
def test_no_form_shows_what_only_programs_write(text: str) -> None:
    for page in (shown(explained(text)), render(explained(text))):
        ours = re.sub(r"\bsaves [^\n]*", "", page)  # what torch saves has torch's own names
        assert not re.search(r"\bct\b|\bkey=|\bshape=|\badd_at\b|\b(guard|mask|patch)\(", ours)


def test_matrices_are_multiplied_as_in_books() -> None:
    one = explain("y = x @ w; sum(y*y)", x=[[1, 2], [3, 4]], w=[[1, 0], [2, 1]])
    links = [link for chain in one.chains for arrival in chain.arrivals for link in arrival.links]
    wholes = {str(link.whole) for link in links if link.whole}
    assert wholes == {"(d out/d y) @ w.T", "x.T @ (d out/d y)"}


def test_a_large_operator_has_brackets_where_it_is_an_operand() -> None:
    body = call("mul", Name("a"), call(OVER, Name("b"), letters=("k",), big="sum"))
    assert str(Formula(body)) == "a*(sum over k of b)"
