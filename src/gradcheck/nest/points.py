"""Where functions are tried: ordinary points, and those where rules that were written by hand go wrong."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import product

from gradcheck.errors import GradcheckError
from gradcheck.functions import COMPOSITE, ELEMENTWISE, TENSOR, Row
from gradcheck.functions.rows import Composite, Elementwise
from gradcheck.lower import condition, lower
from gradcheck.parse import parse
from gradcheck.points import parse_points
from gradcheck.pointwise import goes_by_elements
from gradcheck.program import Call, Number, Program, postorder

ORDINARY = 3
"""Ordinary points of a function."""
SPECIAL = ("0", "1", "-1", "2", "1/2")
"""Exponents, factors and ends at which formulas have cases of their own."""
EXTREME = ("1e-8", "-1e-8", "1e-160", "1e160", "25", "-25", "800", "-800")
"""Numbers at which something vanishes, saturates or overflows."""
ELEMENTS = ("0.5", "-1.25", "2.25")
"""Ordinary points of a function that goes by elements."""
VECTORS = ("[0,0,0]", "[1,1,2]", "[0,1,2]", "[0,0,1]", "[800,0,-800]", "[1e-200,2e-200,0]", "[1e200,1e200,1]")
"""Vectors with zeros, ties, and what overflows."""
MATRICES = ("[[0,0],[0,0]]", "[[0,1],[2,3]]", "[[0,1],[0,2]]", "[[1,1],[1,1]]", "[[1,1],[2,2]]",
            "[[800,0],[-800,1]]", "[[1e200,1e200],[1,2]]", "[[1e-200,2e-200],[0,0]]")  # fmt: skip
"""Matrices of the same kinds."""
BOUNDARY = {"v": VECTORS, "a": MATRICES, "s": (*SPECIAL, *EXTREME)}
SHAPES = {"v": "[0.5,-1.25,2.25]", "u": "[1.5,0.25]", "s": "0.75", "a": "[[0.5,-1.25],[0.75,2]]"}
"""Ordinary inputs of tensor functions, by the names that their samples give them."""


@dataclass(frozen=True)
class Subject:
    """A program of one function, and the texts of the points where it is tried; ``boundary`` are no ordinary ones."""

    function: str
    program: Program
    points: tuple[str, ...]
    boundary: frozenset[str]


def subjects(names: Sequence[str] = ()) -> Iterator[Subject]:
    """Yield the functions of the table, or those named, each with its program and its points.

    >>> [one.points[:4] for one in subjects(["sinc"])]
    [('x=-1.5', 'x=-0.3', 'x=0.2', 'x=0')]
    """
    rows: dict[str, Row] = {**ELEMENTWISE, **TENSOR, **COMPOSITE}
    for name, row in rows.items():
        if not names or name in names:
            made = elementwise(row) if isinstance(row, Elementwise) else tensor(name, row)
            if made is not None:
                yield made


def elementwise(row: Elementwise) -> Subject:
    """Return a function of numbers at its samples, at the ends that its conditions name, and at what is extreme."""
    ordinary = [_point(row.args, sample) for sample in row.samples[1 : ORDINARY + 1] or row.samples]
    boundary = [_point(row.args, values) for values in _corners(row)]
    return _subject(row.name, f"{row.name}({', '.join(row.args)})", ordinary, boundary)


def _corners(row: Elementwise) -> Iterator[tuple[str, ...]]:
    special = tuple(dict.fromkeys((*SPECIAL, *_ends(row))))
    arity = len(row.args)
    if arity == 1:
        yield from ((one,) for one in (*special, *EXTREME))
        return
    yield from product(special[: 5 if arity == 2 else 3], repeat=arity)
    for position, one in product(range(arity), EXTREME):
        yield tuple(one if k == position else "1" for k in range(arity))
    yield from ((one,) * arity for one in EXTREME)


def _ends(row: Elementwise) -> Iterator[str]:
    """Yield the numbers that the row's conditions compare an argument with."""
    texts = [row.domain if isinstance(row.domain, str) else None, row.kinks, *(where for where, _ in row.removable)]
    for text in texts:
        for node in postorder(condition(text)) if text else ():
            if isinstance(node, Call):
                yield from (_written(arg.value) for arg in node.args if isinstance(arg, Number))


def _written(value: Fraction) -> str:
    return str(value)


def tensor(name: str, row: Row) -> Subject | None:
    """Return a function of tensors at small ones, None where no sample takes these.

    One that goes by elements has an element alone, at which many points are tried.
    """
    for sample in row.samples:
        assert isinstance(sample, str)
        program = parse(sample)
        if not set(program.inputs) <= set(SHAPES):
            continue
        if len(program.inputs) == 1 and goes_by_elements(program):
            [one] = program.inputs
            boundary = [f"{one}={value}" for value in (*SPECIAL, *_written_in(row), *EXTREME)]
            return _subject(name, sample, [f"{one}={value}" for value in ELEMENTS], boundary)
        ordinary = ",".join(f"{one}={SHAPES[one]}" for one in program.inputs)
        if _fits(program, ordinary):
            special = BOUNDARY.get(program.inputs[0], ()) if len(program.inputs) == 1 else ()
            return _subject(name, sample, [ordinary], [f"{program.inputs[0]}={value}" for value in special])
    return None


def _fits(program: Program, text: str) -> bool:
    """Return whether the program takes tensors of these shapes."""
    try:
        [point] = parse_points([text], program.inputs)
        lower(program, {one: value.shape for one, value in point.items()})
    except GradcheckError:
        return False
    return True


def _written_in(row: Row) -> Iterator[str]:
    """Yield the numbers that the definition of a function is written with."""
    if isinstance(row, Composite) and isinstance(row.definition, str):
        for layer in parse(row.definition).layers:
            yield from (_written(one.value) for one in postorder(layer.expression) if isinstance(one, Number))


def _point(args: Sequence[str], values: Sequence[str]) -> str:
    return ",".join(f"{name}={value}" for name, value in zip(args, values, strict=True))


def _subject(name: str, text: str, ordinary: list[str], boundary: list[str]) -> Subject:
    points = tuple(dict.fromkeys([*ordinary, *boundary]))
    return Subject(name, parse(text), points, frozenset(points) - set(ordinary))
