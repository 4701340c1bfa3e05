"""What a function does beside a point: by steps of two sizes to both sides, and by huge numbers for infinities."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import mpmath

from gradcheck.program import Program
from kinds.evaluation import BITS, FAR, FEW_BITS, Evaluation, M, Reads, Tensor, reads, tensor

STEPS = (130, 190)
"""The steps as negative powers of two, in units of the number that moves, or of 1."""
SAME = 2.0**-70
"""Relative difference up to which two slopes are one: far below an ULP, far above what a step leaves out."""
ALIKE = 2.0**-50
"""Relative difference of the slopes by two steps; with few bits it is the square, which no rounding error is."""
SPARE = 60
"""Bits that a program may lose on the way."""
NEAR = 2.0**-32
"""What is left of a difference where the function is continuous, after steps 60 powers of two apart."""
CLOSER = 500
"""A step of so many powers of two less tells a jump from a slope that is steep."""
HUGE = ((200, 210), (310, 250), (260, 450))
"""Powers of two that stand for infinity, for one infinite number and the next: one that grows faster than the other."""
LIMIT = 2.0**-60
"""Relative difference of numbers near several infinities that have one limit."""


@dataclass(frozen=True)
class Along:
    """What a function does along one element.

    A ``slope``, a ``kink``, the ``end`` of the domain, a ``jump``, ``none`` of these, the ``limit`` of slopes where
    there is no value itself, or ``unknown``.
    """

    kind: str
    left: Any = None
    right: Any = None

    def __str__(self) -> str:
        sides = [mpmath.nstr(side, 12) for side in (self.left, self.right) if side is not None]
        return " and ".join([self.kind, *dict.fromkeys(sides)])


# --- beside a point ---------------------------------------------------------------------------------


def along(
    program: Program, point: Mapping[str, Tensor], name: str, k: int, evaluation: Evaluation | None = None
) -> Along:
    """Return what the sum of the outputs does along element ``k`` of an input.

    Few bits come first. A slope that they show stands where it is the same by both steps to both sides and not 0: what
    roundings leave of a difference is no such number.
    """
    if evaluation is None:
        with M.workprec(FEW_BITS):
            found = _along(program, point, name, k, None)
        if found.kind == "slope" and found.left and found.right:
            return found
    return _along(program, point, name, k, evaluation)


def _along(program: Program, point: Mapping[str, Tensor], name: str, k: int, evaluation: Evaluation | None) -> Along:
    run = evaluation or Evaluation()
    start = point[name].ravel()[k]
    scale = abs(start) if start else M.mpf(1)
    here = run.value(program, point).ravel()
    asked = reading(program, point, name, k, run) if any(map(M.isnan, here)) else [True] * len(here)
    if not any(asked):
        return Along("limit", M.mpf(0), M.mpf(0))  # of a function without a value it may be said to be undefined, too

    def at(step: Any) -> Any:
        found = run.value(program, moved(point, name, k, step)).ravel() if step else here
        return sum((number for number, one in zip(found, asked, strict=True) if one), M.mpf(0))

    return beside(at, [scale * M.mpf(2) ** -power for power in STEPS])


def reading(program: Program, point: Mapping[str, Tensor], name: str, k: int, run: Evaluation) -> list[bool]:
    """Return which elements of the output read element ``k`` of an input, through the branches that are taken."""
    marked = point[name].copy().ravel()
    marked[k] = Reads(marked[k], reads=True)
    return [reads(one) for one in run.value(program, {**point, name: marked.reshape(point[name].shape)}).ravel()]


def beside(at: Callable[[Any], Any], steps: list[Any]) -> Along:
    """Return what a function of one step does beside 0."""
    here = at(0)
    if M.isnan(here):
        return Along("none")
    if here and M.mag(here) > FAR:
        return Along("unknown")  # so steep that no step is small
    left, right = (_side(here, at, [sign * step for step in steps]) for sign in (-1, 1))
    kinds = {left.kind, right.kind}
    for strongest in ("jump", "unknown"):
        if strongest in kinds:
            return Along(strongest)
    if kinds == {"slope"}:
        lost = abs(here) * M.mpf(2) ** (SPARE - M.prec) / abs(steps[-1])  # what roundings leave of a tiny slope
        same = abs(left.right - right.right) <= max(lost, SAME * max(abs(left.right), abs(right.right)))
        return Along("slope" if same else "kink", left.right, right.right)
    if kinds == {"slope", "outside"}:
        one = left.right if left.kind == "slope" else right.right
        return Along("end", one, one)
    return Along("none")


def _side(here: Any, at: Callable[[Any], Any], steps: list[Any]) -> Along:
    """Return the slope to one side, ``jump``, ``infinite``, ``outside`` or ``unknown``."""
    differences = [at(step) - here for step in steps]
    if any(map(M.isnan, differences)):
        return Along("outside")
    far, slope = (one / step for one, step in zip(differences, steps, strict=True))
    if abs(here) * M.mpf(2) ** (SPARE - M.prec) > abs(steps[1]) * SAME * max(abs(slope), SAME):
        return Along("unknown")  # the difference is lost beside what is huge
    if max(map(abs, differences)) <= max(abs(here), 1) * M.mpf(2) ** (SPARE - M.prec):
        return Along("unknown" if any(differences) else "slope", right=M.mpf(0))  # mpmath's roundings, or as small
    if abs(differences[1]) > NEAR * abs(differences[0]) and abs(slope) > abs(far) * 2**20:
        nearest = abs(at(steps[1] * M.mpf(2) ** -CLOSER) - here)
        if nearest <= abs(differences[1]) * M.mpf(2) ** -(CLOSER - SPARE):
            return Along("unknown")  # so steep a slope that no step is small, or no bit is left of the difference
        return Along("jump" if nearest > abs(differences[1]) / 2 > abs(differences[0]) / 4 else "infinite")
    if abs(slope - far) <= (ALIKE if M.prec > FEW_BITS else ALIKE**2) * abs(slope):
        return Along("slope", right=slope)
    if abs(slope) <= M.mpf(2) ** -12 * abs(far):
        return Along("slope", right=M.mpf(0))
    return Along("infinite" if abs(slope) > abs(far) * 2**8 else "unknown")


def moved(point: Mapping[str, Tensor], name: str, k: int, step: Any) -> dict[str, Tensor]:
    changed = point[name].copy().ravel()
    changed[k] = changed[k] + step
    return {**point, name: changed.reshape(point[name].shape)}


# --- at infinity ------------------------------------------------------------------------------------


def at_infinity(program: Program, point: Mapping[str, Tensor], name: str, k: int) -> Along:
    """Return what becomes of a slope where the infinite numbers of a point are approached in several ways."""
    exact = Evaluation(record=True)
    exact.value(program, point)
    found = []
    for powers in HUGE:
        run = Evaluation(M.mpf(2) ** (sum(powers) // 2), exact.truths)
        found.append(along(program, _near(point, powers), name, k, run))
    kinds = {one.kind for one in found}
    if len(kinds) > 1 or not kinds <= {"slope", "limit"}:
        return Along("unknown")
    ends = [one.right for one in found]
    size = max(map(abs, ends))
    if size < M.mpf(LIMIT) ** 4:
        ends = [M.mpf(0)] * len(ends)
    close = all(abs(one - ends[0]) <= LIMIT * size for one in ends)
    # What is infinite itself, or 0/0, may be said to have no derivative, whatever the slopes near it.
    step = M.mpf(2) ** -STEPS[0]
    beside = [point, *(moved(point, name, k, sign * step) for sign in (-1, 1))]
    finite = all(M.isfinite(number) for one in beside for number in Evaluation().value(program, one).ravel())
    kind = "slope" if finite else "limit"
    return Along(kind, ends[0], ends[0]) if close else Along("unknown")


def _near(point: Mapping[str, Tensor], powers: tuple[int, int]) -> dict[str, Tensor]:
    """Return a point at which each infinite number is huge, and no two are equally so."""
    count = 0
    made = {}
    for name, numbers in point.items():
        changed = numbers.copy().ravel()
        for k, one in enumerate(changed):
            if M.isinf(one):
                changed[k] = M.sign(one) * M.mpf(2) ** powers[count % 2] * (1 + M.mpf(count // 2) / 3)
                count += 1
        made[name] = changed.reshape(numbers.shape)
    return made


__all__ = ["BITS", "Along", "M", "along", "at_infinity", "tensor"]
