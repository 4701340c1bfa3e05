"""Where functions are tried: ordinary points, and those where rules that were written by hand go wrong."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from inspect import Parameter, signature
from itertools import cycle, islice, product
from math import prod

from gradcheck.errors import GradcheckError
from gradcheck.functions import COMPOSITE, ELEMENTWISE, HIDDEN, TABLE, TENSOR, Row
from gradcheck.functions.rows import Composite, Elementwise, Tensor
from gradcheck.lower import condition, lower
from gradcheck.parse import parse
from gradcheck.points import parse_points
from gradcheck.pointwise import goes_by_elements
from gradcheck.program import RESULT, Call, Node, Number, Param, Program, Shape, postorder, rebuild, to_text

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
PATTERNS = ("0", "1,1,2", "0,1,2", "0,0,1", "800,0,-800", "1e-200,2e-200,0", "1e200,1e200,1")
"""The same for tensors of other shapes, whose elements these are in turn."""
BOUNDARY: dict[Shape, tuple[str, ...]] = {(3,): VECTORS, (2, 2): MATRICES, (): (*SPECIAL, *EXTREME)}
SMALL = {"v": "[0.5,-1.25,2.25]", "u": "[1.5,0.25]", "s": "0.75", "a": "[[0.5,-1.25],[0.75,2]]"}
"""Ordinary inputs of tensor functions, by the names that their samples give them."""
WIDE = {
    **SMALL, "a": "[[0.5,-1.25,2.25],[0.75,2,-0.375]]",
    "b": "[[1.25,-0.625,0.375,2.5],[-1.75,0.125,0.875,-0.25],[0.5,1.5,-2.25,0.75]]",
    "c": "[[[0.25,-1.5,0.625],[1.75,-0.375,1.125]],[[-2.125,0.5,-0.875],[1.25,2.625,-0.125]]]",
}  # fmt: skip
"""Those of the shapes that all samples take."""
NUMERAL = re.compile(r"[0-9.]+(?:e[-+]?[0-9]+)?(?:/[0-9]+)?")
"""A number of a point, behind its sign."""
FAR = 100
"""Where a function of a function is not tried: the inner one overflows there."""
MOST = 9
"""Numbers that a function may have where it is differentiated more than once: so many times that is worked out."""
INEXACT = Fraction(4, 5)
"""A number times this one is no number of any format."""


@dataclass(frozen=True)
class Subject:
    """A program of one function, and the texts of the points where it is tried; ``boundary`` are no ordinary ones.

    ``first`` says that derivatives of the first order alone are tried.
    """

    function: str
    program: Program
    points: tuple[str, ...]
    boundary: frozenset[str] = frozenset()
    first: bool = False


def subjects(names: Sequence[str] = ()) -> Iterator[Subject]:
    """Yield the functions of the table, or those named, each with its program and its points.

    >>> [one.points[:4] for one in subjects(["sinc"])]
    [('x=-1.5', 'x=-0.3', 'x=0.2', 'x=0')]
    """
    rows: dict[str, Row] = {**ELEMENTWISE, **TENSOR, **COMPOSITE}
    for name, row in rows.items():
        if (not names or name in names) and name not in HIDDEN:
            yield elementwise(row) if isinstance(row, Elementwise) else tensor(name, row)


def further(subject: Subject) -> Iterator[Subject]:
    """Yield what else a function is differentiated as, once: where its tensors are many or large, at what is no
    ordinary point; and at one ordinary point its other samples, and what they become with other params.

    >>> [one.program.source for one in further(next(subjects(["tril"])))]
    ['tril(c, 1)', 'tril(c)']
    """
    row = TABLE[subject.function]
    if not isinstance(row, Tensor | Composite):
        return
    ordinary, *more = subject.points
    special = () if more else _subject(row.name, subject.program, (), _beside(ordinary, subject.program)).points
    if special:
        yield Subject(subject.function, subject.program, special, frozenset(special), first=True)
    known = {to_text(_expression(subject.program))}
    others = (text for sample in row.samples for text in _with_other_params(row, parse(sample)))
    for text in (*row.samples, *others):
        program = _read(text)
        written = text if program is None else to_text(_expression(program))
        point = None if program is None or written in known else _ordinary(program)
        known.add(written)
        if program is not None and point is not None:
            yield Subject(subject.function, program, (point,), first=True)


def elementwise(row: Elementwise) -> Subject:
    """Return a function of numbers at its samples, at the ends that its conditions name, and at what is extreme."""
    ordinary = [_point(row.args, sample) for sample in row.samples[1 : ORDINARY + 1] or row.samples]
    boundary = [_point(row.args, values) for values in _corners(row)]
    return _subject(row.name, parse(f"{row.name}({', '.join(row.args)})"), ordinary, boundary)


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


def tensor(name: str, row: Tensor | Composite) -> Subject:
    """Return a function of tensors at small ones, of the shapes of the samples where it takes no smaller ones.

    One that goes by elements has an element alone, at which many points are tried.
    """
    programs = [parse(sample) for sample in row.samples]
    for program in programs:
        if len(program.inputs) == 1 and set(program.inputs) <= set(SMALL) and goes_by_elements(program):
            [one] = program.inputs
            boundary = [f"{one}={value}" for value in (*SPECIAL, *_written_in(row), *EXTREME)]
            return _subject(name, program, [f"{one}={value}" for value in ELEMENTS], boundary)
    found = [(point, program) for program in programs if (point := _ordinary(program)) is not None]
    point, program = min(found, key=lambda one: _is_wide(one[0]) * one[0].count(","))
    small = len(program.inputs) == 1 and not _is_wide(point)
    made = _subject(name, program, [point], _beside(point, program) if small else ())
    return replace(made, first=len(magnitudes(point)) > MOST)


def _is_wide(point: str) -> bool:
    return any(tensor in point for name, tensor in WIDE.items() if tensor != SMALL.get(name))


def _is_moderate(point: str) -> bool:
    """Return whether nothing overflows or vanishes that a function is given there."""
    return not any(one and not 1 / FAR < one < FAR for one in magnitudes(point))


def magnitudes(point: str) -> list[float]:
    """Return the numbers of a point, without their signs.

    >>> magnitudes("y=1/2,v=[0,-2]")
    [0.5, 0.0, 2.0]
    """
    return [abs(float(Fraction(text))) for text in NUMERAL.findall(point)]


def _is_plain(program: Program, name: str) -> bool:
    """Return whether a function is given the inputs themselves: moved, and by a factor."""

    def is_plain(node: Node) -> bool:
        if not isinstance(node, Call) or node.op == name or node.op in TENSOR:
            return True
        return node.op == "mul" and isinstance(node.args[0], Number)

    return all(map(is_plain, postorder(_expression(program))))


def _ordinary(program: Program) -> str | None:
    """Return a point of the smallest tensors that a program takes, None where it takes none of them."""
    for tensors in (SMALL, WIDE):
        if set(program.inputs) <= set(tensors):
            text = ",".join(f"{one}={tensors[one]}" for one in program.inputs)
            if _fits(program, text):
                return text
    return None


def _beside(ordinary: str, program: Program) -> Iterator[str]:
    """Yield points at which one input after the other has zeros, ties, and what overflows."""
    [point] = parse_points([ordinary], program.inputs)
    texts = {name: ordinary.partition(f"{name}=")[2].partition("=")[0] for name in program.inputs}
    texts = {name: text.rstrip("abcsuv").rstrip(",") for name, text in texts.items()}
    for name, value in point.items():
        for special in BOUNDARY.get(value.shape) or (_filled(value.shape, pattern) for pattern in PATTERNS):
            yield ",".join(f"{one}={special if one == name else text}" for one, text in texts.items())


def _filled(shape: Shape, pattern: str) -> str:
    """Return a tensor as text, whose elements are those of a pattern in turn.

    >>> _filled((2, 2), "0,1,2")
    '[[0,1],[2,0]]'
    """
    texts = list(islice(cycle(pattern.split(",")), prod(shape)))
    for size in reversed(shape):
        texts = [f"[{','.join(texts[k : k + size])}]" for k in range(0, len(texts), size)]
    return texts[0]


def _fits(program: Program, text: str) -> bool:
    """Return whether the program takes tensors of these shapes."""
    try:
        [point] = parse_points([text], program.inputs)
        lower(program, {one: value.shape for one, value in point.items()})
    except GradcheckError:
        return False
    return True


def _expression(program: Program) -> Node:
    return program.layers[-1].expression


def _with_other_params(row: Tensor | Composite, program: Program) -> Iterator[str]:
    """Yield a call with other params, those alone that it needs and one that is changed."""

    def runs(one: Call) -> bool:
        made = _read(_changed(program, row.name, one))
        return made is not None and _ordinary(made) is not None

    found = [one for one in postorder(_expression(program)) if isinstance(one, Call) and one.op == row.name]
    if not found or not isinstance(row, Composite):
        return
    bare = found[-1]
    for name, _ in bare.params:
        without = _without(bare, name)
        bare = without if name != RESULT and runs(without) else bare
    for one in (found[-1], bare):
        yield _changed(program, row.name, one)
        for name in row.params:
            for value in _values(row, name, one.param(name, _default(row, name))):
                yield _changed(program, row.name, _with(one, name, value))


def _default(row: Composite, name: str) -> Param:
    """Return what a param is that is not written, None where that is not said."""
    if name in row.defaults or not callable(row.definition):
        return row.defaults.get(name)
    found = signature(row.definition).parameters.get(name)
    return None if found is None or found.default is Parameter.empty else found.default


def _values(row: Composite, name: str, value: Param) -> Iterator[Param]:
    """Yield what else a param may be: another word, a switch the other way, a number that no format holds."""
    yield from (word for word in row.words.get(name, ()) if word != value and isinstance(word, str))
    if name not in row.words and (value is None or isinstance(value, bool)):
        yield value is not True
    if isinstance(value, Fraction) and value.denominator > 1:
        yield value * INEXACT
    if name in row.faulty:
        yield row.faulty[name]


def _with(one: Call, name: str, value: Param) -> Call:
    return replace(one, params=(*_without(one, name).params, (name, value)))


def _without(one: Call, name: str) -> Call:
    return replace(one, params=tuple((key, held) for key, held in one.params if key != name))


def _changed(program: Program, op: str, by: Call) -> str:
    """Return the text of a program with another call in the place of the outermost of its kind."""
    calls = [one for one in postorder(_expression(program)) if isinstance(one, Call) and one.op == op]
    return to_text(rebuild(_expression(program), lambda one: by if one is calls[-1] else one))


def _read(text: str) -> Program | None:
    """Return the program of a text, None where it is none: a param that is no such thing."""
    try:
        return parse(text)
    except GradcheckError:
        return None


def _written_in(row: Row) -> Iterator[str]:
    """Yield the numbers that the definition of a function is written with."""
    if isinstance(row, Composite) and isinstance(row.definition, str):
        for layer in parse(row.definition).layers:
            yield from (_written(one.value) for one in postorder(layer.expression) if isinstance(one, Number))


def _point(args: Sequence[str], values: Sequence[str]) -> str:
    return ",".join(f"{name}={value}" for name, value in zip(args, values, strict=True))


def _subject(name: str, program: Program, ordinary: Sequence[str], boundary: Iterable[str]) -> Subject:
    if not _is_plain(program, name):
        boundary = filter(_is_moderate, boundary)
    points = tuple(dict.fromkeys([*ordinary, *boundary]))
    return Subject(name, program, points, frozenset(points) - set(ordinary))
