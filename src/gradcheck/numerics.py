"""The settings of torch's process that decide numbers: what they are called, and when a report says them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from gradcheck.lane import INDUCTOR

CUDA = "cuda"


@dataclass(frozen=True, slots=True)
class Flag:
    """One setting: its name, where torch has it, its default as text, and what makes it matter.

    ``path`` is an attribute or a function without parameters, behind the package. What matters always has no
    ``needs``; else it is the kind of a device, or an engine. What is ``overlooked`` a report says even where it is as
    usual.
    """

    name: str
    path: str
    default: str
    needs: str | None = None
    overlooked: bool = False


_SUM = "backends.cuda.matmul.allow_{}_reduced_precision_reduction"
# fmt: off
FLAGS = (
    Flag("float32 matmul precision", "get_float32_matmul_precision", "highest"),
    Flag("deterministic algorithms", "are_deterministic_algorithms_enabled", "off"),
    Flag("TF32 in matmul", "backends.cuda.matmul.allow_tf32", "off", CUDA, overlooked=True),
    Flag("TF32 in cuDNN", "backends.cudnn.allow_tf32", "on", CUDA),
    Flag("reduced precision in float16 sums", _SUM.format("fp16"), "on", CUDA, overlooked=True),
    Flag("reduced precision in bfloat16 sums", _SUM.format("bf16"), "on", CUDA, overlooked=True),
    Flag("float16 accumulation", "backends.cuda.matmul.allow_fp16_accumulation", "off", CUDA),
    Flag("precision casts", "_inductor.config.emulate_precision_casts", "off", INDUCTOR, overlooked=True),
    Flag("fast math", "_inductor.config.use_fast_math", "off", INDUCTOR),
    Flag("unsafe math in C++", "_inductor.config.cpp.enable_unsafe_math_opt_flag", "off", INDUCTOR),
    Flag("contraction in C++", "_inductor.config.cpp.enable_floating_point_contract_flag", "off", INDUCTOR),
)
"""What decides numbers beside the versions, the device and the dtype."""
# fmt: on
OVERRIDES = ("NVIDIA_TF32_OVERRIDE", "CUBLAS_WORKSPACE_CONFIG")
"""Variables of the environment that decide over what torch says."""
FLUSHED = "subnormal numbers"
"""Flushed to 0 or kept: torch has no name for it, so that a number tells."""


def needed(devices: Iterable[str], engines: Iterable[str]) -> tuple[Flag, ...]:
    """Return the settings that matter on some devices, by some engines.

    >>> [flag.name for flag in needed(["cpu"], ["eager"])]
    ['float32 matmul precision', 'deterministic algorithms']
    """
    there = {*(one.partition(":")[0] for one in devices), *engines}
    return tuple(flag for flag in FLAGS if flag.needs is None or flag.needs in there)


def told(environment: Mapping[str, str]) -> Iterator[str]:
    """Yield what a report says of the settings in an environment: what is not as usual, and what is easily overlooked.

    >>> list(told({"deterministic algorithms": "off", "TF32 in matmul": "off", "float32 matmul precision": "high"}))
    ['float32 matmul precision high', 'TF32 in matmul off']
    """
    for flag in FLAGS:
        found = environment.get(flag.name)
        if found is not None and (flag.overlooked or found != flag.default):
            yield f"{flag.name} {found}"
    if environment.get(FLUSHED, "kept") != "kept":
        yield f"{FLUSHED} {environment[FLUSHED]}"
    yield from (f"{name}={environment[name]}" for name in OVERRIDES if name in environment)
