"""The rules of differentiation, in one table: what each matches, what it makes of it, and a sentence for students."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache, reduce

from gradcheck import kernels
from gradcheck.explanation.definitions import definition
from gradcheck.explanation.model import Rule
from gradcheck.explanation.shown import Formula, derivative
from gradcheck.functions import ELEMENTWISE, WHERE
from gradcheck.kernels import ONE, ZERO
from gradcheck.program import Call, Name, Node, Number, call, names, number, rebuild, substitute

Lets = tuple[tuple[str, Node], ...]


@dataclass(frozen=True, slots=True)
class Match:
    """A rule that fits a derivative: what it leaves, and what its letters stand for."""

    rule: Rule
    after: Node
    lets: Lets = ()


Matcher = Callable[[Node, str], Match | None]


def match(body: Node, by: str) -> Match:
    """Return the first rule of the table that fits ``D[body]``, used on it."""
    return next(found for row in TABLE for found in [row(body, by)] if found is not None)


def flat_sum(node: Node) -> list[tuple[int, Node]]:
    """Return the terms of a sum in order, each with its sign."""
    terms: list[tuple[int, Node]] = []
    todo = [(1, node)]
    while todo:
        sign, part = todo.pop()
        if isinstance(part, Call) and part.op in ("add", "sub"):
            todo += [(sign if part.op == "add" else -sign, part.args[1]), (sign, part.args[0])]
        else:
            terms.append((sign, part))
    return terms


def summed(terms: Sequence[tuple[int, Node]]) -> Node:
    """Return the sum of signed terms."""
    sign, made = terms[0]
    made = made if sign > 0 else call("neg", made)
    for sign, term in terms[1:]:
        made = call("add" if sign > 0 else "sub", made, term)
    return made


def _free(node: Node, by: str) -> bool:
    return by not in names(node)


def _times(a: Node, b: Node) -> Node:
    return call("mul", a, b)


def _product(factors: Sequence[Node]) -> Node:
    return reduce(_times, factors) if factors else ONE


def _over(above: Sequence[Node], below: Sequence[Node]) -> Node:
    return call("div", _product(above), _product(below)) if below else _product(above)


def _factors(node: Node) -> tuple[list[Node], list[Node]]:
    """Return what is multiplied and what is divided by; a sign is the factor -1."""
    above: list[Node] = []
    below: list[Node] = []
    todo = [(True, node)]
    while todo:
        up, part = todo.pop()
        if isinstance(part, Call) and part.op == "mul":
            todo += [(up, part.args[1]), (up, part.args[0])]
        elif isinstance(part, Call) and part.op == "div":
            todo += [(not up, part.args[1]), (up, part.args[0])]
        elif isinstance(part, Call) and part.op == "neg":
            above.append(number(-1))
            todo.append((up, part.args[0]))
        else:
            (above if up else below).append(part)
    return above, below


# --- how a rule reads -----------------------------------------------------------------------------


def _rule(name: str, title: str, left: str, right: str, sentence: str) -> Rule:
    """Return a rule; in its texts ``D(u)`` is the derivative of u."""
    return Rule(name, title, sentence, Formula(_pattern(left)), Formula(_pattern(right)))


def _pattern(text: str) -> Node:
    """Return a pattern of the language, in which ``sign`` has been borrowed for ``D``."""
    return rebuild(kernels.expression(text.replace("D(", "sign(")), _borrowed)


def _borrowed(part: Node) -> Node:
    return derivative(part.args[0], "x") if isinstance(part, Call) and part.op == "sign" else part


_CONSTANT = _rule("constant", "constant", "D(c)", "0", "What does not depend on x does not change with it.")
_VARIABLE = _rule("variable", "the variable itself", "D(x)", "1", "x changes as fast as x.")
KNOWN = _rule(
    "variable-and-constant", "the variable and the constants", "D(x + c)", "1 + 0",
    "x changes as fast as x, and what does not depend on x does not change with it.",
)  # fmt: skip
_SUM = _rule("sum", "sum rule", "D(u + v)", "D(u) + D(v)", "A sum is differentiated term by term.")
_MULTIPLE = _rule("constant-multiple", "constant multiple", "D(c*u)", "c*D(u)", "A constant factor stays where it is.")
_PRODUCT = _rule(
    "product", "product rule", "D(u*v)", "D(u)*v + u*D(v)",
    "Each factor changes in turn while the other one stands still.",
)  # fmt: skip
_RECIPROCAL = _rule(
    "reciprocal", "reciprocal rule", "D(1/v)", "-D(v)/v**2", "It is the power rule for the exponent -1."
)
_QUOTIENT = _rule(
    "quotient", "quotient rule", "D(u/v)", "(D(u)*v - u*D(v))/v**2",
    "The product rule for u and 1/v, over a common denominator.",
)  # fmt: skip
_POWER = _rule("power", "power rule", "D(x**n)", "n*x**(n - 1)", "The exponent comes down, and is one less.")
_CHAIN_POWER = _rule(
    "chain-power", "chain rule, power", "D(u**n)", "n*u**(n - 1)*D(u)",
    "The outer derivative at u, times the derivative of what is inside.",
)  # fmt: skip
_EXPONENTIAL = _rule(
    "exponential", "exponential rule", "D(c**x)", "c**x*log(c)",
    "c**x is exp(x*log(c)), and an exponential is its own derivative.",
)  # fmt: skip
_CHAIN_EXPONENTIAL = _rule(
    "chain-exponential", "chain rule, exponential", "D(c**u)", "c**u*log(c)*D(u)",
    "c**u is exp(u*log(c)): an exponential is its own derivative, times that of its exponent.",
)  # fmt: skip
_TOWER = _rule(
    "variable-exponent", "power with x in base and exponent", "D(u**v)", "u**v*D(v*log(u))",
    "u**v is exp(v*log(u)): an exponential is its own derivative, times that of its exponent.",
)  # fmt: skip
_CHOICE = _rule(
    "piecewise", "piecewise", "D(where(t > 0, u, v))", "where(t > 0, D(u), D(v))",
    "Each branch is differentiated by itself; on the border between them there may be no derivative.",
)  # fmt: skip
SIMPLIFY = Rule("simplify", "simplify", "Ones and zeros go, and numbers are multiplied.")
COLLECT = Rule("collect", "collect", "Multiplied out, equal terms gathered, in the form that the check uses.")


# --- the table ------------------------------------------------------------------------------------


def _constant(body: Node, by: str) -> Match | None:
    return Match(_CONSTANT, ZERO, (("c", body),)) if _free(body, by) else None


def _variable(body: Node, by: str) -> Match | None:
    return Match(_VARIABLE, ONE) if isinstance(body, Name) and body.id == by else None


def _sum(body: Node, by: str) -> Match | None:
    terms = flat_sum(body)
    return Match(_SUM, summed([(sign, derivative(one, by)) for sign, one in terms])) if len(terms) > 1 else None


def _multiple(body: Node, by: str) -> Match | None:
    above, below = _factors(body)
    above = [one for one in above if not (isinstance(one, Number) and one.value == 1)]
    fixed = [[one for one in side if _free(one, by)] for side in (above, below)]
    moving = [[one for one in side if not _free(one, by)] for side in (above, below)]
    if not any(fixed):
        return None
    rest = derivative(_over(*moving), by)
    return Match(_MULTIPLE, _scaled(fixed[0], fixed[1], rest), (("c", _over(*fixed)), ("u", _over(*moving))))


def _scaled(above: list[Node], below: list[Node], rest: Node) -> Node:
    """Return constants times the rest: ``-2*D[u]``, ``D[u]/3``; numbers are multiplied."""
    known = [one.value for one in above if isinstance(one, Number)]
    letters = [one for one in above if not isinstance(one, Number)]
    factor = reduce(lambda a, b: a * b, known, Fraction(1))
    factors = [number(abs(factor))] if abs(factor) != 1 else []
    made = _over([*factors, *letters, rest], below)
    return kernels.negated(made) if factor < 0 else made


def _product_rule(body: Node, by: str) -> Match | None:
    if not (isinstance(body, Call) and body.op == "mul"):
        return None
    u, v = body.args
    if isinstance(u, Call) and u.op == "div":  # (a/b)*v is one quotient
        return None
    after = call("add", _times(derivative(u, by), v), _times(u, derivative(v, by)))
    return Match(_PRODUCT, after, (("u", u), ("v", v)))


def _quotient(body: Node, by: str) -> Match | None:
    above, below = _factors(body)
    if not below:
        return None
    u, v = _product(above), _product(below)
    square = call("pow", v, number(2))
    if _free(u, by):
        return Match(_RECIPROCAL, call("neg", call("div", derivative(v, by), square)), (("v", v),))
    top = call("sub", _times(derivative(u, by), v), _times(u, derivative(v, by)))
    return Match(_QUOTIENT, call("div", top, square), (("u", u), ("v", v)))


def _power(body: Node, by: str) -> Match | None:
    if not (isinstance(body, Call) and body.op == "pow"):
        return None
    u, n = body.args
    if not _free(n, by):
        return _exponential(u, n, body, by)
    outer = _times(n, _lowered(u, n))
    if isinstance(u, Name):
        return Match(_POWER, outer, (("n", n),))
    return Match(_CHAIN_POWER, _times(outer, derivative(u, by)), (("u", u), ("n", n)))


def _lowered(u: Node, n: Node) -> Node:
    """Return ``u**(n - 1)``."""
    value = _value(n)
    if value is None:
        return call("pow", u, call("sub", n, ONE))
    return u if value == 2 else ONE if value == 1 else call("pow", u, number(value - 1))


def _value(n: Node) -> Fraction | None:
    """Return the number that an exponent is: 3, -2, 1/2."""
    if isinstance(n, Number):
        return n.value
    if isinstance(n, Call) and n.op in ("neg", "div"):
        parts = [_value(one) for one in n.args]
        if None not in parts and parts[-1]:
            known = [one for one in parts if one is not None]
            return -known[0] if n.op == "neg" else known[0] / known[1]
    return None


def _exponential(u: Node, v: Node, body: Node, by: str) -> Match:
    if _free(u, by):
        outer = body if isinstance(u, Call) and u.op == "e" else _times(body, call("log", u))
        if isinstance(v, Name):
            return Match(_EXPONENTIAL, outer, (("c", u),))
        return Match(_CHAIN_EXPONENTIAL, _times(outer, derivative(v, by)), (("c", u), ("u", v)))
    inside = derivative(_times(v, call("log", u)), by)
    return Match(_TOWER, _times(body, inside), (("u", u), ("v", v)))


def _choice(body: Node, by: str) -> Match | None:
    if not (isinstance(body, Call) and body.op == WHERE):
        return None
    condition, u, v = body.args
    return Match(_CHOICE, call(WHERE, condition, derivative(u, by), derivative(v, by)))


def _definition(body: Node, by: str) -> Match | None:
    expanded = definition(body) if isinstance(body, Call) else None
    if expanded is None or not isinstance(body, Call):
        return None
    rule = Rule("definition", f"what {body.op} is", f"{body.op} is written out.", Formula(body), Formula(expanded))
    return Match(rule, derivative(expanded, by))


def _function(body: Node, by: str) -> Match | None:
    """Differentiate a function of the table: its partials, each times the derivative of its argument."""
    if not (isinstance(body, Call) and body.op in ELEMENTWISE):
        return None
    letters = "uvw"[: len(body.args)]
    moving = [k for k, arg in enumerate(body.args) if not _free(arg, by)]
    direct = len(body.args) == 1 and isinstance(body.args[0], Name)
    by_letter = dict(zip(letters, body.args, strict=True))
    terms = []
    for k in moving:
        slope = substitute(_partial(body.op, letters, k), by_letter)
        terms.append((1, slope if direct else _chained(slope, derivative(body.args[k], by))))
    lets = () if direct else tuple((letters[k], body.args[k]) for k in moving)
    return Match(_function_rule(body.op, letters, tuple(moving), direct), summed(terms), lets)


def _chained(slope: Node, inner: Node) -> Node:
    """Return the outer derivative times the inner one: ``cos(u)*D[u]``, ``D[u]/u``, ``-sin(u)*D[u]``."""
    if isinstance(slope, Call) and slope.op == "div" and isinstance(slope.args[0], Number):
        top = slope.args[0].value
        made = call("div", inner if abs(top) == 1 else _times(number(abs(top)), inner), slope.args[1])
        return call("neg", made) if top < 0 else made
    return _times(slope, inner)


@lru_cache(maxsize=1024)
def _partial(op: str, letters: str, k: int) -> Node:
    return kernels.partial(Call(op, tuple(Name(one) for one in letters)), letters[k])


@lru_cache(maxsize=1024)
def _function_rule(op: str, letters: str, moving: tuple[int, ...], direct: bool) -> Rule:
    if direct:
        left, right = Call(op, (Name("x"),)), substitute(_partial(op, letters, 0), {letters: Name("x")})
        name, title = f"derivative-{op}", f"derivative of {op}"
        sentence = f"The derivative of {op} is looked up: one row of the table."
        return Rule(name, title, sentence, Formula(derivative(left, "x")), Formula(right))
    left = Call(op, tuple(Name(one) for one in letters))
    parts = [(1, _chained(_partial(op, letters, k), derivative(Name(letters[k]), "x"))) for k in moving]
    sentence = "The outer derivative at u, times the derivative of what is inside."
    if len(moving) > 1:
        sentence = "Each argument changes in turn: its partial derivative, times the derivative of what is inside."
    return Rule(f"chain-{op}", f"chain rule, {op}", sentence, Formula(derivative(left, "x")), Formula(summed(parts)))


TRIVIAL = frozenset({_CONSTANT.name, _VARIABLE.name})
"""Rules that wait until nothing else is to be done, and are then used all at once."""

TABLE: tuple[Matcher, ...] = (
    _constant, _variable, _sum, _multiple, _product_rule, _quotient, _power, _choice, _definition, _function,
)  # fmt: skip
"""The rules in the order in which they are tried; the first that fits is used."""


def rules() -> Iterator[Rule]:
    """Yield the rules that have a name of their own; each function of the table has one more."""
    yield from (
        _CONSTANT, _VARIABLE, KNOWN, _SUM, _MULTIPLE, _PRODUCT, _RECIPROCAL, _QUOTIENT, _POWER, _CHAIN_POWER,
        _EXPONENTIAL, _CHAIN_EXPONENTIAL, _TOWER, _CHOICE, SIMPLIFY, COLLECT,
    )  # fmt: skip
