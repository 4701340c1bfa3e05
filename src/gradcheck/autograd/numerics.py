"""The settings of torch's process that decide numbers, as they are now."""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterable
from functools import reduce
from typing import Any

import torch

from gradcheck.lane import INDUCTOR
from gradcheck.numerics import CUDA, FLUSHED, OVERRIDES, Flag, needed

TINY = 2.0**-1030
"""A subnormal number in float64."""


def numerics(devices: Iterable[str], engines: Iterable[str]) -> dict[str, str]:
    """Return what decides numbers on some devices, by some engines, each as text.

    >>> numerics(["cpu"], ["eager"])["subnormal numbers"]
    'kept'
    """
    there = list(devices)
    flags = needed(there, engines)
    if any(flag.needs == INDUCTOR for flag in flags):
        importlib.import_module("torch._inductor.config")
    made = {flag.name: found for flag in flags if (found := _text(flag)) is not None}
    overrides = [name for name in OVERRIDES if name in os.environ and any(one.startswith(CUDA) for one in there)]
    return {**made, FLUSHED: _flushed(), **{name: os.environ[name] for name in overrides}}


def _text(flag: Flag) -> str | None:
    """Return a setting as text; None where this torch has none, or will not say: two ways of setting it differ."""
    try:
        found = reduce(getattr, flag.path.split("."), torch)
        held: Any = found() if callable(found) else found
    except (AttributeError, RuntimeError):
        return None
    return ("off", "on")[held] if isinstance(held, bool) else str(held)


def _flushed() -> str:
    held = torch.tensor(TINY, dtype=torch.float64, device="cpu") * 1.5
    return "kept" if held.item() else "flushed to 0"
