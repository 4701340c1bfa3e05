"""The one place where a function that the table defines by lines of the language is opened for a call."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache

from gradcheck.errors import ShapeProblem
from gradcheck.functions import DETACH, Composite
from gradcheck.functions.params import broadcast
from gradcheck.parse import parse
from gradcheck.program import LISTED, Call, Layer, Name, Node, Number, Param, Program, Shape, rebuild, substitute


@dataclass(frozen=True, slots=True)
class Opened:
    """The lines that a call stands for; ``slots`` are the names of its arguments there, ``constants`` its params."""

    program: Program
    slots: tuple[str, ...]
    constants: dict[str, Node]


def opened(row: Composite, node: Call, shapes: Sequence[Shape], *, as_torch: bool = False, again: int = 0) -> Opened:
    """Return the definition of a call whose arguments have these shapes; ``as_torch`` that whose errors are torch's.

    What is differentiated ``again``, so many times, takes none with a slope of its own that has no slope.

    Raises what the row's own rule does for shapes and params that it does not take, and ShapeProblem for a param that
    is no number.

    >>> from gradcheck.functions import COMPOSITE
    >>> node = parse("hardtanh(x, -2, 3)").layers[0].expression
    >>> print(opened(COMPOSITE["hardtanh"], node, [()]).program)
    out = clamp(x, min_val, max_val)
    """
    definition = row.as_torch if as_torch and row.as_torch is not None else row.definition
    text = definition(*shapes, **dict(node.params)) if callable(definition) else definition
    if again and as_torch and f"{DETACH}(" in text:
        if row.again is None:
            return opened(row, node, shapes)
        text = row.again(again, *shapes, **dict(node.params))
    made = lines(text, row.masks)
    if callable(definition):
        variadic = row.many or row.name in LISTED
        slots = tuple(f"x_{k}" for k in range(len(shapes))) if variadic else row.args
        return Opened(made, slots, {})
    params = {**row.defaults, **dict(node.params)}
    if as_torch and len({*shapes}) > 1:
        made = _broadcast_first(made, row.args, node, shapes)
    return Opened(made, row.args, {name: _constant(name, value) for name, value in params.items()})


def _broadcast_first(made: Program, args: Sequence[str], node: Call, shapes: Sequence[Shape]) -> Program:
    """Return the lines of a kernel that computes every element by itself: what it sends back is added up at the end.

    Else a factor that is alike for many elements would meet their sum, which has other roundings than their products.
    """
    full = broadcast(*shapes)
    narrow = [name for name, given, shape in zip(args, node.args, shapes, strict=True)
              if shape != full and not isinstance(given, Number)]  # fmt: skip
    wide: dict[str, Node] = {name: Name(f"{name}_wide") for name in narrow}
    first = [
        Layer(f"{name}_wide", Call("expand", (Name(name),), (("shape", full),)), made.layers[0].span) for name in narrow
    ]
    rest = [replace(one, expression=substitute(one.expression, wide)) for one in made.layers]
    return replace(made, layers=(*first, *rest))


@lru_cache(maxsize=4096)
def lines(text: str, masks: tuple[str, ...] = ()) -> Program:
    """Return the program of a definition's text, in which some names are conditions already."""
    made = parse(text, hidden=True)
    if not masks:
        return made

    def condition(node: Node) -> Node:
        """Return a name that was read as a number which is not 0, as a condition."""
        inner = node.args[0] if isinstance(node, Call) and node.op == "ne" else None
        return inner if isinstance(inner, Name) and inner.id in masks else node

    layers = tuple(Layer(one.name, rebuild(one.expression, condition), one.span) for one in made.layers)
    return replace(made, layers=layers)


def _constant(name: str, value: Param) -> Node:
    """Return a parameter of a definition as the number that it is."""
    if value == "inf":
        return Call("inf", ())
    if value == "-inf":
        return Call("neg", (Call("inf", ()),))
    if isinstance(value, bool) or not isinstance(value, int | Fraction):
        raise ShapeProblem(f"{name} is a number")
    return Number(Fraction(value))
