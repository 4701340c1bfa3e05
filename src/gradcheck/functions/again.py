"""Definitions with slopes of torch's own that are differentiated more than once: the slope is a function, too.

A function with the slope q is ``f(a) + sum(w*q(a + s*(x - a))*(x - a))`` over the nodes s and the weights w of a
quadrature: at x = a it has the derivatives of f as far as the quadrature is exact, and its value there is f(a) itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count

from gradcheck.functions.params import axes, axis, reduced
from gradcheck.program import Param, Shape

SIMPSON = (("{u}/2", "2*{q}/3"), ("{u}", "{q}/6"))
NODES = {2: (("{u}/2", "{q}"),), 3: SIMPSON, 4: SIMPSON}
"""Nodes and weights by the order: the midpoint, and Simpson's rule, whose first node moves nothing."""

ROOT_OF_HALF = (
    "0.7071067811865475244008443621048490392848359376884740365883398689"
    "95366239231053519425193767163820786367506923115456148512462418"
)
ROOT_OF_TWO_PI = (
    "2.5066282746310005024157652848110452530069867406099383166299235763"
    "4229365460784197494659583837805726611600997266520387964486632"
)
"""Numbers of a kernel with more digits than any enclosure has: a root in the lines would be one of torch's floats."""

Slope = Callable[[str, str, str], str]
"""The slope times a step ``u``, by the point and the value there."""


class _Lines:
    """The lines of a definition so far."""

    def __init__(self, value: Callable[[str], str], slope: Slope) -> None:
        self.value, self.slope = value, slope
        self.lines: list[str] = []
        self.numbers = count()

    def add(self, text: str) -> str:
        """Return the name of what a text gives, whose lines but the last are its own."""
        name = f"y{next(self.numbers)}_"
        *before, last = text.splitlines()
        self.lines += [*before, f"{name} = {last}"]
        return name

    def of(self, x: str, order: int) -> str:
        """Return the name of the function of ``x`` with its derivatives up to an order."""
        a = self.add(f"detach({x})")
        *before, last = self.value(a).splitlines()
        value = self.add("\n".join([*before, f"detach({last})"]))
        if order == 0:
            return value
        u = self.add(f"{x} - detach({x})")
        parts = [value, *self.parts(a, u, value, order)]
        return self.add(" + ".join(parts))

    def parts(self, a: str, u: str, value: str, order: int) -> Iterator[str]:
        """Yield what the slopes add, which is 0 with the derivatives of the function."""
        if order == 1:
            yield self.sloped(a, value, u)
            return
        if order > 2:
            yield f"{self.sloped(a, value, u)}/6"
        for node, weight in NODES[order]:
            z = self.add(f"{a} + {node.format(u=u)}")
            yield weight.format(q=self.sloped(z, self.of(z, order - 1), u))

    def sloped(self, z: str, y: str, u: str) -> str:
        return self.add(self.slope(z, y, u))


def logsumexp(order: int, x: Shape, dim: Param = None, keepdim: Param = False) -> str:
    """Return logsumexp with the slope exp(x - logsumexp(x)) up to an order.

    >>> logsumexp(2, (3,), 0).splitlines()[-1]
    'reshape(y10_, ())'
    """
    if not x:
        return "log(exp(x))"
    over = f", dim={axes(dim, len(x))}, keepdim=True"
    made = _Lines(lambda a: _total(a, over), lambda z, y, u: f"sum(exp({z} - {y})*{u}{over})")
    return _finished(made, order, f", {reduced(x, axes(dim, len(x)), bool(keepdim))})", "reshape(")


def logsigmoid(order: int, x: Shape) -> str:
    """Return logsigmoid with the slope 1 - sigmoid(x), whose own is p*(p - 1) of the stored p = sigmoid(x).

    tools/autograd/derivatives.yaml, log_sigmoid_backward: where p is near 1, p - 1 has lost its digits.
    """
    del x
    return _finished(
        _Lines(lambda a: f"minimum({a}, 0) - log1p(exp(-abs({a})))", lambda z, _, u: f"{u}*(1 - sigmoid({z}))"), order
    )


def log_ndtr(order: int, x: Shape) -> str:
    """Return log_ndtr with the slope of its result, exp(-(y + x**2/2))/sqrt(2*pi), up to an order."""
    del x

    def value(a: str) -> str:
        t = f"{a}*{ROOT_OF_HALF}"
        return f"where({a} < -1, log(erfcx(-{t})/2) - ({t})**2, log1p(-erfc({t})/2))"

    slope = f"exp(-({{y}} + {{z}}**2/2))/{ROOT_OF_TWO_PI}"
    return _finished(_Lines(value, lambda z, y, u: f"{u}*({slope.format(y=y, z=z)})"), order)


def sloped(order: int, value: Callable[[str], str], slope: Slope, after: str = "", start: str = "x") -> str:
    """Return a function of ``start`` with a slope of its own up to an order, and what stands ``after`` its name.

    The texts may be several lines, the last the result. What else they name begins with the point, which is another one
    each time.
    """
    return _finished(_Lines(value, slope), order, after, start=start)


def softmax(order: int, x: Shape, dim: Param) -> str:
    """Return softmax with the slope of its result, y*(u - sum(y*u)), up to an order."""
    over = f", dim={axis(dim, len(x))}, keepdim=True" if x else ""

    def value(a: str) -> str:
        power = f"exp({a} - detach(amax({a}{over})))"
        return f"{power}/sum({power}{over})"

    return _finished(_Lines(value, lambda _, y, u: f"{y}*({u} - sum({y}*{u}{over}))"), order)


def log_softmax(order: int, x: Shape, dim: Param) -> str:
    """Return log_softmax with the slope of its result, u - exp(y)*sum(u) on the way back, up to an order."""
    over = f", dim={axis(dim, len(x))}, keepdim=True" if x else ""

    def value(a: str) -> str:
        top = f"detach(amax({a}{over}))"
        return f"{a} - {top} - log(sum(exp({a} - {top}){over}))"

    return _finished(_Lines(value, lambda _, y, u: f"{u} - sum(exp({y})*{u}{over})"), order)


def _total(a: str, over: str) -> str:
    top = f"detach(amax({a}{over}))"
    return f"{top} + log(sum(exp({a} - {top}){over}))"


def _finished(made: _Lines, order: int, after: str = "", before: str = "", start: str = "x") -> str:
    last = made.of(start, order)
    return "\n".join([*made.lines, f"{before}{last}{after}"])
