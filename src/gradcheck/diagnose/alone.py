"""One operation by itself, at the very numbers that torch had there: is what it returned right, forward and back?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache, reduce
from math import isfinite
from typing import Any

import numpy as np

from gradcheck import exact
from gradcheck.autograd import Operation, TorchValue
from gradcheck.diagnose.floats import Asked, InFloats, Place, Places, filled
from gradcheck.diagnose.graph import Balls, Element, Floats
from gradcheck.differentiate import Pullback, pull_back
from gradcheck.errors import GradcheckError
from gradcheck.formats import FORMATS, Format
from gradcheck.functions import COMPOSITE, ELEMENTWISE, WHERE
from gradcheck.kernels import ZERO
from gradcheck.lower import lower
from gradcheck.program import NOWHERE, Call, Layer, Name, Node, Number, Program, Shape, call, to_text

SEED, RESULT, ARGUMENT = "seed", "out", "a_"


@dataclass(frozen=True, slots=True)
class Alone:
    """What comes out of one operation: its value, and the cotangent of each argument that is a tensor."""

    value: list[Element]
    pulled: dict[int, list[Element]]


@dataclass(frozen=True, slots=True)
class Isolated:
    """The gradient programs of one operation with a given cotangent of its result: proven, and as torch rounds it."""

    alike: _Alike
    positions: tuple[int, ...]
    proven: Pullback
    rounded: Pullback

    def at(self, args: Iterable[Balls | Floats], cotangent: Balls | Floats, bits: int) -> Alone:
        """Return the enclosures at these arguments and this cotangent."""
        values = exact.enclose(self.proven.core, self._point(args, cotangent), bits)
        return self._alone(values, bits)

    def some(
        self, args: Iterable[Floats], cotangent: Floats, wanted: Mapping[Place, Sequence[int]], bits: int
    ) -> dict[Place, list[Element]]:
        """Return the enclosures of some elements of the value, and of what is pulled to some arguments."""
        layers = self._layers(self.proven)
        point = self._point(args, cotangent)
        found = exact.enclose_some(self.proven.core, point, {layers[one]: at for one, at in wanted.items()}, bits)
        return {place: list(exact.balls(found[layers[place]], bits)) for place in wanted}

    def in_floats(
        self, args: Iterable[Floats], cotangent: Floats, fmt: Format, bits: int, *, surely: bool = False
    ) -> InFloats:
        """Return all the finite numbers that an honest evaluation in floats can return there.

        With ``surely`` an element has bounds only where an honest evaluation returns neither nan nor infinity.
        """
        asked = self._asked(self._point(args, cotangent), fmt, surely)
        if not asked.large:
            return asked.in_balls(bits)
        found = asked.in_arrays()
        if not found.holes:
            return found
        at = reduce(np.union1d, found.holes.values())
        part = self._part(asked.point, found.holes, at)
        if part is None:
            return asked.in_balls(bits)
        isolated, point = part
        return filled(found, at, isolated._asked(point, fmt, surely).in_balls(bits))

    def _asked(self, point: Mapping[str, Balls | Floats], fmt: Format, surely: bool) -> Asked:
        return Asked(self.rounded.core, self._layers(self.rounded), point, fmt, surely)

    def _part(
        self, point: Mapping[str, Balls | Floats], holes: Mapping[Place, Places], at: Places
    ) -> tuple[Isolated, dict[str, Balls | Floats]] | None:
        """Return an elementwise operation at some of its elements; None where these do not stand alone."""
        op, result = self.alike.call.op, self.alike.result
        whole = all(place is None or np.shape(point[_argument(place)]) == result for place in holes)
        if not whole or not (op in ELEMENTWISE or op == WHERE):
            return None
        shapes = tuple((name, (len(at),)) for name, _ in self.alike.shapes)
        isolated = _isolated(replace(self.alike, shapes=shapes, result=(len(at),)))
        parts: dict[str, Balls | Floats] = {}
        for name, array in point.items():
            full: Any = np.broadcast_to(array, result)
            parts[name] = full.ravel()[at]
        return None if isolated is None else (isolated, parts)

    def steps(
        self, args: Iterable[Floats], cotangent: Floats, fmt: Format, bits: int, *, backward: bool
    ) -> Iterator[tuple[Format, Element]]:
        """Yield the exact numbers inside torch's own formula, each with the format that it computes them in."""
        core = self.rounded.core
        values = exact.enclose(core, self._point(args, cotangent), bits)
        last = [layer.name for layer in core.program.layers].index(RESULT)
        for k, layer in enumerate(core.program.layers):
            if k > last if backward else k < last:
                kernel = core.fused.get(layer.name)
                wide = dict(kernel.formats).get(fmt.name, fmt.name) if kernel is not None else fmt.name
                yield from ((FORMATS[wide], one) for one in exact.balls(values[layer.name], bits))

    def sides(self, args: Iterable[Floats], cotangent: Floats, position: int, element: int) -> exact.Sides | None:
        """Return what flows back to one element of an argument from the left and from the right of these arguments."""
        form = (self.proven.core, self.proven.program.outputs[self.positions.index(position)])
        weights = np.asarray(cotangent, dtype=np.float64)
        point = self._point(args, cotangent)
        return exact.beside([form], RESULT, point, _argument(position), element, weights).sides

    def _point(self, args: Iterable[Balls | Floats], cotangent: Balls | Floats) -> dict[str, Balls | Floats]:
        return {**dict(zip(map(_argument, self.positions), args, strict=True)), SEED: cotangent}

    def _layers(self, pullback: Pullback) -> dict[Place, str]:
        return {None: RESULT, **dict(zip(self.positions, pullback.program.outputs, strict=True))}

    def _alone(self, values: exact.Values, bits: int) -> Alone:
        found = {place: list(exact.balls(values[layer], bits)) for place, layer in self._layers(self.proven).items()}
        return Alone(found[None], {place: one for place, one in found.items() if place is not None})


def isolate(one: Operation) -> Isolated | None:
    """Return the programs of one traced operation, or None where it cannot stand alone.

    Plain numbers are what Python made of them, the exact float64; equal operations share their programs.
    """
    if any(number is not None and not isfinite(number) for number in one.numbers):
        return None
    args = tuple(_placed(one, k) for k in range(len(one.args)))
    shapes = tuple((_argument(k), arg.shape) for k, arg in enumerate(one.args) if arg is not None)
    if not shapes and not args:
        return None
    return _isolated(_Alike(replace(one.call, args=args, span=NOWHERE), shapes, one.value.shape))


@dataclass(frozen=True)
class _Alike:
    """A call with the shapes of its arguments and its result, equal to every other that is written alike."""

    call: Call
    shapes: tuple[tuple[str, Shape], ...]
    result: Shape

    @property
    def key(self) -> tuple[object, ...]:
        return to_text(self.call), repr(self.call.params), self.shapes, self.result

    def __hash__(self) -> int:
        return hash(self.key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Alike) and self.key == other.key


@lru_cache(maxsize=1024)
def _isolated(one: _Alike) -> Isolated | None:
    names = tuple(name for name, _ in one.shapes)
    program = Program((*names, SEED), (Layer(RESULT, one.call),), (RESULT,))
    shapes = {**dict(one.shapes), SEED: one.result}
    try:
        core = lower(program, shapes, nodes=True)
        torchs = lower(program, shapes, nodes=True, as_torch=True)
        return Isolated(
            one,
            tuple(int(name.removeprefix(ARGUMENT)) for name in names),
            pull_back(core, names, guarded=True, seed=SEED),
            pull_back(torchs, names, as_torch=True, seed=SEED),
        )
    except GradcheckError:
        return None


def _argument(position: int) -> str:
    return f"{ARGUMENT}{position}"


def _placed(one: Operation, position: int) -> Node:
    """Return an argument as a name, a plain number as it is; a condition is 1 where it holds."""
    number = one.numbers[position]
    made = Name(_argument(position)) if number is None else Number(Fraction(number))
    return call("ne", made, ZERO) if _is_condition(one.call.op, position) else made


def _is_condition(op: str, position: int) -> bool:
    """Tell whether an operation chooses by an argument."""
    row = COMPOSITE.get(op)
    if row is None or not row.masks:
        return op == WHERE and position == 0
    return row.args[position] in row.masks


def array(value: TorchValue) -> Floats:
    """Return a tensor of torch as an array of its shape."""
    return value.array


def tensors(one: Operation) -> list[Floats]:
    """Return the arguments of an operation that are tensors, as torch had them."""
    return [array(arg) for arg in one.args if arg is not None]
