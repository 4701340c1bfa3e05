"""The autograd lane: the user's own tree in torch, in the user's order, and one backward pass."""

from __future__ import annotations

import torch

from gradcheck.autograd.abreast import abreast
from gradcheck.autograd.backward import accumulate, backward, check_device, forward, untracked_message
from gradcheck.autograd.numerics import numerics
from gradcheck.autograd.operations import function
from gradcheck.autograd.record import Backward, Mismatch, Operation, Saved, TorchValue
from gradcheck.autograd.stacks import stacked, stacks
from gradcheck.autograd.tensors import DTYPES
from gradcheck.autograd.vectors import vectorised
from gradcheck.autograd.ways import Derivative, Found

VERSION = str(torch.__version__)

__all__ = [
    "DTYPES", "VERSION", "Backward", "Derivative", "Found", "Mismatch", "Operation", "Saved", "TorchValue", "abreast",
    "accumulate", "backward", "check_device", "forward", "function", "numerics", "stacked", "stacks",
    "untracked_message", "vectorised",
]  # fmt: skip
