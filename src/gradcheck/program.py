"""The intermediate representation: a program is named layers of expressions, and prints back to text."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from math import inf
from typing import TypeVar

from gradcheck.errors import Span

RESULT = "result"
"""The param of a call that says which of several results is meant, counted from 0."""
SIZE, SHAPE, COUNT, RANK, QUOTIENT = "size", "shape", "numel", "ndim", "floordiv"
"""What is asked of a shape, of a tensor that has a name, and the whole quotient of two sizes: numbers, once shapes are
known."""
LISTED = frozenset({"cat", "stack", "hstack", "vstack", "dstack", "column_stack", "linalg.multi_dot"})
"""Operations on a list of tensors, in brackets of its own."""
ATTRIBUTES = frozenset({"T", "mT", "H", "mH"})
"""Operations that are written without brackets: ``x.T``."""
NOWHERE = Span(0, 0)
"""The span of a node that the user did not type."""

T = TypeVar("T")
Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Given:
    """Whole numbers that an input holds, as a static argument: every point has its own.

    >>> from gradcheck.parse import parse
    >>> parse("x[t]").indices
    ('t',)
    """

    name: str

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True, eq=False)
class Sized:
    """A static argument that is worked out of the shapes of tensors, such as ``x.shape[0]//2``.

    >>> from gradcheck.parse import parse
    >>> str(parse("x.reshape(x.shape[0], -1)"))
    'out = reshape(x, shape=(x.shape[0], -1))'
    """

    node: Node

    def __str__(self) -> str:
        return f"{'*' if self.spreads else ''}{to_text(self.node)}"

    def __repr__(self) -> str:
        return str(self)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sized) and str(self) == str(other)

    def __hash__(self) -> int:
        return hash(str(self))

    @property
    def spreads(self) -> bool:
        """Return whether it stands for several sizes."""
        return isinstance(self.node, Call) and self.node.op == SHAPE


Param = bool | int | Fraction | str | None | slice | Given | Sized | tuple["Param", ...]


@dataclass(frozen=True, slots=True, eq=False)
class Number:
    """An exact rational constant; ``0.1`` is 1/10.

    >>> Number(Fraction(1, 10)).value
    Fraction(1, 10)
    """

    value: Fraction
    span: Span = NOWHERE


@dataclass(frozen=True, slots=True, eq=False)
class Name:
    """An input or an earlier layer.

    >>> Name("x").id
    'x'
    """

    id: str
    span: Span = NOWHERE


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """An operation of the table on tensors ``args``, with static ``params`` (dim, keepdim, shape, ...)."""

    op: str
    args: tuple[Node, ...]
    params: tuple[tuple[str, Param], ...] = ()
    span: Span = NOWHERE

    def param(self, name: str, default: Param = None) -> Param:
        """Return a parameter, or ``default`` where the user wrote none."""
        return next((value for key, value in self.params if key == name), default)


Node = Number | Name | Call


@dataclass(frozen=True, slots=True)
class Layer:
    """One statement ``name = expression``.

    >>> from gradcheck.parse import parse
    >>> [layer] = parse("y = 2*x").layers
    >>> layer.name, to_text(layer.expression)
    ('y', '2*x')
    """

    name: str
    expression: Node
    span: Span = NOWHERE


@dataclass(frozen=True, slots=True)
class Program:
    """Named inputs, layers in order, and the names of the outputs; ``source`` is the text that spans point into.

    ``fixed`` are inputs that torch differentiates nothing by: those that stand for conditions alone, which hold where a
    number is not 0, and such as the weights of classes.

    >>> from gradcheck.parse import parse
    >>> made = parse("y = a*x; sin(y)")
    >>> made.inputs, [one.name for one in made.layers], made.output
    (('a', 'x'), ['y', 'out'], 'out')
    >>> str(made)
    'y = a*x\\nout = sin(y)'
    """

    inputs: tuple[str, ...]
    layers: tuple[Layer, ...]
    outputs: tuple[str, ...]
    source: str = ""
    fixed: tuple[str, ...] = ()

    @property
    def tracked(self) -> tuple[str, ...]:
        """Return the inputs that are differentiated by where nothing else is asked: neither masks, weights nor indices.

        >>> from gradcheck.parse import parse
        >>> parse("where(m, x[t], 0)").tracked
        ('x',)
        """
        others = {*self.fixed, *self.indices}
        return tuple(name for name in self.inputs if name not in others)

    @property
    def output(self) -> str:
        """Return the only output, or the last one."""
        return self.outputs[-1]

    @property
    def indices(self) -> tuple[str, ...]:
        """Return the inputs that hold whole numbers, which are static arguments of operations."""
        found = (name for layer in self.layers for part in postorder(layer.expression) if isinstance(part, Call)
                 for _, value in part.params for name in given(value))  # fmt: skip
        return tuple(dict.fromkeys(found))

    def text(self, name: str) -> str:
        """Return the text of one layer's expression."""
        return to_text(next(layer.expression for layer in self.layers if layer.name == name))

    def __str__(self) -> str:
        return "\n".join(f"{layer.name} = {to_text(layer.expression)}" for layer in self.layers)


def infinity(node: Node) -> float | None:
    """Return the infinity that an expression is as it is written, None for any other.

    >>> infinity(call("neg", call("inf"))), infinity(Name("x"))
    (-inf, None)
    """
    if isinstance(node, Call) and node.op == "inf":
        return inf
    if isinstance(node, Call) and node.op == "neg" and infinity(node.args[0]) is not None:
        return -inf if infinity(node.args[0]) == inf else inf
    return None


def given(value: Param) -> Iterator[str]:
    """Yield the inputs that a static argument reads.

    >>> list(given((0, Given("t"))))
    ['t']
    """
    if isinstance(value, Given):
        yield value.name
    elif isinstance(value, tuple):
        for one in value:
            yield from given(one)


def postorder(node: Node) -> Iterator[Node]:
    """Return every node below ``node`` and then itself, arguments first; deep expressions need no recursion.

    >>> from gradcheck.parse import parse
    >>> [to_text(one) for one in postorder(parse("sin(x) + 1").layers[0].expression)]
    ['x', 'sin(x)', '1', 'sin(x) + 1']
    """
    stack = [node]
    found: list[Node] = []  # so, and not ``list[Node]()``, which no compiler of torch's follows
    while stack:  # a node, then its arguments from the last on: the reverse of what is wanted, and the fastest to make
        current = stack.pop()
        found.append(current)
        if isinstance(current, Call):
            stack.extend(current.args)
    return reversed(found)


def fold(node: Node, name: Callable[[Name], T], number: Callable[[Number], T], call: Callable[[Call, list[T]], T]) -> T:
    """Return what becomes of an expression: of its leaves, and of every operation with what its arguments became.

    This is the one walk from the leaves up; deep expressions need no recursion.

    >>> from gradcheck.parse import parse
    >>> fold(parse("x*(y + 1)").layers[0].expression, lambda _: 0, lambda _: 0, lambda _, args: 1 + max(args))
    2
    """
    done: list[T] = []
    for part in postorder(node):
        if isinstance(part, Name):
            done.append(name(part))
        elif isinstance(part, Number):
            done.append(number(part))
        else:
            at = len(done) - len(part.args)
            args = done[at:]
            del done[at:]
            done.append(call(part, args))
    return done[-1]


def names(node: Node) -> dict[str, Span]:
    """Return the names that ``node`` reads, in order of appearance, each with its first span.

    >>> from gradcheck.parse import parse
    >>> names(parse("y + x*y").layers[0].expression)
    {'y': Span(start=0, end=1), 'x': Span(start=4, end=5)}
    """
    found: dict[str, Span] = {}
    for part in postorder(node):
        if isinstance(part, Name):
            found.setdefault(part.id, part.span)
    return found


def live(program: Program) -> Iterator[Layer]:
    """Yield the layers that an output reads, the last first; what no output reads decides nothing.

    >>> from gradcheck.parse import parse
    >>> [one.name for one in live(parse("a = x; b = 2*x; a + 1"))]
    ['out', 'a']
    """
    needed = set(program.outputs)
    for layer in reversed(program.layers):
        if layer.name in needed:
            needed.update(names(layer.expression))
            yield layer


def rebuild(node: Node, change: Callable[[Node], Node]) -> Node:
    """Return ``node`` with ``change`` applied to every part, arguments first.

    >>> from gradcheck.parse import parse
    >>> doubled = lambda one: number(2*one.value) if isinstance(one, Number) else one
    >>> to_text(rebuild(parse("x + 3").layers[0].expression, doubled))
    'x + 6'
    """

    def rebuilt(part: Call, args: list[Node]) -> Node:
        same = all(new is old for new, old in zip(args, part.args, strict=True))
        return change(part if same else replace(part, args=tuple(args)))

    return fold(node, change, change, rebuilt)


def substitute(node: Node, by: dict[str, Node]) -> Node:
    """Return ``node`` with names replaced by expressions.

    >>> from gradcheck.parse import parse
    >>> to_text(substitute(parse("x + y").layers[0].expression, {"y": call("sin", Name("x"))}))
    'x + sin(x)'
    """
    return rebuild(node, lambda part: by.get(part.id, part) if isinstance(part, Name) else part)


def structure(node: Node) -> str:
    """Return the structure in postfix, with what the printed text hides.

    >>> structure(call("sum", Name("x"), dim=0))
    "x sum/1/(('dim', 0),)"
    """
    words = []
    for part in postorder(node):
        if isinstance(part, Call):
            words.append(f"{part.op}/{len(part.args)}/{part.params}")
        else:
            words.append(part.id if isinstance(part, Name) else f"{part.value.numerator:x}/{part.value.denominator:x}")
    return " ".join(words)


def call(op: str, *args: Node, span: Span = NOWHERE, **params: Param) -> Call:
    """Return a call; parameters in the order given.

    >>> to_text(call("sum", Name("x"), dim=(0,), keepdim=True))
    'sum(x, dim=0, keepdim=True)'
    """
    return Call(op, args, tuple(params.items()), span)


def number(value: int | Fraction, span: Span = NOWHERE) -> Number:
    """Return a constant.

    >>> number(Fraction(1, 3)).value
    Fraction(1, 3)
    """
    return Number(Fraction(value), span)


def unravel(shape: Shape, k: int) -> tuple[int, ...]:
    """Return the index of the element at ``k`` in row-major order.

    >>> unravel((2, 3), 4)
    (1, 1)
    """
    place = []
    for size in reversed(shape):
        k, at = divmod(k, size)
        place.append(at)
    return tuple(reversed(place))


# --- back to text -------------------------------------------------------------------------------

_BINARY = {
    "lt": ("<", 1), "le": ("<=", 1), "gt": (">", 1), "ge": (">=", 1), "eq": ("==", 1), "ne": ("!=", 1),
    "logical_or": ("|", 2), "logical_and": ("&", 3),
    "add": ("+", 4), "sub": ("-", 4), "mul": ("*", 5), "div": ("/", 5), "remainder": ("%", 5),
    "matmul": ("@", 5), "pow": ("**", 7), QUOTIENT: ("//", 5),
}  # fmt: skip
"""Operators with Python's precedence, loosest first; unary minus has 6, an atom 9."""

_ASKED = {SIZE: "shape", SHAPE: "shape", COUNT: "numel()", RANK: "ndim"}
_PREFIX = {"neg": ("-", 6), "logical_not": ("~", 6)}
MANY_BITS = 200
"""Bits of a numerator or denominator from which a number is written with an exponent."""
LOOSE, _COMPARISON, _NEGATION, _POWER, ATOM = 0, 1, 6, 7, 9


Written = tuple[str, int]
"""A text with how tightly it holds together: in an operation that asks for more it stands in brackets."""


def to_text(
    node: Node,
    rename: Callable[[str], str] = str,
    further: Callable[[Call, list[Written]], Written | None] = lambda _node, _args: None,
) -> str:
    """Return the expression in the language, with the fewest brackets that parse back to the same tree.

    ``further`` writes operations that are none of the language, and returns None for all others.

    >>> from gradcheck.parse import parse
    >>> to_text(parse("(a*b) - (c - (d))").layers[0].expression), to_text(parse("x").layers[0].expression, str.upper)
    ('a*b - (c - d)', 'X')
    """

    def operation(part: Call, args: list[Written]) -> Written:
        return further(part, args) or _call_text(part, args)

    return fold(node, lambda one: (rename(one.id), ATOM), lambda one: _number_text(one.value), operation)[0]


def _number_text(value: Fraction) -> tuple[str, int]:
    if max(abs(value.numerator), value.denominator).bit_length() > MANY_BITS and (text := _scientific(value)):
        return text, ATOM if value >= 0 else _NEGATION
    if value.denominator == 1:
        return _integer_text(value.numerator), ATOM if value >= 0 else _NEGATION
    decimal = _short_decimal(value)
    if decimal is not None:
        return decimal, ATOM if value >= 0 else _NEGATION
    quotient = f"{_integer_text(value.numerator)}/{_integer_text(value.denominator)}"
    return quotient, _BINARY["div"][1] if value >= 0 else _NEGATION - 1


def _integer_text(n: int) -> str:
    """Return an integer of any length; Python's own limit is there for servers, and Decimal has none."""
    return str(n) if n.bit_length() < MANY_BITS else f"{Decimal(n):f}"


def _scientific(value: Fraction) -> str | None:
    """Return a very large or very small decimal as ``digits e exponent``, None for a fraction that is no decimal."""
    places = max(_multiplicity(value.denominator, 2), _multiplicity(value.denominator, 5))
    digits = value * Fraction(10) ** places
    if digits.denominator != 1:
        return None
    zeros = min(_multiplicity(digits.numerator, 2), _multiplicity(digits.numerator, 5))
    text = _integer_text(abs(digits.numerator) // 10**zeros)
    sign, exponent = "-" if value < 0 else "", len(text) - 1 + zeros - places
    return f"{sign}{text[0]}{'.' if text[1:] else ''}{text[1:]}e{exponent}"


def _multiplicity(n: int, prime: int) -> int:
    """Return how often a prime divides a number."""
    count = 0
    while n and n % prime == 0:
        n, count = n // prime, count + 1
    return count


def _short_decimal(value: Fraction) -> str | None:
    """Return a decimal of at most 17 places that is exactly ``value`` and no fraction of small integers."""
    if value.denominator <= 1000:
        return None
    for places in range(3, 18):
        scaled = value * 10**places
        if scaled.denominator == 1:
            digits = str(abs(scaled.numerator)).rjust(places + 1, "0")
            return f"{'-' if value < 0 else ''}{digits[:-places]}.{digits[-places:]}"
    return None


def _call_text(node: Call, args: list[Written]) -> Written:
    if node.op in _BINARY and len(args) == 2 and not node.params:
        return _operator_text(node.op, *args)
    if node.op in _PREFIX:
        sign, level = _PREFIX[node.op]
        return sign + _bracket(args[0], level), level
    if node.op in ("index", *_ASKED):
        return f"{_bracket(args[0], ATOM)}{_picked_text(node)}", ATOM
    if node.op == "mask":
        return f"where({args[1][0]}, {args[0][0]}, 0)", ATOM
    if node.op in ("guard", "patch", "behind"):
        return args[0]
    if node.op == "permute" and node.param("dims") == (1, 0):
        return f"{_bracket(args[0], ATOM)}.T", ATOM
    if node.op in ATTRIBUTES:
        return f"{_bracket(args[0], ATOM)}.{node.op}", ATOM
    if not args and not node.params:
        return node.op, ATOM
    parts = [text for text, _ in args]
    if node.op in LISTED:
        parts = [f"[{', '.join(parts)}]"]
    shown = [(key, value) for key, value in node.params if (key, value) != ("keepdim", False) and key != RESULT]
    parts += [f"{key}={_dim_text(key, value)}" for key, value in shown]
    result = node.param(RESULT)
    return f"{node.op}({', '.join(parts)}){'' if result is None else f'[{result}]'}", ATOM


def _picked_text(node: Call) -> str:
    """Return what stands behind a tensor that something is picked of, or whose shape is asked for."""
    key = node.param("key")
    if node.op == "index":
        return f"[{_key_text(key)}]"
    return f".{_ASKED[node.op]}{'' if key is None else f'[{param_text(key)}]'}"


def _operator_text(op: str, left: tuple[str, int], right: tuple[str, int]) -> tuple[str, int]:
    sign, level = _BINARY[op]
    if op == "pow":
        return f"{_bracket(left, level + 1)}**{_bracket(right, _NEGATION)}", level
    low = level + 1 if level == _COMPARISON else level
    space = "" if op in ("mul", "div", QUOTIENT) else " "
    return f"{_bracket(left, low)}{space}{sign}{space}{_bracket(right, level + 1)}", level


def _bracket(part: tuple[str, int], level: int) -> str:
    text, own = part
    return text if own >= level else f"({text})"


def _dim_text(key: str, value: Param) -> str:
    alone = key == "dim" and isinstance(value, tuple) and len(value) == 1
    if alone and isinstance(value, tuple) and not (isinstance(value[0], Sized) and value[0].spreads):
        return param_text(value[0])
    return param_text(value)


def param_text(value: Param) -> str:
    """Return a parameter as it is written in a call.

    >>> param_text((0, -1)), param_text(True), param_text(slice(None, 2)), param_text("sum"), param_text("inf")
    ('(0, -1)', 'True', ':2', "'sum'", 'inf')
    """
    if isinstance(value, tuple):
        return f"({', '.join(map(param_text, value))}{',' if len(value) == 1 else ''})"
    if isinstance(value, slice):
        return _slice_text(value)
    if isinstance(value, Fraction):
        return _number_text(value)[0]
    return repr(value) if isinstance(value, str) and value not in ("inf", "-inf", "...") else str(value)


def _key_text(key: Param) -> str:
    items = key if isinstance(key, tuple) else (key,)
    return ", ".join(_key_item_text(item) for item in items)


def _key_item_text(item: Param) -> str:
    if isinstance(item, Given):
        return item.name
    if isinstance(item, tuple):
        return f"[{', '.join(map(param_text, item))}]"
    return "..." if item == "..." else param_text(item)


def _slice_text(value: slice) -> str:
    start, stop, step = ("" if part is None else str(part) for part in (value.start, value.stop, value.step))
    return f"{start}:{stop}" + (f":{step}" if step else "")
