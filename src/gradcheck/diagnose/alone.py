"""One operation by itself, at the very numbers that torch had there: is what it returned right, forward and back?"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache
from math import isfinite

import numpy as np

from gradcheck import exact
from gradcheck.autograd import Operation, TorchValue
from gradcheck.diagnose.graph import Balls, Element, Floats
from gradcheck.errors import GradcheckError
from gradcheck.formats import Format
from gradcheck.functions import WHERE
from gradcheck.kernels import ZERO
from gradcheck.lower import lower
from gradcheck.program import NOWHERE, Call, Layer, Name, Node, Number, Program, Shape, call, to_text
from gradcheck.symbolic import Pullback, pull_back

SEED, RESULT, ARGUMENT = "seed", "out", "a_"


@dataclass(frozen=True, slots=True)
class Alone:
    """What comes out of one operation: its value, and the cotangent of each argument that is a tensor.

    ``overflow`` names the first step inside the operation whose value the format cannot hold, in a rounding enclosure.
    """

    value: list[Element]
    pulled: dict[int, list[Element]]
    overflow: str | None = None


@dataclass(frozen=True, slots=True)
class Isolated:
    """The gradient programs of one operation with a given cotangent of its result: proven, and as torch rounds it."""

    positions: tuple[int, ...]
    proven: Pullback
    rounded: Pullback

    def at(self, args: Iterable[Balls | Floats], cotangent: Balls | Floats, bits: int) -> Alone:
        """Return the enclosures at these arguments and this cotangent."""
        values = exact.enclose(self.proven.core, self._point(args, cotangent), bits)
        return self._alone(self.proven, values, bits, None)

    def in_floats(
        self, args: Iterable[Floats], cotangent: Floats, fmt: Format, bits: int, *, surely: bool = False
    ) -> Alone:
        """Return all the finite numbers that an honest evaluation in floats can return there.

        With ``surely`` an element is a ball only where an honest evaluation returns neither nan nor infinity.
        """
        point = self._point(args, cotangent)
        values, overflow = exact.enclose_rounded(self.rounded.core, point, fmt, bits, surely=surely)
        return self._alone(self.rounded, values, bits, overflow)

    def sides(self, args: Iterable[Floats], cotangent: Floats, position: int, element: int) -> exact.Sides | None:
        """Return what flows back to one element of an argument from the left and from the right of these arguments."""
        form = (self.proven.core, self.proven.program.outputs[self.positions.index(position)])
        weights = np.asarray(cotangent, dtype=np.float64)
        point = self._point(args, cotangent)
        return exact.beside([form], RESULT, point, _argument(position), element, weights).sides

    def _point(self, args: Iterable[Balls | Floats], cotangent: Balls | Floats) -> dict[str, Balls | Floats]:
        return {**dict(zip(map(_argument, self.positions), args, strict=True)), SEED: cotangent}

    def _alone(self, pullback: Pullback, values: exact.Values, bits: int, overflow: str | None) -> Alone:
        pulled = {
            position: list(exact.balls(values[output], bits))
            for position, output in zip(self.positions, pullback.program.outputs, strict=True)
        }
        return Alone(list(exact.balls(values[RESULT], bits)), pulled, overflow)


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
            tuple(int(name.removeprefix(ARGUMENT)) for name in names),
            pull_back(core, names, guarded=True, seed=SEED),
            pull_back(torchs, names, as_torch=True, seed=SEED),
        )
    except GradcheckError:
        return None


def _argument(position: int) -> str:
    return f"{ARGUMENT}{position}"


def _placed(one: Operation, position: int) -> Node:
    """Return an argument as a name, a plain number as it is; the condition of ``where`` is 1 where it holds."""
    number = one.numbers[position]
    made = Name(_argument(position)) if number is None else Number(Fraction(number))
    return call("ne", made, ZERO) if one.call.op == WHERE and position == 0 else made


def array(value: TorchValue) -> Floats:
    """Return a tensor of torch as an array of its shape."""
    return value.array


def tensors(one: Operation) -> list[Floats]:
    """Return the arguments of an operation that are tensors, as torch had them."""
    return [array(arg) for arg in one.args if arg is not None]
