"""What is known of a program before any point is named: its derivative, where it is defined, where it has corners."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from functools import reduce
from itertools import product

import numpy as np

from gradcheck import exact
from gradcheck.corners import corners, domains, operations
from gradcheck.errors import GradcheckError, printable, quoted, visible
from gradcheck.functions import WHERE
from gradcheck.functions.params import shape_text
from gradcheck.groups import at_shapes
from gradcheck.lower import domain, lower
from gradcheck.plan import Plan
from gradcheck.pointwise import goes_by_elements
from gradcheck.program import (
    Layer,
    Program,
    Shape,
    call,
    number,
)

SHAPES: tuple[Shape, ...] = ((), (3,), (3, 3), (4,), (2, 2), (2, 2, 2), (1, 2, 2), (1, 1, 2, 2), (3, 4))
"""Shapes that inputs may have: the first that fits the program is taken, alike for all of them if it can be."""
NUMBERS = ("2", "0.5", "-2", "-0.5", "4")
POINTS = (
    "[1,2,3]", "[[1,2,3],[4,5,6],[7,8,9]]", "[1,2,3,4]", "[[1,2],[3,4]]", "[[[1,2],[3,4]],[[5,6],[7,8]]]",
    "[[[1,2],[3,4]]]", "[[[[1,2],[3,4]]]]", "[[1,2,3,4],[5,6,7,8],[9,10,11,12]]",
)  # fmt: skip
"""Points of these shapes; of the numbers the first is taken that lies in the domain."""
MAX_INPUTS = 3
"""Inputs up to which all shapes of them are tried together."""
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
        known = dict(zip(program.inputs, shapes, strict=True))
        try:
            plan = Plan.make(at_shapes(program, known), known, tuple(wrt), ())
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
    yield from _listed("defined", domains(plan.program), "everywhere")
    yield from _listed("corners", corners(plan.program), "none: it is differentiable wherever it is defined")


def _listed(word: str, texts: Iterable[str], none: str) -> Iterator[tuple[str, str]]:
    """Yield different texts below each other, beside one word."""
    for k, text in enumerate(dict.fromkeys(texts) or [none]):
        yield word if k == 0 else "", text


def _indexed(name: str, shape: Shape) -> str:
    letters = "ij"[: len(shape)]
    return f"{name}[{', '.join(letters)}]" if letters else name


def _nothing(plan: Plan) -> Iterator[str]:
    """Yield what was not done, and how to ask for it."""
    points = dict(zip(SHAPES, (_inside(plan), *POINTS), strict=True))
    point = ",".join(f"{name}={points[shape]}" for name, shape in plan.inputs().items())
    yield "No gradient was checked. Say where with --at, and PyTorch's is held against it:"
    yield visible(f"  gradcheck {quoted(plan.program.source.strip())} --at {quoted(point)}")


def _inside(plan: Plan) -> str:
    """Return a number at which all operations have a value, if one of a few is such."""
    found = [domain(node) for node, under in operations(plan.program) if not under]
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
