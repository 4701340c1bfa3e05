"""Random programs over the whole table, at points from tiny to huge: torch is never called wrong."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction
from functools import partial
from math import isfinite, prod
from random import Random

import numpy as np

from gradcheck import exact
from gradcheck.compare import Judgement
from gradcheck.differentiate import pull_back
from gradcheck.errors import GradcheckError
from gradcheck.functions import COMPOSITE, ELEMENTWISE, TENSOR, Composite, Tensor
from gradcheck.gradients import GradientOutcome
from gradcheck.lower import lower
from gradcheck.outcome import Outcome
from gradcheck.parse import parse
from gradcheck.program import Layer, Name, Node, Program, Shape, call, names, number, substitute
from gradcheck.verdict import Verdict
from kinds import planting
from kinds.held import Outcomes, held, never_wrong_beside
from kinds.pair import NAMES, Drawn, Floats, Pair, Tally, count, rounded, shapes_of

SHAPES: dict[str, Shape] = {"s": (), "v": (3,), "u": (2,), "a": (2, 3), "b": (3, 4), "c": (2, 2, 3)}
"""The inputs that the samples of the table read."""
ROWS = tuple(row for row in ELEMENTWISE.values() if not row.faults and not row.fixed)
"""The functions of numbers that torch has right; those with known faults are held to an oracle by kind ``table``."""
ARITHMETIC = ("add", "sub", "mul", "div")
ON_TENSORS: tuple[Tensor | Composite, ...] = (*TENSOR.values(), *COMPOSITE.values())
SAMPLES = tuple(
    parse(text).layers[0].expression
    for row in ON_TENSORS
    if isinstance(row, Tensor) or not (row.wrong or row.faulty or row.dtypes)
    for text in row.samples
)
NUMBERS = tuple(Fraction(one) for one in ("-3", "-1", "-1/2", "0.1", "1/3", "1/2", "1", "2", "3", "2.5", "10"))
SPREADS = {
    "float64": (0.0, 1.0, 3.0, 8.0, 40.0, 150.0),
    "float32": (0.0, 1.0, 3.0, 8.0, 18.0),
    "bfloat16": (0.0, 1.0, 3.0, 8.0, 18.0),
    "float16": (0.0, 1.0, 2.0, 3.0),
}
"""Powers of ten by which the numbers of one point differ from 1, at most."""
MODERATE = 3.0
"""Powers of ten up to which an oracle that takes steps sees what a program does."""


def draw(random: Random) -> Drawn:
    """Return a random program with numbers of as many sizes as its dtypes can hold."""
    while True:
        try:
            program = random_program(random)
        except GradcheckError:
            continue  # shapes that do not fit, a constant out of bounds
        if program.inputs:
            spread = random.choice(SPREADS[random.choice(NAMES)])
            holding = tuple(dtype for dtype in NAMES if spread <= SPREADS[dtype][-1])
            return Drawn(program, {name: partial(array, shape=SHAPES[name], spread=spread) for name in SHAPES}, holding)


def pairs(seed: int, start: int, stop: int) -> Iterator[Pair]:
    """Yield a pair of each of these programs, the dtypes in turn."""
    for k in range(start, stop):
        random = Random(f"{seed}:{k}")
        yield from (some := draw(random).pairs(random, 1))[k % len(some) :][:1]


def array(random: Random, shape: Shape, spread: float) -> Floats:
    found = [
        random.choice((-1, 1)) * random.uniform(0.1, 3) * 10 ** random.uniform(-spread, spread)
        for _ in range(prod(shape))
    ]
    return np.array(found).reshape(shape)


def random_program(random: Random) -> Program:
    """Return a program of one to three layers. Raises GradcheckError."""
    known = dict(SHAPES)
    layers: list[Layer] = []
    for k in range(random.randint(1, 3)):
        node = expression(random, known, random.randint(1, 3))
        layers.append(Layer(f"y{k}", node))
        program = Program(tuple(SHAPES), tuple(layers), (f"y{k}",))
        known[f"y{k}"] = lower(program, SHAPES).shapes[f"y{k}"]
    return parse("\n".join(str(Program((), (layer,), ())) for layer in layers))


def expression(random: Random, known: dict[str, Shape], depth: int) -> Node:
    if depth == 0:
        return leaf(random, list(known))
    if random.random() < 0.3:
        return on_tensors(random, known, depth)
    inner = expression(random, known, depth - 1)
    if random.random() < 0.4:
        return call(random.choice(ARITHMETIC), *random.sample([inner, other(random, known, inner)], 2))
    row = random.choice(ROWS)
    place = random.randrange(len(row.args))
    return call(row.name, *(inner if k == place else other(random, known, inner) for k in range(len(row.args))))


def leaf(random: Random, among: list[str]) -> Name:
    """Return a name, and an earlier layer more often than an input: what stands in no later layer tests nothing."""
    layers = [name for name in among if name not in SHAPES]
    return Name(random.choice(layers if layers and random.random() < 0.6 else among))


def other(random: Random, known: dict[str, Shape], inner: Node) -> Node:
    kind = random.random()
    return inner if kind < 0.1 else number(random.choice(NUMBERS)) if kind < 0.5 else leaf(random, list(known))


def on_tensors(random: Random, known: dict[str, Shape], depth: int) -> Node:
    """Return a sample of the table with its inputs replaced by expressions of the same shape."""
    node = random.choice(SAMPLES)
    by: dict[str, Node] = {}
    for name in names(node):
        same = [one for one, shape in known.items() if shape == SHAPES[name]]
        made: Node = leaf(random, same)
        if depth > 1 and random.random() < 0.6:
            row = random.choice([row for row in ROWS if len(row.args) == 1])
            made = call(row.name, made)
        by[name] = made
    return substitute(node, by)


# --- one pair ---------------------------------------------------------------------------------------


def judge(one: Pair, outcomes: Outcomes, k: int, total: Tally) -> None:
    """What is finite is right; the oracle agrees on a few elements, and planted errors are found."""
    outcome = outcomes[0]
    count(outcome, total)
    for gradient in outcome.gradients:
        for place, judgement in enumerate(gradient.judgements):
            if judgement.verdict is Verdict.ERROR:
                total.broken.append(f"error: {one}: {gradient.input}[{place}]: {judgement}")
            if judgement.verdict is Verdict.DISAGREE:
                disagrees(one, outcome, gradient, place, total)
    total.broken += never_wrong_beside(one, outcome)
    if outcome.error is None and is_moderate(one):
        total.broken += held(one, outcome, total, Random(k), most=1)
    if one.dtype in planting.PLANTED and outcome.error is None and k % planting.EACH == 0:
        planting.plant(one, outcome, total, public=k % planting.PUBLIC == 0)


def is_moderate(one: Pair) -> bool:
    sizes = np.concatenate([np.abs(array).ravel() for array in one.point.values()])
    return bool(sizes.max() < 10**MODERATE and sizes.min() > 10**-MODERATE)


def disagrees(one: Pair, outcome: Outcome, gradient: GradientOutcome, k: int, total: Tally) -> None:
    """Count a disagreement: by design for nan and infinity, and at a kink, where torch takes one side of a tie."""
    if not isfinite(gradient.number(k) or 0.0):
        total.overflows[cause(gradient.judgements[k])] += 1
    elif at_a_kink(one, outcome, gradient, k):
        total.elements["disagree, at a kink"] += 1
    else:
        total.broken.append(f"called wrong: {one}: {gradient.input}[{k}]: {gradient.judgements[k]}")


def at_a_kink(one: Pair, outcome: Outcome, gradient: GradientOutcome, k: int) -> bool:
    """Tell whether the formula has no derivative of its own here, only one that both sides agree on."""
    point = rounded(one, outcome)
    pullback = pull_back(lower(one.program, shapes_of(point), nodes=True), (gradient.input,), guarded=True)
    [output] = pullback.program.outputs
    [found] = exact.balls(exact.enclose(pullback.core, point, outcome.bits)[output], outcome.bits, [k])
    return isinstance(found, str)


def cause(judgement: Judgement) -> str:
    note = judgement.note or ""
    found = re.search(r"(\w+) on the way is too large", note)
    return (
        f"overflow of {found[1]}"
        if found
        else "the derivative is too large"
        if "the derivative is too large" in note
        else "no overflow"
    )
