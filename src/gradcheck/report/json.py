"""The run as JSON: all that the outcomes hold, no number rounded; ``schema/report.schema.json`` describes it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import product
from math import isfinite
from typing import Any

from gradcheck.blame import Blame, Fix, Reading
from gradcheck.compare import Judgement
from gradcheck.formats import Ball, Estimate
from gradcheck.gradients import GradientOutcome
from gradcheck.outcome import Floats, LayerOutcome, Outcome, Run
from gradcheck.program import Program, Shape, to_text, unravel
from gradcheck.repro import command, hexadecimal
from gradcheck.verdict import Verdict, worst

SCHEMA_VERSION = 2
"""Raised whenever a reader of the old document could misread the new one."""
ENCLOSURE_DIGITS = 40
"""Digits of the ends of an enclosure, which are rounded outwards."""

Object = dict[str, Any]


def render(run: Run) -> str:
    """Return the document as printable ASCII with one line for each element; the same run gives the same bytes."""
    return written(document(run)).replace("\x7f", "\\u007f") + "\n"


def document(run: Run) -> Object:
    """Return the run as dictionaries, lists, texts and finite numbers, ready for ``json.dumps``."""
    return {
        "schema_version": SCHEMA_VERSION,
        "verdict": run.verdict.value,
        "exit_code": int(run.exit),
        "counts": _counts(run.counts()),
        "failing": sorted(run.failing),
        "tolerance_ulps": _finite(run.ulps),
        "seed": run.seed,
        "environment": dict(sorted(run.environment.items())),
        "outcomes": [_outcome(run, outcome) for outcome in run],
    }


def _outcome(run: Run, outcome: Outcome) -> Object:
    return {
        "verdict": outcome.verdict.value,
        "counts": _counts(outcome.counts()),
        "error": outcome.error,
        "notes": list(outcome.notes),
        "command": command(run, outcome),
        "dtype": outcome.dtype,
        "device": outcome.device,
        "bits": outcome.bits,
        "tolerance_ulps": outcome.ulps,
        "program": _program(outcome.program),
        "gradient_program": list(outcome.gradient_program),
        "point": [
            {"input": name, "text": value.text, "shape": list(value.shape), "rounded": _numbers(outcome.rounded[name])}
            for name, value in outcome.point.items()
        ],
        "layers": [_layer(layer) for layer in outcome.layers],
        "value": None if outcome.value is None else _value(outcome.value),
        "gradients": [_gradient(gradient) for gradient in outcome.gradients],
        "faults": [{**_judgement(one.judgement), "blame": _blame(one.blame, None)} for one in outcome.faults],
    }


def _program(program: Program) -> Object:
    return {
        "source": program.source,
        "inputs": list(program.inputs),
        "layers": [{"name": layer.name, "text": to_text(layer.expression)} for layer in program.layers],
        "output": program.output,
    }


def _layer(layer: LayerOutcome) -> Object:
    return {
        "name": layer.name,
        "text": layer.text,
        "shape": list(layer.shape),
        "grad_fn": layer.grad_fn,
        "values": _numbers(layer.values),
        "enclosure": None if layer.exact is None else [_enclosure(ball) for ball in layer.exact],
        "derivatives": [{"by": name, "text": text} for name, text in layer.derivatives.items()],
    }


def _value(layer: LayerOutcome) -> Object:
    """Return the verdicts on the elements of the output."""
    ulps = layer.judgements.worst_ulps
    indices = product(*map(range, layer.shape))
    return {
        "layer": layer.name,
        "verdict": worst({Verdict.AGREE, *layer.judgements.verdicts()}).value,
        "worst_ulps": _finite(ulps),
        "elements": [
            {"index": list(index), **_judgement(one)} for index, one in zip(indices, layer.judgements, strict=False)
        ],
        "blames": [_blame(one, layer.shape) for one in layer.blames],
    }


# --- gradients ------------------------------------------------------------------------------------


def _gradient(gradient: GradientOutcome) -> Object:
    return {
        "input": gradient.input,
        "shape": list(gradient.shape),
        "formula": gradient.formula,
        "verdict": gradient.verdict.value,
        "worst_ulps": _finite(gradient.worst_ulps),
        "elements": list(_elements(gradient)),
        "blames": [_blame(one, gradient.shape) for one in gradient.blames],
    }


def _blame(blame: Blame, shape: Shape | None) -> Object:
    return {
        "index": None if shape is None else list(unravel(shape, blame.element)),
        "cause": blame.cause.value,
        "operation": blame.operation,
        "span": None if blame.span is None else [blame.span.start, blame.span.end],
        "message": blame.message,
        "readings": [_reading(one) for one in blame.readings],
        "beside": blame.beside,
        "limit": _enclosure(blame.limit),
        "fix": None if blame.fix is None else _fix(blame.fix),
    }


def _reading(one: Reading) -> Object:
    return {
        "text": one.text,
        "quantity": one.quantity,
        "index": list(one.index),
        "torch": None if one.torch is None else _number(one.torch),
        "enclosure": _enclosure(one.exact),
        "culprit": one.culprit,
    }


def _fix(fix: Fix) -> Object:
    return {
        "name": fix.name, "before": fix.before, "after": fix.after, "program": fix.program,
        "verdicts": list(fix.verdicts), "bits": list(fix.bits), "unlike": fix.unlike,
    }  # fmt: skip


def _elements(gradient: GradientOutcome) -> Iterator[Object]:
    nothing = [None] * len(gradient.judgements)
    columns = zip(
        product(*map(range, gradient.shape)),
        gradient.judgements,
        nothing if gradient.torch is None else _numbers(gradient.torch),
        gradient.exact,
        _expected(gradient) or nothing,
        strict=True,
    )
    for index, judgement, torch, ball, expected in columns:
        yield {
            "index": list(index),
            **_judgement(judgement),
            "torch": torch,
            "enclosure": _enclosure(ball if isinstance(ball, Ball) else None),
            "estimate": _enclosure(ball.ball if isinstance(ball, Estimate) else None),
            "expected": expected,
        }


def _expected(gradient: GradientOutcome) -> list[Object] | None:
    if gradient.expected is None or gradient.expectations is None:
        return None
    pairs = zip(gradient.expected, gradient.expectations, strict=True)
    return [{**_judgement(judgement), "value": None if value is None else _number(value)} for value, judgement in pairs]


def _judgement(judgement: Judgement) -> Object:
    return {"verdict": judgement.verdict.value, "ulps": _finite(judgement.ulps), "note": judgement.note}


def _counts(counts: Counter[Verdict]) -> Object:
    return {verdict.value: counts[verdict] for verdict in Verdict}


# --- numbers --------------------------------------------------------------------------------------


def _numbers(values: Floats) -> list[Object]:
    return [_number(value) for value in values.ravel().tolist()]


def _number(value: float) -> Object:
    """Return the number, null where it is not finite, and all its bits for ``float.fromhex``."""
    return {"value": _finite(value), "hex": hexadecimal(value)}


def _finite(value: float | None) -> float | None:
    return value if value is not None and isfinite(value) else None


def _enclosure(ball: Ball | None) -> Object | None:
    if ball is None:
        return None
    lower, upper = ball.decimals(ENCLOSURE_DIGITS)
    return {"lower": lower, "upper": upper}


# --- text -----------------------------------------------------------------------------------------

_encode = json.JSONEncoder(allow_nan=False).encode  # all beyond ASCII is escaped, whatever the terminal reads


def written(value: Any, margin: str = "\n") -> str:
    """Return JSON with what holds a list of anything but integers spread over lines, and all else on one line."""
    if _is_flat(value):
        return _encode(value)
    inner = f"{margin}  "
    if isinstance(value, dict):
        return _spread((f"{_encode(key)}: {written(part, inner)}" for key, part in value.items()), "{}", margin)
    if _is_flat(value[0]):  # and so is the rest: the items of a list are alike, and there may be many
        return _spread(map(_encode, value), "[]", margin)
    return _spread((written(part, inner) for part in value), "[]", margin)


def _spread(parts: Iterable[str], brackets: str, margin: str) -> str:
    return f"{brackets[0]}{margin}  {f',{margin}  '.join(parts)}{margin}{brackets[1]}"


def _is_flat(value: Any) -> bool:
    if isinstance(value, dict):
        return all(map(_is_flat, value.values()))
    return not isinstance(value, list) or all(isinstance(part, int) for part in value)
