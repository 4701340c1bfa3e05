"""The exact lane in objects, one for each number, as it was before there were arrays: what arrays are measured by."""

from __future__ import annotations

import time
from math import inf
from unittest.mock import patch

from gradcheck import exact
from gradcheck.autograd import backward
from gradcheck.compare import Rounding, explain, judge
from gradcheck.exact import START_BITS, matrices
from gradcheck.formats import FORMATS, Ball
from gradcheck.ordinals import rounded
from gradcheck.parse import parse
from gradcheck.plan import Plan
from gradcheck.settings import DEFAULT_ULPS
from gradcheck.verdict import Verdict
from rows.checked import forget
from rows.programs import Point, Program


def by_objects(program: Program, point: Point, dtype: str) -> float:
    """Return the seconds of one check of a program in arrays of balls, each element judged by itself."""
    forget()
    start = time.perf_counter()
    with patch.object(matrices, "LEAST", inf):  # objects multiply and add one by one, too
        verdicts = judged(program, point, dtype)
    seconds = time.perf_counter() - start
    if Verdict.DISAGREE in verdicts:
        raise SystemExit(f"{program.text} is {Verdict.DISAGREE} in objects")
    return seconds


def judged(program: Program, point: Point, dtype: str) -> list[Verdict]:
    """Return the verdict on every element of the gradients, from one evaluation; what that leaves open is undecided."""
    fmt, parsed = FORMATS[dtype], parse(program.text)
    plan = Plan.make(parsed, {name: point[name].shape for name in parsed.inputs}, program.wrt)
    arrays = {name: rounded(array, fmt) for name, array in point.items()}
    torch = backward(parsed, arrays, program.wrt, dtype=dtype).gradients
    pairs = list(zip(program.wrt, plan.shared.program.outputs, strict=True))
    values = exact.enclose(plan.shared.core, arrays, START_BITS)
    truths = [ball for _, output in pairs for ball in exact.balls(values[output], START_BITS)]
    numbers = [number for name, _ in pairs if (made := torch[name]) is not None for number in made.elements]
    found = [
        judge(truth, number, fmt, DEFAULT_ULPS[dtype]) if isinstance(truth, Ball) else None
        for truth, number in zip(truths, numbers, strict=True)
    ]
    rounding = plan.rounding()
    widened = exact.enclose_rounded(rounding.core, arrays, fmt, START_BITS)[0]
    widest = [ball for output in rounding.program.outputs for ball in exact.balls(widened[output], START_BITS)]
    verdicts = []
    for one, truth, number, wide in zip(found, truths, numbers, widest, strict=True):
        if one is not None and one.verdict is Verdict.DISAGREE and isinstance(truth, Ball):
            holds = not isinstance(wide, Ball) or wide.contains(number)
            one = explain(one, truth, number, fmt, Rounding(holds))  # noqa: PLW2901 - the same judgement, explained
        verdicts.append(Verdict.UNDECIDED if one is None else one.verdict)
    return verdicts
