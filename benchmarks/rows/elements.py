"""Many elements: beside torch's own checker, slow and fast, beside objects one by one, and beside fewer elements."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial

from rows.checked import checked, torch_checked
from rows.objects import by_objects
from rows.programs import LAYERED, PROGRAMS, Program
from rows.row import Row, by_turns

MANY = 1_000_000
FEW = 10_000
SLOW = {1_000: None, FEW: 0.01}
"""Elements beside the slow checker of torch, whose time grows with the square of their number, and the targets."""
FAST = 6.0
"""How many times as long as the fast checker of torch, which proves nothing about any element, a proof may take."""
OBJECTS = {"float32": 0.01, "float64": 0.1}
"""What an element may take beside one that is worked out in objects."""
FLAT = 1.5
"""How much more an element of many may take than one of few."""
BYTES = 400.0
"""Memory that an element may take, all of a check together."""
DTYPES = ("float32", "float64")


def slow() -> Iterator[Row]:
    for count, target in SLOW.items():
        point = LAYERED.point(count)
        yield by_turns(
            f"{LAYERED.name}, {count:,} elements", partial(checked, LAYERED.text, point),
            "torch.autograd.gradcheck", partial(torch_checked, LAYERED, point), target=target,
        )  # fmt: skip


def fast() -> Iterator[Row]:
    for program, dtype in ((program, dtype) for program in PROGRAMS for dtype in DTYPES):
        point = program.point(MANY)
        yield by_turns(
            f"{program.name}, {program.elements(MANY):,} elements, {dtype}", ours(program, MANY, dtype),
            "torch.autograd.gradcheck, fast", partial(torch_checked, program, point, fast_mode=True), target=FAST,
        )  # fmt: skip


def objects() -> Iterator[Row]:
    for program, dtype in ((program, dtype) for program in PROGRAMS for dtype in DTYPES):
        yield by_turns(
            f"{program.name}, an element of {program.elements(MANY):,}, {dtype}", each(program, MANY, dtype),
            f"in objects, an element of {program.elements(FEW):,}", objects_each(program, FEW, dtype),
            target=OBJECTS[dtype],
        )  # fmt: skip


def flat() -> Iterator[Row]:
    for program, dtype in ((program, dtype) for program in PROGRAMS for dtype in DTYPES):
        yield by_turns(
            f"{program.name}, an element of {program.elements(MANY):,}, {dtype}", each(program, MANY, dtype),
            f"an element of {program.elements(FEW):,}", each(program, FEW, dtype), target=FLAT,
        )  # fmt: skip


def memory() -> Iterator[Row]:
    for program, dtype in ((program, dtype) for program in PROGRAMS for dtype in DTYPES):
        yield by_turns(
            f"{program.name}, memory of an element, {dtype}", partial(bytes_each, program, dtype),
            "the limit", lambda: BYTES, target=1.0, pairs=1, unit="B",
        )  # fmt: skip


def ours(program: Program, count: int, dtype: str) -> Callable[[], float]:
    return partial(checked, program.text, program.point(count), dtype, wrt=program.wrt)


def each(program: Program, count: int, dtype: str) -> Callable[[], float]:
    """Return a measurement of what one element of so many takes."""
    run, elements = ours(program, count, dtype), program.elements(count)
    return lambda: run() / elements


def objects_each(program: Program, count: int, dtype: str) -> Callable[[], float]:
    point, elements = program.point(count), program.elements(count)
    return lambda: by_objects(program, point, dtype) / elements


# --- memory -----------------------------------------------------------------------------------------

PEAK = """
import resource, sys
from rows.elements import PROGRAMS, ours
program = next(one for one in PROGRAMS if one.name == sys.argv[1])
ours(program, 100, sys.argv[3])()
ours(program, int(sys.argv[2]), sys.argv[3])()
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""
"""Prints the greatest memory of a process that checked so many elements, in KiB."""


def bytes_each(program: Program, dtype: str) -> float:
    """Return by how many bytes the memory of a process grows with an element, from a tenth of MANY to MANY."""
    few, many = (peak(program, count, dtype) for count in (MANY // 10, MANY))
    return (many - few) / (program.elements(MANY) - program.elements(MANY // 10))


def peak(program: Program, count: int, dtype: str) -> int:
    command = [sys.executable, "-c", PEAK, program.name, str(count), dtype]
    done = subprocess.run(command, capture_output=True, check=False, text=True, cwd=sys.path[0])
    if done.returncode:
        raise SystemExit(done.stderr)
    return 1024 * int(done.stdout)
