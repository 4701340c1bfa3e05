"""What the names of a text stand for while it is read: tensors, things known before anything is computed, functions."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field

from gradcheck.program import Name, Node, Param


@dataclass(frozen=True, slots=True)
class Tensor:
    """An expression: the name of an input or layer, or what is read once where it stands."""

    node: Node


@dataclass(frozen=True, slots=True)
class Truth:
    """A condition, which no layer can hold."""

    node: Node


@dataclass(frozen=True, slots=True)
class Static:
    """A value that is known before anything is computed: a number, a flag, a word, a shape."""

    value: Param


@dataclass(frozen=True, slots=True)
class Several:
    """A tuple or list; one that is ``aliased`` has a second name, by which it could be made longer."""

    parts: tuple[Binding, ...]
    aliased: bool = False


@dataclass(frozen=True, slots=True)
class Results:
    """What a function of several results returned; each is read where it is asked for."""

    call: ast.Call
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Function:
    """A function that the text defines, or a module of torch.nn with the arguments it was made with."""

    name: str
    node: ast.FunctionDef | ast.Lambda | ast.Call
    scope: Scope
    detached: bool = False


Binding = Tensor | Truth | Static | Several | Results | Function


@dataclass(slots=True)
class Scope:
    """The names of the text, or of one call of a function, with those around it.

    >>> outer = Scope(); outer.names["k"] = Static(2)
    >>> Scope(outer).find("k"), Scope(outer).find("x")
    (Static(value=2), None)
    """

    around: Scope | None = None
    names: dict[str, Binding] = field(default_factory=dict)

    def find(self, name: str) -> Binding | None:
        """Return what a name stands for, None for an input."""
        scope: Scope | None = self
        while scope is not None:
            if name in scope.names:
                return scope.names[name]
            scope = scope.around
        return None

    def layers(self) -> Iterator[tuple[str, str]]:
        """Yield the names here and around that stand for a layer or an input, each with what it stands for."""
        scope: Scope | None = self
        while scope is not None:
            for name, binding in scope.names.items():
                for part in binding.parts if isinstance(binding, Several) else (binding,):
                    if isinstance(part, Tensor) and isinstance(part.node, Name):
                        yield name, part.node.id
            scope = scope.around


class Held(ast.expr):
    """A place in a syntax tree that is read already."""

    def __init__(self, binding: Binding, place: ast.expr) -> None:
        super().__init__()
        self.binding = binding
        ast.copy_location(self, place)


FUNCTIONS = (ast.FunctionDef, ast.Lambda)


def regions(tree: ast.Module) -> dict[str, int]:
    """Return in how many separate parts of a text each name occurs: in its own lines, and in each function.

    >>> regions(ast.parse("def f(h):\\n  return h*x\\nf(x)"))["h"], regions(ast.parse("f = lambda h: h\\nf(h)"))["h"]
    (1, 2)
    """
    found: dict[str, int] = {}
    parts: list[ast.AST] = [tree]
    for part in parts:
        own: set[str] = set()
        stack: list[ast.AST] = [part]
        while stack:
            node = stack.pop()
            if part is tree and isinstance(node, FUNCTIONS):
                parts.append(node)
                continue
            own |= {str(getattr(node, key)) for key in ("id", "arg") if isinstance(getattr(node, key, None), str)}
            stack.extend(ast.iter_child_nodes(node))
        for name in own:
            found[name] = found.get(name, 0) + 1
    return found
