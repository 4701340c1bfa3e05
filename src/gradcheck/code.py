"""Operations as the code of torch: a host whose values are pieces of Python text."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from math import isfinite
from typing import Any

from gradcheck.constants import by_python
from gradcheck.dispatch import arguments, function, keywords, picked
from gradcheck.formats import FORMATS
from gradcheck.functions import CONSTANTS, TABLE
from gradcheck.program import Call, Node, fold


def call_of(op: str) -> str:
    """Return how a function of torch is called for an operation of the table, with the names of all it takes.

    >>> call_of("softplus"), call_of("sin")
    ('torch.nn.functional.softplus(x, beta, threshold)', 'torch.sin(x)')
    """
    row = TABLE[op]
    given, params = map(Code, row.args), {name: Code(name) for name in getattr(row, "params", ())}
    return written(function(op, Code("torch"))(*given, **params))


class Code:
    """A piece of Python text that grows as it is used: what a row does with torch and tensors becomes its text."""

    def __init__(self, text: str, rank: int = 0) -> None:
        self._text = text
        self._rank = rank

    def dim(self) -> int:
        """Return how many dimensions there are."""
        return self._rank

    def __getattr__(self, name: str) -> Code:
        return Code(f"{self._text}.{name}", self._rank)

    def __call__(self, *args: Any, **params: Any) -> Code:
        """Return the code of a call."""
        given = [*map(written, args), *(f"{key}={written(value)}" for key, value in params.items())]
        return Code(f"{self._text}({', '.join(given)})", self._rank)

    def __getitem__(self, key: Any) -> Code:
        return Code(f"{self._text}[{_key(key)}]")

    def __neg__(self) -> Code:
        return Code(f"(-{self._text})")

    def __invert__(self) -> Code:
        return Code(f"(~{self._text})")


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """Arithmetic on plain numbers: its text, and what Python makes of it."""

    text: str
    value: Any


def _operator(sign: str) -> tuple[Any, Any]:
    return (
        lambda self, other: Code(f"({written(self)} {sign} {written(other)})"),
        lambda self, other: Code(f"({written(other)} {sign} {written(self)})"),
    )


_SIGNS = {
    "add": "+", "sub": "-", "mul": "*", "truediv": "/", "mod": "%", "pow": "**", "matmul": "@", "and": "&", "or": "|",
}  # fmt: skip
for _name, _sign in _SIGNS.items():
    for _prefix, _function in zip(("", "r"), _operator(_sign), strict=True):
        setattr(Code, f"__{_prefix}{_name}__", _function)
for _name, _sign in {"lt": "<", "le": "<=", "gt": ">", "ge": ">=", "eq": "==", "ne": "!="}.items():
    setattr(Code, f"__{_name}__", _operator(_sign)[0])


class Writer:
    """Writes a tree of the language as the autograd lane runs it."""

    def __init__(self, rank: Callable[[Node], int], dtype: str = "float32", device: str = "cpu") -> None:
        """``rank`` tells of a node how many dimensions its value has."""
        self.rank, self.dtype, self.device = rank, dtype, device

    def write(self, node: Node) -> Any:
        """Return the code of an expression, or a number that Python can hold."""
        return fold(node, lambda one: Code(safe(one.id), self.rank(one)), lambda one: _plain(one.value), self.ranked)

    def ranked(self, node: Call, args: list[Any]) -> Any:
        """Return the code of an operation that knows its rank."""
        made = self.operation(node, args)
        return Code(made._text, self.rank(node)) if isinstance(made, Code) else made

    def operation(self, node: Call, args: list[Any]) -> Any:
        """Return the code of an operation."""
        torch = Code("torch")
        if node.op in CONSTANTS:
            return Arithmetic(f"torch.{node.op}", CONSTANTS[node.op].value)
        if by_python(node.op, (not self.is_tensor(one) for one in args)):
            return _numbers_alone(node.op, args)
        given = [Code(one.text) if isinstance(one, Arithmetic) else one for one in arguments(node.op, args, self)]
        return picked(node, function(node.op, torch)(*given, **keywords(node, self)))

    def is_tensor(self, value: Any) -> bool:
        """Tell whether a value is the code of a tensor."""
        return isinstance(value, Code)

    def bound(self, value: Any) -> Any:
        """Return a plain number, or infinity where the dtype cannot hold it."""
        number = value.value if isinstance(value, Arithmetic) else value
        if not isfinite(number):
            return value
        rounded = FORMATS[self.dtype].round(Fraction(number))
        return value if isfinite(rounded) else rounded

    def tensor(self, value: Any) -> Any:
        """Return code that is a tensor."""
        if isinstance(value, Code):
            return value
        return Code("torch").tensor(value, dtype=Code(f"torch.{self.dtype}"), **self.place)

    def whole(self, value: Any) -> Any:
        """Return code that is a tensor of whole numbers."""
        return Code("torch").tensor(value, **self.place)

    def truth(self, value: Any) -> Any:
        """Return code that is a condition."""
        return value if isinstance(value, Code) else Code("torch").tensor(value, **self.place)

    @property
    def place(self) -> dict[str, str]:
        """Return where tensors are made."""
        return {"device": self.device} if self.device != "cpu" else {}


def _numbers_alone(op: str, args: list[Any]) -> Arithmetic:
    """Return the code of what Python makes of plain numbers, or its value where Python raises."""
    from gradcheck.autograd.lane import numbers_alone

    value = numbers_alone(op, [one.value if isinstance(one, Arithmetic) else one for one in args])
    if not isfinite(value):
        return Arithmetic(literal(value), value)
    codes = [Code(written(one)) for one in args]
    text = f"(not {codes[0]._text})" if op == "logical_not" else written(function(op, None)(*codes))
    return Arithmetic(text, value)


_TAKEN = frozenset({"torch", "print"})


def safe(name: str) -> str:
    """Return a name that hides none of Python's that a script needs."""
    return f"{name}_" if name in _TAKEN else name


def _plain(value: Fraction) -> int | float:
    return value.numerator if value.denominator == 1 and abs(value) < 2**53 else float(value)


def written(value: Any) -> str:
    """Return a value as Python has it; code as it is."""
    if isinstance(value, Code | Arithmetic):
        return value._text if isinstance(value, Code) else value.text
    if isinstance(value, tuple | list):
        inner = ", ".join(map(written, value))
        return f"[{inner}]" if isinstance(value, list) else f"({inner}{',' if len(value) == 1 else ''})"
    return literal(value) if isinstance(value, float) else repr(value)


def literal(value: float) -> str:
    """Return a float as Python reads it."""
    return repr(value) if isfinite(value) else f"float({str(value)!r})"


def _key(key: Any) -> str:
    items = key if isinstance(key, tuple) else (key,)
    return ", ".join(_item(one) for one in items)


def _item(item: Any) -> str:
    if isinstance(item, slice):
        parts = ["" if one is None else str(one) for one in (item.start, item.stop, item.step)]
        return ":".join(parts if parts[2] else parts[:2])
    return "..." if item is ... else written(item)
