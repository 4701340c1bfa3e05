"""The derivative of a SymPy expression by SymPy's own rules; what occurs in it twice is differentiated once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import sympy

ZERO, ONE = sympy.S.Zero, sympy.S.One


def slope(expression: Any, symbol: Any) -> Any:
    """Return the derivative by a symbol, as ``sympy.diff`` has it.

    >>> x = sympy.Symbol("x", real=True)
    >>> slope(x**3 + sympy.sin(2*x), x)
    3*x**2 + 2*cos(2*x)
    """
    return _Slopes(symbol).of(expression)


class _Slopes:
    """The derivatives by one symbol; the state is those that are known."""

    def __init__(self, symbol: Any) -> None:
        self.symbol = symbol
        self.known: dict[Any, Any] = {symbol: ONE}

    def of(self, one: Any) -> Any:
        """Return the derivative of an expression."""
        if one not in self.known:
            self.known[one] = self.found(one)
        return self.known[one]

    def found(self, one: Any) -> Any:
        if not one.args:
            return ZERO
        if one.is_Add:
            return sympy.Add(*map(self.of, one.args))
        if one.is_Mul:
            return sympy.Add(*self.terms(one.args))
        if one.is_Pow:
            return self.power(one)
        if type(one)._eval_derivative is sympy.Function._eval_derivative:
            return sympy.Add(*self.links(one))
        return sympy.diff(one, self.symbol)

    def terms(self, factors: tuple[Any, ...]) -> Iterator[Any]:
        """Yield the terms of the product rule."""
        for k, factor in enumerate(factors):
            if (inner := self.of(factor)) != 0:
                yield sympy.Mul(*factors[:k], inner, *factors[k + 1 :])

    def power(self, one: Any) -> Any:
        base, exponent = self.of(one.base), self.of(one.exp)
        if exponent == 0:
            return one * (base * one.exp / one.base) if base != 0 else ZERO
        return one * (exponent * sympy.log(one.base) + base * one.exp / one.base)

    def links(self, one: Any) -> Iterator[Any]:
        """Yield the terms of the chain rule."""
        for k, argument in enumerate(one.args, 1):
            if (inner := self.of(argument)) != 0:
                yield one.fdiff(k) * inner
