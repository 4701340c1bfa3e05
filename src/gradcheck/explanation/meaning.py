"""What derivatives are called, and what a gradient means, in one sentence."""

from __future__ import annotations

from collections.abc import Sequence

from gradcheck.display import letters
from gradcheck.explanation.lanes import Lanes
from gradcheck.explanation.model import Chain
from gradcheck.explanation.shown import Formula, at, letter, quotient
from gradcheck.formats import Ball, exact_text
from gradcheck.notation import indexed
from gradcheck.program import Layer, Name, Node, call, names, unravel
from gradcheck.verdict import Verdict


def output_name(lanes: Lanes) -> str:
    """Return what the output is called: f where the program is a single expression."""
    return "f" if len(lanes.told.program.layers) == 1 else lanes.told.output


def differentiated(lanes: Lanes) -> Node:
    """Return what is differentiated: the output, or the sum of its elements."""
    name = Name(output_name(lanes))
    return call("sum", name) if lanes.told.shapes[lanes.told.output] else name


def element(lanes: Lanes, name: str, rank: int, called: str | None = None) -> Node:
    """Return an element of a layer or an input, with indices that are counted from the right of ``rank`` axes."""
    return at(called or name, [letter(one) for one in letters(lanes.told.shapes[name], rank)])


def derivation_title(lanes: Lanes, layer: Layer, by: str) -> Formula:
    """Return ``d z[i, j]/d y[i, j]``, or ``d f/d x`` where the program is one formula."""
    rank = len(lanes.told.shapes[layer.name])
    called = "f" if len(lanes.told.program.layers) == 1 else None
    above, below = element(lanes, layer.name, rank, called), element(lanes, by, rank)
    return Formula(quotient(above, below, partial=len(names(layer.expression)) > 1))


def meaning(lanes: Lanes, chains: Sequence[Chain]) -> str | None:
    """Return what the gradient means here, in one sentence; None where there is no number to speak of."""
    output = output_name(lanes)
    value = lanes.value(lanes.told.output)
    known = [
        (chain, k, ball)
        for chain in chains
        for k, ball in enumerate(chain.gradient.exact or ())
        if isinstance(ball, Ball)
    ]
    if not known:
        return None
    chain, k, slope = max(known, key=lambda item: abs(item[2].nearest))
    text = exact_text(slope, lanes.format)
    if len(lanes.told.program.inputs) == 1 and not chain.point.shape and not value.shape:
        return _slope(lanes, chain, text)
    place = indexed(chain.input, unravel(chain.point.shape, k))
    whole = f"sum({output})" if value.shape else output
    most = "; no other input moves it more" if len(known) > 1 else ""
    return f"moving {place} by a small h moves {whole} by about {text}*h{most}"


def _slope(lanes: Lanes, chain: Chain, slope: str) -> str | None:
    value = (lanes.value(lanes.told.output).exact or (None,))[0]
    if value is None:
        return None
    x = lanes.format.text((chain.point.torch or (0.0,))[0])
    y = exact_text(value, lanes.format)
    name = output_name(lanes)
    sign = "-" if slope.startswith("-") else "+"
    step = f"({chain.input} + {x[1:]})" if x.startswith("-") else f"({chain.input} - {x})"
    near = f"near {chain.input} = {x}, {name} is about {y} {sign} {slope.lstrip('-')}*{step}"
    wrong = any(Verdict(one).fails for one in chain.verdicts)
    return f"{slope} is the {'true ' if wrong else ''}slope at ({x}, {y}): {near}"
