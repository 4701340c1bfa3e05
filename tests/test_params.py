"""Parameters of tensor operations, left out, moved, doubled and turned round: torch itself says what they mean."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from gradcheck import autograd, exact
from gradcheck.errors import GradcheckError
from gradcheck.functions import COMPOSITE
from gradcheck.lower import lower
from gradcheck.parse import parse
from gradcheck.program import RESULT, Call, Layer, Name, Node, Number, Param, Program
from gradcheck.report.functions import meaning
from oracles import shapes
from table import TENSORS, inputs_of, texts

BEYOND = ("not supported", "is empty", "single ellipsis", "torch leaves open which", "no formula of the elements")
"""Words of what gradcheck refuses although torch does it."""
TORCHS = ("cannot be greater",)
"""Words of what torch refuses although there is a value."""

OPTIONAL = [text for row in COMPOSITE.values() if row.optional for text in row.samples]
"""Samples of rows with tensors that need not be given."""


def variants(value: Param) -> Iterator[Param]:
    """Yield other values of a parameter."""
    if isinstance(value, bool):
        yield not value
    elif isinstance(value, int):
        yield from (value + 1, value - 1, -value - 1, value + 7, value - 7, (value,))
    elif isinstance(value, Fraction):
        yield from (value + Fraction(1, 4), -value)
    elif isinstance(value, tuple):
        yield from (value[::-1], value[:-1], (*value, value[0]) if value else (0,), value[:1])
        for k, one in enumerate(value):
            yield from ((*value[:k], other, *value[k + 1 :]) for other in variants(one))
    elif isinstance(value, slice):
        for part in ("start", "stop", "step"):
            old = getattr(value, part)
            for other in (None, 1, -1) if old is None else (None, old + 1, old - 1):
                made = {"start": value.start, "stop": value.stop, "step": value.step, part: other}
                yield slice(made["start"], made["stop"], made["step"])


def others(node: Call) -> Iterator[Call]:
    """Yield a call with a parameter left out, and with other values of it."""
    row = COMPOSITE.get(node.op)
    last = max((row.order.index(one) for one in row.args), default=0) if row and row.order else 0
    for k, (name, value) in enumerate(node.params):
        if name == RESULT:  # which is chosen behind the brackets
            continue
        rest = node.params[:k], node.params[k + 1 :]
        if name != "key" and (row is None or name not in row.order[:last]):  # nobody can write that
            yield replace(node, params=(*rest[0], *rest[1]))
        words = [one for one in (row.words.get(name, ()) if row else ()) if isinstance(one, str) and one != value]
        written = (one for one in (*variants(value), *words) if name != "key" or one != ())
        yield from (replace(node, params=(*rest[0], (name, one), *rest[1])) for one in written)


def rebuilt(node: Node, old: Call, new: Call) -> Node:
    if node is old:
        return new
    return replace(node, args=tuple(rebuilt(one, old, new) for one in node.args)) if isinstance(node, Call) else node


def is_faulty(node: Call) -> bool:
    """Tell whether torch's own value is known to be wrong with these params."""
    row = COMPOSITE.get(node.op)
    return row is not None and bool(row.faulty) and row.faulty.items() <= dict(node.params).items()


def called(node: Node) -> Iterator[Call]:
    if isinstance(node, Call):
        yield node
        for one in node.args:
            yield from called(one)


def value(program: Program, point: Any) -> tuple[Any, str | None]:
    """Return the exact value, or why there is none."""
    try:
        core = lower(parse(str(program)), shapes(point))
    except GradcheckError as problem:
        return None, str(problem)
    found = exact.balls(exact.enclose(core, point)[core.program.output], 128)
    return np.array([getattr(one, "nearest", np.nan) for one in found]).reshape(core.shapes[core.program.output]), None


def torchs(program: Program, point: Any) -> tuple[Any, str | None]:
    try:
        made = autograd.backward(program, point, [], dtype="float64").layers[program.output]
    except GradcheckError as problem:
        return None, str(problem)
    return made.array, None


@pytest.mark.parametrize("text", texts())
def test_a_parameter_means_what_it_means_to_torch(text: str) -> None:
    """What torch refuses is refused, and what it takes has its value and its shape."""
    program = parse(text)
    point = inputs_of(program)
    for layer in program.layers:
        for node in called(layer.expression):
            for other in others(node):
                made = replace_in(program, layer, rebuilt(layer.expression, node, other))
                if str(made) == str(program):  # nobody can write that
                    continue
                (mine, refused), (theirs, wrong) = value(made, point), torchs(made, point)
                what = f"{text} with {other.params}: {refused} / {wrong}"
                if any(words in (refused or "") for words in BEYOND) or any(words in (wrong or "") for words in TORCHS):
                    continue
                assert (mine is None) == (theirs is None), what
                if mine is not None:
                    assert mine.shape == theirs.shape, what
                    here = ~np.isnan(mine)
                    if is_faulty(other):
                        assert not np.allclose(mine[here], theirs[here], rtol=1e-12, atol=1e-12), what
                        continue
                    np.testing.assert_allclose(mine[here], theirs[here], rtol=1e-12, atol=1e-12, err_msg=what)


@pytest.mark.parametrize("text", texts())
def test_a_param_that_is_no_whole_number_is_called_what_the_function_calls_it(text: str) -> None:
    program = parse(text)
    for layer in program.layers:
        for node in called(layer.expression):
            for k, (name, held) in enumerate(node.params):
                if type(held) is not int or name == RESULT:
                    continue
                other = replace(node, params=(*node.params[:k], (name, Fraction(1, 2)), *node.params[k + 1 :]))
                _, refused = value(
                    replace_in(program, layer, rebuilt(layer.expression, node, other)), inputs_of(program)
                )
                said = re.match("(.*?) (?:is|are|must be) (?:a |an )?(?:whole|integer)", refused or "")
                known = {name, node.op, "dim", *re.findall("[a-z0-9]+", f"{name} {node.op} {meaning(node.op)}")}
                assert said is None or {*re.findall(r"\w+", said[1])} & known - {"a", "of", "the"}, refused


@pytest.mark.parametrize("text", OPTIONAL)
def test_a_scalar_stands_for_a_tensor_where_torch_takes_it(text: str) -> None:
    """What need not be given has dims where it is given, but for what torch broadcasts."""
    program = parse(text)
    point = {**inputs_of(program), "s": TENSORS["s"]}
    for layer in program.layers:
        for node in called(layer.expression):
            row = COMPOSITE.get(node.op)
            for k, name in enumerate(row.args if row and row.optional else ()):
                if row is None or name not in row.optional or isinstance(node.args[k], Number):
                    continue
                scalar = replace(node, args=(*node.args[:k], Name("s"), *node.args[k + 1 :]))
                made = replace_in(program, layer, rebuilt(layer.expression, node, scalar))
                made = replace(made, inputs=tuple(dict.fromkeys((*made.inputs, "s"))))
                (mine, refused), (theirs, wrong) = value(made, point), torchs(made, point)
                assert (mine is None) == (theirs is None), f"{made}: {refused} / {wrong}"


def replace_in(program: Program, layer: Layer, expression: Node) -> Program:
    layers = tuple(replace(one, expression=expression) if one is layer else one for one in program.layers)
    return replace(program, layers=layers)
