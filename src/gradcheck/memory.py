"""How much memory a process may take, and how to tell that it ran out of it."""

from __future__ import annotations

import re
import sys

DEFAULT_MEMORY = 4 * 2**30
"""Bytes for a process: torch, SymPy and FLINT take a quarter of a GiB of them before the first check."""


def limit(memory: int | None) -> None:
    """Limit what this process writes to, on Linux; None for no limit.

    The address space is no measure: CUDA reserves more than any machine has.
    """
    if memory is not None and sys.platform == "linux":
        import resource

        hard = resource.getrlimit(resource.RLIMIT_DATA)[1]
        soft = memory if hard == resource.RLIM_INFINITY else min(memory, hard)
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def tells_of_memory(words: str) -> bool:
    """Return whether this is how torch, GMP, FLINT or C++ say that there is no memory left.

    >>> tells_of_memory("std::bad_alloc"), tells_of_memory("division by zero")
    (True, False)
    """
    return (
        re.search(r"(can't|cannot|unable to) (re)?allocate|out of memory|MemoryError|bad_alloc", words, re.I)
        is not None
    )


def out_of_memory(memory: int | None) -> str:
    """Return the problem of a check that needs more memory than there is.

    >>> out_of_memory(3 * 2**29)
    'ran out of memory (limit 1.5 GiB)'
    """
    return "ran out of memory" if memory is None else f"ran out of memory (limit {memory / 2**30:.3g} GiB)"
