"""Program to gradient program: SymPy differentiates every kernel in closed form, the table transposes the rest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache, lru_cache, reduce
from itertools import chain, count
from typing import Any

import sympy

from gradcheck.functions import COMPARISONS, CONDITIONS, DETACH, ELEMENTWISE, GUARD, MASK, OPPOSITE, PATCH, TENSOR, WHERE
from gradcheck.functions.params import broadcast
from gradcheck.lower import Core, lower
from gradcheck.parse import parse
from gradcheck.program import (
    Call, Layer, Name, Node, Number, Program, Shape, call, names, number, postorder, substitute,
)  # fmt: skip

VERSION = sympy.__version__

ZERO, ONE = number(0), number(1)
NO_NUMBER = call("div", ONE, ZERO)
"""What stands where SymPy finds no real derivative."""


class NoClosedForm(Exception):
    """SymPy left the real numbers, or the language, on the way."""


# --- IR to SymPy ----------------------------------------------------------------------------------


def to_sympy(node: Node, leaves: Mapping[str, Any], choose: str = WHERE) -> Any:
    """Return a SymPy expression for an elementwise one; ``choose`` names the class that ``where`` becomes."""
    done: list[Any] = []
    for part in postorder(node):
        if isinstance(part, Name):
            done.append(leaves[part.id])
        elif isinstance(part, Number):
            done.append(sympy.Rational(part.value.numerator, part.value.denominator))
        else:
            args = done[len(done) - len(part.args) :]
            del done[len(done) - len(part.args) :]
            done.append(_construct(choose if part.op == WHERE else part.op, args))
    return done[-1]


def _construct(op: str, args: Sequence[Any]) -> Any:
    if op == "pi":
        return sympy.pi
    if op == "e":
        return sympy.E
    row = ELEMENTWISE.get(op)
    native = row.sympy(sympy, *args) if row is not None and row.sympy is not None else None
    return native if native is not None else _opaque(op)(*args)


@cache
def _opaque(op: str) -> Any:
    """Return the SymPy function class of an operation that SymPy must not rewrite."""
    if op in (WHERE, "select"):
        members: dict[str, Any] = {"_eval_derivative": _choice_derivative}
    elif op == GUARD:
        members = {"_eval_derivative": lambda self, s: _opaque(GUARD)(self.args[0].diff(s), *self.args[1:])}
    elif op == PATCH:
        members = {"_eval_derivative": _patch_derivative}
    elif op == MASK:
        members = {"_eval_derivative": lambda self, s: _opaque(MASK)(self.args[0].diff(s), self.args[1])}
    elif op in CONDITIONS:
        members = {"_eval_derivative": lambda _self, _s: sympy.Integer(0)}
    else:
        members = {"fdiff": _row_derivative}
    return type(op, (sympy.Function,), members)


def _row_derivative(self: Any, argindex: int = 1) -> Any:
    """Return the partial that the row states, guarded where the function has a kink."""
    row = ELEMENTWISE[type(self).__name__]
    leaves = dict(zip(row.args, self.args, strict=True))
    partial = to_sympy(expression(row.partials[argindex - 1]), leaves, "select")
    if row.removable:
        where, value = row.removable[argindex - 1]
        partial = _opaque(PATCH)(partial, to_sympy(condition(where), leaves), to_sympy(expression(value), leaves))
    if row.kinks is None:
        return partial
    return _guarded(partial, _opaque("logical_not")(to_sympy(condition(row.kinks), leaves)), f"kink {row.name}")


def _patch_derivative(self: Any, symbol: Any) -> Any:
    value, where, _ = self.args
    return _guarded(value.diff(symbol), _opaque("logical_not")(where), "kink pow")


def _choice_derivative(self: Any, symbol: Any) -> Any:
    """Differentiate both branches of a choice; on the border between them there is no derivative."""
    condition, left, right = self.args
    a, b = left.diff(symbol), right.diff(symbol)
    if a == 0 and b == 0:
        return sympy.Integer(0)
    return _guarded(_opaque("select")(condition, a, b), _off_border(condition), "kink where")


def _off_border(condition: Any) -> Any:
    comparisons = [one for one in sympy.preorder_traversal(condition) if type(one).__name__ in COMPARISONS]
    return reduce(_opaque("logical_and"), [_opaque("ne")(*one.args) for one in comparisons])


def _guarded(value: Any, smooth: Any, reason: str) -> Any:
    """Return ``value`` where ``smooth``; the reason why it is no number elsewhere travels as a symbol's name."""
    return _opaque(GUARD)(value, smooth, sympy.Symbol(reason))


@lru_cache(maxsize=1024)
def expression(text: str) -> Node:
    """Return the expression of a row's text."""
    return parse(text).layers[0].expression


@lru_cache(maxsize=1024)
def condition(text: str) -> Node:
    """Return the condition of a row's text."""
    choice = parse(f"where({text}, 1, 0)").layers[0].expression
    assert isinstance(choice, Call)
    return choice.args[0]


# --- SymPy to IR ----------------------------------------------------------------------------------


def lift(expression: Any) -> Node:
    """Return the IR of a SymPy expression, in SymPy's own printing order.

    Raises NoClosedForm where it holds anything outside the language, such as ``zoo``, ``I`` or an unevaluated derivative.
    """
    if expression.is_Symbol:
        return Name(expression.name)
    if expression.is_Rational:
        return number(Fraction(int(expression.p), int(expression.q)))
    if expression.is_Add:
        return _lift_sum(expression.as_ordered_terms())
    if expression.is_Mul:
        return _lift_product(expression)
    if expression.is_Pow:
        return _lift_power(*expression.as_base_exp())
    if expression in (sympy.pi, sympy.E):
        return call("pi" if expression is sympy.pi else "e")
    return _lift_function(expression)


def _lift_sum(terms: Sequence[Any]) -> Node:
    made = lift(terms[0])
    for term in terms[1:]:
        negative = term.as_coeff_Mul()[0].is_negative
        made = call("sub", made, lift(-term)) if negative else call("add", made, lift(term))
    return made


def _lift_product(product: Any) -> Node:
    coefficient, _ = product.as_coeff_Mul()
    if coefficient.is_negative:
        return _negated(lift(-product))
    above, below = [], []
    for factor in product.as_ordered_factors():
        if factor.is_Rational:
            above += [lift(sympy.Integer(factor.p))] if factor.p != 1 else []
            below += [lift(sympy.Integer(factor.q))] if factor.q != 1 else []
        elif factor.is_Pow and factor.exp.is_Rational and factor.exp.is_negative:
            below.append(lift(1 / factor))
        else:
            above.append(lift(factor))
    numerator = reduce(_times, above) if above else ONE
    return call("div", numerator, reduce(_times, below)) if below else numerator


def _times(a: Node, b: Node) -> Node:
    return call("mul", a, b)


def _negated(node: Node) -> Node:
    """Return ``-node`` with the sign at its leading factor: ``-2*x``, ``-x*y``."""
    spine: list[Call] = []
    head = node
    while isinstance(head, Call) and head.op in ("mul", "div"):
        spine.append(head)
        head = head.args[0]
    made: Node = number(-head.value) if isinstance(head, Number) else call("neg", head)
    for one in reversed(spine):
        made = call(one.op, made, *one.args[1:])
    return made


def _lift_power(base: Any, exponent: Any) -> Node:
    if base is sympy.E:
        return call("exp", lift(exponent))
    if exponent.is_Rational and exponent.is_negative:
        return call("div", ONE, _lift_power(base, -exponent) if exponent != -1 else lift(base))
    if exponent == sympy.Rational(1, 2):
        return call("sqrt", lift(base))
    return call("pow", lift(base), lift(exponent))


def _lift_function(expression: Any) -> Node:
    op = {"Abs": "abs"}.get(type(expression).__name__, type(expression).__name__)
    if op == GUARD:
        value, smooth, reason = expression.args
        return call(GUARD, lift(value), lift(smooth), reason=reason.name)
    args = tuple(lift(one) for one in expression.args)
    if type(expression) is sympy.sign:
        # sign comes from the derivative of abs alone (the user's own sign is opaque): no derivative at 0
        return call(GUARD, call("sign", *args), call("ne", *args, ZERO), reason="kink abs")
    if op == "logical_not":
        return _opposite(args[0])
    if op == "select":
        return _lift_choice(*args)
    known = op in ELEMENTWISE or op in CONDITIONS or op in (WHERE, MASK, PATCH)
    if not known or not args:
        raise NoClosedForm(str(expression))
    return Call(op, args)


def _opposite(condition: Node) -> Node:
    if isinstance(condition, Call) and condition.op in OPPOSITE:
        return Call(OPPOSITE[condition.op], condition.args)
    return call("logical_not", condition)


def _lift_choice(condition: Node, a: Node, b: Node) -> Node:
    if isinstance(b, Number) and b.value == 0:
        return call(MASK, a, condition)
    if isinstance(a, Number) and a.value == 0:
        return call(MASK, b, _opposite(condition))
    return call(WHERE, condition, a, b)


# --- one kernel -----------------------------------------------------------------------------------


def partial(kernel: Node, name: str) -> Node:
    """Return the derivative of an elementwise expression by one of its names; equal kernels are differentiated once."""
    leaves = sorted(names(kernel))
    places = {leaf: f"v{k:04d}" for k, leaf in enumerate(leaves)}
    renamed = substitute(kernel, {leaf: Name(place) for leaf, place in places.items()})
    found = _partial(_Kernel(renamed, _key(renamed)), places[name])
    return substitute(found, {place: Name(leaf) for leaf, place in places.items()})


@dataclass(frozen=True)
class _Kernel:
    """A kernel over numbered names, equal to another of the same structure."""

    node: Node
    key: str

    def __hash__(self) -> int:
        return hash(self.key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Kernel) and self.key == other.key


def _key(node: Node) -> str:
    """Return the structure in postfix, with what the printed text hides."""
    words = []
    for part in postorder(node):
        if isinstance(part, Call):
            words.append(f"{part.op}/{len(part.args)}")
        else:
            words.append(part.id if isinstance(part, Name) else str(part.value))
    return " ".join(words)


@lru_cache(maxsize=16384)
def _partial(kernel: _Kernel, name: str) -> Node:
    if isinstance(kernel.node, Name):
        return ONE if kernel.node.id == name else ZERO
    leaves = {leaf: sympy.Symbol(leaf, real=True) for leaf in names(kernel.node)}
    return lift(_shortest(sympy.diff(to_sympy(kernel.node, leaves), leaves[name])))


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


# --- one program ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Pullback:
    """A gradient program in core form: the forward layers, then the reverse sweep.

    ``cotangents`` names the layer that holds the cotangent of each input and forward layer on the way; an input without
    one has no path to the output.
    """

    core: Core
    cotangents: dict[str, str]

    @property
    def program(self) -> Program:
        """Return the program; its outputs are the gradients in the order asked for."""
        return self.core.program


def differentiate(
    program: Program, shapes: Mapping[str, Shape] | None = None, wrt: Sequence[str] | None = None
) -> Program:
    """Return the program of the gradient: of the sum of the outputs' elements, by each input in ``wrt``.

    The result is a program like any other: it prints, evaluates, and can be differentiated again.

    >>> print(differentiate(parse("3*x**2"), wrt=["x"]))
    out = 3*x**2
    d_x = 6*x
    """
    return pull_back(lower(program, shapes), wrt).program


def pull_back(core: Core, wrt: Sequence[str] | None = None, *, guarded: bool = False) -> Pullback:
    """Return the reverse sweep through a core program.

    With ``guarded`` every partial holds only inside the domain of its operation, so that a point outside has no number.
    """
    try:
        return _Sweep(core, tuple(wrt if wrt is not None else core.program.inputs), guarded).run()
    except NoClosedForm:
        # Single operations always have a partial; their fused form need not.
        again = lower(core.program, {name: core.shapes[name] for name in core.program.inputs}, nodes=True)
        return _Sweep(again, tuple(wrt if wrt is not None else core.program.inputs), guarded, last_resort=True).run()


@dataclass(frozen=True, slots=True)
class _Part:
    """A cotangent; its shape may still lack axes along which it is constant."""

    node: Node
    shape: Shape


class _Sweep:
    """The reverse sweep; the state is the layers so far and what flows into every name."""

    def __init__(self, core: Core, wrt: tuple[str, ...], guarded: bool, last_resort: bool = False) -> None:
        self.core = core
        self.wrt = wrt
        self.guarded = guarded
        self.last_resort = last_resort
        self.layers = list(core.program.layers)
        self.shapes = dict(core.shapes)
        self.home = dict(core.home)
        self.flows: dict[str, list[_Part]] = {}
        self.cotangents: dict[str, str] = {}
        self.active = self._active()

    def _active(self) -> set[str]:
        active = set(self.wrt)
        for layer in self.core.program.layers:
            detached = isinstance(layer.expression, Call) and layer.expression.op == DETACH
            if not detached and active.intersection(names(layer.expression)):
                active.add(layer.name)
        return active

    def run(self) -> Pullback:
        for output in self.core.program.outputs:
            self.flows.setdefault(output, []).append(_Part(ONE, ()))
        for layer in reversed(self.core.program.layers):
            if layer.name in self.active and layer.name in self.flows:
                self.current = layer.name
                self.pull(layer, self.cotangent(layer.name))
        outputs = tuple(self.gradient(name) for name in self.wrt)
        program = Program(self.core.program.inputs, tuple(self.layers), outputs, self.core.program.source)
        return Pullback(Core(program, self.shapes, self.home), self.cotangents)

    # --- layers ---

    def emit(self, name: str, node: Node, shape: Shape) -> _Part:
        name = next(one for one in chain([name], (f"{name}_{k}" for k in count(1))) if one not in self.shapes)
        self.layers.append(Layer(name, node))
        self.shapes[name] = shape
        self.home[name] = self.home.get(self.current, self.current)
        return _Part(Name(name), shape)

    def cotangent(self, name: str) -> _Part:
        """Return the sum of what flows into ``name``, as a name unless it is a constant."""
        parts = self.flows.pop(name)
        total = _Part(reduce(_plus, (part.node for part in parts)), broadcast(*(part.shape for part in parts)))
        if isinstance(total.node, Number | Name):
            made = total
        else:
            made = self.emit(f"d_{name}", total.node, total.shape)
        self.cotangents[name] = made.node.id if isinstance(made.node, Name) else ""
        return made

    def gradient(self, name: str) -> str:
        """Return the layer of an output, in the full shape of its input; without a path to the output it is 0."""
        self.current = name
        parts = self.flows.pop(name, [])
        node = reduce(_plus, (part.node for part in parts)) if parts else ZERO
        shape = broadcast(*(part.shape for part in parts))
        if shape != self.shapes[name]:
            held = node if isinstance(node, Name) else self.emit(f"d_{name}_1", node, shape).node
            node = call("expand", held, shape=self.shapes[name])
        made = self.emit(f"d_{name}", node, self.shapes[name]).node
        assert isinstance(made, Name)
        if parts:
            self.cotangents[name] = made.id
        return made.id

    def full(self, part: _Part, shape: Shape) -> _Part:
        """Return a cotangent in the full shape."""
        if part.shape == shape:
            return part
        if not isinstance(part.node, Name):
            part = self.emit(f"d_{self.current}", part.node, part.shape)
        return self.emit(f"d_{self.current}", call("expand", part.node, shape=shape), shape)

    def pull(self, layer: Layer, ct: _Part) -> None:
        node = layer.expression
        if isinstance(node, Call) and node.op == DETACH:
            return
        if isinstance(node, Call) and node.op in TENSOR:
            self.pull_tensor(layer.name, node, ct)
        else:
            self.pull_kernel(layer.name, node, ct)

    # --- kernels ---

    def pull_kernel(self, name: str, kernel: Node, ct: _Part) -> None:
        for leaf in names(kernel):
            if leaf not in self.active:
                continue
            slope = self.slope(kernel, leaf)
            if isinstance(slope, Number) and slope.value == 0 and not self.guarded:
                continue  # with guards, no number times zero must stay no number
            shape = broadcast(ct.shape, *(self.shapes[one] for one in names(slope)))
            part = self.fold(_Part(_product(ct.node, slope), shape), self.shapes[name], self.shapes[leaf])
            self.flows.setdefault(leaf, []).append(part)

    def slope(self, kernel: Node, leaf: str) -> Node:
        try:
            slope = partial(kernel, leaf)
        except NoClosedForm:
            if not self.last_resort and not self.guarded:
                raise
            slope = NO_NUMBER
        for domain, reason in domains(kernel) if self.guarded else ():
            slope = call(GUARD, slope, domain, reason=reason)
        return slope

    def fold(self, part: _Part, full: Shape, shape: Shape) -> _Part:
        """Sum a cotangent over the axes along which its leaf was broadcast to the kernel's ``full`` shape."""
        lead = len(full) - len(shape)
        padded = (1,) * (len(full) - len(part.shape)) + part.shape
        skipped = len(full) - len(part.shape)
        over, repeats = [], 1
        for axis, size in enumerate(full):
            if size != 1 and (axis < lead or shape[axis - lead] == 1):
                if padded[axis] == size:
                    over.append(axis - skipped)
                else:
                    repeats *= size
        node = part.node if repeats == 1 else _product(number(repeats), part.node)
        if over:
            held = self.emit(f"d_{self.current}", node, part.shape)
            kept = tuple(1 if axis in over else size for axis, size in enumerate(part.shape))
            held = self.emit(f"d_{self.current}", call("sum", held.node, dim=tuple(over), keepdim=True), kept)
            part, node = held, held.node
        else:
            part = _Part(node, part.shape)
        return self.shortened(part, len(shape))

    def shortened(self, part: _Part, rank: int) -> _Part:
        """Drop leading axes of size 1."""
        if len(part.shape) <= rank:
            return part
        held = part if isinstance(part.node, Name) else self.emit(f"d_{self.current}", part.node, part.shape)
        shape = held.shape[len(held.shape) - rank :]
        return self.emit(f"d_{self.current}", call("reshape", held.node, shape=shape), shape)

    # --- tensor operations ---

    def pull_tensor(self, name: str, node: Call, ct: _Part) -> None:
        row = TENSOR[node.op]
        shapes = [self.shapes[one.id] for one in node.args if isinstance(one, Name)]
        ct = self.full(ct, self.shapes[name])
        ct = ct if isinstance(ct.node, Name) else self.emit(f"d_{name}", ct.node, ct.shape)
        for position, leaf in enumerate(node.args):
            if isinstance(leaf, Name) and leaf.id in self.active:
                pulled = row.transpose(ct.node, node, shapes, self.shapes[name], position)
                self.flows.setdefault(leaf.id, []).append(self.tensor(pulled))

    def tensor(self, node: Node) -> _Part:
        """Return nested tensor operations as layers; an outermost expand waits until the full shape is needed."""
        if isinstance(node, Name):
            return _Part(node, self.shapes[node.id])
        assert isinstance(node, Call)
        args = [self.tensor(one) for one in node.args]
        if node.op == "expand":
            return args[0]
        row, params = TENSOR[node.op], dict(node.params)
        shape = row.shape(*(one.shape for one in args), **params)
        if node.op == "reshape" and shape == args[0].shape:
            return args[0]
        return self.emit(f"d_{self.current}", Call(node.op, tuple(one.node for one in args), node.params), shape)


def _plus(a: Node, b: Node) -> Node:
    return call("add", a, b)


def _product(a: Node, b: Node) -> Node:
    """Return the product without factors of one."""
    if isinstance(a, Number) and isinstance(b, Number):
        return number(a.value * b.value)
    if isinstance(a, Number) and a.value == 1:
        return b
    return a if isinstance(b, Number) and b.value == 1 else call("mul", a, b)


def domains(kernel: Node) -> Iterator[tuple[Node, str]]:
    """Yield where each operation of a kernel is defined, as a condition on its names, with the reason it gives."""
    for part in postorder(kernel):
        row = ELEMENTWISE.get(part.op) if isinstance(part, Call) else None
        if row is None or row.domain is None or not isinstance(part, Call):
            continue
        text = row.domain(part) if callable(row.domain) else row.domain
        if text is not None:
            yield substitute(condition(text), dict(zip(row.args, part.args, strict=True))), f"domain {row.name}"
