"""The modes of torch that a run needs: set on the way in, and the caller's put back on the way out."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch.overrides import _get_current_function_mode_stack
from torch.utils._device import DeviceContext
from torch.utils._python_dispatch import _get_current_dispatch_mode_stack

from gradcheck.errors import UsageProblem
from gradcheck.quiet import quiet


@contextmanager
def own_modes(device: str) -> Iterator[None]:
    """Run torch as outside of any mode of the caller: gradients on, no inference mode, autocast or anomaly detection.

    Settings of the process that no result of the lane depends on (default dtype, number of threads), or that are to be
    seen in the results (deterministic algorithms, TF32, the matmul precision, flushed subnormals), stay the caller's.
    Raises UsageProblem inside modes that put something else in torch's place: FakeTensorMode, other dispatch and
    function modes, and the transforms of torch.func.
    """
    _refuse()
    with _PROCESS.quiet(), ExitStack() as stack:
        for one in _needed(device):
            stack.enter_context(one)
        yield


def _needed(device: str) -> Iterator[Any]:
    """Yield what differs from a run outside of any mode; all of it belongs to this thread alone."""
    if torch.is_inference_mode_enabled():
        yield torch.inference_mode(False)
    if not torch.is_grad_enabled():
        yield torch.enable_grad()
    for kind in dict.fromkeys(("cpu", torch.device(device).type)):
        if torch.is_autocast_enabled(kind):
            yield torch.autocast(kind, enabled=False)
    if _function_modes():
        yield torch.device("cpu")  # what a callable makes without naming a device
    if _saved_tensors_hooks() is not None:
        yield _no_saved_tensors_hooks()


def _saved_tensors_hooks() -> tuple[Any, Any] | None:
    return torch._C._autograd._top_saved_tensors_default_hooks(True)


@contextmanager
def _no_saved_tensors_hooks() -> Iterator[None]:
    """Save what the way back needs as it is, and not what the caller's hooks make of it."""
    before = []
    while (hooks := _saved_tensors_hooks()) is not None:
        before.append(hooks)
        torch._C._autograd._pop_saved_tensors_default_hooks()
    try:
        yield
    finally:
        for pack, unpack in reversed(before):
            torch._C._autograd._push_saved_tensors_default_hooks(pack, unpack)


def _refuse() -> None:
    if torch._C._functorch.peek_interpreter_stack() is not None:
        raise _inside("a transform of torch.func")
    others = [one for one in _function_modes() if not isinstance(one, DeviceContext)]
    for one in (*others, *_get_current_dispatch_mode_stack()):
        raise _inside(type(one).__name__)


def _function_modes() -> list[Any]:
    return _get_current_function_mode_stack()  # type: ignore[no-untyped-call,no-any-return]  # torch's own


def _inside(mode: str) -> UsageProblem:
    return UsageProblem(
        f"a gradient cannot be checked inside {mode}: what runs there is not torch alone",
        hint="check it outside, before or after",
    )


class _Process:
    """What torch and Python have once for all threads; the first run changes it, and the last one puts it back."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.running = 0
        self.before = ExitStack()

    @contextmanager
    def quiet(self) -> Iterator[None]:
        """Run without anomaly detection, which makes errors of results, and without warnings, which are for authors."""
        with self.lock:
            if not self.running:
                self.before.enter_context(quiet())
                self.before.callback(
                    torch.set_anomaly_enabled, torch.is_anomaly_enabled(), torch.is_anomaly_check_nan_enabled()
                )
                torch.set_anomaly_enabled(False)
            self.running += 1
        try:
            yield
        finally:
            with self.lock:
                self.running -= 1
                if not self.running:
                    self.before.close()


_PROCESS = _Process()
