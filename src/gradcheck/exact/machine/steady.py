"""Where no operation of a program is at a jump, in machine intervals: there is nothing to look at beside the point."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from gradcheck.exact.machine.arithmetic import exactly
from gradcheck.exact.machine.elements import Element, Fact
from gradcheck.exact.machine.evaluate import Run
from gradcheck.exact.reach import jumps_off
from gradcheck.lower import Core
from gradcheck.program import Node, Shape

Truths = np.ndarray[Any, np.dtype[np.bool_]]


def unsteady(core: Core, point: Mapping[str, np.ndarray[Any, Any]], shape: Shape) -> Truths:
    """Return where an operation may be at one of its jumps, as far as machine intervals tell.

    All layers of the program are of one ``shape``, or scalars.
    """
    with np.errstate(all="ignore"):
        run = Run({name: Element(exactly(point[name])) for name in core.program.inputs})
        found = np.zeros(shape, np.bool_)
        for layer in core.program.layers:
            for condition, steady in jumps_off(layer.expression):
                found |= ~_holds(run, condition, steady)
            run.values[layer.name] = run.layer(layer, core.shapes[layer.name], layer.name in core.forward)
    return found


def _holds(run: Run, condition: Node, wanted: bool) -> Truths:
    """Return where a condition certainly has the truth that is wanted."""
    fact = run.evaluate(condition, run.values)
    assert isinstance(fact, Fact)
    held: Truths = np.asarray(fact.truth.yes if wanted else fact.truth.no) & ~np.asarray(fact.unsure)
    return held
