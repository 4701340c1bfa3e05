"""The small changes of a source text, each as the characters that go and those that come."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from mutation.operators import Replacement, replacements


@dataclass(frozen=True)
class Change:
    """One change: where it is, in which function, and the text before and after."""

    path: str
    line: int
    scope: str
    """The qualified name of the innermost function, with its line where it is a lambda; empty outside of all."""
    names: tuple[str, ...]
    """What the statement around it binds at the level of the module."""
    words: tuple[str, ...]
    """The plain words in quotes on its line: a row of a table begins with its name."""
    source: str
    """The line that it begins on."""
    start: int
    end: int
    old: str
    new: str

    def __str__(self) -> str:
        """Return file, line and what was changed, as it is printed."""
        return self.key.replace(self.path, f"{self.path}:{self.line}", 1)

    @property
    def key(self) -> str:
        """Return the same without the line: it names the change even after lines above it have moved."""
        return f"{self.path}: `{_cut(self.source)}`: `{_cut(_short(self.old))}` -> `{_cut(_short(self.new))}`"

    def applied(self, text: str) -> str:
        """Return the text with the change made."""
        return f"{text[: self.start]}{self.new}{text[self.end :]}"


def _short(text: str) -> str:
    """Return a text on one line, without the brackets that only keep a change together."""
    plain = " ".join(text.split())
    return plain[1:-1] if plain.startswith("(") and _one_bracket(plain) else plain


def _cut(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:60]}..."


def _one_bracket(text: str) -> bool:
    depth = list(accumulate((mark == "(") - (mark == ")") for mark in text))
    return text.endswith(")") and 0 not in depth[:-1]


def changes(path: str, text: str) -> list[Change]:
    """Return every change of a source text, each once, in the order of the text."""
    return [one for one in dict.fromkeys(_Walk(path, text).changes()) if one.old != one.new]


def compiles(text: str) -> bool:
    """Return whether Python can read a source text."""
    try:
        compile(text, "changed", "exec")
    except SyntaxError:
        return False
    return True


class _Walk:
    """One walk over a file that knows in which function and statement it is."""

    def __init__(self, path: str, text: str) -> None:
        self.path, self.text, self.lines = path, text, text.splitlines(keepends=True)
        self.starts = [0, *accumulate(len(line) for line in self.lines)]

    def changes(self) -> Iterator[Change]:
        for statement in ast.parse(self.text).body:
            yield from self.under(statement, (), _bound(statement))

    def under(self, node: ast.AST, scope: tuple[str, ...], names: tuple[str, ...]) -> Iterator[Change]:
        """Yield the changes of a node and of all below it."""
        if _says_nothing(node):
            return
        for one in replacements(node):
            yield self.change(one, scope, names)
        inner = (*scope, *entered(node))
        for child in ast.iter_child_nodes(node):
            if not _unchanged(node, child):
                body = isinstance(node, ast.ClassDef) or child not in _outside(node)
                yield from self.under(child, inner if body else scope, names)

    def change(self, one: Replacement, scope: tuple[str, ...], names: tuple[str, ...]) -> Change:
        start, end = self.offset(one.node.lineno, one.node.col_offset), self.offset(*_end(one.node))
        line, where = self.lines[one.node.lineno - 1], ".".join(scope[:-1])
        words = tuple(word for word in line.split('"')[1::2] if word.isidentifier())
        where = where if scope[-1:] == ("<locals>",) else ""
        text = self.text[start:end]
        return Change(self.path, one.node.lineno, where, names, words, line.strip(), start, end, text, one.text)

    def offset(self, line: int, column: int) -> int:
        """Return the place in the text of a place in bytes of a line, as trees have it."""
        return self.starts[line - 1] + len(self.lines[line - 1].encode()[:column].decode())


def _end(node: Any) -> tuple[int, int]:
    return node.end_lineno, node.end_col_offset


def _bound(statement: ast.stmt) -> tuple[str, ...]:
    if isinstance(statement, ast.FunctionDef | ast.ClassDef):
        return (statement.name,)
    return tuple(
        node.id for node in ast.walk(statement) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    )


def entered(node: ast.AST) -> tuple[str, ...]:
    """Return the parts of a qualified name that a node adds; a lambda has its line."""
    if isinstance(node, ast.FunctionDef):
        return node.name, "<locals>"
    if isinstance(node, ast.Lambda):
        return f"<lambda>:{node.lineno}", "<locals>"
    return (node.name,) if isinstance(node, ast.ClassDef) else ()


def _outside(node: ast.AST) -> list[ast.AST]:
    """Return what of a function is evaluated where it is defined."""
    if isinstance(node, ast.FunctionDef):
        return [node.args, *node.decorator_list]
    return [node.args] if isinstance(node, ast.Lambda) else []


def _says_nothing(node: ast.AST) -> bool:
    """Return whether what is below a node is text for people, an import, or seen by type checkers alone."""
    if isinstance(node, ast.Import | ast.ImportFrom | ast.JoinedStr | ast.Assert | ast.Global):
        return True
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return True
    if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
        return True
    target = node.targets[0] if isinstance(node, ast.Assign) else node
    return isinstance(target, ast.Name) and target.id in ("__all__", "__slots__")


def _unchanged(node: ast.AST, child: ast.AST) -> bool:
    """Return whether a part of a node is an annotation or a decorator."""
    return child is getattr(node, "annotation", None) or child is getattr(node, "returns", None) or (
        child in getattr(node, "decorator_list", [])
    )  # fmt: skip


def reads(path: str, text: str) -> Iterator[tuple[str, str]]:
    """Yield every name that is read, with the function that reads it or, outside of all, what is bound to it."""
    for statement in ast.parse(text).body:
        yield from _reads(statement, path, (), _bound(statement))


def _reads(node: ast.AST, path: str, scope: tuple[str, ...], names: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    if isinstance(node, ast.Name | ast.Attribute):
        read = node.id if isinstance(node, ast.Name) else node.attr
        yield from ((read, one) for one in ((f"{path}: {'.'.join(scope[:-1])}",) if scope else names))
    for child in ast.iter_child_nodes(node):
        yield from _reads(child, path, (*scope, *entered(child)), names)
