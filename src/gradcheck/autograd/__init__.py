"""The autograd lane: the user's own tree in torch, in the user's order, and one backward pass."""

from __future__ import annotations

import torch

from gradcheck.autograd.backward import accumulate, backward, check_device, untracked_message
from gradcheck.autograd.operations import function
from gradcheck.autograd.record import Backward, Mismatch, Operation, Saved, TorchValue
from gradcheck.autograd.stacks import stacked, stacks
from gradcheck.autograd.tensors import DTYPES
from gradcheck.autograd.vectors import vectorised

VERSION = str(torch.__version__)

__all__ = [
    "DTYPES", "VERSION", "Backward", "Mismatch", "Operation", "Saved", "TorchValue", "accumulate", "backward",
    "check_device", "function", "stacked", "stacks", "untracked_message", "vectorised",
]  # fmt: skip
