"""What a function does at a point and beside it, by mpmath alone: values at steps of two sizes to both sides.

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
from gradcheck.program import Call, Name, Node, Number, Program, postorder

BITS = 1200
"""Working precision; what cancels in a difference quotient are as many bits as the step is small."""
STEPS = (130, 190)
"""The steps as negative powers of two, in units of the number that moves, or of 1."""
SAME = 2.0**-70
"""Relative difference up to which two slopes are one: far below an ULP, far above what a step leaves out."""
SPARE = 60
"""Bits that a program may lose on the way."""
NEAR = 2.0**-32
"""What is left of a difference where the function is continuous, after steps 60 powers of two apart."""
HUGE = ((200, 210), (310, 250), (260, 450))
"""Powers of two that stand for infinity, for one infinite number and the next: one that grows faster than the other."""
LIMIT = 2.0**-60
"""Relative difference of numbers near several infinities that have one limit."""

M = mpmath.MPContext()
M.prec = BITS
Tensor = np.ndarray[Any, Any]
"""Numbers of mpmath, or truths."""


@dataclass(frozen=True)
class Along:
    """What a function does along one element: ``slope``, ``kink``, ``end`` (of the domain), ``jump``, ``none``,
    ``limit`` (of slopes, where there is no value itself), or ``unknown``."""

    kind: str
    left: Any = None
    right: Any = None

    def __str__(self) -> str:
        sides = [mpmath.nstr(side, 12) for side in (self.left, self.right) if side is not None]
        return " and ".join([self.kind, *dict.fromkeys(sides)])


# --- values -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Reads:
    """A number, and whether it reads the element that is asked about."""

    number: Any
    reads: bool

    def __add__(self, other: Any) -> Reads:
        return Reads(self.number + _number(other), self.reads or _reads(other))

    def __mul__(self, other: Any) -> Reads:
        return Reads(self.number * _number(other), self.reads or _reads(other))

    __radd__, __rmul__ = __add__, __mul__


def _number(one: Any) -> Any:
    return one.number if isinstance(one, Reads) else one


def _reads(one: Any) -> bool:
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
        if node.op in COMPARISONS:
            return self.compare(node, args)
        if node.op in _OWN:
            return _OWN[node.op](*args, **dict(node.params))
        if node.op == WHERE:
            return np.frompyfunc(_chosen, 3, 1)(*args)
        if node.op == DETACH:
            return args[0]
        if node.op in ELEMENTWISE:
            return np.frompyfunc(_safe(ELEMENTWISE[node.op].oracle), len(args), 1)(*args)
        return self.tensor(node, args) if node.op in TENSOR else self.defined(node, args)

    def compare(self, node: Call, args: list[Tensor]) -> Any:
        """Return truths; with infinity itself a number is compared at the point, and not near it."""
        made = np.asarray(np.frompyfunc(_compared(_TESTS[node.op]), 2, 1)(*args), dtype=object)
        if self.record:
            with_infinity = np.frompyfunc(lambda a, b: bool(M.isinf(_number(a)) or M.isinf(_number(b))), 2, 1)(*args)
            self.truths[node] = np.where(with_infinity, made, None)
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
            names = names if len(names) == len(args) else tuple(f"x_{k}" for k in range(len(args)))
        else:
            constants = {name: _scalar(_mpf(one)) for name, one in {**row.defaults, **given}.items()}
        return self.value(parse(text), {**dict(zip(names, args, strict=True)), **constants})


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


def _safe(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function of real numbers: nan where it has no real and finite value."""

    def run(*args: Any) -> Any:
        if any(isinstance(one, Reads) for one in args):
            return Reads(run(*map(_number, args)), any(map(_reads, args)))
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
        x, y = _number(a), _number(b)
        made = None if M.isnan(x) or M.isnan(y) else test(x, y)
        return Reads(made, True) if _reads(a) or _reads(b) else made

    return truth


def _chosen(condition: Any, a: Any, b: Any) -> Any:
    truth = _number(condition)
    made = M.nan if truth is None else a if truth else b
    return Reads(_number(made), True) if _reads(condition) else made


def _both(a: Any, b: Any) -> Any:
    if isinstance(a, Reads) or isinstance(b, Reads):
        return Reads(_both(_number(a), _number(b)), _reads(a) or _reads(b))
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
    "sort": _sort, "prod": _over(_real(lambda row: M.fprod(row))), "var": _variance,
    "std": lambda x, *args, **params: _root(_variance(x, *args, **params)),
    "mean": _over(_real(lambda row: M.fsum(row) / len(row))), "sum": _over(_real(lambda row: M.fsum(row))),
    "logsumexp": _over(_real(_sum_of_powers)),
    "atan2": np.frompyfunc(_safe(lambda m, y, x: m.atan2(y, x) if x or y else m.nan), 2, 1),
    "logical_and": np.frompyfunc(_both, 2, 1), "logical_not": np.frompyfunc(lambda a: _opposite(a), 1, 1),
    "logical_or": np.frompyfunc(lambda a, b: _opposite(_both(_opposite(a), _opposite(b))), 2, 1),
}  # fmt: skip


def _opposite(truth: Any) -> Any:
    if isinstance(truth, Reads):
        return Reads(_opposite(truth.number), truth.reads)
    return None if truth is None else not truth


# --- beside a point ---------------------------------------------------------------------------------


def along(
    program: Program, point: Mapping[str, Tensor], name: str, k: int, evaluation: Evaluation | None = None
) -> Along:
    """Return what the sum of the outputs does along element ``k`` of an input."""
    run = evaluation or Evaluation()
    start = point[name].ravel()[k]
    scale = abs(start) if start else M.mpf(1)
    here = run.value(program, point).ravel()
    asked = reading(program, point, name, k, run) if any(map(M.isnan, here)) else [True] * len(here)
    if not any(asked):
        return Along("limit", M.mpf(0), M.mpf(0))  # of a function without a value it may be said to be undefined, too

    def at(step: Any) -> Any:
        found = run.value(program, moved(point, name, k, step)).ravel() if step else here
        return sum((number for number, one in zip(found, asked, strict=True) if one), M.mpf(0))

    return beside(at, [scale * M.mpf(2) ** -power for power in STEPS])


def reading(program: Program, point: Mapping[str, Tensor], name: str, k: int, run: Evaluation) -> list[bool]:
    """Return which elements of the output read element ``k`` of an input, through the branches that are taken."""
    marked = point[name].copy().ravel()
    marked[k] = Reads(marked[k], reads=True)
    return [_reads(one) for one in run.value(program, {**point, name: marked.reshape(point[name].shape)}).ravel()]


def beside(at: Callable[[Any], Any], steps: list[Any]) -> Along:
    """Return what a function of one step does beside 0."""
    here = at(0)
    if M.isnan(here):
        return Along("none")
    left, right = (_side(here, at, [sign * step for step in steps]) for sign in (-1, 1))
    kinds = {left.kind, right.kind}
    for strongest in ("jump", "unknown"):
        if strongest in kinds:
            return Along(strongest)
    if kinds == {"slope"}:
        same = abs(left.right - right.right) <= SAME * max(abs(left.right), abs(right.right))
        return Along("slope" if same else "kink", left.right, right.right)
    if kinds == {"slope", "outside"}:
        one = left.right if left.kind == "slope" else right.right
        return Along("end", one, one)
    return Along("none")


def _side(here: Any, at: Callable[[Any], Any], steps: list[Any]) -> Along:
    """Return the slope to one side, ``jump``, ``infinite``, ``outside`` or ``unknown``."""
    differences = [at(step) - here for step in steps]
    if any(map(M.isnan, differences)):
        return Along("outside")
    far, slope = (one / step for one, step in zip(differences, steps, strict=True))
    if abs(here) * M.mpf(2) ** (SPARE - BITS) > abs(steps[1]) * SAME * max(abs(slope), SAME):
        return Along("unknown")  # the difference is lost beside what is huge
    if max(map(abs, differences)) <= max(abs(here), 1) * M.mpf(2) ** (SPARE - BITS):
        return Along("slope", right=M.mpf(0))  # nothing but what mpmath rounds
    if abs(differences[1]) > NEAR * abs(differences[0]) and abs(slope) > abs(far) * 2**20:
        return Along("jump" if abs(differences[1]) > abs(differences[0]) / 2 else "infinite")
    if abs(slope - far) <= M.mpf(2) ** -50 * abs(slope):
        return Along("slope", right=slope)
    if abs(slope) <= M.mpf(2) ** -12 * abs(far):
        return Along("slope", right=M.mpf(0))
    return Along("infinite" if abs(slope) > abs(far) * 2**8 else "unknown")


def moved(point: Mapping[str, Tensor], name: str, k: int, step: Any) -> dict[str, Tensor]:
    changed = point[name].copy().ravel()
    changed[k] = changed[k] + step
    return {**point, name: changed.reshape(point[name].shape)}


# --- at infinity ------------------------------------------------------------------------------------


def at_infinity(program: Program, point: Mapping[str, Tensor], name: str, k: int) -> Along:
    """Return what becomes of a slope where the infinite numbers of a point are approached in several ways."""
    exact = Evaluation(record=True)
    exact.value(program, point)
    found = []
    for powers in HUGE:
        run = Evaluation(M.mpf(2) ** (sum(powers) // 2), exact.truths)
        found.append(along(program, _near(point, powers), name, k, run))
    kinds = {one.kind for one in found}
    if len(kinds) > 1 or not kinds <= {"slope", "limit"}:
        return Along("unknown")
    ends = [one.right for one in found]
    size = max(map(abs, ends))
    if size < M.mpf(LIMIT) ** 4:
        ends = [M.mpf(0)] * len(ends)
    close = all(abs(one - ends[0]) <= LIMIT * size for one in ends)
    # What is infinite itself, or 0/0, may be said to have no derivative, whatever the slopes near it.
    step = M.mpf(2) ** -STEPS[0]
    beside = [point, *(moved(point, name, k, sign * step) for sign in (-1, 1))]
    finite = all(M.isfinite(number) for one in beside for number in Evaluation().value(program, one).ravel())
    kind = "slope" if finite else "limit"
    return Along(kind, ends[0], ends[0]) if close else Along("unknown")


def _near(point: Mapping[str, Tensor], powers: tuple[int, int]) -> dict[str, Tensor]:
    """Return a point at which each infinite number is huge, and no two are equally so."""
    count = 0
    made = {}
    for name, numbers in point.items():
        changed = numbers.copy().ravel()
        for k, one in enumerate(changed):
            if M.isinf(one):
                changed[k] = M.sign(one) * M.mpf(2) ** powers[count % 2] * (1 + M.mpf(count // 2) / 3)
                count += 1
        made[name] = changed.reshape(numbers.shape)
    return made
