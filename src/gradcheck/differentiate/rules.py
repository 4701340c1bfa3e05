"""The rules by which one layer is differentiated, in either direction: what each argument adds to what comes out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property, reduce
from typing import TypeGuard

from gradcheck import kernels
from gradcheck.functions import COMPARISONS, CONDITIONS, DETACH, ELEMENTWISE, GUARD, MASK, WHERE
from gradcheck.kernels import ONE, ZERO
from gradcheck.lower import domain
from gradcheck.program import Call, Name, Node, Number, Program, call, names, number, postorder, structure, substitute
from gradcheck.reason import Kind, Reason

NO_NUMBER = call("div", ONE, ZERO)
"""What stands where SymPy finds no real derivative."""

Flow = Callable[[str], Node]
"""What a slope is multiplied by, for the name that it is by: the cotangent of the result, or that name's tangent."""


@dataclass(frozen=True)
class Rules:
    """How the layers of a program are differentiated by the inputs in ``wrt``.

    With ``guarded`` every partial holds only inside the domain of its operation, so that a point outside has no number.
    With ``as_torch`` single operations take the formulas that torch evaluates. As a ``last_resort`` what has no closed
    form has no number.
    """

    program: Program
    wrt: tuple[str, ...]
    guarded: bool = False
    as_torch: bool = False
    last_resort: bool = False

    @cached_property
    def expressions(self) -> dict[str, Node]:
        """Return the layers by their names."""
        return {layer.name: layer.expression for layer in self.program.layers}

    @cached_property
    def same(self) -> dict[str, str]:
        """Return for every layer the first one that is made in the same way of the same."""
        return _numbered(self.program)

    @cached_property
    def active(self) -> frozenset[str]:
        """Return the names that move with an input; what is the same whatever the inputs are does not."""
        active = set(self.wrt)
        for layer in self.program.layers:
            if not self.is_held(layer.expression) and active.intersection(names(layer.expression)):
                active.add(layer.name)
        return frozenset(active)

    def is_held(self, node: Node) -> bool:
        """Tell whether a value does not move, whatever its arguments do."""
        if not isinstance(node, Call):
            return False
        return node.op == DETACH or (self.guarded and _equals(node) == "constant" and self.ties(node))

    def ties(self, node: Call) -> bool:
        """Tell whether the arguments of an operation are one number by their structure, wherever the point is."""
        first, *others = ((one.id if isinstance(one, Name) else None) for one in node.args)
        return first is not None and [self.same.get(one or "", one) for one in others] == [self.same.get(first, first)]

    def parts(self, name: str, kernel: Node, flow: Flow) -> Iterator[tuple[str, Node | None]]:
        """Yield the names that a layer reads, with what each adds; a single operation has one for each argument.

        So ``x/x`` as a node keeps both of its terms, as torch does, and does not become 1 before it is differentiated.
        """
        single = (self.guarded or self.as_torch) and isinstance(kernel, Call)
        if not single or not isinstance(kernel, Call):
            moving = (leaf for leaf in names(kernel) if leaf in self.active)
            yield from ((leaf, self.product(name, kernel, leaf, flow(leaf))) for leaf in moving)
            return
        if self.guarded and _equals(kernel) == "either" and self.ties(kernel):
            moving = (arg.id for arg in kernel.args[:1] if isinstance(arg, Name) and arg.id in self.active)
            yield from ((leaf, flow(leaf)) for leaf in moving)
            return
        for position, arg in enumerate(kernel.args):
            if isinstance(arg, Name) and arg.id in self.active:
                alone = Name(f"{arg.id}:{position}")
                args = (*kernel.args[:position], alone, *kernel.args[position + 1 :])
                product = self.product(name, replace(kernel, args=args), alone.id, flow(arg.id))
                yield arg.id, None if product is None else substitute(product, {alone.id: arg})
        if self.guarded:
            yield from self.ends(kernel, flow)

    def ends(self, kernel: Call, flow: Flow) -> Iterator[tuple[str, Node]]:
        """Yield the names that decide about a choice, each with a 0 that is no number where the choice changes."""
        if kernel.op == GUARD and self.is_flat(kernel.args[0]):
            # A slope that is the same on both sides of its end has none there, whatever it depends on.
            end = replace(kernel, args=(ZERO, kernel.args[1]))
            yield from ((leaf, product(flow(leaf), end)) for leaf in names(kernel.args[1]) if leaf in self.active)
        if kernel.op == WHERE:
            # What decides between the branches has the slope 0, but none on the border, where the value may jump.
            comparisons = [one for one in postorder(kernel.args[0]) if _is_comparison(one) and not self.ties(one)]
            for leaf in dict.fromkeys(leaf for one in comparisons for leaf in names(one)):
                if leaf in self.active:
                    apart = reduce(_both, [call("ne", *one.args) for one in comparisons if leaf in names(one)])
                    yield leaf, product(flow(leaf), call(GUARD, ZERO, apart, reason=str(Reason(Kind.JUMP, WHERE))))

    def is_flat(self, node: Node) -> bool:
        """Tell whether a value is a constant, or a choice between constants."""
        if isinstance(node, Name):
            made = self.expressions.get(node.id)
            return isinstance(made, Call) and made.op in (MASK, WHERE) and all(map(_is_constant, made.args))
        return isinstance(node, Number)

    def product(self, name: str, kernel: Node, leaf: str, flow: Node) -> Node | None:
        """Return what ``leaf`` adds; None where that is nothing. Guards stay: no number times 0 is no number.

        torch's own formulas are linear in ``grad``: with the tangent in its place they are those of its forward mode
        (tools/autograd/derivatives.yaml has most of these as auto_element_wise or auto_linear, which says just that).
        """
        row = ELEMENTWISE.get(kernel.op) if self.as_torch and isinstance(kernel, Call) else None
        if row is not None and row.as_torch and isinstance(kernel, Call):
            position = next(k for k, arg in enumerate(kernel.args) if isinstance(arg, Name) and arg.id == leaf)
            if row.args[position] in row.fixed:
                return NO_NUMBER
            given = {"grad": flow, "result": Name(name), **dict(zip(row.args, kernel.args, strict=True))}
            return substitute(kernels.expression(row.as_torch[position]), given)
        if self.as_torch and isinstance(kernel, Call) and kernel.op == WHERE:
            return _chosen(kernel, leaf, flow)
        slope = self.slope(kernel, leaf)
        nothing = isinstance(slope, Number) and slope.value == 0 and not self.guarded
        # A product of two constants is rounded like any other.
        return None if nothing else product(flow, slope, fold=not self.as_torch)

    def is_fused(self, kernel: Node) -> bool:
        """Tell whether torch computes what flows through an operation in one kernel, without rounding on the way."""
        row = ELEMENTWISE.get(kernel.op) if self.as_torch and isinstance(kernel, Call) else None
        return row is not None and row.fused

    def slope(self, kernel: Node, leaf: str) -> Node:
        """Return the derivative of a kernel by a name, which may have no number outside of its domain."""
        try:
            slope = kernels.partial(kernel, leaf)
        except kernels.NoClosedForm:
            if not self.last_resort and not self.guarded:
                raise
            slope = NO_NUMBER
        for inside, reason in domains(kernel) if self.guarded else ():
            slope = call(GUARD, slope, inside, reason=str(reason))
        return slope


def domains(kernel: Node) -> Iterator[tuple[Node, Reason]]:
    """Yield where each operation of a kernel is defined, as a condition on its names, with the reason it gives.

    >>> from gradcheck.parse import parse
    >>> from gradcheck.program import to_text
    >>> [(to_text(one), str(why)) for one, why in domains(parse("log(x) + sqrt(y)").layers[0].expression)]
    [('x > 0', 'domain log'), ('y >= 0', 'domain sqrt')]
    """
    for part in postorder(kernel):
        if not isinstance(part, Call) or (part.op == "div" and _is_nonzero(part.args[1])):
            continue
        found = domain(part)
        if found is not None:
            yield found, Reason(Kind.DOMAIN, part.op)


def plus(a: Node, b: Node) -> Node:
    """Return the sum.

    >>> from gradcheck.program import Name, to_text
    >>> to_text(plus(Name("a"), Name("b")))
    'a + b'
    """
    return call("add", a, b)


def product(a: Node, b: Node, *, fold: bool = True) -> Node:
    """Return the product without factors of one; that of two numbers as a number where these ``fold``.

    >>> from gradcheck.program import Name, number, to_text
    >>> to_text(product(Name("a"), number(1))), to_text(product(Name("a"), Name("b")))
    ('a', 'a*b')
    """
    if isinstance(a, Number) and a.value == 1:
        return b
    if isinstance(b, Number) and b.value == 1:
        return a
    return number(a.value * b.value) if fold and isinstance(a, Number) and isinstance(b, Number) else call("mul", a, b)


def _chosen(choice: Call, leaf: str, flow: Node) -> Node | None:
    """Return what one branch of a choice adds as torch has it: chosen, and not multiplied by 1 or 0.

    Where roundings leave the condition open it is all of the flow or nothing; a product of intervals loses its sign.
    """
    condition, *branches = choice.args
    taken = [isinstance(one, Name) and one.id == leaf for one in branches]
    return call(WHERE, condition, *(flow if mine else ZERO for mine in taken)) if any(taken) else None


def _equals(node: Call) -> str:
    """Return what an operation is where its arguments are equal, as its row has it."""
    row = ELEMENTWISE.get(node.op)
    return "" if row is None else row.equals


def _numbered(program: Program) -> dict[str, str]:
    """Return for every layer the first one that is made in the same way of the same: the two are equal everywhere."""
    first: dict[str, str] = {}
    same: dict[str, str] = {}
    for layer in program.layers:
        by = {one: Name(same.get(one, one)) for one in names(layer.expression)}
        node = substitute(layer.expression, dict(by))
        key = node.id if isinstance(node, Name) else first.setdefault(structure(node), layer.name)
        same[layer.name] = key
    return same


def _is_constant(node: Node) -> bool:
    return isinstance(node, Number) or (isinstance(node, Call) and node.op in CONDITIONS)


def _both(a: Call, b: Call) -> Call:
    return call("logical_and", a, b)


def _is_comparison(node: Node) -> TypeGuard[Call]:
    return isinstance(node, Call) and node.op in COMPARISONS


def _is_nonzero(node: Node) -> bool:
    return isinstance(node, Number) and node.value != 0
