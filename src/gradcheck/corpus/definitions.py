"""Functions that a file defines by one expression: calls of them are written out in the text before it is parsed.

Both lanes, the report and every command that reproduces a finding see the text that is written out, so that carets
stand under the operation itself and a fix can be spliced in. What is wrong with a text is shown at the user's call.
"""

from __future__ import annotations

import ast
import keyword
import re
import unicodedata
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter

from gradcheck.errors import GradcheckError, LimitProblem, NameProblem, Span, SyntaxProblem
from gradcheck.functions import known_names, lookup
from gradcheck.parse import Places, parse
from gradcheck.program import Name, postorder
from gradcheck.source import MAX_TEXT_LENGTH, prepare, syntax_tree

_SIGNATURE = re.compile(r"\s*([^\W\d]\w*)\s*\(\s*([^\W\d]\w*(?:\s*,\s*[^\W\d]\w*)*)\s*,?\s*\)\s*")
_NAME = re.compile(r"[^\W\d]\w*")


@dataclass(frozen=True, slots=True)
class Definition:
    """A function: its name, its arguments, and the expression that it stands for, all calls in it written out.

    ``pieces`` is the expression cut at its arguments: texts, and in between them the arguments' places in ``args``. It
    is None where the definition is at fault, and nothing can be said of what uses it.
    """

    name: str
    args: tuple[str, ...]
    pieces: tuple[str | int, ...] | None = None

    def __str__(self) -> str:
        return f"{self.name}({', '.join(self.args)})"

    def fill(self, given: Sequence[str]) -> str:
        """Return the expression for these arguments, in brackets; raises LimitProblem where it grows too long."""
        pieces = ("", *(self.pieces or ()), "")
        parts = [
            part if isinstance(part, str) else _bracketed(given[part], str(before), str(after))
            for before, part, after in zip(pieces, pieces[1:], pieces[2:], strict=False)
        ]
        check_length(sum(map(len, parts)))
        return f"({''.join(parts)})"


Definitions = Mapping[str, Definition]


@dataclass(frozen=True, slots=True)
class Expansion:
    """A text with all calls of definitions written out, and which part of the user's text each part comes from."""

    source: str
    text: str
    parts: tuple[tuple[int, Span, bool], ...] = ()
    """Where a part begins in ``text``, its span in ``source``, and whether it is a call."""

    def relocated(self, error: GradcheckError) -> GradcheckError:
        """Return the error at its place in the user's text."""
        if self.parts and error.span is not None and error.source == self.text:
            error.source, error.span = self.source, self._origin(error.span.start).to(self._origin(error.span.end - 1))
        return error

    def _origin(self, position: int) -> Span:
        k = max(0, bisect_left(self.parts, position + 1, key=lambda part: part[0]) - 1)
        begin, span, is_call = self.parts[k]
        return span if is_call else Span(span.start + position - begin, span.start + position - begin + 1)


def expand(text: str, definitions: Definitions) -> Expansion:
    """Return the text with every call of a definition written out; raises GradcheckError at the user's call."""
    if not definitions.keys() & set(_NAME.findall(unicodedata.normalize("NFKC", text))):
        return Expansion(text, text)
    source = prepare(text)
    tree = syntax_tree(source)
    writer = _Writer(source, tree, definitions)
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):  # Python 3.11 does not know where the calls in it stand
            raise SyntaxProblem("a string is not part of the language", source=source, span=writer.span(node))
    return writer.expansion()


class _Writer:
    """Writes one text out; the state is where its calls of definitions stand."""

    def __init__(self, source: str, tree: ast.AST, definitions: Definitions) -> None:
        self.source = source
        self.definitions = definitions
        self.span = Places(source).span
        calls = [(self.span(node), node) for node in calls_of(tree, definitions)]
        self.calls = sorted(calls, key=lambda one: one[0].start)

    def expansion(self) -> Expansion:
        parts: list[tuple[int, Span, bool]] = []
        texts: list[str] = []
        at = 0
        for span, text, is_call in self.written(Span(0, len(self.source))):
            parts.append((at, span, is_call))
            texts.append(text)
            at += len(text)
            check_length(at)
        return Expansion(self.source, "".join(texts), tuple(parts))

    def written(self, whole: Span) -> Iterator[tuple[Span, str, bool]]:
        """Yield the parts of a stretch of the text, each with its span, as it is or a call written out."""
        at = whole.start
        for k in range(bisect_left(self.calls, whole.start, key=lambda one: one[0].start), len(self.calls)):
            span, node = self.calls[k]
            if span.start >= whole.end:
                break
            if span.start >= at:
                yield Span(at, span.start), self.source[at : span.start], False
                yield span, self.call(node, span), True
                at = span.end
        yield Span(at, whole.end), self.source[at : whole.end], False

    def call(self, node: ast.Call, span: Span) -> str:
        definition = self.definitions[_called(node)]
        try:
            self._check(definition, node)
            return definition.fill([self.argument(one) for one in node.args])
        except GradcheckError as error:
            raise error.located(self.source, span) from None

    def argument(self, node: ast.expr) -> str:
        texts: list[str] = []
        length = 0
        for _, text, _ in self.written(self.span(node)):
            texts.append(text)
            length += len(text)
            check_length(length)
        return "".join(texts)

    def _check(self, definition: Definition, node: ast.Call) -> None:
        if definition.pieces is None:
            raise NameProblem(f"the definition of {definition.name} is at fault")
        if node.keywords or any(isinstance(one, ast.Starred) for one in node.args):
            raise SyntaxProblem(f"{definition.name} takes its arguments by place", hint=f"write {definition}")
        if len(node.args) != len(definition.args):
            count = len(definition.args)
            amount = f"{count} argument{'s' * (count != 1)}"
            raise SyntaxProblem(f"{definition.name} takes {amount}, not {len(node.args)}", hint=f"write {definition}")


def check_length(length: int) -> None:
    """Raise LimitProblem for a text that no program can have, before it is made."""
    if length > MAX_TEXT_LENGTH:
        raise LimitProblem(
            f"with all definitions written out this has more than {MAX_TEXT_LENGTH:,} characters "
            "(the limit MAX_TEXT_LENGTH)"
        )


def calls_of(tree: ast.AST, names: Mapping[str, object]) -> list[ast.Call]:
    """Return the calls of these names."""
    return [node for node in ast.walk(tree) if isinstance(node, ast.Call) and _called(node) in names]


def _called(node: ast.Call) -> str:
    return node.func.id if isinstance(node.func, ast.Name) else ""


def _bracketed(text: str, before: str, after: str) -> str:
    """Return an argument as it stands between two texts: in brackets, unless it is a name or has brackets there."""
    alone = before.endswith(("(", ", ")) and after.startswith((")", ","))
    return text if alone or _NAME.fullmatch(text) else f"({text})"


# --- reading definitions ------------------------------------------------------------------------


def signature(text: str) -> Definition:
    """Return the function that a text such as ``mish(x)`` announces, without its expression."""
    found = _SIGNATURE.fullmatch(unicodedata.normalize("NFKC", text))
    if not found:
        hint = 'write "squareplus(x)" = "(x + sqrt(x**2 + 4))/2"'
        raise SyntaxProblem("a definition is a call and its expression", hint=hint)
    name, args = found[1], tuple(re.split(r"\s*,\s*", found[2]))
    if name in known_names() or lookup(name) is not None:
        raise NameProblem(f"{name} is a word of the language already", hint="give the definition a name of its own")
    for word in (name, *args):
        if keyword.iskeyword(word):
            raise NameProblem(f"`{word}` is a word of Python's own", hint=f"call it {word}_")
    if len(set(args)) < len(args):
        raise NameProblem(f"{name} has two arguments of the same name")
    return Definition(name, args)


def order(bodies: Mapping[str, str]) -> tuple[list[str], list[str]]:
    """Return the names in an order in which each uses only those before it, and the names that use themselves."""
    uses: dict[str, set[str]] = {}
    for name, body in bodies.items():
        try:
            uses[name] = {_called(call) for call in calls_of(syntax_tree(prepare(body)), bodies)}
        except GradcheckError:
            uses[name] = set()  # said when the definition itself is read
    circular: list[str] = []
    while True:
        try:
            return [*TopologicalSorter(uses).static_order()], circular
        except CycleError as cycle:
            names = sorted(set(cycle.args[1]), key=list(bodies).index)
            circular += names
            uses.update({name: set() for name in names})


def complete(announced: Definition, body: str, definitions: Definitions) -> Definition:
    """Return the definition with its expression, which reads nothing but the arguments."""
    expansion = expand(body, definitions)
    try:
        return Definition(announced.name, announced.args, _cut(announced, expansion.text))
    except GradcheckError as error:
        raise expansion.relocated(error) from None


def _cut(announced: Definition, text: str) -> tuple[str | int, ...]:
    source = prepare(text)
    [layer, *more] = parse(source, announced.args).layers
    tree = syntax_tree(source)
    only = tree.body[0]
    if more or not isinstance(only, ast.Expr):
        whole = Span(0, len(source))
        raise SyntaxProblem("a definition is one expression", source=source, span=whole, hint="define its parts too")
    for part in postorder(layer.expression):
        if isinstance(part, Name) and part.id not in announced.args:
            message = f"{announced.name} reads {part.id}, which is not among its arguments"
            raise NameProblem(message, source=source, span=part.span, hint=f"it has {', '.join(announced.args)}")
    return tuple(_pieces(source, only.value, announced.args))


def _pieces(source: str, expression: ast.expr, args: Sequence[str]) -> Iterator[str | int]:
    span = Places(source).span
    reads = [node for node in ast.walk(expression) if isinstance(node, ast.Name) and node.id in args]
    whole = span(expression)
    at = whole.start
    for place, node in sorted(((span(node), node) for node in reads), key=lambda one: one[0].start):
        yield source[at : place.start]
        yield args.index(node.id)
        at = place.end
    yield source[at : whole.end]
