"""Points where rules that were written by hand go wrong: where the operations of a program have cases of their own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from itertools import product
from math import prod

import numpy as np

from gradcheck import exact
from gradcheck.boundaries.solve import Floats, Line, at_ordinal, roots
from gradcheck.boundaries.special import BORDER, Kind, Special, edges, extreme, reaching, special
from gradcheck.errors import GradcheckError, PointProblem
from gradcheck.formats import FORMATS, Ball, Format
from gradcheck.lower import Core, lower
from gradcheck.points import Point, Value
from gradcheck.program import Call, Layer, Program, Shape, postorder

__all__ = [
    "MOST", "Kind", "Special", "boundary_points", "edges", "extreme", "reaching", "special",
    "with_boundaries",
]  # fmt: skip

MOST = 64
"""Points that one program gets."""
MOST_LAYERS, MOST_ELEMENTS = 120, 1_000
"""Operations that are looked at, and numbers in all layers up to which places are solved for."""
MOVED = 2
"""Elements of one input that are moved, one at a time."""
LARGEST = 40
"""Differences that are looked for along one line at once."""
JOINED = 6
"""Points of one operation at which two of its arguments are special."""


@dataclass(frozen=True)
class Found:
    """One boundary point: the numbers of the inputs that differ from the point it was made of, and why."""

    kind: Kind
    changes: Mapping[str, Floats]
    why: str
    operation: int = -1

    def key(self, point: Mapping[str, Floats]) -> bytes:
        """Return what tells its numbers from all others'."""
        return b"".join(self.changes.get(name, array).tobytes() for name, array in point.items())


def boundary_points(program: Program, points: Sequence[Point], dtypes: Sequence[str]) -> list[Point]:
    """Return the points at which the program's operations have cases of their own, MOST at most, each saying why.

    They are made of the first point of each shape, of whose elements they move one or two; none of them is a point
    that is given. Their numbers are numbers of one of the dtypes.

    >>> from gradcheck.parse import parse
    >>> from gradcheck.points import to_value
    >>> found = boundary_points(parse("log(x - 1)"), [{"x": to_value(3, "x")}], ["float64"])
    >>> [(one["x"].text, one["x"].why) for one in found][:2]
    [('1', 'log at 0'), ('1', 'next to log at 0')]
    """
    firsts: dict[tuple[tuple[str, Shape], ...], Point] = {}
    for point in points:
        firsts.setdefault(tuple((name, value.shape) for name, value in point.items()), point)
    each = max(MOST // max(len(firsts) * len(dtypes), 1), 1)
    made: dict[bytes, Point] = {}
    taken = set()
    for name in dtypes:
        arrays = [{key: _rounded(value, FORMATS[name]) for key, value in point.items()} for point in points]
        taken |= {_key(one) for one in arrays}
        for point in firsts.values():
            base = {key: _rounded(value, FORMATS[name]) for key, value in point.items()}
            search = Search(program, base, FORMATS[name])
            new = {key: found for found in search.found() if (key := found.key(base)) not in {*taken, *made}}
            made |= {key: _point(point, found) for key, found in [*new.items()][:each]}
    return list(made.values())


def with_boundaries(program: Program, points: Sequence[Point], dtypes: Sequence[str]) -> list[Point]:
    """Return the points that are given, or else ordinary ones, and then those at boundaries."""
    if not program.inputs:
        return [*points]
    given = [*points] or ordinary_points(program)
    return [*given, *boundary_points(program, given, dtypes)]


def _rounded(value: Value, fmt: Format) -> Floats:
    return value.array(fmt.round)


def _key(arrays: Mapping[str, Floats]) -> bytes:
    return b"".join(array.tobytes() for array in arrays.values())


def _point(point: Point, found: Found) -> Point:
    """Return a point with some inputs changed, the first of which says why."""
    made = dict(point)
    for k, (name, array) in enumerate(found.changes.items()):
        numbers = tuple(Fraction(one) for one in array.ravel().tolist())
        made[name] = Value(array.shape, numbers, None, found.why if k == 0 else None)
    return made


class Search:
    """The boundary points of one program around one point in one dtype; the state is what was found."""

    def __init__(self, program: Program, point: Mapping[str, Floats], fmt: Format) -> None:
        self.program, self.point, self.fmt = program, point, fmt
        self.core = lower(program, {name: array.shape for name, array in point.items()}, nodes=True)
        self.operations = [one for one in self.core.program.layers if isinstance(one.expression, Call)][:MOST_LAYERS]

    def found(self) -> list[Found]:
        """Return what there is, the most telling first."""
        singles = [*self._singles()]
        every = [*singles, *self._beside(singles), *self._joint(singles), *self._whole()]
        merged: dict[bytes, Found] = {}
        for one in sorted(every, key=lambda one: one.kind):
            merged.setdefault(one.key(self.point), one)
        return [one for one in merged.values() if one.kind is Kind.CONDITION or self._has_value(one)]

    def _has_value(self, one: Found) -> bool:
        """Return whether the program may have a value at a point, or is too large to ask."""
        if self._is_large:
            return True
        values = exact.enclose(self._value, {**self.point, **one.changes})
        reasons = map(exact.ball, values[self.core.program.output].ravel())
        return not all(isinstance(reason, str) for reason in reasons)

    @cached_property
    def _value(self) -> Core:
        return lower(self.program, {name: array.shape for name, array in self.point.items()})

    @cached_property
    def _is_large(self) -> bool:
        return sum(prod(shape) for shape in self.core.shapes.values()) > MOST_ELEMENTS

    # --- one element of one input moves ---

    @property
    def lines(self) -> Iterator[Line]:
        """Yield the elements that move."""
        for name, array in self.point.items():
            yield from (Line(self.point, name, k, self.fmt) for k in range(min(array.size, MOVED)))

    @cached_property
    def specials(self) -> list[tuple[int, Special]]:
        """Return what is special about every operation, with the operation's place."""
        makers = (special, lambda node: reaching(node, self.fmt), lambda node: extreme(node, self.fmt))
        return [
            (k, one) for maker in makers for k, layer in enumerate(self.operations)
            if isinstance(layer.expression, Call) for one in maker(layer.expression)
        ]  # fmt: skip

    def _singles(self) -> Iterator[Found]:
        if self._is_large:
            return
        wanted = sorted(self.specials, key=lambda one: one[1].kind)
        for line, start in product(self.lines, range(0, min(len(wanted), 4 * MOST), LARGEST)):
            some = wanted[start : start + LARGEST]
            core, names = self._with([one for _, one in some])
            found = roots(line, core, names)
            for (k, one), name in zip(some, names, strict=True):
                for value, sure in found[name][: 1 if one.kind is Kind.EXTREME else None]:
                    beside = "" if sure or one.kind is Kind.RANGE else "next to "
                    why = f"{beside}{self._reason(k, one)}"
                    yield Found(one.kind, {line.name: line.at(value)[line.name]}, why, k)

    def _reason(self, k: int, one: Special) -> str:
        named = self._named(k)
        if one.kind is Kind.RANGE:
            return f"where {named} {one.why}"
        return named if one.why == BORDER else f"{named} at {one.why}"

    def _with(self, some: Sequence[Special]) -> tuple[Core, list[str]]:
        """Return the program with a layer for each difference, and the names of these."""
        names = [f"_{k}" for k in range(len(some))]
        layers = [Layer(name, one.difference) for name, one in zip(names, some, strict=True)]
        program = replace(self.core.program, layers=(*self.core.program.layers, *layers))
        shapes = {**self.core.shapes}
        for name, one in zip(names, some, strict=True):
            parts = [part for part in postorder(one.difference) if not isinstance(part, Call)]
            known = [self.core.shapes[part.id] for part in parts if hasattr(part, "id")]
            shapes[name] = np.broadcast_shapes(*known)
        made = replace(self.core, program=program, shapes=shapes)
        return exact.needed(made, names), names

    def _named(self, k: int) -> str:
        """Return an operation in the user's words: its name, and the function that it is a part of."""
        node = self.operations[k].expression
        assert isinstance(node, Call)
        if node.op == "where":
            text = self.program.source[node.span.start : node.span.end]
            return f"a border of {' '.join(text.split())}" if text else "a border"
        own = self._typed.get((node.span.start, node.span.end), node.op)
        return _WORDS.get(node.op, node.op) if own == node.op else f"{_WORDS.get(node.op, node.op)} in {own}"

    @cached_property
    def _typed(self) -> dict[tuple[int, int], str]:
        return {
            (part.span.start, part.span.end): part.op for layer in self.program.layers
            for part in postorder(layer.expression) if isinstance(part, Call)
        }  # fmt: skip

    # --- what comes of these ---

    def _beside(self, singles: Sequence[Found]) -> Iterator[Found]:
        """Yield the next numbers to those where a condition changes."""
        for one in singles:
            if one.kind is Kind.CONDITION and not one.why.startswith("next to "):
                [(name, array)] = one.changes.items()
                k = int(np.flatnonzero((array != self.point[name]).ravel())[:1].sum())
                for step in (1, -1):
                    place = self.fmt.ordinal(array.item(k)) + step
                    moved = array.copy()
                    moved.reshape(-1)[k] = at_ordinal(place, self.fmt)
                    yield Found(Kind.BESIDE, {name: moved}, f"next to {one.why}", one.operation)

    def _joint(self, singles: Sequence[Found]) -> Iterator[Found]:
        """Yield where two inputs make one operation special at once."""
        for k in range(len(self.operations)):
            some = [one for one in singles if one.operation == k and one.kind <= Kind.CASE and len(one.changes) == 1]
            pairs = [
                (a, b) for i, a in enumerate(some) for b in some[i + 1 :] if not a.changes.keys() & b.changes.keys()
            ]  # fmt: skip
            for a, b in pairs[:JOINED]:
                why = f"{a.why} and {b.why.removeprefix('next to ').removeprefix(f'{self._named(k)} at ')}"
                yield Found(Kind.JOINT, {**a.changes, **b.changes}, why, k)

    def _whole(self) -> Iterator[Found]:
        """Yield tensors that are all one number, have two zeros, or are the identity: each has ties of all kinds."""
        for name, array in self.point.items():
            if array.size < 2:
                continue
            first = array.item(0) or 1.0
            yield Found(Kind.CASE, {name: np.zeros_like(array)}, f"all of {name} is 0")
            yield Found(Kind.CASE, {name: np.full_like(array, first)}, f"all of {name} is equal")
            if array.size > 2:
                two = array.copy()
                two.reshape(-1)[:2] = 0
                yield Found(Kind.CASE, {name: two}, f"two zeros in {name}")
            if array.ndim == 2 and array.shape[0] == array.shape[1]:
                yield Found(Kind.CASE, {name: np.eye(len(array))}, f"{name} is the identity")
            for value, what in ((2.0 ** (self.fmt.emax * 3 // 4), "huge"), (2.0 ** (self.fmt.emin * 3 // 4), "tiny")):
                yield Found(Kind.EXTREME, {name: np.full_like(array, value)}, f"all of {name} is {what}")


_WORDS = {"mul": "a product", "div": "a quotient", "pow": "a power", "matmul": "a product"}
"""Operations that are no functions, as reports call them."""


# --- ordinary points ------------------------------------------------------------------------------------------------

SHAPES: tuple[Shape, ...] = ((), (3,), (2, 2), (2, 3), (3, 2), (2, 2, 2), (3, 4), (1, 1, 2, 2))
"""Shapes that are tried for the inputs of a program without a point."""
STARTS = (Fraction(3, 4), Fraction(5, 4), Fraction(-5, 8), Fraction(5, 2))
"""Numbers from which ordinary points begin."""
MOST_SHAPED = 3
"""Inputs up to which every combination of shapes is tried."""


def ordinary_points(program: Program) -> list[Point]:
    """Return an ordinary point for a program that got none: small numbers at which it has a value.

    Raises PointProblem where no small shapes fit.

    >>> from gradcheck.parse import parse
    >>> [(name, value.text) for name, value in ordinary_points(parse("log(x - 2)*y"))[0].items()]
    [('x', '2.5'), ('y', '2.625')]
    """
    fitting = None
    for shapes in _shapes(program):
        try:
            core = lower(program, shapes)
        except GradcheckError:
            continue
        for start in STARTS:
            point = _ordinary(program, shapes, start)
            fitting = fitting or point
            values = exact.enclose(core, {name: _rounded(one, FORMATS["float64"]) for name, one in point.items()})
            if all(isinstance(exact.ball(one), Ball) for one in values[core.program.output].ravel()):
                return [point]
        break
    if fitting is None:
        raise PointProblem("no small tensors fit this program; give a point, from which the boundaries are sought")
    return [fitting]


def _shapes(program: Program) -> Iterator[dict[str, Shape]]:
    names = program.inputs
    if len(names) > MOST_SHAPED:
        yield from (dict.fromkeys(names, shape) for shape in SHAPES)
        return
    for some in sorted(product(SHAPES, repeat=len(names)), key=lambda some: len(set(some))):
        yield dict(zip(names, some, strict=True))


def _ordinary(program: Program, shapes: Mapping[str, Shape], start: Fraction) -> Point:
    """Return numbers that are all different: an eighth apart."""
    point, step = {}, 0
    for name in program.inputs:
        count = prod(shapes[name])
        numbers = tuple(start + Fraction(k, 8) for k in range(step, step + count))
        point[name], step = Value(shapes[name], numbers), step + count
    return point
