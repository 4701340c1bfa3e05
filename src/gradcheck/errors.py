"""Errors a user can cause: a message, the place in the text, and what to do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

MAX_SHOWN_LINE = 100
"""Characters of the user's line shown around the caret."""


@dataclass(frozen=True, slots=True)
class Span:
    """The characters ``start`` to ``end`` (exclusive) of a source text.

    >>> Span(0, 3).to(Span(5, 6)), Span(0, 3).overlaps(Span(3, 6))
    (Span(start=0, end=6), False)
    """

    start: int
    end: int

    def to(self, other: Span) -> Span:
        """Return the span that covers both."""
        return Span(min(self.start, other.start), max(self.end, other.end))

    def overlaps(self, other: Span) -> bool:
        """Return whether the two have a character in common."""
        return self.start < other.end and other.start < self.end


@dataclass(frozen=True, slots=True)
class Option:
    """An option in a message, with its value: it is called otherwise in a file of checks, and by pytest.

    ``more`` says that it stands beside those that are given already.
    """

    name: str
    value: str | None = None
    more: bool = False


Words = str | tuple[str | Option, ...]
"""A message, in which options may stand."""
Dialect = Callable[[Option], str]
"""How an option is written where the message is read."""

EXPRESSION = "expression"
"""The option that is none on the command line: the program itself."""


def as_option(option: Option) -> str:
    """Return an option as the command line has it.

    >>> as_option(Option("at", "x=2")), as_option(Option("at", "x=[1,2]")), as_option(Option("at"))
    ('--at x=2', "--at 'x=[1,2]'", '--at')
    """
    if option.name == EXPRESSION:
        return f"gradcheck {quoted(option.value or '')} --at 3"
    return f"--{option.name}" if option.value is None else f"--{option.name} {quoted(option.value)}"


def quoted(word: str) -> str:
    """Return a word as a shell takes it, on one line; one of several lines as bash and zsh take it.

    >>> print(quoted("x=2"), quoted("2*x"), quoted("y = 3*x\\ny**2"))
    x=2 '2*x' $'y = 3*x\\ny**2'
    """
    from shlex import quote

    if "\n" not in word:
        return quote(word)
    escaped = word.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n")
    return f"$'{escaped}'"


def as_argument(option: Option) -> str:
    """Return an option as a call of ``check`` has it.

    >>> as_argument(Option("at", "x=2,y=2")), as_argument(Option("wrt", "x")), as_argument(Option(EXPRESSION, "x"))
    ('x=2, y=2', 'wrt="x"', 'check("x", 3)')
    """
    if option.name == EXPRESSION:
        return f'check("{option.value}", 3)'
    if option.value is None:
        return "the point" if option.name == "at" else option.name
    if option.name == "at" and "[" not in option.value:
        return ", ".join(option.value.split(","))
    return option.value if option.name == "at" else f'{option.name}="{option.value}"'


def parts(words: Words) -> tuple[str | Option, ...]:
    """Return a message in its parts."""
    return (words,) if isinstance(words, str) else words


def spelled(words: Words, dialect: Dialect = as_option) -> str:
    """Return a message as one text."""
    return "".join(part if isinstance(part, str) else dialect(part) for part in parts(words))


class GradcheckError(Exception):
    """Base of every error that the user's input can cause.

    ``code`` is stable, ``message`` is one line in the user's words, ``hint`` says what to write instead. Both are in
    the words of ``dialect``, the command line's or those of a call; ``text`` has them in others. ``source`` and
    ``span`` are the text and the place in it, where there is one. ``str()`` of it is all of that, with a caret.

    >>> from gradcheck import GradcheckError, check
    >>> try:
    ...     check("sin(x) + 2y", x=1, y=2)
    ... except GradcheckError as problem:
    ...     print(problem.code, problem.message, problem.span, sep=": ")
    syntax: a * is missing between 2 and y: Span(start=9, end=11)
    """

    code = "error"

    def __init__(
        self, message: Words, *, source: str | None = None, span: Span | None = None, hint: Words | None = None
    ) -> None:
        super().__init__(spelled(message))
        self.words = message
        self.source = source
        self.span = span
        self.advice = hint
        self.dialect = as_option

    @property
    def message(self) -> str:
        """Return what is wrong, in one line."""
        return spelled(self.words, self.dialect)

    @property
    def hint(self) -> str | None:
        """Return what to write instead, where there is one thing to do."""
        return None if self.advice is None else spelled(self.advice, self.dialect)

    def located(self, source: str, span: Span) -> GradcheckError:
        """Return this error with the place filled in, where it has none yet."""
        if self.span is None:
            self.source, self.span = source, span
        return self

    def text(self, dialect: Dialect | None = None) -> str:
        """Return all there is to say: the message, the place in the text, the hint."""
        dialect = dialect or self.dialect
        parts = [spelled(self.words, dialect)]
        if self.source is not None and self.span is not None:
            parts.append(underline(self.source, self.span))
        if self.advice:
            parts.append(spelled(self.advice, dialect))
        return "\n".join(parts)

    def __str__(self) -> str:
        return self.text()


class SyntaxProblem(GradcheckError):
    """The text is not an expression of the language.

    >>> from gradcheck import check
    >>> try:
    ...     check("sin x", 1)
    ... except SyntaxProblem as problem:
    ...     print(problem)
    something is missing between sin and x
      sin x
      ^^^^^
    write sin(x)
    """

    code = "syntax"


class NameProblem(GradcheckError):
    """A function, method, parameter or input that does not exist.

    >>> from gradcheck import check
    >>> try:
    ...     check("sine(x)", 1)
    ... except NameProblem as problem:
    ...     print(problem)
    unknown function `sine`
      sine(x)
      ^^^^
    did you mean `sin`?
    """

    code = "name"


class ShapeProblem(GradcheckError):
    """Shapes that do not fit each other or an operation.

    >>> from gradcheck import check
    >>> try:
    ...     check("x + y", [1, 2], [1, 2, 3])
    ... except ShapeProblem as problem:
    ...     print(problem)
    these shapes do not broadcast: 2 and 3
      x + y
      ^^^^^
    """

    code = "shape"


class PointProblem(GradcheckError):
    """A point that is missing, malformed, or does not fit the program.

    >>> from gradcheck import check
    >>> try:
    ...     check("x*y", x=1)
    ... except PointProblem as problem:
    ...     print(problem)
    the program needs a point for x and y; missing: y
    """

    code = "point"


class LimitProblem(GradcheckError):
    """Input larger than a named limit.

    >>> from gradcheck import check
    >>> try:
    ...     check("x**2", "1:2:10000000")
    ... except LimitProblem as problem:
    ...     print(problem.message)
    at most 200,000 points can be checked; this asks for 10,000,000
    """

    code = "limit"


class FileProblem(GradcheckError):
    """A file that cannot be read or written.

    >>> from gradcheck import check
    >>> try:
    ...     check("x**2", "x=@nowhere.npy")
    ... except FileProblem as problem:
    ...     print(problem.message)
    cannot read `nowhere.npy`: no such file or directory
    """

    code = "file"


class UsageProblem(GradcheckError):
    """An option with a value it does not take.

    >>> from gradcheck import check
    >>> try:
    ...     check("x**2", 1, dtype="float23")
    ... except UsageProblem as problem:
    ...     print(problem)
    unknown dtype 'float23'
    did you mean `float32`?
    """

    code = "usage"


class LaneProblem(GradcheckError):
    """A lane could not evaluate the program; the case is an ``error``.

    >>> LaneProblem("torch could not run sin: not today").code
    'lane'
    """

    code = "lane"


def underline(source: str, span: Span) -> str:
    """Return the line of ``source`` that holds ``span``, with a caret under it.

    >>> print(underline("sin(x) + foo(x)", Span(9, 12)))
      sin(x) + foo(x)
               ^^^
    """
    start = source.rfind("\n", 0, span.start) + 1
    end = source.find("\n", span.start)
    line = source[start : end if end >= 0 else len(source)]
    column = span.start - start
    width = max(1, min(span.end, start + len(line)) - span.start)
    first = max(0, column - MAX_SHOWN_LINE // 2) if len(line) > MAX_SHOWN_LINE else 0
    shown = printable(line[first : first + MAX_SHOWN_LINE])
    head = "..." if first else ""
    tail = "..." if first + MAX_SHOWN_LINE < len(line) else ""
    carets = "^" * max(1, min(width, MAX_SHOWN_LINE - (column - first)))
    return f"  {head}{shown}{tail}\n  {' ' * (len(head) + column - first)}{carets}"


def printable(text: str) -> str:
    """Return ``text`` with every control character as one visible replacement, so that no terminal obeys it.

    >>> printable("red \\x1b[31m")
    'red �[31m'
    """
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)


def plural(count: int, noun: str) -> str:
    """Return a count with its noun.

    >>> plural(1, "more element"), plural(2000, "check")
    ('1 more element', '2,000 checks')
    """
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def visible(text: str) -> str:
    """Return a text with its lines, of which no terminal obeys a character.

    >>> print(visible("one\\ntwo\\x07"))
    one
    two�
    """
    return "\n".join(map(printable, text.splitlines()))
