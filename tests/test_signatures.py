"""How a function is called, as its page says it: all that it takes, with the defaults of torch's own function."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from typing import Any

import pytest
import torch

from gradcheck.code import call_of
from gradcheck.functions.pages import pages
from gradcheck.report.functions import signature
from table import ON_TENSORS

ROWS = {row.name: row for row in ON_TENSORS if row.name in pages()}
NEEDED = inspect.Parameter.empty
CHOSEN = "_stacklevel"
"""What torch's function takes where it warns that a dim which is not given is chosen by it."""


def read(name: str) -> ast.arguments:
    """Return the arguments of a function as its page has them, which are Python."""
    [made] = ast.parse(f"def function{signature(name).removeprefix(name)}: ...").body
    assert isinstance(made, ast.FunctionDef)
    return made.args


def stated(name: str) -> Iterator[tuple[str, Any]]:
    """Yield each argument with its default."""
    found = read(name)
    without = len(found.args) - len(found.defaults)
    for k, one in enumerate(found.args):
        yield one.arg, NEEDED if k < without else eval(ast.unparse(found.defaults[k - without]))


def torchs(name: str) -> list[dict[str, Any]]:
    """Return the defaults of torch's own function, those of each of its overloads; none where torch does not tell."""
    path = call_of(name).partition("(")[0].split(".")[1:]
    found: Any = torch if path else None
    for one in path:
        found = getattr(found, one, None)
    try:
        given = dict(inspect.signature(found).parameters)
    except (TypeError, ValueError):  # one that is written in C++
        given = {}
    if given and all(one.kind is not one.VAR_POSITIONAL for one in given.values()):
        return [{key: one.default for key, one in given.items()}]
    packets = (getattr(torch.ops.aten, one, None) for one in ("_".join(path[-2:]), *path[-1:]))
    packet = next(filter(None, packets), None)
    schemas = [getattr(packet, one)._schema for one in packet.overloads()] if packet is not None else []
    return [{one.name: one.default_value if one.has_default_value() else NEEDED for one in schema.arguments}
            for schema in schemas]  # fmt: skip


def alike(mine: Any, theirs: Any) -> bool:
    """Tell whether defaults are the same; torch has a list of equal numbers where one is meant."""
    if isinstance(theirs, list | tuple):
        return list(theirs) in (list(mine), []) if isinstance(mine, tuple) else all(alike(mine, one) for one in theirs)
    return bool(mine == theirs) and isinstance(mine, bool) == isinstance(theirs, bool)


SAID = {name: found for name in ROWS if (found := torchs(name))}


@pytest.mark.parametrize("name", pages())
def test_a_signature_is_python_and_has_all_that_the_function_takes(name: str) -> None:
    names = [one.arg for one in read(name).args]
    assert names
    assert name not in ROWS or sorted(names) == sorted((*ROWS[name].args, *ROWS[name].params))


def test_torch_tells_of_nearly_all() -> None:
    assert len(SAID) > 0.9 * len(ROWS)


@pytest.mark.parametrize("name", SAID)
def test_defaults_are_torchs(name: str) -> None:
    """What torch wants may have a default here, and torch's None a number that stands for it; nothing else differs."""
    for one, mine in stated(name):
        theirs = [found[one] for found in SAID[name] if one in found]
        free = [default for default in theirs if default is not NEEDED]
        if not free or any(CHOSEN in found for found in SAID[name]):
            continue
        if mine is NEEDED:
            assert len(free) < len(theirs), f"{one} need not be given"
        elif mine is not None:
            assert None in free or any(alike(mine, default) for default in free), f"{one} is {free}"
