"""Every row of the table in turn, at its samples and at random points of its domain: what is wrong there is torch.

Each element is held against the oracle; a number that is called wrong has to be as far off as is said, and errors that
are planted in the row are found.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from math import inf, isfinite, prod
from random import Random

import numpy as np

from gradcheck.formats import FORMATS
from gradcheck.functions import COMPOSITE, ELEMENTWISE, HIDDEN, TENSOR, Elementwise, Row, Tensor
from gradcheck.outcome import Outcome
from gradcheck.parse import parse
from gradcheck.program import Program, Shape
from gradcheck.verdict import Verdict
from kinds import planting
from kinds.evaluation import BeyondError, Evaluation, M, tensor
from kinds.faults import FACTORS, Plant, operation
from kinds.held import Outcomes, ball, hold_gradients, never_wrong_beside, numbers_of, told
from kinds.oracle import along
from kinds.pair import NAMES, Draw, Drawn, Floats, Pair, Tally, looked_at
from kinds.random_programs import SHAPES

EVERY: tuple[Row, ...] = (*ELEMENTWISE.values(), *TENSOR.values(), *COMPOSITE.values())
ROWS = tuple(row for row in EVERY if row.name not in HIDDEN)
GRID = (-1.0, 0.0, 0.5, 1.0, 1.0, 2.0)
"""Numbers that tie, and ends of domains."""
FEW_BITS = 100
"""Enough to tell whether a program has a value."""
GROSS = ("factor 2", "sign")
"""The planted errors that are far beyond all rounding."""
OFF = 64
"""ULP that torch's number is from the oracle's at least where it is called wrong."""
LOST = (Verdict.LOSSY, Verdict.UNSTABLE)
"""What a factor of 2 may be in the half types: a steep softmax there has no digit."""
NEARBY = 0.5
"""How far a number is from that of a sample, relatively."""


def draw(random: Random, number: int) -> Drawn:
    """Return a row of the table by its number, at one of its samples or somewhere in its domain."""
    row = ROWS[number % len(ROWS)]
    dtypes = () if isinstance(row, Tensor) else row.dtypes
    if isinstance(row, Elementwise):
        sample = random.choice(row.samples)
        program = parse(f"{row.name}({', '.join(row.args)})")
        numbers: Mapping[str, Draw] = {
            name: partial(near, value=float(value)) for name, value in zip(row.args, sample, strict=True)
        }
    else:
        program = parse(random.choice(row.samples))
        kind = random.choice((between, between, of_many_sizes, on_the_grid))
        numbers = {name: partial(kind, shape=SHAPES[name]) for name in program.inputs}
    return Drawn(program, numbers, dtypes or NAMES, inside=partial(has_a_value, program), row=row.name)


def near(random: Random, value: float) -> Floats:
    """Return the number of a sample, one of about its size, or one of any."""
    kind = random.randrange(3)
    size = random.uniform(1 - NEARBY, 1 + NEARBY) * value if kind else value
    return np.array(random.choice((-1, 1)) * 10 ** random.uniform(-2, 2) if kind == 1 else size)


def between(random: Random, shape: Shape) -> Floats:
    return np.array([random.uniform(-3, 3) for _ in range(prod(shape))]).reshape(shape)


def of_many_sizes(random: Random, shape: Shape) -> Floats:
    sizes = np.array([10 ** random.uniform(-2, 1) for _ in range(prod(shape))]).reshape(shape)
    return np.array(between(random, shape) * sizes)


def on_the_grid(random: Random, shape: Shape) -> Floats:
    return np.array([random.choice(GRID) for _ in range(prod(shape))]).reshape(shape)


def has_a_value(program: Program, point: Mapping[str, Floats]) -> bool:
    """Tell whether a program has a value at a point, as mpmath says."""
    with M.workprec(FEW_BITS):
        try:
            found = Evaluation().value(program, {name: tensor(numbers) for name, numbers in point.items()})
        except BeyondError:
            return False
    return not any(map(M.isnan, found.ravel()))


# --- one pair ---------------------------------------------------------------------------------------


def judge(one: Pair, outcomes: Outcomes, k: int, total: Tally) -> None:
    """Hold a pair against the oracle; what is called wrong is, and planted errors are found."""
    outcome = hold_gradients(one, outcomes, k, total)
    if outcome is None or outcome.error is not None:
        return
    total.broken += called_wrong(one, outcome, total)
    plant(one, outcome, Random(k), total)
    if one.dtype in planting.PLANTED and k % planting.EACH == 0:
        planting.plant(one, outcome, total, public=k % planting.PUBLIC == 0)


def called_wrong(one: Pair, outcome: Outcome, total: Tally) -> Iterator[str]:
    """Yield what is called wrong and is not: the oracle has to be as far off."""
    fmt, point = FORMATS[one.dtype], numbers_of(one, outcome)
    stands = False
    for gradient in outcome.gradients:
        for k in gradient.judgements.ranked((Verdict.DISAGREE,)):
            torch, truth = gradient.number(k), told(along, one.program, point, gradient.input, k)
            off = inf if torch is None or not isfinite(torch) else fmt.distance(torch, ball(truth.right or 0).midpoint)
            if truth.kind in ("slope", "end") and off > OFF:
                stands = True
                total.wrong[f"{one.row} in {one.dtype}"] += 1
            else:
                place = f"{gradient.input}[{k}] is a {truth}, torch {torch}"
                yield f"called wrong: {one}: {place}: {gradient.judgements[k]}"
    for broken in never_wrong_beside(one, outcome):
        if not (stands and f": {one.row}, " in broken):
            yield broken


def plant(one: Pair, outcome: Outcome, random: Random, total: Tally) -> None:
    """Plant a gross error in what the row pulls, or in its value, and demand that it is found where it shows."""
    assert one.row is not None
    fault, value = random.choice(GROSS), random.random() < 1 / 3
    planted = Plant("table", one.row, one, fault, FACTORS[one.dtype][fault], value)
    changed = looked_at(one, under_test={one.row: operation(planted)})
    if changed.error is not None:
        total.broken.append(f"raised: {planted}: {changed.error}")
        return
    key = f"{one.dtype}, {'value' if value else 'gradient'} of a row"
    for where, k, verdict in shown(outcome, changed, value):
        total.planted[key] += 1
        total.found[key if verdict is Verdict.DISAGREE else f"{key}: {verdict}"] += 1
        if verdict is not Verdict.DISAGREE and (verdict not in LOST or one.dtype in planting.PLANTED):
            total.broken.append(f"missed: {planted}: {where}[{k}]: {verdict}")


def shown(before: Outcome, after: Outcome, value: bool) -> Iterator[tuple[str, int, Verdict]]:
    """Yield the elements that were right and are other numbers now, each with the verdict on it."""
    fmt = FORMATS[before.dtype]
    numbers = [
        (a.input, a.judgements, b.judgements, a.torch, b.torch)
        for a, b in zip(before.gradients, after.gradients, strict=True)
    ]
    if value and before.value is not None and after.value is not None:
        a, b = before.value, after.value
        numbers = [("the value", a.judgements, b.judgements, a.values, b.values)]
    for where, mine, theirs, was, now in numbers:
        if was is None or now is None:
            continue
        for k in map(int, np.flatnonzero(was != now)):
            if mine[k].verdict is Verdict.AGREE and isfinite(now.flat[k]) and abs(was.flat[k]) > fmt.smallest_normal:
                yield where, k, theirs[k].verdict
