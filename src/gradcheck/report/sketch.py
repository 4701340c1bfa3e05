"""What is known of a program before any point is named: its derivative, where it is defined, where it has corners."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from functools import reduce
from itertools import product

import numpy as np

from gradcheck import exact
from gradcheck.errors import GradcheckError, printable, quoted, visible
from gradcheck.functions import ELEMENTWISE, TABLE, WHERE
from gradcheck.functions.pages import page_of, pages
from gradcheck.functions.params import shape_text
from gradcheck.lower import condition, domain, lower
from gradcheck.plan import Plan
from gradcheck.pointwise import goes_by_elements
from gradcheck.program import (
    Call,
    Layer,
    Node,
    Program,
    Shape,
    call,
    names,
    number,
    postorder,
    substitute,
    to_text,
)

SHAPES: tuple[Shape, ...] = ((), (3,), (3, 3), (4,), (2, 2), (2, 2, 2), (1, 2, 2), (1, 1, 2, 2))
"""Shapes that inputs may have: the first that fits the program is taken, alike for all of them if it can be."""
NUMBERS = ("2", "0.5", "-2", "-0.5", "4")
POINTS = (
    "[1,2,3]", "[[1,2,3],[4,5,6],[7,8,9]]", "[1,2,3,4]", "[[1,2],[3,4]]", "[[[1,2],[3,4]],[[5,6],[7,8]]]",
    "[[[1,2],[3,4]]]", "[[[[1,2],[3,4]]]]",
)  # fmt: skip
"""Points of these shapes; of the numbers the first is taken that lies in the domain."""
MAX_INPUTS = 3
"""Inputs up to which all shapes of them are tried together."""
MAX_NODES = 300
"""Nodes of an expression up to which the layers that it reads are looked into."""
MAX_LINES = 6
"""Lines of a gradient program that are shown where there is no closed form."""
WIDTH = 80


def sketch(program: Program, wrt: Sequence[str]) -> list[str] | None:
    """Return the lines on a program and its derivatives by some inputs; None where it fits no shapes of a few numbers.

    >>> from gradcheck.parse import parse
    >>> print(*sketch(parse("log(x - 1)*abs(x)"), ["x"])[:4], sep="\\n")
    formula     log(x - 1)*abs(x)
    derivative  d f/d x = sign(x)*log(x - 1) + abs(x)/(x - 1)
    defined     where x - 1 > 0
    corners     at x == 0
    """
    plan = _fitting(program, wrt)
    if plan is None:
        return None
    width = shutil.get_terminal_size((WIDTH, 24)).columns
    return [line for word, text in _rows(plan) for line in _folded(word, text, width)] + ["", *_nothing(plan)]


def _fitting(program: Program, wrt: Sequence[str]) -> Plan | None:
    """Return the plan of a program at the simplest shapes that it takes."""
    count = len(program.inputs)
    alike = [(shape,) * count for shape in (SHAPES if _is_elementwise(program) else (*SHAPES[1:], SHAPES[0]))]
    for shapes in dict.fromkeys([*alike, *(product(SHAPES, repeat=count) if count <= MAX_INPUTS else ())]):
        try:
            plan = Plan.make(program, dict(zip(program.inputs, shapes, strict=True)), tuple(wrt), ())
            _ = plan.fused  # it is differentiated here, if it can be
        except GradcheckError:
            continue
        return plan
    return None


def _is_elementwise(program: Program) -> bool:
    """Return whether a program has no operation that is made for tensors."""
    return goes_by_elements(program)


# --- the lines ------------------------------------------------------------------------------------


def _rows(plan: Plan) -> Iterator[tuple[str, str]]:
    """Yield words and what stands beside them."""
    layers, display = plan.program.layers, plan.display
    yield "formula" if len(layers) == 1 else "program", plan.program.source.strip()
    output = layers[-1].name if len(layers) > 1 else "f"
    formulas = {name: display.formula(name) for name in plan.wrt}
    for name, formula in formulas.items():
        if formula is not None:
            yield "derivative", f"d {output}/d {_indexed(name, plan.inputs()[name])} = {formula}"
    if None in formulas.values() and len(display.lines()) <= MAX_LINES:
        yield from (("gradient" if k == 0 else "", line) for k, line in enumerate(display.lines()))
    elif None in formulas.values():
        yield "derivative", "no short formula; gradcheck explain with --at shows it step by step"
    if shapes := [f"{name} of {shape_text(shape)}" for name, shape in plan.inputs().items() if shape]:
        yield "here", f"{', '.join(shapes)}; any other shape that fits goes as well"
    yield from _listed("defined", _domains(plan.program), "everywhere")
    yield from _listed("corners", _corners(plan.program), "none: it is differentiable wherever it is defined")


def _listed(word: str, texts: Iterable[str], none: str) -> Iterator[tuple[str, str]]:
    """Yield different texts below each other, beside one word."""
    for k, text in enumerate(dict.fromkeys(texts) or [none]):
        yield word if k == 0 else "", text


def _indexed(name: str, shape: Shape) -> str:
    letters = "ij"[: len(shape)]
    return f"{name}[{', '.join(letters)}]" if letters else name


# --- where there is a value, and a derivative ------------------------------------------------------

Part = tuple[Call, tuple[Node, ...]]
"""An operation, and the conditions of the choices under which it is taken."""


def _operations(program: Program) -> list[Part]:
    """Return the operations of the output that depend on an input, innermost first, each once."""
    return [*dict.fromkeys(one for one in _parts(_output(program), ()) if [*names(one[0])])]


def _output(program: Program) -> Node:
    """Return the output as an expression of the inputs alone, as far as it is no giant."""
    made: dict[str, Node] = {}
    for layer in program.layers:
        made[layer.name] = substitute(layer.expression, made)
        if sum(1 for _ in postorder(made[layer.name])) > MAX_NODES:
            del made[layer.name]
    return made.get(program.layers[-1].name, program.layers[-1].expression)


def _parts(node: Node, under: tuple[Node, ...]) -> Iterator[Part]:
    if not isinstance(node, Call):
        return
    if node.op == WHERE:
        choice, taken, otherwise = node.args
        yield from _parts(choice, under)
        yield from _parts(taken, (*under, choice))
        yield from _parts(otherwise, (*under, call("logical_not", choice)))
    else:
        for one in node.args:
            yield from _parts(one, under)
    yield node, under


def _domains(program: Program) -> Iterator[str]:
    """Yield where the operations have a value, as conditions, or in words where a row has none."""
    for node, under in _operations(program):
        page, found = page_of(node.op) if node.op in pages() else None, domain(node)
        if found is not None and [*names(found)]:
            yield f"where {to_text(found)}{_part(under)}"
        elif found is None and page is not None and page.domain and node.op != "pow":
            yield f"in {to_text(node)} {page.domain}{_part(under)}"


def _corners(program: Program) -> Iterator[str]:
    """Yield where operations have no derivative, though a value: their conditions, or in words."""
    for node, under in _operations(program):
        row, page = ELEMENTWISE.get(node.op), page_of(node.op) if node.op in pages() else None
        text = row.kinks if row is not None and row.kinks else page.kinks if page is not None else ""
        formula, comma, words = text.partition(", ")
        if node.op == WHERE:
            yield f"where {to_text(node.args[0])} changes, if values or slopes differ there{_part(under)}"
        elif formula.startswith("where"):
            yield f"in {to_text(node)} {text}{_part(under)}"
        elif text:
            yield f"at {to_text(_on(formula, node))}{comma}{words}{_part(under)}"


def _part(under: Sequence[Node]) -> str:
    """Return in words in which part of a program something holds."""
    return f" (in the part where {' and '.join(map(to_text, under))})" if under else ""


def _on(text: str, node: Call) -> Node:
    """Return a condition of a row's page on the arguments and params of a call."""
    row = TABLE[node.op]
    params = {**getattr(row, "defaults", {}), **dict(node.params)}
    given = {**dict(zip(row.args, node.args, strict=False)), **{name: _number(one) for name, one in params.items()}}
    return substitute(condition(text), {name: one for name, one in given.items() if one is not None})


def _number(value: object) -> Node | None:
    return number(value) if isinstance(value, int | Fraction) and not isinstance(value, bool) else None


def _nothing(plan: Plan) -> Iterator[str]:
    """Yield what was not done, and how to ask for it."""
    points = dict(zip(SHAPES, (_inside(plan), *POINTS), strict=True))
    point = ",".join(f"{name}={points[shape]}" for name, shape in plan.inputs().items())
    yield "No gradient was checked. Say where with --at, and PyTorch's is held against it:"
    yield visible(f"  gradcheck {quoted(plan.program.source.strip())} --at {quoted(point)}")


def _inside(plan: Plan) -> str:
    """Return a number at which all operations have a value, if one of a few is such."""
    found = [domain(node) for node, under in _operations(plan.program) if not under]
    conditions = [one for one in found if one is not None]
    if any(plan.inputs().values()) or not conditions:
        return NUMBERS[0]
    both = reduce(lambda one, other: call("logical_and", one, other), conditions)
    layers = (Layer("inside_", call(WHERE, both, number(1), number(0))),)
    core = lower(Program(plan.program.inputs, layers, ("inside_",)), plan.inputs())
    points = ({name: np.array(float(text)) for name in plan.inputs()} for text in NUMBERS)
    inside = [exact.enclose(core, point, exact.START_BITS)["inside_"] for point in points]
    return next((text for text, found in zip(NUMBERS, inside, strict=True) if found == 1), NUMBERS[0])


def _folded(word: str, text: str, width: int) -> Iterator[str]:
    """Yield a text beside its word: a line for each of its lines, folded between words."""
    lines = [part for line in text.splitlines() for part in _wrapped(printable(line), width - 12)]
    for k, line in enumerate(lines):
        yield f"{word if k == 0 else '':<12}{line}"


def _wrapped(line: str, width: int) -> list[str]:
    return textwrap.wrap(line, max(width, 20), break_long_words=False, break_on_hyphens=False) or [""]
