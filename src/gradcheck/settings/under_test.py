"""What is under test in a program: the callables of the user's by the operations that they stand for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from gradcheck.constants import by_python
from gradcheck.errors import UsageProblem
from gradcheck.functions import known_names
from gradcheck.functions.signatures import meanings
from gradcheck.program import Call, Program, fold
from gradcheck.settings import choice


def by_operation(under_test: Mapping[str, Callable[..., Any]], program: Program) -> dict[str, Callable[..., Any]]:
    """Return the callables under test by the operations of the program that they stand for."""
    used = _in_torch(program)
    names: dict[str, str] = {}
    found: dict[str, Callable[..., Any]] = {}
    for name, function in under_test.items():
        if not callable(function):
            raise UsageProblem(f"what is under test as {name!r} is {type(function).__name__}, and cannot be called")
        for op in _stands_for(name, used):
            if op in names:
                raise UsageProblem(f"{names[op]!r} and {name!r} are both under test as {op}")
            names[op] = name
            found["clamp" if meanings(name)[0] == "clamp" else op] = function
    return found


def _stands_for(name: str, used: Sequence[str]) -> list[str]:
    """Return the operations among those ``used`` that a name under test means, at least one."""
    meant = meanings(name)
    if not meant:
        hint = choice(str(name).rpartition(".")[2], used, known_names())
        raise UsageProblem(f"{name!r} is under test, and no function bears that name", hint=hint)
    found = [op for op in meant if op in used]
    if not found:
        shown = ", ".join(used) or "nothing"
        raise UsageProblem(f"{name!r} is under test, and torch never runs it in this program", hint=f"it runs {shown}")
    return found


def _in_torch(program: Program) -> list[str]:
    """Return the operations that torch runs, in order: what Python makes of plain numbers alone is not among them."""
    found: dict[str, None] = {}

    def operation(node: Call, plain: list[bool]) -> bool:
        if by_python(node.op, plain):
            return True
        found[node.op] = None
        return False

    for layer in program.layers:
        fold(layer.expression, lambda _: False, lambda _: True, operation)
    return list(found)
