"""A run within a JSON document: all that the outcomes hold, no number rounded; see ``schema/report.schema.json``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from math import isfinite
from typing import Any

from gradcheck.blame import Blame, Fix, Reading
from gradcheck.compare import Judgement
from gradcheck.expect import Misstated
from gradcheck.formats import Ball, Estimate
from gradcheck.gradients import GradientOutcome, Places
from gradcheck.judgements import ranks
from gradcheck.lane import Lane
from gradcheck.notation import own_place
from gradcheck.outcome import Floats, LayerOutcome, Outcome, Run
from gradcheck.peers import Contradiction, peers
from gradcheck.program import Program, Shape, to_text, unravel
from gradcheck.report.places import named, point_text
from gradcheck.report.streamed import pieces, plain
from gradcheck.repro import command, hexadecimal
from gradcheck.verdict import Verdict, worst

SCHEMA_VERSION = 5
"""Raised whenever a reader of the old document could misread the new one: since 3 lists may be cut, so that the place
of an element in its list no longer tells its index, nor their length how many there are; since 4 one check is a batch
of one, whose counts are those of checks; since 5 there are several lanes, and the index of an element begins with what
it is differentiated by before."""
ENCLOSURE_DIGITS = 40
"""Digits of the ends of an enclosure, which are rounded outwards."""
MOST = 1_000
"""Elements of one tensor up to which all are written; of more the worst, unless everything is asked for."""
SHOWN = 100
"""The worst elements of a large tensor that are written, the worst of many points, the first numbers of a layer."""

Object = dict[str, Any]


def render(run: Run, *, everything: bool = False) -> str:
    """Return the run as printable ASCII with one line for each element; the same run gives the same bytes."""
    return "".join(pieces(described(run, everything=everything))) + "\n"


def document(run: Run, *, everything: bool = False) -> Object:
    """Return the run as dictionaries, lists, texts and finite numbers, ready for ``json.dumps``."""
    made: Object = plain(described(run, everything=everything))
    return made


def described(run: Run, *, everything: bool = False) -> Object:
    """Return the same with iterators in place of what may be long; ``streamed`` writes them."""
    outcomes = run if everything else run.leading(SHOWN)
    return {
        "schema_version": SCHEMA_VERSION,
        "verdict": run.verdict.value,
        "exit_code": int(run.exit),
        "counts": _counts(run.counts()),
        "failing": sorted(run.failing),
        "tolerance_ulps": _finite(run.ulps),
        "seed": run.seed,
        "cotangent": run.cotangent,
        "lanes": [_lane(one) for one in run.lanes],
        "contradictions": [_contradiction(one) for each in peers(run.leading()) for one in each.contradictions[:SHOWN]],
        "environment": dict(sorted(run.environment.items())),
        "outcomes": (_outcome(run, outcome, everything) for outcome in outcomes),
        "left_out": len(run) - len(outcomes),
    }


def _lane(lane: Lane) -> Object:
    way = lane.way
    return {
        "dtype": lane.dtype, "way": way.name, "order": way.order, "engine": lane.engine, "device": lane.device
    }  # fmt: skip


def _contradiction(one: Contradiction) -> Object:
    """Return an element of which lanes have different numbers, each with the lanes that have it."""
    outcome, gradient = one.peers.first, one.gradient
    return {
        "dtype": outcome.dtype,
        "point": point_text(outcome, lane=False),
        "derivative": named(outcome, gradient, one.k),
        "input": gradient.input,
        "along": _along(gradient),
        "index": list(unravel(gradient.shape, one.k)),
        "enclosure": _enclosure(gradient.ball(one.k)),
        "sides": [
            {"lanes": list(map(str, lanes)), "torch": None if number is None else _number(number)}
            for lanes, number in one.sides
        ],
    }


def _along(gradient: GradientOutcome) -> list[Object]:
    return [{"name": name, "shape": list(shape)} for name, shape in gradient.along]


def _outcome(run: Run, outcome: Outcome, everything: bool) -> Object:
    lane = outcome.in_lane
    return {
        "verdict": outcome.verdict.value,
        "counts": _counts(outcome.counts()),
        "error": outcome.error,
        "notes": list(outcome.notes),
        "command": command(run, outcome),
        "way": lane.way.name,
        "order": lane.way.order,
        "engine": lane.engine,
        "dtype": outcome.dtype,
        "device": outcome.device,
        "bits": outcome.bits,
        "tolerance_ulps": outcome.ulps,
        "program": _program(outcome.program),
        "gradient_program": list(outcome.gradient_program),
        "point": [
            {"input": name, "text": value.text, "shape": list(value.shape), "why": value.why,
             **_numbers("rounded", outcome.rounded[name], everything)}
            for name, value in outcome.point.items()
        ],
        "layers": [_layer(layer, everything) for layer in outcome.layers],
        "value": None if outcome.value is None else _value(outcome.value, everything),
        "gradients": [
            _gradient(gradient, outcome.rounded[gradient.input], everything) for gradient in outcome.gradients
        ],
        "faults": [{**_judgement(one.judgement), "blame": _blame(one.blame, None)} for one in outcome.faults],
    }  # fmt: skip


def _program(program: Program) -> Object:
    return {
        "source": program.source,
        "inputs": list(program.inputs),
        "layers": [{"name": layer.name, "text": to_text(layer.expression)} for layer in program.layers],
        "output": program.output,
    }


def _layer(layer: LayerOutcome, everything: bool) -> Object:
    return {
        "name": layer.name,
        "text": layer.text,
        "shape": list(layer.shape),
        "grad_fn": layer.grad_fn,
        **_numbers("values", layer.values, everything),
        "enclosure": None if layer.exact is None else [_enclosure(ball) for ball in layer.exact],
        "derivatives": [{"by": name, "text": text} for name, text in layer.derivatives.items()],
    }


def _value(layer: LayerOutcome, everything: bool) -> Object:
    """Return the verdicts on the elements of the output."""
    found, numbers = layer.judgements, layer.values.ravel()
    at = _kept(len(found), layer.blames, everything, lambda: ranks([found]).mildest_first())
    return {
        "layer": layer.name,
        "verdict": worst({Verdict.AGREE, *found.verdicts()}).value,
        "worst_ulps": _finite(found.worst_ulps),
        "counts": _counts(found.counts()),
        "elements": (
            {"index": list(unravel(layer.shape, k)), **_judgement(found[k]), "torch": _number(numbers.item(k))}
            for k in at
        ),
        "left_out": len(found) - len(at),
        "blames": [_blame(one, layer.shape) for one in layer.blames],
    }


# --- gradients ------------------------------------------------------------------------------------


def _gradient(gradient: GradientOutcome, point: Floats, everything: bool) -> Object:
    at = _kept(len(gradient.judgements), gradient.blames, everything, gradient.mildest_first)
    return {
        "input": gradient.input,
        "order": gradient.order,
        "along": _along(gradient),
        "jacobian": gradient.jacobian,
        "shape": list(gradient.shape),
        "formula": gradient.formula,
        "verdict": gradient.verdict.value,
        "worst_ulps": _finite(gradient.worst_ulps),
        "counts": _counts(gradient.judgements.counts()),
        "elements": _elements(gradient, point, at),
        "left_out": len(gradient.judgements) - len(at),
        "blames": [_blame(one, gradient.shape) for one in gradient.blames],
        "misstated": None if gradient.misstated is None else _misstated(gradient.misstated, gradient.shape),
    }


def _misstated(found: Misstated, shape: Shape) -> Object:
    return {
        "index": list(unravel(shape, found.element)), "written": found.written, "derivative": found.formula,
        "here": found.here, "rule": found.rule, "sentence": found.sentence,
    }  # fmt: skip


def _kept(count: int, blames: Sequence[Blame], everything: bool, order: Callable[[], Places]) -> Sequence[int]:
    """Return the elements that are written: all, or of a large tensor the worst and those that something is said of."""
    if everything or count <= MOST:
        return range(count)
    return sorted({*order()[-SHOWN:].tolist(), *(blame.element for blame in blames)})


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


def _elements(gradient: GradientOutcome, point: Floats, at: Sequence[int]) -> Iterator[Object]:
    for k in at:
        torch, known = gradient.number(k), gradient.exact[k]
        yield {
            "index": list(unravel(gradient.shape, k)),
            "at": _number(point.item(own_place(gradient, k))),
            **_judgement(gradient.judgements[k]),
            "torch": None if torch is None else _number(torch),
            "enclosure": _enclosure(known if isinstance(known, Ball) else None),
            "estimate": _enclosure(known.ball if isinstance(known, Estimate) else None),
            "expected": _expected(gradient, k),
        }


def _expected(gradient: GradientOutcome, k: int) -> Object | None:
    if gradient.expected is None or gradient.expectations is None:
        return None
    value = gradient.expected[k]
    return {**_judgement(gradient.expectations[k]), "value": None if value is None else _number(value)}


def _judgement(judgement: Judgement) -> Object:
    return {"verdict": judgement.verdict.value, "ulps": _finite(judgement.ulps), "note": judgement.note}


def _counts(counts: Counter[Verdict]) -> Object:
    return {verdict.value: counts[verdict] for verdict in Verdict}


# --- numbers --------------------------------------------------------------------------------------


def _numbers(name: str, values: Floats, everything: bool) -> Object:
    """Return the numbers of a tensor, of a large one the first, and how many are left out."""
    flat = values.ravel()
    shown = flat if everything or len(flat) <= MOST else flat[:SHOWN]
    return {name: (_number(value.item()) for value in shown), "left_out": len(flat) - len(shown)}


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
