"""Elementwise kernels: SymPy differentiates them in closed form, and the result is back in the language."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import sympy

from gradcheck.kernels.build import NoClosedForm, expression, to_sympy
from gradcheck.kernels.lift import ONE, ZERO, lift, negated
from gradcheck.kernels.slope import slope
from gradcheck.program import Call, Name, Node, Number, names, structure, substitute

__all__ = [
    "ONE", "VERSION", "ZERO", "NoClosedForm", "difference", "expression", "forget", "lift", "negated", "partial",
    "slope", "tidy", "to_sympy",
]  # fmt: skip

VERSION = sympy.__version__


def partial(kernel: Node, name: str) -> Node:
    """Return the derivative of an elementwise expression by one of its names; equal kernels are differentiated once.

    >>> from gradcheck.parse import parse
    >>> from gradcheck.program import to_text
    >>> to_text(partial(parse("sin(x)**2").layers[0].expression, "x"))
    '2*sin(x)*cos(x)'
    """
    numbered, leaves = _numbered(kernel)
    place = next(place for place, leaf in leaves.items() if isinstance(leaf, Name) and leaf.id == name)
    return substitute(_partial(numbered, place), leaves)


_OF_ANY_NUMBER = frozenset({"add", "sub", "mul"})
"""Operations whose derivative is written alike whatever number stands on one side."""


@dataclass(frozen=True)
class _Kernel:
    """A kernel over numbered names, equal to another of the same structure."""

    node: Node
    key: str

    def __hash__(self) -> int:
        return hash(self.key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Kernel) and self.key == other.key


@lru_cache(maxsize=256)
def _numbered(kernel: Node) -> tuple[_Kernel, dict[str, Node]]:
    """Return a kernel over numbered names, and what each of these stands for."""
    leaves: dict[str, Node] = {f"v{k:04d}": Name(leaf) for k, leaf in enumerate(sorted(names(kernel)))}
    places: dict[str, Node] = {leaf.id: Name(place) for place, leaf in leaves.items() if isinstance(leaf, Name)}
    renamed = substitute(kernel, places)
    if isinstance(renamed, Call) and renamed.op in _OF_ANY_NUMBER:
        for k, arg in enumerate(renamed.args):
            if isinstance(arg, Number) and any(isinstance(one, Name) for one in renamed.args):
                leaves[f"n{k:04d}"] = arg
                renamed = replace(renamed, args=(*renamed.args[:k], Name(f"n{k:04d}"), *renamed.args[k + 1 :]))
    return _Kernel(renamed, structure(renamed)), leaves


@lru_cache(maxsize=16384)
def _partial(kernel: _Kernel, name: str) -> Node:
    if isinstance(kernel.node, Name):
        return ONE if kernel.node.id == name else ZERO
    with _closed_forms_only():
        return lift(_shortest(slope(_built(kernel), _symbol(name))))


@lru_cache(maxsize=256)
def _built(kernel: _Kernel) -> Any:
    return to_sympy(kernel.node, {leaf: _symbol(leaf) for leaf in names(kernel.node)})


def forget() -> None:
    """Drop every derivative that was worked out so far, as for a measurement, or where a row has changed."""
    for one in (_numbered, _partial, _built):
        one.cache_clear()


def _symbol(name: str) -> Any:
    return sympy.Symbol(name, real=True)


MAX_EXPANDED_DEGREE = 8
"""Largest power that is multiplied out to see whether the sum is shorter."""


def _shortest(expression: Any) -> Any:
    """Return a polynomial multiplied out where that is shorter to read, and anything else as it is."""
    if not expression.is_Mul or any(_is_high(power) for power in expression.atoms(sympy.Pow)):
        return expression
    symbols = expression.free_symbols
    if not symbols or len(symbols) > 3 or not expression.is_polynomial(*symbols):
        return expression
    expanded = sympy.expand(expression)
    return expanded if len(str(expanded)) < len(str(expression)) else expression


def _is_high(power: Any) -> bool:
    return not power.exp.is_Integer or not 0 < power.exp <= MAX_EXPANDED_DEGREE


def tidy(node: Node) -> Node:
    """Return an elementwise expression as SymPy would write it, multiplied out where that is shorter.

    Powers of one base are one power where that is shorter, as ``x*x**(x - 1)`` is ``x**x``: it is for reading, since at
    ``x = 0`` only one of the two has a value.

    >>> from gradcheck.parse import parse
    >>> from gradcheck.program import to_text
    >>> to_text(tidy(parse("x*(1 + 2) + x").layers[0].expression))
    '4*x'
    """
    leaves = {leaf: _symbol(leaf) for leaf in names(node)}
    with _closed_forms_only():
        return lift(_shortest(_gathered(to_sympy(node, leaves))))


def _gathered(expression: Any) -> Any:
    """Return an expression whose products have one power of each base, where that is shorter."""
    made = expression.replace(_has_tower, _one_power)
    return made if len(str(made)) < len(str(expression)) else expression


def _is_tower(part: Any) -> bool:
    """Tell a power with letters in its exponent, whose base may be 0: for SymPy it is a function of its own."""
    return type(part).__name__ == "pow"


def _has_tower(part: Any) -> bool:
    return bool(part.is_Mul) and sum(map(_is_tower, part.args)) == 1


def _one_power(product: Any) -> Any:
    """Return a product in which whole powers of a tower's base have gone into its exponent."""
    [tower] = filter(_is_tower, product.args)
    base, exponent = tower.args
    rest = []
    for factor in product.args:
        other, power = factor.as_base_exp()
        if other == base and power.is_Integer:
            exponent += power
        elif factor is not tower:
            rest.append(factor)
    return sympy.Mul(*rest, type(tower)(base, exponent))


def difference(a: Node, b: Node) -> Node:
    """Return ``a - b`` of two elementwise expressions, multiplied out where that is shorter.

    >>> from gradcheck.parse import parse
    >>> from gradcheck.program import Name, to_text
    >>> to_text(difference(parse("(x + 1)**2").layers[0].expression, parse("x**2").layers[0].expression))
    '2*x + 1'
    """
    leaves = {leaf: _symbol(leaf) for leaf in (*names(a), *names(b))}
    with _closed_forms_only():
        made = to_sympy(a, leaves) - to_sympy(b, leaves)
        expanded = sympy.expand(made)
        return lift(expanded if len(str(expanded)) < len(str(made)) else made)


@contextmanager
def _closed_forms_only() -> Iterator[None]:
    """Turn what SymPy raises on infinities and very deep expressions into NoClosedForm: the nodes decide there."""
    try:
        yield
    except (TypeError, ValueError, AttributeError, ZeroDivisionError, RecursionError) as problem:
        raise NoClosedForm(str(problem)) from None
