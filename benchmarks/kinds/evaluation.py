"""Values of a program by mpmath alone, and which elements of it read a number.

Nothing here knows of balls, of derivatives, or of how a definition of the table is written: the reductions and choices
have implementations of their own. A number is nan where the function has no value.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import reduce
from math import prod
from typing import Any

import mpmath
import numpy as np

from gradcheck.functions import COMPARISONS, COMPOSITE, DETACH, ELEMENTWISE, TENSOR, WHERE
from gradcheck.functions.params import axes
from gradcheck.parse import parse
from gradcheck.program import LISTED, Call, Name, Node, Number, Program, infinity, postorder

BITS = 1200
"""Working precision; what cancels in a difference quotient are as many bits as the step is small."""
FEW_BITS = 480
"""Working precision at first: where all slopes are alike and none is 0, more bits show nothing else."""
M = mpmath.MPContext()
M.prec = BITS
Tensor = np.ndarray[Any, Any]
"""Numbers of mpmath, or truths."""


# --- values -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Reads:
    """A number, and whether it reads the element that is asked about."""

    number: Any
    reads: bool

    def __add__(self, other: Any) -> Reads:
        return Reads(self.number + number_of(other), self.reads or reads(other))

    def __mul__(self, other: Any) -> Reads:
        return Reads(self.number * number_of(other), self.reads or reads(other))

    __radd__, __rmul__ = __add__, __mul__


def number_of(one: Any) -> Any:
    return one.number if isinstance(one, Reads) else one


def reads(one: Any) -> bool:
    return isinstance(one, Reads) and one.reads


@dataclass(frozen=True)
class Evaluation:
    """One evaluation: what stands for infinity, and the truths of comparisons with it at the point itself."""

    infinity: Any = M.inf
    truths: dict[Call, Tensor] = field(default_factory=dict)
    record: bool = False

    def value(self, program: Program, point: Mapping[str, Tensor]) -> Tensor:
        """Return the output of a program."""
        env = dict(point)
        for layer in program.layers:
            env[layer.name] = self.evaluate(layer.expression, env)
        return env[program.output]

    def evaluate(self, node: Node, env: Mapping[str, Tensor]) -> Tensor:
        done: list[Tensor] = []
        for part in postorder(node):
            if isinstance(part, Name):
                done.append(env[part.id])
            elif isinstance(part, Number):
                done.append(_scalar(M.mpf(part.value.numerator) / part.value.denominator))
            else:
                args = done[len(done) - len(part.args) :]
                del done[len(done) - len(part.args) :]
                done.append(np.asarray(self.apply(part, args), dtype=object))
        return done[-1]

    def apply(self, node: Call, args: list[Tensor]) -> Any:
        if node.op in ("pi", "e", "inf"):
            return _scalar({"pi": M.pi, "e": M.e, "inf": self.infinity}[node.op] + 0)
        if (end := infinity(node)) is not None:
            return _scalar(self.infinity if end > 0 else -self.infinity)
        if node.op in COMPARISONS:
            return self.compare(node, args)
        if node.op in _OWN:
            return _OWN[node.op](*args, **dict(node.params))
        if node.op == WHERE:
            return np.frompyfunc(_chosen, 3, 1)(*args)
        if node.op == DETACH:
            return args[0]
        if node.op in ELEMENTWISE:
            oracle = ELEMENTWISE[node.op].oracle
            return np.frompyfunc(_safe(oracle if node.op in ARITHMETIC else _bounded(oracle)), len(args), 1)(*args)
        return self.tensor(node, args) if node.op in TENSOR else self.defined(node, args)

    def compare(self, node: Call, args: list[Tensor]) -> Any:
        """Return truths; with infinity itself a number is compared at the point, and not near it."""
        made = np.asarray(np.frompyfunc(_compared(_TESTS[node.op]), 2, 1)(*args), dtype=object)
        if self.record:
            infinite = [np.frompyfunc(lambda one: bool(M.isinf(number_of(one))), 1, 1)(arg) for arg in args]
            with_infinity = np.logical_or(*infinite)
            self.truths[node] = np.frompyfunc(lambda held, truth: truth if held else None, 2, 1)(with_infinity, made)
        elif node in self.truths:
            made = np.frompyfunc(lambda known, found: found if known is None else known, 2, 1)(self.truths[node], made)
        return made

    def tensor(self, node: Call, args: list[Tensor]) -> Any:
        row = TENSOR[node.op]
        given = row.canonical(*(one.shape for one in args), **dict(node.params))
        if isinstance(given, str):
            return self.evaluate(parse(given).layers[0].expression, dict(zip(row.args, args, strict=True)))
        return row.exact(np, *args, **given, zero=M.mpf(0))

    def defined(self, node: Call, args: list[Tensor]) -> Tensor:
        row, given = COMPOSITE[node.op], dict(node.params)
        names, text = row.args, row.definition
        constants = {}
        if callable(text):
            text = text(*(one.shape for one in args), **given)
            names = tuple(f"x_{k}" for k in range(len(args))) if row.many or row.name in LISTED else names[: len(args)]
        else:
            constants = {name: _scalar(_mpf(one)) for name, one in {**row.defaults, **given}.items()}
        return self.value(parse(text, hidden=True), {**dict(zip(names, args, strict=True)), **constants})


def tensor(numbers: Any) -> Tensor:
    """Return numbers as those of mpmath."""
    return np.asarray(np.frompyfunc(M.mpf, 1, 1)(np.asarray(numbers, dtype=object)), dtype=object)


def _scalar(number: Any) -> Tensor:
    made = np.empty((), dtype=object)
    made[()] = number
    return made


def _mpf(number: Any) -> Any:
    exact = Fraction(number)
    return M.mpf(exact.numerator) / exact.denominator


class BeyondError(ArithmeticError):
    """A number of so many digits that mpmath would work on it for hours."""


ARITHMETIC = frozenset({"neg", "add", "sub", "mul", "div", "abs", "sign", "relu", "maximum", "minimum", "square"})
FAR = 2_000
"""The power of two beyond which nothing but arithmetic is done: sin takes as many digits of pi."""


def _bounded(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that raises BeyondError for what is too large for it."""

    def run(m: Any, *args: Any) -> Any:
        if any(one and M.isfinite(one) and M.mag(one) > FAR for one in args):
            raise BeyondError
        return function(m, *args)

    return run


def _safe(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function of real numbers: nan where it has no real and finite value."""

    def run(*args: Any) -> Any:
        if any(isinstance(one, Reads) for one in args):
            return Reads(run(*map(number_of, args)), any(map(reads, args)))
        if any(map(M.isnan, args)):
            return M.nan
        try:
            made = M.convert(function(M, *args))
        except (ZeroDivisionError, ValueError, OverflowError):
            return M.nan
        real = not isinstance(made, M.mpc) or made.imag == 0
        return made.real if real and M.isfinite(made) else M.nan

    return run


# --- truths, reductions and choices, each written anew ----------------------------------------------


def _compared(test: Callable[[Any, Any], bool]) -> Callable[[Any, Any], Any]:
    def truth(a: Any, b: Any) -> Any:
        x, y = number_of(a), number_of(b)
        made = None if x is None or y is None or M.isnan(x) or M.isnan(y) else test(x, y)
        return Reads(made, True) if reads(a) or reads(b) else made

    return truth


def _chosen(condition: Any, a: Any, b: Any) -> Any:
    truth = number_of(condition)
    made = M.nan if truth is None else a if truth else b
    return Reads(number_of(made), True) if reads(condition) else made


def _opposite(truth: Any) -> Any:
    if isinstance(truth, Reads):
        return Reads(_opposite(truth.number), truth.reads)
    return None if truth is None else not truth


def _both(a: Any, b: Any) -> Any:
    if isinstance(a, Reads) or isinstance(b, Reads):
        return Reads(_both(number_of(a), number_of(b)), reads(a) or reads(b))
    return False if a is False or b is False else None if a is None or b is None else True


def _over(function: Callable[[list[Any]], list[Any]]) -> Callable[..., Any]:
    """Return a function of the numbers along some dims as one of tensors."""

    def run(x: Tensor, dim: Any = None, keepdim: bool = False) -> Any:
        over = axes(dim, x.ndim)
        rest = tuple(k for k in range(x.ndim) if k not in over)
        rows = np.transpose(x, (*rest, *over)).reshape(-1, prod(x.shape[k] for k in over))
        made = np.empty(len(rows), dtype=object)
        made[:] = [function(list(row)) for row in rows]
        shape = tuple(1 if k in over else x.shape[k] for k in range(x.ndim) if keepdim or k not in over)
        return made.reshape(shape)

    return run


def _extreme(better: Callable[[Any, Any], bool]) -> Callable[[list[Any]], Any]:
    return _real(lambda row: reduce(lambda a, b: b if better(b, a) else a, row))


def _real(function: Callable[[list[Any]], Any]) -> Callable[[list[Any]], Any]:
    return lambda row: _safe(lambda _m, *args: function(list(args)))(*row)


def _norm(x: Tensor, p: Any = 2, dim: Any = None, keepdim: bool = False) -> Any:
    if p == "inf":
        return _over(_real(lambda row: max(map(abs, row))))(x, dim, keepdim)
    power = M.mpf(2) if p == "fro" else _mpf(p)
    return _over(_real(lambda row: M.fsum(abs(one) ** power for one in row) ** (1 / power)))(x, dim, keepdim)


def _sort(x: Tensor, dim: int = -1, descending: bool = False) -> Any:
    def ordered(row: Tensor) -> Tensor:
        places = [_real(lambda numbers, k=k: sorted(numbers, reverse=descending)[k]) for k in range(len(row))]  # type: ignore[misc]
        made = np.empty(len(row), dtype=object)
        made[:] = [place(list(row)) for place in places]
        return made

    return np.apply_along_axis(ordered, dim, x) if x.ndim else x


def _sum_of_powers(row: list[Any]) -> Any:
    top = max(row)
    return top + M.log(M.fsum(M.exp(one - top) for one in row))


def _variance(x: Tensor, dim: Any = None, correction: int = 1, keepdim: bool = False) -> Any:
    def of(row: list[Any]) -> Any:
        mean = M.fsum(row) / len(row)
        return M.fsum((one - mean) ** 2 for one in row) / (len(row) - correction)

    return _over(_real(of))(x, dim, keepdim)


_root = np.frompyfunc(_safe(lambda m, x: m.sqrt(x)), 1, 1)
_TESTS: dict[str, Callable[[Any, Any], bool]] = {
    "lt": lambda a, b: a < b, "le": lambda a, b: a <= b, "gt": lambda a, b: a > b, "ge": lambda a, b: a >= b,
    "eq": lambda a, b: a == b, "ne": lambda a, b: a != b,
}  # fmt: skip
_OWN: dict[str, Callable[..., Any]] = {
    "amax": _over(_extreme(lambda a, b: a > b)), "amin": _over(_extreme(lambda a, b: a < b)), "norm": _norm,
    "sort": _sort, "prod": _over(_real(M.fprod)), "var": _variance,
    "std": lambda x, *args, **params: _root(_variance(x, *args, **params)),
    "mean": _over(_real(lambda row: M.fsum(row) / len(row))), "sum": _over(_real(M.fsum)),
    "logsumexp": _over(_real(_sum_of_powers)),
    "atan2": np.frompyfunc(_safe(lambda m, y, x: m.atan2(y, x) if x or y else m.nan), 2, 1),
    "logical_and": np.frompyfunc(_both, 2, 1), "logical_not": np.frompyfunc(_opposite, 1, 1),
    "logical_or": np.frompyfunc(lambda a, b: _opposite(_both(_opposite(a), _opposite(b))), 2, 1),
}  # fmt: skip
