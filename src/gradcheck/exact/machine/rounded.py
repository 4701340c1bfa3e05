"""Rounding enclosures of whole arrays: whatever an honest evaluation in floats of one format can return."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from math import inf, prod
from typing import Any

import numpy as np

from gradcheck.bounds import Bounds
from gradcheck.exact.losses import STORE
from gradcheck.exact.machine.arithmetic import Interval
from gradcheck.exact.machine.blocks import blockwise, is_elementwise
from gradcheck.exact.machine.identity import met
from gradcheck.exact.machine.loss import Loss, Overflow
from gradcheck.exact.machine.stored import Stored
from gradcheck.formats import Format
from gradcheck.functions import DETACH, Accumulation
from gradcheck.lower import Core
from gradcheck.program import Call, Layer, Name, names


def enclose_rounded(
    core: Core, point: Mapping[str, Floats], fmt: Format, keep: Collection[str], *, surely: bool = False
) -> tuple[dict[str, Bounds], str | None]:
    """Return bounds of every finite number that an honest evaluation in ``fmt`` can return for the layers to ``keep``.

    As exact.rounding.enclose_rounded has it, in whole arrays: bounds are infinite where a float may be anything, and
    nan where this stage cannot tell: Arb may. The second result names the operation that overflows.
    """
    with np.errstate(all="ignore"):
        return _Rounded(core, fmt, keep, surely=surely).run(point)


Floats = np.ndarray[Any, np.dtype[np.float64]]


class _Rounded:
    """One pass over a program; the state is every layer as the kernel has it that computes it."""

    def __init__(self, core: Core, fmt: Format, keep: Collection[str], *, surely: bool) -> None:
        self.core, self.fmt, self.keep, self.surely = core, fmt, keep, surely
        self.overflow = Overflow()
        self.losses: dict[Accumulation | None, Loss] = {}
        self.values: dict[str, Stored] = {}
        self.rounded: dict[tuple[str, str], Stored] = {}
        self.met = met(core.program)
        self.numbered = 0

    def run(self, point: Mapping[str, Floats]) -> tuple[dict[str, Bounds], str | None]:
        program = self.core.program
        for one in program.inputs:
            self.values[one] = _given(point[one])
        last = {name: k for k, layer in enumerate(program.layers) for name in names(layer.expression)}
        for k, layer in enumerate(program.layers):
            loss = self.loss(layer.name)
            read = {one: self.read(one, loss.of.fmt) for one in names(layer.expression)}
            made = self.evaluated(layer, loss, read)
            self.values[layer.name] = self.marked(made) if layer.name in self.met else made
            self.forget(one for one in read if last[one] == k and one not in self.keep)
        return {name: self.read(name, self.fmt).bounds() for name in self.keep}, self.overflow.name

    def evaluated(self, layer: Layer, loss: Loss, read: Mapping[str, Stored]) -> Stored:
        shape, node = self.core.shapes[layer.name], layer.expression
        # A layer that is another one stays the very same value.
        is_other = isinstance(node, Name) or (isinstance(node, Call) and node.op == DETACH)

        def evaluate(values: Mapping[str, Stored]) -> Stored:
            made: Stored = loss.evaluate(node, values)
            return made

        if is_other or not is_elementwise(node):
            return evaluate(read).sized(shape)
        return blockwise(evaluate, read, shape)

    def loss(self, name: str | None) -> Loss:
        """Return what floats lose in a layer: those of the format, or of the one that torch's kernel computes in."""
        accumulation = self.core.fused.get(name or "")
        if accumulation not in self.losses:
            self.losses[accumulation] = Loss(self.fmt, accumulation, self.overflow, surely=self.surely)
        return self.losses[accumulation]

    def read(self, name: str, fmt: Format) -> Stored:
        """Return a layer as a kernel that computes in ``fmt`` reads it: rounded, where it was not stored so far."""
        if self.loss(name).of.fmt.precision <= fmt.precision:
            return self.values[name]
        key = name, fmt.name
        if key not in self.rounded:
            held = self.values[name]
            if held.nothing:
                return held
            loss = Loss(fmt, None, self.overflow, surely=self.surely)
            made = blockwise(lambda values: loss.stored(STORE, values[name].ball, 1.0), {name: held}, held.shape)
            self.rounded[key] = self.marked(made) if held.same is not None else made
        return self.rounded[key]

    def marked(self, made: Stored) -> Stored:
        """Return elements with a number for each, by which it is known again; what is exact is known by its value."""
        if made.ball.is_exact:
            return made
        size = prod(made.shape)
        self.numbered += size
        return replace(made, same=np.arange(self.numbered - size, self.numbered).reshape(made.shape))

    def forget(self, read: Iterable[str]) -> None:
        """Give back the memory of layers that nobody reads any more."""
        for name in read:
            del self.values[name]
            self.rounded = {key: one for key, one in self.rounded.items() if key[0] != name}


def _given(values: Any) -> Stored:
    """Return the numbers of an input, which are exact; behind an infinite one anything may come out."""
    array = np.asarray(values, dtype=np.float64)
    finite = np.isfinite(array)
    if finite.all():
        return Stored(Interval(array))
    return Stored(Interval(np.where(finite, array, 0.0), np.where(finite, 0.0, inf)), bounded=False)
