"""The engines that are not torch as it is: functions of tensors as torch.compile has them, and what it refuses."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable, Hashable, Iterator
from contextlib import ExitStack, contextmanager
from functools import lru_cache
from types import FunctionType
from typing import Any
from unittest.mock import patch

import torch

from gradcheck.autograd.numerics import numerics
from gradcheck.autograd.tensors import TORCH_ERRORS, first_line
from gradcheck.lane import COMPILED, INDUCTOR
from gradcheck.scratch import scratch

MAX_KEPT = 64
"""Compiled functions that are kept: each is made once for all points of some shapes."""
CACHE = "TORCHINDUCTOR_CACHE_DIR"
"""The variable that says where compilers write; torch sets it when its compiler is loaded, for its children too."""
_GIVEN = os.environ.get(CACHE, "")
_CHOSEN = None if os.path.basename(_GIVEN).startswith("torchinductor_") else _GIVEN or None
"""Where the user says they write."""
_LOCK = threading.RLock()


def compiled(function: Callable[..., Any], engine: str, key: Hashable) -> Callable[..., Any]:
    """Return a function of tensors as a backend of torch.compile has it, the same one for equal keys.

    The key says all that the function depends on but its tensors' numbers. What cannot be compiled as a whole is
    refused with the first call, by an exception among ``refusals``.
    """
    return _compiled(_Keyed(function, key), engine, frozenset(numerics(["cpu"], [engine]).items()))


class _Keyed:
    """A function that is equal to all those with its key."""

    def __init__(self, function: Callable[..., Any], key: Hashable) -> None:
        self.function, self.key = function, key

    def __hash__(self) -> int:
        return hash((self.function.__name__, self.key))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Keyed) and (self.function.__name__, self.key) == (other.function.__name__, other.key)


@lru_cache(maxsize=MAX_KEPT)
def _compiled(keyed: _Keyed, engine: str, flags: Hashable) -> Callable[..., Any]:
    """Return what is compiled with the first call, under flags of the process that decide its numbers."""
    del flags

    def derivative(*tensors: Any) -> Any:
        return keyed.function(*tensors)

    # The compiler keeps what it makes beside the code: a code object of its own makes it this function's alone.
    own = FunctionType(derivative.__code__.replace(), globals(), closure=derivative.__closure__)
    made = torch.compile(own, backend=engine, fullgraph=True, dynamic=False)

    return _Once(made).run


class _Once:
    """A compiled function; the state is why the compiler refused it, so that it is not asked again."""

    def __init__(self, made: Callable[..., Any]) -> None:
        self.made = made
        self.refused: Exception | None = None

    def run(self, *tensors: Any) -> Any:
        if self.refused is not None:
            raise self.refused
        try:
            return self.made(*tensors)
        except _compiler_refusal() as problem:
            self.refused = problem
            raise


@contextmanager
def own_compiler(engine: str) -> Iterator[None]:
    """Compile in this thread alone, and write nothing that stays, unless the user says where to.

    What is compiled may be compiled as late as in its backward pass.
    """
    if engine not in COMPILED:
        yield
        return
    with _LOCK, ExitStack() as stack:
        stack.callback(_set, CACHE, os.environ.get(CACHE))
        _set(CACHE, _CHOSEN or str(scratch() / INDUCTOR))
        if engine == INDUCTOR:
            import torch._inductor.codecache as written
            import torch._inductor.config

            stack.enter_context(torch._inductor.config.patch(compile_threads=1))
            for name in () if _CHOSEN else ("_HEADER_DIR", "_HEADER_LOCK_DIR"):  # which torch fixes when it is loaded
                if hasattr(written, name):
                    stack.enter_context(patch.object(written, name, str(scratch() / name)))
        yield


def _set(name: str, value: str | None) -> None:
    """Set a variable of the environment, or take it away."""
    if value is None:
        os.environ.pop(name, None)
    else:
        os.environ[name] = value


def refusals(engine: str) -> tuple[type[Exception], ...]:
    """Return what torch raises where it refuses; its compiler is loaded where it runs."""
    return (*TORCH_ERRORS, _compiler_refusal()) if engine in COMPILED else TORCH_ERRORS


def _compiler_refusal() -> type[Exception]:
    from torch._dynamo.exc import TorchDynamoException

    return TorchDynamoException


def said(problem: BaseException) -> str:
    """Return in one line what an exception says; of one by the compiler what was the reason of it.

    >>> said(RuntimeError("not today\\nnor tomorrow"))
    'not today'
    """
    inner = getattr(problem, "inner_exception", None)
    if inner is not None:
        return said(inner)
    for pattern in _REASONS:
        if found := pattern.search(str(problem)):
            return found[1]
    return first_line(problem)


_REASONS = (re.compile(r"got \w+\(['\"](.*?)(?:\\n.*)?['\"]\)"), re.compile(r"Explanation: (.*)"))
"""Where the compiler says why it refused, in the words of what failed or in its own."""
