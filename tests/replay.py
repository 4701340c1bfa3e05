"""Programs replayed at 2000 bits, operation by operation, as torch runs them; any result may be an exact one instead.

Nothing here is shared with the diagnosis: numbers are mpmath's, in NumPy arrays of objects, formulas are written down
once more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any

import mpmath
import numpy as np
from mpmath import mp, mpf

from gradcheck.formats import FORMATS, Format
from gradcheck.program import Call, Name, Node, Number, Program, postorder

BITS = 2000
"""Working precision: 200 bits are right where all but one part in 10**500 cancels."""

Array = np.ndarray[Any, np.dtype[np.object_]]
Round = Callable[[Array], Array]


# --- arithmetic ----------------------------------------------------------------------------------------


def each(function: Callable[..., Any], *args: Any) -> Array:
    """Return a function of numbers over arrays; what is not real is nan, and what is divided by 0 infinite."""

    def one(*numbers: Any) -> Any:
        try:
            made = function(*numbers)
        except (ZeroDivisionError, ValueError):
            above = numbers[0] if len(numbers) == 2 else mpf(1)
            return mpmath.inf * mpmath.sign(above) if above != 0 else mpmath.nan
        return made if isinstance(made, mpf) else mpmath.nan if isinstance(made, mpmath.mpc) else mpf(made)

    return objects(np.frompyfunc(one, len(args), 1)(*args))


def rounded(array: Array, fmt: Format, *, limited: bool) -> Array:
    """Return numbers with the digits of a format, and with its range where that is ``limited``."""

    def one(number: Any) -> Any:
        if not mpmath.isfinite(number) or number == 0:
            return number
        with mp.workprec(fmt.precision):
            made = +number
        if limited and abs(number) < mpf(2) ** fmt.emin:
            step = mpf(2) ** (fmt.emin - fmt.precision + 1)
            made = mpmath.nint(number / step) * step
        return mpmath.inf * mpmath.sign(number) if limited and abs(made) >= mpf(2) ** (fmt.emax + 1) else made

    return each(one, array)


def power(x: Any, y: Any) -> Any:
    """Return x**y, of a whole y for any x."""
    return mpmath.power(x, int(y)) if mpmath.isfinite(y) and y == int(y) else mpmath.power(x, y)


# --- operations ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Row:
    """An operation: its value, its exact slopes at the arguments, and torch's formula of what it sends back.

    The formula gets the cotangent, the result, the arguments, and the rounding of every step.
    """

    value: Callable[..., Any]
    slopes: tuple[Callable[..., Any], ...]
    back: Callable[[Array, Array, list[Array], Round], tuple[Array, ...]]


def plainly(*slopes: Callable[..., Any]) -> Callable[[Array, Array, list[Array], Round], tuple[Array, ...]]:
    """Return the formula that multiplies the cotangent by the rounded slopes."""
    return lambda g, _, args, r: tuple(r(g * r(each(one, *args))) for one in slopes)


def row(value: Callable[..., Any], *slopes: Callable[..., Any], back: Any = None) -> Row:
    return Row(value, slopes, back or plainly(*slopes))


def over(above: Array, below: Array, r: Round) -> Array:
    """Return a rounded quotient."""
    return r(each(lambda a, b: a / b, above, below))


def quotient(g: Array, _y: Array, x: list[Array], r: Round) -> tuple[Array, ...]:
    return over(g, x[1], r), r(-g * over(over(x[0], x[1], r), x[1], r))


one = mpf(1)
ROWS: dict[str, Row] = {
    "add":     row(lambda a, b: a + b, lambda _a, _b: one, lambda _a, _b: one),
    "sub":     row(lambda a, b: a - b, lambda _a, _b: one, lambda _a, _b: -one),
    "mul":     row(lambda a, b: a * b, lambda _a, b: b, lambda a, _b: a),
    "div":     row(lambda a, b: a / b, lambda _a, b: 1 / b, lambda a, b: -a / b**2, back=quotient),
    "neg":     row(lambda a: -a, lambda _a: -one),
    "pow":     row(power, lambda a, b: b * power(a, b - 1), lambda a, b: power(a, b) * mpmath.log(a)),
    "exp":     row(mpmath.exp, mpmath.exp, back=lambda g, y, _x, r: (r(g * y),)),
    "expm1":   row(mpmath.expm1, mpmath.exp, back=lambda g, y, _x, r: (r(g * r(y + 1)),)),
    "log":     row(mpmath.log, lambda a: 1 / a, back=lambda g, _y, x, r: (over(g, x[0], r),)),
    "log1p":   row(mpmath.log1p, lambda a: 1 / (1 + a)),
    "sqrt":    row(mpmath.sqrt, lambda a: 1 / (2 * mpmath.sqrt(a)),
                   back=lambda g, y, _x, r: (over(g, r(2 * y), r),)),
    "sin":     row(mpmath.sin, mpmath.cos),
    "cos":     row(mpmath.cos, lambda a: -mpmath.sin(a)),
    "tan":     row(mpmath.tan, lambda a: mpmath.sec(a) ** 2, back=lambda g, y, _x, r: (r(g * r(1 + r(y * y))),)),
    "tanh":    row(mpmath.tanh, lambda a: mpmath.sech(a) ** 2, back=lambda g, y, _x, r: (r(g * r(1 - r(y * y))),)),
    "sigmoid": row(lambda a: 1 / (1 + mpmath.exp(-a)), lambda a: 1 / ((1 + mpmath.exp(-a)) * (1 + mpmath.exp(a))),
                   back=lambda g, y, _x, r: (r(r(g * r(1 - y)) * y),)),
    "atan":    row(mpmath.atan, lambda a: 1 / (1 + a * a),
                   back=lambda g, _y, x, r: (over(g, r(r(x[0] * x[0]) + 1), r),)),
    "acos":    row(mpmath.acos, lambda a: -1 / mpmath.sqrt(1 - a * a)),
    "asin":    row(mpmath.asin, lambda a: 1 / mpmath.sqrt(1 - a * a)),
    "acosh":   row(mpmath.acosh, lambda a: 1 / mpmath.sqrt(a * a - 1)),
    "atanh":   row(mpmath.atanh, lambda a: 1 / (1 - a * a)),
    "hypot":   row(mpmath.hypot, lambda a, b: a / mpmath.hypot(a, b), lambda a, b: b / mpmath.hypot(a, b)),
}  # fmt: skip
ORDERS = {"gt": lambda a, b: a > b, "lt": lambda a, b: a < b, "ge": lambda a, b: a >= b, "eq": lambda a, b: a == b}


def key(node: Call) -> Any:
    """Return the subscript of an element."""
    return node.param("key")


def objects(numbers: Any) -> Array:
    """Return numbers as an array of objects."""
    made: Array = np.array(numbers, dtype=object)
    return made


def value(node: Call, args: list[Array]) -> Array:
    """Return the value of an operation, with the precision that mpmath works in."""
    if node.op == "pi":
        return objects(+mpmath.pi)
    if node.op in ORDERS:
        return each(lambda a, b: mpf(bool(ORDERS[node.op](a, b))), *args)
    if node.op == "where":
        return each(lambda c, a, b: a if c else b, *args)
    if node.op == "sum":
        return objects(args[0].sum())
    if node.op == "reshape":
        return objects(args[0].reshape(node.param("shape")))
    if node.op == "index":
        return objects(args[0][key(node)])
    if node.op == "softmax":
        grown = each(lambda a: mpmath.exp(a - max(args[0])), args[0])
        return objects(grown / grown.sum())
    return each(ROWS[node.op].value, *args)


def back(node: Call, g: Array, y: Array, args: list[Array], r: Round, *, exactly: bool) -> list[Array]:
    """Return what an operation sends back to each argument: by torch's formula, or ``exactly`` as it is."""
    if node.op in ORDERS:
        return [np.zeros_like(one) for one in args]
    if node.op == "where":
        zero = mpf(0)
        return [zero * args[0], each(lambda c, a: a if c else zero, args[0], g),
                each(lambda c, a: zero if c else a, args[0], g)]  # fmt: skip
    if node.op in ("sum", "reshape"):
        return [np.broadcast_to(g, args[0].shape) if node.op == "sum" else g.reshape(args[0].shape)]
    if node.op == "index":
        made = np.full(args[0].shape, mpf(0), dtype=object)
        made[key(node)] = g[()]
        return [made]
    if node.op == "softmax":
        s = value(node, args) if exactly else y
        return [r(s * r(g - r(objects((r(g * s)).sum()))))]
    if exactly:
        return [r(g * each(slope, *args)) for slope in ROWS[node.op].slopes]
    return list(ROWS[node.op].back(g, y, args, r))


# --- runs ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Step:
    """A result in the order in which things are computed: the value of an operation, or what it sends back."""

    node: Call
    backward: bool = False


Rule = Callable[[Step], str]
"""How a step is computed: in "floats", in "wide" ones of unlimited range, as its "own" exact result, from what it was
given, as the "true" one, from exact arguments, or as the number with the format's digits that is "nearest" to that."""


@dataclass
class Run:
    """A program's numbers on the way forward and back."""

    program: Program
    point: Mapping[str, Array]
    wrt: str | None
    values: dict[Node, Array] = field(default_factory=dict)
    pulled: dict[Call, list[Array]] = field(default_factory=dict)
    ways: list[Array] = field(default_factory=list)
    gradient: Array | None = None

    @cached_property
    def layers(self) -> dict[str, Node]:
        return {layer.name: layer.expression for layer in self.program.layers}

    def nodes(self) -> list[Call]:
        """Return the operations in the order in which they run."""
        found = [node for layer in self.program.layers for node in postorder(layer.expression)]
        return [node for node in found if isinstance(node, Call)]

    def source(self, node: Node) -> Node | str:
        while isinstance(node, Name):
            if node.id not in self.layers:
                return node.id
            node = self.layers[node.id]
        return node

    def number(self, node: Node) -> Array:
        found = self.source(node)
        if isinstance(found, str):
            return self.point[found]
        if isinstance(found, Number):
            return objects(mpf(found.value.numerator) / found.value.denominator)
        return self.values[found]

    def is_plain(self, node: Node) -> bool:
        """Tell whether Python computes a value, in float64, before torch sees it."""
        found = self.source(node)
        return isinstance(found, Number) or (isinstance(found, Call) and all(map(self.is_plain, found.args)))


def replay(program: Program, point: Mapping[str, Array], wrt: str | None, fmt: Format, rule: Rule, true: Run) -> Run:
    """Return the run in a format, each step by the rule; ``true`` is the exact one."""
    run = Run(program, point, wrt)
    with mp.workprec(BITS):
        for node in run.nodes():
            how, own = rule(Step(node)), FORMATS["float64"] if run.is_plain(node) else fmt
            args = [taken(run, one, fmt) if how in ("floats", "wide") else run.number(one) for one in node.args]
            made = true.values[node] if how in ("true", "nearest") else value(node, args)
            run.values[node] = rounding(how, own)(made)
        _back(run, lambda node: rule(Step(node, backward=True)), true, fmt)
    return run


def rounding(how: str, fmt: Format) -> Round:
    """Return how a step by some rule rounds its results."""
    if how in ("own", "true"):
        return objects
    return partial(rounded, fmt=fmt, limited=how == "floats")


def taken(run: Run, node: Node, fmt: Format) -> Array:
    """Return an argument as torch takes it: a plain number is rounded to the format."""
    return rounded(run.number(node), fmt, limited=True) if run.is_plain(node) else run.number(node)


def exactly(program: Program, point: Mapping[str, Array], wrt: str | None) -> Run:
    """Return the exact run."""
    run = Run(program, point, wrt)
    with mp.workprec(BITS):
        for node in run.nodes():
            run.values[node] = value(node, [run.number(one) for one in node.args])
        _back(run, lambda _: "own", run, FORMATS["float64"])
    return run


def _back(run: Run, rule: Callable[[Call], str], true: Run, fmt: Format) -> None:
    if run.wrt is None:
        return
    output = run.number(Name(run.program.output))
    flows: dict[Node | str, list[Array]] = {run.source(Name(run.program.output)): [np.full(output.shape, one)]}
    for node in reversed(run.nodes()):
        if node not in flows or run.is_plain(node):
            continue
        how = rule(node)
        r = rounding(how, fmt)
        run.pulled[node] = _sent(run, node, total(flows[node], r), how, true, fmt)
        for arg, sent in zip(node.args, run.pulled[node], strict=False):
            given = run.number(arg).shape
            flows.setdefault(run.source(arg), []).append(sent if sent.shape == given else objects(sent.sum()))
    run.ways = flows[run.wrt]
    run.gradient = total(run.ways, rounding(rule(run.nodes()[0]), fmt))


def _sent(run: Run, node: Call, g: Array, how: str, true: Run, fmt: Format) -> list[Array]:
    """Return what an operation sends back."""
    if how in ("true", "nearest"):
        return [rounding(how, fmt)(one) for one in true.pulled[node]]
    if how == "own":
        args = [run.number(arg) for arg in node.args]
        return back(node, g, run.values[node], args, objects, exactly=True)
    args = [taken(run, arg, fmt) for arg in node.args]
    return back(node, g, run.values[node], args, rounding(how, fmt), exactly=False)


def total(parts: list[Array], r: Round) -> Array:
    made = parts[0]
    for one in parts[1:]:
        made = r(made + one)
    return objects(made)
