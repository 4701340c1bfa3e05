"""How to see a failure again: the command with every bit of the point, and a script of torch alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import islice, permutations
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np

from gradcheck.compare import Rank
from gradcheck.constants import by_python
from gradcheck.dispatch import arguments, function, keywords
from gradcheck.errors import GradcheckError, printable, quoted
from gradcheck.formats import FORMATS, exact_text
from gradcheck.functions import CONSTANTS
from gradcheck.gradients import GradientOutcome
from gradcheck.lower import lower
from gradcheck.notation import element, steps
from gradcheck.outcome import Floats, Outcome, Run
from gradcheck.points import Value, parse_points
from gradcheck.program import Call, Name, Node, Program, Shape, fold, unravel
from gradcheck.settings import Settings
from gradcheck.settings.kinds import Form
from gradcheck.settings.readers import ONES
from gradcheck.settings.table import Place, settings_of
from gradcheck.steps import Step
from gradcheck.steps import taken as derivative

MAX_WRITTEN = 64
"""Elements of a point that are written out; a larger one keeps the text that it came from."""
MOST_WRITTEN = 1_000
"""Elements of a point up to which it is written out where no text gives it."""
MOST_CHARACTERS, MOST_ORDERS = 20_000, 24
"""Characters of the numbers beside texts, and orders of these that are tried."""


def command(run: Run, outcome: Outcome) -> str | None:
    """Return the command line that checks one outcome again: hexadecimal floats lose nothing.

    None where no command line does: code of the user's own was under test, or the point is a large tensor of theirs.

    >>> from gradcheck import check
    >>> run = check("log(1+exp(x))", x=100)
    >>> command(run, run[0])
    "gradcheck 'log(1+exp(x))' --at x=0x1.9p+6 --dtype float32"
    >>> run = check("x**3", x=2, expect="3*x")
    >>> command(run, run[0])
    "gradcheck 'x**3' --at x=0x1p+1 --dtype float32 --expect '3*x'"
    """
    asked = run.asked
    if asked is None:
        return None
    drawn = _drawn(outcome, asked)
    points = _numbers(outcome) if drawn is None else drawn
    if points is None:
        return None
    lane = outcome.in_lane
    asked = replace(
        asked, device=(outcome.device,), seed=0 if drawn is None and asked.cotangent == ONES else asked.seed,
        ways=() if lane.way.is_plain else (lane.way,), engines=(lane.engine,),
    )  # fmt: skip
    words = ["gradcheck", outcome.program.source]
    for text in points:
        words += ["--at", text]
    words += ["--dtype", outcome.dtype]
    for row in settings_of(Place.CHECK):
        value = getattr(asked, row.field) if row.again and row.field is not None else None
        if row.kind.form is Form.FLAG:
            words += [row.option] * bool(value)
        elif value is not None and row.kind.words(value) not in ([row.default], [""]):
            words += [word for text in row.kind.words(value) for word in (row.option, text)]
    return " ".join(map(quoted, words))


def _numbers(outcome: Outcome) -> list[str] | None:
    """Return the point in numbers, as texts of ``--at``; None where these are too many."""
    if _size(outcome) > MOST_WRITTEN:
        return None
    written = [f"{name}={_nested(outcome.rounded[name])}" for name in outcome.point]
    return [",".join(written)] if not any(value.shape for value in outcome.point.values()) else written


def _size(outcome: Outcome) -> int:
    return sum(array.size for array in outcome.rounded.values())


def _drawn(outcome: Outcome, asked: Settings) -> list[str] | None:
    """Return a large point by the texts that it came from, None where these give another one by themselves.

    Random numbers depend on what was drawn before them: on the order of the texts, and on the points before this one.
    """
    if _size(outcome) <= MAX_WRITTEN:
        return None
    texts = {
        name: f"{name}={_nested(outcome.rounded[name]) if value.written is None else _placed(value, asked.directory)}"
        for name, value in outcome.point.items()
    }
    written = [name for name, value in outcome.point.items() if value.written is not None]
    rest = [texts[name] for name in outcome.point if name not in written]
    for some in islice(permutations(written), MOST_ORDERS) if written else ():
        found = [*(texts[name] for name in some), *rest]
        if sum(map(len, rest)) <= MOST_CHARACTERS and _gives(found, outcome, asked):
            return found
    return None


def _gives(texts: list[str], outcome: Outcome, asked: Settings) -> bool:
    """Tell whether texts alone are the point of an outcome."""
    try:
        [point] = parse_points(texts, outcome.program.inputs, seed=asked.seed)
    except (GradcheckError, ValueError):
        return False
    to = FORMATS[outcome.dtype].round
    return all(np.array_equal(point[name].array(to).ravel(), array.ravel()) for name, array in outcome.rounded.items())


def _placed(value: Value, directory: Path | None) -> str:
    """Return the text of a value, whose file is where the user's expression file has it."""
    text = value.text
    return text if directory is None or not text.startswith("@") else f"@{directory / text[1:]}"


def _nested(values: Floats, number: Callable[[float], str] | None = None) -> str:
    """Return an array as nested lists."""
    texts = [(number or hexadecimal)(value) for value in values.ravel().tolist()]
    for size in reversed(values.shape):
        texts = [f"[{','.join(texts[k : k + size])}]" for k in range(0, len(texts), size)]
    return texts[0]


def hexadecimal(value: float) -> str:
    """Return all bits of a float, without trailing zeros.

    >>> hexadecimal(100.0), hexadecimal(-0.1), hexadecimal(float("inf"))
    ('0x1.9p+6', '-0x1.999999999999ap-4', 'inf')
    """
    mantissa, p, exponent = value.hex().partition("p")
    return f"{mantissa.rstrip('0').rstrip('.')}{p}{exponent}" if isfinite(value) else repr(value)


def worst_script(run: Run) -> str | None:
    """Return the script of the worst element that fails, None where none does; a few directions have no script."""
    worst: tuple[Rank, Outcome, GradientOutcome, int] | None = None
    for outcome in run.leading():
        for gradient in (one for one in outcome.gradients if not one.is_sampled):
            for k in gradient.judgements.ranked(run.failing)[:1]:
                rank = gradient.judgements[k].rank()
                if worst is None or rank > worst[0]:
                    worst = rank, outcome, gradient, k
    return None if worst is None else script(*worst[1:])


# --- a script ---------------------------------------------------------------------------------------


def script(outcome: Outcome, gradient: GradientOutcome, k: int) -> str:
    """Return a program of torch alone that prints element ``k`` of a gradient, of any order, beside the exact one."""
    fmt, name, lane = FORMATS[outcome.dtype], element(gradient, k), outcome.in_lane
    exact, torch = exact_text(gradient.exact[k], fmt), gradient.number(k)
    got = "no gradient" if torch is None else fmt.text(torch)
    what = f"{'The gradient by ' if gradient.order == 1 else ''}{name} in {outcome.dtype}"
    wrt = {one.input for one in outcome.gradients} if lane.way.is_plain or lane.way.graph else set()
    taken = _plainly if lane.is_plain and not gradient.jacobian else _in_its_way
    lines = [
        *(f"# {printable(line)}" for line in outcome.program.source.strip().splitlines()),
        f"# {what}{lane.told}: torch returns {got}, the derivative is {exact}.",
        "import torch",
        "",
        *(
            _leaf(_safe(one), _nested(outcome.rounded[one], _literal), outcome, one in wrt)
            for one, value in outcome.point.items()
        ),
        *taken(outcome, gradient, k),
        f'print("exact   ", "{exact}")',
    ]
    return "\n".join(lines) + "\n"


def _plainly(outcome: Outcome, gradient: GradientOutcome, k: int) -> list[str]:
    """Return the plain backward pass."""
    held = f"{_safe(gradient.input)}.grad"
    return [
        *_layers(outcome),
        f"{_safe(outcome.program.output)}.sum().backward()",
        'print("torch   ", torch.__version__)',
        f'print("autograd", {held} if {held} is None else {held}{_index(gradient.shape, k)}.item())',
    ]


def _in_its_way(outcome: Outcome, gradient: GradientOutcome, k: int) -> list[str]:
    """Return what takes a derivative in any other way."""
    arguments = [_safe(one) for one in dict.fromkeys(each.input for each in outcome.gradients)]
    taken = steps(gradient, k)
    output = _safe(outcome.program.output)
    index = f"[{', '.join(map(str, taken[0][1]))}]" if gradient.jacobian else ".sum()"
    by = [
        Step(_safe(name), f"[{', '.join(map(str, at))}]" if at else "", _unit(name, at, outcome))
        for name, at in (taken[1:] if gradient.jacobian else taken)
    ]
    return [
        "", "", *derivative(outcome.in_lane, arguments, by, _layers(outcome), f"{output}{index}"),
        'print("torch   ", torch.__version__)',
        'print("autograd", result.item())',
    ]  # fmt: skip


def _unit(name: str, at: tuple[int, ...], outcome: Outcome) -> str:
    unit = np.zeros(outcome.rounded[name].shape)
    unit[at] = 1.0
    device = f", device={outcome.device!r}" if outcome.device != "cpu" else ""
    return f"torch.tensor({_nested(unit, _literal)}, dtype=torch.{outcome.dtype}{device})"


def _leaf(name: str, numbers: str, outcome: Outcome, tracked: bool) -> str:
    device = f", device={outcome.device!r}" if outcome.device != "cpu" else ""
    return f"{name} = torch.tensor({numbers}, dtype=torch.{outcome.dtype}{device}{', requires_grad=True' * tracked})"


def _index(shape: Shape, k: int) -> str:
    return f"[{', '.join(map(str, unravel(shape, k)))}]" if shape else ""


def _layers(outcome: Outcome) -> list[str]:
    shapes = {name: value.shape for name, value in outcome.point.items()}
    writer = _Writer(outcome.program, shapes, outcome.dtype, outcome.device)
    return [
        f"{_safe(layer.name)} = {_written(writer.tensor(writer.write(layer.expression)))}"
        for layer in outcome.program.layers
    ]


def expression(program: Program, shapes: Mapping[str, Shape], dtype: str) -> str:
    """Return the code of torch for a program of one layer.

    >>> from gradcheck.parse import parse
    >>> expression(parse("softplus(x)"), {"x": ()}, "float64")
    'torch.nn.functional.softplus(x, 1, 20)'
    """
    writer = _Writer(program, shapes, dtype, "cpu")
    return _written(writer.tensor(writer.write(program.layers[-1].expression)))


class _Code:
    """A piece of Python text that grows as it is used: what a row does with torch and tensors becomes its text."""

    def __init__(self, text: str, rank: int = 0) -> None:
        self._text = text
        self._rank = rank

    def dim(self) -> int:
        return self._rank

    def __getattr__(self, name: str) -> _Code:
        return _Code(f"{self._text}.{name}", self._rank)

    def __call__(self, *args: Any, **params: Any) -> _Code:
        written = [*map(_written, args), *(f"{key}={_written(value)}" for key, value in params.items())]
        return _Code(f"{self._text}({', '.join(written)})", self._rank)

    def __getitem__(self, key: Any) -> _Code:
        return _Code(f"{self._text}[{_key(key)}]")

    def __neg__(self) -> _Code:
        return _Code(f"(-{self._text})")

    def __invert__(self) -> _Code:
        return _Code(f"(~{self._text})")


@dataclass(frozen=True, slots=True)
class _Arithmetic:
    """Arithmetic on plain numbers: its text, and what Python makes of it."""

    text: str
    value: Any


def _operator(sign: str) -> tuple[Any, Any]:
    return (
        lambda self, other: _Code(f"({_written(self)} {sign} {_written(other)})"),
        lambda self, other: _Code(f"({_written(other)} {sign} {_written(self)})"),
    )


_SIGNS = {
    "add": "+", "sub": "-", "mul": "*", "truediv": "/", "mod": "%", "pow": "**", "matmul": "@", "and": "&", "or": "|",
}  # fmt: skip
for _name, _sign in _SIGNS.items():
    for _prefix, _function in zip(("", "r"), _operator(_sign), strict=True):
        setattr(_Code, f"__{_prefix}{_name}__", _function)
for _name, _sign in {"lt": "<", "le": "<=", "gt": ">", "ge": ">=", "eq": "==", "ne": "!="}.items():
    setattr(_Code, f"__{_name}__", _operator(_sign)[0])


class _Writer:
    """Writes the user's tree as the autograd lane runs it."""

    def __init__(self, program: Program, shapes: Mapping[str, Shape], dtype: str, device: str) -> None:
        self.core = lower(program, shapes, nodes=True)
        self.dtype = dtype
        self.device = device

    def rank(self, node: Node) -> int:
        home = node if isinstance(node, Name) else self.core.homes.get(node) if isinstance(node, Call) else None
        return len(self.core.shapes[home.id]) if isinstance(home, Name) else 0

    def write(self, node: Node) -> Any:
        """Return the code of an expression, or a number that Python can hold."""
        return fold(node, lambda one: _Code(_safe(one.id), self.rank(one)), lambda one: _plain(one.value), self.ranked)

    def ranked(self, node: Call, args: list[Any]) -> Any:
        made = self.operation(node, args)
        return _Code(made._text, self.rank(node)) if isinstance(made, _Code) else made

    def operation(self, node: Call, args: list[Any]) -> Any:
        torch = _Code("torch")
        if node.op in CONSTANTS:
            return _Arithmetic(f"torch.{node.op}", CONSTANTS[node.op].value)
        if by_python(node.op, (not self.is_tensor(one) for one in args)):
            return _numbers_alone(node.op, args)
        given = [_Code(one.text) if isinstance(one, _Arithmetic) else one for one in arguments(node.op, args, self)]
        return function(node.op, torch)(*given, **keywords(node, self))

    def is_tensor(self, value: Any) -> bool:
        """Tell whether a value is the code of a tensor."""
        return isinstance(value, _Code)

    def bound(self, value: Any) -> Any:
        """Return a plain number, or infinity where the dtype cannot hold it."""
        number = value.value if isinstance(value, _Arithmetic) else value
        if not isfinite(number):
            return value
        rounded = FORMATS[self.dtype].round(Fraction(number))
        return value if isfinite(rounded) else rounded

    def tensor(self, value: Any) -> Any:
        """Return code that is a tensor."""
        if isinstance(value, _Code):
            return value
        return _Code("torch").tensor(value, dtype=_Code(f"torch.{self.dtype}"), **self.place)

    def truth(self, value: Any) -> Any:
        """Return code that is a condition."""
        return value if isinstance(value, _Code) else _Code("torch").tensor(value, **self.place)

    @property
    def place(self) -> dict[str, str]:
        """Return where tensors are made."""
        return {"device": self.device} if self.device != "cpu" else {}


def _numbers_alone(op: str, args: list[Any]) -> _Arithmetic:
    """Return the code of what Python makes of plain numbers, or its value where Python raises."""
    from gradcheck.autograd.lane import numbers_alone

    value = numbers_alone(op, [one.value if isinstance(one, _Arithmetic) else one for one in args])
    if not isfinite(value):
        return _Arithmetic(_literal(value), value)
    codes = [_Code(_written(one)) for one in args]
    text = f"(not {codes[0]._text})" if op == "logical_not" else _written(function(op, None)(*codes))
    return _Arithmetic(text, value)


_TAKEN = frozenset({"torch", "print"})


def _safe(name: str) -> str:
    return f"{name}_" if name in _TAKEN else name


def _plain(value: Fraction) -> int | float:
    return value.numerator if value.denominator == 1 and abs(value) < 2**53 else float(value)


def _written(value: Any) -> str:
    if isinstance(value, _Code | _Arithmetic):
        return value._text if isinstance(value, _Code) else value.text
    if isinstance(value, tuple | list):
        inner = ", ".join(map(_written, value))
        return f"[{inner}]" if isinstance(value, list) else f"({inner}{',' if len(value) == 1 else ''})"
    return _literal(value) if isinstance(value, float) else repr(value)


def _literal(value: float) -> str:
    return repr(value) if isfinite(value) else f"float({str(value)!r})"


def _key(key: Any) -> str:
    items = key if isinstance(key, tuple) else (key,)
    return ", ".join(_item(one) for one in items)


def _item(item: Any) -> str:
    if isinstance(item, slice):
        parts = ["" if one is None else str(one) for one in (item.start, item.stop, item.step)]
        return ":".join(parts if parts[2] else parts[:2])
    return "..." if item is ... else _written(item)
