"""Are the verdicts right? `python benchmarks/verdicts.py`: correct programs must pass, and planted errors must not.

Random programs over the whole table, at points from tiny to huge, in every dtype. Two promises are held, and a broken
one ends the run with exit code 1: a finite gradient of torch is never called wrong, and a relative error of 2**-17 in
float32, or of 2**-45 in float64, is found wherever rounding explains less than 64 ULP.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from fractions import Fraction
from functools import reduce
from math import isfinite, prod
from random import Random
from typing import Any

import numpy as np
import torch

from gradcheck import exact
from gradcheck.autograd import DTYPES, function
from gradcheck.case import check_program
from gradcheck.compare import Judgement, Rounding, Verdict, explain, judge
from gradcheck.errors import GradcheckError
from gradcheck.formats import FORMATS, Ball, Format
from gradcheck.functions import COMPOSITE, ELEMENTWISE, TENSOR, Composite, Tensor
from gradcheck.lower import lower
from gradcheck.outcome import GradientOutcome, Outcome
from gradcheck.parse import parse
from gradcheck.points import to_value
from gradcheck.program import Call, Layer, Name, Node, Program, Shape, call, names, number, substitute
from gradcheck.settings import DEFAULT_ULPS, Settings
from gradcheck.symbolic import pull_back

SHAPES: dict[str, Shape] = {"s": (), "v": (3,), "u": (2,), "a": (2, 3), "b": (3, 4), "c": (2, 2, 3)}
"""The inputs that the samples of the table read."""
ROWS = tuple(ELEMENTWISE.values())
ARITHMETIC = ("add", "sub", "mul", "div")
ON_TENSORS: tuple[Tensor | Composite, ...] = (*TENSOR.values(), *COMPOSITE.values())
SAMPLES = tuple(parse(text).layers[0].expression for row in ON_TENSORS for text in row.samples)
NUMBERS = tuple(Fraction(one) for one in ("-3", "-1", "-1/2", "0.1", "1/3", "1/2", "1", "2", "3", "2.5", "10"))
SPREADS = {
    "float64": (0.0, 1.0, 3.0, 8.0, 40.0, 150.0),
    "float32": (0.0, 1.0, 3.0, 8.0, 18.0),
    "bfloat16": (0.0, 1.0, 3.0, 8.0, 18.0),
    "float16": (0.0, 1.0, 2.0, 3.0),
}
"""Powers of ten by which the numbers of one point differ from 1, at most."""
PLANTED = {"float32": 2.0**-17, "float64": 2.0**-45}
"""Relative errors: 64 to 128 ULP, and 128 to 256."""
WELL_CONDITIONED = 64.0
"""ULP of the exact value that the rounding enclosure may reach."""
PUBLIC = 50
"""One pair of so many is checked once more with the error planted in torch itself."""


# --- random programs --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Pair:
    """A program, a point for it, and a dtype."""

    program: Program
    point: dict[str, np.ndarray[Any, np.dtype[np.float64]]]
    dtype: str

    def __str__(self) -> str:
        at = ", ".join(f"{name}={array.tolist()}" for name, array in self.point.items())
        return f"{str(self.program)!r} at {at} in {self.dtype}"


def pairs(seed: int, start: int, stop: int) -> Iterator[Pair]:
    """Yield the pairs of these numbers; each depends on the seed and its own number alone."""
    for k in range(start, stop):
        random = Random(f"{seed}:{k}")
        yield pair(random, list(DTYPES)[k % len(DTYPES)])


def pair(random: Random, dtype: str) -> Pair:
    while True:
        try:
            program = random_program(random)
        except GradcheckError:
            continue  # shapes that do not fit, a constant out of bounds
        if program.inputs:
            spread = random.choice(SPREADS[dtype])
            return Pair(program, {name: array(random, SHAPES[name], spread) for name in program.inputs}, dtype)


def array(random: Random, shape: Shape, spread: float) -> np.ndarray[Any, np.dtype[np.float64]]:
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


@dataclass
class Tally:
    """What came out of some pairs."""

    pairs: Counter[str] = field(default_factory=Counter)
    elements: Counter[str] = field(default_factory=Counter)
    overflows: Counter[str] = field(default_factory=Counter)
    reach: Counter[str] = field(default_factory=Counter)
    planted: Counter[str] = field(default_factory=Counter)
    found: Counter[str] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)

    def __add__(self, more: Tally) -> Tally:
        return Tally(
            self.pairs + more.pairs, self.elements + more.elements, self.overflows + more.overflows,
            self.reach + more.reach, self.planted + more.planted, self.found + more.found, self.broken + more.broken,
        )  # fmt: skip


def tally(seed: int, start: int, stop: int) -> Tally:
    """Return what came out of the pairs of these numbers."""
    total = Tally()
    for k, one in enumerate(pairs(seed, start, stop), start):
        try:
            [outcome] = check_program(one.program, [values(one)], Settings(dtypes=(one.dtype,)))
        except Exception as problem:  # whatever is raised, the pair that did it must be known
            total.broken.append(f"raised: {one}: {type(problem).__name__}: {problem}")
            continue
        count(one, outcome, total)
        if one.dtype in PLANTED and outcome.error is None:
            plant(one, outcome, total, public=k % PUBLIC < len(DTYPES))
    return total


def values(one: Pair) -> dict[str, Any]:
    return {name: to_value(array, name) for name, array in one.point.items()}


def count(one: Pair, outcome: Outcome, total: Tally) -> None:
    total.pairs[verdict_of(outcome)] += 1
    for gradient in outcome.gradients:
        for k, judgement in enumerate(gradient.judgements):
            total.elements[judgement.verdict] += 1
            if judgement.verdict is Verdict.ERROR:
                total.broken.append(f"error: {one}: {gradient.input}[{k}]: {judgement}")
            if judgement.verdict is Verdict.DISAGREE:
                disagrees(one, outcome, gradient, k, total)


def disagrees(one: Pair, outcome: Outcome, gradient: GradientOutcome, k: int, total: Tally) -> None:
    """Count a disagreement: by design for nan and infinity, and at a kink, where torch takes one side of a tie."""
    if gradient.torch is not None and not isfinite(gradient.torch[k]):
        total.overflows[cause(gradient.judgements[k])] += 1
    elif at_a_kink(one, outcome, gradient, k):
        total.elements["disagree, at a kink"] += 1
    else:
        total.broken.append(f"called wrong: {one}: {gradient.input}[{k}]: {gradient.judgements[k]}")


def at_a_kink(one: Pair, outcome: Outcome, gradient: GradientOutcome, k: int) -> bool:
    """Tell whether the formula has no derivative of its own here, only one that both sides agree on."""
    point = rounded(one, outcome)
    pullback = pull_back(lower(one.program, shapes_of(point), nodes=True), one.program.inputs, guarded=True)
    output = pullback.program.outputs[one.program.inputs.index(gradient.input)]
    [found] = exact.balls(exact.enclose(pullback.core, point, outcome.bits)[output], outcome.bits, [k])
    return isinstance(found, str)


def rounded(one: Pair, outcome: Outcome) -> dict[str, Any]:
    """Return the point as both lanes have it."""
    return {name: np.array(found).reshape(one.point[name].shape) for name, found in outcome.rounded.items()}


def shapes_of(point: dict[str, Any]) -> dict[str, Shape]:
    return {name: array.shape for name, array in point.items()}


def verdict_of(outcome: Outcome) -> str:
    """Return the verdict; apart where all that disagrees is nan or infinite, and where torch raised."""
    if outcome.error is not None:
        return "torch raised"
    if outcome.verdict is not Verdict.DISAGREE:
        return outcome.verdict
    finite = any(
        judgement.verdict is Verdict.DISAGREE and (one.torch is None or isfinite(one.torch[k]))
        for one in outcome.gradients
        for k, judgement in enumerate(one.judgements)
    )
    return "disagree, torch returned a number" if finite else "disagree, torch returned nan or inf"


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


# --- planted errors ---------------------------------------------------------------------------------


def plant(one: Pair, outcome: Outcome, total: Tally, *, public: bool) -> None:
    """Change torch's gradients by the planted error, and ask for the verdict on what comes out."""
    fmt = FORMATS[one.dtype]
    point = rounded(one, outcome)
    core = lower(one.program, shapes_of(point), nodes=True, as_torch=True)
    pullback = pull_back(core, one.program.inputs, as_torch=True)
    enclosed, overflow = exact.enclose_rounded(pullback.core, point, fmt, outcome.bits)
    safest = 0.0
    for gradient, output in zip(outcome.gradients, pullback.program.outputs, strict=True):
        for k, rounding in enumerate(exact.balls(enclosed[output], outcome.bits)):
            reach = distance(gradient, k, rounding, fmt)
            total.reach["nothing to plant in" if reach is None else within(reach)] += 1
            if reach is None or reach >= WELL_CONDITIONED or not isinstance(rounding, Ball):
                safest = WELL_CONDITIONED
                continue
            safest = max(safest, reach)
            judge_planted(one, gradient, k, rounding, reach, overflow, total)
    if public and outcome.gradients and safest < WELL_CONDITIONED / 2:
        plant_in_torch(one, total)


def within(reach: float) -> str:
    bound = next((one for one in (4, 16, 64, 1024, 2**20) if reach < one), None)
    return "more" if bound is None else f"less than {bound:,} ULP"


def distance(gradient: GradientOutcome, k: int, rounding: Any, fmt: Format) -> float | None:
    """Return how far the rounding enclosure reaches from the exact value, in ULP; None where nothing can be planted."""
    truth, judgement = gradient.exact[k], gradient.judgements[k]
    if not isinstance(rounding, Ball) or not isinstance(truth, Ball) or gradient.torch is None:
        return None
    if (
        judgement.verdict not in (Verdict.AGREE, Verdict.UNSTABLE, Verdict.LOSSY)
        or not fmt.smallest_normal < abs(gradient.torch[k]) < fmt.largest / 2
    ):
        return None
    nearest = fmt.round_dyadic(truth.midpoint)
    return max(fmt.distance(nearest, end) for end in (rounding.lower, rounding.upper)) if isfinite(nearest) else None


def judge_planted(
    one: Pair, gradient: GradientOutcome, k: int, rounding: Ball, reach: float, overflow: str | None, total: Tally
) -> None:
    """Judge the gradient with an error away from the exact value, and one towards it that leads beyond rounding."""
    assert gradient.torch is not None
    truth, value, fmt = gradient.exact[k], gradient.torch[k], FORMATS[one.dtype]
    assert isinstance(truth, Ball)
    own = fmt.distance(value, truth.midpoint)
    for sign in (-1, 1):
        wrong = fmt.round(Fraction(value) * (1 + sign * Fraction(PLANTED[one.dtype])))
        if fmt.distance(wrong, truth.midpoint) < WELL_CONDITIONED and reach + own >= WELL_CONDITIONED:
            total.reach["an error planted towards the exact value stays within"] += 1
            continue
        total.planted[one.dtype] += 1
        judged = judge(truth, wrong, fmt, DEFAULT_ULPS[one.dtype])
        known = Rounding(rounding.contains(wrong), overflow=overflow)
        off = judged is not None and judged.verdict is Verdict.DISAGREE
        final = explain(judged, truth, wrong, fmt, known) if judged is not None and off else judged
        if final is not None and final.verdict is Verdict.DISAGREE:
            total.found[one.dtype] += 1
        else:
            total.broken.append(
                f"missed: {one}: {gradient.input}[{k}] = {value!r} changed to {wrong!r}, reach {reach}: {final}"
            )


def plant_in_torch(one: Pair, total: Tally) -> None:
    """Check once more with the error in the backward pass of the program's last operation."""
    last = one.program.layers[-1].expression
    ops = [part.op for layer in one.program.layers for part in calls(layer.expression)]
    if not isinstance(last, Call) or ops.count(last.op) != 1:
        return
    for sign in (-1, 1):
        faulty = {last.op: scaled(last.op, 1 + sign * PLANTED[one.dtype])}
        [outcome] = check_program(one.program, [values(one)], Settings(dtypes=(one.dtype,), under_test=faulty))
        for gradient in outcome.gradients:
            for k, judgement in enumerate(gradient.judgements):
                if gradient.torch is None or not gradient.torch[k]:
                    continue
                total.planted[f"{one.dtype}, in torch"] += 1
                total.found[f"{one.dtype}, in torch"] += judgement.verdict is Verdict.DISAGREE
                if judgement.verdict is not Verdict.DISAGREE:
                    total.broken.append(f"missed in torch: {one}: {gradient.input}[{k}]: {judgement}")


def calls(node: Node) -> Iterator[Call]:
    if isinstance(node, Call):
        yield node
        for arg in node.args:
            yield from calls(arg)


def scaled(op: str, factor: float) -> Callable[..., Any]:
    """Return torch's own function with a gradient that is wrong by a factor."""
    run = function(op)

    def faulty(*args: Any, **params: Any) -> Any:
        made = run(*args, **params)
        if not isinstance(made, torch.Tensor) or not made.requires_grad:
            return made
        copy = made.clone()
        copy.register_hook(lambda gradient: gradient * factor)  # type: ignore[no-untyped-call]
        return copy

    return faulty


# --- the run ----------------------------------------------------------------------------------------


def run(count: int, seed: int, jobs: int) -> Tally:
    """Return what came out of the first ``count`` pairs of a seed."""
    if jobs == 1:
        return tally(seed, 0, count)
    step = max(20, count // (8 * jobs))
    starts = range(0, count, step)
    with ProcessPoolExecutor(jobs, initializer=torch.set_num_threads, initargs=(1,)) as pool:
        parts = pool.map(tally, [seed] * len(starts), starts, [min(start + step, count) for start in starts])
        return reduce(Tally.__add__, parts)


def report(total: Tally, seed: int) -> str:
    """Return the counts as text, and the broken promises at the end."""
    counters = {
        "pairs": total.pairs, "elements": total.elements, "nan or inf by cause": total.overflows,
        "reach of the rounding enclosure in float32 and float64": total.reach, "planted errors": total.planted,
        "planted errors that were found": total.found,
    }  # fmt: skip
    lines = [f"seed {seed}"]
    for title, counter in counters.items():
        lines += [f"\n{title}: {sum(counter.values()):,}", *(f"  {key}: {n:,}" for key, n in counter.most_common())]
    return "\n".join([*lines, f"\nbroken promises: {len(total.broken)}", *total.broken])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=10_000, help="pairs of a program with a point and a dtype")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes")
    given = parser.parse_args()
    total = run(given.count, given.seed, given.jobs)
    print(report(total, given.seed))
    return 1 if total.broken else 0


if __name__ == "__main__":
    sys.exit(main())
