"""One check in a worker: its run, and the expectations of its author that were not met."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice

from gradcheck.errors import NameProblem, ShapeProblem
from gradcheck.formats import EXACT_DIGITS, FORMATS, Ball, Format, exact_text
from gradcheck.gradients import GradientOutcome
from gradcheck.outcome import LayerOutcome, Outcome, Outcomes, Run
from gradcheck.suite import Check
from gradcheck.verdict import Verdict, worst

SHOWN = 100
"""Outcomes of one check that reports look at, the worst of very many."""
MOST_SAID = 16
"""Points that are named where the stated derivative is not the derivative."""
NOTHING = "none"
"""What is found where there is nothing."""


def examine(check: Check) -> tuple[Run, tuple[str, ...]]:
    """Return the run of one check and what in it is not as expected, in words."""
    from gradcheck import case

    if check.settings.under_test:
        _seed(check.settings.seed)
    run = case.check(check.program, check.at, settings=check.settings)
    environment = {name: str(version) for name, version in run.environment.items()}  # torch's is no plain text
    return replace(run, environment=environment), tuple(_unmet(check, run))


def examine_apart(check: Check, *, texts: bool = False, everything: bool = False) -> tuple[Run, tuple[str, ...]]:
    """Return the same as another process takes it: of very many outcomes the worst, and what is known of all.

    With ``everything`` these are all outcomes; with ``texts`` the formulas of a report are made here.
    """
    run, unmet = examine(check)
    sent = replace(run, outcomes=tuple(run)) if everything else _short(run)
    return _told(sent) if texts else sent, unmet


def _short(run: Run) -> Run:
    outcomes = run.outcomes
    return replace(run, outcomes=outcomes.few(SHOWN, run.failing)) if isinstance(outcomes, Outcomes) else run


def _told(run: Run) -> Run:
    for outcome in run.leading(SHOWN):
        outcome.display.make()
        for gradient in outcome.gradients:
            gradient.formula  # noqa: B018 - of higher order it is made when it is read
    return run


def _seed(seed: int) -> None:
    """Seed torch, so that the user's code does not depend on what its worker did before."""
    import torch

    torch.manual_seed(seed)


def _unmet(check: Check, run: Run) -> list[str]:
    expect, words = check.expect, []
    lane = worst([Verdict.AGREE, *run.tally.lane])
    if expect.verdict is not None and lane is not expect.verdict:
        words.append(f"expected verdict {expect.verdict}, found {lane}")
    if expect.cause is not None and (found := _causes(run, lane)) != [expect.cause]:
        words.append(f"expected cause {expect.cause}, found {' and '.join(found) or NOTHING}")
    if expect.verdict is not None:
        words += islice(_misstated(run), MOST_SAID)
    if expect.value is not None:
        said = [_value(expect.value, outcome) for outcome in run]
        words += [*dict.fromkeys(one for one in said if one is not None)]
    return words


def _misstated(run: Run) -> Iterator[str]:
    """Yield where the derivative that the author states is not the derivative, whatever torch made of it."""
    for outcome in run if Verdict.DISAGREE in run.tally.stated else ():
        for one in outcome.gradients:
            found = one.expectations
            wrong = [] if found is None else found.where(found.is_(Verdict.DISAGREE))
            if wrong and one.expected is not None:
                value, fmt = one.expected[wrong[0]], FORMATS[outcome.dtype]
                stated = NOTHING if value is None else fmt.text(value)
                yield f"expected gradient {stated} by {one.input}, found {exact_text(one.exact[wrong[0]], fmt)}"


def _causes(run: Run, verdict: Verdict) -> list[str]:
    """Return what was blamed for the elements with this verdict, of the gradients or else of the value."""
    few = run.leading()  # of no other one anything was looked for
    judged: list[list[GradientOutcome] | list[LayerOutcome]] = [
        [one for outcome in few for one in outcome.gradients], [one for outcome in few for one in outcome.layers[-1:]]
    ]  # fmt: skip
    for some in judged:
        blames = [(one.judgements[blame.element], blame) for one in some for blame in one.blames]
        if found := {blame.cause for judgement, blame in blames if judgement.verdict is verdict}:
            return sorted(found)
    return sorted({fault.blame.cause for outcome in few for fault in outcome.faults})


# --- the value ------------------------------------------------------------------------------------


def _value(text: str, outcome: Outcome) -> str | None:
    """Return how the output differs from the value that ``text`` writes, None where it does not."""
    layer, fmt = outcome.value, FORMATS[outcome.dtype]
    if layer is None:
        return f"expected value {text}, found {NOTHING}"
    if layer.exact is None:
        return f"the expected value {text} cannot be compared: the output has {len(layer.values):,} elements"
    expected = _expected(text, outcome)
    for found, wanted in zip(layer.exact, expected, strict=True):
        if not _same(found, wanted, fmt):
            return f"expected value {_shown(wanted, fmt)}, found {_shown(found, fmt)}"
    return None


def _expected(text: str, outcome: Outcome) -> Sequence[Ball | None]:
    """Return the elements of a program over the same inputs at the same point, spread over the output's shape."""
    import numpy as np

    from gradcheck import exact
    from gradcheck.functions.params import shape_text
    from gradcheck.lower import lower
    from gradcheck.parse import parse

    program = parse(text, outcome.program.inputs)
    for name in program.inputs:
        if name not in outcome.point:
            strange = f"the expected value reads {name}, which is no input of the program"
            raise NameProblem(strange, hint=f"it has {', '.join(outcome.point)}")
    shapes = {name: value.shape for name, value in outcome.point.items()}
    core, shape = lower(program, shapes), outcome.layers[-1].shape
    if core.shapes[program.output] not in ((), shape):
        made = shape_text(core.shapes[program.output])
        raise ShapeProblem(f"the expected value is {made}, and the output is {shape_text(shape)}")
    point = {name: np.reshape(np.array(outcome.rounded[name]), shapes[name]) for name in shapes}
    bits = max(outcome.bits, exact.START_BITS)
    truth = exact.Truth(core, point)
    balls = exact.balls(np.broadcast_to(truth.values(bits)[program.output], shape), bits)
    found = [one if isinstance(one, Ball) else None for one in balls]
    truth.sharpen(found, EXACT_DIGITS[outcome.dtype])
    return found


def _same(found: Ball | None, wanted: Ball | None, fmt: Format) -> bool:
    """Return whether two enclosures overlap, or round to the same number; what has no value is like nothing."""
    if found is None or wanted is None:
        return False
    overlap = found.lower <= wanted.upper and wanted.lower <= found.upper
    return overlap or fmt.round_dyadic(found.midpoint) == fmt.round_dyadic(wanted.midpoint)


def _shown(ball: Ball | None, fmt: Format) -> str:
    return NOTHING if ball is None else exact_text(ball, fmt)
