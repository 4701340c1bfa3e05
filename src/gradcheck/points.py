"""Points: the texts of ``--at``, files and Python objects become named arrays of exact numbers."""

from __future__ import annotations

import difflib
import itertools
import json
import math
import re
import stat
import unicodedata
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Context, Decimal
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from gradcheck.errors import FileProblem, GradcheckError, LimitProblem, PointProblem, Span, UsageProblem
from gradcheck.program import Shape

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats: TypeAlias = NDArray[np.float64]

Exact: TypeAlias = Fraction | float
"""A rational number, or one of the floats ``inf`` and ``-inf``."""

MAX_POINTS = 100_000
MAX_ELEMENTS = 2_000_000
"""Elements of one tensor."""
MAX_TOTAL_ELEMENTS = 10_000_000
"""Elements of all tensors given together."""
MAX_AT_LENGTH = 1_000_000
"""Characters of one text."""
MAX_LITERAL = 2_000
"""Characters of one number as written."""
MAX_EXPONENT = 5_000
"""Decimal exponent of a number, either sign."""
MAX_BITS = 24_000
"""Bits of a numerator or denominator: the longest literal with the largest exponent."""
MAX_TOTAL_BITS = 128_000_000
"""Bits of all exact numbers together, with those in between."""
MAX_NESTING = 16
"""Dimensions of a tensor."""
MAX_BRACKETS = 50
"""Brackets and powers inside each other in one number."""
MAX_FILE_BYTES = 64 * 2**20

MAX_SHOWN = 40
"""Characters of a value's text; longer ones are shown shortened."""

_CONSTANTS: dict[str, Exact] = {
    "pi": Fraction(
        "3.14159265358979323846264338327950288419716939937510"
        "58209749445923078164062862089986280348253421170679821480865132823"
    ),
    "e": Fraction(
        "2.71828182845904523536028747135266249775724709369995"
        "95749669676277240766303535475945713821785251664274274663919320030"
    ),
    "inf": math.inf,
}
"""115 decimals: more than any dtype or working precision near a dtype can tell from the irrational number."""

_INSTEAD = {
    "^": "write ** for a power",
    "\N{MINUS SIGN}": "write - for minus",
    ";": "write , between values",
}
"""What to write for a character that no point has."""

_TENSORS = ("arange", "linspace", "ones", "rand", "randn", "zeros")

_DIGITS, _HEX = (rf"{digit}+(?:_{digit}+)*" for digit in ("[0-9]", "[0-9a-fA-F]"))
_LITERAL = re.compile(
    rf"0[xX](?:{_HEX}(?:\.(?:{_HEX})?)?|\.{_HEX})(?:[pP][+-]?{_DIGITS})?"
    rf"|(?:{_DIGITS}(?:\.(?:{_DIGITS})?)?|\.{_DIGITS})(?:[eE][+-]?{_DIGITS})?"
)
_SPACE = re.compile(r"\s*")
_SIGNS = re.compile(r"[+\-\s]*")
_SUM, _PRODUCT, _POWER = re.compile(r"[+-]"), re.compile(r"\*(?!\*)|/"), re.compile(r"\*\*")


@dataclass(frozen=True, slots=True, eq=False)
class Value:
    """One input's tensor at one point.

    ``numbers`` are the elements in row-major order: rationals (and infinities), or float64 where the source is binary
    (random numbers, files, arrays). Zero has no sign. ``text`` is for display.
    """

    shape: Shape
    numbers: tuple[Exact, ...] | Floats
    text: str

    def array(self, to: Callable[[Fraction], float], to_array: Callable[[Floats], Floats] | None = None) -> Floats:
        """Return a new float64 array of ``shape``, every finite number rounded by ``to``.

        ``to_array`` does the same to many float64 at once, and is used where the numbers are such.

        >>> Value((2,), (Fraction(1, 3), -math.inf), "").array(float)
        array([0.33333333,       -inf])
        """
        import numpy as np

        if isinstance(self.numbers, tuple):
            rounded: Any = [n if isinstance(n, float) else to(n) for n in self.numbers]
        elif to_array is not None:
            rounded = to_array(self.numbers)
        else:
            rounded = [to(Fraction(n)) if math.isfinite(n) else n for n in self.numbers.tolist()]
        return np.array(rounded, dtype=np.float64).reshape(self.shape)


Point: TypeAlias = dict[str, Value]


def parse_points(
    texts: Sequence[str], inputs: Sequence[str], *, seed: int = 0, directory: Path | None = None
) -> list[Point]:
    """Return the points that the texts describe; each binds every input.

    Several values of an input make a grid, in which the last input varies fastest. Texts complete a point together;
    one that names an input again, once all are given, begins the next. Files are relative to ``directory``.
    Raises PointProblem, LimitProblem, FileProblem, and UsageProblem for a negative seed.

    >>> [(point["x"].text, point["y"].text) for point in parse_points(["x=1,1/3", "y=-1:1:2"], ["x", "y"])]
    [('1', '-1'), ('1', '1'), ('1/3', '-1'), ('1/3', '1')]
    """
    if not texts and inputs:
        hint = f"add --at {','.join(f'{name}=2' for name in inputs)}"
        raise PointProblem(f"at which point? the program needs {_listed(inputs)}", hint=hint)
    session = _Session(seed, directory or Path())
    groups: list[dict[str, list[Value]]] = [{}]
    for text in texts:
        given = _Reader(text, session, inputs).items()
        if len(groups[-1]) == len(inputs) and groups[-1].keys() & given.keys():
            groups.append({})
        for name, values in given.items():
            groups[-1].setdefault(name, []).extend(values)
    try:
        _check_groups(groups, inputs)
    except GradcheckError as error:
        raise error.located(texts[-1], Span(0, len(texts[-1]))) from None
    return [point for group in groups for point in _grid(group, inputs)]


def assigned_constants(texts: Sequence[str]) -> set[str]:
    """Return which of the constants ``pi`` and ``e`` the texts give a point for: there they are inputs.

    >>> assigned_constants(["x=pi/2, e=1"])
    {'e'}
    """
    return {name for name in ("pi", "e") for text in texts if re.search(rf"(^|[,;\s]){name}\s*=", text)}


def to_value(obj: object, name: str) -> Value:
    """Return a Python object as the value of input ``name``.

    Takes numbers (int, float, Fraction), nested lists of them, NumPy arrays, whatever has ``tolist`` (torch tensors of
    any dtype), and texts as in ``--at``. Raises PointProblem and LimitProblem.

    >>> to_value([[1, 0.5], [Fraction(1, 3), -2]], "x").numbers
    (Fraction(1, 1), Fraction(1, 2), Fraction(1, 3), Fraction(-2, 1))
    """
    if isinstance(obj, str):
        return _only([point[name] for point in parse_points([obj], [name])], obj, name)
    session = _Session()
    try:
        shape, numbers = _from_object(obj, session)
    except GradcheckError as error:
        raise _about(name, error) from None
    return Value(shape, numbers, _text_of(shape, numbers))


def _only(values: list[Value], text: str, name: str) -> Value:
    if len(values) > 1:
        message = f"{name} takes one value here; this text gives {len(values):,}"
        raise PointProblem(message, source=text, span=Span(0, len(text)))
    return values[0]


def _check_groups(groups: list[dict[str, list[Value]]], inputs: Sequence[str]) -> None:
    missing = [name for name in inputs if name not in groups[-1]]
    if missing:
        message = f"the program needs a point for {_listed(inputs)}; missing: {', '.join(missing)}"
        raise PointProblem(message, hint=f"add --at {_blanks(missing)}")
    count = sum(math.prod(map(len, group.values())) for group in groups)
    if count > MAX_POINTS:
        raise LimitProblem(f"at most {MAX_POINTS:,} points can be checked; these are {_amount(count)}")


def _grid(group: dict[str, list[Value]], inputs: Sequence[str]) -> Iterator[Point]:
    for values in itertools.product(*(group[name] for name in inputs)):
        yield dict(zip(inputs, values, strict=True))


# --- what all texts share -----------------------------------------------------------------------


@dataclass(slots=True)
class _Session:
    """What the texts of one call share: the seed, and how much has been drawn and made so far."""

    seed: int = 0
    directory: Path = Path()
    draws: int = 0
    bits: int = 0
    elements: int = 0

    def spend(self, bits: int) -> None:
        """Count exact numbers, so that no text of any kind costs more than a few seconds."""
        self.bits += bits
        if self.bits > MAX_TOTAL_BITS:
            raise LimitProblem(f"the exact numbers of a point take more than {MAX_TOTAL_BITS:,} bits together")

    def exact(self, number: Fraction) -> Fraction:
        """Return ``number`` if it has a reasonable size."""
        if _bits(number) > MAX_BITS:
            raise LimitProblem(f"a number has at most {MAX_BITS:,} bits above and below the fraction bar")
        self.spend(_bits(number))
        return number

    def tensor(self, shape: Shape) -> int:
        """Return the number of elements of ``shape``, if it has a reasonable size."""
        if len(shape) > MAX_NESTING:
            raise LimitProblem(f"a tensor has at most {MAX_NESTING} dimensions; this one has {len(shape)}")
        if any(length < 1 for length in shape):
            raise PointProblem("a tensor needs at least one element")
        count = math.prod(shape)
        if count > MAX_ELEMENTS:
            raise LimitProblem(f"a tensor has at most {MAX_ELEMENTS:,} elements; this one has {_amount(count)}")
        self.elements += count
        if self.elements > MAX_TOTAL_ELEMENTS:
            raise LimitProblem(f"the tensors of all points have more than {MAX_TOTAL_ELEMENTS:,} elements together")
        return count

    def generator(self) -> np.random.Generator:
        """Return the generator of the next draw, which depends on the seed and on nothing drawn before."""
        import numpy as np

        if self.seed < 0:
            raise UsageProblem(f"a seed is a whole number from 0; not {self.seed}")
        self.draws += 1
        return np.random.default_rng([self.seed, self.draws - 1])


def _bits(number: Fraction) -> int:
    return max(number.numerator.bit_length(), number.denominator.bit_length())


def _literal(text: str, session: _Session) -> Fraction:
    """Return a decimal or hexadecimal literal as the number written."""
    if len(text) > MAX_LITERAL:
        raise LimitProblem(f"a number has at most {MAX_LITERAL:,} characters; this one has {len(text):,}")
    if text[:2] in ("0x", "0X"):
        return session.exact(_hexadecimal(text[2:].lower()))
    exponent = text.lower().partition("e")[2]
    if exponent and abs(int(exponent)) > MAX_EXPONENT:
        raise LimitProblem(f"an exponent is at most {MAX_EXPONENT:,}")
    return session.exact(Fraction(Decimal(text)))


def _hexadecimal(text: str) -> Fraction:
    digits, _, exponent = text.replace("_", "").partition("p")
    whole, _, part = digits.partition(".")
    power = int(exponent or "0") - 4 * len(part)
    if abs(power) > MAX_BITS:
        raise LimitProblem(f"a binary exponent is at most {MAX_BITS:,}")
    return Fraction(int(whole + part, 16)) * Fraction(2) ** power


def _steps(start: Fraction, stop: Fraction, count: int, session: _Session) -> list[Fraction]:
    """Return ``count`` evenly spaced numbers from ``start`` to ``stop``, both included."""
    session.spend(count * (_bits(start) + _bits(stop) + count.bit_length()))
    step = (stop - start) / max(1, count - 1)
    return [start + i * step for i in range(count)]


# --- one text -----------------------------------------------------------------------------------


class _Reader:
    """A hand-written reader of one text; ``at`` is the end of what has been read."""

    def __init__(self, text: str, session: _Session, inputs: Sequence[str] = ()) -> None:
        self.text = text
        self.session = session
        self.inputs = inputs
        self.at = 0
        self.depth = 0

    def problem(
        self, message: str, start: int, hint: str | None = None, kind: type[GradcheckError] = PointProblem
    ) -> GradcheckError:
        span = Span(start, max(self.at, start + 1))
        return kind(message, source=self.text, span=span, hint=hint)

    # --- items ---

    def items(self) -> dict[str, list[Value]]:
        """Return every input that the text names, with its values."""
        if len(self.text) > MAX_AT_LENGTH:
            message = f"a point has at most {MAX_AT_LENGTH:,} characters; this one has {len(self.text):,}"
            raise self.problem(message, 0, "put the numbers into a file: x=@file.npy", LimitProblem)
        found: dict[str, list[Value]] = {}
        name = None
        while True:
            name = self.target(name)
            found.setdefault(name, []).extend(self.values())
            if len(found[name]) > MAX_POINTS:
                raise self.problem(f"at most {MAX_POINTS:,} points can be checked", 0, kind=LimitProblem)
            if self.next() == "":
                return found
            if not self.accept(","):
                raise self.unreadable()

    def target(self, previous: str | None) -> str:
        """Return the input that the next value is for: the one named here, the one before, or the only one."""
        start = self.skip()
        name = self.name()
        end = self.at
        if name and self.accept("="):
            if name not in self.inputs:
                self.at = end
                raise self.unknown(name, start)
            return name
        self.at = start
        if previous is None and len(self.inputs) != 1:
            raise self.unnamed(start)
        return previous or self.inputs[0]

    def unknown(self, name: str, start: int) -> GradcheckError:
        close = difflib.get_close_matches(name[:MAX_SHOWN], self.inputs, n=1)
        hint = f"did you mean `{close[0]}`?" if close else f"it needs {_listed(self.inputs)}"
        hint = hint if self.inputs else "leave --at out"
        return self.problem(f"the program has no input `{_short(name)}`", start, hint)

    def unnamed(self, start: int) -> GradcheckError:
        comma = self.text.find(",", start)
        self.at = comma if comma >= 0 else len(self.text.rstrip())
        if not self.inputs:
            return self.problem("the program has no inputs", start, "leave --at out")
        message = f"a value for which input? the program needs {_listed(self.inputs)}"
        return self.problem(message, start, f"write --at {_blanks(self.inputs)}")

    def values(self) -> list[Value]:
        """Read one item: a file, a tensor, a range or a number."""
        start = self.skip()
        try:
            if self.accept("@"):
                return [self.file(start)]
            if self.next() == "[":
                return [self.listed(start)]
            return self.called(start) or self.scalars(start)
        except GradcheckError as error:
            raise error.located(self.text, Span(start, max(self.at, start + 1))) from None

    def scalars(self, start: int) -> list[Value]:
        number = self.number()
        if self.next() != ":":
            return [Value((), (number,), self.written(start) or _text_of((), (number,)))]
        return [Value((), (n,), _text_of((), (n,))) for n in self.range(number, start)]

    def range(self, number: Exact, start: int) -> list[Fraction]:
        parts, last = [number], start
        while self.accept(":"):
            last = self.skip()
            parts.append(self.number())
        if len(parts) != 3:
            raise self.problem("a range is start:stop:count", start, "for example -2:2:9")
        first, stop, steps = self.finite(parts, start)
        return _steps(first, stop, self.whole(steps, last, MAX_POINTS, "points can be checked"), self.session)

    def finite(self, numbers: Sequence[Exact], start: int) -> list[Fraction]:
        finite = [n for n in numbers if isinstance(n, Fraction)]
        if len(finite) < len(numbers):
            raise self.problem("inf stands alone: nothing can be computed with it", start)
        return finite

    def whole(self, number: Exact, start: int, most: int, what: str) -> int:
        """Return a count: a whole number from 1 to ``most``."""
        if isinstance(number, float) or number.denominator != 1 or number < 1:
            raise self.problem(f"a count is a whole number from 1, not {_shown(number)}", start)
        if number > most:
            message = f"at most {most:,} {what}; this asks for {_amount(int(number))}"
            raise self.problem(message, start, kind=LimitProblem)
        return int(number)

    # --- tensors ---

    def listed(self, start: int) -> Value:
        numbers: list[Exact] = []
        shape = self.rows(numbers, 1)
        self.session.tensor(shape)
        return Value(shape, tuple(numbers), self.written(start) or _text_of(shape, numbers))

    def rows(self, numbers: list[Exact], depth: int) -> Shape:
        """Read one list into ``numbers`` and return its shape."""
        start = self.skip()
        self.accept("[")
        if depth > MAX_NESTING:
            raise LimitProblem(f"a tensor has at most {MAX_NESTING} dimensions")
        if self.accept("]"):
            raise self.problem("a tensor needs at least one element", start)
        count, shape = 0, None
        while self.next() != "]" or not count:
            start = self.skip()
            part = self.rows(numbers, depth + 1) if self.next() == "[" else self.element(numbers)
            if shape not in (None, part):
                raise self.problem(_ragged(shape or (), part), start)
            count, shape = count + 1, part
            if not self.accept(","):
                break
        if not self.accept("]"):
            raise self.unreadable("expected `,` or `]`")
        return (count, *(shape or ()))

    def element(self, numbers: list[Exact]) -> Shape:
        numbers.append(self.number())
        return ()

    def called(self, start: int) -> list[Value]:
        """Read a call such as ``randn(2, 3)``, if there is one."""
        name, end = self.name(), self.at
        if not (name and self.accept("(")):
            self.at = start
            return []
        if name not in _TENSORS:
            self.at = end
            close = difflib.get_close_matches(name[:MAX_SHOWN], _TENSORS, n=1)
            hint = f"did you mean `{close[0]}`?" if close else f"there are {_listed(_TENSORS)}"
            raise self.problem(f"a point has no function `{_short(name)}`", start, hint)
        arguments = self.finite(self.arguments(), start)
        shape, numbers = self.linspace(arguments, start) if name == "linspace" else self.filled(name, arguments, start)
        return [Value(shape, numbers, self.written(start) or _text_of(shape, numbers))]

    def arguments(self) -> list[Exact]:
        if self.accept(")"):
            return []
        arguments = [self.number()]
        while self.accept(","):
            arguments.append(self.number())
        if not self.accept(")"):
            raise self.unreadable("expected `,` or `)`")
        return arguments

    def linspace(self, arguments: list[Fraction], start: int) -> tuple[Shape, tuple[Exact, ...]]:
        if len(arguments) != 3:
            raise self.problem("linspace takes a start, a stop and a count", start, "for example linspace(-1, 1, 5)")
        count = self.whole(arguments[2], start, MAX_ELEMENTS, "elements fit a tensor")
        self.session.tensor((count,))
        return (count,), tuple(_steps(arguments[0], arguments[1], count, self.session))

    def filled(self, name: str, arguments: list[Fraction], start: int) -> tuple[Shape, Floats]:
        import numpy as np

        shape = tuple(self.whole(size, start, MAX_ELEMENTS, "elements fit a tensor") for size in arguments)
        if name == "arange" and len(shape) != 1:
            raise self.problem("arange takes one count", start, "for example arange(5)")
        count = self.session.tensor(shape)
        if name == "randn":
            return shape, _frozen(self.session.generator().standard_normal(count))
        if name == "rand":
            return shape, _frozen(self.session.generator().random(count))
        return shape, _frozen(np.arange(count) if name == "arange" else np.full(count, float(name == "ones")))

    def file(self, start: int) -> Value:
        comma = self.text.find(",", self.at)
        end = comma if comma >= 0 else len(self.text)
        name = self.text[self.at : end].strip()
        self.at = len(self.text[:end].rstrip())
        if not name:
            raise self.problem("expected a file after `@`", start, "for example x=@file.npy")
        shape, numbers = _from_file(name, self.session)
        return Value(shape, numbers, self.written(start) or _text_of(shape, numbers))

    # --- numbers ---

    def number(self) -> Exact:
        """Read a sum of products of powers, as Python would."""
        return self.chain(_SUM, self.product)

    def product(self) -> Exact:
        return self.chain(_PRODUCT, self.signed)

    def chain(self, operator: re.Pattern[str], part: Callable[[], Exact]) -> Exact:
        start = self.skip()
        number = part()
        while sign := self.match(operator):
            number = self.combine(number, sign, part(), start)
        return number

    def combine(self, left: Exact, sign: str, right: Exact, start: int) -> Fraction:
        a, b = self.finite((left, right), start)
        if sign == "/":
            if not b:
                raise self.problem("division by zero", start)
            return self.session.exact(a / b)
        return self.session.exact(a + b if sign == "+" else a - b if sign == "-" else a * b)

    def signed(self) -> Exact:
        """Read a power with signs before it; the power binds tighter, so that ``-2**2`` is -4."""
        start = self.at
        negative = self.match(_SIGNS).count("-") % 2
        if self.depth >= MAX_BRACKETS:
            message = f"at most {MAX_BRACKETS} brackets and powers inside each other"
            raise self.problem(message, start, kind=LimitProblem)
        self.depth += 1
        number = self.power()
        self.depth -= 1
        return -number if negative else number

    def power(self) -> Exact:
        start = self.skip()
        base = self.atom()
        if not self.match(_POWER):
            return base
        a, exponent = self.finite((base, self.signed()), start)
        if exponent.denominator != 1:
            raise self.problem(f"an exponent is a whole number, not {_shown(exponent)}", start)
        if not a and exponent < 0:
            raise self.problem("division by zero", start)
        if abs(exponent) * _bits(a) > MAX_BITS:
            message = f"a number has at most {MAX_BITS:,} bits above and below the fraction bar"
            raise self.problem(message, start, kind=LimitProblem)
        return self.session.exact(Fraction(a ** int(exponent)))

    def atom(self) -> Exact:
        start = self.skip()
        if self.accept("("):
            number = self.number()
            if not self.accept(")"):
                raise self.unreadable("expected `)`")
            return number
        text = self.match(_LITERAL)
        return self.literal(text, start) if text else self.constant(start)

    def literal(self, text: str, start: int) -> Fraction:
        try:
            return _literal(text, self.session)
        except GradcheckError as error:
            raise error.located(self.text, Span(start, self.at)) from None

    def constant(self, start: int) -> Exact:
        name = self.name()
        if name in _CONSTANTS:
            return _CONSTANTS[name]
        if not name:
            raise self.unreadable("expected a number")
        if name.lower() == "nan":
            raise self.problem("nan is not a point", start)
        if name in _TENSORS:
            raise self.problem(f"`{_short(name)}` makes a tensor, which stands alone", start)
        hint = f"write {name}=..." if name in self.inputs else None
        raise self.problem(f"`{_short(name)}` is not a number", start, hint)

    # --- characters ---

    def skip(self) -> int:
        """Return where the next thing begins; the end of the one before stays where it is."""
        return _end(_SPACE, self.text, self.at)

    def next(self) -> str:
        start = self.skip()
        return self.text[start : start + 1]

    def accept(self, sign: str) -> bool:
        if self.next() != sign:
            return False
        self.at = self.skip() + 1
        return True

    def match(self, pattern: re.Pattern[str]) -> str:
        found = pattern.match(self.text, self.skip())
        if not found:
            return ""
        self.at = found.end()
        return found.group()

    def name(self) -> str | None:
        """Read an identifier as Python does: any that it allows, normalised."""
        start = end = self.skip()
        while end < len(self.text) and ("_" + self.text[end]).isidentifier():
            end += 1
        name = unicodedata.normalize("NFKC", self.text[start:end])
        if not name.isidentifier():
            return None
        self.at = end
        return name

    def written(self, start: int) -> str | None:
        """Return the item as the user wrote it, where that is short."""
        text = self.text[start : self.at]
        return text if len(text) <= MAX_SHOWN and text.isprintable() else None

    def unreadable(self, expected: str = "expected `,` or the end") -> GradcheckError:
        """Return what to say where the text goes on in a way it cannot."""
        end = len(self.text.rstrip())
        start = self.skip()
        if start >= end:
            self.at = end
            return self.problem(expected, end)
        adjacent = start == self.at and self.text[start - 1 : start].isalnum()
        name = self.name()
        self.at = max(self.at, start + 1)
        hint = _INSTEAD.get(self.text[start])
        if name in self.inputs and not adjacent:
            hint = f"write a comma before `{name}`"
        elif name in _CONSTANTS and adjacent:
            hint = "write * between factors"
        return self.problem(f"cannot read `{_short(self.text[start : self.at])}` here: {expected}", start, hint)


def _end(pattern: re.Pattern[str], text: str, start: int) -> int:
    found = pattern.match(text, start)
    return found.end() if found else start


# --- files and objects --------------------------------------------------------------------------


def _from_file(name: str, session: _Session) -> tuple[Shape, tuple[Exact, ...] | Floats]:
    """Return the numbers of a file; whatever is wrong with it becomes one line."""
    read = {".npy": _from_npy, ".json": _from_json}.get(Path(name).suffix.lower())
    if read is None:
        raise FileProblem(f"cannot read `{_short(name)}`: a point is an .npy or .json file")
    try:
        path = session.directory / name
        _check_file(path)
        return read(path, session)
    except GradcheckError as error:
        raise _about(f"`{_short(name)}`", error) from None
    except OSError as error:
        raise FileProblem(f"cannot read `{_short(name)}`: {(error.strerror or 'input/output error').lower()}") from None
    except RecursionError:
        raise LimitProblem(f"`{_short(name)}`: a tensor has at most {MAX_NESTING} dimensions") from None
    except Exception:  # the parsers of both formats raise whatever strange bytes provoke
        raise FileProblem(f"cannot read `{_short(name)}`: it is not a valid {Path(name).suffix.lower()} file") from None


def _check_file(path: Path) -> None:
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise FileProblem("not a file")
    if status.st_size > MAX_FILE_BYTES:
        raise LimitProblem(f"a file has at most {MAX_FILE_BYTES:,} bytes; this one has {status.st_size:,}")


def _from_npy(path: Path, session: _Session) -> tuple[Shape, tuple[Exact, ...] | Floats]:
    from numpy.lib import format as npy

    headers = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}
    with path.open("rb") as file, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # headers from Python 2 are read with a warning
        shape, _, dtype = headers[npy.read_magic(file)](file)
        session.tensor(shape)  # before the data is read, so that a header cannot ask for terabytes
        _check_dtype(dtype)
        file.seek(0)
        return shape, _from_array(npy.read_array(file, allow_pickle=False))


def _from_json(path: Path, session: _Session) -> tuple[Shape, tuple[Exact, ...] | Floats]:
    def number(text: str) -> Fraction:
        return -_literal(text[1:], session) if text.startswith("-") else _literal(text, session)

    with path.open("rb") as file:
        return _from_object(json.loads(file.read(MAX_FILE_BYTES), parse_float=number, parse_int=number), session)


def _from_object(obj: Any, session: _Session) -> tuple[Shape, tuple[Exact, ...] | Floats]:
    shape = getattr(obj, "shape", None)
    if isinstance(shape, tuple):
        session.tensor(shape)
    if _is_array(obj):
        _check_dtype(obj.dtype)
        return obj.shape, _from_array(obj)
    flat: list[Exact] = []
    shape = _flatten(obj, flat, session)
    session.tensor(shape)
    return shape, _compact(flat)


def _is_array(obj: Any) -> bool:
    """Tell whether this is a NumPy array of numbers, without importing NumPy for what is none."""
    if type(obj).__module__ != "numpy":
        return False
    import numpy as np

    return isinstance(obj, np.ndarray) and obj.dtype.kind != "O"


def _check_dtype(dtype: np.dtype[Any]) -> None:
    if dtype.kind not in "fiu" or dtype.itemsize > 8:
        raise PointProblem(f"a point is made of integers or floats up to float64, not {dtype.name}")


def _from_array(array: NDArray[Any]) -> tuple[Exact, ...] | Floats:
    """Return the elements in row-major order; integers that float64 cannot hold stay exact."""
    import numpy as np

    flat = np.asarray(array).ravel()
    if flat.dtype.kind in "iu" and max(abs(int(flat.min())), abs(int(flat.max()))) > 2**53:
        return tuple(map(Fraction, flat.tolist()))
    return _frozen(flat)


def _frozen(numbers: NDArray[Any]) -> Floats:
    import numpy as np

    if np.isnan(numbers).any():
        raise PointProblem("nan is not a point")
    floats: Floats = numbers.astype(np.float64) + 0.0  # -0.0 becomes 0.0
    floats.flags.writeable = False
    return floats


def _flatten(obj: Any, flat: list[Exact], session: _Session, depth: int = 0) -> Shape:
    """Append the numbers of nested lists to ``flat`` and return their shape."""
    if hasattr(obj, "tolist"):
        obj = _to_list(obj)
    if not isinstance(obj, list | tuple):
        flat.append(_to_exact(obj, session))
        return ()
    if depth >= MAX_NESTING:
        raise LimitProblem(f"a tensor has at most {MAX_NESTING} dimensions")
    if not obj:
        raise PointProblem("a tensor needs at least one element")
    shape = None
    for part in obj:
        other = _flatten(part, flat, session, depth + 1)
        if shape not in (None, other):
            raise PointProblem(_ragged(shape or (), other))
        if len(flat) > MAX_ELEMENTS:
            raise LimitProblem(f"a tensor has at most {MAX_ELEMENTS:,} elements")
        shape = other
    return (len(obj), *(shape or ()))


def _to_list(obj: Any) -> object:
    try:
        return obj.tolist()
    except Exception as error:  # the user's object may raise anything: a sparse or meta tensor, for one
        raise PointProblem(f"a {type(obj).__name__} that gives no list of numbers") from error


def _to_exact(obj: object, session: _Session) -> Exact:
    if isinstance(obj, str):
        return _number_text(obj, session)
    if isinstance(obj, bool) or not isinstance(obj, int | float | Fraction):
        raise PointProblem(f"a point is made of numbers, not {type(obj).__name__}")
    if isinstance(obj, float):
        if math.isnan(obj):
            raise PointProblem("nan is not a point")
        return float(obj)
    return session.exact(Fraction(obj))


def _number_text(text: str, session: _Session) -> Exact:
    if len(text) > MAX_AT_LENGTH:
        raise LimitProblem(f"a number has at most {MAX_AT_LENGTH:,} characters")
    reader = _Reader(text, session)
    number = reader.number()
    if reader.next():
        raise reader.unreadable("expected the end")
    return number


def _compact(flat: list[Exact]) -> tuple[Exact, ...] | Floats:
    """Return many floats as an array, anything else as exact numbers."""
    if len(flat) > 1 and all(isinstance(n, float) for n in flat):
        import numpy as np

        return _frozen(np.array(flat, dtype=np.float64))
    return tuple(n if isinstance(n, Fraction) or math.isinf(n) else Fraction(n) for n in flat)


# --- words --------------------------------------------------------------------------------------


def _about(what: str, error: GradcheckError) -> GradcheckError:
    """Return the error with its subject, and without a place in a text that the user does not see."""
    return type(error)(f"{what}: {error.message}", hint=error.hint)


def _ragged(first: Shape, second: Shape) -> str:
    if len(first) != len(second):
        return "a list holds numbers or lists, not both"
    one, other = next(pair for pair in zip(first, second, strict=True) if pair[0] != pair[1])
    return f"ragged: one list has {one} elements, this one {other}"


def _listed(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _blanks(names: Sequence[str]) -> str:
    return ",".join(f"{name}=..." for name in names)


def _short(text: str) -> str:
    short = text if len(text) <= MAX_SHOWN else f"{text[: MAX_SHOWN - 3]}..."
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in short)


def _amount(count: int) -> str:
    return f"{count:,}" if count < 10**15 else "far more"


def _text_of(shape: Shape, numbers: Sequence[Exact] | Floats) -> str:
    return _shown(numbers[0]) if shape == () else f"a tensor of shape ({', '.join(map(str, shape))})"


def _shown(number: Exact) -> str:
    """Return a number for display: a short decimal or fraction where it is one, else about 6 digits."""
    if isinstance(number, float):
        return f"{number:g}"
    decimal = Context(prec=17).divide(Decimal(number.numerator), Decimal(number.denominator))
    if Fraction(decimal) == number and len(f"{decimal:f}") <= 17:
        return f"{decimal:f}"
    return str(number) if _bits(number) <= 20 else f"{Context(prec=6).plus(decimal).normalize():g}"
