"""An output under a cotangent: the sum of its elements, each times a number that is given."""

from __future__ import annotations

from itertools import chain, count
from typing import Any

import numpy as np

from gradcheck.program import Layer, Name, Program, Shape, call

Floats = np.ndarray[Any, np.dtype[np.float64]]


def weighed(program: Program, shape: Shape) -> tuple[Program, str]:
    """Return the program of the output times a cotangent, and the input that holds that.

    The gradient of its one number is what ``backward(cotangent)`` gives, and torch runs just that.

    >>> from gradcheck.parse import parse
    >>> made, cotangent = weighed(parse("y = x**2; softmax(y, dim=0)"), (3,))
    >>> print(made)
    y = x**2
    out = softmax(y, dim=0)
    weighed = sum(cotangent*out)
    """
    taken = {*program.inputs, *(layer.name for layer in program.layers)}
    held, last = _new("cotangent", taken), _new("weighed", taken)
    product = call("mul", Name(held), Name(program.output))
    layer = Layer(last, call("sum", product) if shape else product)
    return Program((*program.inputs, held), (*program.layers, layer), (last,), program.source), held


def random_cotangent(shape: Shape, seed: int) -> Floats:
    """Return a cotangent of numbers that every format holds: odd multiples of 1/8 below 2, of either sign.

    >>> random_cotangent((3,), 0)
    array([-1.625, -1.375, -1.125])
    """
    random = np.random.default_rng(seed)
    made: Floats = (2 * random.integers(0, 8, shape) + 1) / 8 * random.choice([-1.0, 1.0], shape)
    return made


def _new(name: str, taken: set[str]) -> str:
    return next(one for one in chain([name], (f"{name}_{k}" for k in count(1))) if one not in taken)
