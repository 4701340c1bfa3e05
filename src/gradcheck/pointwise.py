"""Programs that go by elements: each element of the output depends on one element of every input alone."""

from __future__ import annotations

from functools import cache
from itertools import product

from gradcheck.functions import COMPOSITE, CONDITIONS, CONSTANTS, DETACH, ELEMENTWISE, WHERE, Composite
from gradcheck.parse import parse
from gradcheck.program import Call, Program, postorder


def goes_by_elements(program: Program) -> bool:
    """Return whether each element of the output depends on one element of every input alone.

    >>> [goes_by_elements(parse(text)) for text in ("gelu(x)*y", "sum(x)", "x @ y")]
    [True, False, False]
    """
    return all(map(is_elementwise, operations(program)))


def operations(program: Program) -> frozenset[str]:
    """Return the operations of a program.

    >>> sorted(operations(parse("y = sin(x); 2*y + sin(y)")))
    ['add', 'mul', 'sin']
    """
    nodes = (node for layer in program.layers for node in postorder(layer.expression))
    return frozenset(node.op for node in nodes if isinstance(node, Call))


@cache
def is_elementwise(op: str) -> bool:
    """Return whether each element of an operation's result depends on one element of every argument alone."""
    if op in ELEMENTWISE or op in CONDITIONS or op in CONSTANTS or op in (WHERE, DETACH):
        return True
    row = COMPOSITE.get(op)
    texts = [] if row is None else _definitions(row)
    return bool(texts) and all(goes_by_elements(parse(one)) for one in texts)


def _definitions(row: Composite) -> list[str]:
    """Return the lines that a function is, by the words of its params, where they are the same whatever the shapes."""
    if isinstance(row.definition, str):
        return [row.definition]
    if not row.params or not row.words.keys() >= set(row.params):
        return []
    chosen = [dict(zip(row.params, words, strict=True)) for words in product(*(row.words[one] for one in row.params))]
    try:
        number, matrix = ([row.definition(*[shape] * len(row.args), **one) for one in chosen] for shape in ((), (2, 3)))
    except ValueError:  # it does not take every shape
        return []
    return number if number == matrix else []
