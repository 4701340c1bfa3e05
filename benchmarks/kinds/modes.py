"""Callers' modes: a check inside of one says what it says outside, and the mode is still on afterwards."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from random import Random
from typing import Any

import torch

from gradcheck.errors import GradcheckError
from gradcheck.outcome import Outcome
from kinds import jumps, masks, random_programs
from kinds.held import Outcomes
from kinds.pair import Drawn, Pair, Tally, count, looked_at

MODES: dict[str, Callable[[], AbstractContextManager[Any]]] = {
    "no_grad": torch.no_grad, "inference_mode": torch.inference_mode,
    "set_grad_enabled": lambda: torch.set_grad_enabled(False),
    "detect_anomaly": lambda: _quiet(torch.autograd.detect_anomaly),
    "autocast": lambda: torch.autocast("cpu", torch.bfloat16),
    "no_grad in autocast": lambda: _both(torch.no_grad(), torch.autocast("cpu", torch.float16)),
    "saved_tensors_hooks": lambda: torch.autograd.graph.saved_tensors_hooks(lambda x: x * 2, lambda x: x),
    "enable_grad in no_grad": lambda: _both(torch.no_grad(), torch.enable_grad()),
    "device": lambda: torch.device("cpu"),
    "default dtype": lambda: _Default(torch.float64), "nothing": nullcontext,
}  # fmt: skip


class _Default:
    """A default dtype for a while."""

    def __init__(self, dtype: torch.dtype) -> None:
        self.dtype = dtype

    def __enter__(self) -> None:
        self.before = torch.get_default_dtype()
        torch.set_default_dtype(self.dtype)

    def __exit__(self, *_: object) -> None:
        torch.set_default_dtype(self.before)


def _quiet(mode: Callable[[], AbstractContextManager[Any]]) -> AbstractContextManager[Any]:
    """Return a mode without the warning that it gives when it is made."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return mode()


def _both(outer: AbstractContextManager[Any], inner: AbstractContextManager[Any]) -> AbstractContextManager[Any]:
    class Both:
        def __enter__(self) -> None:
            outer.__enter__()
            inner.__enter__()

        def __exit__(self, *_: object) -> None:
            inner.__exit__(None, None, None)
            outer.__exit__(None, None, None)

    return Both()


def draw(random: Random) -> Drawn:
    """Return what another kind draws."""
    return random.choice((random_programs.draw, jumps.draw, masks.draw))(random)


def judge(one: Pair, outcomes: Outcomes, k: int, total: Tally) -> None:
    """Check a pair inside of a mode; it was checked without."""
    name = list(MODES)[k % len(MODES)]
    try:
        with MODES[name]():
            before = _state()
            inside = looked_at(one)
            after = _state()
    except (GradcheckError, RuntimeError) as problem:
        total.broken.append(f"raised in {name}: {one}: {type(problem).__name__}: {problem}")
        return
    count(inside, total)
    total.oracle[name] += 1
    if before != after:
        total.broken.append(f"{name} is changed: {one}: {before} before, {after} after")
    if _said(outcomes[0]) != _said(inside):
        total.broken.append(f"{name} changes what is said: {one}: {_said(outcomes[0])} outside, {_said(inside)} inside")


def _state() -> tuple[Any, ...]:
    return (
        torch.is_grad_enabled(), torch.is_inference_mode_enabled(), torch.is_anomaly_enabled(),
        torch.is_autocast_enabled("cpu"), torch.get_default_dtype(), torch.get_num_threads(),
    )  # fmt: skip


def _said(outcome: Outcome) -> list[Any]:
    gradients = [(one.input, _texts(one.torch), one.judgements) for one in outcome.gradients]
    return [outcome.error, gradients, outcome.value and _texts(outcome.value.values)]


def _texts(numbers: Any) -> list[str]:
    return [] if numbers is None else list(map(str, numbers.ravel().tolist()))
